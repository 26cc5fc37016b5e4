//! Content that is patched while it is read: its last bytes are held back until it is certain what becomes of them.

use crate::error::Result;
use crate::tar::ContentOut;

/// The bytes of a content that have come and not been given out yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Where in the content they begin.
    start: u64,
}

impl Held {
    /// Appends bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes over bytes that begin at this offset of the content; those that have been given out stay.
    pub(super) fn replace(&mut self, at: u64, new: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        let place = at.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let place = place.and_then(|start| self.bytes.get_mut(start..start.checked_add(new.len())?));
        let Some(place) = place.filter(|old| *old != new) else { return Ok(()) };
        out.replaced(at, place, new)?;
        place.copy_from_slice(new);
        Ok(())
    }

    /// Gives out all but the last bytes.
    pub(super) fn give_out(&mut self, held: usize, out: &mut dyn ContentOut) -> Result<()> {
        let certain = self.bytes.len().saturating_sub(held);
        if let Some(bytes) = self.bytes.get(..certain).filter(|bytes| !bytes.is_empty()) {
            out.put(bytes)?;
            self.bytes.drain(..certain);
            self.start = self.start.saturating_add(certain as u64);
        }
        Ok(())
    }
}
