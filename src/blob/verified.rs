//! Comparing the bytes of a blob with the digest and the size that name it. No other code in this crate does that.

use std::fmt;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::CHUNK;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Property, Result};
use crate::memory;
use crate::sync::not_started;

/// How many blocks may wait for the thread that hashes them.
const WAITING: usize = 4;

/// What a blob has to be. What is not given is not checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// The digest of its bytes.
    pub digest: Option<Digest>,
    /// Its number of bytes.
    pub size: Option<u64>,
}

impl Expected {
    /// A blob with this digest, and this size where it is known.
    pub fn new(digest: Digest, size: impl Into<Option<u64>>) -> Self {
        Self { digest: Some(digest), size: size.into() }
    }

    /// A blob of this size.
    pub fn of_size(size: u64) -> Self {
        Self { digest: None, size: Some(size) }
    }

    /// Is there nothing that the bytes would be compared with?
    pub fn is_nothing(&self) -> bool {
        self.digest.is_none() && self.size.is_none()
    }

    /// The algorithm to hash the bytes with: that of the expected digest, or SHA-256.
    pub fn algorithm(&self) -> Algorithm {
        self.digest.map_or(Algorithm::Sha256, |digest| digest.algorithm())
    }

    /// Compares the size of a blob.
    ///
    /// # Errors
    ///
    /// A mismatch of `size`.
    pub fn check_size(&self, found: u64) -> Result<()> {
        check(Property::Size, self.size, found)
    }

    /// Compares the digest of a blob.
    ///
    /// # Errors
    ///
    /// A mismatch of `digest`.
    pub fn check_digest(&self, found: Digest) -> Result<()> {
        check(Property::Digest, self.digest, found)
    }

    /// Compares bytes that are in memory: their size, then their digest.
    ///
    /// # Errors
    ///
    /// A mismatch of `size` or `digest`.
    pub fn check_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.check_size(bytes.len() as u64)?;
        match self.digest {
            Some(digest) => self.check_digest(Digest::of(digest.algorithm(), bytes)),
            None => Ok(()),
        }
    }
}

/// Compares one property of a blob, where something is expected of it.
pub(crate) fn check<T: PartialEq + fmt::Display>(what: Property, expected: Option<T>, found: T) -> Result<()> {
    match expected {
        Some(expected) if expected != found => Err(Error::mismatch(what, expected, found)),
        _ => Ok(()),
    }
}

/// What a blob that was read to its end has turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Its digest, with the algorithm that was expected, or SHA-256.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
}

/// Reads a blob and hashes it. The end is reached only if the blob has the size and the digest that are expected of it.
pub struct VerifiedReader<R> {
    source: R,
    expected: Expected,
    count: u64,
    /// None at its end.
    hashing: Option<Hashing>,
    /// Set at its end.
    digest: Option<Digest>,
}

impl<R: Read> VerifiedReader<R> {
    /// A reader at the start of a blob.
    pub fn new(source: R, expected: Expected) -> Self {
        let hashing = Some(Hashing::Here(Hasher::new(expected.algorithm())));
        Self { source, expected, count: 0, hashing, digest: None }
    }

    /// What the blob has to be.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// How many bytes have been read.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of the blob, once its end has been reached.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Has the end been reached?
    pub fn is_at_end(&self) -> bool {
        self.digest.is_some()
    }

    /// Hashes on a thread of its own from here on, so that the reading thread does not wait for it.
    ///
    /// # Errors
    ///
    /// The thread could not be started.
    pub fn hash_aside(&mut self) -> Result<()> {
        self.hashing = self.hashing.take().map(Hashing::set_aside).transpose()?;
        Ok(())
    }

    /// Reads into `space`; 0 bytes at the end of the blob, or where there is no space.
    ///
    /// # Errors
    ///
    /// The source can't be read; at the end also a mismatch of size or digest.
    pub fn read_some(&mut self, space: &mut [u8]) -> Result<usize> {
        if space.is_empty() {
            return Ok(0);
        }
        let n = loop {
            match self.source.read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| Error::io("cannot read", error))?,
            }
        };
        // A source may claim to have read more than there was space for.
        let fresh = space.get(..n).ok_or_else(|| Error::io("cannot read", io::ErrorKind::InvalidData.into()))?;
        if let Some(hashing) = &mut self.hashing {
            hashing.update(fresh);
        }
        self.count += n as u64;
        match self.expected.size {
            Some(size) if self.count > size => {
                return Err(Error::mismatch(Property::Size, size, format!("{} or more", self.count)));
            }
            _ if n == 0 => self.end()?,
            _ => {}
        }
        Ok(n)
    }

    fn end(&mut self) -> Result<()> {
        self.expected.check_size(self.count)?;
        self.digest = self.hashing.take().map(Hashing::finish).or(self.digest);
        self.digest.map_or(Ok(()), |found| self.expected.check_digest(found))
    }

    /// Reads to the end.
    ///
    /// # Errors
    ///
    /// The source can't be read, or a mismatch of size or digest.
    pub fn drain(&mut self) -> Result<Verified> {
        self.for_each_chunk(|_| Ok(()))
    }

    /// Reads to the end, and shows what was read.
    ///
    /// # Errors
    ///
    /// Those of `each`, and those of [`drain`](Self::drain).
    pub fn for_each_chunk(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<Verified> {
        let mut buffer = memory::zeros(CHUNK)?;
        loop {
            let n = self.read_some(&mut buffer)?;
            match self.digest {
                Some(digest) if n == 0 => return Ok(Verified { digest, size: self.count }),
                // The hashing thread could not be started, and reading went on all the same.
                None if n == 0 => return Err(Error::missing("digest")),
                _ => each(buffer.get(..n).unwrap_or_default())?,
            }
        }
    }
}

impl<R: Read> Read for VerifiedReader<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_some(space)?)
    }
}

impl<R> fmt::Debug for VerifiedReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedReader")
            .field("expected", &self.expected)
            .field("count", &self.count)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Where the blob is hashed.
enum Hashing {
    Here(Hasher),
    Aside { full: Sender<Vec<u8>>, free: Receiver<Vec<u8>>, thread: JoinHandle<Hasher> },
}

impl Hashing {
    fn set_aside(self) -> Result<Self> {
        let Self::Here(mut hasher) = self else { return Ok(self) };
        let (full, blocks) = bounded::<Vec<u8>>(WAITING);
        let (used, free) = bounded(WAITING);
        for _ in 0..WAITING {
            let _ = used.send(Vec::new());
        }
        let thread = thread::Builder::new()
            .name("hash".to_owned())
            .spawn(move || {
                for block in blocks {
                    hasher.update(&block);
                    let _ = used.send(block);
                }
                hasher
            })
            .map_err(not_started)?;
        Ok(Self::Aside { full, free, thread })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Here(hasher) => hasher.update(bytes),
            Self::Aside { full, free, .. } => {
                // Neither fails while the thread lives; if it has panicked, `finish` says so.
                if let Ok(mut block) = free.recv() {
                    block.clear();
                    block.extend_from_slice(bytes);
                    let _ = full.send(block);
                }
            }
        }
    }

    /// The digest of all that was read.
    fn finish(self) -> Digest {
        match self {
            Self::Here(hasher) => hasher.finish(),
            Self::Aside { full, thread, .. } => {
                drop(full);
                thread.join().unwrap_or_else(|panic| resume_unwind(panic)).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_reached_only_by_the_expected_bytes() {
        let bytes = vec![7; 3 * CHUNK + 1];
        let (digest, size) = (Digest::of(Algorithm::Sha512, &bytes), bytes.len() as u64);
        for aside in [false, true] {
            let drained = |expected: Expected| {
                let mut reader = VerifiedReader::new(&*bytes, expected);
                if aside {
                    reader.hash_aside().unwrap();
                }
                let result = reader.drain().map_err(|error| error.to_string());
                // What was wrong stays wrong.
                assert_eq!(reader.drain().is_ok(), result.is_ok());
                result
            };
            assert_eq!(drained(Expected::new(digest, size)).unwrap(), Verified { digest, size });
            assert_eq!(drained(Expected::default()).unwrap().digest, Digest::sha256(&bytes));
            for (size, text) in [(size + 1, "size does not match"), (size - 1, "or more")] {
                assert!(drained(Expected::new(digest, size)).unwrap_err().contains(text));
            }
            let other = Expected::new(Digest::sha256(b""), None);
            assert!(drained(other).unwrap_err().starts_with("digest does not match"));
        }
        assert!(Expected::new(digest, size).check_bytes(&bytes).is_ok());
        assert!(Expected::new(digest, size).check_bytes(b"").is_err());
    }

    #[test]
    fn no_space_is_not_the_end() {
        let mut reader = VerifiedReader::new(&b"abc"[..], Expected::new(Digest::sha256(b"abc"), None));
        assert_eq!(reader.read_some(&mut []).unwrap(), 0);
        assert!(!reader.is_at_end());
        assert_eq!(reader.drain().unwrap().size, 3);
    }
}
