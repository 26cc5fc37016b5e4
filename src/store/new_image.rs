//! An image that is yet to be written: its documents, and where the bytes of its blobs are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use crate::blob::Extent;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer;
use crate::media_type::Compression;

/// An image that is ready to be written.
#[derive(Debug, Default)]
pub struct Image {
    /// `oci-layout`, `index.json`, `manifest.json`, `repositories`: those that the kind has, in this order.
    pub documents: Vec<(&'static str, Vec<u8>)>,
    /// Every blob by its digest.
    pub blobs: BTreeMap<Digest, Content>,
    /// Is there nothing but indexes in it, so that replacing its source would only remove what that holds?
    pub is_empty: bool,
}

/// The bytes of a blob.
#[derive(Debug, Clone)]
pub enum Content {
    /// A document that was made or patched here.
    Bytes(Vec<u8>),
    /// Bytes of the source, which are verified while they are copied.
    Source(Extent),
    /// A spool that was hashed while it was written.
    Spool(Extent),
}

impl Content {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(extent) | Self::Spool(extent) => extent.len(),
        }
    }

    /// How it is compressed, by its first bytes.
    ///
    /// # Errors
    ///
    /// If they can't be read.
    pub fn compression(&self) -> Result<Compression> {
        match self {
            Self::Bytes(bytes) => Ok(Compression::sniff(bytes)),
            Self::Source(extent) | Self::Spool(extent) => layer::compression_of(extent),
        }
    }

    pub(super) fn write(&self, digest: &Digest, out: &mut dyn Write) -> Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes).map_err(cannot_write),
            Self::Source(extent) => extent.copy_verified(digest, out),
            Self::Spool(extent) => extent.copy(out),
        }
    }

    pub(super) fn write_to_file(&self, digest: &Digest, file: &mut File, at: u64) -> Result<()> {
        match self {
            Self::Bytes(bytes) => file.write_all(bytes).map_err(cannot_write),
            Self::Source(extent) => extent.copy_verified_to_file(digest, file, at),
            Self::Spool(extent) => extent.copy_to_file(file, at),
        }
    }
}

pub(super) fn cannot_write(error: io::Error) -> Error {
    Error::io("cannot write", error)
}
