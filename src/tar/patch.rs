//! Patching: the bytes of a stream with a [`Stamp`] applied to every time in it.

use super::entry::Entry;
use super::frame::{Framer, Step, Want};
use super::group::HeaderPatcher;
use super::toc::Toc;
use crate::epoch::Stamp;
use crate::error::Result;

/// The size of the pieces in which eStargz's index is asked for.
const TOC_PIECE: usize = 16 << 10;

/// What a [`Patcher`] has done so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Entries, global headers not counted.
    pub entries: u64,
    /// Entries of which a byte has changed, in their headers or the headers before them.
    pub stamped: u64,
    /// Has any byte of the stream changed?
    pub changed: bool,
}

/// Replaces the times in a tar stream.
///
/// It is driven like a [`Framer`]: what [`Patcher::want`] asks for is fed or passed. What is fed comes out
/// in `out`, patched, as soon as its entry is complete; what is passed the caller writes himself.
#[derive(Debug)]
pub struct Patcher {
    stamp: Stamp,
    framer: Framer,
    toc: Option<Toc>,
    headers: HeaderPatcher,
    stats: Stats,
}

impl Patcher {
    /// At the start of a stream.
    pub fn new(stamp: Stamp) -> Self {
        let (framer, headers) = (Framer::new(), HeaderPatcher::new(stamp));
        Self { stamp, framer, toc: None, headers, stats: Stats::default() }
    }

    /// What comes next.
    pub fn want(&self) -> Want {
        match (self.framer.want(), &self.toc) {
            (Want::Content { remaining, .. }, Some(_)) => {
                Want::Feed(usize::try_from(remaining).map_or(TOC_PIECE, |remaining| remaining.min(TOC_PIECE)))
            }
            (want, _) => want,
        }
    }

    /// The last entry, as it was before it was patched.
    pub fn entry(&self) -> &Entry {
        self.framer.entry()
    }

    /// How many bytes of the stream have been taken in.
    pub fn offset(&self) -> u64 {
        self.framer.offset()
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Takes the bytes that [`Want::Feed`] asked for, and appends to `out` what is now ready.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step> {
        if let (Some(toc), Want::Content { .. }) = (&mut self.toc, self.framer.want()) {
            toc.push(bytes, out);
            self.framer.pass(bytes.len() as u64);
            if !matches!(self.framer.want(), Want::Content { .. }) {
                self.finish_toc(out);
            }
            return Ok(Step::More);
        }
        let step = self.framer.feed(bytes)?;
        match step {
            Step::Held => {}
            Step::Entry => self.entry_complete(out),
            Step::Global => {
                self.group(out);
            }
            Step::End => {
                self.group(out);
                out.extend_from_slice(bytes);
            }
            Step::More => out.extend_from_slice(bytes),
        }
        Ok(step)
    }

    /// `n` bytes of content, or of what follows the end marker, go by. They are not changed: the one member whose content holds
    /// times is asked for with [`Want::Feed`].
    pub fn pass(&mut self, n: u64) {
        self.framer.pass(n);
    }

    /// Says that the stream has ended, and appends to `out` what was held back.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.finish_toc(out);
        let is_group_open = self.framer.is_group_open();
        self.framer.end()?;
        if is_group_open {
            self.group(out);
        }
        Ok(())
    }

    fn finish_toc(&mut self, out: &mut Vec<u8>) {
        if let Some(mut toc) = self.toc.take() {
            toc.end(out);
            self.stats.changed |= toc.changed();
        }
    }

    fn entry_complete(&mut self, out: &mut Vec<u8>) {
        self.stats.entries += 1;
        if self.group(out) {
            self.stats.stamped += 1;
        }
        let entry = self.framer.entry();
        if entry.is_toc() && entry.size() > 0 {
            self.toc = Some(Toc::new(self.stamp));
        }
    }

    /// Appends the headers of the current entry, patched; true if that changed a byte.
    fn group(&mut self, out: &mut Vec<u8>) -> bool {
        let entry = self.framer.entry();
        let start = out.len();
        self.headers.patch(entry, out);
        let after = out.get(start..).unwrap_or_default();
        let block = entry.header().map_or(&[][..], |header| header.block());
        let has_changed = match after.split_at_checked(entry.raw_extensions().len()) {
            Some((extensions, rest)) => extensions != entry.raw_extensions() || rest != block,
            None => true,
        };
        self.stats.changed |= has_changed;
        has_changed
    }
}
