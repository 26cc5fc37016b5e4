//! Hostile and broken input: exit status 2, a message that names the place, nothing under the final name, no temp
//! files beside it, and the input as it was.

use crate::support;

use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, OCI_INDEX, blob_path, read_tar};
use crate::support::tarball::{Dialect, Entry, append_pax, checksum, header, open, tar};
use crate::support::{Build, Outcome, docker, hello, names, pipe, run, scratch, text, write};
use serde_json::{Value, json};

const BUILD: Build = Build::FIRST;

/// Rewrites an archive from a file to a file; on an error, sees to it that nothing is left.
#[track_caller]
fn attempt(bytes: &[u8]) -> Outcome {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", bytes);
    let to = dir.path().join("out.tar");
    let outcome = run(["rewrite", "--epoch", "1700000000", text(&source), text(&to)]);
    assert!(std::fs::read(&source).unwrap() == bytes, "the input has changed");
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    match outcome.code {
        Some(0) => assert_eq!(names(dir.path()), ["in.tar", "out.tar"]),
        _ => assert_eq!(names(dir.path()), ["in.tar"], "left behind"),
    }
    outcome
}

/// Rewrites an archive that is no good, by file and by pipe; the message names the parts.
#[track_caller]
fn refused(bytes: &[u8], parts: &[&str]) {
    attempt(bytes).expect_error(&[&["in.tar"], parts].concat());
    let outcome = pipe(["rewrite", "--epoch", "1700000000"], bytes).expect_error(parts);
    assert!(!complete(&outcome.stdout), "a whole archive came out");
}

/// Is this an archive that a consumer would take?
fn complete(bytes: &[u8]) -> bool {
    bytes.len() >= 1024
        && bytes[bytes.len() - 1024..].iter().all(|&byte| byte == 0)
        && std::panic::catch_unwind(|| read_tar(bytes).contains_key("index.json")).unwrap_or(false)
}

/// A one-layer image as an OCI tar.
fn wrapped(layer: Vec<u8>) -> Vec<u8> {
    let layers = vec![Layer::new(layer, Packing::Gzip, Family::Oci, &BUILD)];
    Layout::of(&Image::new(layers, Family::Oci, &BUILD, &["bad:1"]), &BUILD).tar(&BUILD)
}

fn hello_layout() -> Layout {
    Layout::of(&hello(&BUILD, Packing::Gzip), &BUILD)
}

#[test]
fn truncated_at_every_block() {
    for bytes in [hello_layout().tar(&BUILD), docker::legacy(&[docker::plain(hello(&BUILD, Packing::Gzip))], &BUILD)] {
        let whole = pipe(["rewrite", "--epoch", "1700000000", "-q"], &bytes).expect(0).stdout;
        for length in (0..bytes.len()).step_by(512) {
            let outcome = attempt(&bytes[..length]);
            // With one of the two blocks of its end marker, an archive is all there.
            if length + 512 == bytes.len() && outcome.code == Some(0) {
                let again = pipe(["rewrite", "--epoch", "1700000000", "-q"], &bytes[..length]).expect(0).stdout;
                assert!(again == whole, "cut at {length}");
            } else {
                outcome.expect_error(&["in.tar"]);
            }
        }
    }
}

#[test]
fn truncated_in_the_middle_of_a_block() {
    let bytes = hello_layout().tar(&BUILD);
    for length in [1, 100, 511, 513, 3000, bytes.len() - 1025, bytes.len() - 1000] {
        attempt(&bytes[..length]).expect_error(&["in.tar"]);
    }
}

#[test]
fn flipped_bits_in_blobs() {
    let layout = hello_layout();
    for (name, bytes) in layout.files.iter().filter(|(name, _)| name.starts_with("blobs/")) {
        let step = (bytes.len() / 12).max(1);
        for (number, at) in (0..bytes.len()).step_by(step).enumerate() {
            let mut broken = layout.clone();
            broken.files.get_mut(name).unwrap()[at] ^= 1 << (number % 8);
            attempt(&broken.tar(&BUILD)).expect_error(&["in.tar", &name["blobs/sha256/".len()..][..12]]);
        }
    }
}

#[test]
fn flipped_bits_in_a_layer_of_docker_save() {
    let image = docker::plain(hello(&BUILD, Packing::Gzip));
    for at in (0..image.layers[0].tar.len()).step_by(397) {
        let mut broken = image.clone();
        let mut tar = broken.layers[0].tar.clone();
        tar[at] ^= 4;
        broken.layers[0].blob = tar.clone();
        // The config still has the digest of what was there before.
        broken.layers[0].tar = tar;
        refused(&docker::legacy(&[broken], &BUILD), &["layer.tar"]);
    }
}

#[test]
fn flipped_bits_anywhere_else_do_no_harm() {
    let bytes = hello_layout().tar(&BUILD);
    for at in (0..bytes.len()).step_by(131) {
        let mut broken = bytes.clone();
        broken[at] ^= 1 << (at % 8);
        let outcome = attempt(&broken);
        assert!(matches!(outcome.code, Some(0 | 2)), "bit {} of byte {at}: {:?}", at % 8, outcome.code);
    }
}

/// A layout whose one manifest has been edited, with all digests above it made to hold.
fn edited(edit: impl Fn(&mut Value)) -> Vec<u8> {
    let mut layout = hello_layout();
    let path = blob_path(layout.manifests[0]["digest"].as_str().unwrap());
    let mut manifest: Value = serde_json::from_slice(&layout.files.remove(&path).unwrap()).unwrap();
    edit(&mut manifest);
    let descriptor = layout.put(support::layout::OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    layout.manifests = vec![descriptor];
    layout.tar(&BUILD)
}

#[test]
fn wrong_sizes_and_digests() {
    let other = support::sha256(b"{}");
    for (what, edit) in [
        ("size", json!({"layers": [{"size": 1}]})),
        ("size", json!({"layers": [{"size": -1}]})),
        ("size", json!({"layers": [{"size": 1.5}]})),
        ("size", json!({"layers": [{"size": "300"}]})),
        ("size", json!({"layers": [{"size": 18_446_744_073_709_551_615_u64}]})),
        ("size", json!({"config": {"size": 3}})),
        (&other[..19], json!({"layers": [{"digest": other}]})),
        ("digest", json!({"layers": [{"digest": "sha256:../../../../etc/passwd"}]})),
        ("digest", json!({"layers": [{"digest": "/etc/passwd"}]})),
        ("digest", json!({"layers": [{"digest": "md5:d41d8cd98f00b204e9800998ecf8427e"}]})),
        ("digest", json!({"layers": [{"digest": 7}]})),
        ("digest", json!({"layers": [{"digest": null}]})),
        ("digest", json!({"config": {"digest": format!("{}00", support::sha256(b""))}})),
    ] {
        refused(&edited(|manifest| merge(manifest, &edit)), &[what]);
    }
    refused(&edited(|manifest| manifest["layers"] = json!({})), &["layers"]);
    refused(&edited(|manifest| manifest["layers"] = json!(["x"])), &["layers"]);
    refused(&edited(|manifest| manifest["config"] = Value::Null), &["config"]);
    // One layer less than the config has diff_ids.
    refused(&edited(|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop())), &["diff_ids"]);
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => from.iter().for_each(|(key, value)| merge(&mut into[key], value)),
        (Value::Array(into), Value::Array(from)) => {
            into.iter_mut().zip(from).for_each(|(into, from)| merge(into, from))
        }
        (into, from) => *into = from.clone(),
    }
}

/// A layout whose config's text has been edited, with all digests above it made to hold.
fn edited_config(edit: impl Fn(&str) -> String) -> Vec<u8> {
    let mut image = hello(&BUILD, Packing::Gzip);
    image.config = edit(std::str::from_utf8(&image.config).unwrap()).into_bytes();
    Layout::of(&image, &BUILD).tar(&BUILD)
}

#[test]
fn wrong_configs() {
    let diff_id = hello(&BUILD, Packing::Gzip).layers[0].diff_id();
    let replace = |from: &str, to: &str| edited_config(|text| text.replacen(from, to, 1));
    refused(&replace(&diff_id, &support::sha256(b"other")), &["diff_id", &diff_id]);
    refused(&replace(&diff_id, "sha256:00"), &["diff_id"]);
    refused(&replace("\"created\" : \"2025-", "\"created\" : \"yesterday 2025-"), &["created", "yesterday"]);
    refused(&replace("\"created\" : \"2025-10-09T", "\"created\" : \"2025-10-99T"), &["created"]);
    refused(&replace("\"history\":[", "\"history\":[7,"), &["history"]);
    refused(&replace("{\"architecture\"", "{\"created\":null,\"architecture\""), &["created", "twice"]);
    refused(&replace("{\"architecture\"", "{\"architecture\":\"x\",\"architecture\""), &["architecture", "twice"]);
    refused(&replace("{\"architecture\"", "{\"cre\\u0061ted\":\"x\",\"architecture\""), &["created", "twice"]);
    refused(&edited_config(|text| text[..text.len() - 1].to_owned()), &[]);
    refused(&edited_config(|text| format!("{text}x")), &[]);
    refused(&edited_config(|text| format!("\u{feff}{text}")), &[]);
    refused(&edited_config(|_| String::new()), &[]);
    refused(&edited_config(|_| "[]".to_owned()), &[]);
    let deep = format!("\"deep\":{}{},", "[".repeat(10_000), "]".repeat(10_000));
    refused(&replace("{\"architecture\"", &format!("{{{deep}\"architecture\"")), &["deep"]);
}

#[test]
fn wrong_indexes() {
    let with_index = |index: &str| {
        let mut files = hello_layout().all();
        files.insert("index.json".to_owned(), index.as_bytes().to_vec());
        support::layout::tar_files(&files, &BUILD)
    };
    let good = String::from_utf8(hello_layout().index()).unwrap();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (index, part) in [
        ("", "index.json"),
        ("{", "index.json"),
        ("null", "index.json"),
        ("[]", "index.json"),
        (&deep, "index.json"),
        (&format!("{{\"manifests\":{deep}}}"), "index.json"),
        (&good.replacen("{\"schemaVersion\"", "{\"schemaVersion\":2,\"schemaVersion\"", 1), "twice"),
        (&good.replacen("\"size\":", "\"size\":1,\"size\":", 1), "twice"),
    ] {
        refused(&with_index(index), &[part]);
    }
    let mut files = hello_layout().all();
    files.remove("index.json");
    refused(&support::layout::tar_files(&files, &BUILD), &[]);
    // A spec version that nobody knows.
    let mut files = hello_layout().all();
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec());
    refused(&support::layout::tar_files(&files, &BUILD), &["2.0.0"]);
}

#[test]
fn an_index_that_lists_itself() {
    let mut layout = hello_layout();
    // Its digest can't hold; what matters is that the walk ends.
    let digest = support::sha256(b"ouroboros");
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_INDEX, "digest": digest, "size": 229},
    ]});
    let bytes = serde_json::to_vec(&index).unwrap();
    layout.manifests = vec![json!({"mediaType": OCI_INDEX, "digest": digest, "size": bytes.len()})];
    layout.files.insert(blob_path(&digest), bytes);
    refused(&layout.tar(&BUILD), &[&digest[..19]]);
}

#[test]
fn an_index_nested_without_end() {
    let mut layout = hello_layout();
    let mut inner = layout.manifests[0].clone();
    for _ in 0..2000 {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]});
        inner = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    }
    layout.manifests = vec![inner];
    // Depth has a limit, or it is walked; what matters is that the stack holds.
    assert!(matches!(attempt(&layout.tar(&BUILD)).code, Some(0 | 2)));
}

#[test]
fn names_that_lead_out_of_the_archive() {
    let build = BUILD;
    let image = docker::plain(hello(&build, Packing::Gzip));
    let id = support::sha256_hex(&image.config);
    let saved = |config: &str, layer: &str, more: &[Entry]| {
        let manifest = json!([{"Config": config, "RepoTags": ["x:1"], "Layers": [layer, "b.tar"]}]);
        let mut entries = more.to_vec();
        entries.push(Entry::file(format!("{id}.json"), &image.config, 0));
        entries.push(Entry::file("a.tar", &image.layers[0].tar, 0));
        entries.push(Entry::file("b.tar", &image.layers[1].tar, 0));
        entries.push(Entry::file("manifest.json", serde_json::to_vec(&manifest).unwrap(), 0));
        tar(&entries)
    };
    let config = format!("{id}.json");
    let link = |name: &str, to: &str| Entry::link(b'2', name, to, 0);
    assert_eq!(attempt(&saved(&config, "a.tar", &[])).code, Some(0));
    assert_eq!(attempt(&saved(&config, "l/layer.tar", &[link("l/layer.tar", "../a.tar")])).code, Some(0));
    for name in ["/etc/hostname", "../../../../../../etc/hostname", "nowhere.tar", "", ".", "a.tar/x"] {
        refused(&saved(&config, name, &[]), &["manifest.json"]);
    }
    refused(&saved("/etc/hostname", "a.tar", &[]), &["/etc/hostname"]);
    for target in ["/etc/hostname", "../../../../../../etc/hostname", "l", "m", "../l"] {
        refused(&saved(&config, "l", &[link("l", target), link("m", "l")]), &["l"]);
    }
    let chain: Vec<Entry> = (0..500).map(|n| link(&format!("s{n}"), &format!("s{}", n + 1))).collect();
    assert!(matches!(attempt(&saved(&config, "s0", &[chain, vec![link("s500", "a.tar")]].concat())).code, Some(0 | 2)));
}

#[test]
fn nothing_is_extracted_under_a_name_that_the_input_chose() {
    let dir = scratch();
    let inner = dir.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    let evil = dir.path().join("evil-absolute");
    let entries = [
        Entry::file("../evil", "x", 0),
        Entry::file("../../evil", "x", 0),
        Entry::file(text(&evil), "x", 0),
        Entry::link(b'2', "blobs/link", "/tmp", 0),
        Entry::file("blobs/link/evil", "x", 0),
        Entry::new(b'3', "null", 0),
    ];
    let bytes = [open(&entries), hello_layout().tar(&BUILD)].concat();
    let source = write(&inner, "in.tar", &bytes);
    for to in [text(&inner.join("out.tar")), &format!("oci:{}", text(&inner.join("out")))] {
        let outcome = run(["rewrite", "--epoch", "1700000000", text(&source), to]);
        assert!(matches!(outcome.code, Some(0 | 2)), "{}", outcome.stderr);
    }
    assert_eq!(names(dir.path()), ["a"]);
    assert_eq!(names(&dir.path().join("a")), ["b"]);
    assert!(!std::path::Path::new("/tmp/evil").exists());
}

#[test]
fn an_entry_that_occurs_twice() {
    let layout = hello_layout();
    let twice = |name: &str, bytes: &[u8]| [open(&[Entry::file(name, bytes, 0)]), layout.tar(&BUILD)].concat();
    let index = format!("{} ", String::from_utf8(layout.index()).unwrap());
    refused(&twice("index.json", index.as_bytes()), &["index.json"]);
    let (name, bytes) = layout.files.iter().find(|(name, _)| name.starts_with("blobs/")).unwrap();
    let mut other = bytes.clone();
    other[5] ^= 1;
    refused(&twice(name, &other), &[name]);
}

/// Tar streams that are malformed, with what the message has to name.
fn malformed() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let good = Entry::file("good", "good\n", 1).gnu();
    let after = |entry: &[u8]| [&open(std::slice::from_ref(&good)), entry, &[0; 1024]].concat();
    let block = |name: &str, edit: &dyn Fn(&mut [u8; 512])| {
        let mut block = header(Dialect::Gnu, b'0', name.as_bytes(), 0, 1);
        edit(&mut block);
        checksum(&mut block);
        after(&block)
    };
    let pax = |payload: &[u8]| {
        let mut out = header(Dialect::Ustar, b'x', b"bad", payload.len() as u64, 0).to_vec();
        out.extend_from_slice(payload);
        out.resize(out.len().next_multiple_of(512), 0);
        Entry::file("bad", "", 1).append(&mut out);
        after(&out)
    };
    let mut wrong_sum = header(Dialect::Gnu, b'0', b"bad", 0, 1);
    wrong_sum[0] = b'B';
    let mut huge = header(Dialect::Ustar, b'x', b"bad", 4 << 30, 0).to_vec();
    huge.extend(b"4294967296 path=x\n");
    let mut global = Vec::new();
    append_pax(&mut global, b'g', b"bad", 0, &[(b"mtime".to_vec(), b"soon".to_vec())]);
    vec![
        ("checksum", after(&wrong_sum), vec!["checksum", "offset 1024"]),
        ("no tar at all", support::noise(5000, 1), vec!["offset 0"]),
        ("text", b"hello\n".repeat(500), vec!["offset 0"]),
        ("mtime", block("bad", &|block| block[136..148].copy_from_slice(b"yesterday\0\0\0")), vec!["bad", "mtime"]),
        ("size", block("bad", &|block| block[124..136].copy_from_slice(b"0000000009x\0")), vec!["bad", "size"]),
        ("negative size", block("bad", &|block| block[124..136].fill(0xff)), vec!["bad", "size"]),
        (
            "huge size",
            block("bad", &|block| block[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")),
            vec!["bad"],
        ),
        (
            "content cut off",
            [open(std::slice::from_ref(&good)), header(Dialect::Gnu, b'0', b"bad", 5000, 1).to_vec()].concat(),
            vec!["bad"],
        ),
        ("header cut off", [&open(std::slice::from_ref(&good))[..], &[b'x'; 100]].concat(), vec!["offset 1024"]),
        ("PAX mtime", pax(&support::tarball::record(b"mtime", b"12x")), vec!["mtime", "12x"]),
        ("PAX mtime that is empty of digits", pax(&support::tarball::record(b"atime", b".")), vec!["atime"]),
        ("PAX size", pax(&support::tarball::record(b"size", b"-5")), vec!["size", "-5"]),
        ("PAX length", pax(b"99 mtime=1\n"), vec!["bad", "offset"]),
        ("PAX length of zero", pax(b"0 mtime=1\n"), vec!["bad", "offset"]),
        ("PAX without =", pax(b"10 abcdef\n"), vec!["bad", "offset"]),
        ("PAX without newline", pax(b"11 mtime=12"), vec!["bad", "offset"]),
        ("PAX record of 4 GiB", after(&huge), vec!["bad", "offset 1024"]),
        ("global mtime", after(&global), vec!["mtime", "soon"]),
        ("long name of 4 GiB", after(&header(Dialect::Gnu, b'L', b"bad", 4 << 30, 0)), vec!["offset 1024"]),
    ]
}

#[test]
fn malformed_layers_are_refused_with_entry_and_offset() {
    for (what, tar, parts) in malformed() {
        let outcome = attempt(&wrapped(tar.clone()));
        assert_eq!(outcome.code, Some(2), "{what}: {}", outcome.stderr);
        let digest = Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD).digest();
        for part in parts.iter().chain(&["in.tar", "offset", &digest["sha256:".len()..][..12]]) {
            assert!(outcome.stderr.contains(part), "{what}: no {part:?} in {}", outcome.stderr);
        }
    }
}

#[test]
fn broken_compression() {
    let with_blob = |blob: Vec<u8>, packing| {
        let mut layer = Layer::new(support::layer::base(&BUILD), packing, Family::Oci, &BUILD);
        layer.blob = blob;
        Layout::of(&Image::new(vec![layer], Family::Oci, &BUILD, &["bad:1"]), &BUILD).tar(&BUILD)
    };
    for packing in [Packing::Gzip, Packing::Zstd] {
        let good = Layer::new(support::layer::base(&BUILD), packing, Family::Oci, &BUILD).blob;
        let digest = |blob: &[u8]| support::sha256_hex(blob)[..12].to_owned();
        let short = good[..good.len() - 5].to_vec();
        let junk = [good.as_slice(), b"junk after the end"].concat();
        let half = [&good[..], &good[..good.len() / 2]].concat();
        for blob in [short, junk, half, good[..3].to_vec(), Vec::new()] {
            refused(&with_blob(blob.clone(), packing), &[&digest(&blob)]);
        }
    }
}
