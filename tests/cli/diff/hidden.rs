//! Differences that look harmless and are not.

use crate::diff::{Pair, T, file, image};
use crate::support::tarball::{Entry, tar};

fn link(name: &str, to: &str) -> Entry {
    Entry::link(b'1', name, to, T)
}

/// Is this pair of single layers different for whoever counts content alone?
#[track_caller]
fn counts(a: &[Entry], b: &[Entry], path: &str, field: &str, options: &[&str]) {
    let pair = Pair::layers(a, b);
    let found = pair.found(options);
    let expected = ("content".to_owned(), path.to_owned(), field.to_owned());
    assert!(found.contains(&expected), "{path} {field}: {found:?}");
    pair.run(&[&["--semantic"], options].concat()).expect(1);
}

#[test]
fn a_hard_link_into_a_lower_layer_is_known_by_its_target_alone() {
    let lower = || tar(&[file("true", "T"), file("false", "F")]);
    let with = |entry: Entry| image(vec![lower(), tar(&[entry])]);
    Pair::images(&with(link("x", "true")), &with(link("x", "false"))).run(&["--semantic"]).expect(1);
    Pair::images(&with(file("x", "")), &with(link("x", "true"))).run(&["--semantic"]).expect(1);
}

#[test]
fn a_file_that_became_a_hard_link_keeps_its_mode() {
    let (y, x) = (file("y", "abc"), file("x", "abc").mode(0o4755));
    let linked = Entry { mode: 0o644, ..link("x", "y") };
    counts(&[y.clone(), x.clone()], &[y.clone(), linked.clone()], "x", "mode", &[]);
    counts(&[y.clone(), x], &[y, linked], "x", "mode", &["--rootfs"]);
}

#[test]
fn an_old_directory_hides_nothing_and_is_no_empty_file() {
    let old = Entry { kind: 0, ..Entry::dir("etc/", T) };
    let with = |text: &str| image(vec![tar(&[file("etc/passwd", text)]), tar(std::slice::from_ref(&old))]);
    Pair::images(&with("1"), &with("2")).run(&["--rootfs"]).expect(1);
    counts(std::slice::from_ref(&old), &[file("etc", "")], "etc", "type", &[]);
    Pair::layers(&[old], &[Entry::dir("etc/", T)]).run(&["--semantic"]).expect(0);
}

#[test]
fn the_map_of_a_sparse_file_is_content() {
    let sparse = |at: u64, size: u64| Entry {
        kind: b'S',
        sparse: Some((vec![(at, 512)], size)),
        ..Entry::file("s", "x".repeat(512), T).gnu()
    };
    for options in [&[][..], &["--rootfs"]] {
        counts(&[sparse(0, 9728)], &[sparse(4096, 9728)], "s", "content", options);
        counts(&[sparse(0, 9728)], &[sparse(0, 99_999)], "s", "content", options);
        counts(&[sparse(0, 9728)], &[Entry::file("s", "x".repeat(512), T)], "s", "content", options);
    }
    let long = |first: u64| Entry {
        kind: b'S',
        sparse: Some(((0..30).map(|i| (i * 1024 + if i == 25 { first } else { 0 }, 512)).collect(), 1 << 20)),
        ..Entry::file("s", "x".repeat(512 * 30), T).gnu()
    };
    counts(&[long(0)], &[long(512)], "s", "content", &[]);
}

#[test]
fn an_order_that_decides_what_is_there_is_content() {
    let both = [file("b/x", "good"), file("b//x", "evil")];
    let turned = [both[1].clone(), both[0].clone()];
    counts(&both, &turned, "b/x", "content", &["--rootfs"]);
    let (symlink, below) = (Entry::link(b'2', "a", "b", T), file("a/f", "1"));
    counts(&[symlink.clone(), below.clone()], &[below, symlink], "", "order of entries", &[]);
    Pair::layers(&[file("x", "1"), file("y", "2")], &[file("y", "2"), file("x", "1")]).run(&["--semantic"]).expect(0);
}

#[test]
fn a_cause_never_covers_what_can_be_run() {
    let tool = file("tmp/sh", "x").mode(0o4755);
    counts(&[file("a", "1")], &[file("a", "1"), tool], "tmp/sh", "entry", &[]);
    let script = |text: &str| [file("var/lib/dpkg/info/openssl.postinst", text)];
    counts(&script("1"), &script("2"), "var/lib/dpkg/info/openssl.postinst", "content", &[]);
}

#[test]
fn a_time_that_only_one_side_has_stays_after_rewriting() {
    let one = file("f", "x").pax("atime", format!("{T}.5"));
    assert_eq!(Pair::layers(&[one], &[file("f", "x")]).json(&[])["verdict"], "explainable");
}

#[test]
fn padding_is_told_beside_a_time() {
    let with = |time: i64, byte: u8| {
        let mut stream = tar(&[Entry::file("f", "x", time)]);
        stream[1023] = byte;
        image(vec![stream])
    };
    assert_eq!(Pair::images(&with(T, 0), &with(T + 1, 7)).json(&[])["verdict"], "explainable");
}

#[test]
fn bytes_beside_the_times_of_a_zip_are_content() {
    let zip = |time: u16| crate::diff::formats::zip(&[("x", time, b"1")]);
    let trailing = [zip(2), b"payload".to_vec()].concat();
    let mut renamed = zip(2);
    renamed[30] = b'y';
    for other in [trailing, renamed] {
        let pair = Pair::layers(&[Entry::file("a.jar", zip(1), T)], &[Entry::file("a.jar", other, T)]);
        pair.run(&["--semantic"]).expect(1);
    }
}

#[test]
fn what_a_diff_id_promises_is_not_believed() {
    let honest = image(vec![tar(&[file("a", "1")])]);
    let mut lying = image(vec![tar(&[file("a", "2")])]);
    lying.config = honest.config.clone();
    Pair::images(&honest, &lying).run(&["--rootfs"]).expect_error(&["diff_id"]);
}

#[test]
fn a_whiteout_through_a_link_may_hide_something() {
    let lower = || tar(&[Entry::dir("u/", T), file("u/a", "1"), Entry::link(b'2', "l", "u", T)]);
    let with = |entries: &[Entry]| image(vec![lower(), tar(&[&[file("b", "1")], entries].concat())]);
    Pair::images(&with(&[]), &with(&[file("l/.wh.a", "")])).expect(&[("content", "l/.wh.a", "entry")]);
}

#[test]
fn zeros_at_the_end_that_rewriting_leaves_are_told_of() {
    let blocked = |entries: &[Entry]| {
        let mut tar = tar(entries);
        tar.resize(tar.len().next_multiple_of(20 * 512), 0);
        tar
    };
    let time = T.to_string() + ".5";
    let exact = blocked(&[Entry::file("a", "1", T).pax("mtime", &time)]);
    let whole = blocked(&[Entry::file("a", "1", T)]);
    let pair = Pair::images(&image(vec![exact]), &image(vec![whole.clone()]));
    assert_eq!(pair.json(&[])["verdict"], "explainable");
    let found = pair.found(&[]);
    assert!(found.iter().any(|(class, _, field)| (class.as_str(), field.as_str()) == ("format", "end of archive")));
    // Where content differs, their number follows from that.
    let other = blocked(&[Entry::file("a", "2".repeat(600), T)]);
    let found = Pair::images(&image(vec![whole]), &image(vec![other])).found(&[]);
    assert_eq!(found, [("content".to_owned(), "a".to_owned(), "content".to_owned())]);
}
