//! Times: those that rewriting replaces, and those inside of files, which it leaves.

use super::{Made, app};
use crate::diff::formats::{ar, gz, zip};
use crate::diff::{BUILD, T, with_config};
use crate::support::Build;
use crate::support::layout::{Image, Layout};
use crate::support::tarball::{Entry, tar};

const RESTAMPED: &str = "same-after-restamping";
const EXPLAINABLE: &str = "explainable";

pub fn pairs() -> Vec<Made> {
    [stamped(), inside()].into_iter().flatten().collect()
}

fn stamped() -> Vec<Made> {
    let at =
        |time| [Entry::dir("opt/d/", time), Entry::file("opt/d/f", "x", time), Entry::link(b'2', "opt/l", "d", time)];
    let file = || Entry::file("opt/f", "x", T);
    let pid = |pid| Entry { pax_header: (pid, 0), ..file().pax("mtime", format!("{T}.5")) };
    let one = |name, a: Entry, b: Entry, field: &str| {
        Made::layers(name, RESTAMPED, [&[a], &[b]], &[&format!("time - layer1 opt/f {field}")])
    };
    let base = app(&[]);
    let later = Build { seconds: T + 60, ..BUILD };
    let annotated = |build: &Build| Layout::of(&base, build).tar(&BUILD);
    let history = with_config(&base, &BUILD.date(1), &later.date(1));
    vec![
        Made::layers(
            "time-mtime",
            RESTAMPED,
            [&at(T), &at(T + 60)],
            &["time - layer1 opt/d mtime", "time - layer1 opt/d/f mtime", "time - layer1 opt/l mtime"],
        ),
        one("time-fraction", file(), file().pax("mtime", format!("{T}.5")), "mtime"),
        one("time-atime", file().pax("atime", format!("{T}.5")), file().pax("atime", format!("{T}.7")), "PAX atime"),
        one(
            "time-gnu-ctime",
            Entry { access: Some((0, T)), ..file().gnu() },
            Entry { access: Some((0, T + 1)), ..file().gnu() },
            "ctime",
        ),
        one("time-process-id", pid(4711), pid(31), "name of the PAX header"),
        Made::images("time-history", RESTAMPED, [&base, &history], &["time - config - history[1].created"]),
        Made::images(
            "time-created",
            RESTAMPED,
            [&base, &with_config(&base, r#" "created" : "2025"#, r#" "created" : "2024"#)],
            &["time - config - created"],
        ),
        Made::images(
            "time-label",
            RESTAMPED,
            [
                &base,
                &with_config(
                    &base,
                    &format!(r#""build-date" : "{}""#, BUILD.date(30)),
                    &format!(r#""build-date" : "{}""#, later.date(30)),
                ),
            ],
            &["time - config - config.Labels[\"build-date\"]"],
        ),
        Made::images(
            "time-unlisted-label",
            EXPLAINABLE,
            [T, T + 60].map(|time| unlisted(&base, time)).each_ref(),
            &["time - config - config.Labels[\"io.openshift.build.commit.date\"]"],
        ),
        Made::new(
            "time-annotations",
            RESTAMPED,
            [annotated(&BUILD), annotated(&later)],
            &[
                "time - index - annotations[\"org.opencontainers.image.created\"]",
                "time - manifest - annotations[\"org.opencontainers.image.created\"]",
            ],
        ),
    ]
}

/// An image with a time under a key that rewriting does not know.
fn unlisted(base: &Image, time: i64) -> Image {
    let to = format!(r#""maintainer":"x","io.openshift.build.commit.date":"{time}""#);
    with_config(base, r#""maintainer":"x""#, &to)
}

/// A file with a time inside, as two builds make it.
fn inside() -> Vec<Made> {
    let inner = |time| tar(&[Entry::file("d/x", "same", time)]);
    let nested = |time| gz(&tar(&[Entry::file("in.tar.gz", gz(&inner(time), 0), T)]), 0);
    let jar = |time: i64| {
        zip(&[
            ("META-INF/MANIFEST.MF", (time % 1000) as u16, b"Manifest-Version: 1.0\n"),
            ("A.class", 1, b"\xca\xfe\xba\xbe"),
        ])
    };
    let wheel = |time| zip(&[("m.tar", 1, &inner(time))]);
    let zstd = |time| zstd::bulk::compress(&inner(time), 3).unwrap();
    let make = |name: &str, path: &str, content: &dyn Fn(i64) -> Vec<u8>, found: &str| {
        let [a, b] = [T, T + 86_402].map(|time| [Entry::file(path, content(time), T)]);
        // Of what lies deeper nothing can be set.
        let causes = [("tar", "tar-file"), ("jar", "zip-file"), ("ar", "ar-file")];
        let cause = causes.iter().find(|(own, _)| *own == name).map_or("-", |(_, cause)| cause);
        Made::layers(
            &format!("embedded-time-{name}"),
            EXPLAINABLE,
            [&a, &b],
            &[&format!("embedded-time {cause} layer1 {found}")],
        )
    };
    // deb(5).
    let deb = |time| {
        let part = |name: &str| gz(&tar(&[Entry::file(name, "same", time)]), time as u32);
        let (control, data) = (part("./control"), part("./usr/bin/x"));
        let parts: [(&str, &[u8]); 3] =
            [("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.gz", &data)];
        [Entry::file("srv/x.deb", ar(time, &parts), T)]
    };
    vec![
        Made::layers(
            "embedded-time-deb",
            EXPLAINABLE,
            [&deb(T), &deb(T + 60)],
            &[
                "embedded-time ar-file layer1 srv/x.deb!debian-binary time of the member",
                "embedded-time ar-file layer1 srv/x.deb!control.tar.gz time of the member",
                "embedded-time gzip-file layer1 srv/x.deb!control.tar.gz gzip MTIME",
                "embedded-time - layer1 srv/x.deb!control.tar.gz!control mtime",
                "embedded-time ar-file layer1 srv/x.deb!data.tar.gz time of the member",
                "embedded-time gzip-file layer1 srv/x.deb!data.tar.gz gzip MTIME",
                "embedded-time - layer1 srv/x.deb!data.tar.gz!usr/bin/x mtime",
            ],
        ),
        Made::layers(
            "embedded-time-gzip",
            EXPLAINABLE,
            [T, T + 60]
                .map(|time| [Entry::file("usr/share/doc/x/changelog.gz", gz(b"x (1) stable\n", time as u32), T)])
                .each_ref()
                .map(<[Entry; 1]>::as_slice),
            &["embedded-time gzip-file layer1 usr/share/doc/x/changelog.gz gzip MTIME"],
        ),
        make("tar", "opt/a.tar", &inner, "opt/a.tar!d/x mtime"),
        make("tar-gz", "opt/a.tar.gz", &|time| gz(&inner(time), 0), "opt/a.tar.gz!d/x mtime"),
        make("tar-zstd", "opt/a.tar.zst", &zstd, "opt/a.tar.zst!d/x mtime"),
        make("nested", "opt/a.tar.gz", &nested, "opt/a.tar.gz!in.tar.gz!d/x mtime"),
        make("jar", "opt/app.jar", &jar, "opt/app.jar!META-INF/MANIFEST.MF time of the member"),
        make("tar-in-zip", "opt/x.whl", &wheel, "opt/x.whl!m.tar!d/x mtime"),
        make("ar", "usr/lib/libx.a", &|time| ar(time, &[("x.o/", b"same")]), "usr/lib/libx.a!x.o/ time of the member"),
    ]
}
