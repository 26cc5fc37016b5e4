//! Patching: the bytes of a stream with a [`Stamp`] applied to every time in it.
//!
//! A [`Planner`] (content.rs) says what becomes of each entry, a [`Sink`] takes the new stream.

use super::BLOCK;
use super::content::{
    ContentOut, ContentPatcher, ContentPlan, ContentReplacer, Edit, Edited, EntryPlan, Planner, REPLACED_MAX, Verdict,
};
use super::entry::Entry;
use super::frame::Step;
use super::group::HeaderPatcher;
use super::header;
use super::walk::{Part, Visitor};
use crate::error::Result;
use crate::stamp::Stamp;

/// What a [`Patcher`] has done so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Entries, global headers not counted; those that were left out are.
    pub entries: u64,
    /// Entries of which a byte has changed, in their headers or the headers before them; for a reason other than the names
    /// of owners.
    pub stamped: u64,
    /// Entries that have lost the name of an owner or a group.
    pub owners: u64,
    /// Entries in whose content a byte has changed.
    pub repaired: u64,
    /// Entries that were left out.
    pub omitted: u64,
    /// Has any byte of the stream changed?
    pub changed: bool,
}

/// The headers of one entry, as a [`Sink`] takes them.
#[derive(Debug, Clone, Copy)]
pub struct NewHeaders<'a> {
    /// Their bytes.
    pub bytes: &'a [u8],
    /// Of what: an entry, a global header, the end of the stream.
    pub step: Step,
    /// Are they extension headers that neither an entry nor an end marker follows?
    pub is_loose: bool,
    /// How many bytes of content follow, with what fills up the last block.
    pub padded_size: u64,
    /// Is the content eStargz's index?
    pub is_toc: bool,
}

/// Takes the new stream.
pub trait Sink {
    /// The headers of the next entry.
    ///
    /// # Errors
    ///
    /// They can't be passed on.
    fn headers(&mut self, headers: NewHeaders<'_>) -> Result<()>;

    /// The next bytes of this kind.
    ///
    /// # Errors
    ///
    /// As for [`headers`](Self::headers).
    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()>;

    /// What was done to an entry beside its headers. By default that is of no interest.
    ///
    /// # Errors
    ///
    /// It can't be noted.
    fn edit(&mut self, _entry: Edited<'_>, _edit: Edit<'_>) -> Result<()> {
        Ok(())
    }
}

/// Replaces the times in a tar stream that a [`Walker`](super::Walker) goes over.
#[derive(Debug)]
pub struct Patcher {
    stamp: Stamp,
    planner: Box<dyn Planner>,
    headers: HeaderPatcher,
    /// Are the names of owners and groups removed?
    numeric_owner: bool,
    /// The headers of the current entry; kept between entries so that they cost no allocation.
    out: Vec<u8>,
    /// The same with the names of owners.
    named: Vec<u8>,
    current: Current,
    stats: Stats,
}

/// The content of the current entry.
#[derive(Debug)]
enum Current {
    /// It stays as it is.
    Kept,
    /// It is patched.
    Patched(Box<Patched>),
    /// It is held to be replaced.
    Held(Box<Held>),
    /// It was replaced, or is left out: what comes of it is dropped.
    Dropped,
}

#[derive(Debug)]
struct Patched {
    name: Name,
    patcher: Box<dyn ContentPatcher>,
    /// How many bytes are still to come.
    left: u64,
    has_changed: bool,
}

#[derive(Debug)]
struct Held {
    name: Name,
    replacer: Box<dyn ContentReplacer>,
    headers: Vec<u8>,
    content: Vec<u8>,
    size: u64,
}

/// Which entry it is.
#[derive(Debug)]
struct Name {
    name: Vec<u8>,
    offset: u64,
}

impl Name {
    fn of(entry: &Entry) -> Self {
        Self { name: entry.name().into_owned(), offset: entry.header_offset() }
    }

    fn edited(&self, label: &'static str) -> Edited<'_> {
        Edited { name: &self.name, offset: self.offset, label }
    }
}

impl Patcher {
    /// At the start of a stream.
    pub fn new(stamp: Stamp, planner: Box<dyn Planner>) -> Self {
        let (headers, current) = (HeaderPatcher::new(), Current::Kept);
        let (out, named) = (Vec::new(), Vec::new());
        Self { stamp, planner, headers, numeric_owner: false, out, named, current, stats: Stats::default() }
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

    /// Takes what a visitor is shown, and gives it out with its times replaced.
    ///
    /// # Errors
    ///
    /// Those of the sink, and of what patches content.
    pub fn headers(&mut self, step: Step, entry: &Entry, block: &[u8], sink: &mut dyn Sink) -> Result<()> {
        self.end(sink)?;
        self.current = Current::Kept;
        let EntryPlan { stamp, content } = match step {
            Step::Entry => self.planner.plan(entry, self.stamp),
            _ => EntryPlan { stamp: self.stamp, content: ContentPlan::Keep },
        };
        self.out.clear();
        self.headers.patch(entry, stamp, self.numeric_owner, &mut self.out);
        if step == Step::End {
            self.out.extend_from_slice(block);
        }
        if step == Step::Entry {
            self.stats.entries += 1;
        }
        if matches!(content, ContentPlan::Omit) && !entry.is_behind_end() {
            self.stats.omitted += 1;
            self.stats.changed = true;
            self.current = Current::Dropped;
            return sink.edit(Name::of(entry).edited(""), Edit::Omitted(entry.size()));
        }
        let has_changed = differs(&self.out, entry, block);
        self.stats.changed |= has_changed;
        if step == Step::Entry {
            let (mut is_stamped, mut has_lost_names) = (has_changed, false);
            if self.numeric_owner && has_changed {
                self.named.clear();
                self.headers.patch(entry, stamp, false, &mut self.named);
                is_stamped = differs(&self.named, entry, block);
                has_lost_names = self.named != self.out;
            }
            self.stats.stamped += u64::from(is_stamped);
            self.stats.owners += u64::from(has_lost_names);
        }
        let size = entry.size();
        match content {
            ContentPlan::Patch(patcher) if step == Step::Entry && size > 0 => {
                let name = Name::of(entry);
                self.current = Current::Patched(Box::new(Patched { name, patcher, left: size, has_changed: false }));
            }
            ContentPlan::Replace(replacer) if step == Step::Entry && may_be_resized(entry) => {
                let (name, headers) = (Name::of(entry), self.out.clone());
                self.current = Current::Held(Box::new(Held { name, replacer, headers, content: Vec::new(), size }));
                return Ok(());
            }
            _ => {}
        }
        if self.out.is_empty() {
            return Ok(());
        }
        // A stream without an end marker may end with extension headers.
        let is_loose = step == Step::End && block.is_empty();
        let (bytes, padded_size, is_toc) = (&*self.out, entry.padded_size(), entry.is_toc());
        sink.headers(NewHeaders { bytes, step, is_loose, padded_size, is_toc })
    }

    /// Takes bytes that a visitor is shown, and gives out what has become of them.
    ///
    /// # Errors
    ///
    /// As for [`headers`](Self::headers).
    pub fn bytes(&mut self, part: Part, bytes: &[u8], sink: &mut dyn Sink) -> Result<()> {
        let is_complete = match &mut self.current {
            Current::Dropped if part != Part::AfterEnd => return Ok(()),
            Current::Patched(patched) if part == Part::Data => {
                let Patched { name, patcher, left, has_changed } = &mut **patched;
                let mut out = Out { sink, name, label: patcher.label(), has_changed: false };
                patcher.patch(bytes, &mut out)?;
                *has_changed |= out.has_changed;
                self.stats.changed |= out.has_changed;
                *left = left.saturating_sub(bytes.len() as u64);
                *left == 0
            }
            Current::Held(held) if part == Part::Data => {
                held.content.extend_from_slice(bytes);
                held.content.len() as u64 >= held.size
            }
            _ => return sink.bytes(part, bytes),
        };
        if is_complete { self.end(sink) } else { Ok(()) }
    }

    /// Says that the stream has ended, and gives out what was held back.
    ///
    /// # Errors
    ///
    /// As for [`headers`](Self::headers).
    pub fn end(&mut self, sink: &mut dyn Sink) -> Result<()> {
        match std::mem::replace(&mut self.current, Current::Kept) {
            Current::Patched(patched) => {
                let Patched { name, mut patcher, has_changed, .. } = *patched;
                let label = patcher.label();
                let mut out = Out { sink, name: &name, label, has_changed };
                let verdict = patcher.finish(&mut out)?;
                self.stats.changed |= out.has_changed;
                self.stats.repaired += u64::from(out.has_changed);
                match &verdict {
                    Verdict::Patched => Ok(()),
                    Verdict::PatchedWithNote(text) => sink.edit(name.edited(label), Edit::Noted(text)),
                    Verdict::LeaveIt(text) => sink.edit(name.edited(label), Edit::Left(text)),
                }
            }
            Current::Held(held) => {
                self.current = Current::Dropped;
                self.replace(*held, sink)
            }
            kept => {
                self.current = kept;
                Ok(())
            }
        }
    }

    /// Gives out an entry whose content is another now.
    fn replace(&mut self, held: Held, sink: &mut dyn Sink) -> Result<()> {
        let Held { name, mut replacer, mut headers, content, .. } = held;
        let new = replacer.replacement(&content)?.filter(|new| *new != content);
        if let Some(new) = &new {
            self.stats.changed = true;
            self.stats.repaired += 1;
            let at = headers.len().saturating_sub(BLOCK);
            if let Some(block) = headers.get_mut(at..).and_then(<[u8]>::first_chunk_mut)
                && new.len() != content.len()
            {
                header::set_size(block, new.len() as u64);
                header::set_checksum(block);
            }
            sink.edit(name.edited(replacer.label()), Edit::Resized { old: &content, new })?;
        }
        let content = new.unwrap_or(content);
        let padding = content.len().next_multiple_of(BLOCK) - content.len();
        let padded_size = (content.len() + padding) as u64;
        let (step, is_loose, is_toc) = (Step::Entry, false, false);
        sink.headers(NewHeaders { bytes: &headers, step, is_loose, padded_size, is_toc })?;
        if !content.is_empty() {
            sink.bytes(Part::Data, &content)?;
        }
        match [0; BLOCK].get(..padding) {
            Some(zeros) if padding > 0 => sink.bytes(Part::Padding, zeros),
            _ => Ok(()),
        }
    }
}

/// Can another size be written into its header, and nowhere else is one?
fn may_be_resized(entry: &Entry) -> bool {
    matches!(entry.kind(), b'0' | 0)
        && entry.header().is_some()
        && !entry.is_behind_end()
        && !entry.has_pax_size()
        && entry.sparse_size().is_none()
        && (1..=REPLACED_MAX).contains(&entry.size())
}

/// Are these headers other bytes than those of the entry, of which the last ones are `block`?
fn differs(headers: &[u8], entry: &Entry, block: &[u8]) -> bool {
    match headers.split_at_checked(entry.extension_bytes().len()) {
        Some((extensions, rest)) => extensions != entry.extension_bytes() || rest != block,
        None => true,
    }
}

/// Passes on what a patcher of content gives out.
struct Out<'a> {
    sink: &'a mut dyn Sink,
    name: &'a Name,
    label: &'static str,
    has_changed: bool,
}

impl ContentOut for Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.sink.bytes(Part::Data, bytes) }
    }

    fn replaced(&mut self, at: u64, old: &[u8], new: &[u8]) -> Result<()> {
        self.has_changed = true;
        self.sink.edit(self.name.edited(self.label), Edit::Replaced { at, old, new })
    }
}

/// A visitor that collects the patched stream in memory: for small ones.
#[derive(Debug)]
pub struct PatchedBytes {
    patcher: Patcher,
    out: Collected,
}

/// A new stream in memory.
#[derive(Debug, Default)]
struct Collected(Vec<u8>);

impl Sink for Collected {
    fn headers(&mut self, headers: NewHeaders<'_>) -> Result<()> {
        self.0.extend_from_slice(headers.bytes);
        Ok(())
    }

    fn bytes(&mut self, _: Part, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl PatchedBytes {
    /// At the start of a stream that this patches.
    pub fn new(patcher: Patcher) -> Self {
        Self { patcher, out: Collected::default() }
    }

    /// The new stream, which has ended.
    ///
    /// # Errors
    ///
    /// Those of what patches content.
    pub fn finish(mut self) -> Result<(Vec<u8>, Stats)> {
        self.patcher.end(&mut self.out)?;
        Ok((self.out.0, self.patcher.stats()))
    }
}

impl Visitor for PatchedBytes {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.patcher.headers(step, entry, block, &mut self.out)
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        self.patcher.bytes(part, bytes, &mut self.out)
    }
}
