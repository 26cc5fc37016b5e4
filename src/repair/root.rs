//! Copies of mtimes and their originals in the root filesystem that the layers of an image make.
//!
//! A copy may be in another layer than its original, before or after it, so this is known only when all layers of an
//! image were read. Of several entries of one path the topmost layer's counts; whiteouts, and what is there in place of
//! a directory, remove what the layers below have. Symbolic links are followed from a copy to its original, as the
//! program that compares them does.
//!
//! The notes are read several times over instead of being held: what is held is bounded by [`PART`] copies at a time, and
//! by [`LINKS_MAX`] links and whiteouts.

mod jars;
mod links;
mod removed;

pub use jars::{Jar, jars};

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::format::{bootsnap, fontconfig};
use crate::repair::copies::{CopyKind, CopyValue, Original};
use crate::repair::notes::{CopyNote, FileNote, Note, Notes};
use crate::repair::path::{PathKey, up};
use crate::stamp::Instant;
use links::Links;
use removed::top_down;

/// So many copies are held at a time.
const PART: u64 = 50_000;

/// An image has at most so many copies.
const COPIES_MAX: u64 = 2_000_000;

/// So many symbolic links, and whiteouts, of one image are held.
const LINKS_MAX: usize = 1_000_000;

/// A copy in the root filesystem of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootCopy {
    /// The number of its layer in the image, from 0, the lowest.
    pub layer: usize,
    /// Where its header block begins in that layer, in bytes.
    pub offset: u64,
    /// What it says.
    pub value: CopyValue,
    /// What it is a copy of, if that is there.
    pub original: Option<RootOriginal>,
    /// Did a layer above its own put something else in place of its original, or another font into the directory? Of files
    /// that is known only where notes have hashes.
    pub is_outdated: bool,
}

/// The original of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootOriginal {
    /// The number of its layer in the image.
    pub layer: usize,
    /// Where its header block begins in that layer, in bytes; a directory has none here.
    pub offset: Option<u64>,
    /// Its mtime.
    pub mtime: Instant,
    /// Its size in bytes, where it is known; a directory has none.
    pub size: Option<u64>,
}

impl RootCopy {
    /// Would the program that reads it take it for fresh if the original had this mtime?
    pub fn fits(&self, mtime: Instant) -> bool {
        self.original.is_some_and(|original| self.value.fits(mtime, original.size))
    }

    /// Does the program that reads it take it for fresh?
    pub fn is_fresh(&self) -> bool {
        self.original.is_some_and(|original| self.fits(original.mtime))
    }
}

/// Shows every copy in the root filesystem that these layers make, the lowest layer first; in no order.
///
/// # Errors
///
/// There are more copies or links than are held, or the notes can't be read; those of `show`.
pub fn each_copy(layers: &[&Notes], mut show: impl FnMut(&RootCopy) -> Result<()>) -> Result<()> {
    let count = layers.iter().map(|notes| notes.copies).fold(0, u64::saturating_add);
    if count == 0 {
        return Ok(());
    }
    if count > COPIES_MAX {
        return Err(Error::limit("copies of mtimes in one image", COPIES_MAX, count));
    }
    let mut links = Links::of(layers)?;
    let parts = count.div_ceil(PART);
    for part in 0..parts {
        for copy in resolved(layers, &mut links, |key| key.part(parts) == part)? {
            show(&copy)?;
        }
    }
    Ok(())
}

/// The copies whose paths are in one part, with their originals.
fn resolved(layers: &[&Notes], links: &mut Links, is_in_part: impl Fn(PathKey) -> bool) -> Result<Vec<RootCopy>> {
    let mut found: HashMap<PathKey, (usize, Option<Found>)> = HashMap::new();
    top_down(layers, |layer, path, note, is_removed| {
        let copy = match note {
            Note::Copy(copy) => copy.as_ref(),
            Note::Whiteout | Note::Opaque => return Ok(()),
            // What is no copy matters only above one of the same path.
            _ if CopyKind::of_path(path).is_some() => None,
            _ => return Ok(()),
        };
        let key = links.key_of_entry(path);
        let is_hidden = is_removed || found.get(&key).is_some_and(|(from, _)| *from > layer);
        if is_in_part(key) && !is_hidden {
            let copy = copy.map(|CopyNote { offset, copy }| Found {
                offset: *offset,
                value: copy.value,
                original: OriginalKey::of(&copy.original, links),
            });
            found.insert(key, (layer, copy));
        }
        Ok(())
    })?;
    let wanted: HashSet<OriginalKey> =
        found.values().filter_map(|(_, copy)| copy.as_ref()).map(|copy| copy.original).collect();
    let has_hashes = wanted.iter().any(|key| matches!(key, OriginalKey::Hash(_)));
    let mut originals: HashMap<OriginalKey, (usize, Option<RootOriginal>)> = HashMap::new();
    let mut versions = Versions::default();
    top_down(layers, |layer, path, note, is_removed| {
        let original = match note {
            Note::File(FileNote { offset, mtime, size, .. }) => {
                Some(RootOriginal { layer, offset: Some(*offset), mtime: *mtime, size: *size })
            }
            Note::Directory(mtime) => Some(RootOriginal { layer, offset: None, mtime: *mtime, size: None }),
            Note::Other | Note::Link(_) => None,
            Note::Copy(_) | Note::Whiteout | Note::Opaque => return Ok(()),
        };
        versions.add(layer, path, note, &wanted);
        if is_removed {
            return Ok(());
        }
        let by_hash = has_hashes.then(|| bootsnap::path_hash(path));
        let by_path = OriginalKey::Path(links.key_of_entry(path));
        for key in [Some(by_path), by_hash.map(OriginalKey::Hash)].into_iter().flatten() {
            let is_hidden = originals.get(&key).is_some_and(|(from, _)| *from > layer);
            if !is_hidden && wanted.contains(&key) {
                originals.insert(key, (layer, original));
            }
        }
        Ok(())
    })?;
    let copies = found.into_values().filter_map(|(layer, copy)| Some((layer, copy?)));
    let with_original = copies.map(|(layer, Found { offset, value, original })| {
        let is_outdated = versions.is_outdated(&original, layer);
        let original = originals.get(&original).and_then(|(_, original)| *original);
        RootCopy { layer, offset, value, original, is_outdated }
    });
    Ok(with_original.collect())
}

/// A copy while its original is looked for.
#[derive(Debug)]
struct Found {
    offset: u64,
    value: CopyValue,
    original: OriginalKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OriginalKey {
    Path(PathKey),
    Hash(u64),
}

impl OriginalKey {
    fn of(original: &Original, links: &mut Links) -> Self {
        match original {
            Original::Path(path) => Self::Path(PathKey::of(&links.followed(path))),
            Original::PathHash(hash) => Self::Hash(*hash),
        }
    }
}

/// What the originals of copies were in each layer.
#[derive(Debug, Default)]
struct Versions {
    /// Hashes of files, with their layers, the topmost first.
    files: HashMap<OriginalKey, Vec<(usize, u64)>>,
    /// The topmost layer with a font in a directory.
    fonts: HashMap<OriginalKey, usize>,
}

impl Versions {
    fn add(&mut self, layer: usize, path: &[u8], note: &Note, wanted: &HashSet<OriginalKey>) {
        let Note::File(FileNote { hash, .. }) = note else { return };
        if fontconfig::is_font_name(path) {
            let mut directory = path.to_vec();
            up(&mut directory);
            let key = OriginalKey::Path(PathKey::of(&directory));
            if wanted.contains(&key) {
                let top = self.fonts.entry(key).or_insert(layer);
                *top = layer.max(*top);
            }
        }
        let Some(hash) = hash else { return };
        let by_hash = bootsnap::is_source_name(path).then(|| OriginalKey::Hash(bootsnap::path_hash(path)));
        for key in std::iter::once(OriginalKey::Path(PathKey::of(path))).chain(by_hash) {
            if wanted.contains(&key) {
                self.files.entry(key).or_default().push((layer, *hash));
            }
        }
    }

    /// Is what a copy in this layer was made of another one than the topmost?
    fn is_outdated(&self, original: &OriginalKey, layer: usize) -> bool {
        if self.fonts.get(original).is_some_and(|top| *top > layer) {
            return true;
        }
        let Some(files) = self.files.get(original) else { return false };
        let own = files.iter().filter(|(from, _)| *from <= layer).max_by_key(|(from, _)| *from);
        let top = files.iter().max_by_key(|(from, _)| *from);
        matches!((own, top), (Some((_, own)), Some((_, top))) if own != top)
    }
}

/// A copy by its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCopy {
    /// The path of the copy.
    pub path: Vec<u8>,
    /// That of its original as the copy says it, links not followed; `None` where only a hash of it is known.
    pub original: Option<Vec<u8>>,
}

/// The paths of copies, which are named by where their header blocks begin in this layer; in the order of the layer.
///
/// # Errors
///
/// The notes can't be read.
pub fn names(notes: &Notes, offsets: &HashSet<u64>) -> Result<Vec<(u64, NamedCopy)>> {
    let mut found = Vec::new();
    notes.each(|path, note| {
        if let Note::Copy(Some(CopyNote { offset, copy })) = note
            && offsets.contains(&offset)
        {
            let original = match copy.original {
                Original::Path(path) => Some(path),
                Original::PathHash(_) => None,
            };
            found.push((offset, NamedCopy { path: path.to_vec(), original }));
        }
        Ok(())
    })?;
    Ok(found)
}
