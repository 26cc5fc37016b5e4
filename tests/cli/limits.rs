//! What hostile or merely large input may take: a message that says which limit it met, and a bounded amount of memory.

use std::io::Write;
use std::path::Path;

use restamp::{Check, Epoch, Inspect, Limits, Location, Rewrite, RunContext, Stamp};
use serde_json::{Value, json};

use crate::support::graph::{Attestation, put_attestation};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Files, Image, Layout, OCI_INDEX, blob_path, tar_files};
use crate::support::tarball::{Entry, tar};
use crate::support::usage::measured;
use crate::support::{Build, docker, restamp, scratch, sha256_hex, text, write};

const BUILD: Build = Build::FIRST;
const MIB: u64 = 1 << 10;

/// A zstd frame with a window of so many bits, whatever it holds.
fn zstd_frame(content: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn large_windows_of_zstd_are_open_one_at_a_time() {
    let dir = scratch();
    // As large as the window, so that all of it is used; a small first frame must not hide what comes behind it.
    let layers = (0..3).map(|number| {
        let stream = tar(&[Entry::file(format!("zeros{number}"), vec![0; 132 << 20], BUILD.seconds)]);
        let (head, rest) = stream.split_at(512);
        let mut layer = Layer::new(Vec::new(), Packing::Zstd, Family::Oci, &BUILD);
        layer.blob = [zstd_frame(head, 10), zstd_frame(rest, 27)].concat();
        layer.tar = stream;
        layer
    });
    let image = Image::new(layers.collect(), Family::Oci, &BUILD, &["x:1"]);
    let source = write(dir.path(), "in.tar", &Layout::of(&image, &BUILD).tar(&BUILD));
    let arguments = ["check", "--epoch", "1700000000", "-q", "-j", "3", text(&source)];
    let (outcome, usage) = measured(restamp().args(arguments));
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let allowed = (64 + 8 * 3 + 128) * MIB;
    assert!(usage.peak < allowed, "{} of {} MiB", usage.peak / MIB, allowed / MIB);
}

/// Runs every verb that reads one image with two jobs: what each says, and that it keeps to its memory.
#[track_caller]
fn each_verb(source: &Path, out: &Path, code: &[i32], message: &str) {
    let epoch = ["--epoch", "1700000000"];
    for verb in ["check", "inspect", "rewrite"] {
        let mut command = restamp();
        command.args([verb, "-j", "2"]);
        match verb {
            "inspect" => command.arg(source),
            "check" => command.args(epoch).arg(source),
            _ => command.args(epoch).args([source, out]),
        };
        let (outcome, usage) = measured(&mut command);
        assert!(
            outcome.code.is_some_and(|found| code.contains(&found)),
            "{verb}: {:?} {}",
            outcome.code,
            outcome.stderr
        );
        // check finds it, the others refuse it.
        let said = outcome.text() + &outcome.stderr;
        assert!(said.contains(message), "{verb}: {said}");
        let allowed = (64 + 8 * 2) * MIB;
        assert!(usage.peak < allowed, "{verb}: {} of {} MiB", usage.peak / MIB, allowed / MIB);
        assert!(outcome.code != Some(2) || !out.exists(), "{verb}");
    }
}

/// An image, its layout, and what `index.json` says of it.
fn one_image() -> (Layout, Value) {
    let layer = Layer::new(tar(&[Entry::file("file", "x", BUILD.seconds)]), Packing::Plain, Family::Oci, &BUILD);
    let mut layout = Layout::default();
    let descriptor = layout.put_image(&Image::new(vec![layer], Family::Oci, &BUILD, &[]), &BUILD);
    (layout, descriptor)
}

#[track_caller]
fn refused(layout: &Layout, message: &str) {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    each_verb(&source, &dir.path().join("out.tar"), &[2], message);
}

#[test]
fn more_descriptors_than_are_held_are_refused() {
    let (mut layout, descriptor) = one_image();
    layout.manifests = vec![descriptor; 25_001];
    refused(&layout, "number of descriptors is over the limit: 25001, at most 25000 allowed");
}

#[test]
fn as_many_descriptors_as_are_held_keep_to_the_memory() {
    let (mut layout, descriptor) = one_image();
    let annotated = |number: usize| {
        let mut child = descriptor.clone();
        child["annotations"] = json!({"k": format!("{number:07}{}", "x".repeat(100))});
        child
    };
    let list: Vec<Value> = (0..24_900).map(annotated).collect();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list});
    let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    let tag = |number: usize| {
        let mut tagged = index.clone();
        tagged["annotations"] = json!({"org.opencontainers.image.ref.name": format!("t{number}")});
        tagged
    };
    layout.manifests = (0..16).map(tag).collect();
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    each_verb(&source, &dir.path().join("out.tar"), &[0, 1], "");
}

#[test]
fn more_annotations_than_are_held_are_refused() {
    let (mut layout, mut descriptor) = one_image();
    let annotations: serde_json::Map<_, _> = (0..100).map(|number| (format!("k{number}"), json!(""))).collect();
    descriptor["annotations"] = Value::Object(annotations);
    layout.manifests = vec![descriptor; 1_001];
    refused(&layout, "number of annotations of descriptors is over the limit: 100100, at most 100000 allowed");
}

#[test]
fn more_images_in_a_docker_archive_than_are_held_are_refused() {
    let layer = Layer::new(tar(&[Entry::file("file", "x", BUILD.seconds)]), Packing::Plain, Family::Oci, &BUILD);
    let image = docker::plain(Image::new(vec![layer], Family::Oci, &BUILD, &[]));
    let config = format!("{}.json", sha256_hex(&image.config));
    let archive = |images: usize, layers: usize| {
        let list: Vec<Value> =
            (0..images).map(|_| json!({"Config": config, "Layers": vec!["l/layer.tar"; layers]})).collect();
        let files = Files::from([
            ("manifest.json".to_owned(), serde_json::to_vec(&list).unwrap()),
            (config.clone(), image.config.clone()),
            ("l/layer.tar".to_owned(), image.layers[0].tar.clone()),
        ]);
        tar_files(&files, &BUILD)
    };
    for (images, layers, message) in [
        (6_001, 1, "manifest.json: number of images is over the limit: 6001, at most 6000 allowed"),
        (251, 100, "manifest.json: number of layers of all images is over the limit: 25100, at most 25000 allowed"),
    ] {
        let dir = scratch();
        let source = write(dir.path(), "in.tar", &archive(images, layers));
        each_verb(&source, &dir.path().join("out.tar"), &[2], message);
    }
}

#[test]
fn more_entries_of_an_archive_than_are_held_are_refused() {
    let entries: Vec<Entry> = (0..=65_536).map(|number| Entry::file(format!("f{number}"), "", BUILD.seconds)).collect();
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &tar(&entries));
    let message = "number of archive entries is over the limit: more, at most 65536 allowed";
    each_verb(&source, &dir.path().join("out.tar"), &[2], message);
}

#[test]
fn more_documents_than_are_held_are_refused() {
    let (mut layout, _) = one_image();
    let index = |number: usize| {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"n": number.to_string()}});
        layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())
    };
    layout.manifests = (0..6_001).map(index).collect();
    refused(&layout, "number of documents is over the limit: more, at most 6000 allowed");
}

#[test]
fn documents_that_are_too_large_together_are_refused() {
    let (mut layout, _) = one_image();
    let index = |number: usize| {
        let long = format!("{number}{}", "x".repeat(12 << 20));
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"n": long}});
        layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())
    };
    layout.manifests = (0..3).map(index).collect();
    refused(&layout, "size of all documents in bytes is over the limit");
}

#[test]
fn a_document_that_is_too_large_is_refused() {
    let (mut layout, _) = one_image();
    let index = json!({"manifests": [], "annotations": {"n": "x".repeat(16 << 20)}});
    layout.manifests = vec![layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    each_verb(&source, &dir.path().join("out.tar"), &[1, 2], "size in bytes is over the limit: ");
}

#[test]
fn statements_of_many_megabytes_are_held_once() {
    let (mut layout, subject) = one_image();
    let mut attestation = put_attestation(&mut layout, &subject, Attestation::New, &BUILD);
    let manifest = layout.files[&blob_path(attestation["digest"].as_str().unwrap())].clone();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let old = manifest["layers"][0].clone();
    let statement = layout.files[&blob_path(old["digest"].as_str().unwrap())].clone();
    let mut statement: Value = serde_json::from_slice(&statement).unwrap();
    let statements = [1, 2].map(|number| {
        statement["predicate"] = json!({"text": "z".repeat(30 << 20), "number": number});
        let mut new = layout.put(old["mediaType"].as_str().unwrap(), &serde_json::to_vec(&statement).unwrap());
        new["annotations"] = old["annotations"].clone();
        new
    });
    manifest["layers"] = json!(statements);
    let put = layout.put(attestation["mediaType"].as_str().unwrap(), &serde_json::to_vec(&manifest).unwrap());
    attestation["digest"] = put["digest"].clone();
    attestation["size"] = put["size"].clone();
    layout.manifests = vec![subject, attestation];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    each_verb(&source, &dir.path().join("out.tar"), &[0, 1], "");
}

/// Runs the library's verbs that read one image within these limits: what each says.
fn within(limits: &Limits, source: &Path) -> [String; 3] {
    let dir = scratch();
    let context = RunContext::new(2, dir.path()).unwrap().with_limits(limits.clone());
    let stamp = Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap());
    let (source, out) = (Location::path(source), Location::path(dir.path().join("out.tar")));
    let checked = Check::new(stamp).with_context(&context).run(&source).map(|report| {
        let said: Vec<String> = report.findings.iter().map(|finding| finding.text.to_string()).collect();
        format!("{}; {} more", said.join("; "), report.total.not_listed)
    });
    let inspected = Inspect::new().with_context(&context).run(&source).map(|_| String::new());
    let rewritten = Rewrite::new(stamp).with_context(&context).run(&source, &out).map(|_| String::new());
    assert!(rewritten.is_ok() || !out.as_path().unwrap().exists());
    [checked, inspected, rewritten].map(|result| result.unwrap_or_else(|error| error.to_string()))
}

#[test]
fn a_context_of_ones_own_has_limits_of_its_own() {
    let dir = scratch();
    let save = |name: &str, layout: &Layout| write(dir.path(), name, &layout.tar(&BUILD));
    let (mut many, descriptor) = one_image();
    many.manifests = vec![descriptor; 5];
    let many = save("many.tar", &many);
    let (mut deep, mut inner) = one_image();
    for _ in 0..4 {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]});
        inner = deep.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    }
    deep.manifests = vec![inner];
    let deep = save("deep.tar", &deep);
    let with = |set: &dyn Fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        limits
    };
    let cases: [(&Path, Limits, &str); 7] = [
        (
            &many,
            with(&|limits| limits.descriptors = 4),
            "number of descriptors is over the limit: 5, at most 4 allowed",
        ),
        (&many, with(&|limits| limits.archive_entries = 3), "number of archive entries is over the limit"),
        (&many, with(&|limits| limits.names = 100), "size of all names in bytes is over the limit"),
        (&many, with(&|limits| limits.document_bytes = 600), "size in bytes is over the limit"),
        (&many, with(&|limits| limits.all_document_bytes = 700), "size of all documents in bytes is over the limit"),
        (&deep, with(&|limits| limits.nesting = 3), "depth of nested indexes is over the limit: 4, at most 3 allowed"),
        (&deep, with(&|limits| limits.documents = 3), "number of documents is over the limit: more, at most 3 allowed"),
    ];
    for (source, limits, message) in &cases {
        for said in within(limits, source) {
            assert!(said.contains(message), "{limits:?}: {said}");
        }
    }
    for source in [&many, &deep] {
        assert!(within(&Limits::default(), source)[1..].iter().all(String::is_empty));
    }
}

#[test]
fn a_compressed_archive_is_spooled_up_to_a_limit() {
    let (layout, descriptor) = one_image();
    let layout = Layout { manifests: vec![descriptor], ..layout };
    let dir = scratch();
    for (name, packed) in [
        ("in.tar.gz", crate::support::layer::gzip(&layout.tar(&BUILD), 6, 0)),
        ("in.tar.zst", zstd::stream::encode_all(&layout.tar(&BUILD)[..], 1).unwrap()),
    ] {
        let source = write(dir.path(), name, &packed);
        let mut limits = Limits::default();
        limits.spooled_bytes = 5_000;
        for said in within(&limits, &source) {
            let message = "size of the decompressed archive in bytes is over the limit: more, at most 5000 allowed";
            assert!(said.contains(message) && said.contains(name), "{said}");
        }
        assert!(within(&Limits::default(), &source)[1].is_empty());
    }
}

#[test]
fn a_statement_that_is_too_large_is_named() {
    let (mut layout, subject) = one_image();
    let attestation = put_attestation(&mut layout, &subject, Attestation::New, &BUILD);
    layout.manifests = vec![subject, attestation];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let mut limits = Limits::default();
    limits.statement_bytes = 100;
    let [checked, inspected, rewritten] = within(&limits, &source);
    assert!(checked.contains("is not read: its size in bytes is over the limit: "), "{checked}");
    assert!(inspected.is_empty(), "{inspected}");
    assert!(rewritten.contains("size in bytes is over the limit: "), "{rewritten}");
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let (mut layout, mut descriptor) = one_image();
    descriptor["size"] = json!(1);
    layout.manifests = vec![descriptor; 20];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let mut limits = Limits::default();
    limits.problems = 3;
    let [checked, inspected, _] = within(&limits, &source);
    assert_eq!(checked.matches("size does not match: expected 1, ").count(), 3, "{checked}");
    assert!(checked.contains("; 17 more"), "{checked}");
    assert!(inspected.contains("size does not match"), "{inspected}");
}

#[test]
fn as_many_images_as_are_held_keep_to_the_memory_of_diff() {
    const IMAGES: usize = 5_900;
    let (mut layout, _) = one_image();
    let layer = Layer::new(tar(&[Entry::file("file", "x", BUILD.seconds)]), Packing::Plain, Family::Oci, &BUILD);
    let image = Image::new(vec![layer], Family::Oci, &BUILD, &[]);
    let config = String::from_utf8(image.config.clone()).unwrap();
    layout.manifests = (0..IMAGES)
        .map(|number| {
            let mut image = image.clone();
            image.config = config.replace(r#""Env":null"#, &format!(r#""Env":["X={number}"]"#)).into_bytes();
            layout.put_image(&image, &BUILD)
        })
        .collect();
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let (outcome, usage) = measured(restamp().args(["diff", "-j", "2", text(&source), text(&source)]));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    // docs/limits.md: 3.5 KB for every image.
    // A build for tests has some 9 MiB more of its own code in memory than one that is shipped.
    let code = if cfg!(debug_assertions) { 9 * MIB } else { 0 };
    let allowed = (64 + 8 * 2) * MIB + 7 * IMAGES as u64 / 2 + code;
    assert!(usage.peak < allowed, "{} of {} MiB", usage.peak / MIB, allowed / MIB);
}
