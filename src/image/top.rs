//! The top level of a source: what has a name, and the digest that a registry would have for that.

use std::collections::{BTreeMap, BTreeSet};

use super::ImageSet;
use super::documents::DocumentKind;
use crate::digest::Digest;
use crate::document::attestation::is_attestation;
use crate::document::descriptor::{Descriptor, IMAGE_NAME, split_fallback_tag};
use crate::name::familiar;

/// What the digest of a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NameKind {
    /// An index, of several platforms or with attestations.
    Index,
    /// A manifest.
    Manifest,
    /// A config: the archive has no manifest, so this is what Docker calls the image ID, and no digest of a registry.
    ImageId,
}

/// What the top level lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopLevel {
    /// `REPOSITORY:TAG` as Docker shows it, or a tag alone; nothing where it has no name.
    pub name: Option<String>,
    /// What the digest is of.
    pub kind: NameKind,
    /// The digest.
    pub digest: Digest,
    /// By the descriptor; an image ID has none.
    pub media_type: Option<String>,
    /// How many images are in it.
    pub images: usize,
    /// Its place in [`ImageSet::archive`], where only that lists it.
    pub archive_entry: Option<usize>,
}

impl ImageSet<'_> {
    /// What the top level lists of that which stays: `index.json` in its order, then what only `manifest.json` has. What is
    /// about an image, and artifacts without a name beside images, are none of it.
    pub fn top_level(&self) -> Vec<TopLevel> {
        let mut counts = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        let roots = self.documents.root.iter().flat_map(|root| root.children.iter().enumerate());
        let kept = roots.filter(|(number, child)| self.selection.keeps_root(*number) && self.keeps(&child.digest));
        for (_, child) in kept {
            let kind = match self.documents.nodes.get(&child.digest).map(|node| &node.body) {
                Some(DocumentKind::Index(_)) => NameKind::Index,
                Some(DocumentKind::Manifest(_) | DocumentKind::Unknown(_)) => NameKind::Manifest,
                Some(DocumentKind::Blob(_) | DocumentKind::Missing) | None => continue,
            };
            let images = self.images_in(&child.digest, &mut counts);
            if images == 0 && self.is_about_another(child) {
                continue;
            }
            let name = child.annotation(IMAGE_NAME).map(familiar).or_else(|| child.ref_name());
            if seen.insert((name, child.digest)) {
                list.push(TopLevel {
                    name: name.map(str::to_owned),
                    kind,
                    digest: child.digest,
                    media_type: Some(child.media_type.to_string()),
                    images,
                    archive_entry: None,
                });
            }
        }
        for image in &self.images {
            let Some(entry) = image.archive_entry else { continue };
            let of = |name: Option<&String>| TopLevel {
                name: name.map(|name| familiar(name).to_owned()),
                kind: NameKind::ImageId,
                digest: image.config_digest,
                media_type: None,
                images: 1,
                archive_entry: Some(entry),
            };
            list.extend(image.names.iter().map(|name| of(Some(name))));
            if image.names.is_empty() {
                list.push(of(None));
            }
        }
        if list.iter().any(|entry| entry.images > 0) {
            list.retain(|entry| entry.images > 0 || entry.name.is_some());
        }
        list
    }

    /// Is it an attestation, a signature, or something else about an image?
    fn is_about_another(&self, child: &Descriptor) -> bool {
        self.documents.subject_of(&child.digest).is_some()
            || child.ref_name().is_some_and(|tag| split_fallback_tag(tag).is_some())
            || is_attestation(&child.annotations, child.artifact_type.as_deref())
            || self.documents.manifest(&child.digest).is_some_and(|manifest| manifest.attestation)
    }

    /// How many images a document is or leads to. Indexes are nested as deep as the limits allow, and no deeper.
    fn images_in(&self, digest: &Digest, counts: &mut BTreeMap<Digest, usize>) -> usize {
        if let Some(count) = counts.get(digest) {
            return *count;
        }
        let count = match self.documents.nodes.get(digest).filter(|_| self.keeps(digest)).map(|node| &node.body) {
            Some(DocumentKind::Manifest(manifest)) => usize::from(manifest.is_image()),
            Some(DocumentKind::Index(index)) => {
                let children = index.children.iter().map(|child| self.images_in(&child.digest, counts));
                children.fold(0, usize::saturating_add)
            }
            _ => 0,
        };
        counts.insert(*digest, count);
        count
    }
}
