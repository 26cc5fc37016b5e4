//! The graph of an image: whatever hangs together how, what comes out of a rewrite hangs together as before, and
//! nothing in it names what is gone.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index as Pick;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::graph::{self, Attestation};
use support::layer::{Family, Layer, Packing, app, base, unpack};
use support::layout::{Files, Image, Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, blob_path, config, read, read_tar};
use support::oracle::{Verdict, oracle};
use support::{Build, judge, pipe, run, scratch, shared, text};

const BUILD: Build = Build::FIRST;
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

// ---- random graphs ----------------------------------------------------------------------------------------------

/// A document of a random graph; what it names are picked from those before it.
#[derive(Debug, Clone)]
enum Made {
    Image { layers: Vec<u8>, arm: bool, foreign: bool, data: bool, wide: bool },
    Index { children: Vec<Pick>, attested: Option<bool>, subject: Option<Pick>, data: bool },
    Referrer { subject: Pick, artifact: bool, fallback: bool, data: bool, wide: bool },
}

/// Documents, and which of them `index.json` lists, by what tag.
#[derive(Debug, Clone)]
struct Plan {
    made: Vec<Made>,
    listed: Vec<(Pick, bool)>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let image = (prop::collection::vec(0..4_u8, 1..4), any::<[bool; 4]>())
        .prop_map(|(layers, [arm, foreign, data, wide])| Made::Image { layers, arm, foreign, data, wide });
    let picks = prop::collection::vec(any::<Pick>(), 0..4);
    let index = (picks, any::<Option<bool>>(), any::<Option<Pick>>(), any::<bool>())
        .prop_map(|(children, attested, subject, data)| Made::Index { children, attested, subject, data });
    let referrer = (any::<Pick>(), any::<[bool; 4]>()).prop_map(|(subject, [artifact, fallback, data, wide])| {
        Made::Referrer { subject, artifact, fallback, data, wide }
    });
    let made = prop::collection::vec(prop_oneof![3 => image.clone(), 3 => index, 3 => referrer], 0..9);
    let listed = prop::collection::vec(any::<(Pick, bool)>(), 1..5);
    // Something to pick from comes first.
    (image, made, listed).prop_map(|(first, rest, listed)| Plan { made: [vec![first], rest].concat(), listed })
}

/// A layout in the making, with blobs by digests of both algorithms.
struct Maker<'b> {
    layout: Layout,
    build: &'b Build,
    /// Descriptors of what was made.
    made: Vec<Value>,
    fallback: Vec<Value>,
}

impl Maker<'_> {
    fn put(&mut self, media_type: &str, bytes: &[u8], wide: bool) -> Value {
        if !wide {
            return self.layout.put(media_type, bytes);
        }
        let digest = format!("sha512:{}", hex(&sha2::Sha512::digest(bytes)));
        self.layout.files.insert(blob_path(&digest), bytes.to_vec());
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn bytes(&self, descriptor: &Value) -> &[u8] {
        &self.layout.files[&blob_path(descriptor["digest"].as_str().unwrap())]
    }

    fn with_data(&self, mut descriptor: Value, data: bool) -> Value {
        if data {
            descriptor["data"] = STANDARD.encode(self.bytes(&descriptor)).into();
        }
        descriptor
    }

    fn pick(&self, pick: &Pick) -> Value {
        pick.get(&self.made).clone()
    }

    fn make(&mut self, made: &Made) {
        let descriptor = match made {
            Made::Image { layers, arm, foreign, data, wide } => self.image(layers, *arm, *foreign, *data, *wide),
            Made::Index { children, attested, subject, data } => {
                let mut children: Vec<Value> = children.iter().map(|pick| self.pick(pick)).collect();
                if let (Some(new), Some(first)) = (attested, children.first().cloned()) {
                    let style = if *new { Attestation::New } else { Attestation::Old };
                    if first["digest"].as_str().unwrap().starts_with("sha256") {
                        // In front of what it is about, where no builder puts it.
                        children.insert(0, graph::put_attestation(&mut self.layout, &first, style, self.build));
                    }
                }
                let children: Vec<Value> = children.into_iter().map(|child| self.with_data(child, *data)).collect();
                let mut index = json!({
                    "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children,
                    "annotations": {"org.opencontainers.image.created": self.build.date(98)},
                });
                if let Some(subject) = subject {
                    index["subject"] = plain(&self.pick(subject));
                }
                self.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap(), false)
            }
            Made::Referrer { subject, artifact, fallback, data, wide } => {
                let subject = self.pick(subject);
                let blob = self.layout.put("application/spdx+json", b"{\"spdx\":1}");
                let kind = if *artifact { OCI_ARTIFACT } else { OCI_MANIFEST };
                let mut manifest = json!({
                    "mediaType": kind, "artifactType": "application/spdx+json",
                    "annotations": {"org.opencontainers.image.created": self.build.date(100)},
                    "subject": self.with_data(plain(&subject), *data),
                });
                if *artifact {
                    manifest["blobs"] = json!([blob]);
                } else {
                    manifest["schemaVersion"] = 2.into();
                    manifest["config"] = graph::empty(&mut self.layout);
                    manifest["layers"] = json!([blob]);
                }
                let referrer = self.put(kind, &serde_json::to_vec_pretty(&manifest).unwrap(), *wide);
                if *fallback {
                    self.fallback(&subject, &referrer);
                }
                referrer
            }
        };
        self.made.push(descriptor);
    }

    fn image(&mut self, layers: &[u8], arm: bool, foreign: bool, data: bool, wide: bool) -> Value {
        let layer = |tar, packing| Layer::new(tar, packing, Family::Oci, self.build);
        let mut layers: Vec<Layer> = layers
            .iter()
            .map(|kind| match kind {
                0 => layer(base(self.build), Packing::Gzip),
                1 => layer(base(self.build), Packing::Zstd),
                2 => layer(app(self.build), Packing::Plain),
                _ => layer(app(self.build), Packing::Gzip),
            })
            .collect();
        let mut descriptors: Vec<Value> =
            layers.iter().map(|layer| self.put(&layer.media_type, &layer.blob, wide)).collect();
        if foreign {
            // Of another build, since nobody has it at hand.
            let elsewhere = Build { seconds: 1_500_000_000, ..BUILD };
            let layer = Layer::new(base(&elsewhere), Packing::Gzip, Family::Oci, &elsewhere);
            let mut descriptor = layer.descriptor();
            descriptor["mediaType"] = FOREIGN.into();
            descriptor["urls"] = json!(["https://example.org/layer"]);
            descriptors.push(descriptor);
            layers.push(layer);
        }
        let text = config(&layers, self.build, if arm { "arm64" } else { "amd64" });
        let config = self.put(OCI_CONFIG, text.as_bytes(), wide);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": self.with_data(config, data), "layers": descriptors,
            "annotations": {"org.opencontainers.image.created": self.build.date(90)},
        });
        let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
        let mut descriptor = self.put(OCI_MANIFEST, &bytes, wide);
        descriptor["platform"] = json!({"architecture": if arm { "arm64" } else { "amd64" }, "os": "linux"});
        descriptor
    }

    /// The index that lists the referrers of something where a registry has no API for that.
    fn fallback(&mut self, subject: &Value, referrer: &Value) {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [referrer]});
        let mut descriptor = self.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap(), false);
        let (algorithm, digits) = subject["digest"].as_str().unwrap().split_once(':').unwrap();
        descriptor["annotations"] =
            json!({"org.opencontainers.image.ref.name": format!("{algorithm}-{}", &digits[..64])});
        self.fallback.push(descriptor);
    }
}

fn layout(plan: &Plan, build: &Build) -> Layout {
    let mut maker = Maker { layout: Layout::default(), build, made: Vec::new(), fallback: Vec::new() };
    plan.made.iter().for_each(|made| maker.make(made));
    let mut listed = Vec::new();
    for (number, (pick, is_named)) in plan.listed.iter().enumerate() {
        let mut descriptor = maker.pick(pick);
        if *is_named {
            descriptor["annotations"] = json!({
                "org.opencontainers.image.ref.name": format!("v{number}"),
                "org.opencontainers.image.created": build.date(99),
            });
        }
        listed.push(descriptor);
    }
    // The tags first, before what they are about is seen.
    maker.layout.manifests = [maker.fallback, listed].concat();
    maker.layout
}

/// A descriptor without what an index says of what it names.
fn plain(descriptor: &Value) -> Value {
    json!({"mediaType": descriptor["mediaType"], "digest": descriptor["digest"], "size": descriptor["size"]})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// ---- a judge of graphs ------------------------------------------------------------------------------------------

/// What a layout looks like when dates, digests and sizes say nothing; and which blobs it consists of.
struct Walk<'f> {
    files: &'f Files,
    shapes: BTreeMap<String, String>,
}

impl<'f> Walk<'f> {
    /// Follows every descriptor; asserts that each names a blob of that digest and size.
    fn new(files: &'f Files) -> (Self, String) {
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
fn expect_nothing_stale(old: &Files, new: &Files) {
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
fn expect_sound(layout: &Layout) -> Files {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_hangs_together_as_before(plan in plans()) {
        expect_sound(&layout(&plan, &Build::FIRST));
    }

    #[test]
    fn two_builds_that_differ_only_in_time_are_equal(plan in plans(), epoch in 0..2_000_000_000_u64) {
        let [one, two] = [Build::FIRST, Build::SECOND].map(|build| {
            let bytes = layout(&plan, &build).tar(&build);
            let epoch = epoch.to_string();
            let outcome = pipe(["rewrite", "-q", "--attestations", "drop", "--epoch", &epoch], &bytes);
            (outcome.code, outcome.stdout, outcome.stderr)
        });
        prop_assert_eq!(&one.0, &Some(0), "{}", one.2);
        prop_assert!(one == two);
    }
}

// ---- one kind of link at a time -----------------------------------------------------------------------------------

/// What the program says on stderr about a rewrite, and the files that came out.
fn told(layout: &Layout, options: &[&str]) -> (String, Files) {
    let arguments = ["rewrite", "--epoch", "1700000000"];
    let outcome = pipe(arguments.iter().chain(options), &layout.tar(&BUILD)).expect(0);
    (outcome.stderr, read_tar(&outcome.stdout))
}

fn refused(layout: &Layout, options: &[&str], parts: &[&str]) {
    let arguments = ["rewrite", "--epoch", "1700000000"];
    pipe(arguments.iter().chain(options), &layout.tar(&BUILD)).expect_error(parts);
}

fn index(files: &Files) -> Value {
    serde_json::from_slice(&files["index.json"]).unwrap()
}

fn document(files: &Files, descriptor: &Value) -> Value {
    serde_json::from_slice(&files[&blob_path(descriptor["digest"].as_str().unwrap())]).unwrap()
}

fn tags(files: &Files) -> Vec<String> {
    let index = index(files);
    let name = |child: &Value| child["annotations"]["org.opencontainers.image.ref.name"].as_str().map(str::to_owned);
    index["manifests"].as_array().unwrap().iter().filter_map(name).collect()
}

/// Lists children in an index without a tag.
fn put_index(layout: &mut Layout, children: &[Value]) -> Value {
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
    layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())
}

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
fn attestations_are_named_as_what_keeps_the_index_from_being_reproducible() {
    for style in [Attestation::Old, Attestation::New] {
        let layout = graph::platforms(&BUILD, Packing::Gzip, Some(style));
        let (said, updated) = told(&layout, &[]);
        assert!(said.contains("2 attestations") && said.contains("not reproducible"), "{said}");
        assert!(said.contains("--attestations drop"), "{said}");
        let (said, dropped) = told(&layout, &["--attestations", "drop"]);
        assert!(!said.contains("not reproducible"), "{said}");
        assert_eq!(said.matches("left out: attestation sha256:").count(), 2, "{said}");
        let inner = document(&dropped, &index(&dropped)["manifests"][0]);
        assert_eq!(inner["manifests"].as_array().unwrap().len(), 2);
        // The images are those of the other run; what was said of them is not there.
        let images = |files: &Files| -> Vec<Value> {
            let inner = document(files, &index(files)["manifests"][0]);
            inner["manifests"].as_array().unwrap().iter().take(2).map(|child| child["digest"].clone()).collect()
        };
        assert_eq!(images(&updated), images(&dropped));
        assert!(!dropped.values().any(|bytes| bytes.windows(9).any(|w| w == b"_type\":\"h")));
        let plain = graph::platforms(&BUILD, Packing::Gzip, None);
        assert_eq!(told(&plain, &[]).1["index.json"], dropped["index.json"]);
    }
}

#[test]
fn a_single_platform_that_is_left_stays_in_its_index() {
    let layout = graph::platforms(&BUILD, Packing::Gzip, Some(Attestation::New));
    let options = ["--platform", "linux/arm64", "--attestations", "drop"];
    let (said, files) = told(&layout, &options);
    assert!(said.contains("left out: linux/amd64/v1 sha256:"), "{said}");
    let outer = index(&files);
    assert_eq!(outer["manifests"][0]["mediaType"], OCI_INDEX);
    let inner = document(&files, &outer["manifests"][0]);
    assert_eq!(inner["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(inner["manifests"][0]["platform"]["variant"], "v8");
    Walk::new(&files);
    // With its attestation, and not with that of the other platform.
    let (_, files) = told(&layout, &options[..2]);
    let inner = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(inner["manifests"].as_array().unwrap().len(), 2);
    Walk::new(&files);
    refused(&layout, &["--platform", "linux/riscv64"], &["linux/riscv64", "linux/amd64"]);
}

#[test]
fn an_index_of_which_nothing_is_left_goes() {
    let mut layout = Layout::default();
    let mut children = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let layers = vec![Layer::new(base(&BUILD), Packing::Gzip, Family::Oci, &BUILD)];
        let text = config(&layers, &BUILD, architecture).into_bytes();
        let image = Image { family: Family::Oci, layers, config: text, tags: Vec::new() };
        let image = layout.put_image(&image, &BUILD);
        children.push(put_index(&mut layout, &[image]));
    }
    let outer = put_index(&mut layout, &children);
    layout.name(outer, "hello:1", &BUILD);
    let (said, files) = told(&layout, &["--platform", "linux/amd64"]);
    assert!(said.contains("of which nothing is left"), "{said}");
    let outer = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(outer["manifests"].as_array().unwrap().len(), 1);
    Walk::new(&files);
}

#[test]
fn signatures_stop_the_run_or_are_left_out() {
    let layout = graph::signed(&BUILD);
    refused(&layout, &[], &["cosign signature", ".sig", "--signatures drop"]);
    let (said, files) = told(&layout, &["--signatures", "drop"]);
    assert!(said.contains("left out: cosign signature"), "{said}");
    assert_eq!(tags(&files), ["1", "latest"]);
    Walk::new(&files);
    // A bundle that refers to a referrer, by its media types alone.
    let mut layout = graph::referrers(&BUILD);
    let image = layout.manifests[0].clone();
    let sbom = graph::put_referrer(&mut layout, &image, "application/spdx+json", b"{}", &BUILD);
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let bundle = graph::put_referrer(&mut layout, &sbom, kind, b"signed", &BUILD);
    let about = graph::put_referrer(&mut layout, &bundle, "application/vnd.example.note", b"of the bundle", &BUILD);
    layout.manifests.extend([about, bundle, sbom.clone()]);
    refused(&layout, &[], &["sigstore bundle"]);
    let (said, files) = told(&layout, &["--signatures", "drop"]);
    assert!(said.contains("left out: sigstore bundle") && said.contains("left out: referrer"), "{said}");
    assert!(files.values().any(|bytes| bytes == b"{}") && !files.values().any(|bytes| bytes == b"signed"));
    Walk::new(&files);
}

#[test]
fn signatures_in_a_manifest_stop_the_run_or_leave_it() {
    let mut layout = Layout::default();
    let mut manifest: Value = serde_json::from_slice(&hello().manifest(&BUILD)).unwrap();
    layout.put_image(&hello(), &BUILD);
    manifest["signatures"] = json!([{"header": {"alg": "ES256"}, "signature": "c2lnbmVk", "protected": "e30"}]);
    layout.manifests = vec![layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())];
    refused(&layout, &[], &["signatures inside of sha256:", "--signatures drop"]);
    let (said, files) = told(&layout, &["--signatures", "drop"]);
    assert!(said.contains("left out: signatures inside of sha256:"), "{said}");
    let manifest = document(&files, &index(&files)["manifests"][0]);
    assert_eq!(manifest.get("signatures"), None);
    Walk::new(&files);
}

#[test]
fn a_statement_that_is_signed_is_no_statement_to_be_changed() {
    let mut layout = Layout::default();
    let image = layout.put_image(&hello(), &BUILD);
    let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": []});
    let blob = layout.put(graph::IN_TOTO, &serde_json::to_vec(&envelope).unwrap());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": graph::empty(&mut layout), "layers": [blob],
        "artifactType": "application/vnd.docker.attestation.manifest.v1+json", "subject": plain(&image),
    });
    let attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let outer = put_index(&mut layout, &[image, attestation]);
    layout.name(outer, "hello:1", &BUILD);
    refused(&layout, &[], &["is signed", "--attestations drop"]);
    told(&layout, &["--attestations", "drop"]);
}

fn hello() -> Image {
    support::hello(&BUILD, Packing::Gzip)
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

// ---- images of real builders ----------------------------------------------------------------------------------------

/// What the checker that may lie beside the repository says of an image: its findings, one a line.
fn findings(command: &str, images: &[&Path], options: &[&str]) -> Vec<String> {
    match oracle(command, images, options) {
        None | Some(Verdict::Clean) => Vec::new(),
        Some(Verdict::Findings(text)) => {
            let lines = text.lines().filter(|line| line.starts_with("FINDING"));
            lines.map(|line| line.split("sha256:").next().unwrap().to_owned()).collect()
        }
        Some(Verdict::Unreadable(text)) => panic!("{command} {images:?}: {text}"),
    }
}

#[test]
fn layouts_of_public_projects() {
    let Some(corpus) = shared().map(|shared| shared.join("corpus")) else { return };
    let real = corpus.join("real");
    let ggcr = real.join("google__go-containerregistry/pkg/v1/layout/testdata");
    let stereoscope = real.join("anchore__stereoscope/pkg/image/oci/testdata");
    let images: Vec<PathBuf> = vec![
        corpus.join("buildkit/run1/in-oci-attest.tar"),
        real.join("regclient__regclient/testdata/testrepo"),
        real.join("regclient__regclient/testdata/external"),
        stereoscope.join("valid_oci_dir"),
        stereoscope.join("multiplatform_oci_dir"),
        ggcr.join("test_index_media_type"),
        ggcr.join("test_index_one_image"),
        ggcr.join("test_gc_index"),
        ggcr.join("test_index"),
    ];
    for image in images {
        let dir = scratch();
        let to = dir.path().join("out");
        run(["rewrite", "-q", "--epoch", "1700000000", text(&image), text(&to)]).expect(0);
        let name = image.display();
        // No fault that was not there before.
        assert_eq!(findings("validate", &[&to], &[]), findings("validate", &[&image], &[]), "{name}");
        assert_eq!(findings("lossless", &[&image, &to], &["--epoch", "1700000000"]), [""; 0], "{name}");
        assert_eq!(findings("stamped", &[&to], &["--epoch", "1700000000"]), [""; 0], "{name}");
        // One of these lists a manifest under a media type that is none of a manifest's, so that it passes as bytes.
        if !image.starts_with(&ggcr) {
            expect_nothing_stale(&read(&image), &read(&to));
        }
        let again = dir.path().join("again");
        run(["rewrite", "-q", "--epoch", "1700000000", text(&to), text(&again)]).expect(0);
        assert!(read(&to) == read(&again), "{name}");
    }
}

#[test]
fn two_builds_with_attestations_have_one_index_without_them() {
    let Some(corpus) = shared().map(|shared| shared.join("corpus")) else { return };
    let runs = ["run1", "run2"].map(|run| corpus.join("buildkit").join(run).join("in-oci-attest.tar"));
    if !runs.iter().all(|path| path.exists()) {
        return;
    }
    let [one, two] = runs.map(|path| {
        let options = ["rewrite", "-q", "--attestations", "drop", "--epoch", "1700000000"];
        run(options.iter().copied().chain([text(&path)])).expect(0).stdout
    });
    assert!(one == two);
}
