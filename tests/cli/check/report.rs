//! What is shown of it, and how a check ends.

use serde_json::Value;

use crate::check::made::{BUILD, Edits};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Layout, tar_files};
use crate::support::tarball::{Entry, tar};
use crate::support::{self, Build, hello, pipe, run, scratch, text, write};

#[test]
fn many_findings_are_folded_for_people_alone() {
    let dir = scratch();
    let entries: Vec<Entry> = (0..2000).map(|number| Entry::file(format!("file{number}"), "", 1)).collect();
    let layer = Layer::new(tar(&entries), Packing::Gzip, Family::Oci, &BUILD);
    let path = write(dir.path(), "in.tar", &Edits { layers: vec![layer], ..Edits::default() }.tar());
    let check =
        |options: &[&str]| run(["check", "--epoch", "1700000000", text(&path)].iter().chain(options)).expect(1).text();
    let folded = check(&[]);
    assert!(folded.contains("  mtime of 2,000 entries is 1970-01-01T00:00:01Z, first file0\n"), "{folded}");
    assert!(folded.lines().count() < 12 && !folded.contains("file1:"), "{folded}");
    assert!(folded.ends_with("`restamp rewrite` sets the timestamps; -v lists every one\n"), "{folded}");
    assert!(!check(&["--verbose"]).contains("-v lists"), "{folded}");
    assert!(check(&["--verbose"]).contains("file1999: mtime"));
    let report: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let of_layer = report["findings"].as_array().unwrap().iter().filter(|finding| finding["what"] == "layer").count();
    assert_eq!(of_layer, 2000);
    assert_eq!(report["total"]["findings"], report["findings"].as_array().unwrap().len());
    assert_eq!(check(&["--json", "-j", "1"]), check(&["--json", "-j", "8"]));
    assert_eq!(check(&["--quiet"]), "");
}

#[test]
fn what_can_not_be_checked_is_an_error() {
    let good = Edits::default().tar();
    pipe(["check"], &good).expect_error(&["no epoch given", "SOURCE_DATE_EPOCH"]);
    pipe(["check", "--epoch", "1700000000"], b"no image at all").expect_error(&["standard input"]);
    pipe(["check", "--epoch", "1700000000"], &good[..good.len() / 2]).expect_error(&["standard input"]);
    pipe(["check", "--epoch", "1700000000", "--base-layers", "3"], &good).expect_error(&["at most 2"]);
    pipe(["check", "--epoch", "1700000000", "--platform", "linux/s390x"], &good).expect_error(&["linux/amd64"]);
    let mut layout = Edits::default().make().layout;
    layout.files.insert("index.json".to_owned(), b"{".to_vec());
    let broken = tar_files(&layout.files, &BUILD);
    pipe(["check", "--epoch", "1700000000"], &broken).expect_error(&["index.json"]);
}

#[test]
fn a_closed_pipe_is_quiet() {
    use std::process::Stdio;
    let dir = scratch();
    let path =
        write(dir.path(), "in.tar", &Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST).tar(&BUILD));
    let mut command = support::restamp();
    command.args(["check", "--epoch", "1700000000", text(&path)]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let outcome = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&outcome.stderr), "");
    assert_eq!(outcome.status.code(), Some(1));
}

#[test]
fn the_last_line_says_what_to_do() {
    let layer = |times: &[i64]| {
        let entries: Vec<Entry> = times.iter().map(|time| Entry::file(format!("at{time}"), "", *time)).collect();
        Edits {
            layers: vec![Layer::new(tar(&entries), Packing::Gzip, Family::Oci, &BUILD)],
            config: &|config| config["history"] = serde_json::json!([]),
            ..Edits::default()
        }
    };
    let said = |edits: &Edits<'_>, options: &[&str], code| {
        let base = ["check", "--epoch", "1700000000"];
        pipe(base.iter().chain(options), &edits.tar()).expect(code).text()
    };
    let late = layer(&[1_700_000_007, 1_700_000_005, 1_700_000_009]);
    let range = "mtime of 3 entries is from 2023-11-14T22:13:25Z to 2023-11-14T22:13:29Z, first at1700000007";
    let shown = said(&late, &["--clamp"], 1);
    assert!(shown.contains(range), "{shown}");
    assert!(shown.lines().last().unwrap().starts_with("`restamp rewrite --clamp` lowers the timestamps"), "{shown}");
    let one = said(&layer(&[1_700_000_005]), &["--clamp"], 1);
    assert!(one.contains("  at1700000005: mtime is 2023-11-14T22:13:25Z"), "{one}");
    let faulty = Edits { manifest: &|manifest| manifest["layers"][0]["size"] = serde_json::json!(1), ..layer(&[]) };
    let shown = said(&faulty, &["--clamp"], 1);
    assert!(shown.lines().last().unwrap().contains("build, pull or save the image again"), "{shown}");
}
