//! What is shown, kept and accepted.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::diff::{BUILD, Pair, T, file, image, with_config};
use crate::support::graph::{Attestation, platforms};
use crate::support::layer::Packing;
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, run, text, write};

#[test]
fn one_real_difference_is_on_the_first_screen_whatever_else_there_is() {
    let entries = |time: i64, word: &str| {
        let mut all: Vec<Entry> = (0..20_000).map(|n| Entry::file(format!("usr/share/{n:05}"), "", time)).collect();
        all.insert(12_345, Entry::file("usr/bin/tool", format!("#!/bin/sh\necho {word}\n"), time));
        all
    };
    let pair = Pair::layers(&entries(T, "good"), &entries(T + 60, "evil"));
    let shown = pair.run(&[]).expect(1).text();
    let first: Vec<&str> = shown.lines().take(24).collect();
    assert!(first.iter().any(|line| line.starts_with("content") && line.contains("usr/bin/tool")), "{shown}");
    assert!(shown.contains("+echo evil") && shown.contains("20,001 x mtime"), "{shown}");
    assert!(shown.lines().count() <= 24, "{shown}");
    assert!(pair.run(&["--verbose"]).text().lines().count() > 20_000);
    assert_eq!(pair.json(&[])["counts"], serde_json::json!({"content": 1, "time": 20_001}));
}

#[test]
fn the_report_is_the_same_on_every_run() {
    let [a, b] =
        [Build::FIRST, Build::SECOND].map(|build| platforms(&build, Packing::Gzip, Some(Attestation::Old)).tar(&BUILD));
    let pair = Pair::of(&a, &b);
    let first = pair.run(&["--json", "--jobs", "1"]).stdout;
    for jobs in ["1", "4", "4"] {
        assert_eq!(pair.run(&["--json", "--jobs", jobs]).stdout, first);
    }
}

#[test]
fn what_is_accepted_does_not_count() {
    let pair = Pair::layers(
        &[file("a", "1"), file("var/log/x", "1"), Entry::file("t", "", T)],
        &[file("a", "2"), file("var/log/x", "2"), Entry::file("t", "", T + 1)],
    );
    pair.run(&[]).expect(1);
    pair.run(&["--ignore", "time,log-or-cache", "--ignore-path", "/a"]).expect(0);
    pair.run(&["--ignore", "mood"]).expect_error(&["mood", "embedded-time"]);
    let policy = "[[accept]]\npath = \"a\"\nreason = \"build number\"\n[[accept]]\nclass = \"time\"\nreason = \"t\"\n[[accept]]\nclass = \"log-or-cache\"\nfield = \"cont*\"\nreason = \"l\"\n[[accept]]\npath = \"gone/**\"\nreason = \"old\"\n";
    let path = write(pair.dir.path(), "policy.toml", policy.as_bytes());
    let shown = pair.run(&["--policy", text(&path)]).expect(0).text();
    assert!(
        shown.starts_with("identical but for what is accepted\n") && shown.contains("accepted: 1 (build number)"),
        "{shown}"
    );
    assert!(shown.contains("unused rule: path gone/** (old)"), "{shown}");
    assert_eq!(pair.json(&["--policy", text(&path)])["verdict"], "accepted");
    let bad = write(pair.dir.path(), "bad.toml", b"[[accept]]\npath = \"a\"\n");
    pair.run(&["--policy", text(&bad)]).expect_error(&["bad.toml", "reason"]);
}

#[test]
fn long_values_and_names_are_never_shown_as_equal() {
    let long = "x".repeat(700);
    let first = image(vec![tar(&[file("a", "1")])]);
    let config = |from: &str, to: &str| with_config(&first, from, to);
    let [a, b] = ["1", "2"].map(|word| config(r#""maintainer":"x""#, &format!(r#""maintainer":"{long}{word}{long}""#)));
    let pair = Pair::images(&a, &b);
    let one = &pair.json(&[])["differences"][0];
    assert_eq!(one["a"], format!("\"{long}1{long}\""));
    assert_eq!(one["b"], format!("\"{long}2{long}\""));
    let shown = pair.run(&[]).expect(1).text();
    let line = shown.lines().find(|line| line.contains("maintainer")).unwrap();
    assert!(line.len() < 700 && line.contains("x1x") && line.contains("x2x"), "{line}");
    // Keys and paths too.
    let key = |end: &str| config(r#""maintainer":"x""#, &format!(r#""{long}.{end}":"x""#));
    let found = Pair::images(&key("1"), &key("2")).found(&[]);
    let fields: Vec<_> = found.iter().map(|(_, _, field)| field.as_str()).collect();
    assert_eq!(fields, ["1", "2"].map(|end| format!("config.Labels[\"{long}.{end}\"]")).each_ref().map(String::as_str));
    let path = |end: &str| format!("{}/{}/{end}", "d".repeat(150), "e".repeat(90));
    let pair =
        Pair::layers(&[file(&path("1"), "1"), file(&path("2"), "1")], &[file(&path("1"), "2"), file(&path("2"), "2")]);
    let report = pair.json(&[]);
    let all = report["differences"].as_array().unwrap();
    let paths: Vec<_> = all.iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [path("1"), path("2")]);
    assert!(all.iter().all(|one| one.get("path_hex").is_none()), "{report:#}");
    let shown = pair.run(&[]).expect(1).text();
    assert!(shown.contains(&path("1")) && shown.contains(&path("2")), "{shown}");
}

#[test]
fn names_of_an_image_never_reach_the_terminal_or_page_raw() {
    let evil = "x\x1b[31m\n<script>alert(1)</script>\u{202e}\"'&";
    let [a, b] = ["1", "2"].map(|text| {
        let mut image = image(vec![tar(&[file(evil, &format!("{evil}\n{text}"))])]);
        image = with_config(&image, r#""maintainer":"x""#, &format!(r#""<script>":"\u001b[31m{text}""#));
        image
    });
    let pair = Pair::images(&a, &b);
    let page = pair.dir.path().join("page.html");
    let shown = pair.run(&["--html", text(&page), "--verbose"]).expect(1).text();
    let page = std::fs::read_to_string(page).unwrap();
    for text in [&shown, &page] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
    }
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    let json = pair.run(&["--json"]).text();
    assert!(json.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn what_no_cause_explains_comes_before_what_one_does() {
    let keys: Vec<String> = (0..20).map(|n| format!("etc/ssh/ssh_host_{n}_key")).collect();
    let layer = |text: &str| {
        let known = keys.iter().map(|path| file(path, &format!("{path}{text}")));
        known.chain([file("etc/machine-id", text), file("usr/bin/tool", text)]).collect::<Vec<_>>()
    };
    let shown = Pair::layers(&layer("1"), &layer("2")).run(&[]).expect(1).text();
    let tool = shown.lines().position(|line| line.contains("usr/bin/tool"));
    assert!(tool.is_some_and(|line| line < 8), "{shown}");
    assert!(shown.lines().count() < 30, "{shown}");
}

#[test]
fn every_field_of_the_json_is_in_the_readme() {
    let of = |text: &str| [file("etc/machine-id", text), file("x\u{200b}", text), Entry::file("t", "", T)];
    let pair = Pair::layers(&of("1"), &of("2"));
    let policy = write(pair.dir.path(), "p.toml", b"[[accept]]\npath = \"etc/*\"\nreason = \"r\"\n");
    let dir = pair.dir.path().join("kept");
    let report = pair.json(&["--policy", text(&policy), "--report-dir", text(&dir)]);
    fn keys(value: &Value, all: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    all.insert(key.clone());
                    // Classes are the keys there.
                    if key != "counts" {
                        keys(value, all);
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| keys(value, all)),
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    keys(&report, &mut all);
    let page = include_str!("../../../docs/reports.md");
    for key in &all {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    for key in ["path_hex", "files", "cause", "preview", "accepted"] {
        assert!(all.contains(key), "{key}: {all:?}");
    }
}

#[test]
fn a_page_can_be_printed() {
    let pair = Pair::layers(&[file("a", "1")], &[file("a", "2")]);
    let shown = pair.run(&["--html", "-"]).expect(1).text();
    assert!(shown.starts_with("<!doctype html>") || shown.starts_with("<!DOCTYPE html>"), "{shown}");
    assert!(!pair.dir.path().join("-").exists());
    pair.run(&["--html", "-", "--json"]).expect_error(&["--html -", "--json"]);
}

#[test]
fn differing_files_are_kept_under_safe_names() {
    let pair =
        Pair::layers(&[file("../../etc/x", "1"), file("/abs", "a")], &[file("../../etc/x", "2"), file("/abs", "b")]);
    let dir = pair.dir.path().join("report");
    pair.run(&["--report-dir", text(&dir)]).expect(1);
    let index: Value = serde_json::from_slice(&std::fs::read(dir.join("index.json")).unwrap()).unwrap();
    let mut contents = BTreeSet::new();
    for item in index["differences"].as_array().unwrap() {
        for name in item["files"].as_array().unwrap() {
            let name = Path::new(name.as_str().unwrap());
            assert!(name.starts_with("files") && name.components().count() == 2);
            contents.insert(std::fs::read_to_string(dir.join(name)).unwrap());
        }
    }
    assert_eq!(contents, ["1", "2", "a", "b"].map(str::to_owned).into());
    pair.run(&["--report-dir", text(&dir)]).expect_error(&["not empty"]);
}

#[test]
fn files_that_one_side_has_are_kept_for_that_side_alone() {
    let base = || file("base", "same");
    let a = image(vec![tar(&[base(), file("x", "1"), file("only/a", "in A"), Entry::dir("only/d/", T)])]);
    let b = image(vec![tar(&[base(), file("x", "2"), file("only/b", "in B")])]);
    for options in [&[][..], &["--rootfs"]] {
        let pair = Pair::images(&a, &b);
        let dir = pair.dir.path().join("report");
        pair.run(&[&["--report-dir", text(&dir)], options].concat()).expect(1);
        let index: Value = serde_json::from_slice(&std::fs::read(dir.join("index.json")).unwrap()).unwrap();
        let saved = |path: &str| {
            let all = index["differences"].as_array().unwrap();
            let one = all.iter().find(|one| one["path"] == path).unwrap();
            let content = |side: usize| {
                let name = one.get("files")?[side].as_str()?;
                Some(std::fs::read_to_string(dir.join(name)).unwrap())
            };
            [content(0), content(1)]
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(saved("x"), [some("1"), some("2")]);
        assert_eq!(saved("only/a"), [some("in A"), None]);
        assert_eq!(saved("only/b"), [None, some("in B")]);
        assert_eq!(saved("only/d"), [None, None]);
        assert_eq!(std::fs::read_dir(dir.join("files")).unwrap().count(), 4);
    }
}

#[test]
fn a_page_says_what_was_compared_and_by_what_command() {
    let pair = Pair::layers(&[file("a", "1")], &[file("a", "2")]);
    let page = pair.run(&["--html", "-", "--ignore-path", "it's here"]).expect(1).text();
    let digests = page.matches("<code>sha256:").count();
    assert_eq!(digests, 2, "{page}");
    assert!(page.contains(concat!("restamp ", env!("CARGO_PKG_VERSION"))), "{page}");
    let command = "restamp diff --html - --ignore-path &#39;it&#39;\\&#39;&#39;s here&#39;";
    assert!(page.contains(command), "{page}");
}

#[test]
fn gos_zero_time_is_called_no_time() {
    let gz = |time: u32| crate::diff::formats::gz(b"x", time);
    let pair = Pair::layers(&[Entry::file("a.gz", gz(2_288_912_640), T)], &[Entry::file("a.gz", gz(1_700_000_000), T)]);
    let shown = pair.run(&[]).expect(1).text();
    assert!(shown.contains("no time (2042-07-14T01:04:00Z) -> 2023-11-14T22:13:20Z"), "{shown}");
    assert_eq!(pair.json(&[])["differences"][0]["a"], "2042-07-14T01:04:00Z");
}

#[test]
fn platforms_and_names_choose() {
    let [a, b] = [Build::FIRST, Build::SECOND].map(|build| platforms(&build, Packing::Gzip, None).tar(&BUILD));
    let pair = Pair::of(&a, &b);
    let images = |report: &Value| -> BTreeSet<String> {
        report["differences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["image"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(images(&pair.json(&["--platform", "linux/arm64"])).len(), 1);
    assert!(images(&pair.json(&[])).len() >= 2);
    pair.run(&["--platform", "linux/mips"]).expect_error(&["linux/mips", "linux/arm64"]);
    let named = |name: &str| format!("oci-archive:{}:{name}", text(&pair.a));
    run(["diff", &named("nope"), text(&pair.b)]).expect_error(&["nope"]);
    run(["diff", &named("multi"), &named("multi")]).expect(0);
}

#[test]
fn the_first_line_counts_by_class() {
    let pair = Pair::layers(
        &[file("usr/a", "1"), Entry::file("t", "", T)],
        &[file("usr/a", "2"), Entry::file("t", "", T + 9)],
    );
    let shown = pair.run(&[]).expect(1).text();
    let first = shown.lines().next().unwrap();
    let counts = pair.json(&[])["counts"].clone();
    for (class, count) in counts.as_object().unwrap() {
        assert!(first.contains(&format!("{count} {class}")), "{first}: {counts}");
    }
    assert!(first.starts_with("different: ") && !first.contains("differences"), "{first}");
}
