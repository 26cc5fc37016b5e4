//! Is a layer encoded as restamp encodes layers? The first chunk shows it: it is cut and encoded again, and compared.
//!
//! That costs a few hundredths of a second and a few MiB, where encoding all of a layer would take as long as
//! rewriting it. A layer of one chunk is known for certain; of a longer one, nothing but the same encoder and the
//! same cut rule gives the same first megabyte.

use serde::Serialize;

use crate::blob::{Extent, read_full};
use crate::error::{Error, Result};
use crate::layer::{ChunkRule, Decoder, Encoder, LayerExpected, Output, Segment, Window, compression_of};
use crate::media_type::Compression;
use crate::tar::{Entry, Part, Step, Visitor, Walker};

/// How a layer's blob is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Form {
    /// restamp's form 1 at the codec's default level.
    #[serde(rename = "1")]
    One,
    /// By another program, or at another level.
    #[serde(rename = "other")]
    Other,
    /// It is not compressed.
    #[serde(rename = "none")]
    None,
    /// Its first chunk does not end where it can be seen.
    #[serde(rename = "unknown")]
    Unknown,
}

/// Beyond the longest chunk: room for the headers before which it ends.
const BEYOND: usize = 64 << 10;

/// Looks at the first chunk of a layer.
pub fn form(blob: &Extent) -> Result<Form> {
    let output = match compression_of(blob)? {
        Compression::None => return Ok(Form::None),
        Compression::Gzip => Output::GZIP,
        Compression::Zstd => Output::ZSTD,
    };
    let limit = output.longest_chunk() + BEYOND;
    let mut start = Vec::new();
    let mut decoder = Decoder::new(Box::new(blob.reader()?), &LayerExpected::default(), Window::of(blob)?)?;
    // In steps, so that a small layer takes little.
    while start.len() < limit {
        let (filled, step) = (start.len(), (limit - start.len()).min(256 << 10));
        start.resize(filled + step, 0);
        let count = decoder.fill(start.get_mut(filled..).unwrap_or_default())?;
        start.truncate(filled + count);
        if count < step {
            break;
        }
    }
    let is_all = start.len() < limit;
    let Some(length) = first_chunk(&start, is_all, output) else { return Ok(Form::Unknown) };
    let mut encoder = Encoder::new(output)?;
    let expected = encoder.encode(start.get(..length).unwrap_or_default())?;
    if is_all && length == start.len() && blob.len() != expected.len() as u64 {
        return Ok(Form::Other);
    }
    let mut found = vec![0; expected.len()];
    let count = read_full(&mut blob.reader()?, &mut found).map_err(|e| Error::io("cannot read", e))?;
    Ok(if count == expected.len() && found == expected { Form::One } else { Form::Other })
}

/// How long the first chunk of a stream is that begins like this; `None` if that can't be known.
fn first_chunk(bytes: &[u8], is_all: bool, output: Output) -> Option<usize> {
    let mut cut = Cut { cutter: ChunkRule::new(output), length: 0, is_done: false, content: Segment::Rest };
    Walker::new().push(bytes, &mut cut).ok()?;
    if cut.is_done {
        return Some(cut.length);
    }
    is_all.then_some(bytes.len())
}

/// Follows the cut rule up to the end of the first chunk.
struct Cut {
    cutter: ChunkRule,
    /// How many bytes the chunk has.
    length: usize,
    /// Does it end there?
    is_done: bool,
    /// What the content of the current entry is to the cut rule.
    content: Segment,
}

impl Cut {
    fn begin(&mut self, run: Segment) {
        self.is_done |= self.cutter.begin(run);
    }

    fn take(&mut self, mut count: usize) {
        while count > 0 && !self.is_done {
            let room = usize::try_from(self.cutter.room()).unwrap_or(usize::MAX).min(count);
            count -= room;
            self.length += room;
            self.is_done = self.cutter.add(room as u64);
        }
    }
}

impl Visitor for Cut {
    fn headers(&mut self, _: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.content = Segment::of_content(entry.is_toc(), entry.padded_size());
        self.begin(Segment::Headers);
        self.take(entry.extension_bytes().len() + block.len());
        Ok(())
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        match part {
            // Only its first bytes begin it, and its padding is of it.
            Part::Data => match std::mem::replace(&mut self.content, Segment::Headers) {
                Segment::Headers => {}
                run => self.begin(run),
            },
            Part::Padding => {}
            Part::SparseMap | Part::AfterEnd => self.begin(Segment::Rest),
        }
        self.take(bytes.len());
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}
