//! What was done to the entries of a layer beside their headers, kept in a temporary file for the report.

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::blob::NewBlobs;
use crate::digest::Digest;
use crate::error::{Result, printable};
use crate::repair::records::{Reader, Records, Writer, put_bytes, put_number};
use crate::tar::{Edit, Edited};

/// Takes note of what is done.
#[derive(Debug)]
pub struct EditLog<'b> {
    out: Writer<'b>,
    left: Vec<u64>,
    reasons: Vec<EditInfo>,
}

/// So many entries of a layer that were left as they were are said with their reasons; of more, it is counted.
const REASONS_MAX: usize = 10_000;

impl<'b> EditLog<'b> {
    /// At the start of a layer.
    pub fn new(blobs: &'b NewBlobs) -> Self {
        Self { out: Writer::new(blobs), left: Vec::new(), reasons: Vec::new() }
    }

    /// Notes what was done to an entry.
    ///
    /// # Errors
    ///
    /// The temporary file can't be written.
    pub fn push(&mut self, entry: Edited<'_>, edit: Edit<'_>) -> Result<()> {
        if let Edit::Left(why) = edit {
            self.left.push(entry.offset);
            if self.reasons.len() < REASONS_MAX {
                let (name, kind) = (printable(entry.name), entry.label.to_owned());
                let what = EditKind::Noted { note: format!("left as it is: {why}") };
                self.reasons.push(EditInfo { entry: name, kind, what });
            }
            return Ok(());
        }
        self.out.record(|record| write(entry, edit, record))
    }

    /// All that was noted.
    ///
    /// # Errors
    ///
    /// The temporary file can't be written.
    pub fn finish(self) -> Result<Edits> {
        Ok(Edits { records: self.out.finish()?, left: self.left, reasons: self.reasons })
    }
}

/// What was done to the entries of a layer beside their headers: in the JSON form a list, in the order of the layer.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    records: Records,
    /// Entries that should have been left as they were, by where their header blocks begin.
    left: Vec<u64>,
    /// Why, of the first of them.
    reasons: Vec<EditInfo>,
}

/// One edit, as a report has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EditInfo {
    /// The name of the entry.
    pub entry: String,
    /// What was repaired, such as `pyc` or `gzip`; `omit` for an entry that was left out.
    pub kind: String,
    /// What was done.
    #[serde(flatten)]
    pub what: EditKind,
}

/// What was done to an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum EditKind {
    /// Bytes of its content were replaced by as many others.
    #[non_exhaustive]
    Replaced {
        /// Where they begin in the content.
        at: u64,
        /// As they were, in hexadecimal digits.
        old: String,
        /// As they are.
        new: String,
    },
    /// Its content was replaced.
    #[non_exhaustive]
    Resized {
        /// Its size in bytes as it was.
        old_size: u64,
        /// As it is.
        new_size: u64,
        /// The digest of the old content.
        old_digest: Digest,
        /// That of the new content.
        new_digest: Digest,
    },
    /// The entry was left out.
    #[non_exhaustive]
    Omitted {
        /// The size of its content in bytes.
        omitted_size: u64,
    },
    /// Something that there is to say.
    #[non_exhaustive]
    Noted {
        /// A sentence.
        note: String,
    },
}

impl Edits {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.records.count == 0 && self.left.is_empty()
    }

    /// How many files have times of their own that could not be replaced, and were left as they were.
    pub fn left_alone(&self) -> u64 {
        self.left.len() as u64
    }

    /// These are of a layer that was encoded once more: what was left then was found before.
    pub(crate) fn carry(&mut self, before: &Self) {
        self.left.clone_from(&before.left);
        self.reasons.clone_from(&before.reasons);
    }

    /// Entries that should have been left as they were, by where their header blocks begin.
    pub(crate) fn left(&self) -> &[u64] {
        &self.left
    }

    /// Shows each, in the order of the layer; files that were left as they were come last.
    ///
    /// # Errors
    ///
    /// The temporary file can't be read; those of `show`.
    pub fn each(&self, mut show: impl FnMut(EditInfo) -> Result<()>) -> Result<()> {
        self.records.each(|reader| show(read(reader)?))?;
        self.reasons.iter().cloned().try_for_each(show)
    }
}

impl Serialize for Edits {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let mut failed = None;
        let read = self.each(|edit| {
            if failed.is_none() {
                failed = list.serialize_element(&edit).err();
            }
            Ok(())
        });
        match (failed, read) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(S::Error::custom(error)),
            (None, Ok(())) => list.end(),
        }
    }
}

/// What each edit begins with, after the name and the label.
mod tag {
    pub(super) const REPLACED: u8 = 0;
    pub(super) const RESIZED: u8 = 1;
    pub(super) const OMITTED: u8 = 2;
    pub(super) const NOTED: u8 = 3;
}

fn write(entry: Edited<'_>, edit: Edit<'_>, record: &mut Vec<u8>) {
    put_bytes(record, entry.name);
    put_bytes(record, entry.label.as_bytes());
    match edit {
        Edit::Replaced { at, old, new } => {
            record.push(tag::REPLACED);
            put_number(record, at);
            put_bytes(record, old);
            put_bytes(record, new);
        }
        Edit::Resized { old, new } => {
            record.push(tag::RESIZED);
            for bytes in [old, new] {
                put_number(record, bytes.len() as u64);
                put_bytes(record, Digest::sha256(bytes).to_string().as_bytes());
            }
        }
        Edit::Omitted(size) => {
            record.push(tag::OMITTED);
            put_number(record, size);
        }
        Edit::Noted(text) | Edit::Left(text) => {
            record.push(tag::NOTED);
            put_bytes(record, text.as_bytes());
        }
    }
}

fn read(reader: &mut Reader) -> Result<EditInfo> {
    let mut bytes = Vec::new();
    let mut string = |reader: &mut Reader| -> Result<String> {
        reader.bytes(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut name = Vec::new();
    reader.bytes(&mut name)?;
    let kind = string(reader)?;
    let what = match reader.byte()? {
        tag::REPLACED => {
            let at = reader.number()?;
            let read_hex = |reader: &mut Reader| -> Result<String> {
                let mut bytes = Vec::new();
                reader.bytes(&mut bytes)?;
                Ok(hex(&bytes))
            };
            EditKind::Replaced { at, old: read_hex(reader)?, new: read_hex(reader)? }
        }
        tag::RESIZED => {
            let mut one = |reader: &mut Reader| -> Result<(u64, Digest)> {
                let size = reader.number()?;
                Ok((size, string(reader)?.parse()?))
            };
            let ((old_size, old_digest), (new_size, new_digest)) = (one(reader)?, one(reader)?);
            EditKind::Resized { old_size, new_size, old_digest, new_digest }
        }
        tag::OMITTED => EditKind::Omitted { omitted_size: reader.number()? },
        _ => EditKind::Noted { note: string(reader)? },
    };
    let kind = if kind.is_empty() { "omit".to_owned() } else { kind };
    Ok(EditInfo { entry: printable(&name), kind, what })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
