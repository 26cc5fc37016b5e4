//! Where images live: what a location names, how it is opened, and how a new image is written.

pub mod archive;
pub mod destination;
pub mod directory;
pub mod location;
pub mod open;
pub mod write;
