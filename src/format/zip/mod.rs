//! Zip (APPNOTE.TXT): which members the central directory lists, where their times are, and which bytes are neither
//! times nor content.
//!
//! [`Zip`] is for callers that read as much as possible of an archive in memory: `rawzip` finds the directory and the
//! members, also where a script precedes the archive, be its offsets adjusted or not. Zip64 and encrypted members are
//! passed on as bytes that are not known.
//!
//! [`Layout`] is for callers that write into an archive of any size: it says where each header and its times are, and
//! refuses anything in which two readers could see different archives.

mod dos;
mod end;
mod extra;
mod layout;
mod source;

use std::ops::Range;

use rawzip::{ZipLocator, ZipSliceArchive};

pub use dos::{dos_seconds, dos_time, seconds_of_dos};
pub use extra::Time;
use extra::split_extra;
pub use layout::{Header, Layout, Local, TimeField};
pub use source::{ReadAt, Stop};

/// What a header before the data, one in the directory, and the record at the end begin with.
const LOCAL_MARK: [u8; 4] = *b"PK\x03\x04";
const CENTRAL_MARK: [u8; 4] = *b"PK\x01\x02";
const END_MARK: [u8; 4] = *b"PK\x05\x06";
/// The record at the end of the central directory (4.3.16) without its comment.
const END_LENGTH: usize = 22;
/// The longest comment after that record.
const COMMENT_MAX: usize = 0xffff;
/// The fixed part of a header in the central directory (4.3.12).
const CENTRAL_LENGTH: usize = 46;
/// The fixed part of a header before the data (4.3.7).
const LOCAL_LENGTH: usize = 30;

/// A zip archive within these bytes.
#[derive(Debug)]
pub struct Zip<'a> {
    bytes: &'a [u8],
    archive: ZipSliceArchive<&'a [u8]>,
}

/// An entry of the central directory, and the member that it leads to.
#[derive(Debug)]
pub struct Member<'a> {
    /// The name, as the directory has it.
    pub name: &'a [u8],
    /// How the data is compressed: 0 is not at all, 8 is DEFLATE.
    pub method: u16,
    /// The MS-DOS time and date of the directory, then the times in its extra fields.
    pub times: Vec<u8>,
    /// The attributes of the directory, and what its extra fields hold besides times.
    pub fields: Vec<u8>,
    /// The data as it is stored.
    pub data: &'a [u8],
    central: Range<usize>,
    local: Range<usize>,
}

impl Member<'_> {
    /// Do the attributes say, as Unix has them, that it is a program? They are the upper half of the external ones (4.4.15).
    pub fn is_executable(&self) -> bool {
        self.fields.get(4..6).is_some_and(|mode| short(mode, 0).is_some_and(|mode| mode & 0o111 != 0))
    }
}

impl<'a> Zip<'a> {
    /// Finds the archive; `None` where there is none, or one whose parts contradict each other.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let locator = ZipLocator::new().max_search_space((END_LENGTH + COMMENT_MAX) as u64);
        let archive = locator.locate_in_slice(bytes).ok()?;
        let end = usize::try_from(archive.eocd_offset()).ok()?;
        // Some readers count from the end by the size, others go to the offset: both have to come to one place.
        let directory = usize::try_from(archive.directory_offset()).ok()?;
        (directory.checked_add(long(bytes, end.checked_add(12)?)?)? == end).then_some(Self { bytes, archive })
    }

    /// Does the directory begin with an entry?
    pub fn has_members(&self) -> bool {
        self.archive.entries().next_entry().is_ok_and(|entry| entry.is_some())
    }

    /// The members in the order of the directory; `None` in place of one that can't be read, which ends the list.
    pub fn members(&self) -> impl Iterator<Item = Option<Member<'_>>> {
        let mut entries = self.archive.entries();
        std::iter::from_fn(move || entries.next_entry().transpose()).map(|entry| self.member(&entry.ok()?))
    }

    fn member<'s>(&'s self, entry: &rawzip::ZipFileHeaderRecord<'s>) -> Option<Member<'s>> {
        let at = usize::try_from(entry.central_directory_offset()).ok()?;
        let header = self.bytes.get(at..at.checked_add(CENTRAL_LENGTH)?)?;
        let lengths = [short(header, 28)?, short(header, 30)?, short(header, 32)?];
        let variable = at + CENTRAL_LENGTH;
        let extra = variable + lengths[0];
        let (time_fields, other_fields) = split_extra(self.bytes.get(extra..extra.checked_add(lengths[1])?)?);
        let found = self.archive.get_entry(entry.wayfinder()).ok()?;
        let (_, end) = found.compressed_data_range();
        Some(Member {
            name: self.bytes.get(variable..extra)?,
            method: entry.compression_method().as_u16(),
            times: [header.get(12..16)?, &time_fields].concat(),
            fields: [header.get(36..42)?, &other_fields].concat(),
            data: found.data(),
            central: at..extra + lengths[1] + lengths[2],
            local: usize::try_from(entry.local_header_offset()).ok()?..usize::try_from(end).ok()?,
        })
    }

    /// Both headers of a member without times, and without what follows from times and content: sizes, checksums,
    /// places. With them the ranges of the archive that the member takes: headers, data, descriptor.
    pub fn skeleton(&self, member: &Member<'_>) -> Option<([Vec<u8>; 2], [Range<usize>; 2])> {
        let (bytes, at, local) = (self.bytes, member.central.start, member.local.start);
        let header = blanked(bytes, at..at + CENTRAL_LENGTH, &[6..8, 10..28, 30..32, 42..46], 8)?;
        let comment = member.central.end.checked_sub(short(bytes, at + 32)?)?;
        let comment = bytes.get(comment..member.central.end)?;
        let others = member.fields.get(6..)?;
        let central = [&header, member.name, others, comment].concat();
        let header = blanked(bytes, local..local + LOCAL_LENGTH, &[4..6, 8..26, 28..30], 6)?;
        let name = local + LOCAL_LENGTH;
        let extra = name + short(bytes, local + 26)?;
        let (_, others) = split_extra(bytes.get(extra..extra + short(bytes, local + 28)?)?);
        let own = [&header, bytes.get(name..extra)?, &others].concat();
        let mut end = member.local.end;
        // A descriptor after the data (4.3.9) repeats what the directory says.
        let facts = bytes.get(at + 16..at + 28)?;
        for mark in [&b"PK\x07\x08"[..], b""] {
            let descriptor = [mark, facts].concat();
            if bytes.get(end..).is_some_and(|rest| rest.starts_with(&descriptor)) {
                end += descriptor.len();
                break;
            }
        }
        Some(([central, own], [member.central.clone(), local..end]))
    }

    /// What of the record at the end follows from nothing else, and the range of that record without its comment.
    pub fn end(&self) -> Option<(&'a [u8], Range<usize>)> {
        let at = usize::try_from(self.archive.eocd_offset()).ok()?;
        // The numbers of disks and of entries; the size and the place of the directory follow.
        Some((self.bytes.get(at..at + 12)?, at..at + END_LENGTH))
    }
}

/// A header with these parts of it filled with zeros.
fn blanked(bytes: &[u8], range: Range<usize>, blank: &[Range<usize>], flags: usize) -> Option<Vec<u8>> {
    let mut header = bytes.get(range)?.to_vec();
    for range in blank {
        header.get_mut(range.clone())?.fill(0);
    }
    // Which level was chosen.
    *header.get_mut(flags)? &= !6;
    Some(header)
}

/// Does an archive without anything before it begin like this?
pub fn is_zip(head: &[u8]) -> bool {
    [LOCAL_MARK, END_MARK].iter().any(|mark| head.starts_with(mark))
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}
