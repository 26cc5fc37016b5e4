//! Is a layer encoded as restamp encodes layers? The first chunk tells: it is cut and encoded anew, and compared.
//!
//! That costs a few hundredths of a second and a few MiB, where encoding all of a layer would take as long as
//! rewriting it. A layer of one chunk is known for certain; of a longer one, nothing but the same encoder and the
//! same cut rule gives the same first megabyte.

use serde::Serialize;

use crate::blob::{Extent, read_full};
use crate::error::{Error, Result};
use crate::layer::{Cutter, Decoder, Encoder, Expect, Output, Run, Window, compression_of};
use crate::media_type::Compression;
use crate::tar::{Framer, Step, Want};

/// How a layer's blob is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    let mut decoder = Decoder::new(Box::new(blob.reader()?), &Expect::default(), Window::of(blob)?)?;
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

/// How long the first chunk of a stream is that begins like this; `None` if that can't be told.
fn first_chunk(bytes: &[u8], is_all: bool, output: Output) -> Option<usize> {
    let mut framer = Framer::new();
    let mut cut = Cut { cutter: Cutter::new(output), taken: 0 };
    let mut position = 0;
    let mut is_fresh = true;
    while position < bytes.len() {
        let run = match framer.want() {
            Want::Feed(count) => {
                is_fresh = true;
                let Some(fed) = bytes.get(position..position + count) else { break };
                position += count;
                match framer.feed(fed).ok()? {
                    Step::Held => continue,
                    Step::Entry | Step::Global | Step::End => Some(Run::Headers),
                    Step::More => Some(Run::Rest),
                }
            }
            want => {
                let (run, most) = match want {
                    // What the patcher rewrites is no content of a large file.
                    Want::Content { remaining, .. } if framer.entry().is_toc() => (Run::Rest, remaining),
                    Want::Content { total, remaining } => (Run::Content { total }, remaining),
                    _ => (Run::Rest, u64::MAX),
                };
                let count = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len() - position);
                framer.pass(count as u64);
                position += count;
                std::mem::take(&mut is_fresh).then_some(run)
            }
        };
        if let Some(end) = cut.through(run, position) {
            return Some(end);
        }
    }
    is_all.then_some(bytes.len())
}

struct Cut {
    cutter: Cutter,
    taken: usize,
}

impl Cut {
    /// Takes all up to a position, which a run may begin; where the chunk ends, if it does.
    fn through(&mut self, run: Option<Run>, position: usize) -> Option<usize> {
        if run.is_some_and(|run| self.cutter.begin(run)) {
            return Some(self.taken);
        }
        while self.taken < position {
            let room = usize::try_from(self.cutter.room()).unwrap_or(usize::MAX);
            let count = room.min(position - self.taken);
            self.taken += count;
            if self.cutter.add(count as u64) {
                return Some(self.taken);
            }
        }
        None
    }
}
