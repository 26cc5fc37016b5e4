//! Replacing the times in a zip archive: a jar, a wheel, an egg, a document of an office.
//!
//! Where the times are is known once the central directory has come, which is at the end; so the archive is kept in a
//! temporary file up to [`SPOOLED_MAX`]. Its members keep their places and their order.

mod bytecode;
mod names;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::fields;
use super::spooled::{Rewriter, Spooled};
use crate::error::Result;
use crate::format::zip::{Header, Layout, Local, Stop, Time, TimeField, dos_seconds, is_zip};
use crate::spool::Spools;
use crate::stamp::{Instant, Rule, Stamp};
use crate::tar::{ContentOut, ContentPatcher, Verdict};
use bytecode::Change;
use names::Names;

/// A larger archive is left as it is.
pub(super) const SPOOLED_MAX: u64 = 256 << 20;

/// Seconds from 1601 to 1970, and steps of a Windows time in a second.
const FILETIME_START: i64 = 11_644_473_600;
const FILETIME_STEPS: u64 = 10_000_000;

/// Names of archives that may have something before them: a script that runs them, mostly.
const NAMES: [&[u8]; 8] = [b".jar", b".war", b".ear", b".egg", b".pyz", b".pex", b".zip", b".whl"];

/// By its name, may this file be an archive with something before it? Others are known by their first bytes.
pub(super) fn may_have_prefix(name: &[u8]) -> bool {
    NAMES.iter().any(|end| name.ends_with(end))
}

/// Patches an archive once all of it has come.
#[derive(Debug)]
pub(super) struct ZipPatcher {
    times: Times,
    /// `None` if the archive is too large.
    content: Option<Spooled>,
}

impl ZipPatcher {
    /// For a file of this size.
    pub(super) fn new(stamp: Stamp, size: u64, spools: &Spools) -> Self {
        let content = (size <= SPOOLED_MAX).then(|| Spooled::new(spools.clone()));
        Self { times: Times { stamp }, content }
    }
}

impl ContentPatcher for ZipPatcher {
    fn label(&self) -> &'static str {
        "zip"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        match &mut self.content {
            Some(content) => content.write(bytes),
            None => out.put(bytes),
        }
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        let Some(content) = self.content.take() else {
            return Ok(Verdict::LeaveIt("it is larger than 256 MiB".to_owned()));
        };
        let plan = match Plan::of(&content, self.times) {
            Ok(plan) => plan,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Unsound(reason)) => {
                Rewriter::new(&content, out)?.finish()?;
                return Ok(Verdict::LeaveIt(reason.to_owned()));
            }
        };
        let mut rewriter = Rewriter::new(&content, out)?;
        let Some(plan) = plan else {
            rewriter.finish()?;
            return Ok(Verdict::Patched);
        };
        match plan.carry_out(&content, self.times, &mut rewriter) {
            Ok(()) => rewriter.finish()?,
            Err(Stop::Failed(error)) => return Err(error),
            // Was seen the first time.
            Err(Stop::Unsound(reason)) => {
                rewriter.finish()?;
                return Ok(Verdict::LeaveIt(reason.to_owned()));
            }
        }
        Ok(match plan.is_signed {
            true => Verdict::PatchedWithNote("it is signed: the signature is of the contents, not of times".to_owned()),
            false => Verdict::Patched,
        })
    }
}

/// What becomes of times in an archive.
#[derive(Debug, Clone, Copy)]
struct Times {
    stamp: Stamp,
}

impl Times {
    fn dos(self, value: u32) -> u32 {
        let epoch = dos_seconds(fields::epoch(self.stamp));
        match self.stamp.rule {
            // No writer means a time by it: there is no month 0.
            _ if value == 0 => value,
            Rule::Set => epoch,
            // A later time is a greater number, also where there is no such date.
            Rule::Clamp => value.min(epoch),
        }
    }

    fn unix(self, value: i32) -> i32 {
        fields::signed(self.stamp, value)
    }

    fn unsigned(self, value: u32) -> u32 {
        fields::unsigned(self.stamp, value)
    }

    fn filetime(self, value: u64) -> u64 {
        let seconds = i64::try_from(value / FILETIME_STEPS).unwrap_or(i64::MAX).saturating_sub(FILETIME_START);
        let nanos = u32::try_from(value % FILETIME_STEPS * 100).unwrap_or(0);
        if value == 0 || !self.stamp.replaces(Instant { seconds, nanos }) {
            return value;
        }
        let seconds = self.stamp.epoch.seconds().saturating_add(FILETIME_START.unsigned_abs());
        seconds.saturating_mul(FILETIME_STEPS)
    }

    /// What a time becomes, as it is written; `None` if it stays.
    fn replaced(self, time: Time) -> Option<Vec<u8>> {
        match time {
            Time::Dos(old) => Some(self.dos(old)).filter(|new| *new != old).map(|new| new.to_le_bytes().to_vec()),
            Time::Unix(old) => Some(self.unix(old)).filter(|new| *new != old).map(|new| new.to_le_bytes().to_vec()),
            Time::Filetime(old) => {
                Some(self.filetime(old)).filter(|new| *new != old).map(|new| new.to_le_bytes().to_vec())
            }
        }
    }

    fn changes(self, fields: &[TimeField]) -> bool {
        fields.iter().any(|field| self.replaced(field.time).is_some())
    }
}

/// What is to be written into an archive.
struct Plan {
    layout: Layout,
    /// By the place of the member's header in the directory.
    bytecode: HashMap<u64, Change>,
    is_signed: bool,
}

impl Plan {
    /// Reads the archive; `None` if nothing in it changes.
    fn of(content: &Spooled, times: Times) -> Result<Option<Self>, Stop> {
        let mut names = Names::default();
        let mut has_changes = false;
        let layout = Layout::read(content, &mut |header| {
            names.see(header);
            has_changes |= times.changes(&header.times);
        })?;
        let Some(layout) = layout else {
            return match starts_as_zip(content)? {
                true => Err(Stop::Unsound("it has no record at its end")),
                false => Ok(None),
            };
        };
        let mut bytecode = HashMap::new();
        layout.members(content, &mut |header, local| {
            has_changes |= times.changes(&local.times);
            if let Some(source) = names.source(&header.name)
                && let Some(change) = bytecode::change(source, times, header, local, content)?
            {
                bytecode.insert(header.at, change);
            }
            Ok(())
        })?;
        has_changes |= !bytecode.is_empty();
        if names.is_signed && !bytecode.is_empty() {
            return Err(Stop::Unsound("it is signed, and bytecode in it would change"));
        }
        match names.reason().filter(|_| has_changes) {
            Some(reason) => Err(Stop::Unsound(reason)),
            None => Ok(has_changes.then_some(Self { layout, bytecode, is_signed: names.is_signed })),
        }
    }

    /// Gives out the archive.
    fn carry_out(&self, content: &Spooled, times: Times, rewriter: &mut Rewriter<'_>) -> Result<(), Stop> {
        let mut write = |mut edits: Vec<(u64, Vec<u8>)>| -> Result<(), Stop> {
            edits.sort_unstable();
            for (at, new) in edits {
                rewriter.replace(at, &new)?;
            }
            Ok(())
        };
        self.layout.members(content, &mut |header, local: &Local| {
            let mut edits = self.edits(header, &local.times, &local.crcs, times);
            if let Some(change) = self.bytecode.get(&header.at) {
                edits.push((change.at, change.mtime.to_le_bytes().to_vec()));
            }
            write(edits)
        })?;
        self.layout
            .directory(content, &mut |header| write(self.edits(header, &header.times, &[header.crc_at()], times)))
    }

    /// What is written into a header with these times, and where the checksum is.
    fn edits(&self, header: &Header, own: &[TimeField], crcs: &[u64], times: Times) -> Vec<(u64, Vec<u8>)> {
        let mut edits: Vec<_> = own.iter().filter_map(|field| Some((field.at, times.replaced(field.time)?))).collect();
        if let Some(change) = self.bytecode.get(&header.at) {
            edits.extend(crcs.iter().map(|at| (*at, change.crc.to_le_bytes().to_vec())));
        }
        edits
    }
}

fn starts_as_zip(content: &Spooled) -> Result<bool, Stop> {
    use crate::format::zip::ReadAt;
    let mut head = vec![0; usize::try_from(content.size()).unwrap_or(usize::MAX).min(4)];
    content.read_at(0, &mut head)?;
    Ok(is_zip(&head))
}
