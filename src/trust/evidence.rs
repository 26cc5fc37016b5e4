//! What a bundle is worth: a statement, and who has signed it.

use super::{Signer, Trust};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::signing::{Bundle, bundle};
use crate::statement::Statement;

/// A statement that a trusted key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The digest of the bundle's file.
    pub bundle: Digest,
    /// Who has signed it.
    pub signer: Signer,
    /// What it says.
    pub statement: Statement,
}

/// Reads a bundle. The statement is not looked at before the signature is verified.
///
/// # Errors
///
/// If it is no bundle, if no trusted key has signed it, or if what was signed is no statement.
pub fn read(file: &[u8], trust: &Trust) -> Result<Evidence> {
    let bundle = Bundle::parse(file)?;
    let signer = trust.signer(&bundle).ok_or_else(|| Error::refused("no key that is trusted has signed it"))?;
    let statement = Statement::parse(bundle.payload())?;
    Ok(Evidence { bundle: bundle::digest(file), signer, statement })
}
