//! The images that indexes list: each once, with its names and the way to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Link;
use super::documents::{DocumentKind, Documents};
use super::selection::Selection;
use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::error::{Error, Result};

/// The configs of the images that indexes list and that stay.
///
/// # Errors
///
/// If they have more names than the limits allow.
pub(super) fn configs(documents: &Documents, selection: &Selection) -> Result<BTreeSet<Digest>> {
    let listed = listed(documents, selection, NamesOf::Roots)?;
    let manifests = listed.iter().filter_map(|listed| documents.manifest(&listed.digest));
    Ok(manifests.filter_map(|manifest| Some(manifest.config.as_ref()?.digest)).collect())
}

/// So many times as many documents are visited as there may be names and descriptors: an index that has several names is
/// visited for each.
const VISITS: usize = 16;

/// Which names an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamesOf {
    /// Those of the innermost descriptor that has any.
    Images,
    /// Those of the descriptors of `index.json`, where these have any.
    Roots,
}

/// An image that `index.json` leads to.
#[derive(Debug)]
pub(super) struct Listed<'d> {
    /// Its manifest.
    pub digest: Digest,
    /// Its own names, or those of the index that it is in.
    pub names: Vec<&'d str>,
    /// The first way to it.
    pub links: Vec<Link>,
}

/// A descriptor that is yet to be followed.
struct Pending<'d> {
    descriptor: &'d Descriptor,
    link: Link,
    before: Option<Arc<Before>>,
    names: Vec<&'d str>,
}

/// The way to a document.
struct Before {
    link: Link,
    before: Option<Arc<Before>>,
}

/// The images that stay, each once, in the order of the indexes.
///
/// # Errors
///
/// If they have more names than the limits allow.
pub(super) fn listed<'d>(
    documents: &'d Documents,
    selection: &Selection,
    names_of: NamesOf,
) -> Result<Vec<Listed<'d>>> {
    let mut found: Vec<Listed<'d>> = Vec::new();
    let mut pending: Vec<Pending<'d>> = Vec::new();
    let names = |child: &'d Descriptor, inherited: &[&'d str]| -> Vec<&'d str> {
        let own: Vec<&str> = match names_of {
            NamesOf::Roots if !inherited.is_empty() => Vec::new(),
            _ => child.names().collect(),
        };
        if own.is_empty() { inherited.to_vec() } else { own }
    };
    // Names that were given to images, and documents that were visited for one.
    let (mut given, mut visits) = (0, 0);
    let limits = documents.limits();
    let max = limits.image_names;
    let roots = documents.root.iter().flat_map(|root| root.children.iter().enumerate());
    for (number, descriptor) in roots.filter(|(number, _)| selection.keeps_root(*number)) {
        let link = Link { parent: None, number, digest: descriptor.digest };
        pending.push(Pending { descriptor, link, before: None, names: names(descriptor, &[]) });
    }
    // Worked off from its end.
    pending.reverse();
    let (mut places, mut named) = (BTreeMap::new(), BTreeSet::new());
    // Which names an index has passed on to what it lists.
    let mut passed: BTreeMap<Digest, BTreeSet<&str>> = BTreeMap::new();
    while let Some(next) = pending.pop() {
        let Pending { descriptor, link, before, names: mut own } = next;
        visits += 1;
        if given > max || visits > VISITS.saturating_mul(max.saturating_add(limits.descriptors)) {
            return Err(Error::limit("number of names of all images", max as u64, "more"));
        }
        let kept = documents.nodes.get(&descriptor.digest).filter(|_| selection.keeps(&descriptor.digest));
        match kept.map(|node| &node.body) {
            Some(DocumentKind::Index(index)) => {
                let is_first = !passed.contains_key(&descriptor.digest);
                let passed = passed.entry(descriptor.digest).or_default();
                own.retain(|name| passed.insert(name));
                if is_first || !own.is_empty() {
                    let before = Some(Arc::new(Before { link, before }));
                    pending.extend(index.children.iter().enumerate().rev().map(|(number, child)| Pending {
                        descriptor: child,
                        link: Link { parent: Some(descriptor.digest), number, digest: child.digest },
                        before: before.clone(),
                        names: names(child, &own),
                    }));
                }
            }
            Some(DocumentKind::Manifest(manifest)) if manifest.is_image() => {
                let place = *places.entry(descriptor.digest).or_insert(found.len());
                if place == found.len() {
                    let links = way(link, before.as_deref());
                    found.push(Listed { digest: descriptor.digest, names: Vec::new(), links });
                }
                own.retain(|name| named.insert((place, *name)));
                if let Some(listed) = found.get_mut(place) {
                    given += own.len();
                    listed.names.append(&mut own);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn way(last: Link, mut before: Option<&Before>) -> Vec<Link> {
    let mut links = vec![last];
    while let Some(step) = before {
        links.push(step.link);
        before = step.before.as_deref();
    }
    links.reverse();
    links
}
