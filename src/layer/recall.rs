//! What a run before this one has found out about a layer, kept in the cache under the digest of its blob.
//!
//! - A **plan**: what the layer was found to be, and the pieces of its stream, of which the chunks of large files are the
//!   same at every epoch. With a new epoch the stream is played from the cache (`replay.rs`) instead of being inflated.
//!   Where the blob is the stream itself, the plan has only the SHA-256 of those chunks: they need not be computed again.
//! - An **outcome** for the same stamp: the chunks that make up the new blob, as when several images have a base in common
//!   and each is a run of its own; or that nothing in the layer changes, which under the clamp rule holds for every
//!   later epoch as well.
//!
//! All of it was true of the blob with this digest. Whether the blob at hand has it is found out before an outcome is
//! used, and before a result that a plan helped with is: a wrong blob is the error that it is without a cache.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::epoch::Rule;
use crate::error::{Error, Result};
use crate::layer::pieces::{Kept, Stream};
use crate::layer::replay::{Progress, Replay};
use crate::layer::spec::{Outcome, Spec, Written};
use crate::layer::tape::Tape;
use crate::layer::{Cache, Expect, Facts, Pool, Source};
use crate::media_type::Compression;
use crate::tar::Stats;

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What can be asked about one layer.
pub(super) struct Recall<'a> {
    cache: &'a Cache,
    spec: &'a Spec,
    blob: Digest,
}

/// What does not depend on the stamp.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the layer was found to be; but for `stats`, which are of the stamp of that time.
    pub(super) facts: Facts,
    pub(super) stream: Stream,
}

/// [`Plan`], as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct SavedPlan {
    old: Old,
    stream: Stream,
}

/// [`Facts`], as they are kept; the digest is in the name of the record.
#[derive(Debug, Serialize, Deserialize)]
struct Old {
    compression: String,
    size: u64,
    diff_id: Digest,
    uncompressed_size: u64,
    entries: u64,
    stamped: u64,
    changed: bool,
    gzip_mtime: Option<u32>,
}

impl Old {
    fn new(facts: &Facts) -> Self {
        let Facts { compression, size, diff_id, uncompressed_size, stats, gzip_mtime, .. } = *facts;
        let Stats { entries, stamped, changed } = stats;
        let compression = compression.name().to_owned();
        Self { compression, size, diff_id, uncompressed_size, entries, stamped, changed, gzip_mtime }
    }

    fn facts(self, digest: Digest) -> Option<Facts> {
        let Self { size, diff_id, uncompressed_size, entries, stamped, changed, gzip_mtime, .. } = self;
        let compression = [Compression::None, Compression::Gzip, Compression::Zstd]
            .into_iter()
            .find(|compression| compression.name() == self.compression)?;
        let stats = Stats { entries, stamped, changed };
        Some(Facts { compression, digest, size, diff_id, uncompressed_size, stats, gzip_mtime })
    }
}

/// [`Outcome`], as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    old: Old,
    /// The new blob; none where the layer keeps the one it has.
    new: Option<New>,
    /// The epoch, in seconds since 1970.
    epoch: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct New {
    digest: Digest,
    size: u64,
    diff_id: Digest,
    uncompressed_size: u64,
    /// The SHA-256 of its chunks, uncompressed, in order.
    chunks: Vec<Digest>,
}

impl<'a> Recall<'a> {
    /// None without a cache, where the blob's digest is not known beforehand, and where nothing is compressed: hashing
    /// is all the work then.
    pub(super) fn new(pool: &'a Pool, expect: &Expect, spec: &'a Spec) -> Option<Self> {
        let cache = pool.cache().filter(|_| spec.output.compression() != Compression::None)?;
        Some(Self { cache, spec, blob: expect.digest? })
    }

    /// The plan, if there is one that fits.
    pub(super) fn plan(&self, expect: &Expect) -> Option<Plan> {
        let SavedPlan { old, stream } = self.load(&self.plan_key())?;
        let facts = old.facts(self.blob).filter(|facts| self.fits(expect, facts))?;
        Some(Plan { facts, stream })
    }

    /// Keeps a plan.
    pub(super) fn keep_plan(&self, facts: &Facts, stream: Stream) {
        self.put(&self.plan_key(), &SavedPlan { old: Old::new(facts), stream });
    }

    /// To record the stream with.
    pub(super) fn tape(&self) -> Tape<'a> {
        Tape::new(self.cache, self.spec.output)
    }

    /// Plays the stream of a plan that is whole.
    pub(super) fn replay<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        plan: &'s Plan,
        pool: &'s Pool,
        progress: &'s Progress<'s>,
    ) -> Result<Replay<'s>> {
        Replay::start(scope, pool, self.cache, self.spec.output, &plan.stream, progress)
    }

    /// Is what was found what is expected now?
    fn fits(&self, expect: &Expect, facts: &Facts) -> bool {
        expect.size.is_none_or(|size| size == facts.size)
            && expect.diff_id.is_none_or(|diff_id| diff_id == facts.diff_id)
            && facts.diff_id.algorithm() == expect.diff_id_algorithm(self.spec.diff_id_algorithm)
    }

    /// What was found by another version is not believed: it may have read or patched by other rules.
    fn plan_key(&self) -> String {
        format!("plan {VERSION} {} {}", self.blob, self.spec.diff_id_algorithm.name())
    }

    /// With an epoch, the outcome for that; without, that nothing changes.
    fn outcome_key(&self, epoch: Option<u64>) -> String {
        let Spec { stamp, keep_unchanged, digest_algorithm, diff_id_algorithm, .. } = self.spec;
        let rule = stamp.rule.name();
        let epoch = epoch.map_or_else(|| "unchanged".to_owned(), |epoch| epoch.to_string());
        let (digest, diff_id) = (digest_algorithm.name(), diff_id_algorithm.name());
        format!("outcome {VERSION} {} {rule} {epoch} keep:{keep_unchanged} {digest} {diff_id}", self.blob)
    }

    /// What became of the layer when the same was asked before, after the blob was verified. None where that is not
    /// known, or where anything is amiss: the layer is read then, and that finds the error if there is one.
    pub(super) fn outcome(
        &self,
        source: &dyn Source,
        expect: &Expect,
        pool: &Pool,
        create: &dyn Fn() -> Result<File>,
    ) -> Option<Outcome> {
        let epoch = self.spec.stamp.epoch.seconds();
        let unchanged =
            || self.load::<Saved>(&self.outcome_key(None)).filter(|saved| saved.epoch <= epoch && saved.new.is_none());
        let is_clamp = self.spec.stamp.rule == Rule::Clamp;
        let saved = (self.spec.keep_unchanged && is_clamp).then(unchanged).flatten();
        let Saved { old, new, .. } = saved.or_else(|| self.load(&self.outcome_key(Some(epoch))))?;
        let facts = old.facts(self.blob).filter(|facts| self.fits(expect, facts))?;
        self.verify(source, pool, &AtomicBool::new(false)).ok().filter(|size| *size == facts.size)?;
        let Some(New { digest, size, diff_id, uncompressed_size, chunks }) = new else {
            pool.add_bytes_read(facts.size);
            return Some(Outcome::Unchanged(facts));
        };
        let file = self.assemble(&chunks, &digest, size, create)?;
        pool.add_bytes_read(facts.size);
        Some(Outcome::Rewritten(facts, Written { file, digest, size, diff_id, uncompressed_size }))
    }

    /// The new blob, if all of its chunks are there and make it up.
    fn assemble(
        &self,
        chunks: &[Digest],
        digest: &Digest,
        size: u64,
        create: &dyn Fn() -> Result<File>,
    ) -> Option<File> {
        let (mut file, mut hasher, mut written) = (create().ok()?, Hasher::new(digest.algorithm()), 0);
        for hash in chunks {
            let compressed = self.cache.chunk(self.spec.output, *hash)?;
            hasher.update(&compressed);
            file.write_all(&compressed).ok()?;
            written += compressed.len() as u64;
        }
        (hasher.finish() == *digest && written == size).then_some(file)
    }

    /// Reads the blob; its size, if it has the digest it should have. It leaves off when nobody wants to know any more.
    pub(super) fn verify(&self, source: &dyn Source, pool: &Pool, is_given_up: &AtomicBool) -> Result<u64> {
        let (mut hasher, mut size) = (Hasher::new(self.blob.algorithm()), 0);
        crate::blob::for_each_chunk(&mut source.open()?, |chunk| {
            pool.check()?;
            if is_given_up.load(Ordering::Relaxed) {
                return Err(Error::interrupted());
            }
            hasher.update(chunk);
            size += chunk.len() as u64;
            Ok(())
        })?;
        match hasher.finish() {
            found if found == self.blob => Ok(size),
            found => Err(Error::mismatch("digest", self.blob, found)),
        }
    }

    /// Keeps what became of the layer.
    pub(super) fn keep(&self, outcome: &Outcome, kept: &[Kept]) {
        let epoch = self.spec.stamp.epoch.seconds();
        let (facts, new) = match outcome {
            Outcome::Unchanged(facts) => (facts, None),
            Outcome::Rewritten(facts, Written { digest, size, diff_id, uncompressed_size, .. }) => {
                let (digest, size, diff_id, uncompressed_size) = (*digest, *size, *diff_id, *uncompressed_size);
                let chunks = kept.iter().map(|chunk| chunk.hash).collect();
                (facts, Some(New { digest, size, diff_id, uncompressed_size, chunks }))
            }
        };
        let is_for_later = new.is_none() && self.spec.stamp.rule == Rule::Clamp;
        let key = self.outcome_key((!is_for_later).then_some(epoch));
        self.put(&key, &Saved { old: Old::new(facts), new, epoch });
    }

    fn load<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(&self.cache.record(self.spec.output, key)?).ok()
    }

    fn put(&self, key: &str, record: &impl Serialize) {
        if let Ok(record) = serde_json::to_vec(record) {
            self.cache.put_record(self.spec.output, key, &record);
        }
    }
}
