//! Documents, compared value by value.
//!
//! `value.rs` walks two JSON values and lists what is not the same, with its path (`path.rs`); it knows no document.
//! `compared.rs` makes differences of such changes: it decides which of them follow from others, and their class.
//! `times.rs` knows where times are and whether rewriting makes two of them equal, `builders.rs` what builders write about
//! themselves, and `steps.rs` how each of them writes one instruction. On top of these is one file for each
//! kind of document: `config.rs` and `history.rs` for configs, `manifest.rs` for manifests, `index.rs` for the descriptors
//! between `index.json` and an image, `listing.rs` for what indexes list besides images, and in which order, `archive.rs` for
//! the list in `manifest.json`, `attached.rs` for attestations and artifacts.

mod archive;
pub(crate) mod attached;
pub(crate) mod builders;
mod compared;
pub(crate) mod config;
mod history;
pub(crate) mod index;
mod listing;
pub(crate) mod manifest;
mod path;
pub(crate) mod steps;
mod times;
mod value;
