//! Recording an old stream beside the chunks of the new blob, for the next run (`replay.rs`).
//!
//! What is content of large files is in the new chunks, at every epoch; the rest (headers and small files, as the old
//! blob has them) is kept in pieces of its own. They are named by what is in them, so a blob that is not what it claims
//! can put nothing wrong into the stream of another.

use zstd::bulk::Compressor;

use crate::layer::Cache;
use crate::layer::form1::Output;
use crate::layer::gather::split_off;
use crate::layer::pieces::{Kept, Piece, Stream, Stretch};

/// The size of the pieces.
pub(super) const PIECE: usize = 512 << 10;
/// How they are compressed: fast.
const LEVEL: i32 = 1;
/// A layer of more stretches and pieces is not recorded: what is kept of it in memory, and as a record, has a limit.
const PARTS_MAX: usize = 60_000;

/// Records an old stream while it is read.
pub(super) struct Tape<'a> {
    cache: &'a Cache,
    output: Output,
    held: Vec<u8>,
    /// None where nothing more is recorded.
    compressor: Option<Compressor<'static>>,
    recording: Recording,
}

/// What a tape has recorded: sizes alone where it is content of large files, as the chunks are not known yet.
#[derive(Default)]
pub(super) struct Recording {
    runs: Vec<Run>,
    pieces: Vec<Piece>,
}

enum Run {
    Chunks(u64),
    Other(u64),
}

impl<'a> Tape<'a> {
    pub(super) fn new(cache: &'a Cache, output: Output) -> Self {
        let (held, compressor) = (Vec::new(), Compressor::new(LEVEL).ok());
        Self { cache, output, held, compressor, recording: Recording::default() }
    }

    /// The next bytes of the stream are these.
    pub(super) fn record(&mut self, mut bytes: &[u8]) {
        if self.compressor.is_none() {
            return;
        }
        match self.recording.runs.last_mut() {
            Some(Run::Other(size)) => *size += bytes.len() as u64,
            _ => self.recording.runs.push(Run::Other(bytes.len() as u64)),
        }
        while !bytes.is_empty() {
            let taken = split_off(&mut bytes, PIECE.saturating_sub(self.held.len()) as u64);
            self.held.extend_from_slice(taken);
            if self.held.len() >= PIECE {
                self.flush();
            }
        }
    }

    /// The next bytes of the stream are content of a large file.
    pub(super) fn skip(&mut self, n: u64) {
        match self.recording.runs.last_mut() {
            Some(Run::Chunks(size)) => *size += n,
            _ if self.compressor.is_some() => self.recording.runs.push(Run::Chunks(n)),
            _ => {}
        }
    }

    fn flush(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let Recording { runs, pieces } = &mut self.recording;
        let has_room = runs.len() + pieces.len() < PARTS_MAX;
        let compressed =
            self.compressor.as_mut().filter(|_| has_room).map(|compressor| compressor.compress(&self.held));
        if let Some(Ok(compressed)) = compressed {
            let key = format!("piece {}", blake3::hash(&self.held).to_hex());
            self.cache.put_record(self.output, &key, &compressed);
            pieces.push(Piece { key, size: self.held.len() as u64 });
            self.held.clear();
        } else {
            (self.held, self.compressor, self.recording) = (Vec::new(), None, Recording::default());
        }
    }

    pub(super) fn finish(mut self) -> Recording {
        self.flush();
        self.recording
    }
}

impl Recording {
    /// The stream, now that all chunks are known, in order. Without a recording these are the chunks of large files
    /// alone.
    pub(super) fn stream(self, kept: &[Kept]) -> Stream {
        let mut chunks = kept.iter().filter(|chunk| chunk.is_large);
        let chunk = |&Kept { hash, size, .. }: &Kept| Stretch::Chunk { hash, size };
        let mut stretches = Vec::new();
        for run in self.runs {
            match run {
                Run::Other(size) => stretches.push(Stretch::Other { size }),
                Run::Chunks(mut left) => {
                    while left > 0
                        && let Some(next) = chunks.next()
                    {
                        left = left.saturating_sub(next.size);
                        stretches.push(chunk(next));
                    }
                }
            }
        }
        stretches.extend(chunks.map(chunk));
        Stream { stretches, pieces: self.pieces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn recorded(runs: &[(usize, u64)], kept: &[Kept]) -> Stream {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 1 << 30).unwrap();
        let mut tape = Tape::new(&cache, Output::GZIP);
        for (other, large) in runs {
            tape.record(&vec![7; *other]);
            if *large > 0 {
                tape.skip(*large);
            }
        }
        tape.finish().stream(kept)
    }

    #[test]
    fn a_stream_is_recorded_in_terms_of_pieces_and_chunks() {
        let kept = |large, size| Kept { hash: Digest::sha256(&[1]), is_large: large, size };
        let list = [kept(false, 9), kept(true, 1 << 20), kept(true, 5), kept(false, 700_000), kept(true, 300_000)];
        let stream = recorded(&[(512, (1 << 20) + 5), (700_000, 300_000), (1024, 0)], &list);
        let sizes: Vec<u64> = stream.stretches.iter().map(Stretch::size).collect();
        assert_eq!(sizes, [512, 1 << 20, 5, 700_000, 300_000, 1024]);
        let pieces: Vec<u64> = stream.pieces.iter().map(|piece| piece.size).collect();
        assert_eq!(pieces, [PIECE as u64, 512 + 700_000 + 1024 - PIECE as u64]);
        let size = sizes.iter().sum();
        assert!(stream.is_whole(size) && !stream.is_whole(size + 1));
        // What a chunk is missing from is no stream.
        assert!(!recorded(&[(512, (1 << 20) + 5)], &list[..2]).is_whole(512 + (1 << 20) + 5));
    }

    #[test]
    fn a_layer_of_too_many_parts_is_not_recorded() {
        let runs = |count| vec![(512, 300_000); count];
        assert!(!recorded(&runs(PARTS_MAX / 2 - 1000), &[]).stretches.is_empty());
        assert!(recorded(&runs(PARTS_MAX / 2 + 1000), &[]).stretches.is_empty());
    }
}
