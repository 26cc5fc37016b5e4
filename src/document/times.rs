//! Dates in documents: where they are, how they are read, what a stamp makes of them.
//!
//! `created` fields are RFC 3339 and nothing else, since every consumer refuses an image where they are not.
//! Labels and annotations hold what people wrote there, so they are read more freely.

use std::borrow::Cow;
use std::ops::Range;

pub use super::dates::Reading;
use super::edit::Edits;
use super::forms;
use super::json::{Kind, Value, member_path};
pub use super::keys::{TimeKeys, TimeKind};
use super::{Warning, WarningKind};
use crate::error::{Error, Result, printable};
use crate::stamp::{Rule, Stamp, Stamps};

/// What is made of the times in such a place; nothing where documents keep theirs.
///
/// What BuildKit says of the times in a layer is true only if it goes with these.
fn stamp_of(kind: TimeKind, stamps: Stamps) -> Option<Stamp> {
    match kind {
        TimeKind::Seconds => Some(stamps.files),
        TimeKind::Created | TimeKind::Date | TimeKind::Named => stamps.documents,
    }
}

/// A place in a document that holds a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSite {
    /// Where: `history[3].created`.
    pub path: String,
    /// How it is read.
    pub kind: TimeKind,
    /// What is there; a value that is no string as its JSON text.
    pub text: String,
    /// Is that a string?
    pub is_text: bool,
    /// What that means.
    pub reading: Reading,
}

impl TimeSite {
    /// Is this a value that the stamp asks for? A bare date is if the epoch is in that day.
    pub fn accepted_by(&self, stamps: impl Into<Stamps>) -> bool {
        let stamps = stamps.into();
        let Some(stamp) = stamp_of(self.kind, stamps) else { return true };
        match self.reading {
            Reading::Time { first, last } => match stamp.rule {
                Rule::Clamp => stamp.accepts(first),
                Rule::Set => first.cmp_epoch(stamp.epoch).is_le() && last.cmp_epoch(stamp.epoch).is_ge(),
            },
            Reading::Nothing => true,
            Reading::Malformed => self.is_left_by(stamps),
        }
    }

    /// Is this a text that the stamp can do nothing about? Clamping leaves what it can't read, and so does setting under a
    /// key that a user has named; a `created` that can't be read is an error.
    pub fn is_left_by(&self, stamps: impl Into<Stamps>) -> bool {
        let Some(stamp) = stamp_of(self.kind, stamps.into()) else { return false };
        let is_left = match self.kind {
            TimeKind::Created => false,
            TimeKind::Named => true,
            TimeKind::Date | TimeKind::Seconds => stamp.rule == Rule::Clamp && self.is_text,
        };
        is_left && self.reading == Reading::Malformed
    }
}

/// A site as it is inside a document that is being patched.
#[derive(Debug)]
pub(super) struct Site<'j> {
    pub(super) path: String,
    pub(super) kind: TimeKind,
    pub(super) value: Value<'j>,
    /// The part of the value that is the time; all of it where there is none.
    pub(super) spot: Option<Spot>,
}

/// A part of a text.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) text: String,
    /// Where it is in the document.
    pub(super) span: Range<usize>,
}

impl Site<'_> {
    fn text(&self) -> Cow<'_, str> {
        if let Some(spot) = &self.spot {
            return Cow::Borrowed(&spot.text);
        }
        self.value.as_str().unwrap_or_else(|| printable(self.value.raw()).into())
    }

    fn reading(&self) -> Reading {
        match self.value.kind() {
            Kind::String => self.kind.read(&self.text()),
            Kind::Number if self.kind == TimeKind::Named => self.kind.read(&self.text()),
            _ => Reading::Malformed,
        }
    }

    pub(super) fn public(&self) -> TimeSite {
        let (kind, reading) = (self.kind, self.reading());
        let is_text = self.value.kind() == Kind::String;
        TimeSite { path: self.path.clone(), kind, text: self.text().into_owned(), is_text, reading }
    }

    /// Writes what the stamp makes of the time that is here; was that a change?
    pub(super) fn stamp(&self, stamps: Stamps, edits: &mut Edits<'_>, warnings: &mut Vec<Warning>) -> Result<bool> {
        let Some(stamp) = stamp_of(self.kind, stamps) else { return Ok(false) };
        let warn = |kind| Warning { path: self.path.clone(), kind };
        match self.reading() {
            Reading::Time { first, .. } if stamp.rule == Rule::Clamp && stamp.accepts(first) => return Ok(false),
            Reading::Time { .. } => {}
            Reading::Nothing => return Ok(false),
            Reading::Malformed if self.kind == TimeKind::Created => {
                let found = format!("{:?}", self.text());
                let error = Error::malformed("created", "an RFC 3339 time such as 2023-11-14T22:13:20Z", found);
                return Err(error.at_entry(&self.path).at_offset(self.value.span().start as u64));
            }
            Reading::Malformed if self.value.kind() != Kind::String => {
                warnings.push(warn(WarningKind::NotText(self.text().into_owned())));
                return Ok(false);
            }
            // The label that it is of has the warning.
            Reading::Malformed if self.spot.is_some() && stamp.rule == Rule::Clamp => return Ok(false),
            Reading::Malformed if self.spot.is_some() => {}
            // It may be any time, an earlier one too, and clamping makes none later. What a user takes for a time may be
            // something else.
            Reading::Malformed if stamp.rule == Rule::Clamp || self.kind == TimeKind::Named => {
                warnings.push(warn(WarningKind::UnreadTime(self.text().into_owned())));
                return Ok(false);
            }
            Reading::Malformed => warnings.push(warn(WarningKind::NotATime(self.text().into_owned()))),
        }
        let text = match self.kind {
            TimeKind::Seconds => stamp.epoch.to_string(),
            TimeKind::Created | TimeKind::Date => stamp.epoch.rfc3339(),
            TimeKind::Named => match forms::read(&self.text()) {
                Some((_, form)) => form.write(&self.text(), stamp.epoch),
                None => return Ok(false),
            },
        };
        Ok(match &self.spot {
            // A date has no character that JSON escapes.
            Some(spot) => spot.text != text && edits.replace(spot.span.clone(), text),
            None if self.value.kind() == Kind::Number => edits.replace(self.value.span(), text),
            None => edits.string(self.value, &text),
        })
    }
}

/// Collects the `created` of an object.
pub(super) fn created_sites<'j>(object: Value<'j>, path: &str, sites: &mut Vec<Site<'j>>) {
    if let Some(value) = object.get_some("created") {
        sites.push(Site { path: member_path(path, "created"), kind: TimeKind::Created, value, spot: None });
    }
}

/// Collects the times in a map of labels or annotations, if there is one.
pub(super) fn label_sites<'j>(labels: Option<Value<'j>>, path: &str, keys: &TimeKeys, sites: &mut Vec<Site<'j>>) {
    for member in labels.into_iter().flat_map(Value::members) {
        let Some(kind) = keys.kind_of(&member.key, &text_of(member.value)) else { continue };
        if !member.value.is_null() {
            sites.push(Site { path: member_path(path, &member.key), kind, value: member.value, spot: None });
        }
    }
}

/// A text, or what else is there as JSON has it.
pub(super) fn text_of(value: Value<'_>) -> Cow<'_, str> {
    value.as_str().unwrap_or_else(|| String::from_utf8_lossy(value.raw()))
}
