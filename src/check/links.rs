//! The links between documents: does each descriptor match its document?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Checker;
use super::report::{Finding, Kind, Place};
use crate::digest::Digest;
use crate::document::descriptor::{
    Descriptor, IMAGE_NAME, REFERENCE_DIGEST, REFERENCE_TYPE, fallback_tag_target, split_fallback_tag,
};
use crate::document::json::Json;
use crate::error::{Result, printable, quoted};
use crate::image::documents::DocumentKind;
use crate::media_type::LayerType;

impl Checker<'_> {
    /// Compares a descriptor in an index with what it leads to. Digests and sizes were compared when that was read.
    pub(super) fn link(&mut self, place: &Arc<Place>, link: &Descriptor) -> Result<()> {
        self.data(place, link);
        match self.set.documents.nodes.get(&link.digest).map(|node| &node.body) {
            Some(DocumentKind::Index(_)) => self.own_media_type(place, link),
            Some(DocumentKind::Manifest(manifest)) => {
                self.own_media_type(place, link);
                if let Some(image) = manifest.image.as_ref().filter(|_| manifest.is_image()) {
                    self.platform(place, link, &image.platform);
                }
            }
            Some(DocumentKind::Missing) if self.set.source.blob(&link.digest)?.is_none() => {
                let is_foreign = LayerType::parse(&link.media_type).is_some_and(|layer| layer.foreign);
                if !is_foreign && link.urls.is_empty() && link.data.is_none() {
                    let text = format!("blob {} is missing", link.digest);
                    let finding = Finding::new(place, Kind::Missing, text).field(link.path.to_string());
                    self.findings.push(Finding { level: self.absent, ..finding });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The media type in a document has to be that of its descriptors. It is looked for once.
    fn own_media_type(&mut self, place: &Arc<Place>, link: &Descriptor) {
        let documents = &self.set.documents;
        let bytes = match documents.nodes.get(&link.digest).map(|node| &node.body) {
            Some(DocumentKind::Index(index)) => &index.bytes,
            Some(DocumentKind::Manifest(manifest)) => &manifest.bytes,
            _ => return,
        };
        let own = self.media_types.entry(link.digest).or_insert_with(|| {
            let json = Json::parse(bytes).ok();
            let own = json.as_ref().and_then(|json| json.root().get("mediaType")?.as_str());
            own.unwrap_or_default().into_owned()
        });
        if !own.is_empty() && !link.media_type.is_empty() && *own != link.media_type {
            let said = format!(
                "media type mismatch: the descriptor says {}, {} says {}",
                printable(link.media_type.as_bytes()),
                link.digest,
                printable(own.as_bytes())
            );
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
                format!("does not match the blob: expected {}, found {found}", link.digest)
            }
        };
        self.findings.fault(place, Kind::Data, &format!("{}.data", link.path), text);
    }

    /// A subject has to be here, since a rewritten image is no longer where it came from.
    pub(super) fn subject(&mut self, place: &Arc<Place>, subject: &Descriptor) -> Result<()> {
        self.data(place, subject);
        if self.set.source.blob(&subject.digest)?.is_none() {
            let text = format!("{} is not in the image", subject.digest);
            self.findings.fault(place, Kind::Subject, &subject.path.to_string(), text);
            return Ok(());
        }
        // Its size was compared when it was read.
        match self.set.documents.nodes.get(&subject.digest).map(|node| &node.body) {
            Some(DocumentKind::Index(_) | DocumentKind::Manifest(_)) => self.own_media_type(place, subject),
            Some(DocumentKind::Blob(_)) => {
                self.findings.fault(
                    place,
                    Kind::Subject,
                    &subject.path.to_string(),
                    format!("{} is not a manifest", subject.digest),
                );
            }
            // It could not be read, which was reported; or nothing is known of what it is.
            Some(DocumentKind::Missing | DocumentKind::Unknown(_)) | None => {}
        }
        // It need not be listed anywhere.
        if self.set.keeps(&subject.digest) && !self.seen.contains(&subject.digest) {
            let of = if place.of.is_empty() { format!("subject of {}", place.name) } else { place.of.clone() };
            self.subjects.push((subject.clone(), of));
        }
        Ok(())
    }

    /// What an index says an attestation is about has to be its neighbour, and what its statements say.
    pub(super) fn attestation(&mut self, place: &Arc<Place>, link: &Descriptor, siblings: &BTreeSet<Digest>) {
        let documents = &self.set.documents;
        let manifest = match documents.nodes.get(&link.digest).map(|node| &node.body) {
            Some(DocumentKind::Manifest(manifest)) => Some(manifest),
            _ => None,
        };
        let subject = manifest.and_then(|manifest| manifest.subject.as_ref()).map(|subject| subject.digest);
        let mut about = subject;
        if link.annotation(REFERENCE_TYPE) == Some("attestation-manifest") {
            let field = format!("{}.annotations[\"{REFERENCE_DIGEST}\"]", link.path);
            let said = link.annotation(REFERENCE_DIGEST);
            let reference = said.and_then(|text| text.parse::<Digest>().ok());
            let is_sibling = reference.is_some_and(|digest| siblings.contains(&digest));
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
            return;
        }
        let (Some(manifest), Some(about)) = (manifest, about) else { return };
        for layer in manifest.layers.iter().filter(|layer| LayerType::parse(&layer.media_type).is_none()) {
            self.expect_statement(layer, about);
        }
    }

    /// The names in `index.json`: each is one image's, and a fallback tag's image is there.
    pub(super) fn tags(&mut self, place: &Arc<Place>, children: &[Descriptor]) {
        let mut known: BTreeMap<(&str, String), &Descriptor> = BTreeMap::new();
        let reachable = self.set.documents.reachable();
        for (number, child) in children.iter().enumerate() {
            if !self.set.selection.keeps_root(number) {
                continue;
            }
            // Docker writes the same short tag for images of several repositories, beside their full names.
            let Some(name) = child.annotation(IMAGE_NAME).or_else(|| child.ref_name()) else { continue };
            let platform = child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            let first = *known.entry((name, platform)).or_insert(child);
            if first.digest != child.digest {
                let text = format!("{} is also a name of {}", quoted(name), first.digest);
                self.findings.fault(place, Kind::Tag, &child.path.to_string(), text);
            }
            let Some(tag) = child.ref_name().filter(|tag| split_fallback_tag(tag).is_some()) else { continue };
            let is_there = fallback_tag_target(tag, |lowest| reachable.range(*lowest..).next().copied()).is_some()
                || split_fallback_tag(tag)
                    .and_then(|(algorithm, hex, _)| Digest::from_hex(algorithm, hex))
                    .is_some_and(|digest| self.set.source.blob(&digest).is_ok_and(|blob| blob.is_some()));
            if !is_there {
                let text = format!("tag {} is about a manifest that is not in the image", quoted(tag));
                self.findings.fault(place, Kind::Tag, &child.path.to_string(), text);
            }
        }
    }
}
