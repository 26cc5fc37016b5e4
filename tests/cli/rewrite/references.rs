//! Digests that are in no descriptor: in labels, annotations, JSON inside of strings, commands, statements. What names a
//! part of the image goes on naming it, or there is a line about it.

use serde_json::{Value, json};

use crate::support::graph::{Attestation, platforms, put_referrer};
use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Files, Image, Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, blob_path, read_tar};
use crate::support::{Build, hello, pipe, sha256};

const BUILD: Build = Build::FIRST;
const EPOCH: [&str; 2] = ["--epoch", "1700000000"];
/// Nothing in an image of [`BUILD`] is later.
const LATE: [&str; 3] = ["--clamp", "--epoch", "2100000000"];

/// An image of two layers, whose config and manifest are made by `edit`, in a layout that does not list it yet.
fn put(layout: &mut Layout, image: &Image, edit: &dyn Fn(&mut Value, &mut Value)) -> Value {
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    let mut manifest: Value = serde_json::from_slice(&image.manifest(&BUILD)).unwrap();
    edit(&mut config, &mut manifest);
    for layer in &image.layers {
        layout.put(&layer.media_type, &layer.blob);
    }
    manifest["config"] = layout.put(OCI_CONFIG, &serde_json::to_vec(&config).unwrap());
    let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    descriptor["platform"] = json!({"os": "linux", "architecture": "amd64"});
    descriptor
}

fn one(edit: &dyn Fn(&mut Value, &mut Value)) -> Layout {
    let mut layout = Layout::default();
    let descriptor = put(&mut layout, &hello(&BUILD, Packing::Gzip), edit);
    layout.manifests.push(descriptor);
    layout
}

/// What `restamp rewrite` says, and what comes out.
#[track_caller]
fn rewritten(layout: &Layout, options: &[&str]) -> (String, Vec<u8>) {
    let out = pipe(["rewrite"].iter().chain(options), &layout.tar(&BUILD)).expect(0);
    (out.stderr, out.stdout)
}

fn document(files: &Files, descriptor: &Value) -> Value {
    serde_json::from_slice(&files[&blob_path(descriptor["digest"].as_str().unwrap())]).unwrap()
}

/// The descriptor, the manifest and the config of the first image.
fn first(files: &Files) -> (Value, Value, Value) {
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let descriptor = index["manifests"][0].clone();
    let manifest = document(files, &descriptor);
    let config = document(files, &manifest["config"]);
    (descriptor, manifest, config)
}

/// The warnings about digests that are stale, without the digests.
fn stale(said: &str) -> Vec<String> {
    let lines =
        said.lines().filter(|line| line.contains("another digest now") || line.contains("which no longer exists"));
    let place = |line: &str| line.split(": ").nth(2).unwrap_or_default().to_owned();
    lines.map(place).collect()
}

fn hex(digest: &str) -> &str {
    digest.split_once(':').unwrap().1
}

#[test]
fn known_labels_and_annotations_follow_the_layers_that_they_name() {
    let image = hello(&BUILD, Packing::Gzip);
    let [low, high] = [0, 1].map(|number: usize| (image.layers[number].diff_id(), image.layers[number].digest()));
    let lifecycle = |low: &str, high: &str| {
        format!(
            "{{\"app\": [{{\"sha\":\"{high}\"}}],\"buildpacks\":[{{\"layers\":{{\"jre\":{{\"sha\":\"{low}\"}}}}}}],\
             \"runImage\":{{\"topLayer\":\"{low}\",\"reference\":\"run@{}\"}}}}",
            sha256(b"run")
        )
    };
    let mut layout = one(&|config, manifest| {
        config["config"]["Labels"]["io.buildpacks.lifecycle.metadata"] = json!(lifecycle(&low.0, &high.0));
        config["config"]["Labels"]["ostree.final-diffid"] = json!(high.0);
        manifest["annotations"]["sh.brew.bottle.digest"] = json!(hex(&high.1));
        manifest["layers"][1]["annotations"] = json!({"io.deis.oras.content.digest": high.0});
    });
    layout.manifests[0]["annotations"] = json!({"sh.brew.bottle.digest": hex(&high.1)});
    pipe(["check", "--epoch", "0"], &layout.tar(&BUILD)).expect(1);
    for compression in ["keep", "none", "zstd"] {
        let (said, bytes) = rewritten(&layout, &["--epoch", "1700000000", "--compression", compression]);
        assert!(!said.contains("warning"), "{said}");
        let files = read_tar(&bytes);
        let (descriptor, manifest, config) = first(&files);
        let ids: Vec<&str> = [0, 1].map(|number| config["rootfs"]["diff_ids"][number].as_str().unwrap()).into();
        assert!(ids[0] != low.0 && ids[1] != high.0);
        let labels = &config["config"]["Labels"];
        assert_eq!(labels["io.buildpacks.lifecycle.metadata"], json!(lifecycle(ids[0], ids[1])));
        assert_eq!(labels["ostree.final-diffid"], json!(ids[1]));
        assert_eq!(manifest["layers"][1]["annotations"]["io.deis.oras.content.digest"], json!(ids[1]));
        let blob = json!(hex(manifest["layers"][1]["digest"].as_str().unwrap()));
        assert_eq!(manifest["annotations"]["sh.brew.bottle.digest"], blob);
        assert_eq!(descriptor["annotations"]["sh.brew.bottle.digest"], blob);
        pipe(["check"].iter().chain(&EPOCH), &bytes).expect(0);
    }
    // What stays is named as before.
    let (said, bytes) = rewritten(&layout, &["--epoch", "1700000000", "--base-layers", "2"]);
    assert!(!said.contains("warning"), "{said}");
    let (_, _, config) = first(&read_tar(&bytes));
    assert_eq!(config["config"]["Labels"]["io.buildpacks.lifecycle.metadata"], json!(lifecycle(&low.0, &high.0)));
}

#[test]
fn every_other_text_that_names_what_has_moved_is_a_warning() {
    let image = hello(&BUILD, Packing::Gzip);
    let (id, blob) = (image.layers[0].diff_id(), image.layers[1].digest());
    let layout = one(&|config, manifest| {
        config["config"]["Labels"] = json!({
            "org.example.json": format!("{{\"of\":[\"{id}\"]}}"),
            "org.example.two": format!("{} {} {id}", hex(&id).to_uppercase(), hex(&id)),
            "near": format!("{}0 {} {}", hex(&id), &hex(&id)[1..], sha256(b"else")),
        });
        config["config"]["Env"] = json!([format!("LAYER={blob}")]);
        config["history"][0]["created_by"] = json!(format!("COPY --from={} / /", hex(&blob)));
        manifest["annotations"][format!("of.{}", hex(&blob))] = json!("a key");
    });
    let (said, bytes) = rewritten(&layout, &EPOCH);
    let expected = [
        "config.Env[0]",
        "config.Labels[\"org.example.json\"]",
        "config.Labels[\"org.example.two\"]",
        "history[0].created_by",
        &format!("annotations[\"of.{}\"]", hex(&blob)),
    ];
    let mut found = stale(&said);
    found.sort();
    let mut sorted = expected.map(str::to_owned);
    sorted.sort();
    assert_eq!(found, sorted, "{said}");
    assert!(said.contains(&format!("names {id}, which has another digest now; left as it is")), "{said}");
    let out = pipe(["rewrite", EPOCH[0], EPOCH[1], "--report", "/dev/stderr", "-q"], &layout.tar(&BUILD)).expect(0);
    assert_eq!(out.stderr.matches("\"stale-digest\"").count(), 5, "{}", out.stderr);
    // The text is as it was, and what nothing has any more was said once.
    assert!(first(&read_tar(&bytes)).2.to_string().contains(&blob));
    assert!(stale(&rewritten(&layout, &LATE).0).is_empty());
}

#[test]
fn of_many_stale_places_in_a_document_the_rest_is_counted() {
    let id = hello(&BUILD, Packing::Gzip).layers[0].diff_id();
    let layout = one(&|config, _| {
        config["config"]["Env"] = (0..40).map(|number| json!(format!("L{number}={id}"))).collect();
    });
    let (said, _) = rewritten(&layout, &EPOCH);
    assert_eq!(said.matches("which has another digest now").count(), 16, "{said}");
    assert!(said.contains("24 more places name old digests"), "{said}");
}

#[test]
fn statements_and_artifacts_that_name_old_layers_are_named_once() {
    let image = hello(&BUILD, Packing::Gzip);
    let id = image.layers[0].diff_id();
    let mut layout = one(&|_, _| {});
    let subject = layout.manifests[0].clone();
    let sbom = json!({"packages": [{"layerID": id}, {"layerID": id, "of": hex(&id)}]}).to_string();
    let referrer = put_referrer(&mut layout, &subject, "application/spdx+json", sbom.as_bytes(), &BUILD);
    layout.manifests.push(referrer);
    let (said, _) = rewritten(&layout, &EPOCH);
    assert_eq!(stale(&said).len(), 3, "{said}");
    assert!(said.contains(&format!("{}: packages[0].layerID: names {id}", sha256(sbom.as_bytes()))), "{said}");
    assert!(said.contains("1 artifact of type application/spdx+json is no image"), "{said}");
    let statement =
        json!({"_type": "s", "predicateType": "p", "subject": [], "predicate": {"of": [id, id]}}).to_string();
    let mut layout = one(&|_, _| {});
    let subject = layout.manifests[0].clone();
    let mut manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "subject": subject});
    manifest["config"] = layout.put("application/vnd.oci.empty.v1+json", b"{}");
    manifest["layers"] = json!([layout.put("application/vnd.in-toto+json", statement.as_bytes())]);
    let attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    layout.manifests.push(attestation);
    let (said, _) = rewritten(&layout, &EPOCH);
    let place = sha256(statement.as_bytes());
    assert!(said.contains(&format!("{place}: names {id}, which no longer exists; left as it is")), "{said}");
    assert_eq!(stale(&said).len(), 1, "{said}");
    // One that is only about its subject names nothing old afterwards.
    let (said, _) = rewritten(&platforms(&BUILD, Packing::Gzip, Some(Attestation::New)), &EPOCH);
    assert!(stale(&said).is_empty(), "{said}");
}

/// A SOCI index of one layer, and its descriptor.
fn soci(layout: &mut Layout, layer: &str, subject: Option<&Value>) -> Value {
    let mut ztoc = layout.put("application/octet-stream", b"where the files are");
    ztoc["annotations"] = json!({"com.amazon.soci.image-layer-digest": layer});
    let mut manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [ztoc]});
    manifest["artifactType"] = json!("application/vnd.amazon.soci.index.v2+json");
    manifest["config"] = layout.put("application/vnd.oci.empty.v1+json", b"{}");
    if let Some(subject) = subject {
        manifest["artifactType"] = json!("application/vnd.amazon.soci.index.v1+json");
        manifest["subject"] = subject.clone();
    }
    layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())
}

#[test]
fn a_soci_index_of_rewritten_layers_is_left_out() {
    let layer = hello(&BUILD, Packing::Gzip).layers[1].digest();
    // The first version refers to its image, the second is named by it.
    let mut old = one(&|_, _| {});
    let subject = old.manifests[0].clone();
    let referrer = soci(&mut old, &layer, Some(&subject));
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [referrer]});
    let mut fallback = old.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    let tag = subject["digest"].as_str().unwrap().replace(':', "-");
    fallback["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    old.manifests.push(fallback);
    let mut new = Layout::default();
    let index = soci(&mut new, &layer, None);
    let named = json!({"com.amazon.soci.index-digest": index["digest"], "org.example": "1"});
    let mut image =
        put(&mut new, &hello(&BUILD, Packing::Gzip), &|_, manifest| manifest["annotations"] = named.clone());
    image["annotations"] = named.clone();
    let mut about = index.clone();
    about["annotations"] = json!({"com.amazon.soci.image-manifest-digest": image["digest"]});
    new.manifests = vec![image, about];
    for layout in [&old, &new] {
        let (said, bytes) = rewritten(layout, &EPOCH);
        assert!(said.contains("left out: SOCI index sha256:"), "{said}");
        assert!(stale(&said).is_empty(), "{said}");
        let files = read_tar(&bytes);
        assert_eq!(files.keys().filter(|name| name.starts_with("blobs/")).count(), 4, "{:?}", files.keys());
        assert!(!String::from_utf8_lossy(&files["index.json"]).contains("soci"));
        assert!(!first(&files).1.to_string().contains("soci"));
        pipe(["check"].iter().chain(&EPOCH), &bytes).expect(0);
        // Where no layer changes, nothing of it does.
        let (said, kept) = rewritten(layout, &LATE);
        assert!(!said.contains("left out"), "{said}");
        assert_eq!(read_tar(&kept).len(), layout.all().len());
        assert_eq!(read_tar(&kept)["index.json"], layout.index());
        // The layers stay, the config does not: the index is about the same layers.
        let (said, bytes) = rewritten(layout, &["--epoch", "1700000000", "--base-layers", "2"]);
        assert!(!said.contains("left out") && stale(&said).is_empty(), "{said}");
        pipe(["check", "--base-layers", "2"].iter().chain(&EPOCH), &bytes).expect(0);
    }
    let (said, _) = rewritten(&new, &EPOCH);
    assert!(said.contains("annotations[\"com.amazon.soci.index-digest\"]: described the layer's old bytes"), "{said}");
}

#[test]
fn a_zstd_chunked_variant_is_left_out_and_the_zstd_annotation_goes_with_the_codec() {
    let layers: Vec<Layer> =
        [base(&BUILD), app(&BUILD)].map(|tar| Layer::new(tar, Packing::Zstd, Family::Oci, &BUILD)).into();
    let plain = Image::new(layers.clone(), Family::Oci, &BUILD, &[]);
    let mut block = vec![0; 512];
    block[1..22].copy_from_slice(b"ZSTD-CHUNKED-SENTINEL");
    let sentinel = Layer {
        tar: block.clone(),
        blob: block,
        media_type: "application/vnd.containers.zstd-chunked-sentinel".to_owned(),
        annotations: None,
    };
    let variant = Image::new([vec![sentinel], layers].concat(), Family::Oci, &BUILD, &[]);
    let mut layout = Layout::default();
    let zstd = "io.github.containers.compression.zstd";
    let mut first_one = put(&mut layout, &plain, &|_, _| {});
    first_one["annotations"] = json!({zstd: "true", "org.example": "1"});
    let mut second = put(&mut layout, &variant, &|_, _| {});
    second["annotations"] = json!({zstd: "true", "io.github.containers.zstd-chunked.sentinel": "true"});
    layout.manifests = vec![first_one, second.clone()];
    for (compression, has_annotation) in [("keep", true), ("zstd", true), ("gzip", false), ("none", false)] {
        let (said, bytes) = rewritten(&layout, &["--epoch", "1700000000", "--compression", compression]);
        assert!(
            said.contains(&format!("left out: the zstd:chunked variant {}", second["digest"].as_str().unwrap())),
            "{said}"
        );
        let files = read_tar(&bytes);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(index["manifests"][0]["annotations"].get(zstd).is_some(), has_annotation, "{compression}");
        assert_eq!(index["manifests"][0]["annotations"]["org.example"], "1");
        assert!(!said.contains("not a layer tar"), "{said}");
        pipe(["check"].iter().chain(&EPOCH), &bytes).expect(0);
    }
    // One that is alone stays, and what it says is said.
    layout.manifests = vec![second];
    let (said, _) = rewritten(&layout, &EPOCH);
    assert!(said.contains("zstd:chunked, which rewritten ones are not"), "{said}");
}

#[test]
fn a_sealed_image_is_named() {
    let layout = one(&|config, _| config["config"]["Labels"]["containers.composefs.fsverity"] = json!("ab"));
    let (said, _) = rewritten(&layout, &EPOCH);
    assert!(said.contains("seal the image after rewriting it"), "{said}");
    assert!(!rewritten(&layout, &LATE).0.contains("seal"));
}

#[test]
fn layers_and_artifacts_that_pass_are_named_once_for_each_type() {
    let mut layout = one(&|_, manifest| {
        for number in 0..2 {
            manifest["layers"][number]["mediaType"] = json!("application/vnd.erofs.layer.v1");
        }
    });
    for name in ["a", "b"] {
        let config = layout.put("application/vnd.cncf.helm.config.v1+json", b"{\"name\":\"x\"}");
        let chart = layout.put("application/vnd.cncf.helm.chart.content.v1.tar+gzip", name.as_bytes());
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [chart]});
        let chart = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        layout.manifests.push(chart);
    }
    let (said, bytes) = rewritten(&layout, &EPOCH);
    assert_eq!(said.matches("application/vnd.erofs.layer.v1").count(), 1, "{said}");
    assert!(
        said.contains("and 1 more layer: times in them are left") && said.contains("before it is converted"),
        "{said}"
    );
    assert!(said.contains("2 artifacts of type application/vnd.cncf.helm.config.v1+json are no image"), "{said}");
    let text = pipe(["check"].iter().chain(&EPOCH), &bytes).expect(0).text();
    assert_eq!(text.matches("application/vnd.erofs.layer.v1").count(), 1, "{text}");
    assert_eq!(text.matches("an artifact of type").count(), 1, "{text}");
}
