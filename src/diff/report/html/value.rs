//! The values of both sides: A over B where they are long or the window is narrow, with what differs in them marked.

use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use crate::diff::model::{Difference, Value};
use crate::diff::report::html::escape;
use crate::diff::report::window::shown;
use crate::error::printable_whole;

/// Longer values are one over the other in a window of any width.
const SHORT: usize = 44;
/// A longer text of a document is shown with its quotes.
const UNQUOTED_MAX: usize = 64 << 10;
/// A longer name of a field may be broken anywhere.
const FIELD: usize = 60;

/// The values of a difference as a page shows them: a text of a document without the quotes of JSON.
pub(super) fn texts(difference: &Difference) -> [String; 2] {
    let [a, b] = &difference.values;
    let plain = difference.path.is_empty().then(|| unquoted([a.as_ref(), b.as_ref()])).flatten();
    match &plain {
        Some([a, b]) => shown([a.as_ref(), b.as_ref()]),
        None => shown([a.as_ref(), b.as_ref()]),
    }
}

/// The texts that both values are in JSON; `None` where one is something else, or could be mistaken for it.
fn unquoted(values: [Option<&Value>; 2]) -> Option<[Option<Value>; 2]> {
    let text = |value: &Value| -> Option<Value> {
        if value.as_text().len() > UNQUOTED_MAX {
            return None;
        }
        let text: String = serde_json::from_str(&value.as_text()).ok()?;
        let is_plain = !text.is_empty() && serde_json::from_str::<serde_json::Value>(&text).is_err();
        is_plain.then(|| Value::text(printable_whole(text.as_bytes())))
    };
    let mut plain = [None, None];
    for (plain, value) in plain.iter_mut().zip(values) {
        *plain = match value {
            Some(value) => Some(text(value)?),
            None => None,
        };
    }
    Some(plain)
}

/// Both values as an element of their own.
pub(super) fn pair(difference: &Difference) -> String {
    let [a, b] = texts(difference);
    let is_short = a.chars().count() <= SHORT && b.chars().count() <= SHORT;
    let class = if is_short { "v i" } else { "v" };
    let has = |side: usize| difference.values.get(side).is_some_and(Option::is_some);
    let [left, right] = if has(0) && has(1) { marked(&a, &b) } else { [escape(&a), escape(&b)] };
    let side = |is_there: bool, text: String| match is_there {
        true => format!("<code>{text}</code>"),
        false => format!("<em>{text}</em>"),
    };
    format!("<span class=\"{class}\"><b>A</b>{}<i>→</i><b>B</b>{}</span>", side(has(0), left), side(has(1), right))
}

/// Both values as cells of a table.
pub(super) fn cells(difference: &Difference) -> String {
    let [a, b] = texts(difference);
    let has = |side: usize| difference.values.get(side).is_some_and(Option::is_some);
    let [left, right] = match [has(0), has(1)] {
        [true, true] => marked(&a, &b),
        [has_a, has_b] => {
            [if has_a { escape(&a) } else { String::new() }, if has_b { escape(&b) } else { String::new() }]
        }
    };
    format!("<td data-n=A>{left}<td data-n=B>{right}")
}

/// The cell with the name of a field, which is broken between its parts if at all.
pub(super) fn field_cell(field: &str) -> String {
    let class = if field.chars().count() <= FIELD { "u" } else { "u l" };
    format!("<td class=\"{class}\">{}", broken(field))
}

/// The name of a field, to be broken only in front of a part of it.
pub(super) fn broken(field: &str) -> String {
    let escaped = escape(&printable_whole(field.as_bytes()));
    let mut out = String::with_capacity(escaped.len() + 16);
    for c in escaped.chars() {
        if matches!(c, '.' | '[') {
            out.push_str("<wbr>");
        }
        out.push(c);
    }
    out
}

/// Both texts with what differs marked: words that differ, and of those what is not the same at both ends.
fn marked(a: &str, b: &str) -> [String; 2] {
    let (left, right) = (words(a), words(b));
    let mut out = [String::new(), String::new()];
    for op in capture_diff_slices(Algorithm::Myers, &left, &right) {
        let piece = |words: &[&str], range: Range<usize>| words.get(range).unwrap_or_default().concat();
        let (x, y) = (piece(&left, op.old_range()), piece(&right, op.new_range()));
        let same = if op.tag() == DiffTag::Equal { [x.len(), 0] } else { ends(&x, &y) };
        for (out, text) in out.iter_mut().zip([&x, &y]) {
            let (front, rest) = text.split_at_checked(same[0]).unwrap_or((text, ""));
            let (middle, back) = rest.split_at_checked(rest.len().saturating_sub(same[1])).unwrap_or((rest, ""));
            let middle = if middle.is_empty() { String::new() } else { format!("<mark>{}</mark>", escape(middle)) };
            out.push_str(&format!("{}{middle}{}", escape(front), escape(back)));
        }
    }
    out
}

/// How many bytes two texts have in common at their beginnings and at their ends.
fn ends(a: &str, b: &str) -> [usize; 2] {
    let bytes = |same: &mut dyn Iterator<Item = (char, char)>| {
        same.take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum::<usize>()
    };
    let front = bytes(&mut a.chars().zip(b.chars()));
    let [x, y] = [a, b].map(|text| text.get(front..).unwrap_or_default());
    [front, bytes(&mut x.chars().rev().zip(y.chars().rev()))]
}

/// Letters and digits that follow each other, and each other character.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first.is_alphanumeric() {
            true => rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        words.push(word);
        rest = after;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::Class;

    #[test]
    fn what_differs_is_marked() {
        assert_eq!(marked("a1c", "a22c"), ["a<mark>1</mark>c", "a<mark>22</mark>c"]);
        assert_eq!(marked("aa", "aaa"), ["aa", "aa<mark>a</mark>"]);
        assert_eq!(marked("<", ">"), ["<mark>&lt;</mark>", "<mark>&gt;</mark>"]);
        assert_eq!(marked("é1", "é2"), ["é<mark>1</mark>", "é<mark>2</mark>"]);
        let [a, b] = marked("LABEL date=2026-01-27T1 ref=aa11 # x", "LABEL date=2026-01-28T1 ref=aa22 # x");
        assert_eq!(a, "LABEL date=2026-01-2<mark>7</mark>T1 ref=aa<mark>11</mark> # x");
        assert_eq!(b, "LABEL date=2026-01-2<mark>8</mark>T1 ref=aa<mark>22</mark> # x");
        assert_eq!(marked("", "x"), ["", "<mark>x</mark>"]);
    }

    #[test]
    fn a_text_of_a_document_has_no_quotes_of_json() {
        let of = |a: &str, b: &str| {
            texts(&Difference::new(Class::Name, 0, "x", [Some(Value::text(a)), Some(Value::text(b))]))
        };
        assert_eq!(of(r#""LABEL a=\"b\"""#, r#""x""#), ["LABEL a=\"b\"", "x"]);
        // A number as a text is not the number.
        assert_eq!(of(r#""1""#, "1"), ["\"1\"", "1"]);
        assert_eq!(of(r#""""#, r#""x""#), ["\"\"", "\"x\""]);
        assert_eq!(of(r#"["a"]"#, r#""x""#), ["[\"a\"]", "\"x\""]);
    }
}
