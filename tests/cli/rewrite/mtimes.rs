//! Mtimes that are not the epoch, entries that are left out or put in order, and what is said of programs that compare
//! mtimes.

use super::*;
use crate::support::tarball::{Entry, tar};
use serde_json::Value;

const EPOCH_SECONDS: i64 = 1_700_000_000;
const BUILT: i64 = 1_760_000_000;

fn image(layers: &[Vec<Entry>]) -> Vec<u8> {
    let build = Build::FIRST;
    let layers = layers.iter().map(|entries| Layer::new(tar(entries), Packing::Gzip, Family::Oci, &build)).collect();
    Layout::of(&Image::new(layers, Family::Oci, &build, &["app:1"]), &build).tar(&build)
}

/// The names and mtimes of all entries.
fn entries(image: &[u8]) -> Vec<(String, i64)> {
    let seen = judge::walk(&read_tar(image));
    let mut all = Vec::new();
    for (_, _, tar) in &seen.layers {
        for entry in ::tar::Archive::new(&tar[..]).entries().unwrap() {
            let entry = entry.unwrap();
            all.push((entry.path().unwrap().to_str().unwrap().to_owned(), entry.header().mtime().unwrap() as i64));
        }
    }
    all
}

#[track_caller]
fn mtime(image: &[u8], name: &str) -> i64 {
    entries(image).iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// Does `check` agree that an image is as it should be?
#[track_caller]
fn agrees(image: &[u8], options: &[&str], code: i32) {
    let dir = scratch();
    let path = write(dir.path(), "image.tar", image);
    let fixed = ["check", "--epoch", "1700000000", text(&path)];
    run(fixed.iter().chain(options)).expect(code);
}

/// Raised mtimes of apt's lists make `apt-get update` say that nothing is newer.
#[test]
fn apt_lists_are_never_raised() {
    let list = "var/lib/apt/lists/mirror.example_debian_dists_bookworm_InRelease";
    let before = |seconds| image(&[vec![Entry::file(list, "Origin: Debian", seconds), Entry::file("a", "", seconds)]]);
    let earlier = EPOCH_SECONDS - 1000;
    let out = filter(&before(earlier), &[]);
    assert_eq!((mtime(&out, list), mtime(&out, "a")), (earlier, EPOCH_SECONDS));
    assert!(filter(&out, &[]) == out);
    agrees(&out, &[], 0);
    let out = filter(&before(earlier), &["--mtime-by-content", "**"]);
    assert_eq!(mtime(&out, list), earlier);
    agrees(&out, &["--mtime-by-content", "**"], 0);
    let out = filter(&before(BUILT), &[]);
    assert_eq!(mtime(&out, list), EPOCH_SECONDS);
    agrees(&before(BUILT), &[], 1);
}

#[test]
fn compiled_files_stay_newer_where_that_is_asked_for() {
    let view = "var/www/storage/framework/views/0a1b.php";
    let template = "var/www/resources/views/a.blade.php";
    let layers = [vec![Entry::file(template, "{{ $a }}", BUILT)], vec![Entry::file(view, "<?php", BUILT + 5)]];
    let before = image(&layers);
    let outcome = pipe(["rewrite", "--epoch", "1700000000"], &before).expect(0);
    assert!(outcome.stderr.contains("--keep-order '**/storage/framework/views/*.php'"), "{}", outcome.stderr);
    let options = ["--keep-order", "**/storage/framework/views/*.php"];
    for clamp in [&[][..], &["--clamp"]] {
        let options: Vec<&str> = options.iter().chain(clamp).copied().collect();
        let outcome = pipe(["rewrite", "--epoch", "1700000000"].iter().chain(&options), &before).expect(0);
        assert!(!outcome.stderr.contains("keep-order"), "{}", outcome.stderr);
        let out = outcome.stdout;
        assert_eq!((mtime(&out, template), mtime(&out, view)), (EPOCH_SECONDS - 1, EPOCH_SECONDS), "{options:?}");
        assert!(filter(&out, &options) == out);
        agrees(&out, &options, 0);
    }
    // A source that has the epoch already, and another name of a source.
    let again = image(&[vec![
        Entry::file(template, "{{ $a }}", EPOCH_SECONDS),
        Entry::link(b'1', "var/www/link.html", template, EPOCH_SECONDS),
        Entry::file(view, "<?php", BUILT),
    ]]);
    let out = filter(&again, &["--keep-order", "**/storage/framework/views/*.php", "--clamp"]);
    assert_eq!((mtime(&out, template), mtime(&out, view)), (EPOCH_SECONDS - 1, EPOCH_SECONDS));
    assert_eq!(mtime(&out, "var/www/link.html"), EPOCH_SECONDS - 1);
    // Which view is of which source is not known: one that is newer than any view may be newer than its own.
    let other = "var/www/resources/views/b.blade.php";
    let mixed = image(&[vec![
        Entry::file(template, "{{ $a }}", BUILT + 50),
        Entry::file(other, "{{ $b }}", BUILT - 1),
        Entry::file(view, "<?php", BUILT),
        Entry::file("var/www/storage/framework/views/2b.php", "<?php", BUILT + 100),
    ]]);
    let out = filter(&mixed, &options);
    assert_eq!((mtime(&out, template), mtime(&out, other)), (EPOCH_SECONDS, EPOCH_SECONDS - 1));
    // A view that was older stays so.
    let stale =
        image(&[vec![Entry::file(template, "{{ $b }}", BUILT + 9)], vec![Entry::file(view, "<?php", BUILT + 5)]]);
    let out = filter(&stale, &options);
    assert_eq!((mtime(&out, template), mtime(&out, view)), (EPOCH_SECONDS, EPOCH_SECONDS));
}

#[test]
fn mtimes_by_content_tell_versions_apart() {
    let page = "usr/share/nginx/html/index.html";
    let version = |text: &str, mtime| {
        image(&[vec![
            Entry::file(page, text, mtime),
            Entry::link(b'1', "usr/share/nginx/html/link.html", page, mtime),
            Entry::file("etc/a", "", mtime),
        ]])
    };
    let options = ["--mtime-by-content", "usr/share/nginx/html/**"];
    let first = filter(&version("one", BUILT), &options);
    assert!(first == filter(&version("one", BUILT + 20), &options), "two builds of one version");
    let other = filter(&version("two", BUILT), &options);
    assert_ne!(mtime(&first, page), mtime(&other, page));
    for image in [&first, &other] {
        let own = mtime(image, page);
        assert!((EPOCH_SECONDS - (1 << 20)..=EPOCH_SECONDS).contains(&own));
        assert_eq!(mtime(image, "usr/share/nginx/html/link.html"), own);
        assert_eq!(mtime(image, "etc/a"), EPOCH_SECONDS);
        assert!(filter(image, &options) == **image);
        agrees(image, &options, 0);
        agrees(image, &[], 1);
    }
    // With a constant, that is advised.
    let outcome = pipe(["rewrite", "--epoch", "315532800"], &version("one", BUILT)).expect(0);
    assert!(outcome.stderr.contains("--mtime-by-content"), "{}", outcome.stderr);
    let outcome = pipe(["rewrite", "--epoch", "0"], &version("one", BUILT)).expect(0);
    for text in ["time of the commit", "before 1980"] {
        assert!(outcome.stderr.contains(text), "{}", outcome.stderr);
    }
    // There is nothing before 1970 that a tar could hold.
    let early = ["rewrite", "--epoch", "0", "--mtime-by-content", "**"];
    pipe(early, &version("one", BUILT)).expect_error(&["--mtime-by-content", "1048576"]);
}

#[test]
fn files_are_left_out_where_that_is_asked_for() {
    let layers = [
        vec![
            Entry::dir("var/log/", BUILT),
            Entry::file("var/log/dpkg.log", "2025-10-09 install", BUILT),
            Entry::file("var/cache/ldconfig/aux-cache", "glibc", BUILT),
            Entry::file("opt/app/build-info", "4711", BUILT),
            Entry::link(b'1', "opt/app/kept", "opt/app/build-info", BUILT),
            Entry::link(b'2', "opt/app/build-link", "build-info", BUILT),
            Entry::file("opt/app/main", "main", BUILT),
        ],
        vec![Entry::file("opt/app/.wh.build-old", "", BUILT)],
    ];
    let before = image(&layers);
    let left = |options: &[&str]| -> Vec<String> {
        let out = filter(&before, options);
        assert!(filter(&out, options) == out);
        let base = if options.contains(&"--base-layers") { &options[2..] } else { &[] };
        agrees(&out, base, 0);
        let names: Vec<String> = entries(&out).into_iter().map(|(name, _)| name).collect();
        entries(&before).into_iter().map(|(name, _)| name).filter(|name| !names.contains(name)).collect()
    };
    assert_eq!(left(&[]), Vec::<String>::new());
    assert_eq!(left(&["--omit", "logs"]), ["var/log/dpkg.log"]);
    assert_eq!(left(&["--omit", "logs,caches"]), ["var/log/dpkg.log", "var/cache/ldconfig/aux-cache"]);
    // Directories, whiteouts, and what a link that stays leads to are never left out.
    assert_eq!(left(&["--omit", "opt/app/build*"]), ["opt/app/build-link"]);
    assert_eq!(left(&["--omit", "opt/app/{build-info,kept}"]), ["opt/app/build-info", "opt/app/kept"]);
    assert_eq!(left(&["--omit", "var/**", "--base-layers", "1"]), Vec::<String>::new());
    // A link to a link that would go.
    let chain = image(&[vec![
        Entry::file("x", "1", BUILT),
        Entry::link(b'1', "var/log/a", "x", BUILT),
        Entry::link(b'1', "y", "var/log/a", BUILT),
    ]]);
    assert_eq!(entries(&filter(&chain, &["--omit", "var/log/**"])).len(), 3);
    assert_eq!(entries(&filter(&chain, &["--omit", "{var/log/**,y}"])).len(), 1);
    let dir = scratch();
    let report = dir.path().join("report.json");
    let options = ["rewrite", "--epoch", "1700000000", "--omit", "logs", "--report", text(&report)];
    let outcome = pipe(options, &before).expect(0);
    assert!(outcome.stderr.contains("1 entry left out"), "{}", outcome.stderr);
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let edit = &report["layers"][0]["edits"][0];
    assert_eq!((&edit["entry"], &edit["kind"]), (&"var/log/dpkg.log".into(), &"omit".into()));
    assert_eq!(edit["omitted_size"], 18);
}

#[test]
fn the_time_of_lists_of_packages_is_in_the_report() {
    let before = image(&[vec![Entry::file("etc/apt/sources.list.d/debian.sources", "Types: deb", BUILT)]]);
    let dir = scratch();
    let report = dir.path().join("report.json");
    pipe(["rewrite", "--epoch", "1700000000", "--report", text(&report)], &before).expect(0);
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let date = &report["package_dates"][0];
    assert_eq!(date["path"], "etc/apt/sources.list.d/debian.sources");
    assert_eq!(date["mtime"], "2025-10-09T08:53:20Z");
}

#[test]
fn entries_come_in_the_order_of_their_names_on_request() {
    let entries_of = |order: &[usize]| {
        let all = [
            Entry::dir("a/", BUILT),
            Entry::file("a-b", "1", BUILT),
            Entry::file("a/.wh.gone", "", BUILT),
            Entry::link(b'1', "a/first", "a/target", BUILT),
            Entry::file("a/target", "2", BUILT).pax("SCHILY.xattr.user.a", "b"),
            Entry::dir("z/", BUILT),
        ];
        order.iter().map(|number| all[*number].clone()).collect::<Vec<_>>()
    };
    let options = ["--order", "name"];
    let expected = ["a", "a-b", "a/.wh.gone", "a/target", "a/first", "z"];
    let outputs: Vec<Vec<u8>> =
        [&[0, 1, 2, 4, 3, 5][..], &[5, 4, 3, 2, 1, 0], &[3, 5, 0, 2, 4, 1], &[1, 0, 4, 3, 5, 2]]
            .map(|order| filter(&image(&[entries_of(order)]), &options))
            .into_iter()
            .collect();
    for out in &outputs {
        let names: Vec<String> =
            entries(out).into_iter().map(|(name, _)| name.trim_end_matches('/').to_owned()).collect();
        assert_eq!(names, expected);
        assert!(*out == outputs[0], "one image, however it was ordered");
        assert!(filter(out, &options) == *out);
        agrees(out, &[], 0);
    }
    assert!(filter(&image(&[entries_of(&[5, 0])]), &["--order", "name", "--clamp"]) != image(&[entries_of(&[5, 0])]));
    let twice = image(&[vec![Entry::file("b", "1", BUILT), Entry::file("./b", "2", BUILT)]]);
    pipe(["rewrite", "--epoch", "1700000000", "--order", "name"], &twice).expect_error(&["b", "twice"]);
}

#[test]
fn opaque_whiteouts_that_hide_nothing_are_left_out() {
    let opaque = |directory: &str| Entry::file(format!("{directory}/.wh..wh..opq"), "", BUILT);
    let layers = [
        vec![Entry::dir("full/", BUILT), Entry::file("full/a", "1", BUILT), Entry::dir("empty/", BUILT)],
        vec![opaque("full"), opaque("empty"), opaque("new"), Entry::file("new/b", "2", BUILT)],
    ];
    let before = image(&layers);
    let names = |image: &[u8]| -> Vec<String> {
        entries(image).into_iter().map(|(name, _)| name).filter(|name| name.contains(".wh.")).collect()
    };
    assert_eq!(names(&filter(&before, &[])).len(), 3);
    let dir = scratch();
    let report = dir.path().join("report.json");
    let out = filter(&before, &["--order", "name", "--report", text(&report)]);
    assert_eq!(names(&out), ["full/.wh..wh..opq"]);
    assert!(filter(&out, &["--order", "name"]) == out);
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let left: Vec<&Value> =
        report["layers"][1]["edits"].as_array().unwrap().iter().map(|edit| &edit["entry"]).collect();
    assert_eq!(left, ["empty/.wh..wh..opq", "new/.wh..wh..opq"]);
}

/// A file whose content is repaired has the same mtime in two builds, by what becomes of its content.
#[test]
fn mtimes_by_content_are_of_what_the_content_becomes() {
    let build = |mtime: i64| {
        let mut bytecode = 3495_u16.to_le_bytes().to_vec();
        bytecode.extend(b"\r\n\0\0\0\0");
        bytecode.extend((mtime as u32).to_le_bytes());
        bytecode.extend(1_u32.to_le_bytes());
        let path = "srv/__pycache__/a.cpython-311.pyc";
        image(&[vec![Entry::file("srv/a.py", "1", mtime), Entry::file(path, bytecode, mtime)]])
    };
    let options = ["--mtime-by-content", "srv/**"];
    let out = filter(&build(BUILT), &options);
    assert!(out == filter(&build(BUILT + 20), &options), "two builds come out equal");
}
