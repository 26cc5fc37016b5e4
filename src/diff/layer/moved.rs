//! Files and directories that have another name on the other side, and the same content.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diff::findings::Findings;
use crate::diff::layer::record::{PERMISSIONS, Record};
use crate::diff::overview::Renamed;
use crate::error::printable;

/// Files of each side by content, to find what has only another name.
#[derive(Default)]
pub(crate) struct Moved<'r> {
    by_content: HashMap<[u8; 32], [Vec<(usize, Arc<[u8]>)>; 2]>,
    /// All entries that only one side has, by path.
    alone: [Vec<&'r Record>; 2],
}

impl<'r> Moved<'r> {
    /// A file that only this side has, and the number of the difference that says so.
    pub(crate) fn add(&mut self, side: usize, record: &'r Record, difference: usize) {
        self.alone.get_mut(side).into_iter().for_each(|list| list.push(record));
        let Some(content) = record.content else { return };
        if let Some(list) = self.by_content.entry(content).or_default().get_mut(side) {
            list.push((difference, record.shared_path()));
        }
    }

    /// Says of each pair what the other one is, and of all together whether a directory has another name.
    pub(crate) fn note(self, findings: &mut Findings, place: usize) {
        findings.overview.renamed.extend(renamed(place, [&self.alone[0], &self.alone[1]]));
        for [a, b] in self.by_content.into_values() {
            if let ([(at_a, path_a)], [(at_b, path_b)]) = (a.as_slice(), b.as_slice()) {
                for (at, path) in [(at_a, path_b), (at_b, path_a)] {
                    if let Some(difference) = findings.differences.get_mut(*at) {
                        difference.note =
                            Some(format!("the same content as {} on the other side", printable(path)).into());
                    }
                }
            }
        }
    }
}

/// The directory that all entries are in which only one side has, by another name and with the same entries.
fn renamed(place: usize, alone: [&[&Record]; 2]) -> Option<Renamed> {
    let [left, right] = alone;
    if left.is_empty() || left.len() != right.len() {
        return None;
    }
    let [a, b] = [top(left)?, top(right)?];
    // What both names end in is the same directory in another one: `app-1/lib` and `app-2/lib`.
    let (mut a, mut b) = (a, b);
    while let (Some((x, base_x)), Some((y, base_y))) = (split(a), split(b))
        && base_x == base_y
        && !x.is_empty()
        && !y.is_empty()
    {
        (a, b) = (x, y);
    }
    let (parent_a, name_a) = split(a)?;
    let (parent_b, name_b) = split(b)?;
    if parent_a != parent_b || name_a == name_b {
        return None;
    }
    let rest = |path: &'_ [u8], top: &[u8]| path.get(top.len()..).map(<[u8]>::to_vec);
    let link = |record: &Record, names: [&[u8]; 2]| -> Vec<u8> { replaced(&record.extra().link, names[0], names[1]) };
    let is_same = |x: &Record, y: &Record| {
        rest(x.path(), a) == rest(y.path(), b)
            && (x.meta.kind == y.meta.kind || x.is_file() && y.is_file() || x.is_folder() && y.is_folder())
            && (x.meta.mode ^ y.meta.mode) & PERMISSIONS == 0
            && (x.meta.uid, x.meta.gid, x.meta.device) == (y.meta.uid, y.meta.gid, y.meta.device)
            && (x.content, x.size, x.extra().sparse_size) == (y.content, y.size, y.extra().sparse_size)
            && x.used_pax().eq(y.used_pax())
            && link(x, [name_a, name_b]) == y.extra().link.to_vec()
    };
    // Both are in the order of their paths, which the name of the directory does not change.
    if !left.iter().zip(right).all(|(x, y)| is_same(x, y)) {
        return None;
    }
    let files = left.iter().filter(|record| !record.is_folder()).count();
    // A file has a note of its own, and is no directory.
    let is_in_it = left.iter().all(|record| record.path().len() > a.len() || record.is_folder());
    (files > 0 && is_in_it).then(|| Renamed { place, paths: [a.to_vec(), b.to_vec()], files })
}

/// The deepest directory that all of these are in, or are: the first may be its own entry.
fn top<'p>(sorted: &[&'p Record]) -> Option<&'p [u8]> {
    let first = sorted.first()?;
    let mut top = if first.is_folder() { first.path() } else { split(first.path())?.0 };
    for record in sorted {
        let path = record.path();
        while !(path.starts_with(top) && matches!(path.get(top.len()), None | Some(b'/'))) {
            top = split(top)?.0;
        }
    }
    (!top.is_empty()).then_some(top)
}

/// The directory of a path, and the last part of it.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => Some((path.get(..at)?, path.get(at + 1..)?)),
        None => Some((b"", path)),
    }
}

/// The text with another word in the place of each part of a path that is this one.
fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'/').map(|part| if part == from { to } else { part }).collect();
    parts.join(&b'/')
}
