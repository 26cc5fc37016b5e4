//! `diff --restamp`: what would be left if both sides were rewritten.

use super::{BUILD, Pair, T, file, image, packed};
use crate::support::layer::{Packing, base};
use crate::support::layout::{Layout, read_tar};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, finish, hello, names, pipe, restamp, scratch, text, write};

/// Two builds of one image, in archives.
fn builds() -> Pair {
    let archive = |build: &Build| Layout::of(&hello(build, Packing::Gzip), build).tar(build);
    Pair::of(&archive(&Build::FIRST), &archive(&Build::SECOND))
}

#[test]
fn two_builds_are_the_same_once_both_are_rewritten() {
    let pair = builds();
    pair.run(&[]).expect(1);
    let outcome = pair.run(&["--restamp", "--epoch 1700000000"]).expect(0);
    assert_eq!(outcome.text(), "identical\nboth rewritten with: --epoch 1700000000\n");
    let report = pair.json(&["--restamp", "--epoch 1700000000 --clamp --name 'app:1'"]);
    assert_eq!(report["restamped_with"], "--epoch 1700000000 --clamp --name app:1");
    assert_eq!((&report["a"], &report["b"]), (&text(&pair.a).into(), &text(&pair.b).into()));
    let page = pair.run(&["--html", "-", "--restamp", "--epoch 1700000000"]).expect(0).text();
    assert!(page.contains("<code class=y>restamp rewrite --epoch 1700000000</code>"), "{page}");
    // Without it, nothing speaks of it.
    assert!(pair.json(&[])["restamped_with"].is_null());
    assert!(!pair.run(&["--html", "-"]).text().contains("rewritten with"));
}

#[test]
fn what_no_rewriting_changes_is_left() {
    let pair = Pair::layers(&[file("a", "1"), Entry::dir("b/", T)], &[file("a", "2"), Entry::dir("b/", T + 9)]);
    assert_eq!(pair.found(&[]).len(), 2);
    let found = pair.found(&["--restamp", "--epoch 1700000000"]);
    assert_eq!(found, [("content".to_owned(), "a".to_owned(), "content".to_owned())]);
    // Times before the epoch stay in clamp mode.
    assert_eq!(pair.found(&["--restamp", "--clamp --epoch 2030-01-01T00:00:00Z"]).len(), 2);
}

#[test]
fn without_an_epoch_it_is_that_of_the_environment_or_1980() {
    let pair = builds();
    let used = |epoch: Option<&str>, options: &str| {
        let mut command = restamp();
        command.args(["diff", "--restamp", options, text(&pair.a), text(&pair.b)]);
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch);
        }
        finish(&mut command, None)
    };
    let first = |outcome: crate::support::Outcome| outcome.expect(0).text().lines().nth(1).unwrap().to_owned();
    assert_eq!(first(used(None, "")), "both rewritten with: --epoch 315532800");
    assert_eq!(first(used(Some("1700000000"), "--clamp")), "both rewritten with: --epoch 1700000000 --clamp");
    assert_eq!(first(used(Some("1"), "--epoch 5")), "both rewritten with: --epoch 5");
    used(Some("soon"), "").expect_error(&["soon"]);
}

#[test]
fn each_side_keeps_its_kind_and_one_may_come_by_a_pipe() {
    let dir = scratch();
    let [first, second] = [Build::FIRST, Build::SECOND].map(|build| Layout::of(&hello(&build, Packing::Gzip), &build));
    first.write(&dir.path().join("layout"));
    let layout = format!("oci:{}", text(&dir.path().join("layout")));
    let archive = second.tar(&BUILD);
    for arguments in [[layout.as_str(), "-"], ["-", layout.as_str()]] {
        let outcome = pipe(["diff", "--restamp", "--epoch 7"].into_iter().chain(arguments), &archive);
        assert_eq!(outcome.expect(0).text(), "identical\nboth rewritten with: --epoch 7\n");
    }
    // One of several images, by its name.
    let archive = write(dir.path(), "two.tar", &archive);
    let named = format!("oci-archive:{}:latest", text(&archive));
    let outcome = pipe(["diff", "--restamp", "--epoch 7", "--rootfs", &named, "-"], &std::fs::read(&archive).unwrap());
    outcome.expect(0);
}

#[test]
fn options_that_diff_decides_are_refused_by_name() {
    let pair = builds();
    let error = |options: &str, part: &str| drop(pair.run(&["--restamp", options]).expect_error(&["--restamp", part]));
    for option in
        ["--in-place", "--force", "--dry-run", "--json", "--report x", "--digest-file x", "--cache x", "--jobs 2"]
    {
        error(option, option.split(' ').next().unwrap());
    }
    for option in ["-q", "-v", "--tmp-dir x", "--progress none"] {
        error(option, "can't be used");
    }
    error("in.tar out.tar", "only options");
    error("--no-such-option", "--no-such-option");
    error("--epoch tomorrow", "tomorrow");
    error("--epoch '1", "quotation mark");
    error("--base -", "standard input");
    error("--base oci:no/such/image --base-layers 1", "--base-layers");
    error("--help", "--help");
}

#[test]
fn a_side_that_cannot_be_rewritten_is_named() {
    let dir = scratch();
    let plain = Layout::of(&image(vec![base(&BUILD)]), &BUILD);
    let mut signed = plain.clone();
    let manifest = r#"{"schemaVersion":2,"layers":[],"config":{"mediaType":"application/vnd.dev.cosign.artifact.sig.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}}"#;
    signed.put("application/json", b"{}");
    let descriptor = signed.put(crate::support::layout::OCI_MANIFEST, manifest.as_bytes());
    signed.manifests.push(descriptor);
    let plain = write(dir.path(), "plain.tar", &plain.tar(&BUILD));
    let signed = write(dir.path(), "signed.tar", &signed.tar(&BUILD));
    let run = |options: &str, a, b| crate::support::run(["diff", "--restamp", options, text(a), text(b)]);
    run("", &plain, &signed).expect_error(&["B can't be rewritten", "--signatures drop", "signed.tar"]);
    run("", &signed, &plain).expect_error(&["A can't be rewritten", "signed.tar"]);
    run("--signatures drop", &signed, &plain).expect(0);
}

#[test]
fn the_temporary_folder_is_gone_afterwards_and_the_sources_are_as_they_were() {
    let pair = builds();
    let folder = scratch();
    let before = [&pair.a, &pair.b].map(|path| std::fs::read(path).unwrap());
    let options = |restamp: &'static str| ["--tmp-dir", text(folder.path()), "--restamp", restamp].map(str::to_owned);
    let run = |restamp| pair.run(&options(restamp).each_ref().map(String::as_str));
    run("").expect(0);
    run("--name x:1 --platform linux/s390x").expect(2);
    assert_eq!(names(folder.path()), [""; 0]);
    assert_eq!(names(pair.dir.path()), ["a.tar", "b.tar"]);
    assert!(before == [&pair.a, &pair.b].map(|path| std::fs::read(path).unwrap()));
    // Beside it nothing is written but what is asked for.
    let report = pair.dir.path().join("report");
    pair.run(&["--restamp", "", "--report-dir", text(&report)]).expect(0);
    assert_eq!(names(&report), ["files", "index.json"]);
    assert_eq!(read_tar(&before[0]).len(), read_tar(&std::fs::read(&pair.a).unwrap()).len());
}

#[test]
fn another_compression_goes_with_its_option() {
    let tars = || vec![tar(&[file("a", "1")])];
    let pair = Pair::images(&packed(tars(), Packing::Gzip), &packed(tars(), Packing::Zstd));
    pair.run(&["--restamp", ""]).expect(1);
    pair.run(&["--restamp", "--compression gzip"]).expect(0);
}

#[test]
fn a_signal_removes_the_temporary_folder() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::time::{Duration, Instant};
    let (folder, noise) = (scratch(), crate::support::noise(20 << 20, 3));
    let pair = [1, 2].map(|time| image(vec![tar(&[Entry::file("a", &noise, T + time)])]));
    let pair = Pair::images(&pair[0], &pair[1]);
    let mut interrupted = 0;
    for point in 0..6 {
        let mut command = restamp();
        command.args(["diff", "--restamp", "", "--tmp-dir", text(folder.path()), text(&pair.a), text(&pair.b)]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        while names(folder.path()).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_millis(20 * point));
        let _ = kill_process(Pid::from_child(&child), [Signal::TERM, Signal::INT][(point % 2) as usize]);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "still running");
            std::thread::sleep(Duration::from_millis(5));
        };
        interrupted += u32::from(status.code().is_none());
        assert_eq!(names(folder.path()), [""; 0], "left behind at point {point}");
    }
    assert!(interrupted > 0);
}
