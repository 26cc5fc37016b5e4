//! What several documents name, each in its own way.

use serde_json::{Value, json};

use crate::graph::carriers::{image, layer, rewritten};
use crate::graph::{BUILD, document, hello, index, put_index, support};
use crate::support::graph;
use crate::support::layer::base;
use crate::support::layout::{Layout, OCI_MANIFEST, blob_path, read_tar};

#[test]
fn a_descriptor_that_mistakes_a_manifest_for_bytes_does_not_hide_it() {
    let mut layout = Layout::default();
    let image = layout.put_image(&hello(), &BUILD);
    let subject = json!({"mediaType": "application/json", "digest": image["digest"], "size": image["size"]});
    let about = graph::put_referrer(&mut layout, &subject, "application/spdx+json", b"sbom", &BUILD);
    let mut bytes = image.clone();
    bytes["mediaType"] = json!("application/octet-stream");
    let mut untyped = image.clone();
    untyped.as_object_mut().unwrap().remove("mediaType");
    for first in [&bytes, &about] {
        for second in [&image, &untyped] {
            for order in [[first, second], [second, first]] {
                layout.manifests = order.into_iter().cloned().collect();
                let (_, archive) = rewritten(&layout.tar(&BUILD), "", "oci-archive", &[]);
                let files = read_tar(&archive);
                let digest = |place: &Value| place["digest"].as_str().unwrap().to_owned();
                let list = index(&files)["manifests"].as_array().unwrap().clone();
                let new = list.iter().find(|child| child.get("artifactType").is_none()).unwrap().clone();
                let manifest = document(&files, &new);
                assert_eq!(document(&files, &manifest["config"])["created"], support::EPOCH_DATE);
                for child in &list {
                    let is_about = child.get("artifactType").is_some();
                    let names = if is_about { digest(&document(&files, child)["subject"]) } else { digest(child) };
                    assert_eq!(names, digest(&new));
                }
                assert!(rewritten(&archive, "", "oci-archive", &[]).1 == archive, "not idempotent");
            }
        }
    }
}

#[test]
fn a_statement_about_images_of_several_indexes_follows_them_all() {
    let mut layout = Layout::default();
    let images = ["amd64", "arm64"].map(|platform| {
        let image = image(vec![layer(base(&BUILD))], platform, &[]);
        layout.put_image(&image, &BUILD)
    });
    let hex = |link: &Value| link["digest"].as_str().unwrap()["sha256:".len()..].to_owned();
    // The second index is itself what a third subject is about.
    let inner = put_index(&mut layout, &images[1..]);
    let about = [&images[0], &images[1], &inner].map(|link| json!({"name": "a", "digest": {"sha256": hex(link)}}));
    let statement =
        json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": "x", "subject": about, "predicate": {}});
    let statement = layout.put(graph::IN_TOTO, &serde_json::to_vec(&statement).unwrap());
    for (number, image) in images.iter().enumerate() {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": graph::empty(&mut layout), "layers": [statement],
            "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
            "annotations": {"number": number.to_string()},
        });
        let mut attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        attestation["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"],
        });
        let outer = put_index(&mut layout, &[image.clone(), attestation]);
        layout.name(outer, &format!("app:{number}"), &BUILD);
    }
    layout.manifests.push(inner);
    let (_, archive) = rewritten(&layout.tar(&BUILD), "", "oci-archive", &[]);
    let files = read_tar(&archive);
    let list = index(&files)["manifests"].as_array().unwrap().clone();
    let outer = [&list[0], &list[1]].map(|link| document(&files, link));
    let expected = [&outer[0]["manifests"][0], &outer[1]["manifests"][0], &list[2]].map(hex);
    for outer in &outer {
        let attestation = document(&files, &outer["manifests"][1]);
        let statement = document(&files, &attestation["layers"][0]);
        let subjects = statement["subject"].as_array().unwrap().iter();
        let found: Vec<&str> = subjects.map(|subject| subject["digest"]["sha256"].as_str().unwrap()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn places_of_the_old_bytes_of_a_blob_are_told_of() {
    let mut layout = Layout::default();
    layout.put_image(&hello(), &BUILD);
    let mut manifest: Value = serde_json::from_slice(&hello().manifest(&BUILD)).unwrap();
    for place in ["/layers/0", "/layers/1", "/config"] {
        manifest.pointer_mut(place).unwrap()["urls"] = json!(["https://example.org/layer"]);
    }
    layout.manifests = vec![layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())];
    let (said, archive) = rewritten(&layout.tar(&BUILD), "", "oci-archive", &["--base-layers", "1"]);
    let files = read_tar(&archive);
    let new = document(&files, &index(&files)["manifests"][0]);
    // Whoever fetches a layer from elsewhere gets the old bytes, so it stays these; nobody fetches a config so.
    assert_eq!(new["layers"], manifest["layers"]);
    assert_eq!(new["config"]["urls"], manifest["config"]["urls"]);
    assert!(!said.contains("layers[1].urls") && said.contains("config.urls: leads to"), "{said}");
}

#[test]
fn a_layer_that_is_not_here_keeps_the_diff_id_that_each_image_names() {
    let sha512 = {
        use sha2::Digest as _;
        format!("sha512:{}", crate::graph::hex(&sha2::Sha512::digest(base(&BUILD))))
    };
    let mut layout = Layout::default();
    let own = image(vec![layer(base(&BUILD))], "amd64", &[]);
    let ids = [own.layers[0].diff_id(), sha512];
    for (number, diff_id) in ids.iter().enumerate() {
        let mut image = own.clone();
        image.config = String::from_utf8(image.config).unwrap().replace(&ids[0], diff_id).into_bytes();
        layout.put_image(&image, &BUILD);
        let mut manifest: Value = serde_json::from_slice(&image.manifest(&BUILD)).unwrap();
        manifest["layers"][0]["urls"] = json!(["https://example.org/layer"]);
        let descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        layout.name(descriptor, &format!("app:{number}"), &BUILD);
    }
    layout.files.remove(&blob_path(&own.layers[0].digest()));
    let (_, archive) = rewritten(&layout.tar(&BUILD), "", "oci-archive", &[]);
    let files = read_tar(&archive);
    let list = index(&files)["manifests"].as_array().unwrap().clone();
    let found = list.iter().map(|child| {
        let config = document(&files, &document(&files, child)["config"]);
        config["rootfs"]["diff_ids"][0].as_str().unwrap().to_owned()
    });
    assert!(found.eq(ids));
}
