//! in-toto's Test Result, version 0.1 (spec/predicates/test-result.md): what is said of an image that was not reproduced.

use serde::{Deserialize, Serialize};

use super::{Issued, Resource};

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// How it ended.
    pub result: TestOutcome,
    /// What it was done with, and what it has shown.
    pub configuration: Vec<Resource>,
    /// Where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Classes of differences that there were none of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_tests: Vec<String>,
    /// Classes of differences that are accepted, or have a known cause.
    #[serde(default)]
    pub warned_tests: Vec<String>,
    /// Classes of differences that matter.
    #[serde(default)]
    pub failed_tests: Vec<String>,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TestOutcome {
    /// Without a fault.
    Passed,
    /// With what can be explained, or is accepted.
    Warned,
    /// With what can't.
    Failed,
}

impl Issued for TestResult {
    const TYPE: &'static str = "https://in-toto.io/attestation/test-result/v0.1";
}
