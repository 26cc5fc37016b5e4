//! Reading a layer without writing one, for the verbs that only look: every entry and its content is visited.

use crate::blob::NewBlobs;
use crate::digest::Algorithm;
use crate::error::Result;
use crate::layer::blocks;
use crate::layer::{LayerExpected, LayerInfo, Pool, Source};
use crate::repair::notes::{NoteTaker, Notes};
use crate::tar::{Entry, Part, Stats, Step, Visitor, Walker};

/// What comes next in a layer.
#[derive(Debug)]
pub enum Event<'a> {
    /// An entry, headers complete; its content follows.
    Entry(&'a Entry),
    /// A global PAX header.
    Global(&'a Entry),
    /// A block of the last entry's sparse map, beyond what its header holds.
    Map(&'a [u8]),
    /// A piece of the last entry's content, without padding.
    Content(&'a [u8]),
    /// A piece of what fills up the last block of the last entry's content.
    Padding(&'a [u8]),
    /// The end marker, or the end of a layer without one. The extension headers in it, if there are any, belong to
    /// no entry.
    End(&'a Entry),
    /// A piece of what follows the end marker's first block: more zeros as a rule.
    Rest(&'a [u8]),
}

impl<'a> Event<'a> {
    /// What a [`Visitor`] is shown with headers.
    pub fn of_headers(step: Step, entry: &'a Entry) -> Self {
        match step {
            Step::Entry => Self::Entry(entry),
            Step::Global => Self::Global(entry),
            Step::Held | Step::More | Step::End => Self::End(entry),
        }
    }

    /// What a [`Visitor`] is shown with other bytes.
    pub fn of_bytes(part: Part, bytes: &'a [u8]) -> Self {
        match part {
            Part::Data => Self::Content(bytes),
            Part::Padding => Self::Padding(bytes),
            Part::SparseMap => Self::Map(bytes),
            Part::AfterEnd => Self::Rest(bytes),
        }
    }
}

/// Reads a layer to its end, verifies it, and shows all that is in it.
///
/// An error of `visit` ends it. In the facts, only the number of entries is counted.
///
/// # Errors
///
/// The blob can't be read, is another one than expected or no layer; those of `visit`.
pub fn scan(
    source: &dyn Source,
    expect: &LayerExpected,
    pool: &Pool,
    visit: &mut dyn FnMut(Event<'_>) -> Result<()>,
) -> Result<LayerInfo> {
    let ((), facts) = blocks::read(source, expect, Algorithm::Sha256, pool, |blocks| {
        let (mut walker, mut events) = (Walker::new(), Events { visit, entries: 0 });
        while let Some(block) = blocks.next() {
            walker.push(block, &mut events)?;
        }
        walker.end(&mut events)?;
        Ok(((), Stats { entries: events.entries, ..Stats::default() }))
    })?;
    facts.ok_or_else(crate::Error::interrupted)
}

/// Reads a layer to its end, verifies it, and takes notes of copies of mtimes in it.
///
/// # Errors
///
/// The blob can't be read, is another one than expected or no layer; the temporary file for the notes can't be written.
pub fn scan_notes(source: &dyn Source, expect: &LayerExpected, pool: &Pool, blobs: &NewBlobs) -> Result<Notes> {
    noted(source, expect, pool, NoteTaker::new(true, blobs))
}

/// The same, with hashes of what they may be copies of.
///
/// # Errors
///
/// As for [`scan_notes`].
pub fn scan_hashed_notes(source: &dyn Source, expect: &LayerExpected, pool: &Pool, blobs: &NewBlobs) -> Result<Notes> {
    noted(source, expect, pool, NoteTaker::new(true, blobs).hashing())
}

fn noted(source: &dyn Source, expect: &LayerExpected, pool: &Pool, mut notes: NoteTaker<'_>) -> Result<Notes> {
    let ((), facts) = blocks::read(source, expect, Algorithm::Sha256, pool, |blocks| {
        let mut walker = Walker::new();
        while let Some(block) = blocks.next() {
            walker.push(block, &mut notes)?;
        }
        walker.end(&mut notes)?;
        Ok(((), Stats::default()))
    })?;
    facts.ok_or_else(crate::Error::interrupted)?;
    notes.finish()
}

/// Reads a blob to its end and verifies it, its diff_id as well; what is in it is not looked at, and need be no tar.
///
/// # Errors
///
/// The blob can't be read, or is another one than expected.
pub fn verify_layer(source: &dyn Source, expect: &LayerExpected, pool: &Pool) -> Result<LayerInfo> {
    let ((), facts) = blocks::read(source, expect, Algorithm::Sha256, pool, |blocks| {
        while blocks.next().is_some() {}
        Ok(((), Stats::default()))
    })?;
    facts.ok_or_else(crate::Error::interrupted)
}

/// Makes events of what goes by.
struct Events<'v> {
    visit: &'v mut dyn FnMut(Event<'_>) -> Result<()>,
    entries: u64,
}

impl Visitor for Events<'_> {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        self.entries += u64::from(step == Step::Entry);
        (self.visit)(Event::of_headers(step, entry))
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        (self.visit)(Event::of_bytes(part, bytes))
    }
}
