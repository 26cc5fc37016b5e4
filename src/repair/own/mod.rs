//! A file's own times: those that a format keeps beside its contents, of which no other file has a copy. They are replaced
//! only where that is asked for.
//!
//! What a file is, its first bytes say, whatever its name. The files in a tar that is a file itself are treated likewise, and
//! those in a tar in that: [`DEPTH_MAX`] deep.

mod careful;
mod names;
mod nested;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::ar::ArPatcher;
use super::gzip::GzipPatcher;
use super::jks::JksPatcher;
use super::tar::is_tar;
use super::zip::{ZipPatcher, may_have_prefix};
use crate::error::Result;
use crate::format::{ar, gzip, jks, zip};
use crate::spool::Spools;
use crate::stamp::Stamp;
use crate::tar::{BLOCK, ContentOut, ContentPatcher, Entry, Verdict};
use careful::{Careful, SPOOLED_MAX};

/// Files in the tars of a layer are one deep.
pub const DEPTH_MAX: u8 = 2;

/// Formats whose own times are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnFormats {
    /// Members of gzip files.
    pub gzip: bool,
    /// Members of zip archives: jars, wheels, documents of an office.
    pub zip: bool,
    /// Members of ar archives: static libraries, packages of Debian.
    pub ar: bool,
    /// Entries of tar archives that are not compressed.
    pub tar: bool,
    /// Entries of Java key stores that are not kept secret.
    pub jks: bool,
}

impl OwnFormats {
    /// None of them.
    pub const NONE: Self = Self { gzip: false, zip: false, ar: false, tar: false, jks: false };

    /// All of them.
    pub const ALL: Self = Self { gzip: true, zip: true, ar: true, tar: true, jks: true };

    /// Is there any?
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// Finds what patches the own times of files.
#[derive(Debug, Clone)]
pub struct OwnTimes {
    formats: OwnFormats,
    spools: Arc<Spools>,
    depth: u8,
}

/// Where temporary files are says nothing of what is done.
impl PartialEq for OwnTimes {
    fn eq(&self, other: &Self) -> bool {
        (self.formats, self.depth) == (other.formats, other.depth)
    }
}

impl Eq for OwnTimes {}

impl OwnTimes {
    /// For the files of a layer.
    pub fn new(formats: OwnFormats, spools: Spools) -> Self {
        Self { formats, spools: Arc::new(spools), depth: 0 }
    }

    /// For the files in a tar that is such a file itself.
    fn inside(&self) -> Self {
        Self { depth: self.depth.saturating_add(1), ..self.clone() }
    }

    /// What patches the content of this entry; `None` if it stays, as its name or its kind says.
    pub fn patcher(&self, entry: &Entry, stamp: Stamp) -> Option<Box<dyn ContentPatcher>> {
        let is_file = matches!(entry.kind(), b'0' | 0 | b'7') && entry.sparse_size().is_none();
        if is_file { self.for_file(&entry.name(), entry.size(), stamp) } else { None }
    }

    /// The same of a plain file of this name and size.
    pub fn for_file(&self, name: &[u8], size: u64, stamp: Stamp) -> Option<Box<dyn ContentPatcher>> {
        let is_left = !self.formats.any() || size == 0 || names::is_known_by_its_content(name);
        (!is_left).then(|| self.patcher_of(name, size, stamp))
    }

    /// What patches the content of a file of this name and size.
    pub fn patcher_of(&self, name: &[u8], size: u64, stamp: Stamp) -> Box<dyn ContentPatcher> {
        let patcher =
            OwnPatcher { own: self.clone(), name: name.to_vec(), size, stamp, state: State::Unknown(Vec::new()) };
        Box::new(patcher)
    }

    /// What patches a file that begins like this.
    fn by_head(&self, head: &[u8], name: &[u8], size: u64, stamp: Stamp) -> Option<Box<dyn ContentPatcher>> {
        let formats = self.formats;
        // Who reads the layer can read it a second time. A file in a tar is kept instead; zip archives and key stores are kept
        // anyway.
        let careful = |patcher: Box<dyn ContentPatcher>| -> Box<dyn ContentPatcher> {
            if self.depth > 0 { Box::new(Careful::new(patcher, &self.spools)) } else { patcher }
        };
        if self.depth > 0 && size > SPOOLED_MAX {
            return None;
        }
        if head.starts_with(&gzip::MAGIC) {
            return formats.gzip.then(|| careful(Box::new(GzipPatcher::new(stamp, size))));
        }
        if head.starts_with(ar::MAGIC) || head.starts_with(ar::THIN_MAGIC) {
            return formats.ar.then(|| careful(Box::new(ArPatcher::new(stamp))));
        }
        if jks::is_key_store(head) {
            return formats.jks.then(|| Box::new(JksPatcher::new(stamp, size)) as _);
        }
        if zip::is_zip(head) || may_have_prefix(name) {
            return formats.zip.then(|| Box::new(ZipPatcher::new(stamp, size, &self.spools)) as _);
        }
        if self.depth < DEPTH_MAX && is_tar(head, name) {
            return formats.tar.then(|| careful(nested::tar(self.inside(), stamp)));
        }
        None
    }
}

/// Patches a file once it has seen what it is.
#[derive(Debug)]
struct OwnPatcher {
    own: OwnTimes,
    name: Vec<u8>,
    size: u64,
    stamp: Stamp,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its first bytes.
    Unknown(Vec<u8>),
    /// It is patched. What has come before that was known waits, so that what is done to it is said to be done by this
    /// patcher.
    Known { patcher: Box<dyn ContentPatcher>, waiting: Vec<u8> },
    /// It stays.
    Other,
}

impl ContentPatcher for OwnPatcher {
    fn label(&self) -> &'static str {
        match &self.state {
            State::Known { patcher, .. } => patcher.label(),
            State::Unknown(_) | State::Other => "",
        }
    }

    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        match &mut self.state {
            State::Other => out.put(bytes),
            State::Known { patcher, waiting } => {
                let waiting = std::mem::take(waiting);
                if !waiting.is_empty() {
                    patcher.patch(&waiting, out)?;
                }
                patcher.patch(bytes, out)
            }
            State::Unknown(head) => {
                let needed = usize::try_from(self.size).unwrap_or(usize::MAX).min(BLOCK);
                if !head.is_empty() || bytes.len() < needed {
                    head.extend_from_slice(bytes);
                }
                // Of a file that stays nothing is copied, as a rule.
                let all = if head.is_empty() { bytes } else { head };
                if all.len() < needed {
                    return Ok(());
                }
                match self.own.by_head(all, &self.name, self.size, self.stamp) {
                    Some(patcher) => self.state = State::Known { patcher, waiting: all.to_vec() },
                    None => {
                        out.put(all)?;
                        self.state = State::Other;
                    }
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        match std::mem::replace(&mut self.state, State::Other) {
            State::Other => Ok(Verdict::Patched),
            State::Unknown(head) => out.put(&head).map(|()| Verdict::Patched),
            State::Known { mut patcher, waiting } => {
                if !waiting.is_empty() {
                    patcher.patch(&waiting, out)?;
                }
                patcher.finish(out)
            }
        }
    }
}
