//! What documents say, and what follows from it.

use serde_json::{Value, json};

use crate::diff::{BUILD, Pair, file, image, with_config};
use crate::support::graph::{IN_TOTO, empty};
use crate::support::layer::{Family, Packing};
use crate::support::layout::{Image, Layout, OCI_INDEX, OCI_MANIFEST, blob_path, tar_files};
use crate::support::tarball::tar;
use crate::support::{self, sha256, text};

fn app() -> Image {
    Image { tags: Vec::new(), ..image(vec![tar(&[file("a", "1")])]) }
}

/// The image of [`app`] for another platform.
fn for_arm() -> Image {
    with_config(&app(), r#""architecture":"amd64""#, r#""architecture":"arm64""#)
}

fn config(from: &str, to: &str) -> Image {
    with_config(&app(), from, to)
}

/// Stores an image with another manifest.
fn put(layout: &mut Layout, image: &Image, edit: impl Fn(&mut Value)) -> Value {
    let first = layout.put_image(image, &BUILD);
    let path = blob_path(first["digest"].as_str().unwrap());
    let mut manifest: Value = serde_json::from_slice(&layout.files[&path]).unwrap();
    edit(&mut manifest);
    layout.files.remove(&path);
    layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap())
}

/// A layout that lists these.
fn listed(children: impl FnOnce(&mut Layout) -> Vec<Value>) -> Vec<u8> {
    let mut layout = Layout::default();
    layout.manifests = children(&mut layout);
    layout.tar(&BUILD)
}

/// A layout of one index that lists these.
fn nested(children: impl FnOnce(&mut Layout) -> Vec<Value>) -> Vec<u8> {
    listed(|layout| {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children(layout)});
        vec![layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap())]
    })
}

fn with_manifest(edit: impl Fn(&mut Value)) -> Vec<u8> {
    listed(|layout| vec![put(layout, &app(), edit)])
}

/// Class and field of every difference.
fn found(a: &[u8], b: &[u8]) -> Vec<(String, String)> {
    Pair::of(a, b).found(&[]).into_iter().map(|(class, _, field)| (class, field)).collect()
}

#[track_caller]
fn expect(a: &[u8], b: &[u8], expected: &[(&str, &str)]) {
    let found = found(a, b);
    let found: Vec<_> = found.iter().map(|(class, field)| (class.as_str(), field.as_str())).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn expect_images(a: &Image, b: &Image, expected: &[(&str, &str)]) {
    let [a, b] = [a, b].map(|image| Layout::of(image, &BUILD).tar(&BUILD));
    expect(&a, &b, expected);
}

#[test]
fn the_order_and_number_of_what_is_listed_counts() {
    let both = |layout: &mut Layout| [app(), for_arm()].map(|image| layout.put_image(&image, &BUILD)).to_vec();
    let swapped = |layout: &mut Layout| both(layout).into_iter().rev().collect();
    let twice = |layout: &mut Layout| {
        let [a, b] = both(layout).try_into().unwrap();
        vec![a, b.clone(), b]
    };
    for order in [found(&listed(both), &listed(swapped)), found(&nested(both), &nested(swapped))] {
        assert_eq!(order, [("order".to_owned(), "manifests".to_owned())]);
    }
    expect(&nested(both), &nested(twice), &[("order", "manifests")]);
    // Where nothing names them, the same images go together.
    let other = config(r#""maintainer":"x""#, r#""maintainer":"y""#);
    let alike = |layout: &mut Layout| [app(), other.clone()].map(|image| layout.put_image(&image, &BUILD)).to_vec();
    let swapped = |layout: &mut Layout| alike(layout).into_iter().rev().collect();
    expect(&listed(alike), &listed(swapped), &[("order", "manifests")]);
}

#[test]
fn what_is_listed_and_is_no_image_is_compared() {
    let blob = |text: &'static str| {
        move |layout: &mut Layout| vec![layout.put_image(&app(), &BUILD), layout.put("application/x", text.as_bytes())]
    };
    let alone = |layout: &mut Layout| vec![layout.put_image(&app(), &BUILD)];
    // One platform of an index that is not here.
    let absent = |text: &'static str| {
        move |layout: &mut Layout| {
            let digest = sha256(text.as_bytes());
            vec![
                layout.put_image(&app(), &BUILD),
                json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": "arm64"}}),
            ]
        }
    };
    let lists = [("content", "manifests[1]")];
    expect(&listed(blob("1")), &listed(blob("2")), &lists);
    expect(&listed(alone), &listed(blob("2")), &lists);
    expect(&nested(absent("1")), &nested(absent("2")), &lists);
    expect(&nested(absent("1")), &nested(alone), &lists);
    expect(&nested(absent("1")), &nested(absent("1")), &[]);
    // Other platforms were not asked for.
    let pair = Pair::of(&nested(absent("1")), &nested(absent("2")));
    assert_eq!(pair.json(&["--platform", "linux/amd64"])["verdict"], "identical");
}

#[test]
fn descriptors_beside_those_of_images_are_compared() {
    let twice = |word: &'static str| {
        move |layout: &mut Layout| {
            let image = layout.put_image(&app(), &BUILD);
            let mut again = image.clone();
            again["annotations"] = json!({"x.y": word});
            vec![image, again]
        }
    };
    expect(&listed(twice("1")), &listed(twice("2")), &[("content", r#"manifests[1].annotations["x.y"]"#)]);
}

#[test]
fn an_annotation_is_not_hidden_by_one_further_down() {
    let with = |word: &'static str| {
        listed(|layout| {
            let mut image = layout.put_image(&app(), &BUILD);
            image["annotations"] = json!({"x.y": "below"});
            let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image]});
            let mut index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
            index["annotations"] = json!({"x.y": word});
            vec![index]
        })
    };
    expect(&with("1"), &with("2"), &[("content", r#"annotations["x.y"]"#)]);
}

#[test]
fn an_index_more_is_no_other_spelling() {
    let pretty = listed(|layout| {
        let image = layout.put_image(&app(), &BUILD);
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image]});
        vec![layout.put(OCI_INDEX, &serde_json::to_vec_pretty(&index).unwrap())]
    });
    expect(&pretty, &listed(|layout| vec![layout.put_image(&app(), &BUILD)]), &[("format", "nesting")]);
}

#[test]
fn what_a_manifest_is_about_is_compared() {
    let about = |text: &'static str| {
        with_manifest(move |manifest| {
            manifest["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": sha256(text.as_bytes()), "size": 2});
        })
    };
    expect(&about("1"), &about("2"), &[("content", "subject.digest")]);
    let found = found(&with_manifest(|_| {}), &about("2"));
    assert!(found.contains(&("content".to_owned(), "subject.digest".to_owned())), "{found:?}");
    // Where both are about the image beside them, it tells what differs.
    let beside = |maintainer: &str| {
        let first = config(r#""maintainer":"x""#, &format!(r#""maintainer":"{maintainer}""#));
        listed(|layout| {
            let first = layout.put_image(&first, &BUILD);
            let second = put(layout, &for_arm(), |manifest| manifest["subject"] = first.clone());
            vec![first, second]
        })
    };
    expect(&beside("x"), &beside("y"), &[("content", "config.Labels.maintainer")]);
}

/// An image and what is stated of it.
fn stated(predicate_type: &str, predicate: &str, edit: impl Fn(&mut Value)) -> Vec<u8> {
    stated_of(&app(), predicate_type, predicate, edit)
}

fn stated_of(image: &Image, predicate_type: &str, predicate: &str, edit: impl Fn(&mut Value)) -> Vec<u8> {
    nested(|layout| {
        let image = layout.put_image(image, &BUILD);
        let digest = image["digest"].as_str().unwrap().to_owned();
        let mut statement = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate_type, "predicate": {"x": predicate},
            "subject": [{"name": "app", "digest": {"sha256": digest.strip_prefix("sha256:").unwrap()}}],
        });
        edit(&mut statement);
        let mut layer = layout.put(IN_TOTO, &serde_json::to_vec(&statement).unwrap());
        layer["annotations"] = json!({"in-toto.io/predicate-type": predicate_type});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty(layout), "layers": [layer],
            "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
        });
        let mut attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        attestation["annotations"] = json!({
            "vnd.docker.reference.digest": digest, "vnd.docker.reference.type": "attestation-manifest",
        });
        vec![image, attestation]
    })
}

#[test]
fn a_statement_about_something_else_is_content() {
    const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
    let good = stated(PROVENANCE, "1", |_| {});
    let digest = |hex: String| {
        stated(PROVENANCE, "1", move |statement| statement["subject"][0]["digest"]["sha256"] = json!(hex))
    };
    let subject = [("content", "subject[0].digest.sha256")];
    expect(&good, &digest("0".repeat(64)), &subject);
    expect(&good, &digest("00".to_owned()), &subject);
    let none = stated(PROVENANCE, "1", |statement| statement["subject"] = json!([]));
    let found = found(&none, &good);
    assert!(found.contains(&("content".to_owned(), subject[0].1.to_owned())), "{found:?}");
}

#[test]
fn a_statement_of_another_build_is_content_though_it_is_the_same() {
    const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
    let digest = Layout::default().put_image(&app(), &BUILD)["digest"].as_str().unwrap().to_owned();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let later = config(r#" "created" : "2025"#, r#" "created" : "2026"#);
    let about_first = stated_of(&later, PROVENANCE, "1", |statement| {
        statement["subject"][0]["digest"]["sha256"] = json!(hex);
    });
    let first = stated(PROVENANCE, "1", |_| {});
    expect(&first, &about_first, &[("content", "subject[0].digest"), ("time", "created")]);
    // One of its own follows from the image.
    expect(&first, &stated_of(&later, PROVENANCE, "1", |_| {}), &[("time", "created")]);
}

#[test]
fn only_provenance_and_inventories_are_boring_statements() {
    for (predicate_type, class) in [
        ("https://slsa.dev/provenance/v0.2", "log-or-cache"),
        ("https://spdx.dev/Document", "package-db"),
        ("https://cyclonedx.org/bom/v1.4", "package-db"),
        ("https://cosign.sigstore.dev/attestation/vuln/v1", "content"),
        ("https://slsa.dev/verification_summary/v1", "content"),
    ] {
        let [a, b] = ["1", "2"].map(|word| stated(predicate_type, word, |_| {}));
        expect(&a, &b, &[(class, "predicate.x")]);
    }
}

#[test]
fn a_time_on_one_side_stays_there() {
    const DATE: &str = "2024-01-01T00:00:00Z";
    let created = config(r#" "created" : "#, r#" "once" : "#);
    let once = |image: &Image| with_config(image, r#","rootfs""#, r#","once":1,"rootfs""#);
    let label = |text: &str| config(r#""maintainer":"x""#, &format!(r#""maintainer":"x"{text}"#));
    let dated = label(&format!(r#","org.label-schema.build-date":"{DATE}""#));
    let empty = label(r#","org.label-schema.build-date":"""#);
    for (a, b) in [(&dated, &app()), (&dated, &empty)] {
        let report = Pair::images(a, b).json(&[]);
        assert_eq!(report["verdict"], "explainable", "{report:#}");
        assert_eq!(report["differences"][0]["class"], "time");
        assert_eq!(report["differences"][0]["restamps"], false);
    }
    let pair = Pair::images(&once(&app()), &created);
    let report = pair.json(&[]);
    let all = report["differences"].as_array().unwrap();
    assert!(all.iter().any(|one| one["field"] == "created" && one["restamps"] == false), "{report:#}");
    let annotated = with_manifest(|manifest| manifest["annotations"]["build-date"] = json!(DATE));
    let report = Pair::of(&annotated, &with_manifest(|_| {})).json(&[]);
    assert_eq!(report["verdict"], "explainable", "{report:#}");
    // As rewriting both shows.
    let pair = Pair::of(&annotated, &with_manifest(|_| {}));
    let stamped = ["a", "b"].map(|name| pair.dir.path().join(format!("{name}.out.tar")));
    for (from, to) in [(&pair.a, &stamped[0]), (&pair.b, &stamped[1])] {
        support::run(["rewrite", "--epoch", "1700000000", text(from), text(to)]).expect(0);
    }
    support::run(["diff", text(&stamped[0]), text(&stamped[1])]).expect(1);
}

#[test]
fn a_label_that_holds_no_date_is_content_whatever_its_name() {
    let label = |text: &str| {
        config(r#""maintainer":"x""#, &format!(r#""maintainer":"x","org.label-schema.build-date":"{text}""#))
    };
    let field = r#"config.Labels["org.label-schema.build-date"]"#;
    for (a, b) in [("stable", "beta"), ("1.2", "1.3"), ("2024-01-01", "beta")] {
        expect_images(&label(a), &label(b), &[("content", field)]);
    }
    expect_images(&label("2024-01-01"), &label("20240102"), &[("time", field)]);
}

#[test]
fn spelling_beside_another_difference_is_found() {
    let other = config(r#""maintainer":"x""#, r#""maintainer":"y""#);
    for (from, to) in [
        (r#"["/bin/sh","-ec"]"#, r#"["/bin/sh", "-ec"]"#),
        (r#""Interval":30000000000"#, r#""Interval": 30000000000"#),
        (r#""empty_layer":true}]"#, r#""empty_layer":true} ]"#),
        (r#""x-unknown":[1, 2.50]"#, r#""x-unknown":[1,2.50]"#),
        (r#""diff_ids":["#, r#""diff_ids":[ "#),
        (r#""Shell""#, r#""Sh\u0065ll""#),
        (r#""variant":"v1"}"#, "\"variant\":\"v1\"}\n"),
    ] {
        expect_images(
            &app(),
            &with_config(&other, from, to),
            &[("content", "config.Labels.maintainer"), ("format", "spelling")],
        );
    }
    // A manifest and an index, where something in them differs as well.
    let manifest = |word: &str, pretty: bool| {
        listed(|layout| {
            let first = put(layout, &app(), |manifest| manifest["annotations"]["x.y"] = json!(word));
            let path = blob_path(first["digest"].as_str().unwrap());
            let bytes = layout.files.remove(&path).unwrap();
            let bytes = String::from_utf8(bytes).unwrap();
            let bytes = if pretty { bytes.replacen(r#""layers":[{"#, r#""layers":[ {"#, 1) } else { bytes };
            vec![layout.put(OCI_MANIFEST, bytes.as_bytes())]
        })
    };
    let annotation = ("content", r#"annotations["x.y"]"#);
    expect(&manifest("1", false), &manifest("2", false), &[annotation]);
    expect(&manifest("1", false), &manifest("2", true), &[annotation, ("format", "spelling")]);
    let index = |word: &str, from: &str, to: &str| {
        let mut layout = Layout::of(&app(), &BUILD);
        layout.annotations = Some(json!({"x.y": word}));
        let mut files = layout.all();
        let index = String::from_utf8(layout.index()).unwrap();
        assert!(index.contains(from), "no {from} in {index}");
        files.insert("index.json".to_owned(), index.replacen(from, to, 1).into_bytes());
        tar_files(&files, &BUILD)
    };
    expect(&index("1", "", ""), &index("2", "", ""), &[annotation]);
    for (from, to) in [("[{", "[ {"), (r#""size":"#, r#""size": "#), ("}]", "}\n]")] {
        expect(&index("1", "", ""), &index("2", from, to), &[annotation, ("format", "spelling")]);
    }
}

#[test]
fn what_is_there_says_something_even_where_it_is_empty() {
    for (from, to, field) in [
        (r#""Env":null"#, r#""Env":null,"ExposedPorts":{"22/tcp":{}}"#, r#"config.ExposedPorts["22/tcp"]"#),
        (r#""Env":null"#, r#""Env":null,"Volumes":{"/data":{}}"#, r#"config.Volumes["/data"]"#),
        (r#""Cmd":["/bin/hello"]"#, r#""Cmd":["/bin/hello",""]"#, "config.Cmd[1]"),
        (r#""maintainer":"x""#, r#""maintainer":"x","secure":"""#, "config.Labels.secure"),
    ] {
        expect_images(&app(), &config(from, to), &[("content", field)]);
    }
    let without = config(r#","StopTimeout":7"#, "");
    let zero = config(r#""StopTimeout":7"#, r#""StopTimeout":0"#);
    expect_images(&without, &zero, &[("content", "config.StopTimeout")]);
    let annotated = with_manifest(|manifest| manifest["annotations"]["x.y"] = json!(""));
    expect(&with_manifest(|_| {}), &annotated, &[("content", r#"annotations["x.y"]"#)]);
}

#[test]
fn the_order_of_variables_of_one_name_is_content() {
    let env = |list: &str| config(r#""Env":null"#, &format!(r#""Env":{list}"#));
    let order = [("order", "config.Env")];
    expect_images(&env(r#"["A=1","B=1","A=2"]"#), &env(r#"["B=1","A=1","A=2"]"#), &order);
    let content = [("content", "config.Env[0]"), ("content", "config.Env[1]")];
    expect_images(&env(r#"["A=1","A=2"]"#), &env(r#"["A=2","A=1"]"#), &content);
    expect_images(&env(r#"["A=1","\u0041=2"]"#), &env(r#"["\u0041=2","A=1"]"#), &content);
}

#[test]
fn nothing_that_two_sources_say_differently_is_identical() {
    let [a, b] = [Packing::Gzip, Packing::Zstd].map(|packing| {
        let image = support::zoo(&BUILD, packing, Family::Oci);
        Layout::of(&image, &BUILD)
    });
    assert_eq!(Pair::of(&a.tar(&BUILD), &a.tar(&BUILD)).json(&[])["verdict"], "identical");
    assert_ne!(Pair::of(&a.tar(&BUILD), &b.tar(&BUILD)).json(&[])["verdict"], "identical");
    // A member that stands where no comparison of images looks.
    let mut spread = b.clone();
    spread.manifests[0]["urls"] = json!(["https://example.org/x"]);
    expect(&b.tar(&BUILD), &spread.tar(&BUILD), &[("content", "descriptor.urls")]);
}
