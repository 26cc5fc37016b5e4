//! Archives and names in a layer of a few KiB took gigabytes of memory, and a jar behind a script was none.

use crate::diff::formats::zip;
use crate::diff::{Pair, T, file};
use crate::support::tarball::Entry;
use crate::support::usage::measured;
use crate::support::{noise, restamp, text};

/// What `diff` may take with two jobs, in KiB, and what a few thousand entries add.
const ALLOWED: u64 = (64 + 2 * 8 + 4) << 10;

/// All forms of the report.
const FORMS: [&[&str]; 4] = [&[], &["--json"], &["--html", "-"], &["--rootfs"]];

#[track_caller]
fn expect_bounded(pair: &Pair, what: &str, forms: &[&[&str]]) {
    for options in forms {
        let arguments = ["diff", "-j", "2"].iter().chain(*options).copied();
        let (outcome, usage) = measured(restamp().args(arguments.chain([text(&pair.a), text(&pair.b)])));
        let is_limit = outcome.code == Some(2) && outcome.stderr.contains("at most");
        assert!(outcome.code == Some(1) || is_limit, "{what} {options:?}: {:?} {}", outcome.code, outcome.stderr);
        assert!(usage.peak < ALLOWED, "{what} {options:?}: {} MiB", usage.peak >> 10);
    }
}

#[test]
fn a_jar_behind_a_script_is_a_jar() {
    let jar =
        |time: u16, data: &[u8]| zip(&[("META-INF/MANIFEST.MF", time, b"Main-Class: x\n"), ("x.class", time, data)]);
    let script = b"#!/bin/sh\nexec java -jar \"$0\" \"$@\"\n";
    let app = |script: &[u8], jar: Vec<u8>| Entry::file("opt/app.jar", [script, &jar].concat(), T).mode(0o755);
    let classes = |a: Entry, b: Entry| -> Vec<String> {
        Pair::layers(&[a], &[b]).found(&[]).into_iter().map(|(class, ..)| class).collect()
    };
    let timed = classes(app(script, jar(1, b"code")), app(script, jar(2, b"code")));
    assert_eq!(timed, classes(app(b"", jar(1, b"code")), app(b"", jar(2, b"code"))));
    assert!(timed.iter().all(|class| class == "embedded-time") && !timed.is_empty(), "{timed:?}");
    for (a, b) in [
        (app(script, jar(1, b"code")), app(script, jar(2, b"evil"))),
        (app(script, jar(1, b"code")), app(b"#!/bin/sh\nexec evil\n", jar(2, b"code"))),
        (app(script, jar(1, b"code")), app(b"", jar(2, b"code"))),
    ] {
        assert!(classes(a, b).contains(&"content".to_owned()));
    }
}

/// A zip whose members all name one local header with an extra field of 64 KiB.
fn shared_header(members: usize, time: u16) -> Vec<u8> {
    let mut out = zip(&[("m", 1, b"")]);
    let directory = out.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    let central = out[directory..directory + 47].to_vec();
    out.truncate(directory);
    out[28..30].copy_from_slice(&65_500u16.to_le_bytes());
    out.extend(noise(65_500, 7));
    let start = out.len() as u32;
    for number in 0..members {
        let mut header = central.clone();
        header.truncate(46);
        let name = format!("{number:05}");
        header[12..14].copy_from_slice(&time.to_le_bytes());
        header[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend(header);
        out.extend(name.as_bytes());
    }
    let length = out.len() as u32 - start;
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((members as u16).to_le_bytes());
    out.extend((members as u16).to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

#[test]
fn entries_that_share_a_local_header_count_as_often() {
    let of = |time: u16| [Entry::file("x.zip", shared_header(15_000, time), T)];
    expect_bounded(&Pair::layers(&of(1), &of(2)), "shared local header", &FORMS);
}

#[test]
fn what_is_told_of_nested_archives_is_bounded() {
    let nested = |time: u16| {
        let names: Vec<String> = (0..3000).map(|n| format!("{n:05}")).collect();
        let members: Vec<(&str, u16, &[u8])> = names.iter().map(|name| (name.as_str(), time, &b""[..])).collect();
        let long = "p".repeat(60_000);
        (0..4).fold(zip(&members), |inner, _| zip(&[(long.as_str(), 1, inner.as_slice())]))
    };
    let of = |time: u16| (0..3).map(|n| Entry::file(format!("{n}.zip"), nested(time), T)).collect::<Vec<_>>();
    let pair = Pair::layers(&of(1), &of(2));
    expect_bounded(&pair, "nested zips", &FORMS);
    assert!(pair.run(&["--json"]).stdout.len() < 8 << 20);
    let report = pair.json(&[]);
    assert!(report["notes"].to_string().contains("not looked inside: too much differs"), "{}", report["notes"]);
    let many = |time: u16| {
        let names: Vec<String> = (0..500).map(|n| format!("{n:05}")).collect();
        let members: Vec<(&str, u16, &[u8])> = names.iter().map(|name| (name.as_str(), time, &b""[..])).collect();
        (0..400).map(|n| Entry::file(format!("{n}.zip"), zip(&members), T)).collect::<Vec<_>>()
    };
    expect_bounded(&Pair::layers(&many(1), &many(2)), "many archives", &FORMS);
}

#[test]
fn long_names_do_not_add_up() {
    let long = |n: usize| format!("{n:03}{}", "x".repeat(400_000));
    let all: [(&str, fn(usize, String) -> Entry); 4] = [
        ("names", |_, long| file(&long, "")),
        ("links", |n, long| Entry::link(b'2', format!("{n}"), long, T)),
        ("users", |n, long| file(&format!("{n}"), "").pax("uname", long)),
        ("keys", |n, long| file(&format!("{n}"), "").pax(long, "1")),
    ];
    for (what, make) in all {
        let of = |word: &str| {
            let mut all: Vec<Entry> = (0..100).map(|n| make(n, long(n))).collect();
            all.push(file("last", word));
            all
        };
        expect_bounded(&Pair::layers(&of("1"), &of("2")), what, &FORMS[..1]);
    }
    let records = |word: &str| {
        let mut all: Vec<Entry> = (0..30)
            .map(|n| (0..20_000).fold(file(&format!("{n}"), ""), |entry, key| entry.pax(format!("k{key}"), "1")))
            .collect();
        all.push(file("last", word));
        all
    };
    expect_bounded(&Pair::layers(&records("1"), &records("2")), "records", &FORMS[..1]);
}
