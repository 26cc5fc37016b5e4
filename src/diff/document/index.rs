//! The indexes that lead to images, and the descriptors in them.

use std::collections::{BTreeSet, HashSet};

use crate::causes::Class;
use crate::diff::document::compared::{ComparedDocument, is_consequence, lists};
use crate::diff::document::path::JsonPath;
use crate::diff::document::path::Step::Key;
use crate::diff::document::times::Document;
use crate::diff::document::value::{Change, Compared, compare, documents, elements};
use crate::diff::findings::Findings;
use crate::diff::model::{Difference, Part, Place, Role, Value};
use crate::diff::pair::align::Pair;
use crate::diff::view::{Image, View};
use crate::document::descriptor::{IMAGE_NAME, REF_NAME};
use crate::document::json::{Json, Kind, Value as JsonValue};
use crate::error::Result;
use crate::image::Link;
use crate::store::location::Carrier;

/// Annotations of `index.json` that name an image.
const NAME_KEYS: [&str; 2] = [REF_NAME, IMAGE_NAME];

/// Compares what leads from `index.json` to two images.
pub(crate) fn chains(findings: &mut Findings, label: &str, views: [&View<'_>; 2], images: [&Image; 2]) -> Result<()> {
    let [a, b] = images.map(|image| image.links.as_slice());
    let digests = [a, b].map(|links| links.first().map(|link| link.digest));
    let place = Place { image: label.to_owned(), part: Part::Index, digests, about: String::new() };
    let mut names = [Vec::new(), Vec::new()];
    for (own, image) in names.iter_mut().zip(images) {
        own.extend(image.names.iter().map(|name| crate::name::familiar(name).to_owned()));
    }
    let place = findings.place(place);
    let only = |own: &[String], others: &[String]| {
        let others = Names::of(others);
        own.iter().filter(|name| !others.fit(name)).map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    let (only_a, only_b) = (only(&names[0], &names[1]), only(&names[1], &names[0]));
    // The name of an image in a registry is where it was found, and in no document.
    let are_in_documents = views.iter().all(|view| view.source.carrier() != Carrier::Registry);
    if are_in_documents && (!only_a.is_empty() || !only_b.is_empty()) {
        let value = |text: String| (!text.is_empty()).then(|| Value::bytes(text.as_bytes()));
        let difference = Difference::new(Class::Name, place, "name", [value(only_a), value(only_b)]);
        findings.push(difference.role(Role::Name));
    }
    if a.is_empty() || b.is_empty() {
        return Ok(());
    }
    if a.len() != b.len() {
        let values = [a, b].map(|links| Some(Value::text(format!("{} deep", links.len()))));
        let difference = Difference::new(Class::Format, place, "nesting", values);
        findings.push(
            difference.note("one side has more indexes above the image, as builders write them for attestations"),
        );
    }
    let (json_a, json_b) = (descriptors_of(views[0], a)?, descriptors_of(views[1], b)?);
    let (chain_a, chain_b) = (roots(&json_a), roots(&json_b));
    let holders =
        if a.len() == b.len() { [Vec::new(), Vec::new()] } else { [annotated(views[0], a)?, annotated(views[1], b)?] };
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
        // With another number of indexes they are in other documents.
        let with = [roots(&holders[0]), roots(&holders[1])];
        annotations(&[chain_a.as_slice(), &with[0]].concat(), &[chain_b.as_slice(), &with[1]].concat(), &mut compared);
    }
    leaf([chain_a.last(), chain_b.last()], images, &mut compared, findings, place);
    // Descriptors of two kinds of document need not be written alike.
    compared.differs_in_spelling &= a.len() == b.len();
    let mut differs_in_spelling = std::mem::take(&mut compared.differs_in_spelling);
    ComparedDocument { findings, place, document: Document::Manifest, commands: [None, None] }.manifest(&compared);
    if a.len() == b.len() {
        for (x, y) in a.iter().zip(b) {
            // Images of one index share what it says.
            if !findings.indexes.insert([x.parent, y.parent]) {
                continue;
            }
            let (x, y) = (views[0].document(x.parent.as_ref()), views[1].document(y.parent.as_ref()));
            if x != y {
                differs_in_spelling |= indexes(findings, place, [x, y])?;
            }
        }
    }
    if differs_in_spelling {
        ComparedDocument { findings, place, document: Document::Manifest, commands: [None, None] }.spelling();
    }
    Ok(())
}

/// Compares two indexes, but for what they list; returns whether something equal is written in another way.
fn indexes(findings: &mut Findings, place: usize, both: [&[u8]; 2]) -> Result<bool> {
    let (json_a, json_b) = (Json::parse(both[0])?, Json::parse(both[1])?);
    let mut compared = Compared::default();
    let manifests = lists([json_a.root(), json_b.root()], &["manifests"]);
    documents(&json_a, &json_b, &|path, _| path.is(&["manifests"]) && manifests.is_some(), &mut compared);
    if let Some([x, y]) = manifests {
        let count = [x, y].map(|list| list.elements().count());
        let pairs: Vec<Pair> = (0..count[0].min(count[1])).map(|number| (Some(number), Some(number))).collect();
        elements(x, y, &pairs, &JsonPath::root().key("manifests"), &|_, _| true, &mut compared);
    }
    let differs_in_spelling = std::mem::take(&mut compared.differs_in_spelling);
    ComparedDocument { findings, place, document: Document::Manifest, commands: [None, None] }.manifest(&compared);
    Ok(differs_in_spelling)
}

/// The descriptors on the way, from the top down.
fn descriptors_of<'v>(view: &'v View<'_>, links: &[Link]) -> Result<Vec<Json<'v>>> {
    links.iter().map(|link| Json::parse(view.raw(link))).collect()
}

/// The documents on the way, of which only the annotations are read.
fn annotated<'v>(view: &'v View<'_>, links: &[Link]) -> Result<Vec<Json<'v>>> {
    links.iter().map(|link| Json::parse_only(view.document(link.parent.as_ref()), &["annotations"])).collect()
}

fn roots<'j>(all: &'j [Json<'j>]) -> Vec<JsonValue<'j>> {
    all.iter().map(Json::root).collect()
}

/// Names of an image, to be compared with others.
struct Names<'n> {
    whole: HashSet<&'n str>,
    /// What follows the last colon.
    tags: HashSet<&'n str>,
}

impl<'n> Names<'n> {
    fn of(names: &'n [String]) -> Self {
        let tags = names.iter().filter_map(|name| name.rsplit_once(':'));
        Self { whole: names.iter().map(String::as_str).collect(), tags: tags.map(|(_, tag)| tag).collect() }
    }

    /// Is it one of these? A layout may name an image by a tag alone where an archive of Docker's has the whole name.
    fn fit(&self, name: &str) -> bool {
        let tag = name.rsplit_once(':').map(|(_, tag)| tag);
        self.whole.contains(name) || self.tags.contains(name) || tag.is_some_and(|tag| self.whole.contains(tag))
    }
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
        let path = JsonPath::root().key("annotations").key(key);
        match (a.get(key), b.get(key)) {
            (Some(x), Some(y)) => compare(*x, *y, &path, &|_, _| false, compared),
            (x, y) => compared.changes.push(Change { path, values: [x.copied(), y.copied()] }),
        }
    }
}

/// Two descriptors on the way, but for the values of their annotations.
fn descriptors<'j>(both: [JsonValue<'j>; 2], without_platform: bool, compared: &mut Compared<'j>) {
    let annotations = both.map(|descriptor| descriptor.get("annotations"));
    let skip = |path: &JsonPath, _: [Option<JsonValue<'_>>; 2]| match path.steps().as_slice() {
        [_, Key("annotations")] => true,
        [_, Key("platform")] => without_platform,
        [_, within @ ..] => is_consequence(both, within),
        [] => false,
    };
    compare(both[0], both[1], &JsonPath::root().key("descriptor"), &skip, compared);
    if let [Some(x), Some(y)] = annotations {
        let mut found = Compared::default();
        compare(x, y, &JsonPath::root(), &|_, _| false, &mut found);
        compared.differs_in_spelling |= found.differs_in_spelling;
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
