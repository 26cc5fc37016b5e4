//! One compact record per entry of a layer: all that is compared, and nothing else is kept in memory.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::epoch::Instant;
use crate::error::Result;
use crate::layer::{self, Event, Expect, Facts, Pool};
use crate::tar::{Entry, ExtensionKind, Field, Format};

/// Values of PAX records longer than this are kept as their digest.
const VALUE_MAX: usize = 256;

/// What many entries have in common, kept once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Meta {
    pub(super) kind: u8,
    pub(super) mode: i64,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) uname: Box<[u8]>,
    pub(super) gname: Box<[u8]>,
    pub(super) device: (i64, i64),
    pub(super) format: Format,
    /// The kinds of the extension headers, in their order.
    pub(super) extensions: Box<[ExtensionKind]>,
    /// A hash of the header block without names, sizes, times and checksum: how numbers are written, unused bytes.
    pub(super) spelling: u64,
}

/// PAX records that are no times and repeat no field of the header, sorted by key.
pub(super) type PaxRecords = Box<[(Box<[u8]>, Box<[u8]>)]>;

/// An entry.
#[derive(Debug)]
pub(super) struct Record {
    /// The name as it stands in the stream.
    raw: Box<[u8]>,
    /// Where in `raw` the path begins and ends: without `./`, `/` and a slash at the end.
    path: (u32, u32),
    pub(super) meta: Arc<Meta>,
    pub(super) mtime: Instant,
    /// The other times, those of extension headers included.
    pub(super) times: Box<[(Field, Instant)]>,
    pub(super) link: Box<[u8]>,
    pub(super) pax: PaxRecords,
    /// The hash of the names of PAX headers, which may hold a process id.
    pub(super) extension_names: u64,
    pub(super) size: u64,
    /// The BLAKE3 hash of the content; `None` where there is none. Every byte is hashed for the diff_id already, so that
    /// this is a second time: SHA-256 would nearly double the cost of comparing plain layers.
    pub(super) content: Option<[u8; 32]>,
    /// Its number in the layer.
    pub(super) number: u32,
}

impl Record {
    /// The path, without `./` and `/` before it and without a slash behind it.
    pub(super) fn path(&self) -> &[u8] {
        self.raw.get(self.path.0 as usize..self.path.1 as usize).unwrap_or_default()
    }

    /// The name as it stands in the stream.
    pub(super) fn raw_name(&self) -> &[u8] {
        &self.raw
    }

    /// Has it content of its own, in any of the ways that tar knows?
    pub(super) fn is_file(&self) -> bool {
        matches!(self.meta.kind, b'0' | 0 | b'7' | b'S')
    }

    /// Is it a hard link to another entry?
    pub(super) fn is_hard_link(&self) -> bool {
        self.meta.kind == b'1'
    }

    /// For people: who would have written such a header.
    pub(super) fn dialect_name(&self) -> &'static str {
        match self.meta.format {
            Format::V7 => "v7",
            Format::Ustar => "ustar",
            Format::Gnu => "GNU",
            Format::Star => "star",
        }
    }

    /// For people: what the type flag stands for.
    pub(super) fn kind_name(&self) -> &'static str {
        match self.meta.kind {
            b'0' | b'7' | b'S' => "file",
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

/// The path without `./` and `/` before it and without slashes behind it.
pub(super) fn normal(name: &[u8]) -> &[u8] {
    let (start, end) = bounds(name);
    name.get(start..end).unwrap_or_default()
}

fn bounds(name: &[u8]) -> (usize, usize) {
    let (mut start, mut end) = (0, name.len());
    loop {
        let rest = name.get(start..end).unwrap_or_default();
        if rest.starts_with(b"./") {
            start += 2;
        } else if rest.starts_with(b"/") {
            start += 1;
        } else {
            break;
        }
    }
    while end > start && name.get(end - 1) == Some(&b'/') {
        end -= 1;
    }
    if name.get(start..end) == Some(b".") {
        end = start;
    }
    (start, end)
}

/// A layer that was read.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) entries: Vec<Record>,
    /// The PAX records of global headers that are no times, in their order.
    pub(super) globals: Vec<(Box<[u8]>, Box<[u8]>)>,
    /// Bytes behind the first block of the end marker, and a hash of them unless all are zero.
    pub(super) rest: (u64, u64),
    pub(super) facts: Option<Facts>,
}

/// Reads a layer into records.
pub(super) fn read(extent: &Extent, expect: &Expect, pool: &Pool) -> Result<Records> {
    let mut reader = Reader::default();
    let facts = layer::scan(extent, expect, pool, &mut |event| {
        reader.event(&event);
        Ok(())
    })?;
    reader.complete();
    reader.records.facts = Some(facts);
    Ok(reader.records)
}

/// Builds records from events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) records: Records,
    known: HashSet<Arc<Meta>>,
    hasher: Option<Box<blake3::Hasher>>,
    rest: DefaultHasher,
}

impl Reader {
    /// Takes the next event.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Entry(entry) => {
                self.complete();
                let number = u32::try_from(self.records.entries.len()).unwrap_or(u32::MAX);
                let record = self.record(entry, number);
                self.records.entries.push(record);
                self.hasher = (entry.size() > 0).then(Default::default);
            }
            Event::Content(bytes) => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(bytes);
                }
            }
            Event::Global(entry) => {
                let records = entry.extensions().flat_map(|extension| extension.records());
                let others = records.filter(|record| record.time_key().is_none());
                self.records.globals.extend(others.map(|record| (record.key.into(), short(record.value))));
            }
            Event::End(_) => self.complete(),
            Event::Rest(bytes) => {
                let (length, hash) = &mut self.records.rest;
                *length = length.saturating_add(bytes.len() as u64);
                if bytes.iter().any(|byte| *byte != 0) {
                    bytes.hash(&mut self.rest);
                    *hash = self.rest.finish();
                }
            }
        }
    }

    /// Ends the entry whose content went by.
    pub(super) fn complete(&mut self) {
        if let (Some(hasher), Some(last)) = (self.hasher.take(), self.records.entries.last_mut()) {
            last.content = Some(*hasher.finalize().as_bytes());
        }
    }

    fn record(&mut self, entry: &Entry, number: u32) -> Record {
        let name = entry.name();
        let (start, end) = bounds(&name);
        let mut names = DefaultHasher::new();
        let mut has_names = false;
        for extension in entry.extensions().filter(|extension| extension.kind == ExtensionKind::Pax) {
            extension.header.name().hash(&mut names);
            has_names = true;
        }
        let is_own = |field: &Field| matches!(field, Field::Mtime | Field::Pax { key: "mtime", .. });
        let times = entry.times().filter(|site| !is_own(&site.field));
        let times: Box<[_]> = times.filter_map(|site| Some((site.field, site.value?))).collect();
        let mut pax: Vec<_> = entry
            .pax_records()
            .filter(|record| record.time_key().is_none() && !repeats_header(record.key))
            .map(|record| (Box::from(record.key), short(record.value)))
            .collect();
        pax.sort_by(|a: &(Box<[u8]>, _), b| a.0.cmp(&b.0));
        Record {
            path: (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX)),
            raw: name.into(),
            meta: self.meta(entry),
            mtime: entry.mtime(),
            times,
            link: entry.link_name().into(),
            pax: pax.into(),
            extension_names: if has_names { names.finish() } else { 0 },
            size: entry.size(),
            content: None,
            number,
        }
    }

    fn meta(&mut self, entry: &Entry) -> Arc<Meta> {
        let meta = Meta {
            kind: entry.kind(),
            mode: entry.mode(),
            uid: entry.uid(),
            gid: entry.gid(),
            uname: entry.uname().into(),
            gname: entry.gname().into(),
            device: entry.device(),
            format: entry.format(),
            extensions: entry.extensions().map(|extension| extension.kind).collect(),
            spelling: spelling(entry),
        };
        if let Some(known) = self.known.get(&meta) {
            return Arc::clone(known);
        }
        let meta = Arc::new(meta);
        self.known.insert(Arc::clone(&meta));
        meta
    }
}

/// PAX records that stand for a field of the header, which is compared as such.
fn repeats_header(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"uname" | b"gname")
}

fn short(value: &[u8]) -> Box<[u8]> {
    if value.len() <= VALUE_MAX {
        return value.into();
    }
    format!("{} bytes, {}", value.len(), Digest::sha256(value)).into_bytes().into()
}

/// What of a header block is neither a name, a size, a time nor the checksum, hashed.
fn spelling(entry: &Entry) -> u64 {
    let Some(header) = entry.header() else { return 0 };
    let mut block = *header.block();
    // Name; size and mtime and checksum, which stand side by side; link name.
    let mut blank = vec![0..100, 124..156, 157..257];
    blank.push(match entry.format() {
        Format::Ustar | Format::Star => 345..500,
        Format::Gnu => 345..369,
        Format::V7 => 0..0,
    });
    for range in blank {
        if let Some(field) = block.get_mut(range) {
            field.fill(0);
        }
    }
    let mut hasher = DefaultHasher::new();
    block.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        for (name, path) in [
            ("a/b", "a/b"),
            ("./a/b/", "a/b"),
            ("/a//b", "a//b"),
            ("././a", "a"),
            ("./", ""),
            (".", ""),
            ("/", ""),
            ("", ""),
            (".wh.x", ".wh.x"),
            ("..", ".."),
        ] {
            assert_eq!(normal(name.as_bytes()), path.as_bytes(), "{name}");
        }
    }
}
