//! Layers that are not the same, paired: by what is in them and by their command.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::diff::layer::record::{self, Records};
use crate::diff::pair::align::{Pair, by_position};
use crate::diff::view::Image;

/// Below this share of common paths two layers are not counterparts.
const SIMILAR: f64 = 0.2;
/// What the same command counts, as a share of common paths.
const COMMAND: f64 = 0.3;
/// Of more pairs of layers than this only the positions count.
const TABLE_MAX: usize = 1 << 14;

/// Pairs layers that are not the same: by what is in them and by their command, in their order.
pub(crate) fn pair_gap(
    images: [&Image; 2],
    left: &[usize],
    right: &[usize],
    read: &BTreeMap<(usize, usize), Records>,
) -> Vec<Pair> {
    if left.len() == 1 && right.len() == 1 || left.len().saturating_mul(right.len()) > TABLE_MAX {
        return by_position(left, right);
    }
    let sketch = |side: usize, numbers: &[usize]| -> Vec<Sketch> {
        let layer = |number: &usize| images.get(side).and_then(|image| image.layers.get(*number));
        let command = |number| layer(number).map(|layer| layer.created_by.clone()).unwrap_or_default();
        numbers.iter().map(|number| Sketch::of(command(number), read.get(&(side, *number)))).collect()
    };
    let (a, b) = (sketch(0, left), sketch(1, right));
    let scores: Vec<Vec<f64>> = a.iter().map(|x| b.iter().map(|y| x.score(y)).collect()).collect();
    let score = |i: usize, j: usize| scores.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0);
    // The best sum from each pair of positions to the ends: two layers go together, or one of them is passed over.
    let mut best = vec![vec![0.0f64; b.len() + 1]; a.len() + 1];
    let at = |best: &[Vec<f64>], i: usize, j: usize| best.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0);
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            let value = (score(i, j) + at(&best, i + 1, j + 1)).max(at(&best, i + 1, j)).max(at(&best, i, j + 1));
            if let Some(cell) = best.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = value;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    let (mut gap_a, mut gap_b) = (Vec::new(), Vec::new());
    while i < a.len() && j < b.len() {
        if score(i, j) > 0.0 && at(&best, i, j) <= score(i, j) + at(&best, i + 1, j + 1) {
            pairs.append(&mut leftovers(&mut gap_a, &mut gap_b));
            pairs.push((left.get(i).copied(), right.get(j).copied()));
            (i, j) = (i + 1, j + 1);
        } else if at(&best, i, j) <= at(&best, i + 1, j) {
            gap_a.extend(left.get(i));
            i += 1;
        } else {
            gap_b.extend(right.get(j));
            j += 1;
        }
    }
    gap_a.extend(left.get(i..).unwrap_or_default());
    gap_b.extend(right.get(j..).unwrap_or_default());
    pairs.append(&mut leftovers(&mut gap_a, &mut gap_b));
    pairs
}

/// Layers that are like none: as many as on the other side go together, else none has a counterpart.
fn leftovers(a: &mut Vec<usize>, b: &mut Vec<usize>) -> Vec<Pair> {
    let (a, b) = (std::mem::take(a), std::mem::take(b));
    if a.len() == b.len() {
        return by_position(&a, &b);
    }
    a.into_iter().map(|i| (Some(i), None)).chain(b.into_iter().map(|j| (None, Some(j)))).collect()
}

/// What decides whether two layers are counterparts.
struct Sketch {
    command: String,
    /// Hashes of all paths, sorted.
    paths: Vec<u64>,
}

impl Sketch {
    fn of(command: String, records: Option<&Records>) -> Self {
        let hash = |record: &record::Record| {
            let mut hasher = DefaultHasher::new();
            record.path().hash(&mut hasher);
            hasher.finish()
        };
        let mut paths: Vec<u64> = records.into_iter().flat_map(|records| records.entries.iter().map(hash)).collect();
        paths.sort_unstable();
        paths.dedup();
        Self { command, paths }
    }

    /// How much two layers have in common; 0 is nothing.
    fn score(&self, other: &Self) -> f64 {
        let (mut i, mut j, mut common) = (0, 0, 0usize);
        while let (Some(x), Some(y)) = (self.paths.get(i), other.paths.get(j)) {
            common += usize::from(x == y);
            (i, j) = (i + usize::from(x <= y), j + usize::from(y <= x));
        }
        let share = common as f64 / self.paths.len().max(other.paths.len()).max(1) as f64;
        let share = if share >= SIMILAR { share } else { 0.0 };
        let same_command = !self.command.is_empty() && self.command == other.command;
        share + if same_command { COMMAND } else { 0.0 }
    }
}
