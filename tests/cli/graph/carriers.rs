//! Converting between an archive of `docker save` and a layout: no image is lost, none is listed with the parts of
//! another one, and what is written can be read again.

use std::path::Path;

use serde_json::{Value, json};

use crate::graph::walk::Walk;
use crate::graph::{BUILD, document, hello, index, tags};
use crate::support::docker::{Manifests, hybrid, hybrid_files, plain};
use crate::support::layer::{Family, Layer, Packing, app, base, unpack, zoo};
use crate::support::layout::{Files, Image, Layout, OCI_MANIFEST, blob_path, config, read_tar, tar_files};
use crate::support::{self, run, scratch, sha256, text, write};

/// Rewrites an archive; what is said of it, and the archive that came out.
#[track_caller]
pub fn rewritten(source: &[u8], reference: &str, kind: &str, options: &[&str]) -> (String, Vec<u8>) {
    let dir = scratch();
    let (from, to) = (write(dir.path(), "in.tar", source), dir.path().join("out.tar"));
    let carrier = if read_tar(source).contains_key("manifest.json") { "docker-archive" } else { "oci-archive" };
    let from = format!("{carrier}:{}{reference}", text(&from));
    let to_kind = format!("{kind}:{}", text(&to));
    let said = run(["rewrite", "--epoch", "1700000000", &from, &to_kind].iter().chain(options)).expect(0).stderr;
    (said, std::fs::read(to).unwrap())
}

#[track_caller]
fn refused(layout: &Layout, parts: &[&str]) {
    let dir = scratch();
    let from = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let to = dir.path().join("out.tar");
    run(["rewrite", "--epoch", "1700000000", text(&from), &format!("docker-archive:{}", text(&to))])
        .expect_error(parts);
    assert!(!to.exists());
    // A layout can hold it.
    run(["rewrite", "--epoch", "1700000000", text(&from), text(&to)]).expect(0);
}

/// Asserts that every image of `manifest.json` has its config, its layers, and these by the diff_ids that the config
/// names; and that a second rewrite changes nothing. What is in it: names, platform and layers.
#[track_caller]
pub fn loadable(archive: &[u8], options: &[&str]) -> Vec<(Value, String, Vec<String>)> {
    let files = read_tar(archive);
    let list: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let image = |entry: &Value| {
        let config: Value = serde_json::from_slice(&files[entry["Config"].as_str().unwrap()]).unwrap();
        let mut layers = Vec::new();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        assert_eq!(entry["Layers"].as_array().unwrap().len(), diff_ids.len());
        for (path, diff_id) in entry["Layers"].as_array().unwrap().iter().zip(diff_ids) {
            let layer = path.as_str().unwrap();
            assert_eq!(*diff_id, sha256(&unpack(&files[layer])), "{layer}");
            layers.push(layer.to_owned());
        }
        (entry["RepoTags"].clone(), config["architecture"].as_str().unwrap().to_owned(), layers)
    };
    let images = list.as_array().unwrap().iter().map(image).collect();
    assert!(rewritten(archive, "", "docker-archive", options).1 == archive, "not idempotent");
    images
}

pub fn layer(tar: Vec<u8>) -> Layer {
    Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD)
}

pub fn image(layers: Vec<Layer>, architecture: &str, tags: &[&str]) -> Image {
    let text = config(&layers, &BUILD, architecture).into_bytes();
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    Image { family: Family::Oci, layers, config: text, tags }
}

#[test]
fn a_layer_may_be_the_base_of_one_image_and_the_own_one_of_another() {
    let [a, b, c] = [base(&BUILD), app(&BUILD), zoo(&BUILD)].map(layer);
    let mut layout = Layout::default();
    for (layers, name) in [(vec![&a, &b], "one:1"), (vec![&c, &a], "two:1"), (vec![&a, &a, &b], "three:1")] {
        let image = image(layers.into_iter().cloned().collect(), "amd64", &[]);
        let descriptor = layout.put_image(&image, &BUILD);
        layout.name(descriptor, name, &BUILD);
    }
    let options = ["--base-layers", "1"];
    let (_, archive) = rewritten(&layout.tar(&BUILD), "", "docker-archive", &options);
    let images = loadable(&archive, &options);
    let old = blob_path(&a.digest());
    let is_old = |layers: &[String]| -> Vec<bool> { layers.iter().map(|layer| *layer == old).collect() };
    let kept: Vec<_> = images.iter().map(|(_, _, layers)| is_old(layers)).collect();
    assert_eq!(kept, [vec![true, false], vec![false, false], vec![true, false, false]]);
}

#[test]
fn images_that_share_a_config_may_have_other_layers_of_it() {
    let own = image(vec![layer(base(&BUILD))], "amd64", &[]);
    let mut foreign = own.clone();
    foreign.layers[0] = Layer::new(base(&BUILD), Packing::Zstd, Family::Oci, &BUILD);
    let blob = blob_path(&foreign.layers[0].digest());
    let mut layout = Layout::default();
    let first = layout.put_image(&own, &BUILD);
    let mut manifest: Value = serde_json::from_slice(&foreign.manifest(&BUILD)).unwrap();
    manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd");
    manifest["layers"][0]["urls"] = json!(["https://example.org/layer"]);
    assert!(!layout.files.contains_key(&blob), "a foreign layer is not in the image");
    let second = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    for order in [[&first, &second], [&second, &first]] {
        layout.manifests.clear();
        for (number, descriptor) in order.into_iter().enumerate() {
            layout.name(descriptor.clone(), &format!("app:{number}"), &BUILD);
        }
        let (_, archive) = rewritten(&layout.tar(&BUILD), "", "oci-archive", &[]);
        let files = read_tar(&archive);
        Walk::new(&files);
        for child in index(&files)["manifests"].as_array().unwrap() {
            let manifest = document(&files, child);
            let config = document(&files, &manifest["config"]);
            let diff_id = &config["rootfs"]["diff_ids"][0];
            let is_foreign = manifest["layers"][0].get("urls").is_some();
            assert_eq!(*diff_id == own.layers[0].diff_id(), is_foreign, "{manifest}");
        }
        assert!(rewritten(&archive, "", "oci-archive", &[]).1 == archive, "not idempotent");
    }
}

/// Docker's archive of two images of which `index.json` lists the first alone.
fn half_listed() -> Files {
    let mut second = plain(image(vec![layer(app(&BUILD))], "amd64", &[]));
    let first = plain(image(vec![layer(base(&BUILD))], "amd64", &["app:1"]));
    second.tags.clear();
    let mut files = hybrid_files(&[first, second], Manifests::Listed, &BUILD);
    let mut list = index(&files);
    list["manifests"].as_array_mut().unwrap().truncate(1);
    files.insert("index.json".to_owned(), serde_json::to_vec(&list).unwrap());
    files
}

#[test]
fn an_image_that_only_manifest_json_lists_comes_along_into_a_layout() {
    let source = tar_files(&half_listed(), &BUILD);
    let (said, layout) = rewritten(&source, "", "oci-archive", &[]);
    let files = read_tar(&layout);
    Walk::new(&files);
    let list = index(&files)["manifests"].as_array().unwrap().clone();
    assert_eq!((list.len(), tags(&files)), (2, vec!["1".to_owned()]));
    let new = document(&files, &list[1]);
    let config = document(&files, &new["config"]);
    assert_eq!(config["created"], support::EPOCH_DATE);
    assert!(said.contains("untagged (linux/amd64"), "{said}");
    assert!(rewritten(&layout, "", "oci-archive", &[]).1 == layout, "not idempotent");
    // In its own kind of archive it stays as it was, and is reported all the same.
    let (said, archive) = rewritten(&source, "", "docker-archive", &[]);
    assert_eq!(loadable(&archive, &[]).len(), 2);
    assert_eq!(index(&read_tar(&archive))["manifests"].as_array().unwrap().len(), 1);
    assert!(said.contains("untagged (linux/amd64"), "{said}");
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &source);
    let seen = run(["inspect", text(&source)]).expect(0).text();
    assert!(seen.contains(
        &document(&half_listed(), &index(&half_listed())["manifests"][0])["config"]["digest"].as_str().unwrap()[..19]
    ));
    assert!(seen.contains("untagged"), "{seen}");
}

#[test]
fn names_of_both_parts_of_an_archive_are_told_apart_in_a_layout() {
    // Two repositories with the same tag, one of which only `manifest.json` lists.
    let mut files = half_listed();
    let mut list: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    list[1]["RepoTags"] = json!(["other:1"]);
    files.insert("manifest.json".to_owned(), serde_json::to_vec(&list).unwrap());
    let source = tar_files(&files, &BUILD);
    let (_, layout) = rewritten(&source, "", "oci-archive", &[]);
    assert_eq!(tags(&read_tar(&layout)), ["1", "other:1"]);
    // Either can be chosen.
    for (name, tag) in [("app:1", "1"), ("other:1", "1")] {
        let (_, layout) = rewritten(&source, &format!(":{name}"), "oci-archive", &[]);
        let files = read_tar(&layout);
        Walk::new(&files);
        assert_eq!(tags(&files), [tag], "{name}");
    }
}

#[test]
fn a_layout_of_sha512_can_be_an_archive() {
    let mut layout = Layout::default();
    let descriptor = layout.put_image(&hello(), &BUILD);
    // The whole layout by sha512: the manifest names its parts by new digests.
    let sha512 = |bytes: &[u8]| {
        use sha2::Digest as _;
        format!("sha512:{}", crate::graph::hex(&sha2::Sha512::digest(bytes)))
    };
    let mut files = Files::new();
    let mut put = |link: &mut Value, bytes: &[u8]| {
        link["digest"] = json!(sha512(bytes));
        link["size"] = json!(bytes.len());
        files.insert(blob_path(&sha512(bytes)), bytes.to_vec());
    };
    let blob = |link: &Value| layout.files[&blob_path(link["digest"].as_str().unwrap())].clone();
    let mut manifest: Value = serde_json::from_slice(&blob(&descriptor)).unwrap();
    let config = blob(&manifest["config"]);
    put(&mut manifest["config"], &config);
    for layer in manifest["layers"].as_array_mut().unwrap() {
        let bytes = blob(layer);
        put(layer, &bytes);
    }
    let mut descriptor = descriptor.clone();
    put(&mut descriptor, &serde_json::to_vec(&manifest).unwrap());
    let mut layout = Layout::default();
    layout.files.extend(files);
    layout.name(descriptor, "hello:1", &BUILD);
    let (_, archive) = rewritten(&layout.tar(&BUILD), "", "docker-archive", &[]);
    assert_eq!(loadable(&archive, &[]).len(), 1);
    let dir = scratch();
    let path = write(dir.path(), "out.tar", &archive);
    run(["check", "--epoch", "1700000000", text(&path)]).expect(0);
}

#[test]
fn what_an_archive_could_not_hold_is_refused() {
    // A layer that is not in the image.
    let mut layout = Layout::default();
    layout.put_image(&hello(), &BUILD);
    let mut manifest: Value = serde_json::from_slice(&hello().manifest(&BUILD)).unwrap();
    manifest["layers"][0]["urls"] = json!(["https://example.org/layer"]);
    let foreign = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let blob = blob_path(&hello().layers[0].digest());
    let bytes = layout.files.remove(&blob).unwrap();
    layout.manifests = vec![foreign];
    refused(&layout, &["layers[0]", "not in the image"]);
    // One that nobody says to be a tar, so that it is left as it is.
    layout.files.insert(blob, bytes);
    manifest["layers"][0].as_object_mut().unwrap().remove("urls");
    for media_type in [json!("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"), Value::Null] {
        manifest["layers"][0]["mediaType"] = media_type;
        layout.manifests = vec![layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())];
        refused(&layout, &["layers[0]", "media type"]);
    }
}

#[test]
fn a_layer_that_an_index_leaves_alone_is_left_alone_by_the_whole_archive() {
    let mut files = hybrid_files(&[plain(hello())], Manifests::Listed, &BUILD);
    let mut list = index(&files);
    let mut manifest = document(&files, &list["manifests"][0]);
    manifest["layers"][0].as_object_mut().unwrap().remove("mediaType");
    let bytes = serde_json::to_vec(&manifest).unwrap();
    for child in list["manifests"].as_array_mut().unwrap() {
        child["digest"] = json!(sha256(&bytes));
        child["size"] = json!(bytes.len());
    }
    files.insert(blob_path(&sha256(&bytes)), bytes);
    files.insert("index.json".to_owned(), serde_json::to_vec(&list).unwrap());
    let (_, archive) = rewritten(&tar_files(&files, &BUILD), "", "docker-archive", &[]);
    loadable(&archive, &[]);
    let new = read_tar(&archive);
    let config = document(&new, &index(&new)["manifests"][0])["config"]["digest"].as_str().unwrap().to_owned();
    let entries: Value = serde_json::from_slice(&new["manifest.json"]).unwrap();
    assert_eq!(entries[0]["Config"], blob_path(&config));
}

#[test]
fn files_of_docker_in_a_directory_are_not_lost_without_a_word() {
    let dir = scratch();
    let source = dir.path().join("in");
    let layout = Layout::of(&hello(), &BUILD);
    layout.write(&source);
    for name in ["manifest.json", "repositories"] {
        write(&source, name, b"[]");
    }
    let lost = |from: &str, to: &Path| {
        let said = run(["rewrite", "--epoch", "1700000000", from, text(to)]).expect(0).stderr;
        ["manifest.json", "repositories"].map(|name| said.contains(&format!("left out: file {name}")))
    };
    assert_eq!(lost(text(&source), &dir.path().join("out")), [true; 2]);
    let archive = write(dir.path(), "in.tar", &hybrid(&[plain(hello())], Manifests::Listed, &BUILD));
    assert_eq!(lost(&format!("oci-archive:{}", text(&archive)), &dir.path().join("o.tar")), [true; 2]);
    // Its images are in the layout, so nothing of it is lost.
    assert_eq!(lost(text(&archive), &dir.path().join("layout")), [false; 2]);
}

#[test]
fn an_image_that_gets_no_name_is_named() {
    let mut layout = Layout::default();
    let mut named = layout.put_image(&hello(), &BUILD);
    named["annotations"] = json!({"org.opencontainers.image.ref.name": "v1"});
    layout.manifests = vec![named];
    let (said, archive) = rewritten(&layout.tar(&BUILD), "", "docker-archive", &[]);
    assert_eq!(loadable(&archive, &[])[0].0, Value::Null);
    assert!(said.contains("the name \"v1\" is not REPOSITORY:TAG") && said.contains("--name APP:TAG"), "{said}");
    let (said, _) = rewritten(&Layout::of(&hello(), &BUILD).tar(&BUILD), "", "docker-archive", &[]);
    assert!(!said.contains("REPOSITORY"), "{said}");
}

#[test]
fn times_of_layer_sources_are_stamped() {
    let mut image = plain(hello());
    for layer in &mut image.layers {
        layer.annotations = Some(json!({"org.opencontainers.image.created": BUILD.date(3)}));
    }
    let source = hybrid(&[image], Manifests::Listed, &BUILD);
    let times = |archive: &[u8]| -> Vec<Value> {
        let list: Value = serde_json::from_slice(&read_tar(archive)["manifest.json"]).unwrap();
        let sources = list[0]["LayerSources"].as_object().unwrap();
        sources.values().map(|link| link["annotations"]["org.opencontainers.image.created"].clone()).collect()
    };
    let dir = scratch();
    let path = write(dir.path(), "in.tar", &source);
    let said = run(["check", "-v", "--epoch", "1700000000", text(&path)]).expect(1).text();
    assert_eq!(said.matches("LayerSources").count(), 2, "{said}");
    // The descriptor of a base's layer is the archive's own.
    for options in [&[][..], &["--base-layers", "1"]] {
        let (_, archive) = rewritten(&source, "", "docker-archive", options);
        assert_eq!(times(&archive), [support::EPOCH_DATE; 2]);
        let path = write(dir.path(), "out.tar", &archive);
        run(["check", "--epoch", "1700000000", text(&path)].iter().chain(options)).expect(0);
    }
}
