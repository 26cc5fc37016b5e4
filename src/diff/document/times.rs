//! Which values of documents are times, and whether rewriting makes two of them equal.

use crate::diff::document::path::{JsonPath, Step};
use crate::diff::document::value::Change;
use crate::document::json::Value;
use crate::document::times::{Reading, TimeKind};

/// The document that a path leads into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    /// The config of an image.
    Config,
    /// A manifest or index.
    Manifest,
}

/// Is a change one of time, and does rewriting both documents make it go away? `None` where it is something else.
///
/// Rewriting sets the times that it can read and adds none: one that is absent, or a label without a time in it, stays.
/// A value in such a place that is no time may mean anything.
pub(crate) fn restamps(document: Document, change: &Change<'_>) -> Option<bool> {
    let kind = kind(document, &change.path)?;
    let mut has_time = false;
    let mut is_set = true;
    for value in &change.values {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            is_set = false;
            continue;
        };
        let text = Value::as_str(value)?;
        match kind.read(&text) {
            Reading::Time { .. } => has_time = true,
            Reading::Nothing if text.trim().is_empty() => is_set = false,
            Reading::Nothing | Reading::Malformed => return None,
        }
    }
    has_time.then_some(is_set)
}

/// The places that rewriting knows as those of times.
fn kind(document: Document, path: &JsonPath) -> Option<TimeKind> {
    use Step::{Index, Key};
    match (document, path.steps().as_slice()) {
        (Document::Config, [Key("config" | "container_config"), Key("Labels"), Key(key)])
        | (Document::Manifest, [.., Key("annotations"), Key(key)]) => TimeKind::of_key(key),
        (Document::Config, [Key("created")] | [Key("history"), Index(_), Key("created")]) => Some(TimeKind::Created),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::json::Json;

    fn of(document: Document, steps: &[Step<'_>], texts: [&str; 2]) -> Option<bool> {
        let texts = texts.map(str::as_bytes);
        let [a, b] = texts.map(|text| (!text.is_empty()).then(|| Json::parse(text).unwrap()));
        let values = [a.as_ref().map(Json::root), b.as_ref().map(Json::root)];
        let path = steps.iter().fold(JsonPath::root(), |path, step| match step {
            Step::Key(key) => path.key(key),
            Step::Index(number) => path.index(*number),
        });
        restamps(document, &Change { path, values })
    }

    #[test]
    fn only_what_rewriting_sets_on_both_sides_goes_away() {
        use Step::{Index, Key};
        const DATE: &str = "\"2024-01-01T00:00:00Z\"";
        const LATER: &str = "\"2025-01-01T00:00:00Z\"";
        const DAY: &str = "\"2024-01-02\"";
        let created = &[Key("created")][..];
        let label = &[Key("config"), Key("Labels"), Key("build-date")][..];
        let annotation = &[Key("annotations"), Key("org.opencontainers.image.created")][..];
        let rewritten = &[Key("layers"), Index(0), Key("annotations"), Key("buildkit/rewritten-timestamp")][..];
        for (document, path, values, expected) in [
            (Document::Config, created, [DATE, LATER], Some(true)),
            (Document::Config, created, [DATE, ""], Some(false)),
            (Document::Config, created, [DATE, "null"], Some(false)),
            (Document::Config, created, [DATE, DAY], None),
            (Document::Config, &[Key("history"), Index(0), Key("created")], [DATE, ""], Some(false)),
            (Document::Config, label, [DATE, DAY], Some(true)),
            (Document::Config, label, [DATE, "\"\""], Some(false)),
            (Document::Config, label, ["\"stable\"", "\"beta\""], None),
            (Document::Config, label, ["\"1.2\"", "\"1.3\""], None),
            (Document::Config, label, [DATE, "1"], None),
            (Document::Config, annotation, [DATE, DAY], None),
            (Document::Config, &[Key("config"), Key("created")], [DATE, LATER], None),
            (Document::Config, &[Key("history[0]"), Key("created")], [DATE, LATER], None),
            (Document::Manifest, annotation, [DATE, DAY], Some(true)),
            (Document::Manifest, rewritten, ["", "\"1700000000\""], Some(false)),
            (Document::Manifest, created, [DATE, LATER], None),
        ] {
            assert_eq!(of(document, path, values), expected, "{path:?} {values:?}");
        }
    }
}
