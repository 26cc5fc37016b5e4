//! A judge of graphs: every link holds, nothing names what is gone, and what hung together does so still.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::Digest as _;

use crate::graph::{BUILD, hex};
use crate::support::layer::unpack;
use crate::support::layout::{Files, Layout, blob_path, read_tar};
use crate::support::{self, judge, pipe};

/// What a layout looks like when dates, digests and sizes say nothing; and which blobs it consists of.
pub struct Walk<'f> {
    files: &'f Files,
    shapes: BTreeMap<String, String>,
}

impl<'f> Walk<'f> {
    /// Follows every descriptor; asserts that each names a blob of that digest and size.
    pub fn new(files: &'f Files) -> (Self, String) {
        let mut walk = Self { files, shapes: BTreeMap::new() };
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let shape = walk.document(&index);
        (walk, shape)
    }

    fn descriptor(&mut self, descriptor: &Value) -> String {
        let digest = descriptor["digest"].as_str().unwrap();
        if descriptor.get("urls").is_some() {
            return descriptor.to_string();
        }
        let bytes = self.files.get(&blob_path(digest)).unwrap_or_else(|| panic!("no blob {digest}"));
        assert_eq!(descriptor["size"], bytes.len(), "{digest}");
        let found = match digest.split_once(':').unwrap().0 {
            "sha256" => hex(&sha2::Sha256::digest(bytes)),
            _ => hex(&sha2::Sha512::digest(bytes)),
        };
        assert!(digest.ends_with(&found), "{digest}");
        let mut outer = descriptor.clone();
        outer["digest"] = Value::Null;
        if let Some(data) = outer.as_object_mut().unwrap().remove("data") {
            assert!(STANDARD.decode(data.as_str().unwrap()).unwrap() == *bytes, "data of {digest}");
            outer["had data"] = true.into();
        }
        let tag = outer["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or_default().to_owned();
        if let Some((algorithm, digits)) = tag.split_once('-') {
            let start = format!("blobs/{algorithm}/{digits}");
            assert!(self.files.keys().any(|name| name.starts_with(&start)), "nothing is {tag}");
            outer["annotations"]["org.opencontainers.image.ref.name"] = "a fallback tag".into();
        }
        if let Some(about) = outer["annotations"]["vnd.docker.reference.digest"].as_str() {
            assert!(self.files.contains_key(&blob_path(about)), "an attestation is about {about}");
        }
        if !self.shapes.contains_key(digest) {
            let shape = self.blob(descriptor["mediaType"].as_str().unwrap(), bytes);
            self.shapes.insert(digest.to_owned(), shape);
        }
        format!("{} -> {}", judge::blank(&outer), self.shapes[digest])
    }

    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> String {
        let shape = if media_type.contains(".tar") {
            let names: Vec<String> = judge::times(&unpack(bytes)).into_iter().map(|(name, _)| name).collect();
            // PAX headers that held nothing but a time go, so what is compared is the entries.
            names.into_iter().filter(|name| !name.contains("PaxHeaders")).collect::<Vec<_>>().join("\n")
        } else if media_type == support::graph::IN_TOTO {
            let statement: Value = serde_json::from_slice(bytes).unwrap();
            let about = statement["subject"][0]["digest"]["sha256"].as_str().unwrap();
            assert!(self.files.contains_key(&format!("blobs/sha256/{about}")), "a statement is about {about}");
            statement["predicate"].to_string()
        } else {
            match serde_json::from_slice(bytes) {
                Ok(document) => self.document(&document),
                Err(_) => return support::sha256(bytes),
            }
        };
        support::sha256(shape.as_bytes())
    }

    fn document(&mut self, document: &Value) -> String {
        let mut shape = String::new();
        for key in ["config", "subject"] {
            if let Some(part) = document.get(key).filter(|part| part.get("digest").is_some()) {
                shape += &format!("{key}: {}\n", self.descriptor(part));
            }
        }
        let lists = ["manifests", "layers", "blobs"].into_iter().filter_map(|key| document[key].as_array());
        for part in lists.flatten() {
            shape += &format!("- {}\n", self.descriptor(part));
        }
        if let (Some(layers), Some(config)) = (document["layers"].as_array(), document["config"]["digest"].as_str()) {
            let config: Value = serde_json::from_slice(&self.files[&blob_path(config)]).unwrap();
            let diff_ids = config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
            for (layer, diff_id) in layers.iter().zip(&diff_ids) {
                if let Some(bytes) = self.files.get(&blob_path(layer["digest"].as_str().unwrap())) {
                    assert_eq!(*diff_id, support::sha256(&unpack(bytes)));
                }
            }
        }
        let mut rest = document.clone();
        for key in ["config", "subject", "manifests", "layers", "blobs"] {
            if rest[key].is_array() || rest[key].get("digest").is_some() {
                rest.as_object_mut().unwrap().remove(key);
            }
        }
        shape + &judge::blank(&rest).to_string()
    }
}

/// Asserts that no document names a blob that was in the old image and is not in the new one.
pub fn expect_nothing_stale(old: &Files, new: &Files) {
    let gone = |name: &&String| name.starts_with("blobs/") && !new.contains_key(*name);
    let gone: Vec<&str> = old.keys().filter(gone).map(|name| name.rsplit('/').next().unwrap()).collect();
    for (name, bytes) in new.iter().filter(|(_, bytes)| matches!(bytes.first(), Some(b'{' | b'['))) {
        let mut document: Value = serde_json::from_slice(bytes).unwrap();
        // What a statement says of its subject is a fact of the build, such as what its layers were at the time. And a
        // base image is what it was, even if one of that digest happened to be beside it.
        remove(&mut document, &["predicate", "org.opencontainers.image.base.digest"]);
        let text = document.to_string();
        // A tag of a sha512 digest has its first 64 digits.
        for digits in &gone {
            assert!(!text.contains(&digits[..64]), "{name} names {digits}, which is gone: {text}");
        }
    }
}

fn remove(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !keys.contains(&key.as_str()));
            members.values_mut().for_each(|value| remove(value, keys));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|value| remove(value, keys)),
        _ => {}
    }
}

fn rewritten(layout: &Layout, options: &[&str]) -> Vec<u8> {
    rewritten_bytes(&layout.tar(&BUILD), options)
}

fn rewritten_bytes(bytes: &[u8], options: &[&str]) -> Vec<u8> {
    let arguments = ["rewrite", "-q", "--epoch", "1700000000"];
    pipe(arguments.iter().chain(options), bytes).expect(0).stdout
}

/// Rewrites a layout and asserts all that holds of any; the files that came out.
pub fn expect_sound(layout: &Layout) -> Files {
    let old = layout.all();
    let out = rewritten(layout, &[]);
    let new = read_tar(&out);
    let (_, before) = Walk::new(&old);
    let (walk, after) = Walk::new(&new);
    assert_eq!(before, after);
    expect_nothing_stale(&old, &new);
    for name in new.keys().filter(|name| name.starts_with("blobs/")) {
        let digest = name.strip_prefix("blobs/").unwrap().replace('/', ":");
        assert!(walk.shapes.contains_key(&digest), "nothing refers to {name}");
    }
    assert!(rewritten_bytes(&out, &[]) == out, "the second rewrite is another one");
    new
}
