//! Adding: what is kept, by whom, and what a run that was broken off leaves.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{ID, Lab, TIME, bundles};
use crate::support::{names, run, sha256, text, write};

#[test]
fn statements_are_kept_with_a_line_each_and_the_same_ones_once() {
    let lab = Lab::new();
    let (same, failed) = (lab.same(), lab.failed());
    assert!(lab.add(&same, &["--report", text(&same.join("diff.json"))]).expect(0).text().contains("2 added"));
    lab.add(&failed, &["--report", text(&failed.join("diff.json"))]).expect(0);
    let log = lab.log();
    let verdicts: Vec<&str> = log.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["identical", "identical", "FAILED"]);
    let lines = fs::read(lab.v1("log.jsonl")).unwrap();
    let mut prev = Value::Null;
    for (number, line) in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        let entry = &log[number];
        assert_eq!((&entry["seq"], &entry["prev"]), (&Value::from(number + 1), &prev));
        prev = Value::from(sha256(line));
        let path = entry["path"].as_str().unwrap();
        let bundle = fs::read(lab.v1(path)).unwrap();
        assert_eq!(entry["bundle"], sha256(&bundle));
        let subject = entry["subject"].as_str().unwrap().replace(':', "/");
        // An SVR has a time of its own.
        let time = if entry["time"] == TIME { "20261120T100000Z" } else { "20261128T093000Z" };
        let short = &sha256(&bundle)[7..19];
        let operator = entry["operator"].as_str().unwrap();
        assert_eq!(path, format!("{subject}/{operator}/{time}-{short}.sigstore.json"));
        let report = lab.v1(&path.replace(".sigstore.json", ".diff.json.zst"));
        assert_eq!(report.exists(), entry.get("report").is_some());
        if let Some(digest) = entry.get("report") {
            let json = zstd::decode_all(fs::read(report).unwrap().as_slice()).unwrap();
            assert_eq!(*digest, sha256(&json));
        }
    }
    assert_eq!(log.iter().filter(|line| line["time"] == TIME).count(), 1);
    assert_eq!(log.iter().filter(|line| line.get("report").is_some()).count(), 2);
    let head: Value = serde_json::from_slice(&fs::read(lab.v1("head.json")).unwrap()).unwrap();
    assert_eq!(head, serde_json::json!({"seq": 3, "line": prev}));
    let before = lab.all();
    let again = lab.add(&same, &[]).expect(0).text();
    assert!(again.contains("0 added, 2 were there before"), "{again}");
    assert_eq!(lab.all(), before);
    assert!(lab.check(&[]).expect(0).text().contains("3 results: all of it holds"));
}

#[test]
fn only_results_of_those_who_are_trusted_are_added() {
    let lab = Lab::new();
    let same = lab.same();
    let bundle = same.join("svr.sigstore.json");
    let mut flipped: Value = serde_json::from_slice(&fs::read(&bundle).unwrap()).unwrap();
    let signature = &mut flipped["dsseEnvelope"]["signatures"][0]["sig"];
    let mut bytes = STANDARD.decode(signature.as_str().unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    *signature = STANDARD.encode(bytes).into();
    let flipped = write(lab.dir.path(), "flipped.sigstore.json", flipped.to_string().as_bytes());
    let results = lab.results();
    let add = |bundle: &Path| run(["results", "add", text(&results), text(bundle)]);
    add(&flipped).expect_error(&["no key that is trusted has signed it"]);
    add(&same.join("svr.json")).expect_error(&["svr.json"]);
    // Another verifier than trust.toml has with this key.
    let trust = fs::read_to_string(results.join("trust.toml")).unwrap();
    write(&results, "trust.toml", trust.replace(ID, "https://else.example/v1").as_bytes());
    add(&bundle).expect_error(&["verifier.id"]);
    fs::remove_file(results.join("trust.toml")).unwrap();
    add(&bundle).expect_error(&["trust.toml: there is none", "results add --help"]);
    assert!(!results.join("v1").exists());
    // One of two is no result: nothing is written of the other.
    write(&results, "trust.toml", trust.as_bytes());
    run(["results", "add", text(&results), text(&bundle), text(&same.join("svr.json"))]).expect_error(&["svr.json"]);
    assert!(!results.join("v1").exists());
    // The same, with a trust.toml elsewhere.
    let elsewhere = lab.path("elsewhere");
    let trust = results.join("trust.toml");
    run(["results", "add", text(&elsewhere), text(&bundle), "--trust", text(&trust)]).expect(0);
    run(["results", "check", text(&elsewhere)]).expect_error(&["trust.toml"]);
    run(["results", "check", text(&elsewhere), "--trust", text(&trust)]).expect(0);
}

#[test]
fn a_list_of_differences_is_that_of_the_statement() {
    let lab = Lab::new();
    let (same, failed) = (lab.same(), lab.failed());
    lab.add(&failed, &["--report", text(&same.join("diff.json"))]).expect_error(&["names another list of differences"]);
    lab.add(&failed, &["--report", text(&failed.join("test-result.json"))]).expect_error(&["list of differences"]);
    let svr = same.join("svr.sigstore.json");
    let report = same.join("diff.json");
    run(["results", "add", text(&lab.results()), text(&svr), "--report", text(&report)]).expect_error(&["equivalence"]);
    assert!(!lab.results().join("v1").exists());
}

#[test]
fn a_run_that_was_broken_off_at_any_step_is_finished_by_the_next() {
    let lab = Lab::new();
    let (same, failed) = (lab.same(), lab.failed());
    lab.add(&failed, &[]).expect(0);
    let before = lab.all();
    let report = same.join("diff.json");
    lab.add(&same, &["--report", text(&report)]).expect(0);
    let after = lab.all();
    let log = fs::read(lab.v1("log.jsonl")).unwrap();
    let ends: Vec<usize> = (1..=log.len()).filter(|at| log[at - 1] == b'\n').collect();
    let new: Vec<&(String, Vec<u8>)> =
        after.iter().filter(|(name, _)| !before.iter().any(|(old, _)| old == name)).collect();
    assert_eq!(new.len(), 3, "two bundles and a list of differences");
    let old_head = &before.iter().find(|(name, _)| name == "head.json").unwrap().1;
    // So many of the new files are there, so many bytes of the log, and the head is the old one.
    let start = ends[0];
    for (present, length) in
        [(0, start), (1, start), (2, start), (3, start), (3, start + 20), (3, ends[1]), (3, ends[1] + 1), (3, ends[2])]
    {
        for name in names(&lab.results().join("v1")) {
            let path = lab.v1(&name);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        let kept = |name: &str| {
            before.iter().any(|(old, _)| old == name) || new.iter().take(present).any(|(one, _)| one == name)
        };
        for (name, bytes) in after.iter().filter(|(name, _)| kept(name)) {
            let path = lab.v1(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        fs::write(lab.v1("log.jsonl"), &log[..length]).unwrap();
        fs::write(lab.v1("head.json"), old_head).unwrap();
        fs::write(lab.v1(".new"), b"half").unwrap();
        // At another time, and without the list, which was kept before where it was.
        let report: &[&str] = if present == 3 { &[] } else { &["--report", text(&report)] };
        let added = run(["results", "add", text(&lab.results())]
            .into_iter()
            .map(str::to_owned)
            .chain(bundles(if length == start + 20 { &failed } else { &same }))
            .chain(["--time", "2027-01-01T00:00:00Z"].map(str::to_owned))
            .chain(report.iter().map(|&one| one.to_owned())));
        let added = added.expect(0).text();
        let checked = lab.check(&[]);
        assert_eq!(checked.code, Some(0), "{present} {length}: {added}{}", checked.text());
        assert_eq!(lab.log().len(), 3, "{present} {length}: {added}");
        assert!(!lab.v1(".new").exists());
    }
    // Without a head, and with nothing to add.
    fs::remove_file(lab.v1("head.json")).unwrap();
    lab.check(&[]).expect(1);
    assert!(lab.add(&same, &[]).expect(0).text().contains("repaired: head.json"));
    lab.check(&[]).expect(0);
    // A log that was changed is not built upon.
    fs::write(lab.v1("log.jsonl"), &log[ends[0]..]).unwrap();
    lab.add(&same, &[]).expect_error(&["head.json"]);
}

#[test]
fn one_writer_at_a_time() {
    let lab = Lab::new();
    let same = lab.same();
    lab.add(&same, &[]).expect(0);
    let folder = fs::File::open(lab.results().join("v1")).unwrap();
    folder.lock().unwrap();
    lab.add(&same, &[]).expect_error(&["another results add is under way"]);
    drop(folder);
    lab.add(&same, &[]).expect(0);
}
