//! Python bytecode in a zip archive, beside its source: what its time becomes.
//!
//! `zipimport` takes bytecode for fresh where its mtime is that of the source in the directory, give or take a second, and
//! its size the source's. It takes MS-DOS times for local ones, here they are UTC, as in a container as a rule. Who unpacks
//! the archive may set the mtime of an extended timestamp instead. What was fresh stays fresh, what was stale stays stale.

use flate2::{Crc, Decompress, FlushDecompress};

use super::Times;
use super::names::Source;
use crate::blob::CHUNK;
use crate::format::pyc::{HEADER, SourceStamp, source_stamp};
use crate::format::zip::{Header, Local, ReadAt, Stop, seconds_of_dos};
use crate::memory;

/// How much of a compressed member is read to see its first bytes.
const DEFLATED: u64 = 4 << 10;

/// What is written into bytecode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// Where in the archive its mtime is.
    pub(super) at: u64,
    /// What that becomes.
    pub(super) mtime: u32,
    /// What the checksum of the member becomes.
    pub(super) crc: u32,
}

/// What becomes of bytecode with this source; `None` if it stays.
pub(super) fn change(
    source: &Source,
    times: Times,
    header: &Header,
    local: &Local,
    archive: &dyn ReadAt,
) -> Result<Option<Change>, Stop> {
    let head = head(header, local, archive)?;
    let Some(stamp) = source_stamp(&head) else {
        return match header.method {
            0 | 8 => Ok(None),
            _ => Err(Stop::Unsound("it holds bytecode that is compressed in a way that is not read")),
        };
    };
    if !source.is_only {
        return Err(Stop::Unsound("it holds bytecode with two sources that have the same name"));
    }
    let new_source =
        Source { dos: times.dos(source.dos), mtime: source.mtime.map(|mtime| times.unix(mtime)), ..*source };
    if !fits(stamp, source) {
        return match fits(stamp, &new_source) {
            true => Err(Stop::Unsound("it holds bytecode that is stale, and would become valid")),
            false => Ok(None),
        };
    }
    // Before 1980 there are no MS-DOS times.
    let dos = seconds_of_dos(new_source.dos).and_then(|seconds| u32::try_from(seconds).ok());
    let new =
        [Some(times.unsigned(stamp.mtime)), dos].into_iter().flatten().map(|mtime| SourceStamp { mtime, ..stamp });
    let new =
        new.clone().find(|new| is_near(*new, &new_source)).or_else(|| new.clone().find(|new| fits(*new, &new_source)));
    let Some(new) = new else {
        return Err(Stop::Unsound("it holds bytecode that would become stale"));
    };
    if new.mtime == stamp.mtime {
        return Ok(None);
    }
    if header.method != 0 {
        return Err(Stop::Unsound("it holds compressed bytecode, which would become stale"));
    }
    let at = local.data.start.saturating_add(stamp.mtime_at as u64);
    let [old, crc] = checksums(local, archive, at, new.mtime)?;
    if old != header.crc || local.crcs.is_empty() {
        return Err(Stop::Unsound("the checksum of bytecode in it does not match"));
    }
    Ok(Some(Change { at, mtime: new.mtime, crc }))
}

/// Is its mtime that of the source for `zipimport`?
fn is_near(stamp: SourceStamp, source: &Source) -> bool {
    seconds_of_dos(source.dos).is_some_and(|seconds| (i64::from(stamp.mtime) - seconds).abs() <= 1)
}

/// Does `zipimport` take bytecode that says this for fresh, or would Python after unpacking?
fn fits(stamp: SourceStamp, source: &Source) -> bool {
    let is_mtime = |mtime: i32| i64::from(stamp.mtime) == i64::from(mtime);
    stamp.size.is_none_or(|size| size == source.size) && (is_near(stamp, source) || source.mtime.is_some_and(is_mtime))
}

/// The first bytes of a member; none where it can't be read.
fn head(header: &Header, local: &Local, archive: &dyn ReadAt) -> Result<Vec<u8>, Stop> {
    let length = local.data.end.saturating_sub(local.data.start);
    let length = length.min(if header.method == 0 { HEADER as u64 } else { DEFLATED });
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    archive.read_at(local.data.start, &mut bytes)?;
    match header.method {
        0 => Ok(bytes),
        8 => {
            let mut head = [0; HEADER];
            let mut inflate = Decompress::new(false);
            let is_ok = inflate.decompress(&bytes, &mut head, FlushDecompress::None).is_ok();
            let count = usize::try_from(inflate.total_out()).unwrap_or(0);
            Ok(head.get(..count).filter(|_| is_ok).unwrap_or_default().to_vec())
        }
        _ => Ok(Vec::new()),
    }
}

/// The checksum of a stored member, as it is and with this mtime in it.
fn checksums(local: &Local, archive: &dyn ReadAt, mtime_at: u64, mtime: u32) -> Result<[u32; 2], Stop> {
    let mut crcs = [Crc::new(), Crc::new()];
    let mut buffer = memory::zeros(CHUNK)?;
    let mut at = local.data.start;
    while at < local.data.end {
        let left = usize::try_from(local.data.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let step = left.min(buffer.len());
        let Some(bytes) = buffer.get_mut(..step) else { break };
        archive.read_at(at, bytes)?;
        let [old, new] = &mut crcs;
        old.update(bytes);
        // It is in the header, and so in the first piece.
        let place = usize::try_from(mtime_at.saturating_sub(at)).ok().filter(|_| at <= mtime_at);
        if let Some(place) = place.and_then(|from| bytes.get_mut(from..from.checked_add(4)?)) {
            place.copy_from_slice(&mtime.to_le_bytes());
        }
        new.update(bytes);
        at = at.saturating_add(step as u64);
    }
    Ok(crcs.map(|crc| crc.sum()))
}
