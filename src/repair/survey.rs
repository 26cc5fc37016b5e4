//! How many copies of mtimes an image has, and which of them are stale or right by mistake.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::error::{Result, printable};
use crate::repair::copies::CopyKind;
use crate::repair::notes::Notes;
use crate::repair::root::{self, RootCopy};
use crate::stamp::Instant;

/// Copies of one kind, in the root filesystem of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CopyCounts {
    /// All of them.
    pub copies: u64,
    /// They hold the mtime of their original, so that the program which reads them takes them for up to date.
    pub fresh: u64,
    /// They do not, so that the program makes them again.
    pub stale: u64,
    /// Those of the stale ones that only a time keeps from being fresh: their original's mtime has changed since.
    pub left_behind: u64,
    /// They are taken for up to date, and a layer above has put something else in place of what they were made of.
    pub wrongly_fresh: u64,
    /// What they are a copy of is not there.
    pub alone: u64,
}

/// What is wrong with a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CopyFault {
    /// It does not hold what its original has: the program that reads it makes it again.
    Stale,
    /// It holds what its original has, but was made of another one: the program that reads it uses what is old.
    WronglyFresh,
}

/// A copy with which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FaultyCopy {
    /// The number of its layer in the image, from 0, the lowest.
    pub layer: usize,
    /// Its path.
    pub path: String,
    /// That of what it is a copy of, where it is known.
    pub original: Option<String>,
    /// What kind of copy.
    pub kind: CopyKind,
    /// What is wrong.
    pub fault: CopyFault,
    /// The mtime that it holds.
    pub holds: String,
    /// The mtime of what it is a copy of.
    pub mtime: String,
}

/// What there is of copies of mtimes in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Survey {
    /// By kind.
    pub counts: BTreeMap<CopyKind, CopyCounts>,
    /// Those with which something is wrong, by layer and in the order of that.
    pub faults: Vec<FaultyCopy>,
    /// How many more there are.
    pub not_listed: u64,
}

impl Survey {
    /// Of the layers of an image, the lowest first; so many faults are listed.
    pub(crate) fn of(layers: &[&Notes], limit: usize) -> Result<Self> {
        let mut survey = Self::default();
        let mut faults: Vec<(RootCopy, CopyFault)> = Vec::new();
        root::each_copy(layers, |copy| {
            let counts = survey.counts.entry(copy.value.kind).or_default();
            counts.copies += 1;
            let Some(original) = copy.original else {
                counts.alone += 1;
                return Ok(());
            };
            let fault = match (copy.is_fresh(), copy.is_outdated) {
                (true, false) => {
                    counts.fresh += 1;
                    return Ok(());
                }
                (true, true) => {
                    counts.wrongly_fresh += 1;
                    CopyFault::WronglyFresh
                }
                (false, _) => {
                    counts.stale += 1;
                    let own = Instant { seconds: copy.value.seconds, nanos: 0 };
                    counts.left_behind += u64::from(!copy.is_outdated && copy.value.fits(own, original.size));
                    CopyFault::Stale
                }
            };
            if faults.len() < limit {
                faults.push((*copy, fault));
            } else {
                survey.not_listed += 1;
            }
            Ok(())
        })?;
        faults.sort_unstable_by_key(|(copy, _)| (copy.layer, copy.offset));
        survey.list(layers, &faults)?;
        Ok(survey)
    }

    fn list(&mut self, layers: &[&Notes], faults: &[(RootCopy, CopyFault)]) -> Result<()> {
        for of_layer in faults.chunk_by(|(a, _), (b, _)| a.layer == b.layer) {
            let Some((first, _)) = of_layer.first() else { continue };
            let offsets: HashSet<u64> = of_layer.iter().map(|(copy, _)| copy.offset).collect();
            let named = match layers.get(first.layer) {
                Some(notes) => root::names(notes, &offsets)?,
                None => Vec::new(),
            };
            let mut names: HashMap<u64, root::NamedCopy> = named.into_iter().collect();
            for (copy, fault) in of_layer {
                let Some(named) = names.remove(&copy.offset) else { continue };
                let holds =
                    Instant { seconds: copy.value.seconds, nanos: u32::try_from(copy.value.nanos).unwrap_or(0) };
                self.faults.push(FaultyCopy {
                    layer: copy.layer,
                    path: printable(&named.path),
                    original: named.original.map(|original| printable(&original)),
                    kind: copy.value.kind,
                    fault: *fault,
                    holds: holds.to_string(),
                    mtime: copy.original.map(|original| original.mtime.to_string()).unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// How many copies have something wrong with them.
    pub fn faulty(&self) -> u64 {
        self.counts.values().map(|counts| counts.stale + counts.wrongly_fresh).sum()
    }

    /// How many copies are taken for up to date and are not.
    pub fn wrongly_fresh(&self) -> u64 {
        self.counts.values().map(|counts| counts.wrongly_fresh).sum()
    }

    /// How many copies are stale merely because an mtime has moved.
    pub fn left_behind(&self) -> u64 {
        self.counts.values().map(|counts| counts.left_behind).sum()
    }
}
