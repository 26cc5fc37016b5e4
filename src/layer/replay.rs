//! An old stream from the cache: where it was recorded (`tape.rs`), the blob need not be inflated.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use zstd::bulk::Decompressor;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::form1::{ChunkDecoder, Output};
use crate::layer::gather::split_off;
use crate::layer::pieces::{Loaded, Piece, Stream, Stretch};
use crate::layer::pool::Helpers;
use crate::layer::tape::PIECE;
use crate::layer::{Cache, Pool};
use crate::sync;

/// Chunks up to this size are made ready ahead of time, one by each thread. Those of zstd are larger: they are made ready
/// within the pool's budget.
const AHEAD: u64 = 1 << 20;
/// The most threads that take pieces and chunks of one layer out of the cache, in turn: enough for a stretch of large
/// files.
const THREADS: usize = 4;

/// A part of the stream that is played.
pub(super) enum Part<'a> {
    /// Bytes of headers and small files.
    Bytes(&'a [u8]),
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

/// Plays a stream back. It ends early where the cache has lost a piece of it.
pub(super) struct Replay<'s> {
    threads: Vec<(Receiver<Taken>, ScopedJoinHandle<'s, Result<()>>)>,
    _helpers: Helpers,
    /// Whose turn it is.
    turn: usize,
    stretches: std::slice::Iter<'s, Stretch>,
    /// Bytes of the current stretch that are still to be played.
    left: u64,
    piece: Vec<u8>,
    /// How much of the piece has been played.
    at: usize,
    loader: Loader<'s>,
}

impl<'s> Replay<'s> {
    /// Starts to take what is wanted out of the cache, on threads of its own.
    pub(super) fn start(
        scope: &'s Scope<'s, '_>,
        pool: &'s Pool,
        cache: &'s Cache,
        output: Output,
        stream: &'s Stream,
        progress: &'s Progress<'s>,
    ) -> Result<Self> {
        let helpers = pool.helpers(THREADS - 1);
        let count = 1 + helpers.count();
        let start = |first| {
            let (sender, taken) = bounded(0);
            let wanted = in_order(stream).skip(first).step_by(count);
            let work = move || read_ahead(Loader::new(pool, cache, output), wanted, progress, &sender);
            Ok((taken, sync::start(scope, "replay", work)?))
        };
        let threads = (0..count).map(start).collect::<Result<_>>()?;
        Ok(Self {
            threads,
            _helpers: helpers,
            turn: 0,
            stretches: stream.stretches.iter(),
            left: 0,
            piece: Vec::new(),
            at: 0,
            loader: Loader::new(pool, cache, output),
        })
    }

    /// The next part; none at the end, and where the stream can't be played on.
    pub(super) fn next(&mut self) -> Option<Part<'_>> {
        while self.left == 0 {
            match self.stretches.as_slice().first()? {
                Stretch::Other { size } => self.left = *size,
                Stretch::Chunk { .. } => {
                    let Taken::Chunk(known) = self.take()? else { return None };
                    self.stretches.next();
                    return Some(Part::Chunk(known));
                }
            }
            self.stretches.next();
        }
        if self.at == self.piece.len() {
            let Taken::Piece(piece) = self.take()? else { return None };
            (self.piece, self.at) = (piece, 0);
        }
        let mut rest = self.piece.get(self.at..).unwrap_or_default();
        let bytes = split_off(&mut rest, self.left);
        self.at += bytes.len();
        self.left -= bytes.len() as u64;
        Some(Part::Bytes(bytes))
    }

    fn take(&mut self) -> Option<Taken> {
        let (taken, _) = self.threads.get(self.turn)?;
        self.turn = (self.turn + 1) % self.threads.len();
        taken.recv().ok()
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
        let is_played = self.left == 0 && self.stretches.as_slice().is_empty();
        // They must not wait for someone who will take no more.
        let (taken, threads): (Vec<_>, Vec<_>) = self.threads.into_iter().unzip();
        drop(taken);
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))?;
        if is_played { Ok(()) } else { Err(lost()) }
    }
}

/// What is taken out of the cache.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Piece(&'a Piece),
    Chunk { hash: Digest, size: u64 },
}

enum Taken {
    Piece(Vec<u8>),
    Chunk(Known),
}

/// Pieces and chunks, in the order in which the stream needs them.
fn in_order(stream: &Stream) -> impl Iterator<Item = Wanted<'_>> {
    let (mut stretches, mut pieces) = (stream.stretches.iter(), stream.pieces.iter());
    // Bytes of the stretch, and of the piece, that are not accounted for yet.
    let (mut left, mut held) = (0_u64, 0_u64);
    std::iter::from_fn(move || {
        loop {
            let covered = left.min(held);
            (left, held) = (left - covered, held - covered);
            if left > 0 {
                let piece = pieces.next()?;
                held = piece.size;
                return Some(Wanted::Piece(piece));
            }
            match *stretches.next()? {
                Stretch::Chunk { hash, size } => return Some(Wanted::Chunk { hash, size }),
                Stretch::Other { size } => left = size,
            }
        }
    })
}

/// A thread that reads ahead.
fn read_ahead<'a>(
    mut loader: Loader<'_>,
    wanted: impl Iterator<Item = Wanted<'a>>,
    progress: &Progress<'_>,
    sender: &Sender<Taken>,
) -> Result<()> {
    for wanted in wanted {
        loader.pool.check()?;
        let (taken, size) = match wanted {
            Wanted::Piece(piece) => (Taken::Piece(loader.piece(piece)?), piece.size),
            Wanted::Chunk { hash, size } => {
                let loaded = if size <= AHEAD { Some(loader.chunk(hash, size)?) } else { None };
                (Taken::Chunk(Known { hash, size, loaded }), size)
            }
        };
        progress.add(size);
        if sender.send(taken).is_err() {
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

    fn piece(&mut self, piece: &Piece) -> Result<Vec<u8>> {
        let size = usize::try_from(piece.size).ok().filter(|size| *size <= PIECE).ok_or_else(lost)?;
        let compressed = self.cache.record(self.output, &piece.key).ok_or_else(lost)?;
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
