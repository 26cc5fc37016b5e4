//! An archive that is read here and there, and not held as a whole.

use crate::error::{Error, Result};

/// Bytes of which any may be read.
pub trait ReadAt {
    /// How many there are.
    fn size(&self) -> u64;

    /// Fills the buffer with the bytes from here on.
    ///
    /// # Errors
    ///
    /// They can't be read, or are not there.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<()>;
}

/// Why an archive was not read to its end.
#[derive(Debug)]
pub enum Stop {
    /// Its bytes can't be read.
    Failed(Error),
    /// Why it is not one that may be written into.
    Unsound(&'static str),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads through a buffer; best in one direction.
pub(super) struct Window<'s> {
    source: &'s dyn ReadAt,
    /// How many bytes are read at a time.
    step: usize,
    bytes: Vec<u8>,
    start: u64,
}

impl<'s> Window<'s> {
    pub(super) fn new(source: &'s dyn ReadAt, step: usize) -> Self {
        Self { source, step, bytes: Vec::new(), start: 0 }
    }

    /// The bytes from here on; those that are not there are a fault of the archive, called so.
    pub(super) fn get(&mut self, at: u64, length: usize, fault: &'static str) -> Result<&[u8], Stop> {
        let place = |start: u64, bytes: &[u8]| {
            let from = usize::try_from(at.checked_sub(start)?).ok()?;
            let to = from.checked_add(length)?;
            (to <= bytes.len()).then_some(from..to)
        };
        if place(self.start, &self.bytes).is_none() {
            let left = usize::try_from(self.source.size().saturating_sub(at)).unwrap_or(usize::MAX);
            if left < length {
                return Err(Stop::Unsound(fault));
            }
            // A header with all that is variable in it has less than 200 KiB.
            self.bytes.resize(self.step.max(length).min(left), 0);
            self.start = at;
            self.source.read_at(at, &mut self.bytes)?;
        }
        let bytes = place(self.start, &self.bytes).and_then(|place| self.bytes.get(place));
        bytes.ok_or(Stop::Unsound(fault))
    }
}
