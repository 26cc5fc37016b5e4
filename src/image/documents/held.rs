//! How much of an image is held in memory.

use crate::document::descriptor::Descriptor;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// What a graph holds, as far as input decides how much that is.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Of documents.
    pub bytes: u64,
    descriptors: usize,
    annotations: usize,
}

impl Held {
    /// Counts the descriptors of a document.
    pub fn count(&mut self, links: &[Descriptor]) {
        self.descriptors += links.len();
        self.annotations += links.iter().map(|link| link.annotations.len()).sum::<usize>();
    }

    /// An error if it is more than it may be.
    pub fn within(&self, limits: &Limits) -> Result<()> {
        if self.bytes > limits.all_document_bytes {
            return Err(Error::limit("size of all documents in bytes", limits.all_document_bytes, self.bytes));
        }
        let counts = [
            ("number of descriptors", limits.descriptors, self.descriptors),
            ("number of annotations of descriptors", limits.annotations, self.annotations),
        ];
        match counts.into_iter().find(|(_, limit, found)| found > limit) {
            Some((what, limit, found)) => Err(Error::limit(what, limit as u64, found)),
            None => Ok(()),
        }
    }
}
