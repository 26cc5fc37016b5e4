//! The order in which documents are rewritten: what something is about comes before that.
//!
//! A subject comes before what refers to it, an image before the attestations about it.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::REFERENCE_DIGEST;
use crate::image::ImageSet;
use crate::image::documents::{Document, DocumentKind, IndexDocument};

/// What an index lists, in the order in which it can be rewritten.
pub fn of_index(set: &ImageSet<'_>, index: &IndexDocument, keep: &dyn Fn(usize) -> bool) -> Vec<Digest> {
    let is_attestation = |digest: &Digest| set.documents.nodes.get(digest).is_some_and(is_attestation);
    let kept = || index.children.iter().enumerate().filter(|(number, _)| keep(*number)).map(|(_, child)| child);
    let about = kept().filter_map(|child| child.annotation(REFERENCE_DIGEST)?.parse().ok());
    let (last, first): (Vec<Digest>, Vec<Digest>) =
        about.chain(kept().map(|child| child.digest)).partition(is_attestation);
    first.into_iter().chain(last).filter(|digest| set.keeps(digest)).collect()
}

/// All that stays and depends on no attestation, wherever it is listed.
pub fn before_attestations(set: &ImageSet<'_>) -> Vec<Digest> {
    let Some(root) = &set.documents.root else { return Vec::new() };
    let kept_roots = root.children.iter().enumerate().filter(|(number, _)| set.selection.keeps_root(*number));
    let mut pending: Vec<Digest> = kept_roots.map(|(_, child)| child.digest).collect();
    pending.extend(root.subject.as_ref().map(|subject| subject.digest));
    let mut reached = BTreeSet::new();
    // Who depends on a document.
    let mut dependents: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    let mut attested: Vec<Digest> = Vec::new();
    while let Some(digest) = pending.pop() {
        let Some(node) = set.documents.nodes.get(&digest) else { continue };
        if !set.keeps(&digest) || !reached.insert(digest) {
            continue;
        }
        if is_attestation(node) {
            attested.push(digest);
        }
        for part in parts(node) {
            dependents.entry(part).or_default().push(digest);
            pending.push(part);
        }
    }
    while let Some(digest) = attested.pop() {
        if reached.remove(&digest) {
            attested.extend(dependents.remove(&digest).into_iter().flatten());
        }
    }
    reached.into_iter().collect()
}

/// What a document names, and has to wait for.
fn parts(node: &Document) -> impl Iterator<Item = Digest> {
    let children = match &node.body {
        DocumentKind::Index(index) => index.children.as_slice(),
        DocumentKind::Manifest(_) | DocumentKind::Unknown(_) | DocumentKind::Blob(_) | DocumentKind::Missing => &[],
    };
    children.iter().chain(node.subject()).map(|link| link.digest)
}

fn is_attestation(node: &Document) -> bool {
    matches!(&node.body, DocumentKind::Manifest(manifest) if manifest.attestation)
}
