//! Archives of Java's class data sharing in a layer, and where they hold what jars have.

use crate::format::jsa::{self, Found, Pair, PairScanner};
use crate::repair::path::normal;
use crate::tar::Entry;

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Its path.
    pub path: Vec<u8>,
    /// Where its header block begins in the layer, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
    /// What was found in it; nothing where its form is not known.
    pub found: Vec<Found>,
}

/// Looks through the archives of a layer that goes by.
#[derive(Debug)]
pub struct ArchiveScanner<'p> {
    /// Mtimes and sizes of jars.
    pairs: &'p [Pair],
    current: Option<(Archive, Vec<u8>, PairScanner)>,
    archives: Vec<Archive>,
}

impl<'p> ArchiveScanner<'p> {
    /// At the start of a layer.
    pub fn new(pairs: &'p [Pair]) -> Self {
        Self { pairs, current: None, archives: Vec::new() }
    }

    /// The next entry, whose content follows.
    pub fn entry(&mut self, entry: &Entry) {
        self.end();
        if is_archive(entry) {
            let (path, offset, size) = (normal(&entry.name()), entry.header_offset(), entry.size());
            let archive = Archive { path, offset, size, found: Vec::new() };
            self.current = Some((archive, Vec::new(), PairScanner::new(self.pairs.iter().copied())));
        }
    }

    /// The next bytes of its content.
    pub fn content(&mut self, bytes: &[u8]) {
        if let Some((_, head, scanner)) = &mut self.current {
            let missing = jsa::HEADER.saturating_sub(head.len()).min(bytes.len());
            head.extend_from_slice(bytes.get(..missing).unwrap_or_default());
            scanner.push(bytes);
        }
    }

    fn end(&mut self) {
        if let Some((mut archive, head, scanner)) = self.current.take() {
            if jsa::version(&head).is_some() {
                archive.found = scanner.finish();
            }
            self.archives.push(archive);
        }
    }

    /// All of them, in the order of the layer.
    pub fn finish(mut self) -> Vec<Archive> {
        self.end();
        self.archives
    }
}

/// May an entry be an archive, by its name?
pub fn is_archive(entry: &Entry) -> bool {
    matches!(entry.kind(), b'0' | 0 | b'7') && jsa::is_name(&entry.name())
}
