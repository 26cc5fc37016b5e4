//! Pure: in-toto statements (<https://github.com/in-toto/attestation>, spec/v1/statement.md), as they are issued and as they are
//! read. Nothing here knows who signed one.
//!
//! What is written is compact JSON with its members in a fixed order, so that the same facts give the same bytes.
//! What is read is one subject with one digest, and a predicate of a type that is known here, each member of the right type;
//! members that are not known are no error, as in-toto's parsing rules ask.

pub mod equivalence;
pub mod resource;
pub mod svr;
pub mod test_result;
pub mod vsa;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Algorithm, Digest};
use crate::document::strict;
use crate::error::{Error, Result, printable, quoted};
pub use equivalence::{Equal, Equivalence};
pub use resource::{DigestSet, Resource};
pub use svr::Svr;
pub use test_result::{TestOutcome, TestResult};
pub use vsa::{Summary, Vsa};

/// What this project's own URIs begin with. To be settled before the first release that issues statements: afterwards it is
/// part of every one of them.
pub const NAMESPACE: &str = "https://restamp.dev";

/// The type of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The annotation of a subject that says which platform it is of.
const PLATFORM: &str = "platform";

/// What a statement is about: the manifest of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What people call it; none is trusted.
    pub name: Option<String>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// `os/architecture[/variant]`.
    pub platform: Option<String>,
}

/// What is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Predicate {
    /// Properties that a verifier has found.
    Svr(Svr),
    /// What it was found equal to, and how.
    Equivalence(Box<Equivalence>),
    /// What was found instead.
    TestResult(TestResult),
    /// What somebody else has made of other statements.
    Summary(Summary),
    /// SLSA's provenance of a build, by the builder that it names.
    Provenance(String),
    /// Anything else, by its type.
    Other(String),
}

/// A statement that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is about.
    pub subject: Subject,
    /// What it says.
    pub predicate: Predicate,
}

/// A predicate that can be issued.
pub trait Issued: Serialize {
    /// Its type.
    const TYPE: &'static str;
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'s, P> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<WrittenSubject<'s>>,
    predicate_type: &'static str,
    predicate: &'s P,
}

#[derive(Serialize)]
struct WrittenSubject<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'s str>,
    digest: DigestSet,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, &'s str>,
}

/// The bytes of a statement about these.
///
/// # Errors
///
/// It can't be serialised.
pub fn issue<P: Issued>(subjects: &[Subject], predicate: &P) -> Result<Vec<u8>> {
    let subject = subjects.iter().map(|subject| WrittenSubject {
        name: subject.name.as_deref(),
        digest: DigestSet::of(subject.digest),
        annotations: subject.platform.as_deref().map(|platform| (PLATFORM, platform)).into_iter().collect(),
    });
    let written = Written { kind: STATEMENT_TYPE, subject: subject.collect(), predicate_type: P::TYPE, predicate };
    serde_json::to_vec(&written).map_err(|e| Error::io("cannot write a statement", e.into()))
}

/// A statement whose predicate was not looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<ReadSubject>,
    /// What kind it is.
    pub predicate_type: String,
    predicate: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct ReadSubject {
    #[serde(default)]
    name: Option<String>,
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, serde_json::Value>>,
}

impl Head {
    /// Reads a statement of whatever kind.
    ///
    /// # Errors
    ///
    /// If it is no statement of version 1.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let read: Self = strict::parse(bytes, "statement")?;
        if read.kind != STATEMENT_TYPE {
            return Err(Error::malformed("_type of a statement", STATEMENT_TYPE, quoted(read.kind.as_bytes())));
        }
        Ok(read)
    }

    /// The digest of the one document that it is about.
    ///
    /// # Errors
    ///
    /// If there are several, or it is no digest of a document.
    pub fn subject(&self) -> Result<Digest> {
        self.one().and_then(|subject| digest_of(&subject.digest))
    }

    fn one(&self) -> Result<&ReadSubject> {
        match self.subject.as_slice() {
            [subject] => Ok(subject),
            several => Err(Error::malformed("subject of a statement", "exactly one", several.len())),
        }
    }
}

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    ///
    /// If it is no statement of version 1 about one subject with one digest, or its predicate is not what its type asks for.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let head = Head::parse(bytes)?;
        let (digest, subject) = (head.subject()?, head.one()?);
        let platform = subject.annotations.as_ref().and_then(|all| all.get(PLATFORM)?.as_str());
        let subject = Subject { name: subject.name.clone(), digest, platform: platform.map(str::to_owned) };
        let predicate = match head.predicate_type.as_str() {
            Svr::TYPE => {
                let svr: Svr = strict::read(head.predicate, "predicate of an SVR")?;
                svr.check()?;
                Predicate::Svr(svr)
            }
            Equivalence::TYPE => Predicate::Equivalence(strict::read(head.predicate, "predicate of an equivalence")?),
            TestResult::TYPE => Predicate::TestResult(strict::read(head.predicate, "predicate of a test result")?),
            Vsa::TYPE => Predicate::Summary(strict::read(head.predicate, "predicate of a verification summary")?),
            kind @ ("https://slsa.dev/provenance/v1" | "https://slsa.dev/provenance/v0.2") => {
                let path = if kind.ends_with("/v1") { "/runDetails/builder/id" } else { "/builder/id" };
                let builder = head.predicate.pointer(path).and_then(|id| id.as_str()).filter(|id| !id.is_empty());
                let builder = builder.ok_or_else(|| Error::malformed("predicate of a provenance", path, "none"))?;
                Predicate::Provenance(printable(builder.as_bytes()))
            }
            _ => Predicate::Other(printable(head.predicate_type.as_bytes())),
        };
        Ok(Self { subject, predicate })
    }
}

/// The one digest of a set, of an algorithm that names blobs.
fn digest_of(set: &BTreeMap<String, String>) -> Result<Digest> {
    let expected = "exactly one, of sha256 or sha512, in lower case";
    let mut all = set.iter();
    let (Some((algorithm, hex)), None) = (all.next(), all.next()) else {
        return Err(Error::malformed("digest of a subject", expected, set.len()));
    };
    let known = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|known| known.name() == algorithm);
    let is_lower = !hex.bytes().any(|byte| byte.is_ascii_uppercase());
    let digest = known.filter(|_| is_lower).and_then(|known| Digest::from_hex(known, hex));
    digest.ok_or_else(|| {
        Error::malformed("digest of a subject", expected, quoted(format!("{algorithm}:{hex}").as_bytes()))
    })
}

/// Succeeds if a text names something everywhere, and is nothing else.
///
/// # Errors
///
/// If it is no URI.
pub fn is_uri(text: &str, what: &'static str) -> Result<()> {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme || rest.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::malformed(what, "a URI, such as https://rebuild.example.org/v1", quoted(text.as_bytes())));
    }
    Ok(())
}

/// The times that RFC 3339 can write, in seconds since 1970: the years 0 to 9999, in UTC.
const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// A time as statements have it, RFC 3339, in seconds since 1970; fractions are left out.
///
/// # Errors
///
/// If it is no such time, or in UTC of no year between 0 and 9999.
pub fn time_of(text: &str, what: &'static str) -> Result<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp());
    let time = time.filter(|time| TIMES.contains(time));
    time.ok_or_else(|| Error::malformed(what, "an RFC 3339 time (2026-11-28T09:30:00Z)", quoted(text.as_bytes())))
}

/// Seconds since 1970 as such a time, in UTC.
///
/// # Errors
///
/// If there is no such year.
pub fn time_text(seconds: i64) -> Result<String> {
    let time = Some(seconds).filter(|seconds| TIMES.contains(seconds));
    let time = time.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    let time = time.ok_or_else(|| Error::malformed("time", "one between the years 0 and 9999", seconds))?;
    Ok(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_can_be_written() {
        for text in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-28T09:30:00Z"] {
            assert_eq!(time_text(time_of(text, "time").unwrap()).unwrap(), text);
        }
        for text in ["9999-12-31T23:59:59-23:00", "0000-01-01T00:00:00+23:00", "2026-11-28", ""] {
            assert!(time_of(text, "time").is_err(), "{text}");
        }
        assert!(time_text(i64::MAX).is_err() && time_text(TIMES.start() - 1).is_err());
    }
}
