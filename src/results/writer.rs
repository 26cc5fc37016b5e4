//! Writing: the files first, then the line, then the head; each is on the disk before the next.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{BUNDLE, DIFFERENCES, Entry, Identity, Said, is_made, path, report_path, seconds_of, signed};
use super::folder::Folder;
use super::head::{self, Head};
use super::known::Known;
use super::log::{self, Log};
use super::report::{self, Report, unpack};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::signing::{SigningKey, bundle};
use crate::trust::Trust;

/// What was done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Added {
    /// The new lines.
    pub entries: Vec<Entry>,
    /// So many bundles were there before.
    pub known: usize,
    /// What was left of a run that was broken off, and was finished or taken away now.
    pub repaired: Vec<String>,
    /// The head; `None` where the log is empty.
    pub head: Option<Head>,
}

/// Files that no line names.
#[derive(Debug, Default)]
pub(super) struct Left {
    files: BTreeSet<String>,
    /// Those that are bundles where `add` would have put them, by their digest.
    bundles: BTreeMap<Digest, Vec<String>>,
}

/// The one who writes.
#[derive(Debug)]
pub(super) struct Writer<'f> {
    folder: &'f Folder,
    trust: &'f Trust,
    /// The time of adding.
    now: i64,
    entries: Vec<Entry>,
    known: Known,
    /// The head that the log has now, and the file as it is.
    head: Option<Head>,
    head_file: Option<Vec<u8>>,
    /// So many bytes of the log are whole lines.
    length: u64,
    added: usize,
    repaired: Vec<String>,
}

impl<'f> Writer<'f> {
    pub fn open(folder: &'f Folder, trust: &'f Trust, now: i64) -> Result<Self> {
        let bytes = folder.read(log::FILE, log::MAX)?.unwrap_or_default();
        let log = Log::replay(&bytes);
        let head = log.head();
        let (torn, whole) = (log.torn, bytes.len() - log.torn);
        let head_file = folder.read(head::FILE, log::MAX)?;
        if let Some(file) = &head_file {
            let old = Head::parse(file).map_err(|e| e.in_file(head::FILE))?;
            if !log.holds(&old) {
                let text = format!("it is no line of the log (line {} is another, or is not there)", old.seq);
                return Err(Error::refused(text).in_file(head::FILE));
            }
        }
        let entries = log.sound().map_err(|e| e.in_file("the log does not hold, so nothing is added"))?;
        let mut repaired = Vec::new();
        if torn > 0 {
            folder.append(log::FILE, whole as u64, b"")?;
            repaired.push(format!("{}: {torn} bytes of a line that was not written to its end", log::FILE));
        }
        let (known, length) = (Known::of(&entries)?, whole as u64);
        Ok(Self { folder, trust, now, entries, known, head, head_file, length, added: 0, repaired })
    }

    /// Has this statement a line?
    pub fn has(&mut self, said: &Said, statement: &Identity) -> bool {
        self.known.lines(said, self.folder, self.trust).has(statement)
    }

    /// What no line names.
    pub fn left_over(&self) -> Result<Left> {
        let (named, mut left) = (named(self.entries.iter()), Left::default());
        for file in self.folder.files()?.into_iter().filter(|file| !named.contains(file)) {
            let bytes = if is_made(&file, BUNDLE) { self.folder.read(&file, bundle::MAX as u64)? } else { None };
            if let Some(bytes) = bytes {
                left.bundles.entry(bundle::digest(&bytes)).or_default().push(file.clone());
            }
            left.files.insert(file);
        }
        Ok(left)
    }

    /// Where a run that was broken off has put this bundle, and the time of its adding.
    pub fn left_of<'l>(&mut self, left: &'l Left, said: &Said) -> Option<(&'l str, i64)> {
        let lines = self.known.lines(said, self.folder, self.trust);
        let mut files = left.bundles.get(&said.bundle)?.iter().filter_map(|file| Some((file, seconds_of(file)?)));
        let fits = |time: i64| said.time.is_some() || lines.can_be_added_at(time, self.now);
        let (file, time) = files.find(|(file, time)| fits(*time) && is_place_of(file, said, *time))?;
        Some((file, time))
    }

    /// Makes lines of bundles that have none and are not `given`, and takes lists of differences away that have no bundle.
    /// What else is there is for `check` to name.
    pub fn finish(&mut self, left: &Left, given: &BTreeSet<Identity>) -> Result<()> {
        for file in &left.files {
            let Some(start) = file.strip_suffix(DIFFERENCES).filter(|_| is_made(file, DIFFERENCES)) else { continue };
            if !left.files.contains(&format!("{start}{BUNDLE}")) {
                self.folder.remove(file)?;
                self.repaired.push(format!("{file}: taken away, it has no bundle"));
            }
        }
        for file in left.bundles.values().flatten() {
            let Some(bytes) = self.folder.read(file, bundle::MAX as u64)? else { continue };
            let (Ok((said, statement)), Some(time)) = (signed(&bytes, self.trust), seconds_of(file)) else { continue };
            if given.contains(&statement) || !is_place_of(file, &said, time) {
                continue;
            }
            let lines = self.known.lines(&said, self.folder, self.trust);
            if lines.has(&statement) || !lines.takes_left_over(&said, time, self.now) {
                continue;
            }
            let report = self.beside(file, &said).map(|report| report.digest);
            let (entry, line) = self.next(&said, time, report)?;
            self.line(entry, line, statement)?;
            self.repaired.push(format!("{file}: its line was missing"));
        }
        Ok(())
    }

    /// The list of differences beside a bundle that has no line, if it can be that of its statement.
    pub fn beside(&self, path: &str, said: &Said) -> Option<Report> {
        let packed = self.folder.read(&report_path(path), report::PACKED_MAX).ok().flatten()?;
        let report = Report::of(&unpack(&packed).ok()?).ok()?;
        said.report.is_none_or(|named| named == report.digest).then_some(report)
    }

    /// Writes a bundle and its line.
    pub fn add(
        &mut self,
        said: &Said,
        statement: Identity,
        bytes: &[u8],
        time: i64,
        report: Option<&Report>,
    ) -> Result<()> {
        let (entry, line) = self.next(said, time, report.map(|report| report.digest))?;
        if let Some(report) = report {
            self.folder.put(&report_path(&entry.path), &report.packed)?;
        }
        self.folder.put(&entry.path, bytes)?;
        self.line(entry, line, statement)
    }

    /// The next line; nothing is written yet.
    fn next(&self, said: &Said, time: i64, report: Option<Digest>) -> Result<(Entry, Vec<u8>)> {
        let entry = said.entry(self.entries.len() as u64 + 1, self.head.map(|head| head.line), time, report)?;
        let line = log::written(&entry)?;
        Ok((entry, line))
    }

    fn line(&mut self, entry: Entry, mut line: Vec<u8>, statement: Identity) -> Result<()> {
        self.head = Some(Head { seq: entry.seq, line: Digest::sha256(&line) });
        line.push(b'\n');
        self.folder.append(log::FILE, self.length, &line)?;
        self.length += line.len() as u64;
        self.known.add(&entry, statement)?;
        self.entries.push(entry);
        self.added += 1;
        Ok(())
    }

    /// Writes the head.
    pub fn publish(mut self, key: Option<&SigningKey>, known: usize) -> Result<Added> {
        if let Some(head) = self.head {
            let file = head.file()?;
            let is_new = self.head_file.as_ref() != Some(&file);
            if is_new && self.added == 0 {
                self.repaired.push(format!("{}: it was not that of the last line", head::FILE));
            }
            if is_new {
                // A signature of the head before would be one of nothing.
                self.folder.remove(head::SIGNED)?;
                self.folder.put(head::FILE, &file)?;
            }
            if let Some(key) = key {
                let signed = head.sign(key)?;
                if self.folder.read(head::SIGNED, bundle::MAX as u64)?.as_ref() != Some(&signed) {
                    self.folder.put(head::SIGNED, &signed)?;
                }
            }
        }
        let from = self.entries.len() - self.added;
        Ok(Added { entries: self.entries.split_off(from), known, repaired: self.repaired, head: self.head })
    }
}

/// Would this bundle be there, had it been added at that time?
fn is_place_of(file: &str, said: &Said, time: i64) -> bool {
    let place = path(said.subject, &said.operator, said.time.unwrap_or(time), said.bundle);
    place.is_ok_and(|place| place == file)
}

/// The files that these lines name, and those of the log itself.
pub(super) fn named<'e>(entries: impl Iterator<Item = &'e Entry>) -> BTreeSet<String> {
    let mut named: BTreeSet<String> = [log::FILE, head::FILE, head::SIGNED].map(str::to_owned).into();
    for entry in entries {
        named.extend(entry.report_path());
        named.insert(entry.path.clone());
    }
    named
}
