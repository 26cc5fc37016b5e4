//! Which parts of two sources are compared with each other.
//!
//! `images.rs` pairs images by what they are, by platform and by name; `layers.rs` pairs layers that are not the same, by
//! their paths and commands; `align.rs` pairs the elements of any two sequences. All of them decide by equality of keys
//! and by position, in n log n or within a bound; none reads a blob.

pub(crate) mod align;
pub(crate) mod images;
pub(crate) mod layers;
