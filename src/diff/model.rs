//! What a comparison finds, as plain data. Nothing here compares or prints.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::causes::{Cause, Class};
use crate::diff::mend::{Mend, MendSet, Mends};
use crate::digest::Digest;
use crate::error::{printable_whole, shell_word};
use crate::stamp::Instant;

/// The result of a comparison.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// What was compared: the names of both sources.
    pub names: [String; 2],
    /// The options of `restamp rewrite` that both were rewritten with before they were compared, as words of a shell.
    pub restamped_with: Option<String>,
    /// The images in them (the first 1,000), and the index that leads to all of them where there is one.
    pub images: Vec<Compared>,
    /// The parts of the images that differences are in.
    pub places: Vec<Place>,
    /// Every difference that counts: the classes in their order, places and paths in theirs.
    pub differences: Vec<Difference>,
    /// Differences that `--ignore`, `--ignore-path` or a policy took out of the count.
    pub accepted: Vec<Accepted>,
    /// Rules of the policy that fitted nothing.
    pub unused_rules: Vec<String>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
    /// What explains many differences at once, a sentence each.
    pub explanations: Vec<String>,
    /// What rewriting both images would leave; `None` if no difference counts, or both were rewritten already.
    pub remedy: Option<Remedy>,
}

/// What would be left after rewriting both images, with the fewest options that remove every difference which rewriting
/// can remove.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remedy {
    /// Arguments of `restamp rewrite`, besides an epoch.
    pub options: Vec<String>,
    /// How many of the differences that count would be left; with 0, both would be the same.
    pub left: usize,
    /// What those are, by the id of the cause, or by class where none is known; most first.
    pub causes: Vec<(&'static str, usize)>,
    /// The latest epoch with which that holds, in seconds since 1970, where there is one: some mtimes are never raised, and
    /// differ with a later one.
    pub epoch_until: Option<i64>,
}

impl Remedy {
    /// The command, without an epoch and the images.
    pub fn command(&self) -> String {
        let words = ["restamp", "rewrite"].into_iter().chain(self.options.iter().map(String::as_str));
        words.map(shell_word).collect::<Vec<_>>().join(" ")
    }
}

/// An image or index that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// Its name and platform.
    pub label: String,
    /// The digest of its manifest or index in both sources, or that of its config where it has no manifest.
    pub digests: [Option<Digest>; 2],
}

/// A difference that does not count.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The difference.
    pub difference: Difference,
    /// Why it does not count.
    pub reason: String,
}

/// The overall result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing differs.
    Identical,
    /// All differences are accepted.
    Accepted,
    /// Only what rewriting both with the same options makes equal.
    SameAfterRestamping,
    /// Only differences of other classes than [`Class::Content`].
    Explainable,
    /// Something that matters.
    Different,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Identical => "identical",
            Self::Accepted => "identical but for what is accepted",
            Self::SameAfterRestamping => "same after restamping",
            Self::Explainable => "explainable",
            Self::Different => "different",
        })
    }
}

impl Report {
    /// The result of the differences that count.
    pub fn verdict(&self) -> Verdict {
        let worst = self.differences.iter().map(|difference| match difference.class {
            Class::Content => Verdict::Different,
            _ if difference.restamps => Verdict::SameAfterRestamping,
            _ => Verdict::Explainable,
        });
        worst.max().unwrap_or(if self.accepted.is_empty() { Verdict::Identical } else { Verdict::Accepted })
    }

    /// Where a difference is.
    pub fn place(&self, difference: &Difference) -> &Place {
        static NOWHERE: Place =
            Place { image: String::new(), part: Part::Index, digests: [None; 2], about: String::new() };
        self.places.get(difference.place).unwrap_or(&NOWHERE)
    }
}

/// A part of both images.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The image, by name and platform.
    pub image: String,
    /// Which part of it.
    pub part: Part,
    /// The digest of that part in both images, where it has one.
    pub digests: [Option<Digest>; 2],
    /// For people: the command that made a layer.
    pub about: String,
}

/// Which part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// An index, or what an archive says about all its images.
    Index,
    /// The manifest.
    Manifest,
    /// The config.
    Config,
    /// A layer, by its number in both images; `None` where it has no counterpart.
    Layer([Option<usize>; 2]),
    /// The root filesystem of all layers.
    Rootfs,
    /// What is about the image: an attestation, an artifact.
    Attached,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("index"),
            Self::Manifest => f.write_str("manifest"),
            Self::Config => f.write_str("config"),
            Self::Layer([Some(a), Some(b)]) if a == b => write!(f, "layer {a}"),
            Self::Layer([Some(a), Some(b)]) => write!(f, "layer {a}/{b}"),
            Self::Layer([Some(n), None] | [None, Some(n)]) => write!(f, "layer {n}"),
            Self::Layer([None, None]) => f.write_str("layer"),
            Self::Rootfs => f.write_str("rootfs"),
            Self::Attached => f.write_str("attached"),
        }
    }
}

/// A value on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A point in time.
    Time(Instant),
    /// Anything else, printable.
    Text(Box<str>),
}

impl Value {
    /// Bytes of an image, made printable, all of them: a report that cuts two values may show them as equal.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Text(printable_whole(bytes).into())
    }

    /// The value as text, not copied where it is one.
    pub fn as_text(&self) -> Cow<'_, str> {
        match self {
            Self::Time(instant) => instant.to_string().into(),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The value as a time, also where it is a date in a document.
    pub(crate) fn as_time(&self) -> Option<Instant> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Text(text) => Instant::from_rfc3339(text.trim_matches('"')),
        }
    }

    /// A number or name of restamp's own.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(instant) => instant.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What the differing file is; orders differences within a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Rank {
    /// A program that runs as its owner or group.
    SetId,
    /// A program.
    Program,
    /// Anything else.
    #[default]
    Other,
}

/// What a difference is about, as far as anything is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Role {
    /// The content of a file.
    Content,
    /// An entry of a layer or a member of an archive that only one side has.
    Entry,
    /// The content of a file that is data, unless something runs it.
    Data,
    /// The time in the header of a gzip file.
    GzipMtime,
    /// The copy of another file's mtime.
    Copy,
    /// An image that only one source has.
    Image,
    /// The names of an image.
    Name,
    /// The order in which `manifest.json` lists the images.
    ListOrder,
    /// Any other field.
    #[default]
    Other,
}

/// One difference.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Difference {
    /// What kind of difference it is.
    pub class: Class,
    /// Would rewriting both images with the same options make it go away?
    pub restamps: bool,
    /// The part of the images, an index into [`Report::places`].
    pub place: usize,
    /// The entry in a layer (raw bytes; what is in an archive follows its name and `!`); empty in documents.
    pub path: Arc<[u8]>,
    /// Where in the path those of the archives end that it leads into.
    pub archives: Box<[usize]>,
    /// Which field of it; in documents the path in the JSON.
    pub field: Cow<'static, str>,
    /// The value on both sides; `None` where there is none.
    pub values: [Option<Value>; 2],
    /// The known cause.
    pub cause: Option<&'static Cause>,
    /// A note about it.
    pub note: Option<Box<str>>,
    /// The differing lines, as a unified diff without a header; printable.
    pub preview: Option<Box<str>>,
    /// What the file is.
    pub rank: Rank,
    /// The number under which the contents of both sides are saved, where they are.
    pub saved_as: Option<u32>,
    pub(crate) role: Role,
    pub(crate) mends: Mends,
}

impl Difference {
    /// A difference with nothing but its place, field and values.
    pub fn new(class: Class, place: usize, field: impl Into<Cow<'static, str>>, values: [Option<Value>; 2]) -> Self {
        // Rewriting sets a time that there is, and adds none.
        let is_on_both = values.iter().all(Option::is_some) || values.iter().all(Option::is_none);
        Self {
            class,
            restamps: false,
            place,
            path: Arc::default(),
            archives: Box::default(),
            field: field.into(),
            values,
            cause: None,
            note: None,
            preview: None,
            rank: Rank::default(),
            saved_as: None,
            role: Role::default(),
            mends: Mends::NONE,
        }
        .restamps(class == Class::Time && is_on_both)
    }

    /// With the path of an entry.
    #[must_use]
    pub fn at(mut self, path: impl Into<Arc<[u8]>>) -> Self {
        self.path = path.into();
        self
    }

    /// About this.
    #[must_use]
    pub(crate) fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// With a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<Box<str>>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// With a known cause.
    #[must_use]
    pub fn cause(mut self, cause: Option<&'static Cause>) -> Self {
        self.cause = cause;
        self
    }

    /// The ways to make it go away: options of `restamp rewrite`, or `rewrite` alone. One of them is enough.
    pub fn mended_by(&self) -> Vec<String> {
        // The key is the last step of the path in its document.
        let key = self.field.rsplit_once("[\"").and_then(|(_, key)| key.strip_suffix("\"]"));
        let key = key.unwrap_or_else(|| self.field.rsplit('.').next().unwrap_or_default());
        let value = |mend| vec![if mend == Mend::TimeKey { shell_word(key) } else { "NAME".to_owned() }];
        let words = |way: MendSet| [vec!["rewrite".to_owned()], way.arguments(value)].concat().join(" ");
        self.mends.ways().map(words).collect()
    }

    /// It goes away, or does not, when both images are rewritten.
    #[must_use]
    pub fn restamps(mut self, restamps: bool) -> Self {
        self.restamps = restamps;
        self.mends = if restamps { Mends::by(Mend::Rewrite) } else { Mends::NONE };
        self
    }

    /// Any of these makes it go away as well.
    #[must_use]
    pub(crate) fn mends(mut self, mends: Mends) -> Self {
        self.mends = self.mends.or_all(mends);
        self
    }

    /// The path of the entry in the layer, without what follows where it is an archive.
    pub(crate) fn outer_path(&self) -> &[u8] {
        let end = self.archives.first().copied().unwrap_or(self.path.len());
        self.path.get(..end).unwrap_or_default()
    }

    /// The entry's path, printable and whole.
    pub fn printable_path(&self) -> String {
        printable_whole(&self.path)
    }
}
