//! Which statements count for `verify`, and for whom.

use serde_json::json;

use super::*;
use crate::support::{scratch, sha256};

/// Two builds, attested by the first operator (after restamping) and the second (identical).
struct Proofs {
    dir: tempfile::TempDir,
    target: PathBuf,
    other: PathBuf,
}

fn proofs() -> Proofs {
    let dir = scratch();
    let [target, other] = builds(dir.path());
    attest(dir.path(), [&target, &other], "one", (FIRST, ID), &[]).expect(0);
    attest(dir.path(), [&target, &target], "two", (SECOND, OTHER_ID), &[]).expect(0);
    Proofs { dir, target, other }
}

impl Proofs {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn from(&self, names: &[&str]) -> Vec<String> {
        names.iter().flat_map(|name| ["--from".to_owned(), text(&self.path().join(name)).to_owned()]).collect()
    }

    fn verify(&self, trust: &Path, from: &[&str]) -> Outcome {
        let from = self.from(from);
        verify(&self.target, trust, &from.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn statement(&self, of: &str, name: &str) -> Value {
        parsed(&self.path().join(of).join("linux-amd64").join(name))
    }

    /// Replaces a bundle by one of this statement.
    fn replace(&self, of: &str, name: &str, statement: &Value, pem: &str) {
        let path = self.path().join(of).join("linux-amd64").join(name);
        std::fs::write(path, signed(statement, pem)).unwrap();
    }
}

#[test]
fn two_operators_reach_a_threshold_of_two() {
    let proofs = proofs();
    let trust = two_operators(proofs.path(), BOTH);
    let said = proofs.verify(&trust, &["one", "two"]).expect(0).text();
    for part in [
        "linux/amd64: reproduced",
        "2 of 2 needed",
        "first-org: after-restamping",
        "second-org: identical",
        "not checked: transparency logs",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = proofs.verify(&trust, &["one"]).expect(1).text();
    assert!(said.contains("NOT reproduced") && said.contains("1 of 2 operators that are needed"), "{said}");
    // One that is not identical does not count where only that is accepted.
    let trust = two_operators(proofs.path(), "threshold = 2\naccept = [\"identical\"]");
    let said = proofs.verify(&trust, &["one", "two"]).expect(1).text();
    assert!(said.contains("after-restamping is not accepted"), "{said}");
    // Nothing is found where nothing is.
    proofs.verify(&trust, &[]).expect(1);
}

#[test]
fn keys_count_for_the_operators_that_they_are_of() {
    let proofs = proofs();
    let dir = proofs.path();
    let one_operator = trust(dir, BOTH, &[("org", ID, &["first.pub"]), ("org", OTHER_ID, &["second.pub"])]);
    proofs.verify(&one_operator, &["one", "two"]).expect_error(&["threshold", "number of operators"]);
    let one_operator = trust(
        dir,
        BOTH,
        &[("org", ID, &["first.pub"]), ("org", OTHER_ID, &["second.pub"]), ("third", ID, &["third.pub"])],
    );
    let said = proofs.verify(&one_operator, &["one", "two"]).expect(1).text();
    assert!(said.contains("1 of 2 operators"), "{said}");
    let shared =
        trust(dir, BOTH, &[("first-org", ID, &["first.pub"]), ("second-org", OTHER_ID, &["second.pub", "first.pub"])]);
    proofs.verify(&shared, &["one", "two"]).expect_error(&[
        "trust.toml",
        "one of a single operator",
        "first-org and second-org",
    ]);
    // A key that is not in the file any more.
    let revoked = trust(dir, ONE, &[("first-org", ID, &["third.pub"])]);
    let said = proofs.verify(&revoked, &["one"]).expect(1).text();
    assert!(said.contains("no key that is trusted has signed it"), "{said}");
    // A key that is trusted, for another verifier.
    let wrong_id = trust(dir, ONE, &[("first-org", OTHER_ID, &["first.pub"])]);
    let said = proofs.verify(&wrong_id, &["one"]).expect(1).text();
    assert!(said.contains("verifier.id") && said.contains(ID), "{said}");
}

#[test]
fn each_member_of_a_statement_counts() {
    let proofs = proofs();
    let trust = trust(proofs.path(), ONE, &[("first-org", ID, &["first.pub"])]);
    proofs.verify(&trust, &["one"]).expect(0);
    let other = sha256(b"x").strip_prefix("sha256:").unwrap().to_owned();
    let mutations: &[(&str, &str, Value, &str)] = &[
        ("svr", "/_type", json!("https://in-toto.io/Statement/v0.1"), "_type"),
        ("svr", "/predicateType", json!("https://in-toto.io/attestation/svr/v0.1"), "does not count"),
        ("svr", "/subject", json!([]), "exactly one"),
        ("svr", "/subject/0/digest/sha256", json!(other), "another image"),
        ("svr", "/subject/0/digest", json!({}), "exactly one"),
        ("svr", "/subject/0/digest", json!({"sha1": "0123456789012345678901234567890123456789"}), "sha256"),
        ("svr", "/predicate", json!({}), "members"),
        ("svr", "/predicate/verifier/id", json!(OTHER_ID), "verifier.id"),
        ("svr", "/predicate/verifier/policies", json!([]), "profile"),
        ("svr", "/predicate/verifier/policies/0/digest/sha256", json!(other), "profile"),
        ("svr", "/predicate/verifier/policies/0/uri", json!("https://restamp.dev/stabilizer/v2"), "profile"),
        ("svr", "/predicate/timeCreated", json!("yesterday"), "timeCreated"),
        ("svr", "/predicate/properties", json!(["RESTAMP_REPRODUCED_IDENTICAL"]), "property"),
        ("svr", "/predicate/properties", json!("RESTAMP_REPRODUCED_STABILIZED_V1"), "members"),
        ("equivalence", "/_type", json!("statement"), "_type"),
        ("equivalence", "/predicateType", json!("https://restamp.dev/image-equivalence/v9"), "does not count"),
        ("equivalence", "/subject/0/digest/sha256", json!(other), "another image"),
        ("equivalence", "/predicate/equal", json!("identical"), "candidate is another image"),
        ("equivalence", "/predicate/equal", json!("similar"), "members"),
        ("equivalence", "/predicate/target/digest/sha256", json!(other), "target"),
        ("equivalence", "/predicate/stabilizer/uri", json!("https://example.org/mine"), "profile"),
        ("equivalence", "/predicate/stabilizer/digest/sha256", json!(other), "profile"),
        ("equivalence", "/predicate/stabilizer", json!(null), "members"),
        ("equivalence", "/predicate/stabilized/digest/sha256", json!(other), "stabilized digest"),
        ("equivalence", "/predicate/stabilized/digest", json!({}), "stabilized digest"),
        ("equivalence", "/predicate/differences", json!("none"), "members"),
        ("equivalence", "/predicate/tool", json!(null), "members"),
    ];
    for (name, pointer, value, reason) in mutations {
        let bundle = format!("{name}.sigstore.json");
        let right = proofs.statement("one", &format!("{name}.json"));
        let mut wrong = right.clone();
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        proofs.replace("one", &bundle, &wrong, FIRST);
        let said = proofs.verify(&trust, &["one"]).expect(1).text();
        assert!(said.contains(reason) && said.contains("ignored:"), "{name} {pointer} {value}: {said}");
        proofs.replace("one", &bundle, &right, FIRST);
    }
    proofs.verify(&trust, &["one"]).expect(0);
}

#[test]
fn bytes_that_were_not_signed_do_not_count() {
    let proofs = proofs();
    let trust = trust(proofs.path(), ONE, &[("first-org", ID, &["first.pub"])]);
    let path = proofs.path().join("one/linux-amd64/svr.sigstore.json");
    let right = std::fs::read_to_string(&path).unwrap();
    let bundle: Value = serde_json::from_str(&right).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap();
    let flipped = |text: &str| {
        let middle = text.len() / 2;
        let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &text[..middle], &text[middle + 1..])
    };
    let twice = right.replace("\"signatures\":[", &format!("\"signatures\":[{{\"sig\":\"{signature}\"}},"));
    for (wrong, reason) in [
        (right.replace(payload, &flipped(payload)), "no key that is trusted"),
        (right.replace(signature, &flipped(signature)), "no key that is trusted"),
        (right.replace(signature, ""), "no key that is trusted"),
        (right.replace("application/vnd.in-toto+json", "application/json"), "payloadType"),
        (right.replace("bundle.v0.3+json", "bundle.v0.2+json"), "mediaType"),
        (right.replace("\"publicKey\":{", "\"certificate\":{"), "certificate"),
        (right.replace("\"dsseEnvelope\":", "\"messageSignature\":{},\"dsseEnvelope\":"), "messageSignature"),
        (right.replace("\"payload\":", "\"payload\":\"e30=\",\"payload\":"), "twice"),
        (right.replace("\"payload\":", "\"Payload\":\"e30=\",\"payload\":"), "twice"),
        (twice, "exactly one"),
        (String::new(), "bundle"),
        ("x".repeat(5 << 20), "4194304"),
    ] {
        std::fs::write(&path, &wrong).unwrap();
        let said = proofs.verify(&trust, &["one"]).expect(1).text();
        assert!(said.contains(reason), "{reason}: {said}");
    }
    // A hint that names another key says nothing.
    std::fs::write(&path, right.replace("\"hint\":\"", "\"hint\":\"QUJD")).unwrap();
    proofs.verify(&trust, &["one"]).expect(0);
    // The same key signs a statement in which a key is there twice.
    let statement = std::fs::read_to_string(proofs.path().join("one/linux-amd64/svr.json")).unwrap();
    let twice = statement.replace("\"properties\":", "\"Properties\":[],\"properties\":");
    let key = SigningKey::from_pem(FIRST).unwrap();
    let bytes = Bundle::sign(twice.as_bytes(), &key).file(&key.public().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    assert!(proofs.verify(&trust, &["one"]).expect(1).text().contains("twice"));
}

#[test]
fn a_statement_about_another_image_is_not_one_about_this() {
    let proofs = proofs();
    let trust = two_operators(proofs.path(), BOTH);
    let from = proofs.from(&["one", "two"]);
    let said = verify(&proofs.other, &trust, &from.iter().map(String::as_str).collect::<Vec<_>>()).expect(1).text();
    assert!(said.contains("which is another image") && said.contains(&manifest(&proofs.target)), "{said}");
    // Replayed: the payload is taken over, with the other digest, and signed by who is not trusted.
    let mut statement = proofs.statement("one", "svr.json");
    statement["subject"][0]["digest"]["sha256"] = json!(manifest(&proofs.other).strip_prefix("sha256:").unwrap());
    proofs.replace("one", "svr.sigstore.json", &statement, THIRD);
    let from = proofs.from(&["one"]);
    let said = verify(&proofs.other, &trust, &from.iter().map(String::as_str).collect::<Vec<_>>()).expect(1).text();
    assert!(said.contains("no key that is trusted"), "{said}");
}

#[test]
fn a_statement_of_the_contrary_is_shown_and_blocks_where_that_is_asked_for() {
    let proofs = proofs();
    let test_result = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": proofs.statement("one", "svr.json")["subject"],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {"result": "FAILED", "configuration": [], "failedTests": ["content"]},
    });
    std::fs::write(proofs.path().join("no.sigstore.json"), signed(&test_result, SECOND)).unwrap();
    for (require, code) in [(ONE.to_owned(), 0), (format!("{ONE}\nno_dissent = true"), 1)] {
        let trust = two_operators(proofs.path(), &require);
        let said = proofs.verify(&trust, &["one", "no.sigstore.json"]).expect(code).text();
        assert!(said.contains("DISSENT     second-org: FAILED (content)"), "{said}");
        assert_eq!(said.contains("second-org says otherwise"), code == 1, "{said}");
    }
    // By who is not trusted it is nothing.
    std::fs::write(proofs.path().join("no.sigstore.json"), signed(&test_result, THIRD)).unwrap();
    let trust = two_operators(proofs.path(), &format!("{ONE}\nno_dissent = true"));
    let said = proofs.verify(&trust, &["one", "no.sigstore.json"]).expect(0).text();
    assert!(!said.contains("DISSENT"), "{said}");
}

#[test]
fn no_bundle_is_missed_that_would_have_to_be_there() {
    let proofs = proofs();
    let trust = two_operators(proofs.path(), BOTH);
    let all: Vec<PathBuf> = ["one", "two"]
        .iter()
        .flat_map(|of| {
            ["svr", "equivalence"]
                .map(|name| proofs.path().join(of).join("linux-amd64").join(format!("{name}.sigstore.json")))
        })
        .collect();
    proofs.verify(&trust, &["one", "two"]).expect(0);
    // Of any part of them that is not all, none passes.
    for subset in 0..15_u32 {
        let some = all.iter().enumerate().filter(|(number, _)| subset & (1 << number) != 0);
        let from: Vec<&str> = some.flat_map(|(_, path)| ["--from", text(path)]).collect();
        verify(&proofs.target, &trust, &from).expect(1);
    }
}

#[test]
fn a_statement_can_be_too_old_or_not_yet_made() {
    let proofs = proofs();
    let trust = two_operators(proofs.path(), &format!("{BOTH}\nmax_age = \"10d\""));
    let from = proofs.from(&["one", "two"]);
    let at = |time: &str| {
        let more: Vec<&str> = from.iter().map(String::as_str).chain(["--at", time]).collect();
        verify(&proofs.target, &trust, &more)
    };
    at("2026-11-11T00:00:00Z").expect(0);
    assert!(at("2026-11-11T00:00:01Z").expect(1).text().contains("too old"));
    assert!(at("2026-10-31T23:59:59Z").expect(1).text().contains("later than now"));
    at("November").expect_error(&["--at", "RFC 3339"]);
    let said = proofs.verify(&trust, &["one", "two"]).expect(0).text();
    assert!(said.contains("max_age (240 hours) is not applied"), "{said}");
}

#[test]
fn a_key_of_ed25519_is_trusted_as_well() {
    use base64::Engine as _;
    use ed25519_dalek::Signer as _;
    use ed25519_dalek::pkcs8::DecodePrivateKey as _;
    let proofs = proofs();
    let trust = trust(proofs.path(), ONE, &[("first-org", ID, &["ed25519.pub"])]);
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(include_str!("keys/ed25519.pem")).unwrap();
    proofs.verify(&trust, &["one"]).expect(1);
    for name in ["svr", "equivalence"] {
        let path = proofs.path().join(format!("one/linux-amd64/{name}.sigstore.json"));
        let statement = std::fs::read(path.with_file_name(format!("{name}.json"))).unwrap();
        let message =
            [format!("DSSEv1 28 application/vnd.in-toto+json {} ", statement.len()).as_bytes(), &statement].concat();
        let signature = base64::engine::general_purpose::STANDARD.encode(key.sign(&message).to_bytes());
        let mut bundle = parsed(&path);
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = json!(signature);
        std::fs::write(path, bundle.to_string()).unwrap();
    }
    proofs.verify(&trust, &["one"]).expect(0);
}

#[test]
fn the_result_is_a_statement_of_its_own() {
    let proofs = proofs();
    let trust = two_operators(proofs.path(), BOTH);
    let (out, signer) = (proofs.path().join("vsa.json"), key(proofs.path(), "third.pem", THIRD));
    let own =
        ["--verifier-id", "https://gate.example.org", "--resource-uri", "docker://example.org/hello:1", "--at", TIME];
    let own: Vec<&str> = own.into_iter().chain(["--vsa", text(&out)]).collect();
    let summary = |from: &[&str], code: i32, more: &[&str]| {
        let from = proofs.from(from);
        let all: Vec<&str> =
            from.iter().map(String::as_str).chain(own.iter().copied()).chain(more.iter().copied()).collect();
        verify(&proofs.target, &trust, &all).expect(code);
        parsed(&out)
    };
    let passed = summary(&["one", "two"], 0, &[]);
    let predicate = &passed["predicate"];
    assert_eq!(passed["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(passed["subject"][0]["digest"]["sha256"], manifest(&proofs.target).strip_prefix("sha256:").unwrap());
    assert_eq!((&predicate["verificationResult"], &predicate["timeVerified"]), (&json!("PASSED"), &json!(TIME)));
    assert_eq!(predicate["verifiedLevels"], json!(["RESTAMP_REPRODUCED_2_OF_2"]));
    assert_eq!(predicate["inputAttestations"].as_array().unwrap().len(), 4);
    let policy = sha256(&std::fs::read(&trust).unwrap());
    assert_eq!(predicate["policy"]["digest"]["sha256"], policy.strip_prefix("sha256:").unwrap());
    let failed = summary(&["one"], 1, &[]);
    assert_eq!(failed["predicate"]["verificationResult"], "FAILED");
    assert_eq!(failed["predicate"]["verifiedLevels"], json!(["FAILED"]));
    // Two operators who have signed the provenance of a build of these very bytes.
    let mut provenance = proofs.statement("one", "svr.json");
    provenance["predicateType"] = json!("https://slsa.dev/provenance/v1");
    provenance["predicate"] =
        json!({"buildDefinition": {}, "runDetails": {"builder": {"id": "https://builder.example.org"}}});
    std::fs::write(proofs.path().join("p1.sigstore.json"), signed(&provenance, FIRST)).unwrap();
    let one = summary(&["one", "two", "p1.sigstore.json"], 0, &[]);
    assert_eq!(one["predicate"]["verifiedLevels"], json!(["RESTAMP_REPRODUCED_2_OF_2"]));
    std::fs::write(proofs.path().join("p2.sigstore.json"), signed(&provenance, SECOND)).unwrap();
    let both = summary(&["one", "two", "p1.sigstore.json", "p2.sigstore.json"], 0, &["--key", text(&signer)]);
    let payload = both["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["predicate"]["verifiedLevels"], json!(["SLSA_BUILD_REPRODUCED"]));
    // Who says otherwise as well has not shown it.
    let mut no = proofs.statement("one", "svr.json");
    no["predicateType"] = json!("https://in-toto.io/attestation/test-result/v0.1");
    no["predicate"] = json!({"result": "FAILED", "configuration": []});
    std::fs::write(proofs.path().join("no.sigstore.json"), signed(&no, SECOND)).unwrap();
    let one = summary(&["one", "two", "p1.sigstore.json", "p2.sigstore.json", "no.sigstore.json"], 0, &[]);
    assert_eq!(one["predicate"]["verifiedLevels"], json!(["RESTAMP_REPRODUCED_2_OF_2"]));
    // A statement that is too old by the time of the summary does not count for it.
    let trust = two_operators(proofs.path(), &format!("{BOTH}\nmax_age = \"1h\""));
    let from = proofs.from(&["one", "two"]);
    let late: Vec<&str> = from
        .iter()
        .map(String::as_str)
        .chain(["--vsa", text(&out), "--verifier-id", "u:x", "--resource-uri", "u:y"])
        .collect();
    verify(&proofs.target, &trust, &late).expect(1);
    // A bundle that is read is not written over, and what is no URI is none.
    let bundle = proofs.path().join("p1.sigstore.json");
    let over = ["--from", text(&bundle), "--vsa", text(&bundle), "--verifier-id", "u:x", "--resource-uri", "u:y"];
    verify(&proofs.target, &trust, &over).expect_error(&["--vsa", "--from"]);
    let no_uri = ["--vsa", text(&out), "--verifier-id", "no uri", "--resource-uri", "u:y", "--at", TIME];
    verify(&proofs.target, &trust, &no_uri).expect_error(&["verifier id"]);
}

#[test]
fn a_summary_of_somebody_else_is_shown_and_counts_for_nothing() {
    let proofs = proofs();
    let trust = two_operators(proofs.path(), BOTH);
    let mut summary = proofs.statement("one", "svr.json");
    summary["predicateType"] = json!("https://slsa.dev/verification_summary/v1");
    summary["predicate"] = json!({
        "verifier": {"id": "https://builder.example.org/replay"}, "timeVerified": TIME, "resourceUri": "docker://x",
        "policy": {}, "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
    });
    std::fs::write(proofs.path().join("vsa.json"), summary.to_string()).unwrap();
    std::fs::write(proofs.path().join("vsa.sigstore.json"), signed(&summary, SECOND)).unwrap();
    for (name, by) in [("vsa.json", "not signed"), ("vsa.sigstore.json", "signed by second-org")] {
        let said = proofs.verify(&trust, &["one", name]).expect(1).text();
        assert!(
            said.contains(&format!("PASSED (SLSA_BUILD_LEVEL_3) by https://builder.example.org/replay, {by}")),
            "{said}"
        );
        assert!(said.contains("counts for nothing") && said.contains("1 of 2 operators"), "{said}");
    }
}
