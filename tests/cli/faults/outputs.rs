//! Outputs: never into an input or over one, and whole or not at all.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::support::layer::Packing;
use crate::support::layout::{Layout, OCI_INDEX, read};
use crate::support::{Build, Outcome, finish, hello, names, restamp, scratch, text, write};

/// Two builds of an image: `a.tar`, `b.tar`, and as directories `a` and `b`.
fn images(dir: &Path) {
    for (name, build) in [("a", Build::FIRST), ("b", Build::SECOND)] {
        let layout = Layout::of(&hello(&build, Packing::Gzip), &build);
        write(dir, &format!("{name}.tar"), &layout.tar(&build));
        layout.write(&dir.join(name));
    }
}

fn in_dir(dir: &Path, arguments: &[&str]) -> Outcome {
    let mut command = restamp();
    finish(command.current_dir(dir).args(arguments), None)
}

fn rewrite(dir: &Path, arguments: &[&str]) -> Outcome {
    in_dir(dir, &[&["rewrite", "--epoch", "1700000000"], arguments].concat())
}

/// All that is in a folder: names, and contents of files.
fn all(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for name in names(dir) {
        let path = dir.join(name);
        match fs::symlink_metadata(&path).unwrap() {
            metadata if metadata.is_dir() => found.extend(all(&path)),
            metadata if metadata.is_file() => found.push((path.clone(), fs::read(&path).unwrap())),
            _ => found.push((path.clone(), fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())),
        }
    }
    found
}

#[test]
fn a_source_is_no_destination_whatever_it_is_called() {
    let dir = scratch();
    images(dir.path());
    symlink("a.tar", dir.path().join("link.tar")).unwrap();
    symlink("a", dir.path().join("link")).unwrap();
    fs::hard_link(dir.path().join("a.tar"), dir.path().join("hard.tar")).unwrap();
    let before = all(dir.path());
    let absolute = dir.path().join("a.tar");
    for (source, dest) in [
        ("a.tar", "a.tar"),
        ("a.tar", "./a.tar"),
        ("a.tar", "b/../a.tar"),
        ("a.tar", text(&absolute)),
        ("a.tar", "link.tar"),
        ("link.tar", "a.tar"),
        ("a.tar", "hard.tar"),
        ("hard.tar", "oci-archive:a.tar"),
        ("oci:a", "oci:a"),
        ("a", "./a/"),
        ("a", "link"),
        ("link", "oci:a"),
    ] {
        for options in [&[][..], &["--force"], &["--dry-run"]] {
            let arguments = [options, &[source, dest]].concat();
            rewrite(dir.path(), &arguments)
                .expect_error(&[": DEST is the same ", " as SOURCE: use --in-place to replace it\n"]);
        }
    }
    assert!(all(dir.path()) == before);
    // By standard streams as well.
    let mut piped = restamp();
    piped.current_dir(dir.path()).args(["rewrite", "--epoch", "1700000000", "-", "a.tar"]);
    let input = fs::File::open(dir.path().join("a.tar")).unwrap();
    finish(piped.stdin(input), None).expect_error(&["that is SOURCE"]);
    assert!(all(dir.path()) == before);
    rewrite(dir.path(), &["--in-place", "a.tar"]).expect(0);
    rewrite(dir.path(), &["--in-place", "link"]).expect(0);
}

#[test]
fn no_output_of_rewrite_touches_a_source_or_a_base() {
    let dir = scratch();
    images(dir.path());
    // The layout's blobs are links into another folder.
    let linked = dir.path().join("linked");
    fs::create_dir_all(&linked).unwrap();
    for name in ["index.json", "oci-layout"] {
        fs::copy(dir.path().join("a").join(name), linked.join(name)).unwrap();
    }
    symlink("../a/blobs", linked.join("blobs")).unwrap();
    let blob = format!("a/blobs/sha256/{}", names(&dir.path().join("a/blobs/sha256"))[0]);
    let before = all(dir.path());
    for (arguments, part) in [
        (&["--report", "a.tar", "a.tar", "out.tar"][..], "that is SOURCE"),
        (&["--report", "a/report", "a", "out"], "inside of SOURCE"),
        (&["--report", "a/blobs/new/report", "a", "out"], "inside of SOURCE"),
        (&["--report", &blob, "linked", "out"], "inside of SOURCE"),
        (&["--report", "out.tar", "a.tar", "out.tar"], "that is DEST"),
        (&["--report", "b.tar", "--base", "b.tar", "a.tar", "out.tar"], "that is --base"),
        (&["--base", "b.tar", "a.tar", "b.tar"], "that is --base"),
        (&["--base", "oci:b", "--force", "a", "b"], "that is --base"),
        (&["--base", "a.tar", "--in-place", "a.tar"], "that is --base"),
        (&["--cache", "a", "a", "out"], "inside of SOURCE"),
        (&["--cache", "b/cache", "--base", "oci:b", "a", "out"], "inside of --base"),
        (&["--cache", "out/cache", "a", "out"], "inside of DEST"),
        (&["a", "oci:a/blobs/new"], "inside of SOURCE"),
        (&["--force", "linked", "a"], "is in it"),
        (&["linked", "oci:a/blobs/new"], "inside of SOURCE"),
    ] {
        rewrite(dir.path(), arguments).expect_error(&[part]);
        assert!(all(dir.path()) == before, "{arguments:?}");
    }
}

#[test]
fn no_output_of_diff_touches_what_it_reads() {
    let dir = scratch();
    images(dir.path());
    write(dir.path(), "policy.toml", b"");
    symlink("a.tar", dir.path().join("link")).unwrap();
    fs::hard_link(dir.path().join("b.tar"), dir.path().join("hard")).unwrap();
    let blob = format!("b/blobs/sha256/{}", names(&dir.path().join("b/blobs/sha256"))[0]);
    fs::hard_link(dir.path().join(&blob), dir.path().join("hard-blob")).unwrap();
    let before = all(dir.path());
    for (arguments, part) in [
        (&["--html", "a.tar", "a.tar", "b.tar"][..], "that is A"),
        (&["--html", "b.tar", "a.tar", "b.tar"], "that is B"),
        (&["--html", "link", "a.tar", "b.tar"], "that is A"),
        (&["--html", "hard", "a.tar", "b.tar"], "that is B"),
        (&["--html", "a/page.html", "a", "b.tar"], "inside of A"),
        (&["--html", "b/index.json", "a", "b"], "inside of B"),
        (&["--html", "hard-blob", "a", "b"], "inside of B"),
        (&["--html", "policy.toml", "--policy", "policy.toml", "a", "b"], "that is --policy"),
        (&["--report-dir", "a/report", "a", "b"], "inside of A"),
        (&["--report-dir", "b/blobs/new/report", "a", "b"], "inside of B"),
    ] {
        in_dir(dir.path(), &[&["diff"], arguments].concat()).expect_error(&[part]);
        assert!(all(dir.path()) == before, "{arguments:?}");
    }
}

#[test]
fn a_page_is_whole_or_not_there() {
    let dir = scratch();
    images(dir.path());
    let limited = |blocks: u32, arguments: &str| {
        let mut command = std::process::Command::new("sh");
        let script = format!("ulimit -f {blocks}; exec {} diff {arguments} a.tar b.tar", env!("CARGO_BIN_EXE_restamp"));
        finish(command.current_dir(dir.path()).args(["-c", &script]), None)
    };
    let page = write(dir.path(), "page.html", b"the old page");
    fs::set_permissions(&page, Permissions::from_mode(0o640)).unwrap();
    limited(4, "--html page.html").expect_error(&["page.html"]);
    assert_eq!(fs::read(&page).unwrap(), b"the old page");
    limited(4, "--html new.html").expect_error(&["new.html"]);
    limited(4, "--html page.html --report-dir report").expect(2);
    assert_eq!(names(dir.path()), ["a", "a.tar", "b", "b.tar", "page.html"]);
    in_dir(dir.path(), &["diff", "--html", "page.html", "--report-dir", "report", "a.tar", "b.tar"]).expect(1);
    assert!(fs::read_to_string(&page).unwrap().trim_end().ends_with("</html>"));
    assert_eq!(fs::metadata(&page).unwrap().mode() & 0o777, 0o640);
    // A page may be a part of the report's directory.
    in_dir(dir.path(), &["diff", "--html", "both/page.html", "--report-dir", "both", "a.tar", "b.tar"]).expect(1);
    assert_eq!(names(&dir.path().join("both")), ["files", "index.json", "page.html"]);
}

#[test]
fn in_place_a_layout_is_not_replaced_by_nothing() {
    let dir = scratch();
    let layout = Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST);
    let mut unnamed = Layout { manifests: Vec::new(), ..layout.clone() };
    unnamed.write(&dir.path().join("empty"));
    let absent = layout.manifests[0].clone();
    unnamed.manifests = vec![absent.clone()];
    unnamed.manifests[0]["digest"] = format!("sha256:{}", "0".repeat(64)).into();
    unnamed.write(&dir.path().join("absent"));
    // What an index below lists need not be there.
    let nested = unnamed.index();
    let nested = unnamed.put(OCI_INDEX, &nested);
    unnamed.manifests.clear();
    unnamed.name(nested, "hello:1", &Build::FIRST);
    unnamed.write(&dir.path().join("nested"));
    write(dir.path(), "nested.tar", &unnamed.tar(&Build::FIRST));
    let before = all(dir.path());
    rewrite(dir.path(), &["--in-place", "empty"]).expect_error(&["empty", "nothing that is in it"]);
    rewrite(dir.path(), &["--in-place", "--dry-run", "empty"]).expect_error(&["nothing that is in it"]);
    let to_s390x = ["--platform", "linux/s390x"];
    rewrite(dir.path(), &[&to_s390x[..], &["empty", "out"]].concat()).expect_error(&["linux/s390x", "no image at all"]);
    for source in ["empty", "absent", "nested", "nested.tar"] {
        rewrite(dir.path(), &["--in-place", source]).expect(2);
        rewrite(dir.path(), &[&to_s390x[..], &["--in-place", source]].concat()).expect(2);
        rewrite(dir.path(), &[&to_s390x[..], &[source, "out"]].concat()).expect(2);
    }
    for source in ["oci:empty:hello:1", "oci:absent:hello:1", "oci:nested:other:1", "oci:empty:@0"] {
        rewrite(dir.path(), &["--in-place", source]).expect(2);
        rewrite(dir.path(), &[source, "out"]).expect(2);
    }
    assert!(all(dir.path()) == before);
}

#[test]
fn in_place_what_is_replaced_keeps_its_owner() {
    let dir = scratch();
    images(dir.path());
    let (file, folder) = (dir.path().join("a.tar"), dir.path().join("b"));
    if chown(&file, Some(1234), Some(5678)).is_err() {
        return eprintln!("only root may give files away");
    }
    fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
    for (path, _) in all(&folder) {
        path.ancestors()
            .take_while(|path| path.starts_with(&folder))
            .for_each(|path| chown(path, Some(1234), Some(5678)).unwrap());
    }
    rewrite(dir.path(), &["--in-place", "a.tar"]).expect(0);
    rewrite(dir.path(), &["--in-place", "b"]).expect(0);
    let owner = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o777)
    };
    assert_eq!(owner(&file), (1234, 5678, 0o440));
    for (path, _) in all(&folder) {
        for path in path.ancestors().take_while(|path| path.starts_with(&folder)) {
            assert_eq!((owner(path).0, owner(path).1), (1234, 5678), "{}", path.display());
        }
    }
    assert_eq!(read(&folder).len(), read(&file).len());
}

#[test]
fn the_directories_of_a_layout_are_synced() {
    let dir = scratch();
    images(dir.path());
    let log = dir.path().join("log");
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync", "-o"]).arg(&log).arg(env!("CARGO_BIN_EXE_restamp"));
    command.current_dir(dir.path()).args(["rewrite", "-q", "--epoch", "1700000000", "a.tar", "oci:out"]);
    let Ok(status) = command.status() else { return eprintln!("there is no strace") };
    if !status.success() {
        return eprintln!("strace may not trace");
    }
    let log = fs::read_to_string(log).unwrap();
    for folder in ["/blobs>", "/blobs/sha256>"] {
        assert!(log.lines().any(|line| line.contains("fsync(") && line.contains(folder)), "{folder} in {log}");
    }
}

#[test]
fn nothing_else_goes_where_the_new_image_does() {
    let dir = scratch();
    images(dir.path());
    let rewrite = |report: &str, out: fs::File| {
        let mut command = restamp();
        command.current_dir(dir.path()).args(["rewrite", "--epoch", "1700000000", "a.tar", "-", "--report", report]);
        command.stdout(out).stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    for report in ["out.tar", "/dev/stdout", "/proc/self/fd/1"] {
        let ended = rewrite(report, fs::File::create(dir.path().join("out.tar")).unwrap());
        assert_eq!(ended.status.code(), Some(2), "{report}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("that is standard output"), "{report}");
        assert!(fs::read(dir.path().join("out.tar")).unwrap().is_empty(), "{report}");
    }
    let before = all(dir.path());
    for arguments in
        [&["inspect", "a.tar"][..], &["check", "--epoch", "1700000000", "a.tar"], &["diff", "b.tar", "a.tar"]]
    {
        let appended = fs::OpenOptions::new().append(true).open(dir.path().join("a.tar")).unwrap();
        let mut command = restamp();
        let status = command.current_dir(dir.path()).args(arguments).stdout(appended).status().unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}");
    }
    assert!(before == all(dir.path()), "a source was written to");
}
