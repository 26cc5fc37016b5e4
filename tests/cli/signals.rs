//! A run that is ended in the middle: by Ctrl-C, by its terminal going away, by a kill.

use crate::support;

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::Entry;
use crate::support::{Build, names, noise, run, scratch, text, write};
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const BUILD: Build = Build::FIRST;

/// An archive of one image whose layers hold so many bytes of noise each.
fn archive(layers: u64, length: usize) -> Vec<u8> {
    let layer = |number| {
        let tar = support::tarball::tar(&[Entry::file("noise", noise(length, number), 1)]);
        Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD)
    };
    let layers = (1..=layers).map(layer).collect();
    Layout::of(&Image::new(layers, Family::Oci, &BUILD, &["large:1"]), &BUILD).tar(&BUILD)
}

/// The program, with the signals as a shell's foreground job has them, whatever the tests were started from.
fn restamp() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_restamp")]);
    command.env_remove("SOURCE_DATE_EPOCH").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Starts a run that waits for the second half of its input.
fn half_way(dir: &Path, to: &str) -> Child {
    let bytes = archive(1, 400_000);
    let mut command = restamp();
    command.current_dir(dir).args(["rewrite", "--epoch", "1700000000", "-", to]);
    start(&mut command, &bytes[..bytes.len() / 2])
}

/// Starts a run that gets this much, and waits for more.
fn start(command: &mut Command, input: &[u8]) -> Child {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(input).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None, "it ended before the input did");
    child
}

fn send(child: &Child, signal: &str) {
    use rustix::process::{Signal, kill_process};
    let signal = match signal {
        "-INT" => Signal::INT,
        "-TERM" => Signal::TERM,
        "-HUP" => Signal::HUP,
        "-KILL" => Signal::KILL,
        other => panic!("{other}"),
    };
    kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

/// Sends a signal and waits for the end, which has to come soon though the input does not.
fn end(mut child: Child, signal: &str) -> ExitStatus {
    send(&child, signal);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("still running ten seconds after {signal}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_in_the_middle_leaves_nothing() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        for to in ["out.tar", "oci:out"] {
            let dir = scratch();
            let status = end(half_way(dir.path(), to), signal);
            assert!(!status.success(), "{signal} {to}");
            assert_eq!(names(dir.path()), [""; 0], "left behind after {signal}, to {to}");
        }
    }
}

#[test]
fn a_signal_at_any_point_of_writing_a_directory_leaves_nothing_unfinished() {
    const POINTS: u64 = 40;
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive(80, 2_000));
    let folder = dir.path().join("to");
    let mut interrupted = 0;
    for point in 0..POINTS {
        fs::create_dir(&folder).unwrap();
        let mut command = restamp();
        // A new directory, or one that is there and to be filled.
        let (to, at) = if point % 2 == 0 { ("oci:out", folder.join("out")) } else { ("oci:.", folder.clone()) };
        command.current_dir(&folder).args(["rewrite", "--epoch", "1700000000", text(&source), to]);
        let mut child = command.spawn().unwrap();
        // Aimed at the part in which there is a directory to be removed.
        while names(&folder).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_micros(400 * point));
        let status = end(child, ["-INT", "-TERM", "-HUP"][(point % 3) as usize]);
        interrupted += u32::from(status.code().is_none());
        let left = names(&folder);
        let whole: &[&str] = if to == "oci:." { &["blobs", "index.json", "oci-layout"] } else { &["out"] };
        if left.is_empty() {
            assert!(status.signal().is_some(), "{status}");
        } else {
            assert_eq!(left, whole, "left behind at point {point}");
            run(["check", "-q", "--epoch", "1700000000", text(&at)]).expect(0);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    assert!(interrupted > 0, "none of {POINTS} runs was interrupted");
}

#[test]
fn a_diff_that_is_interrupted_leaves_no_report_directory() {
    let dir = scratch();
    let pair = [1, 2].map(|seed| {
        let files: Vec<Entry> =
            (0..400).map(|number| Entry::file(format!("{number}"), noise(20_000, seed * 1000 + number), 1)).collect();
        let layer = Layer::new(support::tarball::tar(&files), Packing::Plain, Family::Oci, &BUILD);
        let image = Image::new(vec![layer], Family::Oci, &BUILD, &["app:1"]);
        write(dir.path(), &format!("{seed}.tar"), &Layout::of(&image, &BUILD).tar(&BUILD))
    });
    let folder = dir.path().join("to");
    let mut interrupted = 0;
    for point in 0..8 {
        fs::create_dir(&folder).unwrap();
        let mut command = restamp();
        command.args(["diff", "--report-dir", text(&folder.join("report")), text(&pair[0]), text(&pair[1])]);
        let mut child = command.spawn().unwrap();
        while names(&folder).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_millis(5 * point));
        let status = end(child, ["-INT", "-TERM"][(point % 2) as usize]);
        interrupted += u32::from(status.signal().is_some());
        match names(&folder).as_slice() {
            [] => assert!(status.signal().is_some(), "{status}"),
            [report] if report == "report" => assert_eq!(names(&folder.join("report")), ["files", "index.json"]),
            left => panic!("left behind at point {point}: {left:?}"),
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    assert!(interrupted > 0);
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let bytes = archive(1, 400_000);
    for (ignored, other) in [("HUP", "-INT"), ("INT", "-TERM")] {
        let dir = scratch();
        let start = || {
            let mut command = Command::new("env");
            command.args(["--default-signal=INT,TERM,HUP", &format!("--ignore-signal={ignored}")]);
            command.arg(env!("CARGO_BIN_EXE_restamp")).args(["rewrite", "--epoch", "1700000000", "-", "out.tar"]);
            start(command.current_dir(dir.path()), &bytes[..bytes.len() / 2])
        };
        let mut child = start();
        send(&child, &format!("-{ignored}"));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(child.try_wait().unwrap(), None, "{ignored} ended it");
        child.stdin.take().unwrap().write_all(&bytes[bytes.len() / 2..]).unwrap();
        assert!(child.wait().unwrap().success(), "{ignored}");
        assert_eq!(names(dir.path()), ["out.tar"]);
        // The others are heeded all the same.
        assert!(end(start(), other).signal().is_some());
        assert_eq!(names(dir.path()), ["out.tar"]);
    }
}

#[test]
fn a_kill_in_the_middle_leaves_nothing_under_the_final_name() {
    for to in ["out.tar", "oci:out"] {
        let dir = scratch();
        assert!(!end(half_way(dir.path(), to), "-KILL").success());
        assert!(!dir.path().join("out.tar").exists());
        assert!(!dir.path().join("out").exists());
        // What it left is in nobody's way.
        let source = write(dir.path(), "in.tar", &archive(1, 400_000));
        run(["rewrite", "--epoch", "1700000000", text(&source), text(&dir.path().join("out.tar"))]).expect(0);
    }
}

#[test]
fn an_archive_that_is_replaced_is_whole_after_a_kill() {
    let dir = scratch();
    let to = write(dir.path(), "out.tar", b"what was there before");
    assert!(!end(half_way(dir.path(), "out.tar"), "-KILL").success());
    assert_eq!(fs::read(to).unwrap(), b"what was there before");
}
