//! Where an image is written to: what is there already, and may it go?

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::spool;
use crate::store::directory;
use crate::store::location::Carrier;

/// Where an image is written to.
#[derive(Debug, Clone)]
pub enum Target {
    /// An archive under this name, which is replaced in one step where it exists.
    File(PathBuf),
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
    Stream(PathBuf),
}

impl Target {
    /// What a path of this kind is written as; an error where it is in the way.
    pub fn new(path: &Path, kind: Carrier, force: bool) -> Result<Self> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("cannot look at the destination", error).in_file(path.display())),
        };
        let folder = spool::folder_of(path);
        if metadata.is_none() && !folder.is_dir() {
            let error = Error::malformed(
                "destination",
                format!("a name in a directory ({})", folder.display()),
                "no directory",
            );
            return Err(error.in_file(path.display()));
        }
        let wrong = |expected: &'static str, found: &str| {
            Err(Error::malformed("destination", expected, found).in_file(path.display()))
        };
        let resolved = || fs::canonicalize(path).map_err(|e| Error::io("cannot resolve", e).in_file(path.display()));
        let made_in = |path: &Path| match spool::temp_parent(path) {
            folder if spool::may_write(folder) => Ok(()),
            folder => {
                let text = format!("destination: nothing can be made in {}", folder.display());
                Err(Error::refused(text).in_file(path.display()))
            }
        };
        match (kind, metadata) {
            (Carrier::Oci, None) if fs::symlink_metadata(path).is_ok() => {
                wrong("a new or empty directory", "a link that leads nowhere")
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
                    let expected = "a new or empty directory (--force replaces an OCI image layout)";
                    return wrong(expected, "a non-empty one");
                }
                directory::nothing_but_layout(&path)?;
                if !spool::can_be_renamed(&path) {
                    let expected =
                        "a directory that can be replaced in one step: write to a new one, in it or elsewhere";
                    return wrong(expected, "a mount point, or one in a directory that can't be written");
                }
                Ok(Self::Folder { path, replace: true })
            }
            (Carrier::Oci, Some(_)) => wrong("a directory", "a file; use oci-archive: for an archive"),
            (_, Some(metadata)) if metadata.is_dir() => {
                wrong("a file", "a directory; use oci: for a layout in a directory")
            }
            (_, None) if path.as_os_str().as_bytes().ends_with(b"/") => {
                wrong("a file", "the name of a directory, by the slash at its end")
            }
            (_, Some(metadata)) if !metadata.is_file() => Ok(Self::Stream(path.to_owned())),
            // A link stays a link: what it points to is replaced.
            (_, Some(_)) => {
                let path = resolved()?;
                made_in(&path).map(|()| Self::File(path))
            }
            (_, None) => made_in(path).map(|()| Self::File(path.to_owned())),
        }
    }
}
