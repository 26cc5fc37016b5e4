//! What hangs on images: platforms, attestations, referrers, signatures. Nothing points at what is gone, and nothing is
//! lost without a word.

use serde_json::Value;

use crate::support::graph::{Attestation, nested, platforms, put_attestation, put_referrer, referrers, signed};
use crate::support::layer::Packing;
use crate::support::layout::{Files, Layout, blob_path, read_tar};
use crate::support::{self, Build, hello, judge, oracle, pipe, scratch, write};

const BUILD: Build = Build::FIRST;

#[track_caller]
fn rewritten(layout: &Layout, options: &[&str]) -> (Files, String) {
    let outcome = pipe(["rewrite", "--epoch", "1700000000"].iter().chain(options), &layout.tar(&BUILD)).expect(0);
    (read_tar(&outcome.stdout), outcome.stderr)
}

/// Asserts that an output is sound and stamped, that nothing of the input's digests is left, and that a second run
/// changes nothing.
#[track_caller]
fn expect_sound(layout: &Layout, files: &Files, options: &[&str]) {
    let seen = judge::walk(files);
    judge::expect_no_orphans(files, &seen);
    for document in seen.configs.iter().chain(&seen.manifests).chain(&seen.indexes) {
        for (path, date) in judge::dates(document) {
            assert_eq!(date, support::EPOCH_DATE, "{path} in {document}");
        }
    }
    // The digests of documents that changed occur nowhere, in no document and under no name.
    for (name, bytes) in
        layout.files.iter().filter(|(name, _)| name.starts_with("blobs/") && !files.contains_key(*name))
    {
        let hex = &name["blobs/sha256/".len()..];
        for (other, text) in files {
            let is_there = text.windows(hex.len()).any(|window| window == hex.as_bytes());
            assert!(!is_there, "{other} still names {hex} ({} bytes)", bytes.len());
        }
    }
    let dir = scratch();
    let old = write(dir.path(), "old.tar", &layout.tar(&BUILD));
    let new =
        write(dir.path(), "new.tar", &support::layout::tar_files(files, &Build { seconds: support::EPOCH, ..BUILD }));
    for verdict in [oracle::oracle("validate", &[&new], &[]), oracle::oracle("lossless", &[&old, &new], &[])] {
        let is_drop = options.contains(&"drop");
        assert!(matches!(verdict, None | Some(oracle::Verdict::Clean)) || is_drop, "{verdict:?}");
    }
    let bytes = std::fs::read(&new).unwrap();
    let again = pipe(["rewrite", "-q", "--epoch", "1700000000"].iter().chain(options), &bytes).expect(0).stdout;
    assert!(read_tar(&again) == *files, "not idempotent");
}

#[test]
fn platforms_share_their_layers() {
    let layout = platforms(&BUILD, Packing::Gzip, None);
    let (files, _) = rewritten(&layout, &[]);
    expect_sound(&layout, &files, &[]);
    let seen = judge::walk(&files);
    assert_eq!((seen.configs.len(), seen.layers.len()), (2, 3), "the first layer is shared");
    let index = seen.indexes.iter().find(|index| index["manifests"].as_array().unwrap().len() == 2).unwrap();
    assert_eq!(index["manifests"][1]["platform"]["variant"], "v8");
}

#[test]
fn two_builds_of_an_index_are_one() {
    for packing in [Packing::Gzip, Packing::Zstd] {
        let [one, two] = [Build::FIRST, Build::SECOND].map(|build| {
            let bytes = platforms(&build, packing, None).tar(&build);
            pipe(["rewrite", "-q", "--epoch", "1700000000"], &bytes).expect(0).stdout
        });
        assert!(one == two, "{packing:?}");
    }
}

#[test]
fn an_index_of_indexes() {
    let layout = nested(&BUILD);
    let (files, _) = rewritten(&layout, &[]);
    expect_sound(&layout, &files, &[]);
    assert_eq!(judge::walk(&files).indexes.len(), 4);
}

#[test]
fn attestations_follow_their_image() {
    for style in [Attestation::Old, Attestation::New] {
        let layout = platforms(&BUILD, Packing::Gzip, Some(style));
        let (files, said) = rewritten(&layout, &[]);
        let seen = judge::walk(&files);
        judge::expect_no_orphans(&files, &seen);
        let index = seen.indexes.iter().find(|index| index["manifests"].as_array().unwrap().len() == 4).unwrap();
        for (image, attestation) in [(0, 2), (1, 3)] {
            let about = &index["manifests"][attestation]["annotations"]["vnd.docker.reference.digest"];
            assert_eq!(*about, index["manifests"][image]["digest"]);
            let digest = index["manifests"][attestation]["digest"].as_str().unwrap();
            let manifest: Value = serde_json::from_slice(&files[&blob_path(digest)]).unwrap();
            if style == Attestation::New {
                assert_eq!(manifest["subject"]["digest"], *about);
            }
            let layer = manifest["layers"][0]["digest"].as_str().unwrap();
            let statement: Value = serde_json::from_slice(&files[&blob_path(layer)]).unwrap();
            let subject = statement["subject"][0]["digest"]["sha256"].as_str().unwrap();
            assert_eq!(format!("sha256:{subject}"), about.as_str().unwrap());
            // When it was built is a fact.
            assert_eq!(statement["predicate"]["runDetails"]["metadata"]["startedOn"], BUILD.date(0));
        }
        assert!(said.contains("--attestations drop"), "the way to a reproducible index is not named: {said}");
    }
}

#[test]
fn without_attestations_two_builds_are_one() {
    for style in [Attestation::Old, Attestation::New] {
        let [one, two] = [Build::FIRST, Build::SECOND].map(|build| {
            let bytes = platforms(&build, Packing::Gzip, Some(style)).tar(&build);
            pipe(["rewrite", "-q", "--attestations", "drop", "--epoch", "1700000000"], &bytes).expect(0).stdout
        });
        assert!(one == two, "{style:?}");
        let seen = judge::walk(&read_tar(&one));
        assert!(seen.indexes.iter().any(|index| index["manifests"].as_array().unwrap().len() == 2));
        assert_eq!(seen.manifests.len(), 2);
    }
}

#[test]
fn a_single_platform_stays_an_index_when_its_attestation_goes() {
    let mut layout = Layout::default();
    let mut image = layout.put_image(&hello(&BUILD, Packing::Gzip), &BUILD);
    image["platform"] = serde_json::json!({"architecture": "amd64", "os": "linux"});
    let attestation = put_attestation(&mut layout, &image, Attestation::New, &BUILD);
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": support::layout::OCI_INDEX,
        "manifests": [image, attestation],
    });
    let descriptor = layout.put(support::layout::OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    layout.name(descriptor, "hello:1", &BUILD);
    let (files, said) = rewritten(&layout, &["--attestations", "drop"]);
    let seen = judge::walk(&files);
    judge::expect_no_orphans(&files, &seen);
    assert_eq!(seen.indexes.len(), 2);
    assert_eq!(seen.manifests.len(), 1);
    assert!(said.contains("attestation"), "dropped without a word: {said}");
}

#[test]
fn referrers_follow_their_subjects_and_fallback_tags_are_renamed() {
    let layout = referrers(&BUILD);
    let (files, _) = rewritten(&layout, &[]);
    expect_sound(&layout, &files, &[]);
    let seen = judge::walk(&files);
    let root = seen.indexes.last().unwrap();
    let tags: Vec<&str> = root["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap())
        .collect();
    let image = root["manifests"][0]["digest"].as_str().unwrap();
    assert!(tags.contains(&image.replace(':', "-").as_str()), "{tags:?} for {image}");
    // The artifacts' own blobs are what they were.
    for blob in [&b"{\"spdx\":1}"[..], b"a note"] {
        assert_eq!(files[&blob_path(&support::sha256(blob))], blob);
    }
}

#[test]
fn a_referrer_of_what_is_not_here_stays() {
    let mut layout = Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD);
    let elsewhere = support::layout::descriptor(support::layout::OCI_MANIFEST, b"an image of another registry");
    let referrer = put_referrer(&mut layout, &elsewhere, "application/spdx+json", b"{}", &BUILD);
    layout.manifests.push(referrer);
    let outcome = pipe(["rewrite", "--epoch", "1700000000"], &layout.tar(&BUILD)).expect(0);
    let digest = elsewhere["digest"].as_str().unwrap();
    let files = read_tar(&outcome.stdout);
    assert!(files.values().any(|bytes| bytes.windows(digest.len()).any(|window| window == digest.as_bytes())));
}

#[test]
fn a_signature_is_not_carried_over() {
    let layout = signed(&BUILD);
    let tag = layout.manifests.last().unwrap()["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap();
    let outcome = pipe(["rewrite", "--epoch", "1700000000"], &layout.tar(&BUILD));
    let outcome = outcome.expect_error(&["signature", "--signatures drop", &tag[..20]]);
    assert!(outcome.stdout.is_empty());
    let (files, said) = rewritten(&layout, &["--signatures", "drop"]);
    let seen = judge::walk(&files);
    judge::expect_no_orphans(&files, &seen);
    assert_eq!(seen.manifests.len(), 1);
    assert!(said.contains(&tag[..20]), "dropped without a word: {said}");
}

#[test]
fn stale_annotations_of_rewritten_layers_go() {
    let mut image = hello(&BUILD, Packing::Gzip);
    for layer in &mut image.layers {
        layer.annotations = Some(serde_json::json!({
            "containerd.io/snapshot/stargz/toc.digest": support::sha256(b"toc"),
            "io.containers.estargz.uncompressed-size": "12345",
            "io.github.containers.zstd-chunked.manifest-position": "1:2:3:4",
            "containerd.io/uncompressed": layer.diff_id(),
            "org.example.mine": "kept",
        }));
    }
    let layout = Layout::of(&image, &BUILD);
    let (files, said) = rewritten(&layout, &[]);
    let seen = judge::walk(&files);
    for (layer, diff_id) in seen.manifests[0]["layers"].as_array().unwrap().iter().zip(seen.diff_ids()) {
        let expected = serde_json::json!({"containerd.io/uncompressed": diff_id, "org.example.mine": "kept"});
        assert_eq!(layer["annotations"], expected);
    }
    assert!(said.contains("lazy") || said.contains("stargz"), "dropped without a word: {said}");
    // Where a layer keeps its blob, it keeps what is said of it.
    let outcome = pipe(["rewrite", "-q", "--clamp", "--epoch", "2200000000"], &layout.tar(&BUILD)).expect(0);
    assert!(read_tar(&outcome.stdout) == layout.all());
}
