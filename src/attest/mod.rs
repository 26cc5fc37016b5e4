//! Statements that an image was built again: [`Attest`] compares what is published with what was built, and says of each
//! platform what was shown.
//!
//! `pair.rs` finds the images of the same platform, `verdict.rs` decides how they are equal, `statements.rs` makes the
//! statements. `attach.rs` puts signed statements beside an image. Nothing here signs, reads a clock or writes a file.
//!
//! That two images are equal but for times is proven, not inferred from a list of differences: both are stabilized, and the
//! digests compared. Where that and the list disagree, it is an error.

pub mod attach;
mod json;
mod pair;
mod run;
mod statements;
mod verdict;

use crate::digest::Digest;
use crate::platform::Platform;
use crate::statement::Subject;

pub use json::json;
pub use run::Attest;
pub use verdict::Verdict;

/// The version of the JSON form of a [`Report`].
pub const SCHEMA: u32 = 1;

/// What was shown.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The published image.
    pub target: String,
    /// The one that was built again.
    pub candidate: String,
    /// An image of each platform, in their order.
    pub images: Vec<Attested>,
}

impl Report {
    /// The worst verdict of all platforms.
    pub fn verdict(&self) -> Option<Verdict> {
        self.images.iter().map(|image| image.verdict).max()
    }
}

/// What was shown of the image of one platform.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attested {
    /// Which.
    pub platform: Platform,
    /// What the statements are about.
    pub subject: Subject,
    /// The digest of the manifest of the candidate; an archive of `docker save` need not have one.
    pub candidate: Option<Digest>,
    /// How both are equal.
    pub verdict: Verdict,
    /// The stabilized digests of both.
    pub stabilized: [Digest; 2],
    /// What differs.
    pub diff: crate::diff::Report,
    /// `diff` as JSON, as the statements name it by its digest.
    pub diff_json: Vec<u8>,
    /// The statements.
    pub statements: Vec<StatementFile>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementFile {
    /// What it is called without its ending: `svr`, `equivalence`, `test-result`.
    pub name: &'static str,
    /// What kind it is.
    pub predicate_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What the directory of a platform is called: `linux-amd64`.
pub fn folder_name(platform: &Platform) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = platform.to_string().chars().map(plain).collect();
    // Neither a hidden one nor a way out.
    if name.starts_with('.') { format!("_{name}") } else { name }
}
