//! in-toto's ResourceDescriptor and DigestSet (spec/v1/resource_descriptor.md, spec/v1/digest_set.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Algorithm, Digest};

/// Digests by the name of their algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DigestSet(pub BTreeMap<String, String>);

impl DigestSet {
    /// A set of one.
    pub fn of(digest: Digest) -> Self {
        Self(BTreeMap::from([(digest.algorithm().name().to_owned(), digest.hex())]))
    }

    /// The one digest in it; `None` where there are several, or it names no blob.
    pub fn only(&self) -> Option<Digest> {
        let mut all = self.0.iter();
        let (Some((algorithm, hex)), None) = (all.next(), all.next()) else { return None };
        let known = [Algorithm::Sha256, Algorithm::Sha512].into_iter().find(|known| known.name() == algorithm)?;
        Digest::from_hex(known, hex)
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Something by name, place or digest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resource {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What identifies it everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// What its bytes are.
    #[serde(default, skip_serializing_if = "DigestSet::is_empty")]
    pub digest: DigestSet,
}

impl Resource {
    /// Identified by a URI, with these bytes.
    pub fn at(uri: impl Into<String>, digest: Digest) -> Self {
        Self { name: None, uri: Some(uri.into()), digest: DigestSet::of(digest) }
    }

    /// Called this, with these bytes.
    pub fn named(name: impl Into<String>, digest: Option<Digest>) -> Self {
        Self { name: Some(name.into()), uri: None, digest: digest.map(DigestSet::of).unwrap_or_default() }
    }
}
