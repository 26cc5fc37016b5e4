//! The root filesystem that the layers of an image make, one on top of the other
//! (OCI image specification, layer.md, "Applying Changesets" and "Whiteouts").

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::diff::layer::path::{ancestors, normal};
use crate::diff::layer::record::{Record, Records};

/// Hides what lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Before a name: hides what lower layers have of that name.
const WHITEOUT: &[u8] = b".wh.";

/// A file system in the making. The records stay where they are: a tree of a million of them would take twice their
/// memory.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The entries of the layers that were put on top of each other; of those that are hidden, too.
    layers: Vec<Layer>,
    /// What is at each path: the place in `layers`, and the entry there.
    files: BTreeMap<Arc<[u8]>, (u32, u32)>,
}

#[derive(Debug)]
struct Layer {
    /// Its number in the image.
    number: usize,
    entries: Vec<Record>,
}

/// What a whiteout hides.
pub(crate) enum Hidden {
    /// All below a directory.
    Below(Vec<u8>),
    /// A path and all below it.
    Path(Vec<u8>),
}

impl Hidden {
    /// The path, or the directory.
    pub(crate) fn path(&self) -> &[u8] {
        let (Self::Below(path) | Self::Path(path)) = self;
        path
    }
}

/// What an entry hides, if it is a whiteout.
pub(crate) fn hidden(path: &[u8]) -> Option<Hidden> {
    let slash = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, base) = path.split_at_checked(slash)?;
    if base == OPAQUE {
        return Some(Hidden::Below(normal(folder).into_owned()));
    }
    // Other names of this form are AUFS's own and hide nothing.
    if base.starts_with(b".wh..wh.") {
        return None;
    }
    base.strip_prefix(WHITEOUT).map(|name| Hidden::Path([folder, name].concat()))
}

impl Tree {
    /// Puts a layer on top.
    pub(crate) fn apply(&mut self, number: usize, layer: Records) {
        // Whiteouts hide what is below, never what comes with them.
        for record in &layer.entries {
            match hidden(record.path()) {
                Some(Hidden::Below(folder)) => remove_below(&mut self.files, &folder),
                Some(Hidden::Path(path)) => {
                    self.files.remove(path.as_slice());
                    remove_below(&mut self.files, &path);
                }
                None => {}
            }
        }
        let place = u32::try_from(self.layers.len()).unwrap_or(u32::MAX);
        let Records { mut entries, .. } = layer;
        entries.shrink_to_fit();
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.layers.push(Layer { number, entries });
        for at in 0..count {
            self.put((place, at));
        }
    }

    /// Puts an entry where its path says.
    fn put(&mut self, at: (u32, u32)) {
        let Some(record) = self.record(at) else { return };
        let path = record.shared_path();
        if is_whiteout(&path) {
            return;
        }
        // The root is a directory, whatever a layer says.
        let hides = !record.is_folder() && !path.is_empty();
        let target = record.is_hard_link().then(|| self.files.get(&*normal(&record.extra().link))).flatten();
        let target = target.and_then(|at| self.record(*at)).map(|target| (target.content, target.size));
        if let (Some(target), Some(record)) = (target, self.record_mut(at)) {
            (record.content, record.size) = target;
        }
        if hides {
            remove_below(&mut self.files, &path);
        }
        self.files.insert(path, at);
    }

    fn record_mut(&mut self, (layer, at): (u32, u32)) -> Option<&mut Record> {
        self.layers.get_mut(layer as usize)?.entries.get_mut(at as usize)
    }

    fn record(&self, (layer, at): (u32, u32)) -> Option<&Record> {
        self.layers.get(layer as usize)?.entries.get(at as usize)
    }

    /// The files as the entries of one layer, and for each of them the layer and the number in it.
    pub(crate) fn flatten(self) -> (Records, Vec<(usize, u32)>) {
        let mut there: Vec<(u32, u32)> = self.files.into_values().collect();
        there.sort_unstable();
        let mut records = Records { entries: Vec::with_capacity(there.len()), ..Records::default() };
        let mut origins = Vec::with_capacity(there.len());
        let mut there = there.into_iter().peekable();
        for (place, layer) in (0u32..).zip(self.layers) {
            for (at, mut record) in (0u32..).zip(layer.entries) {
                if there.next_if_eq(&(place, at)).is_none() {
                    continue;
                }
                origins.push((layer.number, record.number));
                record.number = u32::try_from(records.entries.len()).unwrap_or(u32::MAX);
                records.entries.push(record);
            }
        }
        (records, origins)
    }
}

/// Is the name that of a whiteout, or one that AUFS uses itself? Such an entry is not a file.
pub(crate) fn is_whiteout(path: &[u8]) -> bool {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().starts_with(WHITEOUT)
}

/// The paths below a folder.
fn below<'t, P: Borrow<[u8]> + Ord, T>(
    files: &'t BTreeMap<P, T>,
    folder: &[u8],
) -> Box<dyn Iterator<Item = &'t P> + 't> {
    if folder.is_empty() {
        return Box::new(files.keys().filter(|path| !(*path).borrow().is_empty()));
    }
    let prefix = [folder, b"/"].concat();
    let range = files.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
    Box::new(range.map(|(path, _)| path).take_while(move |path| (*path).borrow().starts_with(&prefix)))
}

pub(crate) fn remove_below<P: Borrow<[u8]> + Ord + Clone, T>(files: &mut BTreeMap<P, T>, folder: &[u8]) {
    let paths: Vec<P> = below(files, folder).cloned().collect();
    for path in paths {
        files.remove(path.borrow());
    }
}

/// What an entry is, as far as whiteouts depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    Folder,
    Symlink,
    Other,
}

/// As [`Tree`], but of paths and their kinds alone.
#[derive(Debug, Default)]
pub(crate) struct PathTree {
    files: BTreeMap<Vec<u8>, PathKind>,
}

impl PathTree {
    /// Hides what a whiteout of the next layer hides. All whiteouts of a layer come before its files.
    pub(crate) fn hide(&mut self, hidden: &Hidden) {
        if let Hidden::Path(path) = hidden {
            self.files.remove(path);
        }
        remove_below(&mut self.files, hidden.path());
    }

    /// Puts an entry of the next layer at its path.
    pub(crate) fn put(&mut self, path: &[u8], kind: PathKind) {
        // The root is a directory, whatever a layer says.
        if kind != PathKind::Folder && !path.is_empty() {
            remove_below(&mut self.files, path);
        }
        self.files.insert(path.to_vec(), kind);
    }

    /// Would a whiteout hide anything here? Where a link leads elsewhere it may.
    pub(crate) fn has(&self, hidden: &Hidden) -> bool {
        let path = hidden.path();
        let is_link = |path: &[u8]| self.files.get(path) == Some(&PathKind::Symlink);
        if ancestors(path).any(is_link) || matches!(hidden, Hidden::Below(folder) if is_link(folder)) {
            return true;
        }
        let is_there = matches!(hidden, Hidden::Path(path) if self.files.contains_key(path));
        is_there || below(&self.files, path).next().is_some()
    }
}
