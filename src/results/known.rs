//! What a log has of each operator and image, so that no statement gets a second line, and none that was left over changes
//! what an operator says.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Identity, Said, Verdict, signed};
use super::folder::Folder;
use crate::digest::Digest;
use crate::error::Result;
use crate::signing::bundle;
use crate::statement::time_of;
use crate::trust::Trust;

/// By image and operator.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<(Digest, String), Lines>);

/// The lines of an operator about an image.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where their bundles are, until they are read.
    unread: Vec<(String, Digest)>,
    statements: BTreeSet<Identity>,
    /// A bundle can't be read, so that it can't be told which statements there are.
    is_damaged: bool,
    /// The time and number of the newest, and its verdict.
    newest: Option<((i64, u64), Verdict)>,
}

impl Known {
    pub fn of(entries: &[Entry]) -> Result<Self> {
        let mut known = Self::default();
        for entry in entries {
            known.note(entry)?.unread.push((entry.path.clone(), entry.bundle));
        }
        Ok(known)
    }

    /// A line that was written now.
    pub fn add(&mut self, entry: &Entry, statement: Identity) -> Result<()> {
        self.note(entry)?.statements.insert(statement);
        Ok(())
    }

    fn note(&mut self, entry: &Entry) -> Result<&mut Lines> {
        let key = (time_of(&entry.time, "time of a line")?, entry.seq);
        let lines = self.0.entry((entry.subject, entry.operator.clone())).or_default();
        if lines.newest.is_none_or(|(newest, _)| key >= newest) {
            lines.newest = Some((key, entry.verdict));
        }
        Ok(lines)
    }

    /// What there is of the operator and image of a statement. Bundles are read once, and only those that are asked for.
    pub fn lines(&mut self, said: &Said, folder: &Folder, trust: &Trust) -> &Lines {
        let lines = self.0.entry((said.subject, said.operator.clone())).or_default();
        for (path, digest) in std::mem::take(&mut lines.unread) {
            let bytes = folder.read(&path, bundle::MAX as u64).ok().flatten();
            match bytes.filter(|bytes| bundle::digest(bytes) == digest) {
                // One by a key that is not trusted any more can't come again.
                Some(bytes) => lines.statements.extend(signed(&bytes, trust).ok().map(|(_, statement)| statement)),
                None => lines.is_damaged = true,
            }
        }
        lines
    }
}

impl Lines {
    pub fn has(&self, statement: &Identity) -> bool {
        self.statements.contains(statement)
    }

    /// Can a time that is in the name of a file, and that nobody has signed, be that of its adding?
    pub fn can_be_added_at(&self, time: i64, now: i64) -> bool {
        time <= now && self.newest.is_none_or(|((newest, _), _)| newest <= time)
    }

    /// May a bundle that has no line get one, when nobody has given it? Whoever can write to the folder can put an old one there.
    /// So what its operator says now stays: a statement that has a time of its own counts by that; of others, nobody knows
    /// whether they are newer.
    pub fn takes_left_over(&self, said: &Said, time: i64, now: i64) -> bool {
        let is_as_before = self.newest.is_none_or(|(_, verdict)| verdict == said.verdict);
        let fits = match said.time {
            Some(time) => time <= now,
            None => self.can_be_added_at(time, now) && is_as_before,
        };
        !self.is_damaged && fits
    }
}
