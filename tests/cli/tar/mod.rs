//! `restamp tar`: a bare tar through files and pipes, plain and compressed.

mod compression;
mod input;
mod output;
mod owners;
use crate::support;

use crate::support::layer::{self, Packing, pack};
use crate::support::{Build, Outcome, pipe, run, scratch, sha256, text, write};

const EPOCH: [&str; 2] = ["--epoch", "1700000000"];
const PACKINGS: [Packing; 3] = [Packing::Plain, Packing::Gzip, Packing::Zstd];

/// Runs `restamp tar` on files with the epoch of the tests.
#[track_caller]
fn stamp(arguments: &[&str]) -> Outcome {
    run(["tar", "-q"].iter().chain(&EPOCH).chain(arguments)).expect(0)
}

/// Stamps through a pipe.
#[track_caller]
fn filter(input: &[u8], arguments: &[&str]) -> Vec<u8> {
    pipe(["tar", "-q"].iter().chain(&EPOCH).chain(arguments), input).expect(0).stdout
}

/// A root filesystem, as `docker export` and `docker build -o type=tar` write one.
fn rootfs(build: &Build) -> Vec<u8> {
    layer::base(build)
}

#[test]
fn exports_of_two_builds_become_the_same_file() {
    for make in [layer::base, layer::app, layer::zoo] {
        let [one, two] = [Build::FIRST, Build::SECOND].map(|build| make(&build));
        assert!(one != two);
        let stamped = filter(&one, &[]);
        assert!(stamped == filter(&two, &[]));
        for packing in PACKINGS {
            let [one, two] =
                [(&one, Build::FIRST), (&two, Build::SECOND)].map(|(tar, build)| pack(tar, packing, &build));
            let packed = filter(&one, &[]);
            assert!(packed == filter(&two, &[]), "{packing:?}");
            assert!(layer::unpack(&packed) == stamped, "{packing:?}");
            assert_eq!(packed[..2], pack(&stamped, packing, &Build::FIRST)[..2], "{packing:?}");
        }
    }
}

#[test]
fn every_entry_has_the_epoch_and_is_otherwise_as_it_was() {
    let old = rootfs(&Build::FIRST);
    let new = filter(&old, &[]);
    let entries = |bytes: &[u8]| {
        let mut archive = ::tar::Archive::new(bytes);
        let headers = archive.entries().unwrap().map(|entry| entry.unwrap().header().clone());
        headers.collect::<Vec<_>>()
    };
    let (old_entries, new_entries) = (entries(&old), entries(&new));
    assert_eq!(old_entries.len(), 8);
    for (mut old, new) in old_entries.into_iter().zip(new_entries) {
        assert_eq!(new.mtime().unwrap(), 1_700_000_000);
        old.set_mtime(1_700_000_000);
        old.set_cksum();
        assert!(old.as_bytes()[..148] == new.as_bytes()[..148] && old.as_bytes()[156..] == new.as_bytes()[156..]);
    }
    assert_eq!(old.len(), new.len());
}

#[test]
fn files_pipes_and_any_number_of_jobs_give_the_same_bytes() {
    let dir = scratch();
    let large = support::tarball::tar(&[
        support::tarball::Entry::file("noise", support::noise(3 << 20, 1), 5),
        support::tarball::Entry::file("zeros", vec![0; 5 << 20], 6),
    ]);
    for (number, tar) in [layer::zoo(&Build::FIRST), large].into_iter().enumerate() {
        for packing in PACKINGS {
            let bytes = pack(&tar, packing, &Build::FIRST);
            let source = write(dir.path(), "in", &bytes);
            let to = dir.path().join("out");
            let expected = filter(&bytes, &[]);
            for arguments in [&["-", "-"][..], &["-j", "1"], &["-j", "7"], &[text(&source)], &[text(&source), "-"]] {
                assert!(filter(&bytes, arguments) == expected, "{number} {packing:?} {arguments:?}");
            }
            stamp(&[text(&source), text(&to)]);
            assert!(std::fs::read(&to).unwrap() == expected, "{number} {packing:?}");
            // From a file on standard input, which the shell has opened.
            let mut command = support::restamp();
            command.args(["tar", "-q", "--epoch", "1700000000"]).stdin(std::fs::File::open(&source).unwrap());
            assert!(support::finish(&mut command, None).expect(0).stdout == expected, "{number} {packing:?}");
            assert!(std::fs::read(&source).unwrap() == bytes, "the source has changed");
        }
    }
}

#[test]
fn stamping_twice_changes_nothing() {
    for packing in PACKINGS {
        let bytes = pack(&layer::zoo(&Build::FIRST), packing, &Build::FIRST);
        for options in [&[][..], &["--clamp"], &["--numeric-owner"]] {
            let once = filter(&bytes, options);
            assert!(filter(&once, options) == once, "{packing:?} {options:?}");
        }
    }
}

#[test]
fn clamp_lowers_what_is_later_and_nothing_else() {
    let old = layer::app(&Build::FIRST);
    let new = filter(&old, &["--clamp"]);
    let mtimes = |bytes: &[u8]| {
        let mut archive = ::tar::Archive::new(bytes);
        let times = archive.entries().unwrap().map(|entry| entry.unwrap().header().mtime().unwrap());
        times.collect::<Vec<_>>()
    };
    let expected: Vec<u64> = mtimes(&old).into_iter().map(|time| time.min(1_700_000_000)).collect();
    assert!(expected.contains(&981_173_106));
    assert_eq!(mtimes(&new), expected);
}

#[test]
fn clamp_with_nothing_to_lower_gives_the_bytes_as_they_are() {
    let dir = scratch();
    let late = |arguments: &[&str]| {
        ["tar", "-q", "--clamp", "--epoch", "2100000000"]
            .iter()
            .chain(arguments)
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    for packing in PACKINGS {
        // Compressed as no canonical form is.
        let bytes = pack(&layer::app(&Build::SECOND), packing, &Build::SECOND);
        let source = write(dir.path(), "in", &bytes);
        let to = dir.path().join("out");
        assert!(pipe(late(&[]), &bytes).expect(0).stdout == bytes, "{packing:?}");
        assert!(pipe(late(&[text(&source)]), b"").expect(0).stdout == bytes, "{packing:?}");
        run(late(&[text(&source), text(&to)])).expect(0);
        assert!(std::fs::read(&to).unwrap() == bytes, "{packing:?}");
        // Another compression is what was asked for.
        let other = pipe(late(&["--compression", "gzip", "--compression-level", "9"]), &bytes).expect(0).stdout;
        assert!(other != bytes && layer::unpack(&other) == layer::app(&Build::SECOND), "{packing:?}");
    }
}

#[test]
fn an_archive_without_an_end_marker_passes_with_a_warning() {
    let whole = rootfs(&Build::FIRST);
    let open = &whole[..whole.len() - 1024];
    let outcome = pipe(["tar"].iter().chain(&EPOCH), open).expect(0);
    assert!(outcome.stdout == filter(&whole, &[])[..open.len()]);
    assert!(outcome.stderr.contains("warning: standard input: there is no end marker"), "{}", outcome.stderr);
    assert!(!pipe(["tar"].iter().chain(&EPOCH), &whole).expect(0).stderr.contains("warning"));
    // An archive of nothing but its end marker is one.
    assert_eq!(filter(&[0; 10240], &[]), [0; 10240]);
}

#[test]
fn the_summary_has_entries_and_digests_of_the_tar() {
    let tar = rootfs(&Build::FIRST);
    let new = filter(&tar, &[]);
    for packing in PACKINGS {
        let outcome = pipe(["tar"].iter().chain(&EPOCH), &pack(&tar, packing, &Build::FIRST)).expect(0);
        let expected = format!("8 entries, 8 stamped; tar {} -> {}\n", sha256(&tar), sha256(&new));
        assert_eq!(outcome.stderr, expected, "{packing:?}");
    }
    let again = pipe(["tar"].iter().chain(&EPOCH), &new).expect(0);
    assert_eq!(again.stderr, format!("8 entries, 0 stamped; tar {} unchanged\n", sha256(&new)));
    assert_eq!(pipe(["tar", "-q"].iter().chain(&EPOCH), &new).expect(0).stderr, "");
}

#[test]
fn the_environment_gives_the_epoch() {
    let tar = rootfs(&Build::FIRST);
    let mut command = support::restamp();
    command.args(["tar", "-q"]).env("SOURCE_DATE_EPOCH", "1700000000");
    assert!(support::finish(&mut command, Some(&tar)).expect(0).stdout == filter(&tar, &[]));
    pipe(["tar"], &tar).expect_error(&["no epoch given", "--epoch SECONDS"]);
}
