//! What a rewrite did, as data: the summary on a terminal and `--report` are made from it.
//!
//! The JSON form is stable: fields are added, never renamed or removed, while `schema` is 2.

use serde::Serialize;

use crate::clock::Created;
use crate::digest::Digest;
use crate::layer::CacheUse;
use crate::media_type::Compression;
use crate::notice::Notice;
use crate::platform::Platform;
use crate::store::location::NamedCarrier;

pub use crate::image::NameKind;
pub use crate::repair::edits::{EditInfo, EditKind, Edits};
pub use crate::store::sent::Sent;

/// The version of the JSON form.
pub const SCHEMA: u32 = 2;

/// Everything that a rewrite did.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Seconds since 1970.
    pub epoch: u64,
    /// What times in documents became: seconds since 1970, or `keep`.
    pub created: Created,
    /// `set` or `clamp`
    pub rule: &'static str,
    /// The canonical form and its parameters, of the layers that were encoded.
    pub form: Form,
    /// What was read.
    pub source: NamedCarrier,
    /// What was written.
    pub destination: NamedCarrier,
    /// What has a name in the result, and the digest to deploy it by.
    pub names: Vec<NameChange>,
    /// Every image, attestations and artifacts aside.
    pub images: Vec<ImageChange>,
    /// Every distinct layer, in the order in which the images have them.
    pub layers: Vec<LayerChange>,
    /// `index.json` before and after, as a digest: equal to that of every other build of the same content.
    pub index: Option<Change>,
    /// Timestamps in documents (configs, history, labels, annotations) that were changed.
    pub document_times: u64,
    /// Times in the commands of history that were changed, as the labels or annotations that they repeat were.
    pub command_times: u64,
    /// Copies of mtimes in files, and what became of them.
    pub copies: Copies,
    /// Files whose mtime changed and showed the date of the image's packages, with the mtime that they had: lists of
    /// sources of apt and dnf, the log of pacman.
    pub package_dates: Vec<PackageDate>,
    /// What was left out: attestations, signatures, platforms, files that nothing refers to.
    pub dropped: Vec<Notice>,
    /// Warnings for the user.
    pub warnings: Vec<Notice>,
    /// What was sent to a registry, or would be; none where the destination is no registry.
    pub sent: Option<Sent>,
    /// Nothing was written, by request.
    pub dry_run: bool,
}

/// Copies of mtimes in files (Python bytecode, caches), of all images, and what became of them.
#[derive(Debug, Default, Clone, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copies {
    /// They were right, and hold the new mtime of their original.
    pub followed: u64,
    /// They were stale and are still.
    pub stale: u64,
    /// Those of the stale ones that would be right now, and got a time that differs from their original's.
    pub unfit: u64,
    /// They were right and are stale now, as their layer stays or by request.
    pub left_behind: u64,
    /// They were stale and are right now, as their layer stays or by request.
    pub wrongly_right: u64,
}

impl Copies {
    pub(crate) fn add(&mut self, other: &Self) {
        self.followed += other.followed;
        self.stale += other.stale;
        self.unfit += other.unfit;
        self.left_behind += other.left_behind;
        self.wrongly_right += other.wrongly_right;
    }
}

/// A file whose mtime showed the date of packages.
#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PackageDate {
    /// Its path.
    pub path: String,
    /// The mtime that it had.
    pub mtime: String,
}

/// The canonical form.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Form {
    /// Its number.
    pub version: u32,
    /// `keep`, or what every layer was made.
    pub compression: &'static str,
    /// The gzip level.
    pub gzip_level: u32,
    /// The zstd level.
    pub zstd_level: u32,
}

/// A value before and after: a digest, unless another type is given.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<O = Digest, N = O> {
    /// Before.
    pub old: O,
    /// After.
    pub new: N,
}

impl<T: Copy> Change<T> {
    /// It is as it was.
    pub(crate) fn none(same: T) -> Self {
        Self { old: same, new: same }
    }
}

/// A document that may not have existed before.
pub type Made = Change<Option<Digest>, Digest>;

/// A name and its digest before and after.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameChange {
    /// The name in the result: `REPOSITORY:TAG`, or a tag alone; none for what has no name.
    pub name: Option<String>,
    /// What the digest is of: `index`, `manifest` or `image-id`.
    pub kind: NameKind,
    /// The media type of that; an image ID has none.
    pub media_type: Option<String>,
    /// The digest that a registry has it under once it is pushed as it is; an image ID is for Docker alone.
    pub digest: Made,
    /// How many images are in it.
    pub images: usize,
}

/// An image before and after.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ImageChange {
    /// Its names: tags, reference names.
    pub names: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
    /// Its manifest. An archive of `docker save` before Docker 25 had none, and gets one; an untagged image that only
    /// `manifest.json` lists has none.
    pub manifest: Option<Made>,
    /// Its config, whose digest Docker calls the image ID.
    pub config: Change,
    /// Its layers, lowest first.
    pub layers: Vec<ImageLayer>,
}

/// A layer as an image has it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ImageLayer {
    /// Which one of [`Report::layers`].
    pub layer: usize,
    /// The uncompressed tar.
    pub diff_id: Change,
}

/// What became of a layer.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// Times in it were changed.
    Rewritten,
    /// No time in it changed, but the canonical encoding of the same tar is a different blob.
    EncodedAgain,
    /// It is the base image's.
    Base,
    /// Nothing in it changes: it is stamped and encoded already, or `--clamp` found nothing to lower.
    Unchanged,
    /// Its blob is not in the image: a foreign layer.
    Foreign,
    /// It is no tar that restamp knows (its media type says so).
    Opaque,
}

/// A layer before and after.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LayerChange {
    /// What became of it.
    pub action: Action,
    /// The blob.
    pub digest: Change,
    /// The uncompressed tar.
    pub diff_id: Change,
    /// Bytes of the blob before and after.
    pub size: Change<u64>,
    /// Bytes of the tar, where it was read.
    pub uncompressed_size: Option<u64>,
    /// Its compression before and after, where it was read.
    pub compression: Option<Change<Compression>>,
    /// Entries in the tar, where it was read.
    pub entries: Option<u64>,
    /// Entries in which a time changed.
    pub stamped: Option<u64>,
    /// Entries that have lost the name of an owner or a group, where that was asked for and the tar was read.
    pub owners: Option<u64>,
    /// Entries in whose content a time changed, where it was read.
    pub repaired: Option<u64>,
    /// Entries that were left out, where it was read.
    pub omitted: Option<u64>,
    /// What was done to entries beside their headers: every byte range that was replaced, every entry that was left out.
    pub edits: Edits,
    /// What the cache has spared; none where there is no cache, or nothing was compressed.
    pub cache: Option<CacheUse>,
}
