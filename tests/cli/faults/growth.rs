//! Work and output that grew faster than the image. What took minutes before is ended by the tests' limit of one.

use serde_json::{Value, json};

use super::made::{BUILD, EPOCH, checked, hello, rewritten};
use crate::support::graph::{IN_TOTO, empty};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::support::pipe;
use crate::support::tarball::{Entry, tar};

/// An image in an index of its own, with what is made of it.
fn with_index(make: &dyn Fn(&mut Layout, &Value) -> Vec<Value>) -> Layout {
    let mut layout = Layout::default();
    let image = layout.put_image(&hello(), &BUILD);
    let mut manifests = make(&mut layout, &image);
    manifests.insert(0, image);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    layout.name(index, "hello:1", &BUILD);
    layout
}

/// A statement of 4 MB, and attestations that share it.
fn attestations(layout: &mut Layout, image: &Value, count: usize) -> Vec<Value> {
    let hex = image["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "x",
        "subject": [{"name": "x", "digest": {"sha256": hex}}], "predicate": "y".repeat(4 << 20),
    });
    let statement = layout.put(IN_TOTO, &serde_json::to_vec(&statement).unwrap());
    let config = json!({"architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]}});
    let config = layout.put(OCI_CONFIG, &serde_json::to_vec(&config).unwrap());
    let mut one = |number: usize| {
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [statement],
            "annotations": {"number": number.to_string()}});
        let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        descriptor["annotations"] = json!({
            "vnd.docker.reference.digest": image["digest"], "vnd.docker.reference.type": "attestation-manifest",
        });
        descriptor
    };
    (0..count).map(&mut one).collect()
}

#[test]
fn a_statement_is_read_once_however_often_it_is_listed() {
    let listed = with_index(&|layout, image| vec![attestations(layout, image, 1).remove(0); 15_000]);
    assert!(checked(&listed.tar(&BUILD), &[], 1).contains("1 image, "));
}

#[test]
fn a_statement_is_rewritten_once_however_many_share_it() {
    let shared = with_index(&|layout, image| attestations(layout, image, 3000));
    let (said, _) = rewritten(&shared.tar(&BUILD), &[]);
    assert!(said.contains("3000 attestations describe"), "{said}");
}

#[test]
fn fallback_tags_are_looked_up() {
    let mut layout = Layout::of(&hello(), &BUILD);
    let config = empty(&mut layout);
    for number in 0..5_900 {
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [],
            "annotations": {"number": number.to_string()}});
        let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        let tag = descriptor["digest"].as_str().unwrap().replace(':', "-");
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        layout.manifests.push(descriptor);
    }
    let text = checked(&layout.tar(&BUILD), &[], 1);
    assert!(text.contains("1 image, ") && !text.contains("is about a manifest that is not"), "{text}");
}

#[test]
fn problems_beyond_a_thousand_are_counted() {
    let wrong = with_index(&|_, image| {
        let wrong_size = |size: usize| {
            let mut descriptor = image.clone();
            descriptor["size"] = json!(size);
            descriptor
        };
        (1..=3000).map(wrong_size).collect()
    });
    let outcome = pipe(["check", "--json", EPOCH[0], EPOCH[1]], &wrong.tar(&BUILD)).expect(1);
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let sizes = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "size").count();
    // One of them may be right by chance.
    assert_eq!(sizes, 1000);
    let not_listed = report["total"]["not_listed"].as_u64().unwrap();
    assert!((1999..=2000).contains(&not_listed), "{not_listed}");
    assert!(report["total"]["findings"].as_u64().unwrap() >= 2999);
}

#[test]
fn a_long_name_is_not_printed_once_a_layer() {
    let layer = |number: i64| {
        let entry = Entry::file(format!("file{number}"), "x", BUILD.seconds);
        Layer::new(tar(&[entry]), Packing::Plain, Family::Oci, &BUILD)
    };
    let image = Image::new((0..100).map(layer).collect(), Family::Oci, &BUILD, &[]);
    let mut layout = Layout::of(&image, &BUILD);
    layout.manifests[0]["annotations"] = json!({"org.opencontainers.image.ref.name": "t".repeat(100_000)});
    let bytes = layout.tar(&BUILD);
    let text = checked(&bytes, &[], 1);
    assert!(text.len() < 100_000, "{}", text.len());
    assert!(text.contains(&format!("{}…", "t".repeat(200))));
    assert!(checked(&bytes, &["--json"], 1).len() < 500_000);
    assert!(rewritten(&bytes, &[]).0.len() < 10_000);
}
