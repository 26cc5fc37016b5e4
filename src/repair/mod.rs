//! The repair room: which entries have times in their content, and what replaces them there.
//!
//! [`plan`] decides by an entry's headers alone; the layer room hands it to [`tar::Patcher`](crate::tar::Patcher). Where
//! files of a format keep their times says the `format` room. A new kind of content is a file here that implements
//! [`ContentPatcher`](crate::tar::ContentPatcher), and a line in [`plan`].

#[cfg(test)]
mod tests;
mod toc;

use crate::stamp::Stamp;
use crate::tar::{ContentPlan, Entry};

/// What is done with the content of an entry.
pub fn plan(entry: &Entry, stamp: Stamp) -> ContentPlan {
    if entry.is_toc() {
        return ContentPlan::Patch(Box::new(toc::TocPatcher::new(stamp)));
    }
    ContentPlan::Keep
}
