//! The documents that a run has made, and where their bytes are.

use std::borrow::Cow;

use super::{NewConfig, NewDocuments};
use crate::digest::Digest;
use crate::document::descriptor::{Descriptor, DescriptorEdit};
use crate::error::Result;
use crate::store::write::Content;

/// A document that was rewritten. Its bytes are among the blobs.
#[derive(Debug, Clone, Copy)]
pub struct NewDocument {
    pub digest: Digest,
    pub size: u64,
}

/// So many bytes of new documents are held in memory; the others are in a temporary file until they are written.
const HELD_MAX: u64 = 4 << 20;

impl NewDocuments<'_> {
    /// Keeps a new document under its digest.
    pub(super) fn publish(&mut self, old: Digest, bytes: Vec<u8>) -> Result<()> {
        let new = Digest::of(old.algorithm(), &bytes);
        let content = self.content(bytes)?;
        self.publish_as(old, new, content);
        Ok(())
    }

    pub(super) fn publish_as(&mut self, old: Digest, new: Digest, content: Content) {
        if new != old {
            self.moves.insert(old, new);
        }
        self.new.insert(old, NewDocument { digest: new, size: content.len() });
        self.blobs.insert(new, content);
    }

    /// The bytes of a new document, in memory as long as there are few.
    pub fn content(&mut self, bytes: Vec<u8>) -> Result<Content> {
        let held = self.held.saturating_add(bytes.len() as u64);
        if held > HELD_MAX {
            return Ok(Content::Spool(self.spooled.keep(&bytes)?));
        }
        self.held = held;
        Ok(Content::Bytes(bytes))
    }

    /// The bytes of a new document that its descriptor carries in `data`.
    pub(super) fn data(&self, old: &Descriptor, new: &Digest) -> Result<Option<Cow<'_, [u8]>>> {
        match self.blobs.get(new).filter(|_| old.data.is_some()) {
            Some(Content::Bytes(bytes)) => Ok(Some(Cow::Borrowed(bytes))),
            Some(Content::Spool(extent) | Content::Source(extent)) => {
                extent.bytes(self.set.source.limits().statement_bytes).map(|bytes| Some(Cow::Owned(bytes)))
            }
            None => Ok(None),
        }
    }

    /// A document that another one names, as it is now; nothing if it was not rewritten.
    pub(super) fn edit(&self, old: &Descriptor) -> Result<Option<DescriptorEdit<'_>>> {
        let Some(new) = self.new.get(&old.digest) else { return Ok(None) };
        let data = self.data(old, &new.digest)?;
        let without = self.outdated.get(&old.digest).copied().unwrap_or_default();
        Ok(Some(DescriptorEdit { data, without, ..DescriptorEdit::blob(new.digest, new.size) }))
    }

    pub(super) fn config_edit(&self, old: &Descriptor, new: &NewConfig) -> Result<DescriptorEdit<'_>> {
        let data = self.data(old, &new.digest)?;
        Ok(DescriptorEdit { data, ..DescriptorEdit::blob(new.digest, new.size) })
    }
}
