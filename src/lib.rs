//! restamp makes container images reproducible after the fact.

pub mod blob;
pub mod causes;
pub mod diff;
pub mod digest;
pub mod document;
pub mod epoch;
pub mod error;
pub mod image;
pub mod layer;
pub mod media_type;
pub mod policy;
pub mod rewrite;
pub mod spool;
pub mod tar;

pub use digest::Digest;
pub use epoch::{Epoch, Instant, Rule, Stamp};
pub use error::{Error, Result};
