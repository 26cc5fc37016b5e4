//! What `restamp rewrite --repair` makes of two files that differ: tried on their bytes, as only that is certain.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::causes::by_content::{AR_FILE, TAR_FILE, ZIP_FILE};
use crate::causes::{Class, GZIP_FILE};
use crate::diff::content::{InnerDifference, Named};
use crate::diff::mend::{Mend, MendSet, Mends};
use crate::error::Result;
use crate::layer;
use crate::repair::copies::CopyKind;
use crate::repair::own::{OwnFormats, OwnTimes};
use crate::repair::replaced::{is_replaced, replacement};
use crate::repair::toc_patcher;
use crate::spool::Spools;
use crate::stamp::{Epoch, Stamp};
use crate::tar::{ContentOut, ContentPatcher, REPLACED_MAX, TOC_NAME, Verdict};

/// Any epoch will do, as both sides get the same: no file has it by chance.
const EPOCH: u64 = 1_234_567_891;

/// The kinds of files whose own times are replaced.
const KINDS: [Mend; 5] = [Mend::Gzip, Mend::Zip, Mend::Ar, Mend::Tar, Mend::Jks];

/// Two files, as rewriting sees them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'f> {
    pub(super) path: &'f [u8],
    pub(super) contents: [&'f [u8]; 2],
    /// May they get another size?
    pub(super) are_resizable: bool,
}

/// Tries repairs.
#[derive(Debug)]
pub(super) struct Trial<'s> {
    pub(super) spools: &'s Spools,
}

impl Trial<'_> {
    /// Says of what was found inside two files which repairs make it go away. `compare` says what differs in other contents.
    pub(super) fn mend(
        &self,
        files: Files<'_>,
        found: &mut [InnerDifference],
        mut compare: impl FnMut(&[u8], &[u8]) -> Vec<InnerDifference>,
    ) {
        if files.path == TOC_NAME {
            if let Some([a, b]) = self.tables(files)
                && a == b
            {
                for inner in found.iter_mut() {
                    let times =
                        InnerDifference::new(files.path, Class::Time, "times in the table of contents", [None, None]);
                    *inner = InnerDifference { mends: Mends::by(Mend::Rewrite), ..times };
                }
            }
            return;
        }
        let all = MendSet::of(&KINDS);
        let Some(patched) = self.patched(files, all) else { return };
        let is_changed = patched.iter().zip(files.contents).any(|(new, old)| **new != *old);
        if !is_changed {
            return;
        }
        if patched[0] == patched[1] {
            let set = self.fewest(all, |set| self.patched(files, set).is_some_and(|[a, b]| a == b));
            if is_replaced(files.path) {
                // It may have been packed by another program. Where only a header of gzip differs, its repair does as well.
                let gzip = MendSet::of(&[Mend::Gzip]);
                let is_enough = self.patched(files, gzip).is_some_and(|[a, b]| a == b);
                let other = if is_enough { Mends::by_all(gzip) } else { Mends::NONE };
                found.iter_mut().for_each(|inner| inner.mends = other.or(set));
            } else {
                found.iter_mut().for_each(|inner| only_times(inner, set));
            }
            return;
        }
        let key = |inner: &InnerDifference| (inner.path.clone(), inner.class, inner.field.clone());
        let mut keys = |set| -> Option<HashSet<_>> {
            let [a, b] = self.patched(files, set)?;
            Some(compare(&a, &b).iter().map(key).collect())
        };
        let before: HashSet<_> = found.iter().map(key).collect();
        let Some(left) = keys(all).filter(|left| left.len() < before.len() && left.is_subset(&before)) else { return };
        let set = self.fewest(all, |set| keys(set).is_some_and(|found| found == left));
        for inner in found.iter_mut().filter(|inner| !left.contains(&key(inner))) {
            inner.mends = Mends::by_all(set);
            name(inner, set);
        }
    }

    /// The fewest of these that are as good as all: each that is not needed is left out.
    fn fewest(&self, all: MendSet, mut is_enough: impl FnMut(MendSet) -> bool) -> MendSet {
        KINDS.into_iter().fold(all, |set, kind| {
            let less = set.less(kind);
            if is_enough(less) { less } else { set }
        })
    }

    /// Both files with these repairs.
    fn patched<'f>(&self, files: Files<'f>, set: MendSet) -> Option<[Cow<'f, [u8]>; 2]> {
        let [a, b] = files.contents;
        Some([self.one(files, a, set)?, self.one(files, b, set)?])
    }

    /// Both tables of contents of eStargz, as every rewriting makes them.
    fn tables(&self, files: Files<'_>) -> Option<[Vec<u8>; 2]> {
        let table = |content: &[u8]| {
            let (mut patcher, mut new) = (toc_patcher(stamp()?), New(Vec::with_capacity(content.len())));
            patcher.patch(content, &mut new).ok()?;
            patcher.finish(&mut new).ok()?;
            Some(new.0)
        };
        let [a, b] = files.contents;
        Some([table(a)?, table(b)?])
    }

    fn one<'f>(&self, files: Files<'f>, content: &'f [u8], set: MendSet) -> Option<Cow<'f, [u8]>> {
        if set.has(Mend::Tar) && is_replaced(files.path) {
            let may_be = files.are_resizable && (1..=REPLACED_MAX).contains(&(content.len() as u64));
            let new = if may_be { replacement(content, stamp()?, layer::gzip).ok()? } else { None };
            return Some(new.map_or(Cow::Borrowed(content), Cow::Owned));
        }
        let Some(mut patcher) = self.patcher(files.path, content.len() as u64, set) else {
            return Some(Cow::Borrowed(content));
        };
        let mut new = New(Vec::with_capacity(content.len()));
        patcher.patch(content, &mut new).ok()?;
        match patcher.finish(&mut new).ok()? {
            Verdict::LeaveIt(_) => Some(Cow::Borrowed(content)),
            Verdict::Patched | Verdict::PatchedWithNote(_) => Some(Cow::Owned(new.0)),
        }
    }

    /// What patches a file of this path and size; `None` if it stays.
    pub(super) fn patcher(&self, path: &[u8], size: u64, set: MendSet) -> Option<Box<dyn ContentPatcher>> {
        if CopyKind::of_path(path).is_some() {
            return None;
        }
        let formats = OwnFormats {
            gzip: set.has(Mend::Gzip),
            zip: set.has(Mend::Zip),
            ar: set.has(Mend::Ar),
            tar: set.has(Mend::Tar),
            jks: set.has(Mend::Jks),
        };
        OwnTimes::new(formats, self.spools.clone()).for_file(path, size, stamp()?)
    }
}

fn stamp() -> Option<Stamp> {
    Epoch::from_seconds(EPOCH).ok().map(Stamp::set)
}

/// What differs is nothing but times that these repairs set.
pub(super) fn only_times(inner: &mut InnerDifference, set: MendSet) {
    inner.mends = Mends::by_all(set);
    if inner.class != Class::EmbeddedTime {
        let list = set.arguments(|_| Vec::new()).join(" ");
        let note = Some(format!("nothing but times differs: {list} sets all of them"));
        let new = InnerDifference::new(&inner.path, Class::EmbeddedTime, "times in the file", [None, None]);
        *inner = InnerDifference { note, mends: inner.mends, ..new };
    }
    name(inner, set);
}

/// Names the cause of a time in a file.
fn name(inner: &mut InnerDifference, set: MendSet) {
    let causes = [(Mend::Tar, &TAR_FILE), (Mend::Zip, &ZIP_FILE), (Mend::Ar, &AR_FILE), (Mend::Gzip, &GZIP_FILE)];
    if inner.class == Class::EmbeddedTime && inner.cause.is_none() {
        let cause = causes.into_iter().find(|(mend, _)| set.has(*mend));
        inner.cause = cause.map(|(_, cause)| Named::below_path(cause));
    }
}

/// The patched content.
struct New(Vec<u8>);

impl ContentOut for New {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn replaced(&mut self, _: u64, _: &[u8], _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// A repair of a file that is too large to be held.
#[derive(Debug)]
pub(super) struct LargeTrial {
    patcher: Box<dyn ContentPatcher>,
    new: Hashed,
    /// What it was taken for, once that is certain.
    kind: Option<Mend>,
    has_failed: bool,
}

/// A hash of the patched content.
#[derive(Debug, Default)]
struct Hashed(blake3::Hasher);

impl ContentOut for Hashed {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.update(bytes);
        Ok(())
    }

    fn replaced(&mut self, _: u64, _: &[u8], _: &[u8]) -> Result<()> {
        Ok(())
    }
}

impl LargeTrial {
    /// Those of a file of this path and size. Of files in a tar nothing is repaired: which of several repairs it needs would
    /// take as many readings.
    pub(super) fn all(path: &[u8], size: u64, spools: &Spools) -> Vec<Self> {
        let trial = Trial { spools };
        let sets = [MendSet::of(&[Mend::Gzip, Mend::Zip, Mend::Ar, Mend::Jks]), MendSet::of(&[Mend::Tar])];
        let patchers = sets.into_iter().filter_map(|set| trial.patcher(path, size, set));
        let new = |patcher| Self { patcher, new: Hashed::default(), kind: None, has_failed: false };
        if is_replaced(path) { Vec::new() } else { patchers.map(new).collect() }
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        self.has_failed = self.has_failed || self.patcher.patch(piece, &mut self.new).is_err();
    }

    pub(super) fn end(&mut self) {
        let label = self.patcher.label();
        let kinds =
            [("gzip", Mend::Gzip), ("zip", Mend::Zip), ("ar", Mend::Ar), ("jks", Mend::Jks), ("tar", Mend::Tar)];
        let verdict = if self.has_failed { None } else { self.patcher.finish(&mut self.new).ok() };
        let is_patched = matches!(verdict, Some(Verdict::Patched | Verdict::PatchedWithNote(_)));
        self.kind = kinds.into_iter().find(|(name, _)| *name == label && is_patched).map(|(_, kind)| kind);
    }

    /// The repair by which both files become the same.
    pub(super) fn same_as(&self, other: &Self) -> Option<Mend> {
        self.kind.filter(|_| self.kind == other.kind && self.new.0.finalize() == other.new.0.finalize())
    }
}
