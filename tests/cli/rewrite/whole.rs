//! Archives that are compressed as a whole, and destinations that can't be written.

use super::*;

fn oci() -> Vec<u8> {
    Layout::of(&hello(&Build::FIRST, Packing::Plain), &Build::FIRST).tar(&Build::FIRST)
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut all).unwrap();
        return all;
    }
    zstd::stream::decode_all(bytes).unwrap()
}

#[test]
fn the_name_of_dest_says_if_it_is_compressed_as_a_whole() {
    let dir = scratch();
    let plain = filter(&oci(), &[]);
    let sources = [("in.tar", oci()), ("in.tar.gz", gzip(&oci(), 6, 2))];
    for (name, bytes) in sources {
        let source = write(dir.path(), name, &bytes);
        for (name, magic) in [("out.tar.gz", 0x1f), ("out.TGZ", 0x1f), ("out.tar.zst", 0x28), ("out.tar.zstd", 0x28)] {
            let to = dir.path().join(name);
            rewrite(&[text(&source), text(&to)]);
            let packed = std::fs::read(&to).unwrap();
            assert!(packed[0] == magic && packed.len() < plain.len(), "{name}");
            assert!(unpacked(&packed) == plain, "{name}");
            rewrite(&["--jobs", "3", text(&source), text(&to)]);
            assert!(std::fs::read(&to).unwrap() == packed, "{name} depends on the number of jobs");
            // What is compressed so has nothing left to find, and comes out as the same bytes.
            run(["check", "--epoch", "1700000000", text(&to)]).expect(0);
            rewrite(&["--in-place", text(&to)]);
            assert!(std::fs::read(&to).unwrap() == packed, "{name}");
        }
        let to = dir.path().join("out.tar");
        rewrite(&[text(&source), text(&to)]);
        assert!(std::fs::read(&to).unwrap() == plain);
    }
}

#[test]
fn a_dest_that_is_named_for_xz_is_refused_with_the_command() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &oci());
    for (name, program) in [("q.tar.xz", "xz"), ("q.TXZ", "xz"), ("q.tar.bz2", "bzip2"), ("q.tbz2", "bzip2")] {
        let to = dir.path().join(name);
        let command = format!("restamp rewrite SOURCE oci-archive:- | {program} > {}", text(&to));
        for options in [&[][..], &["--dry-run"]] {
            run(["rewrite", "--epoch", "1", text(&source), text(&to)].iter().chain(options))
                .expect_error(&[name, &command]);
        }
        assert!(!to.exists());
    }
    // A directory is not compressed, whatever its name is.
    let layout = format!("oci:{}", text(&dir.path().join("app.xz")));
    run(["rewrite", "-q", "--epoch", "1", text(&source), &layout]).expect(0);
}

#[test]
fn in_place_keeps_the_compression_whatever_the_name_is() {
    let dir = scratch();
    let plain = filter(&oci(), &[]);
    let packed = write(dir.path(), "image.tar", &zstd::bulk::compress(&oci(), 3).unwrap());
    rewrite(&["--in-place", text(&packed)]);
    let bytes = std::fs::read(&packed).unwrap();
    assert!(bytes[0] == 0x28 && unpacked(&bytes) == plain);
    let misnamed = write(dir.path(), "image.tar.gz", &oci());
    rewrite(&["--in-place", text(&misnamed)]);
    assert!(std::fs::read(&misnamed).unwrap() == plain);
}

#[test]
fn a_dest_that_can_t_be_written_is_named_and_not_the_temporary_files() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &oci());
    let rewrite = |to: &str| run(["rewrite", "--epoch", "1", text(&source), to]);
    let missing = dir.path().join("nodir/out.tar");
    let error = rewrite(text(&missing)).expect_error(&["nodir doesn't exist"]).stderr;
    assert_eq!(error.lines().count(), 1, "{error}");
    let slash = format!("{}/out.d/", text(dir.path()));
    rewrite(&slash).expect_error(&["ends in a slash"]);
    let link = dir.path().join("link.tar");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    rewrite(text(&link)).expect_error(&["link.tar", "dangling symbolic link"]);
    if let Some(mount) = support::Mount::new(&dir.path().join("ro"), "ro,size=64k") {
        let to = mount.0.join("out.tar");
        let error = rewrite(text(&to)).expect_error(&["ro/out.tar: cannot write there: Read-only file system"]).stderr;
        assert!(!error.contains("tmp-dir") && !error.contains("temporary"), "{error}");
        let dry = run(["rewrite", "--epoch", "1", "--dry-run", text(&source), text(&to)]).expect(2).stderr;
        assert_eq!(dry, error);
        let (report, out) = (mount.0.join("report"), dir.path().join("out.tar"));
        let error = run(["rewrite", "--epoch", "1", "--report", text(&report), text(&source), text(&out)]);
        let error = error.expect_error(&["ro/report: cannot write there: Read-only file system"]).stderr;
        assert!(!error.contains(".restamp-"), "{error}");
    }
}
