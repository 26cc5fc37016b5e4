//! What was done to a tar, as data: the summary on a terminal and `--report` are made from it.
//!
//! The JSON form is stable: fields are added, never renamed or removed, while `schema` is 2.

use serde::Serialize;

use crate::digest::Digest;
use crate::media_type::Compression;
use crate::notice::Notice;

/// The version of the JSON form.
pub const SCHEMA: u32 = 2;

/// What was done to a tar.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Seconds since 1970.
    pub epoch: u64,
    /// `set` or `clamp`
    pub rule: &'static str,
    /// Were the names of owners and groups removed?
    pub numeric_owner: bool,
    /// The canonical form in which it was compressed.
    pub form: u32,
    /// The level of that compression; 0 without compression, and where the bytes are those of the source.
    pub level: u32,
    /// What was read.
    pub source: File,
    /// What was written.
    pub destination: File,
    /// The tar in them, not compressed.
    pub tar: Change,
    /// Entries in it.
    pub entries: u64,
    /// Entries in which a time changed.
    pub stamped: u64,
    /// Entries that have lost the name of an owner or a group.
    pub owners: u64,
    /// Warnings for the user.
    pub warnings: Vec<Notice>,
}

/// A file, or what went through a pipe.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct File {
    /// The path, `standard input` or `standard output`.
    pub name: String,
    /// How it is compressed.
    pub compression: Compression,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

/// The uncompressed tar before and after.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Its digest before.
    pub old: Digest,
    /// Its digest after.
    pub new: Digest,
    /// Its size before and after.
    pub size: SizeChange,
}

/// A number of bytes before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SizeChange {
    /// Before.
    pub old: u64,
    /// After.
    pub new: u64,
}
