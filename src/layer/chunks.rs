//! The new stream on its way into chunks: cut, given a part of the budget each, and handed to the pool.

use std::cell::RefCell;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::layer::cache::{Cache, Key};
use crate::layer::encode::{ChunkRule, Encoder, Output, Segment};
use crate::layer::pool::{Permit, Pool};
use crate::media_type::Compression;
use crate::tar::split_prefix;

/// What a chunk costs beside its bytes.
const OVERHEAD: u64 = 4 << 10;

/// Collects bytes into chunks and sends them off: to be compressed, and to the writer.
pub(super) struct Chunks<'a> {
    output: Output,
    pool: &'a Pool,
    cutter: ChunkRule,
    capacity: usize,
    current: Option<(Vec<u8>, Permit)>,
    sender: Sender<Chunk>,
    /// Where this thread hashes the new stream.
    diff_id: Option<Hasher>,
    is_empty: bool,
    /// The writer has gone.
    is_closed: bool,
}

/// A chunk on its way to the writer. Dropping it gives its part of the budget back.
pub(super) struct Chunk {
    pub(super) bytes: Arc<Vec<u8>>,
    /// None where it is written as it is.
    pub(super) compressed: Option<Receiver<Result<Compressed>>>,
    _permit: Permit,
}

pub(super) struct Compressed {
    pub(super) bytes: Vec<u8>,
    /// Was it in the cache?
    pub(super) is_cached: bool,
    _permit: Permit,
}

/// What a chunk takes of the budget: the compressed bytes are expected to be half as many at most. Where they are more,
/// that is put right when they are there.
fn permitted(capacity: usize) -> u64 {
    capacity as u64 + capacity as u64 / 2 + OVERHEAD
}

impl<'a> Chunks<'a> {
    pub(super) fn new(output: Output, pool: &'a Pool, sender: Sender<Chunk>, diff_id: Option<Hasher>) -> Self {
        let (cutter, capacity) = (ChunkRule::new(output), output.usual_chunk());
        Self { output, pool, cutter, capacity, current: None, sender, diff_id, is_empty: true, is_closed: false }
    }

    /// A run of the new stream begins.
    pub(super) fn begin(&mut self, run: Segment) -> Result<()> {
        if self.cutter.begin(run) { self.close() } else { Ok(()) }
    }

    /// Takes bytes of the current run.
    pub(super) fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (chunk, _) = match &mut self.current {
                Some(current) => current,
                none => {
                    let permit = self.pool.acquire(permitted(self.capacity));
                    none.insert((self.pool.buffer(self.capacity)?, permit))
                }
            };
            let taken = split_prefix(&mut bytes, self.cutter.room());
            chunk.extend_from_slice(taken);
            if self.cutter.add(taken.len() as u64) {
                self.close()?;
            }
        }
        Ok(())
    }

    /// Sends the current chunk off.
    fn close(&mut self) -> Result<()> {
        let Some((mut bytes, mut permit)) = self.current.take() else { return Ok(()) };
        self.pool.check()?;
        self.is_empty = false;
        if bytes.len() <= self.capacity / 2 {
            // A small chunk must not keep a large buffer from being filled again.
            let small = bytes.as_slice().to_vec();
            self.pool.recycle(std::mem::replace(&mut bytes, small));
        }
        if let Some(hasher) = &mut self.diff_id {
            hasher.update(&bytes);
        }
        permit.resize(permitted(bytes.capacity()));
        let for_output = permit.split(bytes.capacity() as u64 / 2);
        let bytes = Arc::new(bytes);
        let compressed = (self.output.compression() != Compression::None)
            .then(|| compress(self.output, self.pool, Arc::clone(&bytes), for_output));
        self.is_closed |= self.sender.send(Chunk { bytes, compressed, _permit: permit }).is_err();
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.close()?;
        if self.is_empty {
            // A layer of no bytes: one empty member or frame.
            self.current = Some((Vec::new(), self.pool.acquire(OVERHEAD)));
            self.close()?;
        }
        Ok(())
    }

    /// Has the writer gone? It has failed then, and says why.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The digest of all that was put in, where this thread was asked to compute it.
    pub(super) fn into_diff_id(self) -> Option<Digest> {
        self.diff_id.map(Hasher::finish)
    }
}

thread_local! {
    /// The codec of a compressing thread, for as long as the output that is wanted stays the same.
    static CODEC: RefCell<Option<(Output, Codec)>> = const { RefCell::new(None) };
}

/// Has a chunk compressed by the pool, or taken from the cache.
fn compress(output: Output, pool: &Pool, chunk: Arc<Vec<u8>>, mut permit: Permit) -> Receiver<Result<Compressed>> {
    let (sender, receiver) = bounded(1);
    let run = pool.clone();
    pool.spawn(move || {
        let made = run.check().and_then(|()| {
            CODEC.with_borrow_mut(|kept| {
                let codec = match kept {
                    Some((of, codec)) if *of == output => codec,
                    _ => &mut kept.insert((output, Codec::new(output)?)).1,
                };
                match run.cache() {
                    Some(cache) => codec.recall_or_encode(cache, &Key::new(output, &chunk), &chunk),
                    None => Ok((codec.encode(&chunk)?, false)),
                }
            })
        });
        // First this, then the result: who has the result can have the chunk's buffer, too.
        drop(chunk);
        let compressed = made.map(|(bytes, is_cached)| {
            permit.resize(bytes.len() as u64);
            Compressed { bytes, is_cached, _permit: permit }
        });
        // No one waits for it where the layer has failed.
        let _ = sender.send(compressed);
    });
    receiver
}

/// Compresses chunks, or finds them compressed.
struct Codec {
    output: Output,
    encoder: Encoder,
}

impl Codec {
    fn new(output: Output) -> Result<Self> {
        Ok(Self { output, encoder: Encoder::new(output)? })
    }

    fn encode(&mut self, chunk: &[u8]) -> Result<Vec<u8>> {
        self.encoder.encode(chunk).map(<[u8]>::to_vec)
    }

    /// The compressed chunk as the cache has it, if that really holds the chunk; else as the encoder makes it. And which
    /// of the two it is.
    fn recall_or_encode(&mut self, cache: &Cache, key: &Key, chunk: &[u8]) -> Result<(Vec<u8>, bool)> {
        if let Some(found) = cache.comparers.recall(self.output, chunk, || cache.get(key))? {
            return Ok((found, true));
        }
        let compressed = self.encode(chunk)?;
        cache.put(key, &compressed)?;
        Ok((compressed, false))
    }
}
