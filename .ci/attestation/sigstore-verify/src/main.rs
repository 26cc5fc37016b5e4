//! Judges Sigstore bundles with the crate sigstore-verify, for `.ci/attest`. The argument is the file of a trusted root: who
//! vouches for timestamps.
//!
//! Standard input has a JSON object a line: `key`, the file of a public key, `bundle`, the file of a bundle, and `subject`, the
//! hex of the SHA-256 that the statement has to be about. Standard output has one a line: `accepted`, and then `statement`, the
//! hex of the bytes that were signed, else `reason`. No transparency log is looked for: a bundle made with a key of one's own
//! has no entry in one.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, Write as _};
use std::{env, fs};

use serde_json::{Value, json};
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::{Bundle, DerPublicKey, Sha256Hash, SignatureContent};
use sigstore_verify::{PublicKeyVerificationPolicy, Verifier};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let root = env::args().nth(1).ok_or("the file of a trusted root is missing")?;
    let verifier = Verifier::new(&TrustedRoot::from_json(&fs::read_to_string(root)?)?)?;
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let answer = match judge(&verifier, &question) {
            Ok(statement) => json!({"accepted": true, "statement": hex(&statement)}),
            Err(error) => json!({"accepted": false, "reason": error.to_string()}),
        };
        writeln!(output, "{answer}")?;
    }
    Ok(())
}

/// The bytes that were signed, if the bundle is accepted.
fn judge(verifier: &Verifier, question: &Value) -> Result<Vec<u8>> {
    let key = DerPublicKey::from_pem(&fs::read_to_string(text(question, "key")?)?)?;
    let bundle = Bundle::from_json(&fs::read_to_string(text(question, "bundle")?)?)?;
    let subject = Sha256Hash::from_hex(text(question, "subject")?)?;
    let policy = PublicKeyVerificationPolicy::new(key).skip_tlog_unsafe();
    verifier.verify(subject, &bundle, &policy)?;
    match bundle.content {
        SignatureContent::DsseEnvelope(envelope) => Ok(envelope.payload.as_bytes().to_vec()),
        _ => Err("the bundle has no envelope".into()),
    }
}

fn text<'a>(question: &'a Value, key: &str) -> Result<&'a str> {
    question[key].as_str().ok_or_else(|| format!("the question has no {key}").into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
