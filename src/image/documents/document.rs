//! The documents of an image, and what they are.

use std::borrow::Cow;
use std::sync::Arc;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::commands::OldTimes;
use crate::document::config::Config;
use crate::document::descriptor::{Descriptor, Platform};
use crate::error::{Error, Result};
use crate::image::documents::UnknownDocument;
use crate::media_type::{EMPTY, LayerType};
use crate::platform;

/// A document or blob that a descriptor leads to.
#[derive(Debug)]
pub struct Document {
    /// Its media type, by the first descriptor that names it as a document or, where none does, by the first.
    pub media_type: Cow<'static, str>,
    /// What it is.
    pub body: DocumentKind,
}

impl Document {
    /// What it refers to.
    pub fn subject(&self) -> Option<&Descriptor> {
        match &self.body {
            DocumentKind::Index(index) => index.subject.as_ref(),
            DocumentKind::Manifest(manifest) => manifest.subject.as_ref(),
            DocumentKind::Unknown(unknown) => unknown.subject.as_ref(),
            DocumentKind::Blob(_) | DocumentKind::Missing => None,
        }
    }
}

/// What a node is.
#[derive(Debug)]
pub enum DocumentKind {
    /// An index or manifest list.
    Index(Box<IndexDocument>),
    /// A manifest: of an image, an attestation or an artifact.
    Manifest(Box<ManifestDocument>),
    /// A JSON document of another type.
    Unknown(Box<UnknownDocument>),
    /// Anything else: bytes.
    Blob(Extent),
    /// It is not here, and nothing says that it has to be.
    Missing,
}

/// An index with its descriptors.
#[derive(Debug)]
pub struct IndexDocument {
    /// The document.
    pub bytes: Vec<u8>,
    /// `manifests`, in order.
    pub children: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
}

/// A manifest with its descriptors.
#[derive(Debug)]
pub struct ManifestDocument {
    /// The document.
    pub bytes: Vec<u8>,
    /// `config`, which an artifact may lack.
    pub config: Option<Descriptor>,
    /// The config where it is one of an image.
    pub image: Option<Arc<ImageConfig>>,
    /// `layers`, in order.
    pub layers: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// The times in its annotations.
    pub annotation_times: OldTimes,
    /// `artifactType`
    pub artifact_type: Option<String>,
    /// Is it what BuildKit says about another manifest?
    pub attestation: bool,
}

impl ManifestDocument {
    /// Is it an image, with layers that can be rewritten?
    pub fn is_image(&self) -> bool {
        self.image.is_some() && !self.attestation
    }

    /// The type of an artifact that passes as it is, times and all: by its own words, its config or its first blob.
    pub fn passing_type(&self) -> Option<&str> {
        if self.image.is_some() || self.attestation || self.hides_layers() {
            return None;
        }
        let is_known = |media_type: &&str| !media_type.is_empty() && *media_type != EMPTY;
        let of_blobs = self.config.iter().chain(&self.layers).map(|blob| &*blob.media_type);
        self.artifact_type.as_deref().into_iter().chain(of_blobs).find(is_known).or(Some("unknown"))
    }

    /// What it runs on, as its config says.
    pub fn platform(&self) -> platform::Platform {
        self.image.as_ref().map(|config| config.platform()).unwrap_or_default()
    }

    /// Has it layers that are not read, because its config is not one of an image?
    pub fn hides_layers(&self) -> bool {
        self.image.is_none() && self.layers.iter().any(|layer| LayerType::parse(&layer.media_type).is_some())
    }
}

/// The config of an image (or of an old style attestation, which has diff_ids too).
#[derive(Debug)]
pub struct ImageConfig {
    /// The document.
    pub bytes: Vec<u8>,
    /// `rootfs.diff_ids`
    pub diff_ids: Vec<Digest>,
    /// What it runs on.
    pub platform: Platform,
}

impl ImageConfig {
    /// The diff_id of a layer. The numbers of layers and diff_ids were compared when both were read.
    pub fn diff_id(&self, number: usize) -> Result<Digest> {
        self.diff_ids.get(number).copied().ok_or_else(|| Error::missing(format!("diff_id of layer {number}")))
    }

    /// Reads a config; `None` if it is one of something else than an image.
    pub fn parse(bytes: Vec<u8>) -> Result<Option<Self>> {
        let config = Config::parse(&bytes)?;
        if !config.is_image() {
            return Ok(None);
        }
        let (platform, diff_ids) = (config.platform(), config.diff_ids().to_vec());
        Ok(Some(Self { diff_ids, platform, bytes }))
    }

    /// What it runs on, as `--platform` has it.
    pub fn platform(&self) -> platform::Platform {
        let platform = self.platform.clone();
        platform::Platform {
            os: platform.os.unwrap_or_default(),
            architecture: platform.architecture.unwrap_or_default(),
            variant: platform.variant.filter(|variant| !variant.is_empty()),
        }
    }
}
