//! `diff` did not find images by names and places that all other verbs know, and took hours for many of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::diff::{BUILD, Pair, file, image, with_config};
use crate::support::layout::{Image, Layout, OCI_INDEX};
use crate::support::tarball::tar;
use crate::support::{run, text};

fn app(word: &str) -> Image {
    image(vec![tar(&[file("a", word)])])
}

/// An index of one image, under these names.
fn nested(word: &str, names: &[String]) -> Layout {
    let mut layout = Layout::default();
    let inner = layout.put_image(&app(word), &BUILD);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]});
    let outer = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    names.iter().for_each(|name| layout.name(outer.clone(), name, &BUILD));
    layout
}

#[test]
fn every_tag_of_an_index_is_found() {
    let tags: Vec<String> = (0..20).map(|n| format!("app:t{n}")).collect();
    let pair = Pair::of(&nested("1", &tags).tar(&BUILD), &nested("2", &tags).tar(&BUILD));
    for tag in ["t0", "t15", "t16", "t18", "t19", "app:t18"] {
        let [a, b] = [&pair.a, &pair.b].map(|path| format!("oci-archive:{}:{tag}", text(path)));
        run(["diff", &a, &a]).expect(0);
        let shown = run(["diff", &a, &b]).expect(1).text();
        assert!(shown.contains(" a content in layer 0"), "{tag}: {shown}");
    }
    let none = format!("oci-archive:{}:t20", text(&pair.a));
    run(["diff", &none, &none]).expect_error(&["no image is called \"t20\"", "app:t0"]);
}

#[test]
fn an_image_is_found_by_each_place_that_lists_it() {
    let archive = |word: &str| {
        let mut layout = nested(word, &[]);
        let inner = layout.put_image(&app(word), &BUILD);
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]});
        let outer = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
        let other = layout.put_image(&app("other"), &BUILD);
        layout.manifests = vec![inner, outer, other];
        layout.tar(&BUILD)
    };
    let pair = Pair::of(&archive("1"), &archive("2"));
    for (at, is_same) in [("@0", false), ("@1", false), ("@2", true)] {
        let [a, b] = [&pair.a, &pair.b].map(|path| format!("oci-archive:{}:{at}", text(path)));
        run(["diff", &a, &a]).expect(0);
        let outcome = run(["diff", "--json", &a, &b]).expect(i32::from(!is_same));
        let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        let fields: Vec<&str> =
            report["differences"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
        let expected: &[&str] = if is_same { &[] } else { &["content"] };
        assert_eq!(fields, expected, "{at}");
    }
}

#[test]
fn images_and_tags_are_paired_in_no_time() {
    let many = |word: &str, images: usize, tags: usize| {
        let mut layout = Layout::default();
        let base = app(word);
        for n in 0..images {
            let own = with_config(&base, r#""maintainer":"x""#, &format!(r#""maintainer":"{n}""#));
            let descriptor = layout.put_image(&own, &BUILD);
            (0..tags).for_each(|tag| layout.name(descriptor.clone(), &format!("app:{n}-{tag}"), &BUILD));
        }
        layout
    };
    for (images, tags) in [(3000, 1), (1, 12_000)] {
        let pair = Pair::of(b"", b"");
        for (side, word) in ["1", "2"].iter().enumerate() {
            many(word, images, tags).write(&pair.dir.path().join(["x", "y"][side]));
        }
        let [a, b] = ["x", "y"].map(|name| pair.dir.path().join(name));
        let started = Instant::now();
        run(["diff", "--quiet", text(&a), text(&b)]).expect(1);
        assert!(started.elapsed() < Duration::from_secs(30), "{images} x {tags}: {:?}", started.elapsed());
    }
}
