//! Copies of mtimes in both images: which of them rewriting makes equal, and which it makes differ.
//!
//! A copy that is up to date follows its original when an image is rewritten, and one that is stale stays as it is. Which it
//! is, all layers of its image say: also those that both images have, and that are read for nothing else. So they are read
//! only where a copy differs, or where all else that differs would go away.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::causes::Class;
use crate::causes::by_content::BOOTSNAP_PADDING;
use crate::diff::content::copies::cause_of;
use crate::diff::layer::compare::Comparison;
use crate::diff::layer::paired::{NotesByLayer, Paired, is_archive, key};
use crate::diff::layer::plan::{expected, layer_key};
use crate::diff::mend::{Mend, Mends};
use crate::diff::model::{Difference, Part, Place, Role, Value};
use crate::diff::pair::align::Pair;
use crate::diff::view::{Image, Layer};
use crate::error::Result;
use crate::format::pyc;
use crate::layer::{Pool, scan_notes};
use crate::repair::copies::CopyKind;
use crate::repair::notes::Notes;
use crate::repair::root;

/// Paths of copies that stay as they are, with the number of their layer.
type Staying = HashSet<(usize, Vec<u8>)>;

impl Comparison<'_> {
    /// Says of each copy that differs whether rewriting makes it equal, and of each that is the same on both sides if
    /// rewriting makes it differ.
    pub(crate) fn copies(&mut self, images: &[[&Image; 2]]) -> Result<()> {
        if !self.copies_matter() && !self.findings.differences.iter().any(is_archive) {
            return Ok(());
        }
        let paired = std::mem::take(&mut self.paired_images);
        let mut notes = NotesByLayer::new();
        let mut judged: BTreeMap<usize, bool> = BTreeMap::new();
        let mut known = HashSet::new();
        for (images, paired) in images.iter().zip(&paired) {
            // Tags share images.
            let keys = images.map(|image| image.layers.iter().map(layer_key).collect::<Vec<_>>());
            let places: Vec<usize> = paired.placed.iter().map(|(place, _)| *place).collect();
            if !known.insert((keys, places)) {
                continue;
            }
            self.note(&mut notes, *images)?;
            let staying = [staying(0, images[0], &notes)?, staying(1, images[1], &notes)?];
            self.judge_copies(paired, &staying, &mut judged);
            self.parted(*images, paired, &staying);
        }
        self.archives(images, &paired, &notes)?;
        for (at, is_mended) in judged {
            let Some(difference) = self.findings.differences.get_mut(at) else { continue };
            if is_mended {
                let mend = match difference.cause {
                    Some(cause) if cause == &BOOTSNAP_PADDING => Mend::Bootsnap,
                    _ if CopyKind::of_path(&difference.path) == Some(CopyKind::Opcache) => Mend::Opcache,
                    _ => Mend::Rewrite,
                };
                difference.restamps = mend == Mend::Rewrite;
                difference.mends = difference.mends.or_all(Mends::by(mend));
            } else if difference.note.is_none() {
                let text = "stale on at least one side, where rewriting leaves it as it is";
                difference.note = Some(text.into());
            }
        }
        Ok(())
    }

    /// Does anything depend on which copies are stale?
    fn copies_matter(&self) -> bool {
        let counting = || self.findings.differences.iter().filter(|one| !self.options.filter.accepts(one));
        let is_time = |one: &Difference| one.class == Class::Time && !one.path.is_empty();
        // Where more is left anyway, only what has copies as a rule is worth reading all layers for.
        let has_copies = |one: &Difference| {
            is_time(one) && (pyc::is_source_name(&one.path) || one.path.windows(4).any(|word| word == b"font"))
        };
        counting().any(is_copy)
            || counting().any(has_copies)
            || counting().any(is_time) && counting().all(|one| !one.mends.is_none())
    }

    /// Takes notes of the layers of two images that are not known yet.
    fn note(&self, notes: &mut NotesByLayer, images: [&Image; 2]) -> Result<()> {
        let mut queue: Vec<(usize, &Layer)> = Vec::new();
        let mut queued = HashSet::new();
        for (side, image) in images.into_iter().enumerate() {
            for layer in image.layers.iter().filter(|layer| layer.is_tar && layer.extent.is_some()) {
                let key = key(side, layer);
                if !notes.contains_key(&key) && queued.insert(key) {
                    queue.push((side, layer));
                }
            }
        }
        let read = self.pool.each(&queue, |(side, layer), batch| self.notes_of(*side, layer, batch))?;
        let keys = queue.iter().map(|(side, layer)| key(*side, layer));
        notes.extend(keys.zip(read).map(|(key, notes)| (key, Arc::new(notes))));
        Ok(())
    }

    fn notes_of(&self, side: usize, layer: &Layer, pool: &Pool) -> Result<Notes> {
        let Some(extent) = &layer.extent else { return Ok(Notes::default()) };
        let name = self.views.get(side).map(|view| view.source.name()).unwrap_or_default();
        let read = scan_notes(extent, &expected(layer), pool, self.blobs);
        read.map_err(|e| e.in_blob(layer.digest.unwrap_or(layer.diff_id)).in_file(name))
    }

    /// Judges the copies that differ in these layers.
    fn judge_copies(&self, paired: &Paired, staying: &[Staying; 2], judged: &mut BTreeMap<usize, bool>) {
        let places: BTreeMap<usize, Pair> = paired.placed.iter().copied().collect();
        let by_path = staying.each_ref().map(|all| all.iter().map(|(_, path)| path.as_slice()).collect::<HashSet<_>>());
        for (at, one) in self.findings.differences.iter().enumerate().filter(|(_, one)| is_copy(one)) {
            let Some((i, j)) = places.get(&one.place) else { continue };
            let stays = |side: usize, layer: &Option<usize>| match (paired.is_rootfs, layer) {
                (true, _) => by_path.get(side).is_some_and(|all| all.contains(&*one.path)),
                (false, Some(layer)) => staying.get(side).is_some_and(|all| all.contains(&(*layer, one.path.to_vec()))),
                (false, None) => true,
            };
            let is_mended = !stays(0, i) && !stays(1, j);
            let own = judged.entry(at).or_insert(true);
            *own &= is_mended;
        }
    }

    /// Reports copies that are the same on both sides, and up to date on one of them alone: rewriting makes them differ. Of
    /// those that only an option has follow, that option is none to name.
    fn parted(&mut self, images: [&Image; 2], paired: &Paired, staying: &[Staying; 2]) {
        let [a, b] = staying;
        let counterpart = |side: usize, number: usize| -> Option<usize> {
            if paired.is_rootfs {
                return Some(number);
            }
            paired.pairs.iter().find_map(|(i, j)| {
                let (own, other) = if side == 0 { (*i, *j) } else { (*j, *i) };
                other.filter(|_| own == Some(number))
            })
        };
        let paths = |all: &Staying| all.iter().map(|(_, path)| path.clone()).collect::<HashSet<_>>();
        let (in_a, in_b) = if paired.is_rootfs { (paths(a), paths(b)) } else { Default::default() };
        let mut found: Vec<(usize, [usize; 2], Vec<u8>)> = Vec::new();
        for (side, own, others, other_paths) in [(0, a, b, &in_b), (1, b, a, &in_a)] {
            for (number, path) in own {
                let Some(other) = counterpart(side, *number) else { continue };
                let is_same = match paired.is_rootfs {
                    true => other_paths.contains(path),
                    false => others.contains(&(other, path.clone())),
                };
                if !is_same {
                    found.push((side, if side == 0 { [*number, other] } else { [other, *number] }, path.clone()));
                }
            }
        }
        found.sort();
        let differing: HashSet<(usize, &[u8])> = self
            .findings
            .differences
            .iter()
            .filter(|one| matches!(one.role, Role::Copy | Role::Content | Role::Entry) || one.class == Class::Content)
            .map(|one| (one.place, one.outer_path()))
            .collect();
        let mut new = Vec::new();
        for (side, numbers, path) in &found {
            let is_there =
                |(_, pair): &&(usize, Pair)| paired.is_rootfs || *pair == (Some(numbers[0]), Some(numbers[1]));
            let place = paired.placed.iter().find(is_there).map(|(place, _)| *place);
            if place.is_none_or(|place| !differing.contains(&(place, path.as_slice()))) {
                new.push((*side, *numbers, path.clone(), place));
            }
        }
        drop(differing);
        for (side, numbers, path, place) in new {
            let kind = CopyKind::of_path(&path);
            if kind == Some(CopyKind::Opcache) {
                self.findings.unfit = self.findings.unfit.with(Mend::Opcache);
                continue;
            }
            let place = place.unwrap_or_else(|| self.place_of(images, numbers));
            let mut values = [Some(Value::text("up to date")), Some(Value::text("up to date"))];
            if let Some(value) = values.get_mut(side) {
                *value = Some(Value::text("stale"));
            }
            let difference = Difference::new(Class::EmbeddedTime, place, "copy of an mtime", values).at(path);
            let text =
                "the same on both sides, but rewriting sets it where it is up to date, and leaves it where it is stale";
            self.findings.push(difference.note(text).cause(kind.map(cause_of)));
        }
    }

    /// A place for two layers that are the same, or that nothing was found in.
    fn place_of(&mut self, images: [&Image; 2], numbers: [usize; 2]) -> usize {
        let layers = [images[0].layers.get(numbers[0]), images[1].layers.get(numbers[1])];
        self.findings.place(Place {
            image: String::new(),
            part: Part::Layer(numbers.map(Some)),
            digests: layers.map(|layer| layer.map(|layer| layer.digest.unwrap_or(layer.diff_id))),
            about: layers[0].map(|layer| layer.created_by.clone()).unwrap_or_default(),
        })
    }
}

fn is_copy(difference: &Difference) -> bool {
    difference.role == Role::Copy && difference.archives.is_empty()
}

/// The copies of an image that are stale, or of nothing that is there.
fn staying(side: usize, image: &Image, notes: &NotesByLayer) -> Result<Staying> {
    let none = Notes::default();
    let layers: Vec<&Notes> =
        image.layers.iter().map(|layer| notes.get(&key(side, layer)).map_or(&none, |notes| &**notes)).collect();
    let mut offsets: BTreeMap<usize, HashSet<u64>> = BTreeMap::new();
    root::each_copy(&layers, |copy| {
        if !copy.is_fresh() {
            offsets.entry(copy.layer).or_default().insert(copy.offset);
        }
        Ok(())
    })?;
    let mut staying = Staying::new();
    for (number, offsets) in offsets {
        let Some(notes) = layers.get(number) else { continue };
        staying.extend(root::names(notes, &offsets)?.into_iter().map(|(_, named)| (number, named.path)));
    }
    Ok(staying)
}
