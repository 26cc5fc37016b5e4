//! Which values of documents are times, and whether rewriting makes two of them equal.

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
/// What stands in such a place and is no time may mean anything.
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
fn kind(document: Document, path: &str) -> Option<TimeKind> {
    if let Some(inner) = path.strip_suffix("\"]") {
        let (holder, key) = inner.rsplit_once("[\"")?;
        let is_map = match document {
            Document::Config => matches!(holder, "config.Labels" | "container_config.Labels"),
            Document::Manifest => holder == "annotations" || holder.ends_with(".annotations"),
        };
        return TimeKind::of_key(key).filter(|_| is_map);
    }
    let (holder, key) = path.rsplit_once('.').unwrap_or(("", path));
    let is_step = holder.starts_with("history[") && !holder.contains('.');
    let is_created = key == "created" && (holder.is_empty() || is_step);
    (document == Document::Config && is_created).then_some(TimeKind::Created)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::json::Json;

    fn of(document: Document, path: &str, texts: [&str; 2]) -> Option<bool> {
        let texts = texts.map(str::as_bytes);
        let [a, b] = texts.map(|text| (!text.is_empty()).then(|| Json::parse(text).unwrap()));
        let values = [a.as_ref().map(Json::root), b.as_ref().map(Json::root)];
        restamps(document, &Change { path: path.to_owned(), values })
    }

    #[test]
    fn only_what_rewriting_sets_on_both_sides_goes_away() {
        const DATE: &str = "\"2024-01-01T00:00:00Z\"";
        const DAY: &str = "\"2024-01-02\"";
        let label = "config.Labels[\"build-date\"]";
        let annotation = "annotations[\"org.opencontainers.image.created\"]";
        for (document, path, values, expected) in [
            (Document::Config, "created", [DATE, "\"2025-01-01T00:00:00Z\""], Some(true)),
            (Document::Config, "created", [DATE, ""], Some(false)),
            (Document::Config, "created", [DATE, "null"], Some(false)),
            (Document::Config, "created", [DATE, DAY], None),
            (Document::Config, "history[0].created", [DATE, ""], Some(false)),
            (Document::Config, label, [DATE, DAY], Some(true)),
            (Document::Config, label, [DATE, "\"\""], Some(false)),
            (Document::Config, label, ["\"stable\"", "\"beta\""], None),
            (Document::Config, label, ["\"1.2\"", "\"1.3\""], None),
            (Document::Config, label, [DATE, "1"], None),
            (Document::Config, annotation, [DATE, DAY], None),
            (Document::Config, "config.created", [DATE, "\"2025-01-01T00:00:00Z\""], None),
            (Document::Manifest, annotation, [DATE, DAY], Some(true)),
            (Document::Manifest, "annotations[\"buildkit/rewritten-timestamp\"]", ["", "\"1700000000\""], Some(false)),
            (Document::Manifest, "created", [DATE, "\"2025-01-01T00:00:00Z\""], None),
        ] {
            assert_eq!(of(document, path, values), expected, "{path} {values:?}");
        }
    }
}
