//! A line of the log: who has said what of which image.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result, quoted};
use crate::signing::Bundle;
use crate::statement::svr::{REPRODUCED_IDENTICAL, REPRODUCED_STABILIZED};
use crate::statement::{Equal, Equivalence, Issued, Predicate, Svr, TestOutcome, TestResult, Vsa, time_of, time_text};
use crate::trust::{Evidence, Trust};

/// A name has at most so many bytes.
const NAME_MAX: usize = 1024;
/// A platform, so many.
const PLATFORM_MAX: usize = 100;
/// What a test result calls the list of differences.
const REPORT: &str = "diff.json";

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// The same manifest.
    #[serde(rename = "identical")]
    Identical,
    /// The same, once the times of both were set.
    #[serde(rename = "after-restamping")]
    AfterRestamping,
    /// Only differences that are accepted, or have a known cause.
    #[serde(rename = "WARNED")]
    Warned,
    /// Others.
    #[serde(rename = "FAILED")]
    Failed,
}

impl Verdict {
    /// As the log has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => Equal::Identical.name(),
            Self::AfterRestamping => Equal::AfterRestamping.name(),
            Self::Warned => "WARNED",
            Self::Failed => "FAILED",
        }
    }

    /// Was the image built again, in one of both ways?
    pub fn is_reproduced(self) -> bool {
        matches!(self, Self::Identical | Self::AfterRestamping)
    }
}

impl From<Equal> for Verdict {
    fn from(equal: Equal) -> Self {
        match equal {
            Equal::Identical => Self::Identical,
            Equal::AfterRestamping => Self::AfterRestamping,
        }
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// The digest of the line before, without the newline; null in the first.
    pub prev: Option<Digest>,
    /// The manifest that the statement is about.
    pub subject: Digest,
    /// What the statement calls it.
    pub name: Option<String>,
    /// The platform that the statement names.
    pub platform: Option<String>,
    /// What was found.
    pub verdict: Verdict,
    /// Whose key has signed it.
    pub operator: String,
    /// When it was made; where the statement has no time, when it was added.
    pub time: String,
    /// The digest of the bundle's file.
    pub bundle: Digest,
    /// Where that is, from the folder of the log.
    pub path: String,
    /// The digest of the list of differences, if it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Digest>,
}

impl Entry {
    /// The line, without a newline.
    ///
    /// # Errors
    ///
    /// It can't be serialised.
    pub fn line(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::io("cannot write a line of the log", e.into()))
    }

    /// Where the bundle has to be.
    ///
    /// # Errors
    ///
    /// If the time is none.
    pub fn expected_path(&self) -> Result<String> {
        let seconds = time_of(&self.time, "time of a line")?;
        path(self.subject, &self.operator, seconds, self.bundle)
    }

    /// Where its list of differences is, if that was kept.
    pub fn report_path(&self) -> Option<String> {
        self.report.map(|_| report_path(&self.path))
    }
}

/// How the name of a bundle ends.
pub(super) const BUNDLE: &str = ".sigstore.json";
/// How the name of a list of differences ends.
pub(super) const DIFFERENCES: &str = ".diff.json.zst";

/// Where a bundle is kept. The time is in the short form of ISO 8601, which has no colons.
pub(super) fn path(subject: Digest, operator: &str, seconds: i64, bundle: Digest) -> Result<String> {
    let time: String = time_text(seconds)?.chars().filter(|c| !"-:".contains(*c)).collect();
    let (algorithm, hex) = (subject.algorithm().name(), subject.hex());
    Ok(format!("{algorithm}/{hex}/{operator}/{time}-{}{BUNDLE}", bundle.short()))
}

/// The time in the path of a bundle, in seconds since 1970.
pub(super) fn seconds_of(path: &str) -> Option<i64> {
    let (time, _) = path.rsplit_once('/')?.1.split_once('-')?;
    let part = |range: std::ops::Range<usize>| time.get(range);
    let ends = time.len() == 16 && time.is_ascii();
    let text = ends.then(|| Some((part(0..4)?, part(4..6)?, part(6..11)?, part(11..13)?, part(13..16)?)))??;
    let (year, month, day_and_hour, minute, second) = text;
    time_of(&format!("{year}-{month}-{day_and_hour}:{minute}:{second}"), "time").ok()
}

/// Is it a path as [`path`] makes them, but for how it ends?
pub(super) fn is_made(path: &str, ending: &str) -> bool {
    let made = || {
        let mut parts = path.strip_suffix(ending)?.split('/');
        let (algorithm, hex, operator, file) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let subject: Digest = format!("{algorithm}:{hex}").parse().ok()?;
        let (time, short) = file.split_once('-')?;
        let is_short = short.len() == 12 && short.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let start = self::path(subject, operator, seconds_of(path)?, subject).ok()?;
        let is_operator = !operator.is_empty() && !operator.starts_with('.');
        let is_start = start.starts_with(&format!("{algorithm}/{hex}/{operator}/{time}-"));
        Some(parts.next().is_none() && is_short && is_operator && is_start)
    };
    made().unwrap_or(false)
}

/// The list of differences beside a bundle.
pub(super) fn report_path(bundle: &str) -> String {
    format!("{}{DIFFERENCES}", bundle.strip_suffix(BUNDLE).unwrap_or(bundle))
}

/// What a bundle says that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Said {
    /// The digest of the bundle's file.
    pub bundle: Digest,
    /// The manifest that it is about.
    pub subject: Digest,
    /// What it calls that.
    pub name: Option<String>,
    /// The platform that it names.
    pub platform: Option<String>,
    /// What was found.
    pub verdict: Verdict,
    /// Whose key has signed it.
    pub operator: String,
    /// When it was made, if it says so: seconds since 1970.
    pub time: Option<i64>,
    /// The digest of the list of differences, if it names one.
    pub report: Option<Digest>,
    /// Is it about a comparison, which has a list of differences?
    pub is_comparison: bool,
}

impl Said {
    /// The line of it. `time` is that of adding, which counts where the statement has none.
    pub(super) fn entry(&self, seq: u64, prev: Option<Digest>, time: i64, report: Option<Digest>) -> Result<Entry> {
        let seconds = self.time.unwrap_or(time);
        Ok(Entry {
            seq,
            prev,
            subject: self.subject,
            name: self.name.clone(),
            platform: self.platform.clone(),
            verdict: self.verdict,
            operator: self.operator.clone(),
            time: time_text(seconds)?,
            bundle: self.bundle,
            path: path(self.subject, &self.operator, seconds, self.bundle)?,
            report,
        })
    }
}

/// What identifies a statement in whatever file it is: the digest of what was signed, and the key. The same envelope can be
/// written in many ways.
pub(super) type Identity = (Digest, Digest);

/// What a bundle says, and which statement that is.
///
/// # Errors
///
/// If it is no result, or no trusted key has signed it.
pub(super) fn signed(bytes: &[u8], trust: &Trust) -> Result<(Said, Identity)> {
    let evidence = crate::trust::read(bytes, trust)?;
    let payload = Digest::sha256(Bundle::parse(bytes)?.payload());
    Ok((said(&evidence)?, (payload, evidence.signer.key)))
}

/// What a statement says that a trusted key has signed.
///
/// # Errors
///
/// If it is no result: of another type, without a verdict, for a verifier that the key is not trusted for.
pub fn said(evidence: &Evidence) -> Result<Said> {
    let Evidence { bundle, signer, statement } = evidence;
    let subject = &statement.subject;
    let (verdict, time, report) = match &statement.predicate {
        Predicate::Svr(svr) => {
            if !signer.ids.contains(&svr.verifier.id) {
                let found = quoted(svr.verifier.id.as_bytes());
                return Err(Error::malformed("verifier.id", "one that trust.toml has with this key", found));
            }
            (of_svr(svr)?, Some(svr.seconds()?), None)
        }
        Predicate::Equivalence(equivalence) => (of_equivalence(equivalence, subject.digest)?, None, None),
        Predicate::TestResult(result) => (of_test(result)?, None, report_of(result)),
        other @ (Predicate::Summary(_) | Predicate::Provenance(_) | Predicate::Other(_)) => {
            let kind = match other {
                Predicate::Other(kind) => kind,
                Predicate::Provenance(_) => "https://slsa.dev/provenance",
                _ => Vsa::TYPE,
            };
            let expected = format!("{}, {} or {}", name::<Svr>(), name::<Equivalence>(), name::<TestResult>());
            return Err(Error::malformed("predicateType of a result", expected, quoted(kind.as_bytes())));
        }
    };
    for (what, text, most) in
        [("name of a subject", &subject.name, NAME_MAX), ("platform of a subject", &subject.platform, PLATFORM_MAX)]
    {
        if let Some(length) = text.as_ref().map(String::len).filter(|length| *length > most) {
            return Err(Error::limit(format!("length of the {what}"), most as u64, length));
        }
    }
    Ok(Said {
        bundle: *bundle,
        subject: subject.digest,
        name: subject.name.clone(),
        platform: subject.platform.clone(),
        verdict,
        operator: signer.operator.clone(),
        time,
        report,
        is_comparison: time.is_none(),
    })
}

fn name<P: Issued>() -> &'static str {
    P::TYPE
}

fn of_svr(svr: &Svr) -> Result<Verdict> {
    if !svr.has(REPRODUCED_STABILIZED) {
        let found = quoted(svr.properties.join(", ").as_bytes());
        return Err(Error::malformed("properties of an SVR", format!("{REPRODUCED_STABILIZED} among them"), found));
    }
    Ok(if svr.has(REPRODUCED_IDENTICAL) { Verdict::Identical } else { Verdict::AfterRestamping })
}

fn of_equivalence(equivalence: &Equivalence, subject: Digest) -> Result<Verdict> {
    let Equivalence { equal, target, candidate, .. } = equivalence;
    if target.digest.only() != Some(subject) {
        return Err(Error::malformed("target of an equivalence", "the subject", "another image"));
    }
    if *equal == Equal::Identical && candidate.digest.only() != Some(subject) {
        return Err(Error::malformed(
            "candidate of an equivalence that says identical",
            "the subject",
            "another image",
        ));
    }
    Ok((*equal).into())
}

fn of_test(result: &TestResult) -> Result<Verdict> {
    match result.result {
        TestOutcome::Warned => Ok(Verdict::Warned),
        TestOutcome::Failed => Ok(Verdict::Failed),
        TestOutcome::Passed => {
            let expected = "WARNED or FAILED; of an image that was reproduced, an SVR and an equivalence say so";
            Err(Error::malformed("result of a test", expected, "PASSED"))
        }
    }
}

/// The digest of the list of differences that a test result names.
pub(super) fn report_of(result: &TestResult) -> Option<Digest> {
    result.configuration.iter().find(|resource| resource.name.as_deref() == Some(REPORT))?.digest.only()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_path_is_read_back() {
        let subject = Digest::sha256(b"");
        for seconds in [0, 1_700_000_000, 253_402_300_799] {
            let path = path(subject, "example-org", seconds, subject).unwrap();
            assert_eq!(seconds_of(&path), Some(seconds), "{path}");
        }
        let expected = format!("sha256/{}/a-b/20231114T221320Z-e3b0c44298fc{BUNDLE}", subject.hex());
        assert_eq!(path(subject, "a-b", 1_700_000_000, subject).unwrap(), expected);
        for other in ["", "a/b", "a/2023-1.json", "a/20231114T221320Z", "a/20231314T221320Z-x", "a/é231114T2213200Z-x"]
        {
            assert_eq!(seconds_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_path_of_another_form_was_not_made_here() {
        let subject = Digest::sha256(b"");
        let made = path(subject, "example-org", 1_700_000_000, subject).unwrap();
        assert!(is_made(&made, BUNDLE) && is_made(&report_path(&made), DIFFERENCES));
        assert!(!is_made(&made, DIFFERENCES));
        for (from, to) in [
            ("example-org", "a/b"),
            ("example-org", ".."),
            ("example-org", ""),
            ("sha256/", "sha1/"),
            ("sha256/e", "sha256/E"),
            ("sha256/", "x/sha256/"),
            ("20231114T", "20231314T"),
            ("-e3b0c44298fc", "-e3b0c44298f"),
            ("-e3b0c44298fc", "-E3b0c44298fc"),
            ("-e3b0c44298fc", "-notes"),
            ("-e3b0c44298fc", "-e3b0c44298fc.old"),
        ] {
            let other = made.replacen(from, to, 1);
            assert!(other != made && !is_made(&other, BUNDLE), "{other}");
        }
    }
}
