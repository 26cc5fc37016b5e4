//! The first stage of every way through a layer: a thread of its own reads, verifies and decompresses the blob,
//! while the caller takes the uncompressed bytes, block by block.

use std::panic::resume_unwind;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::digest::{Algorithm, Hasher};
use crate::error::{Error, Result};
use crate::layer::{Decoder, LayerExpected, LayerInfo, Pool, Source};
use crate::media_type::Compression;
use crate::memory;
use crate::sync::start;
use crate::tar::Stats;

/// Large enough that a hand-over costs nothing, small enough to stay in a core's cache between inflating and hashing.
const BLOCK: usize = 256 << 10;
/// One is being filled, one is being used, the others even out.
const BLOCKS: usize = 4;

/// The uncompressed bytes of a layer as they arrive.
pub(super) struct Blocks {
    full: Receiver<(Vec<u8>, usize)>,
    free: Sender<Vec<u8>>,
    current: Vec<u8>,
    /// None where the hash of the blob is that of the uncompressed bytes.
    hasher: Option<Hasher>,
    /// Was the end seen? Blocks that were not taken are not in the hash.
    is_used_up: bool,
}

impl Blocks {
    /// Is there nothing to be hashed, so that [`next`](Self::next) has little to do?
    pub(super) fn are_hashed(&self) -> bool {
        self.hasher.is_none()
    }

    /// The next block, hashed for the diff_id. None at the end, or when reading failed,
    /// which the caller need not distinguish: [`read`] returns the error then, whatever the caller does.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        if !self.current.is_empty() {
            // Fails only when the reader has gone, which is no concern of ours.
            let _ = self.free.send(std::mem::take(&mut self.current));
        }
        let Ok((block, len)) = self.full.recv() else {
            self.is_used_up = true;
            return None;
        };
        self.current = block;
        let bytes = self.current.get(..len)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Some(bytes)
    }
}

/// Reads a layer through `work`, which takes its blocks and says what it found. It may leave off before the last of
/// them if it fails, or if it has seen enough: `None` instead of facts is returned then.
///
/// Only when the blob has turned out to be what was expected, to its end, is there a good result with facts.
pub(super) fn read<R>(
    source: &dyn Source,
    expect: &LayerExpected,
    diff_id_algorithm: Algorithm,
    pool: &Pool,
    work: impl FnOnce(&mut Blocks) -> Result<(R, Stats)>,
) -> Result<(R, Option<LayerInfo>)> {
    let mut decoder = Decoder::new(source.open()?, expect, source.window()?)?;
    let algorithm = expect.diff_id_algorithm(diff_id_algorithm);
    let is_plain = decoder.compression() == Compression::None;
    let blob_algorithm = expect.blob().algorithm();
    let is_another_hash = !is_plain || blob_algorithm != algorithm;
    if !is_plain && source.len() > BLOCK as u64 {
        decoder.hash_aside()?;
    }
    let hasher = is_another_hash.then(|| Hasher::new(algorithm));

    let (full_sender, full) = bounded(BLOCKS);
    let (free, free_receiver) = bounded(BLOCKS);
    for _ in 0..BLOCKS {
        let _ = free.send(memory::zeros(BLOCK)?);
    }
    let mut blocks = Blocks { full, free, current: Vec::new(), hasher, is_used_up: false };
    let (read, worked, hasher, is_used_up) = thread::scope(|scope| {
        let decoder = &mut decoder;
        let reader = start(scope, "read", move || inflate(decoder, pool, &full_sender, &free_receiver))?;
        let worked = work(&mut blocks);
        let (hasher, is_used_up) = (blocks.hasher.take(), blocks.is_used_up);
        // The reader must not wait for someone who will take no more.
        drop(blocks);
        Ok::<_, Error>((joined(reader.join()), worked, hasher, is_used_up))
    })?;
    // The reader's error is the first cause: the others then have seen a stream that is cut short.
    let is_whole = read?;
    // A tar stream that makes no sense may come from a blob that is not the one its digest names.
    let (result, stats) = worked.map_err(|error| decoder.root_cause(error))?;
    if !is_whole {
        return Ok((result, None));
    }
    if !is_used_up {
        // A small layer is read to its end before the first of its blocks is looked at.
        pool.take_back_bytes_read(decoder.bytes_in());
        return Ok((result, None));
    }
    // At the end of the blob, which has been seen, its digest is known.
    let digest = decoder.digest().ok_or_else(Error::interrupted)?;
    let diff_id = hasher.map_or(digest, Hasher::finish);
    let facts = LayerInfo {
        compression: decoder.compression(),
        digest,
        size: decoder.bytes_in(),
        diff_id,
        uncompressed_size: decoder.bytes_out(),
        stats,
        gzip_mtime: decoder.gzip_mtime(),
    };
    facts.check_diff_id(expect)?;
    Ok((result, Some(facts)))
}

/// The reader's thread. True at the end of the blob, false if no one takes what it reads any more.
fn inflate(
    decoder: &mut Decoder,
    pool: &Pool,
    full: &Sender<(Vec<u8>, usize)>,
    free: &Receiver<Vec<u8>>,
) -> Result<bool> {
    let mut counted = 0;
    let mut count = |decoder: &Decoder| {
        pool.add_bytes_read(decoder.bytes_in() - counted);
        counted = decoder.bytes_in();
    };
    while let Ok(mut block) = free.recv() {
        pool.check()?;
        let len = decoder.fill(&mut block)?;
        count(decoder);
        if len == 0 {
            return Ok(true);
        }
        if full.send((block, len)).is_err() {
            break;
        }
    }
    pool.take_back_bytes_read(counted);
    Ok(false)
}

/// The result of a thread. A panic there is a defect; it goes on here as if there were no threads.
pub(super) fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| resume_unwind(panic))
}
