//! What must not be lost, and what is verified although it stays as it is.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use support::layer::Packing;
use support::layout::{Image, Layout, OCI_CONFIG, OCI_MANIFEST, blob_path, read, read_tar};
use support::{Build, EPOCH_DATE, hello, pipe, run, scratch, sha256, text, write};

const BUILD: Build = Build::FIRST;
const EPOCH: [&str; 3] = ["-q", "--epoch", "1700000000"];

fn layout() -> Layout {
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD)
}

fn rewrite<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&["rewrite"], &EPOCH[..], options].concat()
}

/// An image with another config.
fn with_config(change: impl FnOnce(&mut Value)) -> Image {
    let mut image = hello(&BUILD, Packing::Gzip);
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    change(&mut config);
    image.config = serde_json::to_vec(&config).unwrap();
    image
}

/// The config of the only image of an archive.
fn config_of(archive: &[u8]) -> Value {
    let files = read_tar(archive);
    let read = |descriptor: &Value| -> Value {
        serde_json::from_slice(&files[&blob_path(descriptor["digest"].as_str().unwrap())]).unwrap()
    };
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    read(&read(&index["manifests"][0])["config"])
}

#[test]
fn a_directory_that_holds_anything_else_is_not_replaced() {
    let dir = scratch();
    let (source, web) = (dir.path().join("source"), dir.path().join("web"));
    layout().write(&source);
    fs::create_dir(&web).unwrap();
    fs::write(web.join("index.json"), "{}").unwrap();
    fs::write(web.join("precious"), "1").unwrap();
    let into = |to: &str| run(rewrite(&["--force", text(&source), to]));
    into(&format!("oci:{}", text(&web))).expect_error(&[text(&web), "something else"]);
    assert_eq!(fs::read(web.join("precious")).unwrap(), b"1");
    // Deep in a layout, and in place.
    fs::create_dir_all(source.join("src/a/b")).unwrap();
    fs::write(source.join("src/a/b/c"), "1").unwrap();
    let before = read(&source);
    run(rewrite(&["--in-place", text(&source)])).expect_error(&[text(&source), "src"]);
    assert_eq!(read(&source), before);
    fs::remove_dir_all(source.join("src")).unwrap();
    run(rewrite(&["--in-place", text(&source)])).expect(0);
    run(["check", "--epoch", "1700000000", text(&source)]).expect(0);
}

#[test]
fn clamping_leaves_a_label_that_it_cannot_read() {
    let dates = ["Wed, 01 Jan 2020 00:00:00 +0000", "2020/01/01", "2020-01-01 00:00:00 +0000 UTC"];
    for date in dates {
        let image = with_config(|config| config["config"]["Labels"]["build-date"] = json!(date));
        let archive = Layout::of(&image, &BUILD).tar(&BUILD);
        let clamped = pipe(rewrite(&["--clamp"]), &archive).expect(0).stdout;
        assert_eq!(config_of(&clamped)["config"]["Labels"]["build-date"], date);
        let set = pipe(rewrite(&[]), &archive).expect(0).stdout;
        assert_eq!(config_of(&set)["config"]["Labels"]["build-date"], EPOCH_DATE);
    }
}

#[test]
fn steps_of_the_image_are_stamped_although_its_base_had_as_many() {
    let dir = scratch();
    let step = |by: &str| json!({"created": "2025-01-01T00:00:00Z", "created_by": by, "empty_layer": true});
    let with = |steps: &[&str]| {
        with_config(|config| {
            let history = config["history"].as_array_mut().unwrap();
            history.retain(|entry| entry.get("empty_layer").is_none());
            history.extend(steps.iter().map(|by| step(by)));
        })
    };
    let base = write(dir.path(), "base.tar", &Layout::of(&with(&["CMD", "ENV A=1"]), &BUILD).tar(&BUILD));
    let image = Layout::of(&with(&["CMD", "ENV OWN=1"]), &BUILD).tar(&BUILD);
    let out = pipe(rewrite(&["--base", text(&base)]), &image).expect(0).stdout;
    let config = config_of(&out);
    let history = config["history"].as_array().unwrap();
    let created: Vec<&str> = history.iter().rev().take(2).map(|entry| entry["created"].as_str().unwrap()).collect();
    assert_eq!(created, [EPOCH_DATE, "2025-01-01T00:00:00Z"]);
}

#[test]
fn a_base_layer_has_to_be_what_its_config_says() {
    let image = with_config(|config| config["rootfs"]["diff_ids"][0] = json!(sha256(b"another")));
    let archive = Layout::of(&image, &BUILD).tar(&BUILD);
    for options in [&["--base-layers", "1"][..], &[]] {
        pipe(rewrite(options), &archive).expect_error(&["diff_id does not match", &sha256(b"another")]);
    }
}

#[test]
fn a_dry_run_finds_what_the_run_would() {
    let dir = scratch();
    let image = hello(&BUILD, Packing::Gzip);
    let mut layout = Layout::of(&image, &BUILD);
    let blob = layout.files.get_mut(&blob_path(&image.layers[0].digest())).unwrap();
    // OS in the gzip header: what is in the layer stays the same.
    blob[9] ^= 1;
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let out = dir.path().join("out.tar");
    for dry in [&["--dry-run"][..], &[]] {
        let options = [dry, &["--base-layers", "1", text(&source), text(&out)]].concat();
        run(rewrite(&options)).expect_error(&["digest does not match", &image.layers[0].digest()]);
        assert!(!out.exists());
    }
}

#[test]
fn data_has_to_be_the_blob_that_it_stands_for() {
    let image = hello(&BUILD, Packing::Gzip);
    let mut manifest: Value = serde_json::from_slice(&image.manifest(&BUILD)).unwrap();
    manifest["config"]["data"] = json!("e30=");
    let mut layout = layout();
    let descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    layout.manifests = vec![descriptor];
    pipe(rewrite(&[]), &layout.tar(&BUILD)).expect_error(&["config.data", "does not match"]);
}

#[test]
fn a_config_and_layers_without_a_media_type_are_stamped_all_the_same() {
    let image = hello(&BUILD, Packing::Gzip);
    let mut manifest: Value = serde_json::from_slice(&image.manifest(&BUILD)).unwrap();
    assert_eq!(manifest["config"]["mediaType"], OCI_CONFIG);
    let untype = |descriptor: &mut Value| drop(descriptor.as_object_mut().unwrap().remove("mediaType"));
    untype(&mut manifest["config"]);
    manifest["layers"].as_array_mut().unwrap().iter_mut().for_each(untype);
    let mut layout = layout();
    layout.manifests = vec![layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())];
    let out = pipe(rewrite(&[]), &layout.tar(&BUILD)).expect(0).stdout;
    assert_eq!(config_of(&out)["created"], EPOCH_DATE);
    let plain = pipe(rewrite(&[]), &self::layout().tar(&BUILD)).expect(0).stdout;
    assert_eq!(config_of(&out)["rootfs"], config_of(&plain)["rootfs"]);
}

#[test]
fn a_report_is_no_part_of_an_image() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout().tar(&BUILD));
    let before = fs::read(&source).unwrap();
    let out = dir.path().join("out.tar");
    for report in [&source, &out] {
        let outcome = run(rewrite(&["--report", text(report), text(&source), text(&out)]));
        outcome.expect_error(&["--report", text(report)]);
    }
    assert!(!out.exists());
    run(rewrite(&["--report", text(dir.path()), text(&source), text(&out)])).expect_error(&["it is a directory"]);
    assert_eq!(fs::read(&source).unwrap(), before);
}

#[test]
fn a_folder_for_temporary_files_that_is_not_there_is_named() {
    let outcome = pipe(rewrite(&["--tmp-dir", "/nowhere/at/all"]), &layout().tar(&BUILD));
    outcome.expect_error(&["--tmp-dir /nowhere/at/all"]);
}

#[test]
fn names_of_an_image_do_not_steer_the_terminal() {
    let mut layout = layout();
    let mut descriptor = layout.manifests.remove(0);
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": "a\u{1b}[31m\nb"});
    layout.manifests = vec![descriptor];
    let outcome = pipe(["rewrite", "-v", "--epoch", "1700000000"], &layout.tar(&BUILD)).expect(0);
    assert!(outcome.stderr.contains("\\u{1b}[31m\\nb") && !outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr);
}
