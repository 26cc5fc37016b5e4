//! What is in an image and when it says it was made, as data: what people read and `--json` are made from it.
//!
//! The JSON form is stable: fields are added, never renamed or removed, while `schema` is 2. A field is named as in
//! Rust, a choice is written in kebab-case, a time is RFC 3339 in UTC (`@seconds` outside of the years 0 to 9999), a
//! size is in bytes, and what is not known is null. Texts are as in the image.
//!
//! ```text
//! schema, source {name, kind}, index
//! names[]     name, kind, media_type, digest, images
//! images[]    names[], platform, manifest, config, created, documents, files,
//!             copies   {pyc, fontconfig, bootsnap: {copies, fresh, stale, left_behind, wrongly_fresh, alone}},
//!             origin   {base[], sources[], builder, distribution, packages[], languages[], snapshot, problems[],
//!                       not_looked_at[]}, see crate::origin
//!             times[]  {document, path, text, time}
//!             layers[] {layer, digest, diff_id, created_by, created}      `layer` counts in the list below, from 0
//! layers[]    digest, diff_id, media_type, size, blob,
//!             content  {uncompressed_size, compression, form, gzip_mtime, other_times, fractions,
//!                       entries {total, files, directories, symlinks, hard_links, others, whiteouts},
//!                       mtimes  {unit, buckets[] {label, count, first, last}}}
//! times[]     of the indexes; as in images[]
//! attached[]  kind, digest, about, artifact_type, tag, predicates[]
//! findings[]  cause, class, what, advice, mends, count, examples[] {layer, place}
//! notes[]     kind, message
//! ```
//!
//! `documents` and `files` are a span {first, last}.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::causes::Class;
use crate::digest::Digest;
use crate::document::descriptor::Platform;
use crate::inspect::form::Form;
use crate::inspect::histogram::Histogram;
use crate::media_type::Compression;
use crate::notice::Notice;
use crate::origin::Origin;
use crate::store::location::NamedCarrier;

pub use crate::image::NameKind;
pub use crate::inspect::time::{Span, Time};
pub use crate::repair::copies::CopyKind;
pub use crate::repair::survey::CopyCounts;

/// The version of the JSON form.
pub const SCHEMA: u32 = 2;

/// What is in an image.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// What was read.
    pub source: NamedCarrier,
    /// The digest of `index.json`, where there is one.
    pub index: Option<Digest>,
    /// What has a name, and the digest to deploy it by.
    pub names: Vec<NameReport>,
    /// Every image, attestations and artifacts aside.
    pub images: Vec<ImageReport>,
    /// Every distinct layer, in the order in which the images have them.
    pub layers: Vec<LayerReport>,
    /// The times in indexes, `index.json` first.
    pub times: Vec<DocumentTime>,
    /// Attestations, signatures and referrers of the images.
    pub attached: Vec<Attached>,
    /// What is likely to differ in the next build; what matters most comes first.
    pub findings: Vec<Finding>,
    /// Notes for the user.
    pub notes: Vec<Notice>,
}

/// A name and its digest.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct NameReport {
    /// `REPOSITORY:TAG` as Docker shows it, or a tag alone; none for what has no name.
    pub name: Option<String>,
    /// What the digest is of: `index`, `manifest`, or `image-id` where the archive has no manifest.
    pub kind: NameKind,
    /// The media type of that; an image ID has none.
    pub media_type: Option<String>,
    /// The digest that a registry has it under once it is pushed as it is; an image ID is for Docker alone.
    pub digest: Digest,
    /// How many images are in it.
    pub images: usize,
}

/// An image.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ImageReport {
    /// Its names: tags, reference names.
    pub names: Vec<String>,
    /// What it runs on.
    #[serde(serialize_with = "as_text")]
    pub platform: Platform,
    /// Its manifest; none in an archive of `docker save` before Docker 25.
    pub manifest: Option<Digest>,
    /// Its config, whose digest Docker calls the image ID.
    pub config: Digest,
    /// When it was made, as its config says.
    pub created: Option<String>,
    /// The first and the last time in its config and manifest.
    pub documents: Option<Span>,
    /// The first and the last mtime in its layers.
    pub files: Option<Span>,
    /// Copies of mtimes in its files (Python bytecode, caches) by kind, and how many are stale; none where layers were not
    /// read.
    pub copies: Option<BTreeMap<CopyKind, CopyCounts>>,
    /// Where it comes from.
    pub origin: Origin,
    /// Every time in its config and manifest.
    pub times: Vec<DocumentTime>,
    /// Its layers, lowest first.
    pub layers: Vec<ImageLayer>,
}

/// A layer as an image has it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ImageLayer {
    /// Which one of [`Report::layers`].
    pub layer: usize,
    /// The blob; none where it has no name of its own and was not read.
    pub digest: Option<Digest>,
    /// The uncompressed tar.
    pub diff_id: Digest,
    /// What was run, by the history.
    pub created_by: Option<String>,
    /// When, by the history.
    pub created: Option<String>,
}

/// A layer.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct LayerReport {
    /// The blob; none where it has no name of its own and was not read.
    pub digest: Option<Digest>,
    /// The uncompressed tar.
    pub diff_id: Digest,
    /// By the descriptor, where there is one.
    pub media_type: Option<String>,
    /// Bytes of the blob.
    pub size: u64,
    /// Is its blob here, and of a kind that can be looked into?
    pub blob: Blob,
    /// Is its blob in the image? A foreign layer may be there or not.
    #[serde(skip)]
    pub is_here: bool,
    /// What is in it, where it was read.
    pub content: Option<Content>,
}

/// What can be said of a layer's blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Blob {
    /// It was read to its end, and is what its digests say.
    Read,
    /// It was not read, by request.
    Unread,
    /// Its vendor distributes it: it is not in the image, or not looked into.
    Foreign,
    /// It is no tar that restamp knows (its media type says so).
    Opaque,
}

/// What is in a layer.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Content {
    /// Bytes of the tar.
    pub uncompressed_size: u64,
    /// Its compression, by content.
    pub compression: Compression,
    /// Is it encoded as restamp encodes layers?
    pub form: Form,
    /// The first MTIME in its gzip headers that is not 0.
    pub gzip_mtime: Option<u32>,
    /// Entries that have an atime, a ctime or a time of creation as well.
    pub other_times: u64,
    /// Entries whose mtime has a fraction of a second.
    pub fractions: u64,
    /// How many entries of which kind.
    pub entries: Entries,
    /// When its entries were changed last.
    pub mtimes: Histogram,
}

/// How many entries of which kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Entries {
    /// All of them.
    pub total: u64,
    /// Regular files, whiteouts aside.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Hard links.
    pub hard_links: u64,
    /// Devices, FIFOs and what is unknown.
    pub others: u64,
    /// Whiteouts, opaque directories among them.
    pub whiteouts: u64,
}

/// A place in a document that holds a time.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DocumentTime {
    /// `config`, `manifest`, `index.json`, or the digest of an index.
    pub document: String,
    /// Where in the document: `history[3].created`.
    pub path: String,
    /// Its value in the document.
    pub text: String,
    /// What that means; null where it is no time.
    pub time: Option<Time>,
    /// Is it `created` of the config or of its history, and not a label, an annotation or in a command?
    #[serde(skip)]
    pub is_created: bool,
}

/// An attestation, signature or other referrer of an image.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Attached {
    /// What it is.
    pub kind: AttachedKind,
    /// Its manifest or index.
    pub digest: Digest,
    /// What it is about, where it says so.
    pub about: Option<Digest>,
    /// `artifactType`, or for a signature its kind.
    pub artifact_type: Option<String>,
    /// Its tag.
    pub tag: Option<String>,
    /// For an attestation, what its statements are.
    pub predicates: Vec<String>,
}

/// The kind of a referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AttachedKind {
    /// What BuildKit says about a build.
    Attestation,
    /// Cosign's, sigstore's or notation's.
    Signature,
    /// Anything else with a subject.
    Referrer,
}

/// Something that is likely to differ in the next build.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its name: stable.
    pub cause: &'static str,
    /// Which class of difference it leads to.
    pub class: Class,
    /// What it is.
    pub what: String,
    /// How it is avoided.
    pub advice: String,
    /// Which option of restamp mends it, if there is one.
    pub mends: Option<&'static str>,
    /// In how many places.
    pub count: u64,
    /// The first few of them.
    pub examples: Vec<Example>,
}

/// Where something was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Example {
    /// Which one of [`Report::layers`], if it is in one.
    pub layer: Option<usize>,
    /// A path, made printable, or a command, or a digest.
    pub place: String,
}

fn as_text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
