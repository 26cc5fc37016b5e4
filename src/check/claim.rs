//! What documents claim of a blob, and what it turned out to be.

use crate::digest::Digest;
use crate::media_type::Compression;

/// What a document claims of a blob.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// Who says it: `sha256:…: layers[2]`.
    pub by: String,
    /// The digest of its uncompressed bytes.
    pub diff_id: Option<Digest>,
    /// Its compression, by its media type.
    pub compression: Option<Compression>,
    /// The hexadecimal digits in a file's name, which may be either digest.
    pub named: Option<Digest>,
    /// What else the descriptor says.
    pub annotations: Vec<(String, String)>,
}

/// What a blob turned out to be.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub diff_id: Digest,
    pub uncompressed_size: u64,
    pub compression: Compression,
    pub entries: u64,
}

/// A layer of an image, whose name may be empty.
pub(super) fn in_image(of: &str, number: usize) -> String {
    if of.is_empty() { format!("layer {number}") } else { format!("{of}, layer {number}") }
}
