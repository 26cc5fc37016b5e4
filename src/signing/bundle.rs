//! Sigstore's bundle (media type `application/vnd.dev.sigstore.bundle.v0.3+json`): a DSSE envelope as a file of its own, which
//! cosign, sigstore's libraries and admission controllers take
//! (<https://github.com/sigstore/protobuf-specs>, sigstore_bundle.proto).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dsse::{IN_TOTO, pae};
use super::keys::{PublicKey, SigningKey};
use crate::digest::Digest;
use crate::document::strict;
use crate::error::{Error, Result, printable, quoted};

/// The media type of what is written, and of a layer that carries it.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// A bundle is at most so large, in bytes.
pub const MAX: usize = 4 << 20;

/// A bundle that was read: a payload, and one signature that nothing has verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    media_type: String,
    verification_material: Material,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_signature: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<Envelope>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x509_certificate_chain: Option<Value>,
    #[serde(default)]
    tlog_entries: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct Hint {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    sig: String,
}

impl Bundle {
    /// Signs a statement. [`file`](Self::file) makes the file of it.
    pub fn sign(statement: &[u8], key: &SigningKey) -> Self {
        Self { payload: statement.to_vec(), signature: key.sign(&pae(IN_TOTO, statement)) }
    }

    /// The file: compact JSON. The envelope has no `keyid`, which some verifiers refuse in every form; the hint is base64 of the
    /// key's id, as cosign writes it.
    ///
    /// # Errors
    ///
    /// It can't be serialised.
    pub fn file(&self, key: &PublicKey) -> Result<Vec<u8>> {
        let hint = STANDARD.encode(key.id().bytes());
        let file = File {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: Material {
                public_key: Some(Hint { hint }),
                certificate: None,
                x509_certificate_chain: None,
                tlog_entries: Vec::new(),
            },
            message_signature: None,
            dsse_envelope: Some(Envelope {
                payload: STANDARD.encode(&self.payload),
                payload_type: IN_TOTO.to_owned(),
                signatures: vec![Signature { sig: STANDARD.encode(&self.signature) }],
            }),
        };
        serde_json::to_vec(&file).map_err(|e| Error::io("cannot write a bundle", e.into()))
    }

    /// Reads a bundle whose envelope carries an in-toto statement, signed once by a key. The hint, and what a transparency log
    /// has said of it, are not looked at.
    ///
    /// # Errors
    ///
    /// If it is another document, larger than [`MAX`], or signed in another way.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let what = "bundle";
        if bytes.len() > MAX {
            return Err(Error::limit("size of a bundle", MAX as u64, bytes.len()));
        }
        let file: File = strict::parse(bytes, what)?;
        if file.media_type != MEDIA_TYPE {
            return Err(Error::malformed("mediaType of a bundle", MEDIA_TYPE, quoted(file.media_type.as_bytes())));
        }
        if file.message_signature.is_some() {
            return Err(Error::malformed(
                what,
                "one of dsseEnvelope and messageSignature: the envelope",
                "messageSignature",
            ));
        }
        let material = &file.verification_material;
        if material.certificate.is_some() || material.x509_certificate_chain.is_some() {
            let found = "a certificate, as keyless signing makes it, which is not verified here";
            return Err(Error::malformed("verificationMaterial of a bundle", "publicKey", found));
        }
        if material.public_key.is_none() {
            return Err(Error::malformed("verificationMaterial of a bundle", "publicKey", "none"));
        }
        let envelope = file.dsse_envelope.ok_or_else(|| Error::malformed(what, "dsseEnvelope", "none"))?;
        if envelope.payload_type != IN_TOTO {
            let found = quoted(envelope.payload_type.as_bytes());
            return Err(Error::malformed("payloadType of an envelope", IN_TOTO, found));
        }
        let [signature] = envelope.signatures.as_slice() else {
            return Err(Error::malformed("signatures of an envelope", "exactly one", envelope.signatures.len()));
        };
        let payload = decoded("payload of an envelope", &envelope.payload)?;
        Ok(Self { payload, signature: decoded("signature of an envelope", &signature.sig)? })
    }

    /// The statement, which nobody need have signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Was it signed by the owner of this key?
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(&pae(IN_TOTO, &self.payload), &self.signature)
    }
}

/// What names a bundle: the digest of its file.
pub fn digest(file: &[u8]) -> Digest {
    Digest::sha256(file)
}

fn decoded(what: &'static str, text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|e| Error::malformed(what, "base64", printable(e.to_string().as_bytes())))
}
