//! The same text but for dates.
//!
//! Both texts are walked side by side: where they differ, both have to have a date of one form, as a word of its own, and
//! go on alike after it. So nothing is held but two places, whatever the size, and what is no date is never passed over.
//! Dates that say when something ends, and names and versions that look like a date, are no time of a build. Numbers count
//! as times only in formats of data and under a key that names a time.

use crate::diff::content::date_keys::{self, AMOUNTS, ENDS, FRACTIONS, MADE, NAMES, TIMES, has_any, key};
use crate::format::date;

/// A fraction in a field of its own is not further from the seconds.
const NEAR: usize = 128;

/// Endings of files in which numbers may be times.
const DATA: [&[u8]; 10] =
    [b".properties", b".json", b".yaml", b".yml", b".toml", b".spdx", b".mf", b".xml", b".map", b".webmanifest"];
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
            return format!("not only dates differ, but also line {line}{key}");
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
        let line = date_keys::context(a.0, false);
        let (words, is_key) = date_keys::words(line, false);
        let is_time = has_any(&words, &TIMES);
        let is_other = has_any(&words, &ENDS) || has_any(&words, &NAMES) && !is_time;
        let has_clock = |text: &[u8], length: usize| text.get(..length).is_some_and(|date| date.contains(&b':'));
        let is_known = match form {
            date::Form::Clock => near || is_time,
            date::Form::Basic => is_time || !is_key || has_any(&words, &MADE),
            _ if has_clock(a.1, x) && has_clock(b.1, y) => is_time || !is_key || has_any(&words, &MADE),
            _ => date_keys::names_making(line, is_key, words.clone()),
        };
        return if form == other && is_known && !is_other { is_whole([x, y]) } else { None };
    }
    if !is_data {
        return None;
    }
    let (words, _) = date_keys::words(date_keys::context(a.0, true), true);
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
            ("x", "made on 2023-11-14 and 2023-11-14T22:13:20Z", "made on 2023-11-15 and 2023-11-15T00:00:00Z"),
            ("x.1", ".TH GIT\\-ADD 1 \"2023-11-14\"\n", ".TH GIT\\-ADD 1 \"2023-11-15\"\n"),
            (
                "changelog",
                " -- A <a@example.com>  Tue, 14 Nov 2023 22:13:20 +0000\n",
                " -- A <a@example.com>  Wed, 15 Nov 2023 23:14:21 +0000\n",
            ),
            ("x.log", "2023-11-14T22:13:20Z INFO begin\n", "2023-11-15T22:13:20Z INFO begin\n"),
            (
                "x.json",
                r#"{"buildStartedOn": "2023-11-14T22:13:20Z"}"#,
                r#"{"buildStartedOn": "2023-11-15T22:13:20Z"}"#,
            ),
            ("x.html", "<p>Generated by x (17) on 2023-11-14", "<p>Generated by x (17) on 2023-11-15"),
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
        assert_eq!(dates.note(), "not only dates differ, but also line 3 (documentNamespace)");
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

    #[test]
    fn a_date_under_a_key_that_names_no_making_is_content() {
        for line in [
            "schedule: DAY",
            "start = DAY",
            "start = DAYT10:00:00Z",
            "license valid\nTo: DAY",
            "start_date: DAY",
            "end time: DAYT10:00:00Z",
            "since DAY",
            "due: DAY",
            "meeting: DAYT10:00:00Z",
            "price list of DAY",
            "at: DAY",
            "DAY",
            "next_update: DAYT10:00:00Z",
        ] {
            let [a, b] = ["2025-01-01", "2026-02-02"].map(|day| line.replace("DAY", day));
            assert_eq!(of("x.conf", &a, &b), None, "{line}");
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
