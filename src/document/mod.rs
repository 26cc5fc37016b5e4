//! Documents: the JSON of an image, read and patched.
//!
//! Takes the bytes of a document and the changes, and returns new bytes. A document is never serialised again: what
//! changes is replaced in place, and every other byte (the order of keys, spacing, escapes, unknown fields) passes
//! through. The exception is [`mod@write`], which makes the few documents that an output may need and its input did not
//! have.
//!
//! Not here: files, blobs, layers, the order in which documents are visited. Each function knows one document; the
//! caller passes the map of changed digests.

pub mod artifact;
pub mod attestation;
pub mod commands;
pub mod config;
pub mod convert;
mod count;
mod dates;
pub mod descriptor;
pub mod docker;
pub mod edit;
#[cfg(any(feature = "attest", feature = "registry"))]
pub mod fallback;
mod forms;
pub mod index;
pub mod json;
mod keys;
pub mod manifest;
pub mod provenance;
pub mod references;
#[cfg(feature = "attest")]
pub mod referrer;
pub mod rename;
#[cfg(feature = "attest")]
pub mod strict;
pub mod times;
pub mod unknown;
pub mod unlisted;
pub mod v1;
pub mod write;

#[cfg(test)]
mod tests;

pub use count::DescriptorCount;
pub use keys::TimeKeys;

use std::collections::BTreeMap;
use std::fmt;

use crate::digest::Digest;
use crate::error::{Result, printable, quoted};
use crate::notice::{Notice, NoticeKind};
use crate::stamp::Stamps;
use edit::Edits;
use json::Json;
use times::Site;
use unlisted::UnlistedTime;

/// What became of blobs and images that have another name now: old digest to new.
///
/// An entry that maps a digest to itself says nothing.
pub type DigestMap = BTreeMap<Digest, Digest>;

/// The new name of a digest, if it has another one now.
pub(crate) fn new_digest(moves: &DigestMap, old: &Digest) -> Option<Digest> {
    moves.get(old).copied().filter(|new| new != old)
}

/// A document after patching.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patched {
    /// The document.
    pub bytes: Vec<u8>,
    /// Is it another one than before?
    pub changed: bool,
    /// How many times were replaced, except those in commands.
    pub times: usize,
    /// How many times in commands were replaced.
    pub command_times: usize,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// What reads as a time later than the epoch, and stays.
    pub unlisted: Vec<UnlistedTime>,
}

/// Something in a document that the user should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Where in the document: a path such as `layers[0].annotations["org.example"]`.
    pub path: String,
    /// What it is.
    pub kind: WarningKind,
}

/// What a [`Warning`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// A label or annotation that should hold a time held this instead, and is the epoch now.
    NotATime(String),
    /// A label or annotation that should hold a time held this instead, and was left alone, as it may be an early one.
    UnreadTime(String),
    /// A label or annotation holds something other than text, and was left alone.
    NotText(String),
    /// An annotation described the old bytes of a rewritten layer and was removed.
    Dropped {
        /// Did it let the layer be pulled lazily?
        is_lazy: bool,
    },
    /// A `data` field repeated a blob's old bytes, the new ones were not at hand, and it was removed.
    DataDropped,
    /// Where else a blob can be got, which is only its old bytes: `urls` was left as it is. Who fetches from there
    /// compares the digest (OCI image-spec, descriptor.md), and finds the blob missing rather than wrong.
    StaleUrls,
    /// An image was left out that another one named as its parent, which was removed.
    ParentGone(Digest),
    /// A text that restamp does not know contains a digest that has moved, and was left alone.
    StaleDigest(Digest),
    /// A statement's subject has moved, and is named by a digest of another algorithm as well, which is stale now.
    StaleSubject(String),
    /// A digest over all files of an image, their times too, of which some have changed.
    BrokenSeal,
    /// Two layers have become one, so that a map keyed by diff_id has one entry less.
    Merged(Digest),
}

impl WarningKind {
    /// What it is about, for reports.
    fn notice(&self) -> NoticeKind {
        match self {
            Self::NotATime(_) | Self::UnreadTime(_) | Self::NotText(_) => NoticeKind::NotATime,
            Self::Dropped { .. } | Self::DataDropped | Self::StaleUrls => NoticeKind::OldBytes,
            Self::ParentGone(_) => NoticeKind::Image,
            Self::StaleDigest(_) | Self::StaleSubject(_) | Self::BrokenSeal => NoticeKind::StaleDigest,
            Self::Merged(_) => NoticeKind::Merged,
        }
    }
}

impl Warning {
    /// The notice for a report; `place` is the document.
    pub fn notice(&self, place: &str) -> Notice {
        Notice::new(self.kind.notice(), format!("{place}: {self}"))
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATime(text) => write!(f, "{} is not a time; it is the epoch now", quoted(text)),
            Self::UnreadTime(text) => {
                write!(f, "{} can't be read as a time; left as it is", quoted(text))
            }
            Self::NotText(text) => write!(f, "{} is not a text; left as it is", printable(text.as_bytes())),
            Self::Dropped { .. } => f.write_str("described the layer's old bytes; removed"),
            Self::DataDropped => f.write_str("repeated the blob's old bytes; removed"),
            Self::StaleUrls => f.write_str("leads to the blob's old bytes; left as it is"),
            Self::ParentGone(digest) => write!(f, "names {digest}, which was left out; removed"),
            Self::StaleDigest(digest) => write!(f, "names {digest}, which has another digest now; left as it is"),
            Self::StaleSubject(algorithm) => write!(f, "the {algorithm} digest of a rewritten image; left as it is"),
            Self::BrokenSeal => f.write_str(
                "a composefs digest, which covers the times of files, and those have changed; left as it is: seal the \
                 image after rewriting it",
            ),
            Self::Merged(digest) => write!(f, "two layers are the same now: {digest}"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)?;
        if self.kind == (WarningKind::Dropped { is_lazy: true }) {
            f.write_str(" (the layer can't be pulled lazily any more)")?;
        }
        Ok(())
    }
}

/// A document in the making: its edits, and what to report of them.
#[derive(Debug)]
struct Patch<'a> {
    edits: Edits<'a>,
    times: usize,
    command_times: usize,
    warnings: Vec<Warning>,
    unlisted: Vec<UnlistedTime>,
}

impl<'a> Patch<'a> {
    fn new(json: &Json<'a>) -> Self {
        let (warnings, unlisted) = (Vec::new(), Vec::new());
        Self { edits: Edits::new(json), times: 0, command_times: 0, warnings, unlisted }
    }

    fn stamp(&mut self, sites: &[Site<'_>], stamps: Stamps) -> Result<()> {
        for site in sites {
            let count = usize::from(site.stamp(stamps, &mut self.edits, &mut self.warnings)?);
            *if site.spot.is_some() { &mut self.command_times } else { &mut self.times } += count;
        }
        Ok(())
    }

    fn warn(&mut self, path: impl Into<String>, kind: WarningKind) {
        self.warnings.push(Warning { path: path.into(), kind });
    }

    fn finish(self) -> Result<Patched> {
        let changed = !self.edits.is_empty();
        let Self { edits, times, command_times, warnings, unlisted } = self;
        Ok(Patched { bytes: edits.apply()?, changed, times, command_times, warnings, unlisted })
    }
}
