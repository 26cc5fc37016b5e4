//! How registries are to be talked to.

use std::fmt;

/// How registries are to be talked to. Nothing of it is read from the environment here: the command line does that.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// Talk HTTP without TLS, also to registries that are not on this machine.
    pub plain_http: bool,
    /// Talk TLS to registries on this machine as well, without asking whether they speak it.
    pub local_tls: bool,
    /// Certificates that are trusted, in DER. Without any, those that Mozilla trusts.
    pub roots: Vec<Vec<u8>>,
    /// Where credentials are looked up, in this order.
    pub credentials: Vec<CredentialFile>,
    /// A proxy for registries with TLS, as HTTPS_PROXY has it.
    pub https_proxy: Option<String>,
    /// A proxy for registries without TLS, as HTTP_PROXY has it.
    pub http_proxy: Option<String>,
    /// Hosts that no proxy is used for, as NO_PROXY has it.
    pub no_proxy: Option<String>,
    /// Blobs that are downloaded or uploaded at a time.
    pub jobs: usize,
    /// How often a request is sent again after a failure that may pass.
    pub retries: u32,
}

/// A file as docker (`config.json`) or podman (`auth.json`) keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialFile {
    /// Its name, for messages.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            plain_http: false,
            local_tls: false,
            roots: Vec::new(),
            credentials: Vec::new(),
            https_proxy: None,
            http_proxy: None,
            no_proxy: None,
            jobs: 4,
            retries: 6,
        }
    }
}

// Without what is secret.
impl fmt::Debug for RegistryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryOptions")
            .field("plain_http", &self.plain_http)
            .field("roots", &self.roots.len())
            .field("credentials", &self.credentials)
            .field("jobs", &self.jobs)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CredentialFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialFile").field("name", &self.name).finish_non_exhaustive()
    }
}
