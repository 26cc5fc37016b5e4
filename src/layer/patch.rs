//! The patch thread: takes the old stream, gives out the chunks of the new one.

use crossbeam_channel::Sender;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::layer::blocks::Blocks;
use crate::layer::chunks::{Chunk, Chunks};
use crate::layer::form1::Run;
use crate::layer::gather::{Gather, passes, split_off};
use crate::layer::replay::{Known, Part, Replay};
use crate::layer::tape::{Recording, Tape};
use crate::layer::{Pool, Spec};
use crate::tar::{Patcher, Stats, Step, Want};

/// What the patch thread has to say at its end.
pub(super) struct Patched {
    pub(super) stats: Stats,
    /// The diff_id of the new stream, where this thread has computed it.
    pub(super) diff_id: Option<Digest>,
    pub(super) recording: Recording,
}

/// Patches the stream that is read from a blob. `hashes` are those of the chunks of large files as far as they are known.
pub(super) fn read(
    blocks: &mut Blocks,
    spec: &Spec,
    pool: &Pool,
    chunks: Sender<Chunk>,
    hashes: Vec<Digest>,
    tape: Option<Tape<'_>>,
) -> Result<Patched> {
    let diff_id = blocks.are_hashed().then(|| Hasher::new(spec.diff_id_algorithm));
    let mut patching = Patching::new(spec, Chunks::new(spec.output, pool, chunks, diff_id, hashes), tape);
    while let Some(block) = blocks.next() {
        patching.bytes(block)?;
        if patching.chunks.is_closed() {
            return Ok(patching.given_up());
        }
    }
    patching.finish()
}

/// Patches the stream that is played from the cache.
pub(super) fn played(mut replay: Replay<'_>, spec: &Spec, pool: &Pool, chunks: Sender<Chunk>) -> Result<Patched> {
    let diff_id = Some(Hasher::new(spec.diff_id_algorithm));
    let mut patching = Patching::new(spec, Chunks::new(spec.output, pool, chunks, diff_id, Vec::new()), None);
    while let Some(part) = replay.next() {
        match part {
            Part::Bytes(bytes) => patching.bytes(bytes)?,
            Part::Chunk(known) => patching.chunk(known, &mut replay)?,
        }
        if patching.chunks.is_closed() {
            return Ok(patching.given_up());
        }
    }
    replay.finish()?;
    patching.finish()
}

struct Patching<'a> {
    patcher: Patcher,
    chunks: Chunks<'a>,
    gather: Gather,
    /// What the patcher gives out; empty between two steps.
    out: Vec<u8>,
    is_fresh_content: bool,
    tape: Option<Tape<'a>>,
}

impl<'a> Patching<'a> {
    fn new(spec: &Spec, chunks: Chunks<'a>, tape: Option<Tape<'a>>) -> Self {
        let (gather, out) = (Gather::default(), Vec::new());
        Self { patcher: Patcher::new(spec.stamp), chunks, gather, out, is_fresh_content: true, tape }
    }

    /// The next bytes of the old stream.
    fn bytes(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.patcher.want() {
                Want::Feed(n) => {
                    self.is_fresh_content = true;
                    let before = bytes;
                    let fed = self.gather.take(n, &mut bytes);
                    if let Some(tape) = &mut self.tape {
                        tape.record(before.get(..before.len() - bytes.len()).unwrap_or_default());
                    }
                    let Some(fed) = fed else { break };
                    let step = self.patcher.feed(fed, &mut self.out)?;
                    self.chunks.headers(step, &mut self.out)?;
                }
                want => {
                    self.begin(want)?;
                    let passed = split_off(&mut bytes, passes(want));
                    if let Some(tape) = &mut self.tape {
                        if self.chunks.is_large() { tape.skip(passed.len() as u64) } else { tape.record(passed) }
                    }
                    self.patcher.pass(passed.len() as u64);
                    self.chunks.put(passed)?;
                }
            }
        }
        Ok(())
    }

    /// The next bytes of the old stream are all of a chunk.
    fn chunk(&mut self, known: Known, replay: &mut Replay<'_>) -> Result<()> {
        let (want, size) = (self.patcher.want(), known.size);
        if passes(want) < size {
            return Err(Error::mismatch("piece of a layer", passes(want), size));
        }
        self.begin(want)?;
        self.chunks.put_known(known.hash, size, || replay.load(known))?;
        self.patcher.pass(size);
        Ok(())
    }

    /// What passes by is a run of its own.
    fn begin(&mut self, want: Want) -> Result<()> {
        if std::mem::take(&mut self.is_fresh_content) {
            self.chunks.begin(match want {
                Want::Content { total, .. } => Run::Content { total },
                _ => Run::Rest,
            })?;
        }
        Ok(())
    }

    /// The old stream has ended.
    fn finish(mut self) -> Result<Patched> {
        let rest = self.gather.rest();
        if !rest.is_empty() {
            let step = self.patcher.feed(rest, &mut self.out)?;
            self.chunks.headers(step, &mut self.out)?;
        }
        self.patcher.end(&mut self.out)?;
        self.chunks.headers(Step::More, &mut self.out)?;
        self.chunks.finish()?;
        let recording = self.tape.map(Tape::finish).unwrap_or_default();
        Ok(Patched { stats: self.patcher.stats(), diff_id: self.chunks.into_diff_id(), recording })
    }

    /// The writer has failed, and says why.
    fn given_up(self) -> Patched {
        Patched { stats: self.patcher.stats(), diff_id: None, recording: Recording::default() }
    }
}
