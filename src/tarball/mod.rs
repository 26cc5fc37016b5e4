//! The verb: reads a bare tar and writes the same tar with other times. It is patched as layers are.
//!
//! [`Tarball`] opens what is read (`source.rs`), has the `layer` room patch and compress it, and writes it (`sink.rs`) while
//! it is read. A file appears when all of it was written. A pipe gets the new archive as it is made, but for its last bytes,
//! which come once the old one was read to its end: what is broken off is no valid archive.
//!
//! A container image is refused (`image.rs`): with other times in its archive alone it would be the same image.

mod image;
pub mod report;
mod run;
mod sink;
mod source;

pub use run::{NewTarball, Tarball};
