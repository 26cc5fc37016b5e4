//! Manifests of types that restamp does not know stay whole.

use serde_json::{Value, json};

use super::made::{BUILD, checked, expect_clean, hello, index, rewritten};
use crate::support::graph::put_referrer;
use crate::support::layer::{Family, Layer, Packing, app};
use crate::support::layout::{Layout, blob_path, read_tar};
use crate::support::pipe;

const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const ORAS: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";

fn own_layer() -> Layer {
    Layer::new([app(&BUILD), vec![0; 512]].concat(), Packing::Gzip, Family::Docker, &BUILD)
}

/// An image, and beside it a document of an unknown type.
fn beside(media_type: &str, make: &dyn Fn(&mut Layout) -> Value) -> Layout {
    let mut layout = Layout::of(&hello(), &BUILD);
    let document = make(&mut layout);
    let descriptor = layout.put(media_type, &serde_json::to_vec_pretty(&document).unwrap());
    layout.manifests.push(descriptor);
    layout
}

#[test]
fn a_manifest_of_schema_1_keeps_its_layers() {
    let layer = own_layer();
    let layout = beside(SCHEMA_1, &|layout| {
        layout.put("x", &layer.blob);
        json!({
            "schemaVersion": 1, "name": "old", "tag": "1", "architecture": "amd64",
            // One of its own, and one that is the image's as well.
            "fsLayers": [{"blobSum": layer.digest()}, {"blobSum": hello().layers[0].digest()}],
            "history": [{"v1Compatibility": "{}"}, {"v1Compatibility": "{}"}], "signatures": [],
        })
    });
    let old = layout.tar(&BUILD);
    let (said, new) = rewritten(&old, &[]);
    let files = read_tar(&new);
    for digest in [layer.digest(), hello().layers[0].digest()] {
        assert!(files.contains_key(&blob_path(&digest)), "{said}");
    }
    assert_eq!(said.matches("unknown type").count(), 1, "{said}");
    assert!(said.contains("unknown type") && said.contains("the 2 blobs that it names"), "{said}");
    assert!(said.contains(&hello().layers[0].digest()) && said.contains("the old one is kept"), "{said}");
    assert!(!said.contains("nothing refers to"), "{said}");
    expect_clean(&old, &new);
    assert!(checked(&new, &[], 0).contains("is not known: times in it"));
    // What it names is verified.
    let mut damaged = layout.clone();
    *damaged.files.get_mut(&blob_path(&layer.digest())).unwrap().last_mut().unwrap() ^= 1;
    let damaged = damaged.tar(&BUILD);
    pipe(["inspect", "-q"], &damaged).expect_error(&[&layer.digest()]);
    pipe(["rewrite", "--epoch", "1"], &damaged).expect_error(&[&layer.digest()]);
    assert!(checked(&damaged, &[], 1).contains("digest does not match"));
}

#[test]
fn an_index_of_an_unknown_type_keeps_all_below_it() {
    let layer = own_layer();
    let mut inner = Value::Null;
    let layout = beside("application/vnd.example.bundle.v1+json", &|layout| {
        let blob = layout.put("x", &layer.blob);
        let manifest = json!({"parts": {"first": [blob]}});
        let manifest = layout.put("application/vnd.example.part.v1+json", &serde_json::to_vec(&manifest).unwrap());
        json!({"bundle": [manifest], "absent": [{"digest": crate::support::sha256(b"elsewhere")}]})
    });
    for (name, bytes) in &layout.files {
        if bytes.starts_with(b"{\"parts\"") {
            inner = json!(name);
        }
    }
    let files = read_tar(&rewritten(&layout.tar(&BUILD), &[]).1);
    assert!(files.contains_key(&blob_path(&layer.digest())) && files.contains_key(inner.as_str().unwrap()));
}

#[test]
fn a_subject_in_an_unknown_document_follows() {
    let image = Layout::of(&hello(), &BUILD).manifests[0].clone();
    let layout = beside(ORAS, &|layout| {
        let blob = layout.put("application/spdx+json", b"an SBOM");
        json!({
            "mediaType": ORAS, "artifactType": "application/spdx+json", "blobs": [blob],
            "subject": {"mediaType": image["mediaType"], "digest": image["digest"], "size": image["size"]},
        })
    });
    let old = layout.tar(&BUILD);
    let (said, new) = rewritten(&old, &[]);
    let files = read_tar(&new);
    let list = index(&files)["manifests"].clone();
    let count = list.as_array().unwrap().len();
    let document = super::made::document(&files, &list[count - 1]["digest"]);
    assert_eq!(document["subject"]["digest"], list[0]["digest"], "{said}");
    assert_ne!(list[0]["digest"], image["digest"]);
    assert!(files.contains_key(&blob_path(&crate::support::sha256(b"an SBOM"))));
    assert!(!files.contains_key(&blob_path(image["digest"].as_str().unwrap())));
    // What it is about leaves with the platform that it is of.
    let outcome = pipe(["rewrite", "--epoch", "1", "--platform", "linux/s390x"], &old);
    outcome.expect_error(&["no image for linux/s390x"]);
}

#[test]
fn an_artifact_manifest_of_the_release_candidates_keeps_its_blobs() {
    const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
    for has_type in [true, false] {
        let layout = beside(ARTIFACT, &|layout| {
            let blob = layout.put("application/spdx+json", b"an SBOM");
            let mut document = json!({"artifactType": "application/spdx+json", "blobs": [blob]});
            if has_type {
                document["mediaType"] = json!(ARTIFACT);
            }
            document
        });
        let files = read_tar(&rewritten(&layout.tar(&BUILD), &[]).1);
        assert!(files.contains_key(&blob_path(&crate::support::sha256(b"an SBOM"))), "{has_type}");
    }
}

#[test]
fn a_known_referrer_of_an_unknown_document_stays() {
    let mut layout = beside(SCHEMA_1, &|_| json!({"schemaVersion": 1, "fsLayers": []}));
    let unknown = layout.manifests.last().unwrap().clone();
    let referrer = put_referrer(&mut layout, &unknown, "application/spdx+json", b"an SBOM", &BUILD);
    layout.manifests.push(referrer);
    let (_, new) = rewritten(&layout.tar(&BUILD), &[]);
    let files = read_tar(&new);
    let list = index(&files)["manifests"].clone();
    let count = list.as_array().unwrap().len();
    let referrer = super::made::document(&files, &list[count - 1]["digest"]);
    assert_eq!(referrer["subject"]["digest"], unknown["digest"]);
    checked(&new, &[], 0);
}

#[test]
fn a_document_that_can_t_be_read_keeps_what_stands_in_its_text() {
    let layer = own_layer();
    let mut layout = Layout::of(&hello(), &BUILD);
    layout.put("x", &layer.blob);
    let twice = format!(r#"{{"blobSum":"x","blobSum":"{}"}}"#, layer.digest());
    let descriptor = layout.put(SCHEMA_1, twice.as_bytes());
    layout.manifests.push(descriptor);
    let files = read_tar(&rewritten(&layout.tar(&BUILD), &[]).1);
    assert!(files.contains_key(&blob_path(&layer.digest())));
}
