//! The head of a log: what there was at one time, in a few bytes that others can keep.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document::strict;
use crate::error::{Error, Result};
use crate::signing::{Bundle, SigningKey};
use crate::statement::{Head as StatementHead, Issued, Subject, issue};
use crate::trust::Trust;

/// The file.
pub(super) const FILE: &str = "head.json";
/// The file of its signature.
pub(super) const SIGNED: &str = "head.sigstore.json";

/// How many lines a log has, and its last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The number of the last line.
    pub seq: u64,
    /// The digest of the last line, without the newline.
    pub line: Digest,
}

/// The predicate of a statement about a head: the head once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HeadStatement(pub Head);

impl Issued for HeadStatement {
    const TYPE: &'static str = "https://restamp.dev/results-head/v0.1";
}

impl Head {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        strict::parse(bytes, "head of a log")
    }

    /// The file.
    ///
    /// # Errors
    ///
    /// It can't be serialised.
    pub fn file(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).map_err(|e| Error::io("cannot write the head", e.into()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// A bundle with a statement about this file.
    ///
    /// # Errors
    ///
    /// It can't be serialised.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>> {
        let subject = Subject { name: Some(FILE.to_owned()), digest: Digest::sha256(&self.file()?), platform: None };
        let statement = issue(&[subject], &HeadStatement(*self))?;
        Bundle::sign(&statement, key).file(&key.public()?)
    }

    /// Who has signed this head, by a bundle.
    ///
    /// # Errors
    ///
    /// If it is none, is about something else, or no key that is trusted has signed it.
    pub fn signer(&self, bundle: &[u8], trust: &Trust) -> Result<String> {
        let bundle = Bundle::parse(bundle)?;
        let signer = trust.signer(&bundle).ok_or_else(|| Error::refused("no key that is trusted has signed it"))?;
        let statement = StatementHead::parse(bundle.payload())?;
        if statement.predicate_type != HeadStatement::TYPE {
            let found = crate::error::quoted(statement.predicate_type.as_bytes());
            return Err(Error::malformed("predicateType of a signed head", HeadStatement::TYPE, found));
        }
        let (signed, here) = (statement.subject()?, Digest::sha256(&self.file()?));
        if signed != here {
            return Err(Error::refused(format!("it is about another head ({signed}; this one is {here})")));
        }
        Ok(signer.operator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_in_the_namespace() {
        assert_eq!(HeadStatement::TYPE, format!("{}/results-head/v0.1", crate::statement::NAMESPACE));
    }

    #[test]
    fn a_head_is_read_back_and_nothing_else_is() {
        let head = Head { seq: 7, line: Digest::sha256(b"x") };
        assert_eq!(Head::parse(&head.file().unwrap()).unwrap(), head);
        for other in ["", "{}", "[]", r#"{"seq":1}"#, r#"{"seq":-1,"line":"sha256:00"}"#] {
            assert!(Head::parse(other.as_bytes()).is_err(), "{other}");
        }
    }
}
