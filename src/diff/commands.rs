//! Layers whose command is a known cause: what differs in them is named after it.
//!
//! Only where no path names a cause. The class stays what it was: a command says where a file may have come from, not
//! that its content does not matter.

use crate::causes::{self, Cause, Class};
use crate::diff::model::{Difference, Part, Place};
use crate::diff::packages::Databases;

/// Names the cause of what differs in layers, by the commands that made them.
pub(crate) fn name(differences: &mut [Difference], places: &[Place], databases: &Databases) {
    let known: Vec<Vec<&'static Cause>> = places.iter().map(of_place).collect();
    for difference in differences {
        // Without a path it is the layer itself that differs, or has no counterpart.
        let is_open = difference.class == Class::Content && difference.cause.is_none() && !difference.path.is_empty();
        let Some(all) = known.get(difference.place).filter(|_| is_open) else { continue };
        let is_allowed = |cause: &Cause| databases.allow(difference.place, cause, difference.outer_path());
        let mut all = all.iter().copied().filter(|cause| is_allowed(cause));
        let first = all.next();
        let others: Vec<&str> = all.map(|cause| cause.id).collect();
        difference.cause = first;
        if !others.is_empty() && difference.note.is_none() {
            difference.note = Some(format!("or another effect of the same step: {}", others.join(", ")).into());
        }
    }
}

fn of_place(place: &Place) -> Vec<&'static Cause> {
    match place.part {
        Part::Layer(_) => causes::find_in_command(&place.about).collect(),
        _ => Vec::new(),
    }
}
