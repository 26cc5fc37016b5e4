//! What `attest` finds, and what it writes.

use serde_json::json;

use super::*;
use crate::support::graph::{self, Attestation};
use crate::support::layer::{Family, Layer};
use crate::support::layout::{Image, OCI_INDEX, OCI_MANIFEST};
use crate::support::tarball::{Entry, tar};
use crate::support::{docker, names, pipe, scratch, sha256, sha256_hex};

/// The digest of the manifest that the profile's own words make of an image.
fn by_the_profile(dir: &Path, image: &Path) -> String {
    let out = dir.join("by-the-profile");
    let words = "--epoch 0 --compression none --repair copies --attestations drop --signatures drop --force -q";
    run(["rewrite", text(image), &format!("oci:{}", text(&out))].into_iter().chain(words.split(' '))).expect(0);
    manifest(&out)
}

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap()
}

#[test]
fn two_builds_are_the_same_after_restamping_and_the_statements_say_how() {
    let dir = scratch();
    let dir = dir.path();
    let [a, b] = builds(dir);
    let run_url = "https://ci.example.org/runs/7";
    let source = "git+https://example.org/app@gitCommit:0123456789abcdef0123456789abcdef01234567";
    let more = ["--source", source, "--run-url", run_url, "--name", "example.org/hello:1"];
    let outcome = attest(dir, [&a, &b], "proof", (FIRST, ID), &more).expect(0);
    let (target, candidate) = (manifest(&a), manifest(&b));
    let stabilized = by_the_profile(dir, &a);
    assert_eq!(by_the_profile(dir, &b), stabilized);
    for part in ["linux/amd64: after-restamping", &target, &candidate, &stabilized] {
        assert!(outcome.text().contains(part), "{part}: {}", outcome.text());
    }
    let folder = dir.join("proof/linux-amd64");
    let files =
        ["diff.html", "diff.json", "equivalence.json", "equivalence.sigstore.json", "svr.json", "svr.sigstore.json"];
    assert_eq!(names(&folder), files);
    let profile = sha256_hex(restamp::stabilizer::PROFILE.as_bytes());
    let subject = json!([{
        "name": "example.org/hello:1", "digest": {"sha256": hex(&target)}, "annotations": {"platform": "linux/amd64"},
    }]);
    let svr = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://in-toto.io/attestation/svr/v0.2",
        "predicate": {
            "verifier": {
                "id": ID, "policies": [{"uri": "https://restamp.dev/stabilizer/v1", "digest": {"sha256": profile}}],
            },
            "timeCreated": TIME,
            "properties": ["RESTAMP_REPRODUCED_STABILIZED_V1"],
        },
    });
    // Byte for byte: compact, and in this order.
    assert_eq!(std::fs::read(folder.join("svr.json")).unwrap(), serde_json::to_vec(&svr).unwrap());
    let diff = parsed(&folder.join("diff.json"));
    let equivalence = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://restamp.dev/image-equivalence/v0.1",
        "predicate": {
            "equal": "after-restamping",
            "target": {"name": "example.org/hello:1", "digest": {"sha256": hex(&target)}},
            "candidate": {"name": "b.tar", "digest": {"sha256": hex(&candidate)}},
            "stabilizer": {
                "uri": "https://restamp.dev/stabilizer/v1",
                "digest": {"sha256": profile},
                "options": restamp::stabilizer::OPTIONS,
            },
            "stabilized": {"digest": {"sha256": hex(&stabilized)}},
            "inputs": [{
                "uri": "git+https://example.org/app",
                "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"},
            }],
            "differences": diff["counts"],
            "tool": {"name": "restamp", "version": env!("CARGO_PKG_VERSION")},
            "run": {"url": run_url},
        },
    });
    assert_eq!(std::fs::read(folder.join("equivalence.json")).unwrap(), serde_json::to_vec(&equivalence).unwrap());
    // Signed again, they are the same bytes.
    for name in ["svr", "equivalence"] {
        let statement = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let key = SigningKey::from_pem(FIRST).unwrap();
        let expected = Bundle::sign(&statement, &key).file(&key.public().unwrap()).unwrap();
        assert_eq!(std::fs::read(folder.join(format!("{name}.sigstore.json"))).unwrap(), expected);
    }
    // Nothing of where the files are on this machine.
    let path = text(dir).to_owned();
    for name in files {
        assert!(!String::from_utf8(std::fs::read(folder.join(name)).unwrap()).unwrap().contains(&path), "{name}");
    }
    assert_eq!(attest(dir, [&a, &b], "again", (FIRST, ID), &["--require", "identical"]).code, Some(1));
}

#[test]
fn the_same_manifest_is_identical_in_whatever_carrier() {
    let dir = scratch();
    let dir = dir.path();
    let [a, _] = builds(dir);
    let folder = dir.join("layout");
    Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST).write(&folder);
    let out = dir.join("proof");
    let arguments = ["attest", text(&a), "-", "--verifier-id", ID, "--time", TIME, "--json", "--require", "identical"];
    let outcome = pipe(arguments.iter().chain(&["--out", text(&out)]), &std::fs::read(&a).unwrap()).expect(0);
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((&report["verdict"], &report["candidate"]), (&json!("identical"), &json!("standard input")));
    let svr = parsed(&out.join("linux-amd64/svr.json"));
    let expected = ["RESTAMP_REPRODUCED_STABILIZED_V1", "RESTAMP_REPRODUCED_IDENTICAL"];
    assert_eq!(svr["predicate"]["properties"], json!(expected));
    assert_eq!(report["images"][0]["statements"][0]["bundle"], Value::Null);
    // From a directory, which nothing else may be found in afterwards.
    let more = attest(dir, [&folder, &a], "second", (FIRST, ID), &[]).expect(0);
    assert!(more.text().contains("identical"));
    assert_eq!(names(&folder), ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn what_is_not_signed_comes_with_the_command_that_signs_it() {
    let dir = scratch();
    let [a, b] = builds(dir.path());
    let out = dir.path().join("it's proof");
    let arguments = ["attest", text(&a), text(&b), "--verifier-id", ID, "--out", text(&out)];
    let said = run(arguments).expect(0).text();
    let statement = format!("cosign attest-blob --statement '{}", text(dir.path()));
    assert!(said.contains(&statement) && said.contains("svr.sigstore.json"), "{said}");
    assert_eq!(names(&out.join("linux-amd64")), ["diff.html", "diff.json", "equivalence.json", "svr.json"]);
}

/// An image of one file, and what else is in it.
fn image(dir: &Path, name: &str, entries: &[(&str, &str)], build: Build) -> PathBuf {
    let entries: Vec<Entry> = entries.iter().map(|(name, data)| Entry::file(name, data, build.seconds)).collect();
    let layer = Layer::new(tar(&entries), Packing::Gzip, Family::Oci, &build);
    let image = Image::new(vec![layer], Family::Oci, &build, &["x:1"]);
    write(dir, name, &Layout::of(&image, &build).tar(&build))
}

#[test]
fn what_was_not_reproduced_gets_a_test_result_and_no_statement_of_success() {
    let dir = scratch();
    let dir = dir.path();
    let a = image(dir, "a.tar", &[("usr/bin/app", "one"), ("var/log/apt/history.log", "x")], Build::FIRST);
    let log = image(dir, "log.tar", &[("usr/bin/app", "one"), ("var/log/apt/history.log", "y")], Build::SECOND);
    let program = image(dir, "app.tar", &[("usr/bin/app", "two"), ("var/log/apt/history.log", "x")], Build::SECOND);
    let policy = write(
        dir,
        "accepted.toml",
        b"[[accept]]\npath = \"usr/bin/app\"\nreason = \"known\"\n[[accept]]\nclass = \"time\"\nreason = \"times\"\n",
    );
    let cases = [
        (&log, &[][..], "explainable", "WARNED", json!(["log-or-cache", "time"]), json!([])),
        (&program, &[], "different", "FAILED", json!(["time"]), json!(["content"])),
        (&program, &["--policy", text(&policy)], "accepted", "WARNED", json!(["content", "time"]), json!([])),
    ];
    for (number, (candidate, more, verdict, result, warned, failed)) in cases.into_iter().enumerate() {
        let out = format!("proof{number}");
        let said = attest(dir, [&a, candidate], &out, (FIRST, ID), more).expect(1).text();
        assert!(said.contains(&format!("linux/amd64: {verdict}")), "{said}");
        let folder = dir.join(out).join("linux-amd64");
        assert_eq!(names(&folder), ["diff.html", "diff.json", "test-result.json", "test-result.sigstore.json"]);
        let statement = parsed(&folder.join("test-result.json"));
        assert_eq!(statement["predicateType"], "https://in-toto.io/attestation/test-result/v0.1");
        let predicate = &statement["predicate"];
        assert_eq!(predicate["result"], result, "{verdict}");
        assert_eq!((&predicate["warnedTests"], &predicate["failedTests"]), (&warned, &failed), "{verdict}");
        let diff = sha256(&std::fs::read(folder.join("diff.json")).unwrap());
        assert_eq!(predicate["configuration"][0], json!({"name": "diff.json", "digest": {"sha256": hex(&diff)}}));
    }
    let policy = sha256_hex(&std::fs::read(&policy).unwrap());
    let named = &parsed(&dir.join("proof2/linux-amd64/test-result.json"))["predicate"]["configuration"][1];
    assert_eq!(*named, json!({"name": "accepted.toml", "digest": {"sha256": policy}}));
}

#[test]
fn a_compressor_an_index_and_attestations_have_no_part_in_it() {
    let dir = scratch();
    let dir = dir.path();
    let build = Build::SECOND;
    let a = write(dir, "multi.tar", &graph::platforms(&Build::FIRST, Packing::Gzip, None).tar(&Build::FIRST));
    let b = graph::platforms(&build, Packing::Zstd, Some(Attestation::New)).tar(&build);
    let b = write(dir, "b.tar", &b);
    let said = attest(dir, [&a, &b], "proof", (FIRST, ID), &[]).expect(0).text();
    assert!(
        said.contains("linux/amd64: after-restamping") && said.contains("linux/arm64/v1: after-restamping"),
        "{said}"
    );
    assert_eq!(names(&dir.join("proof")), ["linux-amd64", "linux-arm64-v1"]);
    let digests = ["linux-amd64", "linux-arm64-v1"].map(|name| {
        let statement = parsed(&dir.join("proof").join(name).join("svr.json"));
        statement["subject"][0]["digest"]["sha256"].as_str().unwrap().to_owned()
    });
    assert_ne!(digests[0], digests[1]);
    // Of one platform alone.
    let out = attest(dir, [&a, &b], "one", (FIRST, ID), &["--platform", "linux/arm64"]).expect(0).text();
    assert!(!out.contains("amd64"), "{out}");
    let [one, _] = builds(dir);
    let lone = attest(dir, [&a, &one], "lone", (FIRST, ID), &[]);
    lone.expect_error(&["linux/arm64/v1 is not in a.tar", "--platform"]).text();
}

#[test]
fn an_archive_of_docker_save_is_a_candidate_and_as_a_target_an_error_says_why() {
    let dir = scratch();
    let dir = dir.path();
    let image = hello(&Build::FIRST, Packing::Plain);
    let oci = write(dir, "oci.tar", &Layout::of(&image, &Build::FIRST).tar(&Build::FIRST));
    let saved = write(dir, "saved.tar", &docker::legacy(&[image], &Build::FIRST));
    let error = attest(dir, [&saved, &oci], "proof", (FIRST, ID), &[]);
    error.expect_error(&["saved.tar", "no manifest", "docker://"]);
    assert!(!dir.join("proof").exists());
    // It has no manifest that could be the same one.
    let outcome = attest(dir, [&oci, &saved], "proof", (FIRST, ID), &[]);
    let said = outcome.text();
    assert!(said.contains("no manifest") && !said.contains("identical"), "{said}");
}

#[test]
fn the_table_of_contents_of_estargz_is_a_time_that_restamping_sets() {
    let dir = scratch();
    let dir = dir.path();
    let toc =
        |date: &str| format!(r#"{{"version":1,"entries":[{{"name":"f","type":"reg","modtime":"{date}","size":1}}]}}"#);
    let [a, b] = [("a.tar", "2025-01-16T20:27:12Z", Build::FIRST), ("b.tar", "2023-11-14T22:13:20Z", Build::SECOND)]
        .map(|(name, date, build)| image(dir, name, &[("f", "x"), ("stargz.index.json", &toc(date))], build));
    let said = run(["diff", text(&a), text(&b)]).expect(1).text();
    assert!(said.contains("same after restamping") && said.contains("table of contents"), "{said}");
    attest(dir, [&a, &b], "proof", (FIRST, ID), &[]).expect(0);
}

#[test]
fn inputs_come_from_provenance_where_that_says_that_it_is_complete() {
    let dir = scratch();
    let dir = dir.path();
    let [_, b] = builds(dir);
    let image = hello(&Build::FIRST, Packing::Gzip);
    let materials = json!([{"uri": "pkg:docker/base@1", "digest": {"sha256": "ab".repeat(32)}}]);
    for (number, (is_complete, expected)) in [(true, materials.clone()), (false, json!([]))].into_iter().enumerate() {
        let mut layout = Layout::default();
        let about = layout.put_image(&image, &Build::FIRST);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://slsa.dev/provenance/v1",
            "subject": [{"name": "x", "digest": {"sha256": hex(about["digest"].as_str().unwrap())}}],
            "predicate": {
                "buildDefinition": {"resolvedDependencies": materials},
                "runDetails": {"metadata": {"buildkit_completeness": {"request": true, "resolvedDependencies": is_complete}}},
            },
        });
        let mut layer = layout.put("application/vnd.in-toto+json", &serde_json::to_vec(&statement).unwrap());
        layer["annotations"] = json!({"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": graph::empty(&mut layout), "layers": [layer],
            "artifactType": "application/vnd.docker.attestation.manifest.v1+json", "subject": about,
        });
        let mut attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        attestation["annotations"] = json!({
            "vnd.docker.reference.digest": about["digest"], "vnd.docker.reference.type": "attestation-manifest",
        });
        attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [about, attestation]});
        layout.manifests = vec![layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())];
        let target = write(dir, "target.tar", &layout.tar(&Build::FIRST));
        let out = format!("proof{number}");
        attest(dir, [&target, &b], &out, (FIRST, ID), &[]).expect(0);
        let found = parsed(&dir.join(&out).join("linux-amd64/equivalence.json"));
        assert_eq!(found["predicate"]["inputs"], expected);
    }
    // What the user names counts.
    let source = format!("https://example.org/x@sha256:{}", "cd".repeat(32));
    attest(dir, [&dir.join("target.tar"), &b], "own", (FIRST, ID), &["--source", &source]).expect(0);
    let found = parsed(&dir.join("own/linux-amd64/equivalence.json"));
    assert_eq!(found["predicate"]["inputs"][0]["uri"], "https://example.org/x");
}
