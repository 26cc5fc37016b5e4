//! The root filesystem that the layers of an image make, one on top of the other
//! (OCI image specification, layer.md, "Applying Changesets" and "Whiteouts").

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::path::{ancestors, normal};
use super::record::{Record, Records};

/// Hides what lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Before a name: hides what lower layers have of that name.
const WHITEOUT: &[u8] = b".wh.";

/// A file system in the making: what stands at each path, and the layer it came from.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: BTreeMap<Arc<[u8]>, (usize, Record)>,
}

/// What a whiteout hides.
pub(super) enum Hidden {
    /// All below a directory.
    Below(Vec<u8>),
    /// A path and all below it.
    Path(Vec<u8>),
}

/// What an entry hides, if it is a whiteout.
pub(super) fn hidden(path: &[u8]) -> Option<Hidden> {
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
    pub(super) fn apply(&mut self, number: usize, layer: Records) {
        // Whiteouts hide what is below, never what comes with them.
        for record in &layer.entries {
            match hidden(record.path()) {
                Some(Hidden::Below(folder)) => self.remove_below(&folder),
                Some(Hidden::Path(path)) => {
                    self.files.remove(path.as_slice());
                    self.remove_below(&path);
                }
                None => {}
            }
        }
        for mut record in layer.entries {
            let base = record.path().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if base.starts_with(WHITEOUT) {
                continue;
            }
            if record.is_hard_link()
                && let Some((_, target)) = self.files.get(&*normal(&record.rare().link))
            {
                (record.content, record.size) = (target.content, target.size);
            }
            // The root is a directory, whatever a layer says.
            if !record.is_folder() && !record.path().is_empty() {
                let path = record.path().to_vec();
                self.remove_below(&path);
            }
            self.files.insert(record.shared_path(), (number, record));
        }
    }

    /// Would a whiteout hide anything here? Where a link leads elsewhere it may.
    pub(super) fn has(&self, hidden: &Hidden) -> bool {
        let (Hidden::Below(path) | Hidden::Path(path)) = hidden;
        let is_link = |path: &[u8]| self.files.get(path).is_some_and(|(_, record)| record.meta.kind == b'2');
        if ancestors(path).any(is_link) || matches!(hidden, Hidden::Below(folder) if is_link(folder)) {
            return true;
        }
        match hidden {
            Hidden::Below(folder) => self.below(folder).next().is_some(),
            Hidden::Path(path) => self.files.contains_key(path.as_slice()) || self.below(path).next().is_some(),
        }
    }

    fn below<'t>(&'t self, folder: &[u8]) -> Box<dyn Iterator<Item = &'t Arc<[u8]>> + 't> {
        if folder.is_empty() {
            return Box::new(self.files.keys().filter(|path| !path.is_empty()));
        }
        let prefix = [folder, b"/"].concat();
        let range = self.files.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
        Box::new(range.map(|(path, _)| path).take_while(move |path| path.starts_with(&prefix)))
    }

    fn remove_below(&mut self, folder: &[u8]) {
        let paths: Vec<Arc<[u8]>> = self.below(folder).cloned().collect();
        for path in paths {
            self.files.remove(&path);
        }
    }

    /// The files as the entries of one layer, and for each of them the layer and the number in it.
    pub(super) fn flatten(self) -> (Records, Vec<(usize, u32)>) {
        let mut records = Records::default();
        let mut origins = Vec::new();
        for (layer, mut record) in self.files.into_values() {
            origins.push((layer, record.number));
            record.number = u32::try_from(records.entries.len()).unwrap_or(u32::MAX);
            records.entries.push(record);
        }
        (records, origins)
    }
}
