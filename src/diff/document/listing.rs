//! What the indexes of two sources list: in which order, how often, and what is no image.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::causes::Class;
use crate::diff::document::compared::{ComparedDocument, is_consequence, manifest_class};
use crate::diff::document::path::JsonPath;
use crate::diff::document::path::Step::Key;
use crate::diff::document::times::Document;
use crate::diff::document::value::{Compared, documents};
use crate::diff::layer::compare::Comparison;
use crate::diff::model::{Difference, Part, Place, Value};
use crate::diff::view::{Image, Listed, View};
use crate::digest::Digest;
use crate::document::descriptor::{IMAGE_NAME, REF_NAME, REFERENCE_DIGEST};
use crate::document::json::{Json, Value as JsonValue};
use crate::error::Result;
use crate::image::Link;
use crate::image::documents::DocumentKind;

/// What an index lists, as the left source has it, and the names by which it is reached.
type ListedKey<'v> = (&'v Digest, [Option<&'v str>; 2]);

impl Comparison<'_> {
    /// Notes which manifests go together, for whatever names them.
    pub(crate) fn note_counterparts(&mut self, pairs: &[[Option<&Image>; 2]]) {
        for pair in pairs {
            if let [Some(x), Some(y)] = pair
                && let (Some(a), Some(b)) = (x.manifest, y.manifest)
            {
                self.findings.counterparts.insert(a, b);
            }
        }
    }

    /// Compares what is left of the indexes, once all that is in them is compared.
    pub(crate) fn listings(&mut self) -> Result<()> {
        self.others();
        self.order()?;
        self.archive_order();
        if self.findings.count() == 0 && self.options.platform.is_none() && self.options.references == [None, None] {
            self.unexplained_root()?;
        }
        Ok(())
    }

    /// Where differences go that are of no one image; made when there is one.
    pub(crate) fn index_place(&mut self) -> usize {
        if let Some(known) = self.findings.index_place {
            return known;
        }
        let place = Place { image: String::new(), part: Part::Index, digests: [None; 2], about: String::new() };
        let number = self.findings.place(place);
        self.findings.index_place = Some(number);
        number
    }

    /// What is listed and is neither an image nor about one: blobs, and what is not here.
    fn others(&mut self) {
        let [one, other] = self.views;
        let [left, right] = [&one.others, &other.others];
        let known: BTreeMap<Digest, &Listed> = right.iter().map(|y| (y.link.digest, y)).collect();
        let here: BTreeSet<Digest> = left.iter().map(|x| x.link.digest).collect();
        let kind = |view: &View<'_>, listed: &Listed| {
            let link = view.descriptor(&listed.link)?;
            Some((
                link.media_type.to_string(),
                link.platform.as_ref().map(ToString::to_string),
                link.artifact_type.clone(),
            ))
        };
        // The same first, then what is alike, in its order.
        let mut rest: BTreeMap<_, VecDeque<(usize, &Listed)>> = BTreeMap::new();
        for (number, y) in right.iter().enumerate().filter(|(_, y)| !here.contains(&y.link.digest)) {
            rest.entry(kind(other, y)).or_default().push_back((number, y));
        }
        for x in left {
            let same = known.get(&x.link.digest).copied();
            let y = same.or_else(|| rest.get_mut(&kind(one, x))?.pop_front().map(|(_, y)| y));
            self.other([Some(x), y]);
        }
        let mut unpaired: Vec<_> = rest.into_values().flatten().collect();
        unpaired.sort_by_key(|(number, _)| *number);
        for (_, y) in unpaired {
            self.other([None, Some(y)]);
        }
    }

    fn other(&mut self, pair: [Option<&Listed>; 2]) {
        let digests = pair.map(|listed| listed.map(|listed| listed.link.digest));
        let here = |side: usize| {
            let digest = digests.get(side).copied().flatten()?;
            let node = self.views.get(side)?.set.documents.nodes.get(&digest)?;
            Some(!matches!(node.body, DocumentKind::Missing))
        };
        let here = [here(0), here(1)];
        if let [Some(a), Some(b)] = digests {
            self.findings.counterparts.insert(a, b);
            if a == b && here[0] == here[1] {
                return;
            }
        }
        let note = match (here, digests[0] == digests[1]) {
            (_, true) => "only one source has the listed blob",
            ([None, _] | [_, None], _) => "the listed document has no counterpart",
            ([Some(true), Some(true)], _) => "the type of the document is not known; only the digest was compared",
            _ => "the listed document is not in the source, so only its digest was compared",
        };
        let paths = pair
            .iter()
            .zip(self.views)
            .find_map(|(listed, view)| Some(view.descriptor(&listed.as_ref()?.link)?.path.to_string()));
        let field = paths.unwrap_or_default();
        let values = pair.map(|listed| listed.map(|listed| Value::text(listed.link.digest.to_string())));
        let place = self.index_place();
        self.findings.push(Difference::new(Class::Content, place, field, values).note(note));
    }

    /// The order and number of what is in both, and the descriptors that no other comparison looked at.
    fn order(&mut self) -> Result<()> {
        let [left, right] = self.views;
        let mut counterparts = self.findings.counterparts.clone();
        // Another name of an index is listed as such.
        counterparts.extend(self.findings.indexes.iter().filter_map(|[a, b]| Some(((*a)?, (*b)?))));
        let others: BTreeSet<Digest> = counterparts.values().copied().collect();
        let a: Vec<(ListedKey<'_>, &Listed)> =
            left.listed.iter().filter_map(|x| Some((key(left, x, &counterparts)?, x))).collect();
        let known = right.listed.iter().filter(|y| others.contains(&y.link.digest));
        let b: Vec<(ListedKey<'_>, &Listed)> = known.map(|y| ((&y.link.digest, right.names_of(y.root)), y)).collect();
        let mut places: BTreeMap<ListedKey<'_>, [Vec<&Listed>; 2]> = BTreeMap::new();
        for (side, list) in [&a, &b].into_iter().enumerate() {
            for (key, listed) in list {
                if let Some(places) = places.entry(*key).or_default().get_mut(side) {
                    places.push(listed);
                }
            }
        }
        // What only one side has, or names in another way, is reported by another comparison.
        places.retain(|_, [a, b]| !a.is_empty() && !b.is_empty());
        let sequence = |list: &[(ListedKey<'_>, &Listed)]| -> Vec<Digest> {
            list.iter().filter(|(key, _)| places.contains_key(key)).map(|(key, _)| *key.0).collect()
        };
        let note = match places.values().any(|[a, b]| a.len() != b.len()) {
            true => Some("the same manifests, but some are listed more often on one side"),
            false if sequence(&a) != sequence(&b) => Some("the same manifests in another order"),
            false => None,
        };
        if let Some(note) = note {
            let place = self.index_place();
            self.findings.push(Difference::new(Class::Order, place, "manifests", [None, None]).note(note));
        }
        drop((a, b));
        let compared = [left, right].map(leaves);
        let is_leaf = |side: usize, listed: &Listed| compared.get(side).is_some_and(|all| all.contains(&listed.link));
        for [a, b] in places.values() {
            for (x, y) in a.iter().zip(b).filter(|(x, y)| !is_leaf(0, x) || !is_leaf(1, y)) {
                self.descriptors([x, y])?;
            }
        }
        Ok(())
    }

    fn descriptors(&mut self, pair: [&Listed; 2]) -> Result<()> {
        let [left, right] = self.views;
        let (x, y) = (left.raw(&pair[0].link), right.raw(&pair[1].link));
        if x == y {
            return Ok(());
        }
        let (json_a, json_b) = (Json::parse(x)?, Json::parse(y)?);
        let roots = [json_a.root(), json_b.root()];
        let counterparts = &self.findings.counterparts;
        let skip = |path: &JsonPath, values: [Option<JsonValue<'_>>; 2]| match path.steps().as_slice() {
            [.., Key("annotations"), Key(REFERENCE_DIGEST)] => {
                digests(values).is_some_and(|[a, b]| counterparts.get(&a) == Some(&b))
            }
            within => is_consequence(roots, within) || is_name(path),
        };
        let mut compared = Compared::default();
        documents(&json_a, &json_b, &skip, &mut compared);
        self.report(&JsonPath::root().key("manifests").index(pair[0].link.number), compared);
        Ok(())
    }

    /// Nothing was found, so that nothing below explains why the top documents differ, if they do.
    fn unexplained_root(&mut self) -> Result<()> {
        let [a, b] = self.views.map(|view| view.document(None));
        if a == b || a.is_empty() || b.is_empty() {
            return Ok(());
        }
        let (json_a, json_b) = (Json::parse(a)?, Json::parse(b)?);
        let mut compared = Compared::default();
        documents(&json_a, &json_b, &|path, _| is_name(path), &mut compared);
        self.report(&JsonPath::root(), compared);
        Ok(())
    }

    fn report(&mut self, holder: &JsonPath, compared: Compared<'_>) {
        if compared.changes.is_empty() && !compared.differs_in_spelling {
            return;
        }
        let place = self.index_place();
        let mut document = ComparedDocument {
            findings: &mut self.findings,
            place,
            document: Document::Manifest,
            commands: [None, None],
        };
        for mut change in compared.changes {
            change.path = change.path.below(holder);
            document.push(&change, manifest_class);
        }
        if compared.differs_in_spelling {
            document.spelling();
        }
    }
}

fn key<'v>(view: &'v View<'_>, listed: &Listed, counterparts: &'v BTreeMap<Digest, Digest>) -> Option<ListedKey<'v>> {
    Some((counterparts.get(&listed.link.digest)?, view.names_of(listed.root)))
}

/// The descriptors that were compared with their images.
fn leaves(view: &View<'_>) -> BTreeSet<Link> {
    view.images.iter().filter_map(|image| image.links.last().copied()).collect()
}

fn digests(values: [Option<JsonValue<'_>>; 2]) -> Option<[Digest; 2]> {
    let [a, b] = values.map(|value| value?.as_str()?.parse().ok());
    Some([a?, b?])
}

/// Names are compared with the images that they name.
fn is_name(path: &JsonPath) -> bool {
    matches!(path.steps().as_slice(), [.., Key("annotations"), Key(REF_NAME | IMAGE_NAME)])
}
