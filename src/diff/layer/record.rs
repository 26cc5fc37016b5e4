//! One compact record per entry of a layer: all that is compared, and nothing else is kept in memory.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, LazyLock};

use crate::blob::Extent;
use crate::diff::layer::path::{bounds, normal};
use crate::diff::layer::pax::{self, Held, Strings, short, sparse_map};
use crate::diff::layer::programs::Head;
use crate::diff::layer::unmodelled;
use crate::diff::model::Rank;
use crate::error::Result;
use crate::layer::{self, Event, Expect, Facts, Pool};
use crate::stamp::Instant;
use crate::tar::{Entry, ExtensionKind, Field, Format};

/// Times of an entry that are kept one by one.
const TIMES_MAX: usize = 16;
/// What a record or a time takes besides its bytes.
const RECORD: usize = 32;

/// The bits of a mode that let a file run.
const EXECUTABLE: i64 = 0o111;
/// Those that let it run as its owner or group.
pub(crate) const SET_ID: i64 = 0o6000;

/// What many entries have in common, kept once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Meta {
    pub(crate) kind: u8,
    pub(crate) mode: i64,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) uname: Box<[u8]>,
    pub(crate) gname: Box<[u8]>,
    pub(crate) device: (i64, i64),
    pub(crate) format: Format,
    /// The kinds of the extension headers, in their order.
    pub(crate) extensions: Box<[ExtensionKind]>,
    /// A hash of the header block without names, sizes, times and checksum: how numbers are written, unused bytes.
    pub(crate) spelling: u64,
}

/// PAX records that are no times and repeat no field of the header, sorted by key.
pub(crate) type PaxRecords = Box<[(Box<[u8]>, Box<[u8]>)]>;

/// An entry. A layer may have hundreds of thousands of them, so what few have stands apart.
#[derive(Debug)]
pub(crate) struct Record {
    /// The name as it stands in the stream; differences share it.
    raw: Arc<[u8]>,
    /// Where in `raw` the path begins and ends: without `./`, `/` and a slash at the end.
    path: (u32, u32),
    pub(crate) meta: Arc<Meta>,
    pub(crate) mtime: Instant,
    rare: Option<Box<Rare>>,
    pub(crate) size: u64,
    /// The BLAKE3 hash of the content; `None` where there is none. That of a sparse file begins with its map, so that
    /// it equals no other file's. Every byte is hashed for the diff_id already, so that
    /// this is a second time: SHA-256 would nearly double the cost of comparing plain layers.
    pub(crate) content: Option<[u8; 32]>,
    /// Its number in the layer.
    pub(crate) number: u32,
    /// Do its first bytes make it a program?
    has_magic: bool,
}

/// What most entries do not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rare {
    /// The path where it is no part of the name: `a//b`, `a/../b`.
    folded: Option<Box<[u8]>>,
    /// The other times, those of extension headers included.
    pub(crate) times: Box<[(Field, Instant)]>,
    pub(crate) link: Box<[u8]>,
    pub(crate) pax: PaxRecords,
    /// The hash of the names of PAX headers, which may hold a process id.
    pub(crate) extension_names: u64,
    /// The hash of the other names that a sparse file's headers have, which may hold a process id.
    pub(crate) sparse_names: u64,
    /// The hash of what of the extension headers belongs to no field, and of the padding behind the content unless it
    /// is all zeros.
    pub(crate) residue: (u64, u64),
    /// The size with all holes filled, of a sparse file.
    pub(crate) sparse_size: Option<u64>,
}

impl Record {
    /// The path, without `./` and `/` before it and without a slash behind it.
    pub(crate) fn path(&self) -> &[u8] {
        let part = || self.raw.get(self.path.0 as usize..self.path.1 as usize).unwrap_or_default();
        self.rare().folded.as_deref().unwrap_or_else(part)
    }

    /// The same, for a difference to keep: not copied where it is the whole name.
    pub(crate) fn shared_path(&self) -> Arc<[u8]> {
        let path = self.path();
        if path.len() == self.raw.len() { Arc::clone(&self.raw) } else { path.into() }
    }

    /// What most entries do not have.
    pub(crate) fn rare(&self) -> &Rare {
        static NONE: LazyLock<Rare> = LazyLock::new(Rare::default);
        self.rare.as_deref().unwrap_or(&NONE)
    }

    /// The name as it stands in the stream.
    pub(crate) fn raw_name(&self) -> &[u8] {
        &self.raw
    }

    /// Has it content of its own, in any of the ways that tar knows?
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.meta.kind, b'0' | 0 | b'7' | b'S') && !self.is_folder()
    }

    /// May it run, by its mode or its first bytes?
    pub(crate) fn is_program(&self) -> bool {
        self.is_file() && (self.meta.mode & EXECUTABLE != 0 || self.has_magic)
    }

    /// What it is to whoever looks for what matters.
    pub(crate) fn rank(&self) -> Rank {
        let is_run = self.is_program() || self.is_hard_link() && self.meta.mode & EXECUTABLE != 0;
        match is_run {
            true if self.meta.mode & SET_ID != 0 => Rank::SetId,
            true => Rank::Program,
            false => Rank::Other,
        }
    }

    /// Is it a directory? In v7 that is a file whose name ends in a slash.
    pub(crate) fn is_folder(&self) -> bool {
        self.meta.kind == b'5' || self.meta.kind == 0 && self.raw.ends_with(b"/")
    }

    /// Is it a sparse file, in any of the four ways?
    pub(crate) fn is_sparse(&self) -> bool {
        self.rare().sparse_size.is_some()
    }

    /// Is it a hard link to another entry?
    pub(crate) fn is_hard_link(&self) -> bool {
        self.meta.kind == b'1'
    }

    /// The names that differ and are not the file's: tar makes its process ID a part of them.
    pub(crate) fn names_of_tar(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let (own, others) = (self.rare(), other.rare());
        let pax = own.extension_names != others.extension_names && self.meta.extensions == other.meta.extensions;
        let sparse = own.sparse_names != others.sparse_names && self.raw_name() == other.raw_name();
        let names = [(pax, "name of the PAX header"), (sparse, "name in the header of the sparse file")];
        names.into_iter().filter_map(|(differs, name)| differs.then_some(name))
    }

    /// For people: who would have written such a header.
    pub(crate) fn dialect_name(&self) -> &'static str {
        match self.meta.format {
            Format::V7 => "v7",
            Format::Ustar => "ustar",
            Format::Gnu => "GNU",
            Format::Star => "star",
        }
    }

    /// For people: what the type flag stands for.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.meta.kind {
            b'0' | b'7' | b'S' => "file",
            0 if self.is_folder() => "old directory",
            0 => "old file",
            b'1' => "hard link",
            b'2' => "symlink",
            b'3' => "character device",
            b'4' => "block device",
            b'5' => "directory",
            b'6' => "fifo",
            _ => "entry of another kind",
        }
    }
}

/// A layer that was read.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) entries: Vec<Record>,
    /// The PAX records of global headers that are no times, in their order.
    pub(crate) globals: Vec<(Box<[u8]>, Box<[u8]>)>,
    /// The times of global headers, in their order.
    pub(crate) global_times: Vec<(Field, Instant)>,
    /// A hash of what of global headers, and of extension headers that no entry follows, belongs to no field.
    pub(crate) residue: u64,
    /// Bytes behind the first block of the end marker, and a hash of them unless all are zero.
    pub(crate) rest: (u64, Option<[u8; 32]>),
    pub(crate) facts: Option<Facts>,
}

/// Reads a layer into records.
pub(crate) fn read(extent: &Extent, expect: &Expect, strings: &Strings, pool: &Pool) -> Result<Records> {
    let mut reader = Reader::default();
    let facts = layer::scan(extent, expect, pool, &mut |event| {
        reader.event(&event);
        reader.held.check(strings)
    })?;
    let mut records = reader.finish();
    records.facts = Some(facts);
    Ok(records)
}

/// Builds records from events.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) records: Records,
    known: HashSet<Arc<Meta>>,
    hasher: Option<Box<blake3::Hasher>>,
    has_rest: bool,
    padding: Option<Box<blake3::Hasher>>,
    rest: blake3::Hasher,
    /// Bytes of names and records.
    held: Held,
    /// The first bytes of the last entry's content.
    head: Head,
}

impl Reader {
    /// Takes the next event.
    pub(crate) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Entry(entry) => {
                self.complete();
                let number = u32::try_from(self.records.entries.len()).unwrap_or(u32::MAX);
                let record = self.record(entry, number);
                self.records.entries.push(record);
                self.head = Head::default();
            }
            Event::Map(bytes) | Event::Content(bytes) => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(bytes);
                }
                if matches!(event, Event::Content(_))
                    && let Some(last) = self.records.entries.last_mut()
                {
                    last.has_magic = self.head.add(bytes);
                }
            }
            Event::Padding(bytes) => {
                if self.padding.is_some() || bytes.iter().any(|byte| *byte != 0) {
                    self.padding.get_or_insert_default().update(bytes);
                }
            }
            Event::Global(entry) => {
                self.complete();
                self.loose(entry);
                let times = entry.times().filter_map(|site| Some((site.field, site.value?)));
                let known = self.records.global_times.len();
                self.records.global_times.extend(times);
                let records = entry.extensions().flat_map(|extension| extension.records());
                let others = records.filter(|record| record.time_key().is_none());
                let others: Vec<_> =
                    others.map(|record| (Box::from(&*pax::name(record.key)), short(record.value))).collect();
                let sizes = others.iter().map(|(key, value): &(Box<[u8]>, _)| key.len() + value.len() + RECORD);
                self.held.add(sizes.sum::<usize>() + RECORD * (self.records.global_times.len() - known));
                self.records.globals.extend(others);
            }
            Event::End(entry) => {
                self.complete();
                self.loose(entry);
            }
            Event::Rest(bytes) => {
                let length = &mut self.records.rest.0;
                *length = length.saturating_add(bytes.len() as u64);
                self.rest.update(bytes);
                self.has_rest |= bytes.iter().any(|byte| *byte != 0);
            }
        }
    }

    /// Ends the entry whose content went by.
    pub(crate) fn complete(&mut self) {
        if let (Some(hasher), Some(last)) = (self.hasher.take(), self.records.entries.last_mut()) {
            last.content = Some(*hasher.finalize().as_bytes());
        }
        if let (Some(hasher), Some(last)) = (self.padding.take(), self.records.entries.last_mut()) {
            last.rare.get_or_insert_default().residue.1 = number_of(&hasher);
        }
    }

    /// Ends the layer.
    pub(crate) fn finish(mut self) -> Records {
        self.complete();
        self.records.rest.1 = self.has_rest.then(|| *self.rest.finalize().as_bytes());
        self.records
    }

    /// Headers that belong to no entry.
    fn loose(&mut self, entry: &Entry) {
        let own = unmodelled::of_extensions(entry);
        if own != 0 {
            let mut hasher = DefaultHasher::new();
            (self.records.residue, own).hash(&mut hasher);
            self.records.residue = hasher.finish();
        }
    }

    fn record(&mut self, entry: &Entry, number: u32) -> Record {
        let name = entry.name();
        let name = pax::path(&name);
        let (start, end) = bounds(&name);
        let mut names = DefaultHasher::new();
        let mut has_names = false;
        for extension in entry.extensions().filter(|extension| extension.kind == ExtensionKind::Pax) {
            extension.header.name().hash(&mut names);
            has_names = true;
        }
        let is_own = |field: &Field| matches!(field, Field::Mtime | Field::Pax { key: "mtime", .. });
        let times = entry.times().filter(|site| !is_own(&site.field));
        let mut times: Vec<_> = times.filter_map(|site| Some((site.field, site.value?))).collect();
        let more_times = times.split_off(times.len().min(TIMES_MAX));
        let mut residue = unmodelled::of_extensions(entry);
        if !more_times.is_empty() {
            let mut hasher = DefaultHasher::new();
            (residue, more_times.iter().map(|(field, value)| (field.to_string(), *value)).collect::<Vec<_>>())
                .hash(&mut hasher);
            residue = hasher.finish();
        }
        let map = sparse_map(entry);
        let rare = Rare {
            folded: match normal(&name) {
                Cow::Borrowed(_) => None,
                Cow::Owned(path) => Some(path.into()),
            },
            times: times.into(),
            link: pax::path(entry.link_name()).into(),
            pax: pax::records(entry),
            residue: (residue, 0),
            sparse_size: map.as_ref().map(|_| entry.sparse_size().unwrap_or(entry.size())),
            extension_names: if has_names { names.finish() } else { 0 },
            sparse_names: entry.sparse_file_names().map_or(0, |names| {
                let mut hasher = DefaultHasher::new();
                names.hash(&mut hasher);
                hasher.finish()
            }),
        };
        let records = rare.pax.iter().map(|(key, value)| key.len() + value.len() + RECORD);
        self.held.add(name.len() + rare.link.len() + records.sum::<usize>() + RECORD * rare.times.len());
        self.held.entry();
        self.hasher = (entry.size() > 0 || map.is_some()).then(Default::default);
        if let (Some(hasher), Some(map)) = (&mut self.hasher, map) {
            hasher.update(&map);
        }
        Record {
            path: (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX)),
            raw: name.into(),
            meta: self.meta(entry),
            mtime: entry.mtime(),
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
            size: entry.size(),
            content: None,
            number,
            has_magic: false,
        }
    }

    fn meta(&mut self, entry: &Entry) -> Arc<Meta> {
        let meta = Meta {
            kind: entry.kind(),
            mode: entry.mode(),
            uid: entry.uid(),
            gid: entry.gid(),
            uname: pax::name(entry.uname()).into(),
            gname: pax::name(entry.gname()).into(),
            device: entry.device(),
            format: entry.format(),
            extensions: entry.extensions().map(|extension| extension.kind).collect(),
            spelling: unmodelled::spelling(entry),
        };
        if let Some(known) = self.known.get(&meta) {
            return Arc::clone(known);
        }
        self.held.add(meta.uname.len() + meta.gname.len() + meta.extensions.len());
        let meta = Arc::new(meta);
        self.known.insert(Arc::clone(&meta));
        meta
    }
}

fn number_of(hasher: &blake3::Hasher) -> u64 {
    hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
