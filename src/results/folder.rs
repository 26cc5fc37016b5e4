//! The folder, by way of its descriptors: nothing below it is reached through a link.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result, printable};

/// The folder of this version of the format.
const VERSION: &str = "v1";
/// What is written is here until it has its name.
const NEW: &str = ".new";
/// `<algorithm>/<subject>/<operator>/<file>`
const DEPTH: usize = 4;
/// So many files are looked at.
const FILES: usize = 1_000_000;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folder `v1`.
#[derive(Debug)]
pub(super) struct Folder {
    root: OwnedFd,
    shown: String,
}

impl Folder {
    /// Opens the folder in `dir`, where there is one.
    pub fn open(dir: &Path) -> Result<Option<Self>> {
        let shown = dir.join(VERSION).display().to_string();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(dir, flags, Mode::empty())
            .map_err(|e| Error::io("cannot open the folder", e.into()).in_file(dir.display()))?;
        match rustix::fs::openat(&parent, VERSION, FOLDER, Mode::empty()) {
            Ok(root) => Ok(Some(Self { root, shown })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(not_followed(error).in_file(shown)),
        }
    }

    /// Opens it, or makes it.
    pub fn make(dir: &Path) -> Result<Self> {
        let made = match fs::create_dir(dir.join(VERSION)) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        };
        made.map_err(|e| Error::io("cannot make it", e).in_file(dir.join(VERSION).display()))?;
        Self::open(dir)?.ok_or_else(|| Error::missing(VERSION).in_file(dir.display()))
    }

    /// Keeps other writers out for as long as this is open.
    pub fn lock(&self) -> Result<()> {
        let locked = rustix::fs::flock(&self.root, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|e| {
            let error = match e {
                Errno::WOULDBLOCK => Error::refused("another results add is under way"),
                e => Error::io("cannot lock (flock)", e.into()),
            };
            error.in_file(&self.shown)
        })
    }

    /// Reads a file of at most so many bytes; `None` where there is none.
    pub fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>> {
        let named = |e: Error| e.in_file(format!("{}/{path}", self.shown));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = self.parent(path, false).and_then(|(parent, name)| {
            let opened = rustix::fs::openat(parent.as_ref().unwrap_or(&self.root), name, flags, Mode::empty());
            opened.map_err(Failed::System)
        });
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Failed::System(Errno::NOENT)) => return Ok(None),
            Err(error) => return Err(named(error.into())),
        };
        let failed = |e| named(Error::io("cannot read", e));
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(named(Error::refused("it is no file")));
        }
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > most {
            return Err(named(Error::limit("size of the file", most, "more")));
        }
        Ok(Some(bytes))
    }

    /// Writes a file: under another name, then in one step. It is on the disk when this returns.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let named = |e: Error| e.in_file(format!("{}/{path}", self.shown));
        let put = || -> Result<(), Failed> {
            let (parent, name) = self.parent(path, true)?;
            let parent = parent.as_ref().unwrap_or(&self.root);
            // Of a run that was broken off.
            self.unlink(&self.root, NEW)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(rustix::fs::openat(&self.root, NEW, flags, Mode::from_raw_mode(0o666))?);
            file.write_all(bytes)?;
            file.sync_all()?;
            rustix::fs::renameat(&self.root, NEW, parent, name)?;
            rustix::fs::fsync(parent)?;
            Ok(())
        };
        put().map_err(|e| named(e.into()))
    }

    /// Writes after the first `keep` bytes of a file, which may be cut there. It is on the disk when this returns.
    pub fn append(&self, name: &str, keep: u64, bytes: &[u8]) -> Result<()> {
        let append = || -> Result<(), Failed> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::openat(&self.root, name, flags, Mode::from_raw_mode(0o666))?);
            if file.metadata()?.len() != keep {
                file.set_len(keep)?;
            }
            std::os::unix::fs::FileExt::write_all_at(&file, bytes, keep)?;
            file.sync_all()?;
            rustix::fs::fsync(&self.root)?;
            Ok(())
        };
        append().map_err(|e| Error::from(e).in_file(format!("{}/{name}", self.shown)))
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, path: &str) -> Result<()> {
        let removed = self.parent(path, false);
        let removed = removed.and_then(|(parent, name)| self.unlink(parent.as_ref().unwrap_or(&self.root), name));
        removed.map_err(|e| Error::from(e).in_file(format!("{}/{path}", self.shown)))
    }

    fn unlink(&self, parent: &OwnedFd, name: &str) -> Result<(), Failed> {
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// All that is in it and is no folder, sorted; a folder that is too deep, or a link, is one of them.
    pub fn files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let opened = rustix::fs::openat(&self.root, ".", FOLDER, Mode::empty()).map_err(Failed::System);
        let walked = opened.and_then(|root| walk(root, "", DEPTH, &mut files));
        walked.map_err(|e| Error::from(e).in_file(&self.shown))?;
        files.retain(|name| name != NEW);
        files.sort();
        Ok(files)
    }

    /// The folder of a file, if it is not the root, and its name in it.
    fn parent<'p>(&self, path: &'p str, make: bool) -> Result<(Option<OwnedFd>, &'p str), Failed> {
        let mut parts = path.split('/').peekable();
        let mut folder: Option<OwnedFd> = None;
        while let Some(part) = parts.next() {
            if matches!(part, "" | "." | "..") || part.contains('\0') {
                return Err(Failed::Path);
            }
            if parts.peek().is_none() {
                return Ok((folder, part));
            }
            let above = folder.as_ref().unwrap_or(&self.root);
            if make {
                match rustix::fs::mkdirat(above, part, Mode::from_raw_mode(0o777)) {
                    Ok(()) => rustix::fs::fsync(above)?,
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            folder = Some(rustix::fs::openat(above, part, FOLDER, Mode::empty())?);
        }
        Err(Failed::Path)
    }
}

fn walk(folder: OwnedFd, prefix: &str, depth: usize, files: &mut Vec<String>) -> Result<(), Failed> {
    let entries = rustix::fs::Dir::read_from(&folder)?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                FileType::from_raw_mode(rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
            }
            kind => kind,
        };
        let path = format!("{prefix}{}", printable(name.to_bytes()));
        if kind == FileType::Directory && depth > 1 {
            let below = rustix::fs::openat(&folder, name, FOLDER, Mode::empty())?;
            walk(below, &format!("{path}/"), depth - 1, files)?;
        } else {
            if files.len() == FILES {
                return Err(Failed::TooMany);
            }
            files.push(path);
        }
    }
    Ok(())
}

/// What can go wrong below the root.
#[derive(Debug)]
enum Failed {
    System(Errno),
    Io(std::io::Error),
    Path,
    TooMany,
}

impl From<Errno> for Failed {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::System(error) => not_followed(error),
            Failed::Io(error) => Error::io("cannot read or write", error),
            Failed::Path => Error::refused("it is no path below the folder"),
            Failed::TooMany => Error::limit("number of files", FILES as u64, "more"),
        }
    }
}

/// A link is another error for each kind of what was asked for.
fn not_followed(error: Errno) -> Error {
    match error {
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR => {
            Error::refused("a link, or a file where a folder should be, is on the way there; no link is followed")
        }
        error => Error::io("cannot read or write", error.into()),
    }
}
