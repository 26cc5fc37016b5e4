//! The list of differences, as much of it as a page shows.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Result, markup, printable, thousands};

/// So many differences are shown.
const ROWS: usize = 300;
/// So many classes.
const CLASSES: usize = 40;

/// A part of diff.json.
#[derive(Deserialize)]
struct List {
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    counts: Counts,
    #[serde(default)]
    differences: First<Item>,
    #[serde(default)]
    accepted: First<Accepted>,
}

#[derive(Deserialize)]
struct Accepted {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Item {
    class: String,
    #[serde(default)]
    part: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    field: String,
    #[serde(default)]
    a: Option<String>,
    #[serde(default)]
    b: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

/// The first [`ROWS`] of a list. Others are counted, and not kept.
struct First<T> {
    items: Vec<T>,
    more: usize,
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self { items: Vec::new(), more: 0 }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of<T>(First<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Of<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
                while self.0.items.len() < ROWS {
                    match list.next_element()? {
                        Some(item) => self.0.items.push(item),
                        None => return Ok(self.0),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    self.0.more += 1;
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_seq(Of(Self::default()))
    }
}

/// The first [`CLASSES`] of the counts. Others are counted, and not kept.
#[derive(Default)]
struct Counts {
    classes: Vec<(String, u64)>,
    more: usize,
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of(Counts);
        impl<'de> Visitor<'de> for Of {
            type Value = Counts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers by class")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
                while self.0.classes.len() < CLASSES {
                    match map.next_entry()? {
                        Some(entry) => self.0.classes.push(entry),
                        None => return Ok(self.0),
                    }
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    self.0.more += 1;
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_map(Of(Self::default()))
    }
}

/// Writes it. All that comes from it is made printable, cut and escaped.
pub(super) fn differences(page: &mut String, json: &[u8]) -> Result<()> {
    let list: List =
        serde_json::from_slice(json).map_err(|e| Error::malformed("list of differences", "diff.json", e))?;
    let text = |text: &str| markup(&printable(text.as_bytes()));
    let _ = write!(page, "<p>Verdict of the comparison: <b>{}</b>", text(&list.verdict));
    if list.counts.classes.is_empty() {
        page.push_str("; nothing differs");
    }
    for (at, (class, count)) in list.counts.classes.iter().enumerate() {
        let count = usize::try_from(*count).unwrap_or(usize::MAX);
        let _ = write!(page, "{} {} {}", if at == 0 { ":" } else { "," }, thousands(count), text(class));
    }
    if list.counts.more > 0 {
        let _ = write!(page, ", and {} more classes", thousands(list.counts.more));
    }
    page.push_str(".</p>\n");
    if !list.differences.items.is_empty() {
        page.push_str("<ol class=list>\n");
    }
    for item in &list.differences.items {
        let _ = write!(page, "<li><b>{}</b> <span class=s>{}</span> ", text(&item.class), text(&item.part));
        if !item.path.is_empty() {
            let _ = write!(page, "<code><bdi>{}</bdi></code> ", text(&item.path));
        }
        let _ = write!(page, "{}<dl class=sides>", text(&item.field));
        for (side, value) in [("A", &item.a), ("B", &item.b)] {
            let value = value
                .as_deref()
                .map_or_else(|| "<i>nothing</i>".to_owned(), |value| format!("<code>{}</code>", text(value)));
            let _ = write!(page, "<dt>{side}<dd>{value}");
        }
        page.push_str("</dl>");
        if let Some(note) = &item.note {
            let _ = write!(page, "<span class=s>{}</span>", text(note));
        }
        page.push('\n');
    }
    if !list.differences.items.is_empty() {
        page.push_str("</ol>\n");
    }
    if list.differences.more > 0 {
        let more = thousands(list.differences.more);
        let _ = writeln!(page, "<p>And {more} more, in the list of differences beside the statement.</p>");
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &list.accepted.items {
        *reasons.entry(&one.reason).or_default() += 1;
    }
    if !reasons.is_empty() {
        page.push_str("<p>Accepted:</p>\n<ul class=list>\n");
        for (reason, count) in reasons {
            let _ = writeln!(page, "<li>{}: {}", text(reason), thousands(count));
        }
        page.push_str("</ul>\n");
    }
    if list.accepted.more > 0 {
        let _ = writeln!(page, "<p>And {} more that are accepted.</p>", thousands(list.accepted.more));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_nothing_of_it_is_markup() {
        let evil = "<script>alert(1)</script>\u{202e}\x1b".repeat(50);
        let item = serde_json::json!({"class": evil, "part": evil, "path": evil, "field": evil, "a": evil, "b": null, "note": evil});
        let json = serde_json::json!({"schema": 1, "verdict": evil, "counts": {evil.clone(): 7},
            "differences": vec![item; 1000], "accepted": [{"reason": evil, "difference": {}}]});
        let mut page = String::new();
        differences(&mut page, &serde_json::to_vec(&json).unwrap()).unwrap();
        assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains('\x1b'));
        assert_eq!(page.matches("<li><b>").count(), ROWS);
        assert!(page.contains("And 700 more"), "{page}");
        assert!(page.len() < ROWS * 8 * 1024, "{}", page.len());
        assert!(differences(&mut page, b"{\"differences\":7}").is_err());
    }

    #[test]
    fn a_few_dozen_classes_are_shown_and_the_others_counted() {
        let counts: serde_json::Map<_, _> = (1..=100_000).map(|n| (format!("class-{n}"), n.into())).collect();
        let json = serde_json::json!({"schema": 1, "verdict": "different", "counts": counts});
        let mut page = String::new();
        differences(&mut page, &serde_json::to_vec(&json).unwrap()).unwrap();
        assert!(page.len() < 2000, "{}", page.len());
        assert_eq!(page.matches("class-").count(), CLASSES);
        assert!(page.contains(&format!("and {} more classes", thousands(100_000 - CLASSES))), "{page}");
        assert!(differences(&mut page, b"{\"counts\":[]}").is_err());
    }
}
