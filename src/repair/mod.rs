//! The repair room: which entries have times in their content, and what replaces them there.
//!
//! [`LayerPlanner`] decides by an entry's headers alone; the layer room hands it to [`tar::Patcher`](crate::tar::Patcher).
//! Where files of a format keep their times says the `format` room. A new kind of content is a file here that implements
//! [`ContentPatcher`](crate::tar::ContentPatcher), and a line in [`LayerPlanner`].

#[cfg(test)]
mod tests;
mod toc;

use crate::stamp::Stamp;
use crate::tar::{ContentPlan, Entry, EntryPlan, Planner};

/// Decides what becomes of the entries of a layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerPlanner;

impl Planner for LayerPlanner {
    fn plan(&mut self, entry: &Entry, stamp: Stamp) -> EntryPlan {
        let content = match entry.is_toc() {
            true => ContentPlan::Patch(Box::new(toc::TocPatcher::new(stamp))),
            false => ContentPlan::Keep,
        };
        EntryPlan { stamp, content }
    }
}
