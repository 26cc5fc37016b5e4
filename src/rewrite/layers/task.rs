//! A task of a thread: a layer that is encoded, or one that stays and is verified.

use std::sync::Arc;

use super::{Key, LayerResult};
use crate::blob::{Extent, NewBlobs};
use crate::error::Result;
use crate::layer::{self, EncodeOptions, LayerExpected, Ordered, Pool, Source};
use crate::repair::notes::Notes;

/// A layer that stays as it is, whose diff_id is verified.
#[derive(Debug)]
pub(super) struct BaseCheck {
    pub(super) extent: Extent,
    pub(super) expect: LayerExpected,
    /// Is it read as a tar, and note taken of copies of mtimes?
    pub(super) is_noted: bool,
    pub(super) place: String,
}

/// What a thread takes up next.
#[derive(Debug)]
pub(super) enum Task {
    Encode(Key, EncodeTask),
    VerifyBase(Key, BaseCheck),
}

impl Task {
    /// Says that its layer is not needed, as another one has failed.
    pub(super) fn abandon(&self) {
        match self {
            Self::Encode(_, EncodeTask { extent, .. }) | Self::VerifyBase(_, BaseCheck { extent, .. }) => {
                extent.abandon()
            }
        }
    }

    /// Says that its layer will be read.
    pub(super) fn prepare(&self) -> Result<()> {
        match self {
            Self::Encode(_, EncodeTask { extent, .. }) | Self::VerifyBase(_, BaseCheck { extent, .. }) => {
                extent.prepare()
            }
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Encode(_, EncodeTask { extent, .. }) | Self::VerifyBase(_, BaseCheck { extent, .. }) => extent.len(),
        }
    }
}

/// A layer that is to be encoded.
#[derive(Debug, Clone)]
pub(super) struct EncodeTask {
    pub(super) extent: Extent,
    pub(super) expect: LayerExpected,
    pub(super) spec: EncodeOptions,
    pub(super) place: String,
    /// The same layer with its entries in order, where that was asked for.
    pub(super) ordered: Option<Arc<Ordered>>,
}

impl EncodeTask {
    /// What is read, and what that is expected to be.
    pub(super) fn source(&self) -> (&dyn Source, LayerExpected) {
        match &self.ordered {
            // It was verified when it was put in order.
            Some(ordered) if ordered.is_moved => (&**ordered, LayerExpected::default()),
            _ => (&self.extent, self.expect.clone()),
        }
    }
}

/// What came of a task.
pub(super) enum Done {
    Encoded(Box<LayerResult>),
    Verified(Notes),
}

pub(super) fn verify_base(base_check: &BaseCheck, pool: &Pool, blobs: &NewBlobs) -> Result<Notes> {
    let BaseCheck { extent, expect, is_noted, place } = base_check;
    let verified = if *is_noted {
        layer::scan_notes(extent, expect, pool, blobs)
    } else {
        layer::verify_layer(extent, expect, pool).map(|_| Notes::default())
    };
    verified.map_err(|e| e.in_blob(place))
}

/// Puts a layer in order.
pub(super) fn ordered(job: &EncodeTask, pool: &Pool, blobs: &NewBlobs) -> Result<Ordered> {
    layer::ordered(&job.extent, &job.expect, pool, blobs).map_err(|e| e.in_blob(&job.place))
}
