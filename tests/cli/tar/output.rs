//! Stream the new tar goes: files whole or not at all, never the one that is read.

use super::*;
use crate::support::{names, restamp};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;

#[test]
fn an_output_that_is_there_is_replaced() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &rootfs(&Build::FIRST));
    let to = write(dir.path(), "out.tar", b"what was there before");
    stamp(&[text(&source), text(&to)]);
    assert!(fs::read(&to).unwrap() == filter(&rootfs(&Build::FIRST), &[]));
    assert_eq!(names(dir.path()), ["in.tar", "out.tar"]);
    // Unless the run fails.
    let kept = fs::read(&to).unwrap();
    fs::write(&source, &layer::app(&Build::FIRST)[..1100]).unwrap();
    run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), text(&to)])).expect_error(&["ends in the middle"]);
    assert!(fs::read(&to).unwrap() == kept);
    assert_eq!(names(dir.path()), ["in.tar", "out.tar"]);
}

#[test]
fn the_input_is_no_output_unless_it_is_to_be_replaced() {
    let dir = scratch();
    let bytes = rootfs(&Build::FIRST);
    let source = write(dir.path(), "rootfs.tar", &bytes);
    let (link, hard) = (dir.path().join("link.tar"), dir.path().join("hard.tar"));
    std::os::unix::fs::symlink("rootfs.tar", &link).unwrap();
    fs::hard_link(&source, &hard).unwrap();
    for to in [&source, &link, &hard] {
        run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), text(to)]))
            .expect_error(&["OUT is the same file as IN", "--in-place"]);
    }
    let out = fs::OpenOptions::new().append(true).open(&source).unwrap();
    let ended =
        restamp().args(["tar", "--epoch", "1", text(&source)]).stdout(out).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(2) && said.contains("standard output is IN"), "{said}");
    assert!(fs::read(&source).unwrap() == bytes);
    fs::remove_file(hard).unwrap();
    stamp(&["--in-place", text(&link)]);
    assert!(fs::read(&source).unwrap() == filter(&bytes, &[]));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(names(dir.path()), ["link.tar", "rootfs.tar"]);
    // Its name is no reason to compress it.
    let packed = write(dir.path(), "x.tar", &pack(&bytes, Packing::Gzip, &Build::FIRST));
    stamp(&["--in-place", text(&packed)]);
    assert!(fs::read(&packed).unwrap() == filter(&bytes, &["--compression", "gzip"]));
    for (arguments, message) in [
        (&["--in-place"][..], "needs an IN that is a file"),
        (&["--in-place", "/dev/null"], "needs an IN that is a file"),
        (&["--in-place", text(&source), "out.tar"], "cannot be used with"),
    ] {
        run(["tar"].iter().chain(&EPOCH).chain(arguments)).expect_error(&[message]);
    }
}

#[test]
fn outputs_that_can_t_be_written_are_named() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &rootfs(&Build::FIRST));
    let missing = dir.path().join("no/such/out.tar");
    for (to, parts) in [
        (text(dir.path()), &["it is a directory"][..]),
        (text(&missing), &["no/such"]),
        ("oci:out", &["OUT: oci: is for container images"]),
    ] {
        run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), to])).expect_error(parts);
    }
    let full = run(["tar"].iter().chain(&EPOCH).chain(&[text(&source), "/dev/full"]));
    full.expect_error(&["/dev/full", "No space"]);
    stamp(&[text(&source), "/dev/null"]);
    assert_eq!(names(dir.path()), ["in.tar"]);
}

#[test]
fn a_reader_that_goes_away_is_no_message() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &rootfs(&Build::FIRST));
    let ended =
        restamp().args(["tar", "--epoch", "1", text(&source)]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(2), ""));
}

#[test]
fn a_report_has_all_digests_and_counts() {
    let dir = scratch();
    let tar = layer::app(&Build::FIRST);
    let source = write(dir.path(), "in.tar.zst", &pack(&tar, Packing::Zstd, &Build::FIRST));
    let (to, report) = (dir.path().join("out.tar.gz"), dir.path().join("report.json"));
    let outcome = stamp(&["--report", text(&report), text(&source), text(&to)]);
    assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty());
    let document: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let file = |path: &std::path::Path, compression: &str| {
        let bytes = fs::read(path).unwrap();
        json!({"name": text(path), "compression": compression, "digest": sha256(&bytes), "size": bytes.len()})
    };
    let new = filter(&tar, &[]);
    let expected = json!({
        "schema": 2, "epoch": 1_700_000_000, "rule": "set", "numeric_owner": false, "form": 1, "level": 5,
        "source": file(&source, "zstd"), "destination": file(&to, "gzip"),
        "tar": {"old": sha256(&tar), "new": sha256(&new), "size": {"old": tar.len(), "new": new.len()}},
        "entries": 7, "stamped": 7, "owners": 0, "warnings": [],
    });
    assert_eq!(document, expected);
    // Stream there is no tar there is no report.
    fs::remove_file(&report).unwrap();
    fs::write(&source, b"not a tar").unwrap();
    run(["tar", "--report", text(&report)].iter().chain(&EPOCH).chain(&[text(&source), text(&to)]))
        .expect_error(&["not a tar"]);
    assert!(!report.exists());
    run(["tar", "--report", text(&to)].iter().chain(&EPOCH).chain(&[text(&source), text(&to)]))
        .expect_error(&["--report"]);
}

#[test]
fn the_report_goes_to_standard_output_where_the_tar_does_not() {
    let dir = scratch();
    let tar = layer::app(&Build::FIRST);
    let source = write(dir.path(), "in.tar", &tar);
    let to = dir.path().join("out.tar");
    let command = ["tar", "--epoch", "1700000000", text(&source)];
    let json_of = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let with_json = run(command.iter().chain(&[text(&to), "--json"])).expect(0);
    let report = json_of(&with_json.stdout);
    assert_eq!((&report["schema"], with_json.stderr.as_str()), (&json!(2), ""));
    assert_eq!(report["destination"]["digest"], json!(sha256(&fs::read(&to).unwrap())));
    let by_report = run(command.iter().chain(&[text(&to), "--report", "-"])).expect(0);
    assert_eq!(json_of(&by_report.stdout), report);
    assert!(by_report.stderr.contains("7 entries, 7 stamped"), "{}", by_report.stderr);
    // The tar has standard output for itself.
    for to in ["-", "/dev/stdout"] {
        run(command.iter().chain(&[to, "--json"])).expect_error(&["--json", "standard output", "OUT"]);
    }
    let piped = run(command.iter().chain(&["--report", "-", "-q"])).expect(0);
    assert!(piped.stdout == fs::read(&to).unwrap());
    assert_eq!(json_of(piped.stderr.as_bytes())["tar"], report["tar"]);
    let in_place = run(command.iter().chain(&["--in-place", "--report", "-", "-q"])).expect(0);
    assert_eq!(json_of(&in_place.stdout)["tar"], report["tar"]);
}

#[test]
fn a_warning_in_the_report_has_a_kind() {
    let dir = scratch();
    let bytes = rootfs(&Build::FIRST);
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let source = write(dir.path(), "in.tar", &bytes[..end.next_multiple_of(512)]);
    let to = dir.path().join("out.tar");
    let report = stamp(&["--json", text(&source), text(&to)]).stdout;
    let report: Value = serde_json::from_slice(&report).unwrap();
    let [warning] = report["warnings"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(warning["kind"], json!("cut-short"));
    assert!(warning["message"].as_str().unwrap().contains("in.tar: there is no end marker"), "{warning}");
}

#[test]
fn the_library_has_the_verb() {
    use restamp::{Compression, Epoch, Stamp, Stream, Tarball};
    let dir = scratch();
    let tar = rootfs(&Build::FIRST);
    let source = Stream::Path(write(dir.path(), "in.tar", &tar));
    let to = dir.path().join("out");
    let tarball = Tarball::new(Stamp::set(Epoch::from_seconds(1_700_000_000).unwrap())).jobs(2);
    let report = tarball.clone().compression(Compression::Zstd).run(&source, &Stream::Path(to.clone())).unwrap();
    assert_eq!((report.entries, report.stamped, report.destination.compression), (8, 8, Compression::Zstd));
    assert!(fs::read(&to).unwrap() == filter(&tar, &["--compression", "zstd"]));
    // What is not published is not there.
    fs::remove_file(&to).unwrap();
    let new = tarball.prepare(&source, &Stream::Path(to.clone())).unwrap();
    assert_eq!(new.report().tar.new.to_string(), sha256(&filter(&tar, &[])));
    assert!(!to.exists());
    drop(new);
    assert_eq!(names(dir.path()), ["in.tar"]);
}

#[test]
fn a_run_that_is_ended_by_a_signal_leaves_nothing() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::io::Write;
    let dir = scratch();
    let bytes = pack(&layer::zoo(&Build::FIRST), Packing::Gzip, &Build::FIRST);
    let mut command = restamp();
    command.current_dir(dir.path()).args(["tar", "--epoch", "1", "-", "out.tar"]).stdin(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(&bytes[..bytes.len() / 2]).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while names(dir.path()).is_empty() {
        assert!(std::time::Instant::now() < deadline, "it makes no temporary file beside the output");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(names(dir.path()), [""; 0]);
}
