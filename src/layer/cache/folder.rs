//! Directories and files that only root or the user may write, opened step by step and without following links.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};

use crate::error::{Error, Result};

/// How the names of entries begin that are still being written.
pub(super) const UNFINISHED: &str = ".restamp-";
/// Whatever the umask is, no one else gets to write what is made here.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The permission bits of the group and of others to write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const PERMISSIONS: u32 = 0o7777;

/// An open directory that can be trusted. Whatever becomes of its path, it stays that one.
#[derive(Debug)]
pub(super) struct Folder {
    file: File,
    path: PathBuf,
}

impl Folder {
    /// The directory that the user has named, through links or not; made if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("cannot open the cache", error).in_file(path.display());
        fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(failed)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let folder = Self { file: File::from(file), path: path.to_owned() };
        trusted(&folder.file.metadata().map_err(failed)?, path)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it; `None` where there is none.
    pub(super) fn folder(&self, name: &str) -> Result<Option<Self>> {
        let path = self.path.join(name);
        let Some(file) = self.openat(name, OFlags::DIRECTORY) else { return Ok(None) };
        let Ok(metadata) = file.metadata() else { return Ok(None) };
        trusted(&metadata, &path)?;
        Ok(Some(Self { file, path }))
    }

    /// A directory in it, made if it is not there; `None` where that can't be.
    pub(super) fn make(&self, name: &str) -> Result<Option<Self>> {
        if let Some(folder) = self.folder(name)? {
            return Ok(Some(folder));
        }
        // Another process may make it as well.
        let _ = rustix::fs::mkdirat(&self.file, name, Mode::from_raw_mode(FOLDER_MODE));
        self.folder(name)
    }

    /// A regular file in it and its size; `None` where there is none.
    pub(super) fn file(&self, name: &str) -> Result<Option<(File, u64)>> {
        let Some(file) = self.openat(name, OFlags::NONBLOCK | OFlags::NOCTTY) else { return Ok(None) };
        let Some(metadata) = file.metadata().ok().filter(Metadata::is_file) else { return Ok(None) };
        trusted(&metadata, &self.path.join(name))?;
        Ok(Some((file, metadata.len())))
    }

    /// Saves a file under a name, in one step; `None` where that can't be.
    pub(super) fn save(&self, name: &str, parts: &[&[u8]]) -> Option<()> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let make = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            Ok(File::from(rustix::fs::openat(&self.file, name, flags, Mode::from_raw_mode(FILE_MODE))?))
        };
        let mut unfinished = tempfile::Builder::new().prefix(UNFINISHED).make_in(&self.path, make).ok()?;
        for part in parts {
            unfinished.as_file_mut().write_all(part).ok()?;
        }
        let from = unfinished.path().file_name()?;
        rustix::fs::renameat(&self.file, from, &self.file, name).ok()?;
        // It has another name now: there is nothing to remove.
        unfinished.into_temp_path().keep().ok().map(drop)
    }

    /// Names of all that is in it; nothing where that can't be read.
    pub(super) fn names(&self) -> Vec<OsString> {
        let entries = Dir::read_from(&self.file).into_iter().flatten().flatten();
        let names = entries.map(|entry| OsString::from_vec(entry.file_name().to_bytes().to_vec()));
        names.filter(|name| name != "." && name != "..").collect()
    }

    /// Removes a file, if it can.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.file, name, AtFlags::empty());
    }

    fn openat(&self, name: &str, flags: OFlags) -> Option<File> {
        let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.file, name, flags, Mode::empty()).ok().map(File::from)
    }
}

/// An error unless what was opened belongs to root or the effective user, and the file mode lets no one else write it.
/// An access control list that does shows as the group's right to write.
fn trusted(metadata: &Metadata, path: &Path) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & PERMISSIONS);
    if (owner == 0 || owner == user) && mode & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    let whose = if user == 0 { "root".to_owned() } else { format!("root or user {user}") };
    let text = format!(
        "a cache has to belong to {whose}, and others may not write it (chmod go-w): found owner {owner}, mode {mode:04o}"
    );
    Err(Error::refused(text).in_file(path.display()))
}
