//! Patching: the bytes of a stream with a [`Stamp`] applied to every time in it.

use super::entry::{Entry, Extension, ExtensionKind};
use super::frame::{Framer, Step, Want};
use super::header::{self, Block, Header};
use super::pax::{self, Record};
use super::times::is_replaced;
use super::toc::Toc;
use super::{BLOCK, names};
use crate::epoch::{Instant, Rule, Stamp};
use crate::error::Result;

/// The size of the pieces in which eStargz's index is asked for.
const TOC_PIECE: usize = 16 << 10;

/// What a [`Patcher`] has done so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Entries, global headers not counted.
    pub entries: u64,
    /// Entries of which a byte has changed, in their headers or the headers before them.
    pub stamped: u64,
    /// Has any byte of the stream changed?
    pub changed: bool,
}

/// Replaces the times in a tar stream.
///
/// It is driven like a [`Framer`]: what [`Patcher::want`] asks for is fed or passed. What is fed comes out
/// in `out`, patched, as soon as its entry is complete; what is passed the caller writes himself.
#[derive(Debug)]
pub struct Patcher {
    stamp: Stamp,
    framer: Framer,
    toc: Option<Toc>,
    /// Has a global header given all entries from here on an mtime?
    is_global_mtime: bool,
    stats: Stats,
    scratch: Vec<u8>,
}

impl Patcher {
    /// At the start of a stream.
    pub fn new(stamp: Stamp) -> Self {
        let framer = Framer::new();
        Self { stamp, framer, toc: None, is_global_mtime: false, stats: Stats::default(), scratch: Vec::new() }
    }

    /// What comes next.
    pub fn want(&self) -> Want {
        match (self.framer.want(), &self.toc) {
            (Want::Content { remaining, .. }, Some(_)) => {
                Want::Feed(usize::try_from(remaining).map_or(TOC_PIECE, |remaining| remaining.min(TOC_PIECE)))
            }
            (want, _) => want,
        }
    }

    /// The last entry, as it was before it was patched.
    pub fn entry(&self) -> &Entry {
        self.framer.entry()
    }

    /// How many bytes of the stream have been taken in.
    pub fn offset(&self) -> u64 {
        self.framer.offset()
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes the bytes that [`Want::Feed`] asked for, and appends to `out` what is now ready.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step> {
        if let (Some(toc), Want::Content { .. }) = (&mut self.toc, self.framer.want()) {
            toc.push(bytes, out);
            self.framer.pass(bytes.len() as u64);
            if !matches!(self.framer.want(), Want::Content { .. }) {
                self.finish_toc(out);
            }
            return Ok(Step::More);
        }
        let step = self.framer.feed(bytes)?;
        match step {
            Step::Held => {}
            Step::Entry => self.entry_complete(out),
            Step::Global => {
                self.group(out);
                let global = self.framer.entry().extensions().next_back();
                let records = global.into_iter().flat_map(|extension| extension.records());
                if let Some(mtime) = records.filter(|record| record.key == pax::MTIME.as_bytes()).last() {
                    self.is_global_mtime = !mtime.value.is_empty();
                }
            }
            Step::End => {
                self.group(out);
                out.extend_from_slice(bytes);
            }
            Step::More => out.extend_from_slice(bytes),
        }
        Ok(step)
    }

    /// `n` bytes of content, or of what follows the end marker, go by. They are not changed: the one member whose content holds
    /// times is asked for with [`Want::Feed`].
    pub fn pass(&mut self, n: u64) {
        self.framer.pass(n);
    }

    /// Says that the stream has ended, and appends to `out` what was held back.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.finish_toc(out);
        let is_group_open = self.framer.is_group_open();
        self.framer.end()?;
        if is_group_open {
            self.group(out);
        }
        Ok(())
    }

    fn finish_toc(&mut self, out: &mut Vec<u8>) {
        if let Some(mut toc) = self.toc.take() {
            toc.end(out);
            self.stats.changed |= toc.changed();
        }
    }

    fn entry_complete(&mut self, out: &mut Vec<u8>) {
        self.stats.entries += 1;
        if self.group(out) {
            self.stats.stamped += 1;
        }
        let entry = self.framer.entry();
        if entry.is_toc() && entry.size() > 0 {
            self.toc = Some(Toc::new(self.stamp));
        }
    }

    /// Appends the headers of the current entry, patched; true if that changed a byte.
    fn group(&mut self, out: &mut Vec<u8>) -> bool {
        let entry = self.framer.entry();
        let start = out.len();
        let mtime_records = entry.extensions().filter(|extension| extension.kind == ExtensionKind::Pax);
        let mut group = Group {
            stamp: self.stamp,
            entry,
            scratch: &mut self.scratch,
            mtime_records: 0,
            pax_headers: 0,
            is_global_mtime: self.is_global_mtime,
            is_mtime_moved: false,
            has_pax_name: None,
        };
        for extension in mtime_records {
            group.pax_headers += 1;
            group.mtime_records += extension.records().filter(|record| record.key == pax::MTIME.as_bytes()).count();
        }
        for extension in entry.extensions() {
            group.extension(extension, out);
        }
        let block = entry.header().map(Header::block);
        if let Some(block) = block {
            group.header(*block, out);
        }
        let after = out.get(start..).unwrap_or_default();
        let has_changed = match after.split_at_checked(entry.raw_extensions().len()) {
            Some((extensions, rest)) => {
                extensions != entry.raw_extensions() || rest != block.map_or(&[][..], |block| &block[..])
            }
            None => true,
        };
        self.stats.changed |= has_changed;
        has_changed
    }
}

/// What becomes of a record.
enum Verdict {
    Keep,
    Remove,
    Write(&'static str),
}

/// The headers of one entry while they are patched.
struct Group<'a> {
    stamp: Stamp,
    entry: &'a Entry,
    scratch: &'a mut Vec<u8>,
    /// How many mtime records the entry's PAX headers have.
    mtime_records: usize,
    /// How many PAX headers there are.
    pax_headers: usize,
    /// Is there a global mtime that applies where the entry has no record of its own?
    is_global_mtime: bool,
    /// Has a record been removed whose value the header block now has to say?
    is_mtime_moved: bool,
    /// Does `scratch` hold the name that PAX headers get? `Some(false)` if they keep theirs.
    has_pax_name: Option<bool>,
}

impl Group<'_> {
    fn extension(&mut self, extension: Extension<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(extension.header.block());
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
        if let Some(block) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            self.extension_block(extension, block, new_size);
        }
    }

    /// Appends the payload of a PAX header with its times replaced.
    fn payload(&mut self, extension: Extension<'_>, out: &mut Vec<u8>) -> Payload {
        let start = out.len();
        let (mut kept, mut removed) = (0usize, 0usize);
        for record in extension.records() {
            match self.verdict(extension.kind, &record) {
                Verdict::Keep => out.extend_from_slice(record.raw),
                Verdict::Write(key) => pax::write_record(out, key, self.stamp.epoch.seconds()),
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

    fn verdict(&mut self, kind: ExtensionKind, record: &Record<'_>) -> Verdict {
        let Some(key) = record.time_key() else { return Verdict::Keep };
        let is_mtime = key == pax::MTIME;
        let Some(value) = pax::parse_time(record.value) else {
            // Empty: it takes back a global value. In set mode there is no mtime left that it could take back.
            return if is_mtime && self.stamp.rule == Rule::Set { Verdict::Remove } else { Verdict::Keep };
        };
        match self.stamp.rule {
            Rule::Set if is_mtime => Verdict::Remove,
            Rule::Set => Verdict::Write(key),
            Rule::Clamp if !is_replaced(self.stamp, value) => Verdict::Keep,
            // The header block can say it, unless another record would then count instead of this one.
            Rule::Clamp
                if is_mtime
                    && kind == ExtensionKind::Pax
                    && self.mtime_records == 1
                    && !self.is_global_mtime
                    && self.entry.header().is_some() =>
            {
                self.is_mtime_moved = true;
                Verdict::Remove
            }
            Rule::Clamp => Verdict::Write(key),
        }
    }

    /// Patches the block of an extension header, which has nothing to say about the entry but its size and type.
    fn extension_block(&mut self, extension: Extension<'_>, block: &mut Block, new_size: Option<u64>) {
        if self.stamp.rule == Rule::Set && self.canonical_name(extension) {
            header::set_name(block, self.scratch);
        }
        if let Some(size) = new_size {
            header::set_size(block, size);
        }
        self.times(block, 0);
        self.checksum(block, extension.header);
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
                // Without an entry, and without a path of its own, nobody knows what it was for.
                self.entry.header().is_some() || !name.is_empty()
            }),
        }
    }

    fn header(&mut self, mut block: Block, out: &mut Vec<u8>) {
        let before = block;
        self.times(&mut block, self.stamp.epoch.seconds());
        if self.is_mtime_moved {
            header::set_mtime(&mut block, self.stamp.epoch);
        }
        self.checksum(&mut block, Header::new(&before));
        out.extend_from_slice(&block);
    }

    /// Writes `seconds` into each time field that the rule replaces.
    fn times(&self, block: &mut Block, seconds: u64) {
        let before = *block;
        for (_, range, value) in Header::new(&before).times() {
            if is_replaced(self.stamp, Instant::from_seconds(value)) {
                header::set_time(block, range, seconds);
            }
        }
    }

    fn checksum(&self, block: &mut Block, before: Header<'_>) {
        if self.stamp.rule == Rule::Set || &*block != before.block() {
            header::set_checksum(block);
        }
    }
}

/// What became of a payload.
enum Payload {
    Kept,
    Rebuilt { size: u64 },
    Gone,
}
