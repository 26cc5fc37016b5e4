//! How a text is read as a time.

use chrono::NaiveDate;

use crate::stamp::Instant;

/// How a text reads as a time.
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
    pub(super) fn at(instant: Instant) -> Self {
        Self::Time { first: instant, last: instant }
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
pub(super) fn read_seconds(text: &str) -> Reading {
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
pub(super) struct Scanner<'t>(pub(super) &'t [u8]);

impl Scanner<'_> {
    pub(super) fn date(mut self) -> Option<Reading> {
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

    pub(super) fn time(&mut self) -> Option<((u32, u32, u32), u32)> {
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
    pub(super) fn zone(mut self) -> Option<i64> {
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
    pub(super) fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits).filter(|(n, _)| n.iter().all(u8::is_ascii_digit))?;
        self.0 = rest;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// Takes one of these characters, if there is one.
    pub(super) fn skip(&mut self, any: &[u8]) {
        if let Some((first, rest)) = self.0.split_first()
            && any.contains(first)
        {
            self.0 = rest;
        }
    }
}
