//! One layer: reads its bytes and writes the new ones.
//!
//! A layer is read as a blob of whatever compression (the `decode` room), verified against its digest, size and
//! diff_id, patched by the `tar` room, cut and compressed in the canonical form (`encode/`), and written to one of the
//! caller's new blobs. [`rewrite`] does all of it (`pipeline.rs`), [`encode()`] the same into any writer, [`scan()`] and
//! [`verify_layer`] only read (`scan.rs`).
//! The work of a whole run shares one [`Pool`] (`pool.rs`): its threads compress, its budget bounds the memory. A
//! [`Cache`] (`cache`) may spare them chunks that an earlier run has compressed.
//!
//! Not here: images, manifests, media types, where blobs are kept, the environment. A layer does not know which image
//! it belongs to; the caller adds that to errors.

mod blocks;
mod cache;
mod chunks;
mod compare;
mod each;
mod encode;
mod options;
mod order;
mod patch;
mod pipeline;
mod pool;
mod scan;
mod seals;
mod stream;
#[cfg(test)]
mod tests;

pub use crate::decode::{Decoder, LayerExpected, Window};
pub use cache::Cache;
pub use encode::{ChunkRule, Encoder, FORM, Output, Segment, gzip};
pub use options::{CacheUse, EncodeOptions, Encoded, Outcome};
pub use order::{Ordered, Tree, ordered, tree};
pub use pipeline::{Watch, encode, rewrite, unchanged};
pub use pool::Pool;
pub use scan::{Event, scan, scan_hashed_notes, scan_notes, verify_layer};
pub use stream::{CompressedStream, compress_stream};

use std::io::Read;

use crate::blob::{self, Extent};
use crate::digest::Digest;
use crate::error::{Property, Result};
use crate::media_type::Compression;
use crate::tar::Stats;

/// How a blob is compressed, by its first bytes.
///
/// # Errors
///
/// The blob can't be read.
pub fn compression_of(blob: &Extent) -> Result<Compression> {
    let mut head = [0; 4];
    let count = blob.head(&mut head)?;
    Ok(Compression::sniff(head.get(..count).unwrap_or_default()))
}

/// Where a layer's blob comes from.
pub trait Source: Sync {
    /// Opens the blob at its start. It may be opened more than once.
    fn open(&self) -> Result<Box<dyn Read + Send>>;

    /// How many bytes it has, as far as is known before it is read: for progress, never trusted.
    fn len(&self) -> u64;

    /// The right to the memory that its zstd frames ask for; it may have to be waited for.
    fn window(&self) -> Result<Window> {
        Ok(Window::any())
    }

    /// Has it no bytes?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a layer that was read to its end turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerInfo {
    /// Its compression, by content.
    pub compression: Compression,
    /// The digest of the blob, with the algorithm that was expected, or SHA-256.
    pub digest: Digest,
    /// The size of the blob.
    pub size: u64,
    /// The digest of its uncompressed bytes.
    pub diff_id: Digest,
    /// The number of its uncompressed bytes.
    pub uncompressed_size: u64,
    /// What is in it, and how much of that the patcher changed.
    pub stats: Stats,
    /// The first MTIME in its gzip headers that is not 0.
    pub gzip_mtime: Option<u32>,
}

impl LayerInfo {
    /// Compares what was found with what is expected, where a layer was read before that was known.
    ///
    /// # Errors
    ///
    /// A mismatch of `digest`, `size` or `diff_id`.
    pub fn check(&self, expect: &LayerExpected) -> Result<()> {
        let blob = expect.blob();
        blob.check_digest(self.digest)?;
        blob.check_size(self.size)?;
        self.check_diff_id(expect)
    }

    fn check_diff_id(&self, expect: &LayerExpected) -> Result<()> {
        blob::check(Property::DiffId, expect.diff_id, self.diff_id)
    }
}

impl Source for Extent {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.reader()?))
    }

    fn window(&self) -> Result<Window> {
        Window::of(self)
    }

    fn len(&self) -> u64 {
        Self::len(self)
    }
}
