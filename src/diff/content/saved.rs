//! Files that only one side has, for the sink: nothing of them is compared.

use std::collections::BTreeMap;

use crate::diff::content::fetch::{ContentComparison, Target, fetch_layer};
use crate::error::Result;

/// A file that only one side has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoneFile {
    /// The index of the difference that says so.
    pub(crate) difference: usize,
    pub(crate) side: usize,
    /// The layer (an index into the list of blobs) and the number of the entry in it.
    pub(crate) from: (usize, u32),
}

impl ContentComparison<'_> {
    /// Gives these to the sink, if there is one: each layer is read once, and no file is held.
    pub(crate) fn save(&mut self, files: &[LoneFile]) -> Result<()> {
        let Some(sink) = self.sink else { return Ok(()) };
        let first = self.state.saved;
        let number_of = |at: usize| first.checked_add(u32::try_from(at).ok()?);
        let mut by_layer: BTreeMap<(usize, usize), BTreeMap<u32, usize>> = BTreeMap::new();
        for (at, file) in files.iter().enumerate() {
            by_layer.entry((file.side, file.from.0)).or_default().insert(file.from.1, at);
        }
        for ((side, layer), wanted) in by_layer {
            let Some(Some(blob)) = self.layers.get(side).and_then(|layers| layers.get(layer)) else { continue };
            let path = |at: usize| {
                let difference = files.get(at).and_then(|file| self.findings.differences.get(file.difference));
                difference.map(|difference| difference.path.to_vec()).unwrap_or_default()
            };
            let mut open = |at: usize| {
                let file = number_of(at).map(|number| sink.file(number, side, &path(at))).transpose()?;
                Ok(Target { bytes: None, file })
            };
            fetch_layer(blob, &wanted, self.pool, &mut open, &mut BTreeMap::new())?;
        }
        for (at, file) in files.iter().enumerate() {
            if let Some(difference) = self.findings.differences.get_mut(file.difference) {
                difference.saved_as = number_of(at);
            }
        }
        self.state.saved = first.saturating_add(u32::try_from(files.len()).unwrap_or(u32::MAX));
        Ok(())
    }
}
