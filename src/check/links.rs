//! The links between documents: does what names another document tell the truth about it?

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Checker;
use super::report::{Kind, Place};
use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::attestation::Attestation;
use crate::document::descriptor::{
    Descriptor, IMAGE_NAME, REFERENCE_DIGEST, REFERENCE_TYPE, is_fallback_tag_of, split_fallback_tag,
};
use crate::document::json::{Json, MAX_STATEMENT};
use crate::error::Result;
use crate::image::graph::{Body, extent_of};
use crate::image::source::DOCUMENT_LIMIT;
use crate::media_type::LayerType;

impl Checker<'_> {
    /// A descriptor in an index, held against what it leads to. Digests and sizes were compared when that was read.
    pub(super) fn link(&mut self, place: &Arc<Place>, link: &Descriptor) -> Result<()> {
        self.data(place, link);
        match self.graph.nodes.get(&link.digest).map(|node| &node.body) {
            Some(Body::Index(index)) => self.own_media_type(place, link, &index.bytes),
            Some(Body::Manifest(manifest)) => {
                self.own_media_type(place, link, &manifest.bytes);
                if let Some(image) = manifest.image.as_ref().filter(|_| manifest.is_image()) {
                    self.platform(place, link, &image.platform);
                }
            }
            Some(Body::Absent) if self.source.blob(&link.digest)?.is_none() => {
                let is_foreign = LayerType::parse(&link.media_type).is_some_and(|layer| layer.foreign);
                if !is_foreign && link.urls.is_empty() && link.data.is_none() {
                    self.findings.fault(place, Kind::Missing, &link.path, format!("blob {} is missing", link.digest));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn own_media_type(&mut self, place: &Arc<Place>, link: &Descriptor, bytes: &[u8]) {
        let Ok(json) = Json::parse(bytes) else { return };
        let own = json.root().get("mediaType").and_then(|own| own.as_str()).unwrap_or_default();
        if !own.is_empty() && !link.media_type.is_empty() && own != link.media_type {
            let said = format!("the descriptor says {}, {} itself {own}", link.media_type, link.digest);
            self.findings.fault(place, Kind::MediaType, &format!("{}.mediaType", link.path), said);
        }
    }

    fn platform(&mut self, place: &Arc<Place>, link: &Descriptor, config: &crate::document::descriptor::Platform) {
        let Some(platform) = &link.platform else { return };
        let differ = |a: &Option<String>, b: &Option<String>| {
            let (a, b) = (a.as_deref().unwrap_or_default(), b.as_deref().unwrap_or_default());
            !a.is_empty() && !b.is_empty() && a != b
        };
        let text = format!("the index says {platform}, the config of {} {config}", link.digest);
        let field = format!("{}.platform", link.path);
        if differ(&platform.os, &config.os) || differ(&platform.architecture, &config.architecture) {
            self.findings.fault(place, Kind::Platform, &field, text);
        } else if differ(&platform.variant, &config.variant) {
            // Consumers go by the index, and tools differ about what the variant of a CPU is.
            self.findings.note(place, Kind::Platform, &field, text);
        }
    }

    pub(super) fn schema_version(&mut self, place: &Arc<Place>, bytes: &[u8]) {
        let Ok(json) = Json::parse(bytes) else { return };
        let version = json.root().get("schemaVersion");
        if version.and_then(|version| version.as_u64()) != Some(2) {
            let found = version.map_or("nothing".into(), |version| crate::error::printable(version.raw()));
            self.findings.fault(place, Kind::Malformed, "schemaVersion", format!("expected 2, found {found}"));
        }
    }

    /// `data` has to be the blob that the descriptor names.
    pub(super) fn data(&mut self, place: &Arc<Place>, link: &Descriptor) {
        let text = match link.decoded_data() {
            None => return,
            Some(Err(error)) => error.kind().to_string(),
            Some(Ok(data)) => {
                let found = Digest::of(link.digest.algorithm(), &data);
                if found == link.digest {
                    return;
                }
                format!("is not the blob: expected {}, found {found}", link.digest)
            }
        };
        self.findings.fault(place, Kind::Data, &format!("{}.data", link.path), text);
    }

    /// A subject has to be here, since a rewritten image is no longer where it came from.
    pub(super) fn subject(&mut self, place: &Arc<Place>, subject: &Descriptor) -> Result<()> {
        self.data(place, subject);
        let Some(extent) = self.source.blob(&subject.digest)? else {
            let text = format!("{} is not in the image", subject.digest);
            self.findings.fault(place, Kind::Subject, &subject.path, text);
            return Ok(());
        };
        // Its size was compared when it was read.
        let bytes = match self.graph.nodes.get(&subject.digest).map(|node| &node.body) {
            Some(Body::Index(index)) => &index.bytes,
            Some(Body::Manifest(manifest)) => &manifest.bytes,
            Some(Body::Blob(_)) => {
                self.findings.fault(place, Kind::Subject, &subject.path, format!("{} is no manifest", subject.digest));
                return Ok(());
            }
            // It could not be read, which was told.
            Some(Body::Absent) => return Ok(()),
            // Nothing but this leads to it.
            None => {
                match extent.verified_bytes(&subject.digest, None, DOCUMENT_LIMIT) {
                    Ok(bytes) if is_manifest(&bytes) => self.own_media_type(place, subject, &bytes),
                    Ok(_) => {
                        let text = format!("{} is no manifest", subject.digest);
                        self.findings.fault(place, Kind::Subject, &subject.path, text);
                    }
                    Err(error) => self.findings.error(&error),
                }
                return Ok(());
            }
        };
        self.own_media_type(place, subject, bytes);
        Ok(())
    }

    /// What an index says an attestation is about has to be its neighbour, and what its statements say.
    pub(super) fn attestation(&mut self, place: &Arc<Place>, link: &Descriptor, siblings: &[Descriptor]) -> Result<()> {
        let graph = self.graph;
        let manifest = match graph.nodes.get(&link.digest).map(|node| &node.body) {
            Some(Body::Manifest(manifest)) => Some(manifest),
            _ => None,
        };
        let subject = manifest.and_then(|manifest| manifest.subject.as_ref()).map(|subject| subject.digest);
        let mut about = subject;
        if link.annotation(REFERENCE_TYPE) == Some("attestation-manifest") {
            let field = format!("{}.annotations[\"{REFERENCE_DIGEST}\"]", link.path);
            let said = link.annotation(REFERENCE_DIGEST);
            let reference = said.and_then(|text| text.parse::<Digest>().ok());
            let is_sibling = reference.is_some_and(|digest| siblings.iter().any(|sibling| sibling.digest == digest));
            if !is_sibling || reference == Some(link.digest) {
                let text = format!("{} is not in the same index", said.unwrap_or("nothing"));
                self.findings.fault(place, Kind::Attestation, &field, text);
            } else if let (Some(subject), Some(reference)) = (subject, reference)
                && subject != reference
            {
                let text = format!("is {reference}, but the subject of {} is {subject}", link.digest);
                self.findings.fault(place, Kind::Attestation, &field, text);
            }
            about = reference.or(subject);
        } else if !manifest.is_some_and(|manifest| manifest.attestation) {
            return Ok(());
        }
        let (Some(manifest), Some(about)) = (manifest, about) else { return Ok(()) };
        for layer in manifest.layers.iter().filter(|layer| LayerType::parse(&layer.media_type).is_none()) {
            if let Ok(Some(extent)) = extent_of(self.source, layer) {
                self.statement(layer, &extent, &about)?;
            }
        }
        Ok(())
    }

    fn statement(&mut self, layer: &Descriptor, extent: &Extent, about: &Digest) -> Result<()> {
        // What is larger is no statement that a rewrite would look into.
        if extent.len() > MAX_STATEMENT as u64 {
            return Ok(());
        }
        let bytes = extent.bytes(MAX_STATEMENT as u64).map_err(|e| e.in_blob(layer.digest))?;
        let payload;
        let statement = match Attestation::parse(&bytes) {
            Ok(Attestation::Statement(statement)) => statement,
            Ok(Attestation::Signed) => {
                payload = payload_of(&bytes).unwrap_or_default();
                match Attestation::parse(&payload) {
                    Ok(Attestation::Statement(statement)) => statement,
                    _ => return Ok(()),
                }
            }
            _ => return Ok(()),
        };
        let place = self.findings.place(super::report::What::Blob, &layer.digest.to_string(), "statement");
        for subject in statement.subjects() {
            for digest in subject.digests.iter().filter(|digest| digest.algorithm() == about.algorithm()) {
                if digest != about {
                    let text = format!("is about {digest}, but the attestation about {about}");
                    self.findings.fault(&place, Kind::Attestation, &format!("{}.digest", subject.path), text);
                }
            }
        }
        Ok(())
    }

    /// The names in `index.json`: each is one image's, and a fallback tag's image is there.
    pub(super) fn tags(&mut self, place: &Arc<Place>, children: &[Descriptor]) {
        let mut known: BTreeMap<(&str, String), &Descriptor> = BTreeMap::new();
        let reachable = self.graph.reachable();
        for (number, child) in children.iter().enumerate() {
            if !self.selection.keeps_root(number) {
                continue;
            }
            // Docker writes the same short tag for images of several repositories, beside their full names.
            let Some(name) = child.annotation(IMAGE_NAME).or_else(|| child.ref_name()) else { continue };
            let platform = child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            let first = *known.entry((name, platform)).or_insert(child);
            if first.digest != child.digest {
                let text = format!("{name:?} names {} as well", first.digest);
                self.findings.fault(place, Kind::Tag, &child.path, text);
            }
            let Some(tag) = child.ref_name().filter(|tag| split_fallback_tag(tag).is_some()) else { continue };
            let is_there = reachable.iter().any(|digest| is_fallback_tag_of(tag, digest))
                || split_fallback_tag(tag)
                    .and_then(|(algorithm, hex, _)| Digest::from_hex(algorithm, hex))
                    .is_some_and(|digest| self.source.blob(&digest).is_ok_and(|blob| blob.is_some()));
            if !is_there {
                let text = format!("tag {tag:?} is about a manifest that is not in the image");
                self.findings.fault(place, Kind::Tag, &child.path, text);
            }
        }
    }
}

fn is_manifest(bytes: &[u8]) -> bool {
    Json::parse(bytes).is_ok_and(|json| ["config", "manifests"].iter().any(|key| json.root().get(key).is_some()))
}

/// What a DSSE envelope holds.
fn payload_of(bytes: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let json = Json::parse_only(bytes, &["payload"]).ok()?;
    let payload = json.root().get("payload")?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(payload.as_bytes()).ok()
}
