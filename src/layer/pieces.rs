//! What a layer's stream consists of, as the cache sees it.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A chunk that the cache has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) hash: Digest,
    /// Is it a piece of a large file, and so the same at every epoch?
    pub(super) is_large: bool,
    /// Its size, uncompressed.
    pub(super) size: u64,
}

/// Both forms of a chunk.
pub(super) struct Loaded {
    pub(super) bytes: Vec<u8>,
    pub(super) compressed: Vec<u8>,
}

/// An old stream in terms of the cache. All sizes are of what is uncompressed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Stream {
    /// The stream from its start to its end.
    pub(super) stretches: Vec<Stretch>,
    /// What is not content of large files, end to end, in the pieces that are kept for it.
    pub(super) pieces: Vec<Piece>,
}

/// A part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stretch {
    /// Content of a large file: a chunk of the new blob as well.
    Chunk { hash: Digest, size: u64 },
    /// The next bytes of the pieces.
    Other { size: u64 },
}

/// Headers and small files. Pieces are named by what is in them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) key: String,
    pub(super) size: u64,
}

impl Stream {
    /// The SHA-256 of the chunks of large files, in order.
    pub(super) fn hashes(&self) -> Vec<Digest> {
        let chunk = |stretch: &Stretch| if let Stretch::Chunk { hash, .. } = stretch { Some(*hash) } else { None };
        self.stretches.iter().filter_map(chunk).collect()
    }

    /// Is there all that makes up a stream of this size?
    pub(super) fn is_whole(&self, size: u64) -> bool {
        let is_other = |stretch: &&Stretch| matches!(stretch, Stretch::Other { .. });
        let others = sum(self.stretches.iter().filter(is_other).map(Stretch::size));
        sum(self.stretches.iter().map(Stretch::size)) == Some(size)
            && others.is_some()
            && others == sum(self.pieces.iter().map(|piece| piece.size))
    }
}

impl Stretch {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Chunk { size, .. } | Self::Other { size } => *size,
        }
    }
}

fn sum(mut sizes: impl Iterator<Item = u64>) -> Option<u64> {
    sizes.try_fold(0_u64, u64::checked_add)
}
