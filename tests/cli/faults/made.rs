//! What the tests of several faults share.

use serde_json::Value;

use crate::support::layer::Packing;
use crate::support::layout::{Files, Image, Layout, OCI_MANIFEST, blob_path, read_tar};
use crate::support::{self, Build, pipe};

pub const BUILD: Build = Build::FIRST;
pub const EPOCH: [&str; 2] = ["--epoch", "1700000000"];
pub const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

pub fn hello() -> Image {
    support::hello(&BUILD, Packing::Gzip)
}

/// The text of a check, which ends with this status.
#[track_caller]
pub fn checked(bytes: &[u8], options: &[&str], code: i32) -> String {
    pipe(["check"].iter().chain(&EPOCH).chain(options), bytes).expect(code).text()
}

/// What a rewrite says, and the archive that it writes.
#[track_caller]
pub fn rewritten(bytes: &[u8], options: &[&str]) -> (String, Vec<u8>) {
    let outcome = pipe(["rewrite"].iter().chain(&EPOCH).chain(options), bytes).expect(0);
    (outcome.stderr, outcome.stdout)
}

/// What the independent checker says, if it is there, of an archive before and after.
#[track_caller]
pub fn expect_clean(old: &[u8], new: &[u8]) {
    let dir = support::scratch();
    let (old, new) = (support::write(dir.path(), "old.tar", old), support::write(dir.path(), "new.tar", new));
    support::oracle::expect_clean(&old, &new, false);
}

pub fn index(files: &Files) -> Value {
    serde_json::from_slice(&files["index.json"]).unwrap()
}

pub fn document(files: &Files, digest: &Value) -> Value {
    serde_json::from_slice(&files[&blob_path(digest.as_str().unwrap())]).unwrap()
}

/// The manifest of the first image that an archive lists.
pub fn first_manifest(archive: &[u8]) -> (Files, Value) {
    let files = read_tar(archive);
    let manifest = document(&files, &index(&files)["manifests"][0]["digest"]);
    (files, manifest)
}

/// The image `hello`, with another manifest.
pub fn with_manifest(edit: &dyn Fn(&mut Value)) -> Layout {
    let mut layout = Layout::default();
    let image = hello();
    let old = layout.put_image(&image, &BUILD);
    layout.files.remove(&blob_path(old["digest"].as_str().unwrap()));
    let mut manifest: Value = serde_json::from_slice(&image.manifest(&BUILD)).unwrap();
    edit(&mut manifest);
    let descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    layout.name(descriptor, "hello:1", &BUILD);
    layout
}
