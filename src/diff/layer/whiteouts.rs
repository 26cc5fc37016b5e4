//! Whiteouts that only one side has: those that hide nothing do not matter.

use std::collections::BTreeMap;

use crate::causes::Class;
use crate::diff::layer::compare::Comparison;
use crate::diff::layer::tree::{Tree, hidden};
use crate::diff::view::Image;
use crate::error::Result;

impl Comparison<'_> {
    /// Tells whiteouts that hide nothing from those that do: only lower layers know.
    pub(crate) fn whiteouts(
        &mut self,
        side: usize,
        images: [&Image; 2],
        open: &BTreeMap<usize, Vec<usize>>,
    ) -> Result<()> {
        let (Some(last), Some(image)) = (open.keys().next_back(), images.get(side)) else { return Ok(()) };
        let mut tree = Tree::default();
        let mut is_known = true;
        for (number, layer) in image.layers.iter().enumerate().take(last + 1) {
            for at in open.get(&number).into_iter().flatten() {
                let Some(difference) = self.findings.differences.get_mut(*at) else { continue };
                let is_idle = hidden(&difference.path).is_none_or(|hidden| is_known && !tree.has(&hidden));
                if is_idle {
                    difference.class = Class::Whiteout;
                    difference.note = Some("it hides nothing: no lower layer has anything there".into());
                }
            }
            // What a layer that is not here has nobody knows.
            is_known &= layer.is_tar && layer.extent.is_some();
            if number < *last && layer.is_tar {
                tree.apply(number, self.read(side, layer, self.pool)?);
            }
        }
        Ok(())
    }
}
