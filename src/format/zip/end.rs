//! The end of an archive, from which the central directory is found.

use std::ops::Range;

use memchr::memmem;

use super::source::{ReadAt, Stop};
use super::{COMMENT_MAX, END_LENGTH, END_MARK, short};

/// The record of Zip64 at the end of the directory (4.3.14), and that which leads to it (4.3.15).
const END64_MARK: [u8; 4] = *b"PK\x06\x06";
const END64_LENGTH: usize = 56;
const LOCATOR_MARK: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_LENGTH: usize = 20;

/// The central directory.
pub(super) struct Directory {
    /// Where it is.
    pub(super) range: Range<u64>,
    /// How many headers it has.
    pub(super) entries: u64,
    /// How many bytes are in front of the archive that its offsets do not count.
    pub(super) prefix: u64,
}

const LYING: Stop = Stop::Unsound("the record at its end does not lead to the directory");

/// Finds the directory; `None` where there is no record at the end that would lead to one.
pub(super) fn directory(source: &dyn ReadAt) -> Result<Option<Directory>, Stop> {
    let size = source.size();
    let length = size.min((END_LENGTH + COMMENT_MAX) as u64);
    let start = size.saturating_sub(length);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    source.read_at(start, &mut bytes)?;
    // Some readers take the last such mark, others one whose comment ends with the file.
    let Some(last) = memmem::rfind(&bytes, &END_MARK) else { return Ok(None) };
    let ends_here = |at: &usize| short(&bytes, at + 20).is_some_and(|comment| at + END_LENGTH + comment == bytes.len());
    if memmem::find_iter(&bytes, &END_MARK).filter(ends_here).count() != 1 || !ends_here(&last) {
        return Err(Stop::Unsound("readers may disagree about where it ends"));
    }
    let end = start.saturating_add(last as u64);
    let record = bytes.get(last..).unwrap_or_default();
    let [disk, first_disk, here, entries] = [4, 6, 8, 10].map(|at| short(record, at).unwrap_or(0) as u64);
    let [length, offset] = [12, 16].map(|at| long(record, at).unwrap_or(0));
    let short_fields = [disk, first_disk, here, entries, length, offset];
    let mut fields = short_fields;
    let mut end_of_directory = end;
    let locator = end.checked_sub(LOCATOR_LENGTH as u64);
    if let Some(locator) = locator
        && let Some((at, long_fields)) = end64(source, locator)?
    {
        let limits = [0xffff, 0xffff, 0xffff, 0xffff, u64::from(u32::MAX), u64::from(u32::MAX)];
        let mut pairs = short_fields.iter().zip(long_fields).zip(limits);
        if !pairs.all(|((short, long), limit)| *short == long || *short == limit) {
            return Err(LYING);
        }
        (fields, end_of_directory) = (long_fields, at);
    }
    let [disk, first_disk, here, entries, length, offset] = fields;
    if disk != 0 || first_disk != 0 || here != entries {
        return Err(Stop::Unsound("it is a part of a split archive"));
    }
    let start = end_of_directory.checked_sub(length).ok_or(LYING)?;
    let prefix = start.checked_sub(offset).ok_or(LYING)?;
    if let Some(locator) = locator.filter(|_| end_of_directory != end) {
        let mut bytes = [0; 8];
        source.read_at(locator.saturating_add(8), &mut bytes)?;
        if u64::from_le_bytes(bytes).checked_add(prefix) != Some(end_of_directory) {
            return Err(LYING);
        }
    }
    Ok(Some(Directory { range: start..end_of_directory, entries, prefix }))
}

/// The record of Zip64 in front of the one that leads to it: where it is, and what it says in place of the fields of the
/// record at the end.
fn end64(source: &dyn ReadAt, locator: u64) -> Result<Option<(u64, [u64; 6])>, Stop> {
    let mut bytes = [0; LOCATOR_LENGTH];
    source.read_at(locator, &mut bytes)?;
    if !bytes.starts_with(&LOCATOR_MARK) {
        return Ok(None);
    }
    if long(&bytes, 4) != Some(0) || long(&bytes, 16) != Some(1) {
        return Err(Stop::Unsound("it is a part of a split archive"));
    }
    let at = locator.checked_sub(END64_LENGTH as u64).ok_or(LYING)?;
    let mut record = [0; END64_LENGTH];
    source.read_at(at, &mut record)?;
    // One with data of its own is longer: no writer makes such.
    if !record.starts_with(&END64_MARK) || longer(&record, 4) != Some(END64_LENGTH as u64 - 12) {
        return Err(LYING);
    }
    let [disk, first_disk] = [16, 20].map(|at| long(&record, at).unwrap_or(0));
    let [here, entries, length, offset] = [24, 32, 40, 48].map(|at| longer(&record, at).unwrap_or(0));
    Ok(Some((at, [disk, first_disk, here, entries, length, offset])))
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)))
}

pub(super) fn longer(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
