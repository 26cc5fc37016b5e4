//! How much room the cache takes, which files in its directory are its own, and which of them are removed.

use std::sync::Mutex;
use std::time::SystemTime;

use super::folder::{Folder, UNFINISHED};
use crate::error::{Error, Result};
use crate::sync::lock;

/// Tells backup programs that what is here can be made again (the Cache Directory Tagging Specification).
const TAG: &str = "CACHEDIR.TAG";
const SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55";
const TAG_REST: &str = "
# This file marks a cache directory of restamp (restamp rewrite --cache). It can be deleted at any time.
# For what this file is: https://bford.info/cachedir/
";
/// Hexadecimal digits of an entry's name, without those of its shard.
const FILE_DIGITS: usize = 2 * blake3::OUT_LEN - SHARD_DIGITS;
const SHARD_DIGITS: usize = 2;
/// Files are counted in whole blocks, as most filesystems have them.
const BLOCK: u64 = 4096;

/// The limit, and what is known of how much there is.
#[derive(Debug)]
pub(super) struct Room {
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

impl Room {
    pub(super) fn new(max: u64) -> Self {
        Self { max, size: Mutex::default() }
    }

    /// Counts what was there at the start. What is added meanwhile may count twice: [`trim`](Self::trim) looks again.
    pub(super) fn count(&self, folder: &Folder) {
        let bytes = entries(folder).iter().map(|entry| entry.size).sum();
        lock(&self.size).is_counted = true;
        self.add(folder, bytes);
    }

    /// Notes that a file of this size was added, and makes room if there is too much.
    pub(super) fn add(&self, folder: &Folder, bytes: u64) {
        let mut size = lock(&self.size);
        size.bytes = size.bytes.saturating_add(on_disk(bytes));
        if size.is_counted && size.bytes > self.max {
            size.bytes = self.trim(folder);
        }
    }

    /// If there really is too much, deletes what was used least recently until a tenth is free; how many bytes are left,
    /// without those that can't be deleted.
    fn trim(&self, folder: &Folder) -> u64 {
        let mut entries = entries(folder);
        let mut size = entries.iter().map(|entry| entry.size).sum();
        if size <= self.max {
            return size;
        }
        entries.sort_by_key(|entry| entry.used);
        for Entry { codec, shard, file, size: freed, .. } in &entries {
            if size <= self.max - self.max / 10 {
                break;
            }
            // What is gone was deleted by another process; what can't be deleted is no reason to try for ever.
            if let Ok(Some(shard)) = folder.folder(codec).and_then(|codec| within(codec, shard)) {
                shard.remove(file);
            }
            size -= freed;
        }
        size
    }
}

/// A file of the cache's own.
#[derive(Debug)]
pub(super) struct Entry {
    codec: String,
    shard: String,
    file: String,
    pub(super) size: u64,
    used: SystemTime,
}

impl Entry {
    #[cfg(test)]
    pub(super) fn name(&self) -> String {
        format!("{}/{}/{}", self.codec, self.shard, self.file)
    }
}

/// All entries, of other versions, codecs and levels as well, and what killed processes have left over; nothing else
/// that is in the directory. What can't be read, or may not be trusted, is passed over.
pub(super) fn entries(folder: &Folder) -> Vec<Entry> {
    let mut entries = Vec::new();
    for codec in own(folder, is_codec) {
        let Ok(Some(in_codec)) = folder.folder(&codec) else { continue };
        for shard in own(&in_codec, |name| is_hex(name, SHARD_DIGITS)) {
            let Ok(Some(in_shard)) = in_codec.folder(&shard) else { continue };
            for file in own(&in_shard, is_file) {
                // Gone in the meantime: another process makes room.
                let Ok(Some((open, len))) = in_shard.file(&file) else { continue };
                if let Ok(used) = open.metadata().and_then(|metadata| metadata.modified()) {
                    let (codec, shard) = (codec.clone(), shard.clone());
                    entries.push(Entry { codec, shard, file, size: on_disk(len), used });
                }
            }
        }
    }
    entries
}

/// Marks the directory as a cache; an error where it has other things in it and no mark.
pub(super) fn claim(folder: &Folder) -> Result<()> {
    if is_tagged(folder)? {
        return Ok(());
    }
    let is_own = |name: &str| is_codec(name) || name == TAG || name == "lost+found" || name.starts_with(UNFINISHED);
    let foreign = folder.names().into_iter().find(|name| !name.to_str().is_some_and(is_own));
    if let Some(foreign) = foreign {
        let text = format!(
            "this is not a cache: it holds {:?} and no {TAG}; name a new or empty directory",
            foreign.to_string_lossy()
        );
        return Err(Error::refused(text).in_file(folder.path().display()));
    }
    // Where it can't be written nothing else can, and all that is missed is time.
    let _ = folder.save(TAG, &[SIGNATURE.as_bytes(), TAG_REST.as_bytes()]);
    Ok(())
}

fn is_tagged(folder: &Folder) -> Result<bool> {
    use std::io::Read;
    let Some((file, _)) = folder.file(TAG)? else { return Ok(false) };
    let mut head = Vec::new();
    let read = file.take(SIGNATURE.len() as u64).read_to_end(&mut head);
    Ok(read.is_ok() && head == SIGNATURE.as_bytes())
}

fn within(codec: Option<Folder>, shard: &str) -> Result<Option<Folder>> {
    codec.map_or(Ok(None), |codec| codec.folder(shard))
}

fn own(folder: &Folder, is_own: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    folder.names().into_iter().filter_map(|name| name.into_string().ok()).filter(move |name| is_own(name))
}

/// `2-form1-gzip-5`; entries of the first version had no number before the form.
fn is_codec(name: &str) -> bool {
    let mut parts = name.split('-').peekable();
    parts.next_if(|part| is_number(part));
    let form = parts.next().and_then(|part| part.strip_prefix("form"));
    form.is_some_and(is_number)
        && parts.next().is_some_and(|codec| matches!(codec, "gzip" | "zstd"))
        && parts.next().is_some_and(is_number)
        && parts.next().is_none()
}

/// An entry, a record of the first version, or what a process that was killed has left over.
fn is_file(name: &str) -> bool {
    is_hex(name.strip_suffix(".record").unwrap_or(name), FILE_DIGITS)
        || name.starts_with(UNFINISHED)
        || name.starts_with(".tmp")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hex(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn on_disk(len: u64) -> u64 {
    len.next_multiple_of(BLOCK)
}
