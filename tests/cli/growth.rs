//! Nothing in a verb is worse than n log n: four times as much of anything takes at most six times as long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::docker;
use crate::support::graph::{Attestation, put_attestation, put_referrer};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Files, Image, Layout, OCI_INDEX, OCI_MANIFEST, tar_files};
use crate::support::tarball::{Entry, tar};
use crate::support::usage::measured;
use crate::support::{Build, restamp, scratch, text, write};

const BUILD: Build = Build::FIRST;
const SIZES: [usize; 2] = [1_000, 4_000];
/// How often what takes too long is measured before it is a failure.
const RUNS: usize = 5;
/// Below this, the start of the process and the grain of the clock are most of what is measured.
const FLOOR: Duration = Duration::from_millis(60);

fn layer(content: &str) -> Layer {
    Layer::new(tar(&[Entry::file("file", content, BUILD.seconds)]), Packing::Plain, Family::Oci, &BUILD)
}

/// An image that differs from others by a variable of its environment.
fn image(layers: Vec<Layer>, variable: &str) -> Image {
    let mut image = Image::new(layers, Family::Oci, &BUILD, &[]);
    let config = String::from_utf8(image.config).unwrap();
    image.config = config.replace(r#""Env":null"#, &format!(r#""Env":["X={variable}"]"#)).into_bytes();
    image
}

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    descriptor
}

/// Runs every verb on what `make` makes of a number of things and a side, and compares the CPU time of both sizes.
#[track_caller]
fn grows_as_it_should(what: &str, make: impl Fn(usize, &str) -> Vec<u8>) {
    let dir = scratch();
    let made: Vec<[PathBuf; 2]> = SIZES
        .iter()
        .map(|size| ["a", "b"].map(|side| write(dir.path(), &format!("{side}{size}.tar"), &make(*size, side))))
        .collect();
    for verb in ["check", "inspect", "rewrite", "diff"] {
        // Other work on the machine makes CPU time longer, never shorter: the least of a few runs is the verb's own.
        let mut least = [Duration::MAX; SIZES.len()];
        for _ in 0..RUNS {
            for (least, [a, b]) in least.iter_mut().zip(&made) {
                *least = cpu(verb, a, b, dir.path()).min(*least);
            }
            if as_it_should(least) {
                break;
            }
        }
        assert!(
            as_it_should(least),
            "{verb} of {what}: {SIZES:?} take {least:?} of CPU time, in the least of {RUNS} runs"
        );
    }
}

fn as_it_should([few, many]: [Duration; SIZES.len()]) -> bool {
    many <= few.max(FLOOR) * 6
}

#[track_caller]
fn cpu(verb: &str, a: &Path, b: &Path, dir: &Path) -> Duration {
    let mut command = restamp();
    command.args([verb, "-j", "2"]);
    match verb {
        "diff" => command.args([a, b]),
        "inspect" => command.arg(a),
        "check" => command.args(["--epoch", "1700000000"]).arg(a),
        _ => command.args(["--epoch", "1700000000", text(a), text(&dir.join("out.tar"))]),
    };
    let (outcome, usage) = measured(&mut command);
    assert!(matches!(outcome.code, Some(0 | 1)), "{verb}: {:?} {}", outcome.code, outcome.stderr);
    usage.cpu
}

#[test]
fn of_images() {
    grows_as_it_should("images", |count, side| {
        let (mut layout, shared) = (Layout::default(), layer("x"));
        for number in 0..count {
            let descriptor = layout.put_image(&image(vec![shared.clone()], &format!("{number}{side}")), &BUILD);
            layout.manifests.push(named(descriptor, &format!("t{number}")));
        }
        layout.tar(&BUILD)
    });
}

#[test]
fn of_tags() {
    grows_as_it_should("tags of one image", |count, side| {
        let mut layout = Layout::default();
        let descriptor = layout.put_image(&image(vec![layer("x")], side), &BUILD);
        layout.manifests = (0..count).map(|number| named(descriptor.clone(), &format!("t{number}"))).collect();
        layout.tar(&BUILD)
    });
}

#[test]
fn of_tags_of_an_index() {
    grows_as_it_should("tags of an index of two dozen images", |count, side| {
        let (mut layout, shared) = (Layout::default(), layer("x"));
        let images: Vec<Value> = (0..24)
            .map(|number| layout.put_image(&image(vec![shared.clone()], &format!("{number}{side}")), &BUILD))
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images});
        let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
        layout.manifests = (0..count).map(|number| named(index.clone(), &format!("t{number}"))).collect();
        layout.tar(&BUILD)
    });
}

#[test]
fn of_attestations() {
    grows_as_it_should("images with attestations", |count, side| {
        let (mut layout, shared) = (Layout::default(), layer("x"));
        let mut manifests = Vec::new();
        for number in 0..count / 2 {
            let about = layout.put_image(&image(vec![shared.clone()], &format!("{number}{side}")), &BUILD);
            manifests.push(put_attestation(&mut layout, &about, Attestation::New, &BUILD));
            manifests.push(about);
        }
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
        layout.manifests = vec![layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())];
        layout.tar(&BUILD)
    });
}

#[test]
fn of_referrers() {
    grows_as_it_should("referrers of one image", |count, side| {
        let mut layout = Layout::default();
        let subject = layout.put_image(&image(vec![layer("x")], side), &BUILD);
        layout.manifests.push(subject.clone());
        for number in 0..count {
            let kind = format!("application/vnd.example.{number}");
            let referrer = put_referrer(&mut layout, &subject, &kind, format!("{number}{side}").as_bytes(), &BUILD);
            layout.manifests.push(referrer);
        }
        layout.tar(&BUILD)
    });
}

#[test]
fn of_fallback_tags() {
    grows_as_it_should("fallback tags", |count, side| {
        let (mut layout, shared) = (Layout::default(), layer("x"));
        for number in 0..count / 2 {
            let subject = layout.put_image(&image(vec![shared.clone()], &format!("{number}{side}")), &BUILD);
            let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"n": number.to_string()}});
            let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
            let tag = subject["digest"].as_str().unwrap().replace(':', "-");
            layout.manifests.extend([subject, named(index, &tag)]);
        }
        layout.tar(&BUILD)
    });
}

#[test]
fn of_shared_statements() {
    grows_as_it_should("manifests that share one statement", |count, side| {
        let mut layout = Layout::default();
        let subject = layout.put_image(&image(vec![layer("x")], side), &BUILD);
        let first = put_attestation(&mut layout, &subject, Attestation::New, &BUILD);
        let path = crate::support::layout::blob_path(first["digest"].as_str().unwrap());
        let manifest: Value = serde_json::from_slice(&layout.files[&path]).unwrap();
        let mut manifests = vec![subject, first.clone()];
        for number in 0..count {
            let mut other = manifest.clone();
            other["annotations"] = json!({"n": format!("{number}{side}")});
            let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&other).unwrap());
            descriptor["annotations"] = first["annotations"].clone();
            manifests.push(descriptor);
        }
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
        layout.manifests = vec![layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())];
        layout.tar(&BUILD)
    });
}

#[test]
fn of_layers() {
    grows_as_it_should("layers", |count, side| {
        let layers = (0..count).map(|number| layer(&format!("{number}{side}"))).collect();
        Layout::of(&image(layers, side), &BUILD).tar(&BUILD)
    });
}

#[test]
fn of_entries() {
    grows_as_it_should("entries", |count, side| {
        let entry = |number| Entry::file(format!("d/{number}"), format!("{number}{side}"), BUILD.seconds);
        let entries: Vec<Entry> = (0..count * 4).map(entry).collect();
        let layer = Layer::new(tar(&entries), Packing::Plain, Family::Oci, &BUILD);
        Layout::of(&image(vec![layer], side), &BUILD).tar(&BUILD)
    });
}

#[test]
fn of_entries_of_an_archive() {
    grows_as_it_should("entries of manifest.json", |count, side| {
        let image = docker::plain(image(vec![layer("x")], side));
        let config = format!("{}.json", crate::support::sha256_hex(&image.config));
        let entry = |number| json!({"Config": config, "RepoTags": [format!("r:{number}")], "Layers": ["l/layer.tar"]});
        let list: Vec<Value> = (0..count).map(entry).collect();
        let files = Files::from([
            ("manifest.json".to_owned(), serde_json::to_vec(&list).unwrap()),
            (config.clone(), image.config.clone()),
            ("l/layer.tar".to_owned(), image.layers[0].tar.clone()),
        ]);
        tar_files(&files, &BUILD)
    });
}

#[test]
fn of_records_of_an_entry() {
    grows_as_it_should("PAX records of an entry", |count, side| {
        // Each of them is a name that may be replaced.
        let mut entry = Entry::file("f", side, BUILD.seconds).pax("GNU.sparse.name", "f");
        for number in 0..count * 10 {
            entry = entry.pax("path", format!("p{number}"));
        }
        let layer = Layer::new(tar(&[entry]), Packing::Plain, Family::Oci, &BUILD);
        Layout::of(&image(vec![layer], side), &BUILD).tar(&BUILD)
    });
}
