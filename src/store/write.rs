//! Writing an image: documents and blobs, into a directory, an archive or a stream.
//!
//! The archive is canonical: what is in it depends on the image and the epoch alone. Its documents come first, so
//! that a reader knows what it is looking for when the blobs arrive; a stream that breaks off lacks blobs then,
//! and no consumer takes it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::layer::Pool;
use crate::media_type::Compression;
use crate::spool::{Owner, Spools};
use crate::stamp::Epoch;
use crate::store::directory;
use crate::store::new_image::cannot_write;
use crate::store::tarball::{folders, write_compressed, write_file};

pub use crate::store::destination::Target;
pub use crate::store::new_image::{Content, Image};

/// Writes an image, complete or not at all (a stream aside, which is then cut off). What is left to warn of when it is
/// there: that the directory it has replaced could not be removed.
pub fn write(image: &Image, target: &Target, epoch: Epoch, spools: &Spools, pool: &Pool) -> Result<Option<Error>> {
    match target {
        Target::File { path, compression } => {
            let mut output = spools.output_file(path)?;
            let file = output.file_mut()?;
            let written = match compression {
                Compression::None => write_file(image, epoch, file),
                // The same open file, which is renamed when all is in it.
                compression => file
                    .try_clone()
                    .map_err(cannot_write)
                    .and_then(|file| write_compressed(image, epoch, file, *compression, pool)),
            };
            written.map_err(|e| e.in_file(path.display()))?;
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
                directory::nothing_but_layout(path, &path.display().to_string())?;
                return output.exchange_with(path);
            }
            output.rename_to(path)?;
        }
        Target::Stdout => {
            // The raw descriptor: std's own buffer would copy every chunk once more.
            let stdout = io::stdout();
            let file = rustix::io::dup(&stdout).map(File::from).map_err(|e| cannot_write(e.into()))?;
            let written = write_compressed(image, epoch, file, Compression::None, pool);
            written.map_err(|e| e.in_file("standard output"))?;
        }
        Target::Stream { path, compression } => {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(path)
                .map_err(|e| Error::io("cannot open", e).in_file(path.display()))?;
            let written = write_compressed(image, epoch, file, *compression, pool);
            written.map_err(|e| e.in_file(path.display()))?;
        }
        #[cfg(feature = "registry")]
        Target::Registry(push) => push.write(image, pool).map_err(|e| e.in_file(push.name()))?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Extent;
    use crate::digest::Digest;
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
        let folder = tempfile::tempdir().unwrap();
        let piped = folder.path().join("pipe");
        let file = File::create(&piped).unwrap();
        write_compressed(&image(), epoch, file, Compression::None, &Pool::new(1).unwrap()).unwrap();
        let stream = fs::read(&piped).unwrap();
        let path = folder.path().join("image.tar");
        let target = Target::new(&path, Carrier::OciArchive, false, None).unwrap();
        write(&image(), &target, epoch, &Spools::new(folder.path()), &Pool::new(1).unwrap()).unwrap();
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
    fn an_archive_is_compressed_by_its_name_always_in_the_same_way() {
        let epoch = Epoch::from_seconds(1_700_000_000).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let spools = Spools::new(folder.path());
        let mut image = image();
        let large: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        image.blobs.insert(Digest::sha256(&large), Content::Bytes(large));
        let save = |name: &str, forced: Option<Compression>, jobs| {
            let path = folder.path().join(name);
            let target = Target::new(&path, Carrier::OciArchive, false, forced).unwrap();
            write(&image, &target, epoch, &spools, &Pool::new(jobs).unwrap()).unwrap();
            fs::read(&path).unwrap()
        };
        let plain = save("a.tar", None, 1);
        let gunzip = |bytes: &[u8]| {
            let mut all = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut all).unwrap();
            all
        };
        for name in ["a.tar.gz", "a.tgz"] {
            let packed = save(name, None, 3);
            assert!(packed.len() < plain.len() / 2 && gunzip(&packed) == plain, "{name}");
            assert!(packed == save(name, None, 1), "{name}: depends on the number of jobs");
        }
        let packed = save("a.tar.zst", None, 2);
        assert!(zstd::stream::decode_all(&packed[..]).unwrap() == plain);
        assert!(save("b.tar.zst", Some(Compression::Gzip), 2) == save("a.tgz", None, 2));
        assert!(save("c.tar.gz", Some(Compression::None), 2) == plain);
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
        let target = Target::Folder { path: path.clone(), replace: false };
        write(&image, &target, epoch, &spools, &Pool::new(1).unwrap()).unwrap();
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
        let pool = Pool::new(1).unwrap();
        let target = |force| Target::new(&path, Carrier::Oci, force, None);
        write(&image(), &target(false).unwrap(), epoch, &spools, &pool).unwrap();
        assert!(
            target(false)
                .unwrap_err()
                .to_string()
                .contains("the directory is not empty: --force replaces an OCI image layout")
        );
        write(&image(), &target(true).unwrap(), epoch, &spools, &pool).unwrap();
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("precious"), "").unwrap();
        assert!(Target::new(&other, Carrier::Oci, true, None).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_blob_that_changed_on_the_way_leaves_no_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut image = image();
        image.blobs.insert(Digest::sha256(b"promised"), Content::Source(Extent::of_bytes(b"delivered".to_vec())));
        let path = folder.path().join("image.tar");
        let target = Target::File { path, compression: Compression::None };
        let (epoch, pool) = (Epoch::from_seconds(0).unwrap(), Pool::new(1).unwrap());
        let error = write(&image, &target, epoch, &Spools::new(folder.path()), &pool).unwrap_err();
        assert!(error.to_string().contains("digest does not match"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
