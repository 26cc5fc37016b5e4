//! All that indexes list, besides images: what is about them, and what is no manifest.

use std::collections::{HashMap, HashSet};

use crate::diff::view::{Attached, Listed, View};
use crate::digest::Digest;
use crate::document::descriptor::REFERENCE_DIGEST;
use crate::image::Link;
use crate::image::documents::{DocumentKind, ManifestDocument};

/// An index that several others list is walked at most so often: each of them may have a name of its own.
const WALKS_MAX: usize = 16;

impl View<'_> {
    /// Follows the descriptors of `index.json` that stay.
    pub(super) fn walk(&mut self) {
        let mut known: HashMap<Digest, usize> = HashMap::new();
        for (number, image) in self.images.iter().enumerate() {
            known.extend(image.manifest.map(|digest| (digest, number)));
        }
        let mut found = Found { known, ..Found::default() };
        let mut seen = HashSet::new();
        for (root, child) in self.children(None).iter().enumerate() {
            if !self.set.selection.keeps_root(root) || !self.set.keeps(&child.digest) {
                continue;
            }
            let link = Link { parent: None, number: root, digest: child.digest };
            if !seen.insert(child.digest) {
                // Another name of what was walked already.
                found.listed.push(Listed { root, link });
                continue;
            }
            let mut pending = vec![(link, 1)];
            while let Some((link, depth)) = pending.pop() {
                self.step(Listed { root, link }, depth, &mut pending, &mut found);
            }
        }
        let Found { known, about, mut loose, listed, others, .. } = found;
        // Attestations and artifacts belong to the images that they are about, each once.
        let mut seen = HashSet::new();
        for (subject, attached) in about {
            let number = known.get(&subject).copied();
            let list = match number.and_then(|number| self.images.get_mut(number)) {
                Some(image) => &mut image.attached,
                None => &mut loose,
            };
            if seen.insert((number, attached.digest)) {
                list.push(attached);
            }
        }
        let mut seen = HashSet::new();
        loose.retain(|attached| seen.insert(attached.digest));
        (self.loose, self.listed, self.others) = (loose, listed, others);
    }

    fn step(&self, listed: Listed, depth: usize, pending: &mut Vec<(Link, usize)>, found: &mut Found) {
        let link = listed.link;
        let documents = &self.set.documents;
        match documents.nodes.get(&link.digest).map(|node| &node.body) {
            Some(DocumentKind::Index(index)) if depth < self.source.limits().nesting && !index.children.is_empty() => {
                let walks = found.walks.entry(link.digest).or_insert(0);
                *walks += 1;
                if *walks <= WALKS_MAX {
                    // Last first, as the list is worked off from its end.
                    let children = index.children.iter().enumerate().rev();
                    let kept = children.filter(|(_, child)| self.set.keeps(&child.digest));
                    pending.extend(kept.map(|(number, child)| {
                        (Link { parent: Some(link.digest), number, digest: child.digest }, depth + 1)
                    }));
                }
            }
            Some(DocumentKind::Manifest(manifest)) => {
                found.listed.push(listed);
                if manifest.is_image() {
                    return;
                }
                let attached = attached(link.digest, manifest);
                let named = self.descriptor(&link).and_then(|descriptor| descriptor.annotation(REFERENCE_DIGEST));
                let named = named.and_then(|text| text.parse().ok());
                match named.or_else(|| manifest.subject.as_ref().map(|subject| subject.digest)) {
                    Some(subject) => found.about.push((subject, attached)),
                    None => found.loose.push(attached),
                }
            }
            _ => {
                found.listed.push(listed);
                if found.seen_others.insert(link.digest) {
                    found.others.push(listed);
                }
            }
        }
    }
}

/// What was found on the way.
#[derive(Default)]
struct Found {
    /// The numbers of images by their manifests.
    known: HashMap<Digest, usize>,
    /// What is about a manifest.
    about: Vec<(Digest, Attached)>,
    loose: Vec<Attached>,
    listed: Vec<Listed>,
    others: Vec<Listed>,
    seen_others: HashSet<Digest>,
    walks: HashMap<Digest, usize>,
}

fn attached(digest: Digest, manifest: &ManifestDocument) -> Attached {
    let mut kinds: Vec<&str> = manifest.artifact_type.iter().map(String::as_str).collect();
    for layer in &manifest.layers {
        kinds.push(layer.annotation("in-toto.io/predicate-type").unwrap_or(&layer.media_type));
    }
    Attached { digest, kind: kinds.join(" "), is_attestation: manifest.attestation }
}
