//! Text of images made fit for messages and terminals.

use std::borrow::Cow;
use std::fmt::Display;

/// Bytes of a name or field made fit for a message: UTF-8 where it is, escapes where it is not, cut when long.
pub fn printable(bytes: &[u8]) -> String {
    const LONGEST: usize = 200;
    let cut = &bytes[..bytes.len().min(LONGEST)];
    let mut text = printable_whole(cut);
    if cut.len() < bytes.len() {
        text.push('…');
    }
    text
}

/// [`printable`] text in quotation marks. What it escapes is not escaped once more, as `{:?}` would.
pub fn quoted(text: impl AsRef<[u8]>) -> String {
    format!("\"{}\"", printable(text.as_ref()))
}

/// A word as a shell takes it: in quotation marks where it has a character that would mean something else there. For
/// commands in messages, and for paths and names in them.
pub fn shell_word(word: impl AsRef<str>) -> String {
    let word = word.as_ref();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A whole number in groups of three digits: 14000 is `14,000`.
pub fn thousands(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As [`printable`], however long it is: for what is distinguished by its text.
pub fn printable_whole(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&escaped(chunk.valid()));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Would this character steer a terminal, be invisible, or look like the end of a line?
pub fn steers(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// A line of any length made fit for a terminal: what would steer it, or look like a line of its own, is escaped.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

/// Characters that show nothing, end a line or turn the direction of writing (Unicode's format characters that occur
/// outside of any script): two names that differ must not look the same.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Makes any text fit for an element or a quoted attribute, with nothing that is not shown.
pub(crate) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if steers(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_hides_no_control_character() {
        assert_eq!(printable(b"a\nb\x1b[31m\xff"), "a\\nb\\u{1b}[31m\\xff");
        for c in ['\u{202e}', '\u{200b}', '\u{2028}', '\u{feff}'] {
            assert_eq!(printable(format!("x{c}y").as_bytes()), format!("x\\u{{{:x}}}y", u32::from(c)));
        }
        assert_eq!(escaped("a\nb\u{9b}"), "a\\nb\\u{9b}");
        assert_eq!(escaped(&"a".repeat(300)), "a".repeat(300));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(14_000), "14,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }

    #[test]
    fn a_shell_takes_a_word_as_one() {
        for word in ["oci:app", "./a-b_c.tar", "docker://host:5000/a@sha256:00", "A=1,b+2%"] {
            assert_eq!(shell_word(word), word);
        }
        for (word, expected) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$(x)", "'$(x)'"),
            ("~/a", "'~/a'"),
            ("a;b", "'a;b'"),
            ("é", "'é'"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }
}
