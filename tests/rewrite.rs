//! `restamp rewrite` from every kind of source to every kind of destination: what comes out is a sound image in which
//! nothing but time has changed, and it is the same bytes whichever way it went.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use support::layer::{Family, Layer, Packing, app, base, gzip};
use support::layout::{Files, Image, Layout, read, read_tar};
use support::{
    Archive, Build, EPOCH, archives, finish, hello, judge, names, oracle, pipe, restamp, run, scratch, text, write, zoo,
};

/// Runs `restamp rewrite` with the epoch of the tests.
#[track_caller]
fn rewrite(arguments: &[&str]) -> support::Outcome {
    run(["rewrite", "--epoch", "1700000000", "-q"].iter().chain(arguments)).expect(0)
}

/// Rewrites through stdin and stdout.
#[track_caller]
fn filter(input: &[u8], arguments: &[&str]) -> Vec<u8> {
    pipe(["rewrite", "--epoch", "1700000000", "-q"].iter().chain(arguments), input).expect(0).stdout
}

/// Asserts that an image is sound, stamped and otherwise as it was.
#[track_caller]
fn expect_good(old: &judge::Seen, new: &Files) {
    let new_seen = judge::walk(new);
    judge::expect_no_orphans(new, &new_seen);
    judge::expect_stamped(&new_seen, false);
    judge::expect_lossless(old, &new_seen);
}

#[test]
fn every_archive_comes_out_as_its_own_kind() {
    let dir = scratch();
    for archive in archives(&Build::FIRST) {
        let source = write(dir.path(), archive.name, &archive.bytes);
        let to = dir.path().join("out.tar");
        rewrite(&[text(&source), text(&to)]);
        let files = read(&to);
        assert_eq!(files.contains_key("manifest.json"), archive.name != "oci.tar", "{}", archive.name);
        assert!(files.contains_key("index.json"), "{}", archive.name);
        expect_good(&archive.seen(&Build::FIRST), &files);
        assert!(std::fs::read(&source).unwrap() == archive.bytes, "the source of {} has changed", archive.name);
        oracle::expect_clean(&source, &to, false);
        assert_eq!(names(dir.path()).len(), 2, "left behind: {:?}", names(dir.path()));
        std::fs::remove_file(to).unwrap();
        std::fs::remove_file(source).unwrap();
    }
}

#[test]
fn every_archive_goes_to_every_kind_of_destination() {
    for archive in archives(&Build::FIRST) {
        let dir = scratch();
        let source = write(dir.path(), archive.name, &archive.bytes);
        let [layout, tar, docker] = ["layout", "oci.tar", "docker.tar"].map(|name| dir.path().join(name));
        rewrite(&[text(&source), &format!("oci:{}", text(&layout))]);
        rewrite(&[text(&source), &format!("oci-archive:{}", text(&tar))]);
        rewrite(&[text(&source), &format!("docker-archive:{}", text(&docker))]);
        let seen = archive.seen(&Build::FIRST);
        let in_directory = read(&layout);
        expect_good(&seen, &in_directory);
        assert!(in_directory == read(&tar), "{}: a layout and its tar hold other files", archive.name);
        let in_docker = read(&docker);
        expect_good(&seen, &in_docker);
        assert!(in_docker.contains_key("manifest.json"));
    }
}

#[test]
fn a_layout_directory_comes_out_as_one() {
    let dir = scratch();
    let source = dir.path().join("in");
    let layout = Layout::of(&zoo(&Build::FIRST, Packing::Gzip, Family::Oci), &Build::FIRST);
    layout.write(&source);
    let to = dir.path().join("out");
    rewrite(&[text(&source), text(&to)]);
    expect_good(&judge::walk(&layout.all()), &read(&to));
    assert!(read(&source) == layout.all(), "the source has changed");
    oracle::expect_clean(&source, &to, false);
}

#[test]
fn tags_survive() {
    let dir = scratch();
    let archive = archives(&Build::FIRST).into_iter().find(|archive| archive.name == "legacy.tar").unwrap();
    let source = write(dir.path(), "in.tar", &archive.bytes);
    let to = dir.path().join("out.tar");
    rewrite(&[text(&source), text(&to)]);
    let manifest: serde_json::Value = serde_json::from_slice(&read(&to)["manifest.json"]).unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["hello:1", "hello:latest"]));
    assert_eq!(manifest[1]["RepoTags"], serde_json::json!(["registry.example:5000/zoo:2"]));
}

#[test]
fn a_pipe_gives_the_same_bytes_as_a_file() {
    let dir = scratch();
    for archive in archives(&Build::FIRST) {
        let source = write(dir.path(), archive.name, &archive.bytes);
        let to = dir.path().join("out.tar");
        rewrite(&[text(&source), text(&to)]);
        let by_file = std::fs::read(&to).unwrap();
        assert!(filter(&archive.bytes, &[]) == by_file, "{}", archive.name);
        assert!(filter(&archive.bytes, &["-", "-"]) == by_file, "{}", archive.name);
        std::fs::remove_file(to).unwrap();
    }
}

#[test]
fn the_environment_gives_the_epoch() {
    let archive = &archives(&Build::FIRST)[0];
    let by_option = filter(&archive.bytes, &[]);
    let mut command = restamp();
    command.args(["rewrite", "-q"]).env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    assert!(finish(&mut command, Some(&archive.bytes)).expect(0).stdout == by_option);
    let by_date = pipe(["rewrite", "-q", "--epoch", support::EPOCH_DATE], &archive.bytes).expect(0).stdout;
    assert!(by_date == by_option);
}

#[test]
fn an_archive_that_is_compressed_as_a_whole_gives_the_same_bytes() {
    let dir = scratch();
    for archive in archives(&Build::FIRST).iter().take(4) {
        let plain = filter(&archive.bytes, &[]);
        for packed in [gzip(&archive.bytes, 6, 1), zstd::bulk::compress(&archive.bytes, 3).unwrap()] {
            assert!(filter(&packed, &[]) == plain, "{}", archive.name);
            let source = write(dir.path(), "packed", &packed);
            let to = dir.path().join("out.tar");
            rewrite(&[text(&source), text(&to)]);
            assert!(std::fs::read(&to).unwrap() == plain, "{}", archive.name);
            std::fs::remove_file(to).unwrap();
        }
    }
}

#[test]
fn two_builds_give_the_same_file() {
    for (one, two) in archives(&Build::FIRST).iter().zip(archives(&Build::SECOND)) {
        assert!(one.bytes != two.bytes);
        assert!(filter(&one.bytes, &[]) == filter(&two.bytes, &[]), "{}", one.name);
    }
}

#[test]
fn builds_that_used_different_compressors_give_the_same_file() {
    for packing in [Packing::Gzip, Packing::Zstd] {
        let [one, two] = [Build::FIRST, Build::SECOND]
            .map(|build| filter(&Layout::of(&zoo(&build, packing, Family::Oci), &build).tar(&build), &[]));
        assert!(one == two, "{packing:?}");
    }
}

#[test]
fn rewriting_twice_changes_nothing() {
    for archive in archives(&Build::FIRST) {
        for options in [&[][..], &["--clamp"]] {
            let once = filter(&archive.bytes, options);
            assert!(filter(&once, options) == once, "{} {options:?}", archive.name);
        }
    }
}

#[test]
fn the_number_of_jobs_does_not_show() {
    let bytes = Layout::of(&zoo(&Build::FIRST, Packing::Gzip, Family::Oci), &Build::FIRST).tar(&Build::FIRST);
    let one = filter(&bytes, &["--jobs", "1"]);
    for jobs in ["2", "8"] {
        assert!(filter(&bytes, &["--jobs", jobs]) == one, "{jobs} jobs");
    }
}

#[test]
fn in_place_swaps_the_archive() {
    let archive = &archives(&Build::FIRST)[0];
    let expected = filter(&archive.bytes, &[]);
    let dir = scratch();
    let source = write(dir.path(), "image.tar", &archive.bytes);
    rewrite(&["--in-place", text(&source)]);
    assert!(std::fs::read(&source).unwrap() == expected);
    let source = write(dir.path(), "image.tar", &archive.bytes);
    rewrite(&[text(&source), text(&source)]);
    assert!(std::fs::read(&source).unwrap() == expected);
    assert_eq!(names(dir.path()), ["image.tar"]);
}

#[test]
fn an_archive_that_is_there_is_replaced() {
    let archive = &archives(&Build::FIRST)[0];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive.bytes);
    let to = write(dir.path(), "out.tar", b"what was there before");
    rewrite(&[text(&source), text(&to)]);
    assert!(std::fs::read(&to).unwrap() == filter(&archive.bytes, &[]));
    assert_eq!(names(dir.path()), ["in.tar", "out.tar"]);
}

#[test]
fn a_directory_that_is_not_empty_is_refused() {
    let archive = &archives(&Build::FIRST)[0];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive.bytes);
    let to = dir.path().join("out");
    std::fs::create_dir(&to).unwrap();
    let precious = write(&to, "precious", b"mine");
    let destination = format!("oci:{}", text(&to));
    run(["rewrite", "--epoch", "1700000000", text(&source), &destination]).expect_error(&["--force", "out"]);
    assert_eq!(names(&to), ["precious"]);
    assert_eq!(std::fs::read(&precious).unwrap(), b"mine");
    // An empty one is as good as none.
    std::fs::remove_file(precious).unwrap();
    rewrite(&[text(&source), &destination]);
    expect_good(&archive.seen(&Build::FIRST), &read(&to));
    rewrite(&["--force", text(&source), &destination]);
    expect_good(&archive.seen(&Build::FIRST), &read(&to));
}

#[test]
fn a_dry_run_writes_nothing() {
    let archive = &archives(&Build::FIRST)[0];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive.bytes);
    let outcome =
        run(["rewrite", "--epoch", "1700000000", "--dry-run", text(&source), text(&dir.path().join("out.tar"))]);
    let outcome = outcome.expect(0);
    assert_eq!(names(dir.path()), ["in.tar"]);
    assert!(outcome.stdout.is_empty());
    // It says what the image would become.
    let files = read_tar(&filter(&archive.bytes, &[]));
    let new = manifest_digests(&files);
    assert!(outcome.stderr.contains(&new[0]["sha256:".len()..][..12]), "{}", outcome.stderr);
    let outcome = run(["rewrite", "--epoch", "1700000000", "--dry-run", text(&source)]).expect(0);
    assert!(outcome.stdout.is_empty());
}

#[test]
fn the_report_names_old_and_new_digests() {
    let archive = &archives(&Build::FIRST)[0];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive.bytes);
    let (to, report) = (dir.path().join("out.tar"), dir.path().join("report.json"));
    rewrite(&[
        "--report",
        text(&report),
        "--compression",
        "gzip",
        "--compression-level",
        "6",
        text(&source),
        text(&to),
    ]);
    let report = std::fs::read_to_string(report).unwrap();
    let document: serde_json::Value = serde_json::from_str(&report).unwrap();
    let form = serde_json::json!({"version": 1, "compression": "gzip", "gzip_level": 6, "zstd_level": 3});
    assert_eq!((&document["schema"], &document["form"]), (&1.into(), &form));
    for digest in manifest_digests(&read(&source)).iter().chain(&manifest_digests(&read(&to))) {
        assert!(report.contains(digest.as_str()), "no {digest} in {report}");
    }
}

fn manifest_digests(files: &Files) -> Vec<String> {
    let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    manifests.iter().map(|manifest| manifest["digest"].as_str().unwrap().to_owned()).collect()
}

/// An image on a base, and the base alone in a layout directory.
fn on_base(dir: &Path) -> (Image, Image) {
    let build = Build::FIRST;
    // The base is older, and compressed by someone else.
    let before = Build { seconds: build.seconds - 1000, level: 1, ..build };
    let below = Layer::new(base(&before), Packing::Gzip, Family::Oci, &before);
    let base = Image::new(vec![below.clone()], Family::Oci, &before, &["base:1"]);
    Layout::of(&base, &before).write(&dir.join("base"));
    let above = Layer::new(app(&build), Packing::Gzip, Family::Oci, &build);
    (Image::new(vec![below, above], Family::Oci, &build, &["hello:1"]), base)
}

/// The text between `"history":[` and the bracket that closes it.
fn history(config: &[u8]) -> String {
    let text = std::str::from_utf8(config).unwrap();
    let (_, rest) = text.split_once("\"history\":[").unwrap();
    rest.split_once("],\"moby").unwrap().0.to_owned()
}

#[test]
fn the_layers_and_history_of_the_base_stay_as_they_are() {
    let dir = scratch();
    let (mut image, below) = on_base(dir.path());
    // The history begins with all of the base's, the entry without a layer at its end included.
    let own = history(&image.config);
    let (_, above) = own.split_once(',').and_then(|_| own.split_once("]},")).unwrap();
    let joined = format!("{},{above}", history(&below.config));
    image.config = String::from_utf8(image.config).unwrap().replace(&own, &joined).into_bytes();
    let before: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    assert_eq!(before["history"].as_array().unwrap().len(), 4);
    let bytes = Layout::of(&image, &Build::FIRST).tar(&Build::FIRST);
    let base = format!("oci:{}", text(&dir.path().join("base")));
    for (options, kept) in [
        (&["--base", base.as_str()][..], 2),
        // A number of layers does not tell whose the next entry without one is.
        (&["--base-layers", "1"], 1),
        (&["--clamp", "--base", &base], 2),
    ] {
        let out = filter(&bytes, options);
        assert!(filter(&out, options) == out, "not idempotent with {options:?}");
        let seen = judge::walk(&read_tar(&out));
        assert_eq!(seen.layers[0].0, below.layers[0].digest(), "{options:?}");
        assert_ne!(seen.layers[1].0, image.layers[1].digest(), "{options:?}");
        let above = judge::Seen { layers: vec![seen.layers[1].clone()], ..judge::Seen::default() };
        judge::expect_stamped(&above, options.contains(&"--clamp"));
        for (number, entry) in before["history"].as_array().unwrap().iter().enumerate() {
            let created = &seen.configs[0]["history"][number]["created"];
            let expected = if number < kept { &entry["created"] } else { &support::EPOCH_DATE.into() };
            assert_eq!(created, expected, "history[{number}] with {options:?}");
        }
        assert_eq!(seen.configs[0]["created"], support::EPOCH_DATE, "{options:?}");
    }
}

#[track_caller]
fn only_the_first_step_is_kept(dir: &Path, image: &Image) {
    let base = format!("oci:{}", text(&dir.join("base")));
    let out = filter(&Layout::of(image, &Build::FIRST).tar(&Build::FIRST), &["--base", &base]);
    let history = judge::walk(&read_tar(&out)).configs[0]["history"].clone();
    assert_eq!(history[0]["created"], Build::FIRST.date(0));
    assert_eq!(history[1]["created"], support::EPOCH_DATE);
}

#[test]
fn history_of_own_layers_is_stamped_whatever_the_base_has() {
    // The base has an entry more than the image has for the layers of the base.
    let dir = scratch();
    let (image, _) = on_base(dir.path());
    only_the_first_step_is_kept(dir.path(), &image);
}

#[test]
fn own_steps_behind_the_base_are_stamped_however_many_the_base_has() {
    // The base ends with a step that makes no layer; so does what was built on it, but with one of its own.
    let dir = scratch();
    let (mut image, _) = on_base(dir.path());
    let mut config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    let own = serde_json::json!({"created": Build::FIRST.date(9), "created_by": "ENV OWN=1", "empty_layer": true});
    config["history"].as_array_mut().unwrap().insert(1, own);
    image.config = serde_json::to_vec(&config).unwrap();
    only_the_first_step_is_kept(dir.path(), &image);
}

#[test]
fn what_is_no_base_of_the_image_is_refused() {
    let dir = scratch();
    let (image, _) = on_base(dir.path());
    let other = hello(&Build::SECOND, Packing::Gzip);
    let source = write(dir.path(), "in.tar", &Layout::of(&other, &Build::SECOND).tar(&Build::SECOND));
    let base = format!("oci:{}", text(&dir.path().join("base")));
    let to = dir.path().join("out.tar");
    let outcome = run(["rewrite", "--epoch", "1700000000", "--base", &base, text(&source), text(&to)]);
    // Where they part: the diff_ids of both.
    outcome.expect_error(&[
        &other.layers[0].diff_id()["sha256:".len()..][..12],
        &image.layers[0].diff_id()["sha256:".len()..][..12],
    ]);
    run(["rewrite", "--epoch", "1700000000", "--base-layers", "3", text(&source), text(&to)]).expect_error(&["3", "2"]);
    assert!(!to.exists());
}

#[test]
fn clamp_lowers_what_is_later_and_leaves_the_rest() {
    // The base layer was made before the epoch, by another compressor; the other layer after it.
    let build = Build::FIRST;
    let before = Build { seconds: EPOCH - 50, level: 1, members: 3, ..build };
    let layers = vec![
        Layer::new(base(&before), Packing::Gzip, Family::Oci, &before),
        Layer::new(app(&build), Packing::Gzip, Family::Oci, &build),
    ];
    let image = Image::new(layers, Family::Oci, &build, &["hello:1"]);
    let layout = Layout::of(&image, &build);
    let files = read_tar(&filter(&layout.tar(&build), &["--clamp"]));
    let (old, new) = (judge::walk(&layout.all()), judge::walk(&files));
    assert_eq!(new.layers[0].0, old.layers[0].0, "a layer in which nothing changes keeps its blob");
    judge::expect_stamped(&new, true);
    judge::expect_lossless(&old, &new);
    let mtime = |seen: &judge::Seen, name: &str| {
        let times = judge::times(&seen.layers[1].2);
        times.into_iter().find(|(place, _)| place == &format!("{name} mtime")).unwrap().1
    };
    assert_eq!(mtime(&new, "app/old"), "981173106");
    assert_eq!(mtime(&new, "app/late"), EPOCH.to_string());
    assert_eq!(mtime(&old, "app/late"), "2082758400");
}

#[test]
fn clamp_leaves_an_image_that_is_old_enough_alone() {
    let build = Build { seconds: EPOCH - 1000, ..Build::FIRST };
    let layers = vec![Layer::new(base(&build), Packing::Gzip, Family::Oci, &build)];
    let layout = Layout::of(&Image::new(layers, Family::Oci, &build, &["hello:1"]), &build);
    assert_eq!(read_tar(&filter(&layout.tar(&build), &["--clamp"])), layout.all());
}

#[test]
fn layers_are_compressed_as_asked() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let layout = Layout::of(&zoo(&Build::FIRST, packing, Family::Oci), &Build::FIRST);
        let bytes = layout.tar(&Build::FIRST);
        let seen = judge::walk(&layout.all());
        for (option, suffix) in [("none", "tar"), ("gzip", "tar+gzip"), ("zstd", "tar+zstd")] {
            let files = read_tar(&filter(&bytes, &["--compression", option]));
            expect_good(&seen, &files);
            for (_, media_type, _) in judge::walk(&files).layers {
                assert!(media_type.ends_with(suffix), "{media_type} for --compression {option}");
            }
        }
    }
}

#[test]
fn the_compression_of_the_source_does_not_show() {
    let asked = |packing, option| {
        let mut image = zoo(&Build::FIRST, packing, Family::Oci);
        image.layers.truncate(2);
        image = Image::new(image.layers, Family::Oci, &Build::FIRST, &["zoo:1"]);
        filter(&Layout::of(&image, &Build::FIRST).tar(&Build::FIRST), &["--compression", option])
    };
    for option in ["none", "gzip", "zstd"] {
        let plain = asked(Packing::Plain, option);
        assert!(asked(Packing::Gzip, option) == plain && asked(Packing::Zstd, option) == plain, "{option}");
    }
}

#[test]
fn docker_media_types_stay_in_their_family() {
    let image = zoo(&Build::FIRST, Packing::Gzip, Family::Docker);
    let files = read_tar(&filter(&Layout::of(&image, &Build::FIRST).tar(&Build::FIRST), &[]));
    let seen = judge::walk(&files);
    assert_eq!(seen.manifests[0]["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert!(
        seen.layers
            .iter()
            .all(|(_, media_type, _)| media_type.starts_with("application/vnd.docker.image.rootfs.diff.tar"))
    );
}

#[test]
fn the_outer_archive_is_canonical() {
    for archive in archives(&Build::FIRST) {
        let out = filter(&archive.bytes, &[]);
        let mut paths = Vec::new();
        let mut modes = (None, None);
        for entry in tar::Archive::new(out.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), EPOCH as u64);
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let mode = *if header.entry_type().is_dir() { &mut modes.0 } else { &mut modes.1 }
                .get_or_insert(header.mode().unwrap());
            assert_eq!(header.mode().unwrap(), mode, "{:?}", entry.path());
            paths.push(entry.path().unwrap().into_owned());
        }
        let count = paths.len();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), count, "a path occurs twice in {}", archive.name);
        assert_eq!(out.len() % 512, 0);
    }
}

#[test]
fn the_order_of_the_source_archive_does_not_show() {
    let layout = Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST);
    let expected = filter(&layout.tar(&Build::FIRST), &[]);
    // index.json first, blobs backwards, every name with `./`, a GNU dialect, no directories.
    let mut entries: Vec<_> = layout
        .all()
        .iter()
        .map(|(name, bytes)| support::tarball::Entry::file(format!("./{name}"), bytes, 12345).gnu())
        .collect();
    entries.reverse();
    assert!(filter(&support::tarball::tar(&entries), &[]) == expected);
    entries.reverse();
    assert!(filter(&support::tarball::tar(&entries), &[]) == expected);
}

#[test]
fn every_field_of_the_config_survives_to_the_letter() {
    let image = hello(&Build::FIRST, Packing::Gzip);
    let layout = Layout::of(&image, &Build::FIRST);
    let files = read_tar(&filter(&layout.tar(&Build::FIRST), &[]));
    let new_layers = judge::walk(&files).diff_ids();
    let mut expected = String::from_utf8(image.config.clone()).unwrap();
    for (old, new) in image.layers.iter().zip(&new_layers) {
        expected = expected.replace(&old.diff_id(), new);
    }
    for after in [0, 1, 30, 95] {
        expected = expected.replace(&Build::FIRST.date(after), support::EPOCH_DATE);
    }
    assert!(files.values().any(|bytes| bytes == expected.as_bytes()), "no config {expected}");
}

#[test]
fn the_committed_images_are_rewritten() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let dir = scratch();
    for name in ["hello.tar", "hello.oci", "hello.oci.tar", "hello-rebuilt.oci.tar", "zoo.oci.tar"] {
        let (source, to) = (testdata.join(name), dir.path().join(name));
        rewrite(&[text(&source), text(&to)]);
        expect_good(&judge::walk(&read(&source)), &read(&to));
    }
    assert!(read(&dir.path().join("hello.oci.tar")) == read(&dir.path().join("hello.oci")));
    let [one, two] =
        ["hello.oci.tar", "hello-rebuilt.oci.tar"].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    assert!(one == two);
}

#[test]
fn a_prefix_forces_the_kind() {
    // An archive that is forced to be of another kind than it is.
    let Archive { bytes, .. } = &archives(&Build::FIRST)[0];
    let dir = scratch();
    let source = write(dir.path(), "in.tar", bytes);
    let forced = format!("docker-archive:{}", text(&source));
    run(["rewrite", "--epoch", "1700000000", &forced, "-"]).expect_error(&["docker-archive", "in.tar"]);
}
