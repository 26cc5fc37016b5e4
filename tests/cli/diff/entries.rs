//! Fields of entries, and the causes that paths tell of.

use restamp::causes::{CAUSES, Cause};

use crate::diff::made::example;
use crate::diff::{BUILD, Pair, T, file, image};
use crate::support::layout::Layout;
use crate::support::tarball::{Entry, tar};

#[test]
fn every_field_of_an_entry_is_compared() {
    let base = || file("f", "x");
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = base();
        change(&mut entry);
        entry
    };
    let cases: Vec<(Entry, &[(&str, &str, &str)])> = vec![
        (with(&|e| e.mode = 0o4644), &[("content", "f", "mode")]),
        (with(&|e| e.uid = 7), &[("content", "f", "uid")]),
        (with(&|e| e.gid = 3_000_000), &[("content", "f", "gid")]),
        (with(&|e| e.mtime = T + 1), &[("time", "f", "mtime")]),
        (with(&|e| e.data = b"y".to_vec()), &[("content", "f", "content")]),
        (with(&|e| e.data = b"yy".to_vec()), &[("content", "f", "content")]),
        (base().pax("SCHILY.xattr.security.capability", b"\x01\0\n\xff"), &[("content", "f", "extension headers")]),
        (base().gnu(), &[("format", "f", "dialect")]),
        (Entry::link(b'2', "f", "x", T), &[("content", "f", "type")]),
        (with(&|e| e.name = b"./f".to_vec()), &[("format", "f", "name")]),
        (with(&|e| e.name = b"g".to_vec()), &[("content", "f", "entry"), ("content", "g", "entry")]),
        (base().pax("comment", "hello"), &[("format", "f", "PAX comment")]),
        (base().pax("mtime", format!("{T}.5")), &[("time", "f", "mtime")]),
        (base().pax("atime", format!("{T}.5")), &[("time", "f", "PAX atime")]),
    ];
    for (other, expected) in cases {
        let pair = Pair::layers(&[base()], std::slice::from_ref(&other));
        let found = pair.found(&[]);
        if other.pax.iter().any(|(key, _)| key.starts_with(b"SCHILY")) {
            // The header that holds it is part of it.
            assert_eq!(found[0], ("content".into(), "f".into(), "xattr security.capability".into()));
            continue;
        }
        let found: Vec<_> = found.iter().filter(|f| f.2 != "extension headers").collect();
        let found: Vec<_> = found.iter().map(|(c, p, f)| (c.as_str(), p.as_str(), f.as_str())).collect();
        assert_eq!(found, expected, "{other:?}");
    }
    let link = |target| Entry::link(b'2', "l", target, T);
    Pair::layers(&[link("x")], &[link("y")]).expect(&[("content", "l", "link target")]);
    let device = |minor| Entry { device: Some((1, minor)), ..Entry::new(b'3', "d", T) };
    Pair::layers(&[device(3)], &[device(5)]).expect(&[("content", "d", "device")]);
}

#[test]
fn every_known_cause_is_found_by_its_path() {
    let files = |cause: &'static Cause| cause.paths.iter().filter_map(move |glob| Some((example(glob)?, cause)));
    let rows: Vec<_> = CAUSES.iter().flat_map(files).collect();
    let entries = |text: &str| rows.iter().map(|(path, _)| file(path, text)).collect::<Vec<_>>();
    let report = Pair::layers(&entries("one"), &entries("two")).json(&[]);
    let all = report["differences"].as_array().unwrap();
    assert_eq!(all.len(), rows.len());
    for (path, cause) in rows {
        let item = all.iter().find(|item| item["path"] == path.as_str()).unwrap();
        if cause.by_content_alone {
            // The files hold something else.
            assert!(item["cause"].is_null() && item["class"] == "content", "{path}");
            continue;
        }
        assert_eq!(item["cause"]["id"], cause.id, "{path}");
        assert_eq!(item["class"], cause.class.name(), "{path}");
        assert_eq!(item["cause"]["advice"], cause.advice);
    }
}

#[test]
fn a_whiteout_counts_if_it_hides_something() {
    let lower = tar(&[Entry::dir("d/", T), file("d/x", "1")]);
    let pair = |entries: &[Entry]| {
        let common = [Entry::dir("new/", T), file("new/f", "2")];
        Pair::images(
            &image(vec![lower.clone(), tar(&common)]),
            &image(vec![lower.clone(), tar(&[&common, entries].concat())]),
        )
    };
    pair(&[Entry::file("new/.wh..wh..opq", "", T)]).expect(&[("whiteout", "new/.wh..wh..opq", "entry")]);
    pair(&[Entry::file(".wh.nothing", "", T)]).expect(&[("whiteout", ".wh.nothing", "entry")]);
    pair(&[Entry::file("d/.wh..wh..opq", "", T)]).expect(&[("content", "d/.wh..wh..opq", "entry")]);
    pair(&[Entry::file("d/.wh.x", "", T)]).expect(&[("content", "d/.wh.x", "entry")]);
}

#[test]
fn a_whiteout_that_hides_something_in_one_of_two_images_counts() {
    let with = |content: &str| tar(&[file(content, "1")]);
    let upper = |hidden: &[Entry]| tar(&[&[file("f", "2")], hidden].concat());
    let whiteout = Entry::file(".wh.x", "", T);
    for (lower, expected) in [(["x", "y"], "content"), (["y", "x"], "content"), (["y", "z"], "whiteout")] {
        let layout = |upper: &[u8]| {
            let mut layout = Layout::default();
            for (name, lower) in ["app:1", "app:2"].into_iter().zip(lower) {
                let descriptor = layout.put_image(&image(vec![with(lower), upper.to_vec()]), &BUILD);
                layout.name(descriptor, name, &BUILD);
            }
            layout.tar(&BUILD)
        };
        let pair = Pair::of(&layout(&upper(&[])), &layout(&upper(std::slice::from_ref(&whiteout))));
        pair.expect(&[(expected, ".wh.x", "entry")]);
    }
}
