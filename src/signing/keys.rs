//! Keys: those that sign, and those that are trusted.

use std::fmt;

use ed25519_dalek::pkcs8::DecodePublicKey as _;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};

use crate::digest::Digest;
use crate::error::{Error, Result, printable};

/// The type of a PEM block of a public key: SubjectPublicKeyInfo, RFC 7468 section 13.
const PUBLIC: &str = "PUBLIC KEY";
/// That of a private key: PKCS#8, RFC 7468 section 10.
const PRIVATE: &str = "PRIVATE KEY";

/// A private key of P-256.
pub struct SigningKey(p256::ecdsa::SigningKey);

/// Never the key itself.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads PKCS#8 in PEM, not encrypted.
    ///
    /// # Errors
    ///
    /// If it is anything else, with what would make it the right one.
    pub fn from_pem(text: &str) -> Result<Self> {
        let what = "private key";
        let expected = "an ECDSA key of P-256 as PKCS#8 in PEM (BEGIN PRIVATE KEY)";
        match pem_type(text) {
            Some(PRIVATE) => {}
            Some(kind) if kind.contains("ENCRYPTED") => {
                return Err(Error::refused(format!(
                    "the private key is encrypted ({kind}): sign with cosign instead (attest without --key writes the \
                     statements and prints the command)"
                )));
            }
            Some("EC PRIVATE KEY") => {
                return Err(Error::malformed(
                    what,
                    expected,
                    "a key in the older form of SEC 1 (BEGIN EC PRIVATE KEY): openssl pkcs8 -topk8 -nocrypt -in OLD -out \
                     NEW converts it",
                ));
            }
            other => return Err(Error::malformed(what, expected, found(other))),
        }
        let key = p256::ecdsa::SigningKey::from_pkcs8_pem(text.trim());
        // What is wrong in it is not said: it is a secret.
        key.map(Self).map_err(|_| Error::malformed(what, expected, "a key of another kind, or a damaged one"))
    }

    /// The key that verifies what this one signs.
    ///
    /// # Errors
    ///
    /// It can't be encoded.
    pub fn public(&self) -> Result<PublicKey> {
        let key = *self.0.verifying_key();
        let spki = key.to_public_key_der().map_err(|e| Error::malformed("public key", "a point of P-256", e))?;
        Ok(PublicKey { id: Digest::sha256(spki.as_bytes()), verifier: VerifyingKey::P256(key) })
    }

    /// Signs with SHA-256: the signature in DER (RFC 3279 section 2.2.3). Signing the same message again gives the same bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::DerSignature = self.0.sign(message);
        signature.as_bytes().to_vec()
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: Digest,
    verifier: VerifyingKey,
}

#[derive(Clone, PartialEq, Eq)]
enum VerifyingKey {
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

impl PublicKey {
    /// Reads SubjectPublicKeyInfo in PEM, of P-256 or Ed25519.
    ///
    /// # Errors
    ///
    /// If it is anything else.
    pub fn from_pem(text: &str) -> Result<Self> {
        let expected = "a key of P-256 or Ed25519 as SubjectPublicKeyInfo in PEM (BEGIN PUBLIC KEY)";
        match pem_type(text) {
            Some(PUBLIC) => {}
            Some(kind) if kind.ends_with(PRIVATE) => {
                let found = "a private key: openssl pkey -in KEY -pubout writes the public one";
                return Err(Error::malformed("public key", expected, found));
            }
            other => return Err(Error::malformed("public key", expected, found(other))),
        }
        let text = text.trim();
        let p256 = p256::ecdsa::VerifyingKey::from_public_key_pem(text).map(VerifyingKey::P256);
        let key = p256.ok().or_else(|| {
            let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text).ok()?;
            // A key of small order verifies a signature over anything.
            (!key.is_weak()).then_some(VerifyingKey::Ed25519(key))
        });
        let verifier =
            key.ok_or_else(|| Error::malformed("public key", expected, "a key of another kind, or a damaged one"))?;
        let spki = match &verifier {
            VerifyingKey::P256(key) => key.to_public_key_der().ok(),
            VerifyingKey::Ed25519(key) => ed25519_dalek::pkcs8::EncodePublicKey::to_public_key_der(key).ok(),
        };
        let spki = spki.ok_or_else(|| Error::malformed("public key", expected, "one that can't be encoded"))?;
        Ok(Self { id: Digest::sha256(spki.as_bytes()), verifier })
    }

    /// SHA-256 of the key as SubjectPublicKeyInfo in DER: what names it.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Is this a signature of the key over this message?
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            VerifyingKey::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            VerifyingKey::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

/// What the first PEM block says that it is.
fn pem_type(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix("-----BEGIN ")?.lines().next()?.trim_end().strip_suffix("-----")
}

fn found(kind: Option<&str>) -> String {
    kind.map_or_else(|| "no PEM".to_owned(), |kind| format!("\"{}\"", printable(kind.as_bytes())))
}
