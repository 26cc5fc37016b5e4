//! Mtimes that are not the epoch, by request, and warnings about programs for which no patch of a file's content helps.

use std::collections::BTreeMap;

use super::layers::{Key, Layers};
use super::options::Options;
use super::report::PackageDate;
use crate::error::{Error, Result, thousands};
use crate::notice::{Notice, NoticeKind};
use crate::repair::rules::{BY_CONTENT_RANGE, Special, before};
use crate::repair::seen::{Seen, Span};
use crate::repair::signs::{Compiled, Sign};
use crate::stamp::{Instant, Rule, Stamp};

/// The first second that a zip archive can hold: 1980-01-01T00:00:00Z.
const ZIP_EPOCH: u64 = 315_532_800;

/// Epochs that are constants, by which two versions of a file look the same to a web browser.
const CONSTANTS: [u64; 3] = [0, 1, ZIP_EPOCH];

/// The entries of an image's layers that get mtimes of their own, or are not left out, layer by layer.
pub(super) fn image(options: &Options, layers: &mut Layers, keys: &[Key]) -> Result<Vec<BTreeMap<u64, Special>>> {
    let stamp = options.stamp()?;
    for (option, globs, least) in [
        ("--keep-order", &options.mtimes.keep_order, 1),
        ("--mtime-by-content", &options.mtimes.by_content, BY_CONTENT_RANGE),
    ] {
        if !globs.is_empty() && stamp.epoch.seconds() < least {
            let text = format!("{option} needs an epoch of {least} or later: it gives files an earlier time");
            return Err(Error::refused(text));
        }
    }
    // Which source a compiled file is of is not always known: one that is newer than any of them may be newer than its own.
    let mut oldest: BTreeMap<Compiled, Instant> = BTreeMap::new();
    let mut all = Summary::default();
    let mut specials = Vec::with_capacity(keys.len());
    for key in keys {
        let seen = layers.seen(key).cloned().unwrap_or_default();
        for (compiled, mtime) in &seen.kept_newer {
            let earliest = oldest.entry(*compiled).or_insert(*mtime);
            *earliest = (*mtime).min(*earliest);
        }
        all.add(&seen);
        specials.push(seen.specials);
    }
    for (key, specials) in keys.iter().zip(&mut specials) {
        for (compiled, offset, mtime) in layers.seen(key).map(|seen| seen.older.as_slice()).unwrap_or_default() {
            if oldest.get(compiled).is_some_and(|oldest| oldest > mtime) {
                let place = specials.entry(*offset).or_default();
                *place = place.and(Special { mtime: Some(before(stamp.epoch)), ..Special::default() });
            }
        }
    }
    layers.warnings.extend(all.warnings(options, stamp));
    Ok(specials)
}

/// The times that files of packages' sources had: of them tools take the date of a snapshot.
pub(super) fn package_dates(stamp: Stamp, layers: &Layers) -> Vec<PackageDate> {
    let seen = layers.all_seen().flat_map(|seen| &seen.package_dates);
    let moved = seen.filter(|(_, mtime)| stamp.applied(*mtime) != *mtime);
    let mut dates: Vec<PackageDate> =
        moved.map(|(path, mtime)| PackageDate { path: path.clone(), mtime: mtime.to_string() }).collect();
    dates.sort();
    dates.dedup();
    dates
}

/// What the layers of an image have together.
#[derive(Default)]
struct Summary {
    signs: BTreeMap<Sign, (u64, String)>,
    compiled: BTreeMap<Compiled, Span>,
    sources: BTreeMap<Compiled, Span>,
    kept_newer: BTreeMap<Compiled, Instant>,
    /// Has any file an mtime by its content?
    has_own_mtimes: bool,
}

impl Summary {
    fn add(&mut self, seen: &Seen) {
        self.has_own_mtimes |= seen.specials.values().any(|special| special.mtime.is_some());
        for (sign, (count, first)) in &seen.signs {
            let place = self.signs.entry(*sign).or_insert_with(|| (0, first.clone()));
            place.0 += count;
        }
        for (spans, own) in [(&mut self.compiled, &seen.compiled), (&mut self.sources, &seen.sources)] {
            for (compiled, span) in own {
                Span::add(spans, *compiled, span.first);
                Span::add(spans, *compiled, span.last);
            }
        }
        self.kept_newer.extend(&seen.kept_newer);
    }

    fn warnings(&self, options: &Options, stamp: Stamp) -> Vec<Notice> {
        let mut texts: Vec<String> = Vec::new();
        if !options.mtimes.keep_order.is_empty() && self.kept_newer.is_empty() {
            texts.push("--keep-order: no compiled file of a known kind is at such a path".to_owned());
        }
        if !options.mtimes.by_content.is_empty() && !self.has_own_mtimes {
            texts.push("--mtime-by-content: no file at such a path gets an mtime".to_owned());
        }
        for compiled in Compiled::ALL {
            texts.extend(self.compared(compiled, stamp));
        }
        for (sign, (count, first)) in &self.signs {
            let more = if *count > 1 { format!(" and {} more", thousands(count - 1)) } else { String::new() };
            texts.extend(sign_text(*sign, options, stamp).map(|text| format!("{first}{more}: {text}")));
        }
        if stamp.epoch.seconds() < ZIP_EPOCH && stamp.rule == Rule::Set {
            texts.push(format!(
                "the epoch {} is before 1980: Python's zipfile and others can't put such files into a zip archive",
                stamp.epoch
            ));
        }
        texts.into_iter().map(|text| Notice::new(NoticeKind::Mtimes, text)).collect()
    }

    /// The warning for compiled files that are compared with their sources by mtime alone, where one time for both
    /// changes what their program does.
    fn compared(&self, compiled: Compiled, stamp: Stamp) -> Option<String> {
        let (own, sources) = (self.compiled.get(&compiled)?, self.sources.get(&compiled)?);
        if self.kept_newer.contains_key(&compiled) {
            return None;
        }
        let becomes_equal = |a: Instant, b: Instant| stamp.applied(a) == stamp.applied(b);
        let (what, glob) = (compiled.what(), compiled.glob());
        if compiled.must_be_newer() && own.last > sources.first && becomes_equal(own.last, sources.first) {
            return Some(format!(
                "{what} are used only if they are newer than their sources, and now both have the same time: the program \
                 compiles them again, at every start if it can't write them. --keep-order '{glob}' keeps them newer"
            ));
        }
        (!compiled.must_be_newer() && own.first < sources.last && becomes_equal(own.first, sources.last)).then(|| {
            format!(
                "{what} are used unless they are older than their sources, and both have the same time now: one that \
                 was stale is used from now on. Compile them again before the image is rewritten"
            )
        })
    }
}

/// The warning for a file that goes stale, or looks like another version of itself.
fn sign_text(sign: Sign, options: &Options, stamp: Stamp) -> Option<String> {
    match sign {
        Sign::Jsa if options.repair.jsa => None,
        Sign::Jsa => Some(
            "an archive of Java's class data sharing holds the mtimes of jars: where these have changed, the JVM does \
             not use it, or does not start with -Xshare:on; --repair jsa updates them"
                .to_owned(),
        ),
        Sign::Gstreamer => Some("GStreamer's registry holds mtimes of plugins: GStreamer scans all plugins again where these have changed".to_owned()),
        Sign::Vlc => Some("VLC's cache of plugins holds their mtimes, and is stale where these have changed".to_owned()),
        Sign::Fontconfig => (stamp.epoch.seconds() == 0 && stamp.rule == Rule::Set).then(|| {
            "fontconfig takes the cache of a directory whose mtime is 0 for up to date whatever is in it: take another \
             epoch"
                .to_owned()
        }),
        Sign::WebRoot => (CONSTANTS.contains(&stamp.epoch.seconds()) && stamp.rule == Rule::Set).then(|| {
            format!(
                "a web server makes the ETag of a file of its mtime and size, so that with the epoch {} in every version \
                 browsers keep old files of the same size: take the time of the commit{}",
                stamp.epoch,
                if stamp.epoch.seconds() >= BY_CONTENT_RANGE { ", or --mtime-by-content GLOB" } else { "" }
            )
        }),
    }
}
