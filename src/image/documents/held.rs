//! How much of an image is held in memory.

use crate::document::DescriptorCount;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// What is held of documents, as far as input decides how much that is.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Of documents.
    pub bytes: u64,
    /// In the lists of documents.
    pub descriptors: DescriptorCount,
}

impl Held {
    /// Nothing yet.
    pub fn new(limits: &Limits) -> Self {
        Self { bytes: 0, descriptors: DescriptorCount::new(limits) }
    }

    /// An error if it is more than it may be.
    pub fn within(&self, limits: &Limits) -> Result<()> {
        if self.bytes > limits.all_document_bytes {
            return Err(Error::limit("size of all documents in bytes", limits.all_document_bytes, self.bytes));
        }
        self.descriptors.check()
    }
}
