//! Documents of unknown types, and what has to stay with them: all that they name.

use std::collections::{BTreeMap, BTreeSet};

use super::{DocumentKind, Documents};
use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::document::unknown::{self, Unknown};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::store::open::Source;

/// More blobs than any layout has.
const MAX_BLOBS: usize = 1_000_000;
/// White space before a document that is looked through for its first character.
const HEAD: usize = 64;

/// A JSON document of a type that restamp does not know: another manifest than those of OCI and Docker schema 2.
#[derive(Debug)]
pub struct UnknownDocument {
    /// The document. It is read again where it is patched.
    pub extent: Extent,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// `artifactType`
    pub artifact_type: Option<String>,
    /// The blobs of this image that it names, its subject aside.
    pub names: Vec<Digest>,
}

impl UnknownDocument {
    /// Reads a document.
    pub(super) fn read(source: &Source, extent: &Extent, bytes: &[u8]) -> Result<Self> {
        let mut names = Vec::new();
        for digest in unknown::digests(bytes) {
            if source.blob(&digest)?.is_some() {
                names.push(digest);
            }
        }
        let document = Unknown::parse(bytes);
        let subject = document.as_ref().and_then(Unknown::subject);
        let artifact_type = document.as_ref().and_then(Unknown::artifact_type);
        Ok(Self { extent: extent.clone(), subject, artifact_type, names })
    }

    /// About how many bytes it takes in memory.
    pub(super) fn held(&self) -> u64 {
        (self.names.len() * size_of::<Digest>()) as u64
    }
}

/// May this be a JSON document, by its length and its first character?
pub(super) fn may_be_document(extent: &Extent, limits: &Limits) -> Result<bool> {
    if extent.len() > limits.document_bytes {
        return Ok(false);
    }
    let mut head = [0; HEAD];
    let count = extent.head(&mut head)?;
    let head = head.get(..count).unwrap_or_default();
    Ok(matches!(head.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'[')))
}

/// A larger config of an artifact is not looked at: registries take manifests of that size, which name it.
const ARTIFACT_CONFIG_MAX: u64 = 4 << 20;

/// The note for a larger one that may be JSON.
pub const LARGE_ARTIFACT_CONFIG: &str = "the config of an artifact, larger than 4 MiB: times in it are not looked for";

/// Is it a larger one, which may be JSON?
pub fn is_large_artifact_config(extent: &Extent) -> Result<bool> {
    let limits = Limits { document_bytes: u64::MAX, ..Limits::DEFAULT };
    Ok(extent.len() > ARTIFACT_CONFIG_MAX && may_be_document(extent, &limits)?)
}

/// May this be the config of an artifact in JSON, of a size that is looked at?
pub fn may_be_artifact_config(extent: &Extent) -> Result<bool> {
    Ok(extent.len() <= ARTIFACT_CONFIG_MAX && may_be_document(extent, &Limits::DEFAULT)?)
}

impl Documents {
    /// All blobs that documents of unknown types name, and what those name in turn: which of it they need is not known.
    pub fn named_by_unknown(
        &self,
        source: &Source,
        keeps: impl Fn(&Digest) -> bool,
    ) -> Result<BTreeMap<Digest, Extent>> {
        let mut found = BTreeMap::new();
        let mut pending: BTreeSet<Digest> = BTreeSet::new();
        // Most of what a text seems to name is nowhere: only what is here is remembered.
        let is_here = |digest: &Digest| source.blob(digest).is_ok_and(|blob| blob.is_some());
        for (_, node) in self.nodes.iter().filter(|(digest, _)| keeps(digest)) {
            if let DocumentKind::Unknown(unknown) = &node.body {
                pending.extend(&unknown.names);
            }
        }
        while let Some(digest) = pending.pop_first() {
            if found.contains_key(&digest) {
                continue;
            }
            let Some(extent) = source.blob(&digest)? else { continue };
            if may_be_document(&extent, source.limits())? {
                // One that is damaged is found to be so when it is copied.
                let bytes = extent.verified_bytes(&digest, None, source.limits().document_bytes).unwrap_or_default();
                pending.extend(unknown::digests(&bytes).into_iter().filter(is_here));
                // Not patched, so its subject has to stay as well.
                let document = Unknown::parse(&bytes);
                pending.extend(document.iter().filter_map(Unknown::subject).map(|subject| subject.digest));
            }
            found.insert(digest, extent);
            if found.len() > MAX_BLOBS {
                return Err(Error::limit("number of blobs", MAX_BLOBS as u64, "more").in_file(source.name()));
            }
        }
        Ok(found)
    }
}
