//! The bytes of a blob as a decoder takes them: block by block, some of them looked at before they are consumed.

use std::io::Read;

use crate::blob::{CHUNK, Expected, VerifiedReader};
use crate::digest::Digest;
use crate::error::Result;

/// Blocks of a blob, and what of them is not consumed yet.
pub(super) struct Input {
    blob: VerifiedReader<Box<dyn Read + Send>>,
    block: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new(source: Box<dyn Read + Send>, expected: Expected) -> Self {
        Self { blob: VerifiedReader::new(source, expected), block: vec![0; CHUNK], start: 0, end: 0 }
    }

    /// What has been read and not consumed.
    pub(super) fn buffered(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// At least `n` bytes, fewer only at the end of the blob. `n` is small.
    pub(super) fn at_least(&mut self, n: usize) -> Result<&[u8]> {
        while self.end - self.start < n && !self.blob.is_at_end() {
            self.fetch()?;
        }
        Ok(self.buffered())
    }

    /// DigestMap the next bytes to `space`, at least one unless the blob has ended: read right there where none are buffered.
    pub(super) fn take(&mut self, space: &mut [u8]) -> Result<usize> {
        let buffered = self.buffered();
        let n = buffered.len().min(space.len());
        if n == 0 {
            return if self.blob.is_at_end() { Ok(0) } else { self.blob.read_some(space) };
        }
        if let (Some(to), Some(from)) = (space.get_mut(..n), buffered.get(..n)) {
            to.copy_from_slice(from);
        }
        self.consume(n);
        Ok(n)
    }

    /// Marks bytes as used.
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start + n);
    }

    /// How many bytes of the blob have been consumed.
    pub(super) fn offset(&self) -> u64 {
        self.blob.count() - (self.end - self.start) as u64
    }

    /// How many bytes of the blob have been read.
    pub(super) fn read(&self) -> u64 {
        self.blob.count()
    }

    /// The digest of the blob, once its end has been reached.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.blob.digest()
    }

    /// Is there anything that its bytes are compared with?
    pub(super) fn is_verified(&self) -> bool {
        !self.blob.expected().is_nothing()
    }

    /// Hashes on a thread of its own from here on.
    pub(super) fn hash_aside(&mut self) -> Result<()> {
        self.blob.hash_aside()
    }

    /// Reads on, keeping what is not consumed.
    fn fetch(&mut self) -> Result<()> {
        self.block.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        self.end += self.blob.read_some(self.block.get_mut(self.end..).unwrap_or_default())?;
        Ok(())
    }

    /// Reads to the end of the blob and drops it all, for what is verified there.
    pub(super) fn drain(&mut self) -> Result<()> {
        self.start = self.end;
        self.blob.drain().map(|_| ())
    }
}
