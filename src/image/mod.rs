//! Where images live, and how their blobs hang together.
//!
//! [`location`] names an image, [`source`] opens it whatever its carrier, [`graph`] follows its descriptors,
//! [`docker`] reads what only `docker save` has, [`sink`] writes an image.
//! Nothing here looks inside a layer.

pub mod archive;
pub mod docker;
pub mod graph;
pub mod location;
pub mod sink;
pub mod source;
