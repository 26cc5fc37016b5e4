//! The history of two configs.

use std::borrow::Cow;

use crate::causes::Class;
use crate::diff::document::builders::Judged;
use crate::diff::document::compared::ComparedDocument;
use crate::diff::document::path::{JsonPath, Step};
use crate::diff::document::steps::{canonical, form, same_command};
use crate::diff::document::value::{Change, Compared, elements};
use crate::diff::pair::align::{align, by_position};
use crate::document::commands::Commands;
use crate::document::json::Value;

/// Entries of the history, paired by their command.
pub(crate) fn history<'j>(document: &mut ComparedDocument<'_>, lists: [Value<'j>; 2], compared: &mut Compared<'j>) {
    let [a, b] = lists;
    let keys = |list: Value<'j>, commands: &Option<Commands>| -> Vec<_> {
        let key = |entry: Value<'j>| {
            let text = entry.get("created_by").and_then(Value::as_str);
            // Of two builds one step is the same though a time in it is not.
            let text = text.map(|text| commands.as_ref().map_or(text.to_string(), |commands| commands.masked(&text)));
            let text = text.map(|text| canonical(&text));
            (text, entry.get("empty_layer").and_then(Value::as_bool))
        };
        list.elements().map(key).collect()
    };
    let [left, right] = &document.commands;
    let pairs = align(&keys(a, left), &keys(b, right), &mut by_position);
    let mut found = Compared::default();
    let path = JsonPath::root().key("history");
    elements(a, b, &pairs, &path, &is_unpaired_step, &mut found);
    compared.differs_in_spelling |= found.differs_in_spelling;
    // A step that only one side has is one difference.
    let steps = [a, b].map(|list| list.elements().collect::<Vec<_>>());
    for (i, j) in pairs.iter().filter(|(i, j)| i.is_none() || j.is_none()) {
        let value = |side: usize, number: &Option<usize>| steps.get(side)?.get((*number)?).copied();
        let path = path.index(i.or(*j).unwrap_or(0));
        found.changes.push(Change { path, values: [value(0, i), value(1, j)] });
    }
    for change in &found.changes {
        document.push(change, judge);
    }
}

/// Is this an entry of the list itself, on one side alone?
fn is_unpaired_step(path: &JsonPath, values: [Option<Value<'_>>; 2]) -> bool {
    matches!(path.steps().as_slice(), [_, Step::Index(_)]) && values.iter().any(Option::is_none)
}

/// What a change means: nothing of a history runs, and what a step made is compared with the layers and the config.
fn judge(change: &Change<'_>) -> Judged {
    if change.is_of_nothing() {
        return Class::Format.into();
    }
    let steps = change.path.steps();
    let texts = change.values.map(|value| value.and_then(Value::as_str));
    match steps.as_slice() {
        // Whether a step has a layer, and what is in it, is reported with the layers.
        [_, Step::Index(_), Step::Key("empty_layer")] => Class::Format.into(),
        [_, Step::Index(_), Step::Key("created_by")] => match &texts {
            [Some(a), Some(b)] => command([a, b]),
            _ => Judged::with(Class::Name, "only one side names the command"),
        },
        [_, Step::Index(_), Step::Key("comment")] => {
            let is_builders = |text: &Option<Cow<'_, str>>| text.as_ref().is_none_or(|t| t.starts_with("buildkit."));
            if texts.iter().all(is_builders) { Class::Format.into() } else { Class::Name.into() }
        }
        [_, Step::Index(_), Step::Key("author")] => Class::Name.into(),
        [_, Step::Index(_)] => {
            Judged::with(Class::Name, "only one side has this step; its result is compared with the layers")
        }
        _ => Class::Content.into(),
    }
}

/// The commands of one step in both images.
fn command(texts: [&str; 2]) -> Judged {
    if !same_command(texts[0], texts[1]) {
        let note = "the commands differ; their results are compared with the layers and the config";
        return Judged::with(Class::Name, note);
    }
    let note = match texts.map(|text| form(text).name()) {
        [Some(a), Some(b)] if a != b => format!("the same command, as {a} writes it in A and {b} in B"),
        _ => "the same command, written in another way".to_owned(),
    };
    Judged::with(Class::Format, note)
}
