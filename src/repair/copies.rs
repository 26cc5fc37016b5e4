//! Copies of mtimes: files whose content holds the mtime of another file, by which a program sees if they are stale.
//!
//! Which files those are is decided by name; what they say is in their first bytes, which a [`CopyReader`] collects as
//! they go by.

use crate::error::Result;
use crate::format::{bootsnap, fontconfig, opcache, pyc};
use crate::repair::path::normal;
use crate::stamp::{Instant, Stamp};
use crate::tar::{ContentOut, ContentPatcher, Entry, Verdict};

/// A kind of copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CopyKind {
    /// Python bytecode: the mtime and size of its source.
    Pyc,
    /// A cache of fontconfig: the mtime of the directory of fonts.
    Fontconfig,
    /// An entry of bootsnap's compile cache: the mtime and size of a Ruby, YAML or JSON source.
    Bootsnap,
    /// A file of PHP's opcache: the mtime of a script.
    Opcache,
}

impl CopyKind {
    /// Its name, as reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pyc => "pyc",
            Self::Fontconfig => "fontconfig",
            Self::Bootsnap => "bootsnap",
            Self::Opcache => "opcache",
        }
    }

    /// What its files are, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::Pyc => "Python bytecode",
            Self::Fontconfig => "caches of fontconfig",
            Self::Bootsnap => "entries of bootsnap's compile cache",
            Self::Opcache => "files of PHP's opcache",
        }
    }

    /// The kind of that number.
    pub(super) fn of_number(number: u8) -> Self {
        match number {
            0 => Self::Pyc,
            1 => Self::Fontconfig,
            2 => Self::Bootsnap,
            _ => Self::Opcache,
        }
    }

    /// By the path of a file.
    pub fn of_path(path: &[u8]) -> Option<Self> {
        if pyc::is_name(path) {
            Some(Self::Pyc)
        } else if fontconfig::is_name(path) {
            Some(Self::Fontconfig)
        } else if bootsnap::path_hash_of_entry(path).is_some() {
            Some(Self::Bootsnap)
        } else if path.ends_with(b".bin") && opcache::source_path(path).is_some() {
            Some(Self::Opcache)
        } else {
            None
        }
    }

    /// How many of the first bytes of a file hold its copy.
    fn head(self) -> usize {
        match self {
            Self::Pyc => pyc::HEADER,
            Self::Fontconfig => fontconfig::HEADER,
            Self::Bootsnap => bootsnap::HEADER,
            Self::Opcache => opcache::HEADER,
        }
    }
}

/// What a copy is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Original {
    /// The file or directory of that path, relative to the root of the image.
    Path(Vec<u8>),
    /// A file whose absolute path has this hash (FNV-1a, 64 bits).
    PathHash(u64),
}

/// A copy of an mtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtimeCopy {
    /// What it says.
    pub value: CopyValue,
    /// What it is a copy of.
    pub original: Original,
}

/// What a copy holds about its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyValue {
    /// What kind.
    pub kind: CopyKind,
    /// Seconds since 1970: of a .pyc modulo 2^32.
    pub seconds: i64,
    /// Nanoseconds beyond that, where the kind has them.
    pub nanos: i64,
    /// The size of the original in bytes, where the kind has it: of a .pyc modulo 2^32.
    pub size: Option<u64>,
}

impl CopyValue {
    /// Is it what an original has, so that the program takes the copy for fresh?
    pub fn fits(&self, mtime: Instant, size: Option<u64>) -> bool {
        let is_size = |modulus: Option<u64>| match (self.size, size) {
            (Some(own), Some(size)) => own == modulus.map_or(size, |modulus| size % modulus),
            // Where a size is not known, the mtime decides.
            (None, _) | (_, None) => true,
        };
        match self.kind {
            CopyKind::Pyc => self.seconds == mtime.seconds.rem_euclid(1 << 32) && is_size(Some(1 << 32)),
            // containerd and others cut the mtimes of a layer to whole seconds, so a cache that was made in the build
            // holds nanoseconds that the directory in the image has no more. fontconfig compares an `int`.
            CopyKind::Fontconfig => {
                #[expect(clippy::cast_possible_truncation, reason = "as in C")]
                let seconds = i64::from(mtime.seconds as i32);
                self.seconds == seconds && (mtime.nanos == 0 || self.nanos == i64::from(mtime.nanos))
            }
            CopyKind::Bootsnap => self.seconds == mtime.seconds && is_size(None),
            CopyKind::Opcache => self.seconds == mtime.seconds,
        }
    }
}

/// Collects what a file's first bytes say.
#[derive(Debug)]
pub struct CopyReader {
    kind: CopyKind,
    path: Vec<u8>,
    head: Vec<u8>,
}

impl CopyReader {
    /// A reader for the content of an entry, whose path in the image is given; `None` if it is no regular file with
    /// the name of a copy.
    pub fn of(entry: &Entry, path: &[u8]) -> Option<Self> {
        if !matches!(entry.kind(), b'0' | 0 | b'7') || entry.size() == 0 {
            return None;
        }
        Some(Self { kind: CopyKind::of_path(path)?, path: path.to_vec(), head: Vec::new() })
    }

    /// The kind of copy that it may be.
    pub fn kind(&self) -> CopyKind {
        self.kind
    }

    /// Takes the next bytes of the content.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let head = self.kind.head();
        let first = head.saturating_sub(self.head.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at_checked(first).unwrap_or_default();
        self.head.extend_from_slice(taken);
        bytes = rest;
        if bytes.is_empty() {
            return;
        }
        // Only a cache of fontconfig names its original further on.
        if let Some(end) = self.path_end() {
            let wanted = end.saturating_sub(self.head.len()).min(bytes.len());
            self.head.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        }
    }

    /// How many bytes may hold the path of the original; `None` once it is complete, or where there is none.
    fn path_end(&self) -> Option<usize> {
        /// Linux has no longer paths (PATH_MAX).
        const LONGEST: usize = 4096;
        if self.kind != CopyKind::Fontconfig {
            return None;
        }
        let start = usize::try_from(fontconfig::directory_stamp(&self.path, &self.head)?.path_at).ok()?;
        let is_complete = self.head.get(start..).is_some_and(|path| path.contains(&0));
        (!is_complete).then_some(start + LONGEST)
    }

    /// Have the bytes come that say what it is a copy of?
    pub fn is_complete(&self) -> bool {
        self.head.len() >= self.kind.head() && self.path_end().is_none()
    }

    /// What a copy of this kind is of that has another path and the same content: `None` where only the content says it.
    pub fn original_of(kind: CopyKind, path: &[u8]) -> Option<Original> {
        match kind {
            CopyKind::Pyc => pyc::source_path(path).map(Original::Path),
            CopyKind::Bootsnap => bootsnap::path_hash_of_entry(path).map(Original::PathHash),
            CopyKind::Opcache => opcache::source_path(path).map(|script| Original::Path(normal(&script))),
            CopyKind::Fontconfig => None,
        }
    }

    /// What the bytes say; `None` if this is no copy of a known layout.
    pub fn copy(&self) -> Option<MtimeCopy> {
        let (kind, path, head) = (self.kind, &*self.path, &*self.head);
        let copy =
            |seconds, nanos, size, original| MtimeCopy { value: CopyValue { kind, seconds, nanos, size }, original };
        match kind {
            CopyKind::Pyc => {
                let stamp = pyc::source_stamp(head)?;
                let original = Original::Path(pyc::source_path(path)?);
                Some(copy(i64::from(stamp.mtime), 0, stamp.size.map(u64::from), original))
            }
            CopyKind::Fontconfig => {
                let stamp = fontconfig::directory_stamp(path, head)?;
                let at = usize::try_from(stamp.path_at).ok()?;
                let directory = head.get(at..)?.split(|byte| *byte == 0).next()?;
                let directory = directory.strip_prefix(b"/")?;
                let original = Original::Path(normal(directory));
                Some(copy(i64::from(stamp.seconds), stamp.nanos, None, original))
            }
            CopyKind::Bootsnap => {
                let stamp = bootsnap::source_stamp(path, head)?;
                let seconds = i64::try_from(stamp.mtime).ok()?;
                Some(copy(seconds, 0, Some(stamp.size), Original::PathHash(stamp.path_hash)))
            }
            CopyKind::Opcache => {
                let script = normal(&opcache::source_path(path)?);
                Some(copy(opcache::stamp(head)?, 0, None, Original::Path(script)))
            }
        }
    }
}

/// What becomes of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CopyAction {
    /// It becomes what an original of that time becomes.
    Follow,
    /// It holds this time: seconds since 1970, and no nanoseconds.
    Hold(i64),
}

/// Patches the copy in a file.
#[derive(Debug)]
pub struct CopyPatcher {
    kind: CopyKind,
    path: Vec<u8>,
    stamp: Stamp,
    action: CopyAction,
    /// Is the padding of bootsnap's keys cleared?
    clears_padding: bool,
    head: Vec<u8>,
    is_done: bool,
}

impl CopyPatcher {
    /// For the content that a reader is for.
    pub fn new(reader: CopyReader, stamp: Stamp, action: CopyAction) -> Self {
        let CopyReader { kind, path, .. } = reader;
        Self { kind, path, stamp, action, clears_padding: false, head: Vec::new(), is_done: false }
    }

    /// Clears the padding of bootsnap's keys, too.
    #[must_use]
    pub fn clearing_padding(mut self, clears_padding: bool) -> Self {
        self.clears_padding = clears_padding;
        self
    }

    /// Patches the bytes that were held back, and gives them out.
    fn give_out(&mut self, out: &mut dyn ContentOut) -> Result<()> {
        self.is_done = true;
        for (at, new) in self.edits().unwrap_or_default() {
            let Some(old) = self.head.get_mut(at..at.saturating_add(new.len())).filter(|old| **old != *new) else {
                continue;
            };
            out.replaced(at as u64, old, &new)?;
            old.copy_from_slice(&new);
        }
        out.put(&std::mem::take(&mut self.head))
    }

    /// What is written, and where.
    fn edits(&self) -> Option<Vec<(usize, Vec<u8>)>> {
        match self.kind {
            CopyKind::Pyc => {
                let stamp = pyc::source_stamp(&self.head)?;
                let new = self.new_seconds(i64::from(stamp.mtime), 0)?;
                // Python compares the lower 32 bits.
                Some(vec![(stamp.mtime_at, new.to_le_bytes().first_chunk::<4>()?.to_vec())])
            }
            CopyKind::Fontconfig => {
                let stamp = fontconfig::directory_stamp(&self.path, &self.head)?;
                let nanos = u32::try_from(stamp.nanos).unwrap_or(0);
                let new = self.new_seconds(i64::from(stamp.seconds), nanos)?;
                #[expect(clippy::cast_possible_truncation, reason = "as in C")]
                let seconds = stamp.seconds_bytes(new as i32).to_vec();
                Some(vec![(stamp.seconds_at, seconds), (stamp.nanos_at, vec![0; 8])])
            }
            CopyKind::Bootsnap => {
                let stamp = bootsnap::source_stamp(&self.path, &self.head)?;
                let new = self.new_seconds(i64::try_from(stamp.mtime).ok()?, 0);
                let mtime = new.map(|new| (bootsnap::MTIME_AT, new.to_le_bytes().to_vec()));
                let padding = bootsnap::padding_at(&self.head).filter(|_| self.clears_padding);
                let cleared = padding.map(|at| (at, vec![0; bootsnap::HEADER.saturating_sub(at)]));
                Some(mtime.into_iter().chain(cleared).collect())
            }
            CopyKind::Opcache => {
                let new = self.new_seconds(opcache::stamp(&self.head)?, 0)?;
                Some(vec![(opcache::MTIME_AT, new.to_le_bytes().to_vec())])
            }
        }
    }

    /// What it holds then; `None` if it stays.
    fn new_seconds(&self, seconds: i64, nanos: u32) -> Option<i64> {
        match self.action {
            CopyAction::Follow => {
                self.stamp.replaces(Instant { seconds, nanos }).then(|| self.stamp.epoch.instant().seconds)
            }
            CopyAction::Hold(seconds) => Some(seconds),
        }
    }
}

impl ContentPatcher for CopyPatcher {
    fn label(&self) -> &'static str {
        self.kind.name()
    }

    /// It lags behind by the header.
    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        if self.is_done {
            return out.put(bytes);
        }
        let missing = self.kind.head().saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at_checked(missing).unwrap_or_default();
        self.head.extend_from_slice(head);
        if self.head.len() < self.kind.head() {
            return Ok(());
        }
        self.give_out(out)?;
        out.put(rest)
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        if !self.is_done {
            self.give_out(out)?;
        }
        Ok(Verdict::Patched)
    }
}
