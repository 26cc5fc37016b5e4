//! Attestations and artifacts that refer to an image.
//!
//! One that is missing or extra is a difference, and everything else is compared all the same.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::causes::Class;
use crate::diff::document::compared::{digest_of, is_consequence};
use crate::diff::document::path::JsonPath;
use crate::diff::document::path::Step::{Index, Key};
use crate::diff::document::value::{Change, Compared, documents};
use crate::diff::layer::compare::Comparison;
use crate::diff::model::{Difference, Part, Place, Value};
use crate::diff::view::{Attached, Image, View};
use crate::digest::{Algorithm, Digest};
use crate::document::attestation::{self, Attestation, is_statement_type};
use crate::document::descriptor::Descriptor;
use crate::document::json::{Json, MAX_DOCUMENT, Value as JsonValue, element_path, member_path};
use crate::error::Result;
use crate::image::documents::extent_of;
use crate::stamp::Instant;

impl Comparison<'_> {
    /// Compares the attestations and artifacts that refer to two images.
    pub(crate) fn attached(&mut self, label: &str, images: [&Image; 2]) -> Result<()> {
        self.lists(label, [&images[0].attached, &images[1].attached])
    }

    /// Compares the artifacts that refer to nothing in their source.
    pub(crate) fn unattached(&mut self) -> Result<()> {
        let views = self.views;
        self.lists("", [&views[0].loose, &views[1].loose])
    }

    fn lists(&mut self, label: &str, lists: [&[Attached]; 2]) -> Result<()> {
        let [a, b] = lists;
        let mut rest: Vec<Option<&Attached>> = b.iter().map(Some).collect();
        let by_digest: HashMap<Digest, usize> = b.iter().enumerate().map(|(at, y)| (y.digest, at)).collect();
        let mut by_kind: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (at, y) in b.iter().enumerate() {
            by_kind.entry(&y.kind).or_default().push_back(at);
        }
        for x in a {
            let is_left = |at: &usize| rest.get(*at).is_some_and(Option::is_some);
            let same = by_digest.get(&x.digest).copied().filter(is_left);
            let alike = || {
                let list = by_kind.get_mut(x.kind.as_str())?;
                while list.front().is_some_and(|at| !is_left(at)) {
                    list.pop_front();
                }
                list.front().copied()
            };
            match same.or_else(alike).and_then(|at| rest.get_mut(at)?.take()) {
                Some(y) => {
                    self.findings.counterparts.insert(x.digest, y.digest);
                    self.pair_of(label, x, y)?;
                }
                None => self.one_sided(label, [Some(x), None]),
            }
        }
        for y in rest.into_iter().flatten() {
            self.one_sided(label, [None, Some(y)]);
        }
        Ok(())
    }

    fn one_sided(&mut self, label: &str, pair: [Option<&Attached>; 2]) {
        let place = self.attached_place(label, pair);
        let is_attestation = pair.iter().flatten().all(|attached| attached.is_attestation);
        // BuildKit makes them or not by an option of the build; the image is the same.
        let (class, field) = if is_attestation { (Class::Format, "attestation") } else { (Class::Content, "artifact") };
        let values = pair.map(|attached| attached.map(|attached| Value::bytes(attached.kind.as_bytes())));
        let mut difference = Difference::new(class, place, field, values);
        if is_attestation {
            difference = difference.note("build both with the same --provenance and --sbom, or drop attestations");
        }
        self.findings.push(difference);
    }

    fn attached_place(&mut self, label: &str, pair: [Option<&Attached>; 2]) -> usize {
        let digests = pair.map(|attached| attached.map(|attached| attached.digest));
        let about = pair.iter().flatten().next().map(|attached| attached.kind.clone()).unwrap_or_default();
        let place = self.findings.place(Place { image: label.to_owned(), part: Part::Attached, digests, about });
        if pair.iter().flatten().all(|attached| attached.is_attestation) {
            self.findings.attestations.insert(place);
        }
        place
    }

    fn pair_of(&mut self, label: &str, a: &Attached, b: &Attached) -> Result<()> {
        if a.digest == b.digest {
            return self.same(label, [a, b]);
        }
        let place = self.attached_place(label, [Some(a), Some(b)]);
        let (Some(left), Some(right)) = (self.views[0].manifest(&a.digest), self.views[1].manifest(&b.digest)) else {
            let values = [a, b].map(|attached| Some(Value::text(attached.digest.short())));
            self.findings.push(Difference::new(Class::Content, place, "digest", values));
            return Ok(());
        };
        let (json_a, json_b) = (Json::parse(&left.bytes)?, Json::parse(&right.bytes)?);
        let mut compared = Compared::default();
        // What names a blob follows from it, and so does what names the image, if that is the one it goes with.
        let part = |key: &str| match [&json_a, &json_b].map(|json| json.root().get_some(key)) {
            [Some(x), Some(y)] => Some([x, y]),
            _ => None,
        };
        let config = part("config");
        let subject = part("subject").filter(|both| self.findings.are_counterparts(both.map(digest_of)));
        let layers: Vec<_> = part("layers").map(|[x, y]| x.elements().zip(y.elements()).collect()).unwrap_or_default();
        let skip = |path: &JsonPath, _: [Option<JsonValue<'_>>; 2]| match path.steps().as_slice() {
            [Key("config"), within @ ..] => config.is_some_and(|both| is_consequence(both, within)),
            [Key("subject"), within @ ..] => subject.is_some_and(|both| is_consequence(both, within)),
            [Key("layers"), Index(number), within @ ..] => {
                layers.get(*number).is_some_and(|(x, y)| is_consequence([*x, *y], within))
            }
            _ => false,
        };
        documents(&json_a, &json_b, &skip, &mut compared);
        self.changes(place, compared, |_| Class::Content);
        for (number, (x, y)) in left.layers.iter().zip(&right.layers).enumerate() {
            if x.digest != y.digest {
                self.blobs(place, &element_path("layers", number), [x, y])?;
            }
        }
        match [&left.config, &right.config] {
            [Some(x), Some(y)] if x.digest != y.digest && left.attestation && right.attestation => {
                self.config(place, [x, y])?;
            }
            configs => {
                let digests = configs.map(|config| config.as_ref().map(|config| config.digest));
                if digests[0] != digests[1] {
                    let values = digests.map(|digest| digest.map(|digest| Value::text(digest.short())));
                    self.findings.push(Difference::new(Class::Content, place, "config", values));
                }
            }
        }
        Ok(())
    }

    /// The same statement in both sources: if its subject has another counterpart, it is about another image in B.
    fn same(&mut self, label: &str, pair: [&Attached; 2]) -> Result<()> {
        let Some(manifest) = self.views[0].manifest(&pair[0].digest) else { return Ok(()) };
        let subject = manifest.subject.iter().map(|subject| ("subject.digest".to_owned(), subject.digest));
        let mut named: Vec<_> = subject.filter(|(_, digest)| self.has_another_counterpart(digest)).collect();
        for layer in manifest.layers.iter().filter(|layer| is_statement_type(&layer.media_type)) {
            let subjects = self.subjects_of(layer)?;
            // Not all of them, as many manifests may share a statement of many subjects.
            named.extend(subjects.iter().filter(|(_, digest)| self.has_another_counterpart(digest)).cloned());
        }
        if named.is_empty() {
            return Ok(());
        }
        let place = self.attached_place(label, pair.map(Some));
        for (field, digest) in named {
            let values = [(); 2].map(|()| Some(Value::text(digest.to_string())));
            let difference = Difference::new(Class::Content, place, field, values);
            self.findings.push(difference.note("the same statement on both sides, but its subject differs in B"));
        }
        Ok(())
    }

    /// Does this digest name something in A whose counterpart in B has another one?
    fn has_another_counterpart(&self, digest: &Digest) -> bool {
        self.findings.counterparts.get(digest).is_some_and(|counterpart| counterpart != digest)
    }

    /// What a statement is about, as both sources have it; many manifests may share one.
    fn subjects_of(&mut self, layer: &Descriptor) -> Result<Arc<Vec<(String, Digest)>>> {
        if let Some(known) = self.subjects.get(&layer.digest) {
            return Ok(Arc::clone(known));
        }
        let mut named = Vec::new();
        if let Some(text) = document(self.views[0], layer)?
            && let Ok(Attestation::Statement(statement)) = Attestation::parse(&text)
        {
            let digests = |subject: &attestation::Subject| {
                let path = member_path(&subject.path, "digest");
                subject.digests.iter().map(|digest| (path.clone(), *digest)).collect::<Vec<_>>()
            };
            named.extend(statement.subjects().iter().flat_map(digests));
        }
        let named = Arc::new(named);
        self.subjects.insert(layer.digest, Arc::clone(&named));
        Ok(named)
    }

    /// The config of an old attestation: it lists its layers, which are compared themselves.
    fn config(&mut self, place: usize, pair: [&Descriptor; 2]) -> Result<()> {
        let texts = [document(self.views[0], pair[0])?, document(self.views[1], pair[1])?];
        let parsed = texts.each_ref().map(|text| text.as_deref().and_then(|text| Json::parse(text).ok()));
        let [Some(x), Some(y)] = &parsed else {
            self.digests(place, "config", pair);
            return Ok(());
        };
        let mut compared = Compared::default();
        let skip = |path: &JsonPath, values: [Option<JsonValue<'_>>; 2]| {
            path.is(&["rootfs", "diff_ids"]) && values.iter().all(Option::is_some)
        };
        documents(x, y, &skip, &mut compared);
        for change in &mut compared.changes {
            change.path = change.path.below(&JsonPath::root().key("config"));
        }
        self.changes(place, compared, |change| if is_time(change) { Class::Time } else { Class::Content });
        Ok(())
    }

    /// Two blobs of which no more than the digests is compared.
    fn digests(&mut self, place: usize, field: &str, pair: [&Descriptor; 2]) {
        let values = pair.map(|link| Some(Value::text(link.digest.short())));
        self.findings.push(Difference::new(Class::Content, place, field.to_owned(), values));
    }

    /// Lists what was found; rewriting changes nothing that an attestation says about a build.
    fn changes(&mut self, place: usize, compared: Compared<'_>, class: impl Fn(&Change<'_>) -> Class) {
        for change in compared.changes {
            let values = change.values.map(|value| value.map(|value| Value::bytes(value.raw())));
            let class = class(&change);
            self.findings.push(Difference::new(class, place, change.path.to_string(), values).restamps(false));
        }
        if compared.differs_in_spelling {
            let difference = Difference::new(Class::Format, place, "spelling", [None, None]);
            self.findings.push(difference.note("the JSON is written in another way"));
        }
    }

    /// Two blobs: statements value by value, anything else by digest.
    ///
    /// Many manifests may share one: what differs in it is reported once.
    fn blobs(&mut self, place: usize, field: &str, pair: [&Descriptor; 2]) -> Result<()> {
        if !self.same.insert(pair.map(|link| (link.digest, link.digest))) {
            return Ok(());
        }
        let texts = [document(self.views[0], pair[0])?, document(self.views[1], pair[1])?];
        let parsed = texts.each_ref().map(|text| text.as_deref().and_then(|text| Json::parse(text).ok()));
        let [Some(x), Some(y)] = &parsed else {
            self.digests(place, field, pair);
            return Ok(());
        };
        let counterparts = &self.findings.counterparts;
        let skip = |path: &JsonPath, values: [Option<JsonValue<'_>>; 2]| {
            // An SPDX document is given a name of its own each time it is made.
            path.is(&["documentNamespace"]) && values.iter().all(Option::is_some)
                || subjects(path, values).is_some_and(|[a, b]| counterparts.get(&a) == Some(&b))
        };
        let mut compared = Compared::default();
        documents(x, y, &skip, &mut compared);
        let is_statement = [x, y].iter().all(|json| json.root().get("_type").is_some());
        let types = [x, y].map(|json| json.root().get("predicateType").and_then(JsonValue::as_str).unwrap_or_default());
        let of_predicate =
            if is_statement && types[0] == types[1] { predicate_class(&types[0]) } else { Class::Content };
        self.changes(place, compared, |change| match change.path.steps().as_slice() {
            // What it is called follows from the name of the image.
            [Key("subject"), Index(_), Key("name")] if is_statement => Class::Name,
            [Key("subject"), Index(_), ..] if is_statement => Class::Content,
            _ if is_time(change) => Class::Time,
            [Key("predicate"), ..] => of_predicate,
            _ => Class::Content,
        });
        Ok(())
    }
}

/// The class of what differs in the predicates of two statements of one type.
///
/// The record of a build may differ where the image does not, and an inventory differs where the image does. The result
/// of a scan or a review is content of its own.
fn predicate_class(predicate_type: &str) -> Class {
    const INVENTORIES: [&str; 3] = ["https://spdx.dev/Document", "https://cyclonedx.org/bom", "https://syft.dev/bom"];
    let is_of = |family: &&str| {
        let rest = predicate_type.strip_prefix(*family);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_of(&"https://slsa.dev/provenance") {
        Class::LogOrCache
    } else if INVENTORIES.iter().any(is_of) {
        Class::PackageDb
    } else {
        Class::Content
    }
}

/// The digests of what two statements are about, where this is a path to them.
fn subjects(path: &JsonPath, values: [Option<JsonValue<'_>>; 2]) -> Option<[Digest; 2]> {
    let steps = path.steps();
    let [Key("subject"), Index(_), Key("digest"), Key(algorithm)] = steps.as_slice() else { return None };
    let algorithm = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|known| known.name() == *algorithm)?;
    let [a, b] = values.map(|value| Digest::from_hex(algorithm, &value?.as_str()?));
    Some([a?, b?])
}

/// Are both sides dates?
fn is_time(change: &Change<'_>) -> bool {
    let is_date = |value: &JsonValue<'_>| value.as_str().is_some_and(|text| Instant::from_rfc3339(&text).is_some());
    change.values.iter().all(|value| value.as_ref().is_some_and(is_date))
}

/// The bytes of a blob that may be a JSON document.
fn document(view: &View<'_>, link: &Descriptor) -> Result<Option<Vec<u8>>> {
    let Some(extent) = extent_of(view.source, link)? else { return Ok(None) };
    if extent.len() > MAX_DOCUMENT as u64 {
        return Ok(None);
    }
    extent
        .verified_bytes(&link.digest, Some(link.size), MAX_DOCUMENT as u64)
        .map(Some)
        .map_err(|e| e.in_file(view.source.name()))
}
