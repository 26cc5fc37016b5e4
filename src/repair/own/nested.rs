//! The files in a tar that is a file itself.
//!
//! Python bytecode follows its source as in a layer; where that would have been wrong, the whole tar stays as it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::OwnTimes;
use crate::error::Result;
use crate::format::pyc::{self, HEADER, SourceStamp, source_stamp};
use crate::repair::fields;
use crate::repair::held::Held;
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
        if let Some(source) = pyc::source_path(&name) {
            let source = PathKey::of(&source);
            let python = Arc::clone(&self.python);
            return Some(Box::new(BytecodePatcher { stamp, source, python, head: Vec::new(), held: Held::default() }));
        }
        self.own.patcher(entry, stamp)
    }
}

/// The bytecode and the sources of Python in a tar.
#[derive(Debug, Default)]
struct Python {
    /// The last one of a name counts.
    sources: HashMap<PathKey, (Instant, u64)>,
    /// Bytecode: its source, what it says, what mtime it says now.
    bytecode: Vec<(PathKey, SourceStamp, u32)>,
}

impl Python {
    fn source(&mut self, name: &[u8], entry: &Entry) {
        if self.sources.len() <= FILES_MAX {
            self.sources.insert(PathKey::of(name), (entry.mtime(), entry.size()));
        }
    }

    /// Is all bytecode that was fresh fresh still, and all other as it was?
    fn is_right(&self, stamp: Stamp) -> bool {
        let is_read = self.sources.len() <= FILES_MAX && self.bytecode.len() <= FILES_MAX;
        is_read
            && self.bytecode.iter().all(|(source, old, new)| {
                let Some((mtime, size)) = self.sources.get(source) else { return old.mtime == *new };
                let fits = |code: u32, source: i64| {
                    let is_size = |own: u32| u64::from(own) == size % (1 << 32);
                    i64::from(code) == source.rem_euclid(1 << 32) && old.size.is_none_or(is_size)
                };
                let was_fresh = fits(old.mtime, mtime.seconds);
                let new_mtime = if stamp.replaces(*mtime) { fields::epoch(stamp) } else { mtime.seconds };
                was_fresh == fits(*new, new_mtime) && (was_fresh || old.mtime == *new)
            })
    }
}

/// Patches bytecode as if it were fresh.
#[derive(Debug)]
struct BytecodePatcher {
    stamp: Stamp,
    source: PathKey,
    python: Arc<Mutex<Python>>,
    /// Its first bytes.
    head: Vec<u8>,
    held: Held,
}

impl ContentPatcher for BytecodePatcher {
    fn label(&self) -> &'static str {
        "pyc"
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        let missing = HEADER.saturating_sub(self.head.len());
        if missing == 0 {
            return out.put(bytes);
        }
        self.held.push(bytes);
        self.head.extend_from_slice(bytes.get(..missing.min(bytes.len())).unwrap_or_default());
        if self.head.len() < HEADER {
            return Ok(());
        }
        if let Some(stamp) = source_stamp(&self.head) {
            let new = (fields::seconds(self.stamp, stamp.mtime.into()) & i64::from(u32::MAX)) as u32;
            self.held.replace(stamp.mtime_at as u64, &new.to_le_bytes(), out)?;
            let mut python = lock(&self.python);
            if python.bytecode.len() <= FILES_MAX {
                python.bytecode.push((self.source, stamp, new));
            }
        }
        self.held.give_out(0, out)
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        self.held.give_out(0, out)?;
        Ok(Verdict::Patched)
    }
}
