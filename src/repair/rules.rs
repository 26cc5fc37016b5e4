//! What is done with the entries of a layer beside the one rule for their times: plain data.

use std::sync::Arc;

use crate::repair::copies::CopyAction;

/// Which times in the content of files are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repairs {
    /// Copies of an mtime in the image follow it: Python bytecode, caches of fontconfig, bootsnap's compile cache.
    pub copies: bool,
}

/// What is done with the entries of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerRules {
    /// Which times in content are replaced.
    pub repairs: Repairs,
    /// Is note taken of copies of mtimes, so that it can be said of the image which were right?
    pub are_noted: bool,
    /// What is done with single entries: by where their header block begins in the layer, in that order.
    pub specials: Arc<Specials>,
}

/// What is done with single entries, by where their header blocks begin, in that order.
pub type Specials = Vec<(u64, Special)>;

/// What is done with an entry that the rules alone would have other things done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Special {
    /// Its content stays as it is.
    Leave,
    /// The copy of an mtime in it becomes this.
    Copy(CopyAction),
}
