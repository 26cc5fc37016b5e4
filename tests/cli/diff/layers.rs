//! How layers go together, and what they make.

use crate::diff::{BUILD, Pair, T, file, image};
use crate::support;
use crate::support::layout::Layout;
use crate::support::tarball::{Entry, tar};

#[test]
fn a_truncated_layer_is_an_error_that_names_it() {
    let [good, other] =
        ["1", "2"].map(|data| image(vec![tar(&[Entry::file("a", support::noise(50_000, 7), T), file("b", data)])]));
    for a in [&good, &other] {
        let mut layout = Layout::of(&good, &BUILD);
        let digest = good.layers[0].digest();
        let blob = layout.files.get_mut(&support::layout::blob_path(&digest)).unwrap();
        blob.truncate(blob.len() / 2);
        let pair = Pair::of(&Layout::of(a, &BUILD).tar(&BUILD), &layout.tar(&BUILD));
        pair.run(&[]).expect_error(&[&digest, "b.tar", "size"]);
    }
}

#[test]
fn images_cut_into_other_layers_have_one_root_filesystem() {
    let one = image(vec![tar(&[Entry::dir("d/", T), file("d/a", "1"), file("d/b", "2"), file("c", "3")])]);
    let three = image(vec![
        tar(&[
            Entry::dir("d/", T),
            file("d/a", "old"),
            file("d/gone", "x"),
            file("c", "3"),
            Entry::dir("dir/", T),
            file("dir/x", "y"),
        ]),
        tar(&[
            Entry::dir("d/", T),
            Entry::file("d/.wh..wh..opq", "", T),
            file("d/a", "1"),
            Entry::file(".wh.dir", "", T),
        ]),
        tar(&[file("d/b", "2")]),
    ]);
    let pair = Pair::images(&one, &three);
    assert_eq!(pair.run(&["--rootfs"]).expect(0).text(), "identical\n");
    pair.run(&[]).expect(1);
    let other = image(vec![tar(&[Entry::dir("d/", T), file("d/a", "1"), file("d/b", "other"), file("c", "3")])]);
    let found = Pair::images(&other, &three).found(&["--rootfs"]);
    assert_eq!(found, [("content".to_owned(), "d/b".to_owned(), "content".to_owned())]);
}

#[test]
fn layers_are_paired_by_command_and_content() {
    let base = || tar(&[file("base", "1")]);
    let many = |word: &str| {
        tar(&(0..20).map(|n| file(&format!("app/{n}"), if n == 3 { word } else { "x" })).collect::<Vec<_>>())
    };
    let extra = || tar(&[file("extra", "1")]);
    let pair = Pair::images(&image(vec![base(), many("a")]), &image(vec![base(), extra(), many("b")]));
    let report = pair.json(&[]);
    let layers: Vec<_> =
        report["differences"].as_array().unwrap().iter().filter(|item| item["part"] == "layer").collect();
    assert!(
        layers.iter().any(|item| item["path"] == "app/3" && item["layer"] == serde_json::json!([1, 2])),
        "{layers:#?}"
    );
    assert!(
        layers.iter().any(|item| item["field"] == "layer" && item["layer"] == serde_json::json!([null, 1])),
        "{layers:#?}"
    );
    assert_eq!(layers.len(), 2);
}
