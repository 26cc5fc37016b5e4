//! Manifests and the descriptors in them.

use super::{CLAMP, SET, assert_bytes, digest, fill, moves, stamp, texts};

use crate::document::attestation::is_attestation;
use crate::document::descriptor::{Descriptor, DescriptorEdit};
use crate::document::manifest::{LayerEdit, Manifest, ManifestEdit};
use crate::document::references::Moved;

const MANIFEST: &str = concat!(
    "{\r\n \"schemaVersion\":2, \"mediaType\" : \"application/vnd.oci.image.manifest.v1+json\",\r\n",
    " \"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\" : 7,\"digest\":\"<1>\", \"data\":\"e30=\"},\r\n",
    " \"layers\":[ {\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"<2>\",\"size\":20,\r\n",
    "   \"annotations\":{\"org.opencontainers.image.created\":\"2024-01-01T00:00:00Z\",\"containerd.io/uncompressed\":\"<3>\",\r\n",
    "     \"containerd.io/snapshot/stargz/toc.digest\":\"<4>\"}},\r\n",
    "  {\"digest\":\"<5>\",\"size\":50,\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+zstd\", \"x\":[1, 2],\r\n",
    "   \"annotations\":{ \"io.github.containers.zstd-chunked.manifest-position\":\"1:2:3:1\" ,\"containerd.io\\/uncompressed\": \"<6>\",\r\n",
    "     \"io.containers.zstd-chunked.manifest-checksum\":\"<7>\",\"containerd.io/snapshot/stargz/toc.digest\":\"<8>\",\r\n",
    "     \"io.containers.estargz.uncompressed-size\":\"9\",\"keep\":\"me\" }},\r\n",
    "  {\"mediaType\":\"application/vnd.in-toto+json\",\"digest\":\"<9>\",\"size\":90,\"data\":\"bm8=\",\r\n",
    "   \"annotations\":{\"in-toto.io/predicate-type\":\"p\"}} ],\r\n",
    " \"subject\":{\"mediaType\":\"m\",\"digest\":\"<a>\",\"size\":1,\"annotations\":{\"build-date\":\"2024\"}},\r\n",
    " \"annotations\":{\"org.opencontainers.image.base.digest\":\"<b>\",\"buildkit/rewritten-timestamp\":\"1800000000\"} }\n",
);

#[test]
fn a_manifest_follows_its_parts() {
    let text = fill(MANIFEST);
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let statement = b"{\"s\":1}";
    let config = b"{\"os\":\"linux\"}";
    let edit = ManifestEdit {
        config: Some(DescriptorEdit { data: Some(config.into()), ..DescriptorEdit::blob(digest('c'), 14) }),
        layers: vec![
            LayerEdit::Kept,
            LayerEdit::Moved(DescriptorEdit {
                media_type: Some("application/vnd.oci.image.layer.v1.tar+gzip".into()),
                rewritten: Some(digest('d')),
                ..DescriptorEdit::blob(digest('e'), 51)
            }),
            LayerEdit::Moved(DescriptorEdit { data: Some(statement.into()), ..DescriptorEdit::blob(digest('f'), 7) }),
        ],
        subject: Some(DescriptorEdit::blob(digest('0'), 1)),
        moved: Moved { blobs: Some(&moves(&[('b', '0'), ('5', 'e')])), ..Moved::default() },
        ..ManifestEdit::default()
    };
    let patched = manifest.patch(stamp(SET), &edit).unwrap();
    let expected = MANIFEST
        .replace("\"size\" : 7,\"digest\":\"<1>\", \"data\":\"e30=\"", "\"size\" : 14,\"digest\":\"<c>\", \"data\":\"eyJvcyI6ImxpbnV4In0=\"")
        .replace("\"digest\":\"<5>\",\"size\":50,", "\"digest\":\"<e>\",\"size\":51,")
        .replace("v1.tar+zstd", "v1.tar+gzip")
        .replace(
            concat!(
                "\"io.github.containers.zstd-chunked.manifest-position\":\"1:2:3:1\" ,\"containerd.io\\/uncompressed\": \"<6>\",\r\n",
                "     \"io.containers.zstd-chunked.manifest-checksum\":\"<7>\",\"containerd.io/snapshot/stargz/toc.digest\":\"<8>\",\r\n",
                "     \"io.containers.estargz.uncompressed-size\":\"9\","
            ),
            "\"containerd.io\\/uncompressed\": \"<d>\",",
        )
        .replace("\"digest\":\"<9>\",\"size\":90,\"data\":\"bm8=\"", "\"digest\":\"<f>\",\"size\":7,\"data\":\"eyJzIjoxfQ==\"")
        .replace("\"digest\":\"<a>\"", "\"digest\":\"<0>\"")
        .replace("\"2024\"", "\"2023-11-14T22:13:20Z\"")
        .replace("2024-01-01T00:00:00Z", "2023-11-14T22:13:20Z")
        .replace("1800000000", "1700000000");
    assert_bytes(&patched, &fill(&expected));
    assert_eq!(patched.times, 3);
    assert_eq!(
        texts(&patched),
        [
            "subject.annotations[\"build-date\"]: \"2024\" is not a time; it is the epoch now".to_owned(),
            "layers[1].annotations[\"io.github.containers.zstd-chunked.manifest-position\"]: described the layer's old \
             bytes; removed (the layer can't be pulled lazily any more)".into(),
            "layers[1].annotations[\"io.containers.zstd-chunked.manifest-checksum\"]: described the layer's old bytes; \
             removed (the layer can't be pulled lazily any more)".into(),
            "layers[1].annotations[\"containerd.io/snapshot/stargz/toc.digest\"]: described the layer's old bytes; \
             removed (the layer can't be pulled lazily any more)".into(),
            "layers[1].annotations[\"io.containers.estargz.uncompressed-size\"]: described the layer's old bytes; \
             removed".into(),
        ]
    );
    // The same again changes nothing, a base layer's time included.
    let again = Manifest::parse(&patched.bytes)
        .unwrap()
        .patch(stamp(SET), &ManifestEdit { moved: Moved::default(), ..edit })
        .unwrap();
    assert!(!again.changed);
}

#[test]
fn a_kept_layer_keeps_what_describes_it_but_not_its_times() {
    let text = fill(MANIFEST);
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let patched = manifest.patch(stamp(CLAMP), &ManifestEdit::default()).unwrap();
    let expected = MANIFEST.replace("2024-01-01T00:00:00Z", "2023-11-14T22:13:20Z").replace("1800000000", "1700000000");
    // "2024" may be any day of that year: clamping leaves what it can't read.
    assert_bytes(&patched, &fill(&expected));
    let paths: Vec<_> = manifest.times().into_iter().map(|site| site.path).collect();
    let expected = [
        "annotations[\"buildkit/rewritten-timestamp\"]",
        "subject.annotations[\"build-date\"]",
        "layers[0].annotations[\"org.opencontainers.image.created\"]",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_descriptor_that_names_the_blob_already_is_left_alone() {
    let text = fill(MANIFEST);
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let rewritten = |old: char, size| {
        LayerEdit::Moved(DescriptorEdit { rewritten: Some(digest('0')), ..DescriptorEdit::blob(digest(old), size) })
    };
    let layers = vec![rewritten('2', 20), rewritten('5', 50)];
    let edit = ManifestEdit { layers, ..ManifestEdit::default() };
    let patched = manifest.patch(stamp(CLAMP), &edit).unwrap();
    let plain = manifest.patch(stamp(CLAMP), &ManifestEdit::default()).unwrap();
    assert_eq!(patched, plain);
}

#[test]
fn the_last_annotation_leaves_an_empty_object() {
    let layer =
        r#"{"layers":[{"annotations": { "io.containers.estargz.uncompressed-size": "1" } ,"digest":"<1>","size":1}]}"#;
    let text = fill(layer);
    let change = DescriptorEdit { rewritten: Some(digest('3')), ..DescriptorEdit::blob(digest('2'), 2) };
    let edit = ManifestEdit { layers: vec![LayerEdit::Moved(change)], ..ManifestEdit::default() };
    let patched = Manifest::parse(text.as_bytes()).unwrap().patch(stamp(SET), &edit).unwrap();
    assert_bytes(&patched, &fill(r#"{"layers":[{"annotations": {} ,"digest":"<2>","size":2}]}"#));
}

#[test]
fn data_without_the_new_bytes_is_dropped_and_reported() {
    for (data, rest) in [
        (r#"{"digest":"<1>","size":2,"data":"e30="}"#, r#"{"digest":"<2>","size":3}"#),
        (r#"{"data":"e30=", "digest":"<1>","size":2}"#, r#"{"digest":"<2>","size":3}"#),
        (r#"{"digest":"<1>", "data":"e30=" ,"size":2}"#, r#"{"digest":"<2>" ,"size":3}"#),
    ] {
        let text = fill(&format!(r#"{{"config":{data}}}"#));
        let edit = ManifestEdit { config: Some(DescriptorEdit::blob(digest('2'), 3)), ..ManifestEdit::default() };
        let patched = Manifest::parse(text.as_bytes()).unwrap().patch(stamp(SET), &edit).unwrap();
        assert_bytes(&patched, &fill(&format!(r#"{{"config":{rest}}}"#)));
        assert_eq!(texts(&patched), ["config.data: repeated the blob's old bytes; removed"]);
    }
}

#[test]
fn what_a_descriptor_says_is_read() {
    let text = fill(
        r#"{"config":null,"artifactType":"application/x","layers":[{"mediaType":"m","digest":"<1>","size":9223372036854775807,
            "urls":["https://example.org/x"],"data":"e30=","artifactType":"a","annotations":{"k":"v","n":1},
            "platform":{"os":"windows","architecture":"amd64","os.version":"10.0.1","os.features":["win32k"],"variant":"v2"}}]}"#,
    );
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    assert!(manifest.config().is_none() && manifest.subject().is_none());
    assert_eq!(manifest.artifact_type().as_deref(), Some("application/x"));
    let layer: &Descriptor = &manifest.layers()[0];
    assert_eq!((layer.path.to_string().as_str(), &*layer.media_type), ("layers[0]", "m"));
    assert_eq!((layer.digest, layer.size), (digest('1'), i64::MAX as u64));
    assert_eq!(layer.urls, ["https://example.org/x"]);
    assert_eq!(layer.annotations, [("k".to_owned(), "v".to_owned())]);
    assert_eq!(layer.decoded_data().unwrap().unwrap(), b"{}");
    let platform = layer.platform.as_ref().unwrap();
    assert_eq!(platform.to_string(), "windows/amd64/v2");
    assert_eq!(
        (platform.os_version.as_deref(), platform.os_features.as_slice()),
        (Some("10.0.1"), ["win32k".to_owned()].as_slice())
    );
}

#[test]
fn what_is_wrong_is_named() {
    let one = |descriptor: &str| fill(&format!(r#"{{"layers":[{{"digest":"<1>","size":1}},{descriptor}]}}"#));
    for (text, message) in [
        (one("5"), "layers[1]: offset 105: descriptor: expected an object, found 5"),
        (one("{}"), "layers[1]: offset 105: digest is missing"),
        (one(r#"{"digest":"<1>"}"#), "layers[1]: offset 105: size is missing"),
        (
            one(r#"{"digest":"<1>","size":-1}"#),
            "layers[1].size: offset 196: size: expected a number of bytes, found -1",
        ),
        (
            one(r#"{"digest":"<1>","size":1.0}"#),
            "layers[1].size: offset 196: size: expected a number of bytes, found 1.0",
        ),
        (
            one(r#"{"digest":"<1>","size":9223372036854775808}"#),
            "layers[1].size: offset 196: size: expected a number of bytes, found 9223372036854775808",
        ),
        (
            one(r#"{"digest":"sha256:AB","size":1}"#),
            "layers[1].digest: offset 115: digest: expected sha256: or sha512: and that many lower-case hexadecimal \
             digits, found \"sha256:AB\"",
        ),
        (r#"{"layers":{}}"#.into(), "layers: offset 10: layers: expected an array, found an object"),
        (
            r#"{"layers":[],"manifests":[{}]}"#.into(),
            "manifests: offset 25: image manifest: expected no list of manifests, found an array",
        ),
        (
            r#"{"schemaVersion":1,"fsLayers":[]}"#.into(),
            "schemaVersion: a Docker schema 1 manifest can't be rewritten: convert the image to OCI or Docker schema 2 first",
        ),
    ] {
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap_err().to_string(), message);
    }
    assert!(Manifest::parse(br#"{"layers":null,"manifests":[]}"#).unwrap().layers().is_empty());
    let text = fill(r#"{"config":{"digest":"<1>","size":1,"data":"?"}}"#);
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let error = manifest.config().unwrap().decoded_data().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("config.data: data: expected base64"), "{error}");
}

#[test]
fn attestations_are_known_by_annotation_or_type() {
    let notes = [("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned())];
    assert!(is_attestation(&notes, None));
    assert!(is_attestation(&[], Some("application/vnd.docker.attestation.manifest.v1+json")));
    assert!(!is_attestation(&[], Some("application/spdx+json")));
    let manifest = Manifest::parse(br#"{"signatures":[{}]}"#).unwrap();
    assert!(manifest.has_signatures());
    assert!(!Manifest::parse(br#"{"signatures":[]}"#).unwrap().has_signatures());
}

#[test]
fn what_leads_to_the_old_bytes_is_reported() {
    let text = fill(r#"{"layers":[{"urls":["https://example.org/1"],"digest":"<1>","size":1}]}"#);
    let change = DescriptorEdit::blob(digest('2'), 1);
    let edit = ManifestEdit { layers: vec![LayerEdit::Moved(change)], ..ManifestEdit::default() };
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let patched = manifest.patch(stamp(SET), &edit).unwrap();
    assert_bytes(&patched, &fill(r#"{"layers":[{"urls":["https://example.org/1"],"digest":"<2>","size":1}]}"#));
    assert_eq!(texts(&patched), ["layers[0].urls: leads to the blob's old bytes; left as it is"]);
    // A blob that is as it was can still be got there.
    let kept = manifest.patch(stamp(SET), &ManifestEdit::default()).unwrap();
    assert!(!kept.changed && texts(&kept).is_empty());
}
