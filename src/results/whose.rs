//! Whose results a folder has: its own trust.toml, and the keys beside it. A folder may come from anybody, so that nothing but
//! its own files is read for it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result, quoted};
use crate::trust::{self, Trust};

/// The file.
const FILE: &str = "trust.toml";

/// Reads `DIR/trust.toml` and the keys beside it. No link is followed, and nothing is read that is no file: what an error says
/// of a file can then only be of one in the folder.
///
/// # Errors
///
/// If one is missing, is no file, or leads out of the folder; and as [`Trust::parse`].
pub fn trust(dir: &Path) -> Result<Trust> {
    let shown = |name: &str| dir.join(name).display().to_string();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(dir, flags, Mode::empty());
    let folder = folder.map_err(|e| Error::io("cannot open the folder", e.into()).in_file(dir.display()))?;
    let bytes = read(&folder, FILE).map_err(|e| e.in_file(shown(FILE)))?;
    let key = |name: &str| {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(Error::malformed("name of a key", "one of a file beside trust.toml", quoted(name.as_bytes())));
        }
        read(&folder, name).map_err(|e| e.in_file(shown(name)))
    };
    Trust::parse(&bytes, &key).map_err(|e| e.in_file(shown(FILE)))
}

fn read(folder: &OwnedFd, name: &str) -> Result<Vec<u8>> {
    // A FIFO would be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let failed = |e| Error::io("cannot read", e);
    let file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(|e| match e {
        Errno::LOOP | Errno::MLINK => Error::refused("it is a link, and none is followed here"),
        e => failed(e.into()),
    })?);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::refused("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(trust::MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > trust::MAX {
        return Err(Error::limit("size of the file", trust::MAX, "more"));
    }
    Ok(bytes)
}
