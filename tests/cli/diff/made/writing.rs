//! The same, written in another way: dialects, order, compression, whiteouts that hide nothing.

use super::Made;
use crate::diff::formats::zip;
use crate::diff::{BUILD, T, packed};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::Image;
use crate::support::tarball::{BLOCK, Entry, append_pax, tar};
use crate::support::{Build, noise};

const EXPLAINABLE: &str = "explainable";

pub fn pairs() -> Vec<Made> {
    [entries(), streams(), compression(), whiteouts()].into_iter().flatten().collect()
}

fn entries() -> Vec<Made> {
    let file = |name: &str, data: &str| Entry::file(name, data, T);
    let f = || file("opt/f", "x");
    let one = |name, a: Entry, b: Entry, expected: &str| Made::layers(name, EXPLAINABLE, [&[a], &[b]], &[expected]);
    let link = |name: &str, to: &str| Entry { mode: 0o644, ..Entry::link(b'1', name, to, T) };
    let (x, y, z) = (file("opt/x", "1"), file("opt/y", "2"), file("opt/z", "3"));
    let members = [("a.txt", 1, &b"1"[..]), ("b.txt", 1, b"2")];
    let [straight, turned] =
        [[members[0], members[1]], [members[1], members[0]]].map(|m| Entry::file("opt/m.zip", zip(&m), T));
    vec![
        one("format-dialect", f(), f().gnu(), "format - layer1 opt/f dialect"),
        one("format-comment", f().pax("comment", "a"), f().pax("comment", "b"), "format - layer1 opt/f PAX comment"),
        one("format-name", f(), file("./opt/f", "x"), "format - layer1 opt/f name"),
        one("format-old-file", f(), Entry { kind: 0, ..f() }, "format - layer1 opt/f type"),
        one("format-device", f(), Entry { device: Some((0, 0)), ..f() }, "format - layer1 opt/f header"),
        Made::layers(
            "order-entries",
            EXPLAINABLE,
            [&[x.clone(), y.clone(), z.clone()], &[z, x, y]],
            &["order - layer1 - order of entries"],
        ),
        Made::layers(
            "order-hard-links",
            EXPLAINABLE,
            [&[file("opt/x", "1"), link("opt/y", "opt/x")], &[file("opt/y", "1"), link("opt/x", "opt/y")]],
            &["order - layer1 opt/x hard link", "order - layer1 opt/y hard link", "order - layer1 - order of entries"],
        ),
        one("order-in-zip", straight, turned, "order - layer1 opt/m.zip order of members"),
    ]
}

/// Layers of one file each, whose streams are as given.
fn stream(name: &str, streams: [Vec<u8>; 2], expected: &[&str]) -> Made {
    let [a, b] = streams.map(|stream| packed(vec![stream], Packing::Plain));
    Made::images(name, EXPLAINABLE, [&a, &b], expected)
}

fn streams() -> Vec<Made> {
    let plain = || tar(&[Entry::file("f", "x", T)]);
    let global = |text: &str| {
        let mut out = Vec::new();
        append_pax(&mut out, b'g', b"pax_global_header", 0, &[(b"comment".to_vec(), text.as_bytes().to_vec())]);
        [out, plain()].concat()
    };
    let padding = |byte: u8| {
        let mut stream = plain();
        // Behind the one byte of the file.
        stream[2 * BLOCK - 1] = byte;
        stream
    };
    vec![
        stream("format-end", [plain(), [plain(), vec![0; 3 * BLOCK]].concat()], &["format - layer0 - end of archive"]),
        stream("format-global-header", [global("a"), global("b")], &["format - layer0 - global PAX header"]),
        stream("format-padding", [padding(0), padding(1)], &["format - layer0 f padding"]),
    ]
}

fn compression() -> Vec<Made> {
    let stream = || tar(&[Entry::file("n", noise(9000, 1).repeat(9), T)]);
    let image = |packing, build: &Build| {
        Image::new(vec![Layer::new(stream(), packing, Family::Oci, build)], Family::Oci, &BUILD, &["app:1"])
    };
    let level = |level| image(Packing::Gzip, &Build { level, ..BUILD });
    let pair = |name, verdict, a: &Image, b: &Image| {
        Made::images(name, verdict, [a, b], &["compression - layer0 - compression"])
    };
    let gzip = level(6);
    let clock = image(Packing::Gzip, &Build { seconds: T + 60, level: 6, ..BUILD });
    let stored =
        |content: &[u8], level| Entry::file("usr/share/doc/x.gz", crate::support::layer::gzip(content, level, 0), T);
    let text = noise(900, 2).repeat(5);
    vec![
        pair("compression-level", "same-after-restamping", &level(1), &level(9)),
        pair("compression-clock", "same-after-restamping", &gzip, &clock),
        pair("compression-none", EXPLAINABLE, &gzip, &image(Packing::Plain, &BUILD)),
        pair("compression-zstd", EXPLAINABLE, &gzip, &image(Packing::Zstd, &BUILD)),
        Made::layers(
            "compression-in-file",
            EXPLAINABLE,
            [&[stored(&text, 1)], &[stored(&text, 9)]],
            &["compression - layer1 usr/share/doc/x.gz compression"],
        ),
    ]
}

fn whiteouts() -> Vec<Made> {
    let hidden = |name: &str, path: &str| {
        let own = [Entry::dir("new/", T), Entry::file("new/f", "2", T)];
        let with = [&own[..], &[Entry::file(path, "", T)]].concat();
        Made::layers(name, EXPLAINABLE, [&own, &with], &[&format!("whiteout - layer1 {path} entry")])
    };
    vec![
        hidden("whiteout-opaque", "new/.wh..wh..opq"),
        hidden("whiteout-of-nothing", ".wh.nothing"),
        hidden("whiteout-of-aufs", ".wh..wh.plnk"),
    ]
}
