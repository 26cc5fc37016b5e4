//! How two images are equal.

use std::fmt;

use serde::Serialize;

use crate::diff;
use crate::error::{Error, Result};
use crate::stabilizer::StabilizedImage;
use crate::statement::Equal;

/// How two images are equal; better ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// They have the same manifest.
    Identical,
    /// They have the same stabilized digest.
    AfterRestamping,
    /// All that differs is accepted.
    Accepted,
    /// What differs has a known cause.
    Explainable,
    /// Something differs that matters.
    Different,
}

impl Verdict {
    /// As reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => Equal::Identical.name(),
            Self::AfterRestamping => Equal::AfterRestamping.name(),
            Self::Accepted => "accepted",
            Self::Explainable => "explainable",
            Self::Different => "different",
        }
    }

    /// What a statement of success may say.
    pub fn equal(self) -> Option<Equal> {
        match self {
            Self::Identical => Some(Equal::Identical),
            Self::AfterRestamping => Some(Equal::AfterRestamping),
            Self::Accepted | Self::Explainable | Self::Different => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Decides it: by digests where these are equal, and else by what differs.
///
/// # Errors
///
/// If the stabilized digests say something else than the list of differences.
pub fn verdict([target, candidate]: [&StabilizedImage; 2], report: &diff::Report) -> Result<Verdict> {
    if target.manifest.is_some() && target.manifest == candidate.manifest {
        return Ok(Verdict::Identical);
    }
    let is_proven = target.stabilized == candidate.stabilized;
    let left = report.left_by_restamping().next();
    match (is_proven, left) {
        (true, None) => Ok(Verdict::AfterRestamping),
        (true, Some(left)) => {
            let place = report.place(left);
            let what = format!("{} {} {}", place.part, left.printable_path(), left.field);
            Err(disagreement([target, candidate], &format!("\"{}\" would be left", what.trim())))
        }
        // An archive that has no manifest can't have the same one.
        (false, None) if candidate.manifest.is_some() => {
            Err(disagreement([target, candidate], &format!("nothing would be left ({})", report.verdict())))
        }
        (false, _) => Ok(match report.verdict() {
            diff::Verdict::Different => Verdict::Different,
            diff::Verdict::Accepted => Verdict::Accepted,
            _ => Verdict::Explainable,
        }),
    }
}

fn disagreement([target, candidate]: [&StabilizedImage; 2], diff: &str) -> Error {
    Error::refused(format!(
        "the stabilized digests ({} and {}) and the list of differences ({diff} after restamping) disagree, so nothing is \
         attested; please report this with both images",
        target.stabilized, candidate.stabilized
    ))
    .at_entry(&target.platform)
}
