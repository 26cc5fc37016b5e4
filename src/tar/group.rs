//! Patching the headers of one entry: its extension headers and its header block, which change as one.
//!
//! Times are written where [`Entry::times`] says that they are. What else changes follows from that (sizes, checksums), or
//! is what writers put into names only because time passed (`names.rs`). The names of owners are removed where that is asked
//! for: they are those of the machine that wrote the archive.

use std::iter::Peekable;

use super::entry::{Entry, Extension, ExtensionKind};
use super::header::{self, Block, Format, Header};
use super::pax::{self, Record};
use super::times::{Field, TimeSite};
use super::{BLOCK, names};
use crate::stamp::{Epoch, Rule, Stamp};

/// Patches the headers of one entry after the other.
#[derive(Debug)]
pub(super) struct HeaderPatcher {
    /// The last epoch, and as PAX records have it.
    seconds: (Option<Epoch>, String),
    /// Has a global header given all entries from here on an mtime?
    is_global_mtime: bool,
    /// The name that PAX headers get.
    scratch: Vec<u8>,
}

impl HeaderPatcher {
    pub(super) fn new() -> Self {
        Self { seconds: (None, String::new()), is_global_mtime: false, scratch: Vec::new() }
    }

    /// Appends the headers of an entry, patched; with `numeric_owner` without the names of owner and group.
    pub(super) fn patch(&mut self, entry: &Entry, stamp: Stamp, numeric_owner: bool, out: &mut Vec<u8>) {
        if self.seconds.0 != Some(stamp.epoch) {
            self.seconds = (Some(stamp.epoch), stamp.epoch.seconds().to_string());
        }
        let is_pax = |extension: &Extension<'_>| extension.kind == ExtensionKind::Pax;
        let pax_headers = entry.extensions().filter(is_pax).count();
        // Set mode removes such a record wherever it is.
        let may_move = stamp.rule == Rule::Clamp && pax_headers > 0 && !self.is_global_mtime;
        let has_one_mtime = may_move
            && entry.header().is_some()
            && entry.times().filter(|site| site.field == mtime_record(false)).count() == 1;
        let mut group = Group {
            stamp,
            numeric_owner,
            seconds: self.seconds.1.as_bytes(),
            entry,
            sites: entry.times().peekable(),
            pax_headers,
            has_one_mtime,
            is_mtime_moved: false,
            scratch: &mut self.scratch,
            has_pax_name: None,
        };
        for extension in entry.extensions() {
            group.extension(extension, out);
        }
        if let Some(header) = entry.header() {
            group.header(header, out);
        } else if let Some(site) = entry.times().filter(|site| site.field == mtime_record(true)).last() {
            self.is_global_mtime = site.value.is_some();
        }
    }
}

/// The mtime record of a PAX header.
fn mtime_record(global: bool) -> Field {
    Field::Pax { key: pax::MTIME, global }
}

/// The headers of one entry while they are patched.
struct Group<'a, S: Iterator<Item = TimeSite>> {
    stamp: Stamp,
    /// Are the names of owner and group removed?
    numeric_owner: bool,
    seconds: &'a [u8],
    entry: &'a Entry,
    /// The times that have not been written yet, in the order of the stream.
    sites: Peekable<S>,
    /// How many PAX headers there are.
    pax_headers: usize,
    /// Is there one mtime record that counts, whose value the header block could say as well?
    has_one_mtime: bool,
    /// Has that record been removed?
    is_mtime_moved: bool,
    scratch: &'a mut Vec<u8>,
    /// Does `scratch` hold the name that PAX headers get? `Some(false)` if they keep theirs.
    has_pax_name: Option<bool>,
}

/// What became of a payload.
enum Payload {
    Kept,
    Rebuilt { size: u64 },
    Gone,
}

/// What becomes of a record.
enum Verdict {
    Keep,
    Remove,
    Write,
}

impl<S: Iterator<Item = TimeSite>> Group<'_, S> {
    fn extension(&mut self, extension: Extension<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let mut block = *extension.header.block();
        self.times(&mut block, extension.offset, 0);
        self.owner_names(&mut block);
        out.extend_from_slice(&block);
        let mut new_size = None;
        match extension.kind {
            ExtensionKind::LongName | ExtensionKind::LongLink => {
                out.extend_from_slice(extension.payload);
                out.extend_from_slice(extension.padding);
            }
            ExtensionKind::Pax | ExtensionKind::Global => match self.payload(extension, out) {
                Payload::Gone => return out.truncate(start),
                Payload::Kept => {}
                Payload::Rebuilt { size } => new_size = Some(size),
            },
        }
        if self.stamp.rule == Rule::Set && self.canonical_name(extension) {
            header::set_name(&mut block, self.scratch);
        }
        if let Some(size) = new_size {
            header::set_size(&mut block, size);
        }
        self.checksum(&mut block, extension.header);
        if let Some(place) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *place = block;
        }
    }

    /// Appends the payload of a PAX header with its times replaced, and without names of owners where they are removed.
    fn payload(&mut self, extension: Extension<'_>, out: &mut Vec<u8>) -> Payload {
        let start = out.len();
        let (mut kept, mut removed) = (0usize, 0usize);
        for record in extension.records() {
            let site = self.sites.next_if(|site| site.offset == record.offset);
            let verdict = match site {
                Some(site) => self.verdict(site),
                // An empty one takes back a global name: there is none any more.
                None if self.numeric_owner && record.is_owner_name() => Verdict::Remove,
                None => Verdict::Keep,
            };
            match verdict {
                Verdict::Keep => self.other_record(extension.kind, &record, out),
                Verdict::Write => pax::write_record(out, record.key, self.seconds),
                Verdict::Remove => {
                    removed += 1;
                    continue;
                }
            }
            kept += 1;
        }
        // Of several PAX headers the last replaces the others for Go: an empty one still does so.
        if kept == 0 && removed > 0 && (extension.kind == ExtensionKind::Global || self.pax_headers == 1) {
            return Payload::Gone;
        }
        let payload = out.get(start..).unwrap_or_default();
        let size = payload.len();
        // In set mode a header that never had an mtime comes out as one that has lost it.
        if payload == extension.payload && self.stamp.rule == Rule::Clamp {
            out.extend_from_slice(extension.padding);
            return Payload::Kept;
        }
        out.resize(start + size.next_multiple_of(BLOCK), 0);
        Payload::Rebuilt { size: size as u64 }
    }

    fn verdict(&mut self, site: TimeSite) -> Verdict {
        let is_mtime = matches!(site.field, Field::Pax { key: pax::MTIME, .. });
        let Some(value) = site.value else {
            // Empty: it takes back a global value. In set mode there is no mtime left that it could take back.
            return if is_mtime && self.stamp.rule == Rule::Set { Verdict::Remove } else { Verdict::Keep };
        };
        match self.stamp.rule {
            Rule::Set if is_mtime => Verdict::Remove,
            Rule::Set => Verdict::Write,
            Rule::Clamp if !self.stamp.replaces(value) => Verdict::Keep,
            // The header block can say it, unless another record would then count instead of this one.
            Rule::Clamp if site.field == mtime_record(false) && self.has_one_mtime => {
                self.is_mtime_moved = true;
                Verdict::Remove
            }
            Rule::Clamp => Verdict::Write,
        }
    }

    /// Appends a record that is no time: as it is, but for a path that holds a process id.
    fn other_record(&self, kind: ExtensionKind, record: &Record<'_>, out: &mut Vec<u8>) {
        let is_path = self.stamp.rule == Rule::Set && kind == ExtensionKind::Pax && record.key == b"path";
        if is_path
            && self.entry.sparse_file_names().is_some()
            && let Some(name) = names::sparse_file_name(record.value)
        {
            return pax::write_record(out, record.key, &name);
        }
        out.extend_from_slice(record.raw);
    }

    /// Finds the canonical name of an extension header, into `scratch`; false if it keeps the one it has.
    fn canonical_name(&mut self, extension: Extension<'_>) -> bool {
        match extension.kind {
            ExtensionKind::LongName | ExtensionKind::LongLink => false,
            ExtensionKind::Global => {
                self.has_pax_name = None;
                names::global_header_name(extension.header.name(), self.scratch)
            }
            // There may be a thousand of them, and a megabyte of records to find the entry's name in.
            ExtensionKind::Pax => *self.has_pax_name.get_or_insert_with(|| {
                let name = self.entry.name();
                names::pax_header_name(&name, self.scratch);
                // Without an entry, and without a path of its own, it is unknown what it was for.
                self.entry.header().is_some() || !name.is_empty()
            }),
        }
    }

    fn header(&mut self, header: Header<'_>, out: &mut Vec<u8>) {
        let mut block = *header.block();
        self.times(&mut block, self.entry.header_offset(), self.stamp.epoch.seconds());
        self.owner_names(&mut block);
        if self.stamp.rule == Rule::Set {
            self.sparse_file_name(&mut block, header.format());
        }
        self.checksum(&mut block, header);
        out.extend_from_slice(&block);
    }

    /// Takes the process id out of the header's name, where the file's own name is a record.
    fn sparse_file_name(&self, block: &mut Block, format: Format) {
        let Some(([prefix, name], path)) = self.entry.sparse_file_names() else { return };
        if let Some(path) = path.filter(|path| prefix.is_empty() && name == path.get(..names::NAME_MAX).unwrap_or(path))
        {
            // The header has as much of it as fits.
            if let Some(path) = names::sparse_file_name(path) {
                header::set_name(block, &path);
            }
            return;
        }
        let is_whole = prefix.is_empty();
        let new = if is_whole {
            names::sparse_file_name(name)
        } else {
            names::sparse_file_name(&[prefix, b"/", name].concat())
        };
        if let Some(new) = new
            && (is_whole || format == Format::Ustar)
            && let Some((prefix, name)) = names::divide(&new)
        {
            header::set_names(block, prefix, name);
        }
    }

    fn owner_names(&self, block: &mut Block) {
        if self.numeric_owner {
            header::clear_owner_names(block);
        }
    }

    /// Writes `seconds` to each time of the block at `offset` that the rule replaces.
    fn times(&mut self, block: &mut Block, offset: u64, seconds: u64) {
        let end = offset.saturating_add(BLOCK as u64);
        while let Some(site) = self.sites.next_if(|site| site.offset < end) {
            let is_moved = self.is_mtime_moved && site.field == Field::Mtime;
            if is_moved || site.value.is_some_and(|value| self.stamp.replaces(value)) {
                let start = usize::try_from(site.offset.saturating_sub(offset)).unwrap_or(BLOCK);
                header::set_time(block, start..start.saturating_add(site.length), seconds);
            }
        }
    }

    fn checksum(&self, block: &mut Block, before: Header<'_>) {
        if self.stamp.rule == Rule::Set || &*block != before.block() {
            header::set_checksum(block);
        }
    }
}
