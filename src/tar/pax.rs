//! The records of a PAX header: `"%d %s=%s\n"`, length, key and value
//! (POSIX.1-2017, pax, "pax Extended Header").

use std::io::Write as _;
use std::ops::Range;

use crate::error::{Error, Result, printable};
use crate::stamp::Instant;

/// The keys whose values are times: POSIX's, and libarchive's time of birth.
const TIME_KEYS: [&str; 4] = [MTIME, "atime", "ctime", "LIBARCHIVE.creationtime"];

/// The key of the modification time.
pub(super) const MTIME: &str = "mtime";

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What is before the first equals sign.
    pub key: &'a [u8],
    /// What is after it; any bytes.
    pub value: &'a [u8],
    /// The whole record, length and newline included.
    pub raw: &'a [u8],
    /// Where it begins, in bytes from the start of the stream.
    pub offset: u64,
}

impl Record<'_> {
    /// Is the value the name of an owner or a group?
    pub(super) fn is_owner_name(&self) -> bool {
        matches!(self.key, b"uname" | b"gname")
    }

    /// The key, if the value is a time.
    pub fn time_key(&self) -> Option<&'static str> {
        TIME_KEYS.into_iter().find(|key| key.as_bytes() == self.key)
    }
}

/// Reads the records of a payload one by one. After an error it ends.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Records<'a> {
    /// Over a payload (without its padding) that begins at `offset` in the stream.
    pub fn new(payload: &'a [u8], offset: u64) -> Self {
        Self { rest: payload, offset }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset;
        match split_record(self.rest, offset) {
            Ok((record, rest)) => {
                self.rest = rest;
                self.offset = offset.saturating_add(u64::try_from(record.raw.len()).unwrap_or(u64::MAX));
                Some(Ok(record))
            }
            Err(expected) => {
                let found = printable(self.rest.get(..60).unwrap_or(self.rest));
                self.rest = &[];
                Some(Err(Error::malformed("PAX record", expected, format!("\"{found}\"")).at_offset(offset)))
            }
        }
    }
}

/// The first record and what follows it, or what it should have been.
fn split_record(bytes: &[u8], offset: u64) -> Result<(Record<'_>, &[u8]), &'static str> {
    const LENGTH: &str = "the record's length in decimal digits and a space";
    let space = bytes.iter().take(24).position(|byte| *byte == b' ').ok_or(LENGTH)?;
    let length = bytes.get(..space).and_then(parse_length);
    let (raw, rest) = length
        .ok_or(LENGTH)
        .and_then(|length| bytes.split_at_checked(length).ok_or("a record that ends within its header"))?;
    let body = raw.get(space + 1..).and_then(|body| body.strip_suffix(b"\n")).ok_or("a newline at the record's end")?;
    let equals = body.iter().position(|byte| *byte == b'=').ok_or("a key, an equals sign and a value")?;
    let (key, value) = (body.get(..equals).unwrap_or_default(), body.get(equals + 1..).unwrap_or_default());
    if key.is_empty() {
        return Err("a key before the equals sign");
    }
    if key.contains(&0) {
        return Err("a key without NUL");
    }
    if matches!(key, b"path" | b"linkpath" | b"uname" | b"gname") && value.contains(&0) {
        return Err("a value without NUL");
    }
    Ok((Record { key, value, raw, offset }, rest))
}

/// The keys of the records that an entry is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKey {
    Path,
    LinkPath,
    Size,
    Uid,
    Gid,
    Uname,
    Gname,
    Mtime,
    SparseName,
    SparseSize,
    SparseRealSize,
}

impl RecordKey {
    const COUNT: usize = Self::SparseRealSize as usize + 1;

    fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"path" => Self::Path,
            b"linkpath" => Self::LinkPath,
            b"size" => Self::Size,
            b"uid" => Self::Uid,
            b"gid" => Self::Gid,
            b"uname" => Self::Uname,
            b"gname" => Self::Gname,
            b"mtime" => Self::Mtime,
            b"GNU.sparse.name" => Self::SparseName,
            b"GNU.sparse.size" => Self::SparseSize,
            b"GNU.sparse.realsize" => Self::SparseRealSize,
            _ => return None,
        })
    }
}

/// What the records of one PAX header say, read once: there may be a hundred thousand of them.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordIndex {
    /// Where in the payload the value is that counts; the others are empty.
    values: [Range<usize>; RecordKey::COUNT],
    /// Is a time among the records?
    pub(super) has_times: bool,
    /// Is a size among them that is not empty?
    pub(super) has_size: bool,
}

impl RecordIndex {
    /// Where in the payload the last value of a record is; `None` if it is empty: that takes back what stood before it.
    pub(super) fn value(&self, key: RecordKey) -> Option<Range<usize>> {
        self.values.get(key as usize).filter(|range| !range.is_empty()).cloned()
    }
}

/// Reads the records of a payload that begins at `offset` in the stream, and checks what a reader would read: that all are
/// records, and that numbers and times are such.
pub(super) fn read(payload: &[u8], offset: u64) -> Result<RecordIndex> {
    let mut index = RecordIndex::default();
    let mut end = 0;
    for record in Records::new(payload, offset) {
        let record = record?;
        end += record.raw.len();
        if let Some(place) = RecordKey::of(record.key).and_then(|key| index.values.get_mut(key as usize)) {
            // A newline ends the record.
            *place = end.saturating_sub(1 + record.value.len())..end.saturating_sub(1);
        }
        index.has_times |= record.time_key().is_some();
        if record.value.is_empty() {
            continue;
        }
        index.has_size |= record.key == b"size";
        let expected = if record.time_key().is_some() {
            if parse_time(record.value).is_some() { continue } else { "a decimal number of seconds" }
        } else if matches!(record.key, b"size" | b"uid" | b"gid") {
            if parse_integer(record.value).is_some() { continue } else { "a decimal integer" }
        } else {
            continue;
        };
        let found = format!("\"{}\"", printable(record.value));
        return Err(
            Error::malformed(format!("PAX {}", printable(record.key)), expected, found).at_offset(record.offset)
        );
    }
    Ok(index)
}

/// The length of a record: digits as a rule, but whatever [`parse_integer`] takes.
fn parse_length(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return parse_integer(text).and_then(|length| usize::try_from(length).ok());
    }
    Some(text.iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}

/// A decimal integer as Go's `strconv.ParseInt` takes it.
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    // Rust's parser takes the same: a sign, digits, nothing else, and no overflow.
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A time: `-?digits[.digits]`, seconds since 1970.
pub(super) fn parse_time(text: &[u8]) -> Option<Instant> {
    let dot = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (text.get(..dot)?, text.get(dot + 1..).unwrap_or_default());
    if whole.first() == Some(&b'+') || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = parse_integer(whole)?;
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let mut nanos = digits.fold(0, |nanos: u32, digit| nanos * 10 + u32::from(digit - b'0'));
    // Whatever is beyond nanoseconds still makes the time later than the second it is in.
    let finer = fraction.get(9..).unwrap_or_default().iter().any(|digit| *digit != b'0');
    if nanos == 0 && finer {
        nanos = 1;
    }
    if whole.first() == Some(&b'-') && nanos > 0 {
        // The fraction leads away from zero, an Instant is rounded down.
        return Some(Instant { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos });
    }
    Some(Instant { seconds, nanos })
}

/// Appends a record, its length counted as the format wants it: its own digits included.
pub(super) fn write_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // Space, equals sign, newline.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + decimal_digits(length) {
        length += 1;
    }
    // Writing into a Vec does not fail.
    let _ = write!(out, "{length} ");
    for part in [key, b"=", value, b"\n"] {
        out.extend_from_slice(part);
    }
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        // Around 10 and 100 bytes the length has a digit more, and so is longer itself.
        for key_length in 1..110 {
            for value in [0, 9, 10, 1_700_000_000, u64::MAX] {
                let key = "k".repeat(key_length);
                let mut out = b"before".to_vec();
                write_record(&mut out, key.as_bytes(), value.to_string().as_bytes());
                let out = out.strip_prefix(b"before").unwrap();
                let found: Vec<_> = Records::new(out, 5).collect::<Result<_>>().unwrap();
                assert_eq!(
                    found,
                    [Record { key: key.as_bytes(), value: value.to_string().as_bytes(), raw: out, offset: 5 }]
                );
            }
        }
    }

    #[test]
    fn times_are_rounded_down() {
        let at = |seconds, nanos| Some(Instant { seconds, nanos });
        for (text, expected) in [
            ("0", at(0, 0)),
            ("-0", at(0, 0)),
            ("1350244992.023960108", at(1_350_244_992, 23_960_108)),
            ("1350244992.02396010", at(1_350_244_992, 23_960_100)),
            ("1350244992.0239601089", at(1_350_244_992, 23_960_108)),
            ("5.", at(5, 0)),
            ("5.0000000000001", at(5, 1)),
            ("-1.5", at(-2, 500_000_000)),
            ("-0.1", at(-1, 900_000_000)),
            ("-1.", at(-1, 0)),
            ("-9223372036854775808", at(i64::MIN, 0)),
            ("-9223372036854775808.1", None),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("+5", None),
            ("1.-5", None),
            ("1e5", None),
            ("1_0", None),
            (" 1", None),
            ("1\0", None),
        ] {
            assert_eq!(parse_time(text.as_bytes()), expected, "{text:?}");
        }
    }
}
