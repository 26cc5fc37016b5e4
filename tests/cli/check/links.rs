//! Every link that does not hold, one at a time: it is named, and nothing else.

use serde_json::{Value, json};

use crate::check::made::{BUILD, Edits, Made, faults, only, other};
use crate::support::docker::{self, Manifests};
use crate::support::graph::{self, Attestation};
use crate::support::layer::{Family, Layer, Packing, base};
use crate::support::layout::{OCI_INDEX, OCI_MANIFEST, blob_path};
use crate::support::{self, hello};

#[test]
fn good_images_have_nothing_wrong() {
    let plain =
        [docker::plain(hello(&BUILD, Packing::Gzip)), docker::plain(support::zoo(&BUILD, Packing::Plain, Family::Oci))];
    for (name, bytes) in [
        ("layout", Edits::default().tar()),
        ("attested, old", graph::platforms(&BUILD, Packing::Zstd, Some(Attestation::Old)).tar(&BUILD)),
        ("attested, new", graph::platforms(&BUILD, Packing::Gzip, Some(Attestation::New)).tar(&BUILD)),
        ("referrers", graph::referrers(&BUILD).tar(&BUILD)),
        ("signed", graph::signed(&BUILD).tar(&BUILD)),
        ("nested", graph::nested(&BUILD).tar(&BUILD)),
        ("legacy", docker::legacy(&plain, &BUILD)),
        ("podman", docker::podman(&plain)),
        ("hybrid", docker::hybrid(&plain, Manifests::Listed, &BUILD)),
        ("null", docker::hybrid(&plain, Manifests::Null, &BUILD)),
    ] {
        let found: Vec<_> = faults(&bytes).into_iter().filter(|finding| finding[0] == "finding").collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn blobs_that_are_not_what_names_them() {
    let made = Edits::default().make();
    let change = |digest: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut layout = made.layout.clone();
        change(layout.files.get_mut(&blob_path(digest)).unwrap());
        layout.tar(&BUILD)
    };
    let spaced =
        |bytes: &mut Vec<u8>| *bytes = String::from_utf8(bytes.clone()).unwrap().replacen("linux", "Linux", 1).into();
    only(&change(&made.config, &spaced), "digest", &made.config, &["digest does not match"]);
    // OS and XFL of the gzip header: what is in the layer stays the same.
    only(&change(&made.layers[1], &|bytes| bytes[9] ^= 1), "digest", &made.layers[1], &["digest does not match"]);
    let manifest = made.manifest["digest"].as_str().unwrap();
    let versioned = |bytes: &mut Vec<u8>| *bytes = String::from_utf8(bytes.clone()).unwrap().replace(":1", ":2").into();
    let same = |bytes: &mut Vec<u8>| bytes.swap(0, 0);
    assert!(faults(&change(manifest, &same)).is_empty());
    assert!(
        faults(&change(manifest, &versioned)).iter().any(|finding| finding[1] == "digest" && finding[2] == manifest)
    );

    let gone = |digest: &str| {
        let mut layout = made.layout.clone();
        layout.files.remove(&blob_path(digest)).unwrap();
        layout.tar(&BUILD)
    };
    only(&gone(&made.layers[0]), "missing", manifest, &["layers[0]", &made.layers[0]]);
    only(&gone(&made.config), "missing", &made.config, &["config is missing"]);
    only(&gone(manifest), "missing", "index.json", &["manifests[0]", manifest]);
}

#[test]
fn sizes() {
    let one_more = |field: &mut Value| *field = json!(field.as_u64().unwrap() + 1);
    let layer = Edits { manifest: &|manifest| one_more(&mut manifest["layers"][1]["size"]), ..Edits::default() };
    only(&layer.tar(), "size", "sha256:", &["layers[1]: size"]);
    let config = Edits { manifest: &|manifest| one_more(&mut manifest["config"]["size"]), ..Edits::default() };
    only(&config.tar(), "size", "sha256:", &["config: size"]);
    let manifest = Edits { index: &|index| one_more(&mut index[0]["size"]), ..Edits::default() };
    only(&manifest.tar(), "size", "sha256:", &["index.json: manifests[0]: size"]);
}

#[test]
fn what_a_config_says_of_its_layers() {
    let diff_id = Edits { config: &|config| config["rootfs"]["diff_ids"][1] = json!(other()), ..Edits::default() };
    let made = diff_id.make();
    only(&made.layout.tar(&BUILD), "diff-id", &made.layers[1], &["layers[1]", &other()]);
    let fewer = |config: &mut Value| drop(config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop());
    only(&Edits { config: &fewer, ..Edits::default() }.tar(), "layer-count", "sha256:", &["1 diff_ids", "2 layers"]);
    let longer = |config: &mut Value| config["history"].as_array_mut().unwrap().push(json!({"created_by": "x"}));
    let made = Edits { config: &longer, ..Edits::default() }.make();
    only(&made.layout.tar(&BUILD), "history", &made.config, &["3 entries", "2 layers"]);
    // Everybody takes an image with too short a history.
    let shorter = |config: &mut Value| drop(config["history"].as_array_mut().unwrap().remove(0));
    let found = faults(&Edits { config: &shorter, ..Edits::default() }.tar());
    assert_eq!(found.iter().map(|finding| [&finding[0], &finding[1]]).collect::<Vec<_>>(), [["note", "history"]]);
    let date = |config: &mut Value| config["created"] = json!("last Friday");
    only(&Edits { config: &date, ..Edits::default() }.tar(), "not-a-time", "sha256:", &["created", "last Friday"]);
}

#[test]
fn media_types() {
    let plain =
        |manifest: &mut Value| manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    let made = Edits { manifest: &plain, ..Edits::default() }.make();
    only(&made.layout.tar(&BUILD), "media-type", &made.layers[0], &["none", "gzip"]);
    let docker = |manifest: &mut Value| manifest["mediaType"] = json!(support::layout::DOCKER_MANIFEST);
    only(&Edits { manifest: &docker, ..Edits::default() }.tar(), "media-type", "index.json", &["manifests[0]"]);
    let version = |manifest: &mut Value| manifest["schemaVersion"] = json!(3);
    only(&Edits { manifest: &version, ..Edits::default() }.tar(), "malformed", "sha256:", &["schemaVersion", "3"]);
    let index = |index: &mut Value| index[0]["mediaType"] = json!(OCI_INDEX);
    assert!(faults(&Edits { index: &index, ..Edits::default() }.tar()).iter().any(|finding| finding[1] == "malformed"));
    let arm = |index: &mut Value| index[0]["platform"] = json!({"os": "linux", "architecture": "arm64"});
    only(&Edits { index: &arm, ..Edits::default() }.tar(), "platform", "index.json", &["linux/arm64", "linux/amd64"]);
}

#[test]
fn data_and_subjects() {
    let data = |manifest: &mut Value| manifest["config"]["data"] = json!("e30=");
    only(
        &Edits { manifest: &data, ..Edits::default() }.tar(),
        "data",
        "sha256:",
        &["config.data", "does not match the blob"],
    );
    let broken = |manifest: &mut Value| manifest["layers"][0]["data"] = json!("?");
    only(&Edits { manifest: &broken, ..Edits::default() }.tar(), "data", "sha256:", &["layers[0].data", "base64"]);
    let gone = |manifest: &mut Value| {
        manifest["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": other(), "size": 7});
    };
    only(&Edits { manifest: &gone, ..Edits::default() }.tar(), "subject", "sha256:", &["subject", &other()]);

    let made = Edits::default().make();
    let refer = |edit: &dyn Fn(&mut Value)| {
        let mut layout = made.layout.clone();
        let mut subject = made.manifest.clone();
        edit(&mut subject);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "x/y",
            "config": graph::empty(&mut layout), "layers": [], "subject": subject,
        });
        let referrer = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        layout.manifests.push(referrer);
        layout.tar(&BUILD)
    };
    assert!(faults(&refer(&|_| {})).is_empty());
    only(&refer(&|subject| subject["size"] = json!(1)), "size", "sha256:", &["subject", "expected 1,"]);
    only(&refer(&|subject| subject["mediaType"] = json!(OCI_INDEX)), "media-type", "sha256:", &["subject"]);
    let layer = Layer::new(base(&BUILD), Packing::Gzip, Family::Oci, &BUILD).descriptor();
    let no_manifest = refer(&|subject| {
        subject["digest"] = layer["digest"].clone();
        subject["size"] = layer["size"].clone();
    });
    // It is read as the manifest that it is said to be.
    only(&no_manifest, "malformed", "sha256:", &["JSON"]);
}

/// An index of an image and an attestation, in which something is wrong.
fn attested(edit: &dyn Fn(&mut Value), about: &dyn Fn(&Value) -> Value, style: Attestation) -> Vec<u8> {
    let Made { mut layout, manifest, .. } = Edits::default().make();
    let mut attestation = graph::put_attestation(&mut layout, &about(&manifest), style, &BUILD);
    attestation["annotations"]["vnd.docker.reference.digest"] = manifest["digest"].clone();
    edit(&mut attestation);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [manifest, attestation]});
    layout.manifests = vec![layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())];
    layout.tar(&BUILD)
}

#[test]
fn attestations() {
    let itself = |manifest: &Value| manifest.clone();
    let another = |manifest: &Value| json!({"mediaType": OCI_MANIFEST, "digest": other(), "size": manifest["size"]});
    for style in [Attestation::Old, Attestation::New] {
        assert!(faults(&attested(&|_| {}, &itself, style)).is_empty());
        let reference =
            |descriptor: &mut Value| descriptor["annotations"]["vnd.docker.reference.digest"] = json!(other());
        let found = faults(&attested(&reference, &itself, style));
        assert!(
            found.iter().any(|finding| finding[1] == "attestation" && finding[3].contains("not in the same index")),
            "{found:#?}"
        );
    }
    // The statement alone is about something else.
    only(&attested(&|_| {}, &another, Attestation::Old), "attestation", "sha256:", &["subject[0].digest", &other()]);
    let found = faults(&attested(&|_| {}, &another, Attestation::New));
    let kinds: Vec<&str> = found.iter().map(|finding| finding[1].as_str()).collect();
    assert_eq!(kinds, ["attestation", "attestation", "subject"], "{found:#?}");
}

#[test]
fn tags() {
    let tagged = |tag: &str| json!({"org.opencontainers.image.ref.name": tag});
    let made = Edits::default().make();
    let with = |tags: &[&str]| {
        let mut layout = made.layout.clone();
        let second = Edits { config: &|config| config["author"] = json!("somebody else"), ..Edits::default() }.make();
        layout.files.extend(second.layout.files);
        let mut manifests = vec![made.manifest.clone(), second.manifest];
        for (descriptor, tag) in manifests.iter_mut().zip(tags) {
            descriptor["annotations"] = tagged(tag);
        }
        layout.manifests = manifests;
        layout.tar(&BUILD)
    };
    assert!(faults(&with(&["1", "2"])).is_empty());
    only(&with(&["1", "1"]), "tag", "index.json", &["manifests[1]", "\"1\""]);
    let fallback = |digest: &str| digest.replace(':', "-");
    let manifest = made.manifest["digest"].as_str().unwrap();
    assert!(faults(&with(&["1", &fallback(manifest)])).is_empty());
    only(&with(&["1", &fallback(&other())]), "tag", "index.json", &["manifests[1]", &fallback(&other())]);
}

#[test]
fn the_layout_itself() {
    let mut layout = Edits::default().make().layout;
    layout.files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec());
    only(&layout.tar(&BUILD), "layout", "oci-layout", &["2.0.0"]);
    layout.files.remove("oci-layout");
    only(&layout.tar(&BUILD), "layout", "oci-layout", &["missing"]);
}

#[test]
fn an_artifact_manifest_needs_no_version_and_no_config() {
    let Made { mut layout, manifest, .. } = Edits::default().make();
    let blob = layout.put("x/blob", b"blob");
    let media_type = "application/vnd.oci.artifact.manifest.v1+json";
    let artifact = json!({"mediaType": media_type, "artifactType": "x/y", "blobs": [blob], "subject": manifest});
    let artifact = layout.put(media_type, &serde_json::to_vec(&artifact).unwrap());
    layout.manifests.push(artifact);
    assert!(faults(&layout.tar(&BUILD)).is_empty());
}
