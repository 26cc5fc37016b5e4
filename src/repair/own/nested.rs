//! The files in a tar that is a file itself.
//!
//! Python bytecode follows its source as in a layer; where that would have been wrong, the whole tar stays as it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::OwnTimes;
use crate::error::Result;
use crate::format::pyc;
use crate::repair::copies::{CopyAction, CopyPatcher, CopyReader, CopyValue, MtimeCopy, Original};
use crate::repair::path::{PathKey, normal};
use crate::repair::tar::TarPatcher;
use crate::stamp::{Instant, Stamp};
use crate::sync::lock;
use crate::tar::{ContentOut, ContentPatcher, ContentPlan, Entry, EntryPlan, Planner, Verdict};

/// More bytecode, or sources of it, are not read.
const FILES_MAX: usize = 1 << 17;

/// What patches a tar, whose files are patched by this.
pub(super) fn tar(own: OwnTimes, stamp: Stamp) -> Box<dyn ContentPatcher> {
    let python = Arc::<Mutex<Python>>::default();
    let planner = NestedPlanner { own, python: Arc::clone(&python) };
    Box::new(NestedTar { tar: TarPatcher::new(stamp, Box::new(planner)), stamp, python })
}

#[derive(Debug)]
struct NestedTar {
    tar: TarPatcher,
    stamp: Stamp,
    python: Arc<Mutex<Python>>,
}

impl ContentPatcher for NestedTar {
    fn label(&self) -> &'static str {
        self.tar.label()
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        self.tar.patch(bytes, out)
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        let verdict = self.tar.finish(out)?;
        let is_right = lock(&self.python).is_right(self.stamp);
        Ok(match verdict {
            Verdict::LeaveIt(reason) => Verdict::LeaveIt(reason),
            _ if !is_right => Verdict::LeaveIt("it holds bytecode that does not fit its source".to_owned()),
            verdict => verdict,
        })
    }
}

/// Decides what becomes of the files in a tar.
#[derive(Debug)]
struct NestedPlanner {
    own: OwnTimes,
    python: Arc<Mutex<Python>>,
}

impl Planner for NestedPlanner {
    fn plan(&mut self, entry: &Entry, stamp: Stamp) -> EntryPlan {
        EntryPlan { stamp, content: self.content(entry, stamp).map_or(ContentPlan::Keep, ContentPlan::Patch) }
    }
}

impl NestedPlanner {
    fn content(&self, entry: &Entry, stamp: Stamp) -> Option<Box<dyn ContentPatcher>> {
        let is_file = matches!(entry.kind(), b'0' | 0 | b'7') && entry.sparse_size().is_none();
        if !is_file || entry.is_behind_end() {
            return None;
        }
        let name = normal(&entry.name());
        if pyc::is_source_name(&name) {
            lock(&self.python).source(&name, entry);
        }
        if pyc::is_name(&name)
            && let (Some(reader), Some(copy)) = (CopyReader::of(entry, &name), CopyReader::of(entry, &name))
        {
            let patcher = CopyPatcher::new(copy, stamp, CopyAction::Follow);
            let python = Arc::clone(&self.python);
            return Some(Box::new(BytecodePatcher { reader, patcher, python }));
        }
        self.own.patcher(entry, stamp)
    }
}

/// The bytecode and the sources of Python in a tar.
#[derive(Debug, Default)]
struct Python {
    /// The last one of a name counts.
    sources: HashMap<PathKey, (Instant, u64)>,
    /// Bytecode, as it was: its source, what it says of that.
    bytecode: Vec<(PathKey, CopyValue)>,
}

impl Python {
    fn source(&mut self, name: &[u8], entry: &Entry) {
        if self.sources.len() <= FILES_MAX {
            self.sources.insert(PathKey::of(name), (entry.mtime(), entry.size()));
        }
    }

    fn bytecode(&mut self, copy: MtimeCopy) {
        if let Original::Path(path) = copy.original
            && self.bytecode.len() <= FILES_MAX
        {
            self.bytecode.push((PathKey::of(&path), copy.value));
        }
    }

    /// Is all bytecode that was fresh fresh still, and all other as it was, and stale?
    fn is_right(&self, stamp: Stamp) -> bool {
        let is_read = self.sources.len() <= FILES_MAX && self.bytecode.len() <= FILES_MAX;
        is_read
            && self.bytecode.iter().all(|(source, old)| {
                let new = stamp.applied(Instant::from_seconds(old.seconds)).seconds & i64::from(u32::MAX);
                let new = CopyValue { seconds: new, ..*old };
                let Some((mtime, size)) = self.sources.get(source) else { return new == *old };
                let was_fresh = old.fits(*mtime, Some(*size));
                was_fresh == new.fits(stamp.applied(*mtime), Some(*size)) && (was_fresh || new == *old)
            })
    }
}

/// Patches bytecode as if it were fresh, and takes note of it.
#[derive(Debug)]
struct BytecodePatcher {
    reader: CopyReader,
    patcher: CopyPatcher,
    python: Arc<Mutex<Python>>,
}

impl ContentPatcher for BytecodePatcher {
    fn label(&self) -> &'static str {
        self.patcher.label()
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        self.reader.push(bytes);
        self.patcher.patch(bytes, out)
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        if let Some(copy) = self.reader.copy() {
            lock(&self.python).bytecode(copy);
        }
        self.patcher.finish(out)
    }
}
