//! What differs, in a few lines: a unified diff of small texts, the first bytes of anything else.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::error::printable;

/// Larger texts are not compared line by line.
const TEXT_MAX: usize = 64 << 10;
/// Nor are those of more lines: the time it takes grows with their product.
const LINES_MAX: usize = 2000;
/// Lines of a preview.
const PREVIEW_LINES: usize = 40;
/// Bytes shown of two binary files.
const BINARY: usize = 16;

/// A preview of two contents; every character of it is printable.
pub(crate) fn of(a: &[u8], b: &[u8]) -> Option<String> {
    match (text(a), text(b)) {
        (Some(a), Some(b)) => unified(a, b),
        _ => binary(a, b),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_small = text.len() <= TEXT_MAX && bytes.iter().filter(|byte| **byte == b'\n').count() <= LINES_MAX;
    (is_small && !bytes.contains(&0)).then_some(text)
}

fn unified(a: &str, b: &str) -> Option<String> {
    let diff = TextDiff::from_lines(a, b);
    let mut out = String::new();
    let mut lines = 0;
    for hunk in diff.grouped_ops(2) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let (old, new) = (first.old_range().start..last.old_range().end, first.new_range().start..last.new_range().end);
        let _ = writeln!(out, "@@ -{},{} +{},{} @@", old.start + 1, old.len(), new.start + 1, new.len());
        for change in hunk.iter().flat_map(|op| diff.iter_changes(op)) {
            if lines == PREVIEW_LINES {
                out.push_str("…\n");
                return Some(out);
            }
            lines += 1;
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line: &str = change.value();
            let bare = line.strip_suffix('\n');
            let _ = writeln!(out, "{sign}{}", printable(bare.unwrap_or(line).as_bytes()));
            if bare.is_none() {
                out.push_str("\\ no newline at the end\n");
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The bytes around the first that differs.
fn binary(a: &[u8], b: &[u8]) -> Option<String> {
    let at = a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
    let line = |sign: char, bytes: &[u8]| {
        let shown: Vec<u8> = bytes.iter().skip(at).take(BINARY).copied().collect();
        let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String =
            shown.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect();
        format!("{sign}{:<47}  {text}", hex.join(" "))
    };
    Some(format!("@@ from byte {at} @@\n{}\n{}\n", line('-', a), line('+', b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shown_as_a_unified_diff() {
        assert_eq!(of(b"a\nb\nc\n", b"a\nx\nc\n").unwrap(), "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        assert_eq!(of(b"a", b"a\n").unwrap(), "@@ -1,1 +1,1 @@\n-a\n\\ no newline at the end\n+a\n");
    }

    #[test]
    fn no_control_character_comes_through() {
        let shown = of(b"\x1b[31mred\n", "\u{202e}<script>\n".as_bytes()).unwrap();
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        assert!(!shown.contains('\u{202e}'));
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = |word: &str| format!("{word}\n").repeat(1000);
        let shown = of(long("a").as_bytes(), long("b").as_bytes()).unwrap();
        assert_eq!(shown.lines().count(), PREVIEW_LINES + 2);
    }

    #[test]
    fn bytes_are_shown_from_where_they_part() {
        assert_eq!(
            of(b"\0abc", b"\0axc").unwrap(),
            "@@ from byte 2 @@\n-62 63                                            bc\n+78 63                                            xc\n"
        );
    }
}
