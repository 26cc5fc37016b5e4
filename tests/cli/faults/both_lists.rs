//! Images that `index.json` and `manifest.json` both list: each follows its own description, and every file is verified.

use serde_json::{Value, json};

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, OCI_INDEX, read_tar};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, pipe, run, scratch, sha256_hex, text, write};

const BUILD: Build = Build::FIRST;
const EPOCH: [&str; 2] = ["--epoch", "1700000000"];

fn layer(content: &str, packing: Packing) -> Layer {
    Layer::new(tar(&[Entry::file("file", content, BUILD.seconds)]), packing, Family::Oci, &BUILD)
}

/// An image that differs from others by a variable of its environment.
fn image(layers: Vec<Layer>, variable: &str) -> Image {
    let mut image = Image::new(layers, Family::Oci, &BUILD, &[]);
    let config = String::from_utf8(image.config).unwrap();
    image.config = config.replace(r#""Env":null"#, &format!(r#""Env":["X={variable}"]"#)).into_bytes();
    image
}

fn path(digest: &str) -> String {
    crate::support::layout::blob_path(digest)
}

fn json_of(files: &crate::support::layout::Files, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

#[test]
fn a_layer_that_another_image_calls_foreign_is_stamped_in_both_lists() {
    let shared = layer("base", Packing::Gzip);
    for foreign_first in [true, false] {
        let mut layout = Layout::default();
        let mut entries = Vec::new();
        let mut order = [("foreign", true), ("plain", false)];
        if !foreign_first {
            order.reverse();
        }
        for (name, is_foreign) in order {
            let mut image = image(vec![shared.clone()], name);
            if is_foreign {
                image.layers[0].media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".into();
            }
            let descriptor = layout.put_image(&image, &BUILD);
            layout.name(descriptor, &format!("{name}:1"), &BUILD);
            entries.push(json!({"Config": path(&format!("sha256:{}", sha256_hex(&image.config))),
                "RepoTags": [format!("{name}:1")], "Layers": [path(&image.layers[0].digest())]}));
        }
        layout.files.insert("manifest.json".to_owned(), serde_json::to_vec(&entries).unwrap());
        let out = pipe(["rewrite", EPOCH[0], EPOCH[1]], &layout.tar(&BUILD)).expect(0);
        let files = read_tar(&out.stdout);
        let listed = json_of(&files, "manifest.json");
        for child in json_of(&files, "index.json")["manifests"].as_array().unwrap() {
            let manifest = json_of(&files, &path(child["digest"].as_str().unwrap()));
            let name = child["annotations"]["io.containerd.image.name"].as_str().unwrap().rsplit('/').next().unwrap();
            let entry = listed.as_array().unwrap().iter().find(|entry| entry["RepoTags"] == json!([name])).unwrap();
            let digest = manifest["layers"][0]["digest"].as_str().unwrap();
            assert_eq!(entry["Layers"], json!([path(digest)]), "{name}, foreign first: {foreign_first}");
            assert_eq!(digest == shared.digest(), name == "foreign:1", "{name}");
        }
        pipe(["check", EPOCH[0], EPOCH[1]], &out.stdout).expect(0);
    }
}

#[test]
fn a_second_file_for_a_config_is_verified() {
    let (good, evil) = (layer("good", Packing::Plain), layer("evil", Packing::Plain));
    let image = image(vec![good.clone()], "x");
    let config = format!("sha256:{}", sha256_hex(&image.config));
    let layout = Layout::of(&image, &BUILD);
    let entry = |name: &str, file: &str| json!({"Config": path(&config), "RepoTags": [name], "Layers": [file]});
    let layer_path = path(&good.digest());
    for (entries, with_index) in [
        (vec![entry("a:1", "evil.tar")], true),
        (vec![entry("a:1", &layer_path), entry("b:1", "evil.tar")], true),
        (vec![entry("a:1", "good.tar"), entry("b:1", "evil.tar")], false),
    ] {
        let mut files = layout.all();
        files.insert("manifest.json".to_owned(), serde_json::to_vec(&entries).unwrap());
        files.insert("good.tar".to_owned(), good.tar.clone());
        files.insert("evil.tar".to_owned(), evil.tar.clone());
        if !with_index {
            files.remove("index.json");
        }
        let bytes = crate::support::layout::tar_files(&files, &BUILD);
        for (verb, code) in [("check", 1), ("inspect", 2), ("rewrite", 2)] {
            let epoch = if verb == "inspect" { &[][..] } else { &EPOCH[..] };
            let outcome = pipe([verb].iter().chain(epoch), &bytes);
            let said = outcome.text() + &outcome.stderr;
            assert_eq!(outcome.code, Some(code), "{verb}, {entries:?}: {said}");
            assert!(said.contains("evil.tar") && said.contains("diff_id"), "{verb}: {said}");
        }
    }
}

#[test]
fn an_image_without_data_does_not_take_that_of_another() {
    use base64::Engine as _;
    let shared = layer("x", Packing::Plain);
    let data = base64::engine::general_purpose::STANDARD.encode(&shared.blob);
    for with_data in [[true, false], [false, true], [true, true]] {
        let mut layout = Layout::default();
        for (number, has_data) in with_data.iter().enumerate() {
            let image = image(vec![shared.clone()], &number.to_string());
            layout.put_image(&image, &BUILD);
            let mut manifest: Value = serde_json::from_slice(&image.manifest(&BUILD)).unwrap();
            if *has_data {
                manifest["layers"][0]["data"] = json!(data);
            }
            let descriptor = layout.put(crate::support::layout::OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
            layout.manifests.push(descriptor);
        }
        layout.files.remove(&path(&shared.digest()));
        let code = if with_data == [true, true] { 0 } else { 2 };
        let outcome = pipe(["rewrite", EPOCH[0], EPOCH[1]], &layout.tar(&BUILD)).expect(code);
        assert_eq!(outcome.stderr.contains("layer is missing"), code == 2, "{with_data:?}: {}", outcome.stderr);
    }
}

#[test]
fn names_of_all_images_together_are_limited() {
    let mut layout = Layout::default();
    let images: Vec<Value> = (0..400)
        .map(|number| layout.put_image(&image(vec![layer("x", Packing::Plain)], &number.to_string()), &BUILD))
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images});
    let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    for number in 0..251 {
        layout.name(index.clone(), &format!("x:{number}"), &BUILD);
    }
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let message = "number of names of all images is over the limit: more, at most 100000 allowed";
    for verb in ["check", "inspect", "rewrite", "diff"] {
        let out = dir.path().join("out.tar");
        let arguments: &[&str] = match verb {
            "check" => &["--epoch", "1700000000", text(&source)],
            "inspect" => &[text(&source)],
            "rewrite" => &["--epoch", "1700000000", text(&source), text(&out)],
            _ => &[text(&source), text(&source)],
        };
        let outcome = run([verb].iter().chain(arguments)).expect(2);
        assert!(outcome.stderr.contains(message), "{verb}: {}", outcome.stderr);
    }
}
