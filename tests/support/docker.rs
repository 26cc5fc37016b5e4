//! docker-save archives of every generation.

use super::layer::{Family, Packing, media_type, pack};
use super::layout::{Files, Image, Layout, tar_files};
use super::tarball::{Entry, tar};
use super::{Build, sha256_hex};
use serde_json::{Map, Value, json};

/// Docker before 25: a v1 directory per layer, `manifest.json` and `repositories`.
///
/// A layer that several images share is stored once; the others have a symlink to it, as Docker 1.10 and later save it.
pub fn legacy(images: &[Image], build: &Build) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut manifest = Vec::new();
    let mut repositories: Map<String, Value> = Map::new();
    let mut stored: Vec<(String, String)> = Vec::new();
    for image in images {
        let ids = v1_ids(image);
        let mut paths = Vec::new();
        for (number, (layer, id)) in image.layers.iter().zip(&ids).enumerate() {
            let path = format!("{id}/layer.tar");
            paths.push(json!(path));
            if stored.contains(&(path.clone(), layer.diff_id())) {
                continue;
            }
            let parent = number.checked_sub(1).map(|below| ids[below].as_str());
            let top = number + 1 == ids.len();
            entries.push(Entry::dir(format!("{id}/"), build.seconds));
            entries.push(Entry::file(format!("{id}/VERSION"), "1.0", build.seconds));
            entries.push(Entry::file(format!("{id}/json"), v1_json(id, parent, top, build), build.seconds));
            match stored.iter().find(|(_, diff_id)| *diff_id == layer.diff_id()) {
                Some((first, _)) => entries.push(Entry::link(b'2', &path, format!("../{first}"), build.seconds)),
                None => entries.push(Entry::file(&path, &layer.tar, build.seconds)),
            }
            stored.push((path, layer.diff_id()));
        }
        let config = format!("{}.json", sha256_hex(&image.config));
        entries.push(Entry::file(&config, &image.config, build.seconds));
        manifest.push(json!({"Config": config, "RepoTags": repo_tags(image), "Layers": paths}));
        for tag in &image.tags {
            let (name, tag) = tag.rsplit_once(':').unwrap();
            let tags = repositories.entry(name).or_insert_with(|| json!({}));
            tags[tag] = json!(ids.last());
        }
    }
    entries.push(Entry::file("manifest.json", serde_json::to_vec(&manifest).unwrap(), 0));
    if !repositories.is_empty() {
        entries.push(Entry::file("repositories", serde_json::to_vec(&repositories).unwrap(), 0));
    }
    tar(&entries)
}

/// podman and skopeo: `<diff_id>.tar` at the root, `<id>/layer.tar` a symlink to it, everything of time 0.
pub fn podman(images: &[Image]) -> Vec<u8> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut manifest = Vec::new();
    let mut repositories: Map<String, Value> = Map::new();
    for image in images {
        let ids = v1_ids(image);
        let mut layers = Vec::new();
        for (layer, id) in image.layers.iter().zip(&ids) {
            let blob = format!("{}.tar", sha256_hex(&layer.tar));
            let legacy = [
                Entry::file(&blob, &layer.tar, 0).mode(0o444),
                Entry::link(b'2', format!("{id}/layer.tar"), format!("../{blob}"), 0),
                Entry::file(format!("{id}/VERSION"), "1.0", 0).mode(0o444),
                Entry::file(
                    format!("{id}/json"),
                    format!("{{\"id\":\"{id}\",\"created\":\"0001-01-01T00:00:00Z\"}}"),
                    0,
                )
                .mode(0o444),
            ];
            entries.extend(legacy);
            layers.push(json!(blob));
        }
        let config = format!("{}.json", sha256_hex(&image.config));
        entries.push(Entry::file(&config, &image.config, 0).mode(0o444));
        manifest.push(json!({"Config": config, "RepoTags": repo_tags(image), "Layers": layers}));
        for tag in &image.tags {
            let (name, tag) = tag.rsplit_once(':').unwrap();
            let tags = repositories.entry(name).or_insert_with(|| json!({}));
            tags[tag] = json!(ids.last());
        }
    }
    let mut seen = Vec::new();
    entries.retain(|entry| {
        let new = !seen.contains(&entry.name);
        seen.push(entry.name.clone());
        new
    });
    entries.push(Entry::file("manifest.json", serde_json::to_vec(&manifest).unwrap(), 0).mode(0o444));
    entries.push(Entry::file("repositories", serde_json::to_vec(&repositories).unwrap(), 0).mode(0o444));
    tar(&entries)
}

/// What Docker 25 and later writes into `index.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manifests {
    /// One per image and tag.
    Listed,
    /// `"manifests":null`, as for images that have no tag.
    Null,
}

/// Docker 25 and later: an OCI layout that also has `manifest.json`.
pub fn hybrid(images: &[Image], manifests: Manifests, build: &Build) -> Vec<u8> {
    tar_files(&hybrid_files(images, manifests, build), build)
}

pub fn hybrid_files(images: &[Image], manifests: Manifests, build: &Build) -> Files {
    let mut layout = Layout::default();
    let mut manifest = Vec::new();
    let mut repositories: Map<String, Value> = Map::new();
    for image in images {
        let descriptor = layout.put_image(image, build);
        for tag in &image.tags {
            layout.name(descriptor.clone(), tag, build);
            let (name, tag) = tag.rsplit_once(':').unwrap();
            let top = image.layers.last().map(|layer| sha256_hex(&layer.blob));
            repositories.entry(name).or_insert_with(|| json!({}))[tag] = json!(top);
        }
        let mut sources = Map::new();
        for layer in &image.layers {
            sources.insert(layer.diff_id(), layer.descriptor());
        }
        let path = |bytes: &[u8]| format!("blobs/sha256/{}", sha256_hex(bytes));
        manifest.push(json!({
            "Config": path(&image.config),
            "RepoTags": repo_tags(image),
            "Layers": image.layers.iter().map(|layer| path(&layer.blob)).collect::<Vec<_>>(),
            "LayerSources": sources,
        }));
    }
    // The second image was built from the first.
    let ids: Vec<String> = images.iter().map(Image::id).collect();
    for (entry, parent) in manifest.iter_mut().skip(1).zip(&ids) {
        entry["Parent"] = json!(parent);
    }
    let mut files = layout.all();
    if manifests == Manifests::Null {
        let index = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}"#;
        files.insert("index.json".to_owned(), index.to_vec());
    }
    files.insert("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap());
    if !repositories.is_empty() {
        files.insert("repositories".to_owned(), serde_json::to_vec(&repositories).unwrap());
    }
    files
}

/// `ctr image export`: a hybrid with Docker's media types and without `LayerSources`.
pub fn ctr_export(image: &Image, build: &Build) -> Vec<u8> {
    let layout = Layout::of(image, build);
    let path = |bytes: &[u8]| format!("blobs/sha256/{}", sha256_hex(bytes));
    let manifest = json!([{
        "Config": path(&image.config),
        "RepoTags": repo_tags(image),
        "Layers": image.layers.iter().map(|layer| path(&layer.blob)).collect::<Vec<_>>(),
    }]);
    let mut files = layout.all();
    files.insert("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap());
    tar_files(&files, &Build { seconds: 0, ..*build })
}

/// kaniko (go-containerregistry): the config's digest is its file name, layers are `<hex>.tar.gz`.
pub fn kaniko(image: &Image, build: &Build) -> Vec<u8> {
    let config = image.id();
    let mut entries = vec![Entry::file(&config, &image.config, 0)];
    let mut layers = Vec::new();
    for layer in &image.layers {
        let blob = pack(&layer.tar, Packing::Gzip, build);
        let name = format!("{}.tar.gz", sha256_hex(&blob));
        if !layers.contains(&json!(name)) {
            entries.push(Entry::file(&name, &blob, 0));
        }
        layers.push(json!(name));
    }
    let manifest = json!([{"Config": config, "RepoTags": repo_tags(image), "Layers": layers}]);
    entries.push(Entry::file("manifest.json", serde_json::to_vec(&manifest).unwrap(), 0));
    tar(&entries)
}

/// An image whose blobs are plain tars, whatever they were: as docker-save holds them.
pub fn plain(mut image: Image) -> Image {
    for layer in &mut image.layers {
        layer.blob = layer.tar.clone();
        layer.media_type = media_type(Packing::Plain, Family::Oci).to_owned();
    }
    image.family = Family::Oci;
    image
}

fn repo_tags(image: &Image) -> Value {
    if image.tags.is_empty() { Value::Null } else { json!(image.tags) }
}

/// Ids as Docker derives them: of the layer and all below it.
fn v1_ids(image: &Image) -> Vec<String> {
    let mut below = String::new();
    let mut ids = Vec::new();
    for (number, layer) in image.layers.iter().enumerate() {
        // The top one depends on the config as well.
        let config = if number + 1 == image.layers.len() { image.id() } else { String::new() };
        below = sha256_hex(format!("{below} {} {config}", layer.diff_id()).as_bytes());
        ids.push(below.clone());
    }
    ids
}

fn v1_json(id: &str, parent: Option<&str>, top: bool, build: &Build) -> String {
    let parent = parent.map(|parent| format!("\"parent\":\"{parent}\",")).unwrap_or_default();
    let created = if top { build.date(95) } else { "1970-01-01T00:00:00Z".to_owned() };
    let config = if top { r#","config":{"Cmd":["/bin/hello"]},"architecture":"amd64""# } else { "" };
    format!(
        r#"{{"id":"{id}",{parent}"created":"{created}","container_config":{{"Cmd":null,"Env":null}}{config},"os":"linux"}}"#
    )
}
