//! Images by name, and what is about them.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::{Algorithm, Digest};
use crate::document::descriptor::{Descriptor, is_fallback_tag_of, split_fallback_tag};
use crate::error::Result;
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph};
use crate::image::names::{is_name, names};
use crate::selection::{Selection, is_tagged, missing, subject_of};

impl Selection {
    /// Leaves out what is not reached from the images of this name.
    pub(super) fn by_reference(&mut self, graph: &Graph, docker: &[DockerImage], reference: &str) -> Result<()> {
        let Some(root) = &graph.root else { return Ok(()) };
        if root.children.is_empty() {
            return Ok(()); // an untagged image of Docker's, which only `manifest.json` lists
        }
        let chosen = chosen(graph, &root.children, docker, reference)?;
        let (kept, kept_roots) = reached(graph, &root.children, chosen);
        for (number, child) in root.children.iter().enumerate() {
            if kept_roots.get(number) != Some(&true) {
                self.drop_root(number, child);
            }
        }
        // What only the others lead to is out of sight from here on.
        self.dropped.extend(graph.nodes.keys().filter(|digest| !kept.contains(digest)));
        Ok(())
    }
}

/// Which descriptors of `index.json` have the name.
fn chosen(graph: &Graph, roots: &[Descriptor], docker: &[DockerImage], reference: &str) -> Result<Vec<bool>> {
    let named: Vec<bool> = roots.iter().map(|child| names(child).any(|name| is_name(name, reference))).collect();
    if named.contains(&true) {
        return Ok(named);
    }
    // A name that only `manifest.json` knows is that of an image all the same.
    let tagged = docker.iter().filter(|image| is_tagged(image, reference));
    let ids: BTreeSet<Digest> = tagged.map(|image| image.id).collect();
    if ids.is_empty() {
        let of_docker = docker.iter().map(|image| image.entry.repo_tags.iter().map(String::as_str).collect());
        return Err(missing::no_name(reference, roots.iter().map(|child| names(child).collect()).chain(of_docker)));
    }
    Ok(roots.iter().map(|child| leads_to_config(graph, &child.digest, &ids)).collect())
}

/// All that hangs on the chosen descriptors of `index.json`: what they list, what that is about, and what is about it,
/// wherever it is listed; and which of the descriptors are among it.
fn reached(graph: &Graph, roots: &[Descriptor], mut chosen: Vec<bool>) -> (BTreeSet<Digest>, Vec<bool>) {
    let mut referrers: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
    let mut tags: BTreeMap<(Algorithm, &str), Vec<usize>> = BTreeMap::new();
    for (number, child) in roots.iter().enumerate() {
        if let Some(subject) = subject_of(graph, &child.digest) {
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
        pending.extend(below(graph, &digest));
        let referring = referrers.get(&digest).into_iter().flatten();
        let hex = digest.hex();
        let tagged = tags.get(&(digest.algorithm(), tag_key(&hex))).into_iter().flatten();
        for &number in referring.chain(tagged) {
            let Some((child, chosen)) = roots.get(number).zip(chosen.get_mut(number)) else { continue };
            let refers = subject_of(graph, &child.digest) == Some(digest);
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

fn leads_to_config(graph: &Graph, digest: &Digest, configs: &BTreeSet<Digest>) -> bool {
    let (mut seen, mut pending) = (BTreeSet::new(), vec![*digest]);
    while let Some(digest) = pending.pop() {
        if seen.insert(digest) {
            let body = graph.nodes.get(&digest).map(|node| &node.body);
            if let Some(Body::Manifest(manifest)) = body
                && manifest.config.as_ref().is_some_and(|config| configs.contains(&config.digest))
            {
                return true;
            }
            pending.extend(below(graph, &digest));
        }
    }
    false
}

/// What an index lists, and what a node is about: it is nothing without that.
fn below(graph: &Graph, digest: &Digest) -> impl Iterator<Item = Digest> {
    let children = match graph.nodes.get(digest).map(|node| &node.body) {
        Some(Body::Index(index)) => index.children.as_slice(),
        _ => &[],
    };
    children.iter().map(|child| child.digest).chain(subject_of(graph, digest))
}
