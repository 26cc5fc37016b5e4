//! The names of the result, and the digest to deploy by.

use super::*;
use crate::support::graph;
use serde_json::{Value, json};

fn index(files: &Files) -> Value {
    serde_json::from_slice(&files["index.json"]).unwrap()
}

/// The names that `index.json` has: the full one and the reference name.
fn listed(files: &Files) -> Vec<(Value, Value)> {
    let annotation = |entry: &Value, key: &str| entry["annotations"][key].clone();
    let entries = index(files)["manifests"].as_array().unwrap().clone();
    let name = |entry: &Value| {
        (annotation(entry, "io.containerd.image.name"), annotation(entry, "org.opencontainers.image.ref.name"))
    };
    entries.iter().map(name).collect()
}

fn named(full: &str, tag: &str) -> (Value, Value) {
    (json!(full), json!(tag))
}

fn tags(files: &Files) -> Value {
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    manifest.as_array().unwrap().iter().map(|entry| entry["RepoTags"].clone()).collect()
}

fn archive(name: &str) -> Archive {
    archives(&Build::FIRST).into_iter().find(|archive| archive.name == name).unwrap()
}

#[test]
fn a_new_name_replaces_those_of_every_kind_of_archive() {
    for archive in archives(&Build::FIRST).into_iter().filter(|archive| archive.images.len() == 1) {
        let options = ["--name", "app:2", "--name", "registry.example:5000/team/app:v3"];
        let out = filter(&archive.bytes, &options);
        let files = read_tar(&out);
        expect_good_but_names(&archive, &files);
        let wanted = [named("docker.io/library/app:2", "2"), named("registry.example:5000/team/app:v3", "v3")];
        assert_eq!(listed(&files), wanted, "{}", archive.name);
        if archive.name != "oci.tar" {
            assert_eq!(tags(&files), json!([["app:2", "registry.example:5000/team/app:v3"]]), "{}", archive.name);
        }
        assert!(filter(&out, &options) == out, "{}: not idempotent", archive.name);
        assert!(filter(&out, &[]) == out, "{}: the names do not stay", archive.name);
    }
}

#[track_caller]
fn expect_good_but_names(archive: &Archive, files: &Files) {
    let seen = judge::walk(files);
    judge::expect_no_orphans(files, &seen);
    judge::expect_stamped(&seen, false);
    assert_eq!(seen.layers.len(), archive.images[0].layers.len(), "{}", archive.name);
}

#[test]
fn two_builds_get_the_same_bytes_under_a_new_name() {
    for (one, two) in archives(&Build::FIRST).iter().zip(archives(&Build::SECOND)) {
        if one.images.len() == 1 {
            let options = ["--name", "app:1"];
            assert!(filter(&one.bytes, &options) == filter(&two.bytes, &options), "{}", one.name);
        }
    }
}

#[test]
fn a_reference_of_dest_is_the_name() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive("oci.tar").bytes);
    let at = |name: &str| dir.path().join(name);
    let [layout, tar, docker] = ["layout", "out.tar", "docker.tar"].map(at);
    // As skopeo has it, a layout is found by all of the reference.
    rewrite(&[text(&source), &format!("oci:{}:v1", text(&layout))]);
    assert_eq!(listed(&read(&layout)), [(Value::Null, json!("v1"))]);
    rewrite(&[text(&source), &format!("oci-archive:{}:app:1", text(&tar))]);
    assert_eq!(listed(&read(&tar)), [named("docker.io/library/app:1", "app:1")]);
    rewrite(&[text(&source), &format!("docker-archive:{}:app:1", text(&docker))]);
    let files = read(&docker);
    assert_eq!((listed(&files), tags(&files)), (vec![named("docker.io/library/app:1", "1")], json!([["app:1"]])));
    let repositories: Value = serde_json::from_slice(&files["repositories"]).unwrap();
    assert_eq!(repositories["app"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1"]);
    // What it is found by afterwards, and the image itself is the same everywhere.
    let digest = |location: String| run(["inspect", "--digest", &location]).expect(0).text();
    let all = [("oci", &layout, "v1"), ("oci-archive", &tar, "app:1"), ("docker-archive", &docker, "app:1")];
    let digests = all.map(|(kind, path, name)| digest(format!("{kind}:{}:{name}", text(path))));
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn a_name_without_a_tag_is_found_by_every_consumer() {
    let files = read_tar(&filter(&archive("untagged.tar").bytes, &["--name", "app"]));
    assert_eq!(listed(&files), [named("docker.io/library/app:latest", "latest")]);
    assert_eq!(tags(&files), json!([["app:latest"]]));
    // Docker lists an image without a name in manifest.json alone.
    let files = read_tar(&filter(&archive("null.tar").bytes, &["--name", "app:1"]));
    assert_eq!(listed(&files), [named("docker.io/library/app:1", "1")]);
}

#[test]
fn an_index_of_platforms_gets_the_name_and_keeps_its_parts() {
    let layout = graph::platforms(&Build::FIRST, Packing::Gzip, None);
    let bytes = layout.tar(&Build::FIRST);
    let (plain, renamed) = (read_tar(&filter(&bytes, &[])), read_tar(&filter(&bytes, &["--name", "app:1"])));
    assert_eq!(listed(&renamed), [named("docker.io/library/app:1", "1")]);
    let digest = |files: &Files| index(files)["manifests"][0]["digest"].clone();
    assert_eq!(digest(&plain), digest(&renamed));
    // What the index says besides the names is as it was.
    let rest = |files: &Files| {
        let mut entry = index(files)["manifests"][0].clone();
        entry.as_object_mut().unwrap().remove("annotations");
        entry
    };
    assert_eq!(rest(&plain), rest(&renamed));
}

#[test]
fn several_images_can_t_have_one_name() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive("hybrid.tar").bytes);
    let to = dir.path().join("out.tar");
    let arguments = ["rewrite", "--epoch", "1700000000", "--name", "app:1"];
    run(arguments.iter().chain(&[text(&source), text(&to)])).expect_error(&[
        "\"hello:1\"",
        "\"registry.example:5000/zoo:2\"",
        ":REF",
    ]);
    assert_eq!(names(dir.path()), ["in.tar"]);
    let chosen = format!("docker-archive:{}:hello:1", text(&source));
    run(arguments.iter().chain(&[chosen.as_str(), text(&to)])).expect(0);
    assert_eq!(tags(&read(&to)), json!([["app:1"]]));
    for bad in ["App:1", "app:1:2", "app@sha256:00", "a b", ""] {
        run(["rewrite", "--epoch", "1", "--name", bad, text(&source), text(&to)]).expect_error(&["name"]);
    }
    run(["rewrite", "--epoch", "1", text(&source), &format!("docker-archive:{}:App:1", text(&to))])
        .expect_error(&["DEST", "name"]);
}

#[test]
fn the_digest_to_deploy_is_that_of_the_index_or_manifest_of_the_name() {
    let dir = scratch();
    let platforms = graph::platforms(&Build::FIRST, Packing::Gzip, Some(graph::Attestation::New));
    let single = archive("oci.tar");
    for (name, bytes, kind) in
        [("index", platforms.tar(&Build::FIRST), "index"), ("single", single.bytes.clone(), "manifest")]
    {
        let source = write(dir.path(), name, &bytes);
        let [to, file, report] = ["out.tar", "digest", "report"].map(|end| dir.path().join(format!("{name}.{end}")));
        let options = ["--digest-file", text(&file), "--report", text(&report)];
        let said = run(["rewrite", "--epoch", "1700000000"].iter().chain(&options).chain(&[text(&source), text(&to)]));
        let said = said.expect(0).stderr;
        let (old, new) = (index(&read(&source)), index(&read(&to)));
        let [old, new] = [old, new].map(|index| index["manifests"][0]["digest"].as_str().unwrap().to_owned());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{new}\n"));
        assert_eq!(run(["inspect", "--digest", text(&to)]).expect(0).text(), format!("{new}\n"));
        let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        let seen = &report["names"][0];
        assert_eq!((&seen["digest"], &seen["kind"]), (&json!({"old": old, "new": new}), &json!(kind)));
        let inspected: Value = serde_json::from_slice(&run(["inspect", "--json", text(&to)]).expect(0).stdout).unwrap();
        let own = &inspected["names"][0];
        assert_eq!((&own["digest"], &own["media_type"]), (&json!(new), &seen["media_type"]));
        assert_eq!(own["media_type"], format!("application/vnd.oci.image.{kind}.v1+json"));
        // One digest a line, and no line of digests is longer than a terminal is wide.
        let lines: Vec<&str> = said.lines().collect();
        let at = lines.iter().position(|line| *line == format!("     {old}")).unwrap_or_else(|| panic!("{said}"));
        assert_eq!(lines[at + 1], format!("  -> {new}"), "{said}");
        assert!(lines.iter().filter(|line| line.contains("sha256:")).all(|line| line.len() <= 80), "{said}");
    }
}

#[test]
fn an_archive_without_manifests_has_image_ids() {
    let dir = scratch();
    let legacy = archive("legacy.tar");
    let source = write(dir.path(), "in.tar", &legacy.bytes);
    let id = legacy.images[0].id();
    let location = format!("docker-archive:{}:hello:1", text(&source));
    assert_eq!(run(["inspect", "--digest", &location]).expect(0).text(), format!("{id}\n"));
    let report: Value = serde_json::from_slice(&run(["inspect", "--json", text(&source)]).expect(0).stdout).unwrap();
    let all = report["names"].as_array().unwrap();
    let names: Vec<&str> = all.iter().map(|name| name["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hello:1", "hello:latest", "registry.example:5000/zoo:2"]);
    assert!(all.iter().all(|name| name["kind"] == "image-id"), "{report:#}");
    let layers = report["layers"].as_array().unwrap();
    assert!(layers.iter().all(|layer| layer["digest"].is_string()), "{report:#}");
    // The result has manifests: what is said of it is what it says itself.
    let (to, file) = (dir.path().join("out.tar"), dir.path().join("digest"));
    let arguments = ["rewrite", "--epoch", "1700000000", "--digest-file", text(&file), &location, text(&to)];
    let said = run(arguments).expect(0).stderr;
    assert!(said.contains("image ID") && said.contains(&id), "{said}");
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(run(["inspect", "--digest", text(&to)]).expect(0).text(), written);
    assert!(index(&read(&to))["manifests"][0]["digest"] == written.trim());
}

#[test]
fn names_with_several_digests_are_no_one_digest() {
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &archive("hybrid.tar").bytes);
    run(["inspect", "--digest", text(&source)]).expect_error(&["\"hello:1\" sha256:", "zoo:2\" sha256:", ":REF"]);
    let (to, file) = (dir.path().join("out.tar"), dir.path().join("digest"));
    run(["rewrite", "--epoch", "1", "--digest-file", text(&file), text(&source), text(&to)]).expect_error(&[
        "--digest-file",
        "\"hello:1\"",
        ":REF",
    ]);
    assert_eq!(names(dir.path()), ["in.tar"]);
}
