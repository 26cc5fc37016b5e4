//! What became of the layers of a run, for the documents above them and for the report.

use std::collections::BTreeMap;

use super::task::EncodeTask;
use super::{Key, LayerResult, Layers, Work};
use crate::blob::NewBlobs;
use crate::digest::Digest;
use crate::document::DigestMap;
use crate::document::references::LayerMoves;
use crate::error::{Error, Result, printable};
use crate::layer::{self, LayerInfo, Outcome, Pool};
use crate::notice::{Notice, NoticeKind};
use crate::rewrite::report::{self, Action, Change};
use crate::spool::Spools;
use crate::store::write::Content;
use crate::tar::Stats;

/// Every distinct layer, for the report.
#[derive(Debug, Default)]
pub struct NumberedLayers {
    /// In the order of their numbers.
    pub list: Vec<report::LayerChange>,
    numbers: BTreeMap<(Digest, Work, usize, Digest), usize>,
}

impl NumberedLayers {
    /// The number of a layer, which is in the list.
    pub fn number(&self, key: &Key) -> Result<usize> {
        let number = self.numbers.get(&key.layer()).copied();
        number.ok_or_else(|| Error::missing("rewritten layer").in_blob(key.name))
    }
}

impl Layers {
    /// Warns of boot images that seal a root filesystem, in layers that are others now.
    pub(super) fn warn_of_seals(&mut self) {
        for done in self.done.values() {
            for name in &done.seals {
                let text = format!(
                    "{}: {} holds a composefs digest of the root filesystem, which covers the times of files, and those \
                     have changed; left as it is: seal the image after rewriting",
                    done.report.digest.old,
                    printable(name)
                );
                self.warnings.insert(Notice::new(NoticeKind::StaleDigest, text));
            }
        }
    }

    /// What became of all layers. One that an image keeps and another one has in a new form is not among those that moved:
    /// what names it names something that is there.
    pub fn moves(&self) -> LayerMoves {
        let mut moves = LayerMoves::default();
        for done in self.done.values() {
            add(&mut moves.blobs, done.report.digest.old, done.report.digest.new);
            add(&mut moves.diff_ids, done.report.diff_id.old, done.report.diff_id.new);
        }
        moves
    }

    /// What became of the layers of one image, whose diff_ids its config lists.
    pub fn moves_of(&self, keys: &[Key], diff_ids: &[Digest]) -> Result<LayerMoves> {
        let mut moves = LayerMoves::default();
        for (key, diff_id) in keys.iter().zip(diff_ids) {
            let done = self.done(key, *diff_id)?;
            add(&mut moves.blobs, done.report.digest.old, done.report.digest.new);
            add(&mut moves.diff_ids, *diff_id, done.diff_id);
        }
        Ok(moves)
    }

    /// Every layer in the order of these, which the images have, and then the others.
    pub fn in_order<'k>(&'k self, keys: impl Iterator<Item = &'k Key>) -> NumberedLayers {
        let mut numbered = NumberedLayers::default();
        for key in keys.chain(self.done.keys()) {
            let Some(done) = self.done.get(key) else { continue };
            numbered.numbers.entry(key.layer()).or_insert_with(|| {
                numbered.list.push(done.report.clone());
                numbered.list.len() - 1
            });
        }
        numbered
    }
}

/// Adds a change, unless the same layer is kept elsewhere.
fn add(moves: &mut DigestMap, old: Digest, new: Digest) {
    if old == new {
        moves.insert(old, new);
    } else {
        moves.entry(old).or_insert(new);
    }
}

pub(super) fn finish(job: &EncodeTask, outcome: Outcome) -> LayerResult {
    let (facts, noted, written) = match outcome {
        Outcome::Unchanged(facts, noted) => (facts, noted, None),
        Outcome::Rewritten(facts, noted, written) => (facts, noted, Some(written)),
    };
    // What was read in order is what the layer was before.
    let facts = match &job.ordered {
        Some(ordered) if ordered.is_moved => {
            let stats = Stats { changed: true, ..facts.stats };
            LayerInfo { stats, ..ordered.info.clone() }
        }
        _ => facts,
    };
    let done = match &written {
        Some(written) => (written.digest, written.size, written.diff_id, job.spec.output.compression()),
        None => (facts.digest, facts.size, facts.diff_id, facts.compression),
    };
    let (digest, size, diff_id, compression) = done;
    let report = report::LayerChange {
        action: match &written {
            None => Action::Unchanged,
            Some(_) if diff_id != facts.diff_id || facts.stats.changed => Action::Rewritten,
            Some(_) if digest != facts.digest => Action::EncodedAgain,
            Some(_) => Action::Unchanged,
        },
        digest: Change { old: facts.digest, new: digest },
        diff_id: Change { old: facts.diff_id, new: diff_id },
        size: Change { old: facts.size, new: size },
        uncompressed_size: Some(facts.uncompressed_size),
        compression: Some(Change { old: facts.compression, new: compression }),
        entries: Some(facts.stats.entries),
        stamped: Some(facts.stats.stamped),
        owners: job.spec.numeric_owner.then_some(facts.stats.owners),
        repaired: Some(facts.stats.repaired),
        omitted: Some(facts.stats.omitted),
        edits: noted.edits,
        cache: written.as_ref().and_then(|written| written.cache),
    };
    let (content, mut seals) = match written {
        Some(written) => (Content::Spool(written.blob), written.seals),
        None => (Content::Source(job.extent.clone()), Vec::new()),
    };
    if diff_id == facts.diff_id {
        seals.clear();
    }
    let (compression, content, old_diff_id) = (Some(compression), Some(content), Some(facts.diff_id));
    LayerResult {
        digest,
        size,
        diff_id,
        old_diff_id,
        compression,
        content,
        report,
        notes: noted.notes,
        seen: noted.seen,
        seals,
    }
}

/// Encodes a layer.
pub(super) fn run_one(job: &EncodeTask, pool: &Pool, spools: &Spools, blobs: &NewBlobs) -> Result<LayerResult> {
    let in_place =
        |e: Error| if e.is_of_new_blob() { e.in_file(spools.folder().display()) } else { e.in_blob(&job.place) };
    let (source, expect) = job.source();
    let outcome = layer::rewrite(source, &expect, &job.spec, pool, blobs).map_err(in_place)?;
    Ok(finish(job, outcome))
}
