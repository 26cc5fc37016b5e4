//! The patch thread: takes the old stream, gives out the chunks of the new one.

use crossbeam_channel::Sender;

use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::layer::blocks::Blocks;
use crate::layer::chunks::{Chunk, Chunks};
use crate::layer::form1::Run;
use crate::layer::gather::{Gather, passes, split_off};
use crate::layer::{Pool, Spec};
use crate::tar::{Patcher, Stats, Step, Want};

/// What the patch thread has found and computed when it ends.
pub(super) struct Patched {
    pub(super) stats: Stats,
    /// The diff_id of the new stream, where this thread has computed it.
    pub(super) diff_id: Option<Digest>,
}

/// Patches the stream that is read from a blob.
pub(super) fn read(blocks: &mut Blocks, spec: &Spec, pool: &Pool, chunks: Sender<Chunk>) -> Result<Patched> {
    let diff_id = blocks.are_hashed().then(|| Hasher::new(spec.diff_id_algorithm));
    let mut patching = Patching::new(spec, Chunks::new(spec.output, pool, chunks, diff_id));
    while let Some(block) = blocks.next() {
        patching.bytes(block)?;
        if patching.chunks.is_closed() {
            // The writer has failed, and its error is the one that is reported.
            return Ok(Patched { stats: patching.patcher.stats(), diff_id: None });
        }
    }
    patching.finish()
}

struct Patching<'a> {
    patcher: Patcher,
    chunks: Chunks<'a>,
    gather: Gather,
    /// What the patcher gives out; empty between two steps.
    out: Vec<u8>,
    is_fresh_content: bool,
}

impl<'a> Patching<'a> {
    fn new(spec: &Spec, chunks: Chunks<'a>) -> Self {
        let (gather, out) = (Gather::default(), Vec::new());
        Self { patcher: Patcher::new(spec.stamp), chunks, gather, out, is_fresh_content: true }
    }

    /// The next bytes of the old stream.
    fn bytes(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.patcher.want() {
                Want::Feed(n) => {
                    self.is_fresh_content = true;
                    let Some(fed) = self.gather.take(n, &mut bytes) else { break };
                    let step = self.patcher.feed(fed, &mut self.out)?;
                    self.chunks.headers(step, &mut self.out)?;
                }
                want => {
                    self.begin(want)?;
                    let passed = split_off(&mut bytes, passes(want));
                    self.patcher.pass(passed.len() as u64);
                    self.chunks.put(passed)?;
                }
            }
        }
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
        Ok(Patched { stats: self.patcher.stats(), diff_id: self.chunks.into_diff_id() })
    }
}
