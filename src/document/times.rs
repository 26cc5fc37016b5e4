//! Dates in documents: where they are, how they are read, what a stamp makes of them.
//!
//! `created` fields are RFC 3339 and nothing else, since every consumer refuses an image where they are not.
//! Labels and annotations hold what people wrote there, so they are read more freely.

use std::borrow::Cow;
use std::ops::Range;

use chrono::NaiveDate;

use super::edit::Edits;
use super::json::{Kind, Value, member_path};
use super::{Warning, WarningKind};
use crate::error::{Error, Result, printable};
use crate::stamp::{Instant, Rule, Stamp};

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
}

impl TimeKind {
    /// What a text in such a place says.
    pub fn read(self, text: &str) -> Reading {
        match self {
            Self::Created => read_created(text).map_or(Reading::Malformed, Reading::at),
            Self::Date => read_date(text),
            Self::Seconds => read_seconds(text),
        }
    }

    /// The kind of place that a label or annotation is, if this key is one of a time.
    pub fn of_key(key: &str) -> Option<Self> {
        TIME_KEYS.iter().find(|(known, _)| *known == key).map(|(_, kind)| *kind)
    }
}

/// What a text says of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A time, or all the seconds of the day that a bare date names.
    Time {
        /// The first instant that is meant.
        first: Instant,
        /// The last one, to the second.
        last: Instant,
    },
    /// Nothing: the text is empty or has no digit. It is left as it is.
    Nothing,
    /// Something with digits that is no time.
    Malformed,
}

impl Reading {
    fn at(instant: Instant) -> Self {
        Self::Time { first: instant, last: instant }
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
    pub fn accepted_by(&self, stamp: Stamp) -> bool {
        match self.reading {
            Reading::Time { first, last } => match stamp.rule {
                Rule::Clamp => stamp.accepts(first),
                Rule::Set => first.cmp_epoch(stamp.epoch).is_le() && last.cmp_epoch(stamp.epoch).is_ge(),
            },
            Reading::Nothing => true,
            Reading::Malformed => self.is_left_by(stamp),
        }
    }

    /// Is this a text that the stamp can do nothing about? Clamping leaves what it can't read; a `created` that can't
    /// be read is an error.
    pub fn is_left_by(&self, stamp: Stamp) -> bool {
        stamp.rule == Rule::Clamp
            && self.kind != TimeKind::Created
            && self.reading == Reading::Malformed
            && self.is_text
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
            _ => Reading::Malformed,
        }
    }

    pub(super) fn public(&self) -> TimeSite {
        let (kind, reading) = (self.kind, self.reading());
        let is_text = self.value.kind() == Kind::String;
        TimeSite { path: self.path.clone(), kind, text: self.text().into_owned(), is_text, reading }
    }

    /// Writes what the stamp makes of the time that is here; was that a change?
    pub(super) fn stamp(&self, stamp: Stamp, edits: &mut Edits<'_>, warnings: &mut Vec<Warning>) -> Result<bool> {
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
            // It may be any time, an earlier one too, and clamping makes none later.
            Reading::Malformed if stamp.rule == Rule::Clamp => {
                warnings.push(warn(WarningKind::UnreadTime(self.text().into_owned())));
                return Ok(false);
            }
            Reading::Malformed => warnings.push(warn(WarningKind::NotATime(self.text().into_owned()))),
        }
        let text = match self.kind {
            TimeKind::Seconds => stamp.epoch.to_string(),
            TimeKind::Created | TimeKind::Date => stamp.epoch.rfc3339(),
        };
        Ok(match &self.spot {
            // A date has no character that JSON escapes.
            Some(spot) => spot.text != text && edits.replace(spot.span.clone(), text),
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
pub(super) fn label_sites<'j>(labels: Option<Value<'j>>, path: &str, sites: &mut Vec<Site<'j>>) {
    for member in labels.into_iter().flat_map(Value::members) {
        let Some(kind) = TimeKind::of_key(&member.key) else { continue };
        if !member.value.is_null() {
            sites.push(Site { path: member_path(path, &member.key), kind, value: member.value, spot: None });
        }
    }
}

/// Reads a `created`: RFC 3339, as Go's decoder has it.
pub fn read_created(text: &str) -> Option<Instant> {
    let mut instant = Instant::from_rfc3339(text).filter(|_| text.is_ascii())?;
    let digits = text.get(20..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit);
    // Digits beyond the ninth say only that it is later.
    if instant.nanos == 0 && text.as_bytes().get(19) == Some(&b'.') && digits.skip(9).any(|digit| digit != b'0') {
        instant.nanos = 1;
    }
    Some(instant)
}

/// Reads seconds since 1970 in decimal digits.
fn read_seconds(text: &str) -> Reading {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Reading::Malformed;
    }
    // All digits, so that what does not parse is too large.
    let limit = if negative { i64::MIN } else { i64::MAX };
    Reading::at(Instant::from_seconds(text.parse().unwrap_or(limit)))
}

/// Reads a date as people write it into labels: RFC 3339, `2023-01-31`, `20230131`, `2023-01-31 12:30:00.5 UTC`,
/// with or without a zone, or nine to eleven digits of seconds.
pub fn read_date(text: &str) -> Reading {
    if let Some(instant) = read_created(text) {
        return Reading::at(instant);
    }
    let trimmed = text.trim();
    if let Some(reading) = Scanner(trimmed.as_bytes()).date() {
        return reading;
    }
    let digits = trimmed.strip_prefix('-').unwrap_or(trimmed);
    if (9..=11).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        return read_seconds(trimmed);
    }
    if text.contains(char::is_numeric) { Reading::Malformed } else { Reading::Nothing }
}

/// What is left to read of a date.
#[derive(Debug, Clone, Copy)]
struct Scanner<'t>(&'t [u8]);

impl Scanner<'_> {
    fn date(mut self) -> Option<Reading> {
        let year = self.number(4)?;
        self.skip(b"-");
        let month = self.number(2)?;
        self.skip(b"-");
        let day = self.number(2)?;
        // chrono knows a year 0; the calendars of the programs that read such dates begin with year 1.
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok().filter(|year| *year > 0)?, month, day)?;
        // A blank may lead to a time or to a zone: a time that can't be read here is none.
        let mut after = self;
        let time = after.time();
        let (clock, nanos) = match time {
            Some(time) => {
                self = after;
                time
            }
            None => ((0, 0, 0), 0),
        };
        let offset = self.zone()?;
        let seconds = date.and_hms_opt(clock.0, clock.1, clock.2)?.and_utc().timestamp().checked_sub(offset)?;
        let first = Instant { seconds, nanos };
        let last = if time.is_some() { first } else { Instant::from_seconds(seconds.checked_add(86_399)?) };
        Some(Reading::Time { first, last })
    }

    fn time(&mut self) -> Option<((u32, u32, u32), u32)> {
        self.skip(b"Tt ");
        let hour = self.number(2)?;
        self.skip(b":");
        let minute = self.number(2)?;
        self.skip(b":");
        let second = self.number(2)?;
        let nanos = if self.0.first() == Some(&b'.') { self.fraction()? } else { 0 };
        Some(((hour, minute, second), nanos))
    }

    fn fraction(&mut self) -> Option<u32> {
        self.skip(b".");
        let length = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length).filter(|(digits, _)| !digits.is_empty())?;
        self.0 = rest;
        let digit = |at: usize| u32::from(digits.get(at).map_or(0, |digit| digit - b'0'));
        let nanos = (0..9).fold(0, |nanos, at| nanos * 10 + digit(at));
        let more = digits.iter().skip(9).any(|digit| *digit != b'0');
        Some(if nanos == 0 && more { 1 } else { nanos })
    }

    /// The seconds that a zone at the end is east of UTC; none is UTC.
    fn zone(mut self) -> Option<i64> {
        self.skip(b" ");
        let sign = match self.0 {
            [] | b"Z" | b"UTC" => return Some(0),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.skip(b"+-");
        let hours = i64::from(self.number(2)?);
        self.skip(b":");
        let minutes = i64::from(self.number(2)?);
        // Go's `Time.String` has the name of the zone after its offset, which says all that counts.
        let is_name = |name: &[u8]| name.len() >= 3 && name.iter().all(u8::is_ascii_uppercase);
        let is_end = self.0.is_empty() || self.0.strip_prefix(b" ").is_some_and(is_name);
        is_end.then_some(sign * (hours * 3600 + minutes * 60))
    }

    /// Takes exactly that many digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits).filter(|(n, _)| n.iter().all(u8::is_ascii_digit))?;
        self.0 = rest;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// Takes one of these characters, if there is one.
    fn skip(&mut self, any: &[u8]) {
        if let Some((first, rest)) = self.0.split_first()
            && any.contains(first)
        {
            self.0 = rest;
        }
    }
}
