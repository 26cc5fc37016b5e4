//! What layers and documents come out as.

use super::*;

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
    run(["rewrite", "--epoch", "1700000000", &forced, "-"])
        .expect_error(&["this is an OCI archive: write oci-archive:", "in.tar"]);
}
