//! Indexes, manifests and configs: which of their fields mean what.
//!
//! A digest, size or diff_id that differs only because what it names differs is a consequence. It is not listed:
//! whatever it names is compared and listed itself.

use std::collections::BTreeSet;

use super::history::history;
use super::json::{Change, Compared, compare, only_digests_differ, same_spacing};
use super::model::{Difference, Findings, Part, Place, Value};
use super::view::{Image, Link, View};
use crate::causes::Class;
use crate::document::config::{BaseHistory, Config};
use crate::document::descriptor::{UNCOMPRESSED, describes_layer_bytes};
use crate::document::index::Index;
use crate::document::json::{Json, Kind, Value as JsonValue, element_path, member_path};
use crate::document::manifest::Manifest;
use crate::document::times::{DATE_KEYS, REWRITTEN};
use crate::error::Result;
use crate::media_type::{LayerType, classify};

/// Annotations of `index.json` that name an image.
const NAME_KEYS: [&str; 2] = [crate::document::descriptor::REF_NAME, crate::document::descriptor::IMAGE_NAME];

/// Members of a descriptor that follow from what it names.
const CONSEQUENCES: [&str; 3] = ["digest", "size", "data"];

/// Members of a config that only builders and daemons write and read.
const BUILDERS: [&str; 5] = ["container", "container_config", "docker_version", "id", "parent"];

/// What a document is, and what is known of its paths.
pub(super) struct Subject<'f> {
    pub(super) findings: &'f mut Findings,
    pub(super) place: usize,
    /// Paths that hold a time, in either document.
    times: BTreeSet<String>,
}

impl Subject<'_> {
    pub(super) fn push(&mut self, class: Class, field: &str, change: &Change<'_>) {
        let values = change.values.map(|value| value.map(|value| Value::bytes(value.raw())));
        self.findings.push(Difference::new(class, self.place, field.to_owned(), values));
    }
}

/// Compares the configs of two images.
pub(super) fn configs(findings: &mut Findings, label: &str, images: [&Image; 2]) -> Result<()> {
    let [a, b] = images.map(|image| image.config.as_slice());
    if a == b {
        return Ok(());
    }
    let (left, right) = (Config::parse(a)?, Config::parse(b)?);
    let times = |config: &Config<'_>| config.times(BaseHistory::default()).into_iter().map(|site| site.path);
    let times: BTreeSet<String> = times(&left).chain(times(&right)).collect();
    let (json_a, json_b) = (Json::parse(a)?, Json::parse(b)?);
    let digests = images.map(|image| Some(image.config_digest));
    let place = findings.place(Place { image: label.to_owned(), part: Part::Config, digests, about: String::new() });
    let before = findings.count();
    let mut subject = Subject { findings, place, times };
    let mut compared = Compared::default();
    let skip = |path: &str| path == "history" || path == "rootfs.diff_ids";
    compare(json_a.root(), json_b.root(), "", &skip, &mut compared);
    let env_order = env_is_reordered(json_a.root(), json_b.root());
    if env_order {
        let difference = Difference::new(Class::Order, place, "config.Env", [None, None]);
        subject.findings.push(difference.note("the same variables in another order"));
    }
    for change in &compared.changes {
        if env_order && change.path.starts_with("config.Env[") {
            continue;
        }
        let class = config_class(&subject.times, change);
        subject.push(class, &change.path, change);
    }
    history(&mut subject, json_a.root(), json_b.root(), &mut compared);
    if compared.is_respelled
        || !same_spacing(&json_a, &json_b)
        || subject.findings.count() == before && !only_layers_moved(&json_a, &json_b)
    {
        spelling(subject.findings, place);
    }
    Ok(())
}

fn config_class(times: &BTreeSet<String>, change: &Change<'_>) -> Class {
    let path = change.path.as_str();
    let first = path.split(['.', '[']).next().unwrap_or_default();
    if times.contains(path) {
        Class::Time
    } else if change.is_of_nothing() || BUILDERS.contains(&first) || path == "config.Image" {
        Class::Format
    } else if first == "moby" || path.starts_with("[\"moby.") {
        Class::LogOrCache
    } else {
        Class::Content
    }
}

/// Do both have the same variables, in another order?
fn env_is_reordered(a: JsonValue<'_>, b: JsonValue<'_>) -> bool {
    let variables = |root: JsonValue<'_>| -> Vec<Vec<u8>> {
        let list = root.get("config").and_then(|config| config.get("Env"));
        list.into_iter().flat_map(JsonValue::elements).map(|value| value.raw().to_vec()).collect()
    };
    let (mut a, mut b) = (variables(a), variables(b));
    if a == b {
        return false;
    }
    a.sort();
    b.sort();
    a == b
}

fn is_spelled_otherwise(compared: &Compared<'_>, a: &Json<'_>, b: &Json<'_>) -> bool {
    // What is passed over in the descriptors of layers follows from the layers.
    let layers = [a, b].map(|json| json.root().get("layers").map(JsonValue::raw).unwrap_or_default());
    let is_unexplained = compared.changes.is_empty() && only_digests_differ(layers[0], layers[1]);
    compared.is_respelled || !same_spacing(a, b) || is_unexplained && !only_digests_differ(a.bytes(), b.bytes())
}

/// Is all that differs in two configs the list of their diff_ids?
fn only_layers_moved(a: &Json<'_>, b: &Json<'_>) -> bool {
    let without = |json: &Json<'_>| {
        let mut text = json.bytes().to_vec();
        if let Some(list) = json.root().get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")) {
            text.drain(list.span());
        }
        text
    };
    without(a) == without(b)
}

fn spelling(findings: &mut Findings, place: usize) {
    let difference = Difference::new(Class::Format, place, "spelling", [None, None]);
    findings.push(difference.note("the JSON is written in another way: white space, escapes or the order of keys"));
}

/// Compares the manifests of two images whose layers are paired as `pairs` says.
pub(super) fn manifests(
    findings: &mut Findings,
    label: &str,
    views: [&View<'_>; 2],
    images: [&Image; 2],
    pairs: &[(Option<usize>, Option<usize>)],
) -> Result<()> {
    let ([Some(digest_a), Some(digest_b)], false) =
        (images.map(|image| image.manifest), images[0].manifest == images[1].manifest)
    else {
        return Ok(());
    };
    let (a, b) = (views[0].document(Some(&digest_a)), views[1].document(Some(&digest_b)));
    if a == b {
        return Ok(());
    }
    let (json_a, json_b) = (Json::parse(a)?, Json::parse(b)?);
    let times = |bytes: &[u8]| -> Result<Vec<String>> {
        Ok(Manifest::parse(bytes)?.times(0).into_iter().map(|site| site.path).collect())
    };
    let times: BTreeSet<String> = times(a)?.into_iter().chain(times(b)?).collect();
    let digests = [Some(digest_a), Some(digest_b)];
    let place = findings.place(Place { image: label.to_owned(), part: Part::Manifest, digests, about: String::new() });
    let mut compared = Compared::default();
    let moved = |holder: &str| CONSEQUENCES.map(|key| format!("{holder}.{key}"));
    let skipped: BTreeSet<String> =
        moved("config").into_iter().chain(moved("subject")).chain(["layers".to_owned()]).collect();
    compare(json_a.root(), json_b.root(), "", &|path| skipped.contains(path), &mut compared);
    let layers = |json: &Json<'_>| json.root().get("layers").map(|layers| layers.elements().count()).unwrap_or(0);
    if layers(&json_a).max(layers(&json_b)) > 0 {
        let left: Vec<_> = json_a.root().get("layers").into_iter().flat_map(JsonValue::elements).collect();
        let right: Vec<_> = json_b.root().get("layers").into_iter().flat_map(JsonValue::elements).collect();
        for (i, j) in pairs {
            let (Some(x), Some(y)) = (i.and_then(|i| left.get(i)), j.and_then(|j| right.get(j))) else { continue };
            let path = element_path("layers", i.or(*j).unwrap_or(0));
            descriptors(*x, *y, &path, &mut compared);
        }
    }
    let mut subject = Subject { findings, place, times };
    for change in &compared.changes {
        let class = manifest_class(&subject.times, change);
        subject.push(class, &change.path, change);
    }
    if is_spelled_otherwise(&compared, &json_a, &json_b) {
        spelling(subject.findings, place);
    }
    Ok(())
}

/// The descriptors of two layers.
fn descriptors<'j>(a: JsonValue<'j>, b: JsonValue<'j>, path: &str, compared: &mut Compared<'j>) {
    let of_bytes = |path: &str| {
        let key =
            path.rsplit_once(".annotations").map(|(_, key)| key.trim_matches(|c| matches!(c, '[' | ']' | '"' | '.')));
        key.is_some_and(|key| describes_layer_bytes(key) || key == UNCOMPRESSED)
    };
    let consequences = CONSEQUENCES.map(|key| format!("{path}.{key}"));
    let media_type = format!("{path}.mediaType");
    let family = |value: JsonValue<'j>| {
        let text = value.get("mediaType").and_then(JsonValue::as_str);
        text.and_then(|text| LayerType::parse(&text)).map(|kind| (kind.family, kind.foreign))
    };
    // The other half of the media type follows from the compression, which is compared itself.
    let same_family = family(a).is_some() && family(a) == family(b);
    let skip =
        |path: &str| consequences.iter().any(|own| own == path) || of_bytes(path) || same_family && path == media_type;
    compare(a, b, path, &skip, compared);
}

fn manifest_class(times: &BTreeSet<String>, change: &Change<'_>) -> Class {
    if times.contains(&change.path) || is_time_annotation(&change.path) {
        Class::Time
    } else if change.is_of_nothing() || change.path.ends_with("mediaType") && is_same_role(change) {
        Class::Format
    } else {
        Class::Content
    }
}

/// Are these Docker's and OCI's names of the same thing, or is one of them left out?
fn is_same_role(change: &Change<'_>) -> bool {
    let texts = change.values.map(|value| value.and_then(JsonValue::as_str));
    match texts {
        [Some(a), Some(b)] => match [&a, &b].map(|text| LayerType::parse(text).map(|kind| kind.foreign)) {
            [None, None] => classify(&a) == classify(&b),
            foreign => foreign[0] == foreign[1],
        },
        _ => true,
    }
}

fn is_time_annotation(path: &str) -> bool {
    path.contains("annotations")
        && DATE_KEYS.iter().chain([&REWRITTEN]).any(|key| path.ends_with(&format!("[\"{key}\"]")))
}

/// Compares what leads from `index.json` to two images.
pub(super) fn chains(findings: &mut Findings, label: &str, views: [&View<'_>; 2], images: [&Image; 2]) -> Result<()> {
    let [a, b] = images.map(|image| image.links.as_slice());
    let digests = [a, b].map(|links| links.first().map(|link| link.descriptor.digest));
    let place = Place { image: label.to_owned(), part: Part::Index, digests, about: String::new() };
    let mut names = [Vec::new(), Vec::new()];
    for (own, image) in names.iter_mut().zip(images) {
        own.extend(image.names.iter().map(|name| crate::rewrite::select::familiar(name).to_owned()));
    }
    let place = findings.place(place);
    // A layout may name an image by a tag alone where an archive of Docker's has the whole name.
    let fits = |name: &String, others: &[String]| {
        others
            .iter()
            .any(|other| other == name || other.ends_with(&format!(":{name}")) || name.ends_with(&format!(":{other}")))
    };
    let only = |own: &[String], others: &[String]| {
        own.iter().filter(|name| !fits(name, others)).cloned().collect::<Vec<_>>().join(", ")
    };
    let (only_a, only_b) = (only(&names[0], &names[1]), only(&names[1], &names[0]));
    if !only_a.is_empty() || !only_b.is_empty() {
        let value = |text: String| (!text.is_empty()).then(|| Value::bytes(text.as_bytes()));
        findings.push(Difference::new(Class::Name, place, "name", [value(only_a), value(only_b)]));
    }
    if a.is_empty() || b.is_empty() {
        return Ok(());
    }
    if a.len() != b.len() {
        let values = [a, b].map(|links| Some(Value::text(format!("{} deep", links.len()))));
        let difference = Difference::new(Class::Format, place, "nesting", values);
        findings.push(
            difference.note("an index more or less on the way to the image, as builders write it for attestations"),
        );
    }
    let documents = |view: &View<'_>, links: &[Link]| -> Vec<Vec<u8>> {
        links.iter().map(|link| view.document(link.parent.as_ref()).to_vec()).collect()
    };
    let (docs_a, docs_b) = (documents(views[0], a), documents(views[1], b));
    let (json_a, json_b) = (parse_all(&docs_a)?, parse_all(&docs_b)?);
    let mut compared = Compared::default();
    annotations(chain_values(a, &json_a), chain_values(b, &json_b), &mut compared);
    leaf(chain_values(a, &json_a), chain_values(b, &json_b), images, &mut compared, findings, place);
    if a.len() == b.len() {
        for ((x, y), (link_a, link_b)) in json_a.iter().zip(&json_b).zip(a.iter().zip(b)) {
            // Images of one index share what it says.
            if x.bytes() == y.bytes() || !findings.indexes.insert([link_a.parent, link_b.parent]) {
                continue;
            }
            let mut found = Compared::default();
            compare(x.root(), y.root(), "", &|path| path == "manifests", &mut found);
            compared.is_respelled |= found.is_respelled || !same_spacing(x, y);
            compared.changes.append(&mut found.changes);
        }
    }
    let mut times = BTreeSet::new();
    for document in docs_a.iter().chain(&docs_b) {
        times.extend(Index::parse(document)?.times().into_iter().map(|site| site.path));
    }
    let is_respelled = compared.is_respelled;
    let mut subject = Subject { findings, place, times };
    for change in &compared.changes {
        let class = manifest_class(&subject.times, change);
        subject.push(class, &change.path, change);
    }
    if is_respelled {
        spelling(subject.findings, place);
    }
    Ok(())
}

fn parse_all(documents: &[Vec<u8>]) -> Result<Vec<Json<'_>>> {
    documents.iter().map(|bytes| Json::parse(bytes)).collect()
}

/// The descriptors on the way, from the top down.
fn chain_values<'j>(links: &[Link], documents: &'j [Json<'j>]) -> Vec<JsonValue<'j>> {
    let find = |(link, json): (&Link, &'j Json<'j>)| {
        let children = json.root().get("manifests").into_iter().flat_map(JsonValue::elements);
        children.into_iter().find(|child| child.span() == link.descriptor.span)
    };
    links.iter().zip(documents).filter_map(find).collect()
}

/// The annotations of all descriptors on the way, names aside: with an index more or less they stand elsewhere.
fn annotations<'j>(a: Vec<JsonValue<'j>>, b: Vec<JsonValue<'j>>, compared: &mut Compared<'j>) {
    let merged = |chain: Vec<JsonValue<'j>>| {
        let mut all = std::collections::BTreeMap::new();
        for descriptor in chain {
            for member in descriptor.get("annotations").into_iter().flat_map(JsonValue::members) {
                all.insert(member.key.into_owned(), member.value);
            }
        }
        all.retain(|key, _| !NAME_KEYS.contains(&key.as_str()));
        all
    };
    let (a, b) = (merged(a), merged(b));
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let path = member_path("annotations", key);
        match (a.get(key), b.get(key)) {
            (Some(x), Some(y)) => compare(*x, *y, &path, &|_| false, compared),
            (x, y) => compared.changes.push(Change { path, values: [x.copied(), y.copied()] }),
        }
    }
}

/// The last descriptor on the way: that of the image itself.
fn leaf<'j>(
    a: Vec<JsonValue<'j>>,
    b: Vec<JsonValue<'j>>,
    images: [&Image; 2],
    compared: &mut Compared<'j>,
    findings: &mut Findings,
    place: usize,
) {
    let (Some(a), Some(b)) = (a.last(), b.last()) else { return };
    let platforms =
        [a, b].map(|value| value.get_some("platform").is_some_and(|platform| platform.kind() == Kind::Object));
    let one_has_none = platforms[0] != platforms[1] && images[0].platform == images[1].platform;
    let skip = |path: &str| {
        path.strip_prefix("descriptor.")
            .is_some_and(|key| CONSEQUENCES.contains(&key) || key == "annotations" || one_has_none && key == "platform")
    };
    compare(*a, *b, "descriptor", &skip, compared);
    if one_has_none {
        let value = |has: bool, image: &Image| has.then(|| Value::bytes(image.platform.to_string().as_bytes()));
        let values = [value(platforms[0], images[0]), value(platforms[1], images[1])];
        let difference = Difference::new(Class::Format, place, "descriptor.platform", values);
        findings.push(difference.note("the config says the same"));
    }
}
