//! Patching: the bytes of a stream with a [`Stamp`] applied to every time in it.

use std::fmt;

use super::entry::Entry;
use super::frame::Step;
use super::group::HeaderPatcher;
use super::walk::{Part, Visitor};
use crate::error::Result;
use crate::stamp::Stamp;

/// What a [`Patcher`] has done so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Entries, global headers not counted.
    pub entries: u64,
    /// Entries of which a byte has changed, in their headers or the headers before them; for a reason other than the names
    /// of owners.
    pub stamped: u64,
    /// Entries that have lost the name of an owner or a group.
    pub owners: u64,
    /// Has any byte of the stream changed?
    pub changed: bool,
}

/// What is done with the content of an entry.
#[derive(Debug)]
pub enum ContentPlan {
    /// It stays as it is.
    Keep,
    /// It is patched while it goes by; its length stays.
    Patch(Box<dyn ContentPatcher>),
}

/// Decides by its headers what is done with an entry's content. The `repair` room has the one that layers are rewritten by.
pub type Planner = fn(&Entry, Stamp) -> ContentPlan;

/// Patches the content of one entry, which comes in pieces.
pub trait ContentPatcher: fmt::Debug + Send {
    /// Takes the next bytes, and appends to `out` what is certain: that may lag behind.
    fn patch(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// The content has ended: appends what was held back. As many bytes have come out then as have gone in.
    fn finish(&mut self, out: &mut Vec<u8>) -> Repairs;
}

/// What a [`ContentPatcher`] has done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Repairs {
    /// Has any byte changed?
    pub changed: bool,
}

/// Replaces the times in a tar stream that a [`Walker`](super::Walker) goes over.
#[derive(Debug)]
pub struct Patcher {
    stamp: Stamp,
    plan: Planner,
    headers: HeaderPatcher,
    /// Are the names of owners and groups removed?
    numeric_owner: bool,
    /// The headers of the current entry with those names.
    named: Vec<u8>,
    /// Of the current entry, where its content is patched, and how many bytes of it are still to come.
    content: Option<(Box<dyn ContentPatcher>, u64)>,
    stats: Stats,
}

impl Patcher {
    /// At the start of a stream.
    pub fn new(stamp: Stamp, plan: Planner) -> Self {
        let headers = HeaderPatcher::new(stamp);
        Self { stamp, plan, headers, numeric_owner: false, named: Vec::new(), content: None, stats: Stats::default() }
    }

    /// Removes the names of owners and groups as well: the numbers beside them say who owns a file.
    #[must_use]
    pub fn numeric_owner(mut self, numeric_owner: bool) -> Self {
        self.numeric_owner = numeric_owner;
        self
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes what a visitor is shown, and appends it to `out` with its times replaced.
    pub fn headers(&mut self, step: Step, entry: &Entry, block: &[u8], out: &mut Vec<u8>) {
        self.end(out);
        let start = out.len();
        self.headers.patch(entry, self.numeric_owner, out);
        if step == Step::End {
            out.extend_from_slice(block);
        }
        let after = out.get(start..).unwrap_or_default();
        let has_changed = differs(after, entry, block);
        self.stats.changed |= has_changed;
        if step == Step::Entry {
            let (mut is_stamped, mut has_lost_names) = (has_changed, false);
            if self.numeric_owner && has_changed {
                self.named.clear();
                self.headers.patch(entry, false, &mut self.named);
                is_stamped = differs(&self.named, entry, block);
                has_lost_names = self.named != after;
            }
            self.stats.entries += 1;
            self.stats.stamped += u64::from(is_stamped);
            self.stats.owners += u64::from(has_lost_names);
            if let ContentPlan::Patch(patcher) = (self.plan)(entry, self.stamp) {
                self.content = Some((patcher, entry.size())).filter(|(_, size)| *size > 0);
            }
        }
    }

    /// Takes bytes that a visitor is shown. Are they patched? Then what has become of them was appended to `out`; if not,
    /// they are part of the new stream as they are.
    pub fn bytes(&mut self, part: Part, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let (Part::Data, Some((patcher, left))) = (part, &mut self.content) else { return false };
        patcher.patch(bytes, out);
        *left = left.saturating_sub(bytes.len() as u64);
        if *left == 0 {
            self.end(out);
        }
        true
    }

    /// Says that the stream has ended, and appends to `out` what was held back.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let Some((mut patcher, _)) = self.content.take() {
            self.stats.changed |= patcher.finish(out).changed;
        }
    }
}

/// Are these headers other bytes than those of the entry, of which the last ones are `block`?
fn differs(headers: &[u8], entry: &Entry, block: &[u8]) -> bool {
    match headers.split_at_checked(entry.extension_bytes().len()) {
        Some((extensions, rest)) => extensions != entry.extension_bytes() || rest != block,
        None => true,
    }
}

/// A visitor that collects the patched stream in memory: for small ones.
#[derive(Debug)]
pub struct PatchedBytes {
    /// What patches it.
    pub patcher: Patcher,
    /// The new stream as far as it is certain.
    pub out: Vec<u8>,
}

impl Visitor for PatchedBytes {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.patcher.headers(step, entry, block, &mut self.out);
        Ok(())
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        if !self.patcher.bytes(part, bytes, &mut self.out) {
            self.out.extend_from_slice(bytes);
        }
        Ok(())
    }
}
