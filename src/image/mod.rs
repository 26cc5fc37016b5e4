//! Where images live, and how their blobs hang together.
//!
//! [`location`] names an image, [`source`] opens it whatever its carrier, [`graph`] follows its descriptors,
//! [`docker`] reads what only `docker save` has, [`sink`] writes an image to a [`target`], [`folder`] knows what may be
//! replaced by one, [`names`] what images are called.
//! Nothing here looks inside a layer.

pub mod archive;
mod data;
pub mod docker;
pub mod folder;
pub mod graph;
pub mod location;
pub mod names;
pub mod sink;
pub mod source;
pub mod target;
