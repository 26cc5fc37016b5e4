//! Archives of Java's class data sharing: do they differ in mtimes of jars alone, which `restamp rewrite --repair jsa` sets?
//!
//! Where an archive holds them says only what is known of the jars of its whole image, so layers are read again: where an archive
//! differs, and where the same archive may be of other jars.

use std::collections::{BTreeMap, HashMap};

use crate::causes::Class;
use crate::diff::layer::compare::Comparison;
use crate::diff::layer::paired::{NotesByLayer, Paired, is_archive, key};
use crate::diff::layer::path::normal;
use crate::diff::layer::plan::{LayerKey, expected};
use crate::diff::mend::{Mend, Mends};
use crate::diff::view::{Image, Layer};
use crate::error::Result;
use crate::format::jsa::{self, Pair};
use crate::layer::{self, Event};
use crate::repair::archives::{ArchiveScanner, is_archive as is_archive_entry};
use crate::repair::notes::Notes;
use crate::repair::root;

/// An archive in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Archive {
    size: u64,
    /// Where mtimes of jars begin.
    places: Vec<u64>,
}

/// The archives of a layer; `None` for a path that it has twice.
type Archives = BTreeMap<Vec<u8>, Option<Archive>>;

/// By place and path, the differences of archives.
type Differing = BTreeMap<(usize, Vec<u8>), usize>;

impl Comparison<'_> {
    /// Says of archives that differ whether that is in mtimes of jars alone.
    pub(crate) fn archives(&mut self, images: &[[&Image; 2]], paired: &[Paired], notes: &NotesByLayer) -> Result<()> {
        let differences = self.findings.differences.iter().enumerate().filter(|(_, one)| is_archive(one));
        let differing: Differing = differences.map(|(at, one)| ((one.place, one.path.to_vec()), at)).collect();
        if differing.is_empty() {
            return Ok(());
        }
        let mut judged: BTreeMap<usize, bool> = BTreeMap::new();
        for (images, paired) in images.iter().zip(paired).filter(|(_, paired)| !paired.is_rootfs) {
            let mut found = Vec::new();
            for (side, image) in images.iter().enumerate() {
                found.push(self.archives_of(side, image, notes)?);
            }
            let [Some(a), Some(b)] = found.as_slice() else {
                self.findings.unfit = self.findings.unfit.with(Mend::Jsa);
                continue;
            };
            self.judge_archives(*images, paired, [a, b], &differing, &mut judged)?;
        }
        for (at, is_mended) in judged {
            let Some(difference) = self.findings.differences.get_mut(at).filter(|_| is_mended) else { continue };
            difference.class = Class::EmbeddedTime;
            difference.mends = difference.mends.or_all(Mends::by(Mend::Jsa));
            difference.note = Some("only mtimes of jars differ in it".into());
        }
        Ok(())
    }

    /// The archives in the layers of an image; `None` if it has too many jars.
    fn archives_of(&self, side: usize, image: &Image, notes: &NotesByLayer) -> Result<Option<Vec<Archives>>> {
        let none = Notes::default();
        let of_layer = |layer| notes.get(&key(side, layer)).map_or(&none, |notes| &**notes);
        let Some(jars) = root::jars(&image.layers.iter().map(of_layer).collect::<Vec<_>>())? else { return Ok(None) };
        let pairs: Vec<Pair> = jars.iter().map(|jar| (jar.mtime.seconds, jar.size)).collect();
        let mut known: HashMap<LayerKey, Archives> = HashMap::new();
        let mut all = Vec::new();
        for layer in &image.layers {
            let layer_key = key(side, layer).1;
            let own = match known.get(&layer_key) {
                Some(own) => own.clone(),
                None => self.archives_in(side, layer, &pairs)?,
            };
            known.insert(layer_key, own.clone());
            all.push(own);
        }
        Ok(Some(all))
    }

    fn archives_in(&self, side: usize, layer: &Layer, pairs: &[Pair]) -> Result<Archives> {
        let mut scanner = ArchiveScanner::new(pairs);
        self.scan(side, layer, &mut |event| match event {
            Event::Entry(entry) => scanner.entry(entry),
            Event::Content(bytes) => scanner.content(bytes),
            _ => {}
        })?;
        let mut archives = Archives::new();
        for archive in scanner.finish() {
            let mut places: Vec<u64> = archive.found.iter().filter_map(jsa::Found::only).collect();
            places.sort_unstable();
            let is_twice = archives.contains_key(&archive.path);
            archives.insert(archive.path, (!is_twice).then_some(Archive { size: archive.size, places }));
        }
        Ok(archives)
    }

    /// Judges the archives that differ in these layers, and sees whether those that are the same stay so.
    fn judge_archives(
        &mut self,
        images: [&Image; 2],
        paired: &Paired,
        archives: [&[Archives]; 2],
        differing: &Differing,
        judged: &mut BTreeMap<usize, bool>,
    ) -> Result<()> {
        let places: BTreeMap<(Option<usize>, Option<usize>), usize> =
            paired.placed.iter().map(|(place, pair)| (*pair, *place)).collect();
        for pair in &paired.pairs {
            let (Some(i), Some(j)) = *pair else { continue };
            let (Some(x), Some(y)) = (archives[0].get(i), archives[1].get(j)) else { continue };
            let place = places.get(pair).copied().unwrap_or(usize::MAX);
            let both = x.iter().filter_map(|(path, a)| Some((path, a.as_ref(), y.get(path)?.as_ref())));
            let mut open: BTreeMap<&[u8], (usize, &Archive)> = BTreeMap::new();
            let mut are_same = true;
            for (path, a, b) in both {
                match (differing.get(&(place, path.clone())), a, b) {
                    (Some(at), Some(a), Some(b)) if a == b => {
                        open.insert(path, (*at, a));
                    }
                    (Some(at), ..) => {
                        judged.insert(*at, false);
                    }
                    (None, a, b) => are_same &= a == b && a.is_some(),
                }
            }
            if !open.is_empty()
                && let (Some(a), Some(b)) = (images[0].layers.get(i), images[1].layers.get(j))
            {
                let wanted: BTreeMap<&[u8], &Archive> = open.iter().map(|(path, (_, own))| (*path, *own)).collect();
                let (left, right) = (self.all_but_mtimes(0, a, &wanted)?, self.all_but_mtimes(1, b, &wanted)?);
                for (path, (at, _)) in &open {
                    *judged.entry(*at).or_insert(true) &= left.get(*path) == right.get(*path);
                }
            }
            if !are_same {
                self.findings.unfit = self.findings.unfit.with(Mend::Jsa);
            }
        }
        Ok(())
    }

    /// Hashes of all of these archives but the mtimes of jars.
    fn all_but_mtimes(
        &self,
        side: usize,
        layer: &Layer,
        wanted: &BTreeMap<&[u8], &Archive>,
    ) -> Result<BTreeMap<Vec<u8>, blake3::Hash>> {
        let mut hashes = BTreeMap::new();
        let mut current: Option<(Vec<u8>, &Archive, u64, blake3::Hasher)> = None;
        self.scan(side, layer, &mut |event| match event {
            Event::Entry(entry) => {
                hashes.extend(current.take().map(|(path, _, _, hasher)| (path, hasher.finalize())));
                if is_archive_entry(entry) {
                    let path = normal(&entry.name()).into_owned();
                    current = wanted.get(path.as_slice()).map(|own| (path, *own, 0, blake3::Hasher::new()));
                }
            }
            Event::Content(bytes) => {
                if let Some((_, archive, at, hasher)) = &mut current {
                    masked(hasher, *at, bytes, &archive.places);
                    *at = at.saturating_add(bytes.len() as u64);
                }
            }
            _ => {}
        })?;
        hashes.extend(current.map(|(path, _, _, hasher)| (path, hasher.finalize())));
        Ok(hashes)
    }

    /// Reads a layer.
    fn scan(&self, side: usize, layer: &Layer, see: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let Some(extent) = layer.extent.as_ref().filter(|_| layer.is_tar) else { return Ok(()) };
        let name = self.views.get(side).map(|view| view.source.name()).unwrap_or_default();
        let scanned = layer::scan(extent, &expected(layer), self.pool, &mut |event| {
            see(event);
            Ok(())
        });
        scanned.map(|_| ()).map_err(|e| e.in_blob(layer.digest.unwrap_or(layer.diff_id)).in_file(name))
    }
}

/// Takes in bytes that begin there, but for eight at each of these places.
fn masked(hasher: &mut blake3::Hasher, at: u64, bytes: &[u8], places: &[u64]) {
    let end = at.saturating_add(bytes.len() as u64);
    let own = |place: u64| usize::try_from(place.clamp(at, end).saturating_sub(at)).unwrap_or(bytes.len());
    let mut from = 0;
    for place in places.iter().filter(|place| place.saturating_add(8) > at && **place < end) {
        hasher.update(bytes.get(from..own(*place)).unwrap_or_default());
        from = from.max(own(place.saturating_add(8)));
    }
    hasher.update(bytes.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_counts_for_nothing_wherever_the_pieces_are_cut() {
        let hash = |bytes: &[u8], places: &[u64], piece: usize| {
            let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
            for piece in bytes.chunks(piece) {
                masked(&mut hasher, at, piece, places);
                at += piece.len() as u64;
            }
            hasher.finalize()
        };
        let bytes: Vec<u8> = (0..60).collect();
        let mut other = bytes.clone();
        other[10..18].fill(0xff);
        other[30..38].fill(0xff);
        for piece in 1..=60 {
            assert_eq!(hash(&bytes, &[10, 30], piece), hash(&other, &[10, 30], 60), "{piece}");
            assert_ne!(hash(&bytes, &[10], piece), hash(&other, &[10], 60), "{piece}");
            // Places may overlap.
            assert_ne!(hash(&bytes, &[10, 14, 24], piece), hash(&other, &[10, 14, 24], 7), "{piece}");
        }
    }
}
