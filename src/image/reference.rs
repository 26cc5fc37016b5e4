//! Images by name, and what is about them.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::{Algorithm, Digest};
use crate::document::descriptor::{Descriptor, is_fallback_tag_of, split_fallback_tag};
use crate::error::{Error, Result};
use crate::image::archive::ArchiveImage;
use crate::image::documents::{DocumentKind, Documents};
use crate::image::missing;
use crate::image::selection::{ImageRef, Selection};
use crate::name::{is_name, tag_of};

impl ImageRef {
    /// A reference as containers-transports(5) has it: a name, which may lack the tag `latest`, or `@` and the place in
    /// the list of images.
    pub(crate) fn parse(documents: &Documents, archive: &[ArchiveImage], reference: &str) -> Result<Self> {
        let roots = documents.root.as_ref().map_or(&[][..], |root| root.children.as_slice());
        let is_there = |name: &str| {
            let in_layout = roots.iter().flat_map(Descriptor::names).any(|known| is_name(known, name));
            in_layout || archive.iter().any(|image| image.is_tagged(name))
        };
        if is_there(reference) {
            return Ok(Self::Name(reference.to_owned()));
        }
        if let Some(number) = reference.strip_prefix('@').and_then(|number| number.parse::<usize>().ok()) {
            let found = match archive {
                [] => roots.get(number).map(|_| Self::Root(number)),
                _ => archive.iter().find(|image| image.number == number).map(|image| Self::Config(image.id)),
            };
            let count = if archive.is_empty() { roots.len() } else { archive.len() };
            return found.ok_or_else(|| {
                Error::refused(format!(
                    "there is no image {reference}; {count} {} listed, numbered from @0",
                    if count == 1 { "is" } else { "are" }
                ))
            });
        }
        let latest = format!("{reference}:latest");
        let name = if tag_of(reference).is_none() && is_there(&latest) { latest } else { reference.to_owned() };
        Ok(Self::Name(name))
    }
}

impl Selection {
    /// Leaves out what is not reached from the images that are asked for.
    pub(super) fn by_reference(
        &mut self,
        documents: &Documents,
        archive: &[ArchiveImage],
        asked: &ImageRef,
    ) -> Result<()> {
        let Some(root) = &documents.root else { return Ok(()) };
        if root.children.is_empty() && !archive.is_empty() {
            return Ok(()); // an untagged image of Docker's, which only `manifest.json` lists
        }
        let chosen = chosen(documents, &root.children, archive, asked)?;
        let (kept, kept_roots) = reached(documents, &root.children, chosen);
        for (number, child) in root.children.iter().enumerate() {
            if kept_roots.get(number) != Some(&true) {
                self.drop_root(number, child);
            }
        }
        // What only the others lead to is out of sight from here on.
        self.dropped.extend(documents.nodes.keys().filter(|digest| !kept.contains(digest)));
        Ok(())
    }
}

/// Which descriptors of `index.json` are asked for.
fn chosen(
    documents: &Documents,
    roots: &[Descriptor],
    archive: &[ArchiveImage],
    asked: &ImageRef,
) -> Result<Vec<bool>> {
    let leading_to = |ids: BTreeSet<Digest>| -> Vec<bool> {
        let leading = leading_to_configs(documents, &ids);
        roots.iter().map(|child| leading.contains(&child.digest)).collect()
    };
    let reference = match asked {
        ImageRef::Name(name) => name,
        ImageRef::Config(id) => return Ok(leading_to([*id].into())),
        ImageRef::Root(asked) => return Ok((0..roots.len()).map(|number| number == *asked).collect()),
    };
    let named: Vec<bool> = roots.iter().map(|child| child.names().any(|name| is_name(name, reference))).collect();
    if named.contains(&true) {
        return Ok(named);
    }
    // A name that only `manifest.json` knows is that of an image all the same.
    let tagged = archive.iter().filter(|image| image.is_tagged(reference));
    let ids: BTreeSet<Digest> = tagged.map(|image| image.id).collect();
    if ids.is_empty() {
        let of_archive = archive.iter().map(|image| image.entry.repo_tags.iter().map(String::as_str).collect());
        return Err(missing::no_name(reference, roots.iter().map(|child| child.names().collect()).chain(of_archive)));
    }
    Ok(leading_to(ids))
}

/// All that hangs on the chosen descriptors of `index.json`: what they list, what that is about, and what is about it,
/// wherever it is listed; and which of the descriptors are among it.
fn reached(documents: &Documents, roots: &[Descriptor], mut chosen: Vec<bool>) -> (BTreeSet<Digest>, Vec<bool>) {
    let mut referrers: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    let mut tags: BTreeMap<(Algorithm, &str), Vec<usize>> = BTreeMap::new();
    for (number, child) in roots.iter().enumerate() {
        if let Some(subject) = documents.subject_of(&child.digest) {
            referrers.entry(subject).or_default().push(number);
        }
        if let Some((algorithm, hex, _)) = child.ref_name().and_then(split_fallback_tag) {
            tags.entry((algorithm, tag_key(hex))).or_default().push(number);
        }
    }
    let of_chosen = roots.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
    let mut pending: Vec<Digest> = of_chosen.map(|(child, _)| child.digest).collect();
    let mut kept = BTreeSet::new();
    while let Some(digest) = pending.pop() {
        if !kept.insert(digest) {
            continue;
        }
        pending.extend(below(documents, &digest));
        let referring = referrers.get(&digest).into_iter().flatten();
        let hex = digest.hex();
        let tagged = tags.get(&(digest.algorithm(), tag_key(&hex))).into_iter().flatten();
        for &number in referring.chain(tagged) {
            let Some((child, chosen)) = roots.get(number).zip(chosen.get_mut(number)) else { continue };
            let refers = documents.subject_of(&child.digest) == Some(digest);
            if refers || child.ref_name().is_some_and(|tag| is_fallback_tag_of(tag, &digest)) {
                *chosen = true;
                pending.push(child.digest);
            }
        }
    }
    (kept, chosen)
}

/// What every fallback tag has of a digest, even one that is cut to the length of a tag.
fn tag_key(hex: &str) -> &str {
    hex.get(..64).unwrap_or(hex)
}

/// The manifests with one of these configs, and all that leads to them.
fn leading_to_configs(documents: &Documents, configs: &BTreeSet<Digest>) -> BTreeSet<Digest> {
    let mut above: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    let mut pending = Vec::new();
    for (digest, node) in &documents.nodes {
        if let DocumentKind::Manifest(manifest) = &node.body
            && manifest.config.as_ref().is_some_and(|config| configs.contains(&config.digest))
        {
            pending.push(*digest);
        }
        for lower in below(documents, digest) {
            above.entry(lower).or_default().push(*digest);
        }
    }
    let mut leading = BTreeSet::new();
    while let Some(digest) = pending.pop() {
        if leading.insert(digest) {
            pending.extend(above.get(&digest).into_iter().flatten());
        }
    }
    leading
}

/// What an index lists, and what a node is about: it is nothing without that.
fn below(documents: &Documents, digest: &Digest) -> impl Iterator<Item = Digest> {
    let children = match documents.nodes.get(digest).map(|node| &node.body) {
        Some(DocumentKind::Index(index)) => index.children.as_slice(),
        _ => &[],
    };
    children.iter().map(|child| child.digest).chain(documents.subject_of(digest))
}
