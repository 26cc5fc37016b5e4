//! `diff --semantic` passed programs that differ, where they lie in a folder of logs, caches or temporary files.

use crate::diff::{Pair, T, file, image, with_config};
use crate::support::layout::Image;
use crate::support::tarball::{Entry, tar};

/// Folders whose files are logs, caches or records by their place.
const PLACES: [&str; 7] = [
    "tmp/",
    "var/tmp/",
    "root/.cache/pip/",
    "var/cache/app/",
    "var/log/app/",
    "opt/tmp.Ab3dEfGh1j/",
    "usr/local/cargo/registry/bin/",
];

/// Compares two images of one layer, on top of another that both have.
fn pair(lower: &[Entry], a: &[Entry], b: &[Entry], config: &[(&str, &str)]) -> Pair {
    let of = |entries: &[Entry]| configured(image(vec![tar(lower), tar(entries)]), config);
    Pair::images(&of(a), &of(b))
}

fn configured(image: Image, config: &[(&str, &str)]) -> Image {
    config.iter().fold(image, |image, (from, to)| with_config(&image, from, to))
}

/// What differs is content in every way of comparing it, whichever image comes first.
#[track_caller]
fn expect_content(pair: &Pair, what: &str) {
    for options in [&[][..], &["--rootfs"]] {
        for (a, b) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
            let names = [crate::support::text(a), crate::support::text(b)];
            let outcome = crate::support::run(["diff", "--semantic"].iter().chain(options).copied().chain(names));
            assert_eq!(outcome.code, Some(1), "{what} {options:?}: {}{}", outcome.text(), outcome.stderr);
            assert!(outcome.text().starts_with("different: "), "{what} {options:?}: {}", outcome.text());
        }
    }
}

#[track_caller]
fn expect_harmless(pair: &Pair, what: &str) {
    for options in [&["--semantic"][..], &["--semantic", "--rootfs"]] {
        let outcome = pair.run(options);
        assert_eq!(outcome.code, Some(0), "{what} {options:?}: {}{}", outcome.text(), outcome.stderr);
    }
}

#[test]
fn an_executable_file_is_content_wherever_it_lies() {
    for place in PLACES {
        let path = format!("{place}run");
        for mode in [0o755, 0o744, 0o645, 0o654, 0o4755] {
            let made = |data: &str| file(&path, data).mode(mode);
            expect_content(&pair(&[], &[made("good")], &[made("evil")], &[]), &format!("{path} {mode:o}"));
        }
        let [plain, executable] = [0o644, 0o755].map(|mode| file(&path, "x").mode(mode));
        expect_content(&pair(&[], &[file(&path, "y")], std::slice::from_ref(&executable), &[]), &path);
        expect_content(&pair(&[], &[plain], std::slice::from_ref(&executable), &[]), &path);
        expect_content(&pair(&[], &[], &[executable], &[]), &path);
    }
}

#[test]
fn a_program_is_known_by_its_first_bytes() {
    let magics: [&[u8]; 9] = [
        b"\x7fELF",
        b"#!/bin/sh\n",
        b"MZ\x90\0",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
        b"\0asm",
    ];
    for magic in magics {
        let made = |data: &[u8]| Entry::file("tmp/lib", [magic, data].concat(), T);
        expect_content(&pair(&[], &[made(b"good")], &[made(b"evil")], &[]), &format!("{magic:?}"));
        expect_content(&pair(&[], &[made(b"good")], &[], &[]), &format!("{magic:?}"));
        expect_content(&pair(&[], &[file("tmp/lib", "text")], &[made(b"evil")], &[]), &format!("{magic:?}"));
    }
}

#[test]
fn what_a_config_names_is_content() {
    let changes: [(&str, &str); 11] = [
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["/tmp/app/run.data"]"#),
        (r#""Cmd":["/bin/hello"]"#, r#""Entrypoint":["python3","/tmp/app/run.data"]"#),
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["/bin/sh","-c","exec python3 /tmp/app/run.data --verbose"]"#),
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["run.data"],"WorkingDir":"/tmp/app""#),
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["app/run.data"],"WorkingDir":"/tmp""#),
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["python3","/tmp/app"]"#),
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["java","-cp","/opt/x.jar:/tmp/app/*","Main"]"#),
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["npm","start"],"WorkingDir":"/tmp/app""#),
        (r#""Test":["CMD","true"]"#, r#""Test":["CMD-SHELL","python3 /tmp/app/run.data || exit 1"]"#),
        (r#""OnBuild":["RUN true"]"#, r#""OnBuild":["RUN python3 /tmp/app/run.data"]"#),
        (r#""Shell":["/bin/sh","-ec"]"#, r#""Shell":["/tmp/app/run.data","-ec"]"#),
    ];
    for change in changes {
        let made = |data: &str| file("tmp/app/run.data", data);
        let compared = pair(&[], &[made("good")], &[made("evil")], &[change]);
        expect_content(&compared, change.1);
        expect_content(&pair(&[], &[], &[made("evil")], &[change]), change.1);
        let log = |data: &str| file("tmp/other/log", data);
        expect_harmless(&pair(&[], &[log("1")], &[log("2")], &[change]), change.1);
    }
    // One of the two configs is enough.
    let (from, to) = changes[0];
    let [a, b] = ["good", "evil"].map(|data| image(vec![tar(&[file("tmp/app/run.data", data)])]));
    let found = Pair::images(&a, &with_config(&b, from, to)).found(&[]);
    assert!(found.contains(&("content".into(), "tmp/app/run.data".into(), "content".into())), "{found:?}");
}

#[test]
fn what_a_link_from_elsewhere_leads_to_is_content() {
    let app = |data: &str| file("tmp/app/run.data", data);
    let links: [&[Entry]; 7] = [
        &[Entry::link(b'2', "usr/bin/app", "/tmp/app/run.data", T)],
        &[Entry::link(b'2', "usr/bin/app", "../../tmp/app/run.data", T)],
        &[
            Entry::link(b'2', "usr/bin/app", "/etc/alternatives/app", T),
            Entry::link(b'2', "etc/alternatives/app", "../../tmp/app/run.data", T),
        ],
        &[Entry::link(b'2', "usr/bin/app", "/tmp/current", T), Entry::link(b'2', "tmp/current", "app/run.data", T)],
        &[Entry::link(b'2', "opt/app", "/tmp/app", T)],
        &[Entry::link(b'2', "opt/app", "/tmp/v1/../v1", T), Entry::link(b'2', "tmp/v1", "app", T)],
        &[Entry::link(b'2', "./opt/app", "..//tmp/./app", T)],
    ];
    for link in links {
        let what = format!("{link:?}");
        // In a layer that both have, in the same layer, in a layer above.
        expect_content(&pair(link, &[app("good")], &[app("evil")], &[]), &what);
        expect_content(&pair(link, &[], &[app("evil")], &[]), &what);
        let with = |data: &str| [link, &[app(data)]].concat();
        expect_content(&pair(&[], &with("good"), &with("evil"), &[]), &what);
        let above = |data: &str| image(vec![tar(&[app(data)]), tar(link)]);
        expect_content(&Pair::images(&above("good"), &above("evil")), &what);
        expect_harmless(&pair(link, &[file("tmp/log", "1")], &[file("tmp/log", "2")], &[]), &what);
    }
    let hard = |data: &str| [app(data), Entry::link(b'1', "usr/bin/app", "tmp/app/run.data", T)];
    let found = pair(&[], &hard("good"), &hard("evil"), &[]).found(&[]);
    assert!(found.contains(&("content".into(), "tmp/app/run.data".into(), "content".into())), "{found:?}");
}

#[test]
fn two_images_of_the_same_layers_are_each_looked_at_by_their_own_config() {
    use crate::diff::BUILD;
    use crate::support::layout::Layout;
    let archive = |data: &str| {
        let plain = image(vec![tar(&[file("tmp/app/run.data", data)])]);
        let named = with_config(&plain, r#""Cmd":["/bin/hello"]"#, r#""Cmd":["/tmp/app/run.data"]"#);
        let mut layout = Layout::default();
        for (image, name) in [(&plain, "plain:1"), (&named, "named:2")] {
            let descriptor = layout.put_image(image, &BUILD);
            layout.name(descriptor, name, &BUILD);
        }
        layout.tar(&BUILD)
    };
    expect_content(&Pair::of(&archive("good"), &archive("evil")), "the second image names it");
}

#[test]
fn logs_and_caches_that_nothing_runs_stay_what_they_are() {
    let links = [
        Entry::link(b'2', "usr/tmp", "../var/tmp", T),
        Entry::link(b'2', "var/run", "/run", T),
        Entry::link(b'2', "var/lock", "../run/lock", T),
        Entry::link(b'2', "var/tmp", "../tmp", T),
    ];
    for path in ["tmp/x", "var/log/dpkg.log", "var/cache/ldconfig/aux-cache", "root/.npm/_logs/x.log", "run/log/x"] {
        let made = |data: &str| file(path, data);
        expect_harmless(&pair(&links, &[made("1")], &[made("2")], &[]), path);
        expect_harmless(&pair(&links, &[], &[made("2")], &[]), path);
    }
}

#[test]
fn a_member_of_an_archive_has_no_place() {
    // `tmp/` in an archive is no folder of temporary files of the image.
    let archive = |entries: &[Entry]| Entry::file("opt/app.tar", tar(entries), T);
    let with = |name: &str| archive(&[file("srv/x", "x"), file(name, "evil")]);
    let one = pair(&[], &[with("srv/y")], &[with("tmp/plugin.py")], &[]);
    expect_content(&one, "tmp/plugin.py in an archive");
    let found = one.found(&[]);
    assert!(found.contains(&("content".into(), "opt/app.tar!tmp/plugin.py".into(), "entry".into())), "{found:?}");
}

#[test]
fn a_whole_folder_that_a_config_names_may_run() {
    for (path, from, to) in [
        ("tmp/m", r#""Env":null"#, r#""Env":["PATH=/usr/bin:/tmp"]"#),
        ("var/log/m", r#""Env":null"#, r#""Env":["PATH=/var/log:/bin"]"#),
        ("tmp/index.js", r#""Cmd":["/bin/hello"]"#, r#""Cmd":["node","/tmp"]"#),
        ("var/cache/a/x.js", r#""Cmd":["/bin/hello"]"#, r#""Cmd":["sh","-c","exec node /var/cache/*/x.js"]"#),
    ] {
        expect_content(&pair(&[], &[file(path, "good")], &[file(path, "evil")], &[(from, to)]), to);
    }
}

#[test]
fn a_link_on_the_way_to_what_a_config_names_is_followed() {
    let lower = [Entry::link(b'2', "var/cache/cur", "v1", T), Entry::link(b'2', "var/cache/old", "old/x", T)];
    let made = |data: &str| [file("var/cache/v1/app.js", data)];
    let command = r#""Cmd":["node","/var/cache/cur/app.js","/var/cache/old/y"]"#;
    let config = [(r#""Cmd":["/bin/hello"]"#, command)];
    expect_content(&pair(&lower, &made("good"), &made("evil"), &config), command);
    expect_harmless(&pair(&lower, &made("good"), &made("evil"), &[]), "nothing leads there");
}
