//! A document that is about another one: an artifact with a subject (OCI image-spec, manifest.md), and its place in lists.

use std::collections::BTreeMap;

use serde::Serialize;

use super::descriptor::REF_NAME;
use super::edit::Edits;
use super::index::Index;
use super::json::{Json, Kind};
use super::write::{self, NewDescriptor};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::media_type::{EMPTY, OCI_MANIFEST};

/// The bytes of a config that says nothing (OCI image-spec, manifest.md, "Guidance for an Empty Descriptor").
pub const EMPTY_CONFIG: &[u8] = b"{}";

/// A manifest that is about another document, with what it consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// What it is about.
    pub subject: Digest,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// As lists name it.
    pub descriptor: NewDescriptor,
    /// The config and the one layer.
    pub blobs: [Vec<u8>; 2],
}

impl Referrer {
    /// One that carries these bytes. `subject` is the descriptor of what it is about.
    ///
    /// # Errors
    ///
    /// It can't be serialised.
    pub fn new(
        subject: NewDescriptor,
        media_type: &str,
        bytes: Vec<u8>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            schema_version: u8,
            media_type: &'a str,
            artifact_type: &'a str,
            config: NewDescriptor,
            layers: [NewDescriptor; 1],
            subject: &'a NewDescriptor,
            annotations: &'a BTreeMap<String, String>,
        }
        let document = Document {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            artifact_type: media_type,
            config: NewDescriptor::new(EMPTY, Digest::sha256(EMPTY_CONFIG), EMPTY_CONFIG.len() as u64),
            layers: [NewDescriptor::new(media_type, Digest::sha256(&bytes), bytes.len() as u64)],
            subject: &subject,
            annotations: &annotations,
        };
        let manifest = write::to_vec(&document)?;
        let mut descriptor = NewDescriptor::new(OCI_MANIFEST, Digest::sha256(&manifest), manifest.len() as u64);
        descriptor.artifact_type = Some(media_type.to_owned());
        descriptor.annotations = annotations;
        Ok(Self { subject: subject.digest, manifest, descriptor, blobs: [EMPTY_CONFIG.to_vec(), bytes] })
    }
}

/// `index.json` with these descriptors at its end, and without the one that has this name now.
///
/// # Errors
///
/// It has no list of manifests.
pub fn replaced(index: &[u8], name: &str, new: &[NewDescriptor]) -> Result<Vec<u8>> {
    let json = Json::parse(index)?;
    let manifests = json.root_object("index.json")?.get_some("manifests").filter(|list| list.kind() == Kind::Array);
    let manifests = manifests.ok_or_else(|| Error::malformed("manifests", "a list", "none"))?;
    let name_of = |descriptor: super::json::Value<'_>| {
        let name = descriptor.get_some("annotations")?.entry(REF_NAME)?;
        name.as_str().map(|name| name.into_owned())
    };
    let keep: Vec<bool> = manifests.elements().map(|one| name_of(one).as_deref() != Some(name)).collect();
    let mut edits = Edits::new(&json);
    edits.retain_elements(manifests, &keep);
    let bytes = edits.apply()?;
    Index::parse(&bytes)?.with(new)
}
