//! The repair room: which entries have times in their content, and what replaces them there.
//!
//! [`LayerPlanner`] decides by an entry's headers alone; the layer room hands it to [`tar::Patcher`](crate::tar::Patcher).
//! Where files of a format keep their times says the `format` room. A new kind of content is a file here that implements
//! [`ContentPatcher`](crate::tar::ContentPatcher), and a line in [`LayerPlanner`].

mod ar;
#[cfg(test)]
mod checked;
pub mod copies;
pub mod edits;
mod fields;
mod gzip;
mod held;
mod jks;
pub mod notes;
pub mod own;
pub mod path;
mod records;
pub mod replaced;
pub mod root;
pub mod rules;
pub mod seen;
pub mod signs;
mod spooled;
pub mod survey;
mod tar;
#[cfg(test)]
mod tests;
mod toc;
mod zip;

use crate::stamp::Stamp;
use crate::tar::{ContentPlan, Entry, EntryPlan, Planner};
use copies::{CopyAction, CopyPatcher, CopyReader};
use path::normal;
use rules::{ContentSpecial, LayerRules, Special, stamp_of};

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
    fn special(&self, entry: &Entry) -> Special {
        let (specials, offset) = (&self.rules.specials, entry.header_offset());
        let at = specials.binary_search_by_key(&offset, |(offset, _)| *offset).ok();
        at.and_then(|at| specials.get(at)).map(|(_, special)| *special).unwrap_or_default()
    }

    fn content(&self, entry: &Entry, stamp: Stamp, special: Option<ContentSpecial>) -> ContentPlan {
        if entry.is_toc() {
            return ContentPlan::Patch(Box::new(toc::TocPatcher::new(stamp)));
        }
        let action = match special {
            Some(ContentSpecial::Leave) => return ContentPlan::Keep,
            Some(ContentSpecial::Copy(action)) => action,
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
        let special = self.special(entry);
        if !special.is_kept && self.rules.omit.has(entry) {
            return EntryPlan { stamp, content: ContentPlan::Omit };
        }
        let content = self.content(entry, stamp, special.content);
        let own = special.mtime.map(|epoch| Stamp { epoch, ..stamp });
        EntryPlan { stamp: own.unwrap_or_else(|| stamp_of(entry, stamp)), content }
    }
}
