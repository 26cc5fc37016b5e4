//! `restamp inspect`: what is in an image, when it says it was made, and what is likely to differ between builds.

use crate::support;

use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, open, tar};
use crate::support::{Build, archives, graph, hello, noise, pipe, run, scratch, text, write};
use serde_json::{Value, json};

const BUILD: Build = Build::FIRST;

/// The report on an image, which is read from a pipe.
pub fn report(bytes: &[u8], options: &[&str]) -> Value {
    let outcome = pipe(["inspect", "--json"].iter().chain(options), bytes).expect(0);
    assert_eq!(outcome.stderr, "");
    serde_json::from_slice(&outcome.stdout).unwrap()
}

fn text_of(bytes: &[u8]) -> String {
    pipe(["inspect"], bytes).expect(0).text()
}

/// An image of one layer.
pub fn single(tar: Vec<u8>, packing: Packing) -> Image {
    Image::new(vec![Layer::new(tar, packing, Family::Oci, &BUILD)], Family::Oci, &BUILD, &["one:1"])
}

pub fn findings(report: &Value) -> Vec<(&str, u64)> {
    let list = report["findings"].as_array().unwrap();
    list.iter().map(|finding| (finding["cause"].as_str().unwrap(), finding["count"].as_u64().unwrap())).collect()
}

pub fn finding<'v>(report: &'v Value, cause: &str) -> &'v Value {
    report["findings"].as_array().unwrap().iter().find(|finding| finding["cause"] == cause).unwrap()
}

#[test]
fn every_kind_of_archive() {
    for archive in archives(&BUILD) {
        let report = report(&archive.bytes, &[]);
        let name = archive.name;
        assert_eq!(report["schema"], 2, "{name}");
        let images = report["images"].as_array().unwrap();
        assert_eq!(images.len(), archive.images.len(), "{name}");
        for (seen, made) in images.iter().zip(&archive.images) {
            assert_eq!(seen["config"], made.id(), "{name}");
            assert_eq!(seen["created"], BUILD.date(95), "{name}");
            assert_eq!(seen["platform"], "linux/amd64/v1", "{name}");
            assert_eq!(seen["documents"]["last"], BUILD.date(95).as_str().max(&BUILD.date(90)), "{name}");
            let paths: Vec<&str> =
                seen["times"].as_array().unwrap().iter().map(|time| time["path"].as_str().unwrap()).collect();
            for path in ["created", "history[0].created", "config.Labels[\"build-date\"]"] {
                assert!(paths.contains(&path), "{name}: {path} in {paths:?}");
            }
            for ((layer, made), number) in seen["layers"].as_array().unwrap().iter().zip(&made.layers).zip(0..) {
                let own = &report["layers"][layer["layer"].as_u64().unwrap() as usize];
                assert_eq!(own["diff_id"], made.diff_id(), "{name}");
                assert_eq!(own["blob"], "read", "{name}");
                assert_eq!(own["content"]["uncompressed_size"], made.tar.len(), "{name}");
                assert_eq!(layer["diff_id"], made.diff_id(), "{name}");
                assert_eq!(layer["created_by"], format!("COPY {number} / && true # buildkit"), "{name}");
                let mtimes = own["content"]["mtimes"]["buckets"].as_array().unwrap();
                let counted: u64 = mtimes.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum();
                assert_eq!(own["content"]["entries"]["total"], counted, "{name}");
            }
        }
    }
}

#[test]
fn the_page_for_people() {
    let image = hello(&Build { nanos: 0, ..BUILD }, Packing::Gzip);
    let bytes = Layout::of(&image, &BUILD).tar(&BUILD);
    let [base, app] = [0, 1].map(|number| image.layers[number].digest()[..19].to_owned());
    let expected = format!(
        r##"standard input (oci-archive): 1 image, 2 layers

hello:1, hello:latest  linux/amd64/v1
  manifest   {manifest}
  config     {config}
  created    2025-10-09T08:54:55Z
  documents  7 times, 2025-10-09T08:53:20Z to 2025-10-09T08:54:55Z
  files      2001-02-03T04:05:06Z to 2036-01-01T00:00:00Z
  base       unnamed@{from} (stated: annotations of the manifest)
  builder    docker 27.0/x (derived: docker_version of the config)
  system     hello (stated: etc/os-release)
  config: config.Labels["org.opencontainers.image.created"] = 2025-10-09T08:53:50Z
  config: config.Labels["build-date"] = 2025-10-09T08:53:50Z
  manifest: annotations["org.opencontainers.image.created"] = 2025-10-09T08:54:50.123456789Z
  layer 0  {base}  {base_size} B gzip, 6.00 KiB unpacked
    COPY 0 / && true # buildkit
    3 files, 3 directories, 1 symlink, 1 hard link
    2025-10-09T08:53:20Z  ################ 2
    2025-10-09T08:53:21Z  ######################## 3
    2025-10-09T08:53:22Z  ################ 2
    2025-10-09T08:53:23Z  ######## 1
  layer 1  {app}  {app_size} B gzip, 6.50 KiB unpacked
    COPY 1 / && true # buildkit
    3 files, 2 directories, 2 whiteouts
    2001-02-03T04:05:06Z  ######## 1
    2025-10-09T08:54:20Z  ######################## 3
    2025-10-09T08:54:21Z  ######## 1
    2025-10-09T08:54:22Z  ######## 1
    2036-01-01T00:00:00Z  ######## 1

Indexes
  index.json: manifests[0].annotations["org.opencontainers.image.created"] = 2025-10-09T08:54:59.123456789Z
  index.json: manifests[1].annotations["org.opencontainers.image.created"] = 2025-10-09T08:54:59.123456789Z

Likely to differ between builds
  compressor (compression): layers compressed by another program: their bytes depend on its version, and perhaps on the CPU
    {base}, {app}
    -> restamp rewrite encodes them in a form that stays the same
  gzip-layer (compression): layers with the time of the build in their gzip header
    {base}, {app}
    -> restamp rewrite leaves the time out
  times (time): times from 2001-02-03T04:05:06Z to 2036-01-01T00:00:00Z
    -> restamp rewrite sets all of them to one time
"##,
        manifest = support::sha256(&image.manifest(&BUILD)),
        config = image.id(),
        from = support::sha256(b"base"),
        base_size = image.layers[0].blob.len(),
        app_size = image.layers[1].blob.len(),
    );
    assert_eq!(text_of(&bytes), expected);
}

#[test]
fn what_restamp_wrote_is_known_by_its_form_and_has_nothing_left_to_find() {
    // More than one chunk: small files of two MiB, and a large one.
    let many: Vec<Entry> = (0..40).map(|i| Entry::file(format!("d/{i}"), noise(50_000, i), BUILD.seconds)).collect();
    let large = [open(&many), tar(&[Entry::file("large", noise(3 << 20, 99), BUILD.seconds)])].concat();
    for tar in [base(&BUILD), app(&BUILD), large, Vec::new()] {
        for packing in [Packing::Gzip, Packing::Zstd, Packing::Plain] {
            let bytes = Layout::of(&single(tar.clone(), packing), &BUILD).tar(&BUILD);
            let [other, one] = if packing == Packing::Plain { ["none"; 2] } else { ["other", "1"] };
            // No bytes at all are no gzip either.
            if !tar.is_empty() {
                assert_eq!(report(&bytes, &[])["layers"][0]["content"]["form"], other, "{packing:?} {}", tar.len());
            }
            let rewritten = pipe(["rewrite", "-q", "--epoch", "1700000000"], &bytes).expect(0).stdout;
            let after = report(&rewritten, &[]);
            assert_eq!(after["layers"][0]["content"]["form"], one, "{packing:?} {}", tar.len());
            assert_eq!(findings(&after), []);
            let image = &after["images"][0];
            let epoch = json!({"first": support::EPOCH_DATE, "last": support::EPOCH_DATE});
            assert_eq!(image["documents"], epoch);
            assert_eq!(image["files"], if tar.is_empty() { Value::Null } else { epoch });
            // Another level is another form.
            if packing != Packing::Plain && tar.len() > 1 << 20 {
                let arguments = ["rewrite", "-q", "--epoch", "1", "--compression-level", "9", "--compression"];
                let how = if packing == Packing::Gzip { "gzip" } else { "zstd" };
                let rewritten = pipe(arguments.iter().chain(&[how]), &bytes).expect(0).stdout;
                assert_eq!(report(&rewritten, &[])["layers"][0]["content"]["form"], "other");
            }
        }
    }
}

#[test]
fn a_layer_with_a_long_index_for_lazy_pulling_is_known_by_its_form_as_well() {
    let entry = |i| json!({"name": format!("file-{i}"), "type": "reg", "modtime": "2023-11-14T22:13:20Z"});
    let toc = json!({"version": 1, "entries": (0..6000).map(entry).collect::<Vec<_>>()}).to_string();
    assert!(toc.len() > 300_000);
    let tar = tar(&[Entry::file("a", "1", BUILD.seconds), Entry::file("stargz.index.json", toc, BUILD.seconds)]);
    for packing in [Packing::Gzip, Packing::Zstd] {
        let bytes = Layout::of(&single(tar.clone(), packing), &BUILD).tar(&BUILD);
        let rewritten = pipe(["rewrite", "-q", "--epoch", "1700000000"], &bytes).expect(0).stdout;
        assert_eq!(report(&rewritten, &[])["layers"][0]["content"]["form"], "1", "{packing:?}");
    }
}

#[test]
fn causes_that_one_image_shows() {
    let t = BUILD.seconds;
    let gzipped = support::layer::gzip(b"x", 6, 1_760_000_000);
    let unnamed = support::layer::gzip(b"x", 6, 0);
    let tar = tar(&[
        Entry::dir("var/log/", t),
        Entry::file("var/log/dpkg.log", "installed\n", t),
        Entry::file("./var/log/apt/history.log", "installed\n", t),
        Entry::file("var/log/empty.log", "", t),
        Entry::file("etc/machine-id", "0123456789abcdef0123456789abcdef\n", t),
        Entry::file("var/lib/dbus/machine-id", "", t),
        Entry::file("etc/.wh.machine-id", "", t),
        Entry::file("usr/share/doc/a.gz", &gzipped, t),
        Entry::file("usr/share/doc/b.gz", &unnamed, t),
        Entry::file("usr/bin/tool", "#!/bin/sh\n", t),
        Entry::link(b'2', "var/log/link", "dpkg.log", t),
    ]);
    let mut image = single(tar, Packing::Plain);
    let config = String::from_utf8(image.config).unwrap();
    let config = config.replace("COPY 0 / ", "RUN apt-get update ; apt-get install -y tool ");
    image.config = config.into_bytes();
    let report = report(&Layout::of(&image, &BUILD).tar(&BUILD), &[]);
    assert_eq!(
        findings(&report),
        [("machine-id", 1), ("gzip-file", 1), ("unpinned-apt", 1), ("dpkg-log", 2), ("times", 1)]
    );
    let places = |cause| finding(&report, cause)["examples"].clone();
    assert_eq!(places("machine-id"), json!([{"layer": 0, "place": "etc/machine-id"}]));
    assert_eq!(places("gzip-file"), json!([{"layer": 0, "place": "usr/share/doc/a.gz"}]));
    assert_eq!(places("dpkg-log")[1], json!({"layer": 0, "place": "./var/log/apt/history.log"}));
    assert!(places("unpinned-apt")[0]["place"].as_str().unwrap().contains("apt-get install -y tool"));
    assert!(finding(&report, "dpkg-log")["advice"].as_str().unwrap().contains("rm -rf"));
}

#[test]
fn many_places_of_a_cause_are_counted_and_few_are_named() {
    let logs: Vec<Entry> = (0..1000).map(|i| Entry::file(format!("var/log/{i}"), "x", BUILD.seconds)).collect();
    let bytes = Layout::of(&single(tar(&logs), Packing::Gzip), &BUILD).tar(&BUILD);
    let report = report(&bytes, &[]);
    assert_eq!(finding(&report, "system-log")["count"], 1000);
    assert_eq!(finding(&report, "system-log")["examples"].as_array().unwrap().len(), 3);
    assert!(text_of(&bytes).contains("var/log/0, var/log/1, var/log/2 and 997 more"));
}

#[test]
fn every_kind_of_entry_and_time_is_counted() {
    let layer = support::layer::zoo(&BUILD);
    let report = report(&Layout::of(&single(layer, Packing::Zstd), &BUILD).tar(&BUILD), &[]);
    let content = &report["layers"][0]["content"];
    let entries = json!({
        "total": 26, "files": 19, "directories": 1, "symlinks": 1, "hard_links": 2, "others": 3, "whiteouts": 0,
    });
    assert_eq!(content["entries"], entries);
    assert_eq!(content["fractions"], 3);
    assert_eq!(content["other_times"], 3);
    assert_eq!(content["compression"], "zstd");
    assert_eq!(report["images"][0]["files"]["first"], "1969-12-31T23:59:59Z");
    assert_eq!(report["images"][0]["files"]["last"], "2514-05-30T01:53:04Z");
}

#[test]
fn what_hangs_on_images() {
    for style in [graph::Attestation::Old, graph::Attestation::New] {
        let report = report(&graph::platforms(&BUILD, Packing::Gzip, Some(style)).tar(&BUILD), &[]);
        let images: Vec<&Value> = report["images"].as_array().unwrap().iter().map(|image| &image["manifest"]).collect();
        assert_eq!(images.len(), 2);
        // The layer that both have is there once.
        assert_eq!(report["layers"].as_array().unwrap().len(), 3);
        let attached = report["attached"].as_array().unwrap();
        assert_eq!(attached.len(), 2, "{style:?}");
        for attestation in attached {
            assert_eq!(attestation["kind"], "attestation");
            assert_eq!(attestation["predicates"], json!(["https://slsa.dev/provenance/v1"]));
            assert!(images.contains(&&attestation["about"]));
        }
        assert_eq!(finding(&report, "attestation")["count"], 2);
        let nested: Vec<&Value> = report["times"].as_array().unwrap().iter().map(|time| &time["text"]).collect();
        assert_eq!(nested, [&json!(BUILD.date(99)), &json!(BUILD.date(98))]);
    }
    let referrers = report(&graph::referrers(&BUILD).tar(&BUILD), &[]);
    let kinds: Vec<&str> =
        referrers["attached"].as_array().unwrap().iter().map(|attached| attached["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["referrer"; 4]);
    assert!(referrers["attached"].as_array().unwrap().iter().any(|a| a["about"] == referrers["images"][0]["manifest"]));
    let signed = report(&graph::signed(&BUILD).tar(&BUILD), &[]);
    let signature = &signed["attached"][0];
    assert_eq!(signature["kind"], "signature");
    assert_eq!(signature["artifact_type"], "cosign signature");
    assert_eq!(signature["about"], signed["images"][0]["manifest"]);
}

#[test]
fn one_image_of_several() {
    let bytes = graph::platforms(&BUILD, Packing::Gzip, Some(graph::Attestation::New)).tar(&BUILD);
    let arm = report(&bytes, &["--platform", "linux/arm64"]);
    assert_eq!(arm["images"].as_array().unwrap().len(), 1);
    assert_eq!(arm["images"][0]["platform"], "linux/arm64/v1");
    assert_eq!(arm["attached"].as_array().unwrap().len(), 1);
    assert_eq!(arm["layers"].as_array().unwrap().len(), 2);
    pipe(["inspect", "--platform", "linux/s390x"], &bytes).expect_error(&["linux/s390x", "linux/arm64"]);
    let dir = scratch();
    let source = write(dir.path(), "two.tar", &archives(&BUILD).remove(1).bytes);
    let named = |name: &str| run(["inspect", "--json", &format!("docker-archive:{}:{name}", text(&source))]);
    let one: Value = serde_json::from_slice(&named("registry.example:5000/zoo:2").expect(0).stdout).unwrap();
    assert_eq!(one["images"].as_array().unwrap().len(), 1);
    assert_eq!(one["images"][0]["names"], json!(["registry.example:5000/zoo:2"]));
    named("nothing:1").expect_error(&["nothing:1", "zoo:2"]);
}

#[test]
fn the_documents_alone() {
    let bytes = Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD).tar(&BUILD);
    let report = report(&bytes, &["--no-layers"]);
    assert_eq!(report["layers"][0]["blob"], "unread");
    assert_eq!(report["layers"][0]["content"], Value::Null);
    assert_eq!(report["images"][0]["files"], Value::Null);
    assert_eq!(report["images"][0]["created"], BUILD.date(95));
}

#[test]
fn a_layer_that_is_not_what_its_digest_says_is_an_error() {
    let image = hello(&BUILD, Packing::Plain);
    let mut layout = Layout::of(&image, &BUILD);
    let path = support::layout::blob_path(&image.layers[1].digest());
    layout.files.get_mut(&path).unwrap()[600] ^= 1;
    let broken = layout.tar(&BUILD);
    pipe(["inspect"], &broken).expect_error(&[&image.layers[1].digest(), "digest"]);
    // Nobody asked for that layer.
    pipe(["inspect", "--no-layers"], &broken).expect(0);
    pipe(["inspect"], &broken[..broken.len() / 2]).expect_error(&["standard input"]);
}

#[test]
fn nothing_in_an_image_reaches_the_terminal_as_a_control_character() {
    let tar = tar(&[Entry::file(b"var/log/\x1b[31m\nred\xff", "x", BUILD.seconds)]);
    let mut image = single(tar, Packing::Gzip);
    let config = String::from_utf8(image.config).unwrap();
    let config = config.replace("COPY 0", "RUN \\u001b]0;title\\u0007").replace("maintainer", "x\\u001b[2J");
    image.config = config.replace("\"linux\"", "\"li\\u001bnux\"").into_bytes();
    let mut layout = Layout::of(&image, &BUILD);
    layout.manifests[0]["annotations"]["org.opencontainers.image.ref.name"] = json!("a\u{1b}[1mb\u{202e}");
    let page = text_of(&layout.tar(&BUILD));
    assert!(!page.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{page}");
    assert!(page.contains(r"var/log/\u{1b}[31m\nred\xff"), "{page}");
}

#[test]
fn the_same_on_any_number_of_threads() {
    let bytes = graph::nested(&BUILD).tar(&BUILD);
    let one = pipe(["inspect", "--json", "-j1"], &bytes).expect(0).stdout;
    assert!(one == pipe(["inspect", "--json", "-j8"], &bytes).expect(0).stdout);
    assert!(pipe(["inspect", "-j", "0"], &bytes).code == Some(2));
}
