//! Zip and ar: members, their times, their contents.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Looker, Stop, join};
use crate::causes::Class;
use crate::diff::model::Value;
use crate::epoch::Instant;

/// The magic of ar(5).
pub(super) const AR: &[u8] = b"!<arch>\n";

/// The signature of the end of a zip's central directory (APPNOTE.TXT 4.3.16), and the length of that record.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_END_LENGTH: usize = 22;

/// A member of an archive.
#[derive(Debug, Default, PartialEq)]
struct Member {
    /// Its time, as the format writes it.
    time: Vec<u8>,
    /// The other fields that have a meaning.
    fields: Vec<u8>,
    content: Vec<u8>,
    /// How it is stored, hashed.
    stored: Vec<u8>,
    number: usize,
}

/// Members by name; of several with one name the n-th is told by its number.
type Members = BTreeMap<(Vec<u8>, usize), Member>;

impl Looker<'_> {
    pub(super) fn zip(&mut self, path: &[u8], a: &[u8], b: &[u8], depth: usize) -> Result<(), Stop> {
        let (left, right) = (self.read_zip(a)?, self.read_zip(b)?);
        let before = self.found.len();
        self.members_of(path, &left, &right, depth, dos_time);
        // Where a member is missing it is content already.
        let is_same_list = left.len() == right.len() && left.keys().all(|key| right.contains_key(key));
        let is_open = is_same_list && self.found.len() > before;
        if is_open && self.skeleton(a)? != self.skeleton(b)? {
            self.push(path, Class::Content, "bytes that are neither times nor contents of members", [None, None]);
        }
        Ok(())
    }

    pub(super) fn ar(&mut self, path: &[u8], a: &[u8], b: &[u8], depth: usize) -> Result<(), Stop> {
        let (left, right) = (self.read_ar(a)?, self.read_ar(b)?);
        self.members_of(path, &left, &right, depth, decimal_time);
        Ok(())
    }

    fn members_of(&mut self, path: &[u8], a: &Members, b: &Members, depth: usize, time: fn(&[u8]) -> Value) {
        for (key, x) in a {
            let path = join(path, &key.0);
            let Some(y) = b.get(key) else {
                self.push(&path, Class::Content, "member", [Some(Value::text("there")), None]);
                continue;
            };
            if x.time != y.time {
                self.push(&path, Class::EmbeddedTime, "time of the member", [Some(time(&x.time)), Some(time(&y.time))]);
            }
            if x.fields != y.fields {
                self.push(&path, Class::Content, "attributes of the member", [None, None]);
            }
            if x.content != y.content {
                self.look(&path, &x.content, &y.content, depth + 1);
            } else if x.stored != y.stored {
                self.push(&path, Class::Compression, "compression of the member", [None, None]);
            }
        }
        for key in b.keys().filter(|key| !a.contains_key(*key)) {
            self.push(&join(path, &key.0), Class::Content, "member", [None, Some(Value::text("there"))]);
        }
        let order = |members: &Members, others: &Members| {
            let mut all: Vec<_> = members.iter().filter(|(key, _)| others.contains_key(*key)).collect();
            all.sort_by_key(|(_, member)| member.number);
            all.into_iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        if order(a, b) != order(b, a) {
            self.push(path, Class::Order, "order of members", [None, None]);
        }
    }

    fn add(&mut self, members: &mut Members, name: &[u8], mut member: Member) -> Result<(), Stop> {
        self.member()?;
        member.number = members.len();
        let mut number = 0;
        if members.contains_key(&(name.to_vec(), 0)) {
            number = member.number;
        }
        members.insert((name.to_vec(), number), member);
        Ok(())
    }

    /// Reads a zip by its central directory (APPNOTE.TXT 4.3.12). Zip64 and encryption are not read.
    fn read_zip(&mut self, bytes: &[u8]) -> Result<Members, Stop> {
        let mut members = Members::new();
        let (mut at, base) = zip_directory(bytes).ok_or(Stop::Unreadable)?;
        while let Some(entry) = ZipEntry::read(bytes, at, base) {
            at = entry.next;
            let data = entry.data(bytes).ok_or(Stop::Unreadable)?;
            // Many entries may name the same bytes.
            self.spend(data.len() as u64)?;
            let content = match entry.method {
                0 => data.to_vec(),
                8 => self.unpack(flate2::read::DeflateDecoder::new(std::io::Cursor::new(data)))?,
                _ => return Err(Stop::Unreadable),
            };
            // Bytes 4 to 12 are versions and flags, 14.. times, 34.. attributes and places.
            let fields = [entry.attributes, &entry.other_extra].concat();
            let time = [entry.time, &entry.time_extra].concat();
            let mut stored = blake3::Hasher::new();
            stored.update(&entry.method.to_le_bytes()).update(data);
            let stored = stored.finalize().as_bytes().to_vec();
            self.add(&mut members, entry.name, Member { time, fields, content, stored, number: 0 })?;
        }
        Ok(members)
    }

    /// All of a zip but times, contents of members, and what follows from those: sizes, checksums, places. The hash of one
    /// piece per header, and of the bytes that belong to none; sorted, as the order of members is compared by itself.
    fn skeleton(&mut self, bytes: &[u8]) -> Result<Option<Vec<[u8; 32]>>, Stop> {
        let (mut pieces, mut known) = (Vec::new(), Vec::new());
        let Some((mut at, base)) = zip_directory(bytes) else { return Ok(None) };
        while let Some(entry) = ZipEntry::read(bytes, at, base) {
            let Some((headers, ranges)) = entry.headers(bytes, at) else { return Ok(None) };
            for piece in headers {
                // Many entries may name the same local header.
                self.spend(piece.len() as u64)?;
                pieces.push(*blake3::hash(&piece).as_bytes());
            }
            known.extend(ranges);
            at = entry.next;
        }
        let Some(end) = bytes.get(at..at + 8) else { return Ok(None) };
        pieces.push(*blake3::hash(end).as_bytes());
        known.push(at..at + ZIP_END_LENGTH);
        known.sort_by_key(|range| range.start);
        let (mut rest, mut from) = (blake3::Hasher::new(), 0);
        for range in known {
            rest.update(bytes.get(from..range.start).unwrap_or_default());
            from = from.max(range.end);
        }
        rest.update(bytes.get(from..).unwrap_or_default());
        pieces.push(*rest.finalize().as_bytes());
        pieces.sort_unstable();
        Ok(Some(pieces))
    }

    /// Reads an ar archive: GNU's long names stay as they are written, as references into a member of their own.
    fn read_ar(&mut self, bytes: &[u8]) -> Result<Members, Stop> {
        let mut members = Members::new();
        let mut rest = bytes.get(AR.len()..).unwrap_or_default();
        while !rest.is_empty() {
            let (header, behind) = rest.split_at_checked(60).ok_or(Stop::Unreadable)?;
            let field = |from: usize, to: usize| header.get(from..to).unwrap_or_default().trim_ascii();
            let size = std::str::from_utf8(field(48, 58)).ok().and_then(|text| text.parse::<usize>().ok());
            let (content, behind) = size.and_then(|size| behind.split_at_checked(size)).ok_or(Stop::Unreadable)?;
            self.spend(content.len() as u64)?;
            let time = field(16, 28);
            let is_time = time.iter().all(u8::is_ascii_digit);
            // A newline, as a rule; that there is one follows from the size.
            let padding = behind.get(..content.len() % 2).filter(|byte| *byte != b"\n").unwrap_or_default();
            let end = header.get(58..).unwrap_or_default();
            let other = if is_time { &[][..] } else { time };
            let member = Member {
                time: if is_time { time.to_vec() } else { Vec::new() },
                fields: [header.get(28..48).unwrap_or_default(), end, padding, other].concat(),
                content: content.to_vec(),
                stored: Vec::new(),
                number: 0,
            };
            self.add(&mut members, field(0, 16), member)?;
            rest = if content.len() % 2 == 1 { behind.get(1..).unwrap_or_default() } else { behind };
        }
        Ok(members)
    }
}

/// An entry of a central directory.
struct ZipEntry<'a> {
    name: &'a [u8],
    method: u16,
    time: &'a [u8],
    /// Extra fields that hold times: extended timestamp, NTFS, old Unix.
    time_extra: Vec<u8>,
    other_extra: Vec<u8>,
    attributes: &'a [u8],
    compressed: usize,
    local: usize,
    next: usize,
}

impl<'a> ZipEntry<'a> {
    /// The entry at this place; offsets count from `base`.
    fn read(bytes: &'a [u8], at: usize, base: usize) -> Option<Self> {
        let header = bytes.get(at..at.checked_add(46)?)?;
        if !header.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name, extra, comment) = (short(header, 28)?, short(header, 30)?, short(header, 32)?);
        let start = at + 46;
        let (time_extra, other_extra) = split_extra(bytes.get(start + name..start + name + extra)?);
        Some(Self {
            name: bytes.get(start..start + name)?,
            method: u16::try_from(short(header, 10)?).ok()?,
            time: header.get(12..16)?,
            time_extra,
            other_extra,
            attributes: header.get(36..42)?,
            compressed: long(header, 20)?,
            local: long(header, 42)?.checked_add(base)?,
            next: start + name + extra + comment,
        })
    }

    fn data(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let local = bytes.get(self.local..self.local.checked_add(30)?)?;
        let start = self.local + 30 + short(local, 26)? + short(local, 28)?;
        bytes.get(start..start.checked_add(self.compressed)?)
    }

    /// Both headers of the member without what may differ, and where they and the data are.
    fn headers(&self, bytes: &[u8], at: usize) -> Option<([Vec<u8>; 2], [Range<usize>; 2])> {
        let (name, extra) = (short(bytes, at + 28)?, short(bytes, at + 30)?);
        let comment = bytes.get(at + 46 + name + extra..self.next)?;
        let header = blanked(bytes, at..at + 46, &[6..8, 10..28, 30..32, 42..46], 8)?;
        let central = [&header, self.name, &self.other_extra, comment].concat();
        let local = self.local;
        let header = blanked(bytes, local..local.checked_add(30)?, &[4..6, 8..26, 28..30], 6)?;
        let behind_name = local + 30 + short(bytes, local + 26)?;
        let start = behind_name + short(bytes, local + 28)?;
        let (_, extra) = split_extra(bytes.get(behind_name..start)?);
        let own = [&header, bytes.get(local + 30..behind_name)?, &extra].concat();
        let mut end = start.checked_add(self.compressed)?;
        // A descriptor behind the data (4.3.9) repeats what the directory says.
        let facts = bytes.get(at + 16..at + 28)?;
        for mark in [&b"PK\x07\x08"[..], b""] {
            let descriptor = [mark, facts].concat();
            if bytes.get(end..).is_some_and(|rest| rest.starts_with(&descriptor)) {
                end += descriptor.len();
                break;
            }
        }
        Some(([central, own], [at..self.next, local..end]))
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

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

/// Is it a zip, be it behind a script that launches it?
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    let is_behind = || zip_directory(bytes).is_some_and(|(at, base)| ZipEntry::read(bytes, at, base).is_some());
    bytes.starts_with(b"PK\x03\x04") || is_behind()
}

/// Where the central directory begins, and what its offsets count from: in front of its end, as all readers have it, so
/// that a script in front of the first member moves both.
fn zip_directory(bytes: &[u8]) -> Option<(usize, usize)> {
    // A comment of up to 65,535 bytes may follow the record.
    let from = bytes.len().saturating_sub(ZIP_END_LENGTH + 0xffff);
    let tail = bytes.get(from..)?;
    let at = tail.windows(ZIP_END.len()).rposition(|window| window == ZIP_END)?;
    let record = tail.get(at..at + ZIP_END_LENGTH)?;
    let directory = (from + at).checked_sub(long(record, 12)?)?;
    Some((directory, directory.checked_sub(long(record, 16)?)?))
}

/// Extra fields that hold times, and the others (APPNOTE.TXT 4.5.2; 0x5455, 0x5855 and 0x000a).
fn split_extra(mut extra: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut times, mut others) = (Vec::new(), Vec::new());
    while let (Some(id), Some(length)) = (short(extra, 0), short(extra, 2)) {
        let Some((field, rest)) = extra.split_at_checked(4 + length) else { break };
        if matches!(id, 0x5455 | 0x5855 | 0x000a) { &mut times } else { &mut others }.extend_from_slice(field);
        extra = rest;
    }
    others.extend_from_slice(extra);
    (times, others)
}

/// MS-DOS time and date, which have no zone.
fn dos_time(field: &[u8]) -> Value {
    let (Some(time), Some(date)) = (short(field, 0), short(field, 2)) else { return Value::text("") };
    Value::text(format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        1980 + (date >> 9),
        date >> 5 & 15,
        date & 31,
        time >> 11,
        time >> 5 & 63,
        (time & 31) * 2
    ))
}

fn decimal_time(field: &[u8]) -> Value {
    let seconds = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
    seconds.map_or_else(|| Value::bytes(field), |seconds| Value::Time(Instant::from_seconds(seconds)))
}
