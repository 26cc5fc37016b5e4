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
//! the new diff_id. So it does where the cache has the old stream: the read thread then only hashes the blob, and others
//! take the stream from the cache, chunks of large files in both forms (`replay.rs`).
//!
//! # Why nothing waits for ever
//!
//! A chunk's permit is taken by the patch thread before the chunk gets its first byte, and goes back when the calling
//! thread has written it. So each permit that is out belongs to a chunk that is (a) being filled, (b) waiting for or
//! in a compressing thread, or (c) waiting to be written. (b): the tasks block on nothing. (c): the chunk waits for
//! earlier chunks of its own layer only; they were closed before it was begun, so they are in (b) or (c) too, and the
//! first of them is in (b) or can be written. (a): the patch thread needs no further permit to complete the chunk (a
//! chunk that outgrows its permit enlarges it without waiting, and one that the cache has is complete when it is
//! begun), only the reader, who needs none at all. So, layers side by side or not, as long as a permit is out, one of
//! its holders gets on, and the waiting patch threads are served.
//!
//! A stage that fails drops its end of the channels; its neighbours notice when they next send or receive, and stop.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::layer::blocks::{self, joined};
use crate::layer::chunks::Chunk;
use crate::layer::gather::{Gather, passes, split_off};
use crate::layer::patch::{self, Patched};
use crate::layer::pieces::Kept;
use crate::layer::recall::{Plan, Recall};
use crate::layer::replay::Progress;
use crate::layer::spec::{Outcome, Spec, Written};
use crate::layer::{Expect, Facts, Pool, Source};
use crate::media_type::Compression;
use crate::sync::start;
use crate::tar::{Patcher, Want};

/// How many chunks may wait to be written: the budget is what bounds them, but a chunk of one header costs
/// next to nothing of it.
const QUEUE: usize = 256;

/// Rewrites one layer into the file that `create` makes.
///
/// It returns only when every byte of the old blob has been verified; after an error the file holds nothing of use.
pub fn rewrite(
    source: &dyn Source,
    expect: &Expect,
    spec: &Spec,
    pool: &Pool,
    create: &dyn Fn() -> Result<File>,
) -> Result<Outcome> {
    let recall = Recall::new(pool, expect, spec);
    if let Some(recall) = &recall
        && let Some(outcome) = recall.outcome(source, expect, pool, create)
    {
        return Ok(outcome);
    }
    if let Some(facts) = unchanged(source, expect, spec, pool)? {
        let outcome = Outcome::Unchanged(facts);
        if let Some(recall) = &recall {
            recall.keep(&outcome, &[]);
        }
        return Ok(outcome);
    }
    let Some(recall) = recall else {
        let Made { facts, written, .. } = encoded(source, expect, spec, pool, None, None, create()?)?;
        return Ok(Outcome::Rewritten(facts, written));
    };
    let plan = recall.plan(expect);
    let replayed = plan.as_ref().and_then(|plan| replayed(source, spec, pool, &recall, plan, create));
    let Made { facts, written, kept } = match replayed {
        Some(made) => made,
        None => encoded(source, expect, spec, pool, Some(&recall), plan, create()?)?,
    };
    let outcome = Outcome::Rewritten(facts, written);
    recall.keep(&outcome, &kept);
    Ok(outcome)
}

/// What was being done where the file that the caller made could not be written: that is no fault of the layer.
pub const WRITING: &str = "cannot write the new layer";

/// A new blob, and what its chunks are to the cache.
pub(super) struct Made {
    pub(super) facts: Facts,
    pub(super) written: Written,
    kept: Vec<Kept>,
}

/// Makes the new blob out of the old one.
fn encoded(
    source: &dyn Source,
    expect: &Expect,
    spec: &Spec,
    pool: &Pool,
    recall: Option<&Recall<'_>>,
    plan: Option<Plan>,
    file: File,
) -> Result<Made> {
    let known = plan.as_ref().map(|plan| plan.facts.diff_id);
    let hashes = plan.map(|plan| plan.stream.hashes()).unwrap_or_default();
    let ((written, kept, recording), facts) =
        blocks::read(source, expect, spec.diff_id_algorithm, known, pool, |blocks| {
            let (sender, receiver) = bounded(QUEUE);
            let is_hashed = blocks.are_hashed();
            let tape = recall.filter(|_| !blocks.are_plain()).map(Recall::tape);
            thread::scope(|scope| {
                let patching = start(scope, "patch", move || patch::read(blocks, spec, pool, sender, hashes, tape))?;
                let new = write(file, spec, pool, is_hashed, receiver);
                let Patched { stats, diff_id, recording } = joined(patching.join())?;
                let (written, kept) = new?.complete(diff_id)?;
                Ok(((written, kept, recording), stats))
            })
        })?;
    let facts = facts.ok_or_else(stopped)?;
    if let Some(recall) = recall {
        recall.keep_plan(&facts, recording.stream(&kept));
    }
    Ok(Made { facts, written, kept })
}

/// Makes the new blob out of what the cache has of the old one, while that is verified. None where anything is amiss: the
/// old blob is read then, and what is wrong with it, if it is that, is the error that it is without a cache.
pub(super) fn replayed(
    source: &dyn Source,
    spec: &Spec,
    pool: &Pool,
    recall: &Recall<'_>,
    plan: &Plan,
    create: &dyn Fn() -> Result<File>,
) -> Option<Made> {
    if !plan.stream.is_whole(plan.facts.uncompressed_size) {
        return None;
    }
    let is_given_up = AtomicBool::new(false);
    let file = create().ok()?;
    let progress = Progress::new(pool, plan.facts.size, plan.facts.uncompressed_size);
    let made = thread::scope(|scope| {
        let verifying = start(scope, "hash", || recall.verify(source, pool, &is_given_up)).ok()?;
        let (sender, receiver) = bounded(QUEUE);
        let replay = recall.replay(scope, plan, pool, &progress).ok()?;
        let patching = start(scope, "patch", || patch::played(replay, spec, pool, sender)).ok()?;
        let new = write(file, spec, pool, true, receiver);
        let patched = joined(patching.join());
        is_given_up.store(patched.is_err() || new.is_err(), Ordering::Relaxed);
        let (patched, verified) = (patched.ok()?, joined(verifying.join()).ok()?);
        let (written, kept) = new.ok()?.complete(patched.diff_id).ok()?;
        let facts = Facts { stats: patched.stats, ..plan.facts.clone() };
        (verified == facts.size).then_some(Made { facts, written, kept })
    });
    if made.is_none() {
        progress.take_back();
    }
    made
}

/// Reads a layer that may keep its blob until a byte of it would change; the facts if none does.
fn unchanged(source: &dyn Source, expect: &Expect, spec: &Spec, pool: &Pool) -> Result<Option<Facts>> {
    if !spec.keep_unchanged {
        return Ok(None);
    }
    let ((), facts) = blocks::read(source, expect, spec.diff_id_algorithm, None, pool, |blocks| {
        let mut patcher = Patcher::new(spec.stamp);
        let (mut gather, mut out) = (Gather::default(), Vec::new());
        while let Some(block) = blocks.next() {
            let mut bytes = block;
            while !bytes.is_empty() && !patcher.stats().changed {
                out.clear();
                match patcher.want() {
                    Want::Feed(n) => {
                        if let Some(fed) = gather.take(n, &mut bytes) {
                            patcher.feed(fed, &mut out)?;
                        }
                    }
                    want => patcher.pass(split_off(&mut bytes, passes(want)).len() as u64),
                }
            }
            if patcher.stats().changed {
                return Ok(((), patcher.stats()));
            }
        }
        let rest = gather.rest();
        if !rest.is_empty() {
            patcher.feed(rest, &mut out)?;
        }
        patcher.end(&mut out)?;
        Ok(((), patcher.stats()))
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

/// What the calling thread has written, and the digests as far as it has computed them.
struct New {
    file: File,
    digest: Option<Digest>,
    size: u64,
    diff_id: Option<Digest>,
    uncompressed_size: u64,
    /// What the chunks are to the cache.
    kept: Vec<Kept>,
}

impl New {
    fn complete(self, diff_id: Option<Digest>) -> Result<(Written, Vec<Kept>)> {
        let Self { file, digest, size, uncompressed_size, kept, .. } = self;
        let diff_id = self.diff_id.or(diff_id).ok_or_else(stopped)?;
        // What is not compressed has one hash.
        Ok((Written { file, digest: digest.unwrap_or(diff_id), size, diff_id, uncompressed_size }, kept))
    }
}

/// The calling thread: writes what the chunks have become, in their order.
fn write(mut file: File, spec: &Spec, pool: &Pool, is_hashed: bool, chunks: Receiver<Chunk>) -> Result<New> {
    let mut diff_id = (!is_hashed).then(|| Hasher::new(spec.diff_id_algorithm));
    let is_plain = spec.output.compression() == Compression::None;
    let needs_digest = !is_plain || spec.digest_algorithm != spec.diff_id_algorithm;
    let mut digest = needs_digest.then(|| Hasher::new(spec.digest_algorithm));
    let (mut size, mut uncompressed_size, mut kept) = (0, 0, Vec::new());
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
        kept.extend(compressed.as_ref().and_then(|compressed| compressed.kept));
        let bytes = compressed.as_ref().map_or(&*chunk.bytes, |compressed| &compressed.bytes);
        file.write_all(bytes).map_err(|error| Error::io(WRITING, error))?;
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
    Ok(New { file, digest, size, diff_id, uncompressed_size, kept })
}

/// A defect in this program: a task or a stage has gone without a word.
fn stopped() -> Error {
    Error::io("cannot rewrite the layer", std::io::Error::other("a part of the work stopped without an error"))
}
