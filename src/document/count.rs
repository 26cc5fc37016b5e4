//! How many descriptors documents have: counted before any is built, since a document may be full of them.

use super::json::{Kind, Value};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Counts the descriptors in the lists of one document or of several, and the annotations of those.
#[derive(Debug, Clone)]
pub struct DescriptorCount {
    descriptors: usize,
    annotations: usize,
    max_descriptors: usize,
    max_annotations: usize,
}

impl Default for DescriptorCount {
    fn default() -> Self {
        Self::new(&Limits::DEFAULT)
    }
}

impl DescriptorCount {
    /// Nothing was counted yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            descriptors: 0,
            annotations: 0,
            max_descriptors: limits.descriptors,
            max_annotations: limits.annotations,
        }
    }

    /// An error if there are more than there may be. This remains so after a document was refused for that.
    ///
    /// # Errors
    ///
    /// The limit on descriptors, or the one on annotations.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("number of descriptors", self.max_descriptors, self.descriptors),
            ("number of annotations of descriptors", self.max_annotations, self.annotations),
        ];
        match counts.into_iter().find(|(_, limit, found)| found > limit) {
            Some((what, limit, found)) => Err(Error::limit(what, limit as u64, found)),
            None => Ok(()),
        }
    }

    /// Counts the descriptors in a list, and their annotations with a text for value.
    pub(super) fn add<'j>(&mut self, list: impl Iterator<Item = Value<'j>>) -> Result<()> {
        for descriptor in list {
            let annotations = descriptor.get("annotations").into_iter().flat_map(Value::members);
            self.descriptors += 1;
            self.annotations += annotations.filter(|member| member.value.kind() == Kind::String).count();
        }
        self.check()
    }
}
