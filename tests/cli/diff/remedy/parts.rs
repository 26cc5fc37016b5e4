//! What two builds differ in, one thing at a time.

use serde_json::json;
use sha1::{Digest as _, Sha1};

use crate::diff::formats::{ar, gz, zip};
use crate::diff::{BUILD, T, packed};
use crate::support::graph::{Attestation, put_attestation};
use crate::support::layer::Packing;
use crate::support::layout::{Image, Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, noise};

/// One side in the making.
pub struct Side {
    pub is_b: bool,
    /// When it was built.
    built: i64,
    pub lower: Vec<Entry>,
    upper: Vec<Entry>,
    packing: Packing,
    level: i32,
    tag: &'static str,
    labels: Vec<(&'static str, String)>,
    /// Patches of the upper layer.
    patches: Vec<fn(&mut Vec<u8>)>,
    created: i64,
    pub is_reversed: bool,
    has_provenance: bool,
    is_signed: bool,
}

impl Side {
    pub fn new(is_b: bool) -> Self {
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

    pub fn add(&mut self, entry: Entry) {
        self.upper.push(entry);
    }

    pub fn archive(mut self) -> Vec<u8> {
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
pub struct Part {
    pub name: &'static str,
    pub make: fn(&mut Side),
    pub options: Option<&'static str>,
    /// Another option that does it as well.
    pub or: Option<&'static str>,
    /// An option that would make it another difference, so that it is named for nothing.
    pub spoils: Option<&'static str>,
}

const fn part(name: &'static str, options: &'static str, make: fn(&mut Side)) -> Part {
    Part { name, make, options: Some(options), or: None, spoils: None }
}

const fn either(part: Part, or: &'static str) -> Part {
    Part { or: Some(or), ..part }
}

const fn spoiling(option: &'static str, name: &'static str, make: fn(&mut Side)) -> Part {
    Part { spoils: Some(option), ..fixed(name, make) }
}

const fn fixed(name: &'static str, make: fn(&mut Side)) -> Part {
    Part { name, make, options: None, or: None, spoils: None }
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

/// A key store of Java with one certificate.
fn key_store(time: i64, password: &str) -> Vec<u8> {
    let head = [0xfeed_feed_u32, 2, 1, 2].map(u32::to_be_bytes).concat();
    let millis = (time * 1000).to_be_bytes();
    let bytes = [&head[..], b"\0\x01a", &millis, b"\0\x05X.509\0\0\0\x03der"].concat();
    let password: Vec<u8> = password.bytes().flat_map(|byte| [0, byte]).collect();
    let digest = Sha1::digest([&password[..], b"Mighty Aphrodite", &bytes].concat());
    [&bytes[..], &digest[..]].concat()
}

/// apk's archive of scripts, compressed.
fn scripts(time: i64, packed: u32) -> Vec<u8> {
    gz(&tar(&[Entry::file("busybox.post-install", "#!/bin/sh\n", time)]), packed)
}

/// A jar of this time at `path`, and an archive of Java that says that the jar has `own`.
fn shared(side: &mut Side, path: &str, mtime: i64, own: i64) {
    // Of a size of its own.
    let jar = zip(&[("A.class", 5, &noise(path.bytes().map(usize::from).sum(), 1))]);
    let pair = [own, jar.len() as i64].map(i64::to_le_bytes).concat();
    let head = [0xf00b_aba8_u32, 7, 12].map(u32::to_le_bytes).concat();
    side.add(Entry::file(format!("{path}.jsa"), [&head[..], &noise(900, 3), &pair, &noise(70, 4)].concat(), T));
    side.add(Entry::file(path, jar, mtime));
}

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

pub static PARTS: [Part; 46] = [
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
    part("padding of bootsnap", "--repair bootsnap", |side| {
        let mut entry = bootsnap(side.built, SOURCE);
        entry[40..64].fill(u8::from(side.is_b) + 1);
        source(side, "t/rb/old/lib/foo.rb", side.built);
        side.add(Entry::file("t/rb/old/tmp/cache/bootsnap/compile-cache-iseq/b7/e8d37b96ef6ea8", entry, side.built));
    }),
    part("lists of apt", "", |side| {
        side.add(Entry::file("var/lib/apt/lists/mirror.example_InRelease", "Suite: stable", side.built));
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
    part("gzip in a tar", "--repair gzip,tar", |side| {
        let inner = tar(&[Entry::file("x.gz", gz(b"text", side.built as u32), side.built)]);
        side.add(Entry::file("opt/deep.tar", inner, T));
    }),
    part("large jar", "--repair zip", |side| {
        let time = if side.is_b { 700 } else { 5 };
        side.add(Entry::file("opt/large.jar", zip(&[("A.class", time, &noise(9 << 20, 1))]), T));
    }),
    part("key store", "--repair jks", |side| {
        side.add(Entry::file("opt/store.jks", key_store(side.built, "changeit"), T));
    }),
    part("archive of Java", "--repair jsa", |side| shared(side, "opt/cds/a.jar", side.built, side.built)),
    part("scripts of apk", "--repair tar", |side| {
        side.add(Entry::file("lib/apk/db/scripts.tar.gz", scripts(side.built, 0), T));
    }),
    either(
        part("packed scripts of apk", "--repair gzip", |side| {
            side.add(Entry::file("usr/lib/apk/db/scripts.tar.gz", scripts(T, side.built as u32), T));
        }),
        "--repair tar",
    ),
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
    either(
        part("compressed log", "--repair gzip", |side| {
            side.add(Entry::file("var/log/apt/x.gz", gz(b"text", side.built as u32), T));
        }),
        "--omit logs",
    ),
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
    fixed("key store with a password", |side| {
        side.add(Entry::file("opt/secret.jks", key_store(side.built, "secret"), T));
    }),
    fixed("gzip that a hash names", |side| {
        side.add(Entry::file("srv/blobs/sha256/x.gz", gz(b"text", side.built as u32), T));
    }),
    fixed("gzip with something behind it", |side| {
        side.add(Entry::file("opt/rest.gz", [gz(b"text", side.built as u32), b"\x1f\x8brest".to_vec()].concat(), T));
    }),
    fixed("stale archive of Java", |side| shared(side, "opt/cds/b.jar", T, side.built)),
    spoiling("--repair jsa", "archive of Java that is stale on one side", |side| {
        shared(side, "opt/cds/c.jar", side.built, T);
        shared(side, "opt/cds/d.jar", side.built, side.built);
    }),
    fixed("stale opcache", |side| script(side, "app/b.php", T, if side.is_b { T - 9 } else { T })),
    spoiling("--repair opcache", "opcache that is stale on one side", |side| {
        script(side, "app/c.php", side.built, T);
        script(side, "app/d.php", side.built, side.built);
    }),
    fixed("folder of logs", |side| {
        if side.is_b {
            side.add(Entry::dir("var/log/apt/", T));
        }
    }),
];
