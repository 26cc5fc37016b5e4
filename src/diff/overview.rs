//! Figures of whole images, collected during a comparison: they explain many differences at once.

use crate::stamp::Instant;

/// What was noticed of both sources.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// Of every pair of images whose layers were compared, how their layers are cut; `None` where their root filesystems
    /// may differ.
    pub(crate) cuts: Vec<Option<Cut>>,
    /// The times that were read of each side.
    pub(crate) times: [SideTimes; 2],
    /// Directories that have another name on the other side.
    pub(crate) renamed: Vec<Renamed>,
    /// What built the images of each pair, where that is known.
    pub(crate) builders: Vec<[Option<String>; 2]>,
    /// Has every image a counterpart, and that the same manifest?
    pub(crate) same_manifests: bool,
    /// The places of layers that cut the same files in another way.
    pub(crate) recut_places: Vec<usize>,
}

/// How the layers of two images are cut that make the same root filesystem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Are there not as many layers on both sides, or files in other ones?
    pub(crate) is_cut: bool,
    /// Do times of files differ?
    pub(crate) times: bool,
    /// Has each side all files of the other, those too that other layers hide?
    pub(crate) same_files: bool,
}

/// The times that were read of one side.
#[derive(Debug, Default)]
pub(crate) struct SideTimes {
    range: Option<(Instant, Instant)>,
    /// The first and the last time in each layer.
    layers: Vec<(Instant, Instant)>,
    /// Is there a layer whose times were not read, as both sides have it?
    has_unread: bool,
}

impl SideTimes {
    /// A time in a document.
    pub(crate) fn add(&mut self, time: Instant) {
        self.range = Some(with(self.range, time));
    }

    /// The times in a layer.
    pub(crate) fn add_layer(&mut self, times: impl Iterator<Item = Instant>) {
        let Some((first, last)) = times.fold(None, |range, time| Some(with(range, time))) else { return };
        self.layers.push((first, last));
        self.add(first);
        self.add(last);
    }

    /// Notes that the times of a layer or image were not read.
    pub(crate) fn skip(&mut self) {
        self.has_unread = true;
    }

    /// Were the times of all layers read?
    pub(crate) fn is_complete(&self) -> bool {
        !self.has_unread
    }

    /// The earliest and the latest of all that were read.
    pub(crate) fn range(&self) -> Option<(Instant, Instant)> {
        self.range
    }

    /// Has a layer a time after this one?
    pub(crate) fn has_layer_after(&self, epoch: Instant) -> bool {
        self.layers.iter().any(|(_, last)| *last > epoch)
    }

    /// Has a layer times before this one, which is its last? Setting all times of a layer would have replaced them.
    pub(crate) fn has_layer_clamped_to(&self, epoch: Instant) -> bool {
        self.layers.iter().any(|(first, last)| *last == epoch && *first < epoch)
    }
}

fn with(range: Option<(Instant, Instant)>, time: Instant) -> (Instant, Instant) {
    range.map_or((time, time), |(first, last)| (first.min(time), last.max(time)))
}

/// A directory that has another name on the other side, and the same files in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Renamed {
    /// The place of its layers.
    pub(crate) place: usize,
    /// What it is called on both sides.
    pub(crate) paths: [Vec<u8>; 2],
    /// How many files are in it.
    pub(crate) files: usize,
}
