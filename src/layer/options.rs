//! Options and result of rewriting one layer.

use crate::blob::Extent;
use crate::digest::{Algorithm, Digest};
use crate::layer::{LayerInfo, Output};
use crate::repair::LayerPlanner;
use crate::repair::edits::Edits;
use crate::repair::notes::Notes;
use crate::repair::rules::LayerRules;
use crate::repair::seen::{Seen, SeenTaker};
use crate::stamp::Stamp;
use crate::tar::Patcher;

/// What a layer is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeOptions {
    /// What becomes of its times.
    pub stamp: Stamp,
    /// Are the names of owners and groups removed?
    pub numeric_owner: bool,
    /// What is done with its entries beside.
    pub rules: LayerRules,
    /// How it is compressed.
    pub output: Output,
    /// Does a layer in which no byte would change keep the blob it has, however that is compressed?
    pub keep_unchanged: bool,
    /// The algorithm of the new blob's digest.
    pub digest_algorithm: Algorithm,
    /// The algorithm of the diff_id.
    pub diff_id_algorithm: Algorithm,
}

impl EncodeOptions {
    /// What takes note of its entries.
    pub(super) fn seen(&self) -> SeenTaker {
        SeenTaker::new(self.stamp, &self.rules.omit, &self.rules.mtimes, self.rules.are_noted)
    }

    /// What patches a stream so.
    pub(super) fn patcher(&self) -> Patcher {
        Patcher::new(self.stamp, Box::new(LayerPlanner::new(&self.rules))).numeric_owner(self.numeric_owner)
    }
}

/// What became of a layer.
#[derive(Debug)]
pub enum Outcome {
    /// It keeps its blob, because [`EncodeOptions::keep_unchanged`] is set and nothing in it changes.
    Unchanged(LayerInfo, Noted),
    /// It has a new blob.
    Rewritten(LayerInfo, Noted, Box<NewLayer>),
}

/// What was noted while a layer went by.
#[derive(Debug, Clone, Default)]
pub struct Noted {
    /// Copies of mtimes, and what they may be copies of, where that was asked for.
    pub notes: Notes,
    /// What else was seen of its entries, where it was rewritten.
    pub seen: Seen,
    /// What was done to entries beside their headers.
    pub edits: Edits,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The digest of all that was written.
    pub digest: Digest,
    /// How many bytes that is.
    pub size: u64,
    /// The digest of the uncompressed bytes.
    pub diff_id: Digest,
    /// How many these are.
    pub uncompressed_size: u64,
    /// How many of its chunks were compressed, or found in the cache; none where there is no cache or nothing to compress.
    pub cache: Option<CacheUse>,
}

/// A new blob.
#[derive(Debug)]
pub struct NewLayer {
    /// Its bytes.
    pub blob: Extent,
    /// The digest of the blob.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// The digest of its uncompressed bytes.
    pub diff_id: Digest,
    /// The number of its uncompressed bytes.
    pub uncompressed_size: u64,
    /// How many of its chunks were compressed, or found in the cache; none where there is no cache or nothing to compress.
    pub cache: Option<CacheUse>,
    /// Boot images in it that seal a root filesystem, by name.
    pub seals: Vec<Vec<u8>>,
}

/// What a cache has spared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheUse {
    /// Compressed chunks.
    pub chunks: u64,
    /// Those of them that were in the cache.
    pub hits: u64,
}
