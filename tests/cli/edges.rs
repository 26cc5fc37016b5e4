//! The edges of the program: the epoch, the terminal, exit statuses, what is no image.

use crate::support;

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, finish, hello, names, noise, pipe, restamp, run, scratch, text, write};
use std::process::{Command, Stdio};

fn image() -> Vec<u8> {
    Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST).tar(&Build::FIRST)
}

#[test]
fn without_an_epoch_it_says_how_to_give_one() {
    for verb in ["rewrite", "check"] {
        let outcome =
            pipe([verb, "-"], &image()).expect_error(&["--epoch", "SOURCE_DATE_EPOCH", "git log -1 --pretty=%ct"]);
        assert!(outcome.stdout.is_empty());
    }
}

#[test]
fn a_bad_epoch_is_shown() {
    for bad in ["", "now", "+1700000000", "1700000000.5", "0x10", "-1", "8589934592", "99999999999999999999"] {
        let mut command = restamp();
        command.args(["rewrite"]).env("SOURCE_DATE_EPOCH", bad);
        let outcome = finish(&mut command, Some(&image())).expect_error(&["SOURCE_DATE_EPOCH", bad]);
        assert!(outcome.stdout.is_empty());
    }
    // What the variable may not be, the option may.
    let mut command = restamp();
    command.args(["rewrite"]).env("SOURCE_DATE_EPOCH", "2023-11-14T22:13:20Z");
    finish(&mut command, Some(&image())).expect_error(&["2023-11-14T22:13:20Z"]);
    for bad in ["yesterday", "2023-11-14", "1969-12-31T23:59:59Z", "8589934592", "2023-11-14T22:13:20.5Z"] {
        pipe(["rewrite", "--epoch", bad], &image()).expect_error(&["epoch", bad]);
    }
}

#[test]
fn an_epoch_that_is_none_is_answered_with_what_it_may_have_been_meant_as() {
    let any = "expected seconds since 1970, or an RFC 3339 time such as 2023-11-14T22:13:20Z, found";
    let seconds = "expected a plain decimal integer of seconds since 1970, found";
    let date = "date +%s, or git log -1 --pretty=%ct";
    let only = format!("--epoch takes such a time, this variable only seconds: use {date}");
    let of_date = "Tue Nov 14 22:13:20 UTC 2023";
    for (text, option, variable) in [
        (of_date, format!("use {date}"), format!("use {date}")),
        ("2023-11-14", "add a time and a zone: 2023-11-14T00:00:00Z".to_owned(), only.clone()),
        (
            "2023-11-14 22:13:20",
            "write T instead of the blank, and add a zone: 2023-11-14T22:13:20Z".to_owned(),
            only.clone(),
        ),
        ("2023-11-14T22:13:20", "add Z, or the zone that it is in: 2023-11-14T22:13:20Z".to_owned(), only.clone()),
        ("@1700000000", "leave out the @".to_owned(), "leave out the @".to_owned()),
    ] {
        let error = pipe(["check", "--epoch", text], &image()).expect(2).stderr;
        assert_eq!(error, format!("restamp: error: --epoch: {any} \"{text}\": {option}\n"));
        let error = finish(restamp().arg("check").env("SOURCE_DATE_EPOCH", text), Some(&image())).expect(2).stderr;
        assert_eq!(error, format!("restamp: error: SOURCE_DATE_EPOCH: {seconds} \"{text}\": {variable}\n"));
    }
    let empty = "is empty: did the command that computes it fail?\n";
    let error = pipe(["check", "--epoch", ""], &image()).expect(2).stderr;
    assert_eq!(error, format!("restamp: error: --epoch {empty}"));
    let error = finish(restamp().arg("check").env("SOURCE_DATE_EPOCH", ""), Some(&image())).expect(2).stderr;
    assert_eq!(error, format!("restamp: error: SOURCE_DATE_EPOCH {empty}"));
    // Blanks around it do no harm to the option; the variable has a specification, which knows none.
    pipe(["check", "--epoch", " 1700000000\n"], &image()).expect(1);
    let error = finish(restamp().arg("check").env("SOURCE_DATE_EPOCH", "17 "), Some(&image())).expect(2).stderr;
    assert_eq!(
        error,
        format!("restamp: error: SOURCE_DATE_EPOCH: {seconds} \"17 \": leave out the blanks around it\n")
    );
}

#[test]
fn digits_that_are_a_date_are_no_epoch() {
    for (digits, rfc3339, seconds, meant) in [
        ("20231114", "2023-11-14T00:00:00Z", "1699920000", "; if seconds are meant, use --epoch 1970-08-23T03:45:14Z"),
        ("202311142213", "2023-11-14T22:13:00Z", "1699999980", ""),
        ("20231114221320", "2023-11-14T22:13:20Z", "1700000000", ""),
    ] {
        let looks = format!("{digits} looks like the date 2023-11-14, not like seconds since 1970");
        for verb in ["rewrite", "check", "tar"] {
            let error = pipe([verb, "--epoch", digits], &image()).expect(2).stderr;
            assert_eq!(error, format!("restamp: error: --epoch: {looks}: write {rfc3339}{meant}\n"), "{verb}");
            let error = finish(restamp().arg(verb).env("SOURCE_DATE_EPOCH", digits), Some(&image())).expect(2).stderr;
            let write = format!("for {rfc3339} write {seconds}{meant}");
            assert_eq!(error, format!("restamp: error: SOURCE_DATE_EPOCH: {looks}: {write}\n"), "{verb}");
        }
        let created = ["rewrite", "--epoch", "1700000000", "--created", digits];
        pipe(created, &image()).expect_error(&["--created: ", &looks, rfc3339]);
    }
    // Other numbers of eight digits are seconds, and so is the hint.
    for seconds in ["20231314", "20230229", "18991231", "21000101", "1970-08-23T03:45:14Z"] {
        pipe(["rewrite", "-q", "--epoch", seconds], &image()).expect(0);
    }
}

#[test]
fn an_architecture_alone_is_that_of_linux_as_containerd_has_it() {
    pipe(["inspect", "--platform", "amd64"], &image()).expect(0);
    let error = pipe(["inspect", "--platform", "arm64"], &image()).expect(2).stderr;
    assert_eq!(
        error,
        "restamp: error: standard input: no image for linux/arm64; there are: linux/amd64/v1 (hello:1, hello:latest)\n"
    );
    let expected = "expected os/architecture or os/architecture/variant, e.g. linux/arm64, found \"linux\"";
    pipe(["inspect", "--platform", "linux"], &image()).expect_error(&["restamp: error: ", expected]);
}

#[test]
fn a_wrong_value_of_an_option_is_named_once() {
    for (option, value, expected) in [
        ("--platform <OS/ARCH[/VARIANT]>", "a/b/c/d", "expected os/architecture or os/architecture/variant"),
        ("--keep-order <GLOB>", "a[", "expected a pattern such as var/log/**, found \"a[\" (unclosed character class"),
        ("--name <NAME>", "UPPER:1", "expected [REGISTRY[:PORT]/]REPOSITORY[:TAG] with a repository"),
    ] {
        let name = option.split(' ').next().unwrap();
        let error = run(["rewrite", name, value]).expect(2).stderr;
        let start = format!("restamp: error: invalid value '{value}' for '{option}': {expected}");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn the_option_goes_before_the_variable() {
    let expected = pipe(["rewrite", "-q", "--epoch", "1600000000"], &image()).expect(0).stdout;
    for variable in ["1700000000", "not a number"] {
        let mut command = restamp();
        command.args(["rewrite", "-q", "--epoch", "1600000000"]).env("SOURCE_DATE_EPOCH", variable);
        assert!(finish(&mut command, Some(&image())).expect(0).stdout == expected, "{variable}");
    }
}

#[test]
fn nothing_else_of_the_environment_shows() {
    let expected = pipe(["rewrite", "-q", "--epoch", "1600000000"], &image()).expect(0).stdout;
    let mut command = restamp();
    command.args(["rewrite", "-q", "--epoch", "1600000000"]);
    command.env_clear().env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8").env("RAYON_NUM_THREADS", "3");
    assert!(finish(&mut command, Some(&image())).expect(0).stdout == expected);
}

#[test]
fn the_first_and_the_last_epoch() {
    for epoch in ["0", "8589934591"] {
        let out = pipe(["rewrite", "-q", "--epoch", epoch], &image()).expect(0).stdout;
        let dir = scratch();
        let path = write(dir.path(), "out.tar", &out);
        run(["check", "--epoch", epoch, text(&path)]).expect(0);
    }
}

/// Runs a shell command on a terminal of its own.
fn on_a_terminal(command: &str) -> (Option<i32>, String) {
    let mut script = Command::new("script");
    script.args(["-qec", command, "/dev/null"]).stdin(Stdio::null()).env_remove("SOURCE_DATE_EPOCH");
    let output = script.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_terminal_gets_no_image_and_gives_none() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &image());
    let program = env!("CARGO_BIN_EXE_restamp");
    let (code, out) = on_a_terminal(&format!("{program} rewrite --epoch 1 {}", text(&source)));
    assert_eq!(code, Some(2), "{out}");
    assert!(out.contains("terminal"), "{out}");
    let (code, out) = on_a_terminal(&format!("{program} rewrite --epoch 1 - {}/out.tar </dev/tty", text(dir.path())));
    assert_eq!(code, Some(2), "{out}");
    assert!(out.contains("terminal"), "{out}");
    assert_eq!(names(dir.path()), ["in.tar"]);
}

#[test]
fn stdout_carries_the_image_and_nothing_else() {
    let quiet = pipe(["rewrite", "-q", "--epoch", "1700000000"], &image()).expect(0);
    assert_eq!(quiet.stderr, "");
    let loud = pipe(["rewrite", "-v", "--progress", "plain", "--epoch", "1700000000"], &image()).expect(0);
    assert!(loud.stdout == quiet.stdout);
    assert!(!loud.stderr.is_empty());
    assert!(!loud.stderr.contains('\u{1b}'), "colours in a log: {}", loud.stderr);
}

#[test]
fn the_summary_says_what_changed() {
    let outcome = pipe(["rewrite", "--epoch", "1700000000"], &image()).expect(0);
    let digest = |files: &support::layout::Files| {
        let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap()["sha256:".len()..][..12].to_owned()
    };
    for bytes in [image(), outcome.stdout.clone()] {
        let digest = digest(&support::layout::read_tar(&bytes));
        assert!(outcome.stderr.contains(&digest), "no {digest} in {}", outcome.stderr);
    }
}

#[test]
fn exit_statuses() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &image());
    let to = dir.path().join("out.tar");
    run(["check", "--epoch", "1700000000", text(&source)]).expect(1);
    run(["rewrite", "--epoch", "1700000000", text(&source), text(&to)]).expect(0);
    run(["check", "--epoch", "1700000000", text(&to)]).expect(0);
    run(["check", "--epoch", "1700000001", text(&to)]).expect(1);
    run(["check", "--clamp", "--epoch", "1700000001", text(&to)]).expect(0);
    let missing = dir.path().join("missing.tar");
    run(["check", "--epoch", "1700000000", text(&missing)]).expect_error(&["missing.tar"]);
    run(["rewrite", "--epoch", "1700000000", text(&missing), "-"]).expect_error(&["missing.tar"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &image());
    let source = text(&source);
    for arguments in [
        &["rewrite", "--epoch", "1", "--jobs", "0", source, "-"][..],
        &["rewrite", "--epoch", "1", "--jobs", "many", source, "-"],
        &["rewrite", "--epoch", "1", "--compression", "lzma", source, "-"],
        &["rewrite", "--epoch", "1", "--form", "2", source, "-"],
        &["rewrite", "--epoch", "1", "--base-layers", "-1", source, "-"],
        &["rewrite", "--epoch", "1", "--base", "x", "--base-layers", "1", source, "-"],
        &["rewrite", "--epoch", "1", "--in-place", "-"],
        &["rewrite", "--epoch", "1", "--in-place", source, "out.tar"],
        &["rewrite", "--epoch", "1", "--no-such-flag", source, "-"],
        &["rewrite", "--epoch", "1", source, "-", "third"],
        &["rewrite", "--epoch", "1", "docker://example.org/image", "-"],
        &["check", "--epoch", "1"],
        &["no-such-verb"],
        &[],
    ] {
        let outcome = run(arguments.iter().copied()).expect(2);
        assert!(!outcome.stderr.is_empty() && outcome.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(names(dir.path()), ["in.tar"]);
    run(["rewrite", "-q", "--epoch", "1", "--form", "1", source, "-"]).expect(0);
}

#[test]
fn sources_that_hold_no_image() {
    let dir = scratch();
    let empty = write(dir.path(), "empty.tar", b"");
    let zeros = write(dir.path(), "zeros.tar", &[0; 10_240]);
    let other = write(dir.path(), "other.tar", &support::layer::base(&Build::FIRST));
    let text_file = write(dir.path(), "notes.txt", b"no archive at all\n");
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for source in [&empty, &zeros, &other, &text_file, &folder] {
        for verb in ["rewrite", "check"] {
            let name = source.file_name().unwrap().to_str().unwrap();
            run([verb, "--epoch", "1", text(source)]).expect_error(&[name]);
        }
    }
}

#[test]
fn what_is_no_image_is_called_so_and_its_bytes_are_not_shown() {
    let secret = "password=hunter2\n".repeat(100).into_bytes();
    let gzip =
        support::layer::Layer::new(secret.clone(), Packing::Gzip, support::layer::Family::Oci, &Build::FIRST).blob;
    for bytes in [&secret[..], &secret[..100], &gzip] {
        let dir = scratch();
        let path = write(dir.path(), "it", bytes);
        for outcome in [run(["inspect", text(&path)]), pipe(["rewrite", "--epoch", "1"], bytes)] {
            assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
            outcome.expect_error(&["this is not a container image"]);
        }
    }
    for (magic, name) in [(&b"\xfd7zXZ\0more"[..], "xz -dc"), (b"BZh91AY&SYmore", "bzip2 -dc")] {
        pipe(["inspect"], magic).expect_error(&["standard input", name]);
    }
    pipe(["rewrite", "--epoch", "1"], b"").expect_error(&["standard input", "it is empty", "did the command"]);
    // Nor are those of a layer whose headers are none.
    let mut tar = support::tarball::tar(&[support::tarball::Entry::file("fine", "", 1)]);
    tar.splice(0..512, secret[..512].iter().copied());
    let layer = support::layer::Layer::new(tar, Packing::Gzip, support::layer::Family::Oci, &Build::FIRST);
    let image = support::layout::Image::new(vec![layer], support::layer::Family::Oci, &Build::FIRST, &[]);
    let outcome = pipe(["rewrite", "--epoch", "1"], &Layout::of(&image, &Build::FIRST).tar(&Build::FIRST));
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    outcome.expect_error(&["offset 0", "checksum"]);
}

#[test]
fn a_layout_without_images_becomes_no_archive_that_nothing_loads() {
    let dir = scratch();
    let layout = dir.path().join("layout");
    std::fs::create_dir(&layout).unwrap();
    write(&layout, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    write(&layout, "index.json", br#"{"schemaVersion":2,"manifests":[]}"#);
    let to = dir.path().join("out.tar");
    let rewrite = |destination: String| run(["rewrite", "-q", "--epoch", "1", text(&layout), &destination]);
    rewrite(format!("docker-archive:{}", text(&to))).expect_error(&["index.json", "no image"]);
    assert_eq!(names(dir.path()), ["layout"]);
    // A layout may be empty, and stays so.
    rewrite(format!("oci-archive:{}", text(&to))).expect(0);
    rewrite(format!("docker-archive:{}.2", text(&to))).expect_error(&["no image"]);
}

#[test]
fn a_summary_says_if_there_was_nothing_to_stamp() {
    let one = Image::new(
        vec![Layer::new(tar(&[]), Packing::Gzip, Family::Oci, &Build::FIRST)],
        Family::Oci,
        &Build::FIRST,
        &[],
    );
    let one = Layout::of(&one, &Build::FIRST).tar(&Build::FIRST);
    for (image, layers, done) in
        [(image(), "2 layers", "rewritten"), (one, "1 layer", "encoded again (no time in it changed)")]
    {
        let first = pipe(["rewrite", "--epoch", "1700000000"], &image).expect(0);
        assert!(first.stderr.contains(&format!("{layers} {done}; ")), "{}", first.stderr);
        let again = pipe(["rewrite", "--epoch", "1700000000"], &first.stdout).expect(0);
        let said = format!("nothing to stamp: {layers} and all document times unchanged\n");
        assert!(again.stderr.ends_with(&said) && !again.stderr.contains("rewritten"), "{}", again.stderr);
    }
}

#[test]
fn a_folder_without_room_for_temporary_files_is_told_before_the_work() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &image());
    // A folder that nobody can write into, root included.
    for (arguments, said) in [
        (&["--tmp-dir", "/proc"][..], "restamp: error: --tmp-dir /proc: no temporary file can be made there: "),
        (&["/proc/out.tar"], "restamp: error: /proc/out.tar: cannot write there: "),
    ] {
        let outcome = run(["rewrite", "--epoch", "1", text(&source)].iter().chain(arguments)).expect(2);
        assert!(outcome.stderr.starts_with(said) && !outcome.stderr.contains("sha256:"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("--tmp-dir DIR"), "{}", outcome.stderr);
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = restamp();
    let outcome = command.args(["inspect", text(&source)]).stdout(full).output().unwrap();
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("standard output"), "{outcome:?}");
}

#[test]
fn a_cache_never_shows_in_the_output() {
    let build = Build::FIRST;
    let layer = tar(&[
        Entry::file("large", noise(1_500_000, 1), build.seconds),
        Entry::file("small", noise(1000, 2), build.seconds),
    ]);
    let layers = vec![Layer::new(layer, Packing::Gzip, Family::Oci, &build)];
    let image = Layout::of(&Image::new(layers, Family::Oci, &build, &["app:1"]), &build).tar(&build);
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &image);
    let cache = dir.path().join("cache");
    let rewrite = |epoch: &str, more: &[&str]| {
        run(["rewrite", "-q", "--epoch", epoch, text(&source), "-"].iter().chain(more)).expect(0).stdout
    };
    // Cold, warm with another epoch, the same layer once more; with both rules and codecs.
    let level = ["-j1", "--compression", "gzip", "--compression-level", "1"];
    for options in [&[][..], &["--clamp"], &["--compression", "zstd"], &level] {
        for epoch in ["1700000000", "1600000000", "1600000000"] {
            let with = [options, &["--cache", text(&cache), "--cache-max", "100M"]].concat();
            assert!(rewrite(epoch, &with) == rewrite(epoch, options), "{options:?} at {epoch}");
        }
    }
    assert!(!names(&cache).is_empty());
    // A file is no cache, and says so before the work.
    run(["rewrite", "--epoch", "1", "--cache", text(&source), text(&source), "-"]).expect_error(&["--cache", "in.tar"]);
}

#[test]
fn sizes_are_numbers_with_a_unit() {
    let dir = scratch();
    let image = image();
    let cache = dir.path().join("cache");
    let run = |size| pipe(["rewrite", "-q", "--epoch", "1", "--cache", text(&cache), "--cache-max", size], &image);
    for good in ["0", "1000", "64K", "1GiB", "2T"] {
        run(good).expect(0);
    }
    for bad in ["", "M", "1.5G", "10 apples", "99999999999T", "\u{665}M"] {
        run(bad).expect_error(&["--cache-max"]);
    }
    pipe(["rewrite", "--epoch", "1", "--cache-max", "1M"], &image).expect_error(&["--cache"]);
}
