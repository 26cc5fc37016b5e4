//! restamp makes container images reproducible after the fact.
//!
//! It reads an image that exists, sets every timestamp in it to one epoch, recomputes every digest that depends on what
//! has changed, and writes a new image. This page is the map of the code; the promises are in docs/limits.md.
//!
//! ```no_run
//! use restamp::{Compression, Epoch, Rewrite, Stamp};
//!
//! fn main() -> restamp::Result<()> {
//!     let stamp = Stamp::set(Epoch::from_seconds(1_700_000_000)?);
//!     let report = Rewrite::new(stamp)
//!         .compression(Compression::Zstd)
//!         .jobs(4)
//!         .run(&"oci-archive:build.tar".parse()?, &"oci-archive:app.tar".parse()?)?;
//!     for image in &report.images {
//!         println!("{}: {} -> {}", image.names.join(", "), image.config.old, image.config.new);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`Check`], [`Inspect`], [`Diff`], [`Tarball`] and [`Lock`] are built and run in the same way. Each takes a [`RunContext`],
//! which sets threads, temporary files and [`Limits`], shows the progress of a run, and can stop it. Those for images
//! also take an open [`Source`], which can be a [`BlobStore`] of your own.
//!
//! # The floors
//!
//! A room is a module at the top of `src/`. Dependencies point down, never up, and no two files import each other
//! (`tests/architecture.rs` verifies both).
//!
//! | floor | room | purpose |
//! |---|---|---|
//! | 13 | `cli` (in the binary) | arguments, the environment, the terminal, exit statuses |
//! | 12 | `attest`, `verify`, `results` | statements that an image was built again: issued, counted, kept as files |
//! | 11 | `bulk` | many images of a registry: plans, shards, records of what was done |
//! | 11 | `stabilizer` | the digest that an image has after its times were set by a fixed profile |
//! | 10 | [`rewrite`], [`check`], [`inspect`], [`diff`], [`tarball`], [`mod@lock`] | one verb each: takes plain data, returns plain data; none calls another |
//! | 9 | [`origin`] | where an image comes from: its base, distribution and packages, and how each is known |
//! | 8 | `image` | what an image is: `ImageSet`, the documents under it, and which of its images a verb is about |
//! | 7 | `store` | where images live: carriers, blobs by digest or path, destinations |
//! | 6 | `context` | what one run works with: threads, temporary files, limits, progress |
//! | 5 | `trust` | pure: who is trusted to say that an image was reproduced, and whose statement a bundle is |
//! | 5 | `layer` | the bytes of one layer: verify, decompress, patch, cut, compress; knows no image |
//! | 4 | `repair` | which entries have times in their content, what replaces them there, and which copies of mtimes in a root filesystem are right |
//! | 4 | `registry` | a client of the OCI distribution specification: names, tokens, retries, blobs and manifests of one repository |
//! | 4 | `signing` | pure: keys, DSSE envelopes, bundles |
//! | 4 | `statement` | pure: in-toto statements, as they are issued and as they are read |
//! | 4 | `decode` | decompression, within a budget for windows |
//! | 3 | `document` | pure: takes the bytes of a JSON document and the changes, returns new bytes, patched by span |
//! | 3 | `clock` | where the epoch comes from, and which times become it |
//! | 3 | `tar` | pure: takes the blocks of a tar stream, returns blocks |
//! | 3 | `blob`, `spool`, [`causes`] | verified byte ranges; temporary files; why builds differ |
//! | 3 | `format` | pure: where files of well-known formats keep times |
//! | 3 | `packages` | pure: what the databases of package managers and lists of archives say |
//! | 2 | `stamp`, `digest`, `media_type`, `glob`, `name`, `notice`, `platform`, `json_writer`, `limits`, `sync`, `memory` | the vocabulary; how reports are written; threads and locks; large buffers |
//! | 1 | [`error`] | what went wrong, and where |
//!
//! # How one timestamp is rewritten
//!
//! `cli::rewrite` makes a [`Rewrite`] of the arguments → that opens a [`Source`], loads its `ImageSet`, plans every
//! layer (`rewrite::layers`) and runs them → `layer::rewrite` reads, inflates, patches and compresses one →
//! `tar::Walker` shows `tar::Patcher` the headers and the content of each entry → `tar::Entry::times` says where in the
//! headers the times are, and there the patcher writes. Times in content: `repair::LayerPlanner` chooses by an entry's
//! headers what patches it, and `format` knows where files of that format keep times. A copy of an mtime is patched as
//! if it were right. While a layer is read, `repair::notes` records its copies; from all layers of an image,
//! `repair::root` decides which copies were right, and `rewrite::settle` encodes the layers again in which one was not.
//! Documents are rewritten from the bottom up: config, manifest, index, each patched with the digests of what is below
//! it (`rewrite::documents`).
//!
//! # Where to look
//!
//! | question | place |
//! |---|---|
//! | Which fields of a tar header hold a time, "PAX mtime" among them? | `tar/times.rs`: `Field`, `TimeSite` |
//! | Where are a blob's bytes compared with its digest and size? | `blob/verified.rs`: `Expected`, `VerifiedReader` |
//! | Where is it decided what a layer is? | `media_type.rs`: `LayerKind::of`, the one rule that `image/layers.rs` and the verbs ask |
//! | Where does another format of repair go? | its reader in `format/`, its `ContentPatcher` in `repair/`, its choice in `repair::LayerPlanner` |
//! | Where does another kind of store go? | `store/`: an implementation of [`BlobStore`] |
//! | Where are the kinds of copies of an mtime? | `repair/copies.rs`: `CopyKind`, and its reader in `format/` |
//! | Which files may be left out? | `causes/omit.rs`, by the field `omit` of a row in `causes/table/` |
//! | Which labels and annotations hold a time? | `document/keys.rs`: `TIME_KEYS`, [`TimeKeys`] |
//! | Which times stay, with a warning? | `document/unlisted.rs` |
//! | Which labels and annotations name layers, and are updated with them? | `document/references.rs`: `KEYS` |
//! | Where does another package manager go? | its reader in `packages/`, its paths in `origin/wanted.rs`, `origin/contents.rs`, `lock/recipe.rs` |
//! | What does provenance state? | `document/provenance/`; which of it is the base: `origin/base.rs` |
//! | What names a cause of a difference, and how is it avoided? | `causes/table/`: a row in the file of its theme |
//! | How much memory may an image cost? | `limits.rs`: [`Limits`] |
//!
//! # Invariants
//!
//! **Nothing is serialised again.** A tar entry or a JSON document that came with an image is patched in place. Only
//! documents that the output's carrier has and the input's did not are written from scratch.
//!
//! **No input is trusted.** Every byte that is read is hashed and compared with the digest, the size and the diff_id
//! that name it, before anything made from it is published. Lengths from input are limits to check, never sizes to
//! allocate. Names from input are keys to look up, never paths to open.
//!
//! **Nothing is half done.** Outputs are made under a temporary name and renamed; spools have no name at all.
//!
//! **Memory is bounded** by jobs × chunk: no layer is ever held in memory, only documents are, and those have a limit.
//!
//! **Nothing below `cli` prints, or reads the clock, the environment or the locale.**

#[cfg(feature = "attest")]
pub mod attest;
mod blob;
#[cfg(feature = "registry")]
pub mod bulk;
pub mod causes;
pub mod check;
mod clock;
mod context;
mod decode;
pub mod diff;
mod digest;
mod document;
pub mod error;
mod format;
mod glob;
mod image;
pub mod inspect;
mod json_writer;
mod layer;
mod limits;
pub mod lock;
mod media_type;
mod memory;
mod name;
mod notice;
pub mod origin;
mod packages;
mod platform;
mod registry;
mod repair;
#[cfg(feature = "attest")]
pub mod results;
pub mod rewrite;
#[cfg(feature = "attest")]
pub mod signing;
mod spool;
#[cfg(feature = "attest")]
pub mod stabilizer;
mod stamp;
#[cfg(feature = "attest")]
pub mod statement;
mod store;
mod sync;
mod tar;
pub mod tarball;
#[cfg(feature = "attest")]
pub mod trust;
#[cfg(feature = "attest")]
pub mod verify;

pub use blob::Extent;
pub use check::Check;
pub use clock::{Clock, Created, DocumentTime, EpochSource};
pub use context::{Progress, RunContext};
pub use diff::Diff;
pub use digest::Digest;
pub use document::TimeKeys;
pub use error::{Error, Kind as ErrorKind, Place, Result};
pub use glob::PathGlob;
pub use image::base::{Base, BaseImage};
pub use inspect::Inspect;
pub use layer::{Cache, FORM, Pool};
pub use limits::Limits;
pub use lock::Lock;
pub use media_type::Compression;
pub use name::NewName;
pub use notice::{Notice, NoticeKind};
pub use platform::Platform;
pub use registry::{CredentialFile, RegistryName, RegistryOptions};
pub use rewrite::Rewrite;
pub use spool::Spools;
pub use stamp::{Epoch, Instant, Rule, Stamp};
pub use store::location::{Carrier, Location, NamedCarrier, Stream, Where};
pub use store::open::Source;
pub use store::{BlobRef, BlobStore, Listing};
pub use tar::Entry;
pub use tarball::Tarball;

/// Internals that the command line, the benches and the fuzz targets use. They may change with every version.
#[doc(hidden)]
pub mod internals {
    pub mod json_writer {
        pub use crate::json_writer::*;
    }

    pub mod packages {
        pub use crate::packages::{
            Manager, Package, apk, apt, changelog, dpkg, os_release, pacman, rpm, sources, sqlite,
        };
    }

    pub use crate::blob::NewBlobs;
    pub use crate::digest::{Algorithm, Hasher};
    pub use crate::document::config::{BaseHistory, Config};
    pub use crate::document::index::{Index, IndexEdit};
    pub use crate::document::json::Json;
    pub use crate::document::manifest::{Manifest, ManifestEdit};
    pub use crate::document::provenance::{ImageName, PackageUrl, Provenance};
    pub use crate::format::{jsa, opcache};
    pub use crate::layer::{
        ChunkRule, Decoder, EncodeOptions, Encoder, LayerExpected, Outcome, Output, Segment, Source as BlobSource,
        Window, rewrite,
    };
    pub use crate::name::shown as shown_names;
    #[cfg(feature = "registry")]
    pub use crate::registry::parse_answer;
    pub use crate::repair::LayerPlanner;
    pub use crate::repair::own::{OwnFormats, OwnTimes};
    pub use crate::repair::replaced::{TarReplacer, is_replaced, replacement};
    pub use crate::repair::rules::{LayerRules, Repairs};
    pub use crate::spool::{Output as NewFile, folder_of, temp_parent};
    pub use crate::store::destination::compression_by_name;
    pub use crate::tar::{
        BLOCK, ContentOut, ContentPatcher, Extension, ExtensionKind, Format, NewHeaders, Part, PatchedBytes, Patcher,
        Records, Sink, Step, Verdict, Visitor, Walker,
    };
}
