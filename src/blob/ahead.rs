//! A reader that is a block ahead of what it gives out.

use std::io::{self, Read};

use super::{CHUNK, read_full};
use crate::memory;

/// Gives out a block only once the next one was read. What is verified at its end is never given out whole unless it is right,
/// also to a reader that knows how long it is and does not ask for the end.
pub struct Ahead<R> {
    inner: R,
    current: Vec<u8>,
    at: usize,
    next: Vec<u8>,
    is_begun: bool,
}

impl<R: Read> Ahead<R> {
    /// Reads nothing yet.
    pub fn new(inner: R) -> Self {
        Self { inner, current: Vec::new(), at: 0, next: Vec::new(), is_begun: false }
    }

    fn block(&mut self, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        buffer.clear();
        memory::grow(&mut buffer, CHUNK)?;
        let count = read_full(&mut self.inner, &mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.current.len() {
            if !self.is_begun {
                self.next = self.block(Vec::new())?;
                self.is_begun = true;
            }
            let old = std::mem::replace(&mut self.current, std::mem::take(&mut self.next));
            self.at = 0;
            if self.current.is_empty() {
                return Ok(0);
            }
            self.next = self.block(old)?;
        }
        let count = (&self.current[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{Expected, Extent};
    use crate::digest::Digest;

    #[test]
    fn wrong_bytes_are_never_given_out_whole() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes = vec![7; len];
            let extent = Extent::of_bytes(bytes.clone());
            for is_right in [true, false] {
                let digest = Digest::sha256(if is_right { &bytes } else { b"something else" });
                let verified = extent.verified_reader(Expected::new(digest, bytes.len() as u64)).unwrap();
                let mut read = Vec::new();
                let result = Ahead::new(verified).take(len as u64).read_to_end(&mut read);
                // Of nothing there is nothing to hold back.
                assert_eq!(result.is_ok() && read == bytes, is_right || len == 0, "{len}");
            }
        }
    }
}
