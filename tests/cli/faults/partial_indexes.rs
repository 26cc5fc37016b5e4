//! Indexes of which only some platforms are there: what is absent is not broken.

use serde_json::{Value, json};

use super::made::{BUILD, EPOCH, checked, document, hello, index, rewritten};
use crate::support::graph::{Attestation, platforms};
use crate::support::layer::Packing;
use crate::support::layout::{Layout, OCI_INDEX, blob_path, read_tar};
use crate::support::oracle::{Verdict, oracle};
use crate::support::{pipe, run, scratch, text, write};

/// Two platforms with attestations, the index that lists them, and what it lists: amd64, arm64, and their attestations.
fn whole(style: Attestation) -> (Layout, Vec<Value>) {
    let layout = platforms(&BUILD, Packing::Gzip, Some(style));
    let list = document(&layout.all(), &layout.manifests[0]["digest"])["manifests"].as_array().unwrap().clone();
    (layout, list)
}

/// Without these, and all that they alone name.
fn without(layout: &Layout, gone: &[&Value]) -> Layout {
    let mut partial = layout.clone();
    for manifest in gone {
        partial.files.remove(&blob_path(manifest["digest"].as_str().unwrap())).unwrap();
    }
    partial
}

fn listed(archive: &[u8]) -> Vec<Value> {
    let files = read_tar(archive);
    document(&files, &index(&files)["manifests"][0]["digest"])["manifests"].as_array().unwrap().clone()
}

/// The independent checker, where it is there, finds nothing but that the index is not whole.
fn expect_stamped(old: &[u8], new: &[u8]) {
    let dir = scratch();
    let (old, new) = (write(dir.path(), "old.tar", old), write(dir.path(), "new.tar", new));
    for (command, images) in [("stamped", vec![new.as_path()]), ("lossless", vec![&old, &new])] {
        let verdict = oracle(command, &images, &["--epoch", EPOCH[1]]);
        assert!(matches!(verdict, None | Some(Verdict::Clean)), "{command}: {verdict:?}");
    }
}

#[test]
fn an_absent_platform_is_a_note() {
    for style in [Attestation::Old, Attestation::New] {
        let (layout, list) = whole(style);
        let partial = without(&layout, &[&list[1], &list[3]]);
        let arm = list[1]["digest"].as_str().unwrap();
        let (said, new) = rewritten(&partial.tar(&BUILD), &[]);
        assert!(said.contains(&format!("{arm} is not in the image")), "{said}");
        let after = listed(&new);
        assert_eq!(after.len(), 4);
        assert_eq!((&after[1], &after[3]), (&list[1], &list[3]));
        let text = checked(&new, &[], 0);
        assert!(text.contains(&format!("note: manifests[1]: blob {arm} is missing")), "{text}");
        assert!(!text.contains("does not repair faults"), "{text}");
        checked(&partial.tar(&BUILD), &[], 1);
        expect_stamped(&partial.tar(&BUILD), &new);
        pipe(["inspect", "-q"], &partial.tar(&BUILD)).expect(0);
    }
}

#[test]
fn platforms_that_index_json_lists_itself_may_be_absent() {
    let (layout, list) = whole(Attestation::Old);
    let mut flat = layout;
    flat.manifests = vec![list[0].clone(), list[1].clone()];
    let partial = without(&flat, &[&list[1]]);
    let (_, new) = rewritten(&partial.tar(&BUILD), &[]);
    assert_eq!(index(&read_tar(&new))["manifests"][1], list[1]);
    checked(&new, &[], 0);
}

#[test]
fn an_index_of_which_nothing_is_here_is_an_error() {
    let (layout, list) = whole(Attestation::New);
    let all: Vec<&Value> = list.iter().collect();
    let nothing = without(&layout, &all);
    let mut no_index = Layout::of(&hello(), &BUILD);
    no_index.files.retain(|name, _| !name.starts_with("blobs/"));
    for layout in [nothing, no_index] {
        let bytes = layout.tar(&BUILD);
        pipe(["rewrite"].iter().chain(&EPOCH), &bytes).expect_error(&["index.json", "is missing"]);
        pipe(["inspect", "-q"], &bytes).expect_error(&["index.json", "is missing"]);
        let text = checked(&bytes, &[], 1);
        assert!(text.contains("is missing") && !text.contains("nothing found"), "{text}");
        let dir = scratch();
        let path = dir.path().join("image");
        layout.write(&path);
        run(["rewrite", "--epoch", "1", "--in-place", crate::support::text(&path)]).expect_error(&["index.json"]);
        assert!(path.join("index.json").is_file());
    }
}

#[test]
fn what_is_asked_for_and_absent_is_an_error() {
    let mut layout = Layout::of(&hello(), &BUILD);
    layout.manifests.push(json!({
        "mediaType": OCI_INDEX, "digest": crate::support::sha256(b"elsewhere"), "size": 7,
        "annotations": {"org.opencontainers.image.ref.name": "gone"},
    }));
    let dir = scratch();
    let path = dir.path().join("image");
    layout.write(&path);
    let source = format!("oci:{}:gone", text(&path));
    run(["rewrite", "--epoch", "1", &source, "-"]).expect_error(&[]);
    run(["rewrite", "--epoch", "1", &source, &format!("oci-archive:{}/out", text(dir.path()))])
        .expect_error(&["missing"]);
    run(["inspect", &source]).expect_error(&["missing"]);
    let text = run(["check", "--epoch", "1", &source]).expect(1).text();
    assert!(text.contains("is missing"), "{text}");
}

#[test]
fn absent_manifests_are_chosen_by_their_descriptors() {
    let digests =
        |list: &[Value]| list.iter().map(|one| one["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for style in [Attestation::Old, Attestation::New] {
        let (layout, list) = whole(style);
        for gone in [vec![&list[1], &list[3]], vec![&list[1], &list[2], &list[3]]] {
            let bytes = without(&layout, &gone).tar(&BUILD);
            let (said, new) = rewritten(&bytes, &["--attestations", "drop"]);
            let after = listed(&new);
            assert_eq!(after.len(), 2, "{said}");
            assert_eq!(digests(&after[1..]), digests(&list[1..2]));
            let (said, new) = rewritten(&bytes, &["--attestations", "drop", "--platform", "linux/amd64"]);
            assert_eq!(listed(&new).len(), 1, "{said}");
            assert!(!said.contains("its descriptor is kept"), "{said}");
            let (said, new) = rewritten(&bytes, &["--platform", "linux/amd64"]);
            let about = listed(&new)[0]["digest"].clone();
            assert!(
                listed(&new)[1..].iter().all(|one| one["annotations"]["vnd.docker.reference.digest"] == about),
                "{said}"
            );
            assert!(!digests(&listed(&new)).contains(&digests(&list)[1]), "{said}");
        }
    }
}

#[test]
fn an_absent_attestation_does_not_pretend_to_follow() {
    for style in [Attestation::Old, Attestation::New] {
        let (layout, list) = whole(style);
        let bytes = without(&layout, &[&list[2]]).tar(&BUILD);
        let (said, new) = rewritten(&bytes, &[]);
        let absent = list[2]["digest"].as_str().unwrap();
        assert!(listed(&new).iter().all(|one| one["digest"] != absent), "{said}");
        assert_eq!(listed(&new).len(), 3);
        assert!(said.contains(&format!("attestation {absent}, which is not in the image")), "{said}");
        assert!(!said.contains(&format!("{absent} is not in the image; its descriptor is kept")), "{said}");
        checked(&new, &[], 0);
        // Where what it is about stays, so does it.
        let (_, again) = rewritten(&new, &[]);
        assert!(again == new);
        let kept = pipe(["rewrite", "--clamp", "--epoch", "4000000000"], &bytes).expect(0);
        assert_eq!(listed(&kept.stdout).len(), 4, "{}", kept.stderr);
    }
}
