//! What is attached to the images: attestations, signatures, and whatever else names one as its subject.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::document::attestation::{SignatureHints, signature_kind};
use crate::document::descriptor::{Descriptor, REFERENCE_DIGEST, split_fallback_tag};
use crate::image::ImageSet;
use crate::image::documents::{DocumentKind, Documents, ManifestDocument};
use crate::inspect::report::{Attached, AttachedKind};

/// The annotation by which BuildKit says what a statement is.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";

/// Lists what hangs on the images that were chosen.
pub(super) fn attached(set: &ImageSet<'_>) -> Vec<Attached> {
    let documents = &set.documents;
    let descriptors = descriptors(documents);
    let mut list = Vec::new();
    for (digest, node) in documents.nodes.iter().filter(|(digest, _)| set.keeps(digest)) {
        let links = descriptors.get(digest).map(Vec::as_slice).unwrap_or_default();
        let tag = links.iter().find_map(|link| link.ref_name());
        let (subject, kind, artifact_type, predicates) = match &node.body {
            DocumentKind::Manifest(manifest) => {
                let signature = signature(manifest, tag);
                let kind = match (manifest.attestation, signature) {
                    (true, _) => AttachedKind::Attestation,
                    (false, Some(_)) => AttachedKind::Signature,
                    (false, None) => AttachedKind::Referrer,
                };
                let name = signature.map(str::to_owned).or_else(|| manifest.artifact_type.clone());
                (manifest.subject.as_ref(), kind, name, predicates(manifest))
            }
            DocumentKind::Index(index) => (index.subject.as_ref(), AttachedKind::Referrer, None, Vec::new()),
            DocumentKind::Unknown(unknown) => {
                (unknown.subject.as_ref(), AttachedKind::Referrer, unknown.artifact_type.clone(), Vec::new())
            }
            DocumentKind::Blob(_) | DocumentKind::Missing => continue,
        };
        let referenced = links.iter().find_map(|link| link.annotation(REFERENCE_DIGEST)?.parse().ok());
        let tagged = tag.and_then(split_fallback_tag).and_then(|(algorithm, hex, _)| Digest::from_hex(algorithm, hex));
        let about = subject.map(|subject| subject.digest).or(referenced).or(tagged);
        if kind != AttachedKind::Referrer || about.is_some() {
            let tag = tag.map(str::to_owned);
            list.push(Attached { kind, digest: *digest, about, artifact_type, tag, predicates });
        }
    }
    list.sort_by_key(|attached| (attached.kind, attached.about, attached.digest));
    list
}

fn signature(manifest: &ManifestDocument, tag: Option<&str>) -> Option<&'static str> {
    let blobs = manifest.layers.iter().chain(&manifest.config);
    let media_types: Vec<&str> = blobs.map(|blob| &*blob.media_type).collect();
    let artifact_types: Vec<&str> = manifest.artifact_type.iter().map(String::as_str).collect();
    signature_kind(SignatureHints { artifact_types: &artifact_types, media_types: &media_types, tag })
}

fn predicates(manifest: &ManifestDocument) -> Vec<String> {
    manifest.layers.iter().filter_map(|layer| layer.annotation(PREDICATE_TYPE)).map(str::to_owned).collect()
}

/// Every descriptor in an index, by what it names; those of `index.json` first.
fn descriptors(documents: &Documents) -> BTreeMap<Digest, Vec<&Descriptor>> {
    let nested = documents.nodes.values().filter_map(|node| match &node.body {
        DocumentKind::Index(index) => Some(&**index),
        _ => None,
    });
    let mut all: BTreeMap<Digest, Vec<&Descriptor>> = BTreeMap::new();
    for child in documents.root.iter().chain(nested).flat_map(|index| &index.children) {
        all.entry(child.digest).or_default().push(child);
    }
    all
}
