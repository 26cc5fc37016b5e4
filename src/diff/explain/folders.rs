//! Which directory only has another name.

use crate::diff::model::{Report, Role};
use crate::diff::overview::Renamed;
use crate::error::printable;

/// So many directories are named.
const NAMED: usize = 5;

/// A sentence for each directory that has another name on the other side and the same files.
pub(super) fn sentences(report: &Report, renamed: &[Renamed]) -> Vec<String> {
    // What is accepted needs no explanation.
    let counts = |one: &&Renamed| {
        report.differences.iter().any(|difference| difference.place == one.place && difference.role == Role::Entry)
    };
    let sentence = |one: &Renamed| {
        let [a, b] = one.paths.each_ref().map(|path| printable(path));
        let what = if one.files == 1 { "file".to_owned() } else { format!("{} files", one.files) };
        format!("{a}/ in A is {b}/ in B, with the same {what}")
    };
    let mut all: Vec<String> = renamed.iter().filter(counts).map(sentence).collect();
    // Platforms may have the same ones.
    all.sort();
    all.dedup();
    all.truncate(NAMED);
    all
}
