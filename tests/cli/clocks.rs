//! Two clocks, that of files and that of documents, and an epoch that is read from the image.

use serde_json::{Value, json};

use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Image, Layout, OCI_INDEX, read_tar};
use crate::support::{Build, EPOCH_DATE, archives, date, docker, hello, judge, pipe, run, scratch, text, write};

const BUILD: Build = Build::FIRST;
const EPOCH: [&str; 2] = ["--epoch", "1700000000"];
/// Another epoch than that of files, for documents.
const OWN: &str = "1600000000";
const OWN_DATE: &str = "2020-09-13T12:26:40Z";

fn rewritten(bytes: &[u8], options: &[&str]) -> Vec<u8> {
    pipe(["rewrite", "-q"].iter().chain(options), bytes).expect(0).stdout
}

fn checked(bytes: &[u8], options: &[&str], code: i32) -> Value {
    let outcome = pipe(["check", "--json"].iter().chain(options), bytes).expect(code);
    serde_json::from_slice(&outcome.stdout).unwrap()
}

/// An image with these labels besides its own.
fn labelled(build: &Build, labels: &str) -> Image {
    let image = hello(build, Packing::Gzip);
    let config = String::from_utf8(image.config.clone()).unwrap();
    Image { config: config.replace("\"maintainer\":\"x\"", labels).into_bytes(), ..image }
}

#[test]
fn every_option_is_checked_as_it_was_rewritten_and_changes_nothing_twice() {
    let dir = scratch();
    let second = archives(&Build::SECOND);
    for (archive, second) in archives(&BUILD).iter().zip(&second) {
        if !["oci.tar", "legacy.tar", "hybrid.tar"].contains(&archive.name) {
            continue;
        }
        let file = write(dir.path(), "in.tar", &archive.bytes);
        for rule in [&[][..], &["--clamp"]] {
            for created in ["epoch", OWN, OWN_DATE, "keep"] {
                let mut options: Vec<&str> = EPOCH.iter().chain(rule).copied().collect();
                options.extend(["--created", created]);
                let place = format!("{} {options:?}", archive.name);
                let out = rewritten(&archive.bytes, &options);
                let path = dir.path().join("out.tar");
                run(["rewrite", "-q"].iter().chain(&options).chain(&[text(&file), text(&path)])).expect(0);
                assert!(std::fs::read(&path).unwrap() == out, "{place}: a file is not rewritten as a pipe is");
                assert!(rewritten(&out, &options) == out, "{place}: not idempotent");
                let report = checked(&out, &options, 0);
                assert_eq!(report["total"]["findings"], 0, "{place}");
                let expected = match created {
                    "keep" => json!("keep"),
                    "epoch" => json!(1_700_000_000),
                    _ => json!(1_600_000_000),
                };
                assert_eq!((&report["epoch"], &report["created"]), (&json!(1_700_000_000), &expected), "{place}");
                // Clamping leaves what else differs between two builds where there is nothing to lower.
                if rule.is_empty() {
                    let is_same = rewritten(&second.bytes, &options) == out;
                    assert_eq!(is_same, created != "keep", "{place}: two builds");
                }
                let config = &judge::walk(&read_tar(&out)).configs[0];
                let [made, step] = match created {
                    "keep" => [BUILD.date(95), BUILD.date(1)],
                    "epoch" => [EPOCH_DATE; 2].map(str::to_owned),
                    _ => [OWN_DATE; 2].map(str::to_owned),
                };
                assert_eq!(
                    (&config["created"], &config["history"][1]["created"]),
                    (&json!(made), &json!(step)),
                    "{place}"
                );
            }
        }
    }
}

#[test]
fn each_time_is_compared_with_its_own_clock() {
    let out = rewritten(
        &Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).tar(&BUILD),
        &["--epoch", "1700000000", "--created", OWN],
    );
    let kinds = |options: &[&str], code| {
        let report = checked(&out, options, code);
        let mut kinds: Vec<String> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["what"].as_str().unwrap().to_owned())
            .collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&EPOCH, 1), ["index", "manifest", "config"]);
    assert_eq!(kinds(&["--epoch", OWN], 1), ["layer", "archive"]);
    assert!(kinds(&["--epoch", "1700000000", "--created", "keep"], 0).is_empty());
    let said = pipe(["check", "--epoch", "1700000000", "--created", OWN], &out).expect(0).text();
    let end = format!("every timestamp that restamp sets is {EPOCH_DATE} (in documents {OWN_DATE})\n");
    assert!(said.ends_with(&end), "{said}");
    let said = pipe(["check", "--epoch", "1700000000", "--created", "keep"], &out).expect(0).text();
    assert!(said.contains(EPOCH_DATE) && said.contains("those of documents are kept, and were not compared"), "{said}");
}

#[test]
fn the_report_and_the_summary_say_that_documents_are_kept() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).tar(&BUILD));
    let (out, report) = (dir.path().join("out.tar"), dir.path().join("report.json"));
    for (created, expected, is_said) in
        [("keep", json!("keep"), true), ("5", json!(5), false), ("epoch", json!(7), false)]
    {
        let options = ["--epoch", "7", "--created", created, "--report", text(&report), text(&source), text(&out)];
        let outcome = run(["rewrite"].iter().chain(&options)).expect(0);
        let lines = outcome.stderr.lines().filter(|line| line.contains("--created keep: two builds differ")).count();
        assert_eq!(lines, usize::from(is_said), "{}", outcome.stderr);
        let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!((&report["epoch"], &report["created"]), (&json!(7), &expected));
        let kinds: Vec<&Value> =
            report["warnings"].as_array().unwrap().iter().map(|warning| &warning["kind"]).collect();
        assert_eq!(kinds.contains(&&json!("kept-times")), is_said, "{kinds:?}");
        assert_eq!(report["document_times"] == 0, is_said);
    }
    run(["rewrite", "--epoch", "7", "--created", "now", text(&source), text(&out)]).expect_error(&["--created"]);
}

#[test]
fn what_buildkit_says_of_the_files_goes_with_the_files() {
    let image = hello(&BUILD, Packing::Gzip);
    let mut layout = Layout::default();
    let mut descriptor = layout.put_image(&image, &BUILD);
    descriptor["annotations"] = json!({"buildkit/rewritten-timestamp": "5"});
    layout.manifests.push(descriptor);
    for created in ["keep", OWN] {
        let options = ["--epoch", "1700000000", "--created", created];
        let out = rewritten(&layout.tar(&BUILD), &options);
        let index: Value = serde_json::from_slice(&read_tar(&out)["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["annotations"]["buildkit/rewritten-timestamp"], "1700000000");
        checked(&out, &options, 0);
    }
}

#[test]
fn the_epoch_is_read_from_the_image() {
    let label = "\"built\":\"2024-05-06 07:08:09\",\"build.day\":\"2024-05-06\",\"none\":\"\",\"odd\":\"stable-7\"";
    let image = labelled(&BUILD, label);
    let dir = scratch();
    let (at, day) = (1_714_979_289_u64, 1_714_953_600_u64);
    let plain = docker::plain(image.clone());
    // The list of images comes last in an archive of docker save.
    for (name, bytes) in [("oci", Layout::of(&image, &BUILD).tar(&BUILD)), ("legacy", docker::legacy(&[plain], &BUILD))]
    {
        let file = write(dir.path(), name, &bytes);
        for rule in [&[][..], &["--clamp"]] {
            for (options, seconds) in [
                (&["--epoch", "label:built"][..], at),
                (&["--epoch", "label:build.day"], day),
                (&["--epoch", "label:org.opencontainers.image.created"], BUILD.seconds as u64 + 30),
                (&["--epoch", "created"], BUILD.seconds as u64 + 95),
                (&["--epoch", "base", "--base-layers", "1"], BUILD.seconds as u64),
                (&["--epoch", "created", "--created", "keep"], BUILD.seconds as u64 + 95),
                (&["--epoch", "label:built", "--created", "5"], at),
            ] {
                let options: Vec<&str> = options.iter().chain(rule).copied().collect();
                let place = format!("{name} {options:?}");
                let out = rewritten(&bytes, &options);
                let path = dir.path().join("out.tar");
                run(["rewrite", "-q"].iter().chain(&options).chain(&[text(&file), text(&path)])).expect(0);
                assert!(std::fs::read(&path).unwrap() == out, "{place}: a file is not rewritten as a pipe is");
                assert!(rewritten(&out, &options) == out, "{place}: not idempotent");
                let report = checked(&out, &options, 0);
                assert_eq!(report["epoch"], seconds, "{place}");
                let seconds = seconds.to_string();
                let given: Vec<&str> = ["--epoch", &seconds].into_iter().chain(options[2..].iter().copied()).collect();
                assert!(rewritten(&bytes, &given) == out, "{place}: not as with {given:?}");
            }
        }
        for (epoch, parts) in [
            ("label:nope", &["no label \"nope\" with a time", "--epoch in seconds"][..]),
            ("label:none", &["no label \"none\" with a time"]),
            ("label:odd", &["label odd", "\"stable-7\""]),
            ("label:", &["label:KEY"]),
            ("base", &["--base IMAGE or --base-layers N"]),
        ] {
            for verb in ["rewrite", "check"] {
                pipe([verb, "--epoch", epoch], &bytes).expect_error(parts);
            }
        }
        let refused = ["rewrite", "--epoch", "created", "--created", "5"];
        pipe(refused, &bytes).expect_error(&["the next run would read 5 as the epoch"]);
    }
}

#[test]
fn the_newest_time_of_a_base_image_is_the_epoch() {
    let dir = scratch();
    let before = Build { seconds: BUILD.seconds - 1000, ..BUILD };
    let below = Layer::new(base(&before), Packing::Gzip, Family::Oci, &before);
    Layout::of(&Image::new(vec![below.clone()], Family::Oci, &before, &["base:1"]), &before)
        .write(&dir.path().join("base"));
    let above = Layer::new(app(&BUILD), Packing::Gzip, Family::Oci, &BUILD);
    let image = Image::new(vec![below, above], Family::Oci, &BUILD, &["hello:1"]);
    let bytes = Layout::of(&image, &BUILD).tar(&BUILD);
    let base = format!("oci:{}", text(&dir.path().join("base")));
    let options = ["--epoch", "base", "--base", &base];
    let out = rewritten(&bytes, &options);
    assert!(rewritten(&out, &options) == out);
    // `created` of the base is later than its last step.
    assert_eq!(checked(&out, &options, 0)["epoch"], before.seconds + 95);
}

#[test]
fn images_that_differ_in_the_epoch_are_named() {
    let mut layout = Layout::default();
    let mut children = Vec::new();
    for (architecture, build) in [("amd64", BUILD), ("arm64", Build { seconds: BUILD.seconds + 5, ..BUILD })] {
        let image = hello(&build, Packing::Gzip);
        let config = String::from_utf8(image.config.clone()).unwrap().replace("amd64", architecture);
        let mut child = layout.put_image(&Image { config: config.into_bytes(), ..image }, &build);
        child["platform"] = json!({"os": "linux", "architecture": architecture});
        children.push(child);
    }
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
    let index = layout.put(OCI_INDEX, index.to_string().as_bytes());
    layout.name(index, "hello:1", &BUILD);
    let source = layout.tar(&BUILD);
    let (first, second) = (date(BUILD.seconds + 95, 0), date(BUILD.seconds + 100, 0));
    let parts = ["linux/amd64", &first, "linux/arm64", &second, "--platform"];
    for verb in ["rewrite", "check"] {
        pipe([verb, "--epoch", "created"], &source).expect_error(&parts);
    }
    let one = ["--epoch", "created", "--platform", "linux/arm64/v1"];
    assert_eq!(checked(&rewritten(&source, &one), &one, 0)["epoch"], BUILD.seconds + 100);
}

#[test]
fn zero_times_and_times_before_1970_are_no_epoch() {
    for (created, part) in [
        ("0001-01-01T00:00:00Z", "does not say when it was created"),
        ("2042-07-14T01:04:00Z", "does not say when it was created"),
        ("1969-12-31T23:59:59Z", "not before 1970"),
        ("2500-01-01T00:00:00Z", "2242-03-16T12:56:31Z"),
    ] {
        let image = hello(&BUILD, Packing::Gzip);
        let config = String::from_utf8(image.config.clone()).unwrap().replace(&BUILD.date(95), created);
        let image = Image { config: config.into_bytes(), ..image };
        let source = Layout::of(&image, &BUILD).tar(&BUILD);
        pipe(["rewrite", "--epoch", "created"], &source).expect_error(&[part]);
    }
}

#[test]
fn a_created_of_null_stays_null_by_any_clock() {
    let image = hello(&BUILD, Packing::Gzip);
    let config: Value = serde_json::from_slice(&image.config).unwrap();
    for history in [json!(null), json!([null, {"created": null}])] {
        let mut config = config.clone();
        (config["created"], config["history"]) = (json!(null), history.clone());
        let image = Image { config: config.to_string().into_bytes(), ..image.clone() };
        let source = Layout::of(&image, &BUILD).tar(&BUILD);
        for created in ["epoch", OWN, "keep"] {
            let options = ["--epoch", "1700000000", "--created", created];
            let out = rewritten(&source, &options);
            let seen = &judge::walk(&read_tar(&out)).configs[0];
            assert!(seen["created"].is_null() && seen["history"] == history, "{seen}");
            checked(&out, &options, 0);
        }
        pipe(["rewrite", "--epoch", "created"], &source).expect_error(&["does not say when it was created"]);
    }
}

#[test]
fn a_history_without_layers_is_not_taken_for_that_of_the_base() {
    let image = hello(&BUILD, Packing::Gzip);
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    for entry in config["history"].as_array_mut().unwrap() {
        entry["empty_layer"] = json!(true);
    }
    let image = Image { config: config.to_string().into_bytes(), ..image };
    let source = Layout::of(&image, &BUILD).tar(&BUILD);
    let options = ["--epoch", "1700000000", "--base-layers", "1"];
    let outcome = pipe(["rewrite"].iter().chain(&options), &source).expect(0);
    let warnings: Vec<&str> =
        outcome.stderr.lines().filter(|line| line.contains("not have one entry for each layer")).collect();
    assert_eq!(warnings.len(), 1, "{}", outcome.stderr);
    let seen = judge::walk(&read_tar(&outcome.stdout));
    for entry in seen.configs[0]["history"].as_array().unwrap() {
        assert_eq!(entry["created"], EPOCH_DATE);
    }
    let report = checked(&outcome.stdout, &options, 0);
    let notes = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "history").count();
    assert_eq!(notes, 2, "{report}");
}

#[test]
fn an_image_without_layers_and_rootfs_is_stamped() {
    let mut layout = Layout::default();
    let config = json!({"architecture": "arm64", "os": "linux", "created": BUILD.date(0), "history": null});
    let config = layout.put("application/vnd.docker.container.image.v1+json", config.to_string().as_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": config, "layers": []});
    let descriptor =
        layout.put("application/vnd.docker.distribution.manifest.v2+json", manifest.to_string().as_bytes());
    layout.name(descriptor, "empty:1", &BUILD);
    let source = layout.tar(&BUILD);
    checked(&source, &EPOCH, 1);
    let out = rewritten(&source, &EPOCH);
    assert_eq!(checked(&out, &EPOCH, 0)["checked"]["images"], 1);
    let configs: Vec<String> = read_tar(&out).into_values().filter_map(|bytes| String::from_utf8(bytes).ok()).collect();
    assert!(configs.iter().any(|text| text.contains("arm64") && text.contains(EPOCH_DATE)), "{configs:?}");
    assert!(rewritten(&out, &EPOCH) == out);
}
