//! A judge of rewritten images that shares no code with restamp: do all digests hold, is every time the epoch,
//! is everything else as it was?

use super::layer::unpack;
use super::layout::{Files, blob_path};
use super::tarball::BLOCK;
use super::{EPOCH, EPOCH_DATE, sha256, sha256_hex};
use serde_json::Value;

/// What hangs on an `index.json` or a `manifest.json`, each blob once, in the order of the walk.
#[derive(Debug, Default)]
pub struct Seen {
    /// Digest of the blob, its media type, the uncompressed tar.
    pub layers: Vec<(String, String, Vec<u8>)>,
    pub configs: Vec<Value>,
    pub manifests: Vec<Value>,
    pub indexes: Vec<Value>,
    pub digests: Vec<String>,
}

impl Seen {
    pub fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(|(_, _, tar)| sha256(tar)).collect()
    }
}

/// Follows every descriptor from `index.json` down, and `manifest.json` where there is one; asserts that each digest,
/// size and diff_id holds.
#[track_caller]
pub fn walk(files: &Files) -> Seen {
    let mut seen = Seen::default();
    if let Some(index) = files.get("index.json") {
        assert_eq!(parse(&files["oci-layout"])["imageLayoutVersion"], "1.0.0");
        let index = parse(index);
        for child in index["manifests"].as_array().into_iter().flatten() {
            node(files, child, &mut seen);
        }
        seen.indexes.push(index);
    }
    if let Some(manifest) = files.get("manifest.json") {
        for image in parse(manifest).as_array().unwrap() {
            saved(files, image, &mut seen);
        }
    }
    seen
}

/// Asserts that no blob is there that nothing refers to.
#[track_caller]
pub fn expect_no_orphans(files: &Files, seen: &Seen) {
    for name in files.keys().filter(|name| name.starts_with("blobs/")) {
        assert!(seen.digests.iter().any(|digest| blob_path(digest) == *name), "nothing refers to {name}");
    }
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[track_caller]
fn blob<'a>(files: &'a Files, descriptor: &Value) -> (String, &'a [u8]) {
    let digest = descriptor["digest"].as_str().unwrap().to_owned();
    let bytes = files.get(&blob_path(&digest)).unwrap_or_else(|| panic!("no blob {digest}"));
    assert_eq!(sha256(bytes), digest);
    assert_eq!(descriptor["size"], bytes.len(), "{digest}");
    if let Some(data) = descriptor["data"].as_str() {
        use base64::Engine as _;
        assert!(base64::engine::general_purpose::STANDARD.decode(data).unwrap() == *bytes, "data of {digest}");
    }
    (digest, bytes)
}

fn node(files: &Files, descriptor: &Value, seen: &mut Seen) {
    let (digest, bytes) = blob(files, descriptor);
    if seen.digests.contains(&digest) {
        return;
    }
    seen.digests.push(digest.clone());
    let document = parse(bytes);
    if let Some(subject) = document.get("subject") {
        blob(files, subject);
    }
    if let Some(children) = document["manifests"].as_array() {
        for child in children {
            node(files, child, seen);
        }
        for child in children {
            if let Some(about) = child["annotations"]["vnd.docker.reference.digest"].as_str() {
                assert!(children.iter().any(|other| other["digest"] == about), "an attestation is about {about}");
            }
        }
        seen.indexes.push(document);
        return;
    }
    let (config, bytes) = blob(files, &document["config"]);
    let is_image = document["config"]["mediaType"].as_str().unwrap().contains("image");
    let diff_ids = if is_image { parse(bytes)["rootfs"]["diff_ids"].clone() } else { Value::Null };
    for (number, layer) in document["layers"].as_array().unwrap().iter().enumerate() {
        let (digest, bytes) = blob(files, layer);
        let media_type = layer["mediaType"].as_str().unwrap();
        let new = !seen.digests.contains(&digest);
        if is_image && media_type.contains("tar") {
            let tar = unpack(bytes);
            assert_eq!(diff_ids[number], sha256(&tar), "diff_id of {digest}");
            assert_eq!(media_type.contains("gzip"), bytes.starts_with(&[0x1f, 0x8b]), "{media_type}");
            assert_eq!(media_type.contains("zstd"), bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "{media_type}");
            if new {
                seen.layers.push((digest.clone(), media_type.to_owned(), tar));
            }
        }
        if media_type == super::graph::IN_TOTO {
            let about = parse(bytes)["subject"][0]["digest"]["sha256"].as_str().unwrap().to_owned();
            assert!(files.contains_key(&format!("blobs/sha256/{about}")), "a statement is about {about}");
        }
        seen.digests.push(digest);
    }
    if !seen.digests.contains(&config) {
        if is_image && diff_ids.as_array().is_some_and(|ids| !ids.is_empty()) && document.get("subject").is_none() {
            seen.configs.push(parse(bytes));
        }
        seen.digests.push(config);
    }
    seen.manifests.push(document);
}

fn saved(files: &Files, image: &Value, seen: &mut Seen) {
    let path = image["Config"].as_str().unwrap();
    let config = files.get(path).unwrap_or_else(|| panic!("no {path}"));
    assert!(path.contains(&sha256_hex(config)), "{path}");
    let config_digest = sha256(config);
    let config = parse(config);
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap().clone();
    let layers = image["Layers"].as_array().unwrap();
    assert_eq!(layers.len(), diff_ids.len());
    for (path, diff_id) in layers.iter().zip(&diff_ids) {
        let path = path.as_str().unwrap();
        let bytes = files.get(path).unwrap_or_else(|| panic!("no {path}"));
        let tar = unpack(bytes);
        assert_eq!(*diff_id, sha256(&tar), "diff_id of {path}");
        if !seen.digests.contains(&sha256(bytes)) {
            seen.layers.push((sha256(bytes), "tar".to_owned(), tar));
            seen.digests.push(sha256(bytes));
        }
        if let Some(source) = image["LayerSources"].get(diff_id.as_str().unwrap()) {
            assert_eq!(source["digest"], sha256(bytes), "LayerSources of {path}");
            assert_eq!(source["size"], bytes.len(), "LayerSources of {path}");
        }
    }
    if let Some(sources) = image["LayerSources"].as_object() {
        assert!(sources.keys().all(|key| diff_ids.iter().any(|id| id == key)), "stale LayerSources");
    }
    if !seen.digests.contains(&config_digest) {
        seen.configs.push(config);
        seen.digests.push(config_digest);
    }
}

/// Asserts that every time in the image is the epoch, or under `clamp` not later.
#[track_caller]
pub fn expect_stamped(seen: &Seen, clamp: bool) {
    for (digest, _, tar) in &seen.layers {
        for (place, time) in times(tar) {
            let header = place.ends_with(" own") && time == "0";
            let early = clamp && time.parse::<f64>().unwrap() <= EPOCH as f64;
            assert!(time == EPOCH.to_string() || header || early, "{digest}: {place}: {time}");
        }
    }
    for document in seen.configs.iter().chain(&seen.manifests).chain(&seen.indexes) {
        for (path, date) in dates(document) {
            assert!(date == EPOCH_DATE || clamp && date.as_str() <= EPOCH_DATE, "{path}: {date} in {document}");
        }
    }
}

/// Asserts that two images differ in nothing but times and what follows from them.
#[track_caller]
pub fn expect_lossless(old: &Seen, new: &Seen) {
    assert_eq!(old.layers.len(), new.layers.len());
    for ((digest, _, before), (_, _, after)) in old.layers.iter().zip(&new.layers) {
        let (before, after) = (sans_time(before), sans_time(after));
        assert_eq!(before.len(), after.len(), "parts of {digest}");
        for (number, (before, after)) in before.iter().zip(&after).enumerate() {
            let show = |part: &[u8]| {
                part.escape_ascii().to_string().replace("\\x00", "").chars().take(300).collect::<String>()
            };
            assert!(before == after, "part {number} of {digest}: {} became {}", show(before), show(after));
        }
    }
    let blank_all = |documents: &[Value]| documents.iter().map(blank).collect::<Vec<_>>();
    assert_eq!(blank_all(&old.configs), blank_all(&new.configs));
}

/// Every date in a document by its path.
pub fn dates(document: &Value) -> Vec<(String, String)> {
    fn visit(path: String, value: &Value, out: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) if is_date(text) => out.push((path, text.clone())),
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(i, item)| visit(format!("{path}[{i}]"), item, out))
            }
            Value::Object(map) => map.iter().for_each(|(key, item)| visit(format!("{path}.{key}"), item, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    visit(String::new(), document, &mut out);
    out
}

fn is_date(text: &str) -> bool {
    text.len() >= 20 && text.as_bytes()[10] == b'T' && text.as_bytes()[4] == b'-' && text.ends_with('Z')
}

/// A document in which dates, digests and sizes say nothing.
pub fn blank(document: &Value) -> Value {
    match document {
        Value::String(text) if is_date(text) => "<date>".into(),
        Value::String(text) if text.starts_with("sha256:") => "<digest>".into(),
        Value::Array(list) => list.iter().map(blank).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, item)| (key.clone(), if key == "size" { Value::Null } else { blank(item) })).collect()
        }
        other => other.clone(),
    }
}

/// Every time in a tar stream: `<entry> <field>` and its value as it stands there.
pub fn times(tar: &[u8]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for part in parts(tar) {
        let name = String::from_utf8_lossy(&part.header[..100]).trim_end_matches('\0').to_owned();
        let own = if matches!(part.kind, b'x' | b'g' | b'L' | b'K') { " own" } else { "" };
        out.push((format!("{name} mtime{own}"), number(&part.header[136..148]).to_string()));
        if part.gnu && own.is_empty() {
            for (field, at) in [("atime", 345), ("ctime", 357)] {
                if part.header[at] != 0 && part.header[at..at + 11].iter().any(|&byte| byte != b'0') {
                    out.push((format!("{name} {field}"), number(&part.header[at..at + 12]).to_string()));
                }
            }
        }
        for (key, value) in records(&part) {
            if is_time(&key) {
                out.push((format!("{name} {}", String::from_utf8_lossy(&key)), String::from_utf8(value).unwrap()));
            }
        }
    }
    out
}

/// The parts of a tar stream with all times taken out, and PAX headers that held nothing else.
fn sans_time(tar: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut end = 0;
    for part in parts(tar) {
        end = part.end;
        let mut header = part.header.to_vec();
        header[136..148].fill(0);
        header[148..156].fill(0);
        if part.gnu {
            header[345..369].fill(0);
        }
        if matches!(part.kind, b'x' | b'g') {
            let kept: Vec<_> = records(&part).into_iter().filter(|(key, _)| !is_time(key)).collect();
            if !kept.is_empty() {
                // Its name and size follow from what was taken out and from who wrote it.
                out.push([&[part.kind][..], format!("{kept:?}").as_bytes()].concat());
            }
            continue;
        }
        out.push(header);
        out.push(part.rest.to_vec());
    }
    out.push(tar[end..].to_vec());
    out
}

fn is_time(key: &[u8]) -> bool {
    matches!(key, b"mtime" | b"atime" | b"ctime" | b"LIBARCHIVE.creationtime")
}

struct Part<'a> {
    kind: u8,
    gnu: bool,
    header: &'a [u8],
    /// Sparse extension blocks and data with its padding.
    rest: &'a [u8],
    size: usize,
    end: usize,
}

fn parts(tar: &[u8]) -> Vec<Part<'_>> {
    let mut out = Vec::new();
    let (mut at, mut next_size) = (0, None);
    while let Some(header) = tar.get(at..at + BLOCK).filter(|block| block.iter().any(|&byte| byte != 0)) {
        let sum: i128 =
            header.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { 32 } else { i128::from(b) }).sum();
        assert_eq!(number(&header[148..156]), sum, "checksum at {at}");
        let kind = header[156];
        let gnu = &header[257..265] == b"ustar  \0";
        let mut start = at + BLOCK;
        if gnu && kind == b'S' && header[482] == 1 {
            while tar[start + 504] == 1 {
                start += BLOCK;
            }
            start += BLOCK;
        }
        let extension = matches!(kind, b'x' | b'g' | b'L' | b'K');
        let size = match next_size {
            Some(size) if !extension => size,
            _ if matches!(kind, b'1'..=b'6') => 0,
            _ => usize::try_from(number(&header[124..136])).unwrap(),
        };
        let end = (start + size).next_multiple_of(BLOCK).min(tar.len());
        let part = Part { kind, gnu, header, rest: &tar[at + BLOCK..end], size, end };
        if kind == b'x' {
            let size = records(&part).into_iter().find(|(key, _)| key == b"size");
            next_size = size.map(|(_, value)| String::from_utf8(value).unwrap().parse().unwrap());
        } else if !extension {
            next_size = None;
        }
        out.push(part);
        at = end;
    }
    out
}

fn records(part: &Part) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut out = Vec::new();
    if !matches!(part.kind, b'x' | b'g') {
        return out;
    }
    let mut rest = &part.rest[..part.size];
    while let Some(space) = rest.iter().position(|&byte| byte == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        let record = &rest[space + 1..length - 1];
        let equals = record.iter().position(|&byte| byte == b'=').unwrap();
        out.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        rest = &rest[length..];
    }
    out
}

fn number(field: &[u8]) -> i128 {
    if field[0] & 0x80 != 0 {
        let start = if field[0] & 0x40 != 0 { -1 } else { i128::from(field[0] & 0x3f) };
        return field[1..].iter().fold(start, |value, &byte| value << 8 | i128::from(byte));
    }
    let text = String::from_utf8_lossy(field);
    i128::from_str_radix(text.trim_matches(['\0', ' ']), 8).unwrap_or_default()
}
