//! SLSA's Verification Summary Attestation, version 1 (<https://slsa.dev/spec/v1.2/verification_summary>): what `verify` found, in
//! one statement.

use serde::{Deserialize, Serialize};

use super::{Issued, Resource};

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vsa {
    /// Who has verified.
    pub verifier: Verifier,
    /// When: RFC 3339.
    pub time_verified: String,
    /// What the image was to be used as.
    pub resource_uri: String,
    /// The rules: the file that says who is trusted.
    pub policy: Resource,
    /// Every bundle that counted.
    pub input_attestations: Vec<Resource>,
    /// `PASSED` or `FAILED`.
    pub verification_result: &'static str,
    /// What was reached.
    pub verified_levels: Vec<String>,
}

/// Who has verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verifier {
    /// A URI.
    pub id: String,
}

impl Issued for Vsa {
    const TYPE: &'static str = "https://slsa.dev/verification_summary/v1";
}

/// A summary that somebody else has made, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Who has verified.
    pub verifier: SummaryVerifier,
    /// `PASSED` or `FAILED`.
    pub verification_result: String,
    /// What was reached.
    #[serde(default)]
    pub verified_levels: Vec<String>,
}

/// Who has verified.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SummaryVerifier {
    /// A URI.
    pub id: String,
}
