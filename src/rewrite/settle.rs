//! Encodes layers again where the whole layer, or the image, decides what is done with an entry.
//!
//! A layer is read once, and each entry is treated by its own headers alone. When all layers were read, it is known for
//! each image which copies of mtimes were right (`copies.rs`), which sources have compiled files that must stay newer
//! (`mtimes.rs`), where archives of Java hold mtimes of jars (`jsa.rs`), which opaque whiteouts hide nothing
//! (`sorted.rs`), what a hard link leads to, and which content had to be left as it was. Layers in which anything was
//! guessed wrong are encoded again, with these entries treated by themselves.

use std::collections::BTreeMap;

use super::documents::ImagePlan;
use super::layers::{Key, Layers};
use super::options::Options;
use super::plan::Plans;
use super::report::Copies;
use super::speculative::SpeculativeLayers;
use super::{copies, jsa, mtimes, sorted};
use crate::context::RunContext;
use crate::error::Result;
use crate::repair::rules::{Special, Specials};

/// Settles all images, and encodes layers again where that is needed. `total` bytes of blobs have been read.
pub(super) fn settle(
    options: &Options,
    layers: &mut Layers,
    plans: &mut Plans,
    (context, total): (&RunContext, u64),
) -> Result<Copies> {
    let mut all = Copies::default();
    // Images of the same layers are settled once.
    let mut settled: BTreeMap<Vec<Key>, Vec<Key>> = BTreeMap::new();
    for plan in plans.manifests.values_mut().chain(&mut plans.entries) {
        if let Some(known) = settled.get(&plan.layers) {
            plan.layers.clone_from(known);
            continue;
        }
        let before = plan.layers.clone();
        all.add(&image(options, layers, plan, context)?);
        settled.insert(before, plan.layers.clone());
    }
    if layers.total() > 0 {
        context.progress.set_total(total.saturating_add(layers.total()));
    }
    layers.run(&context.pool, &context.spools, SpeculativeLayers::default())?;
    layers.retain(&plans.manifests.values().chain(&plans.entries).flat_map(|plan| &plan.layers).copied().collect());
    Ok(all)
}

/// One image: its layers' keys become those with the entries that it needs treated by themselves.
fn image(options: &Options, layers: &mut Layers, plan: &mut ImagePlan, context: &RunContext) -> Result<Copies> {
    let mut specials = mtimes::image(options, layers, &plan.layers)?;
    sorted::whiteouts(layers, &plan.layers, &mut specials);
    let (counts, of_copies) = copies::image(options, layers, &plan.layers, &specials)?;
    for (own, copies) in specials.iter_mut().zip(of_copies) {
        for (offset, special) in copies {
            add(own, offset, special);
        }
    }
    let writes = jsa::image(options, layers, &plan.layers, &specials, context)?;
    for ((key, mut own), writes) in plan.layers.iter_mut().zip(specials).zip(writes) {
        for offset in layers.left(key) {
            add(&mut own, *offset, Special::LEAVE);
        }
        *key = layers.with_specials(key, Specials { entries: own.into_iter().collect(), writes });
    }
    Ok(counts)
}

/// Of several names of one file, such as hard links are, the one that makes it stale counts for all.
fn add(specials: &mut BTreeMap<u64, Special>, offset: u64, special: Special) {
    let place = specials.entry(offset).or_default();
    *place = place.and(special);
}
