//! Layers in the order of their names: which opaque whiteouts hide nothing.

use std::collections::{BTreeMap, HashSet};

use super::layers::{Key, Layers};
use crate::repair::path::PathKey;
use crate::repair::rules::Special;

/// Has opaque whiteouts left out that hide nothing in the layers below, where the entries of all of these are known. What a
/// layer between has removed counts as there.
pub(super) fn whiteouts(layers: &Layers, keys: &[Key], specials: &mut [BTreeMap<u64, Special>]) {
    let mut below: HashSet<PathKey> = HashSet::new();
    for (key, specials) in keys.iter().zip(specials) {
        // What is in the layers above is not known to hide nothing.
        let Some(tree) = layers.tree(key) else { return };
        if key.is_stamped() {
            for (_, offset) in tree.opaque.iter().filter(|(directory, _)| !below.contains(directory)) {
                let place = specials.entry(*offset).or_default();
                *place = place.and(Special { is_left_out: true, ..Special::default() });
            }
        }
        below.extend(&tree.filled);
    }
}
