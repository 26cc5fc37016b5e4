//! `--numeric-owner`: the names of owners and groups, which differ by builder.

use super::*;
use crate::support::layer::{Family, Layer};
use crate::support::layout::{Image, Layout, read_tar};
use crate::support::tarball::{Entry, checksum};
use serde_json::Value;

/// The same files as archives of two users: one with names in every place for them, the other without.
fn archives_of_two_builders(seconds: i64) -> [Vec<u8>; 2] {
    use crate::support::tarball::Dialect;
    let entry = |name: &str| Entry::file(name, "content\n", seconds);
    let plain = [
        entry("ustar"),
        entry("gnu").gnu(),
        entry(&"long".repeat(50)).gnu(),
        entry("record"),
        entry("kept-record").pax("uid", "3000000"),
        Entry { dialect: Dialect::V7, ..entry("v7") },
    ];
    let mut named = plain.clone();
    named[3] = named[3].clone().pax("uname", "someone with a name of more than 32 bytes").pax("gname", "users");
    named[4] = named[4].clone().pax("gname", "käthe");
    let mut with_names = support::tarball::tar(&named);
    for at in (0..with_names.len()).step_by(512) {
        let block: &mut [u8; 512] = (&mut with_names[at..at + 512]).try_into().unwrap();
        if block[257..262] == *b"ustar" {
            block[265..269].copy_from_slice(b"user");
            block[297..302].copy_from_slice(b"group");
            checksum(block);
        }
    }
    [with_names, support::tarball::tar(&plain)]
}

/// Entries with a name in them.
const NAMED: u64 = 5;

fn image(tar: &[u8], packing: Packing, build: &Build) -> Vec<u8> {
    let layer = Layer::new(tar.to_vec(), packing, Family::Oci, build);
    Layout::of(&Image::new(vec![layer], Family::Oci, build, &["x:1"]), build).tar(build)
}

#[test]
fn archives_of_two_users_become_the_same_file() {
    let [named, _] = archives_of_two_builders(1_760_000_000);
    let [_, plain] = archives_of_two_builders(1_766_554_433);
    assert!(filter(&named, &[]) != filter(&plain, &[]), "names stay unless they are to go");
    for packing in PACKINGS {
        let [named, plain] = [&named, &plain].map(|tar| pack(tar, packing, &Build::FIRST));
        for options in [&["--numeric-owner"][..], &["--numeric-owner", "--clamp"]] {
            let new = filter(&named, options);
            assert!(new == filter(&plain, options), "{packing:?} {options:?}");
            assert!(filter(&new, options) == new, "{packing:?} {options:?}, once more");
        }
    }
}

#[test]
fn images_of_two_users_become_the_same_image() {
    let [named, _] = archives_of_two_builders(1_760_000_000);
    let [_, plain] = archives_of_two_builders(1_766_554_433);
    for packing in PACKINGS {
        let [named, plain] =
            [(&named, Build::FIRST), (&plain, Build::SECOND)].map(|(tar, build)| image(tar, packing, &build));
        let rewrite = |bytes: &[u8], options: &[&str]| {
            pipe(["rewrite", "-q"].iter().chain(&EPOCH).chain(options), bytes).expect(0).stdout
        };
        assert!(rewrite(&named, &[]) != rewrite(&plain, &[]));
        let new = rewrite(&named, &["--numeric-owner"]);
        assert!(new == rewrite(&plain, &["--numeric-owner"]), "{packing:?}");
        assert!(rewrite(&new, &["--numeric-owner"]) == new, "{packing:?}, once more");
        let clamped = rewrite(&named, &["--numeric-owner", "--clamp"]);
        assert!(clamped == rewrite(&plain, &["--numeric-owner", "--clamp"]), "{packing:?}, clamp");
    }
}

#[test]
fn only_the_names_are_gone() {
    let [named, plain] = archives_of_two_builders(5);
    // No time is later: the names alone change, and the numbers are what they were.
    let new = filter(&named, &["--numeric-owner", "--clamp"]);
    assert!(new == plain);
    assert!(filter(&named, &["--clamp"]) == named);
    for (old, new) in
        ::tar::Archive::new(&named[..]).entries().unwrap().zip(::tar::Archive::new(&new[..]).entries().unwrap())
    {
        let (old, new) = (old.unwrap(), new.unwrap());
        assert_eq!((old.header().uid().unwrap(), old.header().mtime().unwrap()), (new.header().uid().unwrap(), 5));
        assert!(new.header().username_bytes().is_none_or(<[u8]>::is_empty));
    }
}

#[test]
fn the_summary_and_the_report_count_them() {
    let dir = scratch();
    let report = dir.path().join("report.json");
    let read = || -> Value { serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap() };
    let [named, _] = archives_of_two_builders(5);
    let with_report = |verb: &'static str, options: &[&'static str], bytes: &[u8]| {
        pipe([verb, "--report", text(&report)].iter().chain(&EPOCH).chain(options), bytes).expect(0).stderr
    };
    let said = with_report("tar", &["--numeric-owner", "--clamp"], &named);
    assert!(said.starts_with("6 entries, 0 stamped, owner names removed from 5; tar sha256:"), "{said}");
    let document = read();
    assert_eq!((&document["owners"], &document["numeric_owner"]), (&NAMED.into(), &true.into()));
    let archive = image(&named, Packing::Gzip, &Build::FIRST);
    let said = with_report("rewrite", &["--numeric-owner", "--clamp", "-v"], &archive);
    assert!(said.contains(", owner names removed from 5 entries\n"), "{said}");
    assert!(said.contains("stamped; owner names removed from 5 entries; layers "), "{said}");
    assert_eq!(read()["layers"][0]["owners"], NAMED);
    // Without the option nothing is said of it.
    let said = with_report("rewrite", &[], &archive);
    assert!(!said.contains("owner"), "{said}");
    assert!(read()["layers"][0]["owners"].is_null());
    let new = pipe(["rewrite", "-q", "--numeric-owner"].iter().chain(&EPOCH), &archive).expect(0).stdout;
    let said = with_report("rewrite", &["--numeric-owner"], &new);
    assert!(said.contains("nothing to stamp"), "{said}");
    assert_eq!(read()["layers"][0]["owners"], 0);
}

#[test]
fn a_cache_keeps_names_apart() {
    let dir = scratch();
    let cache = dir.path().join("cache");
    let [named, _] = archives_of_two_builders(5);
    let archive = image(&named, Packing::Gzip, &Build::FIRST);
    let rewrite =
        |options: &[&str]| pipe(["rewrite", "-q"].iter().chain(&EPOCH).chain(options), &archive).expect(0).stdout;
    let (with, without) = (rewrite(&["--numeric-owner"]), rewrite(&[]));
    for _ in 0..2 {
        assert!(rewrite(&["--cache", text(&cache)]) == without);
        assert!(rewrite(&["--cache", text(&cache), "--numeric-owner"]) == with);
    }
    assert!(read_tar(&with) != read_tar(&without));
}
