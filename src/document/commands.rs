//! Times in the commands of a build: `LABEL build-date="$(date)"` leaves the date in the label, which is stamped, and in
//! the text of the step that set it (`history[].created_by`, or Docker's older `container_config.Cmd`).
//!
//! Two things in such a text are times: the old value of a label or annotation that is stamped, where it occurs verbatim
//! and can't be a part of something else; and a time after the key of such a label (`build-date=`), which an image has
//! whose label alone was stamped. Nothing else is: a command may name any date.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::forms;
use super::json::{Value, element_path, member_path};
use super::keys::TIME_KEYS;
use super::times::{Reading, Site, Spot, TimeKeys, TimeKind};

/// A shorter text is too common to be recognised as a time wherever it occurs.
const SHORTEST: usize = 8;
/// The longest text that is looked for as a time, in bytes.
const LONGEST: usize = 64;
/// A date has no more words than that: `Tue Jan  2 03:04:05 AM UTC 2024`.
const MAX_WORDS: usize = 7;

/// Old values of labels or annotations, to be looked for in commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OldTimes {
    texts: BTreeMap<String, TimeKind>,
}

impl OldTimes {
    /// Adds the value of a label or annotation, if its key is one of a time and the value is known for one anywhere.
    pub fn add(&mut self, keys: &TimeKeys, key: &str, text: &str) {
        let Some(kind) = keys.kind_of(key, text) else { return };
        if (SHORTEST..=LONGEST).contains(&text.len()) && text.trim() == text && reads_as_time(kind, text) {
            self.texts.entry(text.to_owned()).or_insert(kind);
        }
    }

    /// Adds all of another's.
    pub fn extend(&mut self, other: &Self) {
        self.texts.extend(other.texts.iter().map(|(text, kind)| (text.clone(), *kind)));
    }

    /// Is there nothing to look for?
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// What is looked for in the commands of one config.
#[derive(Debug, Clone)]
pub struct Commands {
    old: OldTimes,
    /// The lengths of the old values.
    lengths: BTreeSet<usize>,
    /// The labels themselves, but for long texts: after its key, any value that is stamped is known.
    labels: Vec<(String, String)>,
    /// The keys of those among them that a user has named.
    named: BTreeSet<String>,
}

/// A time in a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where in the text.
    range: Range<usize>,
    kind: TimeKind,
}

impl Commands {
    /// What is looked for in a config or v1 file with this root, about which there are these annotations.
    pub(super) fn of(root: Value<'_>, keys: &TimeKeys, annotations: &OldTimes) -> Self {
        let mut old = annotations.clone();
        let (mut labels, mut named) = (Vec::new(), BTreeSet::new());
        for holder in ["config", "container_config"] {
            let map = root.get(holder).and_then(|holder| holder.get("Labels"));
            for member in map.into_iter().flat_map(Value::members) {
                let Some(text) = member.value.as_str() else { continue };
                let Some(kind) = keys.kind_of(&member.key, &text) else { continue };
                old.add(keys, &member.key, &text);
                if kind == TimeKind::Named {
                    named.insert(member.key.into_owned());
                } else if text.len() <= LONGEST {
                    labels.push((member.key.into_owned(), text.into_owned()));
                }
            }
        }
        let lengths = old.texts.keys().map(String::len).collect();
        Self { old, lengths, labels, named }
    }

    /// The text with the same sign in the place of each time: what two builds have in common.
    pub fn masked(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for Found { range, kind } in self.find(text) {
            masked.push_str(text.get(done..range.start).unwrap_or_default());
            let time = text.get(range.clone()).unwrap_or_default();
            match kind {
                TimeKind::Seconds => masked.push_str("\0seconds\0"),
                // Each form is written as it was.
                TimeKind::Named => masked.push_str(&format!("\0{:?}\0", forms::read(time).map(|(_, form)| form))),
                TimeKind::Created | TimeKind::Date => masked.push_str("\0date\0"),
            }
            done = range.end;
        }
        masked.push_str(text.get(done..).unwrap_or_default());
        masked
    }

    /// The times in a command, in their order; none overlaps another.
    pub(super) fn find(&self, text: &str) -> Vec<Found> {
        let mut found: BTreeMap<usize, (usize, TimeKind)> = BTreeMap::new();
        for (key, kind) in TIME_KEYS {
            for (at, _) in text.match_indices(key) {
                if let Some(range) = self.behind_key(text, at, key, kind) {
                    found.entry(range.start).or_insert((range.end, kind));
                }
            }
        }
        for (at, key) in self.named_in(text) {
            if let Some(range) = self.behind_key(text, at, key, TimeKind::Named) {
                found.entry(range.start).or_insert((range.end, TimeKind::Named));
            }
        }
        for (range, kind) in self.verbatim(text) {
            let before = found.range(..range.end).next_back();
            if before.is_none_or(|(_, (end, _))| *end <= range.start) {
                found.insert(range.start, (range.end, kind));
            }
        }
        let mut last = 0;
        let found = found.into_iter().filter(|(start, (end, _))| {
            // A value may hold what looks like a key and a value.
            let is_apart = *start >= last;
            last = last.max(*end);
            is_apart
        });
        found.map(|(start, (end, kind))| Found { range: start..end, kind }).collect()
    }

    /// Where the keys of labels are that a user has named.
    fn named_in<'t>(&self, text: &'t str) -> Vec<(usize, &'t str)> {
        if self.named.is_empty() {
            return Vec::new();
        }
        // The characters between words are of any length.
        let words = text.split_inclusive(|c: char| !(c.is_alphanumeric() || "._-/".contains(c)));
        let words = words.scan(0, |at, word| {
            let start = std::mem::replace(at, *at + word.len());
            Some((start, word.trim_end_matches(|c: char| !(c.is_alphanumeric() || "._-/".contains(c)))))
        });
        words.filter(|(_, word)| self.named.contains(*word)).collect()
    }

    /// Old values, each where nothing beside it belongs to it.
    fn verbatim(&self, text: &str) -> Vec<(Range<usize>, TimeKind)> {
        let mut found = Vec::new();
        if self.lengths.is_empty() {
            return found;
        }
        let (mut done, mut before) = (0, None);
        for (at, c) in text.char_indices() {
            let is_start = at >= done && !before.is_some_and(char::is_alphanumeric);
            before = Some(c);
            if !is_start {
                continue;
            }
            let fits = self.lengths.iter().rev().find_map(|length| {
                let range = at..at.checked_add(*length)?;
                let (old, kind) = self.old.texts.get_key_value(text.get(range.clone())?)?;
                is_whole(text, &range, old).then_some((range, *kind))
            });
            if let Some((range, kind)) = fits {
                done = range.end;
                found.push((range, kind));
            }
        }
        found
    }

    /// The value after a key: that of the label, or a time.
    fn behind_key(&self, text: &str, at: usize, key: &str, kind: TimeKind) -> Option<Range<usize>> {
        let before = text.get(..at)?.chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || "._-/".contains(c)) {
            return None;
        }
        let rest = text.get(at + key.len()..)?;
        let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)).unwrap_or_default();
        let rest = rest.get(quote.len()..)?;
        let rest = rest.strip_prefix('=').or_else(|| rest.strip_prefix(' ').map(str::trim_start))?;
        let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)).unwrap_or_default();
        let rest = rest.get(quote.len()..)?;
        let start = text.len() - rest.len();
        let own = self.labels.iter().filter(|(name, value)| name == key && kind.read(value) != Reading::Nothing);
        let own = own.map(|(_, value)| value.as_str()).find(|value| {
            let after = rest.strip_prefix(value).map(|after| after.chars().next());
            after.is_some_and(|next| next.is_none_or(|c| !c.is_alphanumeric()))
        });
        let value = own.or_else(|| time_at_start(rest, quote, kind))?;
        Some(start..start + value.len())
    }
}

/// The longest time that a text begins with: up to the quote, or else so many words.
fn time_at_start<'t>(text: &'t str, quote: &str, kind: TimeKind) -> Option<&'t str> {
    // No further than a time can go: the text may be long, and have many keys.
    let text = text.char_indices().nth(LONGEST + 1).and_then(|(end, _)| text.get(..end)).unwrap_or(text);
    let is_end = |c: char| c.is_control() || "\"'\\;&|()<>".contains(c);
    let end = match quote {
        "" => text.find(is_end).unwrap_or(text.len()),
        quote => text.find(quote)?,
    };
    let text = text.get(..end)?;
    let is_end = |at: &usize| text.get(..*at).is_some_and(|word| !word.ends_with(' '));
    let ends = text.match_indices([' ', ',']).map(|(at, _)| at).filter(is_end);
    let mut ends: Vec<usize> = ends.take_while(|at| *at <= LONGEST).take(MAX_WORDS).collect();
    ends.extend(Some(text.len()).filter(|length| *length <= LONGEST));
    let texts = ends.into_iter().rev().filter_map(|end| text.get(..end));
    texts.into_iter().find(|text| reads_as_time(kind, text))
}

/// Does nothing beside a value belong to it? `2024-01-02` is not whole in `2024-01-02T03:04:05Z`, nor, as it could be
/// any number of a version, in `app-2024-01-02.tar`; a time to the second is one wherever it begins and ends.
fn is_whole(text: &str, range: &Range<usize>, value: &str) -> bool {
    let mut before = text.get(..range.start).unwrap_or_default().chars().rev();
    let mut after = text.get(range.end..).unwrap_or_default().chars();
    let (sides, next) = ([before.next(), after.next()], [before.next(), after.next()]);
    if sides.iter().flatten().any(|c| c.is_alphanumeric()) {
        return false;
    }
    let joins = |c: char| ".:+-_/~".contains(c);
    match value.contains(':') {
        // `.5` or `+01:00`, of which the value is but a part.
        true => !sides
            .iter()
            .zip(next)
            .any(|(side, next)| side.is_some_and(|c| ".:+-".contains(c)) && next.is_some_and(|c| c.is_ascii_digit())),
        false => !sides.iter().flatten().any(|c| joins(*c)),
    }
}

/// Is this a time, as labels have it or as `date` prints it?
fn reads_as_time(kind: TimeKind, text: &str) -> bool {
    matches!(kind.read(text), Reading::Time { .. }) || kind == TimeKind::Date && forms::is_output_of_date(text)
}

/// Collects the times in the commands of a config, without those of its base, or of a v1 file.
pub(super) fn command_sites<'j>(root: Value<'j>, commands: &Commands, base: usize, sites: &mut Vec<Site<'j>>) {
    let history = root.get("history").into_iter().flat_map(Value::elements).enumerate().skip(base);
    for (number, entry) in history {
        if let Some(command) = entry.get("created_by") {
            let path = member_path(&element_path("history", number), "created_by");
            sites_in(command, &path, commands, sites);
        }
    }
    let words = root.get("container_config").and_then(|holder| holder.get("Cmd"));
    for (number, word) in words.into_iter().flat_map(Value::elements).enumerate() {
        sites_in(word, &element_path("container_config.Cmd", number), commands, sites);
    }
}

fn sites_in<'j>(value: Value<'j>, path: &str, commands: &Commands, sites: &mut Vec<Site<'j>>) {
    let Some(text) = value.as_str() else { return };
    let found = commands.find(&text);
    let ranges: Vec<Range<usize>> = found.iter().map(|found| found.range.clone()).collect();
    for (found, span) in found.iter().zip(value.spans_of(&ranges)) {
        let text = text.get(found.range.clone()).unwrap_or_default().to_owned();
        let spot = Some(Spot { text, span });
        sites.push(Site { path: path.to_owned(), kind: found.kind, value, spot });
    }
}

#[cfg(test)]
#[path = "tests/commands.rs"]
mod tests;
