//! Dates as they are written in texts: where one begins and ends, and of which form it is.
//!
//! Known are ISO 8601 and RFC 3339 with and without a time of day, zone and fraction, also with the colons that Java's
//! properties escape, the basic form with a `T`, RFC 2822 and HTTP, ctime(3) and date(1), `Nov 14 2023`,
//! `14 November 2023`, `Nov 14 22:13:20`, and a time of day alone. Years are 1970 to 2100: what is outside is a
//! number of another kind.

mod cursor;

use cursor::Cursor;

/// No date is longer, in bytes.
pub const LONGEST: usize = 64;

/// The form of a date. Dates of two forms are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `2023-11-14T22:13:20Z`
    Timed,
    /// `2023-11-14`
    Day,
    /// `20231114T221320Z`
    Basic,
    /// `Tue Nov 14 22:13:20 UTC 2023`, `Nov 14 2023`
    MonthFirst,
    /// `Tue, 14 Nov 2023 22:13:20 GMT`
    DayFirst,
    /// `22:13:20`
    Clock,
}

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The form and length of the date that this text begins with. Whether it is a word of its own, [`begins`] and [`ends`]
/// say.
pub fn date(text: &[u8]) -> Option<(Form, usize)> {
    let text = text.get(..LONGEST).unwrap_or(text);
    [iso, basic, written, clock_alone].into_iter().find_map(|form| {
        let mut cursor = Cursor { rest: text };
        let form = form(&mut cursor)?;
        Some((form, text.len() - cursor.rest.len()))
    })
}

/// The length of the number that this text begins with, if it counts seconds, milliseconds, microseconds or nanoseconds
/// since 1970, or is 14 digits of a date, of a time between 1980 and 2100. A fraction of seconds belongs to it.
pub fn number(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let value: u64 = std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()?;
    let seconds = match digits {
        9 | 10 => value,
        12 | 13 => value / 1000,
        15 | 16 => value / 1_000_000,
        18 | 19 => value / 1_000_000_000,
        14 => {
            let mut cursor = Cursor { rest: text };
            let (year, month, day) = (cursor.fixed(4)?, cursor.fixed(2)?, cursor.fixed(2)?);
            is_day(year, month, day).then_some(())?;
            let (hour, minute, second) = (cursor.fixed(2)?, cursor.fixed(2)?, cursor.fixed(2)?);
            return (year >= 1980 && hour < 24 && minute < 60 && second <= 60).then_some(digits);
        }
        _ => return None,
    };
    // 1980-01-01 and 2100-01-01.
    if !(315_532_800..4_102_444_800).contains(&seconds) || text.first() == Some(&b'0') {
        return None;
    }
    let mut cursor = Cursor { rest: text.get(digits..)? };
    if digits <= 10 {
        cursor.optional(|cursor| {
            cursor.take(b".")?;
            cursor.number(1, 9)
        });
    }
    Some(text.len() - cursor.rest.len())
}

/// May a date begin after this text? Not inside of a word, a path or a version.
pub fn begins(before: &[u8]) -> bool {
    match before {
        [.., b'\\', b'n' | b't' | b'r'] | [] => true,
        [.., last] => last.is_ascii_whitespace() || b"\"'`=:,;([{<>#|@*".contains(last),
    }
}

/// May a date end before this text?
pub fn ends(after: &[u8]) -> bool {
    match after {
        [] | [b'.' | b':' | b'!' | b'?'] => true,
        [b'.' | b':' | b'!' | b'?', next, ..] => next.is_ascii_whitespace() || matches!(next, b'"' | b'\'' | b'<'),
        [next, ..] => next.is_ascii_whitespace() || b"\"'`,;)[]}<>|&\\*".contains(next),
    }
}

fn is_day(year: u32, month: u32, day: u32) -> bool {
    let days = match month {
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1970..=2100).contains(&year) && (1..=days).contains(&day)
}

fn iso(cursor: &mut Cursor<'_>) -> Option<Form> {
    let year = cursor.fixed(4)?;
    let between = cursor.one_of(b"-/")?;
    let month = cursor.fixed(2)?;
    cursor.take(&[between])?;
    is_day(year, month, cursor.number(2, 2)?).then_some(())?;
    let timed = cursor.optional(|cursor| {
        cursor.one_of(b"Tt ")?;
        cursor.clock(false)
    });
    match timed {
        Some(()) => Some(Form::Timed),
        // Three numbers between slashes are a path, too.
        None => (between == b'-').then_some(Form::Day),
    }
}

fn basic(cursor: &mut Cursor<'_>) -> Option<Form> {
    let (year, month, day) = (cursor.fixed(4)?, cursor.fixed(2)?, cursor.fixed(2)?);
    cursor.take(b"T")?;
    let (hour, minute, second) = (cursor.fixed(2)?, cursor.fixed(2)?, cursor.fixed(2)?);
    cursor.optional(|cursor| {
        cursor.one_of(b".,")?;
        cursor.number(1, 9)
    });
    cursor.zone();
    (is_day(year, month, day) && hour < 24 && minute < 60 && second <= 60).then_some(Form::Basic)
}

/// A date with the name of its month.
fn written(cursor: &mut Cursor<'_>) -> Option<Form> {
    cursor.optional(|cursor| {
        cursor.name(&WEEKDAYS)?;
        cursor.optional(|cursor| cursor.one_of(b",."));
        cursor.spaces()
    });
    cursor.optional(month_first).or_else(|| cursor.optional(day_first))
}

fn month_first(cursor: &mut Cursor<'_>) -> Option<Form> {
    let month = cursor.name(&MONTHS)?;
    cursor.optional(|cursor| cursor.take(b"."));
    cursor.spaces()?;
    let day = cursor.number(1, 2)?;
    let year = cursor.optional(|cursor| {
        cursor.optional(|cursor| cursor.take(b","));
        cursor.spaces()?;
        let year = cursor.year()?;
        time_after_day(cursor);
        Some(year)
    });
    let year = year.or_else(|| {
        cursor.optional(|cursor| {
            cursor.spaces()?;
            cursor.clock(true)?;
            // Without a year it is a line of a log.
            let year = cursor.optional(|cursor| {
                cursor.take(b" ")?;
                cursor.year()
            });
            Some(year.unwrap_or(2000))
        })
    });
    is_day(year?, month, day).then_some(Form::MonthFirst)
}

fn day_first(cursor: &mut Cursor<'_>) -> Option<Form> {
    let day = cursor.number(1, 2)?;
    let between = cursor.one_of(b" -")?;
    let month = cursor.name(&MONTHS)?;
    cursor.optional(|cursor| cursor.one_of(b".,"));
    cursor.take(&[between])?;
    let year = cursor.year()?;
    time_after_day(cursor);
    is_day(year, month, day).then_some(Form::DayFirst)
}

/// The time of day that follows a day, if there is one.
fn time_after_day(cursor: &mut Cursor<'_>) {
    cursor.optional(|cursor| {
        [&b", "[..], b" at ", b" "].into_iter().find_map(|between| cursor.optional(|cursor| cursor.take(between)))?;
        cursor.clock(false)
    });
}

fn clock_alone(cursor: &mut Cursor<'_>) -> Option<Form> {
    let hour = cursor.rest.get(..2)?;
    hour.iter().all(u8::is_ascii_digit).then_some(())?;
    cursor.clock(true).map(|()| Form::Clock)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_known_in_full() {
        for (form, all) in [
            (
                Form::Timed,
                &[
                    "2023-11-14T22:13:20Z",
                    "2023-11-14 22:13:20",
                    "2023-11-14t22:13:20.123456789+01:00",
                    "2023-11-14 22:13:20,123",
                    "2023-11-14 22:13:20 UTC",
                    "2023-11-14 22:13:20 +0000",
                    "2023-11-14T22\\:13\\:20+0000",
                    "2023/11/14 22:13:20",
                    "2023-11-14T22:13Z",
                ][..],
            ),
            (Form::Day, &["2023-11-14"]),
            (Form::Basic, &["20231114T221320Z", "20231114T221320"]),
            (
                Form::MonthFirst,
                &[
                    "Tue Nov 14 22:13:20 UTC 2023",
                    "Tue Nov  4 22:13:20 2023",
                    "Nov 14 2023",
                    "Nov 14, 2023",
                    "November 14, 2023 10:13 PM",
                    "Nov 14 22:13:20",
                    "Tue Nov 14 2023 22:13:20 GMT+0000",
                ],
            ),
            (
                Form::DayFirst,
                &[
                    "Tue, 14 Nov 2023 22:13:20 GMT",
                    "14 November 2023",
                    "14-Nov-2023 22:13:20",
                    "Tue 14 Nov 2023 10:13:20 PM UTC",
                    "4 Nov 2023 22:13:20 +0100",
                ],
            ),
            (Form::Clock, &["22:13:20", "22:13:20.5"]),
        ] {
            for text in all {
                assert_eq!(date(text.as_bytes()), Some((form, text.len())), "{text}");
            }
        }
        for text in [
            "2023-13-14",
            "2023-02-30",
            "1.2.20231114",
            "20231114",
            "2023/11/14",
            "1200-01-01",
            "Novem 3 2023",
            "May",
            "7:3",
            "",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_a_time_by_its_size() {
        for text in [
            "1700000000",
            "1700000000000",
            "1700000000000000",
            "1700000000000000000",
            "20231114221320",
            "1700000000.25",
        ] {
            assert_eq!(number(text.as_bytes()), Some(text.len()), "{text}");
        }
        for text in ["17", "17000000", "9999999999", "0700000000", "99999999999999999999", "20231314221320", "x", ""] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_part_of_a_word_is_no_date() {
        for before in ["", "a ", "x=", "\"", "#", "\\n"] {
            assert!(begins(before.as_bytes()), "{before}");
        }
        for before in ["a", "1.", "v", "/", "-", "_", "~", "+"] {
            assert!(!begins(before.as_bytes()), "{before}");
        }
        for after in ["", " x", "\n", "\"", ". And", ".", ": C"] {
            assert!(ends(after.as_bytes()), "{after}");
        }
        for after in ["a", "-rc", "/x", ".1", ":8080", "_"] {
            assert!(!ends(after.as_bytes()), "{after}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_read_past_its_end(text in "[0-9TZ:. NovTuedayUTC+/-]{0,80}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for text in [text.as_bytes(), &bytes] {
                for length in [date(text).map(|(_, length)| length), number(text)].into_iter().flatten() {
                    prop_assert!(length > 0 && length <= text.len());
                }
            }
        }
    }
}
