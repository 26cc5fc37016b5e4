//! Is the cached form of a chunk really that chunk compressed? It is decompressed to find out.

use flate2::{Decompress, FlushDecompress, Status};
use zstd::bulk::Decompressor;
use zstd::zstd_safe::find_frame_compressed_size;

use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::layer::encode::Output;
use crate::media_type::Compression;
use crate::memory;
use crate::sync::lock;

/// The CRC-32 and the size of what a gzip member holds (RFC 1952).
const GZIP_TRAILER: usize = 8;

/// So many chunks are compared at a time, whatever the number of threads: each takes the size of a chunk twice, and two keep
/// up with the stage that reads the layers.
const AT_A_TIME: usize = 2;

/// The comparers of a run.
pub(super) struct Comparers {
    idle: Mutex<Vec<Option<Idle>>>,
    freed: Condvar,
}

/// A comparer, what it is for, and a buffer for what it decompresses.
struct Idle(Output, Comparer, Vec<u8>);

impl Default for Comparers {
    fn default() -> Self {
        Self { idle: Mutex::new((0..AT_A_TIME).map(|_| None).collect()), freed: Condvar::new() }
    }
}

impl fmt::Debug for Comparers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparers").finish_non_exhaustive()
    }
}

impl Comparers {
    /// What `find` finds, if that is a compressed form of this chunk.
    pub(super) fn recall(
        &self,
        output: Output,
        chunk: &[u8],
        find: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Option<Vec<u8>>> {
        let mut kept = self.take().filter(|kept| kept.0 == output);
        let found = find_and_compare(&mut kept, output, chunk, find);
        lock(&self.idle).push(kept);
        self.freed.notify_one();
        found
    }

    fn take(&self) -> Option<Idle> {
        let mut idle = lock(&self.idle);
        loop {
            match idle.pop() {
                Some(kept) => return kept,
                None => idle = self.freed.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

fn find_and_compare(
    kept: &mut Option<Idle>,
    output: Output,
    chunk: &[u8],
    find: impl FnOnce() -> Result<Option<Vec<u8>>>,
) -> Result<Option<Vec<u8>>> {
    let Idle(_, comparer, scratch) = match kept {
        Some(kept) => kept,
        None => kept.insert(Idle(output, Comparer::new(output)?, Vec::new())),
    };
    let Some(found) = find()? else { return Ok(None) };
    memory::grow(scratch, chunk.len() + 1)?;
    let scratch = scratch.get_mut(..=chunk.len()).unwrap_or_default();
    Ok(comparer.is_of(&found, chunk, scratch).then_some(found))
}

/// Compares compressed chunks with what they should hold.
pub(super) enum Comparer {
    /// flate2, as libdeflater does not say how much of the input it has used; for reading only.
    Gzip([u8; 10], Decompress),
    Zstd(Decompressor<'static>),
}

impl Comparer {
    pub(super) fn new(output: Output) -> Result<Self> {
        Ok(match output.compression() {
            Compression::None | Compression::Gzip => Self::Gzip(output.gzip_header(), Decompress::new(false)),
            Compression::Zstd => {
                Self::Zstd(Decompressor::new().map_err(|error| Error::io("cannot set up decompression", error))?)
            }
        })
    }

    /// Is this one member or frame, to its last byte, that holds this chunk and nothing else? `scratch` is one byte longer
    /// than the chunk: however much there is in the member, no more than that is decompressed.
    pub(super) fn is_of(&mut self, compressed: &[u8], chunk: &[u8], scratch: &mut [u8]) -> bool {
        let written = match self {
            Self::Gzip(header, inflate) => gzip_body(*header, compressed, chunk).and_then(|body| {
                inflate.reset(false);
                let status = inflate.decompress(body, scratch, FlushDecompress::Finish).ok()?;
                let is_whole = matches!(status, Status::StreamEnd) && inflate.total_in() == body.len() as u64;
                usize::try_from(inflate.total_out()).ok().filter(|_| is_whole)
            }),
            Self::Zstd(zstd) => {
                let is_one_frame = find_frame_compressed_size(compressed) == Ok(compressed.len());
                is_one_frame.then(|| zstd.decompress_to_buffer(compressed, scratch).ok()).flatten()
            }
        };
        written.and_then(|written| scratch.get(..written)) == Some(chunk)
    }
}

/// The deflate stream of a gzip member, if its header is that of an encoder of form 1 and its trailer that of the chunk.
fn gzip_body<'a>(expected: [u8; 10], member: &'a [u8], chunk: &[u8]) -> Option<&'a [u8]> {
    let (header, rest) = member.split_at_checked(expected.len())?;
    let (body, trailer) = rest.split_at_checked(rest.len().checked_sub(GZIP_TRAILER)?)?;
    let (crc, size) = trailer.split_at_checked(GZIP_TRAILER / 2)?;
    let length = u32::try_from(chunk.len()).ok()?;
    let is_trailer = crc == libdeflater::crc32(chunk).to_le_bytes() && size == length.to_le_bytes();
    (header == expected && is_trailer).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::encode::Encoder;

    fn is_of(output: Output, compressed: &[u8], chunk: &[u8]) -> bool {
        Comparer::new(output).unwrap().is_of(compressed, chunk, &mut vec![0; chunk.len() + 1])
    }

    #[test]
    fn only_one_member_or_frame_with_the_chunk_and_nothing_else_is_taken() {
        let outputs = [1, 5, 8, 12].map(|level| Output::new(Compression::Gzip, Some(level)).unwrap());
        for output in outputs.into_iter().chain([Output::ZSTD]) {
            let encoded = |chunk: &[u8]| Encoder::new(output).unwrap().encode(chunk).unwrap().to_vec();
            for chunk in [&b""[..], b"x", &[7; 300_000]] {
                let good = encoded(chunk);
                assert!(is_of(output, &good, chunk));
                let longer = [chunk, b"y"].concat();
                let bad = [
                    encoded(&longer),
                    [&good[..], &encoded(b"")].concat(),
                    [&good[..], &encoded(b"evil"), &good].concat(),
                    [&encoded(b"")[..], &good].concat(),
                    [&good[..], b"\0"].concat(),
                    good[..good.len() - 1].to_vec(),
                    chunk.to_vec(),
                    encoded(&vec![0; 50 << 20]),
                    Vec::new(),
                ];
                assert!(bad.iter().all(|bad| !is_of(output, bad, chunk)), "{output}, {} bytes", chunk.len());
                assert!(!is_of(output, &good, &longer));
            }
        }
        let good = Encoder::new(Output::GZIP).unwrap().encode(b"chunk").unwrap().to_vec();
        let other_bytes_of_the_header = (0..10).map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 4;
            bytes
        });
        assert!(other_bytes_of_the_header.into_iter().all(|bytes| !is_of(Output::GZIP, &bytes, b"chunk")));
    }
}
