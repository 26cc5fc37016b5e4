//! Layers of two images side by side, and what was noted of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diff::layer::plan::{LayerKey, layer_key};
use crate::diff::model::{Difference, Role};
use crate::diff::pair::align::Pair;
use crate::diff::view::Layer;
use crate::format::jsa;
use crate::repair::notes::Notes;

/// How the layers of two images were paired, and the places of those that are not the same; none for root filesystems.
#[derive(Debug)]
pub(crate) struct Paired {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) placed: Vec<(usize, Pair)>,
    pub(crate) is_rootfs: bool,
}

/// The notes of layers that were read; of one without a digest those of its side.
pub(crate) type NotesByLayer = HashMap<(Option<usize>, LayerKey), Arc<Notes>>;

/// What distinguishes a layer of one side from others; one without a digest is its side's own.
pub(crate) fn key(side: usize, layer: &Layer) -> (Option<usize>, LayerKey) {
    (layer.digest.is_none().then_some(side), layer_key(layer))
}

/// Is it one of the content of an archive?
pub(crate) fn is_archive(difference: &Difference) -> bool {
    difference.role == Role::Content && difference.archives.is_empty() && jsa::is_name(&difference.path)
}
