//! Old statements that come again: in another wrapping, as files that no line names, as lines.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{LATER, Lab, bundles};
use crate::support::{run, sha256, text, write};

/// A day after [`LATER`].
const NEXT_DAY: &str = "2026-11-29T09:30:00Z";

impl Lab {
    /// A success of another operator, and its failure a day later: the newest of what it says.
    fn identical_then_failed(&self) -> PathBuf {
        let old = self.attest("old", "testdata/hello.oci.tar", "other.example", "registry.example/app:1");
        self.add(&old, &[]).expect(0);
        self.add_at(&self.failed(), NEXT_DAY).expect(0);
        old
    }

    fn add_at(&self, folder: &Path, time: &str) -> crate::support::Outcome {
        let results = self.results();
        let bundles = bundles(folder);
        let all = ["results", "add", text(&results), "--time", time].into_iter();
        run(all.chain(bundles.iter().map(String::as_str)))
    }

    /// The badge's message.
    fn message(&self) -> String {
        let www = tempfile::tempdir_in(self.dir.path()).unwrap();
        run(["results", "render", text(&self.results()), "--out", text(www.path())]).expect(0);
        let json = fs::read(www.path().join("badge/registry.example__app.json")).unwrap();
        serde_json::from_slice::<Value>(&json).unwrap()["message"].as_str().unwrap().to_owned()
    }

    /// Puts a bundle where `add` would have put it at a time.
    fn plant(&self, bundle: &[u8], operator: &str, time: &str) -> String {
        let subject = self.log()[0]["subject"].as_str().unwrap().replace(':', "/");
        let name = format!("{subject}/{operator}/{time}-{}.sigstore.json", &sha256(bundle)[7..19]);
        let path = self.v1(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bundle).unwrap();
        name
    }

    fn expect_unnamed(&self, file: &str) {
        let said = self.check(&[]).expect(1).text();
        assert!(said.contains(&format!("{file}: no line of the log names it")), "{said}");
        assert!(said.contains(": 1 problems"), "{said}");
    }
}

/// The same envelope, with another hint and other spaces.
fn rewrapped(bundle: &Path) -> Vec<u8> {
    let mut bundle: Value = serde_json::from_slice(&fs::read(bundle).unwrap()).unwrap();
    bundle["verificationMaterial"]["publicKey"]["hint"] = "another".into();
    serde_json::to_vec_pretty(&bundle).unwrap()
}

#[test]
fn a_statement_in_another_wrapping_is_there_already() {
    let lab = Lab::new();
    let old = lab.identical_then_failed();
    assert_eq!(lab.message(), "failed for 1 of 1 operator");
    let before = lab.all();
    let again = write(lab.dir.path(), "again.sigstore.json", &rewrapped(&old.join("equivalence.sigstore.json")));
    let results = lab.results();
    let add = || run(["results", "add", text(&results), text(&again), "--time", "2026-11-30T00:00:00Z"]);
    let said = add().expect(0).text();
    assert!(said.contains("0 added, 1 were there before"), "{said}");
    assert_eq!(lab.all(), before);
    // As a file that no line names.
    let file = lab.plant(&fs::read(&again).unwrap(), "other.example", "20261129T120000Z");
    add().expect(0);
    assert_eq!(lab.message(), "failed for 1 of 1 operator");
    lab.expect_unnamed(&file);
}

#[test]
fn a_file_without_a_line_does_not_change_what_its_operator_says() {
    for time in ["20261129T120000Z", "20261128T000000Z", "99991231T235959Z"] {
        let lab = Lab::new();
        lab.add_at(&lab.failed(), NEXT_DAY).expect(0);
        let old = lab.attest("old", "testdata/hello.oci.tar", "other.example", "registry.example/app:1");
        let bundle = old.join("equivalence.sigstore.json");
        let file = lab.plant(&fs::read(&bundle).unwrap(), "other.example", time);
        lab.add_at(&lab.same(), "2026-11-30T00:00:00Z").expect(0);
        assert_eq!(lab.message(), "failed for 1 of 2 operators", "{time}");
        lab.expect_unnamed(&file);
        // Whoever gives it means it; but its time is not what the name of some file says.
        lab.add_at(&old, "2026-12-01T00:00:00Z").expect(0);
        let expected = if time == "20261129T120000Z" { "2026-11-29T12:00:00Z" } else { "2026-12-01T00:00:00Z" };
        let log = lab.log();
        let line = log.iter().find(|line| line["bundle"] == sha256(&fs::read(&bundle).unwrap())).unwrap();
        assert_eq!(line["time"], expected);
    }
}

#[test]
fn a_file_of_a_time_to_come_is_not_taken_up() {
    let lab = Lab::new();
    let same = lab.same();
    lab.add(&same, &[]).expect(0);
    let other = lab.attest("old", "testdata/hello.oci.tar", "other.example", "registry.example/app:1");
    let bundle = fs::read(other.join("equivalence.sigstore.json")).unwrap();
    let file = lab.plant(&bundle, "other.example", "99991231T235959Z");
    lab.add(&same, &[]).expect(0);
    assert_eq!(lab.log().len(), 2);
    lab.expect_unnamed(&file);
    fs::remove_file(lab.v1(&file)).unwrap();
    // One of a run that was broken off is.
    lab.plant(&bundle, "other.example", "20261128T093000Z");
    lab.add(&same, &[]).expect(0);
    assert_eq!(lab.log().len(), 3);
    lab.check(&[]).expect(0);
}

#[test]
fn files_that_add_did_not_write_stay() {
    let lab = Lab::new();
    let same = lab.same();
    lab.add(&same, &[]).expect(0);
    let start = lab.log()[0]["path"].as_str().unwrap().rsplit_once('/').unwrap().0.to_owned();
    let (mine, left) = (
        format!("{start}/20261128T093000Z-my-notes.diff.json.zst"),
        format!("{start}/20261128T093000Z-0123456789ab.diff.json.zst"),
    );
    fs::write(lab.v1(&mine), b"mine").unwrap();
    fs::write(lab.v1(&left), b"left").unwrap();
    lab.add(&same, &[]).expect(0);
    assert!(lab.v1(&mine).exists() && !lab.v1(&left).exists());
    lab.expect_unnamed(&mine);
}

#[test]
fn a_time_that_no_line_can_have_is_refused_before_anything_is_written() {
    let lab = Lab::new();
    let same = lab.same();
    for time in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"] {
        lab.add_at(&same, time).expect_error(&["time"]);
        assert!(!lab.results().join("v1").exists(), "{time}");
    }
}

/// The lines, each with the number and digest that it has to have.
fn chained(mut lines: Vec<Value>) -> (String, String) {
    let (mut log, mut prev) = (String::new(), Value::Null);
    for (number, line) in lines.iter_mut().enumerate() {
        (line["seq"], line["prev"]) = ((number + 1).into(), prev);
        let line = line.to_string();
        prev = sha256(line.as_bytes()).into();
        log += &format!("{line}\n");
    }
    let head = format!("{{\"seq\":{},\"line\":{prev}}}\n", lines.len());
    (log, head)
}

#[test]
fn a_bundle_that_the_log_repeats_is_named_and_not_unpacked_again() {
    let lab = Lab::new();
    let same = lab.same();
    lab.add(&same, &["--report", text(&same.join("diff.json"))]).expect(0);
    let lines = lab.log();
    let line = lines.iter().find(|line| line.get("report").is_some()).unwrap().clone();
    let (log, head) = chained(std::iter::repeat_n(line.clone(), 50).collect());
    fs::write(lab.v1("log.jsonl"), log).unwrap();
    fs::write(lab.v1("head.json"), head).unwrap();
    let report = line["path"].as_str().unwrap().replace(".sigstore.json", ".diff.json.zst");
    fs::write(lab.v1(&report), b"no zstd").unwrap();
    let said = lab.check(&[]).expect(1).text();
    assert_eq!(said.matches("has a line before").count(), 49, "{said}");
    assert_eq!(said.matches("cannot decompress").count(), 1, "{said}");
}

#[test]
fn a_statement_that_the_log_repeats_with_another_bundle_is_named() {
    let lab = Lab::new();
    let same = lab.same();
    lab.add(&same, &[]).expect(0);
    let bundle = rewrapped(&same.join("svr.sigstore.json"));
    let mut lines = lab.log();
    let mut line = lines.iter().find(|line| line["time"] == super::TIME).unwrap().clone();
    let path = lab.plant(&bundle, "example-org", "20261120T100000Z");
    (line["bundle"], line["path"]) = (sha256(&bundle).into(), path.into());
    lines.push(line);
    let (log, head) = chained(lines);
    fs::write(lab.v1("log.jsonl"), log).unwrap();
    fs::write(lab.v1("head.json"), head).unwrap();
    let said = lab.check(&[]).expect(1).text();
    assert!(said.contains("has a line before, with another bundle"), "{said}");
    assert!(said.contains("3 results: 1 problems"), "{said}");
    assert_eq!(LATER, lab.log()[0]["time"].as_str().unwrap());
}
