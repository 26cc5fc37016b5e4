//! Formats of files that hold a time, and what is found inside of them.

use std::collections::BTreeSet;

use crate::diff::{Pair, T};
use crate::support::layer;
use crate::support::tarball::{Entry, tar};

/// A zip of stored members: name, MS-DOS time of day, content.
pub fn zip(members: &[(&str, u16, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, time, content) in members {
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
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0; 2]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(*content);
    }
    let (count, start, length) = (members.len() as u16, out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// An ar archive: name and content of each member.
pub fn ar(time: i64, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let mode = "100644";
        out.extend(format!("{name:<16}{time:<12}{:<6}{:<6}{mode:<8}{:<10}`\n", 0, 0, content.len()).into_bytes());
        out.extend(*content);
        out.extend(vec![b'\n'; content.len() % 2]);
    }
    out
}

pub fn gz(bytes: &[u8], time: u32) -> Vec<u8> {
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
        ("opt/a.zip", zip(&[("x.txt", (time % 1000) as u16, content.as_bytes())])),
        ("opt/a.a", ar(time, &[("x.o/", content.as_bytes())])),
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
    // The scripts that apk keeps are run.
    assert_eq!(content, paths.into_iter().map(str::to_owned).collect());
    pair.run(&["--semantic"]).expect(1);
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
