//! What a layer is, by its descriptor: the same for every verb.

use serde_json::{Value, json};

use super::made::{BUILD, EPOCH, GZIP_LAYER, checked, first_manifest, hello, rewritten, with_manifest};
use crate::support::layout::{Layout, blob_path};
use crate::support::{pipe, run, scratch, text, write};

const FOREIGN: [&str; 2] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
];

/// What inspect calls the first layer, and why diff says that it differs from that of another build.
fn seen(layout: &Layout, other: &Layout) -> (String, Vec<String>) {
    let report: Value =
        serde_json::from_slice(&pipe(["inspect", "--json"], &layout.tar(&BUILD)).expect(0).stdout).unwrap();
    let dir = scratch();
    let a = write(dir.path(), "a.tar", &layout.tar(&BUILD));
    let b = write(dir.path(), "b.tar", &other.tar(&BUILD));
    let diff: Value = serde_json::from_slice(&run(["diff", "--json", text(&a), text(&b)]).stdout).unwrap();
    let classes = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|difference| difference["field"] == "mtime" || difference["field"] == "diff_id");
    let classes = classes.map(|difference| difference["field"].as_str().unwrap().to_owned()).collect();
    (report["layers"][0]["blob"].as_str().unwrap().to_owned(), classes)
}

#[test]
fn a_foreign_layer_that_is_here_stays_as_its_vendor_has_it() {
    let layer = hello().layers[0].clone();
    let place: &dyn Fn(&mut Value) = &|manifest| manifest["layers"][0]["urls"] = json!(["https://vendor.example/x"]);
    let docker: &dyn Fn(&mut Value) = &|manifest| manifest["layers"][0]["mediaType"] = json!(FOREIGN[0]);
    let oci: &dyn Fn(&mut Value) = &|manifest| {
        manifest["layers"][0]["mediaType"] = json!(FOREIGN[1]);
        manifest["layers"][0]["urls"] = json!(["https://vendor.example/x"]);
    };
    for edit in [place, docker, oci] {
        let layout = with_manifest(edit);
        let bytes = layout.tar(&BUILD);
        let (old_files, old) = first_manifest(&bytes);
        let (said, new_bytes) = rewritten(&bytes, &["--report", "-"]);
        assert!(said.contains("\"action\": \"foreign\"") || said.contains("\"action\":\"foreign\""), "{said}");
        assert!(said.contains("foreign layer"), "{said}");
        let (files, new) = first_manifest(&new_bytes);
        assert_eq!(new["layers"][0], old["layers"][0]);
        assert_ne!(new["layers"][1]["digest"], old["layers"][1]["digest"]);
        let blob = blob_path(&layer.digest());
        assert_eq!(files[&blob], old_files[&blob]);
        let config = super::made::document(&files, &new["config"]["digest"]);
        assert_eq!(config["rootfs"]["diff_ids"][0], json!(layer.diff_id()));
        // Its times are no findings, but there is a word on them.
        let text = checked(&new_bytes, &[], 0);
        assert!(text.contains("note: layers[0].mediaType: a foreign layer"), "{text}");
        let (_, again) = rewritten(&new_bytes, &[]);
        assert!(again == new_bytes);
        // It is verified all the same: its digest, and its diff_id.
        let mut damaged = layout.clone();
        *damaged.files.get_mut(&blob).unwrap().last_mut().unwrap() ^= 1;
        pipe(["rewrite"].iter().chain(&EPOCH), &damaged.tar(&BUILD)).expect_error(&[&layer.digest()]);
        pipe(["check"].iter().chain(&EPOCH), &damaged.tar(&BUILD)).expect(1);
        pipe(["inspect", "-q"], &damaged.tar(&BUILD)).expect_error(&[&layer.digest()]);
        assert_eq!(seen(&layout, &layout).0, "foreign");
    }
}

#[test]
fn a_foreign_layer_with_a_false_diff_id_is_found() {
    let image = hello();
    let other = crate::support::sha256(b"something else");
    let config = String::from_utf8(image.config.clone()).unwrap().replace(&image.layers[0].diff_id(), &other);
    let mut layout = with_manifest(&|manifest| {
        manifest["layers"][0]["mediaType"] = json!(FOREIGN[1]);
        manifest["config"]["digest"] = json!(crate::support::sha256(config.as_bytes()));
        manifest["config"]["size"] = json!(config.len());
    });
    layout.put(crate::support::layout::OCI_CONFIG, config.as_bytes());
    let bytes = layout.tar(&BUILD);
    for verb in [&["rewrite", EPOCH[0], EPOCH[1]][..], &["inspect", "-q"]] {
        pipe(verb, &bytes).expect_error(&["diff_id", &other]);
    }
    assert!(checked(&bytes, &[], 1).contains(&format!("diff_id does not match: expected {other}")));
}

#[test]
fn a_layer_without_a_media_type_is_a_tar_for_all_verbs() {
    let build = crate::support::Build { seconds: BUILD.seconds + 60, ..BUILD };
    let other = Layout::of(&crate::support::hello(&build, crate::support::layer::Packing::Gzip), &build);
    let gone: &dyn Fn(&mut Value) =
        &|manifest| drop(manifest["layers"][0].as_object_mut().unwrap().remove("mediaType"));
    let empty: &dyn Fn(&mut Value) = &|manifest| manifest["layers"][0]["mediaType"] = json!("");
    let typed: &dyn Fn(&mut Value) = &|manifest| manifest["layers"][0]["mediaType"] = json!(GZIP_LAYER);
    let answers = [typed, gone, empty].map(|edit| {
        let layout = with_manifest(edit);
        let bytes = layout.tar(&BUILD);
        let found = checked(&bytes, &["-v"], 1);
        let (said, new) = rewritten(&bytes, &[]);
        assert!(said.contains("2 layers rewritten; "), "{said}");
        checked(&new, &[], 0);
        let (blob, fields) = seen(&layout, &other);
        assert_eq!(blob, "read");
        assert!(
            fields.iter().any(|field| field == "mtime") && !fields.iter().any(|field| field == "diff_id"),
            "{fields:?}"
        );
        (found.matches("mtime is").count(), fields)
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn layers_of_other_formats_are_notes_with_a_hint_that_fits() {
    let check = |media_type: &str, code: i32| {
        let layout = with_manifest(&|manifest| manifest["layers"][0]["mediaType"] = json!(media_type));
        checked(&rewritten(&layout.tar(&BUILD), &[]).1, &[], code)
    };
    for (media_type, hint) in [
        ("application/vnd.oci.image.layer.nydus.blob.v1", "before it is converted"),
        ("application/vnd.erofs.layer.v1", "before it is converted"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "before it is encrypted"),
    ] {
        let text = check(media_type, 0);
        assert!(text.contains("note: layers[0].mediaType") && text.contains(hint), "{text}");
        assert!(!text.contains("sets the timestamps"), "{text}");
    }
    // A tar that no media type says to be one is left unstamped, and that is no other's format.
    let text = check("application/vnd.oci.image.layer.v1.tar.gzip", 1);
    assert!(text.contains("is not a layer media type, though the content is a tar"), "{text}");
}
