//! The patch thread: takes the old stream and produces the chunks of the new one.

use crossbeam_channel::Sender;

use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::layer::blocks::Blocks;
use crate::layer::chunks::{Chunk, Chunks};
use crate::layer::encode::Segment;
use crate::layer::{EncodeOptions, Pool, Watch};
use crate::repair::edits::EditLog;
use crate::repair::seen::SeenTaker;
use crate::tar::{Edit, Edited, Entry, NewHeaders, Part, Patcher, Sink, Stats, Step, Visitor, Walker};

/// What the patch thread has found and computed when it ends.
pub(super) struct Patched {
    pub(super) stats: Stats,
    /// The diff_id of the new stream, where this thread has computed it.
    pub(super) diff_id: Option<Digest>,
}

/// Patches the stream that is read from a blob. `watch` is shown all that is in the old stream.
pub(super) fn read(
    blocks: &mut Blocks,
    spec: &EncodeOptions,
    pool: &Pool,
    watch: &mut Watch<'_>,
    noting: Option<Noting<'_, '_>>,
    chunks: Sender<Chunk>,
) -> Result<Patched> {
    let diff_id = blocks.are_hashed().then(|| Hasher::new(spec.diff_id_algorithm));
    let chunks = Chunks::new(spec.output, pool, chunks, diff_id);
    let new = NewStream { chunks, content: Segment::Rest, noting };
    let (mut walker, mut patching) = (Walker::new(), Patching { patcher: spec.patcher(), watch, new });
    while let Some(block) = blocks.next() {
        walker.push(block, &mut patching)?;
        if patching.new.chunks.is_closed() {
            // The writer has failed, and its error is the one that is reported.
            return Ok(Patched { stats: patching.patcher.stats(), diff_id: None });
        }
    }
    walker.end(&mut patching)?;
    patching.finish()
}

struct Patching<'a, 'w, 'e> {
    patcher: Patcher,
    watch: &'a mut Watch<'w>,
    new: NewStream<'a, 'e>,
}

impl Patching<'_, '_, '_> {
    /// The old stream has ended.
    fn finish(mut self) -> Result<Patched> {
        self.patcher.end(&mut self.new)?;
        self.new.chunks.finish()?;
        Ok(Patched { stats: self.patcher.stats(), diff_id: self.new.chunks.into_diff_id() })
    }
}

impl Visitor for Patching<'_, '_, '_> {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.watch.headers(step, entry, block)?;
        if let Some(noting) = &mut self.new.noting {
            noting.seen.headers(step, entry, block)?;
        }
        self.patcher.headers(step, entry, block, &mut self.new)
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        self.watch.bytes(part, bytes)?;
        self.patcher.bytes(part, bytes, &mut self.new)
    }
}

/// Cuts the new stream into chunks.
struct NewStream<'a, 'e> {
    chunks: Chunks<'a>,
    /// What the content of the current entry is to the cut rule.
    content: Segment,
    noting: Option<Noting<'a, 'e>>,
}

/// What takes note of a layer that is rewritten.
pub(super) struct Noting<'a, 'e> {
    /// What is done to entries beside their headers.
    pub(super) edits: &'a mut EditLog<'e>,
    /// Entries as they were, and their content as it is.
    pub(super) seen: &'a mut SeenTaker,
}

impl Sink for NewStream<'_, '_> {
    fn edit(&mut self, entry: Edited<'_>, edit: Edit<'_>) -> Result<()> {
        self.noting.as_mut().map_or(Ok(()), |noting| noting.edits.push(entry, edit))
    }

    fn headers(&mut self, headers: NewHeaders<'_>) -> Result<()> {
        self.content = Segment::of_content(headers.is_toc, headers.padded_size);
        self.chunks.begin(Segment::of_headers(&headers))?;
        self.chunks.put(headers.bytes)
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        match part {
            // Only its first bytes begin it, and its padding is of it.
            Part::Data => {
                if let Some(noting) = &mut self.noting {
                    noting.seen.bytes(part, bytes)?;
                }
                match std::mem::replace(&mut self.content, Segment::Headers) {
                    Segment::Headers => {}
                    run => self.chunks.begin(run)?,
                }
            }
            Part::Padding => {}
            Part::SparseMap | Part::AfterEnd => self.chunks.begin(Segment::Rest)?,
        }
        self.chunks.put(bytes)
    }
}
