//! What is left out by choice: attestations, signatures, platforms.

use serde_json::{Value, json};

use crate::graph::walk::Walk;
use crate::graph::{BUILD, document, hello, index, plain, put_index, refused, tags, told};
use crate::support::graph::{self, Attestation};
use crate::support::layer::{Family, Layer, Packing, base};
use crate::support::layout::{Files, Image, Layout, OCI_INDEX, OCI_MANIFEST, config, read_tar};
use crate::support::pipe;

#[test]
fn attestations_are_named_as_what_keeps_the_index_from_being_reproducible() {
    for style in [Attestation::Old, Attestation::New] {
        let layout = graph::platforms(&BUILD, Packing::Gzip, Some(style));
        let (said, updated) = told(&layout, &[]);
        assert!(said.contains("2 attestations") && said.contains("differs from build to build"), "{said}");
        assert!(said.contains("--attestations drop"), "{said}");
        let (said, dropped) = told(&layout, &["--attestations", "drop"]);
        assert!(!said.contains("differs from build to build"), "{said}");
        assert_eq!(said.matches("left out: attestation sha256:").count(), 2, "{said}");
        let inner = document(&dropped, &index(&dropped)["manifests"][0]);
        assert_eq!(inner["manifests"].as_array().unwrap().len(), 2);
        // The images are those of the other run; what was said of them is not there.
        let images = |files: &Files| -> Vec<Value> {
            let inner = document(files, &index(files)["manifests"][0]);
            inner["manifests"].as_array().unwrap().iter().take(2).map(|child| child["digest"].clone()).collect()
        };
        assert_eq!(images(&updated), images(&dropped));
        assert!(!dropped.values().any(|bytes| bytes.windows(9).any(|w| w == b"_type\":\"h")));
        let plain = graph::platforms(&BUILD, Packing::Gzip, None);
        assert_eq!(told(&plain, &[]).1["index.json"], dropped["index.json"]);
    }
}

#[test]
fn a_single_platform_that_is_left_stays_in_its_index() {
    let layout = graph::platforms(&BUILD, Packing::Gzip, Some(Attestation::New));
    let options = ["--platform", "linux/arm64", "--attestations", "drop"];
    let (said, files) = told(&layout, &options);
    assert!(said.contains("left out: linux/amd64/v1 sha256:"), "{said}");
    let outer = index(&files);
    assert_eq!(outer["manifests"][0]["mediaType"], OCI_INDEX);
    let inner = document(&files, &outer["manifests"][0]);
    assert_eq!(inner["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(inner["manifests"][0]["platform"]["variant"], "v8");
    Walk::new(&files);
    // With its attestation, and not with that of the other platform.
    let (_, files) = told(&layout, &options[..2]);
    let inner = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(inner["manifests"].as_array().unwrap().len(), 2);
    Walk::new(&files);
    refused(&layout, &["--platform", "linux/riscv64"], &["linux/riscv64", "linux/amd64"]);
}

#[test]
fn a_platform_is_found_by_the_name_that_its_index_has_for_it() {
    // The configs of these say v1 of both.
    let layout = graph::platforms(&BUILD, Packing::Gzip, None);
    let (_, by_config) = told(&layout, &["--platform", "linux/arm64/v1"]);
    for same in ["linux/arm64/v8", "linux/arm64"] {
        let (said, files) = told(&layout, &["--platform", same]);
        assert!(said.contains("left out: linux/amd64/v1 sha256:"), "{said}");
        assert_eq!(files, by_config, "{same}");
    }
    refused(
        &layout,
        &["--platform", "linux/arm64/v9"],
        &["no image for linux/arm64/v9", "linux/arm64/v8 (hello:multi)"],
    );
    // In an archive, its two lists agree on what is left.
    let plain = pipe(["rewrite", "-q", "--epoch", "1", "-", "docker-archive:-"], &layout.tar(&BUILD)).expect(0).stdout;
    let chosen = ["rewrite", "-q", "--epoch", "1", "--platform", "linux/arm64/v8"];
    let files = read_tar(&pipe(chosen, &plain).expect(0).stdout);
    let list: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    let inner = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(inner["manifests"].as_array().unwrap().len(), 1);
}

#[test]
fn an_index_of_which_nothing_is_left_goes() {
    let mut layout = Layout::default();
    let mut children = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let layers = vec![Layer::new(base(&BUILD), Packing::Gzip, Family::Oci, &BUILD)];
        let text = config(&layers, &BUILD, architecture).into_bytes();
        let image = Image { family: Family::Oci, layers, config: text, tags: Vec::new() };
        let image = layout.put_image(&image, &BUILD);
        children.push(put_index(&mut layout, &[image]));
    }
    let outer = put_index(&mut layout, &children);
    layout.name(outer, "hello:1", &BUILD);
    let (said, files) = told(&layout, &["--platform", "linux/amd64"]);
    assert!(said.contains("with nothing left in it"), "{said}");
    let outer = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(outer["manifests"].as_array().unwrap().len(), 1);
    Walk::new(&files);
}

#[test]
fn signatures_stop_the_run_or_are_left_out() {
    let layout = graph::signed(&BUILD);
    refused(&layout, &[], &["cosign signature", ".sig", "--signatures drop"]);
    let (said, files) = told(&layout, &["--signatures", "drop"]);
    assert!(said.contains("left out: cosign signature"), "{said}");
    assert_eq!(tags(&files), ["1", "latest"]);
    Walk::new(&files);
    // A bundle that refers to a referrer, by its media types alone.
    let mut layout = graph::referrers(&BUILD);
    let image = layout.manifests[0].clone();
    let sbom = graph::put_referrer(&mut layout, &image, "application/spdx+json", b"{}", &BUILD);
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let bundle = graph::put_referrer(&mut layout, &sbom, kind, b"signed", &BUILD);
    let about = graph::put_referrer(&mut layout, &bundle, "application/vnd.example.note", b"of the bundle", &BUILD);
    layout.manifests.extend([about, bundle, sbom.clone()]);
    refused(&layout, &[], &["sigstore bundle"]);
    let (said, files) = told(&layout, &["--signatures", "drop"]);
    assert!(said.contains("left out: sigstore bundle") && said.contains("left out: referrer"), "{said}");
    assert!(files.values().any(|bytes| bytes == b"{}") && !files.values().any(|bytes| bytes == b"signed"));
    Walk::new(&files);
}

#[test]
fn signatures_in_a_manifest_stop_the_run_or_leave_it() {
    let mut layout = Layout::default();
    let mut manifest: Value = serde_json::from_slice(&hello().manifest(&BUILD)).unwrap();
    layout.put_image(&hello(), &BUILD);
    manifest["signatures"] = json!([{"header": {"alg": "ES256"}, "signature": "c2lnbmVk", "protected": "e30"}]);
    layout.manifests = vec![layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())];
    refused(&layout, &[], &["signatures inside of sha256:", "--signatures drop"]);
    let (said, files) = told(&layout, &["--signatures", "drop"]);
    assert!(said.contains("left out: signatures inside of sha256:"), "{said}");
    let manifest = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(manifest.get("signatures"), None);
    Walk::new(&files);
}

#[test]
fn a_statement_that_is_signed_is_no_statement_to_be_changed() {
    let mut layout = Layout::default();
    let image = layout.put_image(&hello(), &BUILD);
    let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": []});
    let blob = layout.put(graph::IN_TOTO, &serde_json::to_vec(&envelope).unwrap());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": graph::empty(&mut layout), "layers": [blob],
        "artifactType": "application/vnd.docker.attestation.manifest.v1+json", "subject": plain(&image),
    });
    let attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let outer = put_index(&mut layout, &[image, attestation]);
    layout.name(outer, "hello:1", &BUILD);
    refused(&layout, &[], &["is signed", "--attestations drop"]);
    told(&layout, &["--attestations", "drop"]);
    let (said, files) = told(&layout, &["--signatures", "drop"]);
    assert!(said.contains("left out: DSSE envelope sha256:"), "{said}");
    Walk::new(&files);
    // Where its type says that it is signed, what leaves out all attestations leaves it out as well.
    let mut layout = Layout::default();
    let image = layout.put_image(&hello(), &BUILD);
    let mut attestation = graph::put_attestation(&mut layout, &image, Attestation::New, &BUILD);
    let mut manifest = document(&layout.files, &attestation);
    manifest["layers"][0]["mediaType"] = json!("application/vnd.in-toto+dsse");
    let annotations = attestation["annotations"].take();
    attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    attestation["annotations"] = annotations;
    let outer = put_index(&mut layout, &[image, attestation]);
    layout.name(outer, "hello:1", &BUILD);
    refused(&layout, &[], &["DSSE envelope", "--signatures drop"]);
    let (said, _) = told(&layout, &["--attestations", "drop"]);
    assert!(said.contains("left out: attestation sha256:"), "{said}");
}
