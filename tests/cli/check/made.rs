//! Images in which one thing is wrong, and what is said of them.

use serde_json::{Value, json};

use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Layout, OCI_CONFIG, OCI_MANIFEST, config};
use crate::support::{self, Build, pipe, sha256};

/// A build at the very epoch, so that what is found is not hidden among timestamps.
pub const BUILD: Build = Build { seconds: support::EPOCH, nanos: 0, ..Build::FIRST };

/// Findings and notes that are no timestamps: level, kind, name of the document, message.
pub fn faults(bytes: &[u8]) -> Vec<[String; 4]> {
    let outcome = pipe(["check", "--json", "--epoch", "1700000000", "-"], bytes);
    assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.stderr);
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] != "time");
    // That artifacts are not looked into is said wherever there are some.
    let found = found.filter(|finding| !text(finding, "message").contains("an artifact of type"));
    found.map(|finding| ["level", "kind", "name", "message"].map(|key| text(finding, key))).collect()
}

/// There is one finding, of this kind, in a document whose name contains this, and its message has these parts.
#[track_caller]
pub fn only(bytes: &[u8], kind: &str, name: &str, parts: &[&str]) {
    let found = faults(bytes);
    assert_eq!(found.len(), 1, "{kind} in {name} expected: {found:#?}");
    assert_eq!((found[0][0].as_str(), found[0][1].as_str()), ("finding", kind), "{found:#?}");
    assert!(found[0][2].contains(name), "{name} expected: {found:#?}");
    for part in parts {
        assert!(found[0][3].contains(part), "no {part:?}: {found:#?}");
    }
}

/// How an image is changed while it is put together, so that all that is above the change fits it.
pub struct Edits<'a> {
    pub layers: Vec<Layer>,
    pub config: &'a dyn Fn(&mut Value),
    pub manifest: &'a dyn Fn(&mut Value),
    pub index: &'a dyn Fn(&mut Value),
}

impl Default for Edits<'_> {
    fn default() -> Self {
        let layers = [base(&BUILD), app(&BUILD)].map(|tar| Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD));
        Self { layers: layers.into(), config: &|_| {}, manifest: &|_| {}, index: &|_| {} }
    }
}

/// An image's layout, and the digests of its manifest, its config and its layers.
pub struct Made {
    pub layout: Layout,
    pub manifest: Value,
    pub config: String,
    pub layers: Vec<String>,
}

impl Edits<'_> {
    pub fn make(&self) -> Made {
        let mut layout = Layout::default();
        let layers: Vec<Value> = self.layers.iter().map(Layer::descriptor).collect();
        for layer in &self.layers {
            layout.put(&layer.media_type, &layer.blob);
        }
        let mut document: Value = serde_json::from_str(&config(&self.layers, &BUILD, "amd64")).unwrap();
        (self.config)(&mut document);
        let config = layout.put(OCI_CONFIG, &serde_json::to_vec(&document).unwrap());
        let mut document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
        (self.manifest)(&mut document);
        let manifest = layout.put(OCI_MANIFEST, &serde_json::to_vec(&document).unwrap());
        let mut descriptor = manifest.clone();
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
        let mut index = json!([descriptor]);
        (self.index)(&mut index);
        layout.manifests = index.as_array().unwrap().clone();
        let config = config["digest"].as_str().unwrap().to_owned();
        Made { layout, manifest, config, layers: self.layers.iter().map(Layer::digest).collect() }
    }

    pub fn tar(&self) -> Vec<u8> {
        self.make().layout.tar(&BUILD)
    }
}

/// Another digest of the same algorithm.
pub fn other() -> String {
    sha256(b"something else")
}
