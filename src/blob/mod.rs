//! Byte ranges of files, and reading them verified.
//!
//! A blob is never read whole into memory unless it is a document, whose size is limited, and never read
//! without being compared with the digest and size that name it. What is never done here: interpreting
//! the bytes.

#[cfg(feature = "registry")]
mod ahead;
mod beneath;
mod new;
mod read;
mod spool_writer;
#[cfg(test)]
mod tests;
mod verified;

#[cfg(feature = "registry")]
pub use ahead::Ahead;
pub(crate) use beneath::open_beneath;
pub use new::{NewBlob, NewBlobs};
pub use read::{ExtentReader, for_each_chunk, read_full};
pub use spool_writer::SpoolWriter;
pub(crate) use verified::check;
pub use verified::{Expected, VerifiedReader};

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Result};

/// Bytes that are read or copied at a time.
pub const CHUNK: usize = 256 << 10;

/// The identity of an [`Extent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ExtentId(usize, u64, u64);

/// A range of bytes of a file, which any number of threads may read at the same time.
#[derive(Clone)]
pub struct Extent {
    backing: Arc<Backing>,
    start: u64,
    len: u64,
}

enum Backing {
    /// An open file: an archive, or a spool without a name.
    Open(File),
    /// A file that is opened while it is read, as a layout may have thousands of them.
    Path(PathBuf),
    /// A spool that is still being filled.
    SpoolWriter(Arc<SpoolWriter>),
    /// A blob that a descriptor carries in its `data`.
    Memory(Vec<u8>),
    /// A blob elsewhere, which arrives in a spool once it is read.
    #[cfg(feature = "registry")]
    Late(Arc<dyn Late>),
}

/// Bytes that are elsewhere until they are needed.
#[cfg(feature = "registry")]
pub(crate) trait Late: Send + Sync {
    /// Has them fetched, if they are not yet: the spool that they arrive in.
    fn start(&self) -> Result<Arc<SpoolWriter>>;

    /// They are no longer needed: readers that wait for them get an error.
    fn abandon(&self);
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extent").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Extent {
    /// All of an open file that has `len` bytes.
    pub fn of_file(file: File, len: u64) -> Self {
        Self { backing: Arc::new(Backing::Open(file)), start: 0, len }
    }

    /// The file, where it is one that is open.
    fn open_file(&self) -> Option<&File> {
        match &*self.backing {
            Backing::Open(file) => Some(file),
            _ => None,
        }
    }

    /// All of a spool, as far as it will have been filled.
    pub(crate) fn of_spool_writer(growing: Arc<SpoolWriter>) -> Self {
        Self { backing: Arc::new(Backing::SpoolWriter(growing)), start: 0, len: u64::MAX }
    }

    /// As many bytes that are fetched once they are read.
    #[cfg(feature = "registry")]
    pub(crate) fn late(late: Arc<dyn Late>, len: u64) -> Self {
        Self { backing: Arc::new(Backing::Late(late)), start: 0, len }
    }

    /// Says that it will be read, so that what is elsewhere may be fetched now.
    ///
    /// # Errors
    ///
    /// If there is no temporary file or thread for that.
    pub(crate) fn prepare(&self) -> Result<()> {
        match &*self.backing {
            #[cfg(feature = "registry")]
            Backing::Late(late) => late.start().map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Says that it is not needed any more. What is still on the way does not come.
    pub(crate) fn abandon(&self) {
        #[cfg(feature = "registry")]
        if let Backing::Late(late) = &*self.backing {
            late.abandon();
        }
    }

    /// Bytes that are in memory already.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self { backing: Arc::new(Backing::Memory(bytes)), start: 0, len }
    }

    /// A regular file; `None` where there is none. A symlink is followed (rules_oci makes layouts of them),
    /// but anything that could block or act when opened is refused.
    ///
    /// # Errors
    ///
    /// It is there, but can't be opened, or is no regular file.
    pub fn of_path(path: &Path) -> Result<Option<Self>> {
        match open_regular(path) {
            Ok((_, len)) => Ok(Some(Self { backing: Arc::new(Backing::Path(path.to_owned())), start: 0, len })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("cannot open", error).in_file(path.display())),
        }
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// What tells it from others while both are open: its file, and where in that it is.
    pub(crate) fn id(&self) -> ExtentId {
        ExtentId(Arc::as_ptr(&self.backing).addr(), self.start, self.len)
    }

    /// Has it no bytes at all?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of it; what lies outside is cut off.
    #[must_use]
    pub fn part(&self, start: u64, len: u64) -> Self {
        let start = start.min(self.len);
        Self { backing: Arc::clone(&self.backing), start: self.start + start, len: len.min(self.len - start) }
    }

    /// A reader over all its bytes.
    ///
    /// # Errors
    ///
    /// The file can't be opened.
    pub fn reader(&self) -> Result<ExtentReader> {
        let file = match &*self.backing {
            Backing::Path(path) => {
                let (file, _) = open_regular(path).map_err(|e| Error::io("cannot open", e).in_file(path.display()))?;
                Some(file)
            }
            _ => None,
        };
        Ok(ExtentReader { extent: self.clone(), file, position: 0 })
    }

    /// All its bytes, at most `limit`: for documents.
    ///
    /// # Errors
    ///
    /// There are more than `limit`, or they can't be read.
    pub fn bytes(&self, limit: u64) -> Result<Vec<u8>> {
        if self.len > limit {
            return Err(Error::limit("size in bytes", limit, self.len));
        }
        let mut bytes = Vec::new();
        self.reader()?.read_to_end(&mut bytes).map_err(|e| Error::io("cannot read", e))?;
        self.as_long().check_size(bytes.len() as u64)?;
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    /// What is expected of all its bytes: that there are as many as were there when it was opened.
    fn as_long(&self) -> Expected {
        Expected { digest: None, size: Some(self.len) }
    }

    /// All its bytes, which must have this digest and size.
    ///
    /// # Errors
    ///
    /// A mismatch of size or digest, more bytes than `limit`, or a failure to read, with the digest as its place.
    pub fn verified_bytes(&self, digest: &Digest, size: Option<u64>, limit: u64) -> Result<Vec<u8>> {
        let expected = Expected::new(*digest, size);
        let bytes = expected.check_size(self.len).and_then(|()| self.bytes(limit));
        bytes.and_then(|bytes| expected.check_bytes(&bytes).map(|()| bytes)).map_err(|e| e.in_blob(digest))
    }

    /// Compares all its bytes with what is expected of them; they are not read where that is a size alone.
    ///
    /// # Errors
    ///
    /// A mismatch of size or digest, or a failure to read; the place of the blob is not in it.
    pub(crate) fn verify(&self, expected: &Expected) -> Result<()> {
        expected.check_size(self.len)?;
        if expected.digest.is_some() {
            self.verified_reader(*expected)?.drain()?;
        }
        Ok(())
    }

    /// A reader over all its bytes which fails at the end if they are not what is expected.
    ///
    /// # Errors
    ///
    /// The file can't be opened.
    pub(crate) fn verified_reader(&self, expected: Expected) -> Result<VerifiedReader<ExtentReader>> {
        Ok(VerifiedReader::new(self.reader()?, expected))
    }

    /// The first bytes, up to as many as `buffer` takes.
    ///
    /// # Errors
    ///
    /// They can't be read.
    pub fn head(&self, buffer: &mut [u8]) -> Result<usize> {
        read_full(&mut self.reader()?, buffer).map_err(|e| Error::io("cannot read", e))
    }

    /// Hashes all its bytes.
    ///
    /// # Errors
    ///
    /// They can't be read.
    pub(crate) fn digest(&self, algorithm: Algorithm) -> Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        self.for_each_chunk(|chunk| {
            hasher.update(chunk);
            Ok(())
        })?;
        Ok(hasher.finish())
    }

    /// Writes all its bytes and verifies them on the way.
    ///
    /// # Errors
    ///
    /// A mismatch of size or digest, or a failure to read or write, with the digest as its place.
    pub fn copy_verified(&self, digest: &Digest, out: &mut dyn Write) -> Result<()> {
        let expected = Expected::new(*digest, self.len);
        let write = |chunk: &[u8]| out.write_all(chunk).map_err(|e| Error::io("cannot write", e));
        let copied = self.verified_reader(expected).and_then(|mut reader| reader.for_each_chunk(write));
        copied.map(|_| ()).map_err(|e| e.in_blob(digest))
    }

    /// Writes all its bytes: for those that this process has hashed while it made them.
    ///
    /// # Errors
    ///
    /// A failure to read or write.
    pub fn copy(&self, out: &mut dyn Write) -> Result<()> {
        let mut copied = 0;
        self.for_each_chunk(|chunk| {
            copied += chunk.len() as u64;
            out.write_all(chunk).map_err(|e| Error::io("cannot write", e))
        })?;
        self.as_long().check_size(copied)
    }

    /// Writes all its bytes to a place in a file, copied by the kernel where it can (as a reflink where the filesystem
    /// has them), for those that this process has hashed while it made them.
    ///
    /// # Errors
    ///
    /// A failure to read or write.
    pub fn copy_to_file(&self, out: &mut File, at: u64) -> Result<()> {
        if self.copy_by_kernel(out, at)? {
            return Ok(());
        }
        out.seek(SeekFrom::Start(at)).map_err(|e| Error::io("cannot seek", e))?;
        self.copy(out)
    }

    /// Writes all its bytes to a place in a file, copied by the kernel where it can, then verifies what has arrived
    /// there: what is published is what was hashed.
    ///
    /// # Errors
    ///
    /// A mismatch of digest, or a failure to read or write.
    pub fn copy_verified_to_file(&self, digest: &Digest, out: &mut File, at: u64) -> Result<()> {
        if !self.copy_by_kernel(out, at).map_err(|e| e.in_blob(digest))? {
            out.seek(SeekFrom::Start(at)).map_err(|e| Error::io("cannot seek", e))?;
            return self.copy_verified(digest, out);
        }
        let written =
            Self::of_file(out.try_clone().map_err(|e| Error::io("cannot copy", e))?, u64::MAX).part(at, self.len);
        written.verify(&Expected::new(*digest, None)).map_err(|e| e.in_blob(digest))
    }

    /// Gives the file that it is all of a name, if that has none yet; false where that can't be, whatever the reason.
    pub fn link_to(&self, path: &Path) -> bool {
        use std::os::fd::AsRawFd;
        let Backing::Open(file) = &*self.backing else { return false };
        let is_all = self.start == 0 && file.metadata().is_ok_and(|file| file.len() == self.len && file.nlink() == 0);
        // open(2), O_TMPFILE: how a process without privileges does it.
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        is_all && rustix::fs::linkat(CWD, name, CWD, path, AtFlags::SYMLINK_FOLLOW).is_ok()
    }

    /// False if the kernel can't: across filesystems, and where there is no file to copy from.
    fn copy_by_kernel(&self, out: &File, at: u64) -> Result<bool> {
        let (Backing::Open(_) | Backing::Path(_)) = &*self.backing else { return Ok(false) };
        let reader = self.reader()?;
        let input = reader.plain_file().ok_or_else(|| Error::missing("open file"))?;
        let (mut from, mut to, mut left) = (self.start, at, self.len);
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
            match rustix::fs::copy_file_range(input, Some(&mut from), out, Some(&mut to), step) {
                // Some filesystems say so instead of refusing.
                Ok(0) if to == at => return Ok(false),
                Ok(0) => break,
                Ok(copied) => left -= copied as u64,
                Err(_) if to == at => return Ok(false),
                Err(error) => return Err(Error::io("cannot copy", error.into())),
            }
        }
        self.as_long().check_size(self.len - left)?;
        Ok(true)
    }

    fn for_each_chunk(&self, each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for_each_chunk(&mut self.reader()?, each)
    }
}

/// Opens a regular file; also how long it is. What could block or act when it is opened is refused.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    // Without O_NONBLOCK, opening a FIFO that was put there would wait for ever.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    regular(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

fn regular(file: File) -> io::Result<(File, u64)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    Ok((file, metadata.len()))
}
