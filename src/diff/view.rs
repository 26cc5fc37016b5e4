//! A source as diff sees it: its images with what pairing and comparing need to know of each, and what else is listed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::TimeKeys;
use crate::document::commands::Commands;
use crate::document::config::Config;
use crate::document::descriptor::Descriptor;
use crate::error::Result;
use crate::image::documents::{ImageConfig, ManifestDocument};
use crate::image::{self, ImageSet, Link, Select};
use crate::platform::Platform;
use crate::store::open::Source;

/// An image.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) names: Vec<String>,
    pub(crate) platform: Platform,
    /// From the top down; empty where only `manifest.json` lists it.
    pub(crate) links: Vec<Link>,
    /// The digest of the manifest, where there is one.
    pub(crate) manifest: Option<Digest>,
    pub(crate) config: Arc<ImageConfig>,
    pub(crate) config_digest: Digest,
    pub(crate) layers: Vec<Layer>,
    /// Manifests that are about this one.
    pub(crate) attached: Vec<Attached>,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// What the descriptor says, where there is one.
    pub(crate) digest: Option<Digest>,
    pub(crate) size: Option<u64>,
    pub(crate) diff_id: Digest,
    /// `None` where it is not in the image.
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
    /// By what it is paired: its artifact type and the predicate types of its layers.
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
    pub(crate) set: ImageSet<'s>,
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
    pub(crate) fn load(source: &'s Source, select: &Select, keys: &TimeKeys) -> Result<Self> {
        let mut set = ImageSet::load_with(source, keys)?.sound()?;
        let mut names: HashMap<Digest, Vec<String>> = HashMap::new();
        for image in &set.archive {
            names.entry(image.id).or_default().extend(image.entry.repo_tags.iter().cloned());
        }
        set.select(select).and_then(|()| set.check_listed(select)).map_err(|e| e.in_file(source.name()))?;
        let of_manifests = set.all_names().map_err(|e| e.in_file(source.name()))?;
        let mut images = Vec::new();
        let mut known = HashSet::new();
        for image in set.images.iter().filter(|image| image.is_listed()) {
            // Entries of manifest.json with one config are one image with several names.
            if image.archive_entry.is_some() && !known.insert(image.config_digest) {
                continue;
            }
            // A place in manifest.json is that of one image, also where an index leads to others beside it.
            if set.selection.asked_config().is_some_and(|config| config != image.config_digest) {
                continue;
            }
            let mut image = load_image(&set, image).map_err(|e| e.in_file(source.name()))?;
            let own = image.manifest.and_then(|digest| of_manifests.get(&digest));
            image.names.extend(own.into_iter().flatten().map(|name| (*name).to_owned()));
            // The first image with a config has the names that manifest.json gives it.
            image.names.extend(names.remove(&image.config_digest).into_iter().flatten());
            image.names.sort();
            image.names.dedup();
            images.push(image);
        }
        drop(of_manifests);
        let mut view = Self { source, set, images, loose: Vec::new(), listed: Vec::new(), others: Vec::new() };
        view.walk();
        Ok(view)
    }

    /// The bytes of an index or manifest.
    pub(crate) fn document(&self, digest: Option<&Digest>) -> &[u8] {
        let manifest = digest.and_then(|digest| self.manifest(digest)).map(|manifest| manifest.bytes.as_slice());
        let index = || self.set.documents.index(digest).map(|index| index.bytes.as_slice());
        manifest.or_else(index).unwrap_or_default()
    }

    /// What is a time in the commands of an image.
    pub(crate) fn commands(&self, image: &Image) -> Result<Option<Commands>> {
        Ok(self.set.documents.config_of(&image.config_digest, &image.config.bytes)?.commands().cloned())
    }

    /// The descriptors that an index lists; `None` for `index.json`.
    pub(crate) fn children(&self, index: Option<&Digest>) -> &[Descriptor] {
        self.set.documents.index(index).map_or(&[], |index| &index.children)
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

    /// A manifest.
    pub(crate) fn manifest(&self, digest: &Digest) -> Option<&ManifestDocument> {
        self.set.documents.manifest(digest)
    }
}

fn load_image(set: &ImageSet<'_>, image: &image::Image) -> Result<Image> {
    let config = Config::parse(&image.config.bytes)?;
    // The commands of the history entries that have a layer.
    let mut commands = config.history().iter().filter(|entry| !entry.empty_layer).map(|entry| &entry.created_by);
    let mut layers = Vec::with_capacity(image.layers.len());
    for (id, diff_id) in &image.layers {
        let layer = set.layer(*id);
        layers.push(Layer {
            digest: layer.digest,
            size: layer.size,
            diff_id: *diff_id,
            extent: set.extent(layer)?,
            is_tar: layer.kind.is_tar(),
            created_by: commands.next().cloned().flatten().unwrap_or_default(),
        });
    }
    Ok(Image {
        names: Vec::new(),
        platform: image.platform(),
        links: image.links.clone(),
        manifest: image.manifest,
        config: Arc::clone(&image.config),
        config_digest: image.config_digest,
        layers,
        attached: Vec::new(),
    })
}
