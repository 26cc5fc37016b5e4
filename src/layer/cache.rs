//! Compressed chunks kept between runs, by content.
//!
//! The chunks of a large file are a function of its content alone (`form1.rs`): when the same image is restamped with
//! a new epoch, they are the same, and only headers and small files have to be compressed again. With the same epoch
//! all chunks are the same, and nothing has to be compressed.
//!
//! An entry is the file `2-form1-gzip-5/ab/cdef…`: the version of the entries, form, codec and level, and the BLAKE3 hash
//! of the uncompressed chunk. It holds the compressed chunk and a BLAKE3 hash over the entry's name and that. An entry
//! that does not add up, for whatever reason, is a miss; the output is the same with a cache and without. Any number of
//! processes may use the same directory: entries appear by renaming and are never changed, and one that is deleted
//! meanwhile is a miss. Nothing is synced: a torn entry does not add up.
//!
//! The cache is best effort: what fails in it costs time, not the run.

use std::fs::{self, File, Metadata};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};

use crate::blob;
use crate::error::{Error, Result};
use crate::layer::form1::{FORM, Output};
use crate::sync::{lock, not_started};

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
}

#[derive(Debug)]
struct Store {
    dir: PathBuf,
    max: u64,
    size: Mutex<Size>,
}

#[derive(Debug, Default)]
struct Size {
    /// Bytes as far as is known: other processes may add to it as well.
    bytes: u64,
    /// Is what was there at the start among them?
    is_counted: bool,
}

impl Cache {
    /// A cache in `dir`, which is made if it is not there, of at most about `max` bytes.
    pub fn open(dir: &Path, max: u64) -> Result<Self> {
        let failed = |error| Error::io("cannot open the cache", error).in_file(dir.display());
        fs::create_dir_all(dir).map_err(failed)?;
        let store = Arc::new(Store { dir: dir.to_owned(), max, size: Mutex::default() });
        fs::read_dir(dir).map_err(failed)?;
        let counted = Arc::clone(&store);
        let counting =
            thread::Builder::new().name("cache".to_owned()).spawn(move || counted.count()).map_err(not_started)?;
        Ok(Self { store, counting: Some(counting), hits: AtomicU64::new(0), misses: AtomicU64::new(0) })
    }

    /// How many chunks were found.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// How many were not.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// The compressed form of a chunk: from here, or else by `encode`, and then from here the next time.
    pub(super) fn get_or(
        &self,
        output: Output,
        chunk: &[u8],
        encode: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let name = name(output, chunk);
        // No codec makes more than a little more of a chunk than it is.
        if let Some(found) = self.store.get(&name, chunk.len() + chunk.len() / 8 + 1024) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let compressed = encode()?;
        self.store.put(&name, &compressed);
        Ok(compressed)
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
    fn get(&self, name: &str, most: usize) -> Option<Vec<u8>> {
        let (mut file, len) = blob::open_regular(&self.dir.join(name)).ok()?;
        let mut bytes = Vec::with_capacity(usize::try_from(len).ok()?.min(most));
        (&mut file).take(most as u64).read_to_end(&mut bytes).ok()?;
        let compressed = bytes.len().checked_sub(TRAILER)?;
        let (content, trailer) = bytes.split_at_checked(compressed)?;
        if checksum(name, content) != *trailer {
            return None;
        }
        touch(&file);
        bytes.truncate(compressed);
        Some(bytes)
    }

    /// Adds an entry, if it can.
    fn put(&self, name: &str, content: &[u8]) {
        if let Some(size) = self.try_put(name, content) {
            self.add(size);
        }
    }

    /// Adds an entry; how large it is, if that went well.
    fn try_put(&self, name: &str, content: &[u8]) -> Option<u64> {
        let path = self.dir.join(name);
        let dir = path.parent()?;
        fs::create_dir_all(dir).ok()?;
        let mut file = tempfile::NamedTempFile::new_in(dir).ok()?;
        file.write_all(content).ok()?;
        file.write_all(&checksum(name, content)).ok()?;
        file.persist(path).ok()?;
        Some(on_disk((content.len() + TRAILER) as u64))
    }

    /// Counts what was there at the start. What is added meanwhile may count twice: [`trim`](Self::trim) looks again.
    fn count(&self) {
        let mut bytes = 0;
        self.for_each(|_, metadata| bytes += on_disk(metadata.len()));
        lock(&self.size).is_counted = true;
        self.add(bytes);
    }

    /// Notes that bytes were added, and makes room if there are too many.
    fn add(&self, bytes: u64) {
        let mut size = lock(&self.size);
        size.bytes = size.bytes.saturating_add(bytes);
        if size.is_counted && size.bytes > self.max {
            size.bytes = self.trim();
        }
    }

    /// If there really is too much, deletes what was used least recently until a tenth is free; how many bytes are left,
    /// without those that can't be deleted.
    fn trim(&self) -> u64 {
        let mut entries = self.entries();
        let mut size = entries.iter().map(|entry| entry.size).sum();
        if size <= self.max {
            return size;
        }
        entries.sort_by_key(|entry| entry.used);
        for entry in entries {
            if size <= self.max - self.max / 10 {
                break;
            }
            // What is gone was deleted by another process; what can't be deleted is no reason to try for ever.
            let _ = fs::remove_file(&entry.path);
            size -= entry.size;
        }
        size
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.for_each(|path, metadata| {
            if let Ok(used) = metadata.modified() {
                entries.push(Entry { path: path(), size: on_disk(metadata.len()), used });
            }
        });
        entries
    }

    /// Shows all entries, of other codecs and levels as well, and what killed processes have left behind; nothing else
    /// that stands in the directory. What can't be read is passed over.
    fn for_each(&self, mut each: impl FnMut(&dyn Fn() -> PathBuf, &Metadata)) {
        let folders = |dir: &Path| {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        };
        let codecs = folders(&self.dir).filter(|codec| codec.file_name().to_string_lossy().contains("form"));
        for shard in codecs.flat_map(|codec| folders(&codec.path())).filter(|shard| shard.file_name().len() == 2) {
            for file in fs::read_dir(shard.path()).into_iter().flatten().flatten() {
                // Gone in the meantime: another process makes room.
                if let Some(metadata) = file.metadata().ok().filter(Metadata::is_file) {
                    each(&|| file.path(), &metadata);
                }
            }
        }
    }
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

/// The name of a chunk's entry.
fn name(output: Output, chunk: &[u8]) -> String {
    let hex = blake3::hash(chunk).to_hex();
    let (head, tail) = hex.split_at(2);
    format!("{VERSION}-form{FORM}-{}-{}/{head}/{tail}", output.compression().name(), output.level())
}

/// Used just now: the kernel knows when that is. If it can't be noted, the entry goes sooner.
fn touch(file: &File) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now });
}

/// What a file of this size takes: whole blocks, as most filesystems have them.
fn on_disk(len: u64) -> u64 {
    len.next_multiple_of(4096)
}

/// What is at an entry's end. The name is in it, so that a file under a wrong name does not add up. No name outside of
/// the cache depends on it, so it is the hash that costs least.
fn checksum(name: &str, compressed: &[u8]) -> [u8; TRAILER] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(compressed);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    static CHUNK: [u8; 1 << 17] = [7; 1 << 17];

    fn get(cache: &Cache, chunk: &[u8], otherwise: &[u8]) -> Vec<u8> {
        cache.get_or(Output::GZIP, chunk, || Ok(otherwise.to_vec())).unwrap()
    }

    fn files(cache: &Cache) -> Vec<PathBuf> {
        cache.store.entries().into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(get(&cache, &CHUNK, b"compressed"), b"compressed");
        assert_eq!(get(&cache, &CHUNK, b"not asked for"), b"compressed");
        assert_eq!((cache.hits(), cache.misses()), (1, 1));
        // Another process, another codec.
        let cache = Cache::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(get(&cache, &CHUNK, b"not asked for"), b"compressed");
        assert_eq!(cache.get_or(Output::ZSTD, &CHUNK, || Ok(b"other".to_vec())).unwrap(), b"other");
    }

    #[test]
    fn an_entry_that_does_not_add_up_is_a_miss_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 1 << 20).unwrap();
        get(&cache, &CHUNK, b"compressed");
        let path = files(&cache).remove(0);
        let good = fs::read(&path).unwrap();
        let mut bad = vec![vec![], good[..31].to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
        bad.extend((0..good.len()).map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        }));
        // A whole entry under another name.
        get(&cache, &[8; 1 << 17], b"of another chunk");
        let other = files(&cache).into_iter().find(|other| *other != path).unwrap();
        bad.push(fs::read(other).unwrap());
        for bytes in bad {
            fs::write(&path, &bytes).unwrap();
            assert_eq!(get(&cache, &CHUNK, b"compressed"), b"compressed");
            assert_eq!(fs::read(&path).unwrap(), good);
        }
        assert_eq!(cache.hits(), 0);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(get(&cache, &CHUNK, b"compressed"), b"compressed", "best effort");
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["mine", "form1-gzip-5/mine", "form1-gzip-5/long/mine", "other/ab/mine"] {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            fs::write(dir.path().join(file), [0; 5000]).unwrap();
        }
        let cache = Cache::open(dir.path(), 10 * 4096).unwrap();
        let chunk = |i: u8| vec![i; 1 << 16];
        for i in 0..8 {
            get(&cache, &chunk(i), &[i; 4000]);
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        assert_eq!(get(&cache, &chunk(0), b"gone"), [0; 4000]);
        for i in 8..11 {
            get(&cache, &chunk(i), &[i; 4000]);
        }
        let size: u64 = cache.store.entries().iter().map(|entry| entry.size).sum();
        assert!(size <= 10 * 4096, "{size}");
        assert_eq!(get(&cache, &chunk(0), b"gone"), [0; 4000], "used not long ago");
        assert_eq!(get(&cache, &chunk(1), b"gone"), b"gone");
        assert!(dir.path().join("mine").exists() && dir.path().join("other/ab/mine").exists());
        assert!(dir.path().join("form1-gzip-5/mine").exists() && dir.path().join("form1-gzip-5/long/mine").exists());
        // A smaller limit holds from the start.
        drop(Cache::open(dir.path(), 3 * 4096).unwrap());
        let cache = Cache::open(dir.path(), 3 * 4096).unwrap();
        assert!(cache.store.entries().iter().map(|entry| entry.size).sum::<u64>() <= 3 * 4096);
        assert!(!files(&cache).is_empty());
    }
}
