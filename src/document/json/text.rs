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
