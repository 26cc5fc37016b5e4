//! What the program says of itself: help, manual pages, completions.

use crate::support::{names, run, scratch, text};

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(["completions", shell]).expect(0).text();
        assert!(script.contains("restamp") && script.contains("base-layers"), "{shell}");
    }
}

#[test]
fn help_and_version() {
    assert_eq!(run(["--version"]).expect(0).text().trim(), concat!("restamp ", env!("CARGO_PKG_VERSION")));
    let help = run(["rewrite", "--help"]).expect(0).text();
    for flag in [
        "--epoch",
        "--clamp",
        "--base",
        "--base-layers",
        "--compression",
        "--compression-level",
        "--attestations",
        "--signatures",
        "--jobs",
        "--report",
        "--json",
        "--digest-file",
        "--name",
        "--progress",
        "--dry-run",
        "--in-place",
        "--force",
        "--quiet",
        "--verbose",
    ] {
        assert!(help.contains(flag), "{flag} is not in the help");
    }
}

#[test]
fn a_man_page_for_every_verb() {
    let dir = scratch();
    let dir = dir.path().join("made/anew");
    run(["man", "--dir", text(&dir)]).expect(0);
    let pages = names(&dir);
    for verb in ["rewrite", "check", "inspect", "diff", "tar", "lock"] {
        let page = std::fs::read_to_string(dir.join(format!("restamp-{verb}.1"))).unwrap();
        let version = concat!("\"restamp ", env!("CARGO_PKG_VERSION"));
        assert!(page.lines().any(|line| line.starts_with(".TH") && line.contains(version)), "{page}");
        for part in [".SH EXAMPLES", ".SH \"EXIT STATUS\"", ".SH ENVIRONMENT\n"] {
            assert!(page.contains(part) || page.contains(&part.replace("EXAMPLES", "\"EXAMPLES\"")), "{verb}: {part}");
        }
        assert!(!page.contains(".SH EXTRA"), "{page}");
    }
    assert!(pages.iter().any(|name| name == "restamp.1"), "{pages:?}");
    assert!(run(["man"]).expect(0).text().contains(".SH \"EXIT STATUS\""));
}

#[test]
fn the_help_of_check_promises_to_change_nothing() {
    for help in ["--help", "-h"] {
        let text = run(["check", help]).expect(0).text();
        for wrong in ["becomes", "Lower", "as they are", "what is written", "one object per finding"] {
            assert!(!text.contains(wrong), "{wrong}: {text}");
        }
        assert!(text.contains("What every timestamp has to be"), "{text}");
    }
}

#[test]
fn defaults_and_verdicts_are_in_the_help() {
    let rewrite = run(["rewrite", "--help"]).expect(0).text().replace('\n', " ");
    for part in
        ["goes [default: -]", "TMPDIR", "- is standard output", "REF of DEST is the name", "Exit status: 0 done"]
    {
        assert!(rewrite.contains(part), "{part}: {rewrite}");
    }
    let diff = run(["diff", "--help"]).expect(0).text();
    for part in ["identical but for what is accepted", "1 any other verdict"] {
        assert!(diff.contains(part), "{part}: {diff}");
    }
}

#[test]
fn every_help_says_what_the_exit_status_means_and_what_fits_its_verb() {
    for verb in ["", "rewrite", "check", "inspect", "diff", "lock", "completions", "man"] {
        let help = run([verb, "--help"].iter().filter(|word| !word.is_empty())).expect(0).text();
        assert!(help.lines().any(|line| line.starts_with("Exit status: 0 ")), "{verb}: {help}");
    }
    // The same headings in the same order.
    for (verb, expected) in [
        ("rewrite", &["Timestamps:", "Base image:", "What is rewritten:", "Output:", "Running:"][..]),
        ("check", &["Timestamps:", "Base image:", "What is checked:", "Output:", "Running:"]),
        ("diff", &["What is compared:", "What counts:", "Output:", "Running:"]),
    ] {
        let help = run([verb, "--help"]).expect(0).text();
        let headings: Vec<&str> = help.lines().filter(|line| expected.contains(line)).collect();
        assert_eq!(headings, expected, "{help}");
    }
    for verb in ["check", "inspect", "diff", "lock"] {
        let help = run([verb, "--help"]).expect(0).text();
        assert!(!help.contains("beside what is written") && help.contains("is spooled [default: TMPDIR"), "{help}");
    }
}
