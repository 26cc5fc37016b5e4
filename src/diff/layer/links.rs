//! What the hard links of a layer lead to, and which entries have an order that decides the result.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::diff::layer::path::{ancestors, normal};
use crate::diff::layer::record::{Record, Records};

/// A chain of links is followed this far.
const CHAIN_MAX: usize = 16;

/// What hard links of a layer lead to.
pub(crate) struct Links<'r> {
    by_path: HashMap<&'r [u8], &'r Record>,
    /// Where hard links lead.
    targets: HashSet<Cow<'r, [u8]>>,
}

impl<'r> Links<'r> {
    pub(crate) fn new(records: &'r Records) -> Self {
        let has_links = records.entries.iter().any(Record::is_hard_link);
        let all = records.entries.iter().filter(|_| has_links);
        let links = records.entries.iter().filter(|record| record.is_hard_link());
        Self {
            by_path: all.map(|record| (record.path(), record)).collect(),
            targets: links.map(|record| normal(&record.extra().link)).collect(),
        }
    }

    /// Does a hard link lead to this path?
    pub(crate) fn lead_to(&self, path: &[u8]) -> bool {
        self.targets.contains(path)
    }

    /// The file that an entry is or leads to; `None` if it is in no layer that is known.
    pub(crate) fn file<'a>(&self, record: &'a Record) -> Option<&'a Record>
    where
        'r: 'a,
    {
        let mut at = record;
        for _ in 0..CHAIN_MAX {
            if at.is_file() {
                return Some(at);
            }
            if !at.is_hard_link() {
                return None;
            }
            at = self.by_path.get(&*normal(&at.extra().link)).copied()?;
        }
        None
    }
}

/// A pair of entries whose order among each other decides what they make: the same path twice, something below what is
/// no directory, a link and its target. `None` if all that changed places may do so.
pub(crate) fn order_that_matters<'r>(pairs: &[[Option<&'r Record>; 2]]) -> Option<[&'r Record; 2]> {
    let both = || {
        pairs.iter().filter_map(|pair| match pair {
            [Some(a), Some(b)] => Some([*a, *b]),
            _ => None,
        })
    };
    let mut by_path: HashMap<&[u8], (&Record, Numbers)> = HashMap::new();
    for [a, b] in both().filter(|[a, b]| !a.is_folder() || !b.is_folder()) {
        by_path.entry(a.path()).or_insert_with(|| (a, Numbers::default())).1.pairs.push((a.number, b.number));
    }
    by_path.values_mut().for_each(|(_, numbers)| numbers.sort());
    for [a, b] in both() {
        let (left, right) = (normal(&a.extra().link), normal(&b.extra().link));
        let target = (a.is_hard_link() && b.is_hard_link() && left == right).then_some(&*left);
        for path in ancestors(a.path()).chain(target) {
            if let Some((other, _)) = by_path.get(path).filter(|(_, all)| all.have_crossed(a.number, b.number)) {
                return Some([other, a]);
            }
        }
    }
    None
}

/// The numbers in both layers of all entries of one path: there may be as many of them as there are entries below it.
#[derive(Default)]
struct Numbers {
    pairs: Vec<(u32, u32)>,
    /// The highest right number of each pair and those before it, the lowest of each and those after it.
    bounds: Vec<(u32, u32)>,
}

impl Numbers {
    fn sort(&mut self) {
        self.pairs.sort_unstable();
        let mut highest = 0;
        self.bounds.extend(self.pairs.iter().map(|(_, right)| {
            highest = highest.max(*right);
            (highest, *right)
        }));
        let mut lowest = u32::MAX;
        for (_, right) in self.bounds.iter_mut().rev() {
            lowest = lowest.min(*right);
            *right = lowest;
        }
    }

    /// Is one of them before an entry with these numbers on one side, and after it on the other?
    fn have_crossed(&self, left: u32, right: u32) -> bool {
        let after = self.pairs.partition_point(|(number, _)| *number <= left);
        let before = after.checked_sub(1).and_then(|last| self.bounds.get(last));
        before.is_some_and(|(highest, _)| *highest > right)
            || self.bounds.get(after).is_some_and(|(_, lowest)| *lowest <= right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_path_are_found_as_if_compared_one_by_one() {
        let numbers: Vec<(u32, u32)> = (0..23).map(|n| (n * 7 % 23, n * 5 % 23)).collect();
        for count in 0..numbers.len() {
            let (of_path, others) = numbers.split_at(count);
            let mut all = Numbers { pairs: of_path.to_vec(), bounds: Vec::new() };
            all.sort();
            for (left, right) in others {
                let expected = of_path.iter().any(|(x, y)| (left < x) != (right < y));
                assert_eq!(all.have_crossed(*left, *right), expected, "{of_path:?} {left} {right}");
            }
        }
    }
}
