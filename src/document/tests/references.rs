//! Digests in labels, annotations and other texts: which follow, and which are found.

use super::{SET, assert_bytes, digest, fill, hex, moves, stamp, texts};
use crate::digest::{Algorithm, Digest};
use crate::document::attestation::Attestation;
use crate::document::config::{BaseHistory, Config};
use crate::document::descriptor::{DescriptorEdit, Outdated};
use crate::document::manifest::{LayerEdit, Manifest, ManifestEdit};
use crate::document::references::{LayerMoves, Moved, Scanner, Target, digests_in};

/// A config whose one layer had the diff_id `<1>` and the digest `<2>`, after both have moved to `<a>` and `<b>`.
#[track_caller]
fn label(key: &str, old: &str, new: &str) {
    let config = |id: &str, value: &str| {
        fill(&format!(
            r#"{{"config": {{"Labels": {{"x":"1" , "{key}": "{value}"}}}},"rootfs":{{"diff_ids":["{id}"]}}}}"#
        ))
    };
    let text = config("<1>", old);
    let own = LayerMoves { blobs: moves(&[('2', 'b')]), diff_ids: moves(&[('1', 'a')]) };
    let parsed = Config::parse(text.as_bytes()).unwrap();
    let moved = Moved { own: Some(&own), ..Moved::default() };
    let patched = parsed.patch_with(stamp(SET), BaseHistory::default(), &[digest('a')], &moved).unwrap();
    assert_bytes(&patched, &config("<a>", new));
}

#[test]
fn known_labels_follow_their_layers() {
    let lifecycle = concat!(
        r#"{\"app\":[{\"sha\":\"<1>\"}] , \"buildpacks\":[{\"key\":\"x\/y\",\"layers\":{\"jre\":{\"sha\":\"<1>\",\"data\":"#,
        r#"{\"n\":\"\u0026 {\\\"again\\\":\\\"<1>\\\"}\"}}}}],\"runImage\":{\"topLayer\":\"<1>\",\"reference\":\"run@<7>\"}}"#
    );
    label("io.buildpacks.lifecycle.metadata", lifecycle, &lifecycle.replace("<1>", "<a>"));
    let layers = r#"{\"x/y\":{\"1.0\":{\"layerDiffID\":\"<1>\",\"homepage\":\"https:\/\/x\"}}}"#;
    label("io.buildpacks.buildpack.layers", layers, &layers.replace("<1>", "<a>"));
    label("io.buildpacks.extension.layers", layers, &layers.replace("<1>", "<a>"));
    label("ostree.final-diffid", "<1>", "<a>");
    label("sh.brew.bottle.digest", &hex('2'), &hex('b'));
    label("io.deis.oras.content.digest", "<1>", "<a>");
    // Digits that are written as escapes are digits.
    let escaped = format!(r"sha256:\u0031{}", &hex('1')[1..]);
    label("ostree.final-diffid", &escaped, "<a>");
}

#[test]
fn no_other_label_follows() {
    for value in ["<1>", &hex('1'), r#"{\"sha\":\"<1>\"}"#] {
        label("org.example.layer", value, value);
        label("ostree.commit", value, value);
        // It says what the image was built on, whatever became of that.
        label("org.opencontainers.image.base.digest", value, value);
    }
    for near in [format!("{}1", hex('1')), hex('1')[1..].to_owned(), hex('1').to_uppercase().replace('1', "F")] {
        label("ostree.final-diffid", &near, &near);
    }
}

#[test]
fn a_layer_that_is_not_compressed_any_more_has_two_digests() {
    let own = LayerMoves { blobs: moves(&[('1', 'b')]), diff_ids: moves(&[('1', 'a')]) };
    let moved = Moved { own: Some(&own), ..Moved::default() };
    assert_eq!(moved.get(Target::DiffId, &digest('1')), Some(digest('a')));
    assert_eq!(moved.get(Target::Blob, &digest('1')), Some(digest('b')));
}

#[test]
fn what_an_image_keeps_does_not_follow_another_image() {
    let own = LayerMoves { blobs: moves(&[('1', '1')]), ..LayerMoves::default() };
    let (all, blobs) = (LayerMoves { blobs: moves(&[('1', 'b')]), ..LayerMoves::default() }, moves(&[('1', 'c')]));
    let moved = Moved { own: Some(&own), layers: Some(&all), blobs: Some(&blobs) };
    assert_eq!(moved.get(Target::Blob, &digest('1')), None);
    assert_eq!(Moved { own: None, ..moved }.get(Target::Blob, &digest('1')), Some(digest('c')));
}

#[test]
fn digests_of_sha512_follow_as_well() {
    let [old, new] = ["1", "a"].map(|digit| format!("sha512:{}", digit.repeat(128)));
    let own = LayerMoves { diff_ids: [(old.parse().unwrap(), new.parse().unwrap())].into(), ..LayerMoves::default() };
    let text = format!(r#"{{"config":{{"Labels":{{"ostree.final-diffid":"{old}"}}}},"rootfs":{{}}}}"#);
    let moved = Moved { own: Some(&own), ..Moved::default() };
    let config = Config::parse(text.as_bytes()).unwrap();
    let patched = config.patch_with(stamp(SET), BaseHistory::default(), &[], &moved).unwrap();
    assert_bytes(&patched, &text.replace(&old, &new));
}

#[test]
fn json_in_a_label_may_be_as_deep_and_broken_as_it_likes() {
    let deep = format!("{}\\\"<1>\\\"", "[{\\\"a\\\":".repeat(50_000));
    label("io.buildpacks.lifecycle.metadata", &deep, &deep.replace("<1>", "<a>"));
}

#[test]
fn annotations_of_a_layer_follow_it_and_go_with_its_old_bytes() {
    let text = fill(
        r#"{"layers":[{"digest":"<2>","size":1,"annotations":{"io.deis.oras.content.digest":"<1>","containers.composefs.layer.digest":"<5>"}}],
            "annotations":{"com.amazon.soci.index-digest":"<6>","sh.brew.bottle.digest":"<2>","containers.composefs.rootfs.digest":"<7>"}}"#,
    );
    let own = LayerMoves { blobs: moves(&[('2', 'b')]), diff_ids: moves(&[('1', 'a')]) };
    let edit = ManifestEdit {
        layers: vec![LayerEdit::Moved(DescriptorEdit {
            rewritten: Some(digest('a')),
            ..DescriptorEdit::blob(digest('b'), 2)
        })],
        moved: Moved { own: Some(&own), ..Moved::default() },
        without: Outdated { soci: true, zstd: false },
        ..ManifestEdit::default()
    };
    let patched = Manifest::parse(text.as_bytes()).unwrap().patch(stamp(SET), &edit).unwrap();
    let expected = fill(
        r#"{"layers":[{"digest":"<b>","size":2,"annotations":{"io.deis.oras.content.digest":"<a>"}}],
            "annotations":{"sh.brew.bottle.digest":"<b>","containers.composefs.rootfs.digest":"<7>"}}"#,
    );
    assert_bytes(&patched, &expected);
    let texts = texts(&patched);
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("annotations[\"com.amazon.soci.index-digest\"]: described the layer's old bytes"));
    assert!(texts[1].starts_with("annotations[\"containers.composefs.rootfs.digest\"]: a composefs digest"));
    assert!(texts[2].starts_with("layers[0].annotations[\"containers.composefs.layer.digest\"]: described"));
}

#[test]
fn a_sealed_image_is_named_only_if_its_layers_have_changed() {
    let text = fill(r#"{"config":{"Labels":{"containers.composefs.fsverity":"ab"}},"rootfs":{"diff_ids":["<1>"]}}"#);
    let config = Config::parse(text.as_bytes()).unwrap();
    let warnings =
        |diff_id| texts(&config.patch(stamp(SET), BaseHistory::default(), &[digest(diff_id)]).unwrap()).join("\n");
    assert_eq!(warnings('1'), "");
    assert!(warnings('2').contains("config.Labels[\"containers.composefs.fsverity\"]"), "{}", warnings('2'));
}

#[test]
fn the_subject_of_a_statement_is_found_in_any_spelling() {
    let statement = concat!(
        r#"{"_type":"s","subject":[{"name":"pkg:docker/app@sha256%3A{1}?x=1","uri":"https://x/{1}","digest":{"SHA256":"{1}"}}],"#,
        r#""predicate":{"of":"{1}"}}"#
    );
    let old = statement.replace("{1}", &hex('1'));
    let Ok(Attestation::Statement(parsed)) = Attestation::parse(old.as_bytes()) else { panic!("no statement") };
    let mut new = Vec::new();
    let all = moves(&[('1', 'a')]);
    let patched = parsed.patch_to(&all, &mut |bytes| {
        new.extend_from_slice(bytes);
        Ok(())
    });
    assert!(patched.unwrap().changed);
    let (subject, predicate) = statement.split_once("\"predicate\"").unwrap();
    let expected = [subject.replace("{1}", &hex('a')), predicate.replace("{1}", &hex('1'))].join("\"predicate\"");
    assert_eq!(String::from_utf8(new).unwrap(), expected);
}

#[test]
fn digests_are_found_by_their_length() {
    let found = |text: &str| digests_in(text.as_bytes()).into_iter().map(|(_, digest)| digest).collect::<Vec<_>>();
    let one = hex('1');
    let long = Digest::from_hex(Algorithm::Sha512, &"2".repeat(128)).unwrap();
    for text in [
        one.clone(),
        format!("sha256:{one}"),
        format!("/blobs/sha256/{one}.tar"),
        format!("sha256%3A{one}"),
        format!("ostree/container/blob/sha256_3A{one}"),
        format!("xyz{one}xyz"),
    ] {
        assert_eq!(found(&text), [digest('1')], "{text}");
    }
    assert_eq!(found(&hex('a').to_uppercase()), [digest('a')]);
    assert_eq!(found(&format!("{one},{}", hex('2'))), [digest('1'), digest('2')]);
    assert_eq!(found(&format!("sha512:{}", "2".repeat(128))), [long]);
    for text in [one[1..].to_owned(), format!("{one}1"), format!("3a{one}"), one.repeat(3), String::new()] {
        assert_eq!(found(&text), [], "{text}");
    }
}

#[test]
fn bytes_may_come_in_any_pieces() {
    let text = format!("{{\"a\":\"sha256:{}\",\"b\":\"sha256%3A{}\"}}", hex('1'), hex('2'));
    let whole = digests_in(text.as_bytes());
    assert_eq!(whole.len(), 2);
    for (place, digest) in &whole {
        assert_eq!(text[place.clone()], digest.hex());
    }
    for size in 1..80 {
        let (mut scanner, mut found) = (Scanner::default(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            scanner.feed(piece, &mut |place, digest| found.push((place, digest)));
        }
        scanner.finish(&mut |place, digest| found.push((place, digest)));
        assert_eq!(found, whole, "{size}");
    }
}
