//! Which values of documents are times, and whether rewriting makes two of them equal.

use crate::diff::document::path::{JsonPath, Step};
use crate::diff::document::value::Change;
use crate::document::json::Value;
use crate::document::times::{Reading, TimeKeys, TimeKind};
use crate::document::unlisted::time_of;
use crate::error::shell_word;

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
pub(crate) fn restamps(document: Document, change: &Change<'_>, keys: &TimeKeys) -> Option<bool> {
    let mut texts = change.values.iter().flatten().filter_map(|value| value.as_str());
    let kind = texts.find_map(|text| kind(document, &change.path, keys, &text))?;
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
    let become_equal = match change.values.map(|value| value.and_then(Value::as_str)) {
        [Some(a), Some(b)] => kind.become_equal(&a, &b),
        _ => true,
    };
    has_time.then_some(is_set && become_equal)
}

/// A time under a key that rewriting does not know.
#[derive(Debug)]
pub(crate) struct UnlistedTime {
    pub(crate) key: String,
    /// Would rewriting with this time key make both equal?
    pub(crate) is_mended: bool,
}

impl UnlistedTime {
    /// What to say of it.
    pub(crate) fn note(&self) -> String {
        let key = shell_word(&self.key);
        format!("rewriting leaves times under this key; to set it: restamp rewrite --time-key {key}")
    }
}

/// A label or annotation that holds a time on both sides, under a key that rewriting does not know.
pub(crate) fn unlisted_time(document: Document, change: &Change<'_>) -> Option<UnlistedTime> {
    use Step::Key;
    let steps = change.path.steps();
    let key = match (document, steps.as_slice()) {
        (Document::Config, [Key("config" | "container_config"), Key("Labels"), Key(key)])
        | (Document::Manifest, [.., Key("annotations"), Key(key)]) => *key,
        _ => return None,
    };
    let is_time = |value: &Option<Value<'_>>| {
        let text = value.and_then(Value::as_str);
        text.is_some_and(|text| time_of(key, &text).is_some())
    };
    let fits = TimeKind::of_key(key).is_none() && change.values.iter().all(is_time);
    // As an option the key is a pattern.
    let is_literal = !key.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
    let told = TimeKeys::new([key]).ok().filter(|_| is_literal);
    let is_mended = || told.is_some_and(|keys| restamps(document, change, &keys) == Some(true));
    fits.then(|| UnlistedTime { key: key.to_owned(), is_mended: is_mended() })
}

/// The places that rewriting knows as those of times.
fn kind(document: Document, path: &JsonPath, keys: &TimeKeys, text: &str) -> Option<TimeKind> {
    use Step::{Index, Key};
    match (document, path.steps().as_slice()) {
        (Document::Config, [Key("config" | "container_config"), Key("Labels"), Key(key)])
        | (Document::Manifest, [.., Key("annotations"), Key(key)]) => keys.kind_of(key, text),
        (Document::Config, [Key("created")] | [Key("history"), Index(_), Key("created")]) => Some(TimeKind::Created),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::json::Json;

    fn of(document: Document, steps: &[Step<'_>], texts: [&str; 2]) -> Option<bool> {
        with_change(steps, texts, |change| restamps(document, change, &TimeKeys::new(["BUILD_DATE", "app.*"]).unwrap()))
    }

    fn with_change<T>(steps: &[Step<'_>], texts: [&str; 2], of: impl Fn(&Change<'_>) -> T) -> T {
        let texts = texts.map(str::as_bytes);
        let [a, b] = texts.map(|text| (!text.is_empty()).then(|| Json::parse(text).unwrap()));
        let values = [a.as_ref().map(Json::root), b.as_ref().map(Json::root)];
        let path = steps.iter().fold(JsonPath::root(), |path, step| match step {
            Step::Key(key) => path.key(key),
            Step::Index(number) => path.index(*number),
        });
        of(&Change { path, values })
    }

    #[test]
    fn a_time_under_another_key_is_known_by_both_values() {
        use Step::Key;
        const DATE: &str = "\"2024-01-01T00:00:00Z\"";
        for (key, values, expected) in [
            ("vendor.x", [DATE, "\"2024-01-02 10:00:00\""], true),
            ("BUILD_DATE", ["\"20240101\"", "\"2024-01-02\""], true),
            ("io.openshift.build.commit.date", ["\"1700000000\"", "\"1700000001\""], true),
            ("version", ["\"20240101\"", "\"20240102\""], false),
            ("vendor.x", [DATE, "\"stable\""], false),
            ("vendor.x", [DATE, ""], false),
            ("build-date", [DATE, "\"2024-01-02\""], false),
        ] {
            let note = with_change(&[Key("config"), Key("Labels"), Key(key)], values, |change| {
                unlisted_time(Document::Config, change)
            });
            assert_eq!(note.is_some(), expected, "{key} {values:?}");
            assert!(note.is_none_or(|unlisted| unlisted.note().ends_with(key)), "{key}");
        }
    }

    #[test]
    fn only_what_rewriting_sets_on_both_sides_goes_away() {
        use Step::{Index, Key};
        const DATE: &str = "\"2024-01-01T00:00:00Z\"";
        const LATER: &str = "\"2025-01-01T00:00:00Z\"";
        const DAY: &str = "\"2024-01-02\"";
        let created = &[Key("created")][..];
        let label = &[Key("config"), Key("Labels"), Key("build-date")][..];
        let named = &[Key("config"), Key("Labels"), Key("BUILD_DATE")][..];
        let matched = &[Key("manifests"), Index(0), Key("annotations"), Key("app.date")][..];
        let unknown = &[Key("config"), Key("Labels"), Key("OTHER_DATE")][..];
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
            (Document::Config, named, [DATE, LATER], Some(true)),
            (Document::Config, named, [DATE, DAY], Some(false)),
            (Document::Config, named, [DATE, "\"1700000000\""], Some(false)),
            (Document::Config, named, ["\"1760000000\"", "\"1700000000\""], Some(true)),
            (Document::Config, named, [DATE, "\"v1\""], None),
            (Document::Manifest, matched, [DAY, "\"2025-01-01\""], Some(true)),
            (Document::Manifest, matched, ["\"v1\"", "\"v2\""], None),
            (Document::Config, unknown, [DATE, LATER], None),
        ] {
            assert_eq!(of(document, path, values), expected, "{path:?} {values:?}");
        }
    }
}
