//! An old stream from the cache: the next run has no need to inflate the blob.
//!
//! The first run [records](Tape) the stream beside the chunks of the new blob: what is content of large files is in those
//! chunks, at every epoch, and the rest (headers and small files, as the old blob has them) is kept in pieces of its own.
//! A later run [plays](Replay) it back. The pieces are named by what is in them, so a blob that is not what it claims
//! can put nothing wrong into the stream of another.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::chunks::Kept;
use crate::layer::form1::{ChunkDecoder, Output};
use crate::layer::gather::split_off;
use crate::layer::pool::Helpers;
use crate::layer::{Cache, Pool};
use zstd::bulk::{Compressor, Decompressor};

/// The size of the pieces that are kept for a replay alone.
const PIECE: usize = 512 << 10;
/// How they are compressed: fast.
const LEVEL: i32 = 1;
/// Pieces up to this size are made ready ahead of time, one by each thread. The chunks of zstd are larger: they are made
/// ready within the pool's budget.
const AHEAD: u64 = 1 << 20;
/// The most threads that make the pieces of one layer ready, in turn: enough for a stretch of large files.
const THREADS: usize = 4;

/// A piece of an old stream. The sizes are of what is uncompressed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Piece {
    /// Content of a large file: a chunk of the new blob as well.
    Chunk { hash: Digest, size: u64 },
    /// Anything else.
    Other { key: String, size: u64 },
}

impl Piece {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Chunk { size, .. } | Self::Other { size, .. } => *size,
        }
    }
}

/// Records an old stream while it is read.
pub(super) struct Tape<'a> {
    cache: &'a Cache,
    output: Output,
    held: Vec<u8>,
    compressor: Option<Compressor<'static>>,
    pieces: Vec<Taped>,
}

/// [`Piece`], before the chunks are known.
enum Taped {
    Chunks { size: u64 },
    Other { key: String, size: u64 },
}

/// What a tape has recorded.
#[derive(Default)]
pub(super) struct Recording(Vec<Taped>);

impl<'a> Tape<'a> {
    pub(super) fn new(cache: &'a Cache, output: Output) -> Self {
        Self { cache, output, held: Vec::new(), compressor: Compressor::new(LEVEL).ok(), pieces: Vec::new() }
    }

    /// The next bytes of the stream are these.
    pub(super) fn record(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = split_off(&mut bytes, (PIECE - self.held.len()) as u64);
            self.held.extend_from_slice(taken);
            if self.held.len() == PIECE {
                self.flush();
            }
        }
    }

    /// The next bytes of the stream are content of a large file.
    pub(super) fn skip(&mut self, n: u64) {
        self.flush();
        match self.pieces.last_mut() {
            Some(Taped::Chunks { size }) => *size += n,
            _ => self.pieces.push(Taped::Chunks { size: n }),
        }
    }

    fn flush(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let key = format!("piece {}", blake3::hash(&self.held).to_hex());
        let compressed = self.compressor.as_mut().and_then(|compressor| compressor.compress(&self.held).ok());
        self.cache.put_record(self.output, &key, &compressed.unwrap_or_default());
        self.pieces.push(Taped::Other { key, size: self.held.len() as u64 });
        self.held.clear();
    }

    pub(super) fn finish(mut self) -> Recording {
        self.flush();
        Recording(self.pieces)
    }
}

impl Recording {
    /// The pieces, now that all chunks are known, in order. Without a recording these are the chunks of large files alone.
    pub(super) fn pieces(self, kept: &[Kept]) -> Vec<Piece> {
        let mut chunks = kept.iter().filter(|chunk| chunk.is_large);
        let mut pieces = Vec::new();
        let chunk = |&Kept { hash, size, .. }: &Kept| Piece::Chunk { hash, size };
        for taped in self.0 {
            match taped {
                Taped::Other { key, size } => pieces.push(Piece::Other { key, size }),
                Taped::Chunks { size } => {
                    let mut left = size;
                    while left > 0
                        && let Some(next) = chunks.next()
                    {
                        left = left.saturating_sub(next.size);
                        pieces.push(chunk(next));
                    }
                }
            }
        }
        pieces.extend(chunks.map(chunk));
        pieces
    }
}

/// A part of the stream that is played.
pub(super) enum Part {
    /// Bytes of headers and small files.
    Bytes(Vec<u8>),
    /// All of a chunk.
    Chunk(Known),
}

/// A chunk whose compressed form the cache has.
pub(super) struct Known {
    pub(super) hash: Digest,
    pub(super) size: u64,
    /// None where it is too large to be made ready ahead of time.
    loaded: Option<Loaded>,
}

/// Both forms of a chunk.
pub(super) struct Loaded {
    pub(super) bytes: Vec<u8>,
    pub(super) compressed: Vec<u8>,
}

/// Plays a stream back. It ends early where the cache has lost a piece of it.
pub(super) struct Replay<'s> {
    threads: Vec<(Receiver<Part>, ScopedJoinHandle<'s, Result<()>>)>,
    _helpers: Helpers,
    /// Whose turn it is.
    turn: usize,
    loader: Loader<'s>,
}

impl<'s> Replay<'s> {
    /// Starts to read the pieces, on threads of its own.
    pub(super) fn start(
        scope: &'s Scope<'s, '_>,
        pool: &'s Pool,
        cache: &'s Cache,
        output: Output,
        pieces: &'s [Piece],
        progress: &'s Progress<'s>,
    ) -> Result<Self> {
        let helpers = pool.helpers(THREADS - 1);
        let count = 1 + helpers.count();
        let start = |first| {
            let (sender, parts) = bounded(0);
            let pieces = pieces.iter().skip(first).step_by(count);
            let thread = thread::Builder::new()
                .name("replay".to_owned())
                .spawn_scoped(scope, move || play(Loader::new(pool, cache, output), pieces, progress, &sender))
                .map_err(|error| Error::io("cannot start a thread", error))?;
            Ok((parts, thread))
        };
        let threads = (0..count).map(start).collect::<Result<_>>()?;
        Ok(Self { threads, _helpers: helpers, turn: 0, loader: Loader::new(pool, cache, output) })
    }

    /// The next part; none at the end, and where the stream can't be played on.
    pub(super) fn next(&mut self) -> Option<Part> {
        let (parts, _) = self.threads.get(self.turn)?;
        self.turn = (self.turn + 1) % self.threads.len();
        parts.recv().ok()
    }

    /// Both forms of a chunk. Where it was not made ready ahead of time, this is the time to have room for it.
    pub(super) fn load(&mut self, known: Known) -> Result<Loaded> {
        match known.loaded {
            Some(loaded) => Ok(loaded),
            None => self.loader.chunk(known.hash, known.size),
        }
    }

    /// An error if not all of it was played.
    pub(super) fn finish(self) -> Result<()> {
        // They must not wait for someone who will take no more.
        let (parts, threads): (Vec<_>, Vec<_>) = self.threads.into_iter().unzip();
        drop(parts);
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

/// The thread that reads ahead.
fn play<'a>(
    mut loader: Loader<'_>,
    pieces: impl Iterator<Item = &'a Piece>,
    progress: &Progress<'_>,
    parts: &Sender<Part>,
) -> Result<()> {
    for piece in pieces {
        loader.pool.check()?;
        let part = match *piece {
            Piece::Other { ref key, size } => Part::Bytes(loader.other(key, size)?),
            Piece::Chunk { hash, size } => {
                let loaded = if size <= AHEAD { Some(loader.chunk(hash, size)?) } else { None };
                Part::Chunk(Known { hash, size, loaded })
            }
        };
        progress.add(piece.size());
        if parts.send(part).is_err() {
            // Who took them has failed, and says why.
            break;
        }
    }
    Ok(())
}

/// What of a blob counts as read while its stream is played.
pub(super) struct Progress<'a> {
    pool: &'a Pool,
    size: u64,
    uncompressed_size: u64,
    played: AtomicU64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(pool: &'a Pool, size: u64, uncompressed_size: u64) -> Self {
        Self { pool, size, uncompressed_size, played: AtomicU64::new(0) }
    }

    fn add(&self, n: u64) {
        let before = self.played.fetch_add(n, Ordering::Relaxed);
        self.pool.add_bytes_read(self.share(before.saturating_add(n)) - self.share(before));
    }

    /// The layer will be read after all.
    pub(super) fn take_back(&self) {
        self.pool.take_back_bytes_read(self.share(self.played.load(Ordering::Relaxed)));
    }

    /// How much of the blob makes up so much of the stream.
    fn share(&self, played: u64) -> u64 {
        let share = u128::from(self.size) * u128::from(played) / u128::from(self.uncompressed_size.max(1));
        u64::try_from(share).unwrap_or(self.size)
    }
}

/// Takes pieces out of the cache.
struct Loader<'a> {
    pool: &'a Pool,
    cache: &'a Cache,
    output: Output,
    /// For chunks, and for other pieces.
    decoders: Option<(ChunkDecoder, Decompressor<'static>)>,
}

impl<'a> Loader<'a> {
    fn new(pool: &'a Pool, cache: &'a Cache, output: Output) -> Self {
        Self { pool, cache, output, decoders: None }
    }

    fn other(&mut self, key: &str, size: u64) -> Result<Vec<u8>> {
        let size = usize::try_from(size).ok().filter(|size| *size <= PIECE).ok_or_else(lost)?;
        let compressed = self.cache.record(self.output, key).ok_or_else(lost)?;
        let bytes = self.decoders()?.1.decompress(&compressed, size).map_err(|_| lost())?;
        if bytes.len() == size { Ok(bytes) } else { Err(lost()) }
    }

    fn chunk(&mut self, hash: Digest, size: u64) -> Result<Loaded> {
        let size = usize::try_from(size).ok().filter(|size| *size <= self.output.longest_chunk()).ok_or_else(lost)?;
        let compressed = self.cache.known(self.output, hash, size).ok_or_else(lost)?;
        let usual = self.output.usual_chunk();
        // A small chunk must not keep a large buffer from being filled again.
        let mut bytes = if size > usual / 4 { self.pool.filled_buffer(usual) } else { Vec::new() };
        self.decoders()?.0.decode(&compressed, size, &mut bytes)?;
        Ok(Loaded { bytes, compressed })
    }

    fn decoders(&mut self) -> Result<&mut (ChunkDecoder, Decompressor<'static>)> {
        Ok(match &mut self.decoders {
            Some(decoders) => decoders,
            none => none.insert((ChunkDecoder::new(self.output)?, Decompressor::new().map_err(|_| lost())?)),
        })
    }
}

/// Only seen here: the layer is read then as if there were no cache.
fn lost() -> Error {
    Error::io("cannot read the cache", std::io::ErrorKind::NotFound.into())
}
