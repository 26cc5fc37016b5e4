//! Adding: the files first, then the line, then the head; each is on the disk before the next. What a run that was broken
//! off has left is finished by the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::entry::{BUNDLE, DIFFERENCES, Entry, Said, path, report_path, said, seconds_of};
use super::folder::Folder;
use super::head::{self, Head};
use super::log::{self, Log};
use super::report::{self, Report, unpack};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::signing::{Bundle, SigningKey, bundle};
use crate::statement::time_text;
use crate::trust::Trust;

/// How bundles are added.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// Whose results these are.
    pub trust: Trust,
    /// The time of adding, in seconds since 1970: that of statements which have none.
    pub time: i64,
    /// The list of differences that all bundles are about: diff.json.
    pub report: Option<Vec<u8>>,
    /// Signs the head.
    pub key: Option<SigningKey>,
}

impl Options {
    /// Without a list of differences, and without a signature.
    pub fn new(trust: Trust, time: i64) -> Self {
        Self { trust, time, report: None, key: None }
    }
}

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

/// Adds bundles, each with the name that errors call it, to the results in a folder, which is there. All are verified before
/// anything is written.
///
/// # Errors
///
/// If a bundle is no result of someone who is trusted, if the log does not hold, or if it can't be read or written.
pub fn add(dir: &Path, bundles: &[(String, Vec<u8>)], options: &Options) -> Result<Added> {
    let mut new: BTreeMap<Digest, (Said, &[u8])> = BTreeMap::new();
    let mut order = Vec::new();
    for (name, bytes) in bundles {
        let read = crate::trust::read(bytes, &options.trust).and_then(|evidence| said(&evidence));
        let said = read.map_err(|e| e.in_file(name))?;
        if !new.contains_key(&said.bundle) {
            order.push(said.bundle);
        }
        new.insert(said.bundle, (said, bytes));
    }
    let report = options.report.as_deref().map(|bytes| report_of(bytes, new.values().map(|(said, _)| said)));
    let report = report.transpose()?;
    if let Some(key) = &options.key {
        let is_trusted = options.trust.signer(&Bundle::sign(b"", key)).is_some();
        if !is_trusted {
            return Err(Error::refused(
                "the key that is to sign the head is none of those in trust.toml, by which results check verifies it",
            ));
        }
    }
    let folder = Folder::make(dir)?;
    folder.lock()?;
    let mut writer = Writer::open(&folder)?;
    let left = writer.left_over()?;
    writer.finish(&left, &new, options)?;
    let mut known = 0;
    for digest in order {
        let Some((said, bytes)) = new.remove(&digest) else { continue };
        if writer.bundles.contains(&digest) {
            known += 1;
            continue;
        }
        // Of a run that was broken off: its time is in its name, and a list of differences may be beside it.
        let left = left.iter().find(|(_, left)| *left == Some(digest)).map(|(path, _)| path.as_str());
        let time = left.and_then(seconds_of).unwrap_or(options.time);
        let beside = if report.is_none() { left.and_then(|path| writer.beside(path, &said)) } else { None };
        let report = report.as_ref().filter(|_| said.is_comparison).or(beside.as_ref());
        writer.add(&said, bytes, time, report)?;
    }
    writer.publish(options, known)
}

/// The list of differences, if it can be that of these.
fn report_of<'s>(bytes: &[u8], all: impl Iterator<Item = &'s Said>) -> Result<Report> {
    let report = Report::of(bytes)?;
    let all: Vec<&Said> = all.collect();
    if all.iter().map(|said| said.subject).collect::<BTreeSet<_>>().len() > 1 {
        return Err(Error::refused("a list of differences is about one image, and the bundles are about several"));
    }
    if !all.iter().any(|said| said.is_comparison) {
        return Err(Error::refused(
            "a list of differences is kept beside an equivalence or a test result, and none of the bundles is one",
        ));
    }
    match all.iter().find_map(|said| said.report.filter(|named| *named != report.digest)) {
        Some(named) => Err(Error::refused(format!(
            "the statement names another list of differences ({named}) than the one that is given ({})",
            report.digest
        ))),
        None => Ok(report),
    }
}

struct Writer<'f> {
    folder: &'f Folder,
    entries: Vec<Entry>,
    bundles: BTreeSet<Digest>,
    /// The head that the log has now, and the file as it is.
    head: Option<Head>,
    head_file: Option<Vec<u8>>,
    /// So many bytes of the log are whole lines.
    length: u64,
    added: usize,
    repaired: Vec<String>,
}

impl<'f> Writer<'f> {
    fn open(folder: &'f Folder) -> Result<Self> {
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
        let bundles = entries.iter().map(|entry| entry.bundle).collect();
        Ok(Self { folder, entries, bundles, head, head_file, length: whole as u64, added: 0, repaired })
    }

    /// Files that no line names, with the digest of those that are bundles.
    fn left_over(&self) -> Result<Vec<(String, Option<Digest>)>> {
        let named = named(self.entries.iter());
        let mut left = Vec::new();
        for file in self.folder.files()?.into_iter().filter(|file| !named.contains(file)) {
            let bytes = if file.ends_with(BUNDLE) { self.folder.read(&file, bundle::MAX as u64)? } else { None };
            left.push((file, bytes.as_deref().map(bundle::digest)));
        }
        Ok(left)
    }

    /// Makes lines of bundles that have none, and takes lists of differences away that have no bundle. What else is there is
    /// for `check` to name.
    fn finish(
        &mut self,
        left: &[(String, Option<Digest>)],
        new: &BTreeMap<Digest, (Said, &[u8])>,
        options: &Options,
    ) -> Result<()> {
        for (file, digest) in left {
            let beside = file.strip_suffix(DIFFERENCES).map(|start| format!("{start}{BUNDLE}"));
            let is_alone = beside.is_some_and(|bundle| !left.iter().any(|(other, _)| *other == bundle));
            if is_alone && seconds_of(file).is_some() {
                self.folder.remove(file)?;
                self.repaired.push(format!("{file}: taken away, it has no bundle"));
            }
            let Some(digest) = digest.filter(|digest| !new.contains_key(digest)) else { continue };
            let Some(bytes) = self.folder.read(file, bundle::MAX as u64)? else { continue };
            let read = crate::trust::read(&bytes, &options.trust).and_then(|evidence| said(&evidence));
            let (Ok(said), Some(seconds)) = (read, seconds_of(file)) else { continue };
            let expected = path(said.subject, &said.operator, said.time.unwrap_or(seconds), digest)?;
            if expected != *file || self.bundles.contains(&digest) {
                continue;
            }
            let report = self.beside(file, &said);
            self.line(&said, seconds, report.map(|report| report.digest))?;
            self.repaired.push(format!("{file}: its line was missing"));
        }
        Ok(())
    }

    /// The list of differences beside a bundle that has no line, if it can be that of its statement.
    fn beside(&self, path: &str, said: &Said) -> Option<Report> {
        let packed = self.folder.read(&report_path(path), report::PACKED_MAX).ok().flatten()?;
        let report = Report::of(&unpack(&packed).ok()?).ok()?;
        said.report.is_none_or(|named| named == report.digest).then_some(report)
    }

    fn add(&mut self, said: &Said, bytes: &[u8], time: i64, report: Option<&Report>) -> Result<()> {
        let path = path(said.subject, &said.operator, said.time.unwrap_or(time), said.bundle)?;
        if let Some(report) = report {
            self.folder.put(&report_path(&path), &report.packed)?;
        }
        self.folder.put(&path, bytes)?;
        self.line(said, time, report.map(|report| report.digest))
    }

    fn line(&mut self, said: &Said, time: i64, report: Option<Digest>) -> Result<()> {
        let seconds = said.time.unwrap_or(time);
        let entry = Entry {
            seq: self.entries.len() as u64 + 1,
            prev: self.head.map(|head| head.line),
            subject: said.subject,
            name: said.name.clone(),
            platform: said.platform.clone(),
            verdict: said.verdict,
            operator: said.operator.clone(),
            time: time_text(seconds)?,
            bundle: said.bundle,
            path: path(said.subject, &said.operator, seconds, said.bundle)?,
            report,
        };
        let mut line = entry.line()?;
        self.head = Some(Head { seq: entry.seq, line: Digest::sha256(&line) });
        line.push(b'\n');
        self.folder.append(log::FILE, self.length, &line)?;
        self.length += line.len() as u64;
        self.bundles.insert(said.bundle);
        self.entries.push(entry);
        self.added += 1;
        Ok(())
    }

    fn publish(mut self, options: &Options, known: usize) -> Result<Added> {
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
            if let Some(key) = &options.key {
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

/// The files that these lines name, and those of the log itself.
pub(super) fn named<'e>(entries: impl Iterator<Item = &'e Entry>) -> BTreeSet<String> {
    let mut named: BTreeSet<String> = [log::FILE, head::FILE, head::SIGNED].map(str::to_owned).into();
    for entry in entries {
        named.extend(entry.report_path());
        named.insert(entry.path.clone());
    }
    named
}
