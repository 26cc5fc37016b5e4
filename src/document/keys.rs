//! Which labels and annotations hold a time: those that are known, and those that a user names.

use std::collections::BTreeSet;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::dates::{Reading, read_created, read_date, read_seconds};
use super::forms;
use crate::error::{Error, Result};
use crate::stamp::Epoch;

/// The annotation that holds a tag.
pub const REF_NAME: &str = oci_spec::image::ANNOTATION_REF_NAME;

/// The full name of an image, as containerd writes it and Docker since version 25.
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// The annotation that BuildKit leaves on what it rewrote: the epoch in decimal digits.
pub const REWRITTEN: &str = "buildkit/rewritten-timestamp";

/// The labels and annotations that hold a date.
pub const DATE_KEYS: [&str; 3] = [oci_spec::image::ANNOTATION_CREATED, "org.label-schema.build-date", "build-date"];

/// All keys of labels and annotations that hold a time.
pub(super) const TIME_KEYS: [(&str, TimeKind); 4] = [
    (DATE_KEYS[0], TimeKind::Date),
    (DATE_KEYS[1], TimeKind::Date),
    (DATE_KEYS[2], TimeKind::Date),
    (REWRITTEN, TimeKind::Seconds),
];

/// What kind of place a time is in: how it is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// `created` of a config, of a history entry or of a v1 file: RFC 3339.
    Created,
    /// A label or annotation with a date in any of the usual forms.
    Date,
    /// A label or annotation with seconds since 1970.
    Seconds,
    /// A label or annotation that a user has named, with a time in any form, which it keeps.
    Named,
}

impl TimeKind {
    /// What a text in such a place says.
    pub fn read(self, text: &str) -> Reading {
        match self {
            Self::Created => read_created(text).map_or(Reading::Malformed, Reading::at),
            Self::Date => read_date(text),
            Self::Seconds => read_seconds(text),
            Self::Named => match forms::read(text) {
                Some((reading, _)) => reading,
                None if text.contains(char::is_numeric) => Reading::Malformed,
                None => Reading::Nothing,
            },
        }
    }

    /// Do two times in such a place become the same? Under a key that a user has named, each keeps its form.
    pub fn become_equal(self, a: &str, b: &str) -> bool {
        let zero = Epoch::from_seconds(0).ok();
        let stamped = |text: &str| Some(forms::read(text)?.1.write(text, zero?));
        self != Self::Named || stamped(a).is_some_and(|a| Some(a) == stamped(b))
    }

    /// The kind of place that a label or annotation is, if this key is one of a time.
    pub fn of_key(key: &str) -> Option<Self> {
        TIME_KEYS.iter().find(|(known, _)| *known == key).map(|(_, kind)| *kind)
    }
}

/// Which labels and annotations hold a time besides those that are known: keys as they are written, or patterns of them
/// (`*`, `?`, `[ab]`, `{a,b}`).
///
/// A value under such a key is stamped in the form that it has: a date stays a date, and seconds stay seconds. One that is
/// no time is left as it is, with a warning if the key was named in full.
#[derive(Debug, Clone, Default)]
pub struct TimeKeys(Option<Arc<Patterns>>);

#[derive(Debug)]
struct Patterns {
    exact: BTreeSet<String>,
    globs: GlobSet,
}

impl TimeKeys {
    /// The keys of these names and patterns.
    ///
    /// # Errors
    ///
    /// One of them is empty, or no pattern.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut exact = BTreeSet::new();
        let mut globs = GlobSetBuilder::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let expected = "the key of a label or annotation, or a pattern of such keys";
            if pattern.is_empty() {
                return Err(Error::malformed("time key", expected, "an empty text"));
            }
            let glob = GlobBuilder::new(pattern).literal_separator(false).build();
            globs.add(glob.map_err(|error| Error::malformed("time key", expected, error))?);
            exact.insert(pattern.to_owned());
        }
        if exact.is_empty() {
            return Ok(Self::default());
        }
        let globs = globs.build().map_err(|error| Error::malformed("time keys", "fewer of them", error))?;
        Ok(Self(Some(Arc::new(Patterns { exact, globs }))))
    }

    /// Are there none besides those that are known?
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What kind of place the value of this label or annotation is; `None` if it is none of a time.
    pub(crate) fn kind_of(&self, key: &str, value: &str) -> Option<TimeKind> {
        let known = TimeKind::of_key(key);
        if known.is_some() {
            return known;
        }
        self.names(key, value).then_some(TimeKind::Named)
    }

    /// Has a user named this key, or does a pattern fit it and is the value a time? A pattern passes over what is none: it
    /// may well fit keys of other things.
    pub(super) fn names(&self, key: &str, value: &str) -> bool {
        // What an image is called is no time, whatever pattern fits.
        let is_name = [REF_NAME, IMAGE_NAME].contains(&key);
        let is_named = |patterns: &Patterns| {
            let fits = || !is_name && patterns.globs.is_match(key) && forms::read(value).is_some();
            patterns.exact.contains(key) || fits()
        };
        self.0.as_deref().is_some_and(is_named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_in_full_or_by_a_pattern() {
        let keys = TimeKeys::new(["BUILD_DATE", "buildkit/*", "a[1]", "io.*.date"]).unwrap();
        const DATE: &str = "2025-10-09";
        for (key, value, expected) in [
            ("BUILD_DATE", DATE, true),
            ("BUILD_DATE", "stable", true),
            ("build_date", DATE, false),
            ("buildkit/createdat", DATE, true),
            ("buildkit/createdat", "7", false),
            ("a[1]", DATE, true),
            ("a1", DATE, true),
            ("io.openshift.build.commit.date", DATE, true),
            ("io.openshift.build.commit.id", DATE, false),
        ] {
            assert_eq!(keys.kind_of(key, value).is_some(), expected, "{key} {value}");
        }
        assert_eq!(keys.kind_of("build-date", ""), Some(TimeKind::Date));
        assert!(TimeKeys::new([""; 0]).unwrap().is_empty() && !keys.is_empty());
        for bad in ["", "a[", "{a"] {
            assert!(TimeKeys::new([bad]).is_err(), "{bad}");
        }
    }
}
