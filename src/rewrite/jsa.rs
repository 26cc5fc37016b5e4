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
use crate::format::jsa::Pair;
use crate::layer::{self, Event};
use crate::notice::{Notice, NoticeKind};
use crate::repair::archives::{Archive, ArchiveScanner};
use crate::repair::notes::Notes;
use crate::repair::root::{self, Jar};
use crate::repair::rules::Special;
use crate::repair::signs::Sign;
use crate::stamp::Stamp;

/// What is written into the archives of each layer: by entry, where and what.
pub(super) type Writes = BTreeMap<u64, Vec<(u64, i64)>>;

/// What is written into the archives of an image's layers, which follow its jars. `own` are the entries that get mtimes of
/// their own.
pub(super) fn image(
    options: &Options,
    layers: &mut Layers,
    keys: &[Key],
    own: &[BTreeMap<u64, Special>],
    context: &RunContext,
) -> Result<Vec<Writes>> {
    let mut all = vec![Writes::new(); keys.len()];
    let has_archives =
        |layers: &Layers, key: &Key| layers.seen(key).is_some_and(|seen| seen.signs.contains_key(&Sign::Jsa));
    if !options.repair.jsa || !keys.iter().any(|key| has_archives(layers, key)) {
        return Ok(all);
    }
    let none = Notes::default();
    let notes: Vec<&Notes> = keys.iter().map(|key| layers.notes(key).unwrap_or(&none)).collect();
    let Some(jars) = root::jars(&notes)? else {
        let text = "--repair jsa: the image has too many jars; its archives of class data stay as they are";
        layers.warnings.insert(Notice::new(NoticeKind::StaleCopy, text));
        return Ok(all);
    };
    let becomes = becomes(options.stamp()?, &jars, keys, own);
    let pairs: Vec<Pair> = becomes.keys().copied().collect();
    for (key, writes) in keys.iter().zip(&mut all) {
        let Some((source, expect)) = layers.encoded(key).filter(|_| has_archives(layers, key)) else { continue };
        let mut scanner = ArchiveScanner::new(&pairs);
        let scanned = layer::scan(source, &expect, &context.pool, &mut |event| {
            match event {
                Event::Entry(entry) => scanner.entry(entry),
                Event::Content(bytes) => scanner.content(bytes),
                _ => {}
            }
            Ok(())
        });
        scanned.map_err(|e| e.in_blob(key.name()))?;
        writes.extend(scanner.finish().iter().filter_map(|archive| Some((archive.offset, places(archive, &becomes)?))));
    }
    Ok(all)
}

/// What an archive that holds this mtime and size is to hold instead, by mtime and size; `None` where jars that have both
/// become different.
type Becomes = HashMap<Pair, Option<i64>>;

/// What the mtimes of jars become. What a jar becomes that had another mtime is no mtime of an archive: one that holds it was
/// made of another jar, and stays unfit.
fn becomes(stamp: Stamp, jars: &[Jar], keys: &[Key], own: &[BTreeMap<u64, Special>]) -> Becomes {
    let new = |jar: &Jar| {
        if !keys.get(jar.layer).is_some_and(Key::is_stamped) {
            return jar.mtime.seconds;
        }
        let special = own.get(jar.layer).and_then(|own| own.get(&jar.offset));
        let epoch = special.and_then(|special| special.mtime).unwrap_or(stamp.epoch);
        Stamp { epoch, ..stamp }.applied(jar.mtime).seconds
    };
    let mut becomes = Becomes::new();
    for jar in jars {
        let new = new(jar);
        let place = becomes.entry((jar.mtime.seconds, jar.size)).or_insert(Some(new));
        *place = place.filter(|place| *place == new);
    }
    for (jar, new) in jars.iter().map(|jar| (jar, new(jar))) {
        if new != jar.mtime.seconds {
            becomes.entry((new, jar.size)).or_insert(Some(new ^ 1));
        }
    }
    becomes
}

/// Where an archive gets which mtimes, in the order of their places; `None` if it stays.
fn places(archive: &Archive, becomes: &Becomes) -> Option<Vec<(u64, i64)>> {
    let found = archive.found.iter();
    let moved = found.filter_map(|found| Some((found.only()?, (*becomes.get(&found.pair)?)?, found.pair.0)));
    let mut places: Vec<(u64, i64)> = moved.filter(|(_, new, old)| new != old).map(|(at, new, _)| (at, new)).collect();
    places.sort_unstable();
    (!places.is_empty()).then_some(places)
}
