//! Notes on the copies of mtimes in a layer and on their possible originals, taken while the layer is read.
//!
//! The notes of a layer go into a temporary file: there may be one for every entry. [`Notes::each`] reads them again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::blob::NewBlobs;
use crate::error::Result;
use crate::format::{bootsnap, fontconfig, jsa, opcache, pyc};
use crate::repair::copies::{CopyKind, CopyReader, CopyValue, MtimeCopy, Original};
use crate::repair::path::{PathKey, normal, normal_into, short_hash};
use crate::repair::records::{Reader, Records, Writer, put_bytes, put_number};
use crate::repair::rules::Omitted;
use crate::stamp::Instant;
use crate::tar::{Entry, Part, Step, Visitor};

/// A note about the entry of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A file with the name of a copy. `None` if its content is none: it only replaces what was there.
    Copy(Option<CopyNote>),
    /// A file that a copy may be of.
    File(FileNote),
    /// A directory.
    Directory(Instant),
    /// A symbolic link, and where it leads to.
    Link(Vec<u8>),
    /// Something else with the name of a copy or an original: what the layers below have there, and below it, is gone.
    Other,
    /// A whiteout of this path.
    Whiteout,
    /// A whiteout of all that the layers below have in this directory.
    Opaque,
}

/// A file that a copy may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileNote {
    /// Where the entry's header block begins in the uncompressed layer, in bytes.
    pub offset: u64,
    /// Its mtime.
    pub mtime: Instant,
    /// Its size in bytes; a hard link alone does not say it.
    pub size: Option<u64>,
    /// A hash of its content, where that was asked for.
    pub hash: Option<u64>,
}

/// A copy, and where it is in the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyNote {
    /// Where the header block of the entry with the content begins in the uncompressed layer, in bytes. Hard links to it
    /// have the same.
    pub offset: u64,
    /// What it says.
    pub copy: MtimeCopy,
}

/// The notes of one layer.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    records: Records,
    /// How many of them are copies.
    pub copies: u64,
}

/// Takes notes of the entries of a layer, which go by in their order.
#[derive(Debug)]
pub struct NoteTaker<'b> {
    out: Writer<'b>,
    pending: Option<Pending>,
    path: Vec<u8>,
    /// Files, for hard links to them, which come after them in the same layer.
    targets: HashMap<PathKey, Target>,
    copies: u64,
    is_wanted: bool,
    is_hashing: bool,
    /// What is left out is not there.
    omit: Arc<Omitted>,
}

/// What the content of the current entry is read for.
#[derive(Debug)]
enum Pending {
    /// For the copy in it, of the entry whose header block begins there.
    Copy(CopyReader, u64),
    /// For the hash of a file that a copy may be of.
    File(FileNote, Box<blake3::Hasher>),
}

/// What a hard link may lead to.
#[derive(Debug, Clone)]
enum Target {
    File(FileNote),
    Copy(u64, CopyValue),
}

/// So many files of a layer are remembered for hard links to them, and with them so many copies.
const FILES_MAX: usize = 1 << 14;
const COPIES_MAX: usize = 1 << 18;

impl<'b> NoteTaker<'b> {
    /// At the start of a layer; where notes are not wanted, it takes none.
    pub fn new(is_wanted: bool, blobs: &'b NewBlobs) -> Self {
        let (path, targets) = (Vec::new(), HashMap::new());
        Self {
            out: Writer::new(blobs),
            pending: None,
            path,
            targets,
            copies: 0,
            is_wanted,
            is_hashing: false,
            omit: Arc::default(),
        }
    }

    /// Notes hashes of files that copies may be of as well.
    #[must_use]
    pub fn hashing(mut self) -> Self {
        self.is_hashing = true;
        self
    }

    /// Takes no note of what is left out.
    #[must_use]
    pub fn omitting(mut self, omit: &Arc<Omitted>) -> Self {
        self.omit = Arc::clone(omit);
        self
    }

    /// The next entry, whose content follows.
    ///
    /// # Errors
    ///
    /// The temporary file can't be written.
    pub fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.end_content()?;
        if entry.is_behind_end() || entry.header().is_none() {
            return Ok(());
        }
        let (name, kind) = (entry.name(), entry.kind());
        if self.omit.has(entry) {
            return Ok(());
        }
        normal_into(&name, &mut self.path);
        let at = self.path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = self.path.get(at..).unwrap_or_default();
        if name == b".wh..wh..opq" {
            self.path.truncate(at.saturating_sub(1));
            return self.note(&Note::Opaque);
        }
        if let Some(gone) = name.strip_prefix(b".wh.") {
            let gone = gone.to_vec();
            self.path.truncate(at);
            self.path.extend(gone);
            return self.note(&Note::Whiteout);
        }
        let offset = entry.header_offset();
        match kind {
            b'0' | 0 | b'7' | b'S' => {
                if let Some(reader) = CopyReader::of(entry, &self.path) {
                    self.pending = Some(Pending::Copy(reader, offset));
                    return Ok(());
                }
                let size = Some(entry.sparse_size().unwrap_or(entry.size()));
                let file = FileNote { offset, mtime: entry.mtime(), size, hash: None };
                if self.is_hashing && is_original_name(&self.path) {
                    self.pending = Some(Pending::File(file, Box::default()));
                    return Ok(());
                }
                self.remember(Target::File(file));
                self.note(&Note::File(file))
            }
            // A hard link is the file that it leads to.
            b'1' => {
                let target = self.targets.get(&PathKey::of(&normal(entry.link_name()))).cloned();
                let note = match target {
                    Some(Target::File(file)) => Note::File(file),
                    Some(Target::Copy(offset, value)) => {
                        let original = CopyReader::original_of(value.kind, &self.path);
                        Note::Copy(original.map(|original| CopyNote { offset, copy: MtimeCopy { value, original } }))
                    }
                    // It has the mtime of what it leads to.
                    None => Note::File(FileNote { offset, mtime: entry.mtime(), size: None, hash: None }),
                };
                self.copies += u64::from(matches!(note, Note::Copy(Some(_))));
                self.note(&note)
            }
            b'5' => self.note(&Note::Directory(entry.mtime())),
            b'2' => self.note(&Note::Link(entry.link_name().to_vec())),
            _ => self.note(&Note::Other),
        }
    }

    /// The next bytes of the entry's content.
    pub fn content(&mut self, bytes: &[u8]) {
        match &mut self.pending {
            Some(Pending::Copy(reader, _)) if !reader.is_complete() => reader.push(bytes),
            Some(Pending::File(_, hasher)) => {
                hasher.update(bytes);
            }
            _ => {}
        }
    }

    fn remember(&mut self, target: Target) {
        // A copy is never forgotten before files are, of which a link says all but the size.
        let max = if matches!(target, Target::Copy(..)) { COPIES_MAX } else { FILES_MAX };
        if self.targets.len() < max {
            self.targets.insert(PathKey::of(&self.path), target);
        }
    }

    fn end_content(&mut self) -> Result<()> {
        let (reader, offset) = match self.pending.take() {
            None => return Ok(()),
            Some(Pending::Copy(reader, offset)) => (reader, offset),
            Some(Pending::File(file, hasher)) => {
                let file = FileNote { hash: Some(short_hash(&hasher)), ..file };
                self.remember(Target::File(file));
                return self.note(&Note::File(file));
            }
        };
        let copy = reader.copy().map(|copy| CopyNote { offset, copy });
        self.copies += u64::from(copy.is_some());
        if let Some(note) = &copy {
            self.remember(Target::Copy(offset, note.copy.value));
        }
        self.note(&Note::Copy(copy))
    }

    fn note(&mut self, note: &Note) -> Result<()> {
        let path = &self.path;
        self.out.record(|record| write(path, note, record))
    }

    /// The notes, once the layer has ended.
    ///
    /// # Errors
    ///
    /// The temporary file can't be written.
    pub fn finish(mut self) -> Result<Notes> {
        self.end_content()?;
        Ok(Notes { copies: self.copies, records: self.out.finish()? })
    }
}

impl Visitor for NoteTaker<'_> {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        if self.is_wanted && step == Step::Entry { self.entry(entry) } else { Ok(()) }
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        if part == Part::Data {
            self.content(bytes);
        }
        Ok(())
    }
}

/// Is it the name of a file that a copy may be of?
fn is_original_name(name: &[u8]) -> bool {
    pyc::is_source_name(name)
        || bootsnap::is_source_name(name)
        || fontconfig::is_font_name(name)
        || opcache::is_source_name(name)
        || jsa::is_source_name(name)
}

impl Notes {
    /// Shows every note, with the path that it is about, in the order of the layer.
    ///
    /// # Errors
    ///
    /// The temporary file can't be read; those of `show`.
    pub fn each(&self, mut show: impl FnMut(&[u8], Note) -> Result<()>) -> Result<()> {
        let mut path = Vec::new();
        self.records.each(|reader| {
            let note = read(reader, &mut path)?;
            show(&path, note)
        })
    }
}

/// What each kind of note begins with, after its path.
mod tag {
    pub(super) const NO_COPY: u8 = 0;
    pub(super) const COPY_OF_PATH: u8 = 1;
    pub(super) const COPY_OF_HASH: u8 = 2;
    pub(super) const FILE: u8 = 3;
    pub(super) const DIRECTORY: u8 = 4;
    pub(super) const LINK: u8 = 5;
    pub(super) const OTHER: u8 = 6;
    pub(super) const WHITEOUT: u8 = 7;
    pub(super) const OPAQUE: u8 = 8;
    pub(super) const HASHED_FILE: u8 = 9;
}

fn write(path: &[u8], note: &Note, record: &mut Vec<u8>) {
    put_bytes(record, path);
    match note {
        Note::Copy(None) => record.push(tag::NO_COPY),
        Note::Copy(Some(CopyNote { offset, copy: MtimeCopy { value, original } })) => {
            match original {
                Original::Path(path) => {
                    record.push(tag::COPY_OF_PATH);
                    put_bytes(record, path);
                }
                Original::PathHash(hash) => {
                    record.push(tag::COPY_OF_HASH);
                    put_number(record, *hash);
                }
            }
            record.push(value.kind as u8);
            record.push(u8::from(value.size.is_some()));
            let CopyValue { seconds, nanos, size, .. } = value;
            for number in [*offset, seconds.cast_unsigned(), nanos.cast_unsigned(), size.unwrap_or_default()] {
                put_number(record, number);
            }
        }
        Note::File(FileNote { offset, mtime, size, hash }) => {
            record.push(if hash.is_some() { tag::HASHED_FILE } else { tag::FILE });
            record.push(u8::from(size.is_some()));
            let size = size.unwrap_or_default();
            for number in [*offset, mtime.seconds.cast_unsigned(), u64::from(mtime.nanos), size].iter().chain(hash) {
                put_number(record, *number);
            }
        }
        Note::Directory(mtime) => {
            record.push(tag::DIRECTORY);
            put_number(record, mtime.seconds.cast_unsigned());
            put_number(record, u64::from(mtime.nanos));
        }
        Note::Link(target) => {
            record.push(tag::LINK);
            put_bytes(record, target);
        }
        Note::Other => record.push(tag::OTHER),
        Note::Whiteout => record.push(tag::WHITEOUT),
        Note::Opaque => record.push(tag::OPAQUE),
    }
}

fn read(reader: &mut Reader, path: &mut Vec<u8>) -> Result<Note> {
    reader.bytes(path)?;
    let mtime = |reader: &mut Reader| -> Result<Instant> {
        let seconds = reader.number()?.cast_signed();
        Ok(Instant { seconds, nanos: u32::try_from(reader.number()?).unwrap_or_default() })
    };
    let original = match reader.byte()? {
        tag::NO_COPY => return Ok(Note::Copy(None)),
        tag::COPY_OF_PATH => {
            let mut path = Vec::new();
            reader.bytes(&mut path)?;
            Original::Path(path)
        }
        tag::COPY_OF_HASH => Original::PathHash(reader.number()?),
        kind @ (tag::FILE | tag::HASHED_FILE) => {
            let has_size = reader.byte()? != 0;
            let (offset, mtime, size) = (reader.number()?, mtime(reader)?, reader.number()?);
            let size = Some(size).filter(|_| has_size);
            let hash = if kind == tag::HASHED_FILE { Some(reader.number()?) } else { None };
            return Ok(Note::File(FileNote { offset, mtime, size, hash }));
        }
        tag::DIRECTORY => return Ok(Note::Directory(mtime(reader)?)),
        tag::LINK => {
            let mut target = Vec::new();
            reader.bytes(&mut target)?;
            return Ok(Note::Link(target));
        }
        tag::WHITEOUT => return Ok(Note::Whiteout),
        tag::OPAQUE => return Ok(Note::Opaque),
        _ => return Ok(Note::Other),
    };
    let kind = CopyKind::of_number(reader.byte()?);
    let has_size = reader.byte()? != 0;
    let offset = reader.number()?;
    let (seconds, nanos) = (reader.number()?.cast_signed(), reader.number()?.cast_signed());
    let size = Some(reader.number()?).filter(|_| has_size);
    let value = CopyValue { kind, seconds, nanos, size };
    Ok(Note::Copy(Some(CopyNote { offset, copy: MtimeCopy { value, original } })))
}
