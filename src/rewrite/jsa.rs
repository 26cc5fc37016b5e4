//! Archives of Java's class data sharing: where they hold the mtime of a jar, beside its size.
//!
//! An archive has no fixed place for them. The layers that have archives are read once more, and looked through for the
//! mtimes and sizes of all jars of the image; where such a pair occurs exactly once in an archive, its mtime becomes that of
//! the jar.

use std::collections::{BTreeMap, HashMap};

use super::layers::{Key, Layers};
use super::options::Options;
use crate::context::RunContext;
use crate::error::Result;
use crate::format::jsa::{self, PairScanner};
use crate::layer::{self, Event};
use crate::repair::notes::Note;
use crate::repair::path::PathKey;
use crate::repair::rules::Special;
use crate::repair::signs::Sign;
use crate::stamp::Stamp;

/// So many jars are looked for.
const JARS_MAX: usize = 20_000;

/// What is written into the archives of each layer: by entry, where and what.
pub(super) type Writes = BTreeMap<u64, Vec<(u64, i64)>>;

/// What is written into the archives of an image's layers, which follow its jars. `own` are the entries that get mtimes of
/// their own.
pub(super) fn image(
    options: &Options,
    layers: &Layers,
    keys: &[Key],
    own: &[BTreeMap<u64, Special>],
    context: &RunContext,
) -> Result<Vec<Writes>> {
    let mut all = vec![Writes::new(); keys.len()];
    let has_archives = |key: &Key| layers.seen(key).is_some_and(|seen| seen.signs.contains_key(&Sign::Jsa));
    if !options.repair.jsa || !keys.iter().any(has_archives) {
        return Ok(all);
    }
    let jars = jars(options.stamp()?, layers, keys, own)?;
    for (key, writes) in keys.iter().zip(&mut all) {
        let Some((source, expect)) = layers.encoded(key).filter(|_| has_archives(key)) else { continue };
        let mut current: Option<(u64, Vec<u8>, PairScanner)> = None;
        layer::scan(source, &expect, &context.pool, &mut |event| {
            match event {
                Event::Entry(entry) => {
                    end(current.take(), &jars, writes);
                    let is_archive = matches!(entry.kind(), b'0' | 0 | b'7') && jsa::is_name(&entry.name());
                    current =
                        is_archive.then(|| (entry.header_offset(), Vec::new(), PairScanner::new(jars.keys().copied())));
                }
                Event::Content(bytes) => {
                    if let Some((_, head, scanner)) = &mut current {
                        let missing = jsa::HEADER.saturating_sub(head.len()).min(bytes.len());
                        head.extend_from_slice(bytes.get(..missing).unwrap_or_default());
                        scanner.push(bytes);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        end(current, &jars, writes);
    }
    Ok(all)
}

/// What an archive that holds this mtime and size is to hold instead, by mtime and size; `None` where jars that have both
/// become different.
type Jars = HashMap<(i64, i64), Option<i64>>;

/// What the mtimes of jars become. Of several of one path the topmost counts. What a jar becomes that had another mtime is no
/// mtime of an archive: one that holds it was made of another jar, and stays unfit.
fn jars(stamp: Stamp, layers: &Layers, keys: &[Key], own: &[BTreeMap<u64, Special>]) -> Result<Jars> {
    let mut top: HashMap<PathKey, ((i64, i64), i64)> = HashMap::new();
    for (key, own) in keys.iter().zip(own) {
        let Some(notes) = layers.notes(key) else { continue };
        notes.each(|path, note| {
            if let Note::File(file) = note
                && jsa::is_source_name(path)
                && top.len() < JARS_MAX
                && let Some(size) = file.size.and_then(|size| i64::try_from(size).ok())
            {
                let epoch = own.get(&file.offset).and_then(|special| special.mtime).unwrap_or(stamp.epoch);
                let own = Stamp { epoch, ..stamp };
                let new = if key.is_stamped() { own.applied(file.mtime) } else { file.mtime };
                top.insert(PathKey::of(path), ((file.mtime.seconds, size), new.seconds));
            }
            Ok(())
        })?;
    }
    let mut jars = Jars::new();
    for (pair, new) in top.values() {
        let place = jars.entry(*pair).or_insert(Some(*new));
        *place = place.filter(|place| place == new);
    }
    for ((mtime, size), new) in top.values() {
        if new != mtime {
            jars.entry((*new, *size)).or_insert(Some(new ^ 1));
        }
    }
    Ok(jars)
}

/// An archive has gone by.
fn end(archive: Option<(u64, Vec<u8>, PairScanner)>, jars: &Jars, writes: &mut Writes) {
    let Some((offset, _, scanner)) = archive.filter(|(_, head, _)| jsa::version(head).is_some()) else { return };
    let found = scanner.finish();
    let moved = found.iter().filter_map(|found| Some((found.only()?, (*jars.get(&found.pair)?)?, found.pair)));
    let mut places: Vec<(u64, i64)> =
        moved.filter(|(_, new, pair)| *new != pair.0).map(|(at, new, _)| (at, new)).collect();
    places.sort_unstable();
    if !places.is_empty() {
        writes.insert(offset, places);
    }
}
