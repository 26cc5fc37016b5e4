//! In-toto statements, envelopes, and what counts as a signature.

use super::{assert_bytes, digest, fill, hex, moves, texts};
use crate::digest::{Algorithm, Digest};
use crate::document::DigestMap;
use crate::document::Patched;
use crate::document::attestation::{Attestation, SignatureHints, Statement, signature_kind};

fn patch(statement: &Statement<'_>, moves: &DigestMap) -> Patched {
    let mut bytes = Vec::new();
    let patched = statement.patch_to(moves, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    Patched { bytes, ..patched.unwrap() }
}

fn statement(text: &str) -> Statement<'_> {
    match Attestation::parse(text.as_bytes()).unwrap() {
        Attestation::Statement(statement) => statement,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_statement_follows_its_subjects() {
    let template = concat!(
        "{\"_type\":\"https://in-toto.io/Statement/v1\", \"subject\" : [\n",
        " {\"name\":\"a\",\"digest\":{\"sha256\": \"{1}\"}}, {\"name\":\"b\",\"digest\":{\"sha256\":\"{2}\"}},\n",
        " {\"digest\":{\"sh\\u0061256\":\"\\u0031{1}\",\"sha512\":\"x\",\"gitCommit\":\"{1}\"}}, {\"name\":\"c\"}, null ],\n",
        " \"predicate\":{\"sha256\":\"{1}\",\"startedOn\":\"2024-01-01T00:00:00Z\",\"subject\":[{\"digest\":{\"sha256\":\"{1}\"}}]}}\n",
    );
    let text = template
        .replacen("\\u0031{1}", &format!("\\u0031{}", &hex('1')[1..]), 1)
        .replace("{1}", &hex('1'))
        .replace("{2}", &hex('2'));
    let parsed = statement(&text);
    let subjects: Vec<_> = parsed.subjects().iter().map(|s| (s.name.as_deref(), s.digests.clone())).collect();
    let (one, two) = (vec![digest('1')], vec![digest('2')]);
    assert_eq!(
        subjects,
        [(Some("a"), one.clone()), (Some("b"), two), (None, one), (Some("c"), vec![]), (None, vec![])]
    );
    let map = moves(&[('1', 'a'), ('3', 'b')]);
    let patched = patch(&parsed, &map);
    let expected = text.replacen(&format!(": \"{}\"", hex('1')), &format!(": \"{}\"", hex('a')), 1).replacen(
        &format!("\"\\u0031{}\"", &hex('1')[1..]),
        &format!("\"{}\"", hex('a')),
        1,
    );
    assert_bytes(&patched, &expected);
    assert_eq!(
        texts(&patched),
        [
            "subject[2].digest.sha512: the sha512 digest of a rewritten image; left as it is",
            "subject[2].digest.gitCommit: the gitCommit digest of a rewritten image; left as it is",
        ]
    );
    assert!(!patch(&statement(&expected), &map).changed);
    let mut pieces = Vec::new();
    let in_pieces = statement(&text).patch_to(&map, &mut |bytes| {
        pieces.extend_from_slice(bytes);
        Ok(())
    });
    assert_eq!(Patched { bytes: pieces, ..in_pieces.unwrap() }, patched);
    let unchanged = statement(&expected).patch_to(&map, &mut |_| panic!("nothing changes"));
    assert!(!unchanged.unwrap().changed);
}

#[test]
fn sha512_subjects_move_as_well() {
    let [old, new] = ["old", "new"].map(|text| Digest::of(Algorithm::Sha512, text.as_bytes()));
    let document =
        |digest: &Digest| format!(r#"{{"_type":"x","subject":[{{"digest":{{"sha512":"{}"}}}}]}}"#, digest.hex());
    let patched = patch(&statement(&document(&old)), &DigestMap::from([(old, new)]));
    assert_bytes(&patched, &document(&new));
}

#[test]
fn envelopes_are_told_from_statements() {
    let envelope = br#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"x"}]}"#;
    assert!(matches!(Attestation::parse(envelope).unwrap(), Attestation::Signed));
    for other in ["{}", "[]", "1", r#"{"_type":5}"#, r#"{"spdxVersion":"SPDX-2.3"}"#] {
        assert!(matches!(Attestation::parse(other.as_bytes()).unwrap(), Attestation::Other), "{other}");
    }
    assert!(Attestation::parse(br#"{"_type":"x","subject":{}}"#).is_err());
    assert!(Attestation::parse(b"{\"_type\":\"x\"").is_err());
}

#[test]
fn signatures_are_known_by_type_and_tag() {
    let of_type = |text: &str| signature_kind(SignatureHints { artifact_types: &[text], ..SignatureHints::default() });
    let of_layer =
        |text: &str| signature_kind(SignatureHints { media_types: &["x", text], ..SignatureHints::default() });
    let tag = |suffix: &str| {
        let tag = fill(&format!("<1>{suffix}")).replace(':', "-");
        signature_kind(SignatureHints { tag: Some(&tag), ..SignatureHints::default() })
    };
    assert_eq!(of_layer("application/vnd.dev.cosign.simplesigning.v1+json"), Some("cosign signature"));
    assert_eq!(of_type("application/vnd.dev.sigstore.bundle.v0.3+json"), Some("sigstore bundle"));
    assert_eq!(of_type("application/vnd.cncf.notary.signature"), Some("notation signature"));
    assert_eq!(of_layer("application/vnd.dsse.envelope.v1+json"), Some("DSSE envelope"));
    assert_eq!((tag(".sig"), tag(".att")), (Some("cosign signature"), Some("cosign attestation")));
    for kind in [tag(""), tag(".sbom"), of_type("application/spdx+json"), of_type("application/vnd.in-toto+json")] {
        assert_eq!(kind, None);
    }
    assert_eq!(signature_kind(SignatureHints { tag: Some("v1.sig"), ..SignatureHints::default() }), None);
}
