//! Reads the layers of one image, several side by side, and keeps what says where it comes from.

use crate::blob::Extent;
use crate::context::{RunContext, new_blobs};
use crate::error::Result;
use crate::image::{Image, ImageSet};
use crate::layer::{Event, LayerExpected, scan};
use crate::origin::taker::{Budget, FileTaker, LayerFiles};

/// What was taken out of each layer, the lowest first; nothing for one that is not here, or no tar.
pub(super) fn layers(set: &ImageSet<'_>, image: &Image, context: &RunContext) -> Result<Vec<Option<LayerFiles>>> {
    let mut tasks = Vec::new();
    for (id, diff_id) in &image.layers {
        let layer = set.layer(*id);
        let extent = if layer.kind.is_tar() { set.extent(layer)? } else { None };
        let diff_id = layer.has_diff_id().then_some(*diff_id);
        tasks.push((layer.name(), extent, LayerExpected { digest: layer.digest, size: layer.size, diff_id }));
    }
    let extents = tasks.iter().filter_map(|(_, extent, _)| extent.as_ref());
    context.progress.set_total(extents.map(Extent::len).fold(0, u64::saturating_add));
    let (blobs, budget) = (new_blobs(&context.spools), Budget::default());
    context.pool.each(&tasks, |(name, extent, expect), batch| {
        let Some(extent) = extent else { return Ok(None) };
        let mut files = FileTaker::new(&blobs, &budget);
        let read = scan(extent, expect, batch, &mut |event| match event {
            Event::Entry(entry) => files.entry(entry),
            Event::Content(bytes) => files.content(bytes),
            _ => Ok(()),
        });
        read.map_err(|e| e.in_blob(name))?;
        files.finish().map(Some)
    })
}
