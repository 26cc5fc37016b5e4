//! What a rewrite did, as data: the summary on a terminal and `--report` are made from it.
//!
//! The JSON form is stable: fields are added, never renamed or removed, while `schema` is 2.

use serde::Serialize;

use crate::digest::Digest;
use crate::media_type::Compression;
use crate::notice::Notice;
use crate::platform::Platform;
use crate::store::location::NamedCarrier;

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
    /// `set` or `clamp`
    pub rule: &'static str,
    /// The canonical form and its parameters, of the layers that were encoded.
    pub form: Form,
    /// What was read.
    pub source: NamedCarrier,
    /// What was written.
    pub destination: NamedCarrier,
    /// Every image, attestations and artifacts aside.
    pub images: Vec<ImageChange>,
    /// Every distinct layer.
    pub layers: Vec<LayerChange>,
    /// `index.json` before and after, as a digest: equal to that of every other build of the same content.
    pub index: Option<Change>,
    /// Timestamps in documents (configs, history, labels, annotations) that were changed.
    pub document_times: u64,
    /// Times in the commands of history that were changed, as the labels or annotations that they repeat were.
    pub command_times: u64,
    /// What was left out: attestations, signatures, platforms, files that nothing refers to.
    pub dropped: Vec<Notice>,
    /// Warnings for the user.
    pub warnings: Vec<Notice>,
    /// Nothing was written, by request.
    pub dry_run: bool,
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

/// A digest before and after.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Before.
    pub old: Digest,
    /// After.
    pub new: Digest,
}

/// An image before and after.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ImageChange {
    /// Its names: tags, reference names.
    pub names: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
    /// Its manifest; none in an archive of `docker save` before Docker 25.
    pub manifest: Option<Change>,
    /// Its config, whose digest Docker calls the image ID.
    pub config: Change,
    /// Its layers, by the old diff_ids.
    pub layers: Vec<Digest>,
}

/// What became of a layer.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// It was stamped and encoded.
    Rewritten,
    /// It is the base image's.
    Base,
    /// `--clamp` found nothing to lower.
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
    pub digest: Option<Change>,
    /// The uncompressed tar.
    pub diff_id: Change,
    /// Bytes of the blob before and after.
    pub size: [u64; 2],
    /// Bytes of the tar, where it was read.
    pub uncompressed_size: Option<u64>,
    /// Its compression before and after, where it was read.
    pub compression: Option<[Compression; 2]>,
    /// Entries in the tar, where it was read.
    pub entries: Option<u64>,
    /// Entries in which a time changed.
    pub stamped: Option<u64>,
    /// Entries that have lost the name of an owner or a group, where that was asked for and the tar was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owners: Option<u64>,
}
