//! The same files, cut into other layers: what the layers of a gap make, one on top of the other.
//!
//! As [`Tree`](super::tree::Tree), but of records that stay with their layers, as those are compared one by one as well.
//! A gap that makes the same on both sides leaves the root filesystem the same, as what is below and above it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::layer::path::{ancestors, normal};
use crate::diff::layer::record::{PERMISSIONS, Record, Records};
use crate::diff::layer::tree::{Hidden, hidden, is_whiteout, remove_below};

/// What the layers of one side make.
#[derive(Default)]
struct Stack<'r> {
    layers: Vec<&'r [Record]>,
    files: BTreeMap<&'r [u8], Spot>,
    /// What was hidden of whatever is below: the path itself, or only what is in it.
    cleared: BTreeSet<Cleared>,
}

/// A path of which lower layers show nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cleared {
    path: Vec<u8>,
    /// Does the path itself stay?
    is_below: bool,
}

/// Does one of these, which are sorted, hide what a lower layer has at this path?
pub(crate) fn hides(cleared: &[Cleared], path: &[u8]) -> bool {
    let has = |path: &[u8], is_below: bool| {
        cleared.binary_search_by(|one| (one.path.as_slice(), one.is_below).cmp(&(path, is_below))).is_ok()
    };
    has(path, false) || ancestors(path).chain([&b""[..]]).any(|path| has(path, false) || has(path, true))
}

/// The place of an entry: its layer and its number there; of a hard link also that of the file it leads to.
#[derive(Debug, Clone, Copy)]
struct Spot {
    at: (u32, u32),
    target: Option<(u32, u32)>,
}

/// What two stacks of layers have in common that make the same files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recut {
    /// Are there not as many layers on both sides, or files in other ones?
    pub(crate) is_cut: bool,
    /// Do times of files differ?
    pub(crate) times: bool,
    /// Has each side all files of the other, those too that other layers hide?
    pub(crate) same_files: bool,
    /// What only one side hides of lower layers: it has to hide nothing.
    pub(crate) cleared: Vec<Cleared>,
}

/// Compares what the layers of both sides make, lowest first; `None` where that is not the same.
pub(crate) fn compare(sides: [&[&Records]; 2]) -> Option<Recut> {
    let [a, b] = sides.map(Stack::of);
    if a.files.len() != b.files.len() {
        return None;
    }
    let mut times = false;
    for ((path_a, x), (path_b, y)) in a.files.iter().zip(&b.files) {
        let (left, right) = (a.record(x.at)?, b.record(y.at)?);
        if path_a != path_b || !same_file(left, right) {
            return None;
        }
        if left.is_hard_link() {
            // A file of a lower layer is the same on both sides.
            match (x.target.and_then(|at| a.record(at)), y.target.and_then(|at| b.record(at))) {
                (None, None) => {}
                (Some(left), Some(right)) if same_file(left, right) => {}
                _ => return None,
            }
        }
        times |= left.mtime != right.mtime;
    }
    let same_files = {
        let (left, right) = (a.all(), b.all());
        left.len() == right.len() && left.iter().zip(&right).all(|(x, y)| same_file(x, y))
    };
    let [left, right] = sides;
    let is_cut = left.len() != right.len() || left.iter().zip(right).any(|(x, y)| paths(x) != paths(y));
    let cleared = a.cleared.symmetric_difference(&b.cleared).cloned().collect();
    Some(Recut { is_cut, times, same_files, cleared })
}

impl<'r> Stack<'r> {
    fn of(layers: &[&'r Records]) -> Self {
        let mut stack = Self::default();
        for layer in layers {
            stack.apply(&layer.entries);
        }
        stack
    }

    fn record(&self, (layer, at): (u32, u32)) -> Option<&'r Record> {
        self.layers.get(layer as usize)?.get(at as usize)
    }

    /// Puts a layer on top. Whiteouts hide what is below, never what comes with them.
    fn apply(&mut self, entries: &'r [Record]) {
        for hidden in entries.iter().filter_map(|record| hidden(record.path())) {
            let is_below = matches!(hidden, Hidden::Below(_));
            if !is_below {
                self.files.remove(hidden.path());
            }
            remove_below(&mut self.files, hidden.path());
            self.cleared.insert(Cleared { path: hidden.path().to_vec(), is_below });
        }
        let place = u32::try_from(self.layers.len()).unwrap_or(u32::MAX);
        self.layers.push(entries);
        for (number, record) in (0u32..).zip(entries).filter(|(_, record)| !is_whiteout(record.path())) {
            let path = record.path();
            let target = record.is_hard_link().then(|| self.files.get(&*normal(&record.extra().link))).flatten();
            let target = target.map(|spot| spot.target.unwrap_or(spot.at));
            // The root is a directory, whatever a layer says.
            let is_folder = record.is_folder() || path.is_empty();
            if !is_folder {
                remove_below(&mut self.files, path);
            }
            let before = self.files.insert(path, Spot { at: (place, number), target });
            let before = before.and_then(|spot| self.record(spot.at));
            if is_folder && before.is_some_and(|before| !before.is_folder()) {
                self.cleared.insert(Cleared { path: path.to_vec(), is_below: true });
            }
        }
    }

    /// Every file of every layer, each once: what is hidden as well. Directories come with any layer that has a file.
    fn all(&self) -> Vec<&'r Record> {
        let records = self.layers.iter().flat_map(|layer| layer.iter());
        let mut all: Vec<&Record> =
            records.filter(|record| !record.is_folder() && !is_whiteout(record.path())).collect();
        let key = |record: &Record| (record.content, record.size, record.meta.mode, record.meta.uid, record.meta.gid);
        all.sort_by(|x, y| x.path().cmp(y.path()).then_with(|| key(x).cmp(&key(y))));
        all.dedup_by(|x, y| same_file(x, y));
        all
    }
}

/// The paths in a layer, in their order.
fn paths(layer: &Records) -> Vec<&[u8]> {
    let mut paths: Vec<&[u8]> = layer.entries.iter().map(Record::path).collect();
    paths.sort_unstable();
    paths
}

/// Are these two the same once they are unpacked, times aside?
fn same_file(a: &Record, b: &Record) -> bool {
    let is_same_kind = a.meta.kind == b.meta.kind || a.is_file() && b.is_file() || a.is_folder() && b.is_folder();
    let link = |record: &Record| match record.is_hard_link() {
        true => normal(&record.extra().link).into_owned(),
        false => record.extra().link.to_vec(),
    };
    is_same_kind
        && a.path() == b.path()
        && (a.meta.mode ^ b.meta.mode) & PERMISSIONS == 0
        && (a.meta.uid, a.meta.gid) == (b.meta.uid, b.meta.gid)
        && (!matches!(a.meta.kind, b'3' | b'4') || a.meta.device == b.meta.device)
        && (a.is_folder() || (a.content, a.size) == (b.content, b.size))
        && a.extra().sparse_size == b.extra().sparse_size
        && a.used_pax().eq(b.used_pax())
        && (!matches!(a.meta.kind, b'1' | b'2') || link(a) == link(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cleared_hides_a_path_and_what_is_in_it() {
        let at = |path: &str, is_below| vec![Cleared { path: path.as_bytes().to_vec(), is_below }];
        let whole = at("a", false);
        assert!(hides(&whole, b"a") && hides(&whole, b"a/b") && hides(&whole, b"a/b/c") && !hides(&whole, b"ab"));
        let below = at("a", true);
        assert!(!hides(&below, b"a") && hides(&below, b"a/b") && !hides(&below, b"b"));
        assert!(hides(&at("", true), b"a") && !hides(&[], b"a"));
    }
}
