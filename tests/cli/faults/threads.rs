//! Whatever becomes of a thread, the process ends, with the right exit status and nothing left behind.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, finish, names, noise, scratch, text, write};

/// An archive of some layers with a large file and small ones each.
fn image(dir: &Path, name: &str, build: &Build, layers: u64, size: usize) {
    let layer = |number: u64| {
        let mut entries = vec![Entry::file("noise", noise(size, number), build.seconds)];
        entries.extend((0..50).map(|n| Entry::file(format!("f{n}"), noise(3000, number * 100 + n), build.seconds)));
        entries.push(Entry::file("usr/bin/built", build.date(0), build.seconds));
        Layer::new(tar(&entries), Packing::Gzip, Family::Oci, build)
    };
    let image = Image::new((1..=layers).map(layer).collect(), Family::Oci, build, &["a:1"]);
    write(dir, name, &Layout::of(&image, build).tar(build));
}

/// After a failed allocation of a small object, an output that was begun is left, as after SIGKILL.
fn is_abort(said: &str) -> bool {
    said.contains("memory allocation of") || said.contains("Fatal glibc error")
}

#[test]
fn where_memory_is_short_every_verb_ends_with_an_error() {
    let dir = scratch();
    image(dir.path(), "a.tar", &Build::FIRST, 4, 1_000_000);
    image(dir.path(), "b.tar", &Build::SECOND, 4, 1_000_000);
    let verbs =
        ["diff a.tar b.tar", "rewrite -q --epoch 1700000000 --report report a.tar out.tar", "check -q --epoch 1 a.tar"];
    let runs = (60_000..=300_000).step_by(20_000).flat_map(|limit| verbs.map(|verb| (limit, verb)));
    // With this one, diff did not end in a quarter of the runs.
    let runs = runs.chain([(153_600, verbs[0]); 20]);
    let mut failed = 0;
    for (limit, arguments) in runs {
        let script = format!("ulimit -v {limit}; exec {} {arguments} -j 2", env!("CARGO_BIN_EXE_restamp"));
        let mut command = Command::new("sh");
        let outcome = finish(command.current_dir(dir.path()).env_remove("RUST_BACKTRACE").args(["-c", &script]), None);
        // 127: the loader could not even start the program.
        let started = !outcome.stderr.contains("error while loading") && outcome.code != Some(127);
        let expected = if arguments.starts_with("rewrite") { &[0, 2][..] } else { &[1, 2] };
        let code = outcome.code.unwrap_or(-1);
        assert!(!started || expected.contains(&code), "{arguments}, {limit} KiB: {code}, {}", outcome.stderr);
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        failed += usize::from(code == 2);
        let left = names(dir.path()).into_iter().filter(|name| !["a.tar", "b.tar"].contains(&name.as_str()));
        let left: Vec<String> = left.collect();
        if code == 0 {
            assert_eq!(left, ["out.tar", "report"]);
        } else if !is_abort(&outcome.stderr) {
            assert!(left.is_empty(), "{left:?}: {}", outcome.stderr);
        }
        left.iter().for_each(|name| std::fs::remove_file(dir.path().join(name)).unwrap());
    }
    assert!(failed > 0, "no limit was too low");
}

#[test]
fn sigquit_leaves_nothing_behind() {
    use rustix::process::{Pid, Signal, kill_process};
    let dir = scratch();
    image(dir.path(), "a.tar", &Build::FIRST, 2, 40_000_000);
    let mut command = Command::new("env");
    command.args(["--default-signal=QUIT", env!("CARGO_BIN_EXE_restamp"), "rewrite", "-q", "-j", "1"]);
    command.args(["--epoch", "1700000000", "--report", "report", "a.tar", text(&dir.path().join("out.tar"))]);
    command.current_dir(dir.path()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !names(dir.path()).iter().any(|name| name.starts_with(".restamp-")) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no unfinished output was seen");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_process(Pid::from_child(&child), Signal::QUIT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(3));
    assert_eq!(names(dir.path()).into_iter().filter(|name| !name.starts_with("core")).collect::<Vec<_>>(), ["a.tar"]);
}
