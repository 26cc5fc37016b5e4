//! Directories that an image is written into, and what is said of a destination before the work.

use crate::support;

use crate::support::layer::Packing;
use crate::support::layout::{Layout, read};
use crate::support::{Build, Outcome, finish, hello, judge, names, restamp, run, scratch, text, write};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

const BUILD: Build = Build::FIRST;

fn archive(dir: &Path) -> PathBuf {
    write(dir, "in.tar", &Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).tar(&BUILD))
}

fn rewrite(options: &[&str], source: &Path, to: &str) -> Outcome {
    run(["rewrite", "--epoch", "1700000000"].iter().chain(options).copied().chain([text(source), to]))
}

#[track_caller]
fn expect_image(folder: &Path) {
    assert_eq!(names(folder), ["blobs", "index.json", "oci-layout"]);
    judge::expect_stamped(&judge::walk(&read(folder)), false);
}

#[test]
fn an_empty_mount_point_is_filled() {
    let dir = scratch();
    let source = archive(dir.path());
    let at = dir.path().join("out");
    let Some(_mount) = support::Mount::new(&at, "size=4m") else { return };
    let to = format!("oci:{}", text(&at));
    let inode = fs::metadata(&at).unwrap().ino();
    rewrite(&[], &source, &to).expect(0);
    expect_image(&at);
    assert_eq!(fs::metadata(&at).unwrap().ino(), inode);
    // What is in it can't be exchanged for something else in one step: that is known before the work.
    let before = read(&at);
    rewrite(&["--force"], &source, &to).expect_error(&["mount point", "new one"]);
    rewrite(&["--force", "--dry-run"], &source, &to).expect_error(&["mount point"]);
    assert!(read(&at) == before);
    assert_eq!(names(dir.path()), ["in.tar", "out"]);
}

#[test]
fn the_current_directory_is_filled() {
    let dir = scratch();
    let source = archive(dir.path());
    let here = dir.path().join("here");
    fs::create_dir(&here).unwrap();
    let inode = fs::metadata(&here).unwrap().ino();
    let mut command = restamp();
    command.current_dir(&here).args(["rewrite", "--epoch", "1700000000", text(&source), "oci:."]);
    finish(&mut command, None).expect(0);
    expect_image(&here);
    assert_eq!(fs::metadata(&here).unwrap().ino(), inode);
    assert_eq!(names(dir.path()), ["here", "in.tar"]);
}

#[test]
fn a_run_that_fails_leaves_the_directory_that_it_would_have_filled_empty() {
    let dir = scratch();
    let mut layout = Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD);
    *layout.files.values_mut().max_by_key(|file| file.len()).unwrap().last_mut().unwrap() ^= 1;
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let here = dir.path().join("here");
    fs::create_dir(&here).unwrap();
    let mut command = restamp();
    command.current_dir(&here).args(["rewrite", "--epoch", "1700000000", text(&source), "oci:."]);
    finish(&mut command, None).expect_error(&["in.tar"]);
    assert_eq!(names(&here), [""; 0]);
}

#[test]
fn a_link_to_an_empty_directory_stays_one() {
    let dir = scratch();
    let source = archive(dir.path());
    let (link, real) = (dir.path().join("link"), dir.path().join("real"));
    let to = format!("oci:{}", text(&link));
    symlink(&real, &link).unwrap();
    rewrite(&[], &source, &to).expect_error(&["link", "dangling symbolic link"]);
    fs::create_dir(&real).unwrap();
    rewrite(&[], &source, &to).expect(0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    expect_image(&real);
    assert_eq!(names(dir.path()), ["in.tar", "link", "real"]);
}

#[test]
fn a_dry_run_looks_at_the_destination_as_the_real_run_does() {
    let dir = scratch();
    let source = archive(dir.path());
    let layout = dir.path().join("layout");
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).write(&layout);
    let to_layout = format!("oci:{}", text(&layout));
    let missing = format!("{}/missing/out.tar", text(dir.path()));
    for (to, options, status) in [
        (missing.as_str(), &[][..], 2),
        (&to_layout, &[], 2),
        (&to_layout, &["--force"], 0),
        (text(&layout), &[], 2),
        ("oci:-", &[], 2),
        ("-", &[], 0),
        (text(&dir.path().join("out.tar")), &[], 0),
        ("/dev/null", &[], 0),
    ] {
        let before = (names(dir.path()), read(&layout));
        let dry = rewrite(&[options, &["--dry-run"]].concat(), &source, to).expect(status);
        assert!((names(dir.path()), read(&layout)) == before, "{to}");
        let real = rewrite(options, &source, to).expect(status);
        if status == 2 {
            assert_eq!(dry.stderr, real.stderr, "{to}");
        }
    }
    // Without DEST nobody has asked where it would go.
    run(["rewrite", "--epoch", "1700000000", "--dry-run", &to_layout]).expect(0);
    run(["rewrite", "--epoch", "1700000000", &to_layout]).expect_error(&["standard output"]);
}

#[test]
fn nothing_is_written_into_the_source() {
    let dir = scratch();
    let layout = dir.path().join("in");
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).write(&layout);
    std::os::unix::fs::symlink(&layout, dir.path().join("link")).unwrap();
    let before = read(&layout);
    let source = format!("oci:{}", text(&layout));
    for (to, options) in [
        ("oci-archive:{}/in/index.json", &[][..]),
        ("oci:{}/in/out", &[]),
        ("oci:{}/link/out", &["--force"]),
        ("docker-archive:{}/in/blobs/out.tar", &["--dry-run"]),
        ("oci:{}/out", &["--cache", "{}/in/cache"]),
        ("oci:{}/out", &["--cache", "{}/link"]),
    ] {
        let at = |text: &str| text.replace("{}", dir.path().to_str().unwrap());
        let arguments: Vec<String> = options.iter().map(|option| at(option)).chain([source.clone(), at(to)]).collect();
        run(["rewrite", "--epoch", "1"].into_iter().chain(arguments.iter().map(String::as_str)))
            .expect_error(&["inside of SOURCE", "which is only read"]);
        assert!(read(&layout) == before, "{to}");
        assert_eq!(names(dir.path()), ["in", "link"]);
    }
}
