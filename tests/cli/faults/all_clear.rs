//! "Nothing found" is said only of what was looked at.

use serde_json::json;

use super::made::{BUILD, checked, hello, rewritten};
use crate::support::graph::{empty, put_referrer};
use crate::support::layout::{Layout, OCI_MANIFEST, tar_files};

#[test]
fn an_image_that_only_a_subject_leads_to_is_checked() {
    let mut layout = Layout::default();
    let subject = layout.put_image(&hello(), &BUILD);
    // Two steps away: what refers to what refers to it.
    let first = put_referrer(&mut layout, &subject, "application/spdx+json", b"an SBOM", &BUILD);
    let second = put_referrer(&mut layout, &first, "application/vnd.example.note", b"a note", &BUILD);
    layout.manifests = vec![second];
    let text = checked(&layout.tar(&BUILD), &["-v"], 1);
    assert!(text.contains("1 image, ") && text.contains("bin/hello: mtime"), "{text}");
    let (_, new) = rewritten(&layout.tar(&BUILD), &[]);
    let text = checked(&new, &[], 0);
    assert!(text.contains("1 image, "), "{text}");
}

#[test]
fn a_long_chain_of_subjects_is_followed_without_recursion() {
    let mut layout = Layout::default();
    let mut last = layout.put_image(&hello(), &BUILD);
    for number in 0..3000 {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "x/y", "config": empty(&mut layout),
            "layers": [], "subject": {"mediaType": OCI_MANIFEST, "digest": last["digest"], "size": last["size"]},
            "annotations": {"number": number.to_string()},
        });
        last = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    }
    layout.manifests = vec![last];
    assert!(checked(&layout.tar(&BUILD), &[], 1).contains("1 image, "));
}

#[test]
fn no_image_is_no_all_clear() {
    let mut layout = Layout::default();
    let blob = layout.put("application/wasm", b"a program");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/wasm",
        "config": empty(&mut layout), "layers": [blob],
    });
    layout.manifests = vec![layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())];
    let text = checked(&layout.tar(&BUILD), &["--digests-only"], 1);
    assert!(text.contains("0 images") && text.contains("there is no image in it"), "{text}");
    assert!(!text.contains("nothing found"), "{text}");
    let text = checked(&Layout::default().tar(&BUILD), &["--digests-only"], 1);
    assert!(text.contains("there is no image in it") && !text.contains("nothing found"), "{text}");
}

#[test]
fn an_image_that_only_the_subject_of_index_json_leads_to_stays_and_is_checked() {
    let mut layout = Layout::default();
    let subject = layout.put_image(&hello(), &BUILD);
    let mut other = hello();
    other.config = String::from_utf8(other.config).unwrap().replace("/bin/hello", "/bin/other").into_bytes();
    layout.manifests = vec![layout.put_image(&other, &BUILD)];
    let index = serde_json::from_slice::<serde_json::Value>(&layout.index()).unwrap();
    let mut files = layout.all();
    let with = |subject: &serde_json::Value| {
        let mut index = index.clone();
        index["subject"] = subject.clone();
        serde_json::to_vec(&index).unwrap()
    };
    files.insert("index.json".to_owned(), with(&subject));
    let archive = tar_files(&files, &BUILD);
    assert!(checked(&archive, &[], 1).contains("2 images, "));
    let (text, new) = rewritten(&archive, &[]);
    assert!(!text.contains("left out"), "{text}");
    assert!(checked(&new, &[], 0).contains("2 images, "));
}
