//! Content that has to be seen as a whole before any of it is passed on: in memory as long as it is small, then in a
//! temporary file.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use crate::blob::CHUNK;
use crate::error::{Error, Result};
use crate::format::zip::ReadAt;
use crate::memory;
use crate::spool::Spools;
use crate::tar::ContentOut;

/// Content up to this size has no file.
const SMALL: usize = 1 << 20;

/// Content that has come so far.
#[derive(Debug)]
pub(super) struct Spooled {
    spools: Spools,
    /// All of it, as long as it is small.
    start: Vec<u8>,
    file: Option<File>,
    size: u64,
}

impl Spooled {
    pub(super) fn new(spools: Spools) -> Self {
        Self { spools, start: Vec::new(), file: None, size: 0 }
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.file.is_none() && self.start.len().saturating_add(bytes.len()) <= SMALL {
            self.start.extend_from_slice(bytes);
            return Ok(());
        }
        let failed = |error| Error::io("cannot write to a temporary file", error);
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = self.spools.file()?;
                file.write_all(&self.start).map_err(failed)?;
                self.start = Vec::new();
                none.insert(file)
            }
        };
        file.write_all(bytes).map_err(failed)
    }
}

impl ReadAt for Spooled {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let missing = || Error::missing("part of a temporary file");
        match &self.file {
            Some(file) => file.read_exact_at(buffer, at).map_err(|e| Error::io("cannot read a temporary file", e)),
            None => {
                let start = usize::try_from(at).map_err(|_| missing())?;
                let end = start.checked_add(buffer.len()).ok_or_else(missing)?;
                buffer.copy_from_slice(self.start.get(start..end).ok_or_else(missing)?);
                Ok(())
            }
        }
    }
}

/// Gives out content with some of it replaced, from its start to its end.
pub(super) struct Rewriter<'a> {
    content: &'a Spooled,
    out: &'a mut dyn ContentOut,
    /// How much has been given out.
    at: u64,
    buffer: Vec<u8>,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(content: &'a Spooled, out: &'a mut dyn ContentOut) -> Result<Self> {
        let step = usize::try_from(content.size).unwrap_or(usize::MAX).min(CHUNK);
        Ok(Self { content, out, at: 0, buffer: memory::zeros(step)? })
    }

    /// Gives out all up to this place, and then these bytes instead of those that are there; nothing where the place was
    /// passed before.
    pub(super) fn replace(&mut self, at: u64, new: &[u8]) -> Result<()> {
        if at < self.at {
            return Ok(());
        }
        self.copy(at)?;
        let mut old = vec![0; new.len()];
        self.content.read_at(at, &mut old)?;
        if old != new {
            self.out.replaced(at, &old, new)?;
        }
        self.at = self.at.saturating_add(new.len() as u64);
        self.out.put(new)
    }

    /// Gives out the rest.
    pub(super) fn finish(mut self) -> Result<()> {
        self.copy(self.content.size)
    }

    fn copy(&mut self, end: u64) -> Result<()> {
        while self.at < end {
            let left = usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let step = self.buffer.len().min(left);
            let Some(buffer) = self.buffer.get_mut(..step).filter(|buffer| !buffer.is_empty()) else { return Ok(()) };
            self.content.read_at(self.at, buffer)?;
            self.out.put(buffer)?;
            self.at = self.at.saturating_add(step as u64);
        }
        Ok(())
    }
}
