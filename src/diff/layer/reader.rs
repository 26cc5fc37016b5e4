//! Reading a layer: its events become records.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use crate::blob::Extent;
use crate::diff::layer::path::{bounds, normal};
use crate::diff::layer::pax::{self, Held, Strings, short, sparse_map};
use crate::diff::layer::programs::Head;
use crate::diff::layer::record::{ExtraFields, Meta, Record, Records};
use crate::diff::layer::unmodelled;
use crate::error::Result;
use crate::layer::{self, Event, LayerExpected, Pool};
use crate::repair::replaced::is_replaced;
use crate::tar::{Entry, ExtensionKind, Field};

/// Times of an entry that are kept one by one.
const TIMES_MAX: usize = 16;
/// What a record or a time takes besides its bytes.
const RECORD: usize = 32;

/// Reads a layer into records.
pub(crate) fn read(extent: &Extent, expect: &LayerExpected, strings: &Strings, pool: &Pool) -> Result<Records> {
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
                self.unowned(entry);
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
                self.unowned(entry);
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
            last.extra.get_or_insert_default().unmodelled.1 = number_of(&hasher);
        }
    }

    /// Ends the layer.
    pub(crate) fn finish(mut self) -> Records {
        self.complete();
        self.records.rest.1 = self.has_rest.then(|| *self.rest.finalize().as_bytes());
        self.records
    }

    /// Headers that belong to no entry.
    fn unowned(&mut self, entry: &Entry) {
        let own = unmodelled::of_extensions(entry);
        if own != 0 {
            let mut hasher = DefaultHasher::new();
            (self.records.unmodelled, own).hash(&mut hasher);
            self.records.unmodelled = hasher.finish();
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
        let mut unmodelled = unmodelled::of_extensions(entry);
        if !more_times.is_empty() {
            let mut hasher = DefaultHasher::new();
            (unmodelled, more_times.iter().map(|(field, value)| (field.to_string(), *value)).collect::<Vec<_>>())
                .hash(&mut hasher);
            unmodelled = hasher.finish();
        }
        let map = sparse_map(entry);
        let extra = ExtraFields {
            folded: match normal(&name) {
                Cow::Borrowed(_) => None,
                Cow::Owned(path) => Some(path.into()),
            },
            times: times.into(),
            link: pax::path(entry.link_name()).into(),
            pax: pax::records(entry),
            unmodelled: (unmodelled, 0),
            sparse_size: map.as_ref().map(|_| entry.sparse_size().unwrap_or(entry.size())),
            has_pax_size: is_replaced(name.get(start..end).unwrap_or_default())
                && entry.pax_records().any(|record| record.key == b"size"),
            extension_names: if has_names { names.finish() } else { 0 },
            sparse_names: entry.sparse_file_names().map_or(0, |names| {
                let mut hasher = DefaultHasher::new();
                names.hash(&mut hasher);
                hasher.finish()
            }),
        };
        let records = extra.pax.iter().map(|(key, value)| key.len() + value.len() + RECORD);
        self.held.add(name.len() + extra.link.len() + records.sum::<usize>() + RECORD * extra.times.len());
        self.held.entry();
        self.hasher = (entry.size() > 0 || map.is_some()).then(Default::default);
        if let (Some(hasher), Some(map)) = (&mut self.hasher, map) {
            hasher.update(&map);
        }
        Record {
            bounds: (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX)),
            raw: name.into(),
            meta: self.meta(entry),
            mtime: entry.mtime(),
            extra: (extra != ExtraFields::default()).then(|| Box::new(extra)),
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
