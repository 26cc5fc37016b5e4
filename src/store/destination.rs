//! Where an image is written to: what is there already, and may it be replaced?

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, shell_word};
use crate::media_type::Compression;
use crate::spool;
use crate::store::directory;
use crate::store::location::Carrier;
#[cfg(feature = "registry")]
use crate::store::push::Push;

/// Where an image is written to.
#[derive(Debug)]
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
    /// A repository of a registry.
    #[cfg(feature = "registry")]
    Registry(Box<Push>),
}

impl Target {
    /// What a path of this kind is written as; an error where it is in the way. A link to a file or to a directory is
    /// followed, and stays; one that leads nowhere is an error. An archive is compressed as asked for, or else as its name
    /// says; a name that asks for another program is an error.
    pub fn new(path: &Path, kind: Carrier, force: bool, compression: Option<Compression>) -> Result<Self> {
        let folder = spool::folder_of(path);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && folder.exists() && !folder.is_dir() => {
                let text = format!("{} is not a directory", folder.display());
                return Err(Error::refused(text).in_file(path.display()));
            }
            Err(error) => return Err(Error::io("cannot look at the destination", error).in_file(path.display())),
        };
        if metadata.is_none() && !folder.is_dir() {
            let text = format!("the directory {} doesn't exist", folder.display());
            return Err(Error::refused(text).in_file(path.display()));
        }
        let given = path.display().to_string();
        let resolved = || fs::canonicalize(path).map_err(|e| Error::io("cannot resolve", e).in_file(path.display()));
        let compression = || -> Result<Compression> {
            match compression {
                Some(compression) => Ok(compression),
                None => {
                    let by_name = compression_by_name(path, &format!("restamp rewrite SOURCE {}:-", kind.name()))?;
                    Ok(by_name.unwrap_or(Compression::None))
                }
            }
        };
        let made_in = |made: &Path| match spool::write_fault(spool::temp_parent(made)) {
            None => Ok(()),
            Some(error) => Err(Error::io("cannot write there", error).in_file(path.display())),
        };
        match (kind, metadata) {
            // What it leads to may be on a disk that is not mounted now.
            (_, None) if fs::symlink_metadata(path).is_ok() => {
                let text = "this is a dangling symbolic link: remove it, or name its target";
                Err(Error::refused(text).in_file(path.display()))
            }
            (Carrier::Registry, _) => Err(Error::refused("a path is no name in a registry").in_file(given)),
            (Carrier::Oci, None) => made_in(path).map(|()| Self::Folder { path: path.to_owned(), replace: false }),
            (Carrier::Oci, Some(metadata)) if metadata.is_dir() => {
                let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
                // A link stays a link: what it points to is filled or replaced.
                let path = resolved()?;
                if empty {
                    return made_in(&path).map(|()| Self::Folder { path, replace: false });
                }
                if !force {
                    let text = "the directory is not empty: --force replaces an OCI image layout";
                    return Err(Error::refused(text).in_file(given));
                }
                directory::nothing_but_layout(&path, &given)?;
                if !spool::can_be_renamed(&path) {
                    let text = "it can't be replaced in one step, as it is a mount point or in a directory that can't be \
                                written: write to a new one, in it or elsewhere";
                    return Err(Error::refused(text).in_file(given));
                }
                Ok(Self::Folder { path, replace: true })
            }
            (Carrier::Oci, Some(_)) => {
                let text = format!("oci: writes a directory, but this is a file: write oci-archive:{given}");
                Err(Error::refused(text).in_file(given))
            }
            (_, Some(metadata)) if metadata.is_dir() => {
                let text = format!("an archive is a file, but this is a directory: write oci:{given}");
                Err(Error::refused(text).in_file(given))
            }
            (_, None) if path.as_os_str().as_bytes().ends_with(b"/") => {
                let text = format!("{given} ends in a slash, so it names a directory, but an archive is a file");
                Err(Error::refused(text))
            }
            (_, Some(metadata)) if !metadata.is_file() => {
                Ok(Self::Stream { path: path.to_owned(), compression: compression()? })
            }
            // A link stays a link: what it points to is replaced.
            (_, Some(_)) => {
                let (path, compression) = (resolved()?, compression()?);
                made_in(&path).map(|()| Self::File { path, compression })
            }
            (_, None) => {
                let compression = compression()?;
                made_in(path).map(|()| Self::File { path: path.to_owned(), compression })
            }
        }
    }
}

/// Endings of names that say how a file is compressed as a whole.
const ENDINGS: [(&str, Compression); 6] = [
    (".gz", Compression::Gzip),
    (".tgz", Compression::Gzip),
    (".zst", Compression::Zstd),
    (".zstd", Compression::Zstd),
    (".tzst", Compression::Zstd),
    (".tar", Compression::None),
];

/// Endings of names that ask for what is not written, and the program that writes it.
const FOREIGN_ENDINGS: [(&str, &str); 5] =
    [(".xz", "xz"), (".txz", "xz"), (".bz2", "bzip2"), (".tbz2", "bzip2"), (".tbz", "bzip2")];

/// How a file of this name is compressed as a whole, whether the name is in upper or lower case; `None` where it doesn't say
/// that.
///
/// # Errors
///
/// If the name asks for a compression that is not written. The message has the commands that make such a file: `command`,
/// which writes it uncompressed to standard output, and the program that compresses that.
pub fn compression_by_name(path: &Path, command: &str) -> Result<Option<Compression>> {
    let name = path.file_name().unwrap_or_default().as_bytes().to_ascii_lowercase();
    let ends = |end: &str| name.ends_with(end.as_bytes());
    if let Some((_, program)) = FOREIGN_ENDINGS.iter().find(|(end, _)| ends(end)) {
        let to = shell_word(path.to_string_lossy());
        let text = format!("{program} is not written (gzip and zstd are): {command} | {program} > {to}");
        return Err(Error::refused(text).in_file(path.display()));
    }
    Ok(ENDINGS.iter().find(|(end, _)| ends(end)).map(|(_, compression)| *compression))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_its_file_is_compressed() {
        let by_name = |name: &str| compression_by_name(Path::new(name), "make x");
        for (name, expected) in [
            ("a.tar", Some(Compression::None)),
            ("b.gz/a.tar", Some(Compression::None)),
            ("a.gz", Some(Compression::Gzip)),
            ("a.TAR.GZ", Some(Compression::Gzip)),
            ("a.tgz", Some(Compression::Gzip)),
            ("a.tar.zst", Some(Compression::Zstd)),
            ("a.tar.zstd", Some(Compression::Zstd)),
            ("a.Tzst", Some(Compression::Zstd)),
            ("a", None),
            ("gz", None),
            ("b.gz/a", None),
        ] {
            assert_eq!(by_name(name).unwrap(), expected, "{name}");
        }
        for (name, program) in [("a.tar.xz", "xz"), ("a.TXZ", "xz"), ("a.bz2", "bzip2"), ("a.tbz2", "bzip2")] {
            let expected = format!("{name}: {program} is not written (gzip and zstd are): make x | {program} > {name}");
            assert_eq!(by_name(name).unwrap_err().to_string(), expected);
        }
    }
}
