//! Large buffers, whose memory may not be there: an error then, as far as the language allows it.
//!
//! Small allocations, and those of the standard library and of packages, end the process where they fail.

use std::io::ErrorKind;

use crate::error::{Error, Result};

/// An empty buffer with room for this many bytes.
pub(crate) fn reserved(capacity: usize) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    reserve(&mut buffer, capacity)?;
    Ok(buffer)
}

/// A buffer of this many zeros.
pub(crate) fn zeros(len: usize) -> Result<Vec<u8>> {
    let mut buffer = reserved(len)?;
    buffer.resize(len, 0);
    Ok(buffer)
}

/// Makes a buffer at least this long, with zeros.
pub(crate) fn grow(buffer: &mut Vec<u8>, len: usize) -> Result<()> {
    let more = len.saturating_sub(buffer.len());
    if more > 0 {
        reserve(buffer, more)?;
        buffer.resize(len, 0);
    }
    Ok(())
}

/// Makes room for this many bytes more.
pub(crate) fn reserve(buffer: &mut Vec<u8>, more: usize) -> Result<()> {
    buffer
        .try_reserve_exact(more)
        .map_err(|_| Error::io(format!("cannot get {more} bytes of memory"), ErrorKind::OutOfMemory.into()))
}
