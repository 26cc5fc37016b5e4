//! Copies of mtimes in the images of a run: which of them were right, and layers once more where the guess was wrong.
//!
//! While a layer goes by, a copy is patched as if it were right and its original stamped. Only when all layers of an image
//! have gone by can it be said if it was. A copy whose original is in no stamped layer, or that was stale, has to stay; one
//! that was stale and would be right now gets a time that its original does not have. Layers with such copies are encoded
//! again, with these entries treated by themselves.

use std::collections::{BTreeMap, HashSet};

use super::documents::ImagePlan;
use super::layers::{Key, Layers};
use super::options::Options;
use super::plan::Plans;
use super::report::Copies;
use super::speculative::SpeculativeLayers;
use crate::context::RunContext;
use crate::error::{Error, Result, printable};
use crate::notice::{Notice, NoticeKind};
use crate::repair::copies::CopyAction;
use crate::repair::notes::Notes;
use crate::repair::root::{self, RootCopy};
use crate::repair::rules::{Special, Specials};
use crate::stamp::{Instant, Stamp};

/// An image may have so many entries that are treated by themselves.
const SPECIALS_MAX: usize = 1_000_000;

/// Says for every image which copies were right, and encodes layers again where the guess was wrong.
pub(super) fn settle(
    options: &Options,
    layers: &mut Layers,
    plans: &mut Plans,
    context: &RunContext,
) -> Result<Copies> {
    let mut all = Copies::default();
    // Images of the same layers are settled once.
    let mut settled: BTreeMap<Vec<Key>, Vec<Key>> = BTreeMap::new();
    for plan in plans.manifests.values_mut().chain(&mut plans.entries) {
        if let Some(known) = settled.get(&plan.layers) {
            plan.layers.clone_from(known);
            continue;
        }
        let before = plan.layers.clone();
        let found = image(options, layers, plan)?;
        settled.insert(before, plan.layers.clone());
        all.followed += found.followed;
        all.stale += found.stale;
        all.unfit += found.unfit;
        all.left_behind += found.left_behind;
        all.wrongly_right += found.wrongly_right;
    }
    context.progress.set_total(layers.total());
    layers.run(&context.pool, &context.spools, SpeculativeLayers::default())?;
    layers.retain(&plans.manifests.values().chain(&plans.entries).flat_map(|plan| &plan.layers).copied().collect());
    Ok(all)
}

/// What is found of the copies of an image.
#[derive(Default)]
struct Found {
    counts: Copies,
    specials: Vec<Specials>,
    /// A copy that is stale now, and one that is right and was not.
    left_behind: Option<RootCopy>,
    wrongly_right: Option<RootCopy>,
}

/// One image: its layers' keys become those with the entries that it needs treated by themselves.
fn image(options: &Options, layers: &mut Layers, plan: &mut ImagePlan) -> Result<Copies> {
    let stamp = options.stamp()?;
    let none = Notes::default();
    let notes: Vec<&Notes> = plan.layers.iter().map(|key| layers.notes(key).unwrap_or(&none)).collect();
    let mut found = Found { specials: vec![Specials::new(); plan.layers.len()], ..Found::default() };
    let mut count = 0;
    root::each_copy(&notes, |copy| {
        let is_repaired = options.repair.copies && plan.layers.get(copy.layer).is_some_and(Key::is_stamped);
        let Some(special) = found.decide(&plan.layers, stamp, copy, is_repaired) else { return Ok(()) };
        count += 1;
        if count > SPECIALS_MAX {
            let text = "copies of mtimes in one image that do not just follow";
            return Err(Error::limit(text, SPECIALS_MAX as u64, count as u64));
        }
        if let Some(specials) = found.specials.get_mut(copy.layer) {
            specials.push((copy.offset, special));
        }
        Ok(())
    })?;
    if let Some(copy) = found.wrongly_right {
        let text = wrongly_right(&notes, &copy)?;
        if options.repair.copies && !options.repair.ignore_stale {
            let advice = "Take another epoch, or --repair ignore-stale to go on";
            return Err(Error::refused(format!("{text}. {advice}")));
        }
        let more = more(found.counts.wrongly_right);
        plan_warning(layers, format!("{text}{more}"));
    }
    let Found { counts, specials, left_behind, .. } = found;
    let notes: Vec<&Notes> = plan.layers.iter().map(|key| layers.notes(key).unwrap_or(&none)).collect();
    if let Some(copy) = left_behind {
        let (path, _) = names(&notes, &copy)?;
        let why = if options.repair.copies { "its layer stays as it is" } else { "--repair none" };
        let more = more(counts.left_behind);
        let text = format!(
            "{path}{more}: repeats an mtime that has changed and is stale now ({why}): the program that reads it makes it \
             again, each time where it can't write"
        );
        plan_warning(layers, text);
    }
    for (key, mut specials) in plan.layers.iter_mut().zip(specials) {
        specials.extend(layers.left(key).iter().map(|offset| (*offset, Special::Leave)));
        // Of several names of one file the last counts: a copy that is stale by one of them is made unfit for all.
        specials.sort_unstable();
        specials.reverse();
        specials.dedup_by_key(|(offset, _)| *offset);
        specials.reverse();
        *key = layers.with_specials(key, specials);
    }
    Ok(counts)
}

fn plan_warning(layers: &mut Layers, text: String) {
    layers.warnings.insert(Notice::new(NoticeKind::StaleCopy, text));
}

fn more(count: u64) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

impl Found {
    /// What has to become of a copy; `None` if it just follows, or nothing is done to it.
    fn decide(&mut self, keys: &[Key], stamp: Stamp, copy: &RootCopy, is_repaired: bool) -> Option<Special> {
        let value = copy.value;
        let nanos = u32::try_from(value.nanos).unwrap_or_default();
        let own = Instant { seconds: value.seconds, nanos };
        // What it becomes by itself, and whether that is a change.
        let guess = if is_repaired { stamp.applied(own) } else { own };
        let leave = (guess != own).then_some(Special::Leave);
        let Some(original) = copy.original else { return leave };
        let is_stamped = keys.get(original.layer).is_some_and(Key::is_stamped);
        let after = if is_stamped { stamp.applied(original.mtime) } else { original.mtime };
        match (copy.is_fresh(), copy.fits(after)) {
            (true, fits) if is_repaired => {
                self.counts.followed += u64::from(!fits);
                // An original that stays has its copy stay.
                if !is_stamped {
                    return leave;
                }
                (guess.seconds != after.seconds).then_some(Special::Copy(CopyAction::Hold(after.seconds)))
            }
            (true, true) => None,
            (true, false) => {
                self.counts.left_behind += 1;
                self.left_behind.get_or_insert(*copy);
                None
            }
            (false, true) if is_repaired => {
                self.counts.stale += 1;
                self.counts.unfit += 1;
                Some(Special::Copy(CopyAction::Hold(after.seconds ^ 1)))
            }
            (false, true) => {
                self.counts.wrongly_right += 1;
                self.wrongly_right.get_or_insert(*copy);
                None
            }
            (false, false) => {
                self.counts.stale += 1;
                leave
            }
        }
    }
}

/// The paths of a copy and of its original, to be shown.
fn names(notes: &[&Notes], copy: &RootCopy) -> Result<(String, String)> {
    let found = match notes.get(copy.layer) {
        Some(notes) => root::names(notes, &HashSet::from([copy.offset]))?,
        None => Vec::new(),
    };
    let named = found.into_iter().next().map(|(_, named)| named);
    let (path, original) = named.map(|named| (named.path, named.original)).unwrap_or_default();
    Ok((printable(&path), original.map_or("its source".to_owned(), |original| printable(&original))))
}

/// What is said of a copy that was stale and is right.
fn wrongly_right(notes: &[&Notes], copy: &RootCopy) -> Result<String> {
    let (path, original) = names(notes, copy)?;
    Ok(format!(
        "{path} was made of another {original} than the image has, and holds the time that this gets: a program takes it \
         for up to date now, and what it was made of for what is there"
    ))
}
