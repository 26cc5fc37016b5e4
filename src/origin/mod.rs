//! Where an image comes from, as far as it says so: its base, sources and builder, the distribution, what is installed,
//! and the date of the archive that the packages were taken from. Of each it says how it is known, and where it was read.
//!
//! `base.rs` reads documents. Of the layers, `taker.rs` keeps the files that `wanted.rs` names while a verb reads them,
//! `root.rs` puts them on top of each other, `contents.rs` reads what is left (by the readers in `packages`), and
//! `snapshot.rs` decides about the date. A database that is broken is named, and nothing else is lost with it.

pub(crate) mod base;
pub(crate) mod contents;
pub(crate) mod root;
pub mod snapshot;
pub(crate) mod taker;
mod wanted;

pub use crate::packages::os_release::OsRelease;
pub use crate::packages::{Manager, Package};
pub use snapshot::Snapshot;

use serde::{Serialize, Serializer};

use crate::digest::Digest;
use crate::document::config::Config;
use crate::document::provenance::ImageName;
use crate::error::Result;
use crate::image::{Image, ImageSet};
use crate::stamp::Instant;
pub(crate) use base::Attached;
use base::Said;
use contents::Contents;
use root::Root;
use taker::LayerFiles;

/// How something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum How {
    /// A document or a file says so.
    Stated,
    /// It follows from what is in the image.
    Derived,
    /// By an mtime, which may mean something else.
    Guess,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stated => "stated",
            Self::Derived => "derived",
            Self::Guess => "guess",
        })
    }
}

/// Where an image comes from. `packages`, `languages` and most of `snapshot` need the layers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Origin {
    /// The base image, as different places name it, the surest first.
    pub base: Vec<BaseOf>,
    /// What went into the build.
    pub sources: Vec<SourceOf>,
    /// Who built it.
    pub builder: Option<BuilderOf>,
    /// The distribution.
    pub distribution: Option<Distribution>,
    /// How many packages are installed, by manager.
    pub packages: Vec<DatabaseOf>,
    /// How many packages of languages there are; they are not listed.
    pub languages: Vec<LanguageOf>,
    /// The date of the archive that packages were taken from.
    pub snapshot: Snapshot,
    /// What could not be read: something that matters may be missing.
    pub problems: Vec<String>,
    /// What contradicts itself, or is not what it should be.
    pub notes: Vec<String>,
    /// What was not looked at: `layers`, by request or since they are not in the image.
    pub not_looked_at: Vec<String>,
}

/// A base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BaseOf {
    /// Its full name, with a tag where it has one.
    pub name: Option<String>,
    /// The digest of its index or manifest.
    pub digest: Option<Digest>,
    /// How it is known that it is the base.
    pub how: How,
    /// Where it was read.
    pub from: String,
}

/// What kind of thing went into a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SourceKind {
    /// An image.
    Image,
    /// A commit of a repository that the builder fetched.
    Git,
    /// The commit that the client's directory was at.
    Checkout,
    /// A file.
    Http,
    /// Anything else.
    Other,
}

/// Something that went into a build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct SourceOf {
    /// What it is.
    pub kind: SourceKind,
    /// What it is called there.
    pub uri: String,
    /// Of an image, its full name.
    pub name: Option<String>,
    /// Its digest: `sha256:…`, or of a commit `sha1:…`.
    pub digest: Option<String>,
    /// How it is known.
    pub how: How,
    /// Where it was read.
    pub from: String,
}

/// What built an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BuilderOf {
    /// Which program: `BuildKit`.
    pub name: Option<String>,
    /// Which installation or run of it: an address.
    pub id: Option<String>,
    /// How it is known.
    pub how: How,
    /// Where it was read.
    pub from: String,
}

/// A distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Distribution {
    /// What `os-release` says.
    #[serde(flatten)]
    pub release: OsRelease,
    /// How it is known.
    pub how: How,
    /// Where it was read.
    pub from: String,
}

/// How many packages a database holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DatabaseOf {
    /// Whose it is.
    pub manager: Manager,
    /// How many.
    pub count: usize,
    /// Where it was read.
    pub from: String,
}

/// The packages of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ecosystem {
    /// Python's distributions: `*.dist-info`, `*.egg-info`.
    Python,
    /// npm's, in `node_modules`.
    Npm,
    /// Ruby's gems, by their specifications.
    Gem,
    /// Cargo's, in its registry.
    Cargo,
}

impl Ecosystem {
    /// Its name, as reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Npm => "npm",
            Self::Gem => "gem",
            Self::Cargo => "cargo",
        }
    }
}

/// How many packages of a language there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LanguageOf {
    /// Which.
    pub ecosystem: Ecosystem,
    /// How many.
    pub count: u64,
}

/// What a date is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CandidateKind {
    /// An address of a snapshot in a list of archives.
    SnapshotAddress,
    /// The newest entry of a Debian changelog.
    Changelog,
    /// When a package was built, by its database.
    BuildDate,
    /// When the image was made, by its config.
    Created,
    /// When a file was written.
    Mtime,
}

/// What a date says of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Bound {
    /// It is of this date.
    At,
    /// It is not earlier.
    NotBefore,
    /// It is not later.
    NotAfter,
}

/// A date that says something of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// How it is known.
    pub how: How,
    /// What it is of.
    pub kind: CandidateKind,
    /// What it says.
    pub bound: Bound,
    /// When.
    #[serde(rename = "date", serialize_with = "as_time")]
    pub seconds: i64,
    /// Where it was read.
    pub from: String,
}

/// The full name of an image among names that archives give it: a repository with a tag.
pub(crate) fn base_name(name: &str) -> Option<String> {
    let image = ImageName::parse(name)?;
    image.tag.is_some().then(|| image.asked())
}

/// RFC 3339, in UTC.
pub(crate) fn time(seconds: i64) -> String {
    Instant::from_seconds(seconds).to_string()
}

fn as_time<S: Serializer>(seconds: &i64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&time(*seconds))
}

/// Where an image comes from, and what is in it. `files` has what was taken out of each of its layers, the lowest first;
/// nothing where none was read, and no entry for one that could not be looked into.
///
/// # Errors
///
/// A document of the image can't be read.
pub(crate) fn of_image(
    set: &ImageSet<'_>,
    image: &Image,
    attached: &Attached,
    files: Option<&[Option<&LayerFiles>]>,
) -> Result<(Origin, Option<Contents>)> {
    let said = base::said(set, image, attached)?;
    let contents = files.map(|files| Contents::of(&Root::of(files.iter().copied().flatten())));
    let created = Config::parse(&image.config.bytes)?.created();
    let mut origin = Origin::of(said, contents.as_ref(), created.as_deref());
    let unread = files.into_iter().flatten().enumerate().filter(|(_, files)| files.is_none());
    origin.not_looked_at.extend(unread.map(|(number, _)| format!("layer {number}")));
    Ok((origin, contents))
}

impl Origin {
    /// Of what documents and, where they were read, layers say. `created` is the config's.
    pub(crate) fn of(said: Said, contents: Option<&Contents>, created: Option<&str>) -> Self {
        let mut origin = Self {
            base: said.base,
            sources: said.sources.into_iter().collect(),
            builder: said.builder,
            problems: said.problems,
            notes: said.notes,
            ..Self::default()
        };
        let mut candidates = Vec::new();
        match contents {
            None => origin.not_looked_at.push("layers".to_owned()),
            Some(contents) => {
                origin.distribution.clone_from(&contents.distribution);
                let count = |database: &contents::Packages| DatabaseOf {
                    manager: database.manager,
                    count: database.list.len(),
                    from: database.from.clone(),
                };
                origin.packages = contents.databases.iter().map(count).collect();
                let languages = contents.languages.iter();
                origin.languages = languages.map(|(&ecosystem, &count)| LanguageOf { ecosystem, count }).collect();
                origin.problems.extend(contents.problems.iter().cloned());
                candidates.extend(contents.candidates.iter().cloned());
            }
        }
        // 0 is no date, but what tools write that have none.
        let created = created.and_then(Instant::from_rfc3339).filter(|created| created.seconds > 0);
        candidates.extend(created.map(|created| Candidate {
            how: How::Derived,
            kind: CandidateKind::Created,
            bound: Bound::NotAfter,
            seconds: created.seconds,
            from: "created of the config".to_owned(),
        }));
        origin.snapshot = Snapshot::of(candidates);
        origin
    }
}
