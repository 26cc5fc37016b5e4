//! What a user should know that is not an error: warnings, notes, and what was left out, each with a kind to select by.

use serde::Serialize;

/// A sentence for the user, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The sentence: one line, which may hold text from the image.
    pub message: String,
}

impl Notice {
    /// A notice of that kind.
    pub fn new(kind: NoticeKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What a [`Notice`] is about. New kinds may be added; existing names stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// An image: of another name or platform than the one that was asked for, or none is left; a bare tar that may be one.
    Image,
    /// A name of an image.
    Name,
    /// An attestation.
    Attestation,
    /// A signature.
    Signature,
    /// An artifact that is about an image, or an index of such.
    Referrer,
    /// An index with nothing left in it.
    Index,
    /// A file of the source that nothing refers to.
    File,
    /// Files of Docker's format before 1.10.
    LegacyFile,
    /// A blob that a descriptor names and the source does not have.
    Absent,
    /// A document of an unknown type.
    UnknownDocument,
    /// A layer that its vendor distributes.
    ForeignLayer,
    /// An artifact: a manifest that is no image.
    Artifact,
    /// The history of an image that does not fit its layers.
    History,
    /// A layer that is no tar.
    OpaqueLayer,
    /// A label or annotation that should hold a time and does not.
    NotATime,
    /// A value that reads as a time later than the epoch, under a key that is not known as one of a time; it stays.
    UnlistedTime,
    /// The times of documents stay, by request.
    KeptTimes,
    /// Layers of the base image that were not read.
    UnreadBase,
    /// Something that described the old bytes of a blob and was removed.
    OldBytes,
    /// Something that older programs can't read.
    Compatibility,
    /// Something that names a digest that no longer exists.
    StaleDigest,
    /// A copy of an mtime, as in Python bytecode, that is stale now, or that was stale and is right now.
    StaleCopy,
    /// A program that compares mtimes, and behaves differently now that all of them are equal.
    Mtimes,
    /// Several things that are one now.
    Merged,
    /// A directory that could not be removed.
    LeftBehind,
    /// A tar without an end marker, which may have been cut off.
    CutShort,
    /// More notices than are listed.
    More,
}
