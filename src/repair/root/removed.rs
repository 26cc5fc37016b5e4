//! What the layers above remove from those below.

use std::collections::HashSet;

use super::LINKS_MAX;
use crate::error::{Error, Result};
use crate::repair::notes::{Note, Notes};
use crate::repair::path::PathKey;

/// Shows all notes, those of the topmost layer first, with the number of their layer, and whether a layer above has
/// removed what they are about.
pub(super) fn top_down(layers: &[&Notes], mut show: impl FnMut(usize, &[u8], &Note, bool) -> Result<()>) -> Result<()> {
    let mut removed = Removed::default();
    for (number, notes) in layers.iter().enumerate().rev() {
        let mut own = Removed::default();
        notes.each(|path, note| {
            match note {
                Note::Whiteout if number > 0 => own.paths.insert(PathKey::of(path)),
                // A link may be in place of a directory.
                Note::Opaque | Note::Link(_) | Note::Other if number > 0 => own.contents.insert(PathKey::of(path)),
                _ => false,
            };
            let held = own.len() + removed.len();
            if held > LINKS_MAX {
                return Err(Error::limit("symbolic links and whiteouts in one image", LINKS_MAX as u64, held as u64));
            }
            show(number, path, &note, removed.hides(path))
        })?;
        removed.paths.extend(own.paths);
        removed.contents.extend(own.contents);
    }
    Ok(())
}

/// What the layers above have removed.
#[derive(Debug, Default)]
struct Removed {
    /// These paths, and all below them.
    paths: HashSet<PathKey>,
    /// All below these paths.
    contents: HashSet<PathKey>,
}

impl Removed {
    fn len(&self) -> usize {
        self.paths.len() + self.contents.len()
    }

    fn hides(&self, path: &[u8]) -> bool {
        if self.len() == 0 {
            return false;
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut above = std::iter::once(0).chain(ends).filter_map(|end| path.get(..end));
        self.paths.contains(&PathKey::of(path))
            || above.any(|path| {
                let key = PathKey::of(path);
                self.paths.contains(&key) || self.contents.contains(&key)
            })
    }
}
