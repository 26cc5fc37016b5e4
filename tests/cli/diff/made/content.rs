//! What matters.

use super::{Made, app};
use crate::diff::formats::{gz, zip};
use crate::diff::{T, packed, with_config};
use crate::support::layer::Packing;
use crate::support::tarball::{Entry, tar};

const DIFFERENT: &str = "different";

pub fn pairs() -> Vec<Made> {
    let file = |name: &str, data: &str| Entry::file(name, data, T);
    let tool = |mode| file("opt/tool", "#!/bin/sh\n").mode(mode);
    let one = |name, a: Entry, b: Entry, expected: &str| Made::layers(name, DIFFERENT, [&[a], &[b]], &[expected]);
    let archive = |word: &str| gz(&tar(&[file("d/same", "1"), file("d/x", word)]), 0);
    let jar =
        |word: &str| zip(&[("META-INF/MANIFEST.MF", 1, b"Manifest-Version: 1.0\n"), ("A.class", 1, word.as_bytes())]);
    let capability = |bits: u8| [1, 0, 0, 2, 0, bits, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0];
    let with_capability = |bits| file("opt/ping", "ELF").pax("SCHILY.xattr.security.capability", capability(bits));
    let base = app(&[]);
    let layer = |word: &str| tar(&[Entry::dir("opt/", T), file("opt/x", word)]);
    let two = packed(vec![layer("1"), layer("2")], Packing::Plain);
    let three = packed(vec![layer("1"), tar(&[file("srv/y", "3")]), layer("2")], Packing::Plain);
    vec![
        one("content-file", file("opt/x", "good\n"), file("opt/x", "evil\n"), "content - layer1 opt/x content"),
        one(
            "content-link",
            Entry::link(b'2', "opt/l", "x", T),
            Entry::link(b'2', "opt/l", "y", T),
            "content - layer1 opt/l link target",
        ),
        one("content-mode", tool(0o755), tool(0o4755), "content - layer1 opt/tool mode"),
        one("content-owner", tool(0o755), Entry { uid: 1000, ..tool(0o755) }, "content - layer1 opt/tool uid"),
        one(
            "content-capability",
            with_capability(0x24),
            with_capability(0x25),
            "content - layer1 opt/ping xattr security.capability",
        ),
        one("content-type", file("opt/x", ""), Entry::link(b'2', "opt/x", "y", T), "content - layer1 opt/x type"),
        one(
            "content-in-archive",
            Entry::file("opt/a.tar.gz", archive("1"), T),
            Entry::file("opt/a.tar.gz", archive("2"), T),
            "content - layer1 opt/a.tar.gz!d/x content",
        ),
        one(
            "content-in-jar",
            Entry::file("opt/a.jar", jar("1"), T),
            Entry::file("opt/a.jar", jar("2"), T),
            "content - layer1 opt/a.jar!A.class content",
        ),
        Made::layers("content-added", DIFFERENT, [&[], &[file("opt/new", "1")]], &["content - layer1 opt/new entry"]),
        Made::layers(
            "content-renamed",
            DIFFERENT,
            [&[file("opt/a", "the same")], &[file("opt/b", "the same")]],
            &["content - layer1 opt/a entry", "content - layer1 opt/b entry"],
        ),
        Made::layers(
            "content-removed-below",
            DIFFERENT,
            [&[], &[file("srv/.wh.old", "")]],
            &["content - layer1 srv/.wh.old entry"],
        ),
        Made::images(
            "content-layer",
            DIFFERENT,
            [&two, &three],
            &["content - layer-/1 - layer", "name - config - history[2]"],
        ),
        Made::images(
            "content-command",
            DIFFERENT,
            [&base, &with_config(&base, r#"["/bin/hello"]"#, r#"["/bin/evil"]"#)],
            &["content - config - config.Cmd[0]"],
        ),
        Made::images(
            "content-label",
            DIFFERENT,
            [&base, &with_config(&base, r#""maintainer":"x""#, r#""maintainer":"y""#)],
            &["content - config - config.Labels.maintainer"],
        ),
        Made::images(
            "content-platform",
            DIFFERENT,
            [&base, &with_config(&base, r#""architecture":"amd64""#, r#""architecture":"arm64""#)],
            &["content - config - architecture"],
        ),
    ]
}
