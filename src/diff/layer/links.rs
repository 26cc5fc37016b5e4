//! What hard links of a layer lead to, and whose order decides what is there in the end.

use std::collections::HashMap;

use crate::diff::layer::path::{ancestors, normal};
use crate::diff::layer::record::{Record, Records};

/// A chain of links is followed this far.
const CHAIN_MAX: usize = 16;

/// What hard links of a layer lead to.
pub(crate) struct Links<'r> {
    by_path: HashMap<&'r [u8], &'r Record>,
}

impl<'r> Links<'r> {
    pub(crate) fn new(records: &'r Records) -> Self {
        let has_links = records.entries.iter().any(Record::is_hard_link);
        let all = records.entries.iter().filter(|_| has_links);
        Self { by_path: all.map(|record| (record.path(), record)).collect() }
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
    let mut by_path: HashMap<&[u8], Vec<[&Record; 2]>> = HashMap::new();
    for [a, b] in both().filter(|[a, b]| !a.is_folder() || !b.is_folder()) {
        by_path.entry(a.path()).or_default().push([a, b]);
    }
    let turned = |[a, b]: [&Record; 2], [x, y]: [&Record; 2]| (a.number < x.number) != (b.number < y.number);
    for pair in both() {
        let [a, b] = pair;
        let (left, right) = (normal(&a.extra().link), normal(&b.extra().link));
        let target = (a.is_hard_link() && b.is_hard_link() && left == right).then_some(&*left);
        for path in ancestors(a.path()).chain(target) {
            for other in by_path.get(path).into_iter().flatten() {
                if turned(pair, *other) {
                    return Some([other[0], a]);
                }
            }
        }
    }
    None
}
