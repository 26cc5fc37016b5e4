//! The outer archive: a tar whose entries are found by name and never extracted.
//!
//! Names of entries are keys of a map here, nothing more. Links are followed inside of that map alone.

use std::collections::BTreeMap;

use crate::blob::{Extent, read_full};
use crate::error::{Error, Kind, Result, printable, quoted};
use crate::limits::Limits;
use crate::store::recognize::{self, Names};
use crate::store::{BlobRef, BlobStore, Listing};
use crate::tar::{BLOCK, Entry, Part, Step, Visitor, Walker, Want};

/// Links are followed this far: the archives of podman have one, a loop has no end.
const MAX_LINKS: usize = 16;
/// Bytes of a name, or of what a link points to (limits.h, PATH_MAX).
const MAX_NAME: usize = 4096;

/// What has a name in an archive.
#[derive(Debug, Clone)]
enum Member {
    File(Extent),
    /// The name that a hard or symbolic link points to, from the root of the archive.
    Link(String),
    Directory,
}

/// An archive that is open as a store, by the index of its entries.
#[derive(Debug)]
pub struct Archive {
    name: String,
    members: BTreeMap<String, Member>,
    /// Bytes of their names, and of what links point to.
    names: u64,
    /// All of it, to show every entry once more.
    extent: Extent,
    gzip_mtime: Option<u32>,
}

impl BlobStore for Archive {
    fn name(&self) -> &str {
        &self.name
    }

    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let bytes = self.file(name).and_then(|extent| extent.map(|extent| extent.bytes(limit)).transpose());
        bytes.map_err(|e| e.in_blob(printable(name.as_bytes())))
    }

    fn blob(&self, blob: BlobRef<'_>) -> Result<Option<Extent>> {
        match blob {
            BlobRef::Digest(digest) => self.file(&digest.path()),
            BlobRef::Path(path) => self.file(path),
        }
    }

    fn listing(&self) -> &dyn Listing {
        self
    }
}

impl Listing for Archive {
    /// Links are not among them.
    fn files(&self) -> Result<Vec<String>> {
        let files = self.members.iter().filter(|(_, member)| matches!(member, Member::File(_)));
        Ok(files.map(|(name, _)| name.clone()).collect())
    }

    fn resolved(&self, name: &str) -> String {
        let mut name = name;
        for _ in 0..MAX_LINKS {
            match self.members.get(name) {
                Some(Member::Link(target)) => name = target,
                _ => break,
            }
        }
        name.to_owned()
    }

    fn is_archive(&self) -> bool {
        true
    }

    /// In the order of the archive. Headers of global PAX headers are shown too, and those before the end that belong to
    /// no entry.
    fn entries(&self, visit: &mut dyn FnMut(&Entry) -> Result<()>) -> Result<()> {
        walk(&self.extent, &mut |_, entry| visit(entry))
    }

    fn gzip_mtime(&self) -> Option<u32> {
        self.gzip_mtime
    }
}

/// Called for each file of an archive once its header is read; its content may still be arriving.
pub type OnEntry<'a> = dyn FnMut(&str, &Extent) + 'a;

impl Archive {
    /// Indexes an archive, for messages called `name`. Contents are skipped; of a spool that is still being filled they
    /// are awaited.
    ///
    /// # Errors
    ///
    /// If it is no tar that holds plain files and an image, or is larger than the limits allow.
    pub fn index(name: &str, extent: &Extent, limits: &Limits, on_entry: &mut OnEntry<'_>) -> Result<Self> {
        let name = name.to_owned();
        let mut archive = Self { name, members: BTreeMap::new(), names: 0, extent: extent.clone(), gzip_mtime: None };
        let (mut names, mut fault) = (Names::default(), None);
        let walked = walk(extent, &mut |step, entry| {
            if step != Step::Entry {
                return Ok(());
            }
            let raw = String::from_utf8_lossy(&entry.name()).into_owned();
            if let Some(name) = normal(None, &raw).filter(|name| !name.is_empty()) {
                names.add(&name, matches!(entry.kind(), b'0' | 0 | b'7') && !raw.ends_with('/'));
            }
            if fault.is_none()
                && let Err(error) = archive.add(entry, extent, limits, on_entry)
            {
                fault = Some(error.at_entry(printable(&entry.name())).at_offset(entry.offset()));
            }
            // What is wrong with an entry matters where there is an image, which may be seen later.
            let is_limit = |fault: &mut Error| matches!(fault.kind(), Kind::Limit { .. });
            match fault.take_if(|fault| names.has_document() || names.is_root() || is_limit(fault)) {
                Some(error) => Err(error),
                None => Ok(()),
            }
        });
        match (walked, fault) {
            (Err(error), _) if names.is_root() && !matches!(error.kind(), Kind::Io { .. }) => Err(names.no_image()),
            (Err(error), _) => Err(error),
            (Ok(()), Some(error)) if names.has_document() => Err(error),
            (Ok(()), None) if names.has_document() => Ok(archive),
            (Ok(()), None) if archive.members.is_empty() => Err(recognize::empty()),
            (Ok(()), _) => Err(names.no_image()),
        }
    }

    /// The same archive, which was compressed as a whole with this MTIME, in seconds.
    #[must_use]
    pub fn with_gzip_mtime(mut self, mtime: Option<u32>) -> Self {
        self.gzip_mtime = mtime;
        self
    }

    fn add(&mut self, entry: &Entry, extent: &Extent, limits: &Limits, on_entry: &mut OnEntry<'_>) -> Result<()> {
        let raw = entry.name();
        for name in [&raw, entry.link_name()] {
            self.names += name.len() as u64;
            if name.len() > MAX_NAME {
                return Err(Error::limit("length of a name in bytes", MAX_NAME as u64, name.len()));
            }
        }
        if self.names > limits.names {
            return Err(Error::limit("size of all names in bytes", limits.names, "more"));
        }
        let text = String::from_utf8_lossy(&raw).into_owned();
        let name = normal(None, &text).ok_or_else(|| {
            Error::malformed("name of an archive entry", "a relative path without `..`", quoted(&raw))
        })?;
        if self.members.len() >= limits.archive_entries {
            return Err(Error::limit("number of archive entries", limits.archive_entries as u64, "more"));
        }
        let member = match entry.kind() {
            b'1' | b'2' => {
                let link = entry.link_name();
                let target = String::from_utf8_lossy(link).into_owned();
                // A hard link names an entry from the root, a symlink a path from its own directory.
                let base = (entry.kind() == b'2').then(|| name.rsplit_once('/').map_or("", |(base, _)| base));
                let target = normal(base, &target).ok_or_else(|| {
                    let found = quoted(link);
                    Error::malformed("link target", "a path that stays inside of the archive", found)
                })?;
                Member::Link(target)
            }
            b'0' | 0 | b'7' if !text.ends_with('/') => {
                let file = extent.part(entry.header_offset() + BLOCK as u64, entry.size());
                on_entry(&name, &file);
                Member::File(file)
            }
            b'5' | b'0' | 0 => Member::Directory,
            b'S' => return Err(Error::malformed("archive entry", "a plain file", "a sparse file")),
            other => {
                let found = format!("type {}", printable(&[other]));
                return Err(Error::malformed("archive entry", "a file, directory or link", found));
            }
        };
        if name.is_empty() {
            return match member {
                Member::Directory => Ok(()),
                _ => Err(Error::malformed("name of an archive entry", "a name", "none")),
            };
        }
        match (self.members.get(&name), &member) {
            (None, _) | (Some(Member::Directory), Member::Directory) => {
                self.members.insert(name, member);
                Ok(())
            }
            (Some(_), _) => Err(Error::malformed("archive entry", "one entry of a name", "a second one")),
        }
    }

    /// The file of that name, links resolved; `None` if there is none.
    fn file(&self, name: &str) -> Result<Option<Extent>> {
        let Some(mut name) = normal(None, name) else { return Ok(None) };
        let first = name.clone();
        for _ in 0..MAX_LINKS {
            match self.members.get(&name) {
                Some(Member::File(extent)) => return Ok(Some(extent.clone())),
                Some(Member::Link(target)) => name.clone_from(target),
                Some(Member::Directory) | None if name != first => {
                    let what = format!("target {} of a link", quoted(&name));
                    return Err(Error::missing(what).at_entry(printable(first.as_bytes())));
                }
                Some(Member::Directory) | None => return Ok(None),
            }
        }
        let found = "a chain of links that never ends";
        Err(Error::malformed("link", format!("at most {MAX_LINKS} links to a file"), found)
            .at_entry(printable(first.as_bytes())))
    }
}

/// Called for each entry, each global header and the end.
type Seen<'a> = dyn FnMut(Step, &Entry) -> Result<()> + 'a;

/// Sees headers, and whether the end marker has begun.
struct Headers<'s, 'a> {
    seen: &'s mut Seen<'a>,
    is_ended: bool,
}

impl Visitor for Headers<'_, '_> {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        self.is_ended |= step == Step::End && block.len() == BLOCK;
        (self.seen)(step, entry)
    }

    fn bytes(&mut self, _: Part, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Goes from header to header; contents are skipped.
fn walk(extent: &Extent, seen: &mut Seen<'_>) -> Result<()> {
    let (mut walker, mut headers) = (Walker::new(), Headers { seen, is_ended: false });
    let mut buffer = Vec::new();
    loop {
        let position = walker.offset();
        match walker.want() {
            Want::Feed(count) => {
                // The marker's second block is the last that matters, however much is behind it.
                let is_last = headers.is_ended;
                buffer.resize(count, 0);
                let mut reader = extent.part(position, count as u64).reader()?;
                let read = read_full(&mut reader, &mut buffer).map_err(|e| Error::io("cannot read", e))?;
                walker.push(buffer.get(..read).unwrap_or_default(), &mut headers)?;
                if is_last || read < count {
                    break;
                }
            }
            Want::Content { remaining, .. } => {
                // The last byte is looked at, so that an archive that was cut is found out here.
                let last = extent.part(position.saturating_add(remaining - 1), 1);
                if last.head(&mut [0])? != 1 {
                    let have = end_of(extent, position)?;
                    walker.skip(have.saturating_sub(position).min(remaining));
                    break;
                }
                walker.skip(remaining);
            }
            Want::Rest => break,
        }
    }
    walker.end(&mut headers)?;
    // Consumers do without the end marker; but a pipe whose writer died between two entries looks just like that.
    if !headers.is_ended {
        let error = Error::malformed("end of the archive", "an end marker, two blocks of zeros", "the end of the data");
        return Err(error.cut_short().at_offset(walker.offset()));
    }
    Ok(())
}

/// Where an extent really ends, known to be before or at `position + …`: by asking for single bytes.
fn end_of(extent: &Extent, position: u64) -> Result<u64> {
    // Only on the way to an error, so a plain reading is good enough.
    let mut reader = extent.part(position, u64::MAX - position).reader()?;
    let count = std::io::copy(&mut reader, &mut std::io::sink()).map_err(|e| Error::io("cannot read", e))?;
    Ok(position + count)
}

/// `base/path` without `.` and with `..` resolved; `None` if it leaves the root, or — where there is no base, as in the
/// name of an entry — has a `..` at all. Without a base it loses the slashes that it begins with, as in GNU tar and in
/// `docker load`; with one, as a symbolic link has it, it must not be absolute.
fn normal(base: Option<&str>, path: &str) -> Option<String> {
    if base.is_some() && path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = base.unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                base?;
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
