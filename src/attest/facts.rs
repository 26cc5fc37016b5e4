//! What statements say beside what was found.

use crate::digest::Digest;
use crate::statement::Resource;

/// What is accepted.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The name of its file.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Policy {
    /// The digest of the file.
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.text.as_bytes())
    }
}

/// What statements say beside what was found.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    pub verifier_id: &'f str,
    pub time: i64,
    pub policy: Option<&'f Policy>,
    pub inputs: &'f [Resource],
    pub run_url: Option<&'f str>,
    /// Registry and repository of the target, where it is in one.
    pub target_uri: Option<&'f str>,
}

/// The image that was built again, as statements name it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'c> {
    pub name: &'c str,
    pub manifest: Option<Digest>,
}
