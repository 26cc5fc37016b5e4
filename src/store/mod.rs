//! Where images live: what a location names, how it is opened, and how a new image is written.
//!
//! A [`BlobStore`] provides documents by name and blobs by digest; a directory (`directory.rs`), an archive
//! (`archive.rs`) and a repository of a registry (`remote.rs`) are its implementations. [`Source`](open::Source) is a store with the documents at its top, which say
//! what carrier it is. `recognize.rs` names what is not an image, `transport.rs` explains names that are not locations.
//! `destination.rs` says what may be written where, `write.rs` writes a `new_image.rs` there, `tarball.rs` in an
//! archive, `push.rs` to a registry. Nothing here knows what a document means.

pub mod archive;
#[cfg(feature = "attest")]
pub mod attach;
pub mod destination;
pub mod directory;
pub mod location;
mod new_image;
pub mod open;
#[cfg(feature = "registry")]
pub mod push;
#[cfg(feature = "registry")]
mod push_plan;
mod recognize;
#[cfg(feature = "registry")]
mod remote;
pub mod sent;
mod tarball;
mod transport;
pub mod write;

use std::fmt;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::error::Result;
use crate::registry::RegistryName;
use crate::tar::Entry;

/// A blob, by what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobRef<'a> {
    /// By its digest, as descriptors do.
    Digest(&'a Digest),
    /// By its path, as `manifest.json` does. Only an archive has such blobs.
    Path(&'a str),
}

/// What holds the documents and blobs of images.
pub trait BlobStore: fmt::Debug + Send + Sync {
    /// What it was opened from, for messages.
    fn name(&self) -> &str;

    /// A document that no digest covers, such as `index.json`; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// If it can't be read, or has more than `limit` bytes.
    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>>;

    /// The bytes of a blob, not verified yet; `None` if it is not here.
    ///
    /// # Errors
    ///
    /// If it can't be looked up.
    fn blob(&self, blob: BlobRef<'_>) -> Result<Option<Extent>>;

    /// Its files, where it has a list of them.
    fn listing(&self) -> &dyn Listing;

    /// The repository that it is, where it is one of a registry.
    fn repository(&self) -> Option<&RegistryName> {
        None
    }
}

/// The files of a store, of which images need not name each.
pub trait Listing {
    /// Names of all files, sorted. Files that are deeper in a directory than a layout goes are named by their directory.
    ///
    /// # Errors
    ///
    /// If they can't be listed.
    fn files(&self) -> Result<Vec<String>>;

    /// The name of the file that a name leads to, links resolved.
    fn resolved(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Is it one archive, whose entries have headers?
    fn is_archive(&self) -> bool {
        false
    }

    /// Shows the headers of every entry of an archive.
    ///
    /// # Errors
    ///
    /// If they can't be read, or `visit` fails.
    fn entries(&self, _visit: &mut dyn FnMut(&Entry) -> Result<()>) -> Result<()> {
        Ok(())
    }

    /// The first MTIME that is not 0 in the gzip headers of an archive that is compressed as a whole, in seconds.
    fn gzip_mtime(&self) -> Option<u32> {
        None
    }
}
