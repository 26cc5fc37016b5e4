//! Layers, and what annotations say of their bytes.

use serde_json::{Value, json};

use crate::check::made::{BUILD, Edits, faults, only, other};
use crate::support::layer::{Family, Layer, Packing, gzip};
use crate::support::tarball::{Entry, open, tar};
use crate::support::{self, Build, pipe, sha256};

/// An eStargz layer: its entries, its TOC, the footer that leads to that.
fn estargz(toc: &[u8]) -> (Layer, String) {
    let tar = open(&[Entry::file("file", "content", BUILD.seconds)]);
    let mut end = open(&[Entry::file("stargz.index.json", toc, BUILD.seconds)]);
    end.extend([0; 1024]);
    let mut blob = gzip(&tar, 6, 0);
    let offset = blob.len();
    blob.extend(gzip(&end, 6, 0));
    // RFC 1952: a member with an extra field and no content.
    blob.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0]);
    blob.extend(format!("{offset:016x}STARGZ").into_bytes());
    blob.extend([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    let tar = [tar, end].concat();
    let size = tar.len().to_string();
    let media_type = support::layer::media_type(Packing::Gzip, Family::Oci).to_owned();
    (Layer { tar, blob, media_type, annotations: None }, size)
}

#[test]
fn annotations_of_lazy_pulling() {
    let toc = br#"{"version":1,"entries":[{"name":"file","type":"reg","modtime":"2023-11-14T22:13:20Z"}]}"#;
    let (layer, size) = estargz(toc);
    let with = |annotations: &[(&str, &str)]| {
        let annotations: Value = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let layer = Layer { annotations: Some(annotations), ..layer.clone() };
        Edits { layers: vec![layer], ..Edits::default() }.tar()
    };
    const TOC: &str = "containerd.io/snapshot/stargz/toc.digest";
    const SIZE: &str = "io.containers.estargz.uncompressed-size";
    const UNCOMPRESSED: &str = "containerd.io/uncompressed";
    let good = [(TOC, &*sha256(toc)), (SIZE, &*size), (UNCOMPRESSED, &*layer.diff_id())];
    assert_eq!(faults(&with(&good)), [[""; 4]; 0]);
    for (key, value) in [(TOC, &*other()), (TOC, "x"), (SIZE, "1"), (UNCOMPRESSED, &*other())] {
        only(&with(&[(key, value)]), "annotation", &layer.digest(), &[key]);
    }
    let plain = Layer { annotations: Some(json!({TOC: sha256(toc)})), ..Edits::default().layers[0].clone() };
    let plain = Edits { layers: vec![plain], ..Edits::default() };
    only(&plain.tar(), "annotation", "sha256:", &[TOC, "no TOC"]);
    const POSITION: &str = "io.github.containers.zstd-chunked.manifest-position";
    only(&with(&[(POSITION, "0:100:200:1")]), "annotation", &layer.digest(), &["manifest-position"]);
    only(&with(&[(POSITION, "99999999999999999999:1")]), "annotation", &layer.digest(), &["manifest-position"]);
}

#[test]
fn times_in_a_table_of_contents() {
    let (layer, _) =
        estargz(br#"{"version":1,"entries":[{"name":"file","type":"reg","modtime":"2024-01-01T00:00:00Z"}]}"#);
    let made = Edits { layers: vec![layer], ..Edits::default() }.make();
    let said = pipe(["check", "--epoch", "1700000000"], &made.layout.tar(&BUILD)).expect(1).text();
    assert!(said.contains("file: modtime in the TOC is 2024-01-01T00:00:00Z"), "{said}");
}

#[test]
fn frames_of_zstd_chunked() {
    let manifest = zstd::bulk::compress(b"{\"version\":1}", 3).unwrap();
    let tar = tar(&[Entry::file("file", "content", BUILD.seconds)]);
    let mut blob = zstd::bulk::compress(&tar, 3).unwrap();
    // RFC 8878, 3.1.2: a skippable frame.
    blob.extend([0x50, 0x2a, 0x4d, 0x18]);
    blob.extend((manifest.len() as u32).to_le_bytes());
    let position = format!("{}:{}:13:1", blob.len(), manifest.len());
    blob.extend(&manifest);
    let media_type = support::layer::media_type(Packing::Zstd, Family::Oci).to_owned();
    let check = |position: &str, checksum: &str, toc: &str| {
        let annotations = json!({
            "io.github.containers.zstd-chunked.manifest-position": position,
            "io.github.containers.zstd-chunked.manifest-checksum": checksum,
            "containerd.io/snapshot/stargz/toc.digest": toc,
        });
        let layer = Layer {
            tar: tar.clone(),
            blob: blob.clone(),
            media_type: media_type.clone(),
            annotations: Some(annotations),
        };
        Edits { layers: vec![layer], ..Edits::default() }.tar()
    };
    let (checksum, toc) = (sha256(&manifest), sha256(b"{\"version\":1}"));
    assert_eq!(faults(&check(&position, &checksum, &toc)), [[""; 4]; 0]);
    only(&check(&position, &other(), &toc), "annotation", "sha256:", &["manifest-checksum"]);
    only(&check(&position, &checksum, &other()), "annotation", "sha256:", &["toc.digest"]);
}

#[test]
fn gzip_times_are_a_note_when_clamping() {
    let build = Build { seconds: support::EPOCH + 5, ..BUILD };
    let layer = Layer::new(tar(&[Entry::file("file", "", BUILD.seconds)]), Packing::Gzip, Family::Oci, &build);
    let image = Edits { layers: vec![layer], ..Edits::default() };
    let config = |config: &mut Value| {
        config["created"] = json!(support::EPOCH_DATE);
        config["config"]["Labels"] = json!({});
        config["history"] = json!([]);
    };
    let bytes = Edits { config: &config, ..image }.tar();
    let said = pipe(["check", "--epoch", "1700000000"], &bytes).expect(1).text();
    assert!(said.contains("  MTIME of the gzip header is 2023-11-14T22:13:25Z"), "{said}");
    let said = pipe(["check", "--clamp", "--epoch", "1700000000"], &bytes).expect(0).text();
    assert!(said.contains("note: MTIME of the gzip header is 2023-11-14T22:13:25Z"), "{said}");
}
