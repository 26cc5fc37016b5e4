//! Framing: what the next bytes of a tar stream are.
//!
//! The [`Framer`] says what it wants, is given it, and never looks ahead. Which bytes are headers and which are
//! content is decided as Go's `archive/tar` decides it.

use super::entry::{Entry, ExtensionKind};
use super::header::{Block, Format, Header, Number, sparse_block_goes_on};
use super::pax::{self, RecordIndex};
use super::{BLOCK, EXTENSION_MAX, EXTENSIONS_COUNT_MAX, EXTENSIONS_MAX, TOC_NAME, is_zero, padding_of};
use crate::error::{Error, Result, printable, quoted};

/// What a [`Framer`] has to be given next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Feed exactly this many bytes in one slice: a header block, the payload of an extension with its padding, a
    /// block of a sparse map. Fewer, or none, only at the end of the stream.
    Feed(usize),
    /// The next `remaining` bytes are content of the current entry, padding included, and may be handed over in
    /// pieces of any size with `pass`.
    Content {
        /// How many bytes are left.
        remaining: u64,
        /// How many there were at the start.
        total: u64,
    },
    /// All that follows up to the end of the stream is passed through unread, in pieces of any size, with `pass`.
    Rest,
}

/// What was made of the bytes that were fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet: an extension header waits for its entry.
    Held,
    /// The headers of an entry are complete.
    Entry,
    /// A global PAX header, which belongs to no entry.
    Global,
    /// The bytes continue what came before: sparse map blocks, zero blocks after the first, a cut last block.
    More,
    /// The first block of the end marker. The current entry holds extension headers that no entry follows, if
    /// there were any.
    End,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A header block, or the end marker.
    Header,
    /// The payload of the last extension header.
    Payload { kind: ExtensionKind, length: usize },
    /// A block of the sparse map of the current entry.
    SparseMap,
    /// The content of the current entry.
    Content { remaining: u64, total: u64 },
    /// The second block of the end marker.
    SecondZero,
    /// Behind the end marker: more zeros, or eStargz's index.
    Behind,
    /// Nothing that is read.
    Rest,
}

/// Splits a tar stream into headers and content.
#[derive(Debug)]
pub struct Framer {
    state: State,
    entry: Entry,
    /// Has `entry` been given out? Then the next header begins a new one.
    is_complete: bool,
    is_behind_end: bool,
    offset: u64,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

impl Framer {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self { state: State::Header, entry: Entry::default(), is_complete: true, is_behind_end: false, offset: 0 }
    }

    /// What comes next.
    pub fn want(&self) -> Want {
        match self.state {
            State::Header | State::SparseMap | State::SecondZero | State::Behind => Want::Feed(BLOCK),
            State::Payload { length, .. } => Want::Feed(length.next_multiple_of(BLOCK)),
            State::Content { remaining, total } => Want::Content { remaining, total },
            State::Rest => Want::Rest,
        }
    }

    /// The last entry, global header, or group of extension headers that no entry follows.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// How many bytes of the stream have been taken in.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the bytes that [`Want::Feed`] asked for.
    ///
    /// # Errors
    ///
    /// The bytes are no header, or one that readers disagree about.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Step> {
        let at = self.offset;
        if bytes.is_empty() {
            return Ok(Step::More);
        }
        match self.state {
            State::Content { .. } | State::Rest => {
                self.pass(bytes.len() as u64);
                return Ok(Step::More);
            }
            _ => self.offset = at.saturating_add(bytes.len() as u64),
        }
        match (self.state, <&Block>::try_from(bytes)) {
            (State::Payload { kind, length }, _) => self.feed_payload(kind, length, bytes, at),
            (State::Header, Ok(block)) => self.feed_header(block, at),
            (State::SparseMap, Ok(block)) => {
                if !sparse_block_goes_on(block) {
                    self.state = self.content_state();
                }
                Ok(Step::More)
            }
            (State::SecondZero, Ok(block)) if is_zero(block) => {
                self.state = State::Behind;
                Ok(Step::More)
            }
            (State::Behind, Ok(block)) => Ok(self.feed_behind(block, at)),
            // From here on the stream ends within the block, or has something else than a second zero block.
            (State::Header | State::SecondZero, Err(_)) if is_zero(bytes) => {
                let step = if matches!(self.state, State::Header) { self.end_marker(at) } else { Step::More };
                self.state = State::Rest;
                Ok(step)
            }
            (State::Behind, Err(_)) => {
                self.state = State::Rest;
                Ok(Step::More)
            }
            (State::SecondZero, Ok(block)) => {
                let found = if Header::new(block).checksum_is_right() { "another header" } else { "other bytes" };
                Err(Error::malformed("end marker", "two blocks of zeros", format!("one, followed by {found}"))
                    .at_offset(at))
            }
            (State::SparseMap, Err(_)) => Err(self.cut("sparse map", BLOCK, bytes.len(), at)),
            _ if at == 0 => Err(self.cut_in(Error::no_header_block, BLOCK, bytes.len(), at)),
            _ => Err(self.cut("header block", BLOCK, bytes.len(), at)),
        }
    }

    /// Says that `count` bytes of [`Want::Content`] or [`Want::Rest`] have gone by.
    pub fn pass(&mut self, count: u64) {
        self.offset = self.offset.saturating_add(count);
        if let State::Content { remaining, .. } = &mut self.state {
            *remaining = remaining.saturating_sub(count);
            if *remaining == 0 {
                self.state = self.state_between();
            }
        }
    }

    /// Says that the stream has ended; an error if it can't end here.
    ///
    /// Without an end marker, and without the padding of the last content, it can.
    ///
    /// # Errors
    ///
    /// The stream ends within headers or content.
    pub fn end(&mut self) -> Result<()> {
        self.is_complete = true;
        if self.is_behind_end {
            return Ok(());
        }
        match self.state {
            State::Header | State::SecondZero | State::Behind | State::Rest => Ok(()),
            State::Payload { length, .. } => Err(self.cut("payload of an extension header", length, 0, self.offset)),
            State::SparseMap => Err(self.cut("sparse map", BLOCK, 0, self.offset)),
            State::Content { remaining, .. } => {
                let padding = padding_of(self.entry.size());
                if remaining <= padding {
                    return Ok(());
                }
                let (size, missing) = (self.entry.size(), remaining - padding);
                let found = format!("{} before the stream ends", size.saturating_sub(missing));
                Err(Error::malformed("content", format!("{size} bytes"), found)
                    .at_entry(printable(&self.entry.name()))
                    .at_offset(self.entry.header_offset())
                    .cut_short())
            }
        }
    }

    /// The stream ended within a header or what belongs to it; at its start it is no archive at all.
    fn cut(&self, what: &'static str, expected: usize, found: usize, at: u64) -> Error {
        self.cut_in(|expected, found| Error::malformed(what, expected, found), expected, found, at)
    }

    fn cut_in(&self, error: impl FnOnce(String, String) -> Error, expected: usize, found: usize, at: u64) -> Error {
        let error = error(format!("{expected} bytes"), format!("{found} before the stream ends"));
        let name = self.entry.name();
        let error = if name.is_empty() { error } else { error.at_entry(printable(&name)) };
        if at == 0 { error.at_offset(at) } else { error.cut_short().at_offset(at) }
    }

    /// Do extension headers wait for their entry?
    pub(super) fn is_group_open(&self) -> bool {
        !self.is_complete && self.entry.extension_count() > 0
    }

    /// What comes between two entries.
    fn state_between(&self) -> State {
        if self.is_behind_end { State::Behind } else { State::Header }
    }

    /// What follows the headers of the current entry.
    fn content_state(&self) -> State {
        let size = self.entry.size();
        match size.saturating_add(padding_of(size)) {
            0 => self.state_between(),
            total => State::Content { remaining: total, total },
        }
    }

    /// A header or a zero block begins: what was given out before is over.
    fn begin_group(&mut self, at: u64) {
        if self.is_complete {
            self.entry.clear(at);
            self.is_complete = false;
        }
    }

    fn end_marker(&mut self, at: u64) -> Step {
        self.begin_group(at);
        self.is_complete = true;
        self.is_behind_end = true;
        self.state = State::SecondZero;
        Step::End
    }

    fn feed_header(&mut self, block: &Block, at: u64) -> Result<Step> {
        if is_zero(block) {
            return Ok(self.end_marker(at));
        }
        let header = Header::new(block);
        if !header.checksum_is_right() {
            let behind = self.entry.name();
            let behind = if behind.is_empty() { String::new() } else { format!(", after {}", quoted(behind)) };
            let found = format!("one whose checksum is wrong{behind}");
            // Where there is no magic either, these bytes are anything, and no name.
            let name = if header.format() == Format::V7 { b"" } else { header.name() };
            let error = Error::no_header_block("a block whose checksum is right", found);
            return Err(named(error, name).at_offset(at));
        }
        self.begin_group(at);
        check_numbers(header).map_err(|error| named(error, header.name()).at_offset(at))?;
        match ExtensionKind::of(header.kind()) {
            Some(kind) => self.feed_extension(kind, block).map_err(|error| named(error, header.name()).at_offset(at)),
            None => {
                self.entry.set_block(block, at, false);
                self.feed_entry().map_err(|error| named(error, &self.entry.name()).at_offset(at))
            }
        }
    }

    fn feed_extension(&mut self, kind: ExtensionKind, block: &Block) -> Result<Step> {
        let size = Header::new(block).number(Number::Size).unwrap_or(0);
        let length =
            u64::try_from(size).map_err(|_| Error::malformed("size", "a number that is not negative", size))?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= EXTENSION_MAX)
            .ok_or_else(|| Error::limit("size of an extension header", EXTENSION_MAX as u64, length))?;
        if self.entry.extension_count() >= EXTENSIONS_COUNT_MAX {
            let found = format!("more than {EXTENSIONS_COUNT_MAX}");
            return Err(Error::limit(
                "number of extension headers before one entry",
                EXTENSIONS_COUNT_MAX as u64,
                found,
            ));
        }
        let together = self.entry.extension_bytes().len() + BLOCK + length.next_multiple_of(BLOCK);
        if together > EXTENSIONS_MAX {
            let what = "size of all extension headers before one entry";
            return Err(Error::limit(what, EXTENSIONS_MAX as u64, together));
        }
        self.entry.push_extension(kind, block);
        if length == 0 {
            return self.extension_complete(kind);
        }
        self.state = State::Payload { kind, length };
        Ok(Step::Held)
    }

    fn feed_payload(&mut self, kind: ExtensionKind, length: usize, bytes: &[u8], at: u64) -> Result<Step> {
        let Some(payload) = bytes.get(..length) else {
            return Err(self.cut("payload of an extension header", length, bytes.len(), at));
        };
        let index = if matches!(kind, ExtensionKind::Pax | ExtensionKind::Global) {
            let owner = self.entry.extensions().next_back().map(|extension| extension.header.name());
            pax::read(payload, at).map_err(|error| named(error, owner.unwrap_or_default()))?
        } else {
            RecordIndex::default()
        };
        self.entry.push_payload(bytes, length, index);
        self.state = State::Header;
        self.extension_complete(kind)
    }

    fn extension_complete(&mut self, kind: ExtensionKind) -> Result<Step> {
        if kind != ExtensionKind::Global {
            return Ok(Step::Held);
        }
        // Go drops a PAX header that a global one follows, others keep it for the entry: which content there is
        // must not depend on it.
        if self.entry.has_pax_size() {
            return Err(Error::refused(
                "a PAX header with a size comes before a global header: readers disagree about which entry it is for",
            )
            .at_offset(self.entry.offset()));
        }
        self.is_complete = true;
        Ok(Step::Global)
    }

    /// The entry's headers are complete: how much content follows?
    fn feed_entry(&mut self) -> Result<Step> {
        let kind = self.entry.kind();
        let size = self.entry.declared_size()?;
        let positive = |size: i64| {
            u64::try_from(size).map_err(|_| Error::malformed("size", "a number that is not negative", size))
        };
        // As in Go's reader: the size of a directory, a link or a device is no size of content.
        let size = match kind {
            b'1'..=b'6' => 0,
            0 if size != 0 => match self.entry.is_v7_directory() {
                Some(true) => 0,
                Some(false) => positive(size)?,
                None => {
                    return Err(Error::refused(format!(
                        "two names, one of a file and one of a directory, with a size of {size}: readers disagree about whether content follows"
                    )));
                }
            },
            _ => positive(size)?,
        };
        self.entry.set_size(size);
        self.is_complete = true;
        let goes_on = match (kind, self.entry.header()) {
            (b'S', Some(header)) if header.format() != Format::Gnu => {
                return Err(Error::malformed("sparse file", "a header in GNU format", "another one"));
            }
            (b'S', Some(header)) => header.sparse_map_goes_on(),
            _ => false,
        };
        self.state = if goes_on { State::SparseMap } else { self.content_state() };
        Ok(Step::Entry)
    }

    /// Consumers stop at the end marker. eStargz made from a layer that must not change keeps its index after it.
    fn feed_behind(&mut self, block: &Block, at: u64) -> Step {
        if is_zero(block) {
            return Step::More;
        }
        let header = Header::new(block);
        let is_toc = matches!(header.kind(), b'0' | 0) && header.name() == TOC_NAME && header.prefix().is_empty();
        if is_toc && header.checksum_is_right() && check_numbers(header).is_ok() {
            self.entry.clear(at);
            self.entry.set_block(block, at, true);
            if let Ok(step) = self.feed_entry() {
                return step;
            }
        }
        self.state = State::Rest;
        Step::More
    }
}

/// Checks what Go's reader checks besides the checksum: that number fields hold numbers.
fn check_numbers(header: Header<'_>) -> Result<()> {
    for number in Number::of(header.format()) {
        if header.number(*number).is_none() {
            let found = format!("\"{}\"", printable(header.number_bytes(*number)));
            return Err(Error::malformed(number.name(), "an octal or base-256 number", found));
        }
    }
    Ok(())
}

/// An entry without a name is identified by its offset alone.
fn named(error: Error, name: &[u8]) -> Error {
    if name.is_empty() { error } else { error.at_entry(printable(name)) }
}
