//! Statements that an image was built again, made and verified from outside.

mod attached;
mod hidden;
mod judged;
mod proofs;
mod refused;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use restamp::signing::{Bundle, SigningKey};
use serde_json::{Value, json};

use crate::support::layer::Packing;
use crate::support::layout::Layout;
use crate::support::{Build, Outcome, hello, run, text, write};

const FIRST: &str = include_str!("keys/first.pem");
const SECOND: &str = include_str!("keys/second.pem");
const THIRD: &str = include_str!("keys/third.pem");

/// Who attests.
const ID: &str = "https://rebuild.example.org/restamp/v1";
const OTHER_ID: &str = "https://other.example.org/restamp/v1";
const TIME: &str = "2026-11-01T00:00:00Z";

/// A private key as a file that only its owner may read.
fn key(dir: &Path, name: &str, pem: &str) -> PathBuf {
    let path = write(dir, name, pem.as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// One image of two builds, as archives.
fn builds(dir: &Path) -> [PathBuf; 2] {
    [("a.tar", Build::FIRST), ("b.tar", Build::SECOND)]
        .map(|(name, build)| write(dir, name, &Layout::of(&hello(&build, Packing::Gzip), &build).tar(&build)))
}

/// Runs `attest` into `out`, signed with a key.
fn attest(dir: &Path, images: [&Path; 2], out: &str, (pem, id): (&str, &str), more: &[&str]) -> Outcome {
    let key = key(dir, "key.pem", pem);
    let out = dir.join(out);
    let [target, candidate] = images.map(text);
    let own =
        ["attest", target, candidate, "--verifier-id", id, "--time", TIME, "--out", text(&out), "--key", text(&key)];
    run(own.iter().chain(more))
}

fn parsed(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The digest of the only image of a source.
fn manifest(image: &Path) -> String {
    run(["inspect", "--digest", text(image)]).expect(0).text().trim().to_owned()
}

/// A statement, signed with a key, as a bundle.
fn signed(statement: &Value, pem: &str) -> Vec<u8> {
    let key = SigningKey::from_pem(pem).unwrap();
    Bundle::sign(&serde_json::to_vec(statement).unwrap(), &key).file(&key.public().unwrap()).unwrap()
}

/// A trust file beside its keys: operators with their ids and keys.
fn trust(dir: &Path, require: &str, rebuilders: &[(&str, &str, &[&str])]) -> PathBuf {
    let keys = [
        ("first.pub", include_str!("keys/first.pub")),
        ("second.pub", include_str!("keys/second.pub")),
        ("third.pub", include_str!("keys/third.pub")),
        ("ed25519.pub", include_str!("keys/ed25519.pub")),
    ];
    for (name, pem) in keys {
        write(dir, name, pem.as_bytes());
    }
    let mut file = format!("[require]\n{require}\n");
    for (operator, id, keys) in rebuilders {
        let keys = json!(keys);
        file += &format!("[[rebuilder]]\noperator = \"{operator}\"\nid = \"{id}\"\nkeys = {keys}\n");
    }
    write(dir, "trust.toml", file.as_bytes())
}

const BOTH: &str = "threshold = 2\naccept = [\"identical\", \"after-restamping\"]";
const ONE: &str = "threshold = 1\naccept = [\"identical\", \"after-restamping\"]";

fn two_operators(dir: &Path, require: &str) -> PathBuf {
    trust(dir, require, &[("first-org", ID, &["first.pub"]), ("second-org", OTHER_ID, &["second.pub"])])
}

fn verify(target: &Path, trust: &Path, more: &[&str]) -> Outcome {
    run(["verify", text(target), "--trust", text(trust)].iter().chain(more))
}
