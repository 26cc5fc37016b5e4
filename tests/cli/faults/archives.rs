//! Archives and names in a layer of a few KiB took gigabytes of memory, and a jar behind a script was none.

use crate::diff::formats::zip;
use crate::diff::{Pair, T, file, with_config};
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

/// A jar behind a script, its places moved by the script's length as `zip -A` does it.
fn adjusted(script: &[u8], mut jar: Vec<u8>) -> Vec<u8> {
    for at in 0..jar.len() {
        let field = match &jar[at..] {
            [b'P', b'K', 1, 2, ..] => at + 42,
            [b'P', b'K', 5, 6, ..] => at + 16,
            _ => continue,
        };
        let place = u32::from_le_bytes(jar[field..field + 4].try_into().unwrap()) + script.len() as u32;
        jar[field..field + 4].copy_from_slice(&place.to_le_bytes());
    }
    [script, &jar].concat()
}

#[test]
fn a_jar_whose_places_were_adjusted_to_the_script_is_a_jar() {
    let jar = |time: u16, data: &[u8]| zip(&[("a/x.class", time, data), ("b", time, b"")]);
    let script = b"#!/bin/sh\nexec java -jar \"$0\" \"$@\"\n";
    let classes = |a: Vec<u8>, b: Vec<u8>| -> Vec<String> {
        let [a, b] = [a, b].map(|bytes| Entry::file("opt/app.jar", bytes, T));
        Pair::layers(&[a], &[b]).found(&[]).into_iter().map(|(class, ..)| class).collect()
    };
    let timed = classes(adjusted(script, jar(1, b"code")), adjusted(script, jar(2, b"code")));
    assert_eq!(timed, ["embedded-time"; 2]);
    // As another tool reads it: the places count from the beginning in one and from the archive in the other.
    let half = classes(adjusted(script, jar(1, b"code")), [&script[..], &jar(2, b"code")].concat());
    assert_eq!(half, timed);
    let other = classes(adjusted(script, jar(1, b"code")), adjusted(script, jar(2, b"evil")));
    assert!(other.contains(&"content".to_owned()));
    // A size of the directory that contradicts its place: readers differ about which entries there are.
    let mut odd = jar(2, b"code");
    let end = odd.len() - 22;
    let second = odd.windows(4).rposition(|at| at == b"PK\x01\x02").unwrap();
    let size = (end - second) as u32;
    odd[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    assert_eq!(classes(jar(1, b"code"), odd), ["content"]);
}

#[test]
fn members_of_an_ar_archive_go_by_their_long_names() {
    let member = |name: &str, time: u32, content: &str| {
        let padding = if content.len() % 2 == 1 { "\n" } else { "" };
        format!("{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`\n{content}{padding}", 0, 0, 644, content.len())
    };
    let gnu = |time| {
        let names = member("//", 0, "a_member_with_a_long_name.o/\nanother_member_of_that_kind.o/\n");
        let symbols = member("/", time, "\0\0\0\0");
        ["!<arch>\n", &symbols, &names, &member("/0", time, "one"), &member("/29", time, "two")].concat()
    };
    let bsd = |time| ["!<arch>\n", &member("#1/20", time, "a_long_name.o\0\0\0\0\0\0\0one")].concat();
    let paths = |make: &dyn Fn(u32) -> String| -> Vec<String> {
        let [a, b] = [1, 2].map(|time| Entry::file("x.a", make(time), T));
        let found = Pair::layers(&[a], &[b]).json(&[])["differences"].clone();
        let all = found.as_array().unwrap().iter();
        assert!(all.clone().all(|one| one["class"] == "embedded-time"), "{found}");
        all.map(|one| one["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&gnu), ["x.a!/", "x.a!a_member_with_a_long_name.o", "x.a!another_member_of_that_kind.o"]);
    assert_eq!(paths(&bsd), ["x.a!a_long_name.o"]);
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
fn a_layer_of_very_long_paths_is_compared() {
    let of = |word: &str| {
        let folder = ["node_modules/a-package-of-that-name"; 14].join("/");
        let mut all: Vec<Entry> = (0..20_000).map(|n| file(&format!("{folder}/{n:05}"), "")).collect();
        all.push(file("last", word));
        all
    };
    let pair = Pair::layers(&of("1"), &of("2"));
    pair.expect(&[("content", "last", "content")]);
}

#[test]
fn attributes_of_libarchive_are_renamed_in_time_that_grows_with_their_number() {
    let cpu = |count: usize| {
        let of = |word: &str| {
            let attributes = (0..count).map(|key| format!("LIBARCHIVE.xattr.user.{key}"));
            [attributes.fold(file("f", ""), |entry, key| entry.pax(key, "YQ")), file("last", word)]
        };
        let pair = Pair::layers(&of("1"), &of("2"));
        let (outcome, usage) = measured(restamp().args(["diff", "-j", "2", text(&pair.a), text(&pair.b)]));
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        usage.cpu.as_secs_f64().max(0.1)
    };
    let (few, many) = (cpu(7_000), cpu(28_000));
    assert!(many < few * 8.0, "{few} s, {many} s");
}

#[test]
fn long_labels_are_held_once_and_cut_for_people() {
    let image = |labels: &dyn Fn(usize) -> String, count: usize| {
        let image = crate::diff::image(vec![crate::support::tarball::tar(&[file("f", "")])]);
        let all: Vec<String> = (0..count).map(|n| format!("\"l{n}\":\"{}\"", labels(n))).collect();
        with_config(&image, "\"Labels\":{", &format!("\"Labels\":{{{},", all.join(",")))
    };
    let long = |word: &'static str| move |_: usize| "x".repeat(15 << 20) + word;
    let short = |word: &'static str| move |n: usize| format!("{n}{}{word}", "x".repeat(1024));
    for (what, a, b, count) in [
        (
            "one label",
            Box::new(long("a")) as Box<dyn Fn(usize) -> String>,
            Box::new(long("b")) as Box<dyn Fn(usize) -> String>,
            1,
        ),
        ("10,000 labels", Box::new(short("a")), Box::new(short("b")), 10_000),
    ] {
        let pair = Pair::images(&image(&*a, count), &image(&*b, count));
        expect_bounded(&pair, what, &FORMS[..3]);
        let page = pair.run(&["--html", "-"]).stdout.len();
        assert!(page < (1 << 20) + 1200 * count, "{what}: {page} bytes");
    }
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
