//! The fewest options of `rewrite` by which two images become the same: what is named is tried, on pairs that are put
//! together of one or several things in which builds differ.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::formats::{ar, gz, zip};
use super::{BUILD, T, packed};
use crate::support::graph::{Attestation, put_attestation};
use crate::support::layer::Packing;
use crate::support::layout::{Image, Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, Outcome, noise, run, scratch, text, write};

/// One side in the making.
struct Side {
    is_b: bool,
    /// When it was built.
    built: i64,
    lower: Vec<Entry>,
    upper: Vec<Entry>,
    packing: Packing,
    level: i32,
    tag: &'static str,
    labels: Vec<(&'static str, String)>,
    /// Patches of the upper layer.
    patches: Vec<fn(&mut Vec<u8>)>,
    created: i64,
    is_reversed: bool,
    has_provenance: bool,
    is_signed: bool,
}

impl Side {
    fn new(is_b: bool) -> Self {
        Self {
            is_b,
            built: T + if is_b { 90_061 } else { 0 },
            lower: vec![Entry::dir("etc/", T), Entry::file("etc/passwd", "root:x:0:0::/:/bin/sh\n", T)],
            upper: vec![Entry::dir("opt/", T), Entry::file("opt/plain", "the same\n", T)],
            packing: Packing::Gzip,
            level: 6,
            tag: "app:1",
            labels: Vec::new(),
            patches: Vec::new(),
            created: T,
            is_reversed: false,
            has_provenance: false,
            is_signed: false,
        }
    }

    fn add(&mut self, entry: Entry) {
        self.upper.push(entry);
    }

    fn archive(mut self) -> Vec<u8> {
        if self.is_reversed {
            self.upper.reverse();
        }
        let mut upper = tar(&self.upper);
        self.patches.iter().for_each(|patch| patch(&mut upper));
        let build = Build { level: self.level, ..BUILD };
        let mut image = packed(vec![tar(&self.lower)], Packing::Gzip);
        let more = crate::support::layer::Layer::new(upper, self.packing, image.family, &build);
        let layers = [image.layers.clone(), vec![more]].concat();
        image = Image::new(layers, image.family, &Build { seconds: self.created, ..BUILD }, &[self.tag]);
        let mut config = String::from_utf8(image.config.clone()).unwrap();
        for (key, value) in &self.labels {
            let label = format!(r#""maintainer":"x","{key}":"{value}""#);
            config = config.replacen(r#""maintainer":"x""#, &label, 1);
        }
        image.config = config.into_bytes();
        let mut layout = Layout::default();
        let mut descriptor = layout.put_image(&image, &BUILD);
        if self.has_provenance {
            let build = Build { seconds: self.built, ..BUILD };
            let attestation = put_attestation(&mut layout, &descriptor, Attestation::New, &build);
            let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor, attestation]});
            descriptor = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
        }
        layout.name(descriptor, self.tag, &BUILD);
        if self.is_signed {
            sign(&mut layout);
        }
        layout.tar(&BUILD)
    }
}

/// Adds a signature of cosign's of what the layout names.
fn sign(layout: &mut Layout) {
    let mut layer = layout.put("application/vnd.dev.cosign.simplesigning.v1+json", b"{}");
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "MEUCIQ=="});
    let config = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, layer["digest"]);
    let config = layout.put(OCI_CONFIG, config.as_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
    let tag = format!("{}.sig", layout.manifests[0]["digest"].as_str().unwrap().replace(':', "-"));
    let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    layout.manifests.push(descriptor);
}

/// Something in which two builds differ, and the options that make it go away; `None` if none does.
struct Part {
    name: &'static str,
    make: fn(&mut Side),
    options: Option<&'static str>,
}

const fn part(name: &'static str, options: &'static str, make: fn(&mut Side)) -> Part {
    Part { name, make, options: Some(options) }
}

const fn fixed(name: &'static str, make: fn(&mut Side)) -> Part {
    Part { name, make, options: None }
}

/// Python 3.12's bytecode of a source.
fn pyc(mtime: i64, size: usize) -> Vec<u8> {
    [&b"\xcb\x0d\r\n\0\0\0\0"[..], &(mtime as u32).to_le_bytes(), &(size as u32).to_le_bytes(), b"\xe3code"].concat()
}

/// fontconfig's cache of a directory.
fn font_cache(directory: &str, mtime: i64, nanos: u32) -> Vec<u8> {
    let mut bytes = [0; 64];
    bytes[0..4].copy_from_slice(&0xfc02_fc04_u32.to_le_bytes());
    bytes[16..24].copy_from_slice(&64_u64.to_le_bytes());
    bytes[48..52].copy_from_slice(&(mtime as i32).to_le_bytes());
    bytes[56..60].copy_from_slice(&nanos.to_le_bytes());
    [&bytes[..], directory.as_bytes(), b"\0fonts"].concat()
}

/// bootsnap's entry for a source.
fn bootsnap(mtime: i64, size: usize) -> Vec<u8> {
    let mut key = [0; 64];
    key[0] = 4;
    key[16..24].copy_from_slice(&(size as u64).to_le_bytes());
    key[24..32].copy_from_slice(&mtime.to_le_bytes());
    [&key[..], b"YARBcode"].concat()
}

/// What PHP's opcache compiled of a script.
fn opcache(mtime: i64) -> Vec<u8> {
    let words = [9, 9, 9, mtime as u64].map(u64::to_le_bytes).concat();
    [&b"OPCACHE\0d1d0ff8f38b7d6a2ff1de1e71fb0e9f6"[..], &words, b"code"].concat()
}

/// A script at `path`, and what opcache made of it when the script had this time.
fn script(side: &mut Side, path: &str, mtime: i64, own: i64) {
    side.add(Entry::file(path, "<?php\n", mtime));
    let cached = format!("var/cache/d1d0ff8f38b7d6a2ff1de1e71fb0e9f6/{path}.bin");
    side.add(Entry::file(&cached, opcache(own), T));
}

fn source(side: &mut Side, name: &str, mtime: i64) {
    side.add(Entry::file(name, "PORT = 8080\n", mtime));
}

const SOURCE: usize = "PORT = 8080\n".len();

/// Writes over the owner's name of every header block of a tar.
fn own(tar: &mut [u8], name: &[u8]) {
    let mut at = 0;
    while at + 512 <= tar.len() && tar[at] != 0 {
        let block = &mut tar[at..at + 512];
        block[265..265 + name.len()].copy_from_slice(name);
        let size = usize::from_str_radix(std::str::from_utf8(&block[124..135]).unwrap().trim(), 8).unwrap();
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        at += 512 + size.next_multiple_of(512);
    }
}

static PARTS: [Part; 33] = [
    part("mtime", "", |side| side.add(Entry::file("opt/time", "x", side.built))),
    part("created", "", |side| side.created = side.built),
    part("level", "", |side| side.level = if side.is_b { 1 } else { 6 }),
    part("unlisted label", "--time-key vendor.build.at", |side| {
        let date = crate::support::date(side.built, 0);
        side.labels.push(("vendor.build.at", date));
    }),
    part("owner name", "--numeric-owner", |side| {
        side.patches.push(if side.is_b { |tar| own(tar, b"builder") } else { |tar| own(tar, b"root") });
    }),
    part("tag", "--name app:1", |side| side.tag = if side.is_b { "app:2" } else { "app:1" }),
    part("compression", "--compression gzip", |side| {
        side.packing = if side.is_b { Packing::Zstd } else { Packing::Gzip };
    }),
    part("provenance", "--attestations drop", |side| side.has_provenance = true),
    part("signature", "--signatures drop", |side| side.is_signed = side.is_b),
    part("bytecode", "", |side| {
        source(side, "opt/a.py", side.built);
        side.add(Entry::file("opt/__pycache__/a.cpython-312.pyc", pyc(side.built, SOURCE), side.built + 1));
    }),
    part("font cache", "", |side| {
        side.add(Entry::dir("usr/share/fonts/", side.built));
        let cache = font_cache("/usr/share/fonts", side.built, 5);
        side.add(Entry::file("var/cache/fontconfig/0-le64.cache-9", cache, side.built));
    }),
    part("bootsnap", "", |side| {
        // FNV-1a of /t/rb/cur/lib/foo.rb.
        source(side, "t/rb/cur/lib/foo.rb", side.built);
        let path = "t/rb/cur/tmp/cache/bootsnap/compile-cache-iseq/71/a39226c6f3731d";
        side.add(Entry::file(path, bootsnap(side.built, SOURCE), side.built));
    }),
    part("opcache", "--repair opcache", |side| script(side, "app/a.php", side.built, side.built)),
    part("gzip", "--repair gzip", |side| {
        side.add(Entry::file("usr/share/doc/x.gz", gz(b"text", side.built as u32), T));
    }),
    part("gzip of two members", "--repair gzip", |side| {
        let two = [gz(b"text", T as u32), gz(b"more", side.built as u32)].concat();
        side.add(Entry::file("usr/share/doc/two.gz", two, T));
    }),
    part("jar", "--repair zip", |side| {
        let time = if side.is_b { 700 } else { 5 };
        side.add(Entry::file("opt/app.jar", zip(&[("A.class", time, b"\xca\xfe\xba\xbe"), ("B", 9, b"x")]), T));
    }),
    part("ar", "--repair ar", |side| side.add(Entry::file("usr/lib/x.a", ar(side.built, &[("x.o/", b"same")]), T))),
    part("tar in a file", "--repair tar", |side| {
        side.add(Entry::file("opt/inner.tar", tar(&[Entry::file("x", "same", side.built)]), T));
    }),
    part("log", "--omit logs", |side| {
        side.add(Entry::file("var/log/dpkg.log", format!("{} status installed x\n", side.built), T));
    }),
    part("log on one side", "--omit logs", |side| {
        if side.is_b {
            side.add(Entry::file("root/.npm/_logs/0.log", "0 verbose\n", T));
        }
    }),
    part("cache", "--omit caches", |side| {
        side.add(Entry::file("var/cache/ldconfig/aux-cache", noise(60 + usize::from(side.is_b), side.built as u64), T));
    }),
    part("compressed log", "--repair gzip", |side| {
        side.add(Entry::file("var/log/apt/x.gz", gz(b"text", side.built as u32), T));
    }),
    part("order", "--order name", |side| side.is_reversed = side.is_b),
    part("whiteout", "--order name", |side| {
        if side.is_b {
            side.add(Entry::dir("srv/", T));
            side.add(Entry::file("srv/.wh..wh..opq", "", T));
        } else {
            side.add(Entry::dir("srv/", T));
        }
    }),
    // What nothing makes go away.
    fixed("content", |side| side.add(Entry::file("opt/content", if side.is_b { "b" } else { "a" }, T))),
    fixed("mode", |side| side.add(Entry::file("opt/mode", "x", T).mode(if side.is_b { 0o600 } else { 0o644 }))),
    fixed("text date", |side| {
        side.add(Entry::file("opt/info.json", format!("{{\"built\":\"{}\"}}", crate::support::date(side.built, 0)), T));
    }),
    fixed("stale bytecode", |side| {
        source(side, "opt/b.py", side.built);
        let own = if side.is_b { side.built - 1 } else { side.built };
        side.add(Entry::file("opt/__pycache__/b.cpython-312.pyc", pyc(own, SOURCE), T));
    }),
    fixed("bytecode that is stale on one side", |side| {
        source(side, "opt/c.py", side.built);
        side.add(Entry::file("opt/__pycache__/c.cpython-312.pyc", pyc(T, SOURCE), T));
    }),
    fixed("bytecode without a source", |side| {
        side.add(Entry::file("opt/__pycache__/d.cpython-312.pyc", pyc(side.built, SOURCE), T));
    }),
    fixed("stale opcache", |side| script(side, "app/b.php", T, if side.is_b { T - 9 } else { T })),
    fixed("opcache that is stale on one side", |side| {
        script(side, "app/c.php", side.built, T);
        script(side, "app/d.php", side.built, side.built);
    }),
    fixed("folder of logs", |side| {
        if side.is_b {
            side.add(Entry::dir("var/log/apt/", T));
        }
    }),
];

/// May these options be given to `rewrite`?
fn is_known(options: &str) -> bool {
    static HELP: OnceLock<String> = OnceLock::new();
    let help = HELP.get_or_init(|| run(["rewrite", "--help"]).text());
    let words: Vec<&str> = options.split(' ').collect();
    words.chunks(2).all(|option| match option {
        ["--repair", list] => list.split(',').all(|word| help.contains(&format!("- {word}:"))),
        [name, ..] => name.is_empty() || help.contains(name),
        [] => true,
    })
}

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
    let found: BTreeSet<&str> = chosen.iter().map(String::as_str).collect();
    let mut expected: BTreeSet<&str> =
        parts.iter().filter_map(|part| part.options).filter(|options| !options.is_empty()).collect();
    // Where all logs are left out, no time in one of them matters.
    let is_in_log = |name: &str| name == "compressed log";
    let has_other = parts.iter().any(|part| part.options == Some("--repair gzip") && !is_in_log(part.name));
    if expected.contains("--omit logs") && !has_other {
        expected.remove("--repair gzip");
    }
    if found != expected {
        return Err(format!("{names:?}: {found:?} instead of {expected:?}"));
    }
    Ok(())
}

/// The parts that `rewrite` has options for.
fn usable() -> Vec<&'static Part> {
    PARTS.iter().filter(|part| part.options.is_none_or(is_known)).collect()
}

#[test]
fn each_difference_goes_away_by_its_option_and_by_nothing_less() {
    let failed: Vec<String> = usable().into_iter().filter_map(|part| check(&[part]).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn several_differences_go_away_by_the_fewest_options(
        chosen in proptest::sample::subsequence((0..PARTS.len()).collect::<Vec<_>>(), 2..7),
    ) {
        let usable: Vec<&Part> =
            chosen.iter().map(|at| &PARTS[*at]).filter(|part| part.options.is_none_or(is_known)).collect();
        if let Err(failed) = check(&usable) {
            return Err(TestCaseError::fail(failed));
        }
    }
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
