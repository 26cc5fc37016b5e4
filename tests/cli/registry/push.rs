//! A registry as DEST.

use serde_json::Value;

use super::{expected, image, put, put_layout, rewrite};
use crate::support::layer::{Family, Packing};
use crate::support::layout::{Image, Layout, OCI_MANIFEST, blob_path};
use crate::support::registry::{Registry, Reply};
use crate::support::{Build, graph, hello, run, scratch, sha256, zoo};

#[test]
fn what_is_pushed_is_what_a_folder_would_have() {
    let registry = Registry::start();
    let image = zoo(&Build::FIRST, Packing::Gzip, Family::Oci);
    let folder = scratch();
    let (from, digest_file) = (folder.path().join("from"), folder.path().join("digest"));
    Layout::of(&image, &Build::FIRST).write(&from);
    let to = registry.name("team/app:1");
    let out = rewrite(&["--digest-file", digest_file.to_str().unwrap(), from.to_str().unwrap(), &to]).expect(0);
    let want = expected(&image);
    assert_eq!(registry.tag("team/app", "1").unwrap(), want);
    assert_eq!(std::fs::read_to_string(digest_file).unwrap().trim(), want);
    assert!(out.stderr.contains(&format!("{}/team/app@{want}", registry.address)), "{}", out.stderr);
    // The tag comes last, and once.
    let log = registry.take_log();
    let puts: Vec<&str> = log.iter().filter(|one| one.method == "PUT").map(|one| one.path.as_str()).collect();
    assert!(puts.last().unwrap().ends_with("/manifests/1"), "{puts:?}");
    assert_eq!(puts.iter().filter(|path| path.ends_with("/manifests/1")).count(), 1);
    run(["check", "--epoch", "1700000000", &to]).expect(0);
}

#[test]
fn a_second_run_sends_no_blob_and_moves_no_tag() {
    let registry = Registry::start();
    put(&registry, "app", "1", &image());
    let names = [registry.name("app:1"), registry.name("stamped:1")];
    let arguments = [names[0].as_str(), names[1].as_str()];
    rewrite(&arguments).expect(0);
    registry.take_log();
    let out = rewrite(&arguments).expect(0);
    assert!(out.stderr.contains("0 blobs sent"), "{}", out.stderr);
    assert_eq!(registry.count("PUT", "/blobs/"), 0);
    assert_eq!(registry.count("PUT", "/manifests/1"), 0);
}

#[test]
fn layers_of_the_base_are_neither_downloaded_nor_uploaded() {
    let registry = Registry::start();
    let image = hello(&Build::FIRST, Packing::Gzip);
    assert!(image.layers.len() > 1);
    let base = Image::new(image.layers[..1].to_vec(), Family::Oci, &Build::FIRST, &["base:1"]);
    put(&registry, "base", "1", &base);
    put(&registry, "app", "1", &image);
    for to in ["app:stamped", "other:stamped"] {
        registry.take_log();
        let out = rewrite(&["--base", &registry.name("base:1"), &registry.name("app:1"), &registry.name(to)]).expect(0);
        assert!(out.stderr.contains("of the base stayed unread"), "{}", out.stderr);
        let digest = image.layers[0].digest();
        assert_eq!(registry.count("GET", &format!("/blobs/{digest}")), 0, "{to}");
        let log = registry.take_log();
        let sent = log.iter().filter(|one| one.method == "PUT" && one.query.contains(&digest.replace(':', "%3A")));
        assert_eq!(sent.count(), 0, "{to}");
    }
    let manifest = registry.manifest("other", "stamped");
    assert_eq!(manifest["layers"][0]["digest"], image.layers[0].digest().as_str());
}

#[test]
fn a_registry_that_mounts_nothing_is_sent_the_base() {
    let registry = Registry::start();
    registry.state().mounts = false;
    let image = hello(&Build::FIRST, Packing::Gzip);
    put(&registry, "app", "1", &image);
    rewrite(&["-q", "--base-layers", "1", &registry.name("app:1"), &registry.name("other:1")]).expect(0);
    let digest = image.layers[0].digest();
    assert!(registry.state().blobs.contains_key(&("other".to_owned(), digest)));
}

#[test]
fn a_tag_that_moves_meanwhile_stays_where_it_is() {
    for force in [false, true] {
        let registry = Registry::start();
        put(&registry, "app", "1", &image());
        put(&registry, "stamped", "1", &image());
        let other = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;
        // It moves once the first blob has come.
        registry.fault(move |request, before| {
            let is_later = request.is("HEAD", "/stamped/manifests/1") && before > 0;
            is_later.then(|| Reply::new(200).header("Docker-Content-Digest", sha256(other)))
        });
        let (from, to) = (registry.name("app:1"), registry.name("stamped:1"));
        let arguments = [from.as_str(), to.as_str(), "--force"];
        let out = rewrite(&arguments[..if force { 3 } else { 2 }]);
        if force {
            out.expect(0);
            assert_eq!(registry.count("PUT", "/stamped/manifests/1"), 1);
        } else {
            out.expect_error(&["the tag 1 has moved", "--force"]);
            assert_eq!(registry.count("PUT", "/stamped/manifests/1"), 0);
        }
    }
}

#[test]
fn a_dry_run_only_asks() {
    let registry = Registry::start();
    put(&registry, "app", "1", &image());
    let out = rewrite(&["--dry-run", &registry.name("app:1"), &registry.name("stamped:1")]).expect(0);
    assert!(out.stderr.contains("would be sent"), "{}", out.stderr);
    let log = registry.take_log();
    let others: Vec<String> =
        log.iter().filter(|one| !matches!(one.method.as_str(), "GET" | "HEAD")).map(|one| one.path.clone()).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn in_place_moves_the_tag_and_only_from_what_was_read() {
    let registry = Registry::start();
    let image = image();
    let old = put(&registry, "app", "1", &image);
    let name = registry.name("app:1");
    rewrite(&[&name, &name]).expect_error(&["--in-place"]);
    rewrite(&["--in-place", &registry.name(&format!("app@{old}"))]).expect_error(&["tag"]);
    rewrite(&["--in-place", &name]).expect(0);
    assert_eq!(registry.tag("app", "1").unwrap(), expected(&image));
    // What is pushed while it runs stays.
    let registry = Registry::start();
    put(&registry, "app", "1", &image);
    registry.fault(|request, before| {
        let is_later = request.is("HEAD", "/app/manifests/1") && before > 0;
        is_later.then(|| Reply::new(200).header("Docker-Content-Digest", sha256(b"newer")))
    });
    rewrite(&["--in-place", &registry.name("app:1")]).expect_error(&["the tag 1 has moved"]);
    assert_eq!(registry.count("PUT", "/app/manifests/1"), 0);
}

#[test]
fn what_is_about_an_image_follows_it_with_and_without_a_list_of_the_registry() {
    for has_referrers in [true, false] {
        let registry = Registry::start();
        registry.state().has_referrers = has_referrers;
        let mut layout = Layout::of(&image(), &Build::FIRST);
        let subject = layout.manifests[0].clone();
        let referrer = graph::put_referrer(&mut layout, &subject, "application/x.sbom", b"an SBOM", &Build::FIRST);
        layout.manifests.push(referrer);
        let folder = scratch();
        let from = folder.path().join("from");
        layout.write(&from);
        let to = registry.name("app:1");
        for _ in 0..2 {
            rewrite(&["-q", from.to_str().unwrap(), &to]).expect(0);
        }
        let digest = registry.tag("app", "1").unwrap();
        let state = registry.state();
        let about: Vec<Value> = state
            .manifests
            .iter()
            .filter(|((_, reference), _)| reference.starts_with("sha256:"))
            .filter_map(|(_, (_, bytes))| serde_json::from_slice(bytes).ok())
            .filter(|document: &Value| document["subject"]["digest"] == digest.as_str())
            .collect();
        assert_eq!(about.len(), 1);
        let tag = digest.replacen(':', "-", 1);
        let list = state.manifests.get(&("app".to_owned(), tag));
        assert_eq!(list.is_some(), !has_referrers);
        if let Some((_, bytes)) = list {
            let list: Value = serde_json::from_slice(bytes).unwrap();
            assert_eq!(list["manifests"].as_array().unwrap().len(), 1, "{list}");
            assert_eq!(list["manifests"][0]["artifactType"], "application/x.sbom", "{list}");
        }
    }
}

#[test]
fn several_platforms_become_one_index() {
    let registry = Registry::start();
    let layout = graph::platforms(&Build::FIRST, Packing::Gzip, None);
    put_layout(&registry, "app", "1", &layout);
    rewrite(&["-q", &registry.name("app:1"), &registry.name("stamped:1")]).expect(0);
    let index = registry.manifest("stamped", "1");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    run(["check", "--epoch", "1700000000", &registry.name("stamped:1")]).expect(0);
    let bytes = &layout.files[&blob_path(layout.manifests[0]["digest"].as_str().unwrap())];
    assert_ne!(registry.tag("stamped", "1").unwrap(), sha256(bytes));
}

#[test]
fn an_archive_of_docker_save_is_compressed_for_a_registry() {
    let registry = Registry::start();
    let hello = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hello.tar");
    rewrite(&["-q", hello, &registry.name("hello:1")]).expect(0);
    let manifest = registry.manifest("hello", "1");
    for layer in manifest["layers"].as_array().unwrap() {
        assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    }
    assert_eq!(manifest["mediaType"], OCI_MANIFEST);
}

#[test]
fn more_tags_are_of_the_same_repository() {
    let registry = Registry::start();
    put(&registry, "app", "1", &image());
    let (from, to) = (registry.name("app:1"), registry.name("stamped:1"));
    let other = format!("{}/stamped:latest", registry.address);
    rewrite(&["-q", "--name", &other, &from, &to]).expect(0);
    assert_eq!(registry.tag("stamped", "1"), registry.tag("stamped", "latest"));
    rewrite(&["--name", "elsewhere:1", &from, &to]).expect_error(&["another repository"]);
    rewrite(&[&from, &registry.name(&format!("stamped@{}", sha256(b"")))]).expect_error(&["docker://"]);
}

#[test]
fn what_cosign_says_by_a_tag_is_a_signature_or_follows_under_its_new_tag() {
    let registry = Registry::start();
    let old = put(&registry, "app", "1", &image());
    let document = |media_type: &str, blob: &[u8]| {
        let config = registry.put_blob("app", b"{}");
        let digest = registry.put_blob("app", blob);
        serde_json::json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": media_type, "digest": digest, "size": blob.len()}]})
        .to_string()
    };
    let sbom = document("text/spdx", b"an SBOM");
    let tag = |digest: &str, suffix: &str| format!("{}.{suffix}", digest.replacen(':', "-", 1));
    registry.put_manifest("app", &tag(&old, "sbom"), OCI_MANIFEST, sbom.as_bytes());
    rewrite(&["-q", &registry.name("app:1"), &registry.name("stamped:1")]).expect(0);
    let new = registry.tag("stamped", "1").unwrap();
    assert_eq!(registry.tag("stamped", &tag(&new, "sbom")).unwrap(), sha256(sbom.as_bytes()));
    let signature = document("application/vnd.dev.cosign.simplesigning.v1+json", b"{}");
    registry.put_manifest("app", &tag(&old, "sig"), OCI_MANIFEST, signature.as_bytes());
    rewrite(&[&registry.name("app:1"), &registry.name("stamped:1")]).expect_error(&["sig", "--signatures drop"]);
    rewrite(&["-q", "--signatures", "drop", &registry.name("app:1"), &registry.name("stamped:1")]).expect(0);
    assert_eq!(registry.tag("stamped", &tag(&new, "sig")), None);
}
