//! Documents: descriptors followed from `index.json` down to the blobs.
//!
//! Every document is verified when it is read (`load.rs`). What is wrong is collected, since `check` names all of it;
//! [`Documents::check`] is for verbs that need sound documents. What input decides the number of is counted against
//! [`Limits`](crate::Limits) (`held.rs`, `capped.rs`); `unknown.rs` keeps what documents of unknown types name.

mod annotated;
mod capped;
mod data;
mod document;
mod held;
mod load;
mod unknown;

pub use capped::{Capped, Note};
pub use document::{Document, DocumentKind, ImageConfig, IndexDocument, ManifestDocument};
pub use unknown::{LARGE_ARTIFACT_CONFIG, UnknownDocument, is_large_artifact_config, may_be_artifact_config};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::blob::{Expected, Extent, ExtentId};
use crate::digest::Digest;
use crate::document::TimeKeys;
use crate::document::commands::OldTimes;
use crate::document::config::Config;
use crate::document::descriptor::Descriptor;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::store::open::Source;
use held::Held;

/// All that can be reached from `index.json`.
#[derive(Debug)]
pub struct Documents {
    /// `index.json`, where there is one.
    pub root: Option<IndexDocument>,
    /// By digest.
    pub nodes: BTreeMap<Digest, Document>,
    /// What is wrong with it.
    pub problems: Capped<Error>,
    /// Remarks about what is not wrong.
    pub notes: Capped<Note>,
    /// The times in annotations that are about a config, by its digest.
    old_times: BTreeMap<Digest, OldTimes>,
    /// Which keys of labels and annotations hold times, besides those that are known.
    time_keys: TimeKeys,
    /// Does the archive list images in `manifest.json` as well?
    is_docker: bool,
    /// Configs of images that were read and are what their digests say, each once.
    configs: BTreeMap<Digest, Arc<ImageConfig>>,
    /// Configs that are none of an image, each read once; with whether it has no media type.
    other_configs: BTreeSet<(Digest, bool)>,
    /// Where the configs are in their archive.
    config_places: BTreeMap<ExtentId, Digest>,
    held: Held,
    limits: Limits,
}

impl Documents {
    fn new(source: &Source) -> Self {
        let limits = source.limits();
        Self {
            root: None,
            nodes: BTreeMap::new(),
            problems: Capped::new(limits.problems),
            notes: Capped::new(limits.problems),
            old_times: BTreeMap::new(),
            time_keys: TimeKeys::default(),
            is_docker: source.docker().is_some(),
            configs: BTreeMap::new(),
            other_configs: BTreeSet::new(),
            config_places: BTreeMap::new(),
            held: Held::new(limits),
            limits: limits.clone(),
        }
    }

    /// A config, which knows the times in the annotations about it.
    pub fn config_of<'b>(&self, digest: &Digest, bytes: &'b [u8]) -> Result<Config<'b>> {
        let none = OldTimes::default();
        let times = self.old_times.get(digest).unwrap_or(&none);
        Ok(Config::parse(bytes)?.with_times(&self.time_keys, times))
    }

    /// Succeeds if nothing is wrong with them.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check(&mut self) -> Result<()> {
        if !self.problems.list.is_empty() {
            return Err(self.problems.list.swap_remove(0));
        }
        data::verify_all(self)?;
        self.something_here(|_| true)
    }

    /// A manifest.
    pub fn manifest(&self, digest: &Digest) -> Option<&ManifestDocument> {
        match &self.nodes.get(digest)?.body {
            DocumentKind::Manifest(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// An index; `index.json` where there is no digest.
    pub fn index(&self, digest: Option<&Digest>) -> Option<&IndexDocument> {
        let Some(digest) = digest else { return self.root.as_ref() };
        match &self.nodes.get(digest)?.body {
            DocumentKind::Index(index) => Some(index),
            _ => None,
        }
    }

    /// Every manifest, in the order of digests.
    pub fn manifests(&self) -> impl Iterator<Item = (&Digest, &ManifestDocument)> {
        self.nodes.iter().filter_map(|(digest, node)| match &node.body {
            DocumentKind::Manifest(manifest) => Some((digest, &**manifest)),
            _ => None,
        })
    }

    /// What `index.json` lists, then what every other index does.
    pub fn indexes(&self) -> impl Iterator<Item = &[Descriptor]> {
        let nested = self.nodes.values().filter_map(|node| match &node.body {
            DocumentKind::Index(index) => Some(index.children.as_slice()),
            _ => None,
        });
        self.root.iter().map(|root| root.children.as_slice()).chain(nested)
    }

    /// Is it listed, and not in the image?
    pub fn is_missing(&self, digest: &Digest) -> bool {
        self.nodes.get(digest).is_some_and(|node| matches!(node.body, DocumentKind::Missing))
    }

    /// What a document refers to.
    pub fn subject_of(&self, digest: &Digest) -> Option<Digest> {
        self.nodes.get(digest)?.subject().map(|subject| subject.digest)
    }

    /// What they were loaded within.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many bytes of documents are held.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held.bytes
    }

    /// The config in this part of an archive, if one was read from there.
    pub(super) fn config_at(&self, extent: &Extent) -> Option<Arc<ImageConfig>> {
        self.configs.get(self.config_places.get(&extent.id())?).cloned()
    }

    /// An error if of all that `index.json` leads to, and that stays, nothing is in the image.
    pub fn something_here(&self, keeps: impl Fn(&Digest) -> bool) -> Result<()> {
        let (mut absent, mut first) = (0_usize, None);
        for (digest, node) in self.nodes.iter().filter(|(digest, _)| keeps(digest)) {
            match node.body {
                DocumentKind::Missing => {
                    absent += 1;
                    first = first.or(Some(digest));
                }
                DocumentKind::Index(_) => {}
                DocumentKind::Manifest(_) | DocumentKind::Unknown(_) | DocumentKind::Blob(_) => return Ok(()),
            }
        }
        match first {
            Some(first) if !self.is_docker => {
                let what = format!("every manifest that it lists ({absent}; the first is {first})");
                Err(Error::missing(what).in_blob("index.json"))
            }
            _ => Ok(()),
        }
    }

    /// The digests that the top level names, and whatever else can be reached: documents, configs and layers.
    pub fn reachable(&self) -> BTreeSet<Digest> {
        let mut all: BTreeSet<Digest> = self.nodes.keys().copied().collect();
        for node in self.nodes.values() {
            if let DocumentKind::Manifest(manifest) = &node.body {
                all.extend(manifest.config.iter().map(|config| config.digest));
                all.extend(manifest.layers.iter().map(|layer| layer.digest));
            }
        }
        all
    }

    /// Every manifest that is an image, in the order of digests.
    pub fn images(&self) -> impl Iterator<Item = (&Digest, &ManifestDocument)> {
        self.manifests().filter(|(_, manifest)| manifest.is_image())
    }
}

/// Are these the bytes that a digest names?
pub(super) fn verify(bytes: &[u8], digest: &Digest) -> Result<()> {
    Expected::new(*digest, None).check_bytes(bytes)
}

/// The bytes that a descriptor names: in the image, or in its own `data`.
pub fn extent_of(source: &Source, link: &Descriptor) -> Result<Option<Extent>> {
    match source.blob(&link.digest)? {
        Some(extent) => Ok(Some(extent)),
        None => Ok(data::verified(link)?.map(Extent::of_bytes)),
    }
}
