//! What leads to images: indexes, and the descriptors in them.

use std::collections::BTreeSet;

use super::align::Pair;
use super::dates::Document;
use super::documents::{Subject, is_consequence, lists};
use super::json::{Change, Compared, compare, documents, elements};
use super::model::{Difference, Findings, Part, Place, Value};
use super::view::{Image, Link, View};
use crate::causes::Class;
use crate::document::descriptor::{IMAGE_NAME, REF_NAME};
use crate::document::json::{Json, Kind, Value as JsonValue, member_path};
use crate::error::Result;

/// Annotations of `index.json` that name an image.
const NAME_KEYS: [&str; 2] = [REF_NAME, IMAGE_NAME];

/// Compares what leads from `index.json` to two images.
pub(super) fn chains(findings: &mut Findings, label: &str, views: [&View<'_>; 2], images: [&Image; 2]) -> Result<()> {
    let [a, b] = images.map(|image| image.links.as_slice());
    let digests = [a, b].map(|links| links.first().map(|link| link.descriptor.digest));
    let place = Place { image: label.to_owned(), part: Part::Index, digests, about: String::new() };
    let mut names = [Vec::new(), Vec::new()];
    for (own, image) in names.iter_mut().zip(images) {
        own.extend(image.names.iter().map(|name| crate::image::names::familiar(name).to_owned()));
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
    let bytes = |view: &View<'_>, links: &[Link]| -> Vec<Vec<u8>> {
        links.iter().map(|link| view.document(link.parent.as_ref()).to_vec()).collect()
    };
    let (bytes_a, bytes_b) = (bytes(views[0], a), bytes(views[1], b));
    let (json_a, json_b) = (parse_all(&bytes_a)?, parse_all(&bytes_b)?);
    let (chain_a, chain_b) = (chain_values(a, &json_a), chain_values(b, &json_b));
    let mut compared = Compared::default();
    if a.len() == b.len() {
        for (x, y) in chain_a.iter().zip(&chain_b) {
            annotations(&[*x], &[*y], &mut compared);
        }
        // The last step is the image's own, and is looked at with what its config says.
        for (x, y) in chain_a.iter().zip(&chain_b).rev().skip(1).rev() {
            descriptors([*x, *y], false, &mut compared);
        }
    } else {
        annotations(&holders(&chain_a, &json_a), &holders(&chain_b, &json_b), &mut compared);
    }
    leaf([chain_a.last(), chain_b.last()], images, &mut compared, findings, place);
    // Descriptors of two kinds of document need not be written alike.
    compared.is_respelled &= a.len() == b.len();
    if a.len() == b.len() {
        for ((x, y), (link_a, link_b)) in json_a.iter().zip(&json_b).zip(a.iter().zip(b)) {
            // Images of one index share what it says.
            if x.bytes() == y.bytes() || !findings.indexes.insert([link_a.parent, link_b.parent]) {
                continue;
            }
            document([x, y], &mut compared);
        }
    }
    Subject { findings, place, document: Document::Manifest, commands: [None, None] }.manifest(&compared);
    Ok(())
}

/// Two indexes, but for what they list.
fn document<'j>(both: [&'j Json<'j>; 2], compared: &mut Compared<'j>) {
    let manifests = lists(both.map(Json::root), &["manifests"]);
    documents(both[0], both[1], &|path, _| path == "manifests" && manifests.is_some(), compared);
    if let Some([x, y]) = manifests {
        let count = [x, y].map(|list| list.elements().count());
        let pairs: Vec<Pair> = (0..count[0].min(count[1])).map(|number| (Some(number), Some(number))).collect();
        elements(x, y, &pairs, "manifests", &|_, _| true, compared);
    }
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

/// All on the way that has annotations: with an index more or less they stand elsewhere.
fn holders<'j>(chain: &[JsonValue<'j>], documents: &'j [Json<'j>]) -> Vec<JsonValue<'j>> {
    chain.iter().copied().chain(documents.iter().map(Json::root)).collect()
}

/// The annotations of these, names aside.
fn annotations<'j>(a: &[JsonValue<'j>], b: &[JsonValue<'j>], compared: &mut Compared<'j>) {
    let merged = |holders: &[JsonValue<'j>]| {
        let mut all = std::collections::BTreeMap::new();
        for holder in holders {
            for member in holder.get("annotations").into_iter().flat_map(JsonValue::members) {
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
            (Some(x), Some(y)) => compare(*x, *y, &path, &|_, _| false, compared),
            (x, y) => compared.changes.push(Change { path, values: [x.copied(), y.copied()] }),
        }
    }
}

/// Two descriptors on the way, but for the values of their annotations.
fn descriptors<'j>(both: [JsonValue<'j>; 2], without_platform: bool, compared: &mut Compared<'j>) {
    let annotations = both.map(|descriptor| descriptor.get("annotations"));
    let told = |path: &str, _: [Option<JsonValue<'_>>; 2]| {
        is_consequence("descriptor", both, path)
            || path == "descriptor.annotations"
            || without_platform && path == "descriptor.platform"
    };
    compare(both[0], both[1], "descriptor", &told, compared);
    if let [Some(x), Some(y)] = annotations {
        let mut found = Compared::default();
        compare(x, y, "", &|_, _| false, &mut found);
        compared.is_respelled |= found.is_respelled;
    }
}

/// The last descriptor on the way: that of the image itself.
fn leaf<'j>(
    both: [Option<&JsonValue<'j>>; 2],
    images: [&Image; 2],
    compared: &mut Compared<'j>,
    findings: &mut Findings,
    place: usize,
) {
    let [Some(a), Some(b)] = both else { return };
    let platforms =
        [a, b].map(|value| value.get_some("platform").is_some_and(|platform| platform.kind() == Kind::Object));
    let one_has_none = platforms[0] != platforms[1] && images[0].platform == images[1].platform;
    descriptors([*a, *b], one_has_none, compared);
    if one_has_none {
        let value = |has: bool, image: &Image| has.then(|| Value::bytes(image.platform.to_string().as_bytes()));
        let values = [value(platforms[0], images[0]), value(platforms[1], images[1])];
        let difference = Difference::new(Class::Format, place, "descriptor.platform", values);
        findings.push(difference.note("the config says the same"));
    }
}
