//! Whiteouts that only one side has: those that hide nothing do not matter.
//!
//! That depends on the layers below, and images that share a layer may have others below it. A whiteout matters if it
//! hides something in any of them.
//!
//! Images have most of their lower layers in common. What is needed of a layer once it was read, its paths and what is
//! at them, is kept in a cache of a fixed size.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::{Bound, Range};
use std::sync::Arc;

use crate::causes::Class;
use crate::diff::layer::path::ancestors;
use crate::diff::layer::plan::{LayerKey, layer_key};
use crate::diff::layer::record::Records;
use crate::diff::layer::tree::{PathKind, PathTree, hidden, is_whiteout};
use crate::diff::model::Difference;
use crate::diff::pair::align::Pair;
use crate::diff::view::{Image, Layer};
use crate::digest::Digest;
use crate::error::Result;

/// Reads layers, each a side and a number.
type Read<'r> = dyn Fn(&[(usize, usize)]) -> Result<BTreeMap<(usize, usize), Records>> + 'r;

/// At most so many judgements are remembered; without them the same image is judged again, with the same result.
const MAX_JUDGED: usize = 1 << 17;
/// Bytes of each of the two halves of the cache.
const HALF_BYTES: usize = 8 << 20;
/// Bytes that an entry of the cache takes beside its paths, rounded up.
const ENTRY_BYTES: usize = 512;

/// All whiteouts that only one side has.
#[derive(Debug, Default)]
pub(crate) struct Whiteouts {
    /// By the place of the two layers.
    by_place: HashMap<usize, Vec<Whiteout>>,
    /// Which of them were judged: by place and side, and what is below.
    judged: HashSet<(usize, usize, Digest)>,
    cache: Cache,
}

#[derive(Debug)]
struct Whiteout {
    /// The index of the difference that says so.
    difference: usize,
    side: usize,
    /// Does it hide something in an image that was looked at?
    hides: bool,
}

impl Whiteouts {
    /// Takes those of the layers in this place: the index of the difference, and the side.
    pub(crate) fn add(&mut self, place: usize, found: Vec<(usize, usize)>) {
        if !found.is_empty() {
            let all = found.into_iter().map(|(difference, side)| Whiteout { difference, side, hides: false });
            self.by_place.entry(place).or_default().extend(all);
        }
    }

    /// The places of a side with whiteouts that hide nothing so far, by the number of their layer, unless all of them
    /// were judged over the same lower layers.
    fn open(&mut self, side: usize, image: &Image, placed: &[(usize, Pair)]) -> BTreeMap<usize, Vec<usize>> {
        let is_open = |place: &usize| {
            let all = self.by_place.get(place).into_iter().flatten();
            all.into_iter().any(|whiteout| whiteout.side == side && !whiteout.hides)
        };
        let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, pair) in placed.iter().filter(|(place, _)| is_open(place)) {
            if let Some(number) = if side == 0 { pair.0 } else { pair.1 } {
                open.entry(number).or_default().push(*place);
            }
        }
        if self.judged.len() > MAX_JUDGED {
            self.judged.clear();
        }
        let (mut below, mut next) = (Digest::sha256(b""), 0);
        for (number, places) in &mut open {
            for layer in image.layers.get(next..*number).into_iter().flatten() {
                below = Digest::sha256(format!("{below} {:?}", layer_key(layer)).as_bytes());
            }
            next = *number;
            places.retain(|place| self.judged.insert((*place, side, below)));
        }
        open.retain(|_, places| !places.is_empty());
        open
    }

    fn of_place(&mut self, place: usize, side: usize) -> impl Iterator<Item = &mut Whiteout> {
        let all = self.by_place.get_mut(&place).into_iter().flatten();
        all.filter(move |whiteout| whiteout.side == side)
    }

    /// The paths that the open whiteouts of these places hide.
    fn targets(&self, side: usize, differences: &[Difference], open: &BTreeMap<usize, Vec<usize>>) -> Targets {
        let all = open.values().flatten().filter_map(|place| self.by_place.get(place)).flatten();
        let all = all.filter(|whiteout| whiteout.side == side && !whiteout.hides);
        let found = all.filter_map(|whiteout| differences.get(whiteout.difference));
        Targets::new(found.filter_map(|found| Some(hidden(&found.path)?.path().to_vec())).collect())
    }

    /// Finds out which whiteouts in these places hide something in one of these images. `read` reads layers, each a side
    /// and a number, `at_a_time` of which are read side by side.
    pub(crate) fn judge(
        &mut self,
        differences: &[Difference],
        images: [&Image; 2],
        placed: &[(usize, Pair)],
        at_a_time: usize,
        read: &Read<'_>,
    ) -> Result<()> {
        for (side, image) in images.into_iter().enumerate() {
            let open = self.open(side, image, placed);
            let Some(last) = open.keys().next_back().copied() else { continue };
            let targets = self.targets(side, differences, &open);
            let mut lower = BTreeMap::new();
            let mut tree = PathTree::default();
            let mut is_known = true;
            for (number, layer) in image.layers.iter().enumerate().take(last.saturating_add(1)) {
                for place in open.get(&number).into_iter().flatten() {
                    for whiteout in self.of_place(*place, side).filter(|whiteout| !whiteout.hides) {
                        let hidden = differences.get(whiteout.difference).and_then(|found| hidden(&found.path));
                        whiteout.hides = hidden.is_some_and(|hidden| !is_known || tree.has(&hidden));
                    }
                }
                // What is in a layer that is not here is not known.
                is_known &= is_readable(layer);
                // A few layers at a time, so that few of them are held.
                if number.is_multiple_of(at_a_time.max(1)) {
                    let numbers = number..last.min(number.saturating_add(at_a_time.max(1)));
                    lower = self.cache.paths(side, image, numbers, &targets, read)?;
                }
                if let Some(paths) = lower.remove(&number) {
                    paths.apply(&mut tree);
                }
            }
        }
        Ok(())
    }

    /// Gives whiteouts that hide nothing in any image their class, once all images are compared.
    pub(crate) fn set_classes(&self, differences: &mut [Difference]) {
        for whiteout in self.by_place.values().flatten().filter(|whiteout| !whiteout.hides) {
            if let Some(difference) = differences.get_mut(whiteout.difference) {
                difference.class = Class::Whiteout;
                difference.note = Some("it hides nothing: no lower layer has anything there".into());
            }
        }
    }
}

fn is_readable(layer: &Layer) -> bool {
    layer.is_tar && layer.extent.is_some()
}

/// Paths that whiteouts hide, or below which they hide something.
#[derive(Debug)]
struct Targets {
    paths: BTreeSet<Vec<u8>>,
    /// Of all of them.
    digest: Digest,
}

impl Targets {
    fn new(paths: BTreeSet<Vec<u8>>) -> Self {
        // With the length before each path, other paths are other bytes.
        let mut bytes = Vec::new();
        for path in &paths {
            bytes.extend_from_slice(&path.len().to_le_bytes());
            bytes.extend_from_slice(path);
        }
        Self { digest: Digest::sha256(&bytes), paths }
    }

    /// May an entry of this path decide if there is something at one of these paths or below it? What is elsewhere
    /// neither is there, nor hides what is there, nor leads there.
    fn concern(&self, path: &[u8]) -> bool {
        let hidden = hidden(path);
        let path = hidden.as_ref().map_or(path, |hidden| hidden.path());
        let has = |path: &[u8]| self.paths.contains(path);
        if path.is_empty() || has(b"") || has(path) || ancestors(path).any(has) {
            return true;
        }
        let prefix = [path, b"/"].concat();
        let mut range = self.paths.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
        range.next().is_some_and(|target| target.starts_with(&prefix))
    }
}

/// The paths of a layer and what is at them, in their order. Of each path, only what differs from the one before it is
/// held.
#[derive(Debug, Default)]
struct Paths {
    bytes: Vec<u8>,
}

impl Paths {
    fn of(records: &Records) -> Self {
        let entries = records.entries.iter().map(|record| {
            let kind = match record.meta.kind {
                _ if record.is_folder() => PathKind::Folder,
                b'2' => PathKind::Symlink,
                _ => PathKind::Other,
            };
            (record.path(), kind)
        });
        let (mut paths, mut last) = (Self::default(), Vec::new());
        for (path, kind) in entries {
            paths.push(&mut last, path, kind);
        }
        paths.bytes.shrink_to_fit();
        paths
    }

    /// Those of them that may matter for these targets.
    fn concerning(&self, targets: &Targets) -> Self {
        let (mut paths, mut last) = (Self::default(), Vec::new());
        self.each(|path, kind| {
            if targets.concern(path) {
                paths.push(&mut last, path, kind);
            }
        });
        paths.bytes.shrink_to_fit();
        paths
    }

    /// Adds a path; `last` is the one before it, and then this one.
    fn push(&mut self, last: &mut Vec<u8>, path: &[u8], kind: PathKind) {
        let common = last.iter().zip(path).take_while(|(a, b)| a == b).count();
        let rest = path.get(common..).unwrap_or_default();
        self.put_number(common);
        self.put_number(rest.len());
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(rest);
        last.truncate(common);
        last.extend_from_slice(rest);
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn put_number(&mut self, mut number: usize) {
        while number > 0x7f {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn each(&self, mut visit: impl FnMut(&[u8], PathKind)) {
        let (mut bytes, mut path) = (self.bytes.as_slice(), Vec::new());
        while let (Some(common), Some(len)) = (take_number(&mut bytes), take_number(&mut bytes)) {
            let Some((kind, rest)) = bytes.split_first() else { return };
            let Some((rest, next)) = rest.split_at_checked(len) else { return };
            path.truncate(common);
            path.extend_from_slice(rest);
            let kinds = [PathKind::Folder, PathKind::Symlink];
            visit(&path, kinds.into_iter().find(|known| *known as u8 == *kind).unwrap_or(PathKind::Other));
            bytes = next;
        }
    }

    /// Puts them on top of a tree. Whiteouts hide what is below, never what comes with them.
    fn apply(&self, tree: &mut PathTree) {
        self.each(|path, _| {
            if let Some(hidden) = hidden(path) {
                tree.hide(&hidden);
            }
        });
        self.each(|path, kind| {
            if !is_whiteout(path) {
                tree.put(path, kind);
            }
        });
    }
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let (mut number, mut shift) = (0usize, 0u32);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// What distinguishes the paths in the cache: the side, if no digest names the layer, its key and stated size, and the
/// digest of the targets if only what concerns them is held.
type CacheKey = (Option<usize>, LayerKey, Option<u64>, Option<Digest>);

/// The paths of lower layers, in two generations: when the young half is full, it becomes the old one, and what of the old
/// one was not used meanwhile is dropped.
#[derive(Debug, Default)]
struct Cache {
    young: HashMap<CacheKey, Arc<Paths>>,
    old: HashMap<CacheKey, Arc<Paths>>,
    /// Bytes of those in `young`.
    size: usize,
}

impl Cache {
    /// The paths of these layers that concern the targets, by the numbers of the layers. What is not here is read.
    fn paths(
        &mut self,
        side: usize,
        image: &Image,
        numbers: Range<usize>,
        targets: &Targets,
        read: &Read<'_>,
    ) -> Result<BTreeMap<usize, Arc<Paths>>> {
        let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
        let key = |number: usize, targets: Option<Digest>| {
            let layer = image.layers.get(number).filter(|layer| is_readable(layer))?;
            let key: CacheKey = (layer.digest.is_none().then_some(side), layer_key(layer), layer.size, targets);
            Some(key)
        };
        for number in numbers {
            let (Some(part), Some(whole)) = (key(number, Some(targets.digest)), key(number, None)) else { continue };
            if let Some(paths) = self.get(&part) {
                found.insert(number, paths);
            } else if let Some(paths) = self.get(&whole) {
                found.insert(number, self.part(part, &paths, targets));
            } else {
                missing.push((side, number));
            }
        }
        for ((_, number), records) in read(&missing)? {
            let paths = Arc::new(Paths::of(&records));
            drop(records);
            if let Some(part) = key(number, Some(targets.digest)) {
                found.insert(number, self.part(part, &paths, targets));
            }
            if let Some(whole) = key(number, None) {
                self.put(whole, paths);
            }
        }
        Ok(found)
    }

    /// Those that concern the targets. They are kept unless they are most of all, which are there then.
    fn part(&mut self, key: CacheKey, all: &Arc<Paths>, targets: &Targets) -> Arc<Paths> {
        let paths = Arc::new(all.concerning(targets));
        let is_small = paths.bytes.len() <= all.bytes.len() / 2;
        if is_small || all.bytes.len() > HALF_BYTES - ENTRY_BYTES {
            self.put(key, Arc::clone(&paths));
        }
        paths
    }

    fn get(&mut self, key: &CacheKey) -> Option<Arc<Paths>> {
        if let Some(paths) = self.young.get(key) {
            return Some(Arc::clone(paths));
        }
        let paths = self.old.remove(key)?;
        self.put(*key, Arc::clone(&paths));
        Some(paths)
    }

    fn put(&mut self, key: CacheKey, paths: Arc<Paths>) {
        let size = paths.bytes.len().saturating_add(ENTRY_BYTES);
        if size > HALF_BYTES {
            return;
        }
        if self.size.saturating_add(size) > HALF_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        if self.young.insert(key, paths).is_none() {
            self.size = self.size.saturating_add(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_kept_as_they_are_and_chosen_by_targets() {
        let long = "x".repeat(300);
        let all = ["", "a", "a/b", "a/b/c", "ab", "a/.wh.b", "b/.wh..wh..opq", &long, "a/b/d"];
        let (mut paths, mut last) = (Paths::default(), Vec::new());
        all.iter().for_each(|path| paths.push(&mut last, path.as_bytes(), PathKind::Symlink));
        let list = |paths: &Paths| {
            let mut list = Vec::new();
            paths.each(|path, kind| list.push((String::from_utf8_lossy(path).into_owned(), kind)));
            assert!(list.iter().all(|(_, kind)| *kind == PathKind::Symlink));
            list.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        assert_eq!(list(&paths), all);
        let about = |target: &str| list(&paths.concerning(&Targets::new([target.into()].into())));
        assert_eq!(about("a/b"), ["", "a", "a/b", "a/b/c", "a/.wh.b", "a/b/d"]);
        assert_eq!(about("b/x"), ["", "b/.wh..wh..opq"]);
        assert_eq!(about(""), all);
    }
}
