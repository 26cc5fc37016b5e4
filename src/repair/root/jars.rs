//! The jars of a root filesystem, whose mtimes and sizes archives of Java's class data sharing hold.

use std::collections::HashMap;

use super::removed::top_down;
use crate::error::Result;
use crate::format::jsa;
use crate::repair::notes::{Note, Notes};
use crate::repair::path::PathKey;
use crate::stamp::Instant;

/// So many jars are held.
const JARS_MAX: usize = 20_000;

/// A jar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jar {
    /// The number of its layer in the image, from 0, the lowest.
    pub layer: usize,
    /// Where its header block begins in that layer, in bytes.
    pub offset: u64,
    /// Its mtime.
    pub mtime: Instant,
    /// Its size in bytes.
    pub size: i64,
}

/// The jars in the root filesystem that these layers make, the lowest layer first; `None` if there are more than are held.
///
/// # Errors
///
/// There are more links than are held, or the notes can't be read.
pub fn jars(layers: &[&Notes]) -> Result<Option<Vec<Jar>>> {
    let mut top: HashMap<PathKey, Jar> = HashMap::new();
    top_down(layers, |layer, path, note, is_removed| {
        let Note::File(file) = note else { return Ok(()) };
        let size = file.size.and_then(|size| i64::try_from(size).ok());
        if let Some(size) = size.filter(|_| !is_removed && jsa::is_source_name(path) && top.len() <= JARS_MAX) {
            let jar = Jar { layer, offset: file.offset, mtime: file.mtime, size };
            let place = top.entry(PathKey::of(path)).or_insert(jar);
            // Of two in one layer the later one counts.
            if place.layer == layer {
                *place = jar;
            }
        }
        Ok(())
    })?;
    Ok((top.len() <= JARS_MAX).then(|| top.into_values().collect()))
}
