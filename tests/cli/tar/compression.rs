//! How the new tar is compressed.

use super::*;
use crate::support::layer::{Family, Layer, unpack};
use crate::support::layout::{Image, Layout, read_tar};

fn kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        _ => "none",
    }
}

#[test]
fn compressed_bytes_are_those_of_a_layer() {
    let stream = layer::zoo(&Build::FIRST);
    for (option, packing) in [("none", Packing::Plain), ("gzip", Packing::Gzip), ("zstd", Packing::Zstd)] {
        let layer = Layer::new(stream.clone(), packing, Family::Oci, &Build::FIRST);
        let image = Layout::of(&Image::new(vec![layer], Family::Oci, &Build::FIRST, &["x:1"]), &Build::FIRST);
        let rewritten = pipe(["rewrite", "-q", "--epoch", "1700000000"], &image.tar(&Build::FIRST)).expect(0).stdout;
        let made = filter(&stream, &["--compression", option]);
        assert!(read_tar(&rewritten).values().any(|blob| *blob == made), "{option}");
    }
}

#[test]
fn the_name_of_the_output_says_how_it_is_compressed() {
    let dir = scratch();
    let tar = rootfs(&Build::FIRST);
    for (packing, as_it_was) in [(Packing::Plain, "none"), (Packing::Gzip, "gzip"), (Packing::Zstd, "zstd")] {
        let source = write(dir.path(), "in", &pack(&tar, packing, &Build::FIRST));
        for (name, expected) in [
            ("a.tar", "none"),
            ("a.tar.gz", "gzip"),
            ("a.TGZ", "gzip"),
            ("a.tar.zst", "zstd"),
            ("a.tzst", "zstd"),
            ("a", as_it_was),
            ("a.gz", "gzip"),
            ("a.TAR.ZSTD", "zstd"),
            ("tar", as_it_was),
        ] {
            let to = dir.path().join(name);
            stamp(&[text(&source), text(&to)]);
            let made = std::fs::read(&to).unwrap();
            assert_eq!(kind(&made), expected, "{packing:?} to {name}");
            assert!(unpack(&made) == filter(&tar, &[]), "{packing:?} to {name}");
            stamp(&["--compression", "keep", text(&source), text(&to)]);
            assert_eq!(kind(&std::fs::read(&to).unwrap()), as_it_was, "{packing:?} to {name}, keep");
            stamp(&["--compression", "zstd", text(&source), text(&to)]);
            assert_eq!(kind(&std::fs::read(&to).unwrap()), "zstd", "{packing:?} to {name}, zstd");
        }
    }
}

#[test]
fn an_output_that_is_not_written_is_refused_with_the_command() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &rootfs(&Build::FIRST));
    for (name, program) in [("a.tar.xz", "xz"), ("a.txz", "xz"), ("a.XZ", "xz"), ("a.tar.bz2", "bzip2")] {
        let to = dir.path().join(name);
        let command = format!("restamp tar --compression none {} - | {program} > {}", text(&source), text(&to));
        run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), text(&to)])).expect_error(&[name, &command]);
        assert!(!to.exists());
    }
    // What is compressed otherwise by request keeps its name, and a command can be pasted.
    stamp(&["--compression", "gzip", text(&source), text(&dir.path().join("a.tar.xz"))]);
    let to = dir.path().join("my a.xz");
    run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), text(&to)]))
        .expect_error(&[&format!("| xz > '{}'", text(&to))]);
}

#[test]
fn the_level_is_that_of_what_is_written() {
    let tar = layer::zoo(&Build::FIRST);
    let level = |options: &[&str]| filter(&tar, options);
    let by_default = level(&["--compression", "gzip"]);
    assert!(level(&["--compression", "gzip", "--compression-level", "5"]) == by_default);
    let other = level(&["--compression", "gzip", "--compression-level", "9"]);
    assert!(other != by_default && unpack(&other) == unpack(&by_default));
    // As IN is compressed.
    assert!(filter(&by_default, &["--compression-level", "9"]) == other);
    for (options, message) in [
        (&["--compression-level", "9"][..], "add --compression gzip or zstd"),
        (&["--compression", "none", "--compression-level", "9"], "add --compression gzip or zstd"),
        (&["--compression", "gzip", "--compression-level", "13"], "1 to 12 for gzip"),
        (&["--compression", "zstd", "--compression-level", "0"], "1 to 19 for zstd"),
    ] {
        let outcome = pipe(["tar"].iter().chain(&EPOCH).chain(options), &tar).expect_error(&[message]);
        assert!(outcome.stdout.is_empty());
    }
}
