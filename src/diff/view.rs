//! A source as a list of images, whatever it is carried in: what pairing and comparing need to know of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::commands::Commands;
use crate::document::config::Config;
use crate::document::descriptor::Descriptor;
use crate::error::Result;
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph, ImageConfig, ManifestNode};
use crate::image::reference::Asked;
use crate::image::{by_platform, missing};
use crate::name::is_name;
use crate::platform::Platform;
use crate::store::open::Source;

/// A descriptor on the way from `index.json` to an image, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    /// The digest of the document that it stands in; `None` for `index.json`.
    pub(crate) parent: Option<Digest>,
    /// Its place in the list of that document.
    pub(crate) number: usize,
    /// What it names.
    pub(crate) digest: Digest,
}

/// An image.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) names: Vec<String>,
    pub(crate) platform: Platform,
    /// From the top down; empty where only `manifest.json` lists it.
    pub(crate) links: Vec<Link>,
    /// The digest of the manifest, where there is one.
    pub(crate) manifest: Option<Digest>,
    pub(crate) config: Text,
    pub(crate) config_digest: Digest,
    pub(crate) layers: Vec<Layer>,
    /// Manifests that are about this one.
    pub(crate) attached: Vec<Attached>,
}

/// The bytes of a config.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    /// Of an image's own.
    Own(Vec<u8>),
    /// That several entries of `manifest.json` may name.
    Shared(Arc<ImageConfig>),
}

impl Text {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(config) => &config.bytes,
        }
    }
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// What the descriptor says, where there is one.
    pub(crate) digest: Option<Digest>,
    pub(crate) size: Option<u64>,
    pub(crate) diff_id: Digest,
    /// `None` for a foreign layer.
    pub(crate) extent: Option<Extent>,
    /// Is it a tar, as far as its media type says?
    pub(crate) is_tar: bool,
    /// The command of its history entry.
    pub(crate) created_by: String,
}

/// An attestation or artifact.
#[derive(Debug, Clone)]
pub(crate) struct Attached {
    pub(crate) digest: Digest,
    /// What tells it from others: its artifact type and the predicate types of its layers.
    pub(crate) kind: String,
    pub(crate) is_attestation: bool,
}

/// A place where an index lists something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// The number of the descriptor of `index.json` by which it is reached.
    pub(crate) root: usize,
    pub(crate) link: Link,
}

/// A source with its images.
#[derive(Debug)]
pub(crate) struct View<'s> {
    pub(crate) source: &'s Source,
    pub(crate) graph: Graph,
    pub(crate) images: Vec<Image>,
    /// Artifacts that are about nothing that is here.
    pub(crate) loose: Vec<Attached>,
    /// All that indexes list and that is no index, in its order.
    pub(crate) listed: Vec<Listed>,
    /// What of it is no manifest: blobs, empty indexes, and what is not here.
    pub(crate) others: Vec<Listed>,
}

impl<'s> View<'s> {
    /// Reads all documents of a source, and lists its images: all, or those of a name and platform.
    pub(crate) fn load(source: &'s Source, reference: Option<&str>, platform: Option<&Platform>) -> Result<Self> {
        let graph = Graph::load(source)?.sound()?;
        let docker = DockerImage::load_all(source)?;
        let asked = reference.map(|reference| Asked::parse(&graph, &docker, reference)).transpose();
        let asked = asked.map_err(|e| e.in_file(source.name()))?;
        let mut view =
            Self { source, graph, images: Vec::new(), loose: Vec::new(), listed: Vec::new(), others: Vec::new() };
        let roots = view.asked_roots(asked.as_ref());
        view.walk(&roots).map_err(|e| e.in_file(source.name()))?;
        view.docker(docker).map_err(|e| e.in_file(source.name()))?;
        view.choose(asked.as_ref().zip(reference), &roots, platform).map_err(|e| e.in_file(source.name()))?;
        Ok(view)
    }

    /// The bytes of an index or manifest.
    pub(crate) fn document(&self, digest: Option<&Digest>) -> &[u8] {
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
    pub(crate) fn commands(&self, image: &Image) -> Result<Option<Commands>> {
        Ok(self.graph.config_of(&image.config_digest, image.config.as_slice())?.commands().cloned())
    }

    /// The descriptors that an index lists; `None` for `index.json`.
    pub(crate) fn children(&self, index: Option<&Digest>) -> &[Descriptor] {
        let index = match index {
            None => self.graph.root.as_ref(),
            Some(digest) => match self.graph.nodes.get(digest).map(|node| &node.body) {
                Some(Body::Index(index)) => Some(&**index),
                _ => None,
            },
        };
        index.map_or(&[], |index| &index.children)
    }

    /// A descriptor on the way.
    pub(crate) fn descriptor(&self, link: &Link) -> Option<&Descriptor> {
        self.children(link.parent.as_ref()).get(link.number)
    }

    /// The bytes of a descriptor on the way.
    pub(crate) fn raw(&self, link: &Link) -> &[u8] {
        let span = self.descriptor(link).map(|descriptor| descriptor.span.clone()).unwrap_or_default();
        self.document(link.parent.as_ref()).get(span).unwrap_or_default()
    }

    /// The names that a descriptor of `index.json` gives to what is reached by it.
    pub(crate) fn names_of(&self, root: usize) -> [Option<&str>; 2] {
        let mut names = self.children(None).get(root).into_iter().flat_map(Descriptor::names);
        [names.next(), names.next()]
    }

    /// The layers of an attestation or artifact.
    pub(crate) fn manifest(&self, digest: &Digest) -> Option<&ManifestNode> {
        match self.graph.nodes.get(digest).map(|node| &node.body) {
            Some(Body::Manifest(manifest)) => Some(manifest),
            _ => None,
        }
    }

    /// Which descriptors of `index.json` are asked for: all, where nothing is asked for.
    fn asked_roots(&self, asked: Option<&Asked>) -> Vec<bool> {
        let is_asked = |(number, child): (usize, &Descriptor)| match asked {
            None | Some(Asked::Config(_)) => true,
            Some(Asked::Name(name)) => child.names().any(|known| is_name(known, name)),
            Some(Asked::Root(asked)) => number == *asked,
        };
        self.children(None).iter().enumerate().map(is_asked).collect()
    }

    /// Images that `manifest.json` lists: new ones where there is no layout, else only their names.
    fn docker(&mut self, docker: Vec<DockerImage>) -> Result<()> {
        let mut known: HashMap<Digest, usize> = HashMap::new();
        for (number, image) in self.images.iter().enumerate() {
            known.entry(image.config_digest).or_insert(number);
        }
        for image in docker {
            let tags = image.entry.repo_tags.iter().cloned();
            if let Some(image) = known.get(&image.id).and_then(|number| self.images.get_mut(*number)) {
                image.names.extend(tags);
                continue;
            }
            known.insert(image.id, self.images.len());
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
                names: tags.collect(),
                platform: image.config.platform(),
                links: Vec::new(),
                manifest: None,
                config: Text::Shared(image.config),
                config_digest: image.id,
                layers,
                attached: Vec::new(),
            });
        }
        for image in &mut self.images {
            image.names.sort();
            image.names.dedup();
        }
        Ok(())
    }

    /// Leaves what is asked for.
    fn choose(&mut self, reference: Option<(&Asked, &str)>, roots: &[bool], platform: Option<&Platform>) -> Result<()> {
        if let Some((asked, reference)) = reference {
            let is_asked = |image: &Image| match asked {
                Asked::Name(asked) => image.names.iter().any(|name| is_name(name, asked)),
                Asked::Config(id) => image.config_digest == *id,
                // What is asked for was walked first, so that its way is the one that is known.
                Asked::Root(number) => {
                    image.links.first().is_some_and(|link| link.number == *number && link.parent.is_none())
                }
            };
            if !self.images.iter().any(is_asked) {
                let names = self.images.iter().map(|image| image.names.iter().map(String::as_str).collect());
                return Err(missing::no_name(reference, names));
            }
            self.images.retain(is_asked);
            let is_of_name = matches!(asked, Asked::Name(_));
            let asked = self.children(None).iter().zip(roots).filter(|(_, is_asked)| **is_asked);
            let asked: HashSet<Digest> = asked.map(|(child, _)| child.digest).collect();
            let is_root = |other: &Listed| other.link.parent.is_none() && asked.contains(&other.link.digest);
            self.others.retain(|other| is_of_name && (is_root(other) || roots.get(other.root) == Some(&true)));
        }
        if let Some(platform) = platform {
            let (graph_view, images) = (&*self, &self.images);
            let listed = |link: &Link| graph_view.descriptor(link)?.platform.as_deref().map(by_platform::named);
            let fits = |link: &Link| listed(link).is_some_and(|of| platform.matches(&of));
            let is_of = |image: &Image| platform.matches(&image.platform) || image.links.last().is_some_and(fits);
            let keep: Vec<bool> = images.iter().map(is_of).collect();
            let keep_others: Vec<bool> =
                self.others.iter().map(|other| listed(&other.link).is_none_or(|of| platform.matches(&of))).collect();
            if !keep.contains(&true) {
                let there = images.iter().map(|image| {
                    let of = image.links.last().and_then(listed).unwrap_or_else(|| image.platform.clone());
                    (of, image.names.iter().map(String::as_str).collect())
                });
                return Err(missing::no_platform(reference.map(|(_, name)| name), platform, there));
            }
            retain(&mut self.images, &keep);
            retain(&mut self.others, &keep_others);
        }
        Ok(())
    }
}

fn retain<T>(list: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    list.retain(|_| keep.next() == Some(&true));
}

/// The commands of the history entries that have a layer, in order.
pub(crate) fn commands(config: &[u8]) -> Result<Vec<String>> {
    let config = Config::parse(config)?;
    let filled = config.history().iter().filter(|entry| !entry.empty_layer);
    Ok(filled.map(|entry| entry.created_by.clone().unwrap_or_default()).collect())
}
