//! The layers of a run: which have to be encoded, each distinct one once, and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::blob::{Extent, NewBlobs, WRITING};
use crate::digest::{Algorithm, Digest};
use crate::document::descriptor::Descriptor;
use crate::error::{Error, Kind, Result, printable};
use crate::image::docker::DockerLayer;
use crate::image::graph::extent_of;
use crate::layer::{self, Expect, Outcome, Pool, Spec};
use crate::media_type::{Compression, LayerKind, LayerType};
use crate::policy::Policy;
use crate::rewrite::report::{Action, Change, Layer};
use crate::rewrite::speculative::{self, Early};
use crate::spool::Spools;
use crate::store::open::Source;
use crate::store::write::Content;

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
/// The name is the blob's digest, or, where a path in an archive does not tell it, the diff_id. The two can't be
/// mistaken: they are hashes of different bytes unless the layer is not compressed, and then they are the same layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    name: Digest,
    work: Work,
    /// Images that say different things of a layer can't all be right: each is verified on its own, and where nobody
    /// reads the layer, each keeps what it says.
    diff_id: Digest,
}

/// A layer that stays as it is, but for which its image has to tell the truth.
#[derive(Debug)]
struct Proof {
    extent: Extent,
    expect: Expect,
    place: String,
}

/// What a thread takes up next.
#[derive(Debug)]
enum Task {
    Encode(Key, Job),
    Prove(Proof),
}

impl Task {
    fn len(&self) -> u64 {
        match self {
            Self::Encode(_, Job { extent, .. }) | Self::Prove(Proof { extent, .. }) => extent.len(),
        }
    }
}

/// A layer that is to be encoded.
#[derive(Debug)]
struct Job {
    extent: Extent,
    expect: Expect,
    spec: Spec,
    place: String,
}

/// What became of a layer.
#[derive(Debug, Clone)]
pub struct Done {
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
    pub report: Layer,
}

/// All layers of a run.
#[derive(Debug, Default)]
pub struct Layers {
    jobs: BTreeMap<Key, Job>,
    proofs: BTreeMap<Key, Proof>,
    done: BTreeMap<Key, Done>,
    /// What the descriptors of an index ask for, so that `manifest.json` asks for the same.
    by_blob: BTreeMap<Digest, Key>,
    /// What somebody should know, each once.
    pub warnings: BTreeSet<String>,
}

impl Layers {
    /// Plans a layer that a descriptor names.
    pub fn plan(
        &mut self,
        source: &Source,
        policy: &Policy,
        descriptor: &Descriptor,
        diff_id: Digest,
        base: bool,
    ) -> Result<Key> {
        // What has no media type is what the config says of it: the layer of that diff_id.
        let kind = descriptor.layer_kind(true);
        let extent = extent_of(source, descriptor)?;
        let (digest, size) = (descriptor.digest, descriptor.size);
        let action = match (kind, &extent) {
            (LayerKind::Foreign, _) => Some(Action::Foreign),
            (_, None) => return Err(Error::missing("layer").in_blob(digest)),
            (LayerKind::Tar(_), _) => base.then_some(Action::Base),
            (LayerKind::Encrypted | LayerKind::Opaque, _) => Some(Action::Opaque),
        };
        if let Some(action) = action {
            let content = extent.map(Content::Source);
            if let Some(content) = content.as_ref().filter(|content| content.len() != size) {
                return Err(Error::mismatch("size", size, content.len()).in_blob(digest));
            }
            let is_tar = action == Action::Base || LayerType::parse(&descriptor.media_type).is_some();
            let is_here = content.is_some();
            let key = self.keep(action, digest, size, diff_id, content, is_tar)?;
            if action != Action::Base {
                self.by_blob.entry(digest).or_insert(key);
            }
            if is_here && !base {
                self.unstamped(action, descriptor);
            }
            return Ok(key);
        }
        let Some(extent) = extent else { return Err(Error::missing("layer").in_blob(digest)) };
        let declared = match kind {
            LayerKind::Tar(Some(compression)) => compression,
            _ => layer::compression_of(&extent)?,
        };
        let expect = Expect { digest: Some(digest), size: Some(size), diff_id: Some(diff_id) };
        let key = self.encode(policy, digest, declared, extent, expect, digest.to_string())?;
        self.by_blob.insert(digest, key);
        Ok(key)
    }

    /// Says that the times in a layer are not set, and why.
    fn unstamped(&mut self, action: Action, descriptor: &Descriptor) {
        let why = match action {
            Action::Foreign => "a foreign layer, which is its vendor's to change".to_owned(),
            _ => format!("{} is no layer", printable(descriptor.media_type.as_bytes())),
        };
        self.warnings.insert(format!("{}: times in it are left as they are: {why}", descriptor.digest));
    }

    /// Plans a layer that `manifest.json` names.
    pub fn plan_docker(&mut self, policy: &Policy, layer: &DockerLayer, diff_id: Digest, base: bool) -> Result<Key> {
        let compression = layer::compression_of(&layer.extent)?;
        let is_foreign = layer.kind == LayerKind::Foreign;
        if base || is_foreign {
            let digest = match (layer.digest, compression) {
                (Some(digest), _) => digest,
                (None, Compression::None) => diff_id,
                (None, _) => layer.extent.digest(Algorithm::Sha256)?,
            };
            let action = if is_foreign { Action::Foreign } else { Action::Base };
            let content = Content::Source(layer.extent.clone());
            return self.keep(action, digest, layer.extent.len(), diff_id, Some(content), true);
        }
        let known = layer.digest.and_then(|digest| self.by_blob.get(&digest)).copied();
        match known {
            Some(key) if key.work == Work::Keep => {
                let action = self.done.get(&key).map_or(Action::Opaque, |done| done.report.action);
                let content = Content::Source(layer.extent.clone());
                let is_tar = self.proofs.contains_key(&key);
                return self.keep(action, key.name, layer.extent.len(), diff_id, Some(content), is_tar);
            }
            Some(key) if key.diff_id == diff_id => return Ok(key),
            _ => {}
        }
        let expect = Expect { digest: layer.digest, size: None, diff_id: Some(diff_id) };
        let name = layer.digest.unwrap_or(diff_id);
        self.encode(policy, name, compression, layer.extent.clone(), expect, layer.path.clone())
    }

    /// A layer that stays as it is; `is_tar` says that it is one of a format whose diff_id can be computed.
    fn keep(
        &mut self,
        action: Action,
        digest: Digest,
        size: u64,
        diff_id: Digest,
        content: Option<Content>,
        is_tar: bool,
    ) -> Result<Key> {
        let key = Key { name: digest, work: Work::Keep, diff_id };
        if let Some(Content::Source(extent)) = content.as_ref().filter(|_| is_tar) {
            // All bytes are compared with their digest when they are copied. That is all there is to compare only where
            // they are not compressed and both digests are the same.
            if digest != diff_id || layer::compression_of(extent)? != Compression::None {
                let expect = Expect { digest: Some(digest), size: Some(size), diff_id: Some(diff_id) };
                self.proofs.insert(key, Proof { extent: extent.clone(), expect, place: digest.to_string() });
            }
        }
        let same = |digest| Change { old: digest, new: digest };
        let report = Layer {
            action,
            digest: Some(same(digest)),
            diff_id: same(diff_id),
            size: [size; 2],
            uncompressed_size: None,
            compression: None,
            entries: None,
            stamped: None,
        };
        let done = Done { digest, size, diff_id, old_diff_id: None, compression: None, content, report };
        self.done.insert(key, done);
        Ok(key)
    }

    fn encode(
        &mut self,
        policy: &Policy,
        name: Digest,
        as_it_was: Compression,
        extent: Extent,
        expect: Expect,
        place: String,
    ) -> Result<Key> {
        let compression = policy.encoding.compression.unwrap_or(as_it_was);
        let diff_id = expect.diff_id.unwrap_or(name);
        let key = Key { name, work: Work::Encode(compression), diff_id };
        if let Some(job) = self.jobs.get(&key) {
            // The same bytes under another descriptor: both have to tell the truth about them.
            if job.expect.size.is_some() && expect.size.is_some() && job.expect.size != expect.size {
                return Err(Error::mismatch("size", expect.size.unwrap_or(0), extent.len()).in_blob(name));
            }
            return Ok(key);
        }
        let algorithm = expect.digest.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let mut spec = speculative::spec(policy, compression, algorithm)?;
        spec.diff_id_algorithm = expect.diff_id.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        self.jobs.insert(key, Job { extent, expect, spec, place });
        Ok(key)
    }

    /// Bytes of all blobs that are to be read.
    pub fn total(&self) -> u64 {
        let proofs = self.proofs.values().map(|proof| proof.extent.len());
        self.jobs.values().map(|job| job.extent.len()).chain(proofs).fold(0, u64::saturating_add)
    }

    /// Does the work, several layers side by side.
    pub fn run(&mut self, pool: &Pool, spools: &Spools, mut early: Early) -> Result<()> {
        for (key, job) in std::mem::take(&mut self.jobs) {
            match early.take(&job.extent, &job.expect, &job.spec) {
                Some(outcome) => {
                    let done = finish(&job, outcome.map_err(|e| e.in_blob(&job.place))?);
                    self.done.insert(key, done);
                }
                None => {
                    self.jobs.insert(key, job);
                }
            }
        }
        let jobs = std::mem::take(&mut self.jobs).into_iter().map(|(key, job)| Task::Encode(key, job));
        let mut queue: Vec<Task> =
            jobs.chain(std::mem::take(&mut self.proofs).into_values().map(Task::Prove)).collect();
        // The largest first, so that no long one is left to run alone at the end.
        queue.sort_by_key(|task| std::cmp::Reverse(task.len()));
        let blobs = NewBlobs::new(|| spools.file());
        let done = pool.each(&queue, |task, batch| match task {
            Task::Encode(key, job) => Ok(Some((*key, run_one(job, batch, spools, &blobs)?))),
            Task::Prove(proof) => prove(proof, batch).map(|()| None),
        })?;
        self.done.extend(done.into_iter().flatten());
        Ok(())
    }

    /// What became of a layer that was planned, which must have had this diff_id.
    pub fn done(&self, key: &Key, diff_id: Digest) -> Result<&Done> {
        let done = self.done.get(key).ok_or_else(|| Error::missing("rewritten layer").in_blob(key.name))?;
        if let Some(found) =
            done.old_diff_id.filter(|found| found.algorithm() == diff_id.algorithm() && *found != diff_id)
        {
            return Err(Error::mismatch("diff_id", diff_id, found).in_blob(key.name));
        }
        Ok(done)
    }

    /// Every layer, for the report.
    pub fn reports(&self) -> Vec<Layer> {
        self.done.values().map(|done| done.report.clone()).collect()
    }
}

fn prove(proof: &Proof, pool: &Pool) -> Result<()> {
    layer::measure(&proof.extent, &proof.expect, pool).map(|_| ()).map_err(|e| e.in_blob(&proof.place))
}

fn run_one(job: &Job, pool: &Pool, spools: &Spools, blobs: &NewBlobs<'_>) -> Result<Done> {
    let outcome = layer::rewrite(&job.extent, &job.expect, &job.spec, pool, blobs)
        .map_err(|e| if is_full(&e) { e.in_file(spools.folder().display()) } else { e.in_blob(&job.place) })?;
    Ok(finish(job, outcome))
}

fn finish(job: &Job, outcome: Outcome) -> Done {
    let (facts, written) = match outcome {
        Outcome::Unchanged(facts) => (facts, None),
        Outcome::Rewritten(facts, written) => (facts, Some(written)),
    };
    let done = match &written {
        Some(written) => (written.digest, written.size, written.diff_id, job.spec.output.compression()),
        None => (facts.digest, facts.size, facts.diff_id, facts.compression),
    };
    let (digest, size, diff_id, compression) = done;
    let report = Layer {
        action: if written.is_some() { Action::Rewritten } else { Action::Unchanged },
        digest: Some(Change { old: facts.digest, new: digest }),
        diff_id: Change { old: facts.diff_id, new: diff_id },
        size: [facts.size, size],
        uncompressed_size: Some(facts.uncompressed_size),
        compression: Some([facts.compression, compression]),
        entries: Some(facts.stats.entries),
        stamped: Some(facts.stats.stamped),
    };
    let content = match written {
        Some(written) => Content::Spool(written.blob),
        None => Content::Source(job.extent.clone()),
    };
    let old_diff_id = Some(facts.diff_id);
    Done { digest, size, diff_id, old_diff_id, compression: Some(compression), content: Some(content), report }
}

/// Is it the spool that could not be written? Then its place is not in the image.
fn is_full(error: &Error) -> bool {
    matches!(error.kind(), Kind::Io { doing, .. } if *doing == WRITING)
}
