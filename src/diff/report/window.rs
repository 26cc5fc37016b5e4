//! Long values in a line: cut, but so that what differs is in sight.

use crate::diff::model::Value;

/// Characters of a value in a line.
const LONGEST: usize = 200;
/// Of them so many in front of what differs.
const BEFORE: usize = 60;

/// The values of both sides as a line shows them; of what is the same in front only the end where they are long.
pub(super) fn shown(values: [Option<&Value>; 2]) -> [String; 2] {
    let texts = values.map(|value| value.map_or_else(|| "nothing".to_owned(), ToString::to_string));
    let is_long = texts.iter().any(|text| text.chars().nth(LONGEST).is_some());
    let same = texts[0].chars().zip(texts[1].chars()).take_while(|(a, b)| a == b).count();
    let skipped = if is_long { same.saturating_sub(BEFORE) } else { 0 };
    texts.map(|text| window(&text, skipped))
}

fn window(text: &str, skipped: usize) -> String {
    let mut rest = text.chars().skip(skipped);
    let mut out = if skipped > 0 { "…".to_owned() } else { String::new() };
    out.extend(rest.by_ref().take(LONGEST));
    if rest.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: &str, b: &str) -> [String; 2] {
        shown([Some(&Value::text(a)), Some(&Value::text(b))])
    }

    #[test]
    fn what_differs_is_in_sight() {
        assert_eq!(of("a", "b"), ["a", "b"]);
        let long = "x".repeat(1000);
        let [a, b] = of(&format!("{long}1{long}"), &format!("{long}2{long}"));
        assert_ne!(a, b);
        assert!([&a, &b].iter().all(|text| text.chars().count() <= LONGEST + 2 && text.starts_with('…')), "{a} {b}");
        let [a, b] = of(&long, &format!("{long}y"));
        assert!(a.ends_with("xx") && b.ends_with("xy"), "{a} {b}");
        let [a, b] = shown([Some(&Value::text(long)), None]);
        assert!(a.starts_with("xx") && a.ends_with('…') && b == "nothing", "{a} {b}");
    }
}
