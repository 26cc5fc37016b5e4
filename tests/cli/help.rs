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
    for verb in ["rewrite", "check", "inspect", "diff", "tar"] {
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
