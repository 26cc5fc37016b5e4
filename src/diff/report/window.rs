//! Long values in a line: cut so that what differs stays visible.

use std::borrow::Cow;

use crate::diff::model::Value;
use crate::error::printable_whole;
use crate::stamp::{Instant, is_no_time};

/// Characters of a value in a line.
const LONGEST: usize = 200;
/// Of them so many in front of what differs.
const BEFORE: usize = 60;

/// The values of both sides as a line shows them; of what is the same in front only the end where they are long.
pub(crate) fn shown(values: [Option<&Value>; 2]) -> [String; 2] {
    let texts = values.map(|value| match value {
        Some(Value::Time(time)) => Cow::Owned(time_text(*time)),
        Some(value) => value.as_text(),
        None => Cow::Borrowed("nothing"),
    });
    let is_long = texts.iter().any(|text| is_long(text));
    let skipped = if is_long { common(&texts[0], &texts[1]).saturating_sub(BEFORE) } else { 0 };
    texts.map(|text| window(&text, skipped))
}

/// A time as a line shows it: one that stands for no time is named so.
pub(crate) fn time_text(time: Instant) -> String {
    let is_marked = time.seconds != 0 && u32::try_from(time.seconds).is_ok_and(is_no_time);
    if is_marked { format!("no time ({time})") } else { time.to_string() }
}

/// A line of raw text, made printable; of a long one what is around the end of these many characters, which another
/// line has as well.
pub(crate) fn line(text: &str, same: usize) -> String {
    if !is_long(text) {
        return printable_whole(text.as_bytes());
    }
    let piece = |from: usize, count: usize| {
        let piece: String = text.chars().skip(from).take(count).collect();
        printable_whole(piece.as_bytes())
    };
    // What is escaped takes more room than it had.
    let before = piece(same.saturating_sub(BEFORE), same.min(BEFORE));
    let skipped = before.chars().count().saturating_sub(BEFORE);
    let is_cut = same > BEFORE && skipped == 0;
    let shown = window(&(before + &piece(same, LONGEST + 1)), skipped);
    if is_cut { format!("…{shown}") } else { shown }
}

/// How many characters two texts begin with that are the same.
pub(crate) fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

pub(crate) fn is_long(text: &str) -> bool {
    text.chars().nth(LONGEST).is_some()
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
        let go = Value::Time(Instant::from_seconds(2_288_912_640));
        assert_eq!(shown([Some(&go), None]), ["no time (2042-07-14T01:04:00Z)", "nothing"]);
        let [a, b] = shown([Some(&Value::text(long)), None]);
        assert!(a.starts_with("xx") && a.ends_with('…') && b == "nothing", "{a} {b}");
    }
}
