//! Images in registries: a registry in memory, which writes down what it is asked and fails where a test wants it to.

mod bulk;
mod push;
mod safety;
mod source;
mod trouble;

use serde_json::Value;

use crate::support::layout::{Image, Layout, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::support::{Build, Outcome, hello, layer::Packing, run};

/// The arguments before each SOURCE.
const REWRITE: [&str; 3] = ["rewrite", "--epoch", "1700000000"];

/// Puts an image into a registry as a builder would.
fn put(registry: &Registry, repository: &str, tag: &str, image: &Image) -> String {
    for layer in &image.layers {
        registry.put_blob(repository, &layer.blob);
    }
    registry.put_blob(repository, &image.config);
    registry.put_manifest(repository, tag, OCI_MANIFEST, &image.manifest(&Build::FIRST))
}

/// Puts a layout into a registry: what it lists is an index with this tag, or about one.
fn put_layout(registry: &Registry, repository: &str, tag: &str, layout: &Layout) {
    for (number, descriptor) in layout.manifests.iter().enumerate() {
        put_document(registry, repository, if number == 0 { tag } else { "" }, descriptor, layout);
    }
}

fn put_document(registry: &Registry, repository: &str, tag: &str, descriptor: &Value, layout: &Layout) {
    let path = crate::support::layout::blob_path(descriptor["digest"].as_str().unwrap());
    let Some(bytes) = layout.files.get(&path) else { return };
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let reference = if tag.is_empty() { descriptor["digest"].as_str().unwrap() } else { tag };
    registry.put_manifest(repository, reference, descriptor["mediaType"].as_str().unwrap(), bytes);
    for child in document["manifests"].as_array().into_iter().flatten() {
        put_document(registry, repository, "", child, layout);
    }
    for blob in [&document["config"]].into_iter().chain(document["layers"].as_array().into_iter().flatten()) {
        let path = blob["digest"].as_str().map(crate::support::layout::blob_path);
        if let Some(bytes) = path.and_then(|path| layout.files.get(&path)) {
            registry.put_blob(repository, bytes);
        }
    }
}

fn image() -> Image {
    hello(&Build::FIRST, Packing::Gzip)
}

fn rewrite(arguments: &[&str]) -> Outcome {
    run(REWRITE.iter().chain(arguments))
}

/// The digest that the same image has which is rewritten in a folder.
fn expected(image: &Image) -> String {
    let folder = crate::support::scratch();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    Layout::of(image, &Build::FIRST).write(&from);
    rewrite(&["-q", from.to_str().unwrap(), to.to_str().unwrap()]).expect(0);
    run(["inspect", "--digest", to.to_str().unwrap()]).expect(0).text().trim().to_owned()
}
