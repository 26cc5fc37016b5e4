//! The way from `index.json` to all that it leads to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::diff::view::{Attached, Image, Layer, Link, Listed, Text, View, commands};
use crate::digest::Digest;
use crate::document::descriptor::REFERENCE_DIGEST;
use crate::error::Result;
use crate::image::graph::{Body, ManifestNode, extent_of};
use crate::limits::Limits;

/// An index that several others list is walked so often, as each of them may have a name of its own.
const WALKS_MAX: usize = 16;

/// What was found on the way.
#[derive(Default)]
struct Found {
    /// By the digest of its manifest.
    known: HashMap<Digest, usize>,
    images: Vec<Image>,
    /// What is about a manifest.
    about: Vec<(Digest, Attached)>,
    loose: Vec<Attached>,
    listed: Vec<Listed>,
    others: Vec<Listed>,
    seen_others: HashSet<Digest>,
    walks: HashMap<Digest, usize>,
}

/// A descriptor to follow.
struct Step {
    root: usize,
    /// The descriptors that lead to it.
    before: Arc<[Link]>,
    link: Link,
}

impl View<'_> {
    /// Follows the descriptors of `index.json`; those that are asked for come first.
    pub(crate) fn walk(&mut self, asked: &[bool]) -> Result<()> {
        // All names of what several descriptors name.
        let mut all_names: HashMap<Digest, Vec<&str>> = HashMap::new();
        let roots = self.children(None);
        for child in roots {
            all_names.entry(child.digest).or_default().extend(child.names());
        }
        let mut order: Vec<usize> = (0..roots.len()).collect();
        order.sort_by_key(|number| asked.get(*number) != Some(&true));
        let mut found = Found::default();
        let mut seen = HashSet::new();
        for root in order {
            let Some(child) = roots.get(root) else { continue };
            let link = Link { parent: None, number: root, digest: child.digest };
            let Some(names) = all_names.get(&child.digest).filter(|_| seen.insert(child.digest)) else {
                // Another name of what was walked already.
                found.listed.push(Listed { root, link });
                continue;
            };
            let mut pending = vec![Step { root, before: Arc::default(), link }];
            while let Some(step) = pending.pop() {
                self.step(step, names, &mut pending, &mut found)?;
            }
        }
        found.attach();
        found.listed.sort_by_key(|listed| listed.root);
        let Found { mut images, loose, listed, others, .. } = found;
        for image in &mut images {
            let node = image.manifest.and_then(|digest| self.graph.nodes.get_mut(&digest));
            if let Some(Body::Manifest(manifest)) = node.map(|node| &mut node.body)
                && let Some(config) = &mut manifest.image
            {
                image.config = Text::Own(std::mem::take(&mut config.bytes));
            }
        }
        (self.images, self.loose, self.listed, self.others) = (images, loose, listed, others);
        Ok(())
    }

    fn step(&self, step: Step, names: &[&str], pending: &mut Vec<Step>, found: &mut Found) -> Result<()> {
        let Step { root, before, link } = step;
        let listed = Listed { root, link };
        let links = || before.iter().copied().chain([link]).collect::<Vec<Link>>();
        let body = self.graph.nodes.get(&link.digest).map(|node| &node.body);
        match body {
            Some(Body::Index(index)) if before.len() + 1 < Limits::DEFAULT.nesting && !index.children.is_empty() => {
                let walks = found.walks.entry(link.digest).or_insert(0);
                *walks += 1;
                if *walks <= WALKS_MAX {
                    let before: Arc<[Link]> = links().into();
                    // Last first, as the list is worked off from its end.
                    pending.extend(index.children.iter().enumerate().rev().map(|(number, child)| Step {
                        root,
                        before: Arc::clone(&before),
                        link: Link { parent: Some(link.digest), number, digest: child.digest },
                    }));
                }
                return Ok(());
            }
            Some(Body::Manifest(manifest)) => {
                found.listed.push(listed);
                let own = names.iter().map(|&name| name.to_owned());
                if let Some(image) = found.known.get(&link.digest).and_then(|number| found.images.get_mut(*number)) {
                    image.names.extend(own);
                } else if manifest.is_image() {
                    found.known.insert(link.digest, found.images.len());
                    let image = self.image(manifest, own.collect(), links())?;
                    found.images.extend(image);
                } else {
                    let attached = attached(link.digest, manifest);
                    let named = self.descriptor(&link).and_then(|descriptor| descriptor.annotation(REFERENCE_DIGEST));
                    let named = named.and_then(|text| text.parse().ok());
                    match named.or_else(|| manifest.subject.as_ref().map(|subject| subject.digest)) {
                        Some(subject) => found.about.push((subject, attached)),
                        None => found.loose.push(attached),
                    }
                }
            }
            _ => {
                found.listed.push(listed);
                if found.seen_others.insert(link.digest) {
                    found.others.push(listed);
                }
            }
        }
        Ok(())
    }

    fn image(&self, manifest: &ManifestNode, names: Vec<String>, links: Vec<Link>) -> Result<Option<Image>> {
        let Some(config) = &manifest.image else { return Ok(None) };
        let commands = commands(&config.bytes)?;
        let mut layers = Vec::new();
        for (number, descriptor) in manifest.layers.iter().enumerate() {
            layers.push(Layer {
                digest: Some(descriptor.digest),
                size: Some(descriptor.size),
                diff_id: config.diff_id(number)?,
                is_tar: descriptor.layer_kind(true).is_tar(),
                extent: extent_of(self.source, descriptor)?,
                created_by: commands.get(number).cloned().unwrap_or_default(),
            });
        }
        let digest = links.last().map(|link| link.digest);
        let config_digest = manifest.config.as_ref().map_or_else(|| Digest::sha256(&config.bytes), |c| c.digest);
        Ok(Some(Image {
            names,
            platform: config.platform(),
            links,
            manifest: digest,
            // Taken out of the graph at the end.
            config: Text::Own(Vec::new()),
            config_digest,
            layers,
            attached: Vec::new(),
        }))
    }
}

impl Found {
    /// Puts attestations and artifacts to the images that they are about, each once.
    fn attach(&mut self) {
        let mut seen = HashSet::new();
        for (subject, attached) in std::mem::take(&mut self.about) {
            let number = self.known.get(&subject).copied();
            let list = match number.and_then(|number| self.images.get_mut(number)) {
                Some(image) => &mut image.attached,
                None => &mut self.loose,
            };
            if seen.insert((number, attached.digest)) {
                list.push(attached);
            }
        }
        let mut seen = HashSet::new();
        self.loose.retain(|attached| seen.insert(attached.digest));
    }
}

fn attached(digest: Digest, manifest: &ManifestNode) -> Attached {
    let mut kinds: Vec<&str> = manifest.artifact_type.iter().map(String::as_str).collect();
    for layer in &manifest.layers {
        kinds.push(layer.annotation("in-toto.io/predicate-type").unwrap_or(&layer.media_type));
    }
    Attached { digest, kind: kinds.join(" "), is_attestation: manifest.attestation }
}
