//! Text of images made fit for messages and terminals.

use std::borrow::Cow;

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
}
