//! The text inside of a string token: its escapes resolved.

use std::borrow::Cow;

/// The text of a string token, quotes included in `raw`.
pub(super) fn decode(raw: &[u8]) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains(&b'\\') {
        return String::from_utf8_lossy(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(escape) = rest.iter().position(|b| *b == b'\\') {
        let (plain, tail) = rest.split_at(escape);
        text.push_str(&String::from_utf8_lossy(plain));
        let (c, used) = unescape(tail);
        text.push(c);
        rest = tail.get(used..).unwrap_or_default();
    }
    text.push_str(&String::from_utf8_lossy(rest));
    Cow::Owned(text)
}

/// Which byte of a string token each byte of its text comes from.
#[derive(Debug)]
pub(super) struct Map {
    /// Where in text and token a run begins that is the same in both.
    runs: Vec<(usize, usize)>,
}

impl Map {
    /// Of a token, quotes included, as [`decode`] reads it.
    pub(super) fn of(raw: &[u8]) -> Self {
        let (mut text, mut token) = (0, 1);
        let mut runs = vec![(text, token)];
        let end = raw.len().saturating_sub(1);
        while let Some(rest) = raw.get(token..end).filter(|rest| !rest.is_empty()) {
            let plain = rest.split(|b| *b == b'\\').next().unwrap_or_default();
            for chunk in plain.utf8_chunks() {
                text += chunk.valid().len();
                token += chunk.valid().len();
                if !chunk.invalid().is_empty() {
                    text += char::REPLACEMENT_CHARACTER.len_utf8();
                    token += chunk.invalid().len();
                    runs.push((text, token));
                }
            }
            if plain.len() < rest.len() {
                let (c, used) = unescape(rest.get(plain.len()..).unwrap_or_default());
                text += c.len_utf8();
                token += used;
                runs.push((text, token));
            }
        }
        Self { runs }
    }

    /// Where a byte of the text is in the token.
    pub(super) fn raw(&self, at: usize) -> usize {
        let after = self.runs.partition_point(|(text, _)| *text <= at);
        self.runs.get(after.saturating_sub(1)).map_or(at + 1, |(text, token)| token + (at - text))
    }
}

/// The character of the escape that `tail` begins with, and how many bytes it takes.
fn unescape(tail: &[u8]) -> (char, usize) {
    let c = match tail.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let high = code_unit(tail);
            let low = tail.get(6..).filter(|low| low.starts_with(b"\\u")).map(code_unit);
            return match (high, low) {
                (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                    let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                }
                _ => (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            };
        }
        Some(other) => char::from(*other),
        None => char::REPLACEMENT_CHARACTER,
    };
    (c, 2)
}

/// The number in `\uXXXX`, whose digits the parser has seen.
fn code_unit(escape: &[u8]) -> u32 {
    let digits = escape.get(2..6).unwrap_or_default();
    digits.iter().fold(0, |number, digit| number << 4 | char::from(*digit).to_digit(16).unwrap_or_default())
}
