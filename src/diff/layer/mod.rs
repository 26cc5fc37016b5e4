//! Layers, compared entry by entry.
//!
//! `plan.rs` says which layers of two images have to be read; `compare.rs` reads and pairs them (by the room `pair`) and
//! compares the pairs. `reader.rs` makes one compact record (`record.rs`) of each entry; `path.rs`, `pax.rs` and
//! `unmodelled.rs` read names, PAX records, and what belongs to no field. `entries.rs` pairs the records of two layers by
//! path and compares them field by field, with `attributes.rs` for PAX records and times, `links.rs` for what hard links
//! lead to, `moved.rs` for files that have another name, and `stream.rs` for what belongs to no single entry: order, global
//! headers, the end. `programs.rs` and `raise.rs` find what may run among logs and caches; there it is content as well.
//! `tree.rs` puts layers on top of each other, and `whiteouts.rs` asks it which whiteouts hide nothing. `recut.rs` finds
//! layers that make the same files on both sides, cut in another way, and `cut.rs` says so of whole images. What rewriting
//! would make of layers depends on all of an image's: of copies of mtimes (`copies.rs`, `jsa.rs`), of their order
//! (`sorted.rs`).

mod attributes;
pub(crate) mod compare;
pub(crate) mod copies;
pub(crate) mod cut;
pub(crate) mod entries;
mod jsa;
mod links;
mod moved;
pub(crate) mod paired;
mod path;
pub(crate) mod pax;
pub(crate) mod plan;
pub(crate) mod programs;
mod raise;
pub(crate) mod reader;
pub(crate) mod record;
mod recut;
mod sorted;
mod stream;
pub(crate) mod tree;
mod unmodelled;
mod whiteouts;
