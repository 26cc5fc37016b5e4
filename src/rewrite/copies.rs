//! Copies of mtimes in the images of a run: which of them were right.
//!
//! While a layer is read, a copy is patched as if it were right and its original stamped. Whether it was is known only
//! when all layers of an image were read. A copy whose original is in no stamped layer, or that was stale, has to stay;
//! one that was stale and would be right now gets a time that its original does not have.

use std::collections::{BTreeMap, HashSet};

use super::layers::{Key, Layers};
use super::options::Options;
use super::report::Copies;
use crate::error::{Error, Result, printable};
use crate::notice::{Notice, NoticeKind};
use crate::repair::copies::{CopyAction, CopyKind};
use crate::repair::notes::Notes;
use crate::repair::root::{self, RootCopy, RootOriginal};
use crate::repair::rules::Special;
use crate::repair::seen::SPECIALS_MAX;
use crate::stamp::{Instant, Stamp};

/// Entries of a layer that are treated by themselves, by where their header blocks begin.
pub(super) type OfLayer = Vec<(u64, Special)>;

/// What is found of the copies of an image.
#[derive(Default)]
struct Found {
    counts: Copies,
    /// Is the padding of bootsnap's keys cleared, also where the time in them stays?
    clears_padding: bool,
    specials: Vec<OfLayer>,
    /// A copy that is stale now, and one that is right and was not.
    left_behind: Option<RootCopy>,
    wrongly_right: Option<RootCopy>,
}

/// What has to become of the copies of one image, layer by layer, and how many there are. `own` are the entries of its
/// layers that get mtimes of their own.
pub(super) fn image(
    options: &Options,
    layers: &mut Layers,
    keys: &[Key],
    own: &[BTreeMap<u64, Special>],
) -> Result<(Copies, Vec<OfLayer>)> {
    let stamp = options.stamp()?;
    let none = Notes::default();
    let notes: Vec<&Notes> = keys.iter().map(|key| layers.notes(key).unwrap_or(&none)).collect();
    let clears_padding = options.repair.bootsnap;
    let mut found = Found { specials: vec![OfLayer::new(); keys.len()], clears_padding, ..Found::default() };
    let mut count = 0;
    root::each_copy(&notes, |copy| {
        let is_repaired = options.repair.follows(copy.value.kind) && keys.get(copy.layer).is_some_and(Key::is_stamped);
        let after = copy.original.map(|original| after(keys, own, stamp, &original)).unwrap_or_default();
        let Some(special) = found.decide(after, stamp, copy, is_repaired) else { return Ok(()) };
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
    let Found { counts, specials, left_behind, wrongly_right, .. } = found;
    let mut warnings = Vec::new();
    if let Some(copy) = wrongly_right {
        let text = wrongly_right_text(&notes, &copy)?;
        if options.repair.follows(copy.value.kind) && !options.repair.ignore_stale {
            let advice = "Take another epoch, or --repair ignore-stale to go on";
            return Err(Error::refused(format!("{text}. {advice}")));
        }
        warnings.push(format!("{text}{}", more(counts.wrongly_right)));
    }
    if let Some(copy) = left_behind {
        let (path, _) = names(&notes, &copy)?;
        let why = match copy.value.kind {
            kind if options.repair.follows(kind) => "its layer stays as it is",
            CopyKind::Opcache => "--repair opcache updates it",
            _ => "--repair none",
        };
        let more = more(counts.left_behind);
        warnings.push(format!(
            "{path}{more}: holds a copy of an mtime that has changed, so it is stale now ({why}): the program that \
             reads it makes it again, every time if it can't write it"
        ));
    }
    layers.warnings.extend(warnings.into_iter().map(|text| Notice::new(NoticeKind::StaleCopy, text)));
    Ok((counts, specials))
}

/// What the mtime of an original becomes, and whether its layer is stamped.
fn after(keys: &[Key], own: &[BTreeMap<u64, Special>], stamp: Stamp, original: &RootOriginal) -> (Instant, bool) {
    if !keys.get(original.layer).is_some_and(Key::is_stamped) {
        return (original.mtime, false);
    }
    let special = original.offset.and_then(|offset| own.get(original.layer)?.get(&offset));
    match special.and_then(|special| special.mtime) {
        Some(epoch) => (Stamp { epoch, ..stamp }.applied(original.mtime), true),
        None => (stamp.applied(original.mtime), true),
    }
}

fn more(count: u64) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

impl Found {
    /// What has to become of a copy; `None` if it just follows, or nothing is done to it.
    fn decide(
        &mut self,
        (after, is_stamped): (Instant, bool),
        stamp: Stamp,
        copy: &RootCopy,
        is_repaired: bool,
    ) -> Option<Special> {
        let value = copy.value;
        let nanos = u32::try_from(value.nanos).unwrap_or_default();
        let own = Instant { seconds: value.seconds, nanos };
        // What it becomes by itself, and whether that is a change.
        let guess = if is_repaired { stamp.applied(own) } else { own };
        let is_cleared = self.clears_padding && value.kind == CopyKind::Bootsnap;
        let left = if is_cleared { Special::copy(CopyAction::Hold(value.seconds)) } else { Special::LEAVE };
        let leave = (guess != own).then_some(left);
        if copy.original.is_none() {
            return leave;
        }
        match (copy.is_fresh(), copy.fits(after)) {
            (true, fits) if is_repaired => {
                self.counts.followed += u64::from(!fits);
                // An original that stays has its copy stay.
                if !is_stamped {
                    return leave;
                }
                (guess.seconds != after.seconds).then_some(Special::copy(CopyAction::Hold(after.seconds)))
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
                Some(Special::copy(CopyAction::Hold(after.seconds ^ 1)))
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

/// The message for a copy that was stale and is right.
fn wrongly_right_text(notes: &[&Notes], copy: &RootCopy) -> Result<String> {
    let (path, original) = names(notes, copy)?;
    Ok(format!(
        "{path} was made from another {original} than the image has, but holds the mtime that this file gets: \
         programs would take it for up to date, and use the old content"
    ))
}
