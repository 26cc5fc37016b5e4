//! Checking: the log is replayed, and each file compared with its line.

use std::collections::BTreeSet;
use std::path::Path;

use super::entry::{Entry, Identity, signed};
use super::folder::Folder;
use super::head::{self, Head};
use super::log::{self, Log};
use super::report::{self, unpack};
use super::writer::named;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::signing::bundle;
use crate::trust::Trust;

/// What was found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Checked {
    /// So many lines are in the log.
    pub lines: usize,
    /// The head that the log has.
    pub head: Option<Head>,
    /// Who has signed it.
    pub signed_by: Option<String>,
    /// The older head that was looked for.
    pub older: Option<Head>,
    /// What does not hold.
    pub problems: Vec<Problem>,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the line of the log.
    pub place: String,
    /// What.
    pub what: String,
}

impl Checked {
    fn problem(&mut self, place: impl Into<String>, what: impl ToString) {
        self.problems.push(Problem { place: place.into(), what: what.to_string() });
    }
}

/// Checks all of a folder. `older` is a head that was kept from before.
///
/// # Errors
///
/// If there are no results in it, or it can't be read.
pub fn check(dir: &Path, trust: &Trust, older: Option<Head>) -> Result<Checked> {
    let folder = Folder::open(dir)?.ok_or_else(|| Error::missing("the folder v1").in_file(dir.display()))?;
    let bytes = folder.read(log::FILE, log::MAX)?;
    let mut checked = Checked { older, ..Checked::default() };
    if bytes.is_none() {
        checked.problem(log::FILE, "it is missing");
    }
    let log = Log::replay(&bytes.unwrap_or_default());
    (checked.lines, checked.head) = (log.lines.len(), log.head());
    if log.torn > 0 {
        checked.problem(log::FILE, "its last line does not end: results add takes it away");
    }
    let mut bundles: BTreeSet<Digest> = BTreeSet::new();
    let mut statements: BTreeSet<Identity> = BTreeSet::new();
    for (number, line) in log.lines.iter().enumerate() {
        let place = format!("{}: line {}", log::FILE, number + 1);
        line.problems.iter().for_each(|problem| checked.problem(&place, problem));
        let Some(entry) = &line.entry else { continue };
        if !bundles.insert(entry.bundle) {
            // Its files were looked at then. They are not unpacked as often as a log names them.
            checked.problem(&place, format!("the bundle {} has a line before", entry.bundle));
            continue;
        }
        let statement = file(&folder, entry, trust, &place, &mut checked)?;
        if statement.is_some_and(|statement| !statements.insert(statement)) {
            checked
                .problem(&place, format!("the statement of {} has a line before, with another bundle", entry.bundle));
            continue;
        }
        differences(&folder, entry, &place, &mut checked)?;
    }
    heads(&folder, &log, trust, &mut checked)?;
    let named = named(log.lines.iter().filter_map(|line| line.entry.as_ref()));
    for file in folder.files()?.into_iter().filter(|file| !named.contains(file)) {
        checked.problem(file, "no line of the log names it");
    }
    Ok(checked)
}

/// A failure to read a file is of that file, and others are looked at all the same.
fn read(folder: &Folder, path: &str, most: u64, place: &str, checked: &mut Checked) -> Option<Vec<u8>> {
    match folder.read(path, most) {
        Ok(Some(bytes)) => Some(bytes),
        Ok(None) => {
            checked.problem(place, format!("{path} is missing"));
            None
        }
        Err(error) => {
            checked.problem(place, error);
            None
        }
    }
}

/// Compares a bundle with its line. Returns which statement it is, if it can be told.
fn file(folder: &Folder, entry: &Entry, trust: &Trust, place: &str, checked: &mut Checked) -> Result<Option<Identity>> {
    let Some(bytes) = read(folder, &entry.path, bundle::MAX as u64, place, checked) else { return Ok(None) };
    let digest = bundle::digest(&bytes);
    if digest != entry.bundle {
        checked.problem(place, format!("bundle: expected {}, found {digest} in {}", entry.bundle, entry.path));
        return Ok(None);
    }
    let (said, statement) = match signed(&bytes, trust) {
        Ok(signed) => signed,
        Err(error) => {
            checked.problem(place, error.in_file(&entry.path));
            return Ok(None);
        }
    };
    let time = said.time.map(crate::statement::time_text).transpose()?;
    for (what, is_equal) in [
        ("subject", said.subject == entry.subject),
        ("name", said.name == entry.name),
        ("platform", said.platform == entry.platform),
        ("verdict", said.verdict == entry.verdict),
        ("operator", said.operator == entry.operator),
        ("time", time.is_none_or(|time| time == entry.time)),
        ("report", entry.report.is_none() || said.report.is_none() || said.report == entry.report),
    ] {
        if !is_equal {
            checked.problem(place, format!("{what}: the bundle says something else ({})", entry.path));
        }
    }
    Ok(Some(statement))
}

fn differences(folder: &Folder, entry: &Entry, place: &str, checked: &mut Checked) -> Result<()> {
    let (Some(expected), Some(path)) = (entry.report, entry.report_path()) else { return Ok(()) };
    let Some(packed) = read(folder, &path, report::PACKED_MAX, place, checked) else { return Ok(()) };
    match unpack(&packed).map(|bytes| Digest::sha256(&bytes)) {
        Ok(found) if found == expected => {}
        Ok(found) => checked.problem(place, format!("report: expected {expected}, found {found} in {path}")),
        Err(error) => checked.problem(place, error.in_file(path)),
    }
    Ok(())
}

fn heads(folder: &Folder, log: &Log, trust: &Trust, checked: &mut Checked) -> Result<()> {
    let bytes = folder.read(head::FILE, log::MAX);
    match (bytes.and_then(|bytes| bytes.map(|bytes| Head::parse(&bytes)).transpose()), checked.head) {
        (Ok(None), None) => {}
        (Ok(found), head) if found == head => {}
        (Ok(None), Some(_)) => checked.problem(head::FILE, "it is missing: results add makes it again"),
        (Ok(Some(found)), _) if log.holds(&found) => {
            checked.problem(head::FILE, format!("it is that of line {}, and there are {}", found.seq, checked.lines));
        }
        (Ok(Some(found)), _) => {
            checked
                .problem(head::FILE, format!("it is no line of the log (it says line {}, {})", found.seq, found.line));
        }
        (Err(error), _) => checked.problem(head::FILE, error),
    }
    if let (Some(signed), Some(head)) = (folder.read(head::SIGNED, bundle::MAX as u64)?, checked.head) {
        match head.signer(&signed, trust) {
            Ok(operator) => checked.signed_by = Some(operator),
            Err(error) => checked.problem(head::SIGNED, error),
        }
    }
    if let Some(older) = checked.older.filter(|older| !log.holds(older)) {
        let what = format!(
            "line {} of the log is not {}: the log was changed, or cut, since that head was kept",
            older.seq, older.line
        );
        checked.problem("the older head", what);
    }
    Ok(())
}
