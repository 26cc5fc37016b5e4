//! `restamp check` on images in which one thing is wrong: it names that thing, and nothing else.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::docker::{self, Manifests};
use support::graph::{self, Attestation};
use support::layer::{Family, Layer, Packing, app, base, gzip};
use support::layout::{Files, Image, Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, blob_path, config, tar_files};
use support::tarball::{Entry, open, tar};
use support::{Build, hello, pipe, run, scratch, sha256, text, write};

/// A build at the very epoch, so that what is found is not hidden among timestamps.
const BUILD: Build = Build { seconds: support::EPOCH, nanos: 0, ..Build::FIRST };

/// Findings and notes that are no timestamps: level, kind, name of the document, message.
fn faults(bytes: &[u8]) -> Vec<[String; 4]> {
    let outcome = pipe(["check", "--json", "--epoch", "1700000000", "-"], bytes);
    assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.stderr);
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] != "time");
    found.map(|finding| ["level", "kind", "name", "message"].map(|key| text(finding, key))).collect()
}

/// There is one finding, of this kind, in a document whose name contains this, and its message has these parts.
#[track_caller]
fn only(bytes: &[u8], kind: &str, name: &str, parts: &[&str]) {
    let found = faults(bytes);
    assert_eq!(found.len(), 1, "{kind} in {name} expected: {found:#?}");
    assert_eq!((found[0][0].as_str(), found[0][1].as_str()), ("finding", kind), "{found:#?}");
    assert!(found[0][2].contains(name), "{name} expected: {found:#?}");
    for part in parts {
        assert!(found[0][3].contains(part), "no {part:?}: {found:#?}");
    }
}

/// How an image is changed while it is put together, so that all that is above the change fits it.
struct Edits<'a> {
    layers: Vec<Layer>,
    config: &'a dyn Fn(&mut Value),
    manifest: &'a dyn Fn(&mut Value),
    index: &'a dyn Fn(&mut Value),
}

impl Default for Edits<'_> {
    fn default() -> Self {
        let layers = [base(&BUILD), app(&BUILD)].map(|tar| Layer::new(tar, Packing::Gzip, Family::Oci, &BUILD));
        Self { layers: layers.into(), config: &|_| {}, manifest: &|_| {}, index: &|_| {} }
    }
}

/// An image's layout, and the digests of its manifest, its config and its layers.
struct Made {
    layout: Layout,
    manifest: Value,
    config: String,
    layers: Vec<String>,
}

impl Edits<'_> {
    fn make(&self) -> Made {
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

    fn tar(&self) -> Vec<u8> {
        self.make().layout.tar(&BUILD)
    }
}

/// Another digest of the same algorithm.
fn other() -> String {
    sha256(b"something else")
}

#[test]
fn good_images_have_nothing_wrong() {
    let plain =
        [docker::plain(hello(&BUILD, Packing::Gzip)), docker::plain(support::zoo(&BUILD, Packing::Plain, Family::Oci))];
    for (name, bytes) in [
        ("layout", Edits::default().tar()),
        ("attested, old", graph::platforms(&BUILD, Packing::Zstd, Some(Attestation::Old)).tar(&BUILD)),
        ("attested, new", graph::platforms(&BUILD, Packing::Gzip, Some(Attestation::New)).tar(&BUILD)),
        ("referrers", graph::referrers(&BUILD).tar(&BUILD)),
        ("signed", graph::signed(&BUILD).tar(&BUILD)),
        ("nested", graph::nested(&BUILD).tar(&BUILD)),
        ("legacy", docker::legacy(&plain, &BUILD)),
        ("podman", docker::podman(&plain)),
        ("hybrid", docker::hybrid(&plain, Manifests::Listed, &BUILD)),
        ("null", docker::hybrid(&plain, Manifests::Null, &BUILD)),
    ] {
        let found: Vec<_> = faults(&bytes).into_iter().filter(|finding| finding[0] == "finding").collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn blobs_that_are_not_what_names_them() {
    let made = Edits::default().make();
    let change = |digest: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut layout = made.layout.clone();
        change(layout.files.get_mut(&blob_path(digest)).unwrap());
        layout.tar(&BUILD)
    };
    let spaced =
        |bytes: &mut Vec<u8>| *bytes = String::from_utf8(bytes.clone()).unwrap().replacen("linux", "Linux", 1).into();
    only(&change(&made.config, &spaced), "digest", &made.config, &["digest does not match"]);
    // OS and XFL of the gzip header: what is in the layer stays the same.
    only(&change(&made.layers[1], &|bytes| bytes[9] ^= 1), "digest", &made.layers[1], &["digest does not match"]);
    let manifest = made.manifest["digest"].as_str().unwrap();
    let versioned = |bytes: &mut Vec<u8>| *bytes = String::from_utf8(bytes.clone()).unwrap().replace(":1", ":2").into();
    let same = |bytes: &mut Vec<u8>| bytes.swap(0, 0);
    assert!(faults(&change(manifest, &same)).is_empty());
    assert!(
        faults(&change(manifest, &versioned)).iter().any(|finding| finding[1] == "digest" && finding[2] == manifest)
    );

    let gone = |digest: &str| {
        let mut layout = made.layout.clone();
        layout.files.remove(&blob_path(digest)).unwrap();
        layout.tar(&BUILD)
    };
    only(&gone(&made.layers[0]), "missing", manifest, &["layers[0]", &made.layers[0]]);
    only(&gone(&made.config), "missing", &made.config, &["config is missing"]);
    only(&gone(manifest), "missing", "index.json", &["manifests[0]", manifest]);
}

#[test]
fn sizes() {
    let one_more = |field: &mut Value| *field = json!(field.as_u64().unwrap() + 1);
    let layer = Edits { manifest: &|manifest| one_more(&mut manifest["layers"][1]["size"]), ..Edits::default() };
    only(&layer.tar(), "size", "sha256:", &["layers[1]: size"]);
    let config = Edits { manifest: &|manifest| one_more(&mut manifest["config"]["size"]), ..Edits::default() };
    only(&config.tar(), "size", "sha256:", &["config: size"]);
    let manifest = Edits { index: &|index| one_more(&mut index[0]["size"]), ..Edits::default() };
    only(&manifest.tar(), "size", "sha256:", &["index.json: manifests[0]: size"]);
}

#[test]
fn what_a_config_says_of_its_layers() {
    let diff_id = Edits { config: &|config| config["rootfs"]["diff_ids"][1] = json!(other()), ..Edits::default() };
    let made = diff_id.make();
    only(&made.layout.tar(&BUILD), "diff-id", &made.layers[1], &["layers[1]", &other()]);
    let fewer = |config: &mut Value| drop(config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop());
    only(&Edits { config: &fewer, ..Edits::default() }.tar(), "layer-count", "sha256:", &["1 diff_ids", "2 layers"]);
    let longer = |config: &mut Value| config["history"].as_array_mut().unwrap().push(json!({"created_by": "x"}));
    let made = Edits { config: &longer, ..Edits::default() }.make();
    only(&made.layout.tar(&BUILD), "history", &made.config, &["3 entries", "2 layers"]);
    // Everybody takes an image with too short a history.
    let shorter = |config: &mut Value| drop(config["history"].as_array_mut().unwrap().remove(0));
    let found = faults(&Edits { config: &shorter, ..Edits::default() }.tar());
    assert_eq!(found.iter().map(|finding| [&finding[0], &finding[1]]).collect::<Vec<_>>(), [["note", "history"]]);
    let date = |config: &mut Value| config["created"] = json!("last Friday");
    only(&Edits { config: &date, ..Edits::default() }.tar(), "not-a-time", "sha256:", &["created", "last Friday"]);
}

#[test]
fn media_types() {
    let plain =
        |manifest: &mut Value| manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    let made = Edits { manifest: &plain, ..Edits::default() }.make();
    only(&made.layout.tar(&BUILD), "media-type", &made.layers[0], &["none", "gzip"]);
    let docker = |manifest: &mut Value| manifest["mediaType"] = json!(support::layout::DOCKER_MANIFEST);
    only(&Edits { manifest: &docker, ..Edits::default() }.tar(), "media-type", "index.json", &["manifests[0]"]);
    let version = |manifest: &mut Value| manifest["schemaVersion"] = json!(3);
    only(&Edits { manifest: &version, ..Edits::default() }.tar(), "malformed", "sha256:", &["schemaVersion", "3"]);
    let index = |index: &mut Value| index[0]["mediaType"] = json!(OCI_INDEX);
    assert!(faults(&Edits { index: &index, ..Edits::default() }.tar()).iter().any(|finding| finding[1] == "malformed"));
    let arm = |index: &mut Value| index[0]["platform"] = json!({"os": "linux", "architecture": "arm64"});
    only(&Edits { index: &arm, ..Edits::default() }.tar(), "platform", "index.json", &["linux/arm64", "linux/amd64"]);
}

#[test]
fn data_and_subjects() {
    let data = |manifest: &mut Value| manifest["config"]["data"] = json!("e30=");
    only(&Edits { manifest: &data, ..Edits::default() }.tar(), "data", "sha256:", &["config.data", "not the blob"]);
    let broken = |manifest: &mut Value| manifest["layers"][0]["data"] = json!("?");
    only(&Edits { manifest: &broken, ..Edits::default() }.tar(), "data", "sha256:", &["layers[0].data", "base64"]);
    let gone = |manifest: &mut Value| {
        manifest["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": other(), "size": 7});
    };
    only(&Edits { manifest: &gone, ..Edits::default() }.tar(), "subject", "sha256:", &["subject", &other()]);

    let made = Edits::default().make();
    let refer = |edit: &dyn Fn(&mut Value)| {
        let mut layout = made.layout.clone();
        let mut subject = made.manifest.clone();
        edit(&mut subject);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "x/y",
            "config": graph::empty(&mut layout), "layers": [], "subject": subject,
        });
        let referrer = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        layout.manifests.push(referrer);
        layout.tar(&BUILD)
    };
    assert!(faults(&refer(&|_| {})).is_empty());
    only(&refer(&|subject| subject["size"] = json!(1)), "size", "sha256:", &["subject", "expected 1,"]);
    only(&refer(&|subject| subject["mediaType"] = json!(OCI_INDEX)), "media-type", "sha256:", &["subject"]);
    let layer = Layer::new(base(&BUILD), Packing::Gzip, Family::Oci, &BUILD).descriptor();
    let no_manifest = refer(&|subject| {
        subject["digest"] = layer["digest"].clone();
        subject["size"] = layer["size"].clone();
    });
    // It is read as the manifest that it is said to be.
    only(&no_manifest, "malformed", "sha256:", &["JSON"]);
}

/// An index of an image and an attestation, in which something is wrong.
fn attested(edit: &dyn Fn(&mut Value), about: &dyn Fn(&Value) -> Value, style: Attestation) -> Vec<u8> {
    let Made { mut layout, manifest, .. } = Edits::default().make();
    let mut attestation = graph::put_attestation(&mut layout, &about(&manifest), style, &BUILD);
    attestation["annotations"]["vnd.docker.reference.digest"] = manifest["digest"].clone();
    edit(&mut attestation);
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [manifest, attestation]});
    layout.manifests = vec![layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())];
    layout.tar(&BUILD)
}

#[test]
fn attestations() {
    let itself = |manifest: &Value| manifest.clone();
    let another = |manifest: &Value| json!({"mediaType": OCI_MANIFEST, "digest": other(), "size": manifest["size"]});
    for style in [Attestation::Old, Attestation::New] {
        assert!(faults(&attested(&|_| {}, &itself, style)).is_empty());
        let reference =
            |descriptor: &mut Value| descriptor["annotations"]["vnd.docker.reference.digest"] = json!(other());
        let found = faults(&attested(&reference, &itself, style));
        assert!(
            found.iter().any(|finding| finding[1] == "attestation" && finding[3].contains("not in the same index")),
            "{found:#?}"
        );
    }
    // The statement alone is about something else.
    only(&attested(&|_| {}, &another, Attestation::Old), "attestation", "sha256:", &["subject[0].digest", &other()]);
    let found = faults(&attested(&|_| {}, &another, Attestation::New));
    let kinds: Vec<&str> = found.iter().map(|finding| finding[1].as_str()).collect();
    assert_eq!(kinds, ["attestation", "attestation", "subject"], "{found:#?}");
}

#[test]
fn tags() {
    let tagged = |tag: &str| json!({"org.opencontainers.image.ref.name": tag});
    let made = Edits::default().make();
    let with = |tags: &[&str]| {
        let mut layout = made.layout.clone();
        let second = Edits { config: &|config| config["author"] = json!("somebody else"), ..Edits::default() }.make();
        layout.files.extend(second.layout.files);
        let mut manifests = vec![made.manifest.clone(), second.manifest];
        for (descriptor, tag) in manifests.iter_mut().zip(tags) {
            descriptor["annotations"] = tagged(tag);
        }
        layout.manifests = manifests;
        layout.tar(&BUILD)
    };
    assert!(faults(&with(&["1", "2"])).is_empty());
    only(&with(&["1", "1"]), "tag", "index.json", &["manifests[1]", "\"1\""]);
    let fallback = |digest: &str| digest.replace(':', "-");
    let manifest = made.manifest["digest"].as_str().unwrap();
    assert!(faults(&with(&["1", &fallback(manifest)])).is_empty());
    only(&with(&["1", &fallback(&other())]), "tag", "index.json", &["manifests[1]", &fallback(&other())]);
}

#[test]
fn the_layout_itself() {
    let mut layout = Edits::default().make().layout;
    layout.files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec());
    only(&layout.tar(&BUILD), "layout", "oci-layout", &["2.0.0"]);
    layout.files.remove("oci-layout");
    only(&layout.tar(&BUILD), "layout", "oci-layout", &["missing"]);
}

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

/// Two images of an archive as Docker 25 saves them, in which something is wrong.
fn hybrid(edit: &dyn Fn(&mut Files, &mut Value)) -> Vec<u8> {
    let first = docker::plain(hello(&BUILD, Packing::Gzip));
    let other = Layer::new(app(&BUILD), Packing::Plain, Family::Oci, &BUILD);
    let second = Image::new(vec![other], Family::Oci, &BUILD, &["second:1"]);
    let mut files = docker::hybrid_files(&[first, second], Manifests::Listed, &BUILD);
    let mut manifest = serde_json::from_slice(&files["manifest.json"]).unwrap();
    edit(&mut files, &mut manifest);
    files.insert("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap());
    tar_files(&files, &BUILD)
}

#[test]
fn the_two_views_of_an_archive() {
    assert_eq!(faults(&hybrid(&|_, _| {})), [[""; 4]; 0]);
    let swapped = hybrid(&|_, manifest| manifest[0]["Layers"].as_array_mut().unwrap().swap(0, 1));
    let found = faults(&swapped);
    assert_eq!(found.iter().map(|finding| &finding[1]).collect::<Vec<_>>(), ["diff-id", "diff-id"], "{found:#?}");
    let renamed = hybrid(&|_, manifest| manifest[0]["RepoTags"] = json!(["second:1"]));
    assert!(faults(&renamed).iter().any(|finding| finding[1] == "tag" && finding[3].contains("second:1")));
    let exchanged = hybrid(&|_, manifest| {
        let tags = manifest[0]["RepoTags"].take();
        manifest[0]["RepoTags"] = manifest[1]["RepoTags"].take();
        manifest[1]["RepoTags"] = tags;
    });
    let found = faults(&exchanged);
    assert!(
        found.len() >= 2 && found.iter().all(|finding| finding[1] == "views" && finding[2] == "index.json"),
        "{found:#?}"
    );
    let unlisted = hybrid(&|files, _| {
        let mut index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        index["manifests"].as_array_mut().unwrap().pop();
        files.insert("index.json".to_owned(), serde_json::to_vec(&index).unwrap());
    });
    only(&unlisted, "views", "manifest.json", &["[1]", "Config"]);
    let gone = hybrid(&|_, manifest| manifest[1]["Layers"][0] = json!("blobs/sha256/nothing"));
    only(&gone, "missing", "manifest.json", &["[1]", "nothing"]);
    let config = hybrid(&|_, manifest| manifest[1]["Config"] = manifest[0]["Config"].clone());
    assert!(faults(&config).iter().any(|finding| finding[1] == "layer-count"));
}

#[test]
fn layer_sources() {
    let source = |edit: &dyn Fn(&mut Value)| {
        hybrid(&|_, manifest| {
            let sources = manifest[1]["LayerSources"].as_object_mut().unwrap();
            edit(sources.values_mut().next().unwrap());
        })
    };
    only(&source(&|source| source["size"] = json!(1)), "layer-sources", "manifest.json", &["size"]);
    let media_type = support::layer::media_type(Packing::Zstd, Family::Oci);
    only(&source(&|source| source["mediaType"] = json!(media_type)), "layer-sources", "manifest.json", &["zstd"]);
    let first = Layer::new(base(&BUILD), Packing::Plain, Family::Oci, &BUILD).descriptor();
    only(&source(&|source| *source = first.clone()), "layer-sources", "manifest.json", &["another layer"]);
    let rekeyed = hybrid(&|_, manifest| {
        let sources = manifest[1]["LayerSources"].as_object_mut().unwrap();
        let (_, source) = sources.clone().into_iter().next().unwrap();
        sources.insert(other(), source);
    });
    let found = faults(&rekeyed);
    assert!(!found.is_empty() && found.iter().all(|finding| finding[1] == "layer-sources"), "{found:#?}");
}

#[test]
fn archives_of_older_programs() {
    let image = docker::plain(hello(&BUILD, Packing::Gzip));
    let change = |bytes: Vec<u8>, edit: &dyn Fn(&mut Files)| {
        let mut files = support::layout::read_tar(&bytes);
        edit(&mut files);
        tar_files(&files, &BUILD)
    };
    let legacy = docker::legacy(std::slice::from_ref(&image), &BUILD);
    assert_eq!(faults(&change(legacy.clone(), &|_| {})), [[""; 4]; 0]);
    let top = change(legacy.clone(), &|files| {
        let json = format!(r#"{{"hello":{{"1":"{0}","latest":"{0}"}}}}"#, "0".repeat(64));
        files.insert("repositories".to_owned(), json.into_bytes());
    });
    let found = faults(&top);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|finding| finding[1] == "repositories" && finding[2] == "repositories"), "{found:#?}");
    let config = format!("{}.json", &image.id()["sha256:".len()..]);
    let renamed = change(legacy.clone(), &|files| {
        let spaced = [files[&config].as_slice(), b" "].concat();
        files.insert(config.clone(), spaced);
    });
    only(&renamed, "digest", &config, &["digest does not match"]);
    let parent = change(legacy, &|files| {
        let name = files.keys().find(|name| name.ends_with("/json") && files[*name].windows(6).any(|w| w == b"parent"));
        let name = name.unwrap().clone();
        let mut json: Value = serde_json::from_slice(&files[&name]).unwrap();
        json["parent"] = json!("0".repeat(64));
        files.insert(name, serde_json::to_vec(&json).unwrap());
    });
    only(&parent, "repositories", "/json", &["parent"]);
    // podman names a layer by its diff_id.
    let podman = change(docker::podman(&[image]), &|files| {
        files.retain(|name, _| !name.contains('/'));
        let name = files.keys().find(|name| name.ends_with(".tar")).unwrap().clone();
        files.get_mut(&name).unwrap().extend([0; 512]);
    });
    let mut kinds: Vec<String> = faults(&podman)
        .into_iter()
        .filter(|finding| finding[0] == "finding")
        .map(|finding| finding[1].clone())
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["diff-id", "digest"]);
}

#[test]
fn many_findings_are_folded_for_people_alone() {
    let dir = scratch();
    let entries: Vec<Entry> = (0..2000).map(|number| Entry::file(format!("file{number}"), "", 1)).collect();
    let layer = Layer::new(tar(&entries), Packing::Gzip, Family::Oci, &BUILD);
    let path = write(dir.path(), "in.tar", &Edits { layers: vec![layer], ..Edits::default() }.tar());
    let check =
        |options: &[&str]| run(["check", "--epoch", "1700000000", text(&path)].iter().chain(options)).expect(1).text();
    let folded = check(&[]);
    assert!(folded.contains("file0: mtime is 1970-01-01T00:00:01Z") && !folded.contains("file1999"), "{folded}");
    assert!(folded.contains("… and 1,970 more of mtime"), "{folded}");
    assert!(check(&["--verbose"]).contains("file1999: mtime"));
    let report: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let of_layer = report["findings"].as_array().unwrap().iter().filter(|finding| finding["what"] == "layer").count();
    assert_eq!(of_layer, 2000);
    assert_eq!(report["total"]["findings"], report["findings"].as_array().unwrap().len());
    assert_eq!(check(&["--json", "-j", "1"]), check(&["--json", "-j", "8"]));
    assert_eq!(check(&["--quiet"]), "");
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

#[test]
fn what_can_not_be_checked_is_an_error() {
    let good = Edits::default().tar();
    pipe(["check"], &good).expect_error(&["no epoch given", "SOURCE_DATE_EPOCH"]);
    pipe(["check", "--epoch", "1700000000"], b"no image at all").expect_error(&["standard input"]);
    pipe(["check", "--epoch", "1700000000"], &good[..good.len() / 2]).expect_error(&["standard input"]);
    pipe(["check", "--epoch", "1700000000", "--base-layers", "3"], &good).expect_error(&["at most 2"]);
    pipe(["check", "--epoch", "1700000000", "--platform", "linux/s390x"], &good).expect_error(&["linux/amd64"]);
    let mut layout = Edits::default().make().layout;
    layout.files.insert("index.json".to_owned(), b"{".to_vec());
    let broken = tar_files(&layout.files, &BUILD);
    pipe(["check", "--epoch", "1700000000"], &broken).expect_error(&["index.json"]);
}

#[test]
fn a_closed_pipe_is_quiet() {
    use std::process::Stdio;
    let dir = scratch();
    let path =
        write(dir.path(), "in.tar", &Layout::of(&hello(&Build::FIRST, Packing::Gzip), &Build::FIRST).tar(&BUILD));
    let mut command = support::restamp();
    command.args(["check", "--epoch", "1700000000", text(&path)]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let outcome = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&outcome.stderr), "");
    assert_eq!(outcome.status.code(), Some(1));
}
