//! Canonical compression, form 1: which bytes a layer becomes.
//!
//! This is a published format: every digest that restamp writes depends on it. It is a function of the patched
//! tar stream and of a codec and its level, and of nothing else. A change of anything below is another form with
//! another number; the golden digests in `tests.rs` fail where a byte moves.
//!
//! # Cuts
//!
//! The stream is cut into chunks, which are compressed each for itself and written one after the other. Two
//! numbers depend on the codec: the target T and the size L from which a file is large.
//!
//! | codec | T | L | level | levels allowed |
//! |---|---|---|---|---|
//! | gzip | 1 MiB | 256 KiB | 5 | 1 to 12 |
//! | zstd | 4 MiB | 1 MiB | 3 | 1 to 19 |
//!
//! The stream is a sequence of runs: *headers* (an entry's header with the extension headers before it, as one
//! unit; a global extension header; the first zero block of the end marker, with extension headers before it
//! that no entry follows), *content* (of one entry, with the padding to the next multiple of 512), and the *rest*
//! (the extension blocks of an old GNU sparse header; the content of eStargz's index, `stargz.index.json`; and all
//! that follows the first zero block).
//!
//! 1. Before headers, a chunk of T bytes or more ends.
//! 2. Content of L bytes or more (padding included) is large. The chunk before it ends, so that its headers are
//!    never in a chunk with it; it is split at every T from its own start; and the chunk ends after its last byte.
//!    The chunks of a large file are thereby a function of its content alone.
//! 3. Other content and the rest belong to the chunk that they follow.
//! 4. Whatever the run, a chunk that holds 2·T bytes ends.
//!
//! A chunk is never empty, but for one: a stream of no bytes is one empty chunk.
//!
//! # gzip
//!
//! Each chunk is one gzip member (RFC 1952) as libdeflate 1.26's `libdeflate_gzip_compress` writes it: flags 0, MTIME 0,
//! OS 255 (unknown); XFL 4 at level 1, 2 from level 8 on and 0 at the levels between (so 0 at the default); then
//! the deflate stream, the CRC-32 and the size. The empty one is 23 bytes, one stored block of none.
//!
//! # zstd
//!
//! Each chunk is one frame (RFC 8878) as libzstd 1.5.7's `ZSTD_compress2` writes it in one call and in one thread:
//! with its content size, without checksum and dictionary ID, without long-distance matching, the match finder's
//! parameters being those that the library derives from the level and the size of the chunk.

use crate::error::{Error, Result};
use crate::media_type::Compression;
use crate::memory;
use crate::tar::NewHeaders;
use libdeflater::{CompressionLvl, Compressor};
use std::fmt;
use zstd::zstd_safe::{CParameter, compress_bound};

#[cfg(test)]
mod tests;

/// The number of this form.
pub const FORM: u32 = 1;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a layer is compressed to: a codec and its level, known to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Output {
    compression: Compression,
    level: u8,
}

impl Output {
    /// No compression.
    pub const NONE: Self = Self { compression: Compression::None, level: 0 };
    /// gzip members at the default level.
    pub const GZIP: Self = Self { compression: Compression::Gzip, level: 5 };
    /// zstd frames at the default level.
    pub const ZSTD: Self = Self { compression: Compression::Zstd, level: 3 };

    /// A codec at a level, or at its default level.
    ///
    /// # Errors
    ///
    /// The codec has no such level, or can't be set up.
    pub fn new(compression: Compression, level: Option<u32>) -> Result<Self> {
        let (default, highest) = match compression {
            Compression::None => (Self::NONE, 0),
            Compression::Gzip => (Self::GZIP, 12),
            Compression::Zstd => (Self::ZSTD, 19),
        };
        match level {
            None => Ok(default),
            Some(level) if (1..=highest).contains(&level) => {
                Ok(Self { compression, level: u8::try_from(level).unwrap_or(default.level) })
            }
            Some(_) if compression == Compression::None => {
                Err(Error::refused("a compression level makes no sense without compression"))
            }
            Some(level) => {
                let expected = format!("1 to {highest} for {}", compression.name());
                Err(Error::malformed("compression level", expected, level))
            }
        }
    }

    /// The codec.
    pub fn compression(self) -> Compression {
        self.compression
    }

    /// The level; 0 where nothing is compressed.
    pub fn level(self) -> u32 {
        u32::from(self.level)
    }

    /// T and L of the cut rule. A plain tar needs no cuts; those of gzip serve to pass it on in pieces.
    fn sizes(self) -> (u64, u64) {
        match self.compression {
            Compression::None | Compression::Gzip => (MIB, 256 * KIB),
            Compression::Zstd => (4 * MIB, MIB),
        }
    }

    /// No chunk is longer, uncompressed: rule 4.
    pub fn longest_chunk(self) -> usize {
        usize::try_from(2 * self.sizes().0).unwrap_or(usize::MAX)
    }

    /// How every gzip member begins: flags 0, MTIME 0, XFL by the level, OS 255.
    pub(super) fn gzip_header(self) -> [u8; 10] {
        let xfl = match self.level {
            0 | 1 => 4,
            2..=7 => 0,
            8.. => 2,
        };
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff]
    }

    /// The size that few chunks are above: what a chunk of less than T may still take before the next headers.
    pub(super) fn usual_chunk(self) -> usize {
        let (target, large) = self.sizes();
        usize::try_from(target + large).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Output {
    /// As a report names it: `gzip level 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.compression {
            Compression::None => f.write_str("none"),
            compression => write!(f, "{} level {}", compression.name(), self.level),
        }
    }
}

/// A part of a tar stream, as the cut rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// All headers of an entry, a global header, or the start of the end marker.
    Headers,
    /// The content of an entry.
    Content {
        /// Its size with padding.
        total: u64,
    },
    /// What continues the headers before it, and what follows the end marker.
    Rest,
}

impl Segment {
    /// What these headers are of.
    pub fn of_headers(headers: &NewHeaders<'_>) -> Self {
        if headers.is_loose { Self::Rest } else { Self::Headers }
    }

    /// The content of an entry, of that size with padding: eStargz's index is of the rest.
    pub fn of_content(is_toc: bool, padded_size: u64) -> Self {
        if is_toc { Self::Rest } else { Self::Content { total: padded_size } }
    }
}

/// The cut rule: from the kinds and lengths of what comes, it says where chunks end. It sees no bytes.
///
/// Call [`begin`](Self::begin) at the start of each run, and then, for as long as the run has bytes, take up to
/// [`room`](Self::room) of them, and then call [`add`](Self::add).
#[derive(Debug, Clone)]
pub struct ChunkRule {
    target: u64,
    large: u64,
    /// Bytes in the current chunk.
    held: u64,
    /// Bytes that are still to come of a large file's content.
    left: Option<u64>,
}

impl ChunkRule {
    /// At the start of a stream.
    pub fn new(output: Output) -> Self {
        let (target, large) = output.sizes();
        Self { target, large, held: 0, left: None }
    }

    /// A run begins. Does the current chunk end before it?
    #[must_use]
    pub fn begin(&mut self, run: Segment) -> bool {
        self.left = None;
        let ends = match run {
            Segment::Headers => self.held >= self.target,
            Segment::Content { total } if total >= self.large => {
                self.left = Some(total);
                self.held > 0
            }
            Segment::Content { .. } | Segment::Rest => false,
        };
        if ends {
            self.held = 0;
        }
        ends
    }

    /// How many bytes of the run the current chunk can take; never 0.
    pub fn room(&self) -> u64 {
        let limit = if self.left.is_some() { self.target } else { 2 * self.target };
        limit.saturating_sub(self.held).max(1)
    }

    /// The current chunk has taken this many bytes, at most [`room`](Self::room). Does it end after them?
    #[must_use]
    pub fn add(&mut self, bytes: u64) -> bool {
        self.held = self.held.saturating_add(bytes);
        let mut ends = self.held >= 2 * self.target;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes);
            ends = *left == 0 || self.held >= self.target;
        }
        if ends {
            self.held = 0;
        }
        ends
    }
}

/// Compresses chunks, one after the other, keeping its tables and its output buffer.
pub struct Encoder {
    codec: Codec,
    buffer: Vec<u8>,
}

enum Codec {
    None,
    Gzip(Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Encoder {
    /// An encoder for one codec and level.
    ///
    /// # Errors
    ///
    /// The codec has no such level, or can't be set up.
    pub fn new(output: Output) -> Result<Self> {
        let failed = |error| Error::io("cannot set up compression", error);
        let codec = match output.compression {
            Compression::None => Codec::None,
            Compression::Gzip => {
                let level = CompressionLvl::new(i32::from(output.level))
                    .map_err(|_| failed(std::io::ErrorKind::InvalidInput.into()))?;
                Codec::Gzip(Compressor::new(level))
            }
            Compression::Zstd => {
                let mut compressor = zstd::bulk::Compressor::new(i32::from(output.level)).map_err(failed)?;
                for parameter in [
                    CParameter::ContentSizeFlag(true),
                    CParameter::ChecksumFlag(false),
                    CParameter::DictIdFlag(false),
                    CParameter::EnableLongDistanceMatching(false),
                    CParameter::TargetCBlockSize(0),
                ] {
                    compressor.set_parameter(parameter).map_err(failed)?;
                }
                Codec::Zstd(compressor)
            }
        };
        Ok(Self { codec, buffer: Vec::new() })
    }

    /// The compressed form of a chunk: one member or one frame. It is valid until the next call.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn encode<'a>(&'a mut self, chunk: &'a [u8]) -> Result<&'a [u8]> {
        let buffer = &mut self.buffer;
        match &mut self.codec {
            Codec::None => Ok(chunk),
            Codec::Gzip(compressor) => {
                let bound = compressor.gzip_compress_bound(chunk.len());
                memory::grow(buffer, bound)?;
                let len = compressor
                    .gzip_compress(chunk, buffer)
                    .map_err(|error| Error::io("cannot compress", std::io::Error::other(error)))?;
                Ok(buffer.get(..len).unwrap_or_default())
            }
            Codec::Zstd(compressor) => {
                buffer.clear();
                memory::reserve(buffer, compress_bound(chunk.len()))?;
                compressor.compress_to_buffer(chunk, buffer).map_err(|error| Error::io("cannot compress", error))?;
                Ok(buffer)
            }
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = match self.codec {
            Codec::None => Compression::None,
            Codec::Gzip(_) => Compression::Gzip,
            Codec::Zstd(_) => Compression::Zstd,
        };
        f.debug_struct("Encoder").field("codec", &codec).field("buffer", &self.buffer.capacity()).finish()
    }
}

/// Compresses a file of a layer with gzip: each MiB of it as a chunk.
///
/// # Errors
///
/// The compressor can't be set up.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(Output::GZIP)?;
    let mut out = Vec::new();
    let chunk = usize::try_from(MIB).unwrap_or(usize::MAX);
    let none: &[u8] = &[];
    for chunk in bytes.chunks(chunk).chain(bytes.is_empty().then_some(none)) {
        out.extend_from_slice(encoder.encode(chunk)?);
    }
    Ok(out)
}
