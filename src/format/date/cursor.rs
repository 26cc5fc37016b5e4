//! The parts of dates, one after the other: numbers, names, times of day, zones.

/// Names of zones; other capital letters after a date are a word of the text.
const ZONES: [&str; 29] = [
    "UTC", "GMT", "Z", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "CET", "CEST", "BST", "IST", "JST",
    "WET", "WEST", "EET", "EEST", "MSK", "HKT", "SGT", "KST", "AEST", "AEDT", "NZST", "NZDT", "UT",
];

/// What is left of a text. A step that fails may have taken something: [`optional`](Cursor::optional) gives it back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl Cursor<'_> {
    /// Tries something; what did not succeed takes nothing.
    pub(super) fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut ahead = *self;
        let value = read(&mut ahead)?;
        *self = ahead;
        Some(value)
    }

    pub(super) fn take(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    pub(super) fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        set.contains(first).then_some(*first)
    }

    /// So many digits; more may follow.
    pub(super) fn fixed(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        digits.iter().try_fold(0u32, |sum, digit| {
            digit.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
        })
    }

    /// All digits that follow, if there are so many.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (least..=most).contains(&count).then(|| self.fixed(count)).flatten()
    }

    /// A name in full or its first three letters; its place in the list, from 1.
    pub(super) fn name(&mut self, names: &[&str]) -> Option<u32> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, rest) = self.rest.split_at_checked(length)?;
        let at = names.iter().position(|name| {
            word == name.as_bytes()
                || length == 3 && name.as_bytes().get(..3) == Some(word)
                || word == b"Sept" && *name == "September"
        })?;
        self.rest = rest;
        u32::try_from(at + 1).ok()
    }

    /// One space or two: numbers of one digit are padded.
    pub(super) fn spaces(&mut self) -> Option<()> {
        self.take(b" ")?;
        self.optional(|cursor| cursor.take(b" "));
        Some(())
    }

    pub(super) fn colon(&mut self) -> Option<()> {
        self.optional(|cursor| cursor.take(b"\\"));
        self.take(b":")
    }

    /// A time of day with its fraction and zone.
    pub(super) fn clock(&mut self, seconds_needed: bool) -> Option<()> {
        let hour = self.number(1, 2)?;
        self.colon()?;
        let minute = self.fixed(2)?;
        let second = self.optional(|cursor| {
            cursor.colon()?;
            cursor.fixed(2)
        });
        if hour > 23 || minute > 59 || second.is_some_and(|second| second > 60) || seconds_needed && second.is_none() {
            return None;
        }
        if second.is_some() {
            self.optional(|cursor| {
                cursor.one_of(b".,")?;
                cursor.number(1, 9)
            });
        }
        self.optional(|cursor| {
            cursor.optional(|cursor| cursor.take(b" "));
            cursor.one_of(b"APap")?;
            cursor.one_of(b"Mm")
        });
        self.zone();
        Some(())
    }

    pub(super) fn zone(&mut self) {
        self.optional(|cursor| {
            cursor.optional(|cursor| cursor.take(b" "));
            let name = cursor.optional(|cursor| {
                let length = cursor.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                let (word, rest) = cursor.rest.split_at_checked(length)?;
                cursor.rest = rest;
                (ZONES.iter().any(|zone| zone.as_bytes() == word) || word == b"z").then_some(())
            });
            let offset = cursor.optional(|cursor| {
                cursor.one_of(b"+-")?;
                let hours = cursor.fixed(2)?;
                let minutes = cursor.optional(|cursor| {
                    cursor.optional(Cursor::colon);
                    cursor.fixed(2)
                });
                (hours <= 14 && minutes.is_none_or(|minutes| minutes < 60)).then_some(())
            });
            name.or(offset)
        });
    }

    pub(super) fn year(&mut self) -> Option<u32> {
        self.number(4, 4).filter(|year| (1970..=2100).contains(year))
    }
}
