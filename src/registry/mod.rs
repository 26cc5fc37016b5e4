//! Registries: the protocol of the OCI distribution specification, as a client has it.
//!
//! [`RegistryName`] says what a `docker://` name means, [`RegistryOptions`] how registries are to be talked to. [`Client`] talks to
//! one repository: `http.rs` sends one request, `client.rs` sends it again until it has an answer (`retry.rs`), with a token where
//! one is asked for (`auth.rs`, `credentials.rs`); `pull.rs` and `download.rs` read, `push.rs` writes, `referrers.rs` finds what is
//! about an image, `tags.rs` lists tags. `url.rs` and `address.rs` say where a registry may send a client, and where credentials may go.
//!
//! Nothing here knows what a document means, but for the links between documents that the protocol itself asks for.

#[cfg(feature = "registry")]
mod address;
#[cfg(feature = "registry")]
mod answer;
#[cfg(feature = "registry")]
mod auth;
#[cfg(feature = "registry")]
mod client;
#[cfg(feature = "registry")]
mod credentials;
#[cfg(feature = "registry")]
mod download;
#[cfg(feature = "registry")]
mod fuzz;
#[cfg(feature = "registry")]
mod http;
mod name;
mod options;
#[cfg(feature = "registry")]
mod proxy;
#[cfg(feature = "registry")]
mod pull;
#[cfg(feature = "registry")]
mod push;
#[cfg(feature = "registry")]
mod referrers;
#[cfg(feature = "registry")]
mod retry;
#[cfg(feature = "registry")]
mod scope;
#[cfg(feature = "registry")]
mod tags;
#[cfg(feature = "registry")]
mod url;

#[cfg(feature = "registry")]
pub use client::Client;
#[cfg(feature = "registry")]
pub use download::Downloads;
#[cfg(feature = "registry")]
pub use fuzz::parse_answer;
pub use name::RegistryName;
pub use options::{CredentialFile, RegistryOptions};
#[cfg(feature = "registry")]
pub use pull::Fetched;
#[cfg(feature = "registry")]
pub use push::Upload;
#[cfg(feature = "registry")]
pub use scope::Scope;
