//! What differs, in a few lines: a unified diff of small texts, the first bytes of anything else.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::diff::report::window;

/// Larger texts are not compared line by line.
const TEXT_MAX: usize = 64 << 10;
/// Nor are those of more lines: the time it takes grows with their product.
const LINES_MAX: usize = 2000;
/// Lines of a preview.
const PREVIEW_LINES: usize = 40;
/// Of one change so many lines of each side are looked at for one that is like another.
const OP_LINES: usize = 2 * PREVIEW_LINES;
/// Bytes shown of two binary files.
const BINARY: usize = 16;

/// A preview of two contents; every character of it is printable, and its lines show where they differ.
pub(crate) fn of(a: &[u8], b: &[u8]) -> Option<String> {
    match (text(a), text(b)) {
        (Some(a), Some(b)) if is_small(a) && is_small(b) => unified(a, b),
        (Some(a), Some(b)) => first_line(a, b),
        _ => binary(a, b),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn is_small(text: &str) -> bool {
    text.len() <= TEXT_MAX && text.bytes().filter(|byte| *byte == b'\n').count() <= LINES_MAX
}

fn unified(a: &str, b: &str) -> Option<String> {
    let diff = TextDiff::from_lines(a, b);
    let mut out = String::new();
    let mut lines = 0;
    for hunk in diff.grouped_ops(2) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let (old, new) = (first.old_range().start..last.old_range().end, first.new_range().start..last.new_range().end);
        let _ = writeln!(out, "@@ -{},{} +{},{} @@", old.start + 1, old.len(), new.start + 1, new.len());
        for op in &hunk {
            let changes: Vec<(ChangeTag, &str)> =
                diff.iter_changes(op).take(OP_LINES).map(|change| (change.tag(), change.value())).collect();
            // As many of what is new as of what is old: neither hides the other.
            let added = diff.iter_changes(op).filter(|change| change.tag() == ChangeTag::Insert).take(OP_LINES);
            let added: Vec<(ChangeTag, &str)> = added.map(|change| (change.tag(), change.value())).collect();
            for (tag, line) in diff.iter_changes(op).map(|change| (change.tag(), change.value())) {
                if lines == PREVIEW_LINES {
                    out.push_str("…\n");
                    return Some(out);
                }
                lines += 1;
                let others = if tag == ChangeTag::Delete { &added } else { &changes };
                append(&mut out, tag, line, others);
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

/// A line; a long one from where it differs from the one among these on the other side that is most like it.
fn append(out: &mut String, tag: ChangeTag, line: &str, others: &[(ChangeTag, &str)]) {
    let sign = match tag {
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
        ChangeTag::Equal => ' ',
    };
    let bare = line.strip_suffix('\n');
    let text = bare.unwrap_or(line);
    let same = if tag == ChangeTag::Equal || !window::is_long(text) {
        0
    } else {
        let others = others.iter().filter(|(other, _)| *other != tag && *other != ChangeTag::Equal);
        others.map(|(_, other)| window::common(text, other)).max().unwrap_or(0)
    };
    let _ = writeln!(out, "{sign}{}", window::line(text, same));
    if bare.is_none() {
        out.push_str("\\ no newline at the end\n");
    }
}

/// The first line that differs, of texts that are too large to be compared line by line.
fn first_line(a: &str, b: &str) -> Option<String> {
    let at = a.bytes().zip(b.bytes()).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
    let before = a.as_bytes().get(..at)?;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let number = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let [left, right] = [a, b].map(|text| text.get(start..).and_then(|rest| rest.split_inclusive('\n').next()));
    let mut out = format!("@@ -{number},{} +{number},{} @@\n", left.iter().len(), right.iter().len());
    for (tag, line, other) in [(ChangeTag::Delete, left, right), (ChangeTag::Insert, right, left)] {
        let opposite = if tag == ChangeTag::Delete { ChangeTag::Insert } else { ChangeTag::Delete };
        if let Some(line) = line {
            append(&mut out, tag, line, &[(opposite, other.unwrap_or_default())]);
        }
    }
    out.push_str("…\n");
    Some(out)
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
