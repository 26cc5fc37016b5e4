//! What an image was found equal to, and how: this project's own predicate, described in
//! docs/predicates/image-equivalence-v0.1.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DigestSet, Issued, Resource};

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivalence {
    /// How both are equal.
    pub equal: Equal,
    /// The image that the statement is about.
    pub target: Resource,
    /// The one that was built again.
    pub candidate: Resource,
    /// The profile by which the times of both were set.
    pub stabilizer: Stabilizer,
    /// What came of that, the same for both.
    pub stabilized: Stabilized,
    /// What the candidate was built from, by the word of who has built it.
    pub inputs: Vec<Resource>,
    /// How many differences there were, by class.
    pub differences: BTreeMap<String, u64>,
    /// What has compared them.
    pub tool: Tool,
    /// Where that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
}

/// How two images are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Equal {
    /// They have the same manifest.
    Identical,
    /// They have the same stabilized digest.
    AfterRestamping,
}

impl Equal {
    /// As statements have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::AfterRestamping => "after-restamping",
        }
    }
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stabilizer {
    /// What identifies it.
    pub uri: String,
    /// The digest of its text.
    pub digest: DigestSet,
    /// As options of `restamp rewrite`.
    pub options: Vec<String>,
}

/// The result of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stabilized {
    /// The digest of the manifest.
    pub digest: DigestSet,
}

/// The program that has compared them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `restamp`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A run of a build service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Where people can look at it.
    pub url: String,
}

impl Issued for Equivalence {
    const TYPE: &'static str = "https://restamp.dev/image-equivalence/v0.1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_in_the_namespace() {
        assert_eq!(Equivalence::TYPE, format!("{}/image-equivalence/v0.1", super::super::NAMESPACE));
    }
}
