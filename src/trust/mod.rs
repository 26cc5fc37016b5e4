//! Pure: who is trusted to say that an image was reproduced, and whose statement a bundle is.
//!
//! A [`Trust`] is read from a file of TOML:
//!
//! ```toml
//! [require]
//! threshold = 2                 # distinct operators
//! accept = ["identical"]        # or also "after-restamping"
//! max_age = "90d"               # of a statement, where the time of today is given
//! no_dissent = false
//! [[rebuilder]]
//! operator = "example-org"      # counted once, whatever its keys
//! id = "https://rebuild.example.org/restamp/v1"
//! keys = ["example.pub"]        # P-256 or Ed25519, SubjectPublicKeyInfo in PEM, beside this file
//! ```
//!
//! That operators are independent of each other is for the author of the file to know.

mod evidence;
mod file;

pub use evidence::{Evidence, read};
pub use file::{MAX, Require};

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::signing::{Bundle, PublicKey};

/// Who is trusted, and for what.
#[derive(Debug, Clone)]
pub struct Trust {
    /// What has to be reached.
    pub require: Require,
    rebuilders: Vec<Rebuilder>,
    digest: Digest,
}

/// One that builds images again.
#[derive(Debug, Clone)]
struct Rebuilder {
    operator: String,
    id: String,
    keys: Vec<PublicKey>,
}

/// Whose key a bundle was signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The operator.
    pub operator: String,
    /// The key.
    pub key: Digest,
    /// The verifiers that the operator signs for with this key.
    pub ids: BTreeSet<String>,
}

impl Trust {
    /// The digest of the file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// All operators.
    pub fn operators(&self) -> BTreeSet<&str> {
        self.rebuilders.iter().map(|rebuilder| rebuilder.operator.as_str()).collect()
    }

    /// Who has signed a bundle: `None` where no trusted key verifies it. What the bundle itself says of its key is not
    /// looked at.
    pub fn signer(&self, bundle: &Bundle) -> Option<Signer> {
        let mut tried = BTreeSet::new();
        let keys = self.rebuilders.iter().flat_map(|rebuilder| rebuilder.keys.iter().map(move |key| (rebuilder, key)));
        let mut keys = keys.filter(|(_, key)| tried.insert(key.id()));
        let (rebuilder, key) = keys.find(|(_, key)| bundle.is_signed_by(key))?;
        let of_key = self.rebuilders.iter().filter(|other| other.keys.contains(key));
        Some(Signer {
            operator: rebuilder.operator.clone(),
            key: key.id(),
            ids: of_key.map(|other| other.id.clone()).collect(),
        })
    }
}
