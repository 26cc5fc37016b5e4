//! Writing an image: documents and blobs, into a directory, an archive or a stream.
//!
//! The archive is canonical: what is in it depends on the image and the epoch alone. Its documents come first, so
//! that a reader knows what it is looking for when the blobs arrive; a stream that breaks off lacks blobs then,
//! and no consumer takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer;
use crate::media_type::Compression;
use crate::spool::{Owner, Spools};
use crate::stamp::Epoch;
use crate::store::directory;

pub use crate::store::destination::Target;

/// Two zero blocks end a tar (POSIX.1-2017, pax).
const END_MARKER: [u8; 2 * crate::tar::BLOCK] = [0; 2 * crate::tar::BLOCK];

/// An image that is ready to be written.
#[derive(Debug, Default)]
pub struct Image {
    /// `oci-layout`, `index.json`, `manifest.json`, `repositories`: those that the kind has, in this order.
    pub documents: Vec<(&'static str, Vec<u8>)>,
    /// Every blob by its digest.
    pub blobs: BTreeMap<Digest, Content>,
    /// Is there nothing but indexes in it, so that replacing its source would only remove what that holds?
    pub is_empty: bool,
}

/// The bytes of a blob.
#[derive(Debug, Clone)]
pub enum Content {
    /// A document that was made or patched here.
    Bytes(Vec<u8>),
    /// Bytes of the source, which are verified while they are copied.
    Source(Extent),
    /// A spool that was hashed while it was written.
    Spool(Extent),
}

impl Content {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(extent) | Self::Spool(extent) => extent.len(),
        }
    }

    /// How it is compressed, by its first bytes.
    ///
    /// # Errors
    ///
    /// If they can't be read.
    pub fn compression(&self) -> Result<Compression> {
        match self {
            Self::Bytes(bytes) => Ok(Compression::sniff(bytes)),
            Self::Source(extent) | Self::Spool(extent) => layer::compression_of(extent),
        }
    }

    fn write(&self, digest: &Digest, out: &mut dyn Write) -> Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes).map_err(cannot_write),
            Self::Source(extent) => extent.copy_verified(digest, out),
            Self::Spool(extent) => extent.copy(out),
        }
    }

    fn write_to_file(&self, digest: &Digest, file: &mut File, at: u64) -> Result<()> {
        match self {
            Self::Bytes(bytes) => file.write_all(bytes).map_err(cannot_write),
            Self::Source(extent) => extent.copy_verified_to_file(digest, file, at),
            Self::Spool(extent) => extent.copy_to_file(file, at),
        }
    }
}

fn cannot_write(error: io::Error) -> Error {
    Error::io("cannot write", error)
}

/// Writes an image, complete or not at all (a stream aside, which is then cut off). What is left to warn of when it is
/// there: that the directory it has replaced could not be removed.
pub fn write(image: &Image, target: &Target, epoch: Epoch, spools: &Spools) -> Result<Option<Error>> {
    match target {
        Target::File(path) => {
            let mut output = spools.output_file(path)?;
            write_file(image, epoch, output.file_mut()?).map_err(|e| e.in_file(path.display()))?;
            output.rename_to(path)?;
        }
        Target::Folder { path, replace } => {
            let output = spools.output_folder(path)?;
            // Who may look into the directory that is replaced may look into the new one, while it is made as well.
            let old = fs::metadata(path).ok();
            let mode = old.as_ref().map(|old| old.permissions().mode());
            let set_mode = |mode| {
                let set = fs::set_permissions(output.path(), Permissions::from_mode(mode));
                set.map_err(|e| cannot_write(e).in_file(path.display()))
            };
            mode.map_or(Ok(()), |mode| set_mode(mode | 0o700))?;
            let owner = old.as_ref().map(Owner::of);
            write_folder(image, output.path(), owner.filter(|_| *replace)).map_err(|e| e.in_file(path.display()))?;
            if let (Some(owner), Ok(folder)) = (owner, File::open(output.path())) {
                owner.give(&folder);
            }
            mode.map_or(Ok(()), set_mode)?;
            if *replace {
                // Once more: it was a while ago.
                directory::nothing_but_layout(path)?;
                return output.exchange_with(path);
            }
            output.rename_to(path)?;
        }
        Target::Stdout => {
            // The raw descriptor: std's own buffer would copy every chunk once more.
            let stdout = io::stdout();
            let file = rustix::io::dup(&stdout).map(File::from).map_err(|e| cannot_write(e.into()))?;
            write_stream(image, epoch, BufWriter::with_capacity(crate::blob::CHUNK, file))
                .map_err(|e| e.in_file("standard output"))?;
        }
        Target::Stream(path) => {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(path)
                .map_err(|e| Error::io("cannot open", e).in_file(path.display()))?;
            write_stream(image, epoch, BufWriter::with_capacity(crate::blob::CHUNK, file))
                .map_err(|e| e.in_file(path.display()))?;
        }
    }
    Ok(None)
}

/// Reads all that a write would copy from the source, and verifies it as that would.
pub fn verify(image: &Image) -> Result<()> {
    for (digest, content) in &image.blobs {
        if let Content::Source(extent) = content {
            extent.copy_verified(digest, &mut io::sink())?;
        }
    }
    Ok(())
}

/// Directories of the layout that hold blobs, in order: `blobs`, `blobs/sha256`, …
fn folders(image: &Image) -> BTreeSet<String> {
    let algorithms = image.blobs.keys().map(|digest| format!("blobs/{}/", digest.algorithm().name()));
    std::iter::once("blobs/".to_owned()).chain(algorithms).collect()
}

/// Documents and directories: all that comes before the blobs. Returns the number of bytes.
fn write_head(image: &Image, epoch: Epoch, out: &mut impl Write) -> Result<u64> {
    let mut written = 0;
    for (name, bytes) in &image.documents {
        let header = header(name, bytes.len() as u64, epoch)?;
        out.write_all(&header).and_then(|()| out.write_all(bytes)).map_err(cannot_write)?;
        written += (header.len() + bytes.len()) as u64 + pad(out, bytes.len() as u64)?;
    }
    for folder in folders(image) {
        let header = header(&folder, 0, epoch)?;
        out.write_all(&header).map_err(cannot_write)?;
        written += header.len() as u64;
    }
    Ok(written)
}

fn write_stream(image: &Image, epoch: Epoch, mut out: impl Write) -> Result<()> {
    write_head(image, epoch, &mut out)?;
    for (digest, content) in &image.blobs {
        out.write_all(&header(&digest.path(), content.len(), epoch)?).map_err(cannot_write)?;
        content.write(digest, &mut out)?;
        pad(&mut out, content.len())?;
    }
    out.write_all(&END_MARKER).and_then(|()| out.flush()).map_err(cannot_write)
}

/// The same bytes as [`write_stream`], with the blobs copied by the kernel.
fn write_file(image: &Image, epoch: Epoch, file: &mut File) -> Result<()> {
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

/// Writes a layout. All that is in it belongs to `owner`, where that is said and possible.
fn write_folder(image: &Image, folder: &Path, owner: Option<Owner>) -> Result<()> {
    let give = |file: &File| owner.map_or((), |owner| owner.give(file));
    let save = |name: &str, write: &mut dyn FnMut(&mut File) -> Result<()>| -> Result<()> {
        let path = folder.join(name);
        let mut file = File::create_new(&path).map_err(|e| Error::io("cannot create", e).in_file(path.display()))?;
        write(&mut file)?;
        give(&file);
        file.sync_all().map_err(|e| Error::io("cannot sync", e).in_file(path.display()))
    };
    for name in folders(image) {
        // Not its parents: a directory that a signal has removed must not come back.
        fs::create_dir(folder.join(name)).map_err(|e| Error::io("cannot create a directory", e))?;
    }
    for (digest, content) in &image.blobs {
        let path = folder.join(digest.path());
        if let Content::Spool(extent) = content
            && extent.link_to(&path)
        {
            let synced = File::open(&path).and_then(|file| {
                give(&file);
                file.sync_all()
            });
            synced.map_err(|e| Error::io("cannot sync", e).in_file(path.display()))?;
            continue;
        }
        save(&digest.path(), &mut |file| content.write_to_file(digest, file, 0))?;
    }
    for (name, bytes) in &image.documents {
        save(name, &mut |file| file.write_all(bytes).map_err(cannot_write))?;
    }
    // The names of the files last only once their directories are written, the innermost first.
    for name in folders(image).iter().rev().map(String::as_str).chain([""]) {
        // Some filesystems can't sync a directory: no harm.
        if let Ok(folder) = File::open(folder.join(name)) {
            give(&folder);
            let _ = folder.sync_all();
        }
    }
    Ok(())
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
    let count = size.next_multiple_of(crate::tar::BLOCK as u64) - size;
    out.write_all(&[0; crate::tar::BLOCK][..usize::try_from(count).unwrap_or(0)]).map_err(cannot_write)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::location::Carrier;
    use std::io::Read;

    fn image() -> Image {
        let mut image = Image {
            documents: vec![
                ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
                ("index.json", b"{}".to_vec()),
            ],
            ..Image::default()
        };
        for (algorithm, bytes) in
            [(crate::digest::Algorithm::Sha512, b"five!".to_vec()), (crate::digest::Algorithm::Sha256, vec![7; 1024])]
        {
            image.blobs.insert(Digest::of(algorithm, &bytes), Content::Bytes(bytes));
        }
        let mut spool = tempfile::tempfile().unwrap();
        spool.write_all(b"in a spool").unwrap();
        image.blobs.insert(Digest::sha256(b"in a spool"), Content::Spool(Extent::of_file(spool, 10)));
        image
    }

    #[test]
    fn a_file_and_a_stream_get_the_same_bytes() {
        let epoch = Epoch::from_seconds(1_700_000_000).unwrap();
        let mut stream = Vec::new();
        write_stream(&image(), epoch, &mut stream).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        write(&image(), &Target::File(path.clone()), epoch, &Spools::new(folder.path())).unwrap();
        assert!(fs::read(&path).unwrap() == stream);
        let mut names = Vec::new();
        for entry in tar::Archive::new(&stream[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 1_700_000_000);
            assert_eq!((entry.header().uid().unwrap(), entry.header().gid().unwrap()), (0, 0));
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            names.push(String::from_utf8(entry.path_bytes().into_owned()).unwrap());
        }
        assert_eq!(names[..2], ["oci-layout", "index.json"]);
        assert_eq!(names[2..5], ["blobs/", "blobs/sha256/", "blobs/sha512/"]);
        assert_eq!(names.len(), 8);
        assert_eq!(names[7], Digest::of(crate::digest::Algorithm::Sha512, b"five!").path());
    }

    #[test]
    fn a_spool_becomes_a_blob_without_being_copied() {
        use rustix::fs::{Mode, OFlags};
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let spools = Spools::new(folder.path());
        let mut image = image();
        let mut inodes = Vec::new();
        for text in [&b"a whole spool"[..], b"a part of one"] {
            let mut spool = spools.file().unwrap();
            spool.write_all(text).unwrap();
            inodes.push(spool.metadata().unwrap().ino());
            let extent = Extent::of_file(spool, text.len() as u64);
            let extent = if text[2] == b'w' { extent } else { extent.part(0, 6) };
            let digest = Digest::sha256(&extent.bytes(100).unwrap());
            image.blobs.insert(digest, Content::Spool(extent));
        }
        let path = folder.path().join("layout");
        let epoch = Epoch::from_seconds(0).unwrap();
        write(&image, &Target::Folder { path: path.clone(), replace: false }, epoch, &spools).unwrap();
        let blobs = [&b"a whole spool"[..], b"a part"].map(|text| {
            let blob = path.join(Digest::sha256(text).path());
            assert_eq!(fs::read(&blob).unwrap(), text);
            fs::metadata(blob).unwrap()
        });
        let document = fs::metadata(path.join("index.json")).unwrap();
        assert!(blobs.iter().all(|blob| (blob.mode(), blob.nlink()) == (document.mode(), 1)));
        assert_ne!(blobs[1].ino(), inodes[1]);
        // Not every filesystem has files without a name.
        if rustix::fs::open(folder.path(), OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR).is_ok() {
            assert_eq!(blobs[0].ino(), inodes[0]);
        }
    }

    #[test]
    fn a_folder_that_is_in_use_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let epoch = Epoch::from_seconds(0).unwrap();
        let path = folder.path().join("layout");
        let spools = Spools::new(folder.path());
        write(&image(), &Target::new(&path, Carrier::Oci, false).unwrap(), epoch, &spools).unwrap();
        assert!(Target::new(&path, Carrier::Oci, false).unwrap_err().to_string().contains("non-empty"));
        write(&image(), &Target::new(&path, Carrier::Oci, true).unwrap(), epoch, &spools).unwrap();
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("precious"), "").unwrap();
        assert!(Target::new(&other, Carrier::Oci, true).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_blob_that_changed_on_the_way_leaves_no_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut image = image();
        image.blobs.insert(Digest::sha256(b"promised"), Content::Source(Extent::of_bytes(b"delivered".to_vec())));
        let target = Target::File(folder.path().join("image.tar"));
        let error = write(&image, &target, Epoch::from_seconds(0).unwrap(), &Spools::new(folder.path())).unwrap_err();
        assert!(error.to_string().contains("digest does not match"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
