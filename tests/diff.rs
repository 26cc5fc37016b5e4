//! `restamp diff`: pairs of images that differ in one thing each, and what is said of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use restamp::causes::CAUSES;
use serde_json::Value;
use support::graph::{Attestation, platforms};
use support::layer::{Family, Layer, Packing};
use support::layout::{Image, Layout};
use support::tarball::{Entry, tar};
use support::{Build, Outcome, docker, layer, run, scratch, text, write};

const T: i64 = 1_760_000_000;
const BUILD: Build = Build::FIRST;

/// A folder with two images.
struct Pair {
    dir: tempfile::TempDir,
    a: PathBuf,
    b: PathBuf,
}

impl Pair {
    fn of(a: &[u8], b: &[u8]) -> Self {
        let dir = scratch();
        let (a, b) = (write(dir.path(), "a.tar", a), write(dir.path(), "b.tar", b));
        Self { dir, a, b }
    }

    fn images(a: &Image, b: &Image) -> Self {
        Self::of(&Layout::of(a, &BUILD).tar(&BUILD), &Layout::of(b, &BUILD).tar(&BUILD))
    }

    /// Two images of one layer each.
    fn layers(a: &[Entry], b: &[Entry]) -> Self {
        Self::images(&image(vec![tar(a)]), &image(vec![tar(b)]))
    }

    fn run(&self, options: &[&str]) -> Outcome {
        run(["diff"].iter().chain(options).copied().chain([text(&self.a), text(&self.b)]))
    }

    fn json(&self, options: &[&str]) -> Value {
        let outcome = self.run(&[&["--json"], options].concat());
        assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.stderr);
        serde_json::from_slice(&outcome.stdout).unwrap()
    }

    /// Class, path and field of every difference.
    fn found(&self, options: &[&str]) -> Vec<(String, String, String)> {
        let report = self.json(options);
        let of = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
        let all = report["differences"].as_array().unwrap().iter();
        all.map(|item| (of(item, "class"), of(item, "path"), of(item, "field"))).collect()
    }

    #[track_caller]
    fn expect(&self, expected: &[(&str, &str, &str)]) {
        let found = self.found(&[]);
        let found: Vec<_> = found.iter().map(|(c, p, f)| (c.as_str(), p.as_str(), f.as_str())).collect();
        assert_eq!(found, expected);
    }
}

fn image(tars: Vec<Vec<u8>>) -> Image {
    packed(tars, Packing::Gzip)
}

fn packed(tars: Vec<Vec<u8>>, packing: Packing) -> Image {
    let layers = tars.into_iter().map(|tar| Layer::new(tar, packing, Family::Oci, &BUILD)).collect();
    Image::new(layers, Family::Oci, &BUILD, &["app:1"])
}

fn file(name: &str, data: &str) -> Entry {
    Entry::file(name, data, T)
}

/// The same image with another config.
fn with_config(image: &Image, from: &str, to: &str) -> Image {
    let config = String::from_utf8(image.config.clone()).unwrap();
    assert!(config.contains(from), "no {from} in {config}");
    Image { config: config.replacen(from, to, 1).into_bytes(), ..image.clone() }
}

#[test]
fn an_image_is_identical_to_itself_in_every_carrier() {
    let image = docker::plain(image(vec![tar(&[file("a", "1")])]));
    let layout = Layout::of(&image, &BUILD).tar(&BUILD);
    for other in [
        layout.clone(),
        docker::podman(std::slice::from_ref(&image)),
        docker::legacy(std::slice::from_ref(&image), &BUILD),
    ] {
        let pair = Pair::of(&layout, &other);
        let outcome = pair.run(&[]).expect(0);
        assert_eq!(outcome.text(), "identical\n");
    }
}

#[test]
fn two_builds_are_the_same_after_restamping() {
    let [a, b] = [Build::FIRST, Build::SECOND].map(|build| support::zoo(&build, Packing::Gzip, Family::Oci));
    let pair = Pair::of(&Layout::of(&a, &Build::FIRST).tar(&BUILD), &Layout::of(&b, &Build::SECOND).tar(&BUILD));
    let report = pair.json(&[]);
    assert_eq!(report["verdict"], "same-after-restamping", "{:#}", report["differences"]);
    pair.run(&["--semantic"]).expect(0);
    pair.run(&[]).expect(1);
    // And so they are.
    let stamped = ["a", "b"].map(|name| pair.dir.path().join(format!("{name}.out.tar")));
    for (from, to) in [(&pair.a, &stamped[0]), (&pair.b, &stamped[1])] {
        run(["rewrite", "--epoch", "1700000000", text(from), text(to)]).expect(0);
    }
    assert_eq!(run(["diff", text(&stamped[0]), text(&stamped[1])]).expect(0).text(), "identical\n");
}

#[test]
fn every_field_of_an_entry_is_compared() {
    let base = || file("f", "x");
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = base();
        change(&mut entry);
        entry
    };
    let cases: Vec<(Entry, &[(&str, &str, &str)])> = vec![
        (with(&|e| e.mode = 0o4644), &[("content", "f", "mode")]),
        (with(&|e| e.uid = 7), &[("content", "f", "uid")]),
        (with(&|e| e.gid = 3_000_000), &[("content", "f", "gid")]),
        (with(&|e| e.mtime = T + 1), &[("time", "f", "mtime")]),
        (with(&|e| e.data = b"y".to_vec()), &[("content", "f", "content")]),
        (with(&|e| e.data = b"yy".to_vec()), &[("content", "f", "content")]),
        (base().pax("SCHILY.xattr.security.capability", b"\x01\0\n\xff"), &[("content", "f", "extension headers")]),
        (base().gnu(), &[("format", "f", "dialect")]),
        (Entry::link(b'2', "f", "x", T), &[("content", "f", "type")]),
        (with(&|e| e.name = b"./f".to_vec()), &[("format", "f", "name")]),
        (with(&|e| e.name = b"g".to_vec()), &[("content", "f", "entry"), ("content", "g", "entry")]),
        (base().pax("comment", "hello"), &[("format", "f", "PAX comment")]),
        (base().pax("mtime", format!("{T}.5")), &[("time", "f", "mtime")]),
        (base().pax("atime", format!("{T}.5")), &[("time", "f", "PAX atime")]),
    ];
    for (other, expected) in cases {
        let pair = Pair::layers(&[base()], std::slice::from_ref(&other));
        let found = pair.found(&[]);
        if other.pax.iter().any(|(key, _)| key.starts_with(b"SCHILY")) {
            // The header that holds it is part of it.
            assert_eq!(found[0], ("content".into(), "f".into(), "xattr security.capability".into()));
            continue;
        }
        let found: Vec<_> = found.iter().filter(|f| f.2 != "extension headers").collect();
        let found: Vec<_> = found.iter().map(|(c, p, f)| (c.as_str(), p.as_str(), f.as_str())).collect();
        assert_eq!(found, expected, "{other:?}");
    }
    let link = |target| Entry::link(b'2', "l", target, T);
    Pair::layers(&[link("x")], &[link("y")]).expect(&[("content", "l", "link target")]);
    let device = |minor| Entry { device: Some((1, minor)), ..Entry::new(b'3', "d", T) };
    Pair::layers(&[device(3)], &[device(5)]).expect(&[("content", "d", "device")]);
}

#[test]
fn every_known_cause_is_found_by_its_path() {
    let example = |glob: &str| {
        let path = glob.replace("**/", "deep/").replace("**", "f").replace('*', "f").replace('?', "q");
        path.trim_end_matches('/').to_owned()
    };
    let rows: Vec<_> =
        CAUSES.iter().flat_map(|cause| cause.paths.iter().map(move |glob| (example(glob), cause))).collect();
    let entries = |text: &str| rows.iter().map(|(path, _)| file(path, text)).collect::<Vec<_>>();
    let report = Pair::layers(&entries("one"), &entries("two")).json(&[]);
    let all = report["differences"].as_array().unwrap();
    assert_eq!(all.len(), rows.len());
    for (path, cause) in rows {
        let item = all.iter().find(|item| item["path"] == path.as_str()).unwrap();
        assert_eq!(item["cause"]["id"], cause.id, "{path}");
        assert_eq!(item["class"], cause.class.name(), "{path}");
        assert_eq!(item["cause"]["advice"], cause.advice);
    }
}

fn zip(time: u16, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let crc = {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        crc.sum()
    };
    let size = content.len() as u32;
    let mut common = Vec::new();
    common.extend(20u16.to_le_bytes());
    common.extend([0; 4]);
    common.extend(time.to_le_bytes());
    common.extend(0x5721u16.to_le_bytes());
    common.extend(crc.to_le_bytes());
    common.extend(size.to_le_bytes());
    common.extend(size.to_le_bytes());
    common.extend(5u16.to_le_bytes());
    common.extend([0; 2]);
    out.extend(b"PK\x03\x04");
    out.extend(&common);
    out.extend(b"x.txt");
    out.extend(content);
    let directory = out.len() as u32;
    out.extend(b"PK\x01\x02\x14\0");
    out.extend(&common);
    out.extend([0; 14]);
    out.extend(b"x.txt");
    let length = out.len() as u32 - directory;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(length.to_le_bytes());
    out.extend(directory.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn ar(time: i64, content: &str) -> Vec<u8> {
    format!("!<arch>\n{:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`\n{content}", "x.o/", 0, 0, 644, content.len()).into_bytes()
}

fn gz(bytes: &[u8], time: u32) -> Vec<u8> {
    layer::gzip(bytes, 6, time)
}

/// Files of each format that a timestamp can hide in: with another time, and with other content.
fn formats(time: i64, content: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inner = tar(&[Entry::file("d/x.txt", content, time)]);
    let pyc = [&b"\xcb\x0d\r\n\0\0\0\0"[..], &(time as u32).to_le_bytes(), &[9, 0, 0, 0], content.as_bytes()].concat();
    let password = if content == "same" { "*" } else { "!" };
    vec![
        ("opt/a.gz", gz(content.as_bytes(), time as u32)),
        ("opt/a.tar", inner.clone()),
        ("opt/a.tar.gz", gz(&inner, 0)),
        ("opt/a.tar.zst", zstd::bulk::compress(&inner, 3).unwrap()),
        ("opt/nested.tar.gz", gz(&tar(&[Entry::file("in.tar.gz", gz(&inner, 0), T)]), 0)),
        ("opt/a.zip", zip((time % 1000) as u16, content.as_bytes())),
        ("opt/a.a", ar(time, content)),
        ("opt/m.pyc", pyc),
        ("etc/shadow", format!("root:{password}:{}:0:99999:7:::\n", time / 86_400).into_bytes()),
        ("lib/apk/db/scripts.tar", inner),
    ]
}

fn entries(files: Vec<(&'static str, Vec<u8>)>) -> Vec<Entry> {
    files.into_iter().map(|(name, data)| Entry::file(name, data, T)).collect()
}

#[test]
fn a_timestamp_inside_a_file_is_told_from_content() {
    let pair = Pair::layers(&entries(formats(T, "same")), &entries(formats(T + 86_402, "same")));
    let found = pair.found(&[]);
    assert!(found.iter().all(|(class, _, _)| class == "embedded-time"), "{found:?}");
    let paths: Vec<&str> = found.iter().map(|(_, path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "etc/shadow",
            "lib/apk/db/scripts.tar!d/x.txt",
            "opt/a.a!x.o/",
            "opt/a.gz",
            "opt/a.tar!d/x.txt",
            "opt/a.tar.gz!d/x.txt",
            "opt/a.tar.zst!d/x.txt",
            "opt/a.zip!x.txt",
            "opt/m.pyc",
            "opt/nested.tar.gz!in.tar.gz!d/x.txt",
        ]
    );
    assert_eq!(pair.json(&[])["verdict"], "explainable");
    pair.run(&["--semantic"]).expect(0);
    // Content is content, however deep, and whatever times there are beside it.
    let pair = Pair::layers(&entries(formats(T, "same")), &entries(formats(T + 86_402, "diff")));
    let content: BTreeSet<String> =
        pair.found(&[]).into_iter().filter(|(class, _, _)| class == "content").map(|(_, path, _)| path).collect();
    let all = [
        "etc/shadow",
        "opt/a.a!x.o/",
        "opt/a.gz",
        "opt/a.tar!d/x.txt",
        "opt/a.tar.gz!d/x.txt",
        "opt/a.tar.zst!d/x.txt",
        "opt/a.zip!x.txt",
        "opt/m.pyc",
        "opt/nested.tar.gz!in.tar.gz!d/x.txt",
    ];
    assert_eq!(content, all.map(str::to_owned).into());
    pair.run(&["--semantic"]).expect(1);
}

#[test]
fn one_class_for_each_habit_of_builders() {
    // Order.
    let (x, y, z) = (file("x", "1"), file("y", "2"), file("z", "3"));
    Pair::layers(&[x.clone(), y.clone(), z.clone()], &[z.clone(), x.clone(), y.clone()]).expect(&[(
        "order",
        "",
        "order of entries",
    )]);
    // Which of two hard links is the file.
    let link = |name: &str, to: &str| Entry { mode: 0o644, ..Entry::link(b'1', name, to, T) };
    let pair = Pair::layers(&[file("x", "1"), link("y", "x")], &[file("y", "1"), link("x", "y")]);
    assert!(pair.found(&[]).iter().all(|(class, _, _)| class == "order"), "{:?}", pair.found(&[]));
    // Compression.
    let tars = || vec![tar(std::slice::from_ref(&x))];
    Pair::images(&packed(tars(), Packing::Gzip), &packed(tars(), Packing::Plain)).expect(&[(
        "compression",
        "",
        "compression",
    )]);
    Pair::images(&packed(tars(), Packing::Gzip), &packed(tars(), Packing::Zstd)).expect(&[(
        "compression",
        "",
        "compression",
    )]);
    let level = |level| {
        let layer = Layer::new(
            tar(&[Entry::file("n", support::noise(9000, 1).repeat(9), T)]),
            Packing::Gzip,
            Family::Oci,
            &Build { level, ..BUILD },
        );
        Image::new(vec![layer], Family::Oci, &BUILD, &["app:1"])
    };
    let pair = Pair::images(&level(1), &level(9));
    pair.expect(&[("compression", "", "compression")]);
    assert_eq!(pair.json(&[])["verdict"], "same-after-restamping");
    // JSON.
    let image = image(tars());
    Pair::images(&image, &with_config(&image, r#" "created" : "#, r#""created":"#))
        .found(&[])
        .iter()
        .for_each(|f| assert_eq!((f.0.as_str(), f.2.as_str()), ("format", "spelling")));
    Pair::images(&image, &with_config(&image, r"J\u00f6rg", "Jörg")).expect(&[("format", "", "spelling")]);
    // Names.
    let renamed = Image { tags: vec!["app:2".to_owned()], ..image.clone() };
    let found = Pair::images(&image, &renamed).found(&[]);
    assert_eq!(found, [("name".to_owned(), String::new(), "name".to_owned())]);
    // Media types.
    let [oci, dock] = [Family::Oci, Family::Docker].map(|family| {
        Image::new(
            vec![Layer::new(tar(std::slice::from_ref(&x)), Packing::Gzip, family, &BUILD)],
            family,
            &BUILD,
            &["app:1"],
        )
    });
    let found = Pair::images(&oci, &dock).found(&[]);
    assert!(
        found.iter().filter(|f| f.2.ends_with("ediaType")).all(|f| f.0 == "format") && found.len() >= 3,
        "{found:?}"
    );
}

#[test]
fn a_whiteout_counts_if_it_hides_something() {
    let lower = tar(&[Entry::dir("d/", T), file("d/x", "1")]);
    let pair = |entries: &[Entry]| {
        let common = [Entry::dir("new/", T), file("new/f", "2")];
        Pair::images(
            &image(vec![lower.clone(), tar(&common)]),
            &image(vec![lower.clone(), tar(&[&common, entries].concat())]),
        )
    };
    pair(&[Entry::file("new/.wh..wh..opq", "", T)]).expect(&[("whiteout", "new/.wh..wh..opq", "entry")]);
    pair(&[Entry::file(".wh.nothing", "", T)]).expect(&[("whiteout", ".wh.nothing", "entry")]);
    pair(&[Entry::file("d/.wh..wh..opq", "", T)]).expect(&[("content", "d/.wh..wh..opq", "entry")]);
    pair(&[Entry::file("d/.wh.x", "", T)]).expect(&[("content", "d/.wh.x", "entry")]);
}

#[test]
fn configs_are_compared_with_all_they_hold() {
    let image = image(vec![tar(&[file("a", "1")])]);
    for (from, to, class, field) in [
        (r#"["CMD","true"]"#, r#"["CMD","false"]"#, "content", "config.Healthcheck.Test[1]"),
        (r#""OnBuild":["RUN true"]"#, r#""OnBuild":["RUN evil"]"#, "content", "config.OnBuild[0]"),
        (r#""Shell":["/bin/sh","-ec"]"#, r#""Shell":["/bin/sh","-c"]"#, "content", "config.Shell[1]"),
        (r#","Shell":["/bin/sh","-ec"]"#, "", "content", "config.Shell"),
        (r#""x-unknown":[1, 2.50]"#, r#""x-unknown":[1, 2.51]"#, "content", "history[0][\"x-unknown\"][1]"),
        (r#""maintainer":"x""#, r#""maintainer":"y""#, "content", "config.Labels.maintainer"),
        (r#""Env":null"#, r#""Env":["A=1"]"#, "content", "config.Env"),
        (r#""Env":null,"#, "", "format", "config.Env"),
        (r#""docker_version":"27.0\/x""#, r#""docker_version":"28""#, "format", "docker_version"),
        (
            r#""moby.buildkit.cache.v0":"e30=""#,
            r#""moby.buildkit.cache.v0":"e31=""#,
            "log-or-cache",
            "[\"moby.buildkit.cache.v0\"]",
        ),
        (r#""created" : "2025"#, r#""created" : "2024"#, "time", "created"),
    ] {
        let pair = Pair::images(&image, &with_config(&image, from, to));
        let found: Vec<_> = pair.found(&[]).into_iter().map(|(class, _, field)| (class, field)).collect();
        assert_eq!(found, [(class.to_owned(), field.to_owned())], "{from} -> {to}");
    }
    let [a, b] =
        [r#""Env":["A=1","B=2"]"#, r#""Env":["B=2","A=1"]"#].map(|env| with_config(&image, r#""Env":null"#, env));
    Pair::images(&a, &b).expect(&[("order", "", "config.Env")]);
}

#[test]
fn a_truncated_layer_is_an_error_that_names_it() {
    let [good, other] =
        ["1", "2"].map(|data| image(vec![tar(&[Entry::file("a", support::noise(50_000, 7), T), file("b", data)])]));
    for a in [&good, &other] {
        let mut layout = Layout::of(&good, &BUILD);
        let digest = good.layers[0].digest();
        let blob = layout.files.get_mut(&support::layout::blob_path(&digest)).unwrap();
        blob.truncate(blob.len() / 2);
        let pair = Pair::of(&Layout::of(a, &BUILD).tar(&BUILD), &layout.tar(&BUILD));
        pair.run(&[]).expect_error(&[&digest, "b.tar", "size"]);
    }
}

#[test]
fn an_attestation_more_stops_nothing() {
    let with = platforms(&BUILD, Packing::Gzip, Some(Attestation::New)).tar(&BUILD);
    let without = platforms(&BUILD, Packing::Gzip, None).tar(&BUILD);
    let pair = Pair::of(&with, &without);
    let found = pair.found(&[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|(class, _, field)| class == "format" && field == "attestation"));
    // What differs beside it is found all the same.
    let other = platforms(&Build { seconds: BUILD.seconds + 50, ..BUILD }, Packing::Gzip, None).tar(&BUILD);
    let found = Pair::of(&with, &other).found(&[]);
    assert!(found.iter().any(|(class, path, _)| class == "time" && path == "bin/hello"), "{found:?}");
    // A statement is compared value by value; its times are facts that rewriting leaves.
    let later =
        platforms(&Build { seconds: BUILD.seconds + 50, ..BUILD }, Packing::Gzip, Some(Attestation::New)).tar(&BUILD);
    let report = Pair::of(&with, &later).json(&[]);
    assert_eq!(report["verdict"], "explainable");
}

#[test]
fn images_cut_into_other_layers_have_one_root_filesystem() {
    let one = image(vec![tar(&[Entry::dir("d/", T), file("d/a", "1"), file("d/b", "2"), file("c", "3")])]);
    let three = image(vec![
        tar(&[
            Entry::dir("d/", T),
            file("d/a", "old"),
            file("d/gone", "x"),
            file("c", "3"),
            Entry::dir("dir/", T),
            file("dir/x", "y"),
        ]),
        tar(&[
            Entry::dir("d/", T),
            Entry::file("d/.wh..wh..opq", "", T),
            file("d/a", "1"),
            Entry::file(".wh.dir", "", T),
        ]),
        tar(&[file("d/b", "2")]),
    ]);
    let pair = Pair::images(&one, &three);
    assert_eq!(pair.run(&["--rootfs"]).expect(0).text(), "identical\n");
    pair.run(&[]).expect(1);
    let other = image(vec![tar(&[Entry::dir("d/", T), file("d/a", "1"), file("d/b", "other"), file("c", "3")])]);
    let found = Pair::images(&other, &three).found(&["--rootfs"]);
    assert_eq!(found, [("content".to_owned(), "d/b".to_owned(), "content".to_owned())]);
}

#[test]
fn layers_are_paired_by_command_and_content() {
    let base = || tar(&[file("base", "1")]);
    let many = |word: &str| {
        tar(&(0..20).map(|n| file(&format!("app/{n}"), if n == 3 { word } else { "x" })).collect::<Vec<_>>())
    };
    let extra = || tar(&[file("extra", "1")]);
    let pair = Pair::images(&image(vec![base(), many("a")]), &image(vec![base(), extra(), many("b")]));
    let report = pair.json(&[]);
    let layers: Vec<_> =
        report["differences"].as_array().unwrap().iter().filter(|item| item["part"] == "layer").collect();
    assert!(
        layers.iter().any(|item| item["path"] == "app/3" && item["layer"] == serde_json::json!([1, 2])),
        "{layers:#?}"
    );
    assert!(
        layers.iter().any(|item| item["field"] == "layer" && item["layer"] == serde_json::json!([null, 1])),
        "{layers:#?}"
    );
    assert_eq!(layers.len(), 2);
}

#[test]
fn one_real_difference_is_on_the_first_screen_whatever_else_there_is() {
    let entries = |time: i64, word: &str| {
        let mut all: Vec<Entry> = (0..20_000).map(|n| Entry::file(format!("usr/share/{n:05}"), "", time)).collect();
        all.insert(12_345, Entry::file("usr/bin/tool", format!("#!/bin/sh\necho {word}\n"), time));
        all
    };
    let pair = Pair::layers(&entries(T, "good"), &entries(T + 60, "evil"));
    let shown = pair.run(&[]).expect(1).text();
    let first: Vec<&str> = shown.lines().take(24).collect();
    assert!(first.iter().any(|line| line.starts_with("content") && line.contains("usr/bin/tool")), "{shown}");
    assert!(shown.contains("+echo evil") && shown.contains("20,001 x mtime"), "{shown}");
    assert!(shown.lines().count() <= 24, "{shown}");
    assert!(pair.run(&["--verbose"]).text().lines().count() > 20_000);
    assert_eq!(pair.json(&[])["counts"], serde_json::json!({"content": 1, "time": 20_001}));
}

#[test]
fn the_report_is_the_same_on_every_run() {
    let [a, b] =
        [Build::FIRST, Build::SECOND].map(|build| platforms(&build, Packing::Gzip, Some(Attestation::Old)).tar(&BUILD));
    let pair = Pair::of(&a, &b);
    let first = pair.run(&["--json", "--jobs", "1"]).stdout;
    for jobs in ["1", "4", "4"] {
        assert_eq!(pair.run(&["--json", "--jobs", jobs]).stdout, first);
    }
}

#[test]
fn what_is_accepted_does_not_count() {
    let pair = Pair::layers(
        &[file("a", "1"), file("var/log/x", "1"), Entry::file("t", "", T)],
        &[file("a", "2"), file("var/log/x", "2"), Entry::file("t", "", T + 1)],
    );
    pair.run(&[]).expect(1);
    pair.run(&["--ignore", "time,log-or-cache", "--ignore-path", "/a"]).expect(0);
    pair.run(&["--ignore", "mood"]).expect_error(&["mood", "embedded-time"]);
    let policy = "[[accept]]\npath = \"a\"\nreason = \"build number\"\n[[accept]]\nclass = \"time\"\nreason = \"t\"\n[[accept]]\nclass = \"log-or-cache\"\nfield = \"cont*\"\nreason = \"l\"\n[[accept]]\npath = \"gone/**\"\nreason = \"old\"\n";
    let path = write(pair.dir.path(), "policy.toml", policy.as_bytes());
    let shown = pair.run(&["--policy", text(&path)]).expect(0).text();
    assert!(shown.starts_with("identical\n") && shown.contains("accepted: 1 (build number)"), "{shown}");
    assert!(shown.contains("unused rule: path gone/** (old)"), "{shown}");
    let bad = write(pair.dir.path(), "bad.toml", b"[[accept]]\npath = \"a\"\n");
    pair.run(&["--policy", text(&bad)]).expect_error(&["bad.toml", "reason"]);
}

#[test]
fn names_of_an_image_never_reach_the_terminal_or_page_raw() {
    let evil = "x\x1b[31m\n<script>alert(1)</script>\u{202e}\"'&";
    let [a, b] = ["1", "2"].map(|text| {
        let mut image = image(vec![tar(&[file(evil, &format!("{evil}\n{text}"))])]);
        image = with_config(&image, r#""maintainer":"x""#, &format!(r#""<script>":"\u001b[31m{text}""#));
        image
    });
    let pair = Pair::images(&a, &b);
    let page = pair.dir.path().join("page.html");
    let shown = pair.run(&["--html", text(&page), "--verbose"]).expect(1).text();
    let page = std::fs::read_to_string(page).unwrap();
    for text in [&shown, &page] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
    }
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    let json = pair.run(&["--json"]).text();
    assert!(json.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn bombs_stop_at_limits_that_are_named() {
    let nest = |word: &str, depth: usize| {
        (0..depth).fold(word.as_bytes().to_vec(), |inner, _| gz(&tar(&[Entry::file("x", inner, T)]), 0))
    };
    let report =
        Pair::layers(&[Entry::file("deep", nest("a", 12), T)], &[Entry::file("deep", nest("b", 12), T)]).json(&[]);
    assert!(
        report["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("deeper than 8")),
        "{report:#}"
    );
    let bomb = |word: &[u8]| gz(&[vec![0; 100 << 20], word.to_vec()].concat(), 0);
    let report =
        Pair::layers(&[Entry::file("bomb.gz", bomb(b"a"), T)], &[Entry::file("bomb.gz", bomb(b"b"), T)]).json(&[]);
    assert!(
        report["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("48 MiB")),
        "{report:#}"
    );
    assert_eq!(report["differences"][0]["class"], "content");
    // What only looks like an archive is compared as bytes.
    for magic in [&b"\x1f\x8b"[..], b"PK\x03\x04", b"!<arch>\n", b"\x28\xb5\x2f\xfd"] {
        let [a, b] = [b"a", b"b"].map(|tail| Entry::file("f", [magic, tail].concat(), T));
        Pair::layers(&[a], &[b]).expect(&[("content", "f", "content")]);
    }
}

#[test]
fn differing_files_are_kept_under_safe_names() {
    let pair =
        Pair::layers(&[file("../../etc/x", "1"), file("/abs", "a")], &[file("../../etc/x", "2"), file("/abs", "b")]);
    let dir = pair.dir.path().join("report");
    pair.run(&["--report-dir", text(&dir)]).expect(1);
    let index: Value = serde_json::from_slice(&std::fs::read(dir.join("index.json")).unwrap()).unwrap();
    let mut contents = BTreeSet::new();
    for item in index["differences"].as_array().unwrap() {
        for name in item["files"].as_array().unwrap() {
            let name = Path::new(name.as_str().unwrap());
            assert!(name.starts_with("files") && name.components().count() == 2);
            contents.insert(std::fs::read_to_string(dir.join(name)).unwrap());
        }
    }
    assert_eq!(contents, ["1", "2", "a", "b"].map(str::to_owned).into());
    pair.run(&["--report-dir", text(&dir)]).expect_error(&["not empty"]);
}

#[test]
fn platforms_and_names_choose() {
    let [a, b] = [Build::FIRST, Build::SECOND].map(|build| platforms(&build, Packing::Gzip, None).tar(&BUILD));
    let pair = Pair::of(&a, &b);
    let images = |report: &Value| -> BTreeSet<String> {
        report["differences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["image"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(images(&pair.json(&["--platform", "linux/arm64"])).len(), 1);
    assert!(images(&pair.json(&[])).len() >= 2);
    pair.run(&["--platform", "linux/mips"]).expect_error(&["linux/mips", "linux/arm64"]);
    let named = |name: &str| format!("oci-archive:{}:{name}", text(&pair.a));
    run(["diff", &named("nope"), text(&pair.b)]).expect_error(&["nope"]);
    run(["diff", &named("multi"), &named("multi")]).expect(0);
}

#[test]
fn buildkits_two_builds_and_its_own_rewriting() {
    let Some(shared) = support::shared() else { return };
    let corpus = shared.join("corpus/buildkit");
    let path = |name: &str| corpus.join(name);
    let run = |a: &str, b: &str| run(["diff", text(&path(a)), text(&path(b))]).expect(1).text();
    let shown = run("run1/in-oci-gzip.tar", "run2/in-oci-gzip.tar");
    assert!(shown.starts_with("same after restamping: ") && shown.lines().count() <= 24, "{shown}");
    let shown = run("run1/in-oci-gzip.tar", "run1/truth-oci-gzip.tar");
    assert!(
        shown.starts_with("same after restamping: ")
            && shown.contains("looks rewritten with the epoch 1700000000 (--clamp)"),
        "{shown}"
    );
}
