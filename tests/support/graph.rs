//! What hangs on images: platforms, attestations, referrers, signatures.

use super::layer::{Family, Layer, Packing, app, base};
use super::layout::{Image, Layout, OCI_INDEX, OCI_MANIFEST, config};
use super::{Build, sha256};
use serde_json::{Value, json};

pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// How BuildKit writes an attestation manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestation {
    /// An image manifest whose config lists the JSON layers as diff_ids.
    Old,
    /// An OCI artifact with `subject` and the empty config.
    New,
}

/// Two platforms that share their first layer, each with an attestation where asked for.
pub fn platforms(build: &Build, packing: Packing, attestation: Option<Attestation>) -> Layout {
    let mut layout = Layout::default();
    let index = put_platforms(&mut layout, build, packing, attestation);
    layout.name(index, "hello:multi", build);
    layout
}

/// The same, as the descriptor of an index that the layout does not name yet.
pub fn put_platforms(layout: &mut Layout, build: &Build, packing: Packing, attestation: Option<Attestation>) -> Value {
    let mut manifests = Vec::new();
    let mut attestations = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let image = platform(build, packing, architecture);
        let mut descriptor = layout.put_image(&image, build);
        descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
        if architecture == "arm64" {
            descriptor["platform"]["variant"] = json!("v8");
        }
        if let Some(style) = attestation {
            attestations.push(put_attestation(layout, &descriptor, style, build));
        }
        manifests.push(descriptor);
    }
    manifests.extend(attestations);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": manifests,
        "annotations": {"org.opencontainers.image.created": build.date(98)},
    });
    layout.put(OCI_INDEX, &serde_json::to_vec_pretty(&index).unwrap())
}

fn platform(build: &Build, packing: Packing, architecture: &str) -> Image {
    let own = Build { seconds: build.seconds + i64::from(architecture == "arm64"), ..*build };
    let layers = vec![
        Layer::new(base(build), packing, Family::Oci, build),
        Layer::new(
            // So that the platforms differ in more than time.
            [super::tarball::open(&[super::tarball::Entry::file("arch", architecture, own.seconds)]), app(&own)]
                .concat(),
            packing,
            Family::Oci,
            build,
        ),
    ];
    let config = config(&layers, build, architecture).into_bytes();
    Image { family: Family::Oci, layers, config, tags: Vec::new() }
}

/// A provenance statement about a manifest, in an attestation manifest; returns its descriptor for the index.
pub fn put_attestation(layout: &mut Layout, about: &Value, style: Attestation, build: &Build) -> Value {
    let digest = about["digest"].as_str().unwrap();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [{"name": "pkg:docker/hello@multi", "digest": {"sha256": digest.strip_prefix("sha256:").unwrap()}}],
        "predicate": {"runDetails": {"metadata": {"startedOn": build.date(0), "finishedOn": build.date(99)}}},
    });
    let statement = serde_json::to_vec(&statement).unwrap();
    let mut layer = layout.put(IN_TOTO, &statement);
    layer["annotations"] = json!({"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"});
    let manifest = match style {
        Attestation::Old => {
            let config = json!({
                "architecture": "unknown", "os": "unknown", "config": {},
                "rootfs": {"type": "layers", "diff_ids": [sha256(&statement)]},
            });
            let config = layout.put(super::layout::OCI_CONFIG, &serde_json::to_vec(&config).unwrap());
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]})
        }
        Attestation::New => json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
            "config": empty(layout),
            "layers": [layer],
            "subject": {"mediaType": about["mediaType"], "digest": digest, "size": about["size"]},
        }),
    };
    let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec_pretty(&manifest).unwrap());
    descriptor["annotations"] = json!({
        "vnd.docker.reference.digest": digest,
        "vnd.docker.reference.type": "attestation-manifest",
    });
    descriptor["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    descriptor
}

/// The empty config, with its content in `data`.
pub fn empty(layout: &mut Layout) -> Value {
    let mut descriptor = layout.put(EMPTY, b"{}");
    descriptor["data"] = json!("e30=");
    descriptor
}

/// An artifact manifest that refers to another manifest.
pub fn put_referrer(layout: &mut Layout, subject: &Value, artifact_type: &str, blob: &[u8], build: &Build) -> Value {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": empty(layout),
        "layers": [layout.put("application/spdx+json", blob)],
        "subject": {"mediaType": subject["mediaType"], "digest": subject["digest"], "size": subject["size"]},
        "annotations": {"org.opencontainers.image.created": build.date(100)},
    });
    let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    descriptor["artifactType"] = json!(artifact_type);
    descriptor
}

/// An image, a referrer to it, a referrer to that one, and the fallback tags that list them.
pub fn referrers(build: &Build) -> Layout {
    let mut layout = Layout::default();
    let image = super::hello(build, Packing::Gzip);
    let descriptor = layout.put_image(&image, build);
    layout.name(descriptor.clone(), "hello:1", build);
    let sbom = put_referrer(&mut layout, &descriptor, "application/spdx+json", b"{\"spdx\":1}", build);
    let note = put_referrer(&mut layout, &sbom, "application/vnd.example.note", b"a note", build);
    for (subject, referrer) in [(&descriptor, &sbom), (&sbom, &note)] {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [referrer]});
        let mut fallback = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
        let tag = subject["digest"].as_str().unwrap().replace(':', "-");
        fallback["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        layout.manifests.push(fallback);
    }
    layout
}

/// An image with a signature under cosign's tag.
pub fn signed(build: &Build) -> Layout {
    let mut layout = Layout::of(&super::hello(build, Packing::Gzip), build);
    let digest = layout.manifests[0]["digest"].as_str().unwrap().to_owned();
    let payload = json!({"critical": {
        "identity": {"docker-reference": "hello"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }, "optional": null});
    let mut layer =
        layout.put("application/vnd.dev.cosign.simplesigning.v1+json", &serde_json::to_vec(&payload).unwrap());
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "MEUCIQ=="});
    let config = layout.put(
        super::layout::OCI_CONFIG,
        format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, layer["digest"]).as_bytes(),
    );
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
    let mut descriptor = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let tag = format!("{}.sig", digest.replace(':', "-"));
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    layout.manifests.push(descriptor);
    layout
}

/// An index in an index in an index.
pub fn nested(build: &Build) -> Layout {
    let mut layout = Layout::default();
    let mut inner = put_platforms(&mut layout, build, Packing::Gzip, None);
    for _ in 0..2 {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]});
        inner = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    }
    layout.name(inner, "hello:nested", build);
    layout
}
