//! Adding: bundles are verified, then what a run that was broken off has left is finished, then each is written.

use std::collections::BTreeSet;
use std::path::Path;

use super::entry::{Identity, Said, signed};
use super::folder::Folder;
use super::log;
use super::report::Report;
use super::writer::{Added, Writer};
use crate::error::{Error, Result};
use crate::signing::{Bundle, SigningKey};
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

/// Adds bundles, each with the name that errors call it, to the results in a folder, which is there. All are verified before
/// anything is written.
///
/// # Errors
///
/// If a bundle is no result of someone who is trusted, if the log does not hold, or if it can't be read or written.
pub fn add(dir: &Path, bundles: &[(String, Vec<u8>)], options: &Options) -> Result<Added> {
    let mut given: Vec<Given<'_>> = Vec::new();
    let mut statements = BTreeSet::new();
    for (name, bytes) in bundles {
        let one = Given::read(bytes, options).map_err(|e| e.in_file(name))?;
        if statements.insert(one.statement) {
            given.push(one);
        }
    }
    let report = options.report.as_deref().map(|bytes| report_of(bytes, given.iter().map(|given| &given.said)));
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
    let mut writer = Writer::open(&folder, &options.trust, options.time)?;
    let left = writer.left_over()?;
    writer.finish(&left, &statements)?;
    let mut known = 0;
    for Given { said, statement, bytes } in &given {
        if writer.has(said, statement) {
            known += 1;
            continue;
        }
        // Of a run that was broken off: its time is in its name, and a list of differences may be beside it.
        let left = writer.left_of(&left, said);
        let time = left.as_ref().map_or(options.time, |(_, time)| *time);
        let beside = if report.is_none() { left.and_then(|(path, _)| writer.beside(path, said)) } else { None };
        let report = report.as_ref().filter(|_| said.is_comparison).or(beside.as_ref());
        writer.add(said, *statement, bytes, time, report)?;
    }
    writer.publish(options.key.as_ref(), known)
}

/// A bundle that is to be added.
struct Given<'b> {
    said: Said,
    statement: Identity,
    bytes: &'b [u8],
}

impl<'b> Given<'b> {
    fn read(bytes: &'b [u8], options: &Options) -> Result<Self> {
        let (said, statement) = signed(bytes, &options.trust)?;
        // No line that would not hold is found only when files were written.
        log::written(&said.entry(1, None, options.time, None)?)?;
        Ok(Self { said, statement, bytes })
    }
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
