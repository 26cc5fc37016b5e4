//! Large buffers: if there is not enough memory for them, that is an error, as far as the language allows it.
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
    fill(&mut buffer, len);
    Ok(buffer)
}

/// Makes a buffer at least this long, with zeros.
pub(crate) fn grow(buffer: &mut Vec<u8>, len: usize) -> Result<()> {
    let more = len.saturating_sub(buffer.len());
    if more > 0 {
        reserve(buffer, more)?;
        fill(buffer, len);
    }
    Ok(())
}

/// Appends zeros up to this length. Copied in pieces: without all optimisations, `resize` writes them byte by byte, which
/// takes longer than all else that is done with a small layer.
fn fill(buffer: &mut Vec<u8>, len: usize) {
    const ZEROS: [u8; 4096] = [0; 4096];
    while let Some(more) = len.checked_sub(buffer.len()).filter(|more| *more > 0) {
        buffer.extend_from_slice(ZEROS.get(..more).unwrap_or(&ZEROS));
    }
}

/// Makes room for this many bytes more.
pub(crate) fn reserve(buffer: &mut Vec<u8>, more: usize) -> Result<()> {
    buffer
        .try_reserve_exact(more)
        .map_err(|_| Error::io(format!("cannot get {more} bytes of memory"), ErrorKind::OutOfMemory.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_filled_to_the_byte() {
        for len in [0, 1, 4095, 4096, 4097, 100_000] {
            assert_eq!(zeros(len).unwrap(), vec![0; len]);
            let mut buffer = vec![7; 5];
            grow(&mut buffer, len).unwrap();
            assert!(buffer.len() == len.max(5) && buffer.iter().skip(5).all(|byte| *byte == 0));
        }
    }
}
