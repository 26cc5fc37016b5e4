//! Which parts of an image are signatures: they cover digests, and can't be updated when these change.

use std::collections::BTreeSet;

use super::documents::{DocumentKind, Documents};
use super::selection::Selection;
use crate::digest::Digest;
use crate::document::attestation::{SignatureHints, signature_kind};
use crate::document::descriptor::Descriptor;
use crate::document::manifest::Manifest;
use crate::error::Result;

/// A signature, or a manifest that has some inside of it.
#[derive(Debug)]
pub struct Signature {
    /// For people: what kind it is, and which.
    pub name: String,
    /// The document that is one; `None` where it is a part of a manifest, which stays without it.
    pub digest: Option<Digest>,
    /// The number of the descriptor of `index.json` whose name says so.
    pub root: Option<usize>,
}

/// All signatures that stay.
///
/// # Errors
///
/// If a manifest can't be read.
pub fn signatures(documents: &Documents, selection: &Selection) -> Result<Vec<Signature>> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let roots = documents.root.iter().flat_map(|root| root.children.iter().enumerate());
    let is_kept = |number: usize, child: &Descriptor| selection.keeps_root(number) && selection.keeps(&child.digest);
    for (number, child) in roots.filter(|(number, child)| is_kept(*number, child)) {
        if let Some(kind) = signature_kind(SignatureHints { tag: child.ref_name(), ..SignatureHints::default() }) {
            let name = format!("{kind} {} {}", child.ref_name().unwrap_or_default(), child.digest);
            found.push(Signature { name, digest: Some(child.digest), root: Some(number) });
            known.insert(child.digest);
        }
    }
    for (digest, manifest) in documents.manifests() {
        if known.contains(digest) || !selection.keeps(digest) {
            continue;
        }
        if Manifest::parse(&manifest.bytes)?.has_signatures() {
            found.push(Signature { name: format!("signatures inside of {digest}"), digest: None, root: None });
        }
        let mut media_types: Vec<&str> = manifest.layers.iter().map(|layer| &*layer.media_type).collect();
        media_types.extend(manifest.config.iter().map(|config| &*config.media_type));
        let artifact_types: Vec<&str> = manifest.artifact_type.iter().map(String::as_str).collect();
        let hints = SignatureHints { artifact_types: &artifact_types, media_types: &media_types, tag: None };
        found.extend(signature_kind(hints).map(|kind| of_kind(kind, *digest)));
    }
    let rest = documents.nodes.iter().filter(|(digest, _)| selection.keeps(digest) && !known.contains(digest));
    for (digest, node) in rest {
        let DocumentKind::Unknown(unknown) = &node.body else { continue };
        let artifact_types: Vec<&str> = unknown.artifact_type.iter().map(String::as_str).collect();
        let hints = SignatureHints { artifact_types: &artifact_types, ..SignatureHints::default() };
        found.extend(signature_kind(hints).map(|kind| of_kind(kind, *digest)));
    }
    Ok(found)
}

fn of_kind(kind: &str, digest: Digest) -> Signature {
    Signature { name: format!("{kind} {digest}"), digest: Some(digest), root: None }
}
