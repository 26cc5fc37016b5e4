//! One kind of link at a time.

use serde_json::json;

use crate::graph::walk::{Walk, expect_sound};
use crate::graph::{BUILD, document, hello, index, put_index, refused, tags, told};
use crate::support::graph::{self, Attestation};
use crate::support::layer::{Family, Packing};
use crate::support::layout::{Files, Layout, OCI_INDEX, OCI_MANIFEST, blob_path, read};
use crate::support::{self, judge, run, scratch, text};

#[test]
fn what_builders_and_clients_write() {
    let attested = [Attestation::Old, Attestation::New];
    let layouts = attested.map(|style| graph::platforms(&BUILD, Packing::Gzip, Some(style))).into_iter();
    for layout in layouts.chain([graph::referrers(&BUILD), graph::nested(&BUILD)]) {
        let files = expect_sound(&layout);
        judge::expect_stamped(&judge::walk(&files), false);
    }
}

#[test]
fn what_is_about_a_chosen_image_is_chosen_wherever_it_is_listed() {
    let mut layout = graph::referrers(&BUILD);
    let image = layout.manifests[0].clone();
    let other = layout.put_image(&support::zoo(&BUILD, Packing::Gzip, Family::Oci), &BUILD);
    layout.name(other.clone(), "zoo:9", &BUILD);
    let of_other = graph::put_referrer(&mut layout, &other, "application/spdx+json", b"of the other", &BUILD);
    let sbom = graph::put_referrer(&mut layout, &image, "application/spdx+json", b"own", &BUILD);
    let note = graph::put_referrer(&mut layout, &sbom, "application/vnd.example.note", b"own note", &BUILD);
    layout.name(note.clone(), "note:n", &BUILD);
    layout.manifests.extend([of_other, sbom]);
    layout.manifests.reverse();
    let dir = scratch();
    layout.write(&dir.path().join("in"));
    let chosen = |reference: &str| {
        let (from, to) = (format!("oci:{}:{reference}", text(&dir.path().join("in"))), dir.path().join(reference));
        let outcome = run(["rewrite", "--epoch", "1700000000", &from, text(&to)]).expect(0);
        let files = read(&to);
        Walk::new(&files);
        (outcome.stderr, files)
    };
    let blobs = [&b"own"[..], b"own note", b"of the other", b"a note"];
    let has = |files: &Files| blobs.map(|blob| files.values().any(|bytes| bytes == blob));
    let (said, files) = chosen("1");
    assert_eq!(has(&files), [true, true, false, true]);
    assert!(said.contains("left out: 9 sha256:"), "{said}");
    assert_eq!(tags(&files).iter().filter(|tag| tag.starts_with("sha256-")).count(), 2);
    // What an artifact is about comes with it.
    let (_, files) = chosen("n");
    assert_eq!(has(&files), [true, true, false, true]);
    let (_, files) = chosen("9");
    assert_eq!(has(&files), [false, false, true, false]);
    run(["inspect", &format!("oci:{}:n", text(&dir.path().join("in")))]).expect(0);
}

#[test]
fn a_subject_that_no_index_lists_is_rewritten_as_well() {
    let mut layout = Layout::default();
    let image = layout.put_image(&hello(), &BUILD);
    let sbom = graph::put_referrer(&mut layout, &image, "application/spdx+json", b"sbom", &BUILD);
    layout.manifests = vec![sbom];
    let files = expect_sound(&layout);
    let sbom = document(&files, &index(&files)["manifests"][0]);
    assert_ne!(sbom["subject"]["digest"], image["digest"]);
    let config = document(&files, &document(&files, &sbom["subject"])["config"]);
    assert_eq!(config["created"], support::EPOCH_DATE);
}

#[test]
fn a_subject_that_is_not_there_is_left_as_it_is() {
    let mut layout = Layout::default();
    let elsewhere = json!({"mediaType": OCI_MANIFEST, "digest": support::sha256(b"elsewhere"), "size": 700});
    layout.manifests = vec![graph::put_referrer(&mut layout, &elsewhere, "application/spdx+json", b"sbom", &BUILD)];
    let (said, files) = told(&layout, &[]);
    assert!(said.contains(&support::sha256(b"elsewhere")), "{said}");
    assert_eq!(document(&files, &index(&files)["manifests"][0])["subject"], elsewhere);
}

#[test]
fn a_chain_of_three_hundred_subjects() {
    for is_listed in [false, true] {
        let mut layout = Layout::default();
        let mut last = layout.put_image(&hello(), &BUILD);
        let mut all = vec![last.clone()];
        for number in 0..300 {
            let note = format!("note {number}").into_bytes();
            last = graph::put_referrer(&mut layout, &last, "application/vnd.example.note", &note, &BUILD);
            all.push(last.clone());
        }
        // The last one first, so that everything it is about is still to be done.
        all.reverse();
        layout.manifests = if is_listed { all } else { vec![last] };
        let files = expect_sound(&layout);
        assert_eq!(files.keys().filter(|name| name.starts_with("blobs/")).count(), layout.files.len() - 1);
    }
}

#[test]
fn indexes_are_nested_to_a_limit() {
    let nest = |depth: usize| {
        let mut layout = Layout::default();
        let mut inner = layout.put_image(&hello(), &BUILD);
        for _ in 0..depth {
            inner = put_index(&mut layout, &[inner]);
        }
        layout.manifests = vec![inner];
        layout
    };
    expect_sound(&nest(63));
    for depth in [64, 300] {
        refused(&nest(depth), &[], &["depth of nested indexes", "64"]);
    }
}

#[test]
fn a_cycle_can_only_be_made_of_wrong_digests() {
    let [one, two] = ["1", "2"].map(|digit| format!("sha256:{}", digit.repeat(64)));
    for (kind, media_type) in [("manifests", OCI_INDEX), ("subject", OCI_MANIFEST)] {
        let mut layout = Layout::default();
        for (own, other) in [(&one, &two), (&two, &one)] {
            let link = json!({"mediaType": media_type, "digest": other, "size": 300});
            let mut document = json!({"schemaVersion": 2, "mediaType": media_type});
            if kind == "subject" {
                document["config"] = graph::empty(&mut layout);
                document["layers"] = json!([]);
                document[kind] = link;
            } else {
                document[kind] = json!([link]);
            }
            let mut bytes = serde_json::to_vec(&document).unwrap();
            bytes.resize(600, b' ');
            layout.files.insert(blob_path(own), bytes);
        }
        layout.manifests = vec![json!({"mediaType": media_type, "digest": one, "size": 600})];
        refused(&layout, &[], &[&one, "digest does not match"]);
    }
}

#[test]
fn annotations_about_the_bytes_of_a_layer_go_with_them() {
    let mut image = hello();
    let known = json!({
        "containerd.io/snapshot/stargz/toc.digest": support::sha256(b"toc"),
        "io.containers.estargz.uncompressed-size": "1",
        "io.github.containers.zstd-chunked.manifest-checksum": support::sha256(b"x"),
        "containerd.io/uncompressed": image.layers[0].diff_id(),
        "org.example.keep": "kept",
    });
    for layer in &mut image.layers {
        layer.annotations = Some(known.clone());
    }
    let layout = Layout::of(&image, &BUILD);
    let (said, files) = told(&layout, &["--base-layers", "1"]);
    let manifest = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(manifest["layers"][0]["annotations"], known);
    let rewritten = manifest["layers"][1]["annotations"].as_object().unwrap();
    assert_eq!(rewritten.keys().collect::<Vec<_>>(), ["containerd.io/uncompressed", "org.example.keep"]);
    let config = document(&files, &manifest["config"]);
    assert_eq!(rewritten["containerd.io/uncompressed"], config["rootfs"]["diff_ids"][1]);
    assert_eq!(said.matches("described the layer's old bytes").count(), 3, "{said}");
}

#[test]
fn an_annotation_of_unknown_meaning_that_names_what_has_moved_is_reported() {
    let mut layout = Layout::of(&hello(), &BUILD);
    let digest = layout.manifests[0]["digest"].as_str().unwrap().to_owned();
    layout.annotations = Some(json!({"org.example.signed-off": format!("yes, {digest}")}));
    layout.manifests[0]["platform"] = json!({"architecture": "amd64", "os": "windows", "os.version": "10.0", "os.features": ["win32k"], "variant": "v1"});
    let (said, files) = told(&layout, &[]);
    assert!(said.contains("org.example.signed-off") && said.contains(&digest), "{said}");
    assert_eq!(index(&files)["annotations"], layout.annotations.unwrap());
    assert_eq!(index(&files)["manifests"][0]["platform"], layout.manifests[0]["platform"]);
    let manifest = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(manifest["annotations"]["org.opencontainers.image.base.digest"], support::sha256(b"base"));
}
