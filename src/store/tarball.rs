//! The archive of an image: the tar stream, plain or compressed as a whole.
//!
//! What is compressed is cut where the entries are, by the rule of layers, so that it is the same on every machine.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};

use crate::error::Result;
use crate::layer::{CompressedStream, Output, Pool, Segment, compress_stream};
use crate::media_type::Compression;
use crate::stamp::Epoch;
use crate::store::new_image::{Image, cannot_write};

/// Two zero blocks end a tar (POSIX.1-2017, pax).
const END_MARKER: [u8; 2 * crate::tar::BLOCK] = [0; 2 * crate::tar::BLOCK];

/// Where an archive goes, which may want to know of what comes next.
pub(super) trait ArchiveSink: Write {
    /// These bytes are next.
    fn begin(&mut self, _segment: Segment) -> Result<()> {
        Ok(())
    }
}

impl ArchiveSink for File {}
impl ArchiveSink for BufWriter<File> {}

impl ArchiveSink for CompressedStream<'_> {
    fn begin(&mut self, segment: Segment) -> Result<()> {
        Self::begin(self, segment)
    }
}

/// Writes an archive that is compressed as a whole, or not.
pub(super) fn write_compressed(
    image: &Image,
    epoch: Epoch,
    file: File,
    compression: Compression,
    pool: &Pool,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(crate::blob::CHUNK, file);
    if compression == Compression::None {
        return write_stream(image, epoch, &mut out);
    }
    // Its chunks serve no other run: most of it is compressed already.
    let pool = pool.without_cache();
    let output = Output::new(compression, None)?;
    compress_stream(output, &pool, &mut out, |stream| write_stream(image, epoch, stream))?;
    out.flush().map_err(cannot_write)
}

/// Directories of the layout that hold blobs, in order: `blobs`, `blobs/sha256`, …
pub(super) fn folders(image: &Image) -> BTreeSet<String> {
    let algorithms = image.blobs.keys().map(|digest| format!("blobs/{}/", digest.algorithm().name()));
    std::iter::once("blobs/".to_owned()).chain(algorithms).collect()
}

/// Documents and directories: all that comes before the blobs. Returns the number of bytes.
fn write_head(image: &Image, epoch: Epoch, out: &mut impl ArchiveSink) -> Result<u64> {
    let mut written = 0;
    for (name, bytes) in &image.documents {
        let header = header(name, bytes.len() as u64, epoch)?;
        out.begin(Segment::Headers)?;
        out.write_all(&header).map_err(cannot_write)?;
        out.begin(Segment::Content { total: padded(bytes.len() as u64) })?;
        out.write_all(bytes).map_err(cannot_write)?;
        written += (header.len() + bytes.len()) as u64 + pad(out, bytes.len() as u64)?;
    }
    for folder in folders(image) {
        let header = header(&folder, 0, epoch)?;
        out.begin(Segment::Headers)?;
        out.write_all(&header).map_err(cannot_write)?;
        written += header.len() as u64;
    }
    Ok(written)
}

/// Writes an archive.
pub(super) fn write_stream(image: &Image, epoch: Epoch, out: &mut impl ArchiveSink) -> Result<()> {
    write_head(image, epoch, out)?;
    for (digest, content) in &image.blobs {
        out.begin(Segment::Headers)?;
        out.write_all(&header(&digest.path(), content.len(), epoch)?).map_err(cannot_write)?;
        out.begin(Segment::Content { total: padded(content.len()) })?;
        content.write(digest, out)?;
        pad(out, content.len())?;
    }
    out.begin(Segment::Headers)?;
    out.write_all(&END_MARKER).and_then(|()| out.flush()).map_err(cannot_write)
}

/// The same bytes as [`write_stream`], with the blobs copied by the kernel.
pub(super) fn write_file(image: &Image, epoch: Epoch, file: &mut File) -> Result<()> {
    let mut position = write_head(image, epoch, file)?;
    for (digest, content) in &image.blobs {
        let header = header(&digest.path(), content.len(), epoch)?;
        file.write_all(&header).map_err(cannot_write)?;
        position += header.len() as u64;
        content.write_to_file(digest, file, position)?;
        position += content.len();
        file.seek(SeekFrom::Start(position)).map_err(cannot_write)?;
        position += pad(file, content.len())?;
    }
    file.write_all(&END_MARKER).map_err(cannot_write)
}

/// The header of an entry: everything but its name and size is constant.
fn header(name: &str, size: u64, epoch: Epoch) -> Result<Vec<u8>> {
    let mut blocks = Vec::with_capacity(3 * crate::tar::BLOCK);
    let mut header = tar::Header::new_gnu();
    if name.len() > 100 {
        // The hexadecimal digits of a sha512 alone are more than the field takes, so GNU's long name.
        let mut long = tar::Header::new_gnu();
        long.set_path("././@LongLink").map_err(cannot_write)?;
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_size(name.len() as u64 + 1);
        finish(&mut long, 0o644, 0);
        blocks.extend_from_slice(long.as_bytes());
        blocks.extend_from_slice(name.as_bytes());
        blocks.push(0);
        blocks.resize(blocks.len().next_multiple_of(crate::tar::BLOCK), 0);
        header.set_path(&name[..100]).map_err(cannot_write)?;
    } else {
        header.set_path(name).map_err(cannot_write)?;
    }
    let folder = name.ends_with('/');
    header.set_entry_type(if folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
    header.set_size(size);
    finish(&mut header, if folder { 0o755 } else { 0o644 }, epoch.seconds());
    blocks.extend_from_slice(header.as_bytes());
    Ok(blocks)
}

fn finish(header: &mut tar::Header, mode: u32, mtime: u64) {
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_cksum();
}

/// Zeros up to the next block; how many.
fn pad(out: &mut impl Write, size: u64) -> Result<u64> {
    let count = padded(size) - size;
    out.write_all(&[0; crate::tar::BLOCK][..usize::try_from(count).unwrap_or(0)]).map_err(cannot_write)?;
    Ok(count)
}

/// A size with the zeros up to the next block.
fn padded(size: u64) -> u64 {
    size.next_multiple_of(crate::tar::BLOCK as u64)
}
