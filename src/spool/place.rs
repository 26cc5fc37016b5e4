//! Where an output is made: beside its final name or, where an empty directory has to stay the one that it is, in that.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatxAttributes, StatxFlags};

use super::folder_of;

/// What marks a layout, or a report: readers look for it first.
const LAST: &str = "index.json";

/// The folder in which an output for this path is made: on the same filesystem, and where the user may write.
pub fn temp_parent(target: &Path) -> &Path {
    if must_be_filled(target) { target } else { folder_of(target) }
}

/// Is it a directory that another one can't be put in the place of? Then it can only be filled.
pub(super) fn must_be_filled(folder: &Path) -> bool {
    let Ok(metadata) = fs::metadata(folder) else { return false };
    // A shell whose working directory it is would be left in a directory that is gone.
    let is_current = fs::metadata(".").is_ok_and(|here| (here.dev(), here.ino()) == (metadata.dev(), metadata.ino()));
    metadata.is_dir() && (is_current || !can_be_renamed(folder))
}

/// May this directory be renamed, as far as is known before?
pub fn can_be_renamed(folder: &Path) -> bool {
    let found = rustix::fs::statx(CWD, folder, AtFlags::NO_AUTOMOUNT, StatxFlags::empty());
    let is_mount = found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    !is_mount && may_write(folder_of(folder))
}

/// May entries be made in this directory, as far as is known before?
pub fn may_write(folder: &Path) -> bool {
    write_fault(folder).is_none()
}

/// Why no entries can be made in this directory, as far as is known before.
pub fn write_fault(folder: &Path) -> Option<io::Error> {
    use rustix::io::Errno;
    let access = rustix::fs::accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    access.err().filter(|error| matches!(*error, Errno::ACCESS | Errno::PERM | Errno::ROFS)).map(io::Error::from)
}

/// Moves all that is in `from` to the directory that it is in, and nothing if that is not empty otherwise. `index.json`
/// comes last: until it is there, there is no image.
pub(super) fn fill(from: &Path) -> io::Result<()> {
    let target = folder_of(from);
    let names = |folder| -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    };
    if names(target)?.iter().any(|name| Some(name.as_os_str()) != from.file_name()) {
        return Err(io::Error::new(ErrorKind::DirectoryNotEmpty, "the directory is not empty any more"));
    }
    // Some filesystems can't sync a directory: no harm.
    let sync = || drop(File::open(target).and_then(|folder| folder.sync_all()));
    let mut left = names(from)?;
    left.sort_by_key(|name| name == LAST);
    for (count, name) in left.iter().enumerate() {
        if name == LAST {
            sync();
        }
        if let Err(error) = fs::rename(from.join(name), target.join(name)) {
            for name in left.iter().take(count).rev() {
                let _ = fs::rename(target.join(name), from.join(name));
            }
            return Err(error);
        }
    }
    sync();
    // It is empty; where it can't be removed it does no harm.
    let _ = fs::remove_dir(from);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_filled_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        let make = || {
            fs::create_dir_all(from.join("blobs")).unwrap();
            fs::write(from.join(LAST), "new").unwrap();
        };
        make();
        fs::write(folder.path().join("other"), "").unwrap();
        assert_eq!(fill(&from).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
        assert!(from.join(LAST).exists() && from.join("blobs").exists());
        fs::remove_file(folder.path().join("other")).unwrap();
        fill(&from).unwrap();
        assert_eq!(fs::read(folder.path().join(LAST)).unwrap(), b"new");
        assert!(folder.path().join("blobs").is_dir() && !from.exists());
    }

    #[test]
    fn the_current_directory_and_roots_of_filesystems_stay() {
        let folder = tempfile::tempdir().unwrap();
        assert!(must_be_filled(Path::new(".")) && must_be_filled(Path::new("/proc")));
        assert!(!must_be_filled(folder.path()) && !must_be_filled(&folder.path().join("none")));
        assert_eq!(temp_parent(folder.path()), folder_of(folder.path()));
        assert!(!can_be_renamed(Path::new("/proc")) && can_be_renamed(folder.path()));
    }
}
