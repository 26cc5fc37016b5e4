//! Keys in two spellings: Go's decoder takes a field's key in any case, and of two that fold to one the later.

use crate::support::layer::{Family, Packing};
use crate::support::layout::{Image, Layout, OCI_CONFIG, OCI_MANIFEST, read};
use crate::support::{Build, Outcome, docker, hello, pipe, run, scratch, sha256_hex, tarball, text, write};
use serde_json::{Value, json};

const BUILD: Build = Build::FIRST;
const OLD: &str = "2020-02-02T02:02:02Z";
/// The evil layer or config of an object that has two.
const OTHER: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// An image whose documents went through these edits, the digests above them made to hold.
struct Edits<'e> {
    config: &'e dyn Fn(&str) -> String,
    manifest: &'e dyn Fn(&str) -> String,
    index: &'e dyn Fn(&str) -> String,
}

impl Default for Edits<'_> {
    fn default() -> Self {
        Self { config: &str::to_owned, manifest: &str::to_owned, index: &str::to_owned }
    }
}

impl Edits<'_> {
    fn archive(&self) -> Vec<u8> {
        let mut image = hello(&BUILD, Packing::Gzip);
        image.config = (self.config)(std::str::from_utf8(&image.config).unwrap()).into_bytes();
        let mut layout = Layout::default();
        for layer in &image.layers {
            layout.put(&layer.media_type, &layer.blob);
        }
        layout.put(OCI_CONFIG, &image.config);
        let manifest = serde_json::to_string(&serde_json::from_slice::<Value>(&image.manifest(&BUILD)).unwrap());
        let manifest = (self.manifest)(&manifest.unwrap());
        let descriptor = layout.put(OCI_MANIFEST, manifest.as_bytes());
        layout.name(descriptor, "app:1", &BUILD);
        let mut files = layout.all();
        let index = String::from_utf8(layout.index()).unwrap();
        files.insert("index.json".to_owned(), (self.index)(&index).into_bytes());
        crate::support::layout::tar_files(&files, &BUILD)
    }
}

fn check(bytes: &[u8]) -> Outcome {
    pipe(["check", "--epoch", "1700000000", "--digests-only"], bytes)
}

fn rewrite(bytes: &[u8]) -> Outcome {
    pipe(["rewrite", "--epoch", "1700000000"], bytes)
}

/// All documents of an archive, one behind the other.
fn documents(bytes: &[u8]) -> String {
    let dir = scratch();
    let files = read(&write(dir.path(), "x.tar", bytes));
    files.values().filter_map(|bytes| std::str::from_utf8(bytes).ok()).collect::<Vec<_>>().join("\n")
}

/// `rewrite` refuses what has a key in two spellings, and `check` finds it.
#[track_caller]
fn refused(bytes: &[u8], parts: &[&str]) {
    rewrite(bytes).expect_error(&[&["twice"], parts].concat());
    let outcome = check(bytes);
    let found = format!("{}{}", outcome.text(), outcome.stderr);
    assert!(matches!(outcome.code, Some(1 | 2)), "check: {found}");
    assert!(parts.iter().all(|part| found.contains(part)), "check: {found}");
}

/// `rewrite` stamps the old time and leaves the rest, and `check` finds it before, and nothing after.
#[track_caller]
fn stamped(bytes: &[u8], key: &str) {
    let before = pipe(["check", "--epoch", "1700000000", "--digests-only", "--verbose"], bytes).expect(1);
    assert!(before.text().contains(OLD), "{}", before.text());
    let after = rewrite(bytes).expect(0).stdout;
    let documents = documents(&after);
    assert!(!documents.contains(OLD) && documents.contains(key), "{documents}");
    check(&after).expect(0);
}

#[test]
fn a_field_in_two_spellings_is_refused_as_a_key_that_occurs_twice() {
    let member = |key: &str, value: &str| format!("{{\"{key}\":{value},");
    let into = |text: &str, key: &str, value: &str| text.replacen('{', &member(key, value), 1);
    for (key, value) in [
        ("Created", "null"),
        ("RootFS", "{\"type\":\"layers\",\"diff_ids\":[]}"),
        ("History", "[]"),
        ("hi\u{17f}tory", "[]"),
        ("hi\\u017ftory", "[]"),
        ("Config", "{}"),
        ("OS.Features", "[]"),
        ("ARCHITECTURE", "\"arm64\""),
    ] {
        refused(&Edits { config: &|text| into(text, key, value), ..Edits::default() }.archive(), &["as"]);
    }
    let inner = |holder: &'static str, more: &'static str| move |text: &str| text.replacen(holder, more, 1);
    for (holder, more) in [
        ("\"diff_ids\":", "\"Diff_IDs\":[],\"diff_ids\":"),
        ("\"Labels\":", "\"labels\":{},\"Labels\":"),
        ("\"Env\":", "\"env\":[],\"Env\":"),
        ("\"Cmd\":", "\"cmd\":[],\"Cmd\":"),
        ("\"created_by\":", "\"Created_By\":\"\",\"created_by\":"),
        ("\"empty_layer\":", "\"Empty_Layer\":false,\"empty_layer\":"),
    ] {
        refused(&Edits { config: &inner(holder, more), ..Edits::default() }.archive(), &[]);
    }
    for (key, value) in [
        (
            "Layers",
            format!("[{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"{OTHER}\",\"size\":3}}]"),
        ),
        ("Config", format!("{{\"mediaType\":\"{OCI_CONFIG}\",\"digest\":\"{OTHER}\",\"size\":3}}")),
        ("Annotations", "{}".to_owned()),
        ("MediaType", "\"x/y\"".to_owned()),
        ("SchemaVersion", "1".to_owned()),
    ] {
        refused(&Edits { manifest: &|text| into(text, key, &value), ..Edits::default() }.archive(), &[key]);
    }
    for (holder, more) in [
        ("\"digest\":", format!("\"Digest\":\"{OTHER}\",\"digest\":")),
        ("\"size\":", "\"\u{17f}ize\":3,\"size\":".to_owned()),
        ("\"annotations\":", "\"Annotations\":{},\"annotations\":".to_owned()),
        ("\"manifests\":", "\"Manifests\":[],\"manifests\":".to_owned()),
    ] {
        refused(
            &Edits { index: &|text| text.replacen(holder, &more, 1), ..Edits::default() }.archive(),
            &["index.json"],
        );
    }
}

#[test]
fn a_manifest_json_with_a_field_in_two_spellings_is_refused() {
    let image = docker::plain(hello(&BUILD, Packing::Plain));
    let config = format!("{}.json", sha256_hex(&image.config));
    let saved = |manifest: &str| {
        let entries = [
            tarball::Entry::file(&config, &image.config, 0),
            tarball::Entry::file("a.tar", &image.layers[0].tar, 0),
            tarball::Entry::file("c.tar", &image.layers[1].tar, 0),
            tarball::Entry::file("b.tar", &image.layers[0].tar, 0),
            tarball::Entry::file("manifest.json", manifest, 0),
        ];
        tarball::tar(&entries)
    };
    let good = format!("{{\"Config\":\"{config}\",\"RepoTags\":[\"x:1\"],\"Layers\":[\"a.tar\",\"c.tar\"]}}");
    rewrite(&saved(&format!("[{good}]"))).expect(0);
    for more in [
        format!("\"config\":\"{config}\""),
        "\"layers\":[\"b.tar\"]".to_owned(),
        "\"LAYERS\":[\"b.tar\"]".to_owned(),
        "\"repotags\":[\"y:1\"]".to_owned(),
        "\"repoTag\u{17f}\":[\"y:1\"]".to_owned(),
    ] {
        let manifest = format!("[{},{more}}}]", good.trim_end_matches('}'));
        refused(&saved(&manifest), &["manifest.json"]);
    }
    // In another case alone it is the field.
    let manifest = format!("[{{\"config\":\"{config}\",\"REPOTAGS\":[\"x:1\"],\"lAyers\":[\"a.tar\",\"c.tar\"]}}]");
    let after = rewrite(&saved(&manifest)).expect(0).stdout;
    let documents = documents(&after);
    assert!(documents.contains("\"REPOTAGS\":[\"x:1\"]") && !documents.contains("a.tar"), "{documents}");
    check(&after).expect(0);
}

#[test]
fn times_under_a_field_of_another_case_are_stamped_and_found() {
    let swap = |from: &str, to: &str, time: bool| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |text: &str| {
            assert!(text.contains(&from), "{text}");
            let text = text.replace(&from, &to);
            if time { text.replace("<old>", OLD) } else { text }
        }
    };
    let history = format!("\"History\":[{{\"CREATED\":\"{OLD}\",\"created_by\":\"x\"}},");
    for (from, to) in [
        ("\"history\":[", history.as_str()),
        ("\"history\":[", &history.replace("History", "hi\u{17f}tory")),
        ("\"config\":{", &format!("\"CONFIG\":{{\"Volumes\":{{\"{OLD}x\":{{}}}},").replace(&format!("{OLD}x"), "/v")),
        ("\"created\" :", "\"CreateD\" :"),
    ] {
        let edited = swap(from, to, false);
        let config = |text: &str| edited(text).replace(&BUILD.date(30), OLD).replace(&BUILD.date(95), OLD);
        // A history entry more stands for no layer.
        let config =
            |text: &str| config(text).replace("\"created_by\":\"x\"", "\"created_by\":\"x\",\"Empty_Layer\":true");
        stamped(&Edits { config: &config, ..Edits::default() }.archive(), to.split(['[', '{', ' ']).next().unwrap());
    }
    let labels = format!("\"labels\":{{\"build-date\":\"{OLD}\"}},\"x\":{{");
    let config = swap("\"Labels\":{", &labels, false);
    stamped(&Edits { config: &config, ..Edits::default() }.archive(), "\"labels\"");
    let legacy = format!("{{\"Container_Config\":{{\"LABELS\":{{\"build-date\":\"{OLD}\"}}}},");
    let config = |text: &str| text.replacen('{', &legacy, 1);
    stamped(&Edits { config: &config, ..Edits::default() }.archive(), "\"LABELS\"");
    let annotations =
        |text: &str| text.replace("\"annotations\":", "\"Annotation\u{17f}\":").replace(&BUILD.date(90), OLD);
    stamped(&Edits { manifest: &annotations, ..Edits::default() }.archive(), "\"Annotation\u{17f}\"");
    let annotations = |text: &str| text.replace("\"annotations\":", "\"ANNOTATIONS\":").replace(&BUILD.date(99), OLD);
    stamped(&Edits { index: &annotations, ..Edits::default() }.archive(), "\"ANNOTATIONS\"");
}

#[test]
fn links_under_fields_of_another_case_are_followed_and_moved() {
    let shout = |text: &str| {
        ["layers", "config", "digest", "size", "mediaType", "schemaVersion", "manifests"]
            .iter()
            .fold(text.to_owned(), |text, key| {
                text.replace(&format!("\"{key}\":"), &format!("\"{}\":", key.to_uppercase()))
            })
    };
    let config = |text: &str| text.replace("\"rootfs\":", "\"RootFS\":").replace("\"diff_ids\":", "\"DIFF_IDS\":");
    let bytes = Edits { config: &config, manifest: &shout, index: &shout }.archive();
    let after = rewrite(&bytes).expect(0).stdout;
    check(&after).expect(0);
    let plain = rewrite(&Edits::default().archive()).expect(0).stdout;
    let diff_id = |bytes: &[u8]| {
        let documents = documents(bytes).replace("DIFF_IDS", "diff_ids");
        documents.split("\"diff_ids\":[").nth(1).unwrap()[..73].to_owned()
    };
    assert_eq!(diff_id(&after), diff_id(&plain));
    // The same in another spelling is not the same.
    let dir = scratch();
    let (a, b) = (write(dir.path(), "a.tar", &after), write(dir.path(), "b.tar", &plain));
    let diff = run(["diff", "--json", text(&a), text(&b)]).expect(1);
    let report: Value = serde_json::from_slice(&diff.stdout).unwrap();
    let classes: Vec<&str> =
        report["differences"].as_array().unwrap().iter().map(|d| d["class"].as_str().unwrap()).collect();
    assert!(!classes.is_empty() && classes.iter().all(|class| *class == "format"), "{report:#}");
}

#[test]
fn keys_of_labels_annotations_and_unknown_members_are_compared_exactly() {
    let labels = "\"Labels\":{\"Foo\":\"1\",\"foo\":\"2\",\"Size\":\"1\",\"size\":\"2\",\"Build-Date\":\"x\",";
    let ports = "\"ExposedPorts\":{\"1/tcp\":{},\"1/TCP\":{}},\"Volumes\":{\"/data\":{},\"/Data\":{},\"data\":{},\"DATA\":{}},\"Labels\":{";
    let config = |text: &str| {
        let text = text.replace("\"Labels\":{", ports).replace("\"Labels\":{", labels);
        text.replacen('{', "{\"x-own\":{\"Size\":1,\"size\":2,\"deep\":[{\"History\":1,\"history\":2}]},", 1)
    };
    let annotations =
        |text: &str| text.replace("\"annotations\":{", "\"annotations\":{\"Digest\":\"1\",\"digest\":\"2\",");
    let bytes = Edits { config: &config, manifest: &annotations, index: &annotations }.archive();
    let documents = documents(&rewrite(&bytes).expect(0).stdout);
    for kept in [
        &labels[10..],
        "\"x-own\":{\"Size\":1,\"size\":2,",
        "\"Digest\":\"1\",\"digest\":\"2\"",
        "\"data\":{},\"DATA\":{}",
    ] {
        assert!(documents.contains(kept), "{kept} in {documents}");
    }
    // Twice in one spelling is twice anywhere.
    let twice = |text: &str| text.replacen('{', "{\"x-own\":{\"a\":1,\"a\":2},", 1);
    rewrite(&Edits { config: &twice, ..Edits::default() }.archive()).expect_error(&["x-own", "twice"]);
    let tags = |names: &str| {
        let image = docker::plain(Image::new(hello(&BUILD, Packing::Plain).layers, Family::Docker, &BUILD, &["os:os"]));
        let archive = docker::legacy(&[image], &BUILD);
        let mut files = crate::support::layout::read_tar(&archive);
        files.insert("repositories".to_owned(), json!({"os": {}}).to_string().replace("{}", names).into_bytes());
        crate::support::layout::tar_files(&files, &BUILD)
    };
    let id = "1".repeat(64);
    rewrite(&tags(&format!("{{\"os\":\"{id}\",\"OS\":\"{id}\"}}"))).expect(0);
}

#[test]
fn a_statement_that_names_its_subject_in_two_spellings_is_not_rewritten() {
    let mut layout = Layout::default();
    let image = hello(&BUILD, Packing::Gzip);
    let descriptor = layout.put_image(&image, &BUILD);
    let hex = descriptor["digest"].as_str().unwrap()[7..].to_owned();
    for (statement, code) in [
        (
            format!(
                "{{\"_type\":\"t\",\"Subject\":[{{\"name\":\"n\",\"Digest\":{{\"sha256\":\"{hex}\"}}}}],\"predicate\":{{\"Size\":1,\"size\":2}}}}"
            ),
            0,
        ),
        (format!("{{\"_type\":\"t\",\"subject\":[],\"Subject\":[{{\"digest\":{{\"sha256\":\"{hex}\"}}}}]}}"), 2),
    ] {
        let mut layout = layout.clone();
        let layer = layout.put("application/vnd.in-toto+json", statement.as_bytes());
        let config = layout.put(OCI_CONFIG, b"{}");
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
        let mut attestation = layout.put(OCI_MANIFEST, manifest.to_string().as_bytes());
        attestation["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": descriptor["digest"],
        });
        layout.name(descriptor.clone(), "app:1", &BUILD);
        layout.manifests.push(attestation);
        let outcome = rewrite(&layout.tar(&BUILD)).expect(code);
        if code == 0 {
            let documents = documents(&outcome.stdout);
            assert!(documents.contains("\"Digest\":{\"sha256\":") && !documents.contains(&hex), "{documents}");
        }
    }
}

#[test]
fn data_that_is_no_text_does_not_disappear() {
    for data in ["5", "[1,2]", "{}", "true"] {
        let config = format!("\"config\":{{\"data\":{data},");
        let bytes = Edits { manifest: &|text| text.replace("\"config\":{", &config), ..Edits::default() }.archive();
        rewrite(&bytes).expect_error(&["config.data", "base64", "found"]);
        let outcome = check(&bytes);
        assert!(matches!(outcome.code, Some(1 | 2)) && outcome.text().contains("data"), "{}", outcome.text());
    }
    let null =
        Edits { manifest: &|text| text.replace("\"config\":{", "\"config\":{\"data\":null,"), ..Edits::default() };
    assert!(documents(&rewrite(&null.archive()).expect(0).stdout).contains("\"data\":null"));
}
