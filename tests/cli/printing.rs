//! What is printed, and where: pipes that are closed early, quiet runs, output for machines.

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, hello, names, pipe, restamp, run, scratch, text, write};
use serde_json::Value;

fn image_of(build: Build) -> Vec<u8> {
    Layout::of(&hello(&build, Packing::Gzip), &build).tar(&build)
}

fn image() -> Vec<u8> {
    image_of(Build::FIRST)
}

#[test]
fn a_pipe_that_is_closed_early_does_not_change_the_verdict() {
    let dir = scratch();
    let a = write(dir.path(), "a.tar", &image());
    let b = write(dir.path(), "b.tar", &image_of(Build::SECOND));
    let (a, b, epoch) = (text(&a), text(&b), "--epoch=1700000000");
    for (arguments, status) in [
        (&["check", epoch, a][..], 1),
        (&["check", epoch, "--json", a], 1),
        (&["inspect", a], 0),
        (&["inspect", "--json", a], 0),
        (&["diff", a, b], 1),
        (&["diff", "-v", a, b], 1),
        (&["diff", "--json", a, b], 1),
        (&["diff", "--html", "-", a, b], 1),
        (&["diff", "--json", a, a], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        // Here it is the image that nobody has got.
        (&["rewrite", "-q", epoch, a], 2),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = restamp().args(arguments).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_result_that_can_t_be_written_is_an_error() {
    let dir = scratch();
    let a = write(dir.path(), "a.tar", &image());
    for arguments in [&["check", "--epoch", "1"][..], &["inspect"], &["inspect", "--json"], &["diff", text(&a)]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output =
            restamp().args(arguments).arg(&a).stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains("standard output: No space"), "{arguments:?}: {told}");
    }
}

#[test]
fn every_verb_runs_quietly_and_in_a_folder_of_choice() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &image());
    let epoch = ["--epoch", "1700000000"];
    for (verb, options, status) in
        [("check", &epoch[..], 1), ("inspect", &[], 0), ("diff", &[text(&source)], 0), ("rewrite", &epoch, 0)]
    {
        let folder = dir.path().join("nowhere");
        let with = |folder| {
            let more = [verb, "-q", "--tmp-dir", folder, "-"];
            pipe(more.iter().chain(options), &image())
        };
        let outcome = with(text(dir.path())).expect(status);
        assert!(outcome.stderr.is_empty() && (verb == "rewrite" || outcome.stdout.is_empty()), "{verb}: {outcome:?}");
        with(text(&folder)).expect_error(&["nowhere"]);
    }
    assert_eq!(names(dir.path()), ["in.tar"]);
}

#[test]
fn output_for_machines_is_printed_by_a_quiet_run_as_well() {
    let dir = scratch();
    let a = write(dir.path(), "a.tar", &image());
    let b = write(dir.path(), "b.tar", &image_of(Build::SECOND));
    let (a, b) = (text(&a), text(&b));
    for (arguments, status) in [
        (&["check", "--epoch", "1700000000", "--json", a][..], 1),
        (&["inspect", "--json", a], 0),
        (&["diff", "--json", a, b], 1),
        (&["diff", "--html", "-", a, b], 1),
    ] {
        let loud = run(arguments).expect(status);
        let quiet = run(arguments.iter().chain(&["-q"])).expect(status);
        // The page has the command line.
        let same = String::from_utf8_lossy(&quiet.stdout).replace(" -q</code>", "</code>");
        assert!(same.as_bytes() == loud.stdout && quiet.stderr.is_empty(), "{arguments:?}: {quiet:?}");
        if !arguments.contains(&"--html") {
            assert!(serde_json::from_slice::<Value>(&quiet.stdout).unwrap()["schema"].is_u64(), "{arguments:?}");
        }
    }
}

#[test]
fn errors_of_the_arguments_begin_as_all_others_and_know_the_options_of_other_tools() {
    let epoch = "the option is --epoch SECONDS";
    let rewrite = "DEST has no option of its own: restamp rewrite SOURCE DEST";
    for (arguments, first, tip) in [
        (&["rewrite", "--timestamp", "5", "a", "b"][..], "unexpected argument '--timestamp' found", epoch),
        (&["check", "--source-date-epoch=5"], "unexpected argument '--source-date-epoch' found", epoch),
        (&["rewrite", "--output", "b", "a"], "unexpected argument '--output' found", rewrite),
        (&["rewrite", "-o", "b", "a"], "unexpected argument '-o' found", rewrite),
        (&["inspect", "-o", "b"], "unexpected argument '-o' found", "the result goes to standard output: > FILE"),
        (&["app.tar"], "unrecognized subcommand 'app.tar'", "to rewrite an image: restamp rewrite app.tar"),
        (&["rewrit"], "unrecognized subcommand 'rewrit'", "a similar subcommand exists: 'rewrite'"),
    ] {
        let outcome = run(arguments).expect(2);
        assert!(
            outcome.stderr.starts_with(&format!("restamp: error: {first}\n\n  tip: {tip}\n")),
            "{}",
            outcome.stderr
        );
        assert!(!outcome.stderr.contains("as a value") && outcome.stdout.is_empty(), "{}", outcome.stderr);
    }
    let outcome = run(["check", "--bogus"]).expect(2);
    assert!(
        outcome.stderr.starts_with("restamp: error: unexpected argument '--bogus' found\n\nUsage: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn layers_are_called_layers_and_numbers_are_written_alike() {
    let dir = scratch();
    let many: Vec<_> = (0..1200).map(|number| Entry::file(format!("f{number}"), "", 1)).collect();
    let layer = |entries: &[Entry]| Layer::new(tar(entries), Packing::Gzip, Family::Oci, &Build::FIRST);
    let layers = vec![layer(&many), layer(&many[..1])];
    let image = Layout::of(&Image::new(layers, Family::Oci, &Build::FIRST, &["app:1"]), &Build::FIRST);
    let source = write(dir.path(), "in.tar", &image.tar(&Build::FIRST));
    let epoch = "--epoch=1700000000";
    let report: Value =
        serde_json::from_slice(&run(["check", "--json", epoch, text(&source)]).expect(1).stdout).unwrap();
    assert_eq!(report["checked"], serde_json::json!({"images": 1, "blobs": 2, "layers": 2, "entries": 1201}));
    assert_eq!(report["schema"], 1);
    let rewritten = run(["rewrite", epoch, text(&source), text(&dir.path().join("out.tar"))]).expect(0);
    assert!(rewritten.stderr.contains("1,201 entries"), "{}", rewritten.stderr);
    let checked = run(["check", epoch, text(&dir.path().join("out.tar"))]).expect(0).text();
    assert!(checked.starts_with("1 image, 2 layers and 1,201 entries checked: nothing found"), "{checked}");
}
