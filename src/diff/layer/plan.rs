//! Which layers of two images have to be read, and what distinguishes layers from each other.

use crate::blob::{Extent, ExtentId};
use crate::diff::pair::align::align;
use crate::diff::view::{Image, Layer};
use crate::digest::Digest;
use crate::layer::LayerExpected;

/// Layers with nothing in common but their place in the list, and those that are the same.
pub(crate) fn pair_by_content(a: &[Layer], b: &[Layer]) -> Vec<Gap> {
    let keys = |layers: &[Layer]| layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>();
    let mut gaps = Vec::new();
    let (keys_a, keys_b) = (keys(a), keys(b));
    let pairs = align(&keys_a, &keys_b, &mut |left, right| {
        // Marked so that the caller finds the gap again.
        gaps.push(Gap::Between(left.to_vec(), right.to_vec()));
        vec![(None, None)]
    });
    let mut gaps = gaps.into_iter();
    let all = pairs.into_iter().filter_map(|pair| match pair {
        (Some(i), Some(j)) => Some(Gap::Same(i, j)),
        _ => gaps.next(),
    });
    all.collect()
}

/// A part of the pairing.
#[derive(Debug)]
pub(crate) enum Gap {
    /// The same diff_id.
    Same(usize, usize),
    /// Layers that have to be read.
    Between(Vec<usize>, Vec<usize>),
}

/// Bytes of blobs that comparing two images reads, for a progress display.
pub(crate) fn bytes_to_read(images: [&Image; 2], rootfs: bool) -> u64 {
    let size = |layer: &Layer| layer.extent.as_ref().map_or(0, |extent| extent.len());
    let of = |image: &Image, numbers: &[usize]| -> u64 {
        numbers.iter().filter_map(|number| image.layers.get(*number)).map(size).sum()
    };
    if rootfs {
        return images.iter().flat_map(|image| image.layers.iter()).map(size).sum();
    }
    let gaps = pair_by_content(&images[0].layers, &images[1].layers);
    let bytes = gaps.iter().map(|gap| match gap {
        Gap::Same(i, j) => match (images[0].layers.get(*i), images[1].layers.get(*j)) {
            (Some(a), Some(b)) if !is_same_blob(a, b) => size(a).saturating_add(size(b)),
            _ => 0,
        },
        Gap::Between(left, right) => of(images[0], left).saturating_add(of(images[1], right)),
    });
    bytes.fold(0, u64::saturating_add)
}

/// Does one digest name both?
pub(crate) fn is_same_blob(a: &Layer, b: &Layer) -> bool {
    a.digest.is_some() && a.digest == b.digest
}

/// What the blob of a layer has to be.
pub(crate) fn expected(layer: &Layer) -> LayerExpected {
    LayerExpected { digest: layer.digest, size: layer.size, diff_id: Some(layer.diff_id) }
}

/// What distinguishes a layer from others: its blob and its diff_id. An image's diff_id alone is a claim: another blob that is said to have
/// it is read and verified as well.
pub(crate) type LayerKey = (Digest, Option<Digest>, Option<ExtentId>);

/// The key of a layer.
pub(crate) fn layer_key(layer: &Layer) -> LayerKey {
    let place = layer.extent.as_ref().filter(|_| layer.digest.is_none()).map(Extent::id);
    (layer.diff_id, layer.digest, place)
}

/// What distinguishes gaps from each other: the layers in them, and their commands.
pub(crate) type GapKey = [Vec<(LayerKey, String)>; 2];

/// The key of a gap.
pub(crate) fn gap_key(layers: [&[Layer]; 2], numbers: [&[usize]; 2]) -> GapKey {
    [0, 1].map(|side| {
        let layer = |number: &usize| layers.get(side)?.get(*number);
        let own = numbers.get(side).copied().unwrap_or_default().iter().filter_map(layer);
        own.map(|layer| (layer_key(layer), layer.created_by.clone())).collect()
    })
}
