//! Pairs of images, made here as real files: one for each class, each kind of it, and each known cause.
//!
//! Every one is compared by the program; what is found must be what is written beside the pair, and nothing else.
//! `RESTAMP_WRITE_PAIRS=DIR cargo test --test cli written` writes them into a folder, to be looked at.

mod attached;
mod causes;
mod commands;
mod content;
mod documents;
mod times;
mod writing;

pub use causes::example;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use restamp::causes::{CAUSES, Class};
use serde_json::Value;

use crate::diff::{BUILD, T, packed, with_config};
use crate::support::layer::Packing;
use crate::support::layout::{Image, Layout, read_tar};
use crate::support::tarball::{Entry, tar};
use crate::support::{self, Outcome, run, scratch, text, write};

/// Two images, and what differs between them.
pub struct Made {
    pub name: String,
    images: [Vec<u8>; 2],
    verdict: &'static str,
    /// `CLASS CAUSE PLACE PATH FIELD`, `-` for what there is none of.
    expected: Vec<String>,
    /// The cause that each image alone shows.
    alone: Option<&'static str>,
}

impl Made {
    fn new(name: impl Into<String>, verdict: &'static str, images: [Vec<u8>; 2], expected: &[&str]) -> Self {
        let expected = expected.iter().map(|&line| line.to_owned()).collect();
        Self { name: name.into(), images, verdict, expected, alone: None }
    }

    /// A name, a verdict, two images of one tag, and what differs.
    fn images(name: &str, verdict: &'static str, images: [&Image; 2], expected: &[&str]) -> Self {
        Self::new(name, verdict, images.map(|image| Layout::of(image, &BUILD).tar(&BUILD)), expected)
    }

    /// Two images whose second layers hold these entries, among others that are the same.
    fn layers(name: &str, verdict: &'static str, entries: [&[Entry]; 2], expected: &[&str]) -> Self {
        let [a, b] = entries.map(app);
        Self::images(name, verdict, [&a, &b], expected)
    }
}

/// An image of two layers; the upper one has these entries between others, some of which look like a known cause.
fn app(entries: &[Entry]) -> Image {
    let file = |name: &str, data: &str| Entry::file(name, data, T);
    let before = [
        Entry::dir("opt/", T),
        file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        file("opt/template", "tmp\n"),
        file("srv/index.db", "an application's own\n"),
    ];
    let after = [file("usr/bin/tool", "#!/bin/sh\nexec true\n").mode(0o755), file("var/lib/app/log", "kept\n")];
    let lower = tar(&[Entry::dir("etc/", T), file("etc/hosts", "127.0.0.1 localhost\n"), file("srv/old", "x\n")]);
    packed(vec![lower, tar(&[&before, entries, &after].concat())], Packing::Plain)
}

/// The image with another command in the history of its upper layer.
fn with_command(image: &Image, command: &str) -> Image {
    let command = serde_json::to_string(command).unwrap();
    with_config(image, r#""COPY 1 / \u0026\u0026 true # buildkit""#, &command)
}

/// All of them.
pub fn all() -> Vec<Made> {
    let all: [fn() -> Vec<Made>; 7] = [
        content::pairs,
        times::pairs,
        writing::pairs,
        documents::pairs,
        attached::pairs,
        causes::pairs,
        commands::pairs,
    ];
    all.iter().flat_map(|pairs| pairs()).collect()
}

/// Calls something for each of them, some at a time; what it complains of is the failure.
fn for_each(made: &[Made], check: impl Fn(&Path, &Made) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let dir = scratch();
                while let Some(pair) = made.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for (name, bytes) in ["a.tar", "b.tar"].iter().zip(&pair.images) {
                        write(dir.path(), name, bytes);
                    }
                    if let Err(text) = check(dir.path(), pair) {
                        failed.lock().unwrap().push(format!("{}: {text}", pair.name));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} pairs:\n{}", failed.len(), made.len(), failed.join("\n"));
}

/// What is reported, as [`Made::expected`] has it. `turned` if the second image was given first.
fn reported(report: &Value, turned: bool) -> Vec<String> {
    let line = |item: &Value| {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
        let mut place = text(&item["part"]);
        if let Some(layers) = item["layer"].as_array() {
            let mut numbers: Vec<String> =
                layers.iter().map(|number| number.to_string().replace("null", "-")).collect();
            if turned {
                numbers.reverse();
            }
            numbers.dedup();
            place += &numbers.join("/");
        }
        let class = text(&item["class"]);
        format!("{class} {} {place} {} {}", text(&item["cause"]["id"]), text(&item["path"]), text(&item["field"]))
    };
    let mut lines: Vec<String> = report["differences"].as_array().unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

fn compare(dir: &Path, names: [&str; 2], options: &[&str]) -> Outcome {
    let [a, b] = names.map(|name| dir.join(name));
    run(["diff"].iter().chain(options).copied().chain([text(&a), text(&b)]))
}

#[test]
fn every_pair_shows_its_difference_and_nothing_else() {
    for_each(&all(), |dir, pair| {
        let mut expected = pair.expected.clone();
        expected.sort();
        for (names, turned) in [(["a.tar", "b.tar"], false), (["b.tar", "a.tar"], true)] {
            let outcome = compare(dir, names, &["--json"]);
            let status = i32::from(!expected.is_empty());
            if outcome.code != Some(status) {
                return Err(format!("exit status {:?} instead of {status}: {}", outcome.code, outcome.stderr));
            }
            let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
            let found = reported(&report, turned);
            if found != expected {
                return Err(format!("turned: {turned}\n  expected {expected:#?}\n  found {found:#?}"));
            }
            if report["verdict"] != pair.verdict {
                return Err(format!("{} instead of {}", report["verdict"], pair.verdict));
            }
        }
        // What is no content is accepted where only content counts.
        let status = i32::from(pair.verdict == "different");
        let outcome = compare(dir, ["a.tar", "b.tar"], &["--semantic", "--quiet"]);
        if outcome.code != Some(status) {
            return Err(format!("--semantic: exit status {:?} instead of {status}", outcome.code));
        }
        Ok(())
    });
}

#[test]
fn what_is_the_same_after_restamping_is_so_and_nothing_else_is() {
    // An archive without manifests is given new ones, which have not the annotations of those in a layout.
    let has_manifests = |archive: &Vec<u8>| read_tar(archive).contains_key("index.json");
    let is_comparable = |pair: &Made| has_manifests(&pair.images[0]) == has_manifests(&pair.images[1]);
    let chosen: Vec<Made> = all().into_iter().filter(|pair| pair.alone.is_none() && is_comparable(pair)).collect();
    for_each(&chosen, |dir, pair| {
        for side in ["a", "b"] {
            let [from, to] = [format!("{side}.tar"), format!("{side}.out.tar")].map(|name| dir.join(name));
            let options = ["rewrite", "-q", "--epoch", "1700000000", "--force", "--signatures", "drop"];
            let outcome = run(options.iter().copied().chain([text(&from), text(&to)]));
            if outcome.code != Some(0) {
                return Err(outcome.stderr);
            }
        }
        let outcome = compare(dir, ["a.out.tar", "b.out.tar"], &["--quiet"]);
        let is_same = matches!(pair.verdict, "identical" | "same-after-restamping");
        if outcome.code != Some(i32::from(!is_same)) {
            return Err(format!("{} by diff; after restamping: exit status {:?}", pair.verdict, outcome.code));
        }
        Ok(())
    });
}

#[test]
fn as_many_are_left_as_the_remedy_says() {
    for_each(&all(), |dir, _| {
        let outcome = compare(dir, ["a.tar", "b.tar"], &["--json"]);
        let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        let remedy = &report["remedy"];
        let Some(left) = remedy["left"].as_u64() else { return Ok(()) };
        let command = remedy["command"].as_str().unwrap().strip_prefix("restamp rewrite").unwrap();
        let options = format!("--epoch 1700000000 {command}");
        let outcome = compare(dir, ["a.tar", "b.tar"], &["--json", "--restamp", &options]);
        if !matches!(outcome.code, Some(0 | 1)) {
            return Err(format!("{command}: {}", outcome.stderr));
        }
        let after: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        let seen = after["differences"].as_array().unwrap().len() as u64;
        if seen != left || (left == 0) != (after["verdict"] == "identical") {
            return Err(format!("{command} leaves {seen} and not {left}: {:#?}", reported(&after, false)));
        }
        Ok(())
    });
}

#[test]
fn every_class_and_cause_has_a_pair() {
    let all = all();
    let names: BTreeSet<&str> = all.iter().map(|pair| pair.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a name is used twice");
    let column = |at: usize| -> BTreeSet<&str> {
        all.iter().flat_map(|pair| &pair.expected).map(|line| line.split(' ').nth(at).unwrap()).collect()
    };
    assert_eq!(column(0), Class::ALL.iter().map(|class| class.name()).collect());
    let mut causes: BTreeSet<&str> = CAUSES.iter().map(|cause| cause.id).collect();
    // Told by the content of a file, and by nothing.
    causes.extend(["gzip-file", "zip-file", "ar-file", "tar-file", "pyc-mtime", "-"]);
    assert_eq!(column(1), causes);
}

#[test]
fn inspect_finds_the_cause_in_one_image_alone() {
    let alone: Vec<Made> = all().into_iter().filter(|pair| pair.alone.is_some()).collect();
    let causes: BTreeSet<&str> = alone.iter().filter_map(|pair| pair.alone).collect();
    assert_eq!(causes, CAUSES.iter().map(|cause| cause.id).collect());
    for_each(&alone, |dir, pair| {
        for side in ["a.tar", "b.tar"] {
            let outcome = run(["inspect", "--json", text(&dir.join(side))]);
            if outcome.code != Some(0) {
                return Err(outcome.stderr);
            }
            let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
            let mut found: BTreeSet<&str> =
                report["findings"].as_array().unwrap().iter().map(|one| one["cause"].as_str().unwrap()).collect();
            // Any build has those.
            assert!(found.remove("times"));
            // What only follows from other files says nothing.
            let is_found = |id: &&str| CAUSES.iter().any(|cause| cause.id == *id && cause.in_one_image);
            if found != pair.alone.into_iter().filter(is_found).collect() {
                return Err(format!("{side}: {found:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn the_pairs_are_written_for_whoever_wants_to_look_at_them() {
    let kept = std::env::var_os("RESTAMP_WRITE_PAIRS");
    let folder = scratch();
    let folder = kept.as_ref().map_or(folder.path(), Path::new);
    let all = all();
    for pair in &all {
        let dir = folder.join(&pair.name);
        std::fs::create_dir_all(&dir).unwrap();
        for (name, bytes) in ["a.tar", "b.tar"].iter().zip(&pair.images) {
            write(&dir, name, bytes);
        }
        let lines: Vec<String> = std::iter::once(pair.verdict.to_owned()).chain(pair.expected.clone()).collect();
        write(&dir, "expected.txt", (lines.join("\n") + "\n").as_bytes());
    }
    let written = support::names(folder);
    assert!(all.iter().all(|pair| written.contains(&pair.name)));
}
