//! Every time that is not the epoch.

use serde_json::{Value, json};

use crate::check::made::{self, Edits};
use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Image, Layout, blob_path};
use crate::support::{self, Build, archives, graph, hello, pipe, run, scratch, text, write, zoo};

const BUILD: Build = Build::FIRST;

/// What a check of these bytes says, and its exit status.
fn check(bytes: &[u8], options: &[&str]) -> (i32, String) {
    let strict = ["check", "--verbose", "--epoch", "1700000000"];
    let outcome = pipe(strict.iter().chain(options).chain(&["-"]), bytes);
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    let text = outcome.text() + &outcome.stderr;
    (outcome.code.unwrap(), text)
}

fn stamped(bytes: &[u8]) -> Vec<u8> {
    pipe(["rewrite", "-q", "--epoch", "1700000000"], bytes).expect(0).stdout
}

#[test]
fn what_rewrite_writes_is_clean() {
    for archive in archives(&BUILD) {
        let out = stamped(&archive.bytes);
        for options in [&[][..], &["--clamp"]] {
            let (code, said) = check(&out, options);
            assert_eq!(code, 0, "{} {options:?}: {said}", archive.name);
        }
        let clamped = pipe(["rewrite", "-q", "--clamp", "--epoch", "1700000000"], &archive.bytes).expect(0).stdout;
        let (code, said) = check(&clamped, &["--clamp"]);
        assert_eq!(code, 0, "{}: {said}", archive.name);
    }
}

#[test]
fn every_archive_of_a_build_is_found_out() {
    for archive in archives(&BUILD) {
        let (code, said) = check(&archive.bytes, &[]);
        assert_eq!(code, 1, "{}: {said}", archive.name);
        for part in ["bin/hello", "mtime", "created", "history"] {
            assert!(said.contains(part), "{}: no {part} in {said}", archive.name);
        }
    }
}

#[test]
fn every_place_for_a_time_is_named() {
    let (code, said) = check(&Layout::of(&zoo(&BUILD, Packing::Gzip, Family::Oci), &BUILD).tar(&BUILD), &[]);
    assert_eq!(code, 1);
    for part in [
        "gnu-times",
        "atime",
        "ctime",
        "LIBARCHIVE.creationtime",
        "sparse-1.0",
        "before-1970",
        "after-2242",
        r"latin1-\xe9\n.txt",
        "history",
        "org.opencontainers.image.created",
        "build-date",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}

#[test]
fn one_time_that_is_off_is_the_only_one_named() {
    let build = Build { seconds: support::EPOCH, nanos: 0, ..BUILD };
    let tar = support::tarball::tar(&[
        support::tarball::Entry::file("right", "", support::EPOCH),
        support::tarball::Entry::file("wrong", "", support::EPOCH + 1),
    ]);
    let layers = vec![Layer::new(tar, Packing::Gzip, Family::Oci, &build)];
    let mut image = Image::new(layers, Family::Oci, &build, &[]);
    for after in [0, 1, 30, 95] {
        let config = String::from_utf8(image.config).unwrap();
        image.config = config.replace(&build.date(after), support::EPOCH_DATE).into_bytes();
    }
    let mut layout = Layout::default();
    // A manifest without annotations.
    for layer in &image.layers {
        layout.put(&layer.media_type, &layer.blob);
    }
    let config = layout.put(support::layout::OCI_CONFIG, &image.config);
    let layers: Vec<Value> = image.layers.iter().map(Layer::descriptor).collect();
    let manifest =
        json!({"schemaVersion": 2, "mediaType": support::layout::OCI_MANIFEST, "config": config, "layers": layers});
    let descriptor = layout.put(support::layout::OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    layout.manifests.push(descriptor);
    let (code, said) = check(&layout.tar(&build), &["--clamp"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("wrong") && !said.contains("right"), "{said}");
    assert!(said.contains("1700000001") || said.contains("2023-11-14T22:13:21Z"), "{said}");
}

#[test]
fn the_base_is_left_out() {
    let below = Layer::new(base(&BUILD), Packing::Gzip, Family::Oci, &BUILD);
    let above = Layer::new(app(&BUILD), Packing::Gzip, Family::Oci, &BUILD);
    let image = Image::new(vec![below.clone(), above], Family::Oci, &BUILD, &["hello:1"]);
    let dir = scratch();
    Layout::of(&Image::new(vec![below], Family::Oci, &BUILD, &["base:1"]), &BUILD).write(&dir.path().join("base"));
    let base = format!("oci:{}", text(&dir.path().join("base")));
    let source = write(dir.path(), "in.tar", &Layout::of(&image, &BUILD).tar(&BUILD));
    let out = run(["rewrite", "-q", "--epoch", "1700000000", "--base", &base, text(&source)]).expect(0).stdout;
    for options in [&["--base", base.as_str()][..], &["--base-layers", "1"]] {
        let (code, said) = check(&out, options);
        assert_eq!(code, 0, "{options:?}: {said}");
    }
    let (code, said) = check(&out, &[]);
    assert_eq!(code, 1);
    assert!(said.contains("bin/hello") && !said.contains("app/data.bin"), "{said}");
}

#[test]
fn json_says_the_same() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).tar(&BUILD));
    let outcome = run(["check", "--json", "--epoch", "1700000000", text(&source)]).expect(1);
    let document: Value = serde_json::from_str(&outcome.text()).unwrap();
    let text = document.to_string();
    for part in ["bin/hello", "mtime", "created"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let clean = write(dir.path(), "clean.tar", &stamped(&std::fs::read(&source).unwrap()));
    let outcome = run(["check", "--json", "--epoch", "1700000000", support::text(&clean)]).expect(0);
    serde_json::from_str::<Value>(&outcome.text()).unwrap();
}

#[test]
fn a_layout_directory_is_checked() {
    let dir = scratch();
    graph::platforms(&BUILD, Packing::Gzip, None).write(&dir.path().join("layout"));
    let outcome = run(["check", "-v", "--epoch", "1700000000", text(&dir.path().join("layout"))]).expect(1);
    assert!(outcome.text().contains("etc/os-release"), "{}", outcome.text());
}

#[test]
fn a_broken_link_is_named() {
    let layout = Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD);
    // Each blob gone, too long, and of other bytes.
    for digest in support::judge::walk(&layout.all()).digests {
        let path = blob_path(&digest);
        let short = &digest["sha256:".len()..][..12];
        let mut gone = layout.clone();
        gone.files.remove(&path);
        let mut longer = layout.clone();
        longer.files.get_mut(&path).unwrap().push(b' ');
        let mut other = layout.clone();
        other.files.get_mut(&path).unwrap()[10] ^= 1;
        for (what, layout) in [("gone", gone), ("longer", longer), ("other", other)] {
            let (code, said) = check(&layout.tar(&BUILD), &[]);
            assert!(matches!(code, 1 | 2), "{what}: {said}");
            assert!(said.contains(short), "{what}: no {short} in {said}");
        }
    }
}

#[test]
fn a_label_that_clamping_can_t_read_is_a_note() {
    let label =
        |config: &mut Value| config["config"]["Labels"]["build-date"] = json!("Wed, 01 Jan 2020 00:00:00 +0000");
    let made = Edits { config: &label, ..Edits::default() }.tar();
    pipe(["check", "--epoch", "1700000000", "-"], &made).expect(1);
    let clamped = pipe(["rewrite", "--clamp", "--epoch", "1700000000"], &made).expect(0);
    assert!(clamped.stderr.contains("can't be read as a time"), "{}", clamped.stderr);
    let found = pipe(["check", "--clamp", "--epoch", "1700000000", "-"], &clamped.stdout).expect(0);
    assert!(found.text().contains("note: config.Labels"), "{}", found.text());
}

/// The same blobs in an archive whose own entries have other times, and, for `docker save`, with v1 files of others.
fn handled(stamped: &[u8]) -> Vec<u8> {
    let mut files = support::layout::read_tar(stamped);
    if files.contains_key("manifest.json") {
        let id = "0".repeat(64);
        // Its IDs would have to be those of v1 files.
        files.remove("repositories");
        let v1 = json!({"id": id, "created": "1970-01-01T00:00:00Z"});
        files.insert(format!("{id}/json"), serde_json::to_vec(&v1).unwrap());
    }
    support::layout::tar_files(&files, &BUILD)
}

#[test]
fn times_that_no_digest_holds_need_not_fail_an_image() {
    for (archive, v1) in [
        (Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).tar(&BUILD), 0),
        (support::docker::legacy(&[support::docker::plain(hello(&BUILD, Packing::Gzip))], &BUILD), 1),
    ] {
        let handled = handled(&stamped(&archive));
        let entries = support::layout::read_tar(&handled).len() as u64;
        let report = |options: &[&str], code| -> Value {
            let base = ["check", "--json", "--epoch", "1700000000"];
            serde_json::from_slice(&pipe(base.iter().chain(options), &handled).expect(code).stdout).unwrap()
        };
        let of = |report: &Value, key: &str| report["total"][key].as_u64().unwrap();
        let noted = report(&["--digests-only"], 0);
        assert_eq!((of(&noted, "findings"), of(&noted, "times")), (0, 0), "{noted}");
        assert!(of(&noted, "archive_times") >= entries + v1 && of(&noted, "notes") == of(&noted, "archive_times"));
        assert!(noted["findings"].as_array().unwrap().iter().all(|note| note["level"] == "note"), "{noted}");
        let found = report(&[], 1);
        assert_eq!(of(&found, "findings"), of(&noted, "archive_times"));
        assert_eq!((of(&found, "times"), of(&found, "notes")), (of(&found, "findings"), 0));
        let said = pipe(["check", "--epoch", "1700000000"], &handled).expect(1).text();
        assert!(said.lines().last().unwrap().contains("--digests-only reports them as notes"), "{said}");
        let said = pipe(["check", "--digests-only", "--epoch", "1700000000"], &handled).expect(0).text();
        let summary = said.lines().find(|line| line.contains("checked: ")).unwrap();
        assert!(
            summary.contains("nothing found, every timestamp that restamp sets is")
                && summary.contains("only in the archive"),
            "{said}"
        );
        // What digests hold is told apart from it.
        let said = pipe(["check", "--epoch", "1700000001"], &handled).expect(1).text();
        assert!(said.find("mtime of 8 entries") < said.find("Only in the archive"), "{said}");
    }
}

#[test]
fn what_podman_writes_for_no_time_is_no_time() {
    const GO_ZERO: u32 = 2_288_912_640;
    let tar = support::tarball::tar(&[support::tarball::Entry::file("f", "", 1_700_000_000)]);
    let mut layer = Layer::new(tar.clone(), Packing::Gzip, Family::Oci, &made::BUILD);
    layer.blob = support::layer::gzip(&tar, 6, GO_ZERO);
    let bytes = Edits { layers: vec![layer], ..Edits::default() }.tar();
    // The documents get the epoch, and the layer, in which nothing is late, stays.
    let bytes = pipe(["rewrite", "-q", "--clamp", "--epoch", "1700000000"], &bytes).expect(0).stdout;
    let line = "  note: MTIME of the gzip header: 2042-07-14T01:04:00Z is the constant that podman and skopeo write for \
                \"no time\"\n";
    let sum = "1 image, 1 layer and 1 entry checked: nothing found, every timestamp that restamp sets is";
    let plain = ["check", "--epoch", "1700000000"];
    for (options, is_listed) in [(&[][..], true), (&["-v"], true), (&["--clamp"], false), (&["--clamp", "-v"], true)] {
        let said = pipe(plain.iter().chain(options), &bytes).expect(0).text();
        assert_eq!(said.contains(line), is_listed, "{options:?}: {said}");
        assert_eq!(said.contains(", 1 note\n"), is_listed, "{options:?}: {said}");
        assert!(said.contains(sum), "{options:?}: {said}");
    }
    // As is that of an archive which is compressed as a whole.
    let said = pipe(plain, &support::layer::gzip(&bytes, 6, GO_ZERO)).expect(0).text();
    assert_eq!(said.matches(line).count(), 2, "{said}");
    assert!(!pipe(["inspect"], &bytes).expect(0).text().contains("gzip-layer"));
    // A time that is one stays a finding.
    let said = pipe(plain, &support::layer::gzip(&bytes, 6, 1_800_000_000)).expect(1).text();
    assert!(said.contains("MTIME of the gzip header is 2027-01-15T08:00:00Z"), "{said}");
}
