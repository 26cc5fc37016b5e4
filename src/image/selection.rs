//! What of a source a verb is about, and what was left out.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::error::printable;
use crate::name::is_name;
use crate::notice::{Notice, NoticeKind};

/// What a reference asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImageRef {
    /// Images of a name.
    Name(String),
    /// The image of `manifest.json` with this config.
    Config(Digest),
    /// A descriptor of `index.json`, by its place in the list.
    Root(usize),
}

/// What is left out.
#[derive(Debug, Default)]
pub struct Selection {
    pub(super) dropped: BTreeSet<Digest>,
    pub(super) dropped_roots: BTreeSet<usize>,
    pub(super) entries_kept: Vec<bool>,
    pub(super) image_ids_gone: BTreeSet<Digest>,
    pub(super) asked: Option<ImageRef>,
    /// What an index lists for the platform that was asked for, whatever its config says: manifests and their configs.
    pub(super) is_listed_for: BTreeSet<Digest>,
    /// What was left out and why, for people.
    pub names: Vec<Notice>,
}

impl Selection {
    /// Does a name stay, of whatever image?
    pub fn keeps_name(&self, name: &str) -> bool {
        match &self.asked {
            Some(ImageRef::Name(asked)) => is_name(name, asked),
            Some(ImageRef::Config(_) | ImageRef::Root(_)) | None => true,
        }
    }

    /// The config of the image that was asked for by its place in `manifest.json`.
    pub fn asked_config(&self) -> Option<Digest> {
        match self.asked {
            Some(ImageRef::Config(config)) => Some(config),
            Some(ImageRef::Name(_) | ImageRef::Root(_)) | None => None,
        }
    }

    /// The IDs of the images of `manifest.json` that are left out.
    pub fn image_ids_gone(&self) -> &BTreeSet<Digest> {
        &self.image_ids_gone
    }

    /// Which entries of `manifest.json` stay, in their order.
    pub fn entries_kept(&self) -> &[bool] {
        &self.entries_kept
    }

    /// Leaves a document out, and says so by this name unless it was left out already.
    pub fn leave_out(&mut self, digest: Digest, kind: NoticeKind, name: impl FnOnce() -> String) {
        if self.dropped.insert(digest) {
            self.names.push(Notice::new(kind, name()));
        }
    }

    /// Leaves documents out under these names: a signature may have several.
    pub fn leave_out_all(&mut self, kind: NoticeKind, found: Vec<(String, Option<Digest>)>) {
        for (name, digest) in found {
            self.dropped.extend(digest);
            self.names.push(Notice::new(kind, name));
        }
    }

    /// Leaves a descriptor of `index.json` out, without naming it.
    pub fn leave_out_root(&mut self, number: usize) {
        self.dropped_roots.insert(number);
    }

    /// Does this stay?
    pub fn keeps(&self, digest: &Digest) -> bool {
        !self.dropped.contains(digest)
    }

    /// Does this descriptor of `index.json` stay?
    pub fn keeps_root(&self, number: usize) -> bool {
        !self.dropped_roots.contains(&number)
    }

    pub(super) fn drop_root(&mut self, number: usize, child: &Descriptor) {
        if self.dropped_roots.insert(number) {
            let name = printable(child.ref_name().unwrap_or("untagged").as_bytes());
            self.names.push(Notice::new(NoticeKind::Name, format!("{name} {}", child.digest)));
        }
    }
}
