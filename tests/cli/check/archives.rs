//! Archives of Docker and podman: what their own documents say.

use serde_json::{Value, json};

use crate::check::made::{BUILD, faults, only, other};
use crate::support::docker::{self, Manifests};
use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Files, Image, tar_files};
use crate::support::{self, hello};

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
