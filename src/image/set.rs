//! The images that stay.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph, ImageConfig, ManifestNode};
use crate::image::select::Selection;

/// An image that `index.json` leads to.
#[derive(Debug)]
pub struct Found<'g> {
    /// Its manifest.
    pub digest: Digest,
    /// Its own names, or those of the index that it is in.
    pub names: Vec<String>,
    /// The manifest.
    pub node: &'g ManifestNode,
    /// The config.
    pub image: &'g ImageConfig,
}

/// The images of a layout that stay, each once, in the order of the indexes.
pub fn images<'g>(graph: &'g Graph, selection: &Selection) -> Vec<Found<'g>> {
    let roots = graph.root.iter().flat_map(|root| root.children.iter().enumerate());
    let kept = roots.filter(|(number, _)| selection.keeps_root(*number)).map(|(_, child)| child);
    images_below(graph, selection, kept)
}

/// The images that `manifest.json` lists and no index leads to.
pub fn only_in_archive<'d>(graph: &Graph, selection: &Selection, docker: &'d [DockerImage]) -> Vec<&'d DockerImage> {
    let by_config = configs(graph, selection);
    docker.iter().filter(|image| !by_config.contains(&image.id)).collect()
}

/// The configs of the images of a layout that stay.
pub(crate) fn configs(graph: &Graph, selection: &Selection) -> BTreeSet<Digest> {
    images(graph, selection).iter().filter_map(|image| Some(image.node.config.as_ref()?.digest)).collect()
}

/// The images below some descriptors, each once, in their order.
fn images_below<'g>(
    graph: &'g Graph,
    selection: &Selection,
    children: impl DoubleEndedIterator<Item = &'g Descriptor>,
) -> Vec<Found<'g>> {
    let mut found: Vec<Found<'g>> = Vec::new();
    let mut pending: Vec<(&Descriptor, Vec<&'g str>)> = Vec::new();
    let own = |child: &'g Descriptor, inherited: &[&'g str]| -> Vec<&'g str> {
        let own: Vec<&str> = child.names().collect();
        if own.is_empty() { inherited.to_vec() } else { own }
    };
    pending.extend(children.rev().map(|child| (child, own(child, &[]))));
    let (mut places, mut named) = (BTreeMap::new(), BTreeSet::new());
    // Which names an index has passed on to what it lists.
    let mut passed: BTreeMap<Digest, BTreeSet<&str>> = BTreeMap::new();
    while let Some((child, mut names)) = pending.pop() {
        let kept = graph.nodes.get(&child.digest).filter(|_| selection.keeps(&child.digest));
        match kept.map(|node| &node.body) {
            Some(Body::Index(index)) => {
                let is_first = !passed.contains_key(&child.digest);
                let passed = passed.entry(child.digest).or_default();
                names.retain(|name| passed.insert(name));
                if is_first || !names.is_empty() {
                    pending.extend(index.children.iter().rev().map(|child| (child, own(child, &names))));
                }
            }
            Some(Body::Manifest(node)) if node.is_image() => {
                let Some(image) = &node.image else { continue };
                let place = *places.entry(child.digest).or_insert(found.len());
                if place == found.len() {
                    found.push(Found { digest: child.digest, names: Vec::new(), node, image });
                }
                names.retain(|name| named.insert((place, *name)));
                if let Some(found) = found.get_mut(place) {
                    found.names.extend(names.into_iter().map(str::to_owned));
                }
            }
            _ => {}
        }
    }
    found
}
