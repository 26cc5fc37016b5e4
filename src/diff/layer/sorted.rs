//! Layers in the order of their names, as `restamp rewrite --order name` writes them: may that be asked for, and which opaque
//! whiteouts does it leave out?
//!
//! It refuses images of which a layer has no such order, also where both have that layer. So the layers are read where the
//! option would help.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::diff::layer::compare::Comparison;
use crate::diff::layer::paired::{Paired, key};
use crate::diff::layer::plan::{LayerKey, expected};
use crate::diff::mend::{Mend, Mends};
use crate::diff::model::{Difference, Role};
use crate::diff::view::{Image, Layer};
use crate::error::Result;
use crate::layer::{self, Event, Pool};
use crate::repair::path::{PathKey, normal, up};

/// Layers of more entries, or more bytes of names, are taken for such as have no order.
const ENTRIES_MAX: usize = 1 << 19;
/// See [`ENTRIES_MAX`].
const NAMES_MAX: usize = 32 << 20;

/// What matters of the entries of a layer.
#[derive(Debug, Default)]
struct Tree {
    /// Directories in which there is something.
    filled: HashSet<PathKey>,
    /// Those with a whiteout of all that the layers below have in them.
    opaque: HashSet<PathKey>,
    /// Is there an order of its entries?
    is_sortable: bool,
}

/// Of each layer of an image the opaque whiteouts in it, and whether they stay.
type Opaque = Vec<HashMap<PathKey, bool>>;

impl Comparison<'_> {
    /// Says of opaque whiteouts that only one side has whether sorting leaves them out, and of sorting whether it can be done and
    /// leaves the same on both sides.
    pub(crate) fn sorting(&mut self, images: &[[&Image; 2]]) -> Result<()> {
        let differences = &self.findings.differences;
        let by_order = |one: &Difference| one.mends.ways().any(|way| way.has(Mend::Order));
        if !differences.iter().any(|one| is_opaque(one) || by_order(one)) {
            return Ok(());
        }
        let paired = std::mem::take(&mut self.paired_images);
        let mut trees = HashMap::new();
        let mut may_be_sorted = true;
        let mut left_out: HashMap<usize, bool> = HashMap::new();
        for (images, paired) in images.iter().zip(&paired).filter(|(_, paired)| !paired.is_rootfs) {
            self.trees(&mut trees, *images)?;
            let [Some(a), Some(b)] = [opaque(0, images[0], &trees), opaque(1, images[1], &trees)] else {
                may_be_sorted = false;
                break;
            };
            may_be_sorted &=
                paired.pairs.iter().all(|(i, j)| match (i.and_then(|i| a.get(i)), j.and_then(|j| b.get(j))) {
                    (Some(x), Some(y)) => x.iter().all(|(path, stays)| y.get(path).is_none_or(|other| other == stays)),
                    _ => true,
                });
            self.left_out(paired, [&a, &b], &mut left_out);
        }
        self.paired_images = paired;
        if !may_be_sorted {
            self.findings.unfit = self.findings.unfit.with(Mend::Order);
        }
        for (at, _) in left_out.into_iter().filter(|(_, is_left_out)| *is_left_out) {
            if let Some(difference) = self.findings.differences.get_mut(at) {
                difference.mends = difference.mends.or_all(Mends::by(Mend::Order));
            }
        }
        Ok(())
    }

    /// Of opaque whiteouts that only one side has, whether sorting leaves them out of all images that have them.
    fn left_out(&self, paired: &Paired, opaque: [&Opaque; 2], left_out: &mut HashMap<usize, bool>) {
        let places: HashMap<usize, _> = paired.placed.iter().copied().collect();
        for (at, one) in self.findings.differences.iter().enumerate().filter(|(_, one)| is_opaque(one)) {
            let Some((i, j)) = places.get(&one.place) else { continue };
            let side = usize::from(one.values.first().is_some_and(Option::is_none));
            let number = if side == 0 { *i } else { *j };
            let mut directory = normal(&one.path);
            up(&mut directory);
            let layer = number.and_then(|number| opaque.get(side)?.get(number));
            let stays = layer.and_then(|layer| layer.get(&PathKey::of(&directory))).copied().unwrap_or(true);
            *left_out.entry(at).or_insert(true) &= !stays;
        }
    }

    /// Reads the layers of two images that are not known yet.
    fn trees(&self, trees: &mut HashMap<(Option<usize>, LayerKey), Arc<Tree>>, images: [&Image; 2]) -> Result<()> {
        let mut queue: Vec<(usize, &Layer)> = Vec::new();
        let mut queued = HashSet::new();
        for (side, image) in images.into_iter().enumerate() {
            for layer in image.layers.iter().filter(|layer| layer.is_tar && layer.extent.is_some()) {
                let key = key(side, layer);
                if !trees.contains_key(&key) && queued.insert(key) {
                    queue.push((side, layer));
                }
            }
        }
        let read = self.pool.each(&queue, |(side, layer), batch| self.tree(*side, layer, batch))?;
        let keys = queue.iter().map(|(side, layer)| key(*side, layer));
        trees.extend(keys.zip(read).map(|(key, tree)| (key, Arc::new(tree))));
        Ok(())
    }

    fn tree(&self, side: usize, layer: &Layer, pool: &Pool) -> Result<Tree> {
        let Some(extent) = &layer.extent else { return Ok(Tree::default()) };
        let name = self.views.get(side).map(|view| view.source.name()).unwrap_or_default();
        let mut tree = Tree { is_sortable: true, ..Tree::default() };
        let (mut paths, mut names) = (HashSet::new(), 0usize);
        let scanned = layer::scan(extent, &expected(layer), pool, &mut |event| {
            match event {
                Event::Entry(entry) if entry.is_toc() || entry.is_behind_end() => tree.is_sortable = false,
                Event::Entry(entry) if tree.is_sortable => {
                    let path = normal(&entry.name());
                    names = names.saturating_add(path.len());
                    tree.is_sortable =
                        paths.insert(PathKey::of(&path)) && paths.len() < ENTRIES_MAX && names < NAMES_MAX;
                    tree.add(path);
                    tree.is_sortable &= tree.filled.len() < ENTRIES_MAX;
                }
                Event::Global(_) => tree.is_sortable = false,
                _ => {}
            }
            Ok(())
        });
        scanned.map_err(|e| e.in_blob(layer.digest.unwrap_or(layer.diff_id)).in_file(name))?;
        Ok(tree)
    }
}

impl Tree {
    fn add(&mut self, mut path: Vec<u8>) {
        let is_opaque = path.rsplit(|byte| *byte == b'/').next() == Some(b".wh..wh..opq");
        let mut is_first = true;
        while !path.is_empty() {
            up(&mut path);
            let key = PathKey::of(&path);
            if is_first && is_opaque {
                self.opaque.insert(key);
            }
            is_first = false;
            // All above one that is known are known, too.
            if !self.filled.insert(key) {
                break;
            }
        }
    }
}

/// The opaque whiteouts of an image; `None` if its layers can't be sorted.
fn opaque(side: usize, image: &Image, trees: &HashMap<(Option<usize>, LayerKey), Arc<Tree>>) -> Option<Opaque> {
    let mut below: HashSet<PathKey> = HashSet::new();
    let layers = image.layers.iter().map(|layer| {
        let tree = trees.get(&key(side, layer)).filter(|tree| tree.is_sortable)?;
        let own = tree.opaque.iter().map(|directory| (*directory, below.contains(directory))).collect();
        below.extend(&tree.filled);
        Some(own)
    });
    layers.collect()
}

/// Is it an opaque whiteout that only one side has?
fn is_opaque(difference: &Difference) -> bool {
    difference.role == Role::Entry
        && difference.archives.is_empty()
        && difference.path.rsplit(|byte| *byte == b'/').next() == Some(b".wh..wh..opq")
}
