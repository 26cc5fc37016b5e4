//! Times in the content of files: which entries have them, and what replaces them there.
//!
//! [`LayerPlanner`] decides by an entry's headers alone; the layer room hands it to [`tar::Patcher`](crate::tar::Patcher).
//! Where files of a format keep their times says the `format` room. A new kind of content is a file here that implements
//! [`ContentPatcher`](crate::tar::ContentPatcher), and a line in [`LayerPlanner`].

mod ar;
pub mod archives;
#[cfg(test)]
mod checked;
pub mod copies;
pub mod edits;
mod fields;
mod gzip;
mod held;
mod jks;
pub mod notes;
mod numbers;
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
use crate::tar::{ContentPatcher, ContentPlan, Entry, EntryPlan, Planner};
use copies::{CopyAction, CopyPatcher, CopyReader};
use path::normal;
use rules::{Compressor, ContentSpecial, LayerRules, stamp_of};

/// Decides what becomes of the entries of a layer.
#[derive(Debug, Clone, Default)]
pub struct LayerPlanner {
    rules: LayerRules,
}

/// What replaces the times in eStargz's table of contents.
pub(crate) fn toc_patcher(stamp: Stamp) -> Box<dyn ContentPatcher> {
    Box::new(toc::TocPatcher::new(stamp))
}

impl LayerPlanner {
    /// At the start of a layer.
    pub fn new(rules: &LayerRules) -> Self {
        Self { rules: rules.clone() }
    }

    fn content(&self, entry: &Entry, stamp: Stamp, special: Option<ContentSpecial>) -> ContentPlan {
        if entry.is_toc() {
            return ContentPlan::Patch(toc_patcher(stamp));
        }
        if special == Some(ContentSpecial::Leave) || entry.is_behind_end() {
            return ContentPlan::Keep;
        }
        let (specials, repairs) = (&self.rules.specials, &self.rules.repairs);
        if let Some(writes) = specials.writes.get(&entry.header_offset()) {
            return ContentPlan::Patch(Box::new(numbers::NumberPatcher::new(writes.clone())));
        }
        let name = entry.name();
        if let Some(reader) = CopyReader::of(entry, &name) {
            let action = match special {
                Some(ContentSpecial::Copy(action)) => Some(action),
                _ => repairs.follow(reader.kind()).then_some(CopyAction::Follow),
            };
            let reader = CopyReader::of(entry, &normal(&name));
            return match action.zip(reader) {
                Some((action, reader)) => {
                    let patcher = CopyPatcher::new(reader, stamp, action).clearing_padding(repairs.bootsnap);
                    ContentPlan::Patch(Box::new(patcher))
                }
                None => ContentPlan::Keep,
            };
        }
        if let Some(Compressor(compress)) = repairs.compress
            && replaced::is_replaced(&normal(&name))
        {
            return ContentPlan::Replace(Box::new(replaced::TarReplacer::new(stamp, compress)));
        }
        let own = repairs.own.as_ref().and_then(|own| own.patcher(entry, stamp));
        own.map_or(ContentPlan::Keep, ContentPlan::Patch)
    }
}

impl Planner for LayerPlanner {
    fn plan(&mut self, entry: &Entry, stamp: Stamp) -> EntryPlan {
        let special = self.rules.specials.of(entry.header_offset());
        if special.is_left_out || !special.is_kept && self.rules.omit.has(entry) {
            return EntryPlan { stamp, content: ContentPlan::Omit };
        }
        let content = self.content(entry, stamp, special.content);
        let own = special.mtime.map(|epoch| Stamp { epoch, ..stamp });
        EntryPlan { stamp: own.unwrap_or_else(|| stamp_of(entry, stamp)), content }
    }
}
