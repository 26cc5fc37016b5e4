//! Two contents of one path: do only timestamps inside differ, and what in an archive differs?
//!
//! `fetch.rs` reads the files that differ a second time and hands their contents to [`compare_content`]. Compressed files
//! are opened in `compressed.rs`, tars in `tar.rs`, zip and ar in `archive.rs`, an initramfs in `cpio.rs`. Of anything else
//! `explain.rs` says what is known of it: a timestamp in a known place (`plain.rs`), a copy of another
//! file's mtime (`copies.rs`), only dates of a text
//! (`text_dates.rs`, with what `date_keys.rs` reads before each), the same in another order (`order.rs`), a part that a
//! linker or a signature makes up (`binary.rs`), a private key.
//! `runnable.rs` says what runs, and is content whatever differs in it; `preview.rs` shows what differs. Of files that are too
//! large to be held `large.rs` compares the first and last bytes, where all between is the same.
//! `saved.rs` hands out files that only one side has. `repaired.rs` tries what `rewrite --repair` makes of two files.
//!
//! Archives are opened to any depth within [`DEPTH_MAX`], [`EXPANDED_MAX`] and [`MEMBERS_MAX`]. What is beyond a limit
//! is compared as bytes, and the note of the difference says so. Formats are recognised by their content, never by a name,
//! apart from those that have no magic number.

mod archive;
mod binary;
mod compressed;
pub(crate) mod copies;
mod cpio;
mod date_keys;
mod explain;
pub(crate) mod fetch;
mod large;
mod order;
mod plain;
pub(crate) mod preview;
mod repaired;
mod runnable;
pub(crate) mod saved;
mod tar;
mod text_dates;

use std::borrow::Cow;

use crate::causes::{Cause, Class};
use crate::diff::mend::Mends;
use crate::diff::model::{Role, Value};
use crate::format::{ar, cpio as newc};

/// Archives in archives are opened this deep.
pub const DEPTH_MAX: usize = 8;
/// All that is unpacked of the two contents together, in bytes.
pub const EXPANDED_MAX: u64 = 48 << 20;
/// All members of archives in the two contents together.
pub const MEMBERS_MAX: usize = 20_000;

/// Bytes of paths, values and previews that are reported of what is inside one file, and of all files together. A file of
/// which there would be more is reported as a whole.
pub const REPORTED_MAX: usize = 2 << 20;
/// See [`REPORTED_MAX`].
pub const REPORTED_TOTAL_MAX: usize = 12 << 20;
/// What a file in the xz format begins with.
const XZ: &[u8] = b"\xfd7zXZ\0";

/// What one difference takes besides its path and preview.
const REPORTED_EACH: usize = 256;

/// Something that differs inside a file, or the file itself.
#[derive(Debug)]
pub(crate) struct InnerDifference {
    /// The file's path, and those in archives after a zero each.
    pub(crate) path: Vec<u8>,
    pub(crate) class: Class,
    pub(crate) field: Cow<'static, str>,
    pub(crate) role: Role,
    pub(crate) values: [Option<Value>; 2],
    pub(crate) note: Option<String>,
    /// The cause that the content shows.
    pub(crate) cause: Option<Named>,
    /// Was a limit the reason for not looking into it? The note says which.
    pub(crate) is_unopened: bool,
    pub(crate) preview: Option<String>,
    /// What makes it go away.
    pub(crate) mends: Mends,
}

/// A cause that the content shows, and whether it says more than one that the path shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) cause: &'static Cause,
    pub(crate) is_over_path: bool,
}

impl Named {
    /// One that says more than the path.
    fn by_content(cause: &'static Cause) -> Self {
        Self { cause, is_over_path: true }
    }

    /// One that counts where the path says nothing.
    fn below_path(cause: &'static Cause) -> Self {
        Self { cause, is_over_path: false }
    }
}

/// How deep in archives something is, and what is known of it from outside.
#[derive(Debug, Clone, Copy)]
struct Level {
    depth: usize,
    /// Does its mode say that it runs?
    runs: bool,
}

impl Level {
    /// What is in a compressed file: that is the file itself.
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// A member of an archive.
    fn member(self, runs: bool) -> Self {
        Self { depth: self.depth + 1, runs }
    }
}

impl InnerDifference {
    fn new(path: &[u8], class: Class, field: impl Into<Cow<'static, str>>, values: [Option<Value>; 2]) -> Self {
        Self {
            path: path.to_vec(),
            class,
            field: field.into(),
            role: Role::Other,
            values,
            note: None,
            cause: None,
            is_unopened: false,
            preview: None,
            mends: Mends::NONE,
        }
    }

    fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }
}

/// Compares two contents. As they are not equal, something is always found. `runs` says that the file is a program by its
/// mode; `reportable` is what may still be reported of all files.
pub(crate) fn compare_content(
    path: &[u8],
    a: &[u8],
    b: &[u8],
    runs: bool,
    reportable: &mut usize,
) -> Vec<InnerDifference> {
    let limit = REPORTED_MAX.min(*reportable);
    let mut diff =
        ContentDiff { found: Vec::new(), reportable: Some(limit), expanded: EXPANDED_MAX, members: MEMBERS_MAX };
    diff.compare(path, a, b, Level { depth: 0, runs });
    match diff.reportable {
        Some(left) => *reportable = reportable.saturating_sub(limit - left),
        None => {
            // One for the file is always reported.
            (diff.found, diff.reportable) = (Vec::new(), Some(usize::MAX));
            let text = if limit < REPORTED_MAX { "in all files together" } else { "in one file" };
            diff.whole(path, a, b, Some(NotOpened::Limit(format!("too much differs {text}"))));
        }
    }
    diff.found
}

/// One comparison of two contents.
struct ContentDiff {
    found: Vec<InnerDifference>,
    /// Bytes that may still be reported; `None` where that was not enough.
    reportable: Option<usize>,
    /// Bytes that may still be unpacked.
    expanded: u64,
    /// Members that may still be read.
    members: usize,
}

/// Why something was not opened.
#[derive(Debug)]
enum NotOpened {
    /// It is not of that format, or damaged.
    Unreadable,
    /// A limit.
    Limit(String),
}

impl ContentDiff {
    fn compare(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) {
        if a == b || self.reportable.is_none() {
            return;
        }
        let before = self.found.len();
        let opened = if level.depth < DEPTH_MAX {
            self.open(path, a, b, level)
        } else if is_archive(a) && is_archive(b) {
            Err(NotOpened::Limit(format!("archives nested deeper than {DEPTH_MAX} levels")))
        } else {
            Err(NotOpened::Unreadable)
        };
        match opened {
            Ok(()) if self.found.len() > before => {}
            Err(limit @ NotOpened::Limit(_)) => {
                self.found.truncate(before);
                self.whole(path, a, b, Some(limit));
            }
            Ok(()) | Err(NotOpened::Unreadable) => match explain::explain(path, a, b, level.runs) {
                Some(inner) => self.report(inner),
                None => self.whole(path, a, b, None),
            },
        }
    }

    /// A file that differs, as a whole.
    fn whole(&mut self, path: &[u8], a: &[u8], b: &[u8], why: Option<NotOpened>) {
        let note = why.and_then(|why| match why {
            NotOpened::Limit(text) => Some(format!("not looked inside: {text}")),
            NotOpened::Unreadable => None,
        });
        self.report(InnerDifference { is_unopened: note.is_some(), note, ..explain::whole(path, a, b) });
    }

    /// Takes what was found, within what may be reported.
    fn report(&mut self, inner: InnerDifference) {
        let text = |value: &Option<Value>| match value {
            Some(Value::Text(text)) => text.len(),
            _ => 0,
        };
        let values: usize = inner.values.iter().map(text).sum();
        let size = REPORTED_EACH + inner.path.len() + values + inner.preview.as_ref().map_or(0, String::len);
        self.reportable = self.reportable.and_then(|left| left.checked_sub(size));
        if self.reportable.is_some() {
            self.found.push(inner);
        }
    }

    fn open(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        match (a, b) {
            ([0x1f, 0x8b, ..], [0x1f, 0x8b, ..]) => self.gzip(path, a, b, level),
            ([0x28, 0xb5, 0x2f, 0xfd, ..], [0x28, 0xb5, 0x2f, 0xfd, ..]) => self.zstd(path, a, b, level),
            _ if a.starts_with(XZ) && b.starts_with(XZ) => self.xz(path, a, b, level),
            _ if newc::is_cpio(a) && newc::is_cpio(b) => self.cpio(path, a, b, level),
            _ if is_tar(a) && is_tar(b) => self.tar(path, a, b, level),
            _ if a.starts_with(ar::MAGIC) && b.starts_with(ar::MAGIC) => self.ar(path, a, b, level),
            _ if archive::is_zip(a) && archive::is_zip(b) => self.zip(path, a, b, level),
            _ => Err(NotOpened::Unreadable),
        }
    }

    fn push(&mut self, path: &[u8], class: Class, field: &'static str, values: [Option<Value>; 2]) {
        self.report(InnerDifference::new(path, class, field, values));
    }

    fn spend(&mut self, bytes: u64) -> Result<(), NotOpened> {
        match self.expanded.checked_sub(bytes) {
            Some(left) => {
                self.expanded = left;
                Ok(())
            }
            None => Err(NotOpened::Limit(format!("more than {} MiB when unpacked", EXPANDED_MAX >> 20))),
        }
    }

    fn count_member(&mut self) -> Result<(), NotOpened> {
        self.members = self
            .members
            .checked_sub(1)
            .ok_or_else(|| NotOpened::Limit(format!("more than {MEMBERS_MAX} members of archives")))?;
        Ok(())
    }
}

/// The path of what is in an archive. Between both is a zero, which no name of an entry has: `!` may be a part of a
/// name.
fn inner_path(path: &[u8], member: &[u8]) -> Vec<u8> {
    let member: Vec<u8> = member.iter().map(|byte| if *byte == 0 { b'?' } else { *byte }).collect();
    [path, b"\0", &member].concat()
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

fn is_archive(bytes: &[u8]) -> bool {
    matches!(bytes, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..])
        || bytes.starts_with(XZ)
        || newc::is_cpio(bytes)
        || is_tar(bytes)
        || archive::is_zip(bytes)
        || bytes.starts_with(ar::MAGIC)
}
