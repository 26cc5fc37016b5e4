//! Where times are in a tar stream, and how they are replaced.
//!
//! It is pure: it takes blocks and returns blocks. It reads no file, knows no compression, no layer and no image, and
//! holds no more of a stream than the headers of one entry. Nothing here builds a header from scratch: what comes out
//! is what went in, except for the bytes of times, of checksums, and of what writers put into extension headers only
//! because time passed.
//!
//! How a time is replaced: a [`Walker`] (walk.rs) takes the stream in pieces and shows a [`Visitor`] what is in it. Its
//! `Framer` (frame.rs) says what the next bytes are and gathers an [`Entry`] (entry.rs: a header block and the
//! extension headers before it). `times.rs` names every time in it as a [`TimeSite`]. [`Patcher`] (patch.rs, and
//! group.rs for the headers of one entry) applies a [`Stamp`](crate::Stamp) there and produces the new bytes; a
//! `Planner`, which the caller provides, decides what is done with an entry's content. Below them are the formats:
//! `header.rs` (a block of 512 bytes), `pax.rs` (the records of an extended header), `names.rs` (the names writers give
//! to headers).
//!
//! What is accepted follows Go's `archive/tar`, since dockerd, containerd, podman and the registries' scanners
//! read layers with it. Where two well-known readers would split a stream differently, it is refused.

mod content;
mod entry;
mod frame;
mod group;
mod header;
mod names;
mod patch;
mod pax;
mod times;
mod walk;

#[cfg(test)]
mod tests;

pub use content::{
    ContentOut, ContentPatcher, ContentPlan, ContentReplacer, Edit, Edited, EntryPlan, Planner, REPLACED_MAX, Verdict,
};
pub use entry::{Entry, Extension, ExtensionKind};
pub use frame::{Step, Want};
pub use header::Format;
pub use patch::{NewHeaders, PatchedBytes, Patcher, Sink, Stats};
pub use pax::Records;
pub use times::{Field, TimeSite};
pub use walk::{Part, Visitor, Walker, split_prefix};

/// Bytes of a block, the unit of a tar stream (POSIX.1-2017, pax, "ustar Interchange Format").
pub const BLOCK: usize = 512;

/// The longest payload of an extension header: Go's reader and libarchive accept no longer one.
pub const EXTENSION_MAX: usize = 1 << 20;

/// The longest run of extension headers before one entry, payloads and blocks together.
pub const EXTENSIONS_MAX: usize = 4 << 20;

/// The most extension headers before one entry; real ones have three at most.
pub const EXTENSIONS_COUNT_MAX: usize = 1024;

/// The member that holds the index of an eStargz layer
/// (containerd/stargz-snapshotter, docs/estargz.md, "TOC, TOCEntries and Footer").
pub const TOC_NAME: &[u8] = b"stargz.index.json";

/// Is there nothing but zeros?
fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// What fills up the last block of content.
fn padding_of(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
