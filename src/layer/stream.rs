//! A stream that is not a layer, compressed like one: the archive of an image as a whole.

use std::io::{self, Write};
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use crate::error::{Error, Result};
use crate::layer::blocks::joined;
use crate::layer::chunks::{Chunk, Chunks};
use crate::layer::encode::{Output, Segment};
use crate::layer::pool::Pool;
use crate::sync::start;

/// How many chunks may wait to be written; the budget of the pool is what bounds them.
const QUEUE: usize = 256;

/// Takes the bytes of a tar stream.
pub struct CompressedStream<'a> {
    chunks: Chunks<'a>,
}

impl std::fmt::Debug for CompressedStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressedStream").finish_non_exhaustive()
    }
}

impl CompressedStream<'_> {
    /// These bytes are next, by which it is known where to cut.
    ///
    /// # Errors
    ///
    /// The run is to stop.
    pub fn begin(&mut self, segment: Segment) -> Result<()> {
        self.chunks.begin(segment)
    }
}

impl Write for CompressedStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunks.put(bytes).map_err(io::Error::other)?;
        if self.chunks.is_closed() {
            // The writer has failed, and its error is the one that is reported.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses what `fill` writes, by the threads of the pool, and writes that in its order.
///
/// # Errors
///
/// Those of `fill`; or `out` can't be written.
pub fn compress_stream(
    output: Output,
    pool: &Pool,
    out: &mut dyn Write,
    fill: impl FnOnce(&mut CompressedStream<'_>) -> Result<()> + Send,
) -> Result<()> {
    let (sender, chunks) = bounded(QUEUE);
    thread::scope(|scope| {
        let filling = start(scope, "archive", move || {
            let mut stream = CompressedStream { chunks: Chunks::new(output, pool, sender, None) };
            fill(&mut stream)?;
            stream.chunks.finish()
        })?;
        let written = write(chunks, out);
        let filled = joined(filling.join());
        written.and(filled)
    })
}

fn write(chunks: Receiver<Chunk>, out: &mut dyn Write) -> Result<()> {
    for chunk in chunks {
        let compressed = match &chunk.compressed {
            None => None,
            // A closed channel: the task has panicked.
            Some(receiver) => Some(receiver.recv().map_err(|_| stopped())??),
        };
        let bytes = compressed.as_ref().map_or(&*chunk.bytes, |compressed| &compressed.bytes);
        out.write_all(bytes).map_err(|e| Error::io("cannot write", e))?;
    }
    Ok(())
}

/// A defect in this program.
fn stopped() -> Error {
    Error::io("cannot compress the archive", io::Error::other("a part of the work stopped without an error"))
}
