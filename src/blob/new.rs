//! Blobs that are made in this run, in temporary files.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::Extent;
use crate::error::{Error, Result};
use crate::sync::lock;

/// A blob up to this size has no file of its own.
const SMALL: usize = 64 << 10;

/// Makes temporary files.
#[derive(Clone)]
struct Temporary(Arc<dyn Fn() -> Result<File> + Send + Sync>);

impl fmt::Debug for Temporary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Temporary").finish_non_exhaustive()
    }
}

impl Temporary {
    fn file(&self) -> Result<File> {
        (self.0)()
    }
}

/// Where new blobs are kept: a large one in a file of its own, which can be given a name later, small ones one after the
/// other in one file. Thousands of files take thousands of descriptors, and ext4 looks for a free inode among all that
/// were freed within the last seconds.
pub struct NewBlobs {
    temporary: Temporary,
    /// Where layers go of which nothing but the digests is asked for.
    discarded: Option<Temporary>,
    shared: Mutex<Option<Shared>>,
}

struct Shared {
    extent: Extent,
    len: u64,
}

impl fmt::Debug for NewBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewBlobs").finish_non_exhaustive()
    }
}

impl NewBlobs {
    /// Nothing is made before it is needed.
    pub fn new(create: impl Fn() -> Result<File> + Send + Sync + 'static) -> Self {
        Self { temporary: Temporary(Arc::new(create)), discarded: None, shared: Mutex::default() }
    }

    /// The same, but new layers are hashed and not kept, but for small ones.
    #[must_use]
    pub fn without_layers(mut self) -> Self {
        // Where a root filesystem has no such device they are made as any others.
        let create = || File::options().read(true).write(true).open("/dev/null");
        let create = move || create().map_err(|e| Error::io("cannot open /dev/null", e));
        self.discarded = Path::new("/dev/null").exists().then(|| Temporary(Arc::new(create)));
        self
    }

    /// A blob that is yet to be written.
    pub fn writer(&self) -> NewBlob<'_> {
        NewBlob { blobs: self, temporary: &self.temporary, start: Vec::new(), file: None, len: 0 }
    }

    /// A layer that is yet to be written.
    pub fn layer_writer(&self) -> NewBlob<'_> {
        NewBlob { temporary: self.discarded.as_ref().unwrap_or(&self.temporary), ..self.writer() }
    }

    /// A blob of these bytes.
    ///
    /// # Errors
    ///
    /// The temporary file can't be made or written.
    pub fn keep(&self, bytes: &[u8]) -> Result<Extent> {
        let mut writer = self.writer();
        writer.write(bytes)?;
        writer.finish()
    }

    fn share(&self, bytes: &[u8]) -> Result<Extent> {
        let mut shared = lock(&self.shared);
        let shared = match &mut *shared {
            Some(shared) => shared,
            none => none.insert(Shared { extent: Extent::of_file(self.temporary.file()?, u64::MAX), len: 0 }),
        };
        let at = shared.len;
        if let Some(file) = shared.extent.open_file() {
            file.write_all_at(bytes, at).map_err(Error::of_new_blob)?;
        }
        shared.len += bytes.len() as u64;
        Ok(shared.extent.part(at, bytes.len() as u64))
    }
}

/// A blob in the making.
#[derive(Debug)]
pub struct NewBlob<'b> {
    blobs: &'b NewBlobs,
    temporary: &'b Temporary,
    /// All of it, as long as it is small.
    start: Vec<u8>,
    file: Option<File>,
    len: u64,
}

impl NewBlob<'_> {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// The temporary file can't be made or written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        if self.file.is_none() {
            if self.start.len() + bytes.len() <= SMALL {
                self.start.extend_from_slice(bytes);
                return Ok(());
            }
            let mut file = self.temporary.file()?;
            file.write_all(&self.start).map_err(Error::of_new_blob)?;
            self.start = Vec::new();
            self.file = Some(file);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes)).map_err(Error::of_new_blob)
    }

    /// The blob, which is complete.
    ///
    /// # Errors
    ///
    /// The temporary file can't be made or written.
    pub fn finish(self) -> Result<Extent> {
        match self.file {
            Some(file) => Ok(Extent::of_file(file, self.len)),
            None => self.blobs.share(&self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn small_blobs_share_a_file_and_large_ones_have_their_own() {
        let files = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&files);
        let blobs = NewBlobs::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            tempfile::tempfile().map_err(|e| Error::io("cannot make a file", e))
        });
        let mut kept: Vec<(Vec<u8>, Extent)> = Vec::new();
        for size in [0, 1, SMALL, 3] {
            let bytes = vec![size as u8 + 1; size];
            let extent = blobs.keep(&bytes).unwrap();
            kept.push((bytes, extent));
        }
        assert_eq!(files.load(Ordering::Relaxed), 1);
        let mut large = blobs.writer();
        large.write(&[1; SMALL]).unwrap();
        large.write(&[2]).unwrap();
        kept.push(([&[1; SMALL][..], &[2]].concat(), large.finish().unwrap()));
        assert_eq!(files.load(Ordering::Relaxed), 2);
        assert!(kept.iter().all(|(bytes, extent)| extent.bytes(1 << 20).unwrap() == *bytes));
    }
}
