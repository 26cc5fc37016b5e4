//! The images in `testdata/` are made here: the tests compare them with what the builders make, and
//! `RESTAMP_WRITE_TESTDATA=1 cargo test --test cli make_testdata` writes them again.

use crate::support::graph::{Attestation, platforms};
use crate::support::layer::{Family, Packing};
use crate::support::layout::{Files, Layout, read, write_files};
use crate::support::{Build, docker, hello, zoo};
use std::path::{Path, PathBuf};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Everything in the folder but its README, by path.
fn made() -> Files {
    let (first, second) = (Build::FIRST, Build::SECOND);
    let image = hello(&first, Packing::Gzip);
    let mut files = Files::new();
    files.insert("hello.tar".to_owned(), docker::legacy(&[docker::plain(image.clone())], &first));
    files.insert("hello.oci.tar".to_owned(), Layout::of(&image, &first).tar(&first));
    files.insert("hello-rebuilt.oci.tar".to_owned(), Layout::of(&hello(&second, Packing::Gzip), &second).tar(&second));
    files.insert("multi.oci.tar".to_owned(), platforms(&first, Packing::Gzip, Some(Attestation::New)).tar(&first));
    files.insert("zoo.oci.tar".to_owned(), Layout::of(&zoo(&first, Packing::Zstd, Family::Oci), &first).tar(&first));
    for (name, bytes) in Layout::of(&image, &first).all() {
        files.insert(format!("hello.oci/{name}"), bytes);
    }
    files
}

#[test]
fn the_committed_images_are_those_that_the_builders_make() {
    let made = made();
    if std::env::var_os("RESTAMP_WRITE_TESTDATA").is_some() {
        write_files(&made, &testdata());
    }
    let mut committed = read(&testdata());
    assert!(committed.remove("README.md").is_some());
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&made), "make them anew with RESTAMP_WRITE_TESTDATA=1");
    for (name, bytes) in &made {
        assert!(committed[name] == *bytes, "{name} differs: make it anew with RESTAMP_WRITE_TESTDATA=1");
    }
}

#[test]
fn the_folder_stays_small() {
    let size: usize = read(&testdata()).values().map(Vec::len).sum();
    assert!(size < 100_000, "{size} bytes");
}
