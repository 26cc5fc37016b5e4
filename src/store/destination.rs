//! Where an image is written to: what is there already, and may it go?

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::media_type::Compression;
use crate::spool;
use crate::store::directory;
use crate::store::location::Carrier;

/// Where an image is written to.
#[derive(Debug, Clone)]
pub enum Target {
    /// An archive, which is replaced in one step where it exists.
    File {
        /// Its final name.
        path: PathBuf,
        /// How it is compressed as a whole.
        compression: Compression,
    },
    /// A directory; `replace` an OCI image layout that is there.
    Folder {
        /// Its final name.
        path: PathBuf,
        /// May a layout that exists be replaced?
        replace: bool,
    },
    /// An archive on standard output.
    Stdout,
    /// A device or FIFO, written like a pipe.
    Stream {
        /// Its name.
        path: PathBuf,
        /// How the archive is compressed as a whole.
        compression: Compression,
    },
}

impl Target {
    /// What a path of this kind is written as; an error where it is in the way. An archive is compressed as asked for, or
    /// else as its name says.
    pub fn new(path: &Path, kind: Carrier, force: bool, compression: Option<Compression>) -> Result<Self> {
        let compression = compression.unwrap_or_else(|| compression_by_name(path));
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("cannot look at the destination", error).in_file(path.display())),
        };
        let folder = spool::folder_of(path);
        if metadata.is_none() && !folder.is_dir() {
            let text = format!("cannot write there: the directory {} does not exist", folder.display());
            return Err(Error::refused(text).in_file(path.display()));
        }
        let wrong = |text: &str| Err(Error::refused(text).in_file(path.display()));
        let typed = path;
        let resolved = || fs::canonicalize(path).map_err(|e| Error::io("cannot resolve", e).in_file(path.display()));
        let made_in = |path: &Path| match spool::temp_parent(path) {
            folder if spool::may_write(folder) => Ok(()),
            folder => {
                let text = format!("cannot write there: no file can be made in the directory {}", folder.display());
                Err(Error::refused(text).in_file(typed.display()))
            }
        };
        match (kind, metadata) {
            (Carrier::Oci, None) if fs::symlink_metadata(path).is_ok() => {
                wrong("it is a link that leads nowhere: remove it, or give a new or empty directory")
            }
            // As cp has it; the link would be replaced, and not what it names.
            (_, None) if fs::symlink_metadata(path).is_ok() => {
                wrong("it is a link that leads nowhere: remove it, or give another file")
            }
            (Carrier::Oci, None) => made_in(path).map(|()| Self::Folder { path: path.to_owned(), replace: false }),
            (Carrier::Oci, Some(metadata)) if metadata.is_dir() => {
                let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
                // A link stays a link: what it points to is filled or replaced.
                let path = resolved()?;
                if empty {
                    return made_in(&path).map(|()| Self::Folder { path, replace: false });
                }
                if !force {
                    return wrong("the directory is not empty; --force replaces an OCI image layout");
                }
                directory::nothing_but_layout(typed)?;
                if !spool::can_be_renamed(&path) {
                    return wrong(
                        "it can't be replaced in one step, as it is a mount point, or in a directory that can't be \
                         written: write to a new one, in it or elsewhere",
                    );
                }
                Ok(Self::Folder { path, replace: true })
            }
            (Carrier::Oci, Some(_)) => {
                wrong("it is a file, and oci: writes a directory; use oci-archive: for an archive")
            }
            (_, Some(metadata)) if metadata.is_dir() => {
                wrong("it is a directory, and an archive is a file; use oci: for a layout in a directory")
            }
            (_, None) if path.as_os_str().as_bytes().ends_with(b"/") => {
                wrong("it ends in a slash, so it names a directory, and an archive is a file")
            }
            (_, Some(metadata)) if !metadata.is_file() => Ok(Self::Stream { path: path.to_owned(), compression }),
            // A link stays a link: what it points to is replaced.
            (_, Some(_)) => {
                let path = resolved()?;
                made_in(&path).map(|()| Self::File { path, compression })
            }
            (_, None) => made_in(path).map(|()| Self::File { path: path.to_owned(), compression }),
        }
    }
}

/// How an archive of this name is compressed as a whole.
fn compression_by_name(path: &Path) -> Compression {
    let name = path.as_os_str().as_bytes();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end.as_bytes()));
    match () {
        () if ends(&[".gz", ".tgz"]) => Compression::Gzip,
        () if ends(&[".zst", ".tzst"]) => Compression::Zstd,
        () => Compression::None,
    }
}
