//! The history of two configs.

use super::align::{align, by_position};
use super::documents::Subject;
use super::json::{Compared, compare};
use super::model::{Difference, Value};
use crate::causes::Class;
use crate::document::json::{Value as JsonValue, element_path};

/// Entries of the history, paired by their command.
pub(super) fn history<'j>(subject: &mut Subject<'_>, a: JsonValue<'j>, b: JsonValue<'j>, compared: &mut Compared<'j>) {
    let entries = |root: JsonValue<'j>| -> Vec<JsonValue<'j>> {
        root.get("history").into_iter().flat_map(JsonValue::elements).collect()
    };
    let (left, right) = (entries(a), entries(b));
    let key = |entry: &JsonValue<'j>| {
        (entry.get("created_by").and_then(JsonValue::as_str), entry.get("empty_layer").and_then(JsonValue::as_bool))
    };
    let keys = |entries: &[JsonValue<'j>]| entries.iter().map(key).collect::<Vec<_>>();
    for (i, j) in align(&keys(&left), &keys(&right), &mut by_position) {
        let path = element_path("history", i.or(j).unwrap_or(0));
        match (i.and_then(|i| left.get(i)), j.and_then(|j| right.get(j))) {
            (Some(x), Some(y)) => {
                let mut found = Compared::default();
                compare(*x, *y, &path, &|_| false, &mut found);
                compared.is_respelled |= found.is_respelled;
                for change in &found.changes {
                    let is_time = change.path.to_ascii_lowercase().ends_with(".created");
                    // Whether a step has a layer, and what is in it, is told by the layers.
                    let is_idle = change.is_of_nothing() || change.path.ends_with(".empty_layer");
                    let class = match (is_time, is_idle) {
                        (true, _) => Class::Time,
                        (false, true) => Class::Format,
                        (false, false) => Class::Content,
                    };
                    subject.push(class, &change.path, change);
                }
            }
            (x, y) => {
                let values = [x, y].map(|entry| entry.map(|entry| Value::bytes(entry.raw())));
                subject.findings.push(Difference::new(Class::Content, subject.place, path, values));
            }
        }
    }
}
