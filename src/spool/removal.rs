//! Removing a directory while other threads may still be creating files in it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// How often a directory is tried that has got one more entry meanwhile: from those few calls that had looked up its
/// name before it was taken away.
const TRIES: usize = 1000;

/// Removes a file or a directory with all that is in it; what is not there is no error.
pub(super) fn remove(path: &Path) -> Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return ignore_not_found(path, fs::remove_file(path));
    }
    // From here on it can't be found by the name that it had, so that nothing more is created in it.
    let aside = aside(path);
    let path = if fs::rename(path, &aside).is_ok() { &aside } else { path };
    let mut result = fs::remove_dir_all(path);
    for _ in 1..TRIES {
        if !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::DirectoryNotEmpty) {
            break;
        }
        std::thread::yield_now();
        result = fs::remove_dir_all(path);
    }
    ignore_not_found(path, result)
}

fn ignore_not_found(path: &Path, result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io("cannot remove it", error).in_file(path.display()))
        }
        _ => Ok(()),
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-removed");
    name.into()
}
