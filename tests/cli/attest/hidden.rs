//! An image that a tool would run, beside the one that was reproduced: what makes it look like something else does not hide it.

use serde_json::json;

use super::*;
use crate::support::layout::{Image, OCI_INDEX, OCI_MANIFEST};
use crate::support::{names, scratch};

/// The image that is published beside the good one, before it in the index.
type Disguise<'d> = &'d dyn Fn(&mut Layout, &Image) -> Value;

fn plain(layout: &mut Layout, image: &Image) -> Value {
    let mut descriptor = layout.put_image(image, &Build::SECOND);
    descriptor["platform"] = json!({"architecture": "amd64", "os": "linux"});
    descriptor
}

/// The other image, with members of its manifest changed.
fn changed(layout: &mut Layout, image: &Image, change: &dyn Fn(&mut Value)) -> Value {
    plain(layout, image);
    let mut manifest: Value = serde_json::from_slice(&image.manifest(&Build::SECOND)).unwrap();
    change(&mut manifest);
    let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    descriptor["platform"] = json!({"architecture": "amd64", "os": "linux"});
    descriptor
}

#[test]
fn nothing_that_could_be_run_is_left_out() {
    let dir = scratch();
    let dir = dir.path();
    let [a, _] = builds(dir);
    attest(dir, [&a, &a], "proof", (FIRST, ID), &[]).expect(0);
    let trust = trust(dir, ONE, &[("first-org", ID, &["first.pub"])]);
    let proof = dir.join("proof");
    let (good, other) = (hello(&Build::FIRST, Packing::Gzip), hello(&Build::SECOND, Packing::Gzip));
    let cases: &[(&str, Disguise<'_>, &str)] = &[
        (
            "as an attestation",
            &|layout, image| {
                let mut descriptor = plain(layout, image);
                descriptor["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
                descriptor
            },
            "could be run",
        ),
        (
            "by its artifactType",
            &|layout, image| {
                changed(layout, image, &|manifest| {
                    manifest["artifactType"] = json!("application/vnd.docker.attestation.manifest.v1+json")
                })
            },
            "could be run",
        ),
        (
            "as a signature",
            &|layout, image| {
                changed(layout, image, &|manifest| {
                    manifest["artifactType"] = json!("application/vnd.dev.sigstore.bundle.v0.3+json")
                })
            },
            "could be run",
        ),
        (
            "by the type of its config",
            &|layout, image| {
                changed(layout, image, &|manifest| manifest["config"]["mediaType"] = json!("application/x.config"))
            },
            "could be run",
        ),
        (
            "by the media type of its descriptor",
            &|layout, image| {
                let mut descriptor = plain(layout, image);
                descriptor["mediaType"] = json!("application/x.manifest");
                descriptor
            },
            "other tools may run it",
        ),
        (
            "by not being there",
            &|layout, image| {
                let descriptor = plain(layout, image);
                layout.files.remove(&crate::support::layout::blob_path(descriptor["digest"].as_str().unwrap()));
                descriptor
            },
            "is not there",
        ),
        (
            "by the spelling of its platform",
            &|layout, image| {
                let mut descriptor = plain(layout, image);
                descriptor["platform"]["architecture"] = json!("x86_64");
                descriptor
            },
            "spelled",
        ),
        (
            "by the case of its platform",
            &|layout, image| {
                let mut descriptor = plain(layout, image);
                descriptor["platform"]["os"] = json!("Linux");
                descriptor
            },
            "spelled",
        ),
    ];
    for (name, disguise, reason) in cases {
        let mut layout = Layout::default();
        let hidden = disguise(&mut layout, &other);
        let mut right = layout.put_image(&good, &Build::FIRST);
        right["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [hidden, right]});
        let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
        layout.name(index, "hello:1", &Build::FIRST);
        let image = write(dir, "hidden.tar", &layout.tar(&Build::FIRST));
        for more in [&[][..], &["--platform", "linux/amd64"]] {
            let all: Vec<&str> = ["--from", text(&proof)].into_iter().chain(more.iter().copied()).collect();
            let outcome = verify(&image, &trust, &all);
            assert!(
                outcome.code == Some(2) && outcome.stderr.contains(reason),
                "{name}: {} {}",
                outcome.text(),
                outcome.stderr
            );
            let out = dir.join("out");
            let own = ["attest", text(&image), text(&a), "--verifier-id", ID, "--out", text(&out)];
            assert_eq!(run(own.iter().chain(more)).code, Some(2), "{name}");
            assert!(!out.exists());
        }
    }
    assert!(names(dir).iter().all(|name| !name.starts_with(".restamp")));
}

#[test]
fn an_image_for_another_platform_may_be_missing_where_one_is_asked_for() {
    let dir = scratch();
    let dir = dir.path();
    let [a, _] = builds(dir);
    attest(dir, [&a, &a], "proof", (FIRST, ID), &[]).expect(0);
    let trust = trust(dir, ONE, &[("first-org", ID, &["first.pub"])]);
    let mut layout = Layout::default();
    let mut right = layout.put_image(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST);
    right["platform"] = json!({"architecture": "amd64", "os": "linux"});
    let absent = json!({
        "mediaType": OCI_MANIFEST, "digest": format!("sha256:{}", "ab".repeat(32)), "size": 400,
        "platform": {"architecture": "arm64", "os": "linux"},
    });
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [right, absent]});
    let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    layout.name(index, "hello:1", &Build::FIRST);
    let image = write(dir, "sparse.tar", &layout.tar(&Build::FIRST));
    let proof = dir.join("proof");
    let from = ["--from", text(&proof)];
    verify(&image, &trust, &[&from[..], &["--platform", "linux/amd64"]].concat()).expect(0);
    verify(&image, &trust, &from).expect_error(&["is not there"]);
}
