//! The text of `diff` hid what differs behind a cause that was guessed from the command of a layer.

use crate::diff::{Pair, file, image, with_config};
use crate::support::tarball::{Entry, tar};
use crate::support::text;

const APT: &str = "RUN /bin/sh -c apt-get update && apt-get install -y daemon=1.2-3 # buildkit";
const APK: &str = "RUN /bin/sh -c apk add --no-cache daemon # buildkit";

/// Two images of one layer, made by this command.
fn pair(command: &str, a: &[Entry], b: &[Entry]) -> Pair {
    let of = |entries: &[Entry]| {
        let command = serde_json::to_string(command).unwrap();
        with_config(&image(vec![tar(entries)]), r#""COPY 0 / \u0026\u0026 true # buildkit""#, &command)
    };
    Pair::images(&of(a), &of(b))
}

fn stanza(version: &str) -> String {
    format!("Package: daemon\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
}

/// The cause of every difference at this path.
fn causes_of(pair: &Pair, path: &str) -> Vec<String> {
    let report = pair.json(&[]);
    let all = report["differences"].as_array().unwrap().iter().filter(|one| one["path"] == path);
    all.map(|one| one["cause"]["id"].as_str().unwrap_or("-").to_owned()).collect()
}

#[track_caller]
fn line_of(shown: &str, path: &str) -> usize {
    let at = shown.lines().position(|line| line.starts_with("content") && line.contains(path));
    at.unwrap_or_else(|| panic!("{path} is not listed in\n{shown}"))
}

#[test]
fn every_content_file_is_listed_programs_first_and_setuid_ones_before_those() {
    for command in [APT, "COPY app /", "RUN /bin/sh -c curl https://example.org/x | tar x"] {
        let layer = |n: u32| {
            let mut all: Vec<Entry> =
                (0..40).map(|i| file(&format!("etc/app.d/{i:02}.conf"), &format!("id = {n} {i}\n"))).collect();
            all.push(file("usr/sbin/daemon", &format!("\x7fELF {n}")).mode(0o755));
            all.push(file("usr/lib/libx.so", &format!("\x7fELF {n} {n}")));
            all.push(file("usr/zbin/sudo", &format!("\x7fELF {n} sudo")).mode(0o4755));
            all.push(file("usr/zbin/wall", &format!("\x7fELF {n} wall")).mode(0o2755));
            all
        };
        let pair = pair(command, &layer(1), &layer(2));
        let page = pair.dir.path().join("page.html");
        let shown = pair.run(&["--html", text(&page)]).expect(1).text();
        let page = std::fs::read_to_string(page).unwrap();
        let order = ["usr/zbin/sudo", "usr/zbin/wall", "usr/lib/libx.so", "usr/sbin/daemon", "etc/app.d/00.conf"];
        let lines = order.map(|path| line_of(&shown, path));
        assert!(
            lines[..2].iter().max() < lines[2..4].iter().min() && lines[2..4].iter().max() < Some(&lines[4]),
            "{shown}"
        );
        let on_page = |path: &str| {
            let alone = page.find(&format!("<div class=t><code>{path}</code>"));
            alone.or_else(|| page.find(&format!("<td>{path}"))).unwrap()
        };
        let places = order.map(on_page);
        assert!(places[..2].iter().max() < places[2..4].iter().min() && places[2..4].iter().max() < Some(&places[4]));
        for i in 0..40 {
            line_of(&shown, &format!("etc/app.d/{i:02}.conf"));
        }
    }
}

#[test]
fn programs_are_listed_wherever_they_lie_and_however_much_else_there_is() {
    let layer = |n: u32| {
        let mut all: Vec<Entry> =
            (0..3000).map(|i| file(&format!("etc/app.d/{i:04}.conf"), &format!("id = {n} {i}\n"))).collect();
        all.push(file("usr/sbin/daemon", &format!("\x7fELF {n}")).mode(0o755));
        all.extend((0..9).map(|i| file(&format!("tmp/{i}"), &format!("#!/bin/sh\necho {n}")).mode(0o755)));
        all
    };
    let shown = pair(APT, &layer(1), &layer(2)).run(&[]).expect(1).text();
    line_of(&shown, "usr/sbin/daemon");
    for i in 0..9 {
        line_of(&shown, &format!("tmp/{i} "));
    }
    assert!(shown.lines().count() < 400, "{}", shown.lines().count());
    assert!(shown.contains("more x content in layer 0"), "{shown}");
}

#[test]
fn a_database_that_is_equal_rules_out_its_manager() {
    let status = || file("var/lib/dpkg/status", &stanza("1.2-3"));
    let daemon = |text: &str| file("usr/sbin/daemon", text).mode(0o755);
    let equal = pair(APT, &[daemon("1"), status()], &[daemon("2"), status()]);
    assert_eq!(causes_of(&equal, "usr/sbin/daemon"), ["-"]);
    assert!(!equal.run(&[]).text().contains("unpinned-apt"));
    let installed = || file("lib/apk/db/installed", "P:daemon\nV:1\nF:usr/sbin\nR:daemon\nZ:Q1x\n\n");
    assert_eq!(
        causes_of(&pair(APK, &[daemon("1"), installed()], &[daemon("2"), installed()]), "usr/sbin/daemon"),
        ["-"]
    );
    let rpm = || file("var/lib/rpm/rpmdb.sqlite", "SQLite");
    let dnf = "RUN /bin/sh -c dnf install -y daemon # buildkit";
    assert_eq!(causes_of(&pair(dnf, &[daemon("1"), rpm()], &[daemon("2"), rpm()]), "usr/sbin/daemon"), ["-"]);
    let record = || file("usr/lib/python3/site-packages/flask-1.0.dist-info/RECORD", "flask/app.py,sha256=x,1\n");
    let flask = |text: &str| file("usr/lib/python3/site-packages/flask/app.py", text);
    let pip = "RUN /bin/sh -c pip install flask # buildkit";
    let found = causes_of(
        &pair(pip, &[flask("1"), record()], &[flask("2"), record()]),
        "usr/lib/python3/site-packages/flask/app.py",
    );
    assert_eq!(found, ["-"]);
    // What else the step does is left.
    let both = format!("{APT}; curl https://example.org/x");
    assert_eq!(
        causes_of(&pair(&both, &[daemon("1"), status()], &[daemon("2"), status()]), "usr/sbin/daemon"),
        ["download"]
    );
}

#[test]
fn a_database_that_contradicts_rules_out_its_manager() {
    let daemon = |text: &str| file("usr/sbin/daemon", text).mode(0o755);
    let status = |text: String| file("var/lib/dpkg/status", &text);
    // The same versions, written in another way.
    let a = [daemon("1"), status(stanza("1.2-3"))];
    let b = [daemon("2"), status(stanza("1.2-3").replace("Status", "Priority: optional\nStatus"))];
    assert_eq!(causes_of(&pair(APT, &a, &b), "usr/sbin/daemon"), ["-"]);
    // Another package is of another version, and this file is not in it.
    let sums = |name: &str, sum: &str| file("var/lib/dpkg/info/jq.md5sums", &format!("{sum}  {name}\n"));
    let changed = |n: &str, text: &str| {
        [daemon(text), file("usr/bin/jq", text), status(stanza(n)), sums("usr/bin/jq", &n.repeat(32))]
    };
    let found = pair(APT, &changed("1", "x"), &changed("2", "y"));
    assert_eq!(causes_of(&found, "usr/sbin/daemon"), ["-"]);
    assert_eq!(causes_of(&found, "usr/bin/jq"), ["unpinned-apt"]);
    let installed = |version: &str| {
        let text = format!(
            "P:daemon\nV:1\nF:usr/sbin\nR:daemon\nZ:Q1x\n\nP:jq\nV:{version}\nF:usr/bin\nR:jq\nZ:Q1y{version}\n\n"
        );
        file("lib/apk/db/installed", &text)
    };
    let changed = |n: &str| [daemon(n), file("usr/bin/jq", n), installed(n)];
    let found = pair(APK, &changed("1"), &changed("2"));
    assert_eq!(causes_of(&found, "usr/sbin/daemon"), ["-"]);
    assert_eq!(causes_of(&found, "usr/bin/jq"), ["unpinned-apk"]);
    // A package that only one side has may hold anything.
    let one = [
        daemon("2"),
        status(format!("{}Package: x\nVersion: 1\n\n", stanza("1.2-3"))),
        file("var/lib/dpkg/info/x.list", "/.\n"),
    ];
    assert_eq!(
        causes_of(&pair(APT, &[daemon("1"), status(stanza("1.2-3"))], &one), "usr/sbin/daemon"),
        ["unpinned-apt"]
    );
}
