//! A source as a list of images, whatever it is carried in: what pairing and comparing need to know of each.

use std::collections::{BTreeMap, BTreeSet};

use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::commands::Commands;
use crate::document::config::Config;
use crate::document::descriptor::{Descriptor, REFERENCE_DIGEST};
use crate::error::Result;
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph, ImageConfig, IndexNode, MAX_DEPTH, ManifestNode, extent_of};
use crate::image::names::{is_name, names};
use crate::image::source::Source;
use crate::policy::Platform;
use crate::selection::reference::Asked;
use crate::selection::{missing, platforms};

/// A descriptor on the way from `index.json` to an image, and the document it stands in.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The digest of the document; `None` for `index.json`.
    pub(super) parent: Option<Digest>,
    /// Where in the document it stands.
    pub(super) descriptor: Descriptor,
}

/// An image.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) names: Vec<String>,
    pub(super) platform: Platform,
    /// From the top down; empty where only `manifest.json` lists it.
    pub(super) links: Vec<Link>,
    /// The digest of the manifest, where there is one.
    pub(super) manifest: Option<Digest>,
    pub(super) config: Vec<u8>,
    pub(super) config_digest: Digest,
    pub(super) layers: Vec<Layer>,
    /// Manifests that are about this one.
    pub(super) attached: Vec<Attached>,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// What the descriptor says, where there is one.
    pub(super) digest: Option<Digest>,
    pub(super) size: Option<u64>,
    pub(super) diff_id: Digest,
    /// `None` for a foreign layer.
    pub(super) extent: Option<Extent>,
    /// Is it a tar, as far as its media type says?
    pub(super) is_tar: bool,
    /// The command of its history entry.
    pub(super) created_by: String,
}

/// An attestation or artifact.
#[derive(Debug, Clone)]
pub(super) struct Attached {
    pub(super) digest: Digest,
    /// What tells it from others: its artifact type and the predicate types of its layers.
    pub(super) kind: String,
    pub(super) is_attestation: bool,
}

/// A place where an index lists something.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// The names by which it is reached.
    pub(super) names: Vec<String>,
    pub(super) link: Link,
}

/// A source with its images.
#[derive(Debug)]
pub(super) struct View<'s> {
    pub(super) source: &'s Source,
    pub(super) graph: Graph,
    pub(super) images: Vec<Image>,
    /// Artifacts that are about nothing that is here.
    pub(super) loose: Vec<Attached>,
    /// All that indexes list and that is no index, in its order.
    pub(super) listed: Vec<Listed>,
    /// What of it is no manifest: blobs, empty indexes, and what is not here.
    pub(super) others: Vec<Listed>,
}

impl<'s> View<'s> {
    /// Reads all documents of a source, and lists its images: all, or those of a name and platform.
    pub(super) fn load(source: &'s Source, reference: Option<&str>, platform: Option<&Platform>) -> Result<Self> {
        let graph = Graph::load(source)?.sound()?;
        let docker = DockerImage::load_all(source)?;
        let mut view =
            Self { source, graph, images: Vec::new(), loose: Vec::new(), listed: Vec::new(), others: Vec::new() };
        view.walk().map_err(|e| e.in_file(source.name()))?;
        view.docker(&docker).map_err(|e| e.in_file(source.name()))?;
        view.choose(&docker, reference, platform).map_err(|e| e.in_file(source.name()))?;
        Ok(view)
    }

    /// The bytes of an index or manifest.
    pub(super) fn document(&self, digest: Option<&Digest>) -> &[u8] {
        let body = match digest {
            None => return self.graph.root.as_ref().map_or(&[], |root| &root.bytes),
            Some(digest) => self.graph.nodes.get(digest).map(|node| &node.body),
        };
        match body {
            Some(Body::Index(index)) => &index.bytes,
            Some(Body::Manifest(manifest)) => &manifest.bytes,
            _ => &[],
        }
    }

    /// What is a time in the commands of an image.
    pub(super) fn commands(&self, image: &Image) -> Result<Option<Commands>> {
        Ok(self.graph.config_of(&image.config_digest, &image.config)?.commands().cloned())
    }

    /// The layers of an attestation or artifact.
    pub(super) fn manifest(&self, digest: &Digest) -> Option<&ManifestNode> {
        match self.graph.nodes.get(digest).map(|node| &node.body) {
            Some(Body::Manifest(manifest)) => Some(manifest),
            _ => None,
        }
    }

    fn walk(&mut self) -> Result<()> {
        let Some(root) = &self.graph.root else { return Ok(()) };
        let mut pending: Vec<Vec<Link>> = Vec::new();
        let queue = |pending: &mut Vec<Vec<Link>>, children: &[Descriptor], parent: Option<Digest>, links: &[Link]| {
            for child in children.iter().rev() {
                let mut chain = links.to_vec();
                chain.push(Link { parent, descriptor: child.clone() });
                pending.push(chain);
            }
        };
        queue(&mut pending, &root.children, None, &[]);
        let mut known: BTreeMap<Digest, usize> = BTreeMap::new();
        let mut images: Vec<Image> = Vec::new();
        let mut about: Vec<(Digest, Attached)> = Vec::new();
        let mut loose = Vec::new();
        let (mut listed, mut others): (Vec<Listed>, Vec<Listed>) = Default::default();
        let mut seen_others = BTreeSet::new();
        let mut seen_indexes: BTreeMap<Digest, usize> = BTreeMap::new();
        while let Some(links) = pending.pop() {
            let Some(link) = links.last().map(|link| link.descriptor.clone()) else { continue };
            let names = links.first().into_iter().flat_map(|link| names(&link.descriptor)).map(str::to_owned);
            let names: Vec<String> = names.collect();
            let body = self.graph.nodes.get(&link.digest).map(|node| &node.body);
            let leads_on = |index: &IndexNode| links.len() < MAX_DEPTH && !index.children.is_empty();
            if !matches!(body, Some(Body::Index(index)) if leads_on(index)) {
                listed.extend(links.last().map(|link| Listed { names: names.clone(), link: link.clone() }));
            }
            match body {
                Some(Body::Index(index)) if leads_on(index) => {
                    // The same index under two names adds names; more often than that it says nothing new.
                    let times = seen_indexes.entry(link.digest).or_insert(0);
                    *times += 1;
                    if *times <= 16 {
                        queue(&mut pending, &index.children, Some(link.digest), &links);
                    }
                }
                Some(Body::Manifest(manifest)) => {
                    if let Some(image) = known.get(&link.digest).and_then(|number| images.get_mut(*number)) {
                        image.names.extend(names);
                        continue;
                    }
                    match &manifest.image {
                        Some(config) if manifest.is_image() => {
                            known.insert(link.digest, images.len());
                            images.push(self.image(manifest, config, names, links)?);
                        }
                        _ => {
                            let attached = attached(link.digest, manifest);
                            let named = link.annotation(REFERENCE_DIGEST).and_then(|text| text.parse().ok());
                            match named.or_else(|| manifest.subject.as_ref().map(|subject| subject.digest)) {
                                Some(subject) => about.push((subject, attached)),
                                None => loose.push(attached),
                            }
                        }
                    }
                }
                _ if !seen_others.insert(link.digest) => {}
                _ => others.extend(links.last().map(|link| Listed { names, link: link.clone() })),
            }
        }
        for (subject, attached) in about {
            match known.get(&subject).and_then(|number| images.get_mut(*number)) {
                Some(image) => push_new(&mut image.attached, attached),
                None => push_new(&mut loose, attached),
            }
        }
        for image in &mut images {
            image.names.sort();
            image.names.dedup();
        }
        (self.images, self.loose) = (images, loose);
        (self.listed, self.others) = (listed, others);
        Ok(())
    }

    fn image(
        &self,
        manifest: &ManifestNode,
        config: &ImageConfig,
        names: Vec<String>,
        links: Vec<Link>,
    ) -> Result<Image> {
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
        let digest = links.last().map(|link| link.descriptor.digest);
        let config_digest = manifest.config.as_ref().map_or_else(|| Digest::sha256(&config.bytes), |c| c.digest);
        Ok(Image {
            names,
            platform: config.platform(),
            links,
            manifest: digest,
            config: config.bytes.clone(),
            config_digest,
            layers,
            attached: Vec::new(),
        })
    }

    /// Images that `manifest.json` lists: new ones where there is no layout, else only their names.
    fn docker(&mut self, docker: &[DockerImage]) -> Result<()> {
        for image in docker {
            let tags = &image.entry.repo_tags;
            if let Some(known) = self.images.iter_mut().find(|known| known.config_digest == image.id) {
                known.names.extend(tags.iter().cloned());
                known.names.sort();
                known.names.dedup();
                continue;
            }
            let commands = commands(&image.config.bytes)?;
            let mut layers = Vec::new();
            for (number, layer) in image.layers.iter().enumerate() {
                layers.push(Layer {
                    digest: layer.digest,
                    size: None,
                    diff_id: image.config.diff_id(number)?,
                    extent: Some(layer.extent.clone()),
                    is_tar: layer.kind.is_tar(),
                    created_by: commands.get(number).cloned().unwrap_or_default(),
                });
            }
            self.images.push(Image {
                names: tags.clone(),
                platform: image.config.platform(),
                links: Vec::new(),
                manifest: None,
                config: image.config.bytes.clone(),
                config_digest: image.id,
                layers,
                attached: Vec::new(),
            });
        }
        Ok(())
    }

    fn choose(&mut self, docker: &[DockerImage], reference: Option<&str>, platform: Option<&Platform>) -> Result<()> {
        if let Some(reference) = reference {
            let asked = Asked::parse(&self.graph, docker, reference)?;
            let is_called = |names: &[String]| match &asked {
                Asked::Name(asked) => names.iter().any(|name| is_name(name, asked)),
                Asked::Config(_) | Asked::Root(_) => false,
            };
            let root = |number: usize| Some(self.graph.root.as_ref()?.children.get(number)?.digest);
            let is_asked = |image: &Image| match asked {
                Asked::Name(_) => is_called(&image.names),
                Asked::Config(id) => image.config_digest == id,
                Asked::Root(number) => image.links.first().map(|link| link.descriptor.digest) == root(number),
            };
            let all: Vec<Vec<String>> = self.images.iter().map(|image| image.names.clone()).collect();
            self.images.retain(is_asked);
            self.others.retain(|other| is_called(&other.names));
            if self.images.is_empty() {
                let names = all.iter().map(|names| names.iter().map(String::as_str).collect());
                return Err(missing::no_name(reference, names));
            }
        }
        if let Some(platform) = platform {
            let listed = |link: &Link| link.descriptor.platform.as_ref().map(platforms::named);
            let fits = |link: &Link| listed(link).is_some_and(|of| platform.matches(&of));
            let is_of = |image: &Image| platform.matches(&image.platform) || image.links.last().is_some_and(fits);
            if !self.images.iter().any(is_of) {
                let there = self.images.iter().map(|image| {
                    let of = image.links.last().and_then(listed).unwrap_or_else(|| image.platform.clone());
                    (of, image.names.iter().map(String::as_str).collect())
                });
                return Err(missing::no_platform(reference, platform, there));
            }
            self.images.retain(is_of);
            self.others.retain(|other| listed(&other.link).is_none_or(|of| platform.matches(&of)));
        }
        Ok(())
    }
}

fn push_new(list: &mut Vec<Attached>, attached: Attached) {
    if !list.iter().any(|known| known.digest == attached.digest) {
        list.push(attached);
    }
}

fn attached(digest: Digest, manifest: &ManifestNode) -> Attached {
    let mut kinds: Vec<&str> = manifest.artifact_type.iter().map(String::as_str).collect();
    for layer in &manifest.layers {
        kinds.push(layer.annotation("in-toto.io/predicate-type").unwrap_or(&layer.media_type));
    }
    Attached { digest, kind: kinds.join(" "), is_attestation: manifest.attestation }
}

/// The commands of the history entries that have a layer, in order.
fn commands(config: &[u8]) -> Result<Vec<String>> {
    let config = Config::parse(config)?;
    let filled = config.history().iter().filter(|entry| !entry.empty_layer);
    Ok(filled.map(|entry| entry.created_by.clone().unwrap_or_default()).collect())
}
