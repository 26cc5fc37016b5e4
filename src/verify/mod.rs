//! Have enough of those who are trusted reproduced an image? [`Verify`] reads the image and bundles, and counts operators.
//!
//! Nothing is asked of a transparency log, and nothing of a clock: what was signed is what counts, and how old it is only
//! where the time of today is given. `collect.rs` finds bundles in files, directories, layouts and repositories, `count.rs`
//! decides which of them count, `summary.rs` makes a statement of the result.

mod collect;
mod count;
mod json;
mod run;
mod summary;

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::platform::Platform;
use crate::statement::{Equal, TestOutcome};

pub use collect::Bundles;
pub use json::json;
pub use run::Verify;
pub use summary::summary;

/// The version of the JSON form of a [`Report`].
pub const SCHEMA: u32 = 1;

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The image.
    pub target: String,
    /// So many operators are needed.
    pub threshold: usize,
    /// So many there are.
    pub operators: usize,
    /// What counts.
    pub accept: Vec<Equal>,
    /// Does a statement of the contrary stand in the way?
    pub no_dissent: bool,
    /// The digest of the file that says who is trusted.
    pub policy: Digest,
    /// A limit on age that was not applied, as no time was given.
    pub unused_max_age: Option<i64>,
    /// An image of each platform.
    pub images: Vec<Verified>,
    /// Bundles that count for no image, and why.
    pub ignored: Vec<Ignored>,
    /// How many more there were.
    pub not_listed: usize,
}

impl Report {
    /// Has every platform been reproduced as it has to be?
    pub fn is_met(&self) -> bool {
        !self.images.is_empty() && self.images.iter().all(|image| image.fault.is_none())
    }
}

/// An image, and who has reproduced it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// What it runs on.
    pub platform: Platform,
    /// The digest of its manifest.
    pub subject: Digest,
    /// Its stabilized digest, computed here.
    pub stabilized: Digest,
    /// The operators that count, by name.
    pub counted: Vec<Counted>,
    /// Operators who say that it could not be reproduced.
    pub dissent: Vec<Dissent>,
    /// What others have made of statements, of which nothing counts.
    pub summaries: Vec<SummaryOf>,
    /// Operators who have signed the provenance of a build of these very bytes.
    pub provenance: BTreeSet<String>,
    /// Why it is not enough.
    pub fault: Option<String>,
}

/// An operator that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// Which.
    pub operator: String,
    /// How it was reproduced.
    pub equal: Equal,
    /// By which verifier.
    pub id: String,
    /// When, as the statement has it.
    pub time: String,
    /// The bundles that say so.
    pub bundles: Vec<Digest>,
}

/// An operator who says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dissent {
    /// Which.
    pub operator: String,
    /// What was found.
    pub result: TestOutcome,
    /// Classes of differences.
    pub classes: Vec<String>,
    /// The bundle.
    pub bundle: Digest,
    /// Where it came from.
    pub source: String,
}

/// A verification summary that somebody else has made, such as that of buildx's replay. It counts for nothing: it does not say how
/// images were compared, and is the word of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SummaryOf {
    /// The operator who has signed it, if it is signed.
    pub operator: Option<String>,
    /// Who has verified, by its own words.
    pub verifier: String,
    /// `PASSED` or `FAILED`.
    pub result: String,
    /// What was reached, by its own words.
    pub levels: Vec<String>,
    /// Where it came from.
    pub source: String,
}

impl SummaryOf {
    pub(crate) fn new(summary: &crate::statement::Summary, operator: Option<&str>, source: &str) -> Self {
        Self {
            operator: operator.map(str::to_owned),
            verifier: summary.verifier.id.clone(),
            result: summary.verification_result.clone(),
            levels: summary.verified_levels.clone(),
            source: source.to_owned(),
        }
    }
}

/// A bundle that counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// Where it came from.
    pub source: String,
    /// Why.
    pub reason: String,
}
