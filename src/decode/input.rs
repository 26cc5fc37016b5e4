//! The bytes of a blob on their way in: read once, measured and hashed.

use std::io::{self, Read};
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Expect;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Result};
use crate::sync::not_started;

/// Compressed bytes are read in blocks of this size.
const BLOCK: usize = 256 << 10;
/// How many of them may wait for the thread that hashes them.
const WAITING: usize = 4;

/// Blocks of a blob, and what of them is not consumed yet.
pub(super) struct Input {
    blob: Blob,
    block: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new(source: Box<dyn Read + Send>, expect: Expect) -> Self {
        let algorithm = expect.digest.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let hashing = Some(Hashing::Here(Hasher::new(algorithm)));
        let blob = Blob { source, read: 0, hashing, digest: None, expect };
        Self { blob, block: vec![0; BLOCK], start: 0, end: 0 }
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

    /// Moves the next bytes to `space`, at least one unless the blob has ended: read right there where none are buffered.
    pub(super) fn take(&mut self, space: &mut [u8]) -> Result<usize> {
        let buffered = self.buffered();
        let n = buffered.len().min(space.len());
        if n == 0 {
            return if self.blob.is_at_end() { Ok(0) } else { self.blob.fetch(space) };
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
        self.blob.read - (self.end - self.start) as u64
    }

    /// How many bytes of the blob have been read.
    pub(super) fn read(&self) -> u64 {
        self.blob.read
    }

    /// The digest of the blob, once its end has been reached.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.blob.digest
    }

    /// Is there anything that its bytes are compared with?
    pub(super) fn is_verified(&self) -> bool {
        self.blob.expect.digest.is_some() || self.blob.expect.size.is_some()
    }

    /// Hashes on a thread of its own from here on.
    pub(super) fn hash_aside(&mut self) -> Result<()> {
        self.blob.hashing = self.blob.hashing.take().map(Hashing::set_aside).transpose()?;
        Ok(())
    }

    /// Reads on, keeping what is not consumed.
    fn fetch(&mut self) -> Result<()> {
        self.block.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        self.end += self.blob.fetch(self.block.get_mut(self.end..).unwrap_or_default())?;
        Ok(())
    }

    /// Reads to the end of the blob and drops it all, for what is verified there.
    pub(super) fn drain(&mut self) -> Result<()> {
        while !self.blob.is_at_end() {
            self.start = self.end;
            self.fetch()?;
        }
        Ok(())
    }
}

/// The blob itself. Its end is reached only if it has the size and the digest that were expected of it.
struct Blob {
    source: Box<dyn Read + Send>,
    read: u64,
    /// None at its end.
    hashing: Option<Hashing>,
    /// Set at its end.
    digest: Option<Digest>,
    expect: Expect,
}

impl Blob {
    fn is_at_end(&self) -> bool {
        self.digest.is_some()
    }

    /// Reads into `space`, which has room; 0 bytes at the end of the blob alone.
    fn fetch(&mut self, space: &mut [u8]) -> Result<usize> {
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
        self.read += n as u64;
        match self.expect.size {
            Some(size) if self.read > size => {
                return Err(Error::mismatch("size", size, format!("{} or more", self.read)));
            }
            Some(size) if n == 0 && self.read < size => return Err(Error::mismatch("size", size, self.read)),
            _ => {}
        }
        if n == 0 {
            self.digest = self.hashing.take().map(Hashing::finish).or(self.digest);
            if let (Some(expected), Some(found)) = (self.expect.digest, self.digest)
                && expected != found
            {
                return Err(Error::mismatch("digest", expected, found));
            }
        }
        Ok(n)
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

    /// The digest of all that went by.
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
