//! Removing a directory while other threads may still be creating files in it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How often a directory is tried that has got one more entry meanwhile: from those few calls that had looked up its
/// name before it was taken away.
const TRIES: usize = 1000;

/// Removes a file or a directory with all that is in it; what is not there is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return absent_is_fine(fs::remove_file(path));
    }
    // From here on nobody finds it by the name that it had, so that nothing more is created in it by that.
    let aside = aside(path);
    let path = if fs::rename(path, &aside).is_ok() { &aside } else { path };
    let mut result = Ok(());
    for _ in 0..TRIES {
        result = absent_is_fine(fs::remove_dir_all(path));
        match &result {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => std::thread::yield_now(),
            _ => break,
        }
    }
    result
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-removed");
    name.into()
}
