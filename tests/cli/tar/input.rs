//! What is given instead of a tar, and tars that are not whole.

use super::*;
use crate::support::tarball::{Entry, tar};
use crate::support::{archives, names, restamp};
use std::fs;

/// Every way in: each is an error that says all of these, and nothing is written.
#[track_caller]
fn refused(bytes: &[u8], parts: &[&str]) {
    let dir = scratch();
    let source = write(dir.path(), "given.tar", bytes);
    let to = dir.path().join("out.tar");
    let outcome = run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), text(&to)])).expect_error(parts);
    assert!(outcome.stderr.contains("given.tar: ") && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
    assert_eq!(names(dir.path()), ["given.tar"]);
    let outcome = pipe(["tar"].iter().chain(&EPOCH), bytes);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("restamp: error: standard input: "), "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty());
}

#[test]
fn a_container_image_is_refused_with_the_command() {
    for archive in archives(&Build::FIRST) {
        for packing in PACKINGS {
            let bytes = pack(&archive.bytes, packing, &Build::FIRST);
            for clamp in [&[][..], &["--clamp"]] {
                let outcome = pipe(["tar"].iter().chain(&EPOCH).chain(clamp), &bytes).expect_error(&[
                    "standard input: this is a container image, not a bare tar (it has ",
                    "): restamp rewrite",
                ]);
                assert!(outcome.stdout.is_empty(), "{}", archive.name);
            }
            let dir = scratch();
            let (source, to) = (write(dir.path(), archive.name, &bytes), dir.path().join("out.tar"));
            let command = format!("restamp rewrite {} DEST", text(&source));
            run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), text(&to)])).expect_error(&[&command]);
            assert_eq!(names(dir.path()), [archive.name]);
        }
    }
}

#[test]
fn what_only_looks_like_an_image_is_a_tar() {
    let docker = br#"[{"Config":"c.json","Layers":["l/layer.tar"]}]"#;
    let index = br#"{"schemaVersion":2,"manifests":[]}"#;
    let hex = "0123456789abcdef".repeat(4);
    for entries in [
        // A web application has a manifest, and its own index.
        vec![Entry::file("manifest.json", br#"{"name":"app","icons":[]}"#, 5), Entry::file("index.json", "[]", 5)],
        vec![Entry::file("site/oci-layout", "{}", 5), Entry::file("site/manifest.json", docker, 5)],
        vec![Entry::dir("oci-layout/", 5), Entry::dir("blobs/", 5), Entry::dir("blobs/sha256/", 5)],
        vec![Entry::file("blobs/sha256/short", "x", 5), Entry::file("repositories", "{}", 5)],
    ] {
        let outcome = pipe(["tar"].iter().chain(&EPOCH), &tar(&entries)).expect(0);
        assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
    }
    // A root filesystem with an image at its top.
    for entry in [
        Entry::file("oci-layout", "{}", 5),
        Entry::file("./manifest.json", docker, 5),
        Entry::file("index.json", index, 5),
        Entry::file(format!("blobs/sha256/{hex}"), "x", 5),
    ] {
        let bytes = tar(&[Entry::file(".dockerenv", "", 5), Entry::dir("etc/", 5), entry.clone()]);
        let outcome = pipe(["tar"].iter().chain(&EPOCH), &bytes).expect(0);
        assert!(
            outcome.stderr.contains("warning: standard input: it has ") && outcome.stderr.contains("restamp rewrite")
        );
        refused(&tar(&[entry]), &["container image"]);
    }
}

#[test]
fn what_is_no_tar_is_named_with_the_command_that_helps() {
    for (bytes, parts) in [
        (&b""[..], &["it is empty", "did the command that writes it fail?"][..]),
        (b"\xfd7zXZ\0\0\0\0\0\0\0", &["compressed with xz", "xz -dc ", " | restamp tar - OUT"]),
        (b"BZh91AY&SY\0\0\0", &["compressed with bzip2", "bzip2 -dc ", " | restamp tar - OUT"]),
        (b"PK\x03\x04\0\0\0\0", &["not a tar", "zip"]),
        (b"\xff\xfeb\0i\0n\0", &["UTF-16", "docker export -o FILE CONTAINER"]),
        (b"{\"a\": 1}", &["this is not a tar"]),
        (&[b'x'; 2000], &["this is not a tar"]),
        (&pack(b"", Packing::Gzip, &Build::FIRST), &["it is empty"]),
    ] {
        let parts: Vec<&str> = parts.to_vec();
        refused(bytes, &parts);
    }
    let outcome = pipe(["tar"].iter().chain(&EPOCH), b"\xfd7zXZ\0\0\0\0\0\0\0");
    assert!(outcome.stderr.contains("… | xz -dc | restamp tar"), "{}", outcome.stderr);
}

#[test]
fn paths_that_are_no_tar_are_named_with_the_command_that_helps() {
    let dir = scratch();
    let folder = dir.path().join("rootfs");
    let with_blank = dir.path().join("a root");
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&with_blank).unwrap();
    let command = format!("tar -C {} -c . | restamp tar - OUT", text(&folder));
    let quoted_command = format!("tar -C '{}' -c . | restamp tar - OUT", text(&with_blank));
    for (input, parts) in [
        (text(&folder), &["rootfs: this is a directory", &command][..]),
        (text(&with_blank), &["a root: this is a directory", &quoted_command]),
        ("nosuch.tar", &["nosuch.tar: cannot open"]),
        ("nginx:latest", &["nginx:latest: there is no such file", "docker export CONTAINER | restamp tar"]),
        ("oci:layout", &["IN: oci: is for container images", "restamp rewrite", "./oci:layout"]),
        ("docker-archive:x.tar", &["docker-archive: is for container images"]),
        ("docker://nginx", &["IN: ", "restamp rewrite", "./docker://nginx"]),
    ] {
        let outcome = run(["tar"].iter().chain(&EPOCH).chain(&[input, "-"])).expect_error(parts);
        assert!(outcome.stdout.is_empty() && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
    }
}

#[test]
fn an_archive_that_is_cut_off_says_that_it_ends_in_the_middle() {
    let dir = scratch();
    let whole = tar(&[Entry::file("first", "abc", 5), Entry::file("n".repeat(200), vec![7; 3000], 6)]);
    let to = dir.path().join("out");
    for packing in PACKINGS {
        let bytes = pack(&whole, packing, &Build { members: 1, ..Build::FIRST });
        let cuts = match packing {
            Packing::Plain => vec![600, 1030, 1600, 2100, 3100, 4000],
            _ => vec![20, bytes.len() / 2, bytes.len() - 1],
        };
        for cut in cuts {
            let source = write(dir.path(), "in", &bytes[..cut]);
            for clamp in [&[][..], &["--clamp"]] {
                let arguments = [text(&source), text(&to)];
                let outcome = run(["tar"].iter().chain(&EPOCH).chain(clamp).chain(&arguments));
                // Within the padding of the first file's content it may end.
                if packing == Packing::Plain && cut == 600 {
                    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
                    fs::remove_file(&to).unwrap();
                    continue;
                }
                outcome.expect_error(&["in: ", "offset ", "the file ends in the middle (", "it was cut off"]);
                assert_eq!(names(dir.path()), ["in"], "{packing:?} {cut}");
            }
            if cut != 600 {
                pipe(["tar"].iter().chain(&EPOCH), &bytes[..cut]).expect_error(&["the stream ends in the middle ("]);
            }
        }
    }
}

#[test]
fn what_comes_out_of_a_pipe_that_breaks_off_is_no_whole_archive() {
    // Broken off between two entries, where a plain tar could end, and after all of the content, where gzip has its checksum.
    let entries: Vec<Entry> = (0..6).map(|n| Entry::file(format!("f{n}"), support::noise(1 << 20, n), 5)).collect();
    let mut damaged = tar(&entries);
    let at = damaged.len() - 1024 - (1 << 20) - 512;
    damaged[at] ^= 1;
    let mut checksum = layer::gzip(&tar(&entries), 1, 0);
    let at = checksum.len() - 8;
    checksum[at] ^= 1;
    for (bytes, is_plain) in [(damaged, true), (checksum, false)] {
        let outcome = pipe(["tar"].iter().chain(&EPOCH), &bytes);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stdout.len() > 1 << 20, "it was not written while it was read");
        if is_plain {
            assert_ne!(outcome.stdout.len() % 512, 0);
            let mut archive = ::tar::Archive::new(&outcome.stdout[..]);
            let mut entries = archive.entries().unwrap();
            assert!(entries.any(|entry| entry.is_err()));
        } else {
            let mut out = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(&outcome.stdout[..]);
            std::io::Read::read_to_end(&mut reader, &mut out).unwrap_err();
        }
    }
}

#[test]
fn malformed_headers_are_named_with_their_place() {
    let mut bytes = tar(&[Entry::file("good", "", 5), Entry::file("bad", "", 5)]);
    bytes[512 + 136] = b'9';
    pipe(["tar"].iter().chain(&EPOCH), &bytes).expect_error(&["standard input: bad: offset 512: ", "checksum"]);
}

#[test]
fn memory_does_not_grow_with_the_tar() {
    use std::io::Write;
    let header = support::tarball::header(support::tarball::Dialect::Ustar, b'0', b"large", 512 << 20, 5);
    let dir = scratch();
    let path = dir.path().join("large.tar");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(&header).unwrap();
    file.set_len(512 + (512 << 20) + 1024).unwrap();
    for option in ["none", "zstd"] {
        let mut command = restamp();
        command.args(["tar", "-j", "2", "--epoch", "1", "--compression", option]).stdin(fs::File::open(&path).unwrap());
        let (outcome, usage) = support::usage::measured(&mut command);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(usage.peak < (64 + 8 * 2) << 10, "{option}: {} KiB", usage.peak);
    }
}
