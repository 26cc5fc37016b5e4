//! The content of entries: what decides about it, what patches it, and how both report what was done.

use std::fmt;

use super::entry::Entry;
use crate::error::Result;
use crate::stamp::Stamp;

/// What becomes of an entry.
#[derive(Debug)]
pub struct EntryPlan {
    /// What its times become.
    pub stamp: Stamp,
    /// What is done with its content.
    pub content: ContentPlan,
}

/// What is done with the content of an entry.
#[derive(Debug)]
pub enum ContentPlan {
    /// It stays as it is.
    Keep,
    /// It is patched while it goes by; its length stays.
    Patch(Box<dyn ContentPatcher>),
    /// All of it is held, and other bytes take its place, of any length. What is no ordinary file of at most
    /// [`REPLACED_MAX`] bytes stays as it is.
    Replace(Box<dyn ContentReplacer>),
    /// The entry is left out.
    Omit,
}

/// The longest content that is replaced as a whole, in bytes.
pub const REPLACED_MAX: u64 = 4 << 20;

/// Decides by its headers what becomes of an entry. The `repair` room has the one that layers are rewritten by.
pub trait Planner: fmt::Debug + Send {
    /// What becomes of the next entry, where `stamp` is what times of the stream become.
    fn plan(&mut self, entry: &Entry, stamp: Stamp) -> EntryPlan;
}

/// Patches the content of one entry, which comes in pieces.
pub trait ContentPatcher: fmt::Debug + Send {
    /// What it repairs, in one word: `pyc`, `gzip`.
    fn label(&self) -> &'static str;

    /// Takes the next bytes, and gives out what is certain: that may lag behind.
    ///
    /// # Errors
    ///
    /// Those of `out`, and of temporary files.
    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()>;

    /// The content has ended: gives out what was held back. As many bytes have come out then as have gone in.
    ///
    /// # Errors
    ///
    /// As for [`patch`](Self::patch).
    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict>;
}

/// Makes other content of all content of one entry.
pub trait ContentReplacer: fmt::Debug + Send {
    /// What it repairs, in one word.
    fn label(&self) -> &'static str;

    /// What takes the place of this content; `None` if it stays.
    ///
    /// # Errors
    ///
    /// If that can't be found out.
    fn replacement(&mut self, old: &[u8]) -> Result<Option<Vec<u8>>>;
}

/// Where a [`ContentPatcher`] gives out what it makes of an entry's content, and says what it has replaced.
pub trait ContentOut {
    /// The next bytes of the new content.
    ///
    /// # Errors
    ///
    /// They can't be passed on.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;

    /// Says that `new` is in place of `old`, which begins at this offset of the content. Nothing is said of what is the
    /// same.
    ///
    /// # Errors
    ///
    /// It can't be noted.
    fn replaced(&mut self, at: u64, old: &[u8], new: &[u8]) -> Result<()>;
}

/// What a [`ContentPatcher`] reports about the content as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was patched, or had nothing to patch.
    Patched,
    /// It was patched, and there is something that the user should know.
    PatchedWithNote(String),
    /// It should have been left as it was, for this reason: the caller, if it can, reads the stream once more and
    /// leaves the entry.
    LeaveIt(String),
}

/// What was done to an entry beside its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit<'a> {
    /// These bytes of its content were replaced by others of that length.
    Replaced {
        /// Where they begin in the content.
        at: u64,
        /// As they were.
        old: &'a [u8],
        /// As they are.
        new: &'a [u8],
    },
    /// Its whole content was replaced.
    Resized {
        /// As it was.
        old: &'a [u8],
        /// As it is.
        new: &'a [u8],
    },
    /// It was left out, with that many bytes of content.
    Omitted(u64),
    /// It was patched, and there is something to say.
    Noted(&'a str),
    /// It was patched and should not have been, for this reason.
    Left(&'a str),
}

/// Which entry an [`Edit`] is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edited<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Where its header block begins in the old stream.
    pub offset: u64,
    /// What was repaired, in one word; empty where the entry was left out.
    pub label: &'static str,
}
