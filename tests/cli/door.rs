//! What is handed in instead of an image, or named instead of one: it is called what it is, with the command that helps.

use crate::support;

use crate::support::layer::{Family, Layer, Packing, gzip};
use crate::support::layout::{Image, Layout, descriptor, read, write_files};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, Outcome, docker, finish, hello, judge, names, pipe, restamp, run, scratch, text, write};
use std::fs;
use std::path::Path;

const BUILD: Build = Build::FIRST;

const EXPORT: &str = "this looks like a root filesystem (docker export?), not an image: use docker save NAME, or docker \
                      import it first; restamp tar stamps it as it is";

fn layout() -> Layout {
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD)
}

/// A root filesystem as `docker export` writes it: what is in it is none of an image's business.
fn export() -> Vec<u8> {
    tar(&[
        Entry::file(".dockerenv", "", 1),
        Entry::new(b'3', "dev/console", 1),
        Entry::link(b'2', "etc/mtab", "/proc/mounts", 1),
        Entry::dir("usr/", 1),
    ])
}

/// The one line that a run in a folder ends with.
#[track_caller]
fn said(dir: &Path, arguments: &[&str]) -> String {
    let mut command = restamp();
    line(finish(command.current_dir(dir).args(arguments), None))
}

#[track_caller]
fn line(outcome: Outcome) -> String {
    let outcome = outcome.expect(2);
    let text = outcome.stderr.strip_prefix("restamp: error: ").unwrap_or_else(|| panic!("{}", outcome.stderr));
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    text.trim_end().to_owned()
}

#[test]
fn a_root_filesystem_is_named_from_wherever_it_comes() {
    let dir = scratch();
    for (name, bytes) in [
        ("a.tar", export()),
        ("a.tar.gz", gzip(&export(), 6, 0)),
        ("a.tar.zst", zstd::bulk::compress(&export(), 3).unwrap()),
    ] {
        write(dir.path(), name, &bytes);
        for verb in [&["rewrite", "--epoch", "1"][..], &["check", "--epoch", "1"], &["inspect"]] {
            assert_eq!(said(dir.path(), &[verb, &[name]].concat()), format!("{name}: {EXPORT}"));
            assert_eq!(line(pipe(verb, &bytes)), format!("standard input: {EXPORT}"));
        }
    }
    for part in ["root/bin", "root/etc", "root/usr"] {
        fs::create_dir_all(dir.path().join(part)).unwrap();
    }
    assert_eq!(
        said(dir.path(), &["inspect", "root"]),
        "root: this looks like a root filesystem, not an image: tar -C root -cf - . | docker import - NAME makes one of it; \
         tar -C root -cf - . | restamp tar stamps it as it is"
    );
    let layer = "this looks like one layer of an image or a part of a root filesystem, not an image: use docker save NAME; \
                 restamp tar stamps it as it is";
    write(dir.path(), "layer.tar.gz", &gzip(&tar(&[Entry::dir("etc/", 1), Entry::file("etc/.wh.x", "", 1)]), 6, 0));
    assert_eq!(said(dir.path(), &["inspect", "layer.tar.gz"]), format!("layer.tar.gz: {layer}"));
}

#[test]
fn absolute_names_in_an_archive_lose_their_slash() {
    let dir = scratch();
    let expected = pipe(["rewrite", "-q", "--epoch", "1"], &layout().tar(&BUILD)).expect(0).stdout;
    for prefix in ["/", "//", "./", "/./"] {
        let files = layout().all();
        let files: Vec<Entry> =
            files.iter().map(|(name, data)| Entry::file(format!("{prefix}{name}"), data, 1)).collect();
        let bytes = tar(&[vec![Entry::dir(prefix, 1), Entry::dir(format!("{prefix}blobs/"), 1)], files].concat());
        assert!(pipe(["rewrite", "-q", "--epoch", "1"], &bytes).expect(0).stdout == expected, "{prefix}");
        let path = write(dir.path(), "a.tar", &bytes);
        run(["check", "--epoch", "1", text(&path)]).expect(1);
    }
    // Docker's, whose names are in manifest.json as well.
    let files = docker::hybrid_files(&[hello(&BUILD, Packing::Plain)], docker::Manifests::Listed, &BUILD);
    let entries = |prefix: &str| {
        tar(&files.iter().map(|(name, data)| Entry::file(format!("{prefix}{name}"), data, 1)).collect::<Vec<_>>())
    };
    let expected = pipe(["rewrite", "-q", "--epoch", "1"], &entries("")).expect(0).stdout;
    assert!(pipe(["rewrite", "-q", "--epoch", "1"], &entries("/")).expect(0).stdout == expected);
    let outside = tar(&[Entry::file("index.json", "{}", 1), Entry::file("/../blobs/x", "", 1)]);
    pipe(["inspect"], &outside).expect_error(&["expected a relative path without `..`, found \"/../blobs/x\""]);
}

#[test]
fn a_directory_that_is_no_layout_is_named() {
    let dir = scratch();
    let at = |name: &str, files: &[(&str, &[u8])]| {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        write_files(&files, &dir.path().join(name));
    };
    at("b.dir", &[("version", b"Directory Transport Version: 1.1\n"), ("manifest.json", b"{}")]);
    at("saved", &[("manifest.json", b"[]"), ("00/layer.tar", b"")]);
    at("out", &[("b.oci/index.json", b"{}"), ("b.oci/oci-layout", b"{}")]);
    at("other", &[("README", b"")]);
    at("my save", &[("manifest.json", b"[]"), ("00/layer.tar", b"")]);
    at("my b.dir", &[("version", b"Directory Transport Version: 1.1\n"), ("manifest.json", b"{}")]);
    at("a root", &[("bin/sh", b""), ("etc/passwd", b""), ("usr/x", b"")]);
    for (name, expected) in [
        ("b.dir", "this is what skopeo's dir: transport writes: skopeo copy dir:b.dir oci:b.oci"),
        ("saved", "this is an unpacked archive of docker save: tar -C saved -cf - . | restamp …"),
        ("out", "not a container image, but one is in it: oci:out/b.oci"),
        ("other", "not a container image: no index.json in it"),
        // A command can be pasted, whatever is in the path.
        ("my save", "this is an unpacked archive of docker save: tar -C 'my save' -cf - . | restamp …"),
        ("my b.dir", "this is what skopeo's dir: transport writes: skopeo copy 'dir:my b.dir' 'oci:my b.oci'"),
        (
            "a root",
            "this looks like a root filesystem, not an image: tar -C 'a root' -cf - . | docker import - NAME makes one of \
             it; tar -C 'a root' -cf - . | restamp tar stamps it as it is",
        ),
    ] {
        assert_eq!(said(dir.path(), &["inspect", name]), format!("{name}: {expected}"));
        assert_eq!(said(dir.path(), &["inspect", &format!("oci:{name}")]), format!("{name}: {expected}"));
    }
    let bytes =
        tar(&[Entry::file("version", "Directory Transport Version: 1.1\n", 1), Entry::file("manifest.json", "{}", 1)]);
    let outcome = pipe(["inspect"], &bytes);
    assert!(line(outcome).ends_with("unpack it, then skopeo copy dir:FOLDER oci:FOLDER.oci"));
}

#[test]
fn an_archive_that_is_no_image_is_named() {
    let dir = scratch();
    let wrapped: Vec<Entry> =
        layout().all().iter().map(|(name, data)| Entry::file(format!("src.oci/{name}"), data, 1)).collect();
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(layout().tar(&BUILD).into_iter().flat_map(|b| [b, 0])).collect();
    for (name, bytes, expected) in [
        ("wrapped.tar", tar(&wrapped), "the image is in src.oci/, not at the top: tar it with tar -C src.oci -cf … ."),
        (
            "utf16.tar",
            utf16,
            "this is text in UTF-16, which PowerShell makes of what > writes: use docker save -o FILE NAME, or cmd /c \
             \"docker save NAME > FILE\"",
        ),
        (
            "a.zip",
            b"PK\x03\x04\0\0".to_vec(),
            "this is a zip archive, not a container image: unpack it and name what is in it (unzip -p FILE | restamp …)",
        ),
        (
            "a.tar.xz",
            b"\xfd7zXZ\0more".to_vec(),
            "compressed with xz, which is not read (gzip and zstd are): decompress it first, xz -dc FILE | restamp …",
        ),
        (
            "twice.tar.gz",
            gzip(&gzip(&layout().tar(&BUILD), 6, 0), 6, 0),
            "compressed twice: decompress it once first, gzip -dc or zstd -dc FILE | restamp …",
        ),
        (
            "inspect.json",
            b"[{\"Id\": \"sha256:00\"}]".to_vec(),
            "this is a JSON document, not a container image: name the archive or the directory that it describes",
        ),
        (
            "zeros.tar",
            vec![0; 10_240],
            "this is an archive without a single entry, so there is no image in it: did the command that writes it fail?",
        ),
        (
            "files.tar",
            tar(&[Entry::file("a", "", 1), Entry::file("b", "", 1)]),
            "not a container image: neither index.json nor manifest.json in it",
        ),
        (
            "artifact.tar",
            tar(&[Entry::file("image.tar", layout().tar(&BUILD), 1)]),
            "not a container image, but an archive with image.tar in it: tar -xOf … image.tar | restamp …",
        ),
        (
            "blank.tar",
            tar(&[Entry::file("my image.tar", layout().tar(&BUILD), 1)]),
            "not a container image, but an archive with my image.tar in it: tar -xOf … 'my image.tar' | restamp …",
        ),
    ] {
        write(dir.path(), name, &bytes);
        assert_eq!(said(dir.path(), &["inspect", name]), format!("{name}: {expected}"));
        assert_eq!(line(pipe(["inspect"], &bytes)), format!("standard input: {expected}"));
    }
    let iso = [vec![0; 0x8001], b"CD001".to_vec(), vec![0; 2048]].concat();
    write(dir.path(), "a.iso", &iso);
    assert_eq!(said(dir.path(), &["inspect", "a.iso"]), "a.iso: this is an ISO image of a disk, not a container image");
    layout().write(&dir.path().join("b.oci"));
    let blob = layout().files.keys().next().unwrap().clone();
    for file in ["b.oci/index.json", &format!("b.oci/{blob}")] {
        let expected = format!("{file}: this is one file of an OCI image layout: write oci:b.oci");
        assert_eq!(said(dir.path(), &["inspect", file]), expected);
    }
}

#[test]
fn a_layer_in_xz_or_bzip2_is_named() {
    let dir = scratch();
    for (magic, by) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh91AY&SY", "bzip2")] {
        let expected = format!(
            "compressed with {by}, which is not read (gzip and zstd are): podman pull SOURCE, then podman save NAME, unpacks it"
        );
        let mut layer = Layer::new(support::layer::base(&BUILD), Packing::Plain, Family::Oci, &BUILD);
        layer.blob = [magic, &[7; 600]].concat();
        let digest = layer.digest();
        let mut image = Layout::of(&Image::new(vec![layer], Family::Oci, &BUILD, &["app:1"]), &BUILD);
        image.write(&dir.path().join(by));
        for arguments in [&["rewrite", "--epoch", "1", by, "oci-archive:out.tar"][..], &["inspect", by]] {
            let error = said(dir.path(), arguments);
            assert_eq!(error, format!("{by}: {digest}: {expected}"));
        }
        let checked = run(["check", "--epoch", "1", text(&dir.path().join(by))]).expect(1).text();
        assert!(checked.contains(&expected), "{checked}");
        // By its media type alone.
        let manifest = image.manifests[0]["digest"].as_str().unwrap().to_owned();
        let bytes = image.files.remove(&support::layout::blob_path(&manifest)).unwrap();
        let bytes = String::from_utf8(bytes).unwrap().replace("layer.v1.tar\"", &format!("layer.v1.tar+{by}\""));
        image.manifests = vec![descriptor("application/vnd.oci.image.manifest.v1+json", bytes.as_bytes())];
        image.files.insert(support::layout::blob_path(&support::sha256(bytes.as_bytes())), bytes.into_bytes());
        let outcome = pipe(["rewrite", "--epoch", "1"], &image.tar(&BUILD));
        assert_eq!(line(outcome), format!("standard input: {digest}: {expected}"));
    }
}

#[test]
fn names_of_images_and_of_other_transports_are_answered_with_a_command() {
    let dir = scratch();
    layout().write(&dir.path().join("b.oci"));
    write(dir.path(), "b.tar", &layout().tar(&BUILD));
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    for (name, expected) in [
        ("link", "this is a dangling symbolic link"),
        (
            "nginx",
            "there is no such file; to take an image from Docker: docker save nginx | restamp …; from a registry: docker://nginx",
        ),
        (
            "nginx:latest",
            "there is no such file; to take an image from Docker: docker save nginx:latest | restamp …; from a registry: docker://nginx:latest",
        ),
        (
            "ghcr.io/a/b@sha256:00",
            "there is no such file; to take an image from Docker: docker save ghcr.io/a/b@sha256:00 | restamp …; from a registry: docker://ghcr.io/a/b@sha256:00",
        ),
        ("missing.tar", "cannot open: No such file or directory (os error 2)"),
        ("b.oci:1", "b.oci exists: did you mean oci:b.oci:1?"),
        ("b.tar:1", "b.tar exists: did you mean oci-archive:b.tar:1 or docker-archive:b.tar:1?"),
        ("oci-layout://b.oci", "write oci:b.oci"),
        ("oci://b.oci", "oci: has no slashes of its own: write oci:b.oci (or oci:/b.oci)"),
        ("docker:team/nginx:1", "write docker://team/nginx:1"),
        ("docker-daemon:app:1", "restamp doesn't talk to Docker: docker save app:1 | restamp rewrite | docker load"),
        ("dir:b.dir", "dir: isn't supported. First: skopeo copy dir:b.dir oci:b.oci"),
    ] {
        assert_eq!(said(dir.path(), &["inspect", name]), format!("{name}: {expected}"));
    }
    for (name, expected) in [
        ("docker:nginx:1", "write docker://nginx:1"),
        ("docker-daemon:app:1", "restamp doesn't talk to Docker: restamp rewrite SOURCE | docker load"),
        ("dir:b.dir", "dir: isn't supported. Write oci:b.oci, then: skopeo copy oci:b.oci dir:b.dir"),
    ] {
        assert_eq!(said(dir.path(), &["rewrite", "--epoch", "1", "b.oci", name]), format!("{name}: {expected}"));
    }
    assert_eq!(
        said(dir.path(), &["inspect", "oci:b.tar:1"]),
        "b.tar: this is an OCI archive: write oci-archive:b.tar:1"
    );
    assert_eq!(
        said(dir.path(), &["inspect", "docker-archive:b.oci"]),
        "b.oci: this is an OCI image layout in a directory: write oci:b.oci"
    );
    assert_eq!(
        said(dir.path(), &["inspect", "oci:b.oci:nope"]),
        "b.oci: no image is called \"nope\"; its images are: \"hello:1\", \"hello:latest\""
    );
    // A file of such a name is read and written all the same.
    let mut command = restamp();
    let command = command.current_dir(dir.path()).args(["rewrite", "-q", "--epoch", "1", "b.tar", "./dir:x"]);
    finish(command, None).expect(0);
    assert_eq!(names(dir.path()), ["b.oci", "b.tar", "dir:x", "link"]);
}

#[test]
fn a_file_that_was_not_saved_whole_is_called_so() {
    let dir = scratch();
    let whole = layout().tar(&BUILD);
    let file = "the file ends in the middle: it was not downloaded or saved whole";
    let stream = "the data ends in the middle: did the command that writes it fail?";
    for (name, bytes) in [
        ("a.tar", whole.clone()),
        ("a.tar.gz", gzip(&whole, 6, 0)),
        ("a.tar.zst", zstd::bulk::compress(&whole, 3).unwrap()),
    ] {
        for cut in [bytes.len() / 3, bytes.len() / 2 + 100, bytes.len() - bytes.len() / 8] {
            let bytes = &bytes[..cut];
            write(dir.path(), name, bytes);
            let error = said(dir.path(), &["rewrite", "--epoch", "1", name, "out.tar"]);
            assert!(error.starts_with(&format!("{name}: ")) && error.ends_with(file), "{cut}: {error}");
            let error = line(pipe(["rewrite", "--epoch", "1"], bytes));
            assert!(error.starts_with("standard input: ") && error.ends_with(stream), "{cut}: {error}");
        }
    }
}

#[test]
fn an_empty_ingest_stops_neither_in_place_nor_force() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &layout().tar(&BUILD));
    for (folder, arguments) in [
        ("a", &["--in-place", "a"][..]),
        ("b", &["--force", text(&source), "oci:b"]),
        // Nor is it copied.
        ("c", &["a", "oci:c"]),
    ] {
        if folder != "c" {
            layout().write(&dir.path().join(folder));
            fs::create_dir_all(dir.path().join(folder).join("ingest/0123")).unwrap();
        }
        let mut command = restamp();
        let command = command.current_dir(dir.path()).args(["rewrite", "--epoch", "1700000000"]).args(arguments);
        let outcome = finish(command, None).expect(0);
        assert!(!outcome.stderr.contains("ingest"), "{}", outcome.stderr);
        assert_eq!(names(&dir.path().join(folder)), ["blobs", "index.json", "oci-layout"]);
        judge::expect_stamped(&judge::walk(&read(&dir.path().join(folder))), false);
    }
    layout().write(&dir.path().join("d"));
    fs::create_dir_all(dir.path().join("d/ingest/0123")).unwrap();
    write(&dir.path().join("d/ingest/0123"), "data", b"");
    assert_eq!(
        said(dir.path(), &["rewrite", "--epoch", "1", "--in-place", "d"]),
        "d: only an OCI image layout may be replaced, but ingest/0123/data is beside it: move that away, or write to another \
         directory"
    );
}
