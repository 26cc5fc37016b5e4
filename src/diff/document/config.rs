//! The configs of two images.

use crate::causes::Class;
use crate::diff::document::builders::{Judged, label};
use crate::diff::document::compared::{ComparedDocument, both_arrays, lists};
use crate::diff::document::history::history;
use crate::diff::document::path::{JsonPath, Step};
use crate::diff::document::times::Document;
use crate::diff::document::value::{Change, Compared, documents, elements};
use crate::diff::findings::Findings;
use crate::diff::model::{Difference, Part, Place};
use crate::diff::pair::align::{align, by_position};
use crate::diff::view::{Image, View};
use crate::document::config::{BaseHistory, Config};
use crate::document::json::{Json, Value as JsonValue};
use crate::document::times::Reading;
use crate::error::Result;

/// Members of a config that only builders and daemons write and read.
const BUILDERS: [&str; 5] = ["container", "container_config", "docker_version", "id", "parent"];

/// Compares the configs of two images.
pub(crate) fn configs(findings: &mut Findings, label: &str, views: [&View<'_>; 2], images: [&Image; 2]) -> Result<()> {
    let [a, b] = images.map(|image| image.config.bytes.as_slice());
    if a == b {
        return Ok(());
    }
    for (times, bytes) in findings.overview.times.iter_mut().zip([a, b]) {
        for site in Config::parse(bytes)?.times(BaseHistory::default()) {
            if let Reading::Time { first, last } = site.reading
                && first == last
            {
                times.add(first);
            }
        }
    }
    let (json_a, json_b) = (Json::parse(a)?, Json::parse(b)?);
    let roots = [json_a.root(), json_b.root()];
    let digests = images.map(|image| Some(image.config_digest));
    let place = findings.place(Place { image: label.to_owned(), part: Part::Config, digests, about: String::new() });
    let commands = [views[0].commands(images[0])?, views[1].commands(images[1])?];
    let mut document = ComparedDocument { findings, place, document: Document::Config, commands };
    let mut compared = Compared::default();
    let skip = |path: &JsonPath, values: [Option<JsonValue<'_>>; 2]| {
        (path.is(&["history"]) || path.is(&["rootfs", "diff_ids"])) && both_arrays(values).is_some()
    };
    documents(&json_a, &json_b, &skip, &mut compared);
    let env_order = env_is_reordered(roots);
    if env_order {
        let difference = Difference::new(Class::Order, place, "config.Env", [None, None]);
        document.findings.push(difference.note("the same variables in another order"));
    }
    let is_variable = |path: &JsonPath| {
        matches!(path.steps().as_slice(), [Step::Key("config"), Step::Key("Env"), Step::Index(_), ..])
    };
    for change in &compared.changes {
        if !env_order || !is_variable(&change.path) {
            document.push(change, config_class);
        }
    }
    if let Some(lists) = lists(roots, &["history"]) {
        history(&mut document, lists, &mut compared);
    }
    if let Some([x, y]) = lists(roots, &["rootfs", "diff_ids"]) {
        let keys = |list: JsonValue<'_>| list.elements().map(|id| id.raw().to_vec()).collect::<Vec<_>>();
        // Another diff_id is reported with the layer.
        let skip = |_: &JsonPath, values: [Option<JsonValue<'_>>; 2]| {
            let [x, y] = values.map(|value| value.and_then(JsonValue::as_str));
            x != y
        };
        let path = JsonPath::root().key("rootfs").key("diff_ids");
        elements(x, y, &align(&keys(x), &keys(y), &mut by_position), &path, &skip, &mut compared);
    }
    if compared.differs_in_spelling {
        document.spelling();
    }
    Ok(())
}

fn config_class(change: &Change<'_>) -> Judged {
    let steps = change.path.steps();
    let first = match steps.first() {
        Some(Step::Key(key)) => key,
        _ => "",
    };
    if change.is_of_nothing() || BUILDERS.contains(&first) || change.path.is(&["config", "Image"]) {
        Class::Format.into()
    } else if first == "moby" || first.starts_with("moby.") {
        Class::LogOrCache.into()
    } else {
        label(change).unwrap_or(Class::Content.into())
    }
}

/// Do both have the same variables, in another order that changes none? Of two with one name only one is in force.
fn env_is_reordered(roots: [JsonValue<'_>; 2]) -> bool {
    let [Some(mut a), Some(mut b)] = roots.map(|root| {
        let list = root.get("config")?.get("Env")?;
        Some(list.elements().collect::<Vec<_>>())
    }) else {
        return false;
    };
    let is_same = |a: &[JsonValue<'_>], b: &[JsonValue<'_>]| {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.raw() == y.raw())
    };
    if is_same(&a, &b) {
        return false;
    }
    let name = |variable: &JsonValue<'_>| {
        let text = variable.as_str().unwrap_or_default();
        text.split('=').next().unwrap_or_default().to_owned()
    };
    // Stable: those of one name stay as they are.
    a.sort_by_cached_key(name);
    b.sort_by_cached_key(name);
    is_same(&a, &b)
}
