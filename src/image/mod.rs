//! What an image is: the documents of a source, the images that they make, and what of them a verb is about.
//!
//! [`ImageSet`] is the model that every verb works on. `documents/` follows descriptors from `index.json` down,
//! `archive.rs` reads the other list of images, `manifest.json`; [`select`] leaves out what was not asked for, by name
//! (`reference.rs`), by platform (`by_platform.rs`), and what is about that (`referrers.rs`); `layers.rs` says once what
//! each layer is, `listing.rs` and `set.rs` put images together, `top.rs` says what has a name, `signatures.rs` what is a
//! signature. [`base`] says how much of an image is its base's, [`epoch`] reads an epoch from an image.
//!
//! Nothing here looks inside a layer, or says what becomes of an image.

pub mod archive;
pub mod base;
mod by_platform;
pub mod documents;
pub mod epoch;
pub mod layers;
mod listing;
mod missing;
mod reference;
mod referrers;
pub mod select;
pub mod selection;
mod set;
pub mod signatures;
mod top;
#[cfg(feature = "attest")]
pub mod unjudged;

use std::sync::Arc;

use crate::digest::Digest;
use crate::platform::Platform;
use crate::store::open::Source;
use archive::ArchiveImage;
use documents::{Capped, Documents, ImageConfig};
use layers::{Layer, LayerId};
use selection::Selection;

use crate::error::Error;

pub use select::Select;
pub use top::{NameKind, TopLevel};

/// All images of a source, whichever of its documents lists them.
#[derive(Debug)]
pub struct ImageSet<'s> {
    /// Where its blobs are.
    pub source: &'s Source,
    /// What `index.json` leads to.
    pub documents: Documents,
    /// What `manifest.json` lists, in its order.
    pub archive: Vec<ArchiveImage>,
    /// Every distinct layer of the images that were selected.
    pub layers: Vec<Layer>,
    /// The images that were selected: those of `index.json` in its order, each once, then those that only a subject leads
    /// to, then those that only `manifest.json` lists.
    pub images: Vec<Image>,
    /// What was left out.
    pub selection: Selection,
    /// What is wrong with `manifest.json` and what it names.
    pub problems: Capped<Error>,
}

/// An image: a config and its layers.
#[derive(Debug)]
pub struct Image {
    /// Its own names, or those of the index that it is in, or those in `manifest.json`.
    pub names: Vec<String>,
    /// Its manifest, unless only `manifest.json` lists it.
    pub manifest: Option<Digest>,
    /// The descriptors that lead to it, from `index.json` down; none if only a subject or `manifest.json` does.
    pub links: Vec<Link>,
    /// Its place in `manifest.json`, where only that lists it.
    pub archive_entry: Option<usize>,
    /// The digest of its config.
    pub config_digest: Digest,
    /// Its config, which any number of images may share.
    pub config: Arc<ImageConfig>,
    /// Its layers, lowest first, each with the diff_id that the config gives it.
    pub layers: Vec<(LayerId, Digest)>,
}

impl Image {
    /// What it runs on, as its config says.
    pub fn platform(&self) -> Platform {
        self.config.platform()
    }

    /// Does a list of images have it? Else only the subject of another manifest leads to it.
    pub fn is_listed(&self) -> bool {
        !self.links.is_empty() || self.archive_entry.is_some()
    }
}

/// A descriptor on the way from `index.json` to an image, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The digest of the index that holds it; `None` for `index.json`.
    pub parent: Option<Digest>,
    /// Its place in the list of that document.
    pub number: usize,
    /// What it names.
    pub digest: Digest,
}
