//! When the world fails: a full disk, a destination that can't be written, a decompression bomb.

use crate::support;

use crate::support::layer::{Family, Layer, Packing, gzip};
use crate::support::layout::{Image, Layout, read};
use crate::support::tarball::{Dialect, header};
use crate::support::{Build, finish, hello, judge, names, noise, restamp, run, scratch, text, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const BUILD: Build = Build::FIRST;

/// An archive whose rewritten form is larger than the disks made here.
fn large() -> Vec<u8> {
    let tar = support::tarball::tar(&[support::tarball::Entry::file("noise", noise(400_000, 9), 1)]);
    let layers = vec![Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD)];
    Layout::of(&Image::new(layers, Family::Oci, &BUILD, &["large:1"]), &BUILD).tar(&BUILD)
}

#[test]
fn a_full_disk() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &large());
    let rewrite = ["rewrite", "--epoch", "1700000000"];
    let mut command = restamp();
    command.args(rewrite).arg(&source);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let outcome = finish_to(command, full);
    outcome.expect_error(&["No space left"]);
    let small = dir.path().join("small");
    let Some(_mount) = support::Mount::new(&small, "size=128k") else { return };
    for to in [text(&small.join("out.tar")).to_owned(), format!("oci:{}", text(&small.join("out")))] {
        let outcome = run(rewrite.iter().copied().chain([text(&source), &to]));
        outcome.expect_error(&["No space left", "small"]);
        assert_eq!(names(&small), [""; 0], "left behind");
    }
    assert!(std::fs::read(&source).unwrap() == large());
}

/// Runs a command whose stdout is a file.
fn finish_to(mut command: Command, stdout: std::fs::File) -> support::Outcome {
    let output = command.stdout(stdout).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    support::Outcome { code: output.status.code(), stdout: output.stdout, stderr }
}

#[test]
fn a_full_disk_under_the_archive_in_place() {
    let dir = scratch();
    let small = dir.path().join("small");
    // Room for the archive and half of a second one.
    let Some(_mount) = support::Mount::new(&small, "size=640k") else { return };
    let source = write(&small, "image.tar", &large());
    run(["rewrite", "--epoch", "1700000000", "--in-place", text(&source)]).expect_error(&["No space left"]);
    assert!(std::fs::read(&source).unwrap() == large(), "the archive is damaged");
    assert_eq!(names(&small), ["image.tar"]);
}

#[test]
fn a_destination_that_cannot_be_written() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &large());
    let read_only = dir.path().join("read-only");
    let mount = support::Mount::new(&read_only, "ro");
    let mut places = vec![
        dir.path().join("in.tar/out.tar"),
        dir.path().join("missing/out.tar"),
        PathBuf::from("/proc/out.tar"),
        PathBuf::from("/dev/null/out"),
    ];
    places.extend(mount.as_ref().map(|_| read_only.join("out.tar")));
    for place in &places {
        run(["rewrite", "--epoch", "1700000000", text(&source), text(place)])
            .expect_error(&[text(place.parent().unwrap())]);
        // What a file system of the kernel's takes is known only when it is tried.
        if !place.starts_with("/proc") {
            run(["rewrite", "--epoch", "1700000000", "--dry-run", text(&source), text(place)])
                .expect_error(&[text(place.parent().unwrap())]);
        }
        let layout = format!("oci:{}", text(place));
        run(["rewrite", "--epoch", "1700000000", text(&source), &layout])
            .expect_error(&[text(place.parent().unwrap())]);
    }
    assert_eq!(names(dir.path()), ["in.tar", "read-only"]);
    assert!(std::fs::read(&source).unwrap() == large());
}

#[test]
fn a_destination_that_cannot_be_written_is_not_blamed_on_temporary_files() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &large());
    let Some(_mount) = support::Mount::new(&dir.path().join("ro"), "ro") else { return };
    let said = |arguments: &[&str]| {
        let mut command = restamp();
        command.current_dir(dir.path()).args(["rewrite", "--epoch", "1700000000", text(&source)]).args(arguments);
        finish(&mut command, None).expect(2).stderr
    };
    let fault = "Read-only file system (os error 30)\n";
    for options in [&[][..], &["--dry-run"], &["--tmp-dir", "."]] {
        let error = said(&[options, &["ro/out.tar"]].concat());
        assert_eq!(error, format!("restamp: error: ro/out.tar: cannot write there: {fault}"));
        let error = said(&[options, &["oci:ro/out"]].concat());
        assert_eq!(error, format!("restamp: error: ro/out: cannot write there: {fault}"));
    }
    assert_eq!(
        said(&["--tmp-dir", "ro", "out.tar"]),
        format!("restamp: error: --tmp-dir ro: no temporary file can be made there: {fault}")
    );
    // Nor is a name shown that was not given.
    assert_eq!(
        said(&["--report", "ro/r.json", "out.tar"]),
        format!("restamp: error: --report: ro/r.json: cannot write there: {fault}")
    );
    assert_eq!(names(dir.path()), ["in.tar", "ro"]);
}

#[test]
fn a_destination_that_names_no_file_is_told_why() {
    let dir = scratch();
    write(dir.path(), "in.tar", &large());
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).write(&dir.path().join("layout"));
    std::fs::create_dir(dir.path().join("foreign")).unwrap();
    write(&dir.path().join("foreign"), "precious", b"");
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    let before = names(dir.path());
    for (to, expected) in [
        ("nodir/out.tar", "nodir/out.tar: the directory nodir doesn't exist"),
        ("in.tar/out.tar", "in.tar/out.tar: in.tar is not a directory"),
        ("out.d/", "out.d/ ends in a slash, so it names a directory, but an archive is a file"),
        ("layout", "layout: an archive is a file, but this is a directory: write oci:layout"),
        ("oci:in.tar", "in.tar: oci: writes a directory, but this is a file: write oci-archive:in.tar"),
        ("oci:layout", "layout: the directory is not empty: --force replaces an OCI image layout"),
        ("link", "link: this is a dangling symbolic link: remove it, or name its target"),
        ("oci:link", "link: this is a dangling symbolic link: remove it, or name its target"),
    ] {
        let mut command = restamp();
        // Not what is read.
        std::fs::copy(dir.path().join("in.tar"), dir.path().join("source.tar")).unwrap();
        command.current_dir(dir.path()).args(["rewrite", "--epoch", "1", "source.tar", to]);
        let error = finish(&mut command, None).expect(2).stderr;
        assert_eq!(error, format!("restamp: error: {expected}\n"));
        std::fs::remove_file(dir.path().join("source.tar")).unwrap();
        assert_eq!(names(dir.path()), before);
    }
    let mut command = restamp();
    command.current_dir(dir.path()).args(["rewrite", "--epoch", "1", "--force", "in.tar", "oci:foreign"]);
    assert_eq!(
        finish(&mut command, None).expect(2).stderr,
        "restamp: error: foreign: it holds other things than an OCI image layout, and only a layout may be replaced: write \
         to another directory\n"
    );
    let mut command = restamp();
    command.current_dir(dir.path()).args(["rewrite", "--epoch", "1", "--report", "link", "in.tar", "out.tar"]);
    finish(&mut command, None).expect_error(&["--report link: this is a dangling symbolic link"]);
}

#[test]
fn a_report_that_cannot_be_written_leaves_no_image() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &large());
    let report = dir.path().join("missing/report.json");
    let to = dir.path().join("out.tar");
    run(["rewrite", "--epoch", "1700000000", "--report", text(&report), text(&source), text(&to)])
        .expect_error(&["report.json"]);
    assert_eq!(names(dir.path()), ["in.tar"]);
}

#[test]
fn a_replaced_directory_that_can_t_be_removed_is_a_warning() {
    let dir = scratch();
    let at = dir.path().join("image");
    let layout = Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD);
    std::fs::create_dir(&at).unwrap();
    let Some(mount) = support::Mount::new(&at.join("blobs"), "size=4m") else { return };
    layout.write(&at);
    let outcome = run(["rewrite", "--epoch", "1700000000", "--in-place", text(&at)]);
    let left = names(dir.path());
    // It has another name now.
    drop(support::Mount(dir.path().join(&left[0]).join("blobs")));
    std::mem::forget(mount);
    let outcome = outcome.expect(0);
    assert!(left.len() == 2 && left[1] == "image", "{left:?}");
    assert!(outcome.stderr.contains("warning: ") && outcome.stderr.contains(&left[0]), "{}", outcome.stderr);
    judge::expect_stamped(&judge::walk(&read(&at)), false);
}

/// Runs the program under a limit of the shell's.
fn limited(limit: &str, dir: &Path, arguments: &[&str]) -> support::Outcome {
    let mut command = Command::new("sh");
    command.current_dir(dir).args(["-c", &format!("{limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_restamp")]);
    finish(command.args(arguments).env_remove("SOURCE_DATE_EPOCH"), None)
}

#[test]
fn more_layers_than_files_may_be_open() {
    let dir = scratch();
    let arguments = ["rewrite", "--epoch", "1700000000", "in.tar", "out.tar"];
    let save = |size: usize| {
        let layer = |number| {
            let entry = support::tarball::Entry::file(format!("{number}"), vec![b'x'; size], 1);
            Layer::new(support::tarball::tar(&[entry]), Packing::Plain, Family::Oci, &BUILD)
        };
        let image = Image::new((0..300).map(layer).collect(), Family::Oci, &BUILD, &["deep:1"]);
        write(dir.path(), "in.tar", &Layout::of(&image, &BUILD).tar(&BUILD));
    };
    save(70_000);
    limited("ulimit -n 64", dir.path(), &arguments).expect_error(&["ulimit -n"]);
    assert_eq!(names(dir.path()), ["in.tar"]);
    limited("ulimit -Sn 64", dir.path(), &arguments).expect(0);
    judge::expect_stamped(&judge::walk(&read(&dir.path().join("out.tar"))), false);
    // Small ones share a file.
    save(1);
    limited("ulimit -n 64", dir.path(), &arguments).expect(0);
}

#[test]
fn a_file_that_may_not_become_so_large_leaves_nothing() {
    let dir = scratch();
    write(dir.path(), "in.tar", &large());
    for to in ["out.tar", "oci:out"] {
        limited("ulimit -f 100", dir.path(), &["rewrite", "--epoch", "1700000000", "in.tar", to])
            .expect_error(&["ulimit -f"]);
        assert_eq!(names(dir.path()), ["in.tar"]);
    }
}

#[test]
fn a_decompression_bomb_passes_in_bounded_memory() {
    const MEBIBYTE: usize = 1 << 20;
    const SIZE: usize = 192 * MEBIBYTE;
    // 192 MiB of zeros in 192 KiB: a member per 16 MiB, which is cheap to make.
    let head = header(Dialect::Ustar, b'0', b"zeros", SIZE as u64, 1).to_vec();
    let zeros = vec![0; 16 * MEBIBYTE];
    let member = gzip(&zeros, 6, 0);
    let blob = [gzip(&head, 6, 0), member.repeat(SIZE / zeros.len()), gzip(&[0; 1024], 6, 0)].concat();
    let tar = [head, vec![0; SIZE + 1024]].concat();
    let mut layer = Layer::new(Vec::new(), Packing::Gzip, Family::Oci, &BUILD);
    (layer.blob, layer.tar) = (blob, tar);
    let image = Image::new(vec![layer], Family::Oci, &BUILD, &["bomb:1"]);
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &Layout::of(&image, &BUILD).tar(&BUILD));
    let to = dir.path().join("out.tar");
    let mut command = restamp();
    command.args(["rewrite", "-q", "--epoch", "1700000000", "--jobs", "2", text(&source), text(&to)]);
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(resident(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    assert!(peak > 0 && peak <= (64 + 2 * 8) * 1024, "peak of {peak} KiB");
    assert!(std::fs::metadata(&to).unwrap().len() < 4 << 20);
}

/// The most that a running process has had in memory, in KiB.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn a_document_bomb_is_refused() {
    // An index of 512 MiB of spaces, in an archive compressed as a whole.
    let head = header(Dialect::Ustar, b'0', b"index.json", 512 << 20, 1);
    let spaces = gzip(&vec![b' '; 16 << 20], 6, 0);
    let bytes = [gzip(&head, 6, 0), spaces.repeat(32), gzip(&[0; 1024], 6, 0)].concat();
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &bytes);
    run(["rewrite", "--epoch", "1700000000", text(&source), text(&dir.path().join("out.tar"))])
        .expect_error(&["in.tar", "index.json"]);
    assert_eq!(names(dir.path()), ["in.tar"]);
}

#[test]
fn a_pipe_that_ends_early_is_an_error() {
    let mut command = restamp();
    command.args(["rewrite", "--epoch", "1700000000"]);
    let bytes = large();
    finish(&mut command, Some(&bytes[..bytes.len() / 2])).expect_error(&[]);
}

#[test]
fn runs_side_by_side_do_not_meet() {
    let dir = scratch();
    let layout = Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD);
    let source = write(dir.path(), "in.tar", &layout.tar(&BUILD));
    let to = dir.path().join("out.tar");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| run(["rewrite", "--epoch", "1700000000", "-q", text(&source), text(&to)]).expect(0));
        }
    });
    judge::expect_stamped(&judge::walk(&read(&to)), false);
    assert_eq!(names(dir.path()), ["in.tar", "out.tar"]);
}
