//! What is about an image: attestations and artifacts.
//!
//! One that is missing or extra is a difference, and stops nothing else from being compared.

use super::json::{Change, Compared, compare, only_digests_differ};
use super::layers::Comparison;
use super::model::{Difference, Part, Place, Value};
use super::view::{Attached, Image, View};
use crate::causes::Class;
use crate::document::descriptor::Descriptor;
use crate::document::json::{Json, MAX_DOCUMENT, Value as JsonValue};
use crate::epoch::Instant;
use crate::error::Result;
use crate::image::graph::extent_of;

impl Comparison<'_> {
    /// Compares what hangs on two images.
    pub(super) fn attached(&mut self, label: &str, images: [&Image; 2]) -> Result<()> {
        self.lists(label, [&images[0].attached, &images[1].attached])
    }

    /// Compares the artifacts that are about nothing in the source.
    pub(super) fn loose(&mut self) -> Result<()> {
        let views = self.views;
        self.lists("", [&views[0].loose, &views[1].loose])
    }

    fn lists(&mut self, label: &str, lists: [&[Attached]; 2]) -> Result<()> {
        let [a, b] = lists;
        let mut rest: Vec<&Attached> = b.iter().collect();
        for x in a {
            let same = rest.iter().position(|y| y.digest == x.digest);
            match same.or_else(|| rest.iter().position(|y| y.kind == x.kind)) {
                Some(at) => {
                    let y = rest.remove(at);
                    self.pair_of(label, x, y)?;
                }
                None => self.one_sided(label, [Some(x), None]),
            }
        }
        for y in rest {
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
        self.findings.place(Place { image: label.to_owned(), part: Part::Attached, digests, about })
    }

    fn pair_of(&mut self, label: &str, a: &Attached, b: &Attached) -> Result<()> {
        if a.digest == b.digest {
            return Ok(());
        }
        let place = self.attached_place(label, [Some(a), Some(b)]);
        let (Some(left), Some(right)) = (self.views[0].manifest(&a.digest), self.views[1].manifest(&b.digest)) else {
            return Ok(());
        };
        let (json_a, json_b) = (Json::parse(&left.bytes)?, Json::parse(&right.bytes)?);
        let mut compared = Compared::default();
        // What names a blob or the image follows from it.
        let is_consequence = |path: &str| {
            let (holder, key) = path.rsplit_once('.').unwrap_or(("", path));
            let holds = holder == "config" || holder == "subject" || holder.starts_with("layers[");
            holds && matches!(key, "digest" | "size" | "data")
        };
        compare(json_a.root(), json_b.root(), "", &is_consequence, &mut compared);
        for change in &compared.changes {
            self.change(place, Class::Content, change);
        }
        for (number, (x, y)) in left.layers.iter().zip(&right.layers).enumerate() {
            if x.digest != y.digest {
                self.blobs(place, number, x, y)?;
            }
        }
        // The config of an old attestation lists its layers, which were compared; that of an artifact may say anything.
        let configs = [left, right].map(|manifest| manifest.config.as_ref().map(|config| config.digest));
        if configs[0] != configs[1] && !(left.attestation && right.attestation) {
            let values = configs.map(|digest| digest.map(|digest| Value::text(digest.short())));
            self.findings.push(Difference::new(Class::Content, place, "config", values));
        }
        if compared.is_respelled || compared.changes.is_empty() && !only_digests_differ(json_a.bytes(), json_b.bytes())
        {
            let difference = Difference::new(Class::Format, place, "spelling", [None, None]);
            self.findings.push(difference.note("the JSON is written in another way"));
        }
        Ok(())
    }

    fn change(&mut self, place: usize, class: Class, change: &Change<'_>) {
        let values = change.values.map(|value| value.map(|value| Value::bytes(value.raw())));
        // Rewriting leaves what an attestation says of a build as it is.
        self.findings.push(Difference::new(class, place, change.path.clone(), values).restamps(false));
    }

    /// Two blobs: statements value by value, anything else by digest.
    fn blobs(&mut self, place: usize, number: usize, a: &Descriptor, b: &Descriptor) -> Result<()> {
        let before = self.findings.count();
        let texts = [document(self.views[0], a)?, document(self.views[1], b)?];
        if let [Some(x), Some(y)] = &texts
            && let (Ok(x), Ok(y)) = (Json::parse(x), Json::parse(y))
        {
            let mut compared = Compared::default();
            let is_subject = |path: &str| path == "subject" || path == "documentNamespace";
            compare(x.root(), y.root(), "", &is_subject, &mut compared);
            let is_statement = [&x, &y].iter().all(|json| json.root().get("_type").is_some());
            let predicate = x.root().get("predicateType").and_then(JsonValue::as_str).unwrap_or_default().into_owned();
            for change in &compared.changes {
                let class = match (is_time(change), is_statement, predicate.contains("provenance")) {
                    (true, _, _) => Class::Time,
                    (false, true, true) => Class::LogOrCache,
                    (false, true, false) => Class::PackageDb,
                    (false, false, _) => Class::Content,
                };
                self.change(place, class, change);
            }
            let is_moved_only = is_statement
                && x.root().get("subject").map(JsonValue::raw) != y.root().get("subject").map(JsonValue::raw);
            if is_moved_only {
                return Ok(());
            }
        }
        if self.findings.count() == before {
            let values = [a, b].map(|link| Some(Value::text(link.digest.short())));
            self.findings.push(Difference::new(Class::Content, place, format!("layers[{number}]"), values));
        }
        Ok(())
    }
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
