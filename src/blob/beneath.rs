//! Opening a file of a directory without leaving that directory.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How often a path is tried that changes while it is looked up.
const TRIES: u32 = 100;

/// Opens a regular file below a directory, and its size. A link that leads out of the directory is an error.
pub(crate) fn open_beneath(folder: &Path, name: &str) -> io::Result<(File, u64)> {
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..TRIES {
        opened = rustix::fs::openat2(&folder, name, flags, Mode::empty(), resolve);
        if !matches!(opened, Err(Errno::AGAIN)) {
            break;
        }
    }
    let file = match opened {
        // Linux before 5.6, or a filter for system calls that does not know this one: no links at all then.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty()),
        opened => opened,
    };
    let outside = || {
        io::Error::other(
            "it is a symbolic link that leads out of the directory: replace it by what it leads to (cp -L)",
        )
    };
    let file = file.map(File::from).map_err(|error| match error {
        Errno::XDEV | Errno::LOOP => outside(),
        error => error.into(),
    })?;
    super::regular(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_inside_of_the_directory_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("layout");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(folder.join("sub/file"), "inside").unwrap();
        fs::write(dir.path().join("secret"), "outside").unwrap();
        symlink("sub/file", folder.join("in")).unwrap();
        symlink("../secret", folder.join("out")).unwrap();
        symlink(dir.path().join("secret"), folder.join("absolute")).unwrap();
        assert_eq!(open_beneath(&folder, "in").unwrap().1, 6);
        for name in ["out", "absolute"] {
            assert!(open_beneath(&folder, name).unwrap_err().to_string().contains("out of the directory"), "{name}");
        }
        assert_eq!(open_beneath(&folder, "none").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(open_beneath(&folder, "sub").is_err());
    }
}
