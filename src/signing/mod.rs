//! Pure: signatures over statements. Keys in PEM, DSSE envelopes, and the bundle that carries one as a file.
//!
//! Signing is by ECDSA over P-256 with SHA-256, and deterministic (RFC 6979): the same statement and key give the same
//! bytes. Keys that are trusted may be of Ed25519 as well. Nothing here says what a statement means or whose a key is.

pub mod bundle;
pub mod dsse;
pub mod keys;

pub use bundle::Bundle;
pub use keys::{PublicKey, SigningKey};
