//! From an old blob to a new one: all stages of one layer at work at the same time.
//!
//! ```text
//!  read thread     patch thread                 pool               calling thread
//!  hash, verify,   hash (diff_id of the input)                     hash (new diff_id)
//!  decompress  ──► patch headers, cut ────────► compress chunk ──► write, hash (new digest)
//!              4 blocks                 chunks in order, within the pool's budget
//! ```
//!
//! Where the input is plain, one hash is both its digest and its diff_id, and the patch thread takes over the hash of
//! the new diff_id.
//!
//! # Why nothing waits for ever
//!
//! A chunk's permit is taken by the patch thread before the chunk gets its first byte, and goes back when the calling
//! thread has written it. So each permit that is out belongs to a chunk that is (a) being filled, (b) waiting for or
//! in a compressing thread, or (c) waiting to be written. (b): the tasks block on nothing. (c): the chunk waits for
//! earlier chunks of its own layer only; they were closed before it was begun, so they are in (b) or (c) too, and the
//! first of them is in (b) or can be written. (a): the patch thread needs no further permit to complete the chunk (a
//! chunk that outgrows its permit enlarges it without waiting), only the reader, who needs none at all. So, layers side
//! by side or not, as long as a permit is out, one of its holders gets on, and the waiting patch threads are served.
//!
//! A stage that fails drops its end of the channels; its neighbours notice when they next send or receive, and stop.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use crate::blob::NewBlobs;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::layer::blocks::{self, joined};
use crate::layer::chunks::Chunk;
use crate::layer::options::{CacheUse, EncodeOptions, Encoded, NewLayer, Noted, Outcome};
use crate::layer::patch::{self, Noting, Patched};
use crate::layer::seals::Seals;
use crate::layer::{LayerExpected, LayerInfo, Pool, Source};
use crate::media_type::Compression;
use crate::repair::edits::{EditLog, Edits};
use crate::repair::notes::NoteTaker;
use crate::repair::seen::SeenTaker;
use crate::sync::start;
use crate::tar::{Entry, NewHeaders, Part, Patcher, Sink, Step, Visitor, Walker};

/// How many chunks may wait to be written: the budget is what bounds them, but a chunk of one header costs
/// next to nothing of it.
const QUEUE: usize = 256;

/// Is shown all that is in the old stream, before it is patched.
pub type Watch<'w> = dyn Visitor + Send + 'w;

/// Takes the new bytes.
type Write<'w> = dyn FnMut(&[u8]) -> Result<()> + 'w;

/// Rewrites one layer into a new blob.
///
/// It returns only when every byte of the old blob has been verified.
///
/// # Errors
///
/// The blob can't be read, is another one than expected or no layer, or the new one can't be written.
pub fn rewrite(
    source: &dyn Source,
    expect: &LayerExpected,
    spec: &EncodeOptions,
    pool: &Pool,
    blobs: &NewBlobs,
) -> Result<Outcome> {
    if spec.keep_unchanged {
        let mut watch = Watched::new(spec, blobs);
        watch.seen = Some(spec.seen());
        if let Some(facts) = unchanged(source, expect, spec, pool, &mut watch)? {
            return Ok(Outcome::Unchanged(facts, watch.noted(Edits::default())?));
        }
    }
    let mut watch = Watched::new(spec, blobs);
    let (mut edits, mut seen) = (EditLog::new(blobs), spec.seen());
    let noting = Noting { edits: &mut edits, seen: &mut seen };
    let mut blob = blobs.layer_writer();
    let write = &mut |bytes: &[u8]| blob.write(bytes);
    let (facts, encoded) = encode_noting(source, expect, spec, pool, &mut watch, Some(noting), write)?;
    let Encoded { digest, size, diff_id, uncompressed_size, cache } = encoded;
    let (blob, seals) = (blob.finish()?, std::mem::take(&mut watch.seals).found());
    watch.seen = Some(seen);
    let noted = watch.noted(edits.finish()?)?;
    let new = NewLayer { blob, digest, size, diff_id, uncompressed_size, cache, seals };
    Ok(Outcome::Rewritten(facts, noted, Box::new(new)))
}

/// What looks at a layer that is rewritten.
struct Watched<'b> {
    seals: Seals,
    notes: NoteTaker<'b>,
    /// Where nothing of the content changes.
    seen: Option<SeenTaker>,
}

impl<'b> Watched<'b> {
    fn new(spec: &EncodeOptions, blobs: &'b NewBlobs) -> Self {
        let notes = NoteTaker::new(spec.rules.are_noted, blobs).omitting(&spec.rules.omit);
        Self { seals: Seals::default(), notes, seen: None }
    }

    /// What was noted, with what was done.
    fn noted(self, edits: Edits) -> Result<Noted> {
        let seen = self.seen.map(SeenTaker::finish).transpose()?.unwrap_or_default();
        Ok(Noted { notes: self.notes.finish()?, seen, edits })
    }
}

impl Visitor for Watched<'_> {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.seals.headers(step, entry, block)?;
        if let Some(seen) = &mut self.seen {
            seen.headers(step, entry, block)?;
        }
        self.notes.headers(step, entry, block)
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        self.seals.bytes(part, bytes)?;
        if let Some(seen) = &mut self.seen {
            seen.bytes(part, bytes)?;
        }
        self.notes.bytes(part, bytes)
    }
}

/// Rewrites one layer, and writes what becomes of it while it is read: nothing of that may be published before this has
/// returned without an error.
///
/// # Errors
///
/// As for [`rewrite`]; those of `watch` and `out`.
pub fn encode(
    source: &dyn Source,
    expect: &LayerExpected,
    spec: &EncodeOptions,
    pool: &Pool,
    watch: &mut Watch<'_>,
    out: &mut Write<'_>,
) -> Result<(LayerInfo, Encoded)> {
    encode_noting(source, expect, spec, pool, watch, None, out)
}

/// The same, and takes note of what is done to entries.
fn encode_noting(
    source: &dyn Source,
    expect: &LayerExpected,
    spec: &EncodeOptions,
    pool: &Pool,
    watch: &mut Watch<'_>,
    noting: Option<Noting<'_, '_>>,
    out: &mut Write<'_>,
) -> Result<(LayerInfo, Encoded)> {
    let (encoded, facts) = blocks::read(source, expect, spec.diff_id_algorithm, pool, |blocks| {
        let (sender, receiver) = bounded(QUEUE);
        let is_hashed = blocks.are_hashed();
        thread::scope(|scope| {
            let patching = start(scope, "patch", move || patch::read(blocks, spec, pool, watch, noting, sender))?;
            let new = write(out, spec, pool, is_hashed, receiver);
            let Patched { stats, diff_id } = joined(patching.join())?;
            Ok((new?.complete(diff_id)?, stats))
        })
    })?;
    Ok((facts.ok_or_else(stopped)?, encoded))
}

/// Reads a layer until a byte of it would change; the facts if none does.
///
/// # Errors
///
/// The blob can't be read, is another one than expected or no layer; those of `watch`.
pub fn unchanged(
    source: &dyn Source,
    expect: &LayerExpected,
    spec: &EncodeOptions,
    pool: &Pool,
    watch: &mut Watch<'_>,
) -> Result<Option<LayerInfo>> {
    let ((), facts) = blocks::read(source, expect, spec.diff_id_algorithm, pool, |blocks| {
        let (mut walker, mut probe) = (Walker::new(), Probe { patcher: spec.patcher(), watch });
        while let Some(block) = blocks.next() {
            walker.push(block, &mut probe)?;
            if probe.is_done() {
                return Ok(((), probe.patcher.stats()));
            }
        }
        walker.end(&mut probe)?;
        probe.patcher.end(&mut Nowhere)?;
        Ok(((), probe.patcher.stats()))
    })?;
    match facts {
        Some(facts) if facts.stats.changed => {
            // What changes are extension headers that no entry follows: all was read, and all will be read again.
            pool.take_back_bytes_read(facts.size);
            Ok(None)
        }
        facts => Ok(facts),
    }
}

/// Sees if the patcher would change a byte, up to the first that it would.
struct Probe<'a, 'w> {
    patcher: Patcher,
    watch: &'a mut Watch<'w>,
}

impl Visitor for Probe<'_, '_> {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.watch.headers(step, entry, block)?;
        self.patcher.headers(step, entry, block, &mut Nowhere)
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        self.watch.bytes(part, bytes)?;
        self.patcher.bytes(part, bytes, &mut Nowhere)
    }

    fn is_done(&self) -> bool {
        self.patcher.stats().changed
    }
}

/// Takes what the patcher gives out, which is of no use.
struct Nowhere;

impl Sink for Nowhere {
    fn headers(&mut self, _: NewHeaders<'_>) -> Result<()> {
        Ok(())
    }

    fn bytes(&mut self, _: Part, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// What the calling thread has written, and the digests as far as it has computed them.
struct New {
    digest: Option<Digest>,
    size: u64,
    diff_id: Option<Digest>,
    uncompressed_size: u64,
    cache: Option<CacheUse>,
}

impl New {
    fn complete(self, diff_id: Option<Digest>) -> Result<Encoded> {
        let Self { digest, size, uncompressed_size, cache, .. } = self;
        let diff_id = self.diff_id.or(diff_id).ok_or_else(stopped)?;
        // What is not compressed has one hash.
        Ok(Encoded { digest: digest.unwrap_or(diff_id), size, diff_id, uncompressed_size, cache })
    }
}

/// The calling thread: writes what the chunks have become, in their order.
fn write(
    out: &mut Write<'_>,
    spec: &EncodeOptions,
    pool: &Pool,
    is_hashed: bool,
    chunks: Receiver<Chunk>,
) -> Result<New> {
    let mut diff_id = (!is_hashed).then(|| Hasher::new(spec.diff_id_algorithm));
    let is_plain = spec.output.compression() == Compression::None;
    let needs_digest = !is_plain || spec.digest_algorithm != spec.diff_id_algorithm;
    let mut digest = needs_digest.then(|| Hasher::new(spec.digest_algorithm));
    let (mut size, mut uncompressed_size) = (0, 0);
    let mut cache = pool.cache().filter(|_| !is_plain).map(|_| CacheUse::default());
    for chunk in chunks {
        // While this hashes, the chunk is being compressed.
        if let Some(hasher) = &mut diff_id {
            hasher.update(&chunk.bytes);
        }
        uncompressed_size += chunk.bytes.len() as u64;
        let compressed = match chunk.compressed {
            None => None,
            // A closed channel: the task has panicked.
            Some(receiver) => Some(receiver.recv().map_err(|_| stopped())??),
        };
        if let (Some(cache), Some(compressed)) = (&mut cache, &compressed) {
            cache.chunks += 1;
            cache.hits += u64::from(compressed.is_cached);
        }
        let bytes = compressed.as_ref().map_or(&*chunk.bytes, |compressed| &compressed.bytes);
        out(bytes)?;
        size += bytes.len() as u64;
        if let Some(hasher) = &mut digest {
            hasher.update(bytes);
        }
        drop(compressed);
        if let Ok(buffer) = Arc::try_unwrap(chunk.bytes)
            && buffer.capacity() == spec.output.usual_chunk()
        {
            pool.recycle(buffer);
        }
    }
    let (digest, diff_id) = (digest.map(Hasher::finish), diff_id.map(Hasher::finish));
    Ok(New { digest, size, diff_id, uncompressed_size, cache })
}

/// A defect in this program: a task or a stage has gone without a word.
fn stopped() -> Error {
    Error::io("cannot rewrite the layer", std::io::Error::other("a part of the work stopped without an error"))
}
