//! Stream the new tar goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::context::RunContext;
use crate::error::{Error, Result};
use crate::media_type::Compression;
use crate::spool;
use crate::store::destination::Target;
use crate::store::location::{Carrier, Stream};

/// Takes the bytes of the new tar. Without [`finish`](Self::finish) there is no whole one.
#[derive(Debug)]
pub(super) struct Sink {
    /// The path, or `standard output`.
    pub(super) name: String,
    kind: SinkKind,
}

#[derive(Debug)]
enum SinkKind {
    /// A file that gets its name when all of it is there.
    File { output: spool::Output, path: PathBuf },
    /// Standard output, a FIFO or a device.
    Pipe { file: File, held: Vec<u8> },
}

impl Sink {
    /// Looks at what is there, and opens what will be written.
    pub(super) fn open(place: &Stream, context: &RunContext) -> Result<Self> {
        let (name, target) = match place {
            Stream::Stdio => ("standard output".to_owned(), Target::Stdout),
            Stream::Path(path) => (path.display().to_string(), target(path)?),
        };
        let kind = match target {
            Target::File { path, .. } => SinkKind::File { output: context.spools.output_file(&path)?, path },
            Target::Stream { path, .. } => {
                let opened = OpenOptions::new().write(true).open(&path);
                let file = opened.map_err(|e| Error::io("cannot open", e).in_file(&name))?;
                SinkKind::Pipe { file, held: Vec::new() }
            }
            _ => {
                // The raw descriptor: std's own buffer would copy every chunk once more.
                let file = rustix::io::dup(io::stdout()).map_err(|e| cannot_write(e.into()).in_file(&name))?;
                SinkKind::Pipe { file: File::from(file), held: Vec::new() }
            }
        };
        Ok(Self { name, kind })
    }

    /// Takes the next chunk. Of what goes into a pipe, the last chunk and a byte of the one before are held back: where the
    /// next one never comes, the stream ends within a block, member or frame, which no reader takes for a whole archive.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let written = match &mut self.kind {
            SinkKind::File { output, .. } => output.file_mut()?.write_all(chunk),
            SinkKind::Pipe { file, held } => {
                let (ready, last) = held.split_at_checked(held.len().saturating_sub(1)).unwrap_or_default();
                let last = last.first().copied();
                let written = file.write_all(ready);
                held.clear();
                held.extend(last);
                held.extend_from_slice(chunk);
                written
            }
        };
        written.map_err(|e| cannot_write(e).in_file(&self.name))
    }

    /// Writes what was held back; a file gets its name.
    pub(super) fn finish(self) -> Result<()> {
        match self.kind {
            SinkKind::File { output, path } => output.rename_to(&path),
            SinkKind::Pipe { mut file, held } => file.write_all(&held).map_err(|e| cannot_write(e).in_file(&self.name)),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.push(chunk)?;
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a path is written: as for an archive, except for messages about directories.
fn target(path: &Path) -> Result<Target> {
    if path.is_dir() {
        let text = "it is a directory: name a file in it";
        return Err(Error::refused(text).in_file(path.display()));
    }
    // The tar is compressed before it comes here.
    Target::new(path, Carrier::OciArchive, false, Some(Compression::None))
}

fn cannot_write(error: io::Error) -> Error {
    Error::io("cannot write", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn a_pipe_never_gets_the_end_before_it_is_known_to_be_good() {
        let mut file = tempfile::tempfile().unwrap();
        let kind = SinkKind::Pipe { file: file.try_clone().unwrap(), held: Vec::new() };
        let mut sink = Sink { name: "pipe".to_owned(), kind };
        let written = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        };
        for (chunk, expected) in [(&b"one"[..], &b""[..]), (b"", b"on"), (b"two", b"on"), (b"x", b"onetw")] {
            sink.push(chunk).unwrap();
            assert_eq!(written(&mut file), expected, "after {chunk:?}");
        }
        sink.finish().unwrap();
        assert_eq!(written(&mut file), b"onetwox");
    }
}
