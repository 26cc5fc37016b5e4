//! Two contents of one path: is it only a timestamp inside, and what in an archive differs?
//!
//! Archives are opened to any depth within [`DEPTH_MAX`], [`EXPANDED_MAX`] and [`MEMBERS_MAX`]. What is beyond a limit
//! is compared as bytes, and the note of the difference says so. Formats are told by their content, never by a name,
//! apart from those that have no mark of their own.

mod archive;
pub(crate) mod fetch;
mod plain;
pub(crate) mod preview;

use std::borrow::Cow;
use std::io::Read;

use crate::blob::Extent;
use crate::causes::Class;
use crate::diff::layer::entries::{Depth, compare};
use crate::diff::layer::record::{Reader, Records};
use crate::diff::model::{Difference, Findings, Value};
use crate::format::ar;
use crate::layer::{self, Event, Expect, Pool};
use crate::stamp::Instant;

/// Archives in archives are opened this deep.
pub const DEPTH_MAX: usize = 8;
/// All that is unpacked of the two contents together, in bytes.
pub const EXPANDED_MAX: u64 = 48 << 20;
/// All members of archives in the two contents together.
pub const MEMBERS_MAX: usize = 20_000;

/// Bytes of paths, values and previews that are told of what is inside one file, and of all files together. A file of
/// which there would be more is told of as a whole.
pub const TOLD_MAX: usize = 2 << 20;
/// See [`TOLD_MAX`].
pub const TOLD_TOTAL_MAX: usize = 12 << 20;
/// What one difference takes besides its path and preview.
const TOLD_EACH: usize = 256;

/// The field of a gzip header that holds a time.
pub(crate) const GZIP_MTIME: &str = "gzip MTIME";

/// Something that differs inside a file, or the file itself.
#[derive(Debug)]
pub(crate) struct Inside {
    /// The file's path, and those in archives behind a zero each.
    pub(crate) path: Vec<u8>,
    pub(crate) class: Class,
    pub(crate) field: Cow<'static, str>,
    pub(crate) values: [Option<Value>; 2],
    pub(crate) note: Option<String>,
    pub(crate) preview: Option<String>,
}

/// Looks into two contents. Something is always found, as they are not equal; `told` is what may still be told of all
/// files.
pub(crate) fn look(path: &[u8], a: &[u8], b: &[u8], told: &mut usize, pool: &Pool) -> Vec<Inside> {
    let limit = TOLD_MAX.min(*told);
    let mut looker =
        Looker { found: Vec::new(), told: Some(limit), expanded: EXPANDED_MAX, members: MEMBERS_MAX, pool };
    looker.look(path, a, b, 0);
    match looker.told {
        Some(left) => *told = told.saturating_sub(limit - left),
        None => {
            // One for the file is always told.
            (looker.found, looker.told) = (Vec::new(), Some(usize::MAX));
            let text = if limit < TOLD_MAX { "in all files together" } else { "in one file" };
            looker.whole(path, a, b, Some(format!("not looked inside: too much differs {text}")));
        }
    }
    looker.found
}

struct Looker<'p> {
    found: Vec<Inside>,
    /// Bytes that may still be told; `None` where that was not enough.
    told: Option<usize>,
    /// Bytes that may still be unpacked.
    expanded: u64,
    /// Members that may still be read.
    members: usize,
    pool: &'p Pool,
}

/// Why something was not opened.
enum Stop {
    /// It is not of that format, or damaged.
    Unreadable,
    /// A limit.
    Limit(String),
}

impl Looker<'_> {
    fn look(&mut self, path: &[u8], a: &[u8], b: &[u8], depth: usize) {
        if a == b || self.told.is_none() {
            return;
        }
        let before = self.found.len();
        let opened = if depth < DEPTH_MAX {
            self.open(path, a, b, depth)
        } else if is_archive(a) && is_archive(b) {
            Err(Stop::Limit(format!("archives nested deeper than {DEPTH_MAX} levels")))
        } else {
            Err(Stop::Unreadable)
        };
        let note = match opened {
            Ok(()) if self.found.len() > before => return,
            Ok(()) | Err(Stop::Unreadable) => None,
            Err(Stop::Limit(text)) => {
                self.found.truncate(before);
                Some(format!("not looked inside: {text}"))
            }
        };
        if note.is_none()
            && let Some(inside) = plain::timestamps(path, a, b)
        {
            self.tell(inside);
            return;
        }
        self.whole(path, a, b, note);
    }

    /// A file that differs, with nothing to say of what is in it.
    fn whole(&mut self, path: &[u8], a: &[u8], b: &[u8], note: Option<String>) {
        let values = [a, b].map(|bytes| Some(Value::text(format!("{} bytes", bytes.len()))));
        let preview = preview::of(a, b);
        self.tell(Inside {
            path: path.to_vec(),
            class: Class::Content,
            field: "content".into(),
            values,
            note,
            preview,
        });
    }

    /// Notes what was found, within what may be told.
    fn tell(&mut self, inside: Inside) {
        let text = |value: &Option<Value>| match value {
            Some(Value::Text(text)) => text.len(),
            _ => 0,
        };
        let values: usize = inside.values.iter().map(text).sum();
        let size = TOLD_EACH + inside.path.len() + values + inside.preview.as_ref().map_or(0, String::len);
        self.told = self.told.and_then(|left| left.checked_sub(size));
        if self.told.is_some() {
            self.found.push(inside);
        }
    }

    fn open(&mut self, path: &[u8], a: &[u8], b: &[u8], depth: usize) -> Result<(), Stop> {
        match (a, b) {
            ([0x1f, 0x8b, ..], [0x1f, 0x8b, ..]) => self.gzip(path, a, b, depth),
            ([0x28, 0xb5, 0x2f, 0xfd, ..], [0x28, 0xb5, 0x2f, 0xfd, ..]) => {
                let unpack = |bytes| {
                    let mut decoder = zstd::stream::Decoder::new(std::io::Cursor::new(bytes)).ok()?;
                    decoder.window_log_max(24).ok()?;
                    Some(decoder)
                };
                let [x, y] = self.unpack_both(unpack(a), unpack(b))?;
                self.compressed(path, &x, &y, depth, "zstd");
                Ok(())
            }
            _ if is_tar(a) && is_tar(b) => self.tar(path, a, b, depth),
            _ if a.starts_with(ar::MAGIC) && b.starts_with(ar::MAGIC) => self.ar(path, a, b, depth),
            _ if archive::is_zip(a) && archive::is_zip(b) => self.zip(path, a, b, depth),
            _ => Err(Stop::Unreadable),
        }
    }

    fn push(&mut self, path: &[u8], class: Class, field: &'static str, values: [Option<Value>; 2]) {
        self.tell(Inside { path: path.to_vec(), class, field: field.into(), values, note: None, preview: None });
    }

    fn gzip(&mut self, path: &[u8], a: &[u8], b: &[u8], depth: usize) -> Result<(), Stop> {
        let unpack = |bytes| Some(flate2::read::MultiGzDecoder::new(std::io::Cursor::new(bytes)));
        let [x, y] = self.unpack_both(unpack(a), unpack(b))?;
        let mtime = |bytes: &[u8]| bytes.get(4..8).and_then(|field| Some(u32::from_le_bytes(field.try_into().ok()?)));
        let times = [mtime(a), mtime(b)];
        if times[0] != times[1] {
            let values = times.map(|time| time.map(|time| Value::Time(Instant::from_seconds(i64::from(time)))));
            self.push(path, Class::EmbeddedTime, GZIP_MTIME, values);
        }
        if x == y && times[0] != times[1] && a.get(8..) == b.get(8..) {
            return Ok(());
        }
        self.compressed(path, &x, &y, depth, "gzip");
        Ok(())
    }

    /// What was in a compressed file.
    fn compressed(&mut self, path: &[u8], x: &[u8], y: &[u8], depth: usize, name: &str) {
        if x == y {
            self.tell(Inside {
                path: path.to_vec(),
                class: Class::Compression,
                field: "compression".into(),
                values: [None, None],
                note: Some(format!("the same content, compressed by {name} in another way")),
                preview: None,
            });
        } else {
            self.look(path, x, y, depth + 1);
        }
    }

    fn unpack_both<R: Read>(&mut self, a: Option<R>, b: Option<R>) -> Result<[Vec<u8>; 2], Stop> {
        let a = self.unpack(a.ok_or(Stop::Unreadable)?)?;
        let b = self.unpack(b.ok_or(Stop::Unreadable)?)?;
        Ok([a, b])
    }

    /// All of a stream, within what may still be unpacked.
    fn unpack(&mut self, reader: impl Read) -> Result<Vec<u8>, Stop> {
        let mut bytes = Vec::new();
        reader.take(self.expanded + 1).read_to_end(&mut bytes).map_err(|_| Stop::Unreadable)?;
        self.spend(bytes.len() as u64)?;
        Ok(bytes)
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Stop> {
        match self.expanded.checked_sub(bytes) {
            Some(left) => {
                self.expanded = left;
                Ok(())
            }
            None => Err(Stop::Limit(format!("more than {} MiB when unpacked", EXPANDED_MAX >> 20))),
        }
    }

    fn member(&mut self) -> Result<(), Stop> {
        self.members = self
            .members
            .checked_sub(1)
            .ok_or_else(|| Stop::Limit(format!("more than {MEMBERS_MAX} members of archives")))?;
        Ok(())
    }

    fn tar(&mut self, path: &[u8], a: &[u8], b: &[u8], depth: usize) -> Result<(), Stop> {
        let (left, right) = (self.read_tar(a)?, self.read_tar(b)?);
        let mut findings = Findings::default();
        let open = compare(&mut findings, 0, [&left.0, &right.0], Depth::Archive);
        let mut wanted = open.wanted.iter().peekable();
        for (number, difference) in findings.differences.into_iter().enumerate() {
            match wanted.peek() {
                Some(next) if next.difference == number => {
                    let contents = [(&left.1, next.numbers[0]), (&right.1, next.numbers[1])];
                    let [x, y] = contents.map(|(all, number)| all.get(number as usize).map_or(&[][..], Vec::as_slice));
                    self.look(&join(path, &difference.path), x, y, depth + 1);
                    wanted.next();
                }
                _ => self.tell(embedded(path, difference)),
            }
        }
        Ok(())
    }

    /// The entries of a tar and their contents.
    fn read_tar(&mut self, bytes: &[u8]) -> Result<(Records, Vec<Vec<u8>>), Stop> {
        self.spend(bytes.len() as u64)?;
        let (mut reader, mut contents) = (Reader::default(), Vec::new());
        let mut stop = None;
        let scanned = layer::scan(&Extent::of_bytes(bytes.to_vec()), &Expect::default(), self.pool, &mut |event| {
            reader.event(&event);
            match event {
                Event::Entry(_) => {
                    contents.push(Vec::new());
                    if contents.len() > self.members {
                        stop = Some(Stop::Limit(format!("more than {MEMBERS_MAX} members of archives")));
                        return Err(crate::Error::interrupted());
                    }
                }
                Event::Content(bytes) => {
                    if let Some(content) = contents.last_mut() {
                        content.extend_from_slice(bytes);
                    }
                }
                _ => {}
            }
            Ok(())
        });
        if let Some(stop) = stop {
            return Err(stop);
        }
        scanned.map_err(|_| Stop::Unreadable)?;
        self.members -= contents.len();
        Ok((reader.finish(), contents))
    }
}

/// A difference in an archive, as one of the file that the archive is: its times are content here.
fn embedded(path: &[u8], difference: Difference) -> Inside {
    let class = if difference.class == Class::Time { Class::EmbeddedTime } else { difference.class };
    let inner = if difference.path.is_empty() { path.to_vec() } else { join(path, &difference.path) };
    let note = difference.note.map(String::from);
    Inside { path: inner, class, field: difference.field, values: difference.values, note, preview: None }
}

/// The path of what is in an archive. A zero stands between both, which no name of an entry holds: `!` may be a part
/// of a name.
fn join(path: &[u8], member: &[u8]) -> Vec<u8> {
    let member: Vec<u8> = member.iter().map(|byte| if *byte == 0 { b'?' } else { *byte }).collect();
    [path, b"\0", &member].concat()
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

fn is_archive(bytes: &[u8]) -> bool {
    matches!(bytes, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..])
        || is_tar(bytes)
        || archive::is_zip(bytes)
        || bytes.starts_with(ar::MAGIC)
}
