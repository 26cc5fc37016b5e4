//! What an image is: the documents of a source and how they hang together.
//!
//! [`graph`] follows descriptors, [`docker`] reads what only `docker save` has. [`select`] says which images, and what of
//! them, a verb is about: what is asked for by name (`reference.rs`) and by platform stays, what is about that
//! (`referrers.rs`) stays with it; the rest is left out, and named. [`set`] lists what stays, [`base`] says how much of an
//! image is its base's.
//! Nothing here looks inside a layer.

pub mod base;
pub(crate) mod by_platform;
mod data;
pub mod docker;
pub mod graph;
pub(crate) mod missing;
pub(crate) mod reference;
mod referrers;
pub mod select;
pub mod set;
mod signatures;
