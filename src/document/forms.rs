//! The forms in which people and tools write a time, each read and written again as it is: a date stays a date, and
//! seconds stay seconds. For labels and annotations that a user names; those that are known become RFC 3339.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};

use super::dates::{Reading, Scanner, read_created};
use crate::stamp::{Epoch, Instant};

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// `2023-11-14T22:13:20Z`, with a fraction or zone or without.
    Rfc3339,
    /// Digits of the year, month and so on, with other separators or none, or a date alone.
    Fields,
    /// A number since 1970, of that many units a second.
    Unix(u32),
    /// `Tue, 14 Nov 2023 22:13:20 +0000` (RFC 5322, as before it RFC 2822).
    Mail,
    /// `Tue Nov 14 22:13:20 UTC 2023`, as `date` prints it.
    Output {
        /// With AM or PM.
        is_half: bool,
        /// With the name of a zone.
        has_zone: bool,
    },
}

/// Numbers since 1970 by their length, and how many of them are a second: the length says which unit is meant.
const UNITS: [(usize, u32); 6] = [(9, 1), (10, 1), (11, 1), (13, 1_000), (16, 1_000_000), (19, 1_000_000_000)];

/// A time in any form, and that form; `None` if the text is none.
pub(super) fn read(text: &str) -> Option<(Reading, Form)> {
    if let Some(instant) = read_created(text) {
        return Some((Reading::at(instant), Form::Rfc3339));
    }
    let text = text.trim();
    if let Some(reading) = Scanner(text.as_bytes()).date() {
        return Some((reading, Form::Fields));
    }
    if let Some((instant, units)) = number(text) {
        return Some((Reading::at(instant), Form::Unix(units)));
    }
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        let instant = Instant { seconds: time.timestamp(), nanos: 0 };
        return Some((Reading::at(instant), Form::Mail));
    }
    output_of_date(text).map(|(instant, form)| (Reading::at(instant), form))
}

/// As [`read`], of a text that need not be a time: one of digits alone is more often something else, and so is a date
/// without separators.
pub(super) fn read_unmistakable(text: &str) -> Option<(Reading, Form)> {
    let (reading, form) = read(text)?;
    let bytes = text.trim().as_bytes();
    let is_plain = match form {
        Form::Fields => bytes.get(4) == Some(&b'-') || bytes.get(8).is_some_and(|byte| matches!(byte, b'T' | b't')),
        Form::Unix(_) => false,
        Form::Rfc3339 | Form::Mail | Form::Output { .. } => true,
    };
    is_plain.then_some((reading, form))
}

/// Seconds since 1970, or thousandths, millionths or billionths of them.
fn number(text: &str) -> Option<(Instant, u32)> {
    let (_, units) = *UNITS.iter().find(|(length, _)| *length == text.len())?;
    let number: i64 = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())??;
    let (seconds, rest) = (number.div_euclid(units.into()), number.rem_euclid(units.into()));
    let nanos = u32::try_from(rest).ok()?.checked_mul(1_000_000_000 / units)?;
    Some((Instant { seconds, nanos }, units))
}

/// `Tue Jan  2 03:04:05 UTC 2024`, with AM or PM or without. What a zone other than UTC is from UTC is not known here:
/// it is taken for UTC.
fn output_of_date(text: &str) -> Option<(Instant, Form)> {
    let words: Vec<&str> = text.split_ascii_whitespace().take(8).collect();
    let [weekday, month, day, clock, rest @ .., year] = words.as_slice() else { return None };
    let is_zone = |zone: &&str| zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-:".contains(&b));
    let (clock, format, zone, is_half) = match rest {
        [half @ ("AM" | "PM"), zone @ ..] => (format!("{clock} {half}"), "%a %b %d %I:%M:%S %p %Y", zone, true),
        zone => ((*clock).to_owned(), "%a %b %d %H:%M:%S %Y", zone, false),
    };
    if zone.len() > 1 || !zone.iter().all(is_zone) {
        return None;
    }
    let time = NaiveDateTime::parse_from_str(&format!("{weekday} {month} {day} {clock} {year}"), format).ok()?;
    let form = Form::Output { is_half, has_zone: !zone.is_empty() };
    Some((Instant::from_seconds(time.and_utc().timestamp()), form))
}

/// Is this a time as `date` prints it, or RFC 5322's form?
pub(super) fn is_output_of_date(text: &str) -> bool {
    DateTime::parse_from_rfc2822(text).is_ok() || output_of_date(text).is_some()
}

impl Form {
    /// The epoch in this form, in the place of a text that is in it. What the form has no room for is left out.
    pub(super) fn write(self, old: &str, epoch: Epoch) -> String {
        let Some(time) = i64::try_from(epoch.seconds()).ok().and_then(|s| DateTime::<Utc>::from_timestamp(s, 0)) else {
            return epoch.rfc3339(); // no epoch is out of that range
        };
        match self {
            Self::Rfc3339 => epoch.rfc3339(),
            Self::Fields => fields(old.trim(), &time),
            Self::Unix(units) => (u128::from(epoch.seconds()) * u128::from(units)).to_string(),
            Self::Mail => time.to_rfc2822(),
            Self::Output { is_half, has_zone } => {
                let clock = if is_half { "%I:%M:%S %p" } else { "%H:%M:%S" };
                let zone = if has_zone { " UTC" } else { "" };
                time.format(&format!("%a %b %e {clock}{zone} %Y")).to_string()
            }
        }
    }
}

/// A time with the separators and the kind of zone of another one, without its fraction.
fn fields(old: &str, time: &DateTime<Utc>) -> String {
    let year = u32::try_from(time.year()).unwrap_or_default();
    let parts = [
        (4, "", year),
        (2, "-", time.month()),
        (2, "-", time.day()),
        (2, "Tt ", time.hour()),
        (2, ":", time.minute()),
        (2, ":", time.second()),
    ];
    let (mut out, mut rest) = (String::new(), old);
    let mut has_time = false;
    for (number, (width, separators, value)) in parts.into_iter().enumerate() {
        let separator = rest.chars().next().filter(|c| separators.contains(*c));
        let after = rest.get(separator.map_or(0, char::len_utf8)..).unwrap_or_default();
        let Some((_, tail)) =
            after.split_at_checked(width).filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()))
        else {
            break; // a date alone, or with a zone
        };
        out.extend(separator);
        let _ = write!(out, "{value:0width$}");
        rest = tail;
        has_time = number > 2;
    }
    if let Some(fraction) = rest.strip_prefix('.').filter(|_| has_time) {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    match rest.rfind(|c: char| c.is_ascii_digit()) {
        // An offset, perhaps with a name after it.
        Some(last) => {
            let (offset, name) = rest.split_at(last + 1);
            out.extend(offset.chars().map(|c| match c {
                '-' => '+',
                c if c.is_ascii_digit() => '0',
                c => c,
            }));
            out.push_str(if name.is_empty() { "" } else { " UTC" });
        }
        None => out.push_str(rest),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14T22:13:20Z
    const EPOCH: u64 = 1_700_000_000;

    #[test]
    fn every_form_is_written_as_it_was_and_reads_as_the_epoch() {
        let epoch = Epoch::from_seconds(EPOCH).unwrap();
        for (old, expected) in [
            ("2025-10-09T08:53:20.123456789Z", "2023-11-14T22:13:20Z"),
            ("2025-10-10T09:00:00.5+02:00", "2023-11-14T22:13:20Z"),
            ("2025-10-09T08:53:20", "2023-11-14T22:13:20"),
            ("2025-10-09 08:53:20", "2023-11-14 22:13:20"),
            ("2025-10-09 08:53:20.123 UTC", "2023-11-14 22:13:20 UTC"),
            ("2025-10-09 10:53:20.123456 +0200 CEST", "2023-11-14 22:13:20 +0000 UTC"),
            ("2025-10-09 03:53:20-05:00", "2023-11-14 22:13:20+00:00"),
            ("2025-10-09", "2023-11-14"),
            ("2025-10-09Z", "2023-11-14Z"),
            ("2025-10-09 +0200", "2023-11-14 +0000"),
            ("20251009", "20231114"),
            ("20251009T085320Z", "20231114T221320Z"),
            ("20251009085320", "20231114221320"),
            ("1760000000", "1700000000"),
            ("1760000000123", "1700000000000"),
            ("1760000000123456", "1700000000000000"),
            ("1760000000123456789", "1700000000000000000"),
            ("Thu, 09 Oct 2025 08:53:20 GMT", "Tue, 14 Nov 2023 22:13:20 +0000"),
            ("Thu Oct  9 08:53:20 UTC 2025", "Tue Nov 14 22:13:20 UTC 2023"),
            ("Thu Oct  9 08:53:20 AM CEST 2025", "Tue Nov 14 10:13:20 PM UTC 2023"),
            ("Thu Oct  9 08:53:20 2025", "Tue Nov 14 22:13:20 2023"),
        ] {
            let (reading, form) = read(old).unwrap_or_else(|| panic!("{old}"));
            let Reading::Time { first, .. } = reading else { panic!("{old}") };
            assert!(first.cmp_epoch(epoch).is_gt(), "{old}");
            let written = form.write(old, epoch);
            assert_eq!(written, expected, "{old}");
            let (reading, again) = read(&written).unwrap_or_else(|| panic!("{written}"));
            let Reading::Time { first, last } = reading else { panic!("{written}") };
            assert!(first.cmp_epoch(epoch).is_le() && last.cmp_epoch(epoch).is_ge(), "{written}");
            assert_eq!((again, again.write(&written, epoch)), (form, written));
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "stable", "1.2.3", "v20251009", "2025", "2025-13-01", "12345678901234", "Thu Oct 9", "sha256:1"]
        {
            assert!(read(text).is_none(), "{text}");
        }
        for text in ["1760000000", "20251009", "20251009085320", "20251009-0500"] {
            assert!(read(text).is_some() && read_unmistakable(text).is_none(), "{text}");
        }
        for text in ["2025-10-09", "20251009T085320Z", "2025-10-09 08:53:20", "Thu Oct  9 08:53:20 UTC 2025"] {
            assert!(read_unmistakable(text).is_some(), "{text}");
        }
    }

    #[test]
    fn the_last_epoch_is_written_in_every_unit() {
        let epoch = Epoch::from_seconds(Epoch::MAX).unwrap();
        assert_eq!(Form::Fields.write("2025-10-09", epoch), "2242-03-16");
        assert_eq!(Form::Unix(1_000_000_000).write("1760000000123456789", epoch), "8589934591000000000");
    }
}
