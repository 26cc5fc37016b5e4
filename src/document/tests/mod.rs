//! Tests of the documents, and what they share.

mod attestation;
mod config;
mod dates;
mod docker;
mod index;
mod json;
mod manifest;
mod random;
mod references;

use super::{DigestMap, Patched};
use crate::digest::Digest;
use crate::stamp::{Epoch, Rule, Stamp};

const SET: Rule = Rule::Set;
const CLAMP: Rule = Rule::Clamp;

/// The stamp of all tests: 2023-11-14T22:13:20Z.
fn stamp(rule: Rule) -> Stamp {
    Stamp { epoch: Epoch::from_seconds(1_700_000_000).unwrap(), rule }
}

/// A digest of which each hexadecimal digit is this one.
fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

fn hex(digit: char) -> String {
    digest(digit).hex()
}

fn moves(pairs: &[(char, char)]) -> DigestMap {
    pairs.iter().map(|(old, new)| (digest(*old), digest(*new))).collect()
}

/// A template in which `<a>` stands for the digest of all `a`, so that golden documents stay readable.
fn fill(template: &str) -> String {
    let mut text = template.to_owned();
    for digit in "0123456789abcdef".chars() {
        text = text.replace(&format!("<{digit}>"), &digest(digit).to_string());
    }
    text
}

#[track_caller]
fn assert_bytes(patched: &Patched, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&patched.bytes), expected);
}

fn texts(patched: &Patched) -> Vec<String> {
    patched.warnings.iter().map(ToString::to_string).collect()
}
