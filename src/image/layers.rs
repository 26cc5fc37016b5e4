//! Layers: each distinct one once, and what it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::ImageSet;
use super::documents::extent_of;
use crate::blob::{Extent, ExtentId};
use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::error::Result;
use crate::media_type::{LayerKind, LayerType};

/// A layer that `manifest.json` names.
#[derive(Debug, Clone)]
pub struct LayerFile {
    /// Its path in the archive.
    pub path: String,
    /// Its bytes.
    pub extent: Extent,
    /// The digest of its blob, where its path is that of one in a layout.
    pub digest: Option<Digest>,
    /// What it is: a tar, unless `LayerSources` says that it is a vendor's.
    pub kind: LayerKind,
}

/// The number of a layer in [`ImageSet::layers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerId(usize);

/// A layer, as the first descriptor or entry of `manifest.json` that names it has it.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The digest of its blob; `None` where only a path names it that is not one of a layout.
    pub digest: Option<Digest>,
    /// Its size in bytes, as a descriptor says.
    pub size: Option<u64>,
    /// Its media type, as a descriptor says.
    pub media_type: Option<Cow<'static, str>>,
    /// What it is.
    pub kind: LayerKind,
    place: Place,
    /// Its bytes from `data`, once they were decoded.
    data: OnceLock<Option<Extent>>,
}

/// Where its bytes are.
#[derive(Debug, Clone)]
enum Place {
    /// The layer of that number in a manifest: in the store, or in `data`.
    Manifest(Digest, usize),
    /// A file of an archive, and its path.
    File(Extent, String),
}

impl Layer {
    /// What messages call it: its digest or, where only a path names it, that.
    pub fn name(&self) -> String {
        match (&self.place, &self.digest) {
            (Place::File(_, path), _) => path.clone(),
            (Place::Manifest(..), Some(digest)) => digest.to_string(),
            (Place::Manifest(digest, number), None) => format!("layer {number} of {digest}"),
        }
    }

    /// Is it a tar by its media type or for want of one, so that a diff_id can be computed? A foreign one may be.
    pub fn has_diff_id(&self) -> bool {
        match &self.media_type {
            Some(media_type) => self.kind.is_tar() || LayerType::parse(media_type).is_some(),
            None => true,
        }
    }
}

/// The identity of a layer. One that is described in two ways is two layers, each of which has to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// With the size, and whether the descriptor carries the blob in `data`: only such a one may do without it.
    Blob(Digest, LayerKind, u64, bool),
    File(Option<Digest>, ExtentId, LayerKind),
}

/// Layers while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub layers: Vec<Layer>,
    known: BTreeMap<Key, LayerId>,
    /// For each digest that a manifest names a layer: the first that is a tar, or else the first.
    by_digest: BTreeMap<Digest, LayerId>,
}

impl Gathered {
    /// The layer that a descriptor names, of an image whose config has a diff_id for it.
    pub fn described(&mut self, manifest: Digest, number: usize, descriptor: &Descriptor) -> LayerId {
        let (digest, size, kind) = (descriptor.digest, descriptor.size, descriptor.layer_kind(true));
        let id = self.get(Key::Blob(digest, kind, size, descriptor.data.is_some()), || Layer {
            digest: Some(digest),
            size: Some(size),
            media_type: Some(descriptor.media_type.clone()),
            kind,
            place: Place::Manifest(manifest, number),
            data: OnceLock::new(),
        });
        let is_tar = |id: &LayerId| self.layers.get(id.0).is_some_and(|layer| layer.kind.is_tar());
        let better = self.by_digest.get(&digest).is_none_or(|known| is_tar(&id) && !is_tar(known));
        if better {
            self.by_digest.insert(digest, id);
        }
        id
    }

    /// The layer that `manifest.json` names: that of a manifest, where there is one with this digest. `own` is the layer
    /// that the manifest with the same config has in its place.
    pub fn file(&mut self, file: &LayerFile, own: Option<LayerId>) -> LayerId {
        let digest_of = |id: &LayerId| self.layers.get(id.0).and_then(|layer| layer.digest);
        let own = own.filter(|id| file.digest.is_some() && digest_of(id) == file.digest);
        let described = own.or_else(|| self.by_digest.get(&file.digest?).copied());
        if let Some(id) = described.filter(|_| file.kind != LayerKind::Foreign) {
            return id;
        }
        self.get(Key::File(file.digest, file.extent.id(), file.kind), || Layer {
            digest: file.digest,
            size: None,
            media_type: None,
            kind: file.kind,
            place: Place::File(file.extent.clone(), file.path.clone()),
            data: OnceLock::new(),
        })
    }

    fn get(&mut self, key: Key, layer: impl FnOnce() -> Layer) -> LayerId {
        let next = LayerId(self.layers.len());
        let id = *self.known.entry(key).or_insert(next);
        if id == next {
            self.layers.push(layer());
        }
        id
    }
}

impl ImageSet<'_> {
    /// A layer.
    pub fn layer(&self, id: LayerId) -> &Layer {
        &self.layers[id.0]
    }

    /// The bytes of a layer, not verified yet; `None` if they are not in the image.
    ///
    /// # Errors
    ///
    /// If they can't be looked up, or `data` that carries them is not what its digest says.
    pub fn extent(&self, layer: &Layer) -> Result<Option<Extent>> {
        match &layer.place {
            Place::File(extent, _) => Ok(Some(extent.clone())),
            Place::Manifest(manifest, number) => {
                let manifest = self.documents.manifest(manifest);
                let Some(descriptor) = manifest.and_then(|manifest| manifest.layers.get(*number)) else {
                    return Ok(None);
                };
                if descriptor.data.is_none() {
                    return self.source.blob(&descriptor.digest);
                }
                // Decoded once, however many images share the layer.
                if layer.data.get().is_none() {
                    let _ = layer.data.set(extent_of(self.source, descriptor)?);
                }
                Ok(layer.data.get().cloned().flatten())
            }
        }
    }
}
