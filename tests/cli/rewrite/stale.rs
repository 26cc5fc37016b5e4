//! What is said of copies of mtimes that are stale.

use super::copies::{BUILT, EPOCH_SECONDS, PYC, image, pyc, source};
use super::*;
use crate::support::tarball::Entry;
use serde_json::Value;

#[test]
fn check_counts_what_is_stale() {
    let dir = scratch();
    let fresh = [vec![source("PORT = 8080\n", BUILT), Entry::file(PYC, pyc(0, BUILT, 12), BUILT)]];
    let harmed = filter(&image(&fresh), &["--repair", "none"]);
    let wrong = [
        vec![source("PORT = 8080\n", BUILT), Entry::file(PYC, pyc(0, BUILT, 12), BUILT)],
        vec![source("PORT = 9090\n", BUILT)],
    ];
    for (name, image, code, stale, wrongly_fresh) in [
        ("fresh", image(&fresh), 0, 0, 0),
        ("follows", filter(&image(&fresh), &[]), 0, 0, 0),
        ("harmed", harmed.clone(), 1, 1, 0),
        ("wrong", image(&wrong), 1, 0, 1),
    ] {
        let path = write(dir.path(), name, &image);
        let outcome = run(["check", "--stale", "--json", text(&path)]).expect(code);
        let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        let counts = &report["images"][0]["counts"]["pyc"];
        assert_eq!((&counts["stale"], &counts["wrongly_fresh"]), (&stale.into(), &wrongly_fresh.into()), "{name}");
        assert_eq!(report["images"][0]["faults"].as_array().unwrap().len(), (stale + wrongly_fresh) as usize);
        let shown = run(["check", "--stale", text(&path)]).expect(code).stdout;
        assert_eq!(String::from_utf8(shown).unwrap().contains(PYC), code == 1, "{name}");
    }
    // What an mtime has left behind is a note of plain `check`.
    let path = write(dir.path(), "noted", &harmed);
    let shown = run(["check", "--epoch", "1700000000", text(&path)]).expect(0).stdout;
    assert!(String::from_utf8(shown).unwrap().contains("check --stale"));
}

#[test]
fn what_goes_stale_without_repair_is_said() {
    let layers = [vec![source("PORT = 8080\n", BUILT), Entry::file(PYC, pyc(0, BUILT, 12), BUILT)]];
    let none = ["rewrite", "--epoch", "1700000000", "--repair", "none"];
    let outcome = pipe(none, &image(&layers)).expect(0);
    assert!(outcome.stderr.contains("conf.cpython-311.pyc: holds a copy of an mtime"), "{}", outcome.stderr);
    // A stale copy that becomes right.
    let epoch = i64::from(EPOCH_SECONDS);
    let layers = [
        vec![source("PORT = 8080\n", epoch), Entry::file(PYC, pyc(0, epoch, 12), epoch)],
        vec![source("PORT = 9090\n", BUILT)],
    ];
    let outcome = pipe(none, &image(&layers)).expect(0);
    assert!(outcome.stderr.contains("would take it for up to date"), "{}", outcome.stderr);
}
