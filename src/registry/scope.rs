//! What a token has to allow (distribution's token specification, "Requesting a Token").

use super::name::RegistryName;

/// What a request needs to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Pull,
    Push,
    /// To push, and to take blobs from another repository of the same registry.
    Mount(String),
}

impl Scope {
    /// As tokens have it: one for each repository.
    pub fn texts(&self, name: &RegistryName) -> Vec<String> {
        let own = |actions: &str| format!("repository:{}:{actions}", name.repository());
        match self {
            Self::Pull => vec![own("pull")],
            Self::Push => vec![own("pull,push")],
            Self::Mount(from) => vec![own("pull,push"), format!("repository:{from}:pull")],
        }
    }
}
