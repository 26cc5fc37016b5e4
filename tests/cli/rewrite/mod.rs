//! `restamp rewrite` from every kind of source to every kind of destination: what comes out is a sound image in which
//! nothing but time has changed, and it is the same bytes whichever way it went.

mod base;
mod copies;
mod form;
mod mtimes;
mod names;
mod own;
mod references;
mod report;
mod stale;
mod whole;
use crate::support;

use crate::support::layer::{Family, Layer, Packing, app, base, gzip};
use crate::support::layout::{Files, Image, Layout, read, read_tar};
use crate::support::{
    Archive, Build, EPOCH, archives, finish, hello, judge, names, oracle, pipe, restamp, run, scratch, text, write, zoo,
};
use std::path::Path;

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
        let [layout, tar, docker] = ["layout", "new.oci.tar", "new.docker.tar"].map(|name| dir.path().join(name));
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
    assert_eq!((&document["schema"], &document["form"]), (&2.into(), &form));
    for digest in manifest_digests(&read(&source)).iter().chain(&manifest_digests(&read(&to))) {
        assert!(report.contains(digest.as_str()), "no {digest} in {report}");
    }
}

fn manifest_digests(files: &Files) -> Vec<String> {
    let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    manifests.iter().map(|manifest| manifest["digest"].as_str().unwrap().to_owned()).collect()
}
