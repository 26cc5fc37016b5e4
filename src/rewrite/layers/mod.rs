//! The layers of a run: which have to be encoded, each distinct one once, and the results (`results.rs`).

mod ordered;
mod results;
mod task;
mod unread;

pub use results::NumberedLayers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::blob::{Expected, Extent, ExtentId};
use crate::context::new_blobs;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Property, Result};
use crate::image::ImageSet;
use crate::image::layers::{Layer, LayerId};
use crate::layer::{self, LayerExpected, Pool, Tree};
use crate::media_type::{Compression, LayerKind, unread_layer, unread_layer_error};
use crate::notice::Notice;
use crate::repair::notes::Notes;
use crate::repair::rules::Specials;
use crate::repair::seen::Seen;
use crate::rewrite::options::Options;
use crate::rewrite::report::{self, Action, Change, Edits};
use crate::rewrite::speculative::{self, SpeculativeLayers};
use crate::spool::Spools;
use crate::store::write::Content;
use results::run_one;
use task::{BaseCheck, Done, EncodeTask, Task, verify_base};

/// What is to be done with a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// It is not encoded: base, foreign, opaque.
    Keep,
    /// It is stamped and encoded so.
    Encode(Compression),
}

/// A layer and what is to be done with it: what is asked for twice is done once.
///
/// The name is the blob's digest or, where only a path names the blob, the diff_id. The two can't be confused: they are
/// hashes of different bytes unless the layer is not compressed, and then they are the same layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    name: Digest,
    /// The file, where no digest names the blob: another file of that diff_id has to be verified as well.
    file: Option<ExtentId>,
    work: Work,
    /// Which list of entries that are treated by themselves; 0 is that of none.
    variant: usize,
    /// Images that give one layer different diff_ids can't all be right: each claim is verified on its own, and where
    /// the layer is not read, each image keeps its claim.
    diff_id: Digest,
}

impl Key {
    /// Files of one content are one layer.
    fn layer(&self) -> (Digest, Work, usize, Digest) {
        (self.name, self.work, self.variant, self.diff_id)
    }

    /// What messages call it.
    pub fn name(&self) -> Digest {
        self.name
    }

    /// Are its times replaced?
    pub fn is_stamped(&self) -> bool {
        matches!(self.work, Work::Encode(_))
    }
}

/// What became of a layer.
#[derive(Debug, Clone)]
pub struct LayerResult {
    /// Its new blob.
    pub digest: Digest,
    /// The size of that.
    pub size: u64,
    /// Its new diff_id.
    pub diff_id: Digest,
    /// Its diff_id as it was, computed where it was read.
    pub old_diff_id: Option<Digest>,
    /// Its compression now, where it is known.
    pub compression: Option<Compression>,
    /// Its bytes; none where the blob is not in the image.
    pub content: Option<Content>,
    /// For the report.
    pub report: report::LayerChange,
    /// What was noted of copies of mtimes.
    notes: Notes,
    /// What else was seen of its entries, where it was rewritten.
    seen: Seen,
    /// Boot images in it that seal a root filesystem, where it is another layer now.
    seals: Vec<Vec<u8>>,
}

/// All layers of a run.
#[derive(Debug, Default)]
pub struct Layers {
    jobs: BTreeMap<Key, EncodeTask>,
    base_checks: BTreeMap<Key, BaseCheck>,
    done: BTreeMap<Key, LayerResult>,
    /// What was encoded, in case that it has to be once more.
    encoded: BTreeMap<Key, EncodeTask>,
    /// The directories of layers, where layers are put in order.
    trees: BTreeMap<Key, Tree>,
    /// Lists of entries that are treated by themselves; the first is that of variant 1.
    variants: Vec<Arc<Specials>>,
    /// Layers whose times are left as they are: foreign ones without a media type, others by that.
    unread: BTreeMap<Option<String>, BTreeSet<Digest>>,
    /// Layers of the base that are not read, as they are where the result goes.
    unread_base: BTreeSet<Digest>,
    /// New layers are hashed, and not kept.
    are_discarded: bool,
    /// Warnings for the user, each once.
    pub warnings: BTreeSet<Notice>,
}

impl Layers {
    /// Nothing is planned yet. `are_discarded`: new layers are hashed, and not kept.
    pub fn new(are_discarded: bool) -> Self {
        Self { are_discarded, ..Self::default() }
    }

    /// Plans a layer of an image whose config gives it this diff_id.
    pub fn plan(
        &mut self,
        set: &ImageSet<'_>,
        options: &Options,
        id: LayerId,
        diff_id: Digest,
        is_base: bool,
    ) -> Result<Key> {
        let layer = set.layer(id);
        let extent = set.extent(layer)?;
        if let Some(by) = layer.media_type.as_deref().and_then(unread_layer).filter(|_| !is_base) {
            return Err(unread_layer_error(by).in_blob(layer.name()));
        }
        let action = match (layer.kind, &extent) {
            (LayerKind::Foreign, _) => Some(Action::Foreign),
            (LayerKind::Tar(_), _) if is_base => Some(Action::Base),
            (LayerKind::Tar(_), _) => None,
            (LayerKind::Encrypted | LayerKind::Opaque, _) => Some(Action::Opaque),
        };
        let Some(extent) = extent else {
            let kept = action.filter(|action| *action == Action::Foreign).zip(layer.digest).zip(layer.size);
            let Some(((action, digest), size)) = kept else {
                return Err(Error::missing("layer").in_blob(layer.name()));
            };
            if !is_base {
                self.unstamped(action, digest, layer);
            }
            return Ok(self.keep(action, (digest, size), diff_id, None));
        };
        let size = Expected { digest: None, size: layer.size };
        size.check_size(extent.len()).map_err(|e| e.in_blob(layer.name()))?;
        if let Some(action) = action {
            // A file that has no digest in its name is one that is not compressed, or has to be read.
            let digest = match layer.digest {
                Some(digest) => digest,
                None if layer::compression_of(&extent)? == Compression::None => diff_id,
                None => extent.digest(Algorithm::Sha256)?,
            };
            if !is_base {
                self.unstamped(action, digest, layer);
            }
            if action == Action::Base && options.base_stays_there {
                self.unread_base.insert(digest);
            } else if layer.has_diff_id() {
                let is_noted = matches!(layer.kind, LayerKind::Tar(_));
                self.verify_kept(digest, &extent, diff_id, is_noted)?;
            }
            let size = extent.len();
            return Ok(self.keep(action, (digest, size), diff_id, Some(Content::Source(extent))));
        }
        let as_it_was = match layer.kind {
            LayerKind::Tar(Some(compression)) => compression,
            _ => layer::compression_of(&extent)?,
        };
        self.encode(options, layer, as_it_was, extent, diff_id)
    }

    /// The times in this layer are not set.
    fn unstamped(&mut self, action: Action, digest: Digest, layer: &Layer) {
        let is_foreign = action == Action::Foreign;
        let media_type = (!is_foreign).then(|| layer.media_type.as_deref().unwrap_or_default().to_owned());
        self.unread.entry(media_type).or_default().insert(digest);
    }

    /// Plans to compare a layer that stays as it is with its diff_id. All bytes are compared with their digest when they
    /// are copied, which is enough only where they are not compressed and both digests are the same.
    fn verify_kept(&mut self, digest: Digest, extent: &Extent, diff_id: Digest, is_noted: bool) -> Result<()> {
        if is_noted || digest != diff_id || layer::compression_of(extent)? != Compression::None {
            let key = Key { name: digest, file: None, work: Work::Keep, variant: 0, diff_id };
            let expect = LayerExpected { digest: Some(digest), size: Some(extent.len()), diff_id: Some(diff_id) };
            self.base_checks
                .insert(key, BaseCheck { extent: extent.clone(), expect, is_noted, place: digest.to_string() });
        }
        Ok(())
    }

    /// A layer that stays as it is.
    fn keep(
        &mut self,
        action: Action,
        (digest, size): (Digest, u64),
        diff_id: Digest,
        content: Option<Content>,
    ) -> Key {
        let key = Key { name: digest, file: None, work: Work::Keep, variant: 0, diff_id };
        let report = report::LayerChange {
            action,
            digest: Change::none(digest),
            diff_id: Change::none(diff_id),
            size: Change::none(size),
            uncompressed_size: None,
            compression: None,
            entries: None,
            stamped: None,
            owners: None,
            repaired: None,
            omitted: None,
            edits: Edits::default(),
            cache: None,
        };
        let done = LayerResult {
            digest,
            size,
            diff_id,
            old_diff_id: None,
            compression: None,
            content,
            report,
            notes: Notes::default(),
            seen: Seen::default(),
            seals: Vec::new(),
        };
        self.done.insert(key, done);
        key
    }

    fn encode(
        &mut self,
        options: &Options,
        layer: &Layer,
        as_it_was: Compression,
        extent: Extent,
        diff_id: Digest,
    ) -> Result<Key> {
        let compression = options.compression.unwrap_or(as_it_was);
        let name = layer.digest.unwrap_or(diff_id);
        let file = layer.digest.is_none().then(|| extent.id());
        let key = Key { name, file, work: Work::Encode(compression), variant: 0, diff_id };
        if self.jobs.contains_key(&key) {
            return Ok(key);
        }
        let expect = LayerExpected { digest: layer.digest, size: layer.size, diff_id: Some(diff_id) };
        let algorithm = layer.digest.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let mut spec = speculative::spec(options, compression, algorithm)?;
        spec.diff_id_algorithm = diff_id.algorithm();
        self.jobs.insert(key, EncodeTask { extent, expect, spec, place: layer.name(), ordered: None });
        Ok(key)
    }

    /// Bytes of all blobs that are to be read.
    pub fn total(&self) -> u64 {
        let base_checks = self.base_checks.values().map(|base_check| base_check.extent.len());
        self.jobs.values().map(|job| job.extent.len()).chain(base_checks).fold(0, u64::saturating_add)
    }

    /// Does the work, several layers side by side.
    pub fn run(&mut self, pool: &Pool, spools: &Spools, mut speculative: SpeculativeLayers) -> Result<()> {
        self.encoded.extend(self.jobs.iter().map(|(key, job)| (*key, job.clone())));
        for (key, job) in std::mem::take(&mut self.jobs) {
            match speculative.take(&job.extent, &job.expect, &job.spec) {
                Some(outcome) => {
                    let done = results::finish(&job, outcome.map_err(|e| e.in_blob(&job.place))?);
                    self.done.insert(key, done);
                }
                None => {
                    self.jobs.insert(key, job);
                }
            }
        }
        let jobs = std::mem::take(&mut self.jobs).into_iter().map(|(key, job)| Task::Encode(key, job));
        let checks = std::mem::take(&mut self.base_checks).into_iter();
        let mut queue: Vec<Task> = jobs.chain(checks.map(|(key, check)| Task::VerifyBase(key, check))).collect();
        // The largest first, so that no long one is left to run alone at the end.
        queue.sort_by_key(|task| std::cmp::Reverse(task.len()));
        // What is elsewhere may come while others are worked on.
        queue.iter().try_for_each(Task::prepare)?;
        let blobs = new_blobs(spools);
        let blobs = if self.are_discarded { blobs.without_layers() } else { blobs };
        let done = pool.each(&queue, |task, batch| {
            let done = match task {
                Task::Encode(key, job) => {
                    run_one(job, batch, spools, &blobs).map(|done| (*key, Done::Encoded(Box::new(done))))
                }
                Task::VerifyBase(key, base_check) => {
                    verify_base(base_check, batch, &blobs).map(|notes| (*key, Done::Verified(notes)))
                }
            };
            if done.is_err() {
                // Whoever waits for a layer that is still on the way need not.
                queue.iter().for_each(Task::abandon);
            }
            done
        })?;
        for (key, done) in done {
            match done {
                Done::Encoded(mut result) => {
                    if let Some(before) = self.done.get(&Key { variant: 0, ..key }).filter(|_| key.variant > 0) {
                        result.report.edits.carry(&before.report.edits);
                    }
                    self.done.insert(key, *result);
                }
                Done::Verified(notes) => {
                    if let Some(kept) = self.done.get_mut(&key) {
                        kept.notes = notes;
                    }
                }
            }
        }
        self.warn_of_seals();
        Ok(())
    }

    /// What was noted of a layer.
    pub fn notes(&self, key: &Key) -> Option<&Notes> {
        self.done.get(key).map(|done| &done.notes)
    }

    /// What else was seen of a layer that was rewritten.
    pub fn seen(&self, key: &Key) -> Option<&Seen> {
        self.done.get(key).map(|done| &done.seen)
    }

    /// The same of all layers.
    pub fn all_seen(&self) -> impl Iterator<Item = &Seen> {
        self.done.values().map(|done| &done.seen)
    }

    /// Entries of a layer that should have been left as they were.
    pub fn left(&self, key: &Key) -> &[u64] {
        self.done.get(key).map_or(&[], |done| done.report.edits.left())
    }

    /// The blob of a layer that is encoded, and what it is expected to be.
    pub fn encoded(&self, key: &Key) -> Option<(&dyn layer::Source, LayerExpected)> {
        self.encoded.get(key).map(EncodeTask::source)
    }

    /// The key of the same layer with these entries treated by themselves; it is to be run if there is none yet.
    pub fn with_specials(&mut self, key: &Key, specials: Specials) -> Key {
        let Some(task) = self.encoded.get(key).filter(|_| !specials.is_empty()) else { return *key };
        let known = self.variants.iter().position(|known| **known == specials);
        let at = known.unwrap_or_else(|| {
            self.variants.push(Arc::new(specials));
            self.variants.len() - 1
        });
        let variant = Key { variant: at + 1, ..*key };
        if let Some(specials) = self.variants.get(at).filter(|_| !self.done.contains_key(&variant)) {
            let mut task = task.clone();
            task.spec.rules.specials = Arc::clone(specials);
            self.jobs.insert(variant, task);
        }
        variant
    }

    /// Forgets layers that no image has in the end.
    pub fn retain(&mut self, used: &BTreeSet<Key>) {
        self.done.retain(|key, _| used.contains(key));
    }

    /// What became of a layer that was planned, which must have had this diff_id.
    pub fn done(&self, key: &Key, diff_id: Digest) -> Result<&LayerResult> {
        let done = self.done.get(key).ok_or_else(|| Error::missing("rewritten layer").in_blob(key.name))?;
        if let Some(found) =
            done.old_diff_id.filter(|found| found.algorithm() == diff_id.algorithm() && *found != diff_id)
        {
            return Err(Error::mismatch(Property::DiffId, diff_id, found).in_blob(key.name));
        }
        Ok(done)
    }
}
