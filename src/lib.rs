//! restamp makes container images reproducible after the fact.

pub mod digest;
pub mod epoch;
pub mod error;
pub mod layer;
pub mod media_type;
pub mod tar;

pub use digest::Digest;
pub use epoch::{Epoch, Instant, Rule, Stamp};
pub use error::{Error, Result};
