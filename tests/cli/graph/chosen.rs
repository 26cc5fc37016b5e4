//! What is left of an image of which a part was asked for, in every list that names a part of it.

use serde_json::{Value, json};

use crate::graph::carriers::{image, layer, loadable, rewritten};
use crate::graph::walk::Walk;
use crate::graph::{BUILD, document, hello, index, plain as plain_link, put_index, tags};
use crate::support::docker::{Manifests, hybrid, hybrid_files, legacy, plain};
use crate::support::layer::{base, zoo};
use crate::support::layout::{Layout, OCI_INDEX, read_tar, tar_files};
use crate::support::{run, scratch, sha256_hex, text, write};

/// An index of two platforms under these tags, of which the second alone has one more.
fn multi(own: &str) -> Layout {
    let mut layout = Layout::default();
    let platforms = ["amd64", "arm64"].map(|platform| image(vec![layer(base(&BUILD))], platform, &[]));
    let children = platforms.map(|image| layout.put_image(&image, &BUILD));
    let both = put_index(&mut layout, &children);
    layout.name(both, "app:a", &BUILD);
    layout.name(children[1].clone(), own, &BUILD);
    layout
}

#[test]
fn a_name_that_was_not_asked_for_is_nowhere() {
    let dir = scratch();
    multi("app:b").write(&dir.path().join("in"));
    let to = dir.path().join("out.tar");
    let rewrite = |reference: &str| {
        let from = format!("oci:{}{reference}", text(&dir.path().join("in")));
        let said = run(["rewrite", "--epoch", "1700000000", &from, &format!("docker-archive:{}", text(&to))]);
        (said.expect(0).stderr, std::fs::read(&to).unwrap())
    };
    let (_, archive) = rewrite("");
    let names =
        |archive: &[u8]| -> Vec<Value> { loadable(archive, &[]).into_iter().map(|(names, ..)| names).collect() };
    assert_eq!(names(&archive), [json!(["app:a"]), json!(["app:b"])]);
    let (said, archive) = rewrite(":app:a");
    assert_eq!(names(&archive), [json!(["app:a"]), Value::Null]);
    assert!(said.contains("left out: b sha256:"), "{said}");
    let repositories: Value = serde_json::from_slice(&read_tar(&archive)["repositories"]).unwrap();
    assert_eq!(repositories["app"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn every_list_of_an_archive_loses_the_names_that_were_not_asked_for() {
    let mut one = plain(hello());
    one.tags = vec!["app:1".to_owned(), "registry.example:5000/app:2".to_owned()];
    let mut two = plain(image(vec![layer(zoo(&BUILD))], "amd64", &[]));
    two.tags = vec!["z:1".to_owned()];
    let images = [one, two];
    for source in [legacy(&images, &BUILD), hybrid(&images, Manifests::Listed, &BUILD)] {
        let (said, archive) = rewritten(&source, ":app:1", "docker-archive", &[]);
        let found: Vec<_> = loadable(&archive, &[]).into_iter().map(|(names, ..)| names).collect();
        assert_eq!(found, [json!(["app:1"])]);
        let files = read_tar(&archive);
        let repositories: Value = serde_json::from_slice(&files["repositories"]).unwrap();
        let list: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let top = list[0]["Layers"].as_array().unwrap().last().unwrap().as_str().unwrap().rsplit('/').next().unwrap();
        assert_eq!(repositories, json!({"app": {"1": top}}));
        assert_eq!(tags(&files), ["1"]);
        for left_out in ["name registry.example:5000/app:2 of image", "image z:1 sha256:"] {
            assert!(said.contains(&format!("left out: {left_out}")), "{said}");
        }
    }
}

#[test]
fn a_parent_that_was_left_out_is_not_named() {
    let [one, two] = [("app:1", base(&BUILD)), ("app:2", zoo(&BUILD))].map(|(tag, tar)| {
        let mut image = plain(image(vec![layer(tar)], "amd64", &[]));
        image.tags = vec![tag.to_owned()];
        image
    });
    let old = one.id();
    let source = hybrid(&[one, two], Manifests::Listed, &BUILD);
    let parent = |archive: &[u8], number: usize| -> Value {
        let list: Value = serde_json::from_slice(&read_tar(archive)["manifest.json"]).unwrap();
        list[number]["Parent"].clone()
    };
    assert_eq!(parent(&source, 1), json!(old));
    let (said, archive) = rewritten(&source, ":app:2", "docker-archive", &[]);
    assert_eq!(parent(&archive, 0), Value::Null);
    assert!(said.contains("Parent") && said.contains(&old), "{said}");
    // With its parent, it follows that.
    let (_, archive) = rewritten(&source, "", "docker-archive", &[]);
    let list: Value = serde_json::from_slice(&read_tar(&archive)["manifest.json"]).unwrap();
    let path = list[0]["Config"].as_str().unwrap();
    assert_eq!(parent(&archive, 1), format!("sha256:{}", path.rsplit('/').next().unwrap()));
}

#[test]
fn a_platform_that_manifest_json_does_not_list_can_be_chosen() {
    let platforms = ["amd64", "arm64"].map(|platform| plain(image(vec![layer(base(&BUILD))], platform, &["app:1"])));
    let mut layout = Layout::default();
    let children = platforms.each_ref().map(|image| layout.put_image(image, &BUILD));
    let both = put_index(&mut layout, &children);
    layout.name(both, "app:1", &BUILD);
    let mut files = layout.all();
    let first = hybrid_files(&platforms[..1], Manifests::Listed, &BUILD);
    for name in ["manifest.json", "repositories"] {
        files.insert(name.to_owned(), first[name].clone());
    }
    let source = tar_files(&files, &BUILD);
    for platform in ["amd64", "arm64"] {
        let options = ["--platform", &format!("linux/{platform}")];
        let (said, archive) = rewritten(&source, "", "docker-archive", &options);
        let found = loadable(&archive, &options);
        assert_eq!((found.len(), found[0].1.as_str()), (1, platform));
        assert_eq!(found[0].0, json!(["app:1"]));
        assert_eq!(said.contains("left out: image app:1"), platform == "arm64", "{said}");
        let (_, layout) = rewritten(&source, "", "oci-archive", &options);
        let files = read_tar(&layout);
        Walk::new(&files);
        let inner = document(&files, &index(&files)["manifests"][0]);
        let config = document(&files, &document(&files, &inner["manifests"][0])["config"]);
        assert_eq!((inner["manifests"].as_array().unwrap().len(), &config["architecture"]), (1, &json!(platform)));
    }
    let dir = scratch();
    let source = write(dir.path(), "in.tar", &source);
    run(["rewrite", "--epoch", "1700000000", "--platform", "linux/riscv64", text(&source), "-"]).expect_error(&[
        "linux/riscv64",
        "linux/amd64",
        "linux/arm64",
    ]);
}

#[test]
fn what_is_about_what_stays_comes_along_and_nothing_else() {
    // What only an image that was left out leads to is not visited before the attestations either.
    let mut layout = multi("app:b");
    let blob = layout.put("application/octet-stream", b"of a fallback tag that goes");
    let listed = layout.put(OCI_INDEX, &serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [blob]})).unwrap());
    let only = layout.put_image(&image(vec![layer(zoo(&BUILD))], "s390x", &[]), &BUILD);
    layout.name(only.clone(), "gone:1", &BUILD);
    let mut fallback = listed;
    fallback["annotations"] = json!({
        "org.opencontainers.image.ref.name": only["digest"].as_str().unwrap().replace(':', "-"),
    });
    layout.manifests.push(fallback);
    for options in [&["--platform", "linux/amd64"][..], &["--platform", "linux/arm64"]] {
        let (_, archive) = rewritten(&layout.tar(&BUILD), "", "oci-archive", options);
        let files = read_tar(&archive);
        Walk::new(&files);
        assert!(!files.contains_key(&format!("blobs/sha256/{}", sha256_hex(b"of a fallback tag that goes"))));
    }
}

#[test]
fn an_image_that_nothing_leads_to_any_more_is_told_of_by_no_list() {
    // An index of one platform that is about the image of another one, and goes with it.
    let mut layout = Layout::default();
    let children = ["amd64", "arm64"].map(|platform| {
        let image = image(vec![layer(base(&BUILD))], platform, &[]);
        layout.put_image(&image, &BUILD)
    });
    let about = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [children[1]], "subject": plain_link(&children[0]),
    });
    let about = layout.put(OCI_INDEX, &serde_json::to_vec(&about).unwrap());
    let third = layout.put_image(&image(vec![layer(zoo(&BUILD))], "arm64", &[]), &BUILD);
    let outer = put_index(&mut layout, &[children[0].clone(), about, third.clone()]);
    layout.name(outer, "app:1", &BUILD);
    for kind in ["oci-archive", "docker-archive"] {
        let (said, archive) = rewritten(&layout.tar(&BUILD), "", kind, &["-v", "--platform", "linux/arm64"]);
        assert!(said.contains("left out: referrer"), "{said}");
        assert!(!said.contains(children[1]["digest"].as_str().unwrap()), "{said}");
        assert!(said.contains(third["digest"].as_str().unwrap()), "{said}");
        let files = read_tar(&archive);
        Walk::new(&files);
    }
}

#[test]
fn a_reference_may_lack_the_tag_latest_or_be_a_place_in_the_list() {
    let mut one = plain(hello());
    one.tags = vec!["app:latest".to_owned()];
    let mut two = plain(image(vec![layer(zoo(&BUILD))], "amd64", &[]));
    two.tags = Vec::new();
    for source in [legacy(&[one.clone(), two.clone()], &BUILD), hybrid(&[one, two], Manifests::Listed, &BUILD)] {
        let all = loadable(&rewritten(&source, "", "docker-archive", &[]).1, &[]);
        for (reference, expected) in [(":app", 0), (":@0", 0), (":@1", 1)] {
            let (_, archive) = rewritten(&source, reference, "docker-archive", &[]);
            let found = loadable(&archive, &[]);
            assert_eq!(found.len(), 1, "{reference}");
            assert_eq!(format!("{:?}", found[0]), format!("{:?}", all[expected]), "{reference}");
        }
        let dir = scratch();
        let path = write(dir.path(), "in.tar", &source);
        let name = |reference: &str| format!("docker-archive:{}:{reference}", text(&path));
        run(["diff", "-q", &name("@0"), &name("app")]).expect(0);
        run(["diff", "-q", &name("@0"), &name("@1")]).expect(1);
        run(["inspect", &name("@2")]).expect_error(&["no image @2", "2 are listed"]);
        run(["inspect", &name("ap")]).expect_error(&["no image is called \"ap\"", "app:latest"]);
    }
    // In a layout it is the place in index.json, and a name is taken as it stands first.
    let dir = scratch();
    multi("app:b").write(dir.path());
    let images = |reference: &str| -> usize {
        let source = format!("oci:{}:{reference}", text(dir.path()));
        let report: Value = serde_json::from_str(&run(["inspect", "--json", &source]).expect(0).text()).unwrap();
        report["images"].as_array().unwrap().len()
    };
    assert_eq!((images("@0"), images("@1")), (2, 1));
}
