//! Zip (APPNOTE.TXT): which members the central directory lists, where their times are, and which bytes are neither
//! times nor content.
//!
//! `rawzip` finds the directory and the members, also where a script precedes the archive, be its offsets adjusted
//! or not. Zip64 and encrypted members are passed on as bytes that are not known.

use std::ops::Range;

use rawzip::{ZipLocator, ZipSliceArchive};

/// The record at the end of the central directory (4.3.16) without its comment.
const END_LENGTH: usize = 22;
/// The longest comment after that record.
const COMMENT_MAX: usize = 0xffff;
/// The fixed part of a header in the central directory (4.3.12).
const CENTRAL_LENGTH: usize = 46;
/// The fixed part of a header before the data (4.3.7).
const LOCAL_LENGTH: usize = 30;
/// Extra fields that hold times (4.5.2): extended timestamp, old Unix, NTFS.
const EXTENDED: usize = 0x5455;
const OLD_UNIX: usize = 0x5855;
const NTFS: usize = 0x000a;

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

/// The times in extra fields, and the rest of them.
///
/// Only the first field of a kind counts, and only the bytes of it in which its format has times: what is beside them is
/// read by no one, but may be anything.
fn split_extra(mut extra: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut times, mut others) = (Vec::new(), Vec::new());
    let mut known = Vec::new();
    while let (Some(id), Some(length)) = (short(extra, 0), short(extra, 2)) {
        let Some((field, rest)) = extra.split_at_checked(4 + length) else { break };
        let is_first = !known.contains(&id);
        let count = field.get(4..).and_then(|data| length_of_times(id, data)).filter(|_| is_first);
        let (own, other) = field.split_at_checked(count.map_or(0, |count| 4 + count)).unwrap_or((&[], field));
        times.extend_from_slice(own);
        others.extend_from_slice(other);
        known.extend(count.map(|_| id));
        extra = rest;
    }
    others.extend_from_slice(extra);
    (times, others)
}

/// How many bytes at the start of an extra field's data are times; `None` where it is no such field, or malformed.
fn length_of_times(id: usize, data: &[u8]) -> Option<usize> {
    match (id, data) {
        // Flags and one time for each; the directory has the first of them alone, or none.
        (EXTENDED, [flags @ 0..=7, times @ ..]) => {
            let count = flags.count_ones() as usize;
            let in_directory = (flags & 1) as usize;
            [4 * count, 4 * in_directory, 0].contains(&times.len()).then_some(data.len())
        }
        // The times of access and of the last change; in front of the data the owner's numbers follow.
        (OLD_UNIX, _) => matches!(data.len(), 8 | 12).then_some(8),
        // Four unused bytes; the one attribute that is defined, with three times.
        (NTFS, [0, 0, 0, 0, 1, 0, 24, 0, ..]) => (data.len() == 32).then_some(32),
        _ => None,
    }
}

/// An MS-DOS time and date, which has no zone, for people.
pub fn dos_time(field: &[u8]) -> Option<String> {
    let (time, date) = (short(field, 0)?, short(field, 2)?);
    let day = format!("{:04}-{:02}-{:02}", 1980 + (date >> 9), date >> 5 & 15, date & 31);
    Some(format!("{day} {:02}:{:02}:{:02}", time >> 11, time >> 5 & 63, (time & 31) * 2))
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: usize, data: &[u8]) -> Vec<u8> {
        [&(id as u16).to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }

    #[test]
    fn only_times_of_the_usual_form_are_times() {
        let ntfs = |reserved: u8, tail: &[u8]| [&[reserved, 0, 0, 0, 1, 0, 24, 0][..], &[9; 24], tail].concat();
        for (id, data) in [
            (EXTENDED, vec![1, 9, 9, 9, 9]),
            (EXTENDED, [&[7][..], &[9; 12]].concat()),
            (EXTENDED, vec![3, 9, 9, 9, 9]),
            (EXTENDED, vec![2]),
            (OLD_UNIX, vec![9; 8]),
            (NTFS, ntfs(0, b"")),
        ] {
            let field = field(id, &data);
            assert_eq!(split_extra(&field), (field.clone(), vec![]), "{id:x} {data:?}");
            // A second one of a kind is none.
            let others = split_extra(&[&field[..], &field].concat()).1;
            assert_eq!(others, field, "{id:x} {data:?}");
        }
        for (id, data) in [
            (EXTENDED, [&[1][..], &[9; 12]].concat()),
            (EXTENDED, [&[7][..], &[9; 13]].concat()),
            (EXTENDED, vec![9, 9, 9, 9, 9]),
            (EXTENDED, vec![]),
            (OLD_UNIX, vec![9; 9]),
            (NTFS, ntfs(0, b"x")),
            (NTFS, ntfs(1, b"")),
            (0x7875, vec![9; 5]),
        ] {
            let field = field(id, &data);
            assert_eq!(split_extra(&field), (vec![], field.clone()), "{id:x} {data:?}");
        }
        assert_eq!(split_extra(&field(OLD_UNIX, &[9; 12])).1, [9; 4]);
    }
}
