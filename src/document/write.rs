//! Documents that an output needs and its input did not have: a manifest for images of a legacy archive, and what
//! holds a layout or an archive together.
//!
//! The order of fields is that of the programs that wrote them first, so that the bytes look familiar; maps are
//! sorted. Nothing that came with an image is ever written from here: what is not in these structs would be lost.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::media_type::{OCI_INDEX, OCI_MANIFEST};

/// The content of `oci-layout` (OCI image-spec, image-layout.md).
pub const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A descriptor to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDescriptor {
    /// The media type.
    pub media_type: String,
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// `artifactType`; left out when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations; the field is left out when there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform; left out when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<NewPlatform>,
}

impl NewDescriptor {
    /// A descriptor with the fields that each has.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
            platform: None,
        }
    }
}

/// A platform to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewPlatform {
    /// `architecture`
    pub architecture: String,
    /// `os`
    pub os: String,
    /// `os.version`, left out when not given.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// `os.features`, left out when there are none.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// `variant`, left out when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// An image manifest with this config and these layers.
///
/// The media type is that of the family of its layers: OCI's unless said otherwise.
///
/// # Errors
///
/// It can't be serialised.
pub fn manifest(media_type: Option<&str>, config: &NewDescriptor, layers: &[NewDescriptor]) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        schema_version: u8,
        media_type: &'a str,
        config: &'a NewDescriptor,
        layers: &'a [NewDescriptor],
    }
    to_vec(&Document { schema_version: 2, media_type: media_type.unwrap_or(OCI_MANIFEST), config, layers })
}

/// An image index, or the `index.json` of a layout.
///
/// # Errors
///
/// It can't be serialised.
pub fn index(manifests: &[NewDescriptor]) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'a> {
        schema_version: u8,
        media_type: &'a str,
        manifests: &'a [NewDescriptor],
    }
    to_vec(&Document { schema_version: 2, media_type: OCI_INDEX, manifests })
}

/// Descriptors as the elements of a list.
pub(super) fn elements(descriptors: &[NewDescriptor]) -> Result<Vec<Vec<u8>>> {
    descriptors.iter().map(to_vec).collect()
}

/// An entry of a `manifest.json` to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewArchiveEntry {
    /// Where the config is.
    pub config: String,
    /// The image's names; `null` for an image without one, as Docker writes it.
    pub repo_tags: Option<Vec<String>>,
    /// Where the layers are.
    pub layers: Vec<String>,
    /// The ID of the image that this was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Digest>,
    /// The layers' descriptors by diff_id; the field is left out when there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub layer_sources: BTreeMap<String, LayerSource>,
}

/// A descriptor as Docker writes it into `LayerSources`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerSource {
    /// The media type.
    pub media_type: String,
    /// The size in bytes.
    pub size: u64,
    /// The digest.
    pub digest: Digest,
}

/// A `manifest.json`.
///
/// # Errors
///
/// It can't be serialised.
pub fn archive(entries: &[NewArchiveEntry]) -> Result<Vec<u8>> {
    to_vec(&entries)
}

/// A `repositories` file: repository → tag → ID.
///
/// # Errors
///
/// It can't be serialised.
pub fn repositories(tags: &BTreeMap<String, BTreeMap<String, String>>) -> Result<Vec<u8>> {
    to_vec(tags)
}

pub(super) fn to_vec(document: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(document).map_err(|error| Error::malformed("new document", "something to write", error))
}
