//! in-toto's Simple Verification Result, version 0.2 (spec/predicates/svr.md): which properties a verifier has found.

use serde::{Deserialize, Serialize};

use super::{Issued, Resource, time_of};
use crate::error::Result;

/// The same bytes after both images were given the same times, by version 1 of the stabilizer profile.
pub const REPRODUCED_STABILIZED: &str = "RESTAMP_REPRODUCED_STABILIZED_V1";
/// The same manifest, and so the same bytes.
pub const REPRODUCED_IDENTICAL: &str = "RESTAMP_REPRODUCED_IDENTICAL";

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Svr {
    /// Who has looked.
    pub verifier: Verifier,
    /// When: RFC 3339.
    pub time_created: String,
    /// What was found.
    pub properties: Vec<String>,
}

/// Who has looked, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// A URI.
    pub id: String,
    /// The rules; the member has to be there.
    pub policies: Vec<Resource>,
}

impl Issued for Svr {
    const TYPE: &'static str = "https://in-toto.io/attestation/svr/v0.2";
}

impl Svr {
    /// What a parser of JSON does not see.
    pub(super) fn check(&self) -> Result<()> {
        time_of(&self.time_created, "timeCreated of an SVR").map(drop)
    }

    /// Seconds since 1970.
    ///
    /// # Errors
    ///
    /// If it is no time.
    pub fn seconds(&self) -> Result<i64> {
        time_of(&self.time_created, "timeCreated of an SVR")
    }

    /// Was this found?
    pub fn has(&self, property: &str) -> bool {
        self.properties.iter().any(|found| found == property)
    }
}
