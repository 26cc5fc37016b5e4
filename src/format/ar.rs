//! ar(5): the members of an archive, the tables of symbols and of long names included.
//!
//! `object` reads the members and resolves long names of GNU and BSD; the tables before them, which it reads for itself,
//! are members like any other here, as they have times and bytes too. [`Times`] reads no more than the headers, and that as
//! the archive goes by: it asks for no names, and holds nothing.

use std::iter::Peekable;
use std::ops::Range;

use object::archive::Header;
use object::pod::from_bytes;
use object::read::ReadRef as _;
use object::read::archive::{ArchiveFile, ArchiveMember, ArchiveMemberIterator};

/// What an archive begins with.
pub const MAGIC: &[u8] = &object::archive::MAGIC;

/// What an archive begins with whose members, the tables aside, are files beside it.
pub const THIN_MAGIC: &[u8] = &object::archive::THIN_MAGIC;

/// The length of a header.
const HEADER: usize = size_of::<Header>();
/// Where in it the time is: decimal digits, from the left, then spaces.
const DATE: Range<usize> = 16..28;
/// What a header ends with.
const TERMINATOR: [u8; 2] = *b"`\n";
/// The tables of a thin archive.
const TABLES: [&[u8]; 3] = [b"/", b"//", b"/SYM64/"];

/// A member, or one of the tables.
#[derive(Debug)]
pub struct Member<'a> {
    /// The name, a long one in full; a short one and that of a table as the header has it.
    pub name: &'a [u8],
    /// The time as it is written: decimal digits; empty where something else is in its place.
    pub time: &'a [u8],
    /// The rest: how the name is written, the owner, the mode, what is in place of a time, padding that is no newline.
    pub fields: Vec<u8>,
    /// The content.
    pub content: &'a [u8],
}

/// The members in their order; `None` in place of one that can't be read, which ends the list.
pub fn members(bytes: &[u8]) -> impl Iterator<Item = Option<Member<'_>>> {
    let file = ArchiveFile::parse(bytes).ok();
    let mut resolved = file.map(|file| file.members().peekable());
    let mut at = MAGIC.len();
    let mut is_done = false;
    std::iter::from_fn(move || {
        if is_done || at >= bytes.len() && resolved.is_some() {
            return None;
        }
        let member = resolved.as_mut().and_then(|resolved| member(bytes, &mut at, resolved));
        is_done = member.is_none();
        Some(member)
    })
}

type Resolved<'a> = Peekable<ArchiveMemberIterator<'a>>;

/// The member whose header is here; its name and content from the next that `object` has, if that is the same.
fn member<'a>(bytes: &'a [u8], at: &mut usize, resolved: &mut Resolved<'a>) -> Option<Member<'a>> {
    let mut offset = *at as u64;
    let header = bytes.read::<Header>(&mut offset).ok()?;
    let start = at.checked_add(HEADER)?;
    let size = usize::try_from(number(&header.size)?).ok()?;
    let end = start.checked_add(size)?;
    let all = bytes.get(start..end)?;
    let is_same = |member: &ArchiveMember<'_>| member.header().is_some_and(|own| std::ptr::eq(own, header));
    // A short name as the header has it, where GNU ends it with a slash.
    let written = header.name.trim_ascii();
    let (name, content) = match resolved.next_if(|next| next.as_ref().map_or(true, is_same)) {
        Some(next) => {
            let next = next.ok()?;
            (if written.starts_with(next.name()) { written } else { next.name() }, next.data(bytes).ok()?)
        }
        None => (written, all),
    };
    // A long name of BSD is before the content.
    let long_name = all.get(..all.len().checked_sub(content.len())?)?;
    let padding = bytes.get(end..bytes.len().min(end + size % 2)).filter(|byte| *byte != b"\n").unwrap_or_default();
    let date = header.date.trim_ascii();
    let (time, other) = if date.iter().all(u8::is_ascii_digit) { (date, &b""[..]) } else { (&b""[..], date) };
    let fields = [&header.name[..], &header.uid, &header.gid, &header.mode, &header.terminator];
    *at = end + size % 2;
    Some(Member { name, time, fields: [&fields.concat(), long_name, padding, other].concat(), content })
}

/// The number in a field; `None` where it is none.
fn number(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii();
    std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// Finds the times in the headers of an archive that comes in pieces.
#[derive(Debug)]
pub struct Times {
    /// How many bytes have been read.
    at: u64,
    is_thin: bool,
    /// The start of what is read as a whole: the magic number, or a header.
    head: Vec<u8>,
    /// Content that is still to come, and its padding. What is left of the padding may be missing at the end.
    content: u64,
    padding: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

impl Times {
    /// At the start of an archive.
    pub fn new() -> Self {
        Self { at: 0, is_thin: false, head: Vec::new(), content: 0, padding: 0 }
    }

    /// How many of the last bytes are the start of a header that is not complete yet.
    pub fn held(&self) -> usize {
        self.head.len()
    }

    /// Takes the next piece, and calls `found` for each time: where its field is, and its value. Fields that hold something
    /// else, as the blank one of the table of names, are no times.
    ///
    /// # Errors
    ///
    /// Why this is no sound archive.
    pub fn push(&mut self, mut bytes: &[u8], found: &mut dyn FnMut(Range<u64>, u64)) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            let wanted = match self.at.saturating_sub(self.head.len() as u64) {
                0 => MAGIC.len(),
                _ => HEADER,
            };
            let in_content = self.content.saturating_add(self.padding);
            let missing = wanted.saturating_sub(self.head.len());
            let count = if in_content > 0 { usize::try_from(in_content).unwrap_or(usize::MAX) } else { missing };
            let (taken, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            bytes = rest;
            self.at = self.at.saturating_add(taken.len() as u64);
            if in_content > 0 {
                let of_padding = (taken.len() as u64).saturating_sub(self.content);
                self.content = self.content.saturating_sub(taken.len() as u64);
                self.padding = self.padding.saturating_sub(of_padding);
                continue;
            }
            self.head.extend_from_slice(taken);
            if self.head.len() == wanted {
                self.head(found)?;
                self.head.clear();
            }
        }
        Ok(())
    }

    /// Reads the magic number, or a header.
    fn head(&mut self, found: &mut dyn FnMut(Range<u64>, u64)) -> Result<(), &'static str> {
        if self.head.len() == MAGIC.len() {
            self.is_thin = self.head == THIN_MAGIC;
            return if self.is_thin || self.head == MAGIC { Ok(()) } else { Err("it does not begin like an archive") };
        }
        const DAMAGED: &str = "the header of a member is damaged";
        let (header, _) = from_bytes::<Header>(&self.head).map_err(|()| DAMAGED)?;
        let size = number(&header.size).filter(|_| header.terminator == TERMINATOR).ok_or(DAMAGED)?;
        if !self.is_thin || TABLES.contains(&header.name.trim_ascii_end()) {
            (self.content, self.padding) = (size, size % 2);
        }
        if let Some(value) = number(&header.date) {
            let start = self.at.saturating_sub(HEADER as u64);
            found(start.saturating_add(DATE.start as u64)..start.saturating_add(DATE.end as u64), value);
        }
        Ok(())
    }

    /// The archive has ended.
    ///
    /// # Errors
    ///
    /// It ends within a member.
    pub fn end(&self) -> Result<(), &'static str> {
        let is_whole = self.at >= MAGIC.len() as u64 && self.head.is_empty() && self.content == 0;
        is_whole.then_some(()).ok_or("it ends within a member")
    }
}
