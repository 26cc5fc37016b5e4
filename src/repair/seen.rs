//! Notes on a layer's entries besides copies of mtimes: files for which only the whole layer or image decides what is
//! done, and files to warn of.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::{Error, Result, printable};
use crate::repair::path::{PathKey, normal, short_hash};
use crate::repair::rules::{Omitted, OwnMtimes, Special, by_content};
use crate::repair::signs::{Compiled, Sign, dates_packages};
use crate::stamp::{Instant, Stamp};
use crate::tar::{Entry, Part, Step, Visitor};

/// A layer may have so many entries that something special is done with.
pub const SPECIALS_MAX: usize = 1_000_000;

/// So many dates of packages are said.
const DATES_MAX: usize = 100;

/// What was seen in a layer.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Files to warn of: how many, and the first one.
    pub signs: BTreeMap<Sign, (u64, String)>,
    /// The earliest and latest mtimes of compiled files.
    pub compiled: BTreeMap<Compiled, Span>,
    /// Those of sources.
    pub sources: BTreeMap<Compiled, Span>,
    /// The earliest mtimes of compiled files that stay newer.
    pub kept_newer: BTreeMap<Compiled, Instant>,
    /// Sources, where compiled files may stay newer: where the header block begins, and the mtime.
    pub older: Vec<(Compiled, u64, Instant)>,
    /// Files whose mtime shows the date of packages: path and mtime.
    pub package_dates: Vec<(String, Instant)>,
    /// Entries that something special is done with, whatever the other layers have.
    pub specials: BTreeMap<u64, Special>,
}

/// The earliest and the latest of several mtimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The earliest.
    pub first: Instant,
    /// The latest.
    pub last: Instant,
}

impl Span {
    /// Adds one.
    pub fn add<K: Ord>(spans: &mut BTreeMap<K, Self>, key: K, mtime: Instant) {
        let span = spans.entry(key).or_insert(Self { first: mtime, last: mtime });
        span.first = span.first.min(mtime);
        span.last = span.last.max(mtime);
    }
}

/// Takes note of the entries of a layer.
#[derive(Debug)]
pub struct SeenTaker {
    seen: Seen,
    stamp: Stamp,
    omit: Arc<Omitted>,
    mtimes: Arc<OwnMtimes>,
    /// Files and hard links that are left out, for hard links to them: where they are, and what a link leads to.
    omitted: HashMap<PathKey, (u64, Option<PathKey>)>,
    /// Sources, for hard links to them.
    sources: HashMap<PathKey, (Compiled, Instant)>,
    /// Files whose mtime depends on their content, for hard links to them.
    by_content: HashMap<PathKey, Special>,
    pending: Option<(u64, PathKey, Box<blake3::Hasher>)>,
    is_wanted: bool,
}

impl SeenTaker {
    /// At the start of a layer that is rewritten by these rules; where nothing is to be noted, it does nothing.
    pub fn new(stamp: Stamp, omit: &Arc<Omitted>, mtimes: &Arc<OwnMtimes>, is_wanted: bool) -> Self {
        Self {
            seen: Seen::default(),
            stamp,
            omit: Arc::clone(omit),
            mtimes: Arc::clone(mtimes),
            omitted: HashMap::new(),
            sources: HashMap::new(),
            by_content: HashMap::new(),
            pending: None,
            is_wanted,
        }
    }

    /// What was seen, once the layer has ended.
    ///
    /// # Errors
    ///
    /// Something special is done with more entries than are held.
    pub fn finish(mut self) -> Result<Seen> {
        self.end_content()?;
        Ok(self.seen)
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.end_content()?;
        if entry.is_behind_end() || entry.header().is_none() {
            return Ok(());
        }
        let (offset, name, mtime) = (entry.header_offset(), entry.name(), entry.mtime());
        if entry.kind() == b'1' {
            return self.hard_link(entry);
        }
        if !matches!(entry.kind(), b'0' | 0 | b'7' | b'S') {
            return Ok(());
        }
        if let Some(sign) = Sign::of_path(&name) {
            let (count, _) = self.seen.signs.entry(sign).or_insert_with(|| (0, printable(&name)));
            *count += 1;
        }
        if dates_packages(&name) && self.seen.package_dates.len() < DATES_MAX {
            self.seen.package_dates.push((printable(&normal(&name)), mtime));
        }
        if let Some((compiled, is_compiled)) = Compiled::of_path(&name) {
            self.compiled(compiled, is_compiled, entry)?;
        }
        if self.mtimes.keeps_order(entry) {
            for compiled in Compiled::of_named(&name) {
                let earliest = self.seen.kept_newer.entry(*compiled).or_insert(mtime);
                *earliest = mtime.min(*earliest);
            }
        }
        if self.omit.has(entry) {
            check_count(self.omitted.len())?;
            self.omitted.insert(PathKey::of(&normal(&name)), (offset, None));
        }
        if self.mtimes.is_by_content(entry) && self.stamp.replaces(mtime) {
            self.pending = Some((offset, PathKey::of(&normal(&name)), Box::default()));
        }
        Ok(())
    }

    fn compiled(&mut self, compiled: Compiled, is_compiled: bool, entry: &Entry) -> Result<()> {
        let mtime = entry.mtime();
        let spans = if is_compiled { &mut self.seen.compiled } else { &mut self.seen.sources };
        Span::add(spans, compiled, mtime);
        if !is_compiled && !self.mtimes.keep_order.is_empty() && self.becomes_epoch(mtime) {
            check_count(self.seen.older.len())?;
            self.seen.older.push((compiled, entry.header_offset(), mtime));
            self.sources.insert(PathKey::of(&normal(&entry.name())), (compiled, mtime));
        }
        Ok(())
    }

    /// Is it the epoch then? A source that has that already would be as new as what is compiled of it.
    fn becomes_epoch(&self, mtime: Instant) -> bool {
        self.stamp.applied(mtime) == self.stamp.epoch.instant()
    }

    /// A file that a hard link leads to which stays is not left out, and both have one mtime.
    fn hard_link(&mut self, entry: &Entry) -> Result<()> {
        let is_omitted = self.omit.has(entry);
        if !is_omitted && self.omitted.is_empty() && self.by_content.is_empty() && self.sources.is_empty() {
            return Ok(());
        }
        let target = PathKey::of(&normal(entry.link_name()));
        if is_omitted {
            check_count(self.omitted.len())?;
            self.omitted.insert(PathKey::of(&normal(&entry.name())), (entry.header_offset(), Some(target)));
        } else {
            // With a link that is kept so is what that leads to.
            let mut next = Some(target);
            while let Some((offset, further)) = next.and_then(|target| self.omitted.remove(&target)) {
                self.special(offset, Special { is_kept: true, ..Special::default() })?;
                next = further;
            }
        }
        if let Some((compiled, mtime)) = self.sources.get(&target).copied() {
            check_count(self.seen.older.len())?;
            self.seen.older.push((compiled, entry.header_offset(), mtime));
        }
        match self.by_content.get(&target).copied() {
            Some(special) => self.special(entry.header_offset(), special),
            None => Ok(()),
        }
    }

    fn end_content(&mut self) -> Result<()> {
        let Some((offset, path, hasher)) = self.pending.take() else { return Ok(()) };
        let special = Special { mtime: Some(by_content(self.stamp.epoch, short_hash(&hasher))), ..Special::default() };
        self.by_content.insert(path, special);
        self.special(offset, special)
    }

    fn special(&mut self, offset: u64, special: Special) -> Result<()> {
        check_count(self.seen.specials.len())?;
        let place = self.seen.specials.entry(offset).or_default();
        *place = place.and(special);
        Ok(())
    }
}

/// Is there room for one more?
fn check_count(count: usize) -> Result<()> {
    if count < SPECIALS_MAX {
        return Ok(());
    }
    let text = "entries of one layer that are treated individually";
    Err(Error::limit(text, SPECIALS_MAX as u64, count as u64 + 1))
}

impl Visitor for SeenTaker {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        if self.is_wanted && step == Step::Entry { self.entry(entry) } else { Ok(()) }
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        if let Some((.., hasher)) = &mut self.pending
            && part == Part::Data
        {
            hasher.update(bytes);
        }
        Ok(())
    }
}
