//! The extra fields of headers (4.5), and which of them hold times.

use std::ops::Range;

use super::short;

/// Extra fields that hold times (4.5.2): extended timestamp, old Unix, NTFS.
const EXTENDED: usize = 0x5455;
const OLD_UNIX: usize = 0x5855;
const NTFS: usize = 0x000a;
/// The extra field of Zip64 (4.5.3).
pub(super) const ZIP64: usize = 1;

/// A time of a header, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// MS-DOS: the date in the upper half, the time in the lower one. A later time is a greater number.
    Dos(u32),
    /// Seconds since 1970.
    Unix(i32),
    /// Steps of 100 ns since 1601; 0 is none.
    Filetime(u64),
}

/// The extra fields: which each is, and where its data is.
pub(super) fn fields(extra: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        let (id, length) = (short(extra, at)?, short(extra, at.checked_add(2)?)?);
        let start = at.checked_add(4)?;
        at = start.checked_add(length)?;
        (at <= extra.len()).then_some((id, start..at))
    })
}

/// The fields that hold times, and where their data does.
///
/// Only the first field of a kind counts, and only the bytes of it in which its format has times: what is beside them is
/// read by no one, but may be anything.
fn time_fields(extra: &[u8]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut known = Vec::new();
    fields(extra).filter_map(move |(id, data)| {
        let count = length_of_times(id, extra.get(data.clone())?).filter(|_| !known.contains(&id))?;
        known.push(id);
        Some((id, data.start..data.start.checked_add(count)?))
    })
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

/// The times in extra fields, and the rest of them.
pub(super) fn split_extra(extra: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut times, mut others) = (Vec::new(), Vec::new());
    let mut end = 0;
    let all = time_fields(extra).map(|(_, data)| data.start.saturating_sub(4)..data.end);
    for own in all {
        others.extend_from_slice(extra.get(end..own.start).unwrap_or_default());
        times.extend_from_slice(extra.get(own.clone()).unwrap_or_default());
        end = own.end;
    }
    others.extend_from_slice(extra.get(end..).unwrap_or_default());
    (times, others)
}

/// The times in extra fields: where each is, and its value.
pub(super) fn times(extra: &[u8]) -> impl Iterator<Item = (usize, Time)> {
    time_fields(extra).flat_map(move |(id, data)| {
        let (skipped, width) = match id {
            EXTENDED => (1, 4),
            OLD_UNIX => (0, 4),
            _ => (8, 8),
        };
        let start = data.start.saturating_add(skipped);
        let places = (start..data.end).step_by(width);
        places.filter_map(move |at| {
            let time = match extra.get(at..at.checked_add(width)?)? {
                [a, b, c, d] => Time::Unix(i32::from_le_bytes([*a, *b, *c, *d])),
                long => Time::Filetime(u64::from_le_bytes(*long.first_chunk()?)),
            };
            Some((at, time))
        })
    })
}

/// Is this the time of the last change, of those in an extended timestamp?
pub(super) fn mtime(extra: &[u8]) -> Option<i32> {
    let (_, data) = time_fields(extra).find(|(id, _)| *id == EXTENDED)?;
    match extra.get(data)? {
        [flags, a, b, c, d, ..] if flags & 1 != 0 => Some(i32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    }
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
            let count = data.iter().filter(|byte| **byte == 9).count();
            let width = if id == NTFS { 8 } else { 4 };
            assert_eq!(times(&field).count(), count / width, "{id:x} {data:?}");
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
            assert_eq!(times(&field).count(), 0, "{id:x} {data:?}");
        }
        assert_eq!(split_extra(&field(OLD_UNIX, &[9; 12])).1, [9; 4]);
    }

    #[test]
    fn times_are_where_their_formats_have_them() {
        let ntfs = [&[0, 0, 0, 0, 1, 0, 24, 0][..], &7u64.to_le_bytes(), &8u64.to_le_bytes(), &0u64.to_le_bytes()];
        let extended = [&[3][..], &5i32.to_le_bytes(), &(-6i32).to_le_bytes()].concat();
        let extra = [&field(0xcafe, b"")[..], &field(NTFS, &ntfs.concat()), &field(EXTENDED, &extended), &[1, 2]];
        let extra = extra.concat();
        let filetimes = [(16, Time::Filetime(7)), (24, Time::Filetime(8)), (32, Time::Filetime(0))];
        let unix = [(45, Time::Unix(5)), (49, Time::Unix(-6))];
        assert_eq!(times(&extra).collect::<Vec<_>>(), [&filetimes[..], &unix].concat());
        assert_eq!(mtime(&extra), Some(5));
        assert_eq!(mtime(&field(EXTENDED, &[2, 9, 9, 9, 9])), None);
    }
}
