//! Times that stay: values that look like a time later than the epoch, under keys that are not known to hold a time.
//!
//! Two builds may differ in them alone, so they are named. Of digits alone, only a key that speaks of a time shows what
//! they are; a date without a time of day may be a version.

use std::collections::BTreeMap;

use super::dates::Reading;
use super::descriptor::{IMAGE_NAME, REF_NAME};
use super::forms;
use super::json::{Kind, Value, element_path, member_path};
use super::keys::TimeKeys;
use super::times::text_of;
use crate::error::{printable, shell_word};
use crate::limits::Limits;
use crate::stamp::{Epoch, Instant, Stamps};

/// A longer text is no time.
const LONGEST: usize = 64;

/// A value that reads as a time later than the epoch and that nothing stamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlistedTime {
    /// Where: `config.Labels["BUILD_DATE"]`.
    pub path: String,
    /// The key of the label or annotation, or the name of the variable.
    pub key: String,
    /// The value.
    pub text: String,
    /// Is it an environment variable? Programs in the image read those, so that no rewrite changes them.
    pub is_variable: bool,
    /// On the last one of a list that is full: how many more the document has.
    pub beyond: u64,
}

/// So many of one document are listed.
const LISTED_MAX: usize = 1000;

/// Collects such values of one document.
#[derive(Debug)]
pub(super) struct Late<'k> {
    keys: &'k TimeKeys,
    /// Are keys that are known only known of labels and annotations, and this is something else?
    is_other: bool,
    /// `None` where documents keep their times: then none is late.
    epoch: Option<Epoch>,
    found: Vec<UnlistedTime>,
}

impl<'k> Late<'k> {
    pub(super) fn new(keys: &'k TimeKeys, stamps: Stamps) -> Self {
        let epoch = stamps.documents.map(|stamp| stamp.epoch);
        Self { keys, is_other: false, epoch, found: Vec::new() }
    }

    /// The same, where no key is known.
    pub(super) fn of_any_key(keys: &'k TimeKeys, stamps: Stamps) -> Self {
        Self { is_other: true, ..Self::new(keys, stamps) }
    }

    /// Looks at a map of labels or annotations.
    pub(super) fn map(&mut self, map: Option<Value<'_>>, path: &str) {
        for member in map.into_iter().flat_map(Value::members) {
            self.member(&member.key, member.value, || path.to_owned());
        }
    }

    /// Looks at the annotations of a document or descriptor.
    pub(super) fn annotations(&mut self, holder: Value<'_>, path: &str) {
        self.map(holder.get("annotations"), &member_path(path, "annotations"));
    }

    /// Looks at a list of environment variables.
    pub(super) fn variables(&mut self, list: Option<Value<'_>>, path: &str) {
        for (number, variable) in list.into_iter().flat_map(Value::elements).enumerate() {
            let Some(text) = variable.as_str() else { continue };
            let Some((name, value)) = text.split_once('=') else { continue };
            if self.is_late(name, value) {
                self.push(|| {
                    let (path, key, text) = (element_path(path, number), name.to_owned(), value.to_owned());
                    UnlistedTime { path, key, text, is_variable: true, beyond: 0 }
                });
            }
        }
    }

    /// Looks at a member of a map, which is at `path`.
    pub(super) fn member(&mut self, key: &str, value: Value<'_>, path: impl FnOnce() -> String) {
        if !matches!(value.kind(), Kind::String | Kind::Number) {
            return;
        }
        let text = text_of(value);
        if self.is_late(key, &text) && (self.is_other || self.keys.kind_of(key, &text).is_none()) {
            self.push(|| {
                let (path, key, text) = (member_path(&path(), key), key.to_owned(), text.into_owned());
                UnlistedTime { path, key, text, is_variable: false, beyond: 0 }
            });
        }
    }

    fn push(&mut self, time: impl FnOnce() -> UnlistedTime) {
        let is_full = self.found.len() >= LISTED_MAX;
        match self.found.last_mut().filter(|_| is_full) {
            Some(last) => last.beyond += 1,
            None => self.found.push(time()),
        }
    }

    fn is_late(&self, key: &str, text: &str) -> bool {
        let Some(epoch) = self.epoch else { return false };
        time_of(key, text).is_some_and(|time| time.cmp_epoch(epoch).is_gt())
    }

    pub(super) fn found(self) -> Vec<UnlistedTime> {
        self.found
    }
}

/// The time that the value of a label, annotation or variable reads as, if its key does not say that it is something else.
pub fn time_of(key: &str, text: &str) -> Option<Instant> {
    if text.len() > LONGEST || is_of_an_end(key) || [REF_NAME, IMAGE_NAME].contains(&key) {
        return None;
    }
    let read = if speaks_of_time(key) { forms::read(text) } else { forms::read_unmistakable(text) };
    match read {
        Some((Reading::Time { first, last }, _)) if first == last || !is_of_version(key) => {
            Some(first).filter(|time| !time.is_no_time())
        }
        _ => None,
    }
}

/// The words of a key: `io.example.buildDate` has `io`, `example`, `build` and `date`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || was_lower && c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words
}

/// Does a key say that its value is a time?
fn speaks_of_time(key: &str) -> bool {
    const ENDS: [&str; 13] = [
        "time",
        "date",
        "timestamp",
        "stamp",
        "epoch",
        "created",
        "createdat",
        "creation",
        "built",
        "builtat",
        "buildat",
        "modified",
        "released",
    ];
    const OTHERS: [&str; 8] =
        ["runtime", "update", "candidate", "validate", "uptime", "lifetime", "realtime", "mandate"];
    words(key).iter().any(|word| ENDS.iter().any(|end| word.ends_with(end)) && !OTHERS.contains(&word.as_str()))
}

/// Does a key speak of something that is planned, begins or ends? Such a time is no fact about the build.
fn is_of_an_end(key: &str) -> bool {
    const ENDS: [&str; 20] = [
        "expire",
        "expires",
        "expired",
        "expiry",
        "expiration",
        "until",
        "valid",
        "validity",
        "deadline",
        "due",
        "eol",
        "eos",
        "end",
        "ends",
        "before",
        "after",
        "license",
        "password",
        "schedule",
        "start",
    ];
    words(key).iter().any(|word| ENDS.contains(&word.as_str()))
}

/// Is its value a version or name, which may be a date?
fn is_of_version(key: &str) -> bool {
    const VERSIONS: [&str; 6] = ["version", "release", "tag", "ref", "revision", "name"];
    words(key).last().is_some_and(|word| VERSIONS.contains(&word.as_str()))
}

/// Such values of all documents of an image, by their keys: one of many is said, and the others counted.
#[derive(Debug, Default)]
pub struct UnlistedTimes {
    /// By key; variables last, since a rewrite can't do anything about them.
    seen: BTreeMap<(bool, String), Seen>,
    /// Values under further keys.
    more: u64,
}

/// Where a key was seen first, and how often.
#[derive(Debug)]
pub struct Seen {
    /// The document.
    pub place: String,
    /// The value that was seen first.
    pub first: UnlistedTime,
    /// How many values there are under this key.
    pub count: u64,
}

impl UnlistedTimes {
    /// Adds those of a document.
    pub fn add(&mut self, place: &str, found: Vec<UnlistedTime>) {
        for time in found {
            self.more += time.beyond;
            // What is printed of a key: it may be of any length.
            let key = (time.is_variable, printable(time.key.as_bytes()));
            if let Some(seen) = self.seen.get_mut(&key) {
                seen.count += 1;
            } else if self.seen.len() >= Limits::DEFAULT.problems {
                self.more += 1;
            } else {
                let path = printable(time.path.as_bytes());
                let first = UnlistedTime { path, key: key.1.clone(), ..time };
                self.seen.insert(key, Seen { place: place.to_owned(), first, count: 1 });
            }
        }
    }

    /// Each key once.
    pub fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.seen.values()
    }

    /// How many values are under keys that are not listed, as there are too many.
    pub fn more(&self) -> u64 {
        self.more
    }
}

impl Seen {
    /// What it is, and what to do about it: all but the document and the path in it.
    pub fn message(&self) -> String {
        let UnlistedTime { key, text, is_variable, .. } = &self.first;
        let text = printable(text.as_bytes());
        let more = match self.count {
            1 => String::new(),
            count => format!(" ({count} such values)"),
        };
        match is_variable {
            true => format!(
                "{key}={text} is later than the epoch and stays, as programs in the image may read it{more}: set it from \
                 SOURCE_DATE_EPOCH in the build"
            ),
            false => format!(
                "{text} is later than the epoch and stays, as restamp does not know the key{more}: give --time-key {}",
                argument(key)
            ),
        }
    }
}

/// A key as an argument for a shell; one that is too long to be printed, as a pattern.
fn argument(key: &str) -> String {
    let key = key.strip_suffix('…').map_or_else(|| key.to_owned(), |start| format!("{start}*"));
    shell_word(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::json::Json;
    use crate::stamp::Stamp;

    fn late(key: &str, value: &str) -> bool {
        let stamps = Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap()).into();
        let json = serde_json::json!({ key: value }).to_string();
        let keys = TimeKeys::new(["known.*"]).unwrap();
        let json = Json::parse_map(json.as_bytes()).unwrap();
        let mut late = Late::new(&keys, stamps);
        late.map(Some(json.root()), "Labels");
        !late.found().is_empty()
    }

    #[test]
    fn only_what_reads_as_a_later_time_is_late() {
        for (key, value) in [
            ("x", "2025-10-09T08:53:20.123Z"),
            ("x", "2025-10-09T08:53:20+02:00"),
            ("x", "2025-10-09 08:53:20"),
            ("x", "2025-10-09"),
            ("x", "Thu, 09 Oct 2025 08:53:20 GMT"),
            ("x", "Thu Oct  9 08:53:20 UTC 2025"),
            ("x", "20251009T085320Z"),
            ("BUILD_DATE", "20251009"),
            ("buildDate", "1760000000"),
            ("io.x.build-timestamp", "1760000000123"),
            ("buildkit/createdat", "1760000000"),
            ("org.opencontainers.image.version", "2025-10-09T08:53:20Z"),
        ] {
            assert!(late(key, value), "{key} {value}");
        }
        for (key, value) in [
            ("x", "2023-11-14T22:13:20Z"),
            ("x", "2023-11-14"),
            ("x", "2019-01-01"),
            ("x", "1760000000"),
            ("x", "20251009"),
            ("update-count", "1760000000"),
            ("x.runtime", "1760000000"),
            ("org.opencontainers.image.version", "2025-10-09"),
            ("org.opencontainers.image.ref.name", "2025-10-09T08:53:20Z"),
            ("x", "v2025-10-09"),
            ("x", "2042-07-14T01:04:00Z"),
            ("x", ""),
            ("x", "built on 2025-10-09"),
            ("build-date", "2025-10-09"),
            ("known.date", "2025-10-09"),
        ] {
            assert!(!late(key, value), "{key} {value}");
        }
    }

    #[test]
    fn of_each_key_one_value_is_said() {
        let time = |key: &str, is_variable| {
            let (path, text) = (format!("config.Labels.{key}"), "2025-10-09".to_owned());
            UnlistedTime { path, key: key.to_owned(), text, is_variable, beyond: 0 }
        };
        let mut all = UnlistedTimes::default();
        all.add("one", vec![time("B", true), time("b c", false), time("a", false)]);
        all.add("two", vec![time("a", false), time("a", true)]);
        let said: Vec<String> = all.seen().map(|seen| format!("{}: {}", seen.place, seen.message())).collect();
        assert_eq!(
            said,
            [
                "one: 2025-10-09 is later than the epoch and stays, as restamp does not know the key (2 such values): give \
                 --time-key a",
                "one: 2025-10-09 is later than the epoch and stays, as restamp does not know the key: give --time-key 'b c'",
                "one: B=2025-10-09 is later than the epoch and stays, as programs in the image may read it: set it from \
                 SOURCE_DATE_EPOCH in the build",
                "two: a=2025-10-09 is later than the epoch and stays, as programs in the image may read it: set it from \
                 SOURCE_DATE_EPOCH in the build",
            ]
        );
        all.add("three", (0..2000).map(|number| time(&format!("k{number}"), false)).collect());
        assert_eq!((all.seen().count(), all.more()), (1000, 1004));
        let long = "k".repeat(300);
        let mut all = UnlistedTimes::default();
        all.add("one", vec![time(&long, false)]);
        let said = all.seen().next().unwrap().message();
        assert!(said.ends_with(&format!("--time-key '{}*'", "k".repeat(200))), "{said}");
    }
}
