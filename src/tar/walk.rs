//! Walking over a tar stream: from pieces of any size to headers and content, for a visitor.
//!
//! There is one loop over the [`Framer`], this one. What is done with what it finds is up to a [`Visitor`].

use super::entry::Entry;
use super::frame::{Framer, Step, Want};
use crate::error::Result;

/// What bytes between two headers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Content of the current entry, padding not counted.
    Data,
    /// What fills up the last block of the current entry's content.
    Padding,
    /// A block of the current entry's sparse map, beyond what its header holds.
    SparseMap,
    /// What follows the first block of the end marker: more zeros as a rule.
    AfterEnd,
}

/// Sees a tar stream go by.
pub trait Visitor {
    /// The headers of an entry or a global PAX header are complete ([`Step::Entry`], [`Step::Global`]), or the stream's end
    /// has come ([`Step::End`]: its entry has the extension headers that no entry follows).
    ///
    /// `block` holds the last bytes of the headers: what is before them is [`Entry::extension_bytes`]. For a global header
    /// it is empty. At the end it is the first block of the end marker, shorter or empty where the stream has no whole one.
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()>;

    /// The next bytes of this kind.
    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()>;

    /// Has it seen enough? Then the rest of what was pushed is left out.
    fn is_done(&self) -> bool {
        false
    }
}

/// Takes a tar stream in pieces, and shows what is in it.
#[derive(Debug, Default)]
pub struct Walker {
    framer: Framer,
    blocks: BlockBuffer,
    /// Content of the current entry that is still to come, padding not counted.
    data: u64,
    is_ended: bool,
}

impl Walker {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// What comes next, for who reads no more than is needed: with `Want::Feed` push that many bytes; content may be
    /// skipped.
    pub fn want(&self) -> Want {
        self.framer.want()
    }

    /// How many bytes of the stream have gone by.
    pub fn offset(&self) -> u64 {
        self.framer.offset()
    }

    /// Takes the next piece.
    ///
    /// # Errors
    ///
    /// The stream is malformed, or readers disagree about it; those of the visitor.
    pub fn push<V: Visitor + ?Sized>(&mut self, mut bytes: &[u8], visitor: &mut V) -> Result<()> {
        while !bytes.is_empty() && !visitor.is_done() {
            match self.framer.want() {
                Want::Feed(count) => {
                    let Some(fed) = self.blocks.take(count, &mut bytes) else { break };
                    let step = self.framer.feed(fed)?;
                    if step == Step::Entry {
                        self.data = self.framer.entry().size();
                    }
                    show(step, fed, &self.framer, &mut self.is_ended, visitor)?;
                }
                Want::Content { remaining, .. } => {
                    let mut passed = split_prefix(&mut bytes, remaining);
                    self.framer.pass(passed.len() as u64);
                    let data = split_prefix(&mut passed, self.data);
                    self.data -= data.len() as u64;
                    if !data.is_empty() {
                        visitor.bytes(Part::Data, data)?;
                    }
                    if !passed.is_empty() {
                        visitor.bytes(Part::Padding, passed)?;
                    }
                }
                Want::Rest => {
                    let passed = std::mem::take(&mut bytes);
                    self.framer.pass(passed.len() as u64);
                    visitor.bytes(Part::AfterEnd, passed)?;
                }
            }
        }
        Ok(())
    }

    /// Leaves out the next bytes of content, which the owner has not read: at most as many as `Want::Content` says.
    pub fn skip(&mut self, count: u64) {
        self.data = self.data.saturating_sub(count);
        self.framer.pass(count);
    }

    /// Says that the stream has ended; an error if it can't end here.
    ///
    /// # Errors
    ///
    /// The stream ends within headers or content; those of the visitor.
    pub fn end<V: Visitor + ?Sized>(&mut self, visitor: &mut V) -> Result<()> {
        let rest = self.blocks.rest();
        if !rest.is_empty() {
            let step = self.framer.feed(rest)?;
            show(step, rest, &self.framer, &mut self.is_ended, visitor)?;
        }
        let is_group_open = self.framer.is_group_open();
        self.framer.end()?;
        if !self.is_ended {
            self.is_ended = true;
            let none = Entry::default();
            visitor.headers(Step::End, if is_group_open { self.framer.entry() } else { &none }, &[])?;
        }
        Ok(())
    }
}

fn show<V: Visitor + ?Sized>(
    step: Step,
    fed: &[u8],
    framer: &Framer,
    is_ended: &mut bool,
    visitor: &mut V,
) -> Result<()> {
    match step {
        Step::Held => Ok(()),
        Step::Entry => visitor.headers(step, framer.entry(), fed),
        Step::Global => visitor.headers(step, framer.entry(), &[]),
        Step::End => {
            *is_ended = true;
            visitor.headers(step, framer.entry(), fed)
        }
        Step::More => visitor.bytes(if *is_ended { Part::AfterEnd } else { Part::SparseMap }, fed),
    }
}

/// Puts together what has to be fed in one slice, where it lies across two pieces.
#[derive(Debug, Default)]
struct BlockBuffer {
    pending: Vec<u8>,
    is_complete: bool,
}

impl BlockBuffer {
    /// Takes up to `count` bytes off the front; the slice when it is complete. Nothing is copied where it lies in one
    /// piece.
    fn take<'s, 'b: 's>(&'s mut self, count: usize, bytes: &mut &'b [u8]) -> Option<&'s [u8]> {
        if std::mem::take(&mut self.is_complete) {
            self.pending.clear();
        }
        if self.pending.is_empty() && bytes.len() >= count {
            return Some(split_prefix(bytes, count as u64));
        }
        let missing = count.saturating_sub(self.pending.len());
        self.pending.extend_from_slice(split_prefix(bytes, missing as u64));
        self.is_complete = self.pending.len() >= count;
        self.is_complete.then_some(&self.pending)
    }

    /// What was not completed before the stream ended.
    fn rest(&self) -> &[u8] {
        if self.is_complete { &[] } else { &self.pending }
    }
}

/// Takes the first `count` bytes off the front, or all that there are.
pub fn split_prefix<'a>(bytes: &mut &'a [u8], count: u64) -> &'a [u8] {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
    let (head, tail) = bytes.split_at_checked(count).unwrap_or_default();
    *bytes = tail;
    head
}
