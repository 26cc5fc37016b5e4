//! Zip and ar: members, their times, their contents.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flate2::{Decompress, FlushDecompress, Status};

use crate::causes::Class;
use crate::diff::content::{ContentDiff, InnerDifference, Level, NotOpened, inner_path};
use crate::diff::model::{Role, Value};
use crate::format::ar;
use crate::format::zip::{self, Zip};
use crate::stamp::Instant;

/// Members are unpacked in steps of at least this many bytes.
const INFLATED: usize = 32 << 10;

/// A member of an archive.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Member<'a> {
    /// Its time, as the format writes it.
    pub(super) time: Cow<'a, [u8]>,
    /// The other fields that have a meaning.
    pub(super) fields: Vec<u8>,
    pub(super) content: Cow<'a, [u8]>,
    /// Does its mode say that it is a program?
    pub(super) runs: bool,
    /// What is stored after the end of the compressed data, or after the name, which no reader looks at.
    pub(super) tail: Cow<'a, [u8]>,
    /// How it is stored, hashed.
    pub(super) stored: Option<[u8; 32]>,
    pub(super) number: usize,
}

/// Members by name; of several with one name, the others also by their number.
pub(super) type Members<'a> = BTreeMap<(Vec<u8>, usize), Member<'a>>;

impl ContentDiff {
    pub(crate) fn zip(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        let (x, y) = (Zip::open(a).ok_or(NotOpened::Unreadable)?, Zip::open(b).ok_or(NotOpened::Unreadable)?);
        let (left, right) = (self.read_zip(&x)?, self.read_zip(&y)?);
        let before = self.found.len();
        self.members_of(path, &left, &right, level, dos_time);
        // Where a member is missing it is content already.
        let is_same_list = left.len() == right.len() && left.keys().all(|key| right.contains_key(key));
        let is_open = is_same_list && self.found.len() > before;
        if is_open && self.skeleton(a, &x)? != self.skeleton(b, &y)? {
            self.push(path, Class::Content, "bytes that are neither times nor contents of members", [None, None]);
        }
        Ok(())
    }

    pub(crate) fn ar(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        let (left, right) = (self.read_ar(a)?, self.read_ar(b)?);
        self.members_of(path, &left, &right, level, decimal_time);
        Ok(())
    }

    pub(super) fn members_of(
        &mut self,
        path: &[u8],
        a: &Members<'_>,
        b: &Members<'_>,
        level: Level,
        time: fn(&[u8]) -> Value,
    ) {
        for (key, x) in a {
            let path = inner_path(path, &key.0);
            let Some(y) = b.get(key) else {
                self.one_sided(&path, [Some(Value::text("there")), None]);
                continue;
            };
            if x.time != y.time {
                self.push(&path, Class::EmbeddedTime, "time of the member", [Some(time(&x.time)), Some(time(&y.time))]);
            }
            if x.fields != y.fields {
                self.push(&path, Class::Content, "attributes of the member", [None, None]);
            }
            if x.tail != y.tail {
                let field = if x.stored.is_some() {
                    "bytes after the compressed data of the member"
                } else {
                    "bytes beside the name and content of the member"
                };
                self.push(&path, Class::Content, field, [x, y].map(|member| Some(size(&member.tail))));
            }
            if x.content != y.content {
                self.compare(&path, &x.content, &y.content, level.member(x.runs || y.runs));
            } else if x.stored != y.stored && x.tail == y.tail {
                self.push(&path, Class::Compression, "compression of the member", [None, None]);
            }
        }
        for key in b.keys().filter(|key| !a.contains_key(*key)) {
            self.one_sided(&inner_path(path, &key.0), [None, Some(Value::text("there"))]);
        }
        let order = |members: &Members<'_>, others: &Members<'_>| {
            let mut all: Vec<_> = members.iter().filter(|(key, _)| others.contains_key(*key)).collect();
            all.sort_by_key(|(_, member)| member.number);
            all.into_iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        if order(a, b) != order(b, a) {
            self.push(path, Class::Order, "order of members", [None, None]);
        }
    }

    fn one_sided(&mut self, path: &[u8], values: [Option<Value>; 2]) {
        self.report(InnerDifference::new(path, Class::Content, "member", values).role(Role::Entry));
    }

    pub(super) fn add<'a>(
        &mut self,
        members: &mut Members<'a>,
        name: &[u8],
        mut member: Member<'a>,
    ) -> Result<(), NotOpened> {
        self.count_member()?;
        member.number = members.len();
        let mut number = 0;
        if members.contains_key(&(name.to_vec(), 0)) {
            number = member.number;
        }
        members.insert((name.to_vec(), number), member);
        Ok(())
    }

    /// Reads a zip by its central directory. Zip64 and encryption are not read.
    fn read_zip<'a>(&mut self, zip: &'a Zip<'_>) -> Result<Members<'a>, NotOpened> {
        let mut members = Members::new();
        for entry in zip.members() {
            let entry = entry.ok_or(NotOpened::Unreadable)?;
            // Many entries may name the same bytes.
            self.spend(entry.data.len() as u64)?;
            let (content, tail) = match entry.method {
                0 => (Cow::Borrowed(entry.data), &[][..]),
                8 => self.inflate(entry.data).map(|(content, tail)| (content.into(), tail))?,
                _ => return Err(NotOpened::Unreadable),
            };
            let mut stored = blake3::Hasher::new();
            stored.update(&entry.method.to_le_bytes()).update(entry.data);
            let stored = Some(*stored.finalize().as_bytes());
            let runs = entry.is_executable();
            let (time, tail) = (entry.times.into(), tail.into());
            let member = Member { time, fields: entry.fields, content, runs, tail, stored, number: 0 };
            self.add(&mut members, entry.name, member)?;
        }
        Ok(members)
    }

    /// The content of a raw DEFLATE stream, and what is after its end.
    fn inflate<'d>(&mut self, data: &'d [u8]) -> Result<(Vec<u8>, &'d [u8]), NotOpened> {
        let mut inflate = Decompress::new(false);
        let mut content = Vec::new();
        let mut rest = data;
        loop {
            content.reserve(INFLATED);
            let before = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress_vec(rest, &mut content, FlushDecompress::None);
            let taken = usize::try_from(inflate.total_in() - before.0).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            self.spend(inflate.total_out() - before.1)?;
            match status {
                Ok(Status::StreamEnd) => return Ok((content, rest)),
                Ok(_) if (inflate.total_in(), inflate.total_out()) != before => {}
                // Damaged, or cut short.
                _ => return Err(NotOpened::Unreadable),
            }
        }
    }

    /// All of a zip but times, contents of members, and what follows from those. The hash of one piece per header, and of
    /// the bytes that belong to none; sorted, as the order of members is compared by itself.
    fn skeleton(&mut self, bytes: &[u8], zip: &Zip<'_>) -> Result<Option<Vec<[u8; 32]>>, NotOpened> {
        let (mut pieces, mut known) = (Vec::new(), Vec::new());
        for entry in zip.members() {
            let Some((headers, ranges)) = entry.and_then(|entry| zip.skeleton(&entry)) else { return Ok(None) };
            for piece in headers {
                // Many entries may name the same local header.
                self.spend(piece.len() as u64)?;
                pieces.push(*blake3::hash(&piece).as_bytes());
            }
            known.extend(ranges);
        }
        let Some((end, range)) = zip.end() else { return Ok(None) };
        pieces.push(*blake3::hash(end).as_bytes());
        known.push(range);
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

    fn read_ar<'a>(&mut self, bytes: &'a [u8]) -> Result<Members<'a>, NotOpened> {
        let mut members = Members::new();
        for entry in ar::members(bytes) {
            let entry = entry.ok_or(NotOpened::Unreadable)?;
            self.spend(entry.content.len() as u64)?;
            let content = Cow::Borrowed(entry.content);
            let member = Member { time: entry.time.into(), fields: entry.fields, content, ..Member::default() };
            self.add(&mut members, entry.name, member)?;
        }
        Ok(members)
    }
}

/// Is it a zip, possibly after a script that launches it?
pub(crate) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || Zip::open(bytes).is_some_and(|zip| zip.has_members())
}

fn size(bytes: &[u8]) -> Value {
    Value::text(format!("{} bytes", bytes.len()))
}

fn dos_time(field: &[u8]) -> Value {
    Value::text(zip::dos_time(field).unwrap_or_default())
}

fn decimal_time(field: &[u8]) -> Value {
    let seconds = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
    seconds.map_or_else(|| Value::bytes(field), |seconds| Value::Time(Instant::from_seconds(seconds)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::diff::content::{InnerDifference, compare_content};

    /// A zip of one member, its data compressed and followed by this, its time in an extra field.
    fn zip(time: u8, content: &[u8], tail: &[u8], extra: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        let data = [&encoder.finish().unwrap()[..], tail].concat();
        let field = [&[0x55, 0x54][..], &(5 + extra.len() as u16).to_le_bytes(), &[1, time, 0, 0, 0], extra].concat();
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let common = [
            &[20, 0, 0, 0, 8, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &(data.len() as u32).to_le_bytes(),
            &(content.len() as u32).to_le_bytes(),
            &1u16.to_le_bytes(),
            &(field.len() as u16).to_le_bytes(),
        ]
        .concat();
        let local = [&b"PK\x03\x04"[..], &common, b"x", &field, &data].concat();
        let directory = [&b"PK\x01\x02\x14\0"[..], &common, &[0; 14], b"x", &field].concat();
        let end = [
            &b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..],
            &(directory.len() as u32).to_le_bytes(),
            &(local.len() as u32).to_le_bytes(),
            &[0; 2],
        ];
        [local, directory, end.concat()].concat()
    }

    fn found(a: &[u8], b: &[u8]) -> Vec<(Class, String)> {
        let all = compare_content(b"f", a, b, false, &mut { usize::MAX });
        all.into_iter().map(|InnerDifference { class, field, .. }| (class, field.into_owned())).collect()
    }

    #[test]
    fn what_a_zip_hides_beside_its_times_is_content() {
        let timed = || (Class::EmbeddedTime, "time of the member".to_owned());
        let of = |time: u8, content: &[u8], tail: &[u8], extra: &[u8]| zip(time, content, tail, extra);
        assert_eq!(found(&of(1, b"x", b"", b""), &of(2, b"x", b"", b"")), [timed()]);
        assert!(found(&of(1, b"x", b"t", b"e"), &of(1, b"x", b"t", b"e")).is_empty());
        // After the end of the compressed data.
        let tail = || (Class::Content, "bytes after the compressed data of the member".to_owned());
        assert_eq!(found(&of(1, b"x", b"good", b""), &of(2, b"x", b"evil", b"")), [timed(), tail()]);
        assert_eq!(found(&of(1, b"x", b"", b""), &of(1, b"x", b"evil", b"")), [tail()]);
        // In a field of times that is too long.
        for (a, b) in
            [(of(1, b"x", b"", b"good"), of(2, b"x", b"", b"evil")), (of(1, b"x", b"", b""), of(1, b"x", b"", b"evil"))]
        {
            let found = found(&a, &b);
            assert!(found.iter().any(|(class, _)| *class == Class::Content), "{found:?}");
        }
    }

    #[test]
    fn a_member_that_is_cut_short_is_not_opened() {
        let content: Vec<u8> = (0..1000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        let mut damaged = zip(1, &content, b"", b"");
        let other = zip(2, &content, b"", b"");
        // A block of a kind that there is none of.
        let data = 30 + 1 + 9;
        damaged[data] = 0xff;
        assert_eq!(found(&damaged, &other), [(Class::Content, "content".to_owned())]);
    }
}
