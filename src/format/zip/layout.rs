//! Where the headers of an archive are, and the times in them, for callers that write there: an archive of which two
//! readers could see different members is refused.

use std::ops::Range;

use super::end::{Directory, directory, long, longer};
use super::extra::{self, Time};
use super::source::{ReadAt, Stop, Window};
use super::{CENTRAL_LENGTH, CENTRAL_MARK, LOCAL_LENGTH, LOCAL_MARK, short};

/// More members are not read.
const ENTRIES_MAX: u64 = 1 << 18;
/// How much is read at a time: of the directory, and of the rest.
const STEPS: [usize; 2] = [8 << 10, 32 << 10];

/// Flags (4.4.4): encrypted, sizes are after the data, strongly encrypted, encrypted headers.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// What a descriptor begins with, as a rule.
const DESCRIPTOR_MARK: [u8; 4] = *b"PK\x07\x08";
/// How the first part of a split archive begins, or one that could have been split.
const SPLIT_MARKS: [[u8; 4]; 2] = [DESCRIPTOR_MARK, *b"PK00"];
/// What stands in front of the directory of a signed Android package.
const SIGNING_BLOCK_MARK: &[u8] = b"APK Sig Block 42";

/// A time in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeField {
    /// Where it is in the archive.
    pub at: u64,
    /// Its value.
    pub time: Time,
}

/// A header in the directory.
#[derive(Debug)]
pub struct Header {
    /// Where it begins.
    pub at: u64,
    /// The name.
    pub name: Vec<u8>,
    /// How the data is compressed: 0 is not at all, 8 is DEFLATE.
    pub method: u16,
    /// The checksum of the content.
    pub crc: u32,
    /// The size of the content.
    pub size: u64,
    /// The MS-DOS time and date first, then those in extra fields, in their order.
    pub times: Vec<TimeField>,
    /// The time of the last change in an extended timestamp.
    pub mtime: Option<i32>,
    flags: u16,
    compressed: u64,
    /// Where the header before the data is.
    local: u64,
    /// All its bytes.
    length: u64,
}

impl Header {
    /// Where the checksum is.
    pub fn crc_at(&self) -> u64 {
        self.at.saturating_add(16)
    }
}

/// A header before the data.
#[derive(Debug)]
pub struct Local {
    /// As those of the header in the directory.
    pub times: Vec<TimeField>,
    /// Where the checksum is, in this header and in the descriptor: where it is said at all.
    pub crcs: Vec<u64>,
    /// Where the data is.
    pub data: Range<u64>,
    /// Where this header begins, and where the member ends.
    pub range: Range<u64>,
}

/// Where the headers are.
#[derive(Debug)]
pub struct Layout {
    /// Of each member where the header before its data is, and the one in the directory, in the order of the former.
    members: Vec<(u64, u64)>,
    directory: Range<u64>,
}

impl Layout {
    /// Reads the directory, and shows each header of it. `None` if there is no archive here.
    ///
    /// # Errors
    ///
    /// The archive is not sound, or can't be read.
    pub fn read(source: &dyn ReadAt, seen: &mut dyn FnMut(&Header)) -> Result<Option<Self>, Stop> {
        let Some(Directory { range, entries, prefix }) = directory(source)? else { return Ok(None) };
        let mut head = [0; 4];
        source.read_at(0, &mut head)?;
        if SPLIT_MARKS.contains(&head) {
            return Err(Stop::Unsound("it is a part of a split archive"));
        }
        if entries > ENTRIES_MAX {
            return Err(Stop::Unsound("it has more than 262,144 members"));
        }
        if let Some(at) = range.start.checked_sub(SIGNING_BLOCK_MARK.len() as u64) {
            let mut bytes = [0; 16];
            source.read_at(at, &mut bytes)?;
            if bytes == SIGNING_BLOCK_MARK {
                return Err(Stop::Unsound("it is signed as a whole, as Android packages are"));
            }
        }
        let mut members = Vec::new();
        let mut window = Window::new(source, STEPS[0]);
        let mut at = range.start;
        while at < range.end {
            let header = central(&mut window, at, prefix)?;
            at = at.saturating_add(header.length);
            seen(&header);
            members.push((header.local, header.at));
            if members.len() as u64 > entries {
                break;
            }
        }
        if at != range.end || members.len() as u64 != entries {
            return Err(Stop::Unsound("its directory is damaged"));
        }
        members.sort_unstable();
        Ok(Some(Self { members, directory: range }))
    }

    /// Shows both headers of each member, in the order in which the members are in the archive.
    ///
    /// # Errors
    ///
    /// Those of `seen`; headers contradict each other, members overlap, or the archive can't be read.
    pub fn members(
        &self,
        source: &dyn ReadAt,
        seen: &mut dyn FnMut(&Header, &Local) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let [mut centrals, mut locals] = STEPS.map(|step| Window::new(source, step));
        let mut end = 0;
        for (at, central_at) in &self.members {
            let header = central(&mut centrals, *central_at, 0)?;
            let local = local(&mut locals, *at, &header, self.directory.start)?;
            if local.range.start < end {
                return Err(Stop::Unsound("members of it overlap"));
            }
            end = local.range.end;
            seen(&header, &local)?;
        }
        Ok(())
    }

    /// Shows the headers of the directory, in their order.
    ///
    /// # Errors
    ///
    /// Those of `seen`, or the archive can't be read.
    pub fn directory(
        &self,
        source: &dyn ReadAt,
        seen: &mut dyn FnMut(&Header) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut window = Window::new(source, STEPS[0]);
        let mut at = self.directory.start;
        while at < self.directory.end {
            let header = central(&mut window, at, 0)?;
            at = at.saturating_add(header.length);
            seen(&header)?;
        }
        Ok(())
    }
}

const DAMAGED: &str = "its directory is damaged";

/// Reads a header in the directory. The offset in it does not count the prefix.
fn central(window: &mut Window<'_>, at: u64, prefix: u64) -> Result<Header, Stop> {
    let fixed = window.get(at, CENTRAL_LENGTH, DAMAGED)?;
    let shorts = |at| short(fixed, at).unwrap_or(0);
    let [name, extra, comment] = [28, 30, 32].map(shorts);
    let length = CENTRAL_LENGTH + name + extra + comment;
    let bytes = window.get(at, length, DAMAGED)?;
    if !bytes.starts_with(&CENTRAL_MARK) {
        return Err(Stop::Unsound(DAMAGED));
    }
    let [flags, method, disk] = [8, 10, 34].map(|at| short(bytes, at).unwrap_or(0) as u16);
    let [dos, crc, compressed, size, local] = [12, 16, 20, 24, 42].map(|at| long(bytes, at).unwrap_or(0));
    let extra_at = CENTRAL_LENGTH + name;
    let extra = bytes.get(extra_at..extra_at + extra).unwrap_or_default();
    // In this order, and only those that do not fit (4.5.3).
    let [size, compressed, local] = zip64(extra, [size, compressed, local])?;
    if flags & ENCRYPTED != 0 {
        return Err(Stop::Unsound("members of it are encrypted"));
    }
    if disk != 0 {
        return Err(Stop::Unsound("it is a part of a split archive"));
    }
    Ok(Header {
        at,
        name: bytes.get(CENTRAL_LENGTH..extra_at).unwrap_or_default().to_vec(),
        method,
        crc: crc as u32,
        size,
        times: times(at, (12, dos), extra_at, extra),
        mtime: extra::mtime(extra),
        flags,
        compressed,
        local: local.checked_add(prefix).ok_or(Stop::Unsound(DAMAGED))?,
        length: length as u64,
    })
}

/// Reads the header before the data of a member.
fn local(window: &mut Window<'_>, at: u64, header: &Header, limit: u64) -> Result<Local, Stop> {
    const DAMAGED: &str = "the header of a member is damaged";
    const CONTRADICTION: Stop = Stop::Unsound("the headers of a member contradict each other");
    let fixed = window.get(at, LOCAL_LENGTH, DAMAGED)?;
    let [name, extra] = [26, 28].map(|at| short(fixed, at).unwrap_or(0));
    let length = LOCAL_LENGTH + name + extra;
    let bytes = window.get(at, length, DAMAGED)?;
    if !bytes.starts_with(&LOCAL_MARK) {
        return Err(Stop::Unsound(DAMAGED));
    }
    let [flags, method] = [6, 8].map(|at| short(bytes, at).unwrap_or(0) as u16);
    let [dos, crc, compressed, size] = [10, 14, 18, 22].map(|at| long(bytes, at).unwrap_or(0));
    let extra_at = LOCAL_LENGTH + name;
    let extra = bytes.get(extra_at..extra_at + extra).unwrap_or_default();
    let is_after = flags & HAS_DESCRIPTOR != 0;
    let own_crc = crc == u64::from(header.crc);
    let is_same = bytes.get(LOCAL_LENGTH..extra_at) == Some(&header.name[..])
        && (flags ^ header.flags) & (ENCRYPTED | HAS_DESCRIPTOR) == 0
        && method == header.method
        && (own_crc || is_after && crc == 0);
    let is_same_size = is_after || zip64(extra, [size, compressed, 0])? == [header.size, header.compressed, 0];
    if !is_same || !is_same_size {
        return Err(CONTRADICTION);
    }
    let times = times(at, (10, dos), extra_at, extra);
    let start = at.saturating_add(length as u64);
    let end = start.checked_add(header.compressed).filter(|end| *end <= limit);
    let mut range = at..end.ok_or(Stop::Unsound("a member of it is cut off"))?;
    let data = start..range.end;
    let mut crcs = Vec::new();
    if own_crc {
        crcs.push(at.saturating_add(14));
    }
    // Some writers announce a descriptor that is not there.
    if is_after && let Some((crc, end)) = descriptor(window, range.end, header)?.filter(|(_, end)| *end <= limit) {
        range.end = end;
        crcs.push(crc);
    }
    Ok(Local { times, crcs, data, range })
}

/// Where in the descriptor after the data (4.3.9) the checksum is, and where it ends. It has a mark or not, sizes of 4 or 8
/// bytes, and says what the directory says.
fn descriptor(window: &mut Window<'_>, at: u64, header: &Header) -> Result<Option<(u64, u64)>, Stop> {
    let Header { crc, compressed, size, .. } = header;
    for mark in [&DESCRIPTOR_MARK[..], b""] {
        for width in [4, 8] {
            let sizes = [compressed, size].map(|size| size.to_le_bytes());
            let sizes = sizes.each_ref().map(|size| size.get(..width).unwrap_or_default()).concat();
            let expected = [mark, &crc.to_le_bytes(), &sizes].concat();
            match window.get(at, expected.len(), "") {
                Ok(found) if found == expected => {
                    let crc_at = at.saturating_add(mark.len() as u64);
                    return Ok(Some((crc_at, at.saturating_add(expected.len() as u64))));
                }
                Ok(_) | Err(Stop::Unsound(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
    }
    Ok(None)
}

/// The times of a header at this place, whose MS-DOS time and extra fields are these.
fn times(at: u64, (dos_at, dos): (u64, u64), extra_at: usize, extra: &[u8]) -> Vec<TimeField> {
    let dos = TimeField { at: at.saturating_add(dos_at), time: Time::Dos(dos as u32) };
    let extra_at = at.saturating_add(extra_at as u64);
    let others = extra::times(extra).map(|(at, time)| TimeField { at: extra_at.saturating_add(at as u64), time });
    std::iter::once(dos).chain(others).collect()
}

/// Values that do not fit in a header are in an extra field of Zip64, one after the other.
fn zip64<const N: usize>(extra: &[u8], mut values: [u64; N]) -> Result<[u64; N], Stop> {
    let mut fields = extra::fields(extra).filter(|(id, _)| *id == extra::ZIP64).map(|(_, data)| data);
    let mut data = fields.next().and_then(|data| extra.get(data)).unwrap_or_default();
    if fields.next().is_some() {
        return Err(Stop::Unsound("the headers of a member contradict each other"));
    }
    for value in &mut values {
        if *value == u64::from(u32::MAX) {
            *value = longer(data, 0).ok_or(Stop::Unsound("the size or place of a member is missing"))?;
            data = data.get(8..).unwrap_or_default();
        }
    }
    Ok(values)
}
