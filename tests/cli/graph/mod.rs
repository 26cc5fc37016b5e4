//! The graph of an image: whatever hangs together how, what comes out of a rewrite hangs together as before, and
//! nothing in it names what is gone.

mod attached;
mod carriers;
mod choice;
mod chosen;
mod links;
mod public;
mod random;
mod shared;
use crate::support;
mod walk;

use crate::support::layer::Packing;
use crate::support::layout::{Files, Image, Layout, OCI_INDEX, blob_path, read_tar};
use crate::support::{Build, pipe};
use serde_json::{Value, json};

const BUILD: Build = Build::FIRST;

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

fn hello() -> Image {
    support::hello(&BUILD, Packing::Gzip)
}

/// A descriptor without what an index says of what it names.
fn plain(descriptor: &Value) -> Value {
    json!({"mediaType": descriptor["mediaType"], "digest": descriptor["digest"], "size": descriptor["size"]})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
