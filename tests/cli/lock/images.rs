//! Images with the databases of package managers, small and by hand.

use crate::support::Build;
use crate::support::graph::empty;
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, OCI_MANIFEST};
use crate::support::tarball::{Entry, tar};
use serde_json::{Value, json};

pub const BUILD: Build = Build::FIRST;
/// 2024-01-15T12:00:00Z
pub const MTIME: i64 = 1_705_320_000;

pub const DEBIAN: &str =
    "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
const SOURCES: &str = "Types: deb\n# http://snapshot.debian.org/archive/debian/20240110T000000Z\n\
    URIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n";

pub fn file(name: &str, data: impl AsRef<[u8]>) -> Entry {
    Entry::file(name, data, MTIME)
}

/// A stanza of dpkg's status.
pub fn dpkg(name: &str, version: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\nDescription: x\n more\n\n"
    )
}

pub fn layer(entries: &[Entry]) -> Layer {
    Layer::new(tar(entries), Packing::Gzip, Family::Oci, &BUILD)
}

pub fn image(layers: Vec<Layer>, tag: &str) -> Image {
    Image::new(layers, Family::Oci, &BUILD, &[tag])
}

/// Debian's base, by a list of archives that names its snapshot in a comment.
pub fn debian_base() -> Layer {
    layer(&[
        file("usr/lib/os-release", DEBIAN),
        Entry::link(b'2', "etc/os-release", "../usr/lib/os-release", MTIME),
        file("etc/apt/sources.list.d/debian.sources", SOURCES),
        file("var/lib/dpkg/status", dpkg("base-files", "12.4+deb12u5") + &dpkg("libc6", "2.36-9+deb12u4")),
    ])
}

/// Two packages on top of it.
pub fn debian_app() -> Layer {
    let status = ["base-files", "libc6", "curl", "libcurl4"].map(|name| match name {
        "base-files" => dpkg(name, "12.4+deb12u5"),
        "libc6" => dpkg(name, "2.36-9+deb12u4"),
        _ => dpkg(name, "7.88.1-10+deb12u5"),
    });
    layer(&[
        file("var/lib/dpkg/status", status.concat()),
        file("usr/local/lib/python3.11/site-packages/requests-2.31.0.dist-info/METADATA", "x"),
        file("srv/node_modules/left-pad/package.json", "{}"),
    ])
}

pub fn debian() -> Layout {
    Layout::of(&image(vec![debian_base(), debian_app()], "app:1"), &BUILD)
}

pub fn base() -> Layout {
    Layout::of(&image(vec![debian_base()], "debian:12"), &BUILD)
}

/// An image in an index with a statement about it.
pub fn attested(predicate_type: &str, predicate: &Value) -> Layout {
    let mut layout = Layout::default();
    let mut manifest = layout.put_image(&image(vec![debian_base(), debian_app()], "app:1"), &BUILD);
    manifest["platform"] = json!({"architecture": "amd64", "os": "linux"});
    let digest = manifest["digest"].as_str().unwrap().to_owned();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": predicate_type,
        "subject": [{"name": "app", "digest": {"sha256": digest.strip_prefix("sha256:").unwrap()}}],
        "predicate": predicate,
    });
    let mut blob = layout.put("application/vnd.in-toto+json", &serde_json::to_vec(&statement).unwrap());
    blob["annotations"] = json!({"in-toto.io/predicate-type": predicate_type});
    let config = empty(&mut layout);
    let about = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [blob]});
    let mut about = layout.put(OCI_MANIFEST, &serde_json::to_vec(&about).unwrap());
    about["annotations"] =
        json!({"vnd.docker.reference.digest": digest, "vnd.docker.reference.type": "attestation-manifest"});
    about["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    let index =
        json!({"schemaVersion": 2, "mediaType": crate::support::layout::OCI_INDEX, "manifests": [manifest, about]});
    let index = layout.put(crate::support::layout::OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    layout.name(index, "app:1", &BUILD);
    layout
}
