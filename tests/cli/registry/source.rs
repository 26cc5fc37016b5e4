//! A registry as SOURCE.

use serde_json::json;

use super::{expected, image, put, put_layout, rewrite};
use crate::support::layer::{Family, Packing};
use crate::support::layout::{Layout, OCI_INDEX, OCI_MANIFEST};
use crate::support::registry::{Registry, Reply};
use crate::support::{Build, graph, noise, run, scratch, sha256, zoo};

#[test]
fn an_image_in_a_registry_is_rewritten_as_the_same_one_in_a_folder_is() {
    let registry = Registry::start();
    let image = zoo(&Build::FIRST, Packing::Gzip, Family::Oci);
    put(&registry, "team/app", "1", &image);
    let folder = scratch();
    let to = folder.path().join("to");
    rewrite(&["-q", &registry.name("team/app:1"), to.to_str().unwrap()]).expect(0);
    let digest = run(["inspect", "--digest", to.to_str().unwrap()]).expect(0).text();
    assert_eq!(digest.trim(), expected(&image));
    // By its digest, and into a pipe.
    let digest = sha256(&image.manifest(&Build::FIRST));
    let out = rewrite(&["-q", &registry.name(&format!("team/app@{digest}"))]).expect(0);
    assert!(out.stdout.starts_with(b"oci-layout\0"));
    // Each blob is fetched once.
    for layer in &image.layers {
        assert_eq!(registry.count("GET", &layer.digest()), 2, "once for each of both runs");
    }
}

#[test]
fn every_verb_reads_a_registry() {
    let registry = Registry::start();
    let image = image();
    put(&registry, "app", "1", &image);
    put(&registry, "app", "2", &image);
    let (one, two) = (registry.name("app:1"), registry.name("app:2"));
    assert!(run(["inspect", &one]).expect(0).text().contains("app:1"));
    assert!(run(["check", "--epoch", "1700000000", &one]).expect(1).text().contains("config"));
    // Two tags of one image are the same image.
    run(["diff", &one, &two]).expect(0);
    let base = scratch();
    let to = base.path().join("to");
    rewrite(&["-q", "--base", &one, &two, to.to_str().unwrap()]).expect(0);
}

#[test]
fn a_tag_that_moves_while_it_is_read_is_read_as_it_was() {
    let registry = Registry::start();
    let (first, second) = (image(), zoo(&Build::SECOND, Packing::Gzip, Family::Oci));
    put(&registry, "app", "1", &first);
    let moved = second.manifest(&Build::SECOND);
    registry.fault(move |request, before| {
        let is_again = request.is("GET", "/manifests/1") && before > 0;
        is_again.then(|| Reply::new(200).body(OCI_MANIFEST, moved.clone()))
    });
    let folder = scratch();
    let to = folder.path().join("to");
    rewrite(&["-q", &registry.name("app:1"), to.to_str().unwrap()]).expect(0);
    assert_eq!(registry.count("GET", "/manifests/1"), 1);
}

#[test]
fn all_platforms_and_what_is_about_them_come_along() {
    for has_referrers in [true, false] {
        let registry = Registry::start();
        registry.state().has_referrers = has_referrers;
        let mut layout = graph::platforms(&Build::FIRST, Packing::Gzip, None);
        let index = layout.manifests[0].clone();
        let referrer = graph::put_referrer(&mut layout, &index, "application/x.sbom", b"an SBOM", &Build::FIRST);
        put_layout(&registry, "app", "1", &layout);
        let bytes = &layout.files[&crate::support::layout::blob_path(referrer["digest"].as_str().unwrap())];
        registry.put_manifest("app", referrer["digest"].as_str().unwrap(), OCI_MANIFEST, bytes);
        registry.put_blob("app", b"an SBOM");
        registry.put_blob("app", b"{}");
        if !has_referrers {
            let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [referrer]}).to_string();
            let tag = index["digest"].as_str().unwrap().replacen(':', "-", 1);
            registry.put_manifest("app", &tag, OCI_INDEX, list.as_bytes());
        }
        let folder = scratch();
        let to = folder.path().join("to");
        rewrite(&["-q", &registry.name("app:1"), to.to_str().unwrap()]).expect(0);
        let report = run(["inspect", "--json", to.to_str().unwrap()]).expect(0).text();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["images"].as_array().unwrap().len(), 2, "{report}");
        let text = report.to_string();
        assert!(text.contains("application/x.sbom"), "{has_referrers}: {text}");
    }
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let registry = Registry::start();
    let mut image = image();
    let tar = crate::support::tarball::tar(&[crate::support::tarball::Entry::file(
        "noise",
        noise(1 << 20, 7),
        1_760_000_000,
    )]);
    image = crate::support::layout::Image::new(
        vec![
            crate::support::layer::Layer::new(tar, Packing::Gzip, Family::Oci, &Build::FIRST),
            image.layers[0].clone(),
        ],
        Family::Oci,
        &Build::FIRST,
        &["app:1"],
    );
    let want = expected(&image);
    for honours_range in [true, false] {
        let registry = if honours_range { &registry } else { &Registry::start() };
        put(registry, "app", "1", &image);
        let digest = image.layers[0].digest();
        let blob = image.layers[0].blob.clone();
        registry.fault(move |request, before| {
            if !request.is("GET", &digest) {
                return None;
            }
            let whole = || Reply::new(200).body("application/octet-stream", blob.clone());
            match before {
                0 => Some(whole().cut(300_000)),
                _ if honours_range => None,
                1 => Some(whole().cut(500_000)),
                _ => Some(whole()),
            }
        });
        let folder = scratch();
        let to = folder.path().join("to");
        rewrite(&["-q", &registry.name("app:1"), to.to_str().unwrap()]).expect(0);
        assert_eq!(run(["inspect", "--digest", to.to_str().unwrap()]).expect(0).text().trim(), want);
        let log = registry.take_log();
        let ranges: Vec<&str> = log
            .iter()
            .filter(|request| request.is("GET", &image.layers[0].digest()))
            .map(|one| one.header("range"))
            .collect();
        assert_eq!(ranges.len(), if honours_range { 2 } else { 3 });
        assert!(ranges[0].is_empty() && ranges[1].starts_with("bytes=") && ranges[1] != "bytes=0-", "{ranges:?}");
    }
}

#[test]
fn a_document_that_is_not_what_names_it_is_refused() {
    let image = image();
    let manifest = image.manifest(&Build::FIRST);
    let digest = sha256(&manifest);
    let by_digest = format!("app@{digest}");
    let cases: [(&str, Reply, &[&str]); 7] = [
        ("app:1", Reply::new(200).body("application/json", manifest.clone()), &["Content-Type", "application/json"]),
        ("app:1", Reply::new(200).body(OCI_INDEX, manifest.clone()), &["Content-Type"]),
        (&by_digest, Reply::new(200).body(OCI_MANIFEST, "{}"), &["digest does not match", &digest]),
        (
            "app:1",
            Reply::new(200).body(OCI_MANIFEST, manifest.clone()).header("Docker-Content-Digest", sha256(b"")),
            &["digest does not match"],
        ),
        (
            "app:1",
            Reply::new(200).body("application/vnd.docker.distribution.manifest.v1+prettyjws", r#"{"schemaVersion":1}"#),
            &["schema 1"],
        ),
        ("app:1", Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"), &["no image of this name"]),
        ("app:1", Reply::error(403, "DENIED", "not for you"), &["403", "DENIED: not for you", "docker login"]),
    ];
    for (name, reply, parts) in cases {
        let registry = Registry::start();
        put(&registry, "app", "1", &image);
        registry.fault(move |request, _| request.path.contains("/manifests/").then(|| reply.clone()));
        run(["inspect", &registry.name(name)]).expect_error(parts);
    }
}

#[test]
fn a_document_without_end_is_not_read_to_its_end() {
    let registry = Registry::start();
    registry.fault(|request, _| {
        request
            .is("GET", "/manifests/")
            .then(|| Reply::new(200).body(OCI_MANIFEST, "{}").header("Content-Length", (1_u64 << 40).to_string()))
    });
    run(["inspect", &registry.name("app:1")]).expect_error(&["over the limit"]);
}

#[test]
fn a_blob_that_is_not_what_names_it_is_refused_and_nothing_is_left() {
    let image = image();
    let digest = image.layers[0].digest();
    for (bytes, part) in [(noise(image.layers[0].blob.len(), 1), "digest"), (b"short".to_vec(), "size")] {
        let registry = Registry::start();
        put(&registry, "app", "1", &image);
        let own = digest.clone();
        registry.fault(move |request, _| {
            request.path.contains(&own).then(|| Reply::new(200).body("application/octet-stream", bytes.clone()))
        });
        let folder = scratch();
        let to = folder.path().join("to");
        rewrite(&[&registry.name("app:1"), to.to_str().unwrap()]).expect_error(&[part, &digest]);
        assert!(!to.exists());
    }
}

#[test]
fn foreign_layers_are_never_fetched() {
    let registry = Registry::start();
    let stranger = Registry::start();
    let image = image();
    put(&registry, "app", "1", &image);
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest(&Build::FIRST)).unwrap();
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".into();
    manifest["layers"][0]["urls"] = json!([stranger.url("/layer")]);
    registry.put_manifest("app", "1", OCI_MANIFEST, manifest.to_string().as_bytes());
    registry.state().blobs.remove(&("app".to_owned(), image.layers[0].digest()));
    let folder = scratch();
    let to = folder.path().join("to");
    rewrite(&["-q", &registry.name("app:1"), to.to_str().unwrap()]).expect(0);
    assert!(stranger.take_log().is_empty());
}

#[test]
fn layouts_have_no_part_in_this() {
    // Credentials that can't be read are no matter of an image in a folder.
    let folder = scratch();
    let from = folder.path().join("from");
    Layout::of(&image(), &Build::FIRST).write(&from);
    let mut command = crate::support::restamp();
    command.args(["inspect", from.to_str().unwrap()]).env("REGISTRY_AUTH_FILE", "/nonexistent");
    crate::support::finish(&mut command, None).expect(0);
}
