//! Times under keys that restamp does not know: they stay and are said, and `--time-key` names them.

use serde_json::{Value, json};

use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Files, Image, Layout, OCI_CONFIG, OCI_MANIFEST, read_tar};
use crate::support::{Build, EPOCH_DATE, date, pipe, run, scratch, text, write};

const EPOCH: [&str; 2] = ["--epoch", "1700000000"];
/// Every key that [`layout`] has and restamp does not know.
const KEYS: [&str; 10] = [
    "--time-key",
    "BUILD_DATE",
    "--time-key",
    "io.openshift.build.commit.*",
    "--time-key",
    "built*",
    "--time-key",
    "buildkit/createdat",
    "--time-key",
    "io.cncf.oras.artifact.created",
];

/// An image with times of many forms under keys of tools, that of a label in its history as well.
fn layout(build: &Build) -> Layout {
    let layers = [base(build), app(build)].map(|tar| Layer::new(tar, Packing::Gzip, Family::Oci, build)).to_vec();
    let image = Image::new(layers, Family::Oci, build, &[]);
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    let labels = config["config"]["Labels"].as_object_mut().unwrap();
    labels.insert("BUILD_DATE".to_owned(), json!(build.date(10)));
    labels.insert("io.openshift.build.commit.date".to_owned(), json!(date(build.seconds, 0).replace('T', " ")));
    labels.insert("io.openshift.build.commit.id".to_owned(), json!("0123abc"));
    labels.insert("built.day".to_owned(), json!(date(build.seconds, 0)[..10].to_owned()));
    labels.insert("built".to_owned(), json!(build.seconds.to_string()));
    labels.insert("builtMillis".to_owned(), json!(format!("{}123", build.seconds)));
    config["history"][1]["created_by"] = json!(format!("LABEL BUILD_DATE={} maintainer=x", build.date(10)));
    let mut layout = Layout::default();
    for layer in &image.layers {
        layout.put(&layer.media_type, &layer.blob);
    }
    let config = layout.put(OCI_CONFIG, config.to_string().as_bytes());
    let mut manifest: Value = serde_json::from_slice(&image.manifest(build)).unwrap();
    manifest["config"] = config;
    manifest["annotations"]["io.cncf.oras.artifact.created"] = json!(build.date(20));
    manifest["layers"][0]["annotations"] = json!({"buildkit/createdat": build.date(30)});
    let manifest = layout.put(OCI_MANIFEST, manifest.to_string().as_bytes());
    layout.name(manifest, "hello:1", build);
    layout
}

fn archive(build: &Build) -> Vec<u8> {
    layout(build).tar(build)
}

/// The JSON documents of an archive, as one text.
fn documents(bytes: &[u8]) -> String {
    let files: Files = read_tar(bytes);
    files.into_values().filter(|bytes| bytes.starts_with(b"{")).map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn rewritten(bytes: &[u8], options: &[&str]) -> Vec<u8> {
    pipe(["rewrite", "-q"].iter().chain(&EPOCH).chain(options), bytes).expect(0).stdout
}

/// The notes of a check of these kinds, after its exit status was looked at.
#[track_caller]
fn notes(bytes: &[u8], options: &[&str], code: i32) -> Vec<String> {
    let outcome = pipe(["check", "--json"].iter().chain(&EPOCH).chain(options), bytes).expect(code);
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().clone();
    let notes = findings.into_iter().filter(|finding| finding["kind"] == "unlisted-time");
    notes.map(|note| note["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_time_under_an_unknown_key_stays_and_is_said_once_a_key() {
    let source = archive(&Build::FIRST);
    for rule in [&[][..], &["--clamp"]] {
        let outcome = pipe(["rewrite"].iter().chain(&EPOCH).chain(rule), &source).expect(0);
        let warnings: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("--time-key")).collect();
        let keys = [
            "BUILD_DATE",
            "buildkit/createdat",
            "built",
            "built.day",
            "builtMillis",
            "io.cncf.oras.artifact.created",
            "io.openshift.build.commit.date",
        ];
        assert_eq!(warnings.len(), keys.len(), "{}", outcome.stderr);
        for (warning, key) in warnings.iter().zip(keys) {
            assert!(
                warning.starts_with("warning: sha256:") && warning.ends_with(&format!("--time-key {key}")),
                "{warning}"
            );
        }
        let after = documents(&outcome.stdout);
        assert!(after.contains(&Build::FIRST.date(10)) && after.contains(&Build::FIRST.date(30)), "{after}");
        assert_eq!(notes(&outcome.stdout, rule, 0).len(), keys.len());
    }
    // What is not later than the epoch is said of nothing.
    let late = ["rewrite", "--epoch", "1800000000"];
    assert!(!pipe(late, &source).expect(0).stderr.contains("--time-key"));
}

#[test]
fn a_time_key_makes_two_builds_equal() {
    let sources = [Build::FIRST, Build::SECOND].map(|build| archive(&build));
    for rule in [&[][..], &["--clamp"]] {
        let options: Vec<&str> = rule.iter().chain(&KEYS).copied().collect();
        let [first, second] = [&sources[0], &sources[1]].map(|source| rewritten(source, &options));
        assert!(first == second, "{rule:?}");
        assert!(rewritten(&first, &options) == first, "not idempotent with {rule:?}");
        assert!(notes(&first, &options, 0).is_empty());
        let after = documents(&first);
        for part in [
            format!("\"BUILD_DATE\":\"{EPOCH_DATE}\""),
            format!("LABEL BUILD_DATE={EPOCH_DATE} maintainer=x"),
            "\"io.openshift.build.commit.date\":\"2023-11-14 22:13:20Z\"".to_owned(),
            "\"io.openshift.build.commit.id\":\"0123abc\"".to_owned(),
            "\"built.day\":\"2023-11-14\"".to_owned(),
            "\"built\":\"1700000000\"".to_owned(),
            "\"builtMillis\":\"1700000000000\"".to_owned(),
            format!("\"buildkit/createdat\":\"{EPOCH_DATE}\""),
            format!("\"io.cncf.oras.artifact.created\":\"{EPOCH_DATE}\""),
        ] {
            assert!(after.contains(&part), "no {part} in {after}");
        }
        let dir = scratch();
        let file = write(dir.path(), "in.tar", &sources[0]);
        let out = dir.path().join("out.tar");
        run(["rewrite", "-q"].iter().chain(&EPOCH).chain(&options).chain(&[text(&file), text(&out)])).expect(0);
        assert!(std::fs::read(out).unwrap() == first, "a file is not rewritten as a pipe is");
    }
    // Each is found before.
    let found = pipe(["check", "--verbose"].iter().chain(&EPOCH).chain(&KEYS), &sources[0]).expect(1).text();
    for part in ["BUILD_DATE", "builtMillis", "built.day", "buildkit/createdat", "history[1].created_by"] {
        assert!(found.lines().any(|line| line.contains(part) && line.contains(" is ")), "no {part} in {found}");
    }
}

#[test]
fn keep_commands_keeps_what_repeats_a_named_key() {
    let options: Vec<&str> = KEYS.iter().copied().chain(["--keep-commands"]).collect();
    let after = documents(&rewritten(&archive(&Build::FIRST), &options));
    assert!(after.contains(&format!("LABEL BUILD_DATE={} ", Build::FIRST.date(10))), "{after}");
    assert!(after.contains(&format!("\"BUILD_DATE\":\"{EPOCH_DATE}\"")), "{after}");
}

#[test]
fn what_is_no_time_stays_under_a_named_key() {
    let source = archive(&Build::FIRST);
    let outcome = pipe(["rewrite", "--epoch", "1700000000", "--time-key", "io.openshift.build.commit.id"], &source);
    let outcome = outcome.expect(0);
    let warning = "io.openshift.build.commit.id\"]: \"0123abc\" can't be read as a time; left as it is";
    assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
    assert!(documents(&outcome.stdout).contains("0123abc"));
    let said = pipe(["check", "--epoch", "1700000000", "--time-key", "io.openshift.build.commit.id"], &outcome.stdout);
    assert!(said.expect(0).text().contains("is not a recognised date"));
    // A pattern passes over it.
    let outcome = pipe(["rewrite", "--epoch", "1700000000", "--time-key", "io.openshift.*"], &source).expect(0);
    assert!(!outcome.stderr.contains("commit.id"), "{}", outcome.stderr);
}

#[test]
fn an_environment_variable_is_said_and_never_changed() {
    let mut layout = layout(&Build::FIRST);
    let image = crate::support::hello(&Build::FIRST, Packing::Gzip);
    let text = String::from_utf8(image.config.clone()).unwrap();
    let variable = format!("\"Env\":[\"PATH=/bin\",\"BUILD_DATE={}\"]", Build::FIRST.date(10));
    let image = Image { config: text.replace("\"Env\":null", &variable).into_bytes(), ..image };
    let descriptor = layout.put_image(&image, &Build::FIRST);
    layout.manifests = vec![descriptor];
    let source = layout.tar(&Build::FIRST);
    let outcome = pipe(["rewrite"].iter().chain(&EPOCH).chain(&["--time-key", "BUILD_DATE"]), &source).expect(0);
    assert!(outcome.stderr.contains("config.Env[1]: BUILD_DATE=") && outcome.stderr.contains("SOURCE_DATE_EPOCH"));
    assert!(documents(&outcome.stdout).contains(&variable));
    let notes = notes(&outcome.stdout, &["--time-key", "BUILD_DATE"], 0);
    assert!(notes.len() == 1 && notes[0].starts_with("config.Env[1]: BUILD_DATE="), "{notes:?}");
}

/// A Wasm module, as wasm-to-oci and wkg write it: its config says when it was made.
fn wasm(build: &Build) -> Vec<u8> {
    let mut layout = Layout::default();
    let created = build.date(5);
    let config =
        format!(r#"{{"created":"{created}","architecture":"wasm","os":"wasip2","layerDigests":["sha256:0"]}}"#);
    let config = layout.put("application/vnd.wasm.config.v0+json", config.as_bytes());
    let layer = layout.put("application/wasm", b"\0asm\x01\0\0\0");
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
    let manifest = layout.put(OCI_MANIFEST, manifest.to_string().as_bytes());
    layout.name(manifest, "module:1", build);
    // Beside an image, since there is nothing to stamp in an artifact alone.
    let descriptor = layout.put_image(&crate::support::hello(build, Packing::Gzip), build);
    layout.manifests.push(descriptor);
    layout.tar(build)
}

#[test]
fn the_config_of_an_artifact_is_said_and_named() {
    let [first, second] = [Build::FIRST, Build::SECOND].map(|build| wasm(&build));
    let outcome = pipe(["rewrite"].iter().chain(&EPOCH), &first).expect(0);
    assert!(
        outcome.stderr.contains("created: ") && outcome.stderr.contains("--time-key created"),
        "{}",
        outcome.stderr
    );
    assert!(documents(&outcome.stdout).contains(&Build::FIRST.date(5)));
    assert_eq!(notes(&outcome.stdout, &[], 0).len(), 1);
    for rule in [&[][..], &["--clamp"]] {
        let options: Vec<&str> = ["--time-key", "created"].iter().chain(rule).copied().collect();
        let [a, b] = [&first, &second].map(|source| rewritten(source, &options));
        assert!(a == b, "{rule:?}");
        assert!(rewritten(&a, &options) == a && notes(&a, &options, 0).is_empty());
        assert!(documents(&a).contains(&format!("{{\"created\":\"{EPOCH_DATE}\",\"architecture\":\"wasm\"")));
        assert!(!documents(&a).contains(&Build::FIRST.date(5)));
    }
    let found =
        pipe(["check", "--verbose", "--time-key", "created"].iter().chain(&EPOCH), &outcome.stdout).expect(1).text();
    assert!(found.contains(&format!("created is {}", Build::FIRST.date(5))), "{found}");
}

#[test]
fn diff_takes_named_keys_for_times_that_restamping_sets() {
    let dir = scratch();
    let [a, b] = [("a.tar", Build::FIRST), ("b.tar", Build::SECOND)]
        .map(|(name, build)| write(dir.path(), name, &archive(&build)));
    let verdict = |options: &[&str]| {
        let outcome = run(["diff", "--json"].iter().chain(options).chain(&[text(&a), text(&b)])).expect(1);
        serde_json::from_slice::<Value>(&outcome.stdout).unwrap()["verdict"].clone()
    };
    assert_eq!(verdict(&KEYS), "same-after-restamping");
    assert_ne!(verdict(&[]), "same-after-restamping");
}

#[test]
fn a_key_that_is_no_pattern_is_an_error() {
    for bad in ["", "a[", "{a"] {
        run(["check", "--epoch", "0", "--time-key", bad, "x.tar"]).expect_error(&["--time-key"]);
    }
}
