//! What a comparison has found so far.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::diff::mend::MendSet;
use crate::diff::model::{Difference, Place};
use crate::diff::overview::Overview;
use crate::diff::packages::Databases;
use crate::digest::Digest;
use crate::document::TimeKeys;

/// Where differences are put as they are found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) places: Vec<Place>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) notes: Vec<String>,
    /// Which labels and annotations hold times, besides those that are known.
    pub(crate) time_keys: TimeKeys,
    /// Other keys of times, which rewriting sets if they are given as time keys.
    pub(crate) unlisted_keys: BTreeSet<String>,
    /// What only follows from other differences of its place, and is one where all of those can be made to go away.
    pub(crate) follows: Vec<Difference>,
    /// Options that would make differ what is the same on both sides.
    pub(crate) unfit: MendSet,
    /// Places of attestations, which can be left out.
    pub(crate) attestations: HashSet<usize>,
    /// Pairs of indexes that were compared; `None` is `index.json`.
    pub(crate) indexes: HashSet<[Option<Digest>; 2]>,
    /// What the databases of packages say.
    pub(crate) databases: Databases,
    /// Where differences go that are of no one image.
    pub(crate) index_place: Option<usize>,
    /// Which manifest of B goes with one of A: what names the one there names the other here.
    pub(crate) counterparts: BTreeMap<Digest, Digest>,
    /// What was noticed of whole images.
    pub(crate) overview: Overview,
}

impl Findings {
    /// A new place.
    pub(crate) fn place(&mut self, place: Place) -> usize {
        self.places.push(place);
        self.places.len() - 1
    }

    /// A difference.
    pub(crate) fn push(&mut self, difference: Difference) {
        self.differences.push(difference);
    }

    /// Do two digests name what is compared as a pair?
    pub(crate) fn are_counterparts(&self, digests: [Option<Digest>; 2]) -> bool {
        let [Some(a), Some(b)] = digests else { return false };
        self.counterparts.get(&a) == Some(&b)
    }

    /// How many there are so far: to see whether a comparison has found anything.
    pub(crate) fn count(&self) -> usize {
        self.differences.len()
    }
}
