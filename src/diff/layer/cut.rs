//! Whether the layers of two images that differ make the same root filesystem, and what follows for their differences.

use std::collections::BTreeMap;

use crate::causes::Class;
use crate::diff::layer::compare::Comparison;
use crate::diff::layer::plan::Gap;
use crate::diff::layer::record::Records;
use crate::diff::layer::recut::{self, Cleared, Recut, hides};
use crate::diff::model::Difference;
use crate::diff::overview::Cut;
use crate::diff::view::Image;
use crate::error::Result;

impl Comparison<'_> {
    /// What the layers of a gap make on both sides, where all of them were read and that is the same.
    pub(crate) fn recut(&self, numbers: [&[usize]; 2], read: &BTreeMap<(usize, usize), Records>) -> Option<Recut> {
        let records = |side: usize| -> Option<Vec<&Records>> {
            numbers.get(side)?.iter().map(|number| read.get(&(side, *number))).collect()
        };
        recut::compare([&records(0)?, &records(1)?])
    }

    /// Puts together what is known of all gaps of two images; `None` where their root filesystems may differ.
    pub(crate) fn cut(&self, images: [&Image; 2], gaps: &[Gap], found: &[Option<Recut>]) -> Result<Option<Cut>> {
        let mut cut = Cut { same_files: true, ..Cut::default() };
        let mut found = found.iter();
        let mut below = 0;
        for gap in gaps {
            let Gap::Between(left, _) = gap else {
                below += 1;
                continue;
            };
            let Some(Some(recut)) = found.next() else { return Ok(None) };
            if !recut.cleared.is_empty() && self.is_hidden(images, below, &recut.cleared)? {
                return Ok(None);
            }
            below += left.len();
            cut.is_cut |= recut.is_cut;
            cut.times |= recut.times;
            cut.same_files &= recut.same_files;
        }
        Ok(Some(cut))
    }

    /// Have the lowest layers of the first image, so many of them, anything that one of these hides?
    ///
    /// Reads them, one at a time: only where all else is the same.
    fn is_hidden(&self, images: [&Image; 2], below: usize, cleared: &[Cleared]) -> Result<bool> {
        for number in 0..below {
            let read = self.read_all(images, &[(0, number)])?;
            // What can't be read may have it.
            let Some(records) = read.get(&(0, number)) else { return Ok(true) };
            if records.entries.iter().any(|record| hides(cleared, record.path())) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Of layers that only cut the same files in another way nothing differs that runs or is read.
pub(crate) fn soften(differences: &mut [Difference], is_recut: impl Fn(usize) -> bool) {
    for difference in differences.iter_mut().filter(|difference| is_recut(difference.place)) {
        if difference.class == Class::Content {
            difference.class = Class::Format;
            difference.cause = None;
            difference.note =
                Some("the root filesystem is the same: its files are split into layers in another way".into());
        }
    }
}
