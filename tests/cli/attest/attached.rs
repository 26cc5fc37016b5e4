//! Statements beside the image that they are about.

use serde_json::json;

use super::*;
use crate::support::layout::{OCI_MANIFEST, blob_path, read};
use crate::support::registry::Registry;
use crate::support::{judge, scratch};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A layout of the first build, and statements about it by two operators.
fn layout(dir: &Path) -> (PathBuf, Vec<PathBuf>) {
    let [a, b] = builds(dir);
    let folder = dir.join("layout");
    Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST).write(&folder);
    attest(dir, [&a, &b], "one", (FIRST, ID), &[]).expect(0);
    attest(dir, [&a, &a], "two", (SECOND, OTHER_ID), &[]).expect(0);
    let bundles = ["one", "two"].iter().flat_map(|of| {
        ["svr", "equivalence"].map(|name| dir.join(of).join("linux-amd64").join(format!("{name}.sigstore.json")))
    });
    (folder, bundles.collect())
}

#[test]
fn a_layout_keeps_them_as_referrers_and_by_the_tag_that_lists_them() {
    let dir = scratch();
    let (folder, bundles) = layout(dir.path());
    let image = format!("oci:{}", text(&folder));
    let trust = two_operators(dir.path(), BOTH);
    verify(&folder, &trust, &[]).expect(1);
    let before = read(&folder);
    let attach = |bundles: &[PathBuf]| {
        run(["attach", &image].into_iter().map(str::to_owned).chain(bundles.iter().map(|path| text(path).to_owned())))
    };
    // One by one, and all once more.
    for bundle in &bundles {
        attach(std::slice::from_ref(bundle)).expect(0);
    }
    let said = attach(&bundles).expect(0).text();
    assert!(said.contains("4 of them attached before"), "{said}");
    let files = read(&folder);
    judge::walk(&files);
    assert!(before.iter().filter(|(name, _)| *name != "index.json").all(|(name, bytes)| files[name] == *bytes));
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    let referrers: Vec<&Value> = manifests.iter().filter(|one| one["artifactType"] == BUNDLE).collect();
    assert_eq!(referrers.len(), 4);
    assert!(referrers.iter().all(|one| one["annotations"]["org.opencontainers.image.ref.name"].is_null()));
    let subject = manifests[0]["digest"].as_str().unwrap();
    let tag = subject.replacen(':', "-", 1);
    let lists: Vec<&Value> =
        manifests.iter().filter(|one| one["annotations"]["org.opencontainers.image.ref.name"] == tag).collect();
    assert_eq!(lists.len(), 1);
    let list: Value = serde_json::from_slice(&files[&blob_path(lists[0]["digest"].as_str().unwrap())]).unwrap();
    assert_eq!(list["manifests"].as_array().unwrap().len(), 4);
    let manifest: Value = serde_json::from_slice(&files[&blob_path(referrers[0]["digest"].as_str().unwrap())]).unwrap();
    assert_eq!(manifest["subject"]["digest"], subject);
    assert_eq!((&manifest["artifactType"], &manifest["layers"][0]["mediaType"]), (&json!(BUNDLE), &json!(BUNDLE)));
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(manifest["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    assert_eq!(manifest["annotations"]["dev.sigstore.bundle.predicateType"], "https://in-toto.io/attestation/svr/v0.2");
    verify(&folder, &trust, &[]).expect(0);
    // They are found there for the same image elsewhere, and do not make it another one.
    verify(&dir.path().join("a.tar"), &trust, &["--from", text(&folder)]).expect(0);
    let said = attest(dir.path(), [&folder, &dir.path().join("b.tar")], "three", (THIRD, ID), &["--attach", &image]);
    assert!(said.expect(0).text().contains("2 bundles attached"));
    verify(&folder, &trust, &[]).expect(0);
}

#[test]
fn what_can_not_be_attached_changes_nothing() {
    let dir = scratch();
    let dir = dir.path();
    let (folder, bundles) = layout(dir);
    let image = format!("oci:{}", text(&folder));
    let before = read(&folder);
    let bundle = text(&bundles[0]).to_owned();
    run(["attach", text(&dir.join("a.tar")), &bundle]).expect_error(&["archive", "oci:DIR"]);
    run(["attach", &image, text(&dir.join("one/linux-amd64/svr.json"))]).expect_error(&["svr.json", "bundle"]);
    run(["attach", &image, "absent.json"]).expect_error(&["absent.json"]);
    let other = dir.join("other");
    Layout::of(&hello(&Build::SECOND, Packing::Gzip), &Build::SECOND).write(&other);
    run(["attach", &format!("oci:{}", text(&other)), &bundle]).expect_error(&["which is no image in"]);
    assert_eq!(read(&folder), before);
    // A link in the place of its folders may lead anywhere.
    let elsewhere = dir.join("elsewhere");
    std::fs::rename(folder.join("blobs"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("blobs")).unwrap();
    run(["attach", &image, &bundle]).expect_error(&["is not a directory"]);
}

#[test]
fn a_registry_keeps_them_whether_it_lists_referrers_or_not() {
    for has_referrers in [true, false] {
        let registry = Registry::start();
        registry.state().has_referrers = has_referrers;
        let image = hello(&Build::FIRST, Packing::Gzip);
        for layer in &image.layers {
            registry.put_blob("team/app", &layer.blob);
        }
        registry.put_blob("team/app", &image.config);
        registry.put_manifest("team/app", "1", OCI_MANIFEST, &image.manifest(&Build::FIRST));
        let dir = scratch();
        let [_, candidate] = builds(dir.path());
        let name = registry.name("team/app:1");
        let trust = two_operators(dir.path(), ONE);
        run(["verify", &name, "--trust", text(&trust)]).expect(1);
        let before = registry.tag("team/app", "1");
        let key = key(dir.path(), "key.pem", FIRST);
        let out = dir.path().join("proof");
        let own = ["attest", &name, text(&candidate), "--verifier-id", ID, "--time", TIME, "--out", text(&out)];
        let more = ["--key", text(&key), "--attach", &name];
        registry.take_log();
        let said = run(own.iter().chain(&more)).expect(0).text();
        assert!(said.contains("2 bundles attached"), "{said}");
        for layer in &image.layers {
            assert_eq!(registry.count("GET", &layer.digest()), 1, "a layer is downloaded once");
        }
        assert_eq!(registry.tag("team/app", "1"), before);
        let statement = parsed(&out.join("linux-amd64/equivalence.json"));
        let uri = statement["predicate"]["target"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("docker://") && uri.contains("/team/app@sha256:"), "{uri}");
        let found = run(["verify", &name, "--trust", text(&trust)]).expect(0).text();
        assert!(found.contains("first-org: after-restamping"), "{found}");
        run(["attach", &name, text(&out.join("linux-amd64/svr.sigstore.json"))]).expect(0);
        run(["verify", text(&dir.path().join("a.tar")), "--trust", text(&trust), "--from", &name]).expect(0);
    }
}
