//! Whiteouts that only one side has: those that hide nothing do not matter.
//!
//! That depends on the layers below, and images that share a layer may have others below it. A whiteout matters if it
//! hides something in any of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::causes::Class;
use crate::diff::layer::plan::layer_key;
use crate::diff::layer::record::Records;
use crate::diff::layer::tree::{Tree, hidden};
use crate::diff::model::Difference;
use crate::diff::pair::align::Pair;
use crate::diff::view::Image;
use crate::digest::Digest;
use crate::error::Result;

/// All whiteouts that only one side has.
#[derive(Debug, Default)]
pub(crate) struct Whiteouts {
    /// By the place of the two layers.
    by_place: HashMap<usize, Vec<Whiteout>>,
    /// Which of them were judged: by place and side, and what is below.
    judged: HashSet<(usize, usize, Digest)>,
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

    /// Finds out which whiteouts in these places hide something in one of these images. `read` reads layers, each a side
    /// and a number, `at_a_time` of which are read side by side.
    pub(crate) fn judge(
        &mut self,
        differences: &[Difference],
        images: [&Image; 2],
        placed: &[(usize, Pair)],
        at_a_time: usize,
        read: &dyn Fn(&[(usize, usize)]) -> Result<BTreeMap<(usize, usize), Records>>,
    ) -> Result<()> {
        for (side, image) in images.into_iter().enumerate() {
            let open = self.open(side, image, placed);
            let Some(last) = open.keys().next_back().copied() else { continue };
            let lower: Vec<_> = (0..last).map(|number| (side, number)).collect();
            let mut records = BTreeMap::new();
            let mut tree = Tree::default();
            let mut is_known = true;
            for (number, layer) in image.layers.iter().enumerate().take(last.saturating_add(1)) {
                for place in open.get(&number).into_iter().flatten() {
                    for whiteout in self.of_place(*place, side) {
                        let hidden = differences.get(whiteout.difference).and_then(|found| hidden(&found.path));
                        whiteout.hides |= hidden.is_some_and(|hidden| !is_known || tree.has(&hidden));
                    }
                }
                // What is in a layer that is not here is not known.
                is_known &= layer.is_tar && layer.extent.is_some();
                // A few layers at a time: what is in the tree of them is all that is held.
                if number.is_multiple_of(at_a_time.max(1)) {
                    let end = lower.len().min(number.saturating_add(at_a_time.max(1)));
                    records = read(lower.get(number..end).unwrap_or_default())?;
                }
                if let Some(records) = records.remove(&(side, number)) {
                    tree.apply(number, records);
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
