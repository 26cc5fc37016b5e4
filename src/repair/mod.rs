//! The repair room: which entries have times in their content, and what replaces them there.
//!
//! [`LayerPlanner`] decides by an entry's headers alone; the layer room hands it to [`tar::Patcher`](crate::tar::Patcher).
//! Where files of a format keep their times says the `format` room. A new kind of content is a file here that implements
//! [`ContentPatcher`](crate::tar::ContentPatcher), and a line in [`LayerPlanner`].

pub mod copies;
pub mod edits;
pub mod notes;
pub mod path;
mod records;
pub mod root;
pub mod rules;
pub mod survey;
#[cfg(test)]
mod tests;
mod toc;

use crate::stamp::Stamp;
use crate::tar::{ContentPlan, Entry, EntryPlan, Planner};
use copies::{CopyAction, CopyPatcher, CopyReader};
use path::normal;
use rules::{LayerRules, Special};

/// Decides what becomes of the entries of a layer.
#[derive(Debug, Clone, Default)]
pub struct LayerPlanner {
    rules: LayerRules,
}

impl LayerPlanner {
    /// At the start of a layer.
    pub fn new(rules: &LayerRules) -> Self {
        Self { rules: rules.clone() }
    }

    /// What is done with this entry alone.
    fn special(&self, entry: &Entry) -> Option<Special> {
        let (specials, offset) = (&self.rules.specials, entry.header_offset());
        let at = specials.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        specials.get(at).map(|(_, special)| *special)
    }

    fn content(&self, entry: &Entry, stamp: Stamp) -> ContentPlan {
        if entry.is_toc() {
            return ContentPlan::Patch(Box::new(toc::TocPatcher::new(stamp)));
        }
        let action = match self.special(entry) {
            Some(Special::Leave) => return ContentPlan::Keep,
            Some(Special::Copy(action)) => action,
            None if self.rules.repairs.copies => CopyAction::Follow,
            None => return ContentPlan::Keep,
        };
        let name = entry.name();
        match CopyReader::of(entry, &name) {
            Some(_) if entry.is_behind_end() => ContentPlan::Keep,
            Some(_) => match CopyReader::of(entry, &normal(&name)) {
                Some(reader) => ContentPlan::Patch(Box::new(CopyPatcher::new(reader, stamp, action))),
                None => ContentPlan::Keep,
            },
            None => ContentPlan::Keep,
        }
    }
}

impl Planner for LayerPlanner {
    fn plan(&mut self, entry: &Entry, stamp: Stamp) -> EntryPlan {
        EntryPlan { stamp, content: self.content(entry, stamp) }
    }
}
