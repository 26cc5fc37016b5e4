//! Tables of contents of eStargz: only the times of entries are times.

use serde_json::{Value, json};

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, read_tar};
use crate::support::tarball::{BLOCK, Entry, tar};
use crate::support::{Build, EPOCH, EPOCH_DATE, judge, noise, pipe};

const BUILD: Build = Build { seconds: EPOCH, nanos: 0, pid: 1, level: 6, members: 1 };
const LATE: &str = "2025-10-09T08:53:20Z";

/// An image of one layer that ends in this table of contents.
fn image(toc: &str) -> Vec<u8> {
    let tar = tar(&[Entry::file("file", "content", EPOCH), Entry::file("stargz.index.json", toc, EPOCH)]);
    let layer = Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD);
    Layout::of(&Image::new(vec![layer], Family::Oci, &BUILD, &["lazy:1"]), &BUILD).tar(&BUILD)
}

/// The table after a rewrite, which has the length that it had.
#[track_caller]
fn rewritten(toc: &str) -> String {
    let new = pipe(["rewrite", "-q", "--epoch", "1700000000"], &image(toc)).expect(0).stdout;
    let seen = judge::walk(&read_tar(&new));
    let tar = &seen.layers[0].2;
    // Behind a header, a block of content and the table's own header.
    String::from_utf8(tar[3 * BLOCK..][..toc.len()].to_vec()).unwrap()
}

/// What check lists of times in tables.
fn found(toc: &str) -> Vec<String> {
    let said = pipe(["check", "--json", "--epoch", "1700000000"], &image(toc)).stdout;
    let report: Value = serde_json::from_slice(&said).unwrap();
    let list = report["findings"].as_array().unwrap().iter();
    let fields = list.filter_map(|finding| finding["field"].as_str());
    fields.filter(|field| field.contains("TOC")).map(str::to_owned).collect()
}

#[test]
fn extended_attributes_that_are_named_as_times_stay_and_check_agrees() {
    let table = |entry: &str, attribute: &str| {
        json!({"version": 1, "modtime": attribute, "entries": [{
            "name": "file", "type": "reg", "modtime": entry,
            "xattrs": {"modtime": attribute, "accesstime": attribute, "user.changetime": attribute},
            "chunks": [{"changetime": attribute}],
        }], "others": [{"modtime": attribute}]})
        .to_string()
    };
    let before = table(LATE, LATE);
    assert_eq!(found(&before), ["modtime in the TOC"]);
    let after = rewritten(&before);
    assert_eq!(after, table(EPOCH_DATE, LATE));
    assert_eq!(found(&after), [""; 0]);
}

#[test]
fn times_are_found_in_a_long_table_however_it_is_cut() {
    // Names of many lengths: a time lies across every boundary of a piece somewhere.
    let name = |i: usize| format!("{i}{}", "x".repeat(i % 97));
    let table = |time: &str| {
        let entry = |i| json!({"name": name(i), "modtime": time, "xattrs": {"modtime": LATE}, "changetime": time});
        json!({"version": 1, "entries": (0..5000).map(entry).collect::<Vec<_>>()}).to_string()
    };
    let after = rewritten(&table(LATE));
    assert!(after == table(EPOCH_DATE), "a time was missed, or an attribute was not");
    assert_eq!(found(&after), [""; 0]);
}

#[test]
fn a_table_that_is_none_stays_as_it_is() {
    let hostile = [
        "{".repeat(100_000),
        format!("{{\"entries\":[{}", "[".repeat(100_000)),
        format!("{{\"entries\":[{{\"modtime\":\"{}", "\\".repeat(99_999)),
        format!("{{\"modtime\":\"{LATE}\"}}"),
        format!("[{{\"entries\":[{{\"modtime\":\"{LATE}\"}}]}}]"),
        String::from_utf8(noise(50_000, 3).into_iter().map(|byte| b' ' + byte % 95).collect()).unwrap(),
    ];
    for table in hostile {
        assert!(rewritten(&table) == table, "{}", &table[..60]);
        assert_eq!(found(&table), [""; 0], "{}", &table[..60]);
    }
}

#[test]
fn keys_and_times_that_are_spelled_in_another_way_are_stamped_and_found() {
    let spelled = LATE.replace(':', "\\u003a");
    let before = format!("{{\"Entries\":[{{\"ModTime\":\"{LATE}\",\"acce\u{17f}stime\":\"{spelled}\"}}]}}");
    assert_eq!(found(&before).len(), 2);
    let after = rewritten(&before);
    let entry = &serde_json::from_str::<Value>(&after).unwrap()["Entries"][0];
    assert_eq!([&entry["ModTime"], &entry["acce\u{17f}stime"]], [EPOCH_DATE, EPOCH_DATE]);
    assert_eq!(found(&after), [""; 0]);
}
