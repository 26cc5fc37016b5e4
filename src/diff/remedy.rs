//! By which options of `restamp rewrite` two images would become the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::causes::Class;
use crate::diff::findings::Findings;
use crate::diff::mend::{Mend, MendSet, Mends, fewest};
use crate::diff::model::{Difference, Part, Place, Remedy, Report, Role, Value};
use crate::diff::view::{Image, View};
use crate::digest::Digest;
use crate::error::Result;
use crate::image::signatures::signatures;
use crate::name::{NewName, familiar, tag_of};
use crate::repair::signs::is_never_raised;

/// What is known of both images beside their differences.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Keys of times that rewriting sets if they are given as time keys.
    pub(crate) keys: BTreeSet<String>,
    /// A name that both can be given.
    pub(crate) name: Option<String>,
    /// Is one of them signed? Rewriting refuses it then, unless it may leave out the signatures.
    pub(crate) is_signed: bool,
    /// The documents that are signatures.
    pub(crate) signatures: HashSet<Digest>,
}

impl Facts {
    /// What both sources say; `pair` are their images, where each has one.
    pub(crate) fn of(views: [&View<'_>; 2], pair: Option<[&Image; 2]>) -> Result<Self> {
        let mut facts = Self::default();
        for view in views {
            for signature in signatures(&view.set.documents, &view.set.selection)? {
                facts.is_signed = true;
                facts.signatures.extend(signature.digest);
            }
        }
        facts.name = pair.and_then(|images| facts.name_for(views, images));
        Ok(facts)
    }

    /// Says of differences that options do away with which leave out a part of an image, or name it.
    pub(crate) fn mend(&self, findings: &mut Findings) {
        let Findings { differences, places, attestations, .. } = findings;
        for difference in differences {
            let place = places.get(difference.place);
            for mend in [
                attestations.contains(&difference.place).then_some(Mend::Attestations),
                place.is_some_and(|place| self.is_signature(difference, place)).then_some(Mend::Signatures),
                (difference.role == Role::Name && self.name.is_some()).then_some(Mend::Name),
            ] {
                let mends = mend.map_or(Mends::NONE, Mends::by);
                difference.mends = difference.mends.or_all(mends);
            }
        }
    }

    /// A name of one of these that `rewrite --name` gives to either of two sources: each has to have one image then.
    fn name_for(&self, views: [&View<'_>; 2], images: [&Image; 2]) -> Option<String> {
        let has_one = |view: &&View<'_>| {
            let all = view.set.top_level();
            let mut images = all.iter().map(|one| one.digest).filter(|digest| !self.signatures.contains(digest));
            images.next().is_some_and(|first| images.all(|digest| digest == first))
        };
        if !views.iter().all(has_one) {
            return None;
        }
        let names = || images.into_iter().flat_map(|image| &image.names).map(|name| familiar(name));
        let is_name = |name: &&str| name.parse::<NewName>().is_ok();
        let full = names().filter(is_name).find(|name| tag_of(name).is_some());
        full.or_else(|| names().find(is_name)).map(str::to_owned)
    }

    /// Is it one of a signature? Those of cosign are images as well.
    fn is_signature(&self, difference: &Difference, place: &Place) -> bool {
        let digests = || place.digests.iter().flatten();
        (place.part == Part::Attached || difference.role == Role::Image)
            && digests().count() > 0
            && digests().all(|digest| self.signatures.contains(digest))
    }
}

/// The fewest options after which the fewest differences are left; `None` if there are none.
pub(crate) fn remedy(report: &Report, facts: &Facts) -> Option<Remedy> {
    if report.differences.is_empty() {
        return None;
    }
    let all: BTreeSet<Mends> = report.differences.iter().map(|difference| difference.mends).collect();
    let always = if facts.is_signed { MendSet::of(&[Mend::Signatures]) } else { MendSet::default() };
    let chosen = fewest(&all, always);
    let options = chosen.arguments(|mend| match mend {
        Mend::TimeKey => facts.keys.iter().cloned().collect(),
        _ => facts.name.iter().cloned().collect(),
    });
    let mut left = 0;
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for difference in report.differences.iter().filter(|difference| !difference.mends.are_met_by(chosen)) {
        left += 1;
        *counts.entry(cause(difference)).or_default() += 1;
    }
    let epoch_until = report.differences.iter().filter_map(never_raised).min();
    let mut causes: Vec<(&'static str, usize)> = counts.into_iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Some(Remedy { options, left, causes, epoch_until })
}

/// The earlier of two mtimes that rewriting never raises, and that differ.
fn never_raised(difference: &Difference) -> Option<i64> {
    let is_mtime = difference.class == Class::Time && difference.field == "mtime" && difference.archives.is_empty();
    let seconds = |value: &Option<Value>| value.as_ref().and_then(Value::as_time).map(|time| time.seconds);
    let [Some(a), Some(b)] = difference.values.each_ref().map(seconds) else { return None };
    (is_mtime && is_never_raised(&difference.path)).then(|| a.min(b))
}

/// The id of the cause, or else the class.
fn cause(difference: &Difference) -> &'static str {
    difference.cause.map_or(difference.class.name(), |cause| cause.id)
}
