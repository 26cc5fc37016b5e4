//! The whole picture: sentences that explain many differences at once, each true of all that was read.
//!
//! `images.rs` says what whole images have in common, `times.rs` which epochs the sides look stamped with, `modes.rs` what
//! all modes or owners that differ have in common, `folders.rs` which directory only has another name.

mod folders;
mod images;
mod modes;
mod times;

use crate::causes::Class;
use crate::diff::model::{Difference, Report};
use crate::diff::overview::Overview;

/// Of so many differences at least something is said: one alone says what it is.
const FEWEST: usize = 2;

/// What explains the differences of a report.
pub(crate) fn explain(report: &Report, overview: &Overview) -> Vec<String> {
    let images = images::sentences(report, overview).into_iter();
    let times = times::sentence(&report.differences, &overview.times).into_iter();
    let modes = modes::modes(&report.differences).into_iter().chain(modes::owners(&report.differences));
    images.chain(times).chain(modes).chain(folders::sentences(report, &overview.renamed)).collect()
}

/// The values of both sides of all differences of a field of the entries of layers.
fn values_of<'r, T>(
    differences: &'r [Difference],
    field: &'r str,
    class: Class,
    read: impl Fn(&str) -> Option<T> + 'r,
) -> impl Iterator<Item = Option<[T; 2]>> + 'r {
    let is_of = move |difference: &&Difference| {
        let is_entry = !difference.path.is_empty() && difference.archives.is_empty();
        is_entry && difference.field == field && difference.class == class
    };
    differences.iter().filter(is_of).map(move |difference| match &difference.values {
        [Some(a), Some(b)] => Some([read(&a.as_text())?, read(&b.as_text())?]),
        _ => None,
    })
}
