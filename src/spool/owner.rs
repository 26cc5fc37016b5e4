//! The owner of a replaced file owns its replacement, as far as this process may give files away.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Gid, Uid, fchown};

/// The owner and the group of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Those of this file.
    pub fn of(metadata: &Metadata) -> Self {
        Self { user: metadata.uid(), group: metadata.gid() }
    }

    /// Makes them those of a file or directory. Only root may do so as a rule: the file keeps its own otherwise, as any
    /// new file has them.
    pub fn give(self, file: &File) {
        if file.metadata().is_ok_and(|metadata| Self::of(&metadata) == self) {
            return;
        }
        let group = Some(Gid::from_raw(self.group));
        if fchown(file, Some(Uid::from_raw(self.user)), group).is_err() {
            let _ = fchown(file, None, group);
        }
    }
}
