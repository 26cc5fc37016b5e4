//! What a check found, as data: the list on a terminal and `--json` are made from it.
//!
//! The JSON form is stable: fields are added, never renamed or removed, while `schema` is 1.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::clock::Created;
use crate::error::{self, Error, Property};
use crate::stamp::{Instant, is_no_time};
use crate::store::location::Carrier;

/// The version of the JSON form.
pub const SCHEMA: u32 = 1;

/// Findings that are kept. More are only counted: each takes memory, and a layer can have any number of entries.
pub const MAX_FINDINGS: usize = 100_000;

/// Everything that a check found.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// What was looked at.
    pub source: Source,
    /// Seconds since 1970.
    pub epoch: u64,
    /// What times in documents have to be: seconds since 1970, or `keep` if they were not compared.
    pub created: Created,
    /// `set` or `clamp`
    pub rule: &'static str,
    /// What was looked at, in numbers.
    pub checked: Checked,
    /// What was found, in numbers: also what is not in the list.
    pub total: Total,
    /// What was found: by document and layer, in the order in which the image names them.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Is there nothing wrong? Notes don't count.
    pub fn is_clean(&self) -> bool {
        self.total.findings == 0
    }
}

/// A carrier and its name.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Source {
    /// As it was given.
    pub name: String,
    /// `oci`, `oci-archive` or `docker-archive`
    pub kind: Carrier,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Checked {
    /// Images, those of an archive of `docker save` that are in its index as well not counted again.
    pub images: u64,
    /// Distinct layers, statements and other blobs.
    pub blobs: u64,
    /// How many of them are layers.
    pub layers: u64,
    /// Entries of those layers.
    pub entries: u64,
}

/// How much was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Total {
    /// Findings that make the exit status 1.
    pub findings: u64,
    /// How many of them are timestamps.
    pub times: u64,
    /// Notes for the user.
    pub notes: u64,
    /// How many of the timestamps, found or noted, are of the archive alone: no digest holds them.
    pub archive_times: u64,
    /// How many of all these were only counted, and are not in the list.
    pub not_listed: u64,
}

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Level {
    /// The image is not as it should be.
    Finding,
    /// Nothing is wrong, but the user should know.
    Note,
}

/// How timestamps count that no digest covers: those of an archive's own entries, and of the files of Docker's v1
/// format beside a `manifest.json`. Docker and skopeo set these times on every save or copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum ArchiveTimes {
    /// The archive itself has to be reproducible, too.
    #[default]
    Findings,
    /// The image is what it is with any of them.
    Notes,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Bytes are not those that a digest names.
    Digest,
    /// A blob has another size than its descriptor says.
    Size,
    /// An uncompressed layer is not the one that the config lists.
    DiffId,
    /// Something that is referred to is not there.
    Missing,
    /// Something is not of its format, or over a limit.
    Malformed,
    /// A media type does not fit the content.
    MediaType,
    /// The numbers of layers and diff_ids differ.
    LayerCount,
    /// History entries and layers don't fit each other.
    History,
    /// A descriptor's `data` is not its blob.
    Data,
    /// A `subject` names nothing that is in the image.
    Subject,
    /// An attestation and its index name different subjects.
    Attestation,
    /// An annotation describes other bytes than the layer's.
    Annotation,
    /// A label or annotation names a layer that the image does not have.
    Stale,
    /// A tag is given twice, or names a digest that is not there.
    Tag,
    /// An index and a config name different platforms.
    Platform,
    /// `manifest.json` and `index.json` disagree.
    Views,
    /// `LayerSources` of `manifest.json` does not fit the layers.
    LayerSources,
    /// `repositories` and the files of Docker's v1 format disagree with the rest.
    Repositories,
    /// The layout's own file is not right.
    Layout,
    /// A place for a time holds something else.
    NotATime,
    /// A value reads as a time later than the epoch, under a key that is not known as one of a time.
    UnlistedTime,
    /// Copies of mtimes in files, as in Python bytecode, that are stale because the mtime has changed.
    StaleCopy,
    /// A timestamp is not the epoch, or with `--clamp` later than it.
    Time,
}

/// What kind of thing a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// The archive itself.
    Archive,
    /// An index, `index.json` too.
    Index,
    /// A manifest.
    Manifest,
    /// An image config.
    Config,
    /// A layer.
    Layer,
    /// Any other blob.
    Blob,
    /// A file of `docker save`.
    File,
}

impl What {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::Layer => "layer",
            Self::Blob => "blob",
            Self::File => "file",
        }
    }
}

/// The document or blob that something was found in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// What it is.
    pub what: What,
    /// Its digest, or its path in the archive.
    pub name: String,
    /// The image that it was first seen in: a tag, a platform, which layer it is.
    pub of: String,
}

/// The field of a gzip header that holds a time.
const GZIP_MTIME: &str = "MTIME of the gzip header";

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What is wrong.
    pub kind: Kind,
    /// In which document or blob.
    pub place: Arc<Place>,
    /// The entry of a tar.
    pub entry: Option<Arc<str>>,
    /// The field of an entry, or the path in a document.
    pub field: Option<Cow<'static, str>>,
    /// Bytes from the start of the uncompressed layer.
    pub offset: Option<u64>,
    /// For a time its value; for all else what is wrong, in words.
    pub text: Box<str>,
}

impl Finding {
    /// Is it a timestamp that no digest holds?
    pub fn is_archive_time(&self) -> bool {
        self.kind == Kind::Time && matches!(self.place.what, What::Archive | What::File)
    }

    /// Is it a note on a gzip header that holds what podman and skopeo write for "no time"?
    pub fn is_no_time(&self) -> bool {
        self.level == Level::Note && self.kind == Kind::NotATime && self.field.as_deref() == Some(GZIP_MTIME)
    }

    /// A time in a gzip header that is not the one that it should be.
    pub(super) fn gzip_mtime(place: &Arc<Place>, seconds: u32) -> Self {
        let mtime = Instant::from_seconds(i64::from(seconds));
        if is_no_time(seconds) {
            let text = format!("{mtime} is the constant that podman and skopeo write for \"no time\"");
            return Self::new(place, Kind::NotATime, text).field(GZIP_MTIME).note();
        }
        Self::new(place, Kind::Time, mtime.to_string()).field(GZIP_MTIME)
    }

    /// The finding that an error is.
    pub(super) fn from_error(place: &Arc<Place>, error: &Error) -> Self {
        let kind = match error.kind() {
            error::Kind::Mismatch { what, .. } => match what {
                Property::Digest => Kind::Digest,
                Property::Size => Kind::Size,
                Property::DiffId => Kind::DiffId,
                Property::LayerCount => Kind::LayerCount,
                Property::ImageCount => Kind::Malformed,
            },
            error::Kind::Missing { .. } => Kind::Missing,
            _ => Kind::Malformed,
        };
        let entry = error.place().entry.as_deref().map(Arc::from);
        let text = error.kind().to_string().into();
        Self { level: Level::Finding, kind, place: Arc::clone(place), entry, field: None, offset: None, text }
            .at_offset(error.place().offset)
    }

    pub(super) fn new(place: &Arc<Place>, kind: Kind, text: impl Into<Box<str>>) -> Self {
        let (level, place, text) = (Level::Finding, Arc::clone(place), text.into());
        Self { level, kind, place, entry: None, field: None, offset: None, text }
    }

    pub(super) fn field(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    pub(super) fn at_offset(self, offset: Option<u64>) -> Self {
        Self { offset, ..self }
    }

    pub(super) fn note(self) -> Self {
        Self { level: Level::Note, ..self }
    }

    /// All of it but the place, in words: `bin/sh: mtime is 2025-10-09T08:53:20Z`.
    pub fn message(&self) -> String {
        let entry = self.entry.as_deref().map(|entry| format!("{entry}: ")).unwrap_or_default();
        match (&self.field, self.kind) {
            (Some(field), Kind::Time) => format!("{entry}{field} is {}", self.text),
            (Some(field), _) => format!("{entry}{field}: {}", self.text),
            (None, _) => format!("{entry}{}", self.text),
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = (self.kind == Kind::Time).then_some(&*self.text);
        let mut object = serializer.serialize_struct("Finding", 10)?;
        object.serialize_field("level", &self.level)?;
        object.serialize_field("kind", &self.kind)?;
        object.serialize_field("what", &self.place.what)?;
        object.serialize_field("name", &self.place.name)?;
        object.serialize_field("of", &self.place.of)?;
        object.serialize_field("entry", &self.entry.as_deref())?;
        object.serialize_field("field", &self.field)?;
        object.serialize_field("offset", &self.offset)?;
        object.serialize_field("value", &value)?;
        object.serialize_field("message", &self.message())?;
        object.end()
    }
}
