//! The symbolic links of a root filesystem, to follow them from a copy to its original.

use std::collections::HashMap;

use super::removed::top_down;
use crate::error::Result;
use crate::repair::notes::{Note, Notes};
use crate::repair::path::{PathKey, up};

/// So many links are followed from one path (Linux: `MAXSYMLINKS`).
const HOPS_MAX: usize = 40;

/// The longest path that is followed (Linux: `PATH_MAX`).
const PATH_MAX: usize = 4096;

/// Where the symbolic links of a root filesystem lead to.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The number of the layer, and the target.
    targets: HashMap<PathKey, (usize, Box<[u8]>)>,
    /// The last directory that was walked to, and where it led: what follows is in the same one, as a rule.
    last: Option<(Vec<u8>, Vec<u8>)>,
}

impl Links {
    /// Those of an image's layers.
    pub(super) fn of(layers: &[&Notes]) -> Result<Self> {
        let mut links = Self::default();
        top_down(layers, |layer, path, note, is_removed| {
            if let Note::Link(target) = note
                && !is_removed
                && target.len() <= PATH_MAX
            {
                let key = PathKey::of(path);
                if links.targets.get(&key).is_none_or(|(from, _)| *from <= layer) {
                    links.targets.insert(key, (layer, target.as_slice().into()));
                }
            } else if is_there(note) && !links.targets.is_empty() {
                // A later entry of the same layer takes its place.
                let key = PathKey::of(path);
                if links.targets.get(&key).is_some_and(|(from, _)| *from == layer) {
                    links.targets.remove(&key);
                }
            }
            Ok(())
        })?;
        if links.targets.is_empty() {
            return Ok(links);
        }
        // What a layer above has in place of a link.
        top_down(layers, |layer, path, note, _| {
            if is_there(note) {
                let key = PathKey::of(path);
                if links.targets.get(&key).is_some_and(|(from, _)| *from < layer) {
                    links.targets.remove(&key);
                }
            }
            Ok(())
        })?;
        Ok(links)
    }

    /// The key of the place where an entry is, which may be in a directory that a link leads to.
    pub(super) fn key_of_entry(&mut self, path: &[u8]) -> PathKey {
        if self.targets.is_empty() {
            return PathKey::of(path);
        }
        PathKey::of(&self.in_directory(path))
    }

    /// Where a path leads to; the path itself where that is nowhere.
    pub(super) fn followed(&mut self, path: &[u8]) -> Vec<u8> {
        if self.targets.is_empty() {
            return path.to_vec();
        }
        let place = self.in_directory(path);
        if !self.targets.contains_key(&PathKey::of(&place)) {
            return place;
        }
        self.walk(&place).unwrap_or(place)
    }

    /// A path with the links in its directory followed.
    fn in_directory(&mut self, path: &[u8]) -> Vec<u8> {
        let at = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (directory, name) = path.split_at_checked(at).unwrap_or_default();
        if directory.is_empty() {
            return path.to_vec();
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != directory) {
            let followed = self.walk(directory).unwrap_or_else(|| directory.to_vec());
            self.last = Some((directory.to_vec(), followed));
        }
        let followed = self.last.as_ref().map(|(_, followed)| followed.as_slice()).unwrap_or_default();
        // At the root there is no slash in front.
        if followed.is_empty() { name.get(1..).unwrap_or_default().to_vec() } else { [followed, name].concat() }
    }

    fn walk(&self, path: &[u8]) -> Option<Vec<u8>> {
        // What is still to be walked, the next part last.
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let push = |parts: &mut Vec<Vec<u8>>, path: &[u8]| {
            parts.extend(path.rsplit(|byte| *byte == b'/').filter(|part| !part.is_empty()).map(<[u8]>::to_vec));
        };
        push(&mut parts, path);
        let (mut at, mut hops) = (Vec::new(), 0);
        while let Some(part) = parts.pop() {
            match &*part {
                b"." => continue,
                b".." => {
                    up(&mut at);
                    continue;
                }
                _ => {}
            }
            let parent = at.len();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&part);
            if at.len() > PATH_MAX {
                return None;
            }
            if let Some((_, target)) = self.targets.get(&PathKey::of(&at)) {
                hops += 1;
                if hops > HOPS_MAX {
                    return None;
                }
                at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                push(&mut parts, target);
            }
        }
        Some(at)
    }
}

/// Is it something that takes the place of a link?
fn is_there(note: &Note) -> bool {
    matches!(note, Note::Copy(_) | Note::File(_) | Note::Directory(_) | Note::Other)
}
