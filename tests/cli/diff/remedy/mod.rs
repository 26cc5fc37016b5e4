//! The fewest options of `rewrite` by which two images become the same: what is named is tried, on pairs that are put
//! together of one or several things in which builds differ.

mod parts;

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::diff::T;
use crate::support::tarball::Entry;
use crate::support::{Outcome, run, scratch, text, write};
use parts::{PARTS, Part, Side};

fn pair_of(dir: &Path, parts: &[&Part]) -> [String; 2] {
    [false, true].map(|is_b| {
        let mut side = Side::new(is_b);
        parts.iter().for_each(|part| (part.make)(&mut side));
        let name = if is_b { "b.tar" } else { "a.tar" };
        text(&write(dir, name, &side.archive())).to_owned()
    })
}

fn diff(options: &[&str], sides: &[String; 2]) -> Outcome {
    run(["diff"].iter().chain(options).copied().chain(sides.iter().map(String::as_str)))
}

fn report(options: &[&str], sides: &[String; 2]) -> Value {
    let outcome = diff(&[&["--json"], options].concat(), sides);
    assert!(matches!(outcome.code, Some(0 | 1)), "{options:?}: {}", outcome.stderr);
    serde_json::from_slice(&outcome.stdout).unwrap()
}

/// The options of a list, each with its value; the values of one option apart.
fn apart(options: &[String]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for word in options {
        match all.last_mut() {
            Some(last) if !word.starts_with("--") => last.push(word.clone()),
            _ => all.push(vec![word.clone()]),
        }
    }
    all.into_iter()
        .flat_map(|option| match option.as_slice() {
            [name, list] if ["--repair", "--omit"].contains(&name.as_str()) => {
                list.split(',').map(|word| vec![name.clone(), word.to_owned()]).collect()
            }
            _ => vec![option],
        })
        .collect()
}

/// Tries what a comparison of two images says of its remedy: that it is right, and that no option is too many.
fn try_remedy(sides: &[String; 2]) -> Result<Vec<String>, String> {
    let found = report(&[], sides);
    let remedy = &found["remedy"];
    if remedy.is_null() {
        return if found["verdict"] == "identical" { Ok(Vec::new()) } else { Err("no remedy".to_owned()) };
    }
    let options: Vec<String> = serde_json::from_value(remedy["options"].clone()).unwrap();
    let left = |options: &[Vec<String>]| -> Option<u64> {
        let words: Vec<String> = options.concat().iter().map(|word| format!("'{word}'")).collect();
        let outcome = diff(&["--json", "--restamp", &format!("--epoch 1700000000 {}", words.join(" "))], sides);
        let report: Value = serde_json::from_slice(&outcome.stdout).ok()?;
        Some(report["differences"].as_array()?.len() as u64)
    };
    let all = apart(&options);
    let expected = remedy["left"].as_u64();
    let seen = left(&all);
    if seen != expected {
        return Err(format!("{options:?} leaves {seen:?} and not {expected:?}: {found:#}"));
    }
    for at in 0..all.len() {
        let fewer: Vec<Vec<String>> = [&all[..at], &all[at + 1..]].concat();
        if left(&fewer).is_some_and(|left| Some(left) <= expected) {
            return Err(format!("{:?} of {options:?} is not needed: {found:#}", all[at]));
        }
    }
    Ok(all.into_iter().map(|option| option.join(" ")).collect())
}

fn check(parts: &[&Part]) -> Result<(), String> {
    let dir = scratch();
    let sides = pair_of(dir.path(), parts);
    let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
    let chosen = try_remedy(&sides).map_err(|text| format!("{names:?}: {text}"))?;
    let found: BTreeSet<String> = chosen.into_iter().collect();
    let mut expected = BTreeSet::new();
    // Where another part needs the one or the other, it does for both.
    for (part, options) in [false, true].into_iter().flat_map(|is_either| {
        parts.iter().filter(move |part| part.or.is_some() == is_either).filter_map(|part| Some((part, part.options?)))
    }) {
        let is_done = part.or.is_some_and(|or| expected.contains(or));
        let words: Vec<String> = options.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        expected.extend(apart(&words).iter().map(|option| option.join(" ")).filter(|_| !is_done));
    }
    for spoilt in parts.iter().filter_map(|part| part.spoils) {
        expected.remove(spoilt);
    }
    if found != expected {
        return Err(format!("{names:?}: {found:?} instead of {expected:?}"));
    }
    Ok(())
}

#[test]
fn each_difference_goes_away_by_its_option_and_by_nothing_less() {
    let failed: Vec<String> = PARTS.iter().filter_map(|part| check(&[part]).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn several_differences_go_away_by_the_fewest_options(
        chosen in proptest::sample::subsequence((0..PARTS.len()).collect::<Vec<_>>(), 2..7),
    ) {
        let parts: Vec<&Part> = chosen.iter().map(|at| &PARTS[*at]).collect();
        if let Err(failed) = check(&parts) {
            return Err(TestCaseError::fail(failed));
        }
    }
}

#[test]
fn sorting_is_named_only_where_it_can_be_done_and_leaves_the_same() {
    let named = |change: &dyn Fn(&mut Side)| {
        let dir = scratch();
        let sides = [false, true].map(|is_b| {
            let mut side = Side::new(is_b);
            side.add(Entry::dir("srv/", T));
            change(&mut side);
            let name = if is_b { "b.tar" } else { "a.tar" };
            text(&write(dir.path(), name, &side.archive())).to_owned()
        });
        try_remedy(&sides).map(|options| options.contains(&"--order name".to_owned()))
    };
    let opaque = |side: &mut Side| side.add(Entry::file("srv/.wh..wh..opq", "", T));
    assert_eq!(named(&|side| side.is_reversed = side.is_b), Ok(true));
    // A path that a layer has twice, also where both have that layer.
    let twice = |side: &mut Side| {
        side.is_reversed = side.is_b;
        side.lower.push(Entry::dir("etc/", T));
    };
    assert_eq!(named(&twice), Ok(false));
    // A whiteout that hides something on one side alone, and one that hides something on both.
    let parted = |side: &mut Side| {
        side.is_reversed = side.is_b;
        side.lower.extend(side.is_b.then(|| Entry::file("srv/x", "x", T)));
        opaque(side);
    };
    assert_eq!(named(&parted), Ok(false));
    let hiding = |side: &mut Side| {
        side.lower.push(Entry::file("srv/x", "x", T));
        if side.is_b {
            opaque(side);
        }
    };
    assert_eq!(named(&hiding), Ok(false));
    // What is there was removed in between: sorting takes it for something.
    let removed = |side: &mut Side| {
        side.lower.push(Entry::file("srv/x", "x", T));
        side.lower.push(Entry::file("srv/.wh.x", "", T));
        if side.is_b {
            opaque(side);
        }
    };
    assert_eq!(named(&removed), Ok(false));
}

#[test]
fn what_is_named_is_said_in_every_form() {
    let dir = scratch();
    let of = |names: &[&str]| {
        let parts: Vec<&Part> =
            names.iter().map(|name| PARTS.iter().find(|part| part.name == *name).unwrap()).collect();
        pair_of(dir.path(), &parts)
    };
    let sides = of(&["owner name", "mtime"]);
    let shown = diff(&[], &sides).expect(1).text();
    assert!(shown.contains("\nsame after: restamp rewrite --numeric-owner\n"), "{shown}");
    let page = diff(&["--html", "-"], &sides).text();
    assert!(page.contains("<p class=x>same after: restamp rewrite --numeric-owner</p>"), "{page}");
    let found = report(&[], &sides);
    assert_eq!(found["remedy"]["command"], "restamp rewrite --numeric-owner");
    let owners = found["differences"].as_array().unwrap().iter().find(|one| one["field"] == "uname").unwrap();
    assert_eq!(owners["mended_by"], json!(["rewrite --numeric-owner"]));
    // What is accepted need not go away.
    let sides = of(&["content", "mtime", "unlisted label"]);
    let shown = diff(&[], &sides).text();
    let expected = "\nleft after restamp rewrite --time-key vendor.build.at: 1 of 3 (1 content)\n";
    assert!(shown.contains(expected), "{shown}");
    let shown = diff(&["--ignore-path", "opt/content"], &sides).text();
    let expected = "\nsame but for what is accepted, after: restamp rewrite --time-key vendor.build.at\n";
    assert!(shown.contains(expected), "{shown}");
    // Of images that are the same, and of those that were rewritten, nothing is said.
    for options in [&["--rootfs"][..], &["--restamp", ""]] {
        assert!(report(options, &of(&["created"]))["remedy"].is_null(), "{options:?}");
    }
}
