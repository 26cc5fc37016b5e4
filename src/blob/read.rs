//! Reading extents, and whatever else can be read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::{Backing, CHUNK, Extent};
use crate::error::{Error, Result};
use crate::memory;

/// Reads an [`Extent`] from its start to its end.
#[derive(Debug)]
pub struct ExtentReader {
    pub(super) extent: Extent,
    /// Opened for this reader alone where the extent has only a path.
    pub(super) file: Option<File>,
    pub(super) position: u64,
}

impl ExtentReader {
    /// Leaves out the next bytes.
    pub fn skip(&mut self, count: u64) {
        self.position = self.position.saturating_add(count).min(self.extent.len);
    }

    pub(super) fn plain_file(&self) -> Option<&File> {
        match (&self.file, &*self.extent.backing) {
            (Some(file), _) | (None, Backing::Open(file)) => Some(file),
            _ => None,
        }
    }
}

impl Read for ExtentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.extent.len - self.position).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..wanted];
        let at = self.extent.start + self.position;
        let count = match (&*self.extent.backing, self.plain_file()) {
            (_, Some(file)) => file.read_at(buffer, at)?,
            (Backing::SpoolWriter(growing), None) => growing.read_at(buffer, at)?,
            #[cfg(feature = "registry")]
            (Backing::Late(late), None) => late.start()?.read_at(buffer, at)?,
            (Backing::Memory(bytes), None) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[from..]).read(buffer)?
            }
            (Backing::Open(_) | Backing::Path(_), None) => 0,
        };
        self.position += count as u64;
        Ok(count)
    }
}

/// Reads to the end, and shows what was read.
///
/// # Errors
///
/// Those of `each`, or a failure to read.
pub fn for_each_chunk(reader: &mut dyn Read, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = memory::zeros(CHUNK)?;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("cannot read", error)),
        }
    }
}

/// Fills as much of the buffer as the reader has bytes for.
///
/// # Errors
///
/// The reader's own.
pub fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
