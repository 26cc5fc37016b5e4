//! The list of differences beside a bundle: diff.json, compressed.

use std::io::Read;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Error, Result};

/// A list has at most so many bytes.
pub(super) const MAX: u64 = 64 << 20;
/// What a list of so many bytes is compressed to is not longer.
pub(super) const PACKED_MAX: u64 = MAX + (1 << 20);
/// A level that is still quick.
const LEVEL: i32 = 9;
/// The version of diff.json that is known.
const SCHEMA: u32 = crate::diff::report::SCHEMA;

/// What is looked at before it is kept.
#[derive(Deserialize)]
struct Known {
    schema: Option<u32>,
}

/// A list that was looked at, and its digest.
#[derive(Debug)]
pub(super) struct Report {
    pub digest: Digest,
    pub packed: Vec<u8>,
}

impl Report {
    /// Of the file diff.json.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX {
            return Err(Error::limit("size of a list of differences", MAX, bytes.len()));
        }
        let known: Known =
            serde_json::from_slice(bytes).map_err(|e| Error::malformed("list of differences", "JSON", e))?;
        if known.schema != Some(SCHEMA) {
            let expected = format!("diff.json, as attest and diff --json write it (schema {SCHEMA})");
            return Err(Error::malformed("list of differences", expected, "another document"));
        }
        let packed = zstd::bulk::compress(bytes, LEVEL).map_err(|e| Error::io("cannot compress", e))?;
        Ok(Self { digest: Digest::sha256(bytes), packed })
    }
}

/// Decompresses a list.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    let failed = |e| Error::io("cannot decompress", e);
    let mut bytes = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(failed)?;
    decoder.window_log_max(27).map_err(failed)?;
    decoder.take(MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX {
        return Err(Error::limit("size of a list of differences", MAX, "more"));
    }
    Ok(bytes)
}
