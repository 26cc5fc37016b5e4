//! A lock as data, and the files that it is written as.
//!
//! Both JSON forms are stable: fields are added, never renamed or removed, while their `schema` is 1. Fields are named and
//! written as those of what `inspect` reports.
//!
//! ```text
//! lock.json    schema, platform,
//!              origin         as in `inspect --json`
//!              packages[]     manager, from[], of_base, list[] {name, version, architecture, source, hash}
//!              source_policy  version, rules[] {action, selector {identifier, match_type}, updates {identifier, attrs}}
//!
//! --json       schema, source {name, kind}, image {names[], platform, manifest, config, created},
//!              lock           as lock.json
//!              files[]        name, size, digest
//! ```
//!
//! Nothing in `lock.json` names the image itself, or where it was: two builds of one lock have the same.

use serde::{Serialize, Serializer};

use crate::digest::Digest;
use crate::lock::policy::Policy;
use crate::origin::{Manager, Origin, Package};
use crate::platform::Platform;
use crate::store::location::NamedCarrier;

/// The version of the form of what is reported.
pub const SCHEMA: u32 = 1;
/// The version of the form of `lock.json`.
pub const LOCK_SCHEMA: u32 = 1;

/// What was found, and the files to keep it in.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// What was read.
    pub source: NamedCarrier,
    /// Which image.
    pub image: LockedImage,
    /// The lock.
    pub lock: LockDocument,
    /// The files: `lock.json` and what is made of it.
    pub files: Vec<LockFile>,
}

impl Report {
    /// Was everything that matters read?
    pub fn is_complete(&self) -> bool {
        self.lock.origin.problems.is_empty() && self.lock.origin.not_looked_at.is_empty()
    }
}

/// The image that a lock is of.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LockedImage {
    /// Its names.
    pub names: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
    /// Its manifest; none in an archive of `docker save` before Docker 25.
    pub manifest: Option<Digest>,
    /// Its config.
    pub config: Digest,
    /// When it was made, as its config says.
    pub created: Option<String>,
}

/// `lock.json`
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct LockDocument {
    /// [`LOCK_SCHEMA`]
    pub schema: u32,
    /// What the image runs on.
    pub platform: Platform,
    /// Where it comes from.
    pub origin: Origin,
    /// What is installed, by manager.
    pub packages: Vec<PackageList>,
    /// What BuildKit is to take for the sources that are known.
    pub source_policy: Policy,
}

/// The packages of one manager.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct PackageList {
    /// Whose they are.
    pub manager: Manager,
    /// Where they were read.
    pub from: Vec<String>,
    /// How many more are left out, since the base has them; null without a base.
    pub of_base: Option<usize>,
    /// The packages, in the order of their names.
    pub list: Vec<Package>,
}

/// A file to be written.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LockFile {
    /// Its name: one of ours, whatever is in the image.
    pub name: String,
    /// What is in it; in JSON its size and digest.
    #[serde(flatten, serialize_with = "size_and_digest")]
    pub bytes: Vec<u8>,
}

impl LockFile {
    pub(super) fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

fn size_and_digest<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Content {
        size: usize,
        digest: Digest,
    }
    Content { size: bytes.len(), digest: Digest::sha256(bytes) }.serialize(serializer)
}
