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

/// The patch thread: takes the old stream, gives out the chunks of the new one.
pub(super) fn patch(
    blocks: &mut Blocks,
    spec: &Spec,
    pool: &Pool,
    chunks: Sender<Chunk>,
    hashes: Vec<Digest>,
) -> Result<(Stats, Option<Digest>)> {
    let mut patcher = Patcher::new(spec.stamp);
    let diff_id = blocks.are_hashed().then(|| Hasher::new(spec.diff_id_algorithm));
    let mut chunks = Chunks::new(spec.output, pool, chunks, diff_id, hashes);
    let (mut gather, mut out) = (Gather::default(), Vec::new());
    let mut is_fresh_content = true;
    while let Some(block) = blocks.next() {
        let mut bytes = block;
        while !bytes.is_empty() {
            match patcher.want() {
                Want::Feed(n) => {
                    is_fresh_content = true;
                    let Some(fed) = gather.take(n, &mut bytes) else { break };
                    let step = patcher.feed(fed, &mut out)?;
                    chunks.headers(step, &mut out)?;
                }
                want => {
                    if std::mem::take(&mut is_fresh_content) {
                        chunks.begin(match want {
                            Want::Content { total, .. } => Run::Content { total },
                            _ => Run::Rest,
                        })?;
                    }
                    let passed = split_off(&mut bytes, passes(want));
                    patcher.pass(passed.len() as u64);
                    chunks.put(passed)?;
                }
            }
        }
        if chunks.is_closed() {
            // The writer has failed, and says why.
            return Ok((patcher.stats(), None));
        }
    }
    let rest = gather.rest();
    if !rest.is_empty() {
        let step = patcher.feed(rest, &mut out)?;
        chunks.headers(step, &mut out)?;
    }
    patcher.end(&mut out)?;
    chunks.headers(Step::More, &mut out)?;
    chunks.finish()?;
    Ok((patcher.stats(), chunks.into_diff_id()))
}
