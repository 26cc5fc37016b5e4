//! What a run must not touch, and what it must not let through: foreign files, reports over images, a terminal.

use crate::support;

use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Image, Layout, OCI_CONFIG, OCI_MANIFEST, read};
use crate::support::{Build, hello, judge, names, pipe, restamp, run, scratch, text, write};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

const BUILD: Build = Build::FIRST;

fn layout() -> Layout {
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD)
}

fn rewrite(arguments: &[&str]) -> support::Outcome {
    run(["rewrite", "--epoch", "1700000000"].iter().chain(arguments))
}

#[test]
fn a_directory_with_foreign_files_is_not_replaced() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout().tar(&BUILD));
    for foreign in
        ["precious", "manifest.json", ".git/objects/ab/cdef", "blobs/sha256/x", "blobs/sha256/a/b/c", "empty/"]
    {
        let at = dir.path().join("image");
        layout().write(&at);
        match foreign.strip_suffix('/') {
            Some(folder) => fs::create_dir(at.join(folder)).unwrap(),
            None => {
                fs::create_dir_all(at.join(foreign).parent().unwrap()).unwrap();
                fs::write(at.join(foreign), "mine").unwrap();
            }
        }
        let before = read(&at);
        let to = format!("oci:{}", text(&at));
        let top = foreign.split('/').next().unwrap();
        rewrite(&["--in-place", &to]).expect_error(&[
            "only an OCI image layout may be replaced",
            top,
            "move that away",
        ]);
        rewrite(&["--force", text(&source), &to]).expect_error(&["only an OCI image layout may be replaced", top]);
        assert!(read(&at) == before && at.join(foreign).exists(), "{foreign}");
        fs::remove_dir_all(at).unwrap();
    }
    // A file of that name does not make a layout.
    let web = dir.path().join("web");
    fs::create_dir(&web).unwrap();
    write(&web, "index.json", b"{}");
    rewrite(&["--force", text(&source), &format!("oci:{}", text(&web))]).expect_error(&["other things"]);
    assert_eq!(fs::read(web.join("index.json")).unwrap(), b"{}");
    assert_eq!(names(dir.path()), ["in.tar", "web"]);
}

#[test]
fn a_directory_that_is_replaced_keeps_its_mode() {
    let dir = scratch();
    for mode in [0o700, 0o2750] {
        let at = dir.path().join("image");
        layout().write(&at);
        fs::set_permissions(&at, Permissions::from_mode(mode)).unwrap();
        rewrite(&["--in-place", text(&at)]).expect(0);
        judge::expect_stamped(&judge::walk(&read(&at)), false);
        assert_eq!(fs::metadata(&at).unwrap().permissions().mode() & 0o7777, mode);
        fs::remove_dir_all(at).unwrap();
    }
}

#[test]
fn what_lies_deep_in_a_directory_is_named_as_left_out() {
    let dir = scratch();
    let at = dir.path().join("image");
    layout().write(&at);
    fs::create_dir_all(at.join(".git/objects/ab")).unwrap();
    write(&at.join(".git/objects/ab"), "cdef", b"");
    let outcome = rewrite(&[&format!("oci:{}", text(&at)), text(&dir.path().join("out"))]).expect(0);
    assert!(outcome.stderr.contains(".git/objects/ab/"), "{}", outcome.stderr);
}

#[test]
fn a_file_name_that_ends_in_a_slash_is_refused_before_the_work() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout().tar(&BUILD));
    rewrite(&[text(&source), &format!("oci-archive:{}/new/", text(dir.path()))]).expect_error(&["new/", "slash"]);
    rewrite(&["--tmp-dir", "/nonexistent", text(&source)]).expect_error(&["--tmp-dir /nonexistent"]);
}

#[test]
fn a_report_that_can_t_be_written_leaves_no_image() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout().tar(&BUILD));
    let to = dir.path().join("out.tar");
    for report in [text(dir.path()), "/dev/full", "/nonexistent/report"] {
        rewrite(&["--report", report, text(&source), text(&to)]).expect_error(&["report", report]);
        assert_eq!(names(dir.path()), ["in.tar"], "{report}");
    }
}

#[test]
fn a_report_is_not_written_over_an_image() {
    let dir = scratch();
    let bytes = layout().tar(&BUILD);
    let source = write(dir.path(), "in.tar", &bytes);
    let to = write(dir.path(), "out.tar", b"what was there before");
    let link = dir.path().join("link");
    fs::hard_link(&source, &link).unwrap();
    for report in [&source, &to, &link, &dir.path().join("./out.tar")] {
        rewrite(&["--report", text(report), text(&source), text(&to)]).expect_error(&["--report", "image"]);
    }
    let new = dir.path().join("new.tar");
    rewrite(&["--report", text(&new), text(&source), text(&new)]).expect_error(&["--report", "image"]);
    let folder = dir.path().join("image");
    layout().write(&folder);
    rewrite(&["--in-place", "--report", text(&folder.join("report")), text(&folder)]).expect_error(&["--report"]);
    assert!(fs::read(&source).unwrap() == bytes);
    assert_eq!(fs::read(&to).unwrap(), b"what was there before");
    assert_eq!(names(dir.path()), ["image", "in.tar", "link", "out.tar"]);
}

#[test]
fn an_image_does_not_steer_the_terminal() {
    let dir = scratch();
    let mut layout = layout();
    layout.manifests[0]["annotations"]["org.opencontainers.image.ref.name"] = json!("v\u{1b}[31m\nwarning: none");
    layout.files.insert("e\u{1b}[31mvil\nfile".to_owned(), Vec::new());
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let outcomes = [
        rewrite(&["-v", text(&source), text(&dir.path().join("out.tar"))]).expect(0),
        run(["check", "-v", "--epoch", "1700000000", text(&source)]).expect(1),
        rewrite(&[&format!("oci-archive:{}:none", text(&source))]).expect_error(&["\\u{1b}[31m\\nwarning"]),
    ];
    for outcome in outcomes {
        let told = format!("{}{}", outcome.text(), outcome.stderr);
        assert!(!told.contains('\u{1b}') && !told.contains("\nwarning: none") && !told.contains("\nfile"), "{told:?}");
        assert!(told.contains("\\u{1b}[31m"), "{told:?}");
    }
}

#[test]
fn what_follows_an_archive_on_a_pipe_takes_no_room() {
    use std::io::Write;
    let mut command = restamp();
    command.args(["rewrite", "-q", "--epoch", "1"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&layout().tar(&BUILD)).unwrap();
    for _ in 0..100 {
        stdin.write_all(&[0; 1 << 20]).unwrap();
    }
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let sizes =
        open.filter_map(|entry| Some(fs::metadata(entry.ok()?.path()).ok().filter(fs::Metadata::is_file)?.len()));
    let largest = sizes.max().unwrap_or_default();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(largest < 50 << 20, "a spool of {largest} bytes");
}

/// An image whose first layer is a base's, in which something is wrong.
fn edited(edit: &dyn Fn(&mut Value), manifest: &dyn Fn(&mut Value)) -> (Layout, Vec<Layer>) {
    let layers: Vec<Layer> =
        [base(&BUILD), app(&BUILD)].map(|tar| Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD)).into();
    let image = Image::new(layers.clone(), Family::Oci, &BUILD, &["1"]);
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    edit(&mut config);
    let mut layout = Layout::default();
    for layer in &layers {
        layout.put(&layer.media_type, &layer.blob);
    }
    let config = layout.put(OCI_CONFIG, &serde_json::to_vec(&config).unwrap());
    let descriptors: Vec<Value> = layers.iter().map(Layer::descriptor).collect();
    let mut document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": descriptors});
    manifest(&mut document);
    let descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&document).unwrap());
    layout.manifests.push(descriptor);
    (layout, layers)
}

#[test]
fn a_base_layer_has_the_diff_id_that_the_config_gives_it() {
    let wrong = support::sha256(b"something else");
    let (layout, layers) = edited(&|config| config["rootfs"]["diff_ids"][0] = json!(wrong), &|_| {});
    for options in [&["--base-layers", "1"][..], &["--dry-run", "--base-layers", "1"]] {
        pipe(["rewrite", "--epoch", "1"].iter().chain(options), &layout.tar(&BUILD)).expect_error(&[
            "diff_id",
            &wrong,
            &layers[0].digest(),
        ]);
    }
}

#[test]
fn a_dry_run_verifies_what_it_would_copy() {
    let (mut layout, layers) = edited(&|_| {}, &|manifest| {
        manifest["layers"][0]["mediaType"] = json!("application/x-unknown");
    });
    let blob = layout.files.get_mut(&support::layout::blob_path(&layers[0].digest())).unwrap();
    *blob.last_mut().unwrap() ^= 1;
    pipe(["rewrite", "--epoch", "1", "--dry-run"], &layout.tar(&BUILD))
        .expect_error(&["digest does not match", &layers[0].digest()]);
}

#[test]
fn data_has_to_be_the_blob_that_it_stands_for() {
    let (good, _) = edited(&|_| {}, &|_| {});
    pipe(["rewrite", "-q", "--epoch", "1"], &good.tar(&BUILD)).expect(0);
    for data in ["e30=", "?"] {
        let (layout, _) = edited(&|_| {}, &|manifest| manifest["config"]["data"] = json!(data));
        pipe(["rewrite", "--epoch", "1"], &layout.tar(&BUILD)).expect_error(&["config.data"]);
    }
}

#[test]
fn the_descriptor_of_a_base_layer_is_the_manifests_own() {
    let dated = |manifest: &mut Value| {
        manifest["layers"][0]["annotations"] = json!({"org.opencontainers.image.created": "2024-06-01T00:00:00Z"});
    };
    let (layout, layers) = edited(&|_| {}, &dated);
    for rule in [&[][..], &["--clamp"]] {
        let arguments = ["--epoch", "1700000000", "--base-layers", "1"];
        let stdin = layout.tar(&BUILD);
        let out = pipe(["rewrite", "-q"].iter().chain(&arguments).chain(rule), &stdin).expect(0).stdout;
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains(&layers[0].digest()) && !text.contains("2024-06-01"));
        pipe(["check"].iter().chain(&arguments).chain(rule), &out).expect(0);
        pipe(["check"].iter().chain(&arguments).chain(rule), &stdin).expect(1);
    }
}

#[test]
fn data_of_a_layer_is_made_anew() {
    let (_, layers) = edited(&|_| {}, &|_| {});
    let encoded = |blob: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob);
    let (layout, _) = edited(&|_| {}, &|manifest| manifest["layers"][0]["data"] = json!(encoded(&layers[0].blob)));
    let out = pipe(["rewrite", "--epoch", "1700000000"], &layout.tar(&BUILD)).expect(0);
    assert!(!out.stderr.contains("warning"), "{}", out.stderr);
    let files = support::layout::read_tar(&out.stdout);
    let seen = judge::walk(&files);
    judge::expect_no_orphans(&files, &seen);
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let blob = |digest: &Value| &files[&support::layout::blob_path(digest.as_str().unwrap())];
    let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0]["digest"])).unwrap();
    let layer = &manifest["layers"][0];
    assert_ne!(layer["digest"], json!(layers[0].digest()));
    assert_eq!(layer["data"], json!(encoded(blob(&layer["digest"]))));
}

#[test]
fn a_config_or_layer_without_a_media_type_is_what_its_content_says() {
    let untyped = |value: &mut Value| drop(value.as_object_mut().unwrap().remove("mediaType"));
    let empty = |value: &mut Value| value["mediaType"] = json!("");
    for change in [&untyped as &dyn Fn(&mut Value), &empty] {
        for part in ["/config", "/layers/0"] {
            let (layout, _) = edited(&|_| {}, &|manifest| change(manifest.pointer_mut(part).unwrap()));
            let out = pipe(["rewrite", "--epoch", "1700000000"], &layout.tar(&BUILD)).expect(0);
            assert!(out.stderr.contains("2 layers rewritten"), "{part}: {}", out.stderr);
            pipe(["check", "--epoch", "1700000000"], &out.stdout).expect(0);
        }
    }
}

#[test]
fn what_is_left_unstamped_is_told() {
    let unknown = |part: &'static str| {
        move |manifest: &mut Value| manifest.pointer_mut(part).unwrap()["mediaType"] = json!("application/x-unknown")
    };
    for (part, told) in [("/config", "is not the config of an image"), ("/layers/0", "is not a layer media type")] {
        let (layout, _) = edited(&|_| {}, &unknown(part));
        let out = pipe(["rewrite", "--epoch", "1700000000"], &layout.tar(&BUILD)).expect(0);
        assert!(out.stderr.contains("left as they are"), "{part}: {}", out.stderr);
        let checked = pipe(["check", "--epoch", "1700000000"], &out.stdout).expect(1);
        assert!(checked.text().contains(told), "{part}: {}", checked.text());
    }
    let checked = pipe(["check", "--epoch", "1700000000"], &Layout::default().tar(&BUILD)).expect(1);
    assert!(checked.text().contains("no image"), "{}", checked.text());
}

#[test]
fn a_layer_that_two_images_share_is_verified_for_both() {
    let other = format!("sha512:{}", "0".repeat(128));
    let (mut layout, layers) = edited(&|_| {}, &|_| {});
    let (second, _) = edited(&|config| config["rootfs"]["diff_ids"][0] = json!(other), &|_| {});
    layout.files.extend(second.files);
    layout.manifests.extend(second.manifests);
    pipe(["rewrite", "--epoch", "1"], &layout.tar(&BUILD)).expect_error(&["diff_id", &other, &layers[0].digest()]);
}

#[test]
fn a_folder_for_temporary_files_that_is_not_there_is_named() {
    let outcome = pipe(["rewrite", "--epoch", "0", "--tmp-dir", "/nowhere/at/all"], &layout().tar(&BUILD));
    outcome.expect_error(&["--tmp-dir /nowhere/at/all"]);
}

#[test]
fn names_that_no_file_can_have_are_no_reason_to_take_memory() {
    let long = |length: usize| support::tarball::Entry::file("x", "", 0).pax("path", "n".repeat(length));
    let link = support::tarball::Entry::link(b'2', "x", "y", 0).pax("linkpath", "n".repeat(5000));
    for entry in [long(5000), link] {
        let archive = support::tarball::tar(&[entry]);
        pipe(["inspect"], &archive).expect_error(&["length of a name", "at most 4096", "5000", "offset 0"]);
    }
    let many = (0..4200).map(|i| support::tarball::Entry::file("x", "", 0).pax("path", format!("{i:04000}")));
    let archive = support::tarball::tar(&many.collect::<Vec<_>>());
    pipe(["inspect"], &archive).expect_error(&["size of all names", "at most 16777216"]);
}
