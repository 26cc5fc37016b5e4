//! A layer's blob, read once: verified against what names it, and decompressed.
//!
//! Which compression it has is read from its first bytes, never from a media type. A blob ends where its last gzip
//! member or zstd frame ends: anything after that is an error, as the readers of Docker and containerd have it.

use std::io::{self, Read};

use crate::blob::Expected;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Kind, Result, printable};
use crate::media_type::{Compression, sniff_unread, unread_layer_error};
use zstd::stream::raw::{Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

mod gunzip;
mod input;
mod window;

use gunzip::Gunzip;
use input::Input;
pub use window::Window;
use window::{HEADER_MAX, WINDOW_LOG_MAX};

/// What a blob has to be. What is not given is not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerExpected {
    /// The digest of the blob as it is stored.
    pub digest: Option<Digest>,
    /// Its size as it is stored.
    pub size: Option<u64>,
    /// The digest of its uncompressed bytes.
    pub diff_id: Option<Digest>,
}

impl LayerExpected {
    /// What is expected of the blob as it is stored.
    pub fn blob(&self) -> Expected {
        Expected { digest: self.digest, size: self.size }
    }

    /// The algorithm of the diff_id: that of the one which is expected.
    pub fn diff_id_algorithm(&self, otherwise: Algorithm) -> Algorithm {
        self.diff_id.map_or(otherwise, |diff_id| diff_id.algorithm())
    }
}

enum Codec {
    /// Not compressed, or in a way that is not read, by its name.
    None(Option<&'static str>),
    Gzip(Gunzip),
    Zstd(Unzstd),
}

/// The uncompressed bytes of a blob, whatever its compression.
///
/// Its end is reached only if the blob has the size and the digest that were expected of it.
pub struct Decoder {
    input: Input,
    codec: Codec,
    out: u64,
}

impl Decoder {
    /// Starts to read; the first bytes are read to see what they are. Of `expect`, the diff_id is not looked at:
    /// the caller, who has the uncompressed bytes, can hash them while this decompresses on. No zstd frame may ask for a
    /// larger window than this one.
    ///
    /// # Errors
    ///
    /// The blob can't be read, or is another one than expected.
    pub fn new(source: Box<dyn Read + Send>, expect: &LayerExpected, window: Window) -> Result<Self> {
        let mut input = Input::new(source, expect.blob());
        let head = input.at_least(10)?;
        let codec = match Compression::sniff(head) {
            Compression::None => Codec::None(sniff_unread(head)),
            Compression::Gzip => Codec::Gzip(Gunzip::default()),
            Compression::Zstd => Codec::Zstd(Unzstd::new(window)?),
        };
        Ok(Self { input, codec, out: 0 })
    }

    /// What the blob turned out to be.
    pub fn compression(&self) -> Compression {
        match self.codec {
            Codec::None(_) => Compression::None,
            Codec::Gzip(_) => Compression::Gzip,
            Codec::Zstd(_) => Compression::Zstd,
        }
    }

    /// Bytes of the blob read so far.
    pub fn bytes_in(&self) -> u64 {
        self.input.read()
    }

    /// Uncompressed bytes given out so far.
    pub fn bytes_out(&self) -> u64 {
        self.out
    }

    /// The first MTIME that is not 0 in the headers of the gzip members read so far.
    pub fn gzip_mtime(&self) -> Option<u32> {
        match &self.codec {
            Codec::Gzip(gunzip) => gunzip.mtime(),
            _ => None,
        }
    }

    /// The digest of the blob, with the algorithm that was expected, or SHA-256; none before its end has been reached.
    pub fn digest(&self) -> Option<Digest> {
        self.input.digest()
    }

    /// Has the blob hashed on a thread of its own from here on, so that inflating does not wait for it.
    ///
    /// # Errors
    ///
    /// The thread can't be started.
    pub fn hash_aside(&mut self) -> Result<()> {
        self.input.hash_aside()
    }

    /// Fills the buffer; less only at the end, where everything has been verified.
    ///
    /// # Errors
    ///
    /// The blob can't be read or decompressed, or is another one than expected.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize> {
        let result = match &mut self.codec {
            Codec::None(_) => fill_plain(&mut self.input, out),
            Codec::Gzip(gunzip) => gunzip.fill(&mut self.input, out),
            Codec::Zstd(unzstd) => unzstd.fill(&mut self.input, out),
        };
        match result {
            Ok(n) => {
                self.out += n as u64;
                Ok(n)
            }
            Err(error) => Err(self.root_cause(error)),
        }
    }

    /// The true cause of an error in the blob's content: where its bytes are not those that its digest names, that
    /// is what the user needs to know, rather than where a decoder stumbled over them.
    pub fn root_cause(&mut self, error: Error) -> Error {
        let of_content = matches!(error.kind(), Kind::Malformed { .. } | Kind::Limit { .. } | Kind::Refused(_));
        if of_content
            && self.input.is_verified()
            && let Err(cause) = self.input.drain()
        {
            return cause;
        }
        match self.codec {
            Codec::None(Some(by)) if error.is_no_archive() => unread_layer_error(by),
            _ => error,
        }
    }
}

impl Read for Decoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.fill(out)?)
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("compression", &self.compression())
            .field("bytes_in", &self.bytes_in())
            .field("bytes_out", &self.out)
            .finish()
    }
}

/// What is not compressed is read where it is wanted.
fn fill_plain(input: &mut Input, out: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(space) = out.get_mut(filled..).filter(|space| !space.is_empty()) {
        match input.take(space)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Zstandard frames and skippable frames, one after the other.
struct Unzstd {
    decoder: ZstdDecoder<'static>,
    in_frame: bool,
    window: Window,
}

impl Unzstd {
    fn new(window: Window) -> Result<Self> {
        let failed = |error| Error::io("cannot set up zstd", error);
        let mut decoder = ZstdDecoder::new().map_err(failed)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(failed)?;
        Ok(Self { decoder, in_frame: false, window })
    }

    fn fill(&mut self, input: &mut Input, out: &mut [u8]) -> Result<usize> {
        let mut out = OutBuffer::around(out);
        while out.pos() < out.capacity() {
            let offset = input.offset();
            let bytes = input.at_least(4)?;
            if !self.in_frame {
                if bytes.is_empty() {
                    break;
                }
                if Compression::sniff(bytes) != Compression::Zstd {
                    return Err(not_another("zstd frame", bytes, offset));
                }
                self.window.check(input.at_least(HEADER_MAX)?, offset)?;
                self.in_frame = true;
            }
            let bytes = input.at_least(4)?;
            let eof = bytes.is_empty();
            let mut bytes = InBuffer::around(bytes);
            let before = out.pos();
            let hint = self
                .decoder
                .run(&mut bytes, &mut out)
                .map_err(|error| Error::malformed("zstd frame", "valid data", error).at_offset(offset))?;
            let consumed = bytes.pos();
            input.consume(consumed);
            if hint == 0 {
                self.in_frame = false;
            } else if eof && out.pos() == before {
                return Err(truncated("zstd frame", offset));
            }
        }
        Ok(out.pos())
    }
}

/// The error for what follows the last member or frame.
pub(super) fn not_another(what: &'static str, found: &[u8], offset: u64) -> Error {
    let head = found.get(..found.len().min(8)).unwrap_or_default();
    let found = if head.iter().all(|&byte| byte == 0) { "zero bytes".to_owned() } else { printable(head) };
    Error::malformed("compressed data", format!("a {what} or the end"), found).at_offset(offset)
}

/// The error for a blob that ends too early.
pub(super) fn truncated(what: &'static str, offset: u64) -> Error {
    Error::malformed(what, "more bytes", "the end of the blob").at_offset(offset).cut_short()
}
