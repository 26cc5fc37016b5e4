//! Stream a tar is read from: a file, which can be read twice, or a pipe, which can't.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::path::Path;
use std::sync::Mutex;

use crate::blob::{CHUNK, Extent, read_full};
use crate::context::RunContext;
use crate::error::{Error, Kind, Place, Result, shell_word};
use crate::layer;
use crate::media_type::Compression;
use crate::memory;
use crate::name::tag_of;
use crate::store::location::Stream;
use crate::sync::lock;

/// Bytes by which it is recognised what a file is.
const HEAD: usize = 10;

/// A tar that is open.
pub(super) struct Source {
    /// The path, or `standard input`.
    pub(super) name: String,
    pub(super) compression: Compression,
    place: Stream,
    bytes: Bytes,
}

enum Bytes {
    File(Extent),
    Pipe(Pipe),
}

/// Bytes that can be read once.
struct Pipe(Mutex<Option<Box<dyn Read + Send>>>);

impl layer::Source for Pipe {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        lock(&self.0).take().ok_or_else(|| Error::refused("a pipe can't be read twice"))
    }

    fn len(&self) -> u64 {
        u64::MAX
    }
}

impl Source {
    /// Opens what there is, and looks at its first bytes.
    pub(super) fn open(place: &Stream) -> Result<Self> {
        let name = match place {
            Stream::Stdio => "standard input".to_owned(),
            Stream::Path(path) => path.display().to_string(),
        };
        let opened = match place {
            Stream::Stdio => rustix::io::dup(io::stdin()).map(File::from).map_err(|e| cannot_read(e.into())),
            Stream::Path(path) => File::open(path).map_err(|e| cannot_open(path, e)),
        };
        let opened = opened.and_then(|file| open(file, place));
        let (compression, bytes) = opened.map_err(|e| e.in_file(&name))?;
        Ok(Self { name, compression, place: place.clone(), bytes })
    }

    /// As the layer room reads it.
    pub(super) fn bytes(&self) -> &dyn layer::Source {
        match &self.bytes {
            Bytes::File(extent) => extent,
            Bytes::Pipe(pipe) => pipe,
        }
    }

    /// The file, where it is one.
    pub(super) fn extent(&self) -> Option<&Extent> {
        match &self.bytes {
            Bytes::File(extent) => Some(extent),
            Bytes::Pipe(_) => None,
        }
    }

    /// Makes a temporary file of a pipe, so that it can be read twice.
    pub(super) fn spool(&mut self, context: &RunContext) -> Result<()> {
        let Bytes::Pipe(pipe) = &self.bytes else { return Ok(()) };
        let mut reader = layer::Source::open(pipe)?;
        let mut file = context.spools.file()?;
        let (mut buffer, mut len) = (memory::zeros(CHUNK)?, 0);
        loop {
            context.pool.check()?;
            let count = read_full(&mut reader, &mut buffer).map_err(cannot_read)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            let cannot_write =
                |e| Error::io("cannot write a temporary file", e).in_file(context.spools.folder().display());
            file.write_all(bytes).map_err(cannot_write)?;
            len += count as u64;
        }
        self.bytes = Bytes::File(Extent::of_file(file, len));
        Ok(())
    }

    /// The command that does the same for an image.
    pub(super) fn rewrite_command(&self) -> String {
        match &self.place {
            Stream::Stdio => "restamp rewrite".to_owned(),
            Stream::Path(path) => format!("restamp rewrite {} DEST", word_of(path)),
        }
    }

    /// An error in what was read, in the words of who gave it.
    pub(super) fn explained(&self, error: Error) -> Error {
        let error = if error.is_no_archive() {
            no_tar("its first bytes are no header")
        } else if error.is_cut_short()
            && let Kind::Malformed { what, .. } = error.kind()
        {
            let whole = match self.place {
                Stream::Stdio => "stream",
                Stream::Path(_) => "file",
            };
            let text = format!("the {whole} ends in the middle ({what}): it was cut off; make or copy it again");
            let Place { entry, offset, .. } = error.place();
            let cut = Error::refused(text);
            let cut = entry.iter().fold(cut, Error::at_entry);
            offset.iter().fold(cut, |cut, offset| cut.at_offset(*offset))
        } else {
            error
        };
        error.in_file(&self.name)
    }
}

fn open(mut file: File, place: &Stream) -> Result<(Compression, Bytes)> {
    let metadata = file.metadata().map_err(|e| Error::io("cannot look at it", e))?;
    if metadata.is_dir() {
        let name = match place {
            Stream::Stdio => "DIR".to_owned(),
            Stream::Path(path) => word_of(path),
        };
        let text = format!("this is a directory, not a tar: tar -C {name} -c . | restamp tar - OUT");
        return Err(Error::refused(text));
    }
    let mut head = [0; HEAD];
    if metadata.is_file() {
        // What a shell has opened may be read from the middle.
        let at = file.stream_position().map_err(cannot_read)?;
        let extent = Extent::of_file(file, metadata.len()).part(at, u64::MAX);
        let count = extent.head(&mut head)?;
        let head = head.get(..count).unwrap_or_default();
        may_be_tar(head, place)?;
        return Ok((Compression::sniff(head), Bytes::File(extent)));
    }
    let count = read_full(&mut file, &mut head).map_err(cannot_read)?;
    let head = head.get(..count).unwrap_or_default();
    may_be_tar(head, place)?;
    let reader = Cursor::new(head.to_vec()).chain(file);
    Ok((Compression::sniff(head), Bytes::Pipe(Pipe(Mutex::new(Some(Box::new(reader)))))))
}

/// A path in a command.
fn word_of(path: &Path) -> String {
    shell_word(path.to_string_lossy())
}

fn cannot_read(error: io::Error) -> Error {
    Error::io("cannot read", error)
}

/// Who has no file of that name, which is one of an image, means that.
fn cannot_open(path: &Path, error: io::Error) -> Error {
    let is_image_name = path.to_str().is_some_and(|name| tag_of(name).is_some() && !name.starts_with(['.', '/']));
    if error.kind() == io::ErrorKind::NotFound && is_image_name {
        let text = "there is no such file; for the files of a container, pipe them: docker export CONTAINER | restamp tar - OUT";
        return Error::refused(text);
    }
    Error::io("cannot open", error)
}

/// What has no entries because it has no bytes.
pub(super) fn empty() -> Error {
    Error::refused("it is empty: did the command that writes it fail?")
}

fn no_tar(why: &str) -> Error {
    Error::refused(format!("this is not a tar, neither plain nor compressed with gzip or zstd: {why}"))
}

/// Says what it is, where the first bytes show that it can't be a tar that is read here.
fn may_be_tar(head: &[u8], place: &Stream) -> Result<()> {
    let compressed = |by: &str, program: &str| {
        let command = match place {
            Stream::Stdio => format!("… | {program} -dc | restamp tar"),
            Stream::Path(path) => format!("{program} -dc {} | restamp tar - OUT", word_of(path)),
        };
        Err(Error::refused(format!("it is compressed with {by}, which is not read (gzip and zstd are): {command}")))
    };
    match head {
        [] => Err(empty()),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => compressed("xz", "xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] => compressed("bzip2", "bzip2"),
        [0x04, 0x22, 0x4d, 0x18, ..] => compressed("lz4", "lz4"),
        [b'P', b'K', 3, 4, ..] => Err(no_tar("it is a zip archive")),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(no_tar(
            "it is text in UTF-16, as PowerShell's > makes it of any output: docker export -o FILE CONTAINER writes the bytes as they are",
        )),
        _ => Ok(()),
    }
}
