//! What is done with the entries of a layer beside the one rule for their times: plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::causes::{Omit, omitted};
use crate::glob::PathGlob;
use crate::repair::copies::{CopyAction, CopyKind};
use crate::repair::own::OwnTimes;
use crate::repair::path::normal;
use crate::repair::replaced::Compress;
use crate::repair::signs::{Compiled, is_never_raised};
use crate::stamp::{Epoch, Rule, Stamp};
use crate::tar::Entry;

/// Which times in the content of files are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repairs {
    /// Copies of an mtime in the image follow it: Python bytecode, caches of fontconfig, bootsnap's compile cache.
    pub copies: bool,
    /// So do those in files of PHP's opcache.
    pub opcache: bool,
    /// The padding in the keys of bootsnap's compile cache, which holds what was in memory, is cleared.
    pub bootsnap: bool,
    /// The own times of files, and what makes temporary files for that.
    pub own: Option<OwnTimes>,
    /// What compresses files that are replaced as a whole, where those are.
    pub compress: Option<Compressor>,
}

/// Compresses with gzip, in the canonical form.
#[derive(Clone, Copy)]
pub struct Compressor(pub Compress);

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

/// There is one.
impl PartialEq for Compressor {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Compressor {}

impl Repairs {
    /// Are copies of this kind replaced?
    pub fn follow(&self, kind: CopyKind) -> bool {
        if kind == CopyKind::Opcache { self.opcache } else { self.copies }
    }
}

/// What is done with the entries of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerRules {
    /// Which times in content are replaced.
    pub repairs: Repairs,
    /// Which entries are left out.
    pub omit: Arc<Omitted>,
    /// Which files get mtimes of their own.
    pub mtimes: Arc<OwnMtimes>,
    /// Is note taken of the entries, so that it can be said of the image which copies of mtimes were right?
    pub are_noted: bool,
    /// What is done with single entries.
    pub specials: Arc<Specials>,
}

/// Which entries are left out of layers: files and links, never directories and whiteouts, and no file that a hard link
/// which stays leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Omitted {
    /// Regular files that these lists know.
    pub lists: Vec<Omit>,
    /// Files and links at paths like these.
    pub globs: Vec<PathGlob>,
}

impl Omitted {
    /// Is an entry left out, as far as its own headers say?
    pub fn has(&self, entry: &Entry) -> bool {
        if self.lists.is_empty() && self.globs.is_empty() || entry.is_behind_end() {
            return false;
        }
        let is_file = matches!(entry.kind(), b'0' | 0 | b'7' | b'S');
        if !is_file && !matches!(entry.kind(), b'1' | b'2') {
            return false;
        }
        let path = normal(&entry.name());
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if name.is_empty() || name.starts_with(b".wh.") || entry.is_toc() {
            return false;
        }
        self.globs.iter().any(|glob| glob.fits(&path))
            || is_file && self.lists.iter().any(|list| omitted(*list, &path).is_some())
    }
}

/// Which files get mtimes of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnMtimes {
    /// Compiled files that stay newer than their sources, which get the second before the epoch.
    pub keep_order: Vec<PathGlob>,
    /// Files whose mtime depends on their content.
    pub by_content: Vec<PathGlob>,
}

/// An mtime by content is earlier than the epoch by fewer seconds than this, which are 12 days.
pub const BY_CONTENT_RANGE: u64 = 1 << 20;

impl OwnMtimes {
    /// Does the mtime of an entry depend on its content?
    pub fn is_by_content(&self, entry: &Entry) -> bool {
        !self.by_content.is_empty()
            && matches!(entry.kind(), b'0' | 0 | b'7')
            && !entry.is_behind_end()
            && fits_any(&self.by_content, entry)
            && !is_never_raised(&entry.name())
            // Which of them is newer has to stay.
            && (self.keep_order.is_empty() || Compiled::of_path(&entry.name()).is_none() && !self.keeps_order(entry))
    }

    /// Is it a compiled file that stays newer than its sources?
    pub fn keeps_order(&self, entry: &Entry) -> bool {
        !self.keep_order.is_empty() && fits_any(&self.keep_order, entry)
    }
}

fn fits_any(globs: &[PathGlob], entry: &Entry) -> bool {
    let path = normal(&entry.name());
    globs.iter().any(|glob| glob.fits(&path))
}

/// What an mtime by content becomes, by a hash of the content.
pub fn by_content(epoch: Epoch, hash: u64) -> Epoch {
    let seconds = epoch.seconds().saturating_sub(hash % BY_CONTENT_RANGE);
    Epoch::from_seconds(seconds).unwrap_or(epoch)
}

/// The second before the epoch, which sources get where their compiled files stay newer.
pub fn before(epoch: Epoch) -> Epoch {
    Epoch::from_seconds(epoch.seconds().saturating_sub(1)).unwrap_or(epoch)
}

/// What the times of an entry become that is nothing special: the epoch, but those of apt's lists are never raised.
pub fn stamp_of(entry: &Entry, stamp: Stamp) -> Stamp {
    if stamp.rule == Rule::Clamp || entry.header().is_none() || !is_never_raised(&entry.name()) {
        return stamp;
    }
    let own = u64::try_from(entry.mtime().seconds).unwrap_or(0);
    Stamp { epoch: Epoch::from_seconds(own.min(stamp.epoch.seconds())).unwrap_or(stamp.epoch), ..stamp }
}

/// What is done with single entries of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Specials {
    /// By where their header blocks begin, in that order.
    pub entries: Vec<(u64, Special)>,
    /// Numbers of eight bytes, the lowest first, that are written into the content of entries: where, in that order, and
    /// which.
    pub writes: BTreeMap<u64, Vec<(u64, i64)>>,
}

impl Specials {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.writes.is_empty()
    }

    /// What is done with the entry whose header block begins there.
    pub fn of(&self, offset: u64) -> Special {
        let at = self.entries.binary_search_by_key(&offset, |(offset, _)| *offset).ok();
        at.and_then(|at| self.entries.get(at)).map(|(_, special)| *special).unwrap_or_default()
    }
}

/// What is done with an entry that the rules alone would have other things done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Special {
    /// What becomes of its content.
    pub content: Option<ContentSpecial>,
    /// What its times become.
    pub mtime: Option<Epoch>,
    /// It is not left out.
    pub is_kept: bool,
    /// It is left out.
    pub is_left_out: bool,
}

/// What becomes of content that the rules alone would have something else done with. Of two, the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentSpecial {
    /// It stays as it is.
    Leave,
    /// The copy of an mtime in it becomes this.
    Copy(CopyAction),
}

impl Special {
    /// Its content stays as it is.
    pub const LEAVE: Self =
        Self { content: Some(ContentSpecial::Leave), mtime: None, is_kept: false, is_left_out: false };

    /// The copy of an mtime in it becomes this.
    pub fn copy(action: CopyAction) -> Self {
        Self { content: Some(ContentSpecial::Copy(action)), ..Self::default() }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let content = self.content.max(other.content);
        Self {
            content,
            mtime: self.mtime.or(other.mtime),
            is_kept: self.is_kept || other.is_kept,
            is_left_out: self.is_left_out || other.is_left_out,
        }
    }
}
