//! Takes what is wanted out of a layer while it is read.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::blob::{Extent, NewBlob, NewBlobs};
use crate::error::Result;
use crate::origin::Ecosystem;
use crate::origin::wanted::{Wanted, is_way, wanted};
use crate::packages::changelog;
use crate::repair::path::normal;
use crate::tar::Entry;

/// Bytes of names, of all layers together.
const NAMES: usize = 8 << 20;
/// What a record takes beside its name, rounded up.
const RECORD: usize = 96;
/// Bytes in temporary files, of all layers together.
const SPOOLED: u64 = 1 << 30;
/// Files of more than [`SMALL`] bytes, each of which is one that is open.
const LARGE: usize = 256;
/// A blob of this size shares a temporary file.
const SMALL: u64 = 64 << 10;
/// Before a name: hides what lower layers have of that name.
const WHITEOUT: &[u8] = b".wh.";
/// Hides what lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What all layers of a run may take.
#[derive(Debug)]
pub struct Budget {
    names: AtomicUsize,
    spooled: AtomicU64,
    large: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        let (names, large) = (AtomicUsize::new(NAMES), AtomicUsize::new(LARGE));
        Self { names, spooled: AtomicU64::new(SPOOLED), large }
    }
}

impl Budget {
    fn take_name(&self, length: usize) -> bool {
        let left = |left: usize| left.checked_sub(length + RECORD);
        self.names.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }

    fn take_spooled(&self, length: u64) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        let is_open =
            length <= SMALL || self.large.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        is_open
            && self.spooled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(length)).is_ok()
    }
}

/// What is at a path of a layer.
#[derive(Debug, Clone)]
pub enum What {
    /// A file that was kept, and its mtime.
    File(Extent, i64),
    /// A file that is not read, and why.
    Unread(&'static str),
    /// A changelog and the date of its newest entry.
    Changelog(i64),
    /// A file that is counted.
    Counted(Ecosystem),
    /// A symbolic link.
    Symlink(Box<[u8]>),
    /// A hard link to a path of the root filesystem.
    HardLink(Box<[u8]>),
    /// A directory on the way to something.
    Folder,
    /// Anything else.
    Other,
    /// Hides the path and all below it in lower layers.
    Hidden,
    /// Hides all below the path in lower layers.
    Opaque,
}

/// What was taken out of a layer, in its order.
#[derive(Debug, Default)]
pub struct LayerFiles {
    /// Paths, and what is there.
    pub records: Vec<(Box<[u8]>, What)>,
    /// Is something missing, since the names of all layers are too many?
    pub is_cut: bool,
}

/// Reads one layer.
pub struct FileTaker<'b> {
    blobs: &'b NewBlobs,
    budget: &'b Budget,
    found: LayerFiles,
    open: Option<Open<'b>>,
}

impl std::fmt::Debug for FileTaker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileTaker").field("found", &self.found.records.len()).finish_non_exhaustive()
    }
}

/// The file whose content goes by.
enum Open<'b> {
    Kept { path: Vec<u8>, mtime: i64, blob: NewBlob<'b> },
    Changelog { path: Vec<u8>, head: Vec<u8> },
}

impl<'b> FileTaker<'b> {
    /// Takes files out of a layer into blobs.
    pub fn new(blobs: &'b NewBlobs, budget: &'b Budget) -> Self {
        Self { blobs, budget, found: LayerFiles::default(), open: None }
    }

    /// An entry begins, and the last one has ended.
    ///
    /// # Errors
    ///
    /// A temporary file can't be written.
    pub fn entry(&mut self, entry: &Entry) -> Result<()> {
        self.close()?;
        if entry.is_behind_end() {
            return Ok(());
        }
        let path = normal(&entry.name());
        let (folder, base) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
            None => (&[][..], path.as_slice()),
        };
        if base == OPAQUE {
            self.add(folder, What::Opaque);
            return Ok(());
        }
        if let Some(name) = base.strip_prefix(WHITEOUT) {
            // Other names of this form are AUFS's own and hide nothing.
            if !name.starts_with(WHITEOUT) {
                let path = if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() };
                self.add(&path, What::Hidden);
            }
            return Ok(());
        }
        let wanted = wanted(&path);
        if wanted.is_none() && !is_way(&path) {
            return Ok(());
        }
        match (entry.kind(), wanted) {
            (b'5', _) => self.add(&path, What::Folder),
            (b'2', _) => self.add(&path, What::Symlink(entry.link_name().into())),
            (b'1', _) => self.add(&path, What::HardLink(normal(entry.link_name()).into())),
            (b'0' | 0 | b'7', _) if entry.name().ends_with(b"/") => self.add(&path, What::Folder),
            (b'0' | 0 | b'7' | b'S', Some(wanted)) => self.file(path, wanted, entry)?,
            _ => self.add(&path, What::Other),
        }
        Ok(())
    }

    fn file(&mut self, path: Vec<u8>, wanted: Wanted, entry: &Entry) -> Result<()> {
        let mtime = entry.mtime().seconds;
        let is_sparse = entry.kind() == b'S' || entry.sparse_size().is_some();
        match wanted {
            Wanted::Counted(ecosystem) => self.add(&path, What::Counted(ecosystem)),
            Wanted::Changelog if is_sparse => {}
            Wanted::Changelog => self.open = Some(Open::Changelog { path, head: Vec::new() }),
            Wanted::Kept(_) if is_sparse => self.add(&path, What::Unread("it is a sparse file")),
            // Empty, or one of which only the mtime matters and whether it is empty.
            Wanted::Kept(0) if entry.size() == 0 => self.add(&path, What::File(Extent::of_bytes(Vec::new()), mtime)),
            Wanted::Kept(0) => self.add(&path, What::File(Extent::of_bytes(vec![0]), mtime)),
            Wanted::Kept(limit) if entry.size() > limit => self.add(&path, What::Unread("it is too large")),
            Wanted::Kept(_) if !self.budget.take_spooled(entry.size()) => {
                self.add(&path, What::Unread("all such files together are too large"));
            }
            Wanted::Kept(_) => self.open = Some(Open::Kept { path, mtime, blob: self.blobs.writer() }),
        }
        Ok(())
    }

    /// A piece of the last entry's content.
    ///
    /// # Errors
    ///
    /// A temporary file can't be written.
    pub fn content(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.open {
            Some(Open::Kept { blob, .. }) => blob.write(bytes),
            Some(Open::Changelog { head, .. }) => {
                let room = changelog::MAX_COMPRESSED.saturating_sub(head.len()).min(bytes.len());
                head.extend_from_slice(bytes.get(..room).unwrap_or_default());
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some(Open::Kept { path, mtime, blob }) => self.add(&path, What::File(blob.finish()?, mtime)),
            Some(Open::Changelog { path, head }) => {
                if let Some(date) = changelog::newest_of_gzip(&head) {
                    self.add(&path, What::Changelog(date));
                }
            }
            None => {}
        }
        Ok(())
    }

    fn add(&mut self, path: &[u8], what: What) {
        let more = match &what {
            What::Symlink(target) | What::HardLink(target) => target.len(),
            _ => 0,
        };
        if self.budget.take_name(path.len() + more) {
            self.found.records.push((path.into(), what));
        } else {
            self.found.is_cut = true;
        }
    }

    /// The layer has ended.
    ///
    /// # Errors
    ///
    /// A temporary file can't be written.
    pub fn finish(mut self) -> Result<LayerFiles> {
        self.close()?;
        Ok(self.found)
    }
}
