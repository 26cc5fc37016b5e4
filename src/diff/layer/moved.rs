//! Files that have another name on the other side, and the same content.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diff::layer::record::Record;
use crate::diff::model::Findings;
use crate::error::printable;

/// Files of each side by content, to find what has only another name.
#[derive(Default)]
pub(crate) struct Moved {
    by_content: HashMap<[u8; 32], [Vec<(usize, Arc<[u8]>)>; 2]>,
}

impl Moved {
    /// A file that only this side has, and the number of the difference that says so.
    pub(crate) fn add(&mut self, side: usize, record: &Record, difference: usize) {
        let Some(content) = record.content else { return };
        if let Some(list) = self.by_content.entry(content).or_default().get_mut(side) {
            list.push((difference, record.shared_path()));
        }
    }

    /// Says of each pair what the other one is.
    pub(crate) fn note(self, findings: &mut Findings) {
        for [a, b] in self.by_content.into_values() {
            if let ([(at_a, path_a)], [(at_b, path_b)]) = (a.as_slice(), b.as_slice()) {
                for (at, path) in [(at_a, path_b), (at_b, path_a)] {
                    if let Some(difference) = findings.differences.get_mut(*at) {
                        difference.note =
                            Some(format!("the same content as {} on the other side", printable(path)).into());
                    }
                }
            }
        }
    }
}
