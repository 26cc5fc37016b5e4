//! Sources: the bytes that were looked at are those that are written, and no link leads a document out of its directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, read};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, finish, hello, noise, restamp, run, scratch, text, write};

const BUILD: Build = Build::FIRST;

#[test]
fn the_layout_file_that_was_validated_is_the_one_that_is_written() {
    let dir = scratch();
    let layer = tar(&[Entry::file("noise", noise(40_000_000, 1), 1)]);
    let layer = Layer::new(layer, Packing::Gzip, Family::Oci, &BUILD);
    let source = dir.path().join("source");
    Layout::of(&Image::new(vec![layer], Family::Oci, &BUILD, &["large:1"]), &BUILD).write(&source);
    let good = fs::read(source.join("oci-layout")).unwrap();
    let mut written = 0;
    for (number, wait) in [100, 200, 300, 400].into_iter().enumerate() {
        fs::write(source.join("oci-layout"), &good).unwrap();
        let to = dir.path().join(format!("out{number}"));
        let mut command = restamp();
        command.args(["rewrite", "-q", "--epoch", "1700000000", "-j", "1", text(&source), text(&to)]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        write(&source, "new", br#"{"imageLayoutVersion":"6.6.6"}"#);
        fs::rename(source.join("new"), source.join("oci-layout")).unwrap();
        // Too early, and the version is one that is not known.
        if child.wait().unwrap().success() {
            assert_eq!(fs::read(to.join("oci-layout")).unwrap(), good);
            written += 1;
        }
    }
    assert!(written > 0, "every run was too slow");
}

#[test]
fn no_document_is_read_through_a_link_out_of_its_directory() {
    let dir = scratch();
    let source = dir.path().join("source");
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).write(&source);
    let secret = "root:$6$SECRET";
    write(dir.path(), "shadow", secret.as_bytes());
    write(dir.path(), "other", br#"{"imageLayoutVersion":"1.0.0","secret":"SECRET"}"#);
    let all = |file: &str, target: &Path| {
        let path = source.join(file);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(target, &path).unwrap();
        let out = dir.path().join("out");
        for arguments in [
            &["rewrite", "--epoch", "1700000000", text(&source), text(&out)][..],
            &["check", "--epoch", "1700000000", text(&source)],
            &["inspect", text(&source)],
            &["diff", text(&source), text(&source)],
        ] {
            let outcome = run(arguments);
            assert!(!outcome.stderr.contains("SECRET") && !outcome.text().contains("SECRET"), "{arguments:?}");
            assert!(!out.exists() || !read(&out).values().any(|bytes| bytes.windows(6).any(|w| w == b"SECRET")));
            // `inspect` and `diff` have no use for oci-layout.
            if file == "index.json" || arguments[0] == "rewrite" {
                outcome.expect_error(&[file, "link that leads out"]);
            }
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
    };
    for file in ["index.json", "oci-layout"] {
        for target in ["shadow", "other"] {
            all(file, &dir.path().join(target));
            all(file, &Path::new("..").join(target));
        }
    }
}

#[test]
fn blobs_may_be_links_into_another_directory() {
    let dir = scratch();
    let (source, other) = (dir.path().join("source"), dir.path().join("other"));
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).write(&source);
    fs::create_dir(&other).unwrap();
    for entry in fs::read_dir(source.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let target = other.join(path.file_name().unwrap());
        fs::rename(&path, &target).unwrap();
        symlink(&target, &path).unwrap();
    }
    // A document may be a link within the layout.
    fs::rename(source.join("index.json"), source.join("index-1.json")).unwrap();
    symlink("index-1.json", source.join("index.json")).unwrap();
    let out = dir.path().join("out");
    run(["rewrite", "--epoch", "1700000000", text(&source), text(&out)]).expect(0);
    run(["check", "--epoch", "1700000000", text(&out)]).expect(0);
    // The digest guards them: another file's content is not shown.
    let blob = fs::read_dir(source.join("blobs/sha256")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&blob).unwrap();
    symlink(write(dir.path(), "shadow", b"root:$6$SECRET"), &blob).unwrap();
    for verb in [&["inspect"][..], &["check", "--epoch", "1"], &["rewrite", "--epoch", "1"]] {
        let mut command = restamp();
        let to = if verb[0] == "rewrite" { vec![text(&source), "/dev/null"] } else { vec![text(&source)] };
        let outcome = finish(command.args(verb).args(to), None);
        assert!(!outcome.stderr.contains("SECRET") && !outcome.text().contains("SECRET"));
        assert_ne!(outcome.code, Some(0));
    }
}
