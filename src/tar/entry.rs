//! An entry: a header block and the extension headers before it, as they came, and what they say.

use std::borrow::Cow;
use std::fmt;

use super::header::{Block, Format, Header, Number, c_string};
use super::pax::{self, Record, RecordIndex, RecordKey, Records};
use super::{BLOCK, TOC_NAME};
use crate::error::{Error, Result, printable};
use crate::stamp::Instant;

/// What an extension header is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtensionKind {
    /// `x`, or Solaris's `X`: PAX records for the next entry.
    Pax,
    /// `g`: PAX records for all entries that follow.
    Global,
    /// `L`: the long name of the next entry, GNU.
    LongName,
    /// `K`: the long link target of the next entry, GNU.
    LongLink,
}

impl ExtensionKind {
    /// By type flag; `None` for what is an entry of its own.
    pub fn of(flag: u8) -> Option<Self> {
        match flag {
            b'x' | b'X' => Some(Self::Pax),
            b'g' => Some(Self::Global),
            b'L' => Some(Self::LongName),
            b'K' => Some(Self::LongLink),
            _ => None,
        }
    }
}

impl fmt::Display for ExtensionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pax => "PAX header",
            Self::Global => "global PAX header",
            Self::LongName => "long name header",
            Self::LongLink => "long link header",
        })
    }
}

/// One extension header of an [`Entry`].
#[derive(Debug, Clone, Copy)]
pub struct Extension<'a> {
    /// What it is.
    pub kind: ExtensionKind,
    /// Its header block.
    pub header: Header<'a>,
    /// Its payload.
    pub payload: &'a [u8],
    /// What fills up the payload's last block; short only at the very end of a stream.
    pub padding: &'a [u8],
    /// Where its header block begins in the stream.
    pub offset: u64,
    has_times: bool,
}

impl<'a> Extension<'a> {
    /// The records of a PAX header in their order; nothing for the kinds that have none.
    pub fn records(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let payload = match self.kind {
            ExtensionKind::Pax | ExtensionKind::Global => self.payload,
            ExtensionKind::LongName | ExtensionKind::LongLink => &[],
        };
        // An entry is given out only after its records were checked.
        Records::new(payload, self.offset.saturating_add(BLOCK as u64)).map_while(Result::ok)
    }

    /// Those of the records that are times.
    pub fn time_records(&self) -> impl Iterator<Item = (&'static str, Record<'a>)> + use<'a> {
        let records = self.has_times.then(|| self.records()).into_iter().flatten();
        records.filter_map(|record| Some((record.time_key()?, record)))
    }
}

/// Where an extension header is in the bytes of its group.
#[derive(Debug, Clone, Copy)]
struct Part {
    kind: ExtensionKind,
    start: usize,
    payload: usize,
    end: usize,
    has_times: bool,
    /// Is there a record that gives a size?
    has_size: bool,
    /// Is there one that no later record takes back?
    gives_size: bool,
}

/// The last entry of a stream: its extension headers, its header block, where they are, what they say.
///
/// A global PAX header, and extension headers that no entry follows, come as an entry without a header block.
#[derive(Debug, Default)]
pub struct Entry {
    /// The extension headers as they came, one after the other: this and `parts` are kept between entries, so
    /// that an ordinary entry costs no allocation.
    raw: Vec<u8>,
    parts: Vec<Part>,
    /// The last PAX header, whose records apply: where its payload begins in `raw`, and what it says.
    pax: Option<(usize, RecordIndex)>,
    block: Option<Block>,
    offset: u64,
    block_offset: u64,
    size: u64,
    is_behind_end: bool,
}

impl Entry {
    /// Forgets all, to begin a group at that offset.
    pub(super) fn clear(&mut self, offset: u64) {
        self.raw.clear();
        self.parts.clear();
        self.pax = None;
        self.block = None;
        self.offset = offset;
        self.block_offset = offset;
        self.size = 0;
        self.is_behind_end = false;
    }

    /// Adds an extension header, its payload yet to come.
    pub(super) fn push_extension(&mut self, kind: ExtensionKind, block: &Block) {
        let start = self.raw.len();
        self.raw.extend_from_slice(block);
        let end = self.raw.len();
        self.parts.push(Part { kind, start, payload: 0, end, has_times: false, has_size: false, gives_size: false });
        if kind == ExtensionKind::Pax {
            self.pax = Some((end, RecordIndex::default()));
        }
    }

    /// Adds the payload, padding included, of the last extension header, and what its records say.
    pub(super) fn push_payload(&mut self, bytes: &[u8], payload: usize, index: RecordIndex) {
        self.raw.extend_from_slice(bytes);
        let Some(part) = self.parts.last_mut() else { return };
        part.payload = payload;
        part.end = self.raw.len();
        (part.has_times, part.has_size) = (index.has_times, index.has_size);
        part.gives_size = index.value(RecordKey::Size).is_some();
        if let Some((_, empty)) = self.pax.as_mut().filter(|_| part.kind == ExtensionKind::Pax) {
            *empty = index;
        }
    }

    /// Completes the entry with its header block.
    pub(super) fn set_block(&mut self, block: &Block, offset: u64, is_behind_end: bool) {
        self.block = Some(*block);
        self.block_offset = offset;
        self.is_behind_end = is_behind_end;
    }

    pub(super) fn set_size(&mut self, size: u64) {
        self.size = size;
    }

    /// The bytes of all extension headers, which come before the header block.
    pub fn extension_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The extension headers in their order.
    pub fn extensions(&self) -> impl DoubleEndedIterator<Item = Extension<'_>> {
        self.parts.iter().filter_map(|part| {
            let (block, rest) = self.raw.get(part.start..part.end)?.split_first_chunk()?;
            let (payload, padding) = rest.split_at_checked(part.payload)?;
            let offset = self.offset.saturating_add(part.start as u64);
            let header = Header::new(block);
            Some(Extension { kind: part.kind, header, payload, padding, offset, has_times: part.has_times })
        })
    }

    /// How many extension headers there are.
    pub fn extension_count(&self) -> usize {
        self.parts.len()
    }

    /// The header block; `None` for a global header or for extension headers that no entry follows.
    pub fn header(&self) -> Option<Header<'_>> {
        self.block.as_ref().map(Header::new)
    }

    /// Where the first of its headers begins in the stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where its header block begins in the stream.
    pub fn header_offset(&self) -> u64 {
        self.block_offset
    }

    /// Is it after the end marker, where only eStargz looks?
    pub fn is_behind_end(&self) -> bool {
        self.is_behind_end
    }

    /// Is it the index of an eStargz layer?
    pub fn is_toc(&self) -> bool {
        matches!(self.kind(), b'0' | 0) && self.name_parts() == (b"", TOC_NAME)
    }

    /// Its full name: that of a PAX sparse file, the PAX path, GNU's long name, or prefix and name of the header.
    pub fn name(&self) -> Cow<'_, [u8]> {
        match self.name_parts() {
            (b"", name) => Cow::Borrowed(name),
            (prefix, name) => Cow::Owned([prefix, b"/", name].concat()),
        }
    }

    /// The prefix, which may be empty, and the rest of the name after a slash.
    fn name_parts(&self) -> (&[u8], &[u8]) {
        let long = self.pax(RecordKey::SparseName).or_else(|| self.pax(RecordKey::Path)).or_else(|| self.long_name());
        match (long, self.header()) {
            (Some(name), _) => (b"", name),
            (None, Some(header)) => (header.prefix(), header.name()),
            (None, None) => (b"", b""),
        }
    }

    /// The names beside that of the file which GNU tar gives to a sparse file whose own name is a PAX record, and which
    /// hold its process id: the header's, prefix and name, and the PAX path where it is too long for the header.
    pub fn sparse_file_names(&self) -> Option<([&[u8]; 2], Option<&[u8]>)> {
        self.pax(RecordKey::SparseName)?;
        let header = self.header()?;
        Some(([header.prefix(), header.name()], self.pax(RecordKey::Path)))
    }

    /// GNU's long name.
    pub(super) fn long_name(&self) -> Option<&[u8]> {
        self.gnu(ExtensionKind::LongName)
    }

    /// Where a link points to.
    pub fn link_name(&self) -> &[u8] {
        let long = self.pax(RecordKey::LinkPath).or_else(|| self.gnu(ExtensionKind::LongLink));
        long.or_else(|| self.header().map(Header::link_name)).unwrap_or_default()
    }

    /// The type flag; 0 is a file (or directory) of v7, and also stands for an entry without a header block.
    pub fn kind(&self) -> u8 {
        self.header().map_or(0, Header::kind)
    }

    /// Bytes of content that follow, padding not counted.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of content that follow, with what fills up the last block.
    pub fn padded_size(&self) -> u64 {
        self.size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX)
    }

    /// The size of a sparse file with its holes filled; `None` for other files.
    pub fn sparse_size(&self) -> Option<u64> {
        let recorded = self.pax(RecordKey::SparseRealSize).or_else(|| self.pax(RecordKey::SparseSize));
        let size = match recorded {
            Some(text) => pax::parse_integer(text),
            None => self.header().filter(|header| header.kind() == b'S').and_then(Header::gnu_real_size),
        };
        size.and_then(|size| u64::try_from(size).ok())
    }

    /// The permission bits, and whatever else is in the field.
    pub fn mode(&self) -> i64 {
        self.number(Number::Mode)
    }

    /// The owner.
    pub fn uid(&self) -> i64 {
        self.pax(RecordKey::Uid).and_then(pax::parse_integer).unwrap_or_else(|| self.number(Number::Uid))
    }

    /// The group.
    pub fn gid(&self) -> i64 {
        self.pax(RecordKey::Gid).and_then(pax::parse_integer).unwrap_or_else(|| self.number(Number::Gid))
    }

    /// The owner's name.
    pub fn uname(&self) -> &[u8] {
        self.pax(RecordKey::Uname).or_else(|| self.header().map(Header::uname)).unwrap_or_default()
    }

    /// The group's name.
    pub fn gname(&self) -> &[u8] {
        self.pax(RecordKey::Gname).or_else(|| self.header().map(Header::gname)).unwrap_or_default()
    }

    /// Major and minor number of a device; v7 has none.
    pub fn device(&self) -> (i64, i64) {
        if self.format() == Format::V7 {
            return (0, 0);
        }
        (self.number(Number::DeviceMajor), self.number(Number::DeviceMinor))
    }

    /// The modification time that extracting the entry gives to its file.
    pub fn mtime(&self) -> Instant {
        let record = self.pax(RecordKey::Mtime).and_then(pax::parse_time);
        record.unwrap_or_else(|| Instant::from_seconds(self.number(Number::Mtime)))
    }

    /// The dialect of the header block.
    pub fn format(&self) -> Format {
        self.header().map_or(Format::V7, Header::format)
    }

    /// The PAX records that apply, in their order.
    ///
    /// Of several PAX headers before one entry the last counts, as in Go's reader.
    pub fn pax_records(&self) -> impl Iterator<Item = Record<'_>> {
        self.extensions().rfind(|extension| extension.kind == ExtensionKind::Pax).into_iter().flat_map(|x| x.records())
    }

    /// The size that the headers declare.
    pub(super) fn declared_size(&self) -> Result<i64> {
        let in_header = self.header().and_then(|header| header.number(Number::Size)).unwrap_or(0);
        let size = self.pax(RecordKey::Size).and_then(pax::parse_integer).unwrap_or(in_header);
        if !self.parts.iter().any(|part| part.has_size) {
            return Ok(size);
        }
        // Of several PAX headers Go's reader takes the last, libarchive all; a record may also be there twice.
        let sizes = self.extensions().filter(|extension| extension.kind == ExtensionKind::Pax);
        for record in sizes.flat_map(|extension| extension.records()).filter(|record| record.key == b"size") {
            if !record.value.is_empty() && pax::parse_integer(record.value) != Some(size) {
                return Err(Error::refused(format!(
                    "PAX records give the entry two sizes, {} and {size}: readers disagree about which one counts",
                    printable(record.value)
                ))
                .at_offset(record.offset));
            }
        }
        Ok(size)
    }

    /// Does any PAX header give the entry a size?
    pub(super) fn has_pax_size(&self) -> bool {
        self.parts.iter().any(|part| part.kind == ExtensionKind::Pax && part.gives_size)
    }

    /// In v7 a directory is a file whose name ends in a slash. `None` if there is both a PAX path and a long name, of which
    /// one ends so: readers differ about which of them counts.
    pub(super) fn is_v7_directory(&self) -> Option<bool> {
        let ends = |name: &[u8]| name.ends_with(b"/");
        match (self.pax(RecordKey::Path).map(ends), self.long_name().map(ends)) {
            (Some(path), Some(long)) => (path == long).then_some(path),
            (Some(is_directory), None) | (None, Some(is_directory)) => Some(is_directory),
            (None, None) => {
                Some(self.header().is_some_and(|header| {
                    ends(header.name()) || header.name().is_empty() && !header.prefix().is_empty()
                }))
            }
        }
    }

    /// A PAX record that applies and is not empty.
    fn pax(&self, key: RecordKey) -> Option<&[u8]> {
        let (start, index) = self.pax.as_ref()?;
        self.raw.get(*start..)?.get(index.value(key)?)
    }

    fn gnu(&self, kind: ExtensionKind) -> Option<&[u8]> {
        if self.parts.is_empty() {
            return None;
        }
        let payload = self.extensions().rfind(|extension| extension.kind == kind)?.payload;
        Some(c_string(payload)).filter(|name| !name.is_empty())
    }

    /// A number of the header block, which was checked before the entry was given out.
    fn number(&self, number: Number) -> i64 {
        self.header().and_then(|header| header.number(number)).unwrap_or(0)
    }
}
