//! Compressed chunks kept between runs, by content.
//!
//! The chunks of a large file are a function of its content alone (`encode/`): when the same image is restamped with
//! a new epoch, they are the same, and only headers and small files have to be compressed again. With the same epoch
//! all chunks are the same, and nothing has to be compressed.
//!
//! An entry is the file `2-form1-gzip-5/ab/cdef…`: the version of the entries, form, codec and level, and the BLAKE3 hash
//! of the uncompressed chunk. It holds the compressed chunk and a BLAKE3 hash over the entry's name and that, which
//! finds damage. An entry that does not add up, for whatever reason, is a miss; the output is the same with a cache and
//! without. Any number of processes may use the same directory: entries appear by renaming and are never changed, and
//! one that is deleted meanwhile is a miss. Nothing is synced: a torn entry does not add up.
//!
//! # What is trusted
//!
//! Only how a chunk was compressed. The caller of a lookup has the chunk, and compares it with what the entry
//! decompresses to (`compare.rs`), so no entry changes the content of an image. It could still be another encoding of
//! the same content; so the directory and all that is used of it have to belong to root or the user, and no one else
//! may have the right to write them (`folder.rs`). Anything else there is an error.
//!
//! What fails otherwise costs time, not the run.

mod folder;
mod room;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};

use crate::error::Result;
use crate::layer::compare::Comparers;
use crate::layer::encode::{FORM, Output};
use crate::sync::not_started;
use folder::Folder;
use room::Room;

/// The version of the entries: those of another one are not read.
const VERSION: u32 = 2;
/// The hash at the end of an entry.
const TRAILER: usize = blake3::OUT_LEN;

/// A directory of compressed chunks.
#[derive(Debug)]
pub struct Cache {
    store: Arc<Store>,
    /// What was there at the start is counted while the work goes on: there may be very much.
    counting: Option<JoinHandle<()>>,
    hits: AtomicU64,
    misses: AtomicU64,
    /// Compare what is found.
    pub(super) comparers: Comparers,
}

#[derive(Debug)]
struct Store {
    folder: Folder,
    room: Room,
}

impl Cache {
    /// A cache in `dir`, which is made if it is not there, of at most about `max` bytes.
    ///
    /// # Errors
    ///
    /// If another user can write to the directory, or if it is not a cache and has other files in it.
    pub fn open(dir: &Path, max: u64) -> Result<Self> {
        let folder = Folder::open(dir)?;
        room::claim(&folder)?;
        let store = Arc::new(Store { folder, room: Room::new(max) });
        let counted = Arc::clone(&store);
        let counting = thread::Builder::new()
            .name("cache".to_owned())
            .spawn(move || counted.room.count(&counted.folder))
            .map_err(not_started)?;
        Ok(Self {
            store,
            counting: Some(counting),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            comparers: Comparers::default(),
        })
    }

    /// How many chunks were found.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// How many were not.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// What is kept of a chunk: to be compared with it before it is used.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        let found = self.store.get(key)?;
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    /// Keeps the compressed form of a chunk, if it can, instead of what is there.
    pub(super) fn put(&self, key: &Key, compressed: &[u8]) -> Result<()> {
        let shard = self.store.folder.make(&key.codec)?.map(|codec| codec.make(&key.shard)).transpose()?.flatten();
        let Some(shard) = shard else { return Ok(()) };
        if shard.save(&key.file, &[compressed, &checksum(key, compressed)]).is_some() {
            self.store.room.add(&self.store.folder, (compressed.len() + TRAILER) as u64);
        }
        Ok(())
    }
}

impl Drop for Cache {
    /// The limit holds at the end of a run, however short that was.
    fn drop(&mut self) {
        if let Some(counting) = self.counting.take() {
            let _ = counting.join();
        }
    }
}

impl Store {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        let shard = self.folder.folder(&key.codec)?.map(|codec| codec.folder(&key.shard)).transpose()?.flatten();
        let Some((file, len)) = shard.map(|shard| shard.file(&key.file)).transpose()?.flatten() else {
            return Ok(None);
        };
        Ok(read(file, len, key))
    }
}

/// The compressed chunk in an entry, if that is whole.
fn read(mut file: File, len: u64, key: &Key) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(len).ok()?.min(key.most));
    (&mut file).take(key.most as u64).read_to_end(&mut bytes).ok()?;
    let compressed = bytes.len().checked_sub(TRAILER)?;
    let (content, trailer) = bytes.split_at_checked(compressed)?;
    if checksum(key, content) != *trailer {
        return None;
    }
    touch(&file);
    bytes.truncate(compressed);
    Some(bytes)
}

/// The name of a chunk's entry.
#[derive(Debug)]
pub(super) struct Key {
    codec: String,
    shard: String,
    file: String,
    /// No entry for it is larger.
    most: usize,
}

impl Key {
    pub(super) fn new(output: Output, chunk: &[u8]) -> Self {
        let hex = blake3::hash(chunk).to_hex();
        let (shard, file) = hex.split_at(2);
        let codec = format!("{VERSION}-form{FORM}-{}-{}", output.compression().name(), output.level());
        // No codec makes more than a little more of a chunk than it is.
        let most = chunk.len() + chunk.len() / 8 + 1024;
        Self { codec, shard: shard.to_owned(), file: file.to_owned(), most }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.codec, self.shard, self.file)
    }
}

/// Used just now: the kernel knows when that is. If it can't be noted, the entry goes sooner.
fn touch(file: &File) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now });
}

/// What is at an entry's end. The name is in it, so that a file under a wrong name does not add up. No name outside of
/// the cache depends on it, so it is the hash that costs least.
fn checksum(key: &Key, compressed: &[u8]) -> [u8; TRAILER] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.to_string().as_bytes());
    hasher.update(compressed);
    *hasher.finalize().as_bytes()
}
