//! The files of a layer as they are read: which of them are of a known cause, by path or by content.

use crate::causes::{self, Cause};
use crate::format::private_key::KeySearch;
use crate::inspect::findings::InLayer;
use crate::inspect::signs;

/// What is known of one layer's files.
#[derive(Debug, Default)]
pub(super) struct Files {
    found: InLayer,
    keys: KeySearch,
    open: Option<OpenFile>,
}

/// The file whose content goes by.
#[derive(Debug)]
struct OpenFile {
    name: Vec<u8>,
    /// What its path shows.
    cause: Option<&'static Cause>,
    head: Vec<u8>,
}

impl Files {
    /// The last file has ended, and a file with content begins.
    pub(super) fn open(&mut self, name: &[u8]) {
        self.close();
        let cause = causes::find(name).filter(|cause| cause.in_one_image);
        self.open = Some(OpenFile { name: name.to_vec(), cause, head: Vec::new() });
    }

    /// The last file has ended, and an empty one follows.
    pub(super) fn empty(&mut self, name: &[u8]) {
        self.close();
        if let Some(cause) = causes::find(name).filter(|cause| signs::is_sign_when_empty(cause.id)) {
            self.found.add(cause, name);
        }
    }

    /// A piece of the open file's content.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        let Some(file) = &mut self.open else { return };
        let room = signs::HEAD.saturating_sub(file.head.len()).min(bytes.len());
        file.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.keys.add(bytes);
    }

    /// The last file has ended.
    pub(super) fn close(&mut self) {
        let Some(file) = self.open.take() else { return };
        let is_key = self.keys.is_found();
        self.keys.reset();
        let by_path = file.cause.filter(|cause| signs::is_sign(cause.id, &file.name, &file.head));
        let is_stamped = matches!(*file.head, [0x1f, 0x8b, 8, _, a, b, c, d, ..] if [a, b, c, d] != [0; 4]);
        let by_content = (file.cause.is_none() && is_stamped).then_some(&causes::GZIP_FILE);
        if let Some(cause) = by_path.or(by_content) {
            self.found.add(cause, &file.name);
        }
        if is_key && !by_path.is_some_and(Cause::is_of_private_keys) {
            self.found.add(&causes::PRIVATE_KEY, &file.name);
        }
    }

    /// All of it, now that the layer has ended.
    pub(super) fn finish(mut self) -> InLayer {
        self.close();
        self.found
    }
}
