//! The same text but for dates.
//!
//! Both texts are walked side by side: where they differ, both have to have a date of one form, as a word of its own, and
//! go on alike after it. So nothing is held but two places, whatever the size, and what is no date is never passed over.
//! Dates that say when something ends, and names and versions that look like a date, are no time of a build. Numbers count
//! as times only in formats of data and under a key that names a time.

use crate::format::date;

/// So much before a date says what it is of.
const CONTEXT: usize = 96;
/// A fraction in a field of its own is not further from the seconds.
const NEAR: usize = 128;

/// Endings of files in which numbers may be times.
const DATA: [&[u8]; 10] =
    [b".properties", b".json", b".yaml", b".yml", b".toml", b".spdx", b".mf", b".xml", b".map", b".webmanifest"];
/// Words of a key after which a date is not the time of a build, whatever else the key says.
const ENDS: [&str; 22] = [
    "expires",
    "expire",
    "expired",
    "expiry",
    "expiration",
    "exp",
    "until",
    "after",
    "before",
    "notafter",
    "notbefore",
    "valid",
    "validity",
    "deadline",
    "eol",
    "eos",
    "newer",
    "older",
    "nbf",
    "cutoff",
    "born",
    "birthday",
];
/// Words of a key whose value is a name, unless the key says that it is a time.
const NAMES: [&str; 22] = [
    "version", "versions", "ver", "tag", "tags", "rev", "revision", "release", "name", "id", "image", "snapshot",
    "branch", "ref", "path", "file", "url", "uri", "sha", "digest", "hash", "checksum",
];
/// Words of a key that say that a number is a time.
const TIMES: [&str; 31] = [
    "time",
    "times",
    "timestamp",
    "timestamps",
    "date",
    "dates",
    "datetime",
    "created",
    "built",
    "at",
    "epoch",
    "mtime",
    "ctime",
    "atime",
    "modified",
    "updated",
    "generated",
    "installed",
    "validated",
    "checked",
    "fetched",
    "pruned",
    "published",
    "lastmodified",
    "lastupdated",
    "buildtime",
    "builddate",
    "createdat",
    "updatedat",
    "mtimems",
    "installtime",
];
/// Words of a key that say that a number is something else, a length of time for example.
const AMOUNTS: [&str; 16] = [
    "timeout", "limit", "max", "min", "interval", "duration", "ttl", "age", "number", "count", "size", "port", "id",
    "offset", "length", "seed",
];
/// Words of a key for the part of a time that is less than a second.
const FRACTIONS: [&str; 6] = ["nanos", "nsec", "nsecs", "nanoseconds", "nanosecond", "nano"];

/// How two texts differ in dates.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dates {
    /// How many differ.
    pub(super) count: usize,
    /// The line of the first.
    pub(super) line: usize,
    /// The key or the words before it.
    pub(super) key: String,
    /// The first on both sides.
    pub(super) first: [String; 2],
    /// Line and key of the first other difference, where there is one.
    pub(super) other: Option<(usize, String)>,
}

impl Dates {
    /// In one line.
    pub(super) fn note(&self) -> String {
        let [a, b] = &self.first;
        if let Some((line, key)) = &self.other {
            let key = if key.is_empty() { String::new() } else { format!(" ({key})") };
            return format!("not only dates differ: line {line}{key} does as well");
        }
        let key = if self.key.is_empty() { String::new() } else { format!(" ({})", self.key) };
        let more = if self.count > 1 { format!("; {} dates in all", self.count) } else { String::new() };
        format!("only dates differ, in line {}{key}: {a} and {b}{more}", self.line)
    }
}

/// The dates that differ, up to the first other difference; `None` where that comes first.
pub(super) fn compare(path: &[u8], a: &[u8], b: &[u8]) -> Option<Dates> {
    let is_data = is_data(path, a);
    let mut found: Option<Dates> = None;
    let mut at = [0, 0];
    loop {
        let rest = [a.get(at[0]..)?, b.get(at[1]..)?];
        let same = rest[0].iter().zip(rest[1]).take_while(|(x, y)| x == y).count();
        if rest.iter().all(|rest| rest.len() == same) {
            return found;
        }
        let near = found.is_some() && same < NEAR;
        let place = (0..=same.min(date::LONGEST)).rev().find_map(|back| {
            let start = [at[0] + same - back, at[1] + same - back];
            let lengths = token([a, b], start, is_data, near)?;
            lengths.iter().all(|length| *length >= back).then_some((start, lengths))
        });
        let Some((start, lengths)) = place else {
            let before = a.get(..at[0] + same)?;
            return found.map(|dates| Dates { other: Some((line_after(before), key(before))), ..dates });
        };
        let text = |bytes: &[u8], side: usize| {
            let range = start.get(side).copied()?..start.get(side)?.checked_add(*lengths.get(side)?)?;
            Some(String::from_utf8_lossy(bytes.get(range)?).replace('\\', ""))
        };
        match &mut found {
            Some(dates) => dates.count += 1,
            None => {
                let before = a.get(..start[0])?;
                let (line, key) = (line_after(before), key(before));
                found = Some(Dates { count: 1, line, key, first: [text(a, 0)?, text(b, 1)?], other: None });
            }
        }
        at = [start[0] + lengths[0], start[1] + lengths[1]];
    }
}

/// The number of the line that goes on after this.
fn line_after(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The lengths of the dates of one form that are in these places.
fn token(texts: [&[u8]; 2], start: [usize; 2], is_data: bool, near: bool) -> Option<[usize; 2]> {
    let [a, b] = [texts[0].split_at_checked(start[0])?, texts[1].split_at_checked(start[1])?];
    if !date::begins(a.0) || !date::begins(b.0) {
        return None;
    }
    let ends = |length: usize, rest: &[u8]| rest.get(length..).is_some_and(date::ends);
    let is_whole = |lengths: [usize; 2]| (ends(lengths[0], a.1) && ends(lengths[1], b.1)).then_some(lengths);
    if let (Some((form, x)), Some((other, y))) = (date::date(a.1), date::date(b.1)) {
        let words = words(a.0, false);
        let is_time = has_any(&words, &TIMES);
        let is_other = has_any(&words, &ENDS) || has_any(&words, &NAMES) && !is_time;
        let is_known = form != date::Form::Clock || near || is_time;
        return if form == other && is_known && !is_other { is_whole([x, y]) } else { None };
    }
    if !is_data {
        return None;
    }
    let words = words(a.0, true);
    if near && has_any(&words, &FRACTIONS) {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return is_whole([digits(a.1), digits(b.1)])
            .filter(|lengths| lengths.iter().all(|count| (1..=9).contains(count)));
    }
    let lengths = [date::number(a.1)?, date::number(b.1)?];
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_time = has_any(&words, &TIMES) && ![&ENDS[..], &AMOUNTS].iter().any(|list| has_any(&words, list));
    if digits(a.1) != digits(b.1) || !is_time {
        return None;
    }
    is_whole(lengths)
}

/// Is it a format of data?
fn is_data(path: &[u8], content: &[u8]) -> bool {
    let path = path.to_ascii_lowercase();
    DATA.iter().any(|ending| path.ends_with(ending)) || content.trim_ascii_start().starts_with(b"{")
}

fn has_any(words: &[String], list: &[&str]) -> bool {
    words.iter().any(|word| list.contains(&word.as_str()))
}

/// What is before a date in its line, or in its member of a list.
fn context(before: &[u8], is_number: bool) -> &[u8] {
    let before = before.get(before.len().saturating_sub(CONTEXT)..).unwrap_or(before);
    let mut from = 0;
    let mut last = b' ';
    for (at, byte) in before.iter().enumerate() {
        let is_cut = match byte {
            // `"timestamp": {"secs": …`: the member around it says what it is.
            b'{' => !is_number,
            b'\n' => !is_number || !matches!(last, b'{' | b'[' | b':'),
            b',' | b';' | b'|' | b'}' => true,
            _ => false,
        };
        if is_cut {
            from = at + 1;
        }
        if !byte.is_ascii_whitespace() {
            last = *byte;
        }
    }
    before.get(from..).unwrap_or_default()
}

/// The last words before a date: of a key more than of a sentence.
fn words(before: &[u8], is_number: bool) -> Vec<String> {
    let context = context(before, is_number);
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for byte in context {
        let is_new = !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() && was_lower;
        if is_new && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| byte.is_ascii_alphabetic()) {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        was_lower = byte.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    let end = context.iter().rposition(|byte| !byte.is_ascii_whitespace() && !b"\"'([{".contains(byte));
    let is_key = is_number || end.and_then(|at| context.get(at)).is_some_and(|byte| b":=>".contains(byte));
    let skipped = words.len().saturating_sub(if is_key { 4 } else { 2 });
    words.drain(..skipped);
    words
}

/// The key before a date, for people.
fn key(before: &[u8]) -> String {
    let context = context(before, false);
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/".contains(byte);
    let key = context.iter().position(|byte| b":=".contains(byte)).and_then(|at| context.get(..at)).unwrap_or_default();
    let key = key.trim_ascii_end();
    let key = key.strip_suffix(b"\"").unwrap_or(key);
    let start = key.iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
    String::from_utf8_lossy(key.get(start..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(path: &str, a: &str, b: &str) -> Option<String> {
        only(path.as_bytes(), a.as_bytes(), b.as_bytes()).map(|dates| dates.note())
    }

    fn only(path: &[u8], a: &[u8], b: &[u8]) -> Option<Dates> {
        compare(path, a, b).filter(|dates| dates.other.is_none())
    }

    #[test]
    fn only_dates_differ() {
        assert_eq!(
            of(
                "x.properties",
                "a=1\nbuild.time=2023-11-14T22\\:13\\:20Z\nb=2\n",
                "a=1\nbuild.time=2023-11-15T23\\:14\\:21Z\nb=2\n"
            ),
            Some("only dates differ, in line 2 (build.time): 2023-11-14T22:13:20Z and 2023-11-15T23:14:21Z".to_owned())
        );
        for (path, a, b) in [
            ("pom.properties", "#Tue Nov 14 22:13:20 UTC 2023\n", "#Wed Nov 15 23:14:21 UTC 2023\n"),
            (
                "v.json",
                r#"{"version":"1.0","built":"2023-11-14T22:13:20Z"}"#,
                r#"{"version":"1.0","built":"2023-11-15T23:14:21.5Z"}"#,
            ),
            (
                "DESCRIPTION",
                "Built: R 4.3.1; ; 2023-11-14 22:13:20 UTC; unix\n",
                "Built: R 4.3.1; ; 2023-11-15 23:14:21 UTC; unix\n",
            ),
            ("DESCRIPTION", "Packaged: 2023-11-14 22:13:20 UTC; me\n", "Packaged: 2023-11-15 22:13:20 UTC; me\n"),
            (
                "perllocal.pod",
                "=head2 Tue Nov 14 22:13:20 2023: C<Module>\n",
                "=head2 Wed Nov 15 23:14:21 2023: C<Module>\n",
            ),
            ("x.json", r#"{"lastValidatedTimestamp": 1700000000997}"#, r#"{"lastValidatedTimestamp": 1700090061997}"#),
            ("x.yaml", "prunedAt: Tue, 14 Nov 2023 22:13:20 GMT\n", "prunedAt: Wed, 15 Nov 2023 23:14:21 GMT\n"),
            (
                "x.json",
                r#"{"timestamp":{"secs_since_epoch":1700000000,"nanos_since_epoch":1234567}}"#,
                r#"{"timestamp":{"secs_since_epoch":1700090061,"nanos_since_epoch":98765432}}"#,
            ),
            ("a.txt", "Built Nov 14 2023 at 22:13:20.\n", "Built Nov 15 2023 at 23:14:21.\n"),
            ("MANIFEST.MF", "Bnd-LastModified: 1700000000000\n", "Bnd-LastModified: 1700090061000\n"),
            (
                "x.html",
                "<!-- Generated by javadoc (17) on Tue Nov 14 22:13:20 UTC 2023 -->",
                "<!-- Generated by javadoc (17) on Wed Nov 15 23:14:21 UTC 2023 -->",
            ),
            ("x.xml", "<lastUpdated>20231114221320</lastUpdated>", "<lastUpdated>20231115231421</lastUpdated>"),
            ("x.xml", "<date>2023-11-14</date>", "<date>2023-11-15</date>"),
            ("x", "on 2023-11-14 and 2023-11-14T22:13:20Z", "on 2023-11-15 and 2023-11-15T00:00:00Z"),
        ] {
            assert!(of(path, a, b).is_some(), "{path}: {a} / {b}");
        }
    }

    #[test]
    fn what_differs_beside_dates_is_named() {
        let text =
            |day: &str, id: &str| format!("{{\n\"created\": \"{day}\",\n\"documentNamespace\": \"urn:{id}\"\n}}\n");
        let (a, b) = (text("2023-11-14", "a1"), text("2023-11-15", "b2"));
        let dates = compare(b"x.spdx.json", a.as_bytes(), b.as_bytes()).unwrap();
        assert_eq!(dates.note(), "not only dates differ: line 3 (documentNamespace) does as well");
        let (a, b) = (text("2023-11-14", "a1"), text("2023-11-14", "b2"));
        assert_eq!(compare(b"x.spdx.json", a.as_bytes(), b.as_bytes()), None);
    }

    #[test]
    fn what_only_looks_like_a_date_is_content() {
        for (path, a, b) in [
            ("x", "1.2.20231114\n", "1.2.20231115\n"),
            ("x", "version: 2023-11-14\n", "version: 2023-11-15\n"),
            ("x.json", r#"{"version": "2023-11-14T22:13:20Z"}"#, r#"{"version": "2023-11-15T22:13:20Z"}"#),
            ("x", "image: repo/app:2023-11-14\n", "image: repo/app:2023-11-15\n"),
            (
                "x",
                "deb http://snapshot.debian.org/archive/debian/20231114T221320Z/ sid\n",
                "deb http://snapshot.debian.org/archive/debian/20231115T221320Z/ sid\n",
            ),
            ("x", "/build-2023-11-14/x\n", "/build-2023-11-15/x\n"),
            ("x", "build-2023-11-14\n", "build-2023-11-15\n"),
            ("x", "not_after: 2023-11-14T00:00:00Z\n", "not_after: 2033-11-14T00:00:00Z\n"),
            ("x", "Valid until 2023-11-14.\n", "Valid until 2033-11-14.\n"),
            ("x.json", r#"{"expiresAt": 1700000000}"#, r#"{"expiresAt": 1800000000}"#),
            ("x.json", r#"{"serial": 1700000000}"#, r#"{"serial": 1700000001}"#),
            ("x.json", r#"{"timeout": 1700000000}"#, r#"{"timeout": 1700000001}"#),
            ("x.txt", "time: 1700000000\n", "time: 1700000001\n"),
            ("x.json", r#"{"time": 1700000000}"#, r#"{"time": 1700000000000}"#),
            ("x", "2023-11-14\n", "2023-11-14T00:00:00Z\n"),
            ("x", "2023-11-14 good\n", "2023-11-15 evil\n"),
            ("x", "at 2023-11-14\n", "at 2023-11-14x\n"),
            ("x", "ratio 22:13:20\n", "ratio 22:13:21\n"),
            ("x", "", "2023-11-14"),
            ("x", "documentNamespace: urn:1b4e28ba-2fa1-11d2\n", "documentNamespace: urn:2b4e28ba-2fa1-11d2\n"),
        ] {
            assert_eq!(of(path, a, b), None, "{path}: {a} / {b}");
        }
    }

    proptest! {
        /// What is left without dates is the same on both sides, or nothing is said.
        #[test]
        fn a_difference_beside_dates_is_never_passed_over(
            text in "(built: |a|=|\"|2023-11-14|2023-11-14T22:13:20Z|Nov 14 2023|1700000000| |\n){1,12}",
            at in 0usize..80,
            byte in proptest::char::range(' ', '~'),
        ) {
            let mut changed = text.clone().into_bytes();
            if let Some(old) = changed.get_mut(at) {
                *old = byte as u8;
            }
            if let Some(dates) = only(b"x.json", text.as_bytes(), &changed) {
                prop_assert!(dates.count == 1);
                prop_assert!(byte.is_ascii_digit() || byte.is_ascii_alphabetic() || " T-:.,+Z/\\".contains(byte));
            }
        }

        #[test]
        fn any_bytes_are_compared(a in proptest::collection::vec(any::<u8>(), 0..200), b in proptest::collection::vec(any::<u8>(), 0..200)) {
            only(b"x.json", &a, &b);
        }
    }
}
