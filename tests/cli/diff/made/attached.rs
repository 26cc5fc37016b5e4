//! What hangs on an image, and images beside it.

use serde_json::{Value, json};

use super::{Made, app};
use crate::diff::{BUILD, T, with_config};
use crate::support::Build;
use crate::support::graph::{Attestation, IN_TOTO, empty, put_attestation, put_referrer};
use crate::support::layout::{Layout, OCI_INDEX, OCI_MANIFEST};

/// An index of images and what is about the first of them.
fn index(layout: &mut Layout, children: &[Value]) -> Vec<u8> {
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
    let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
    layout.name(index, "app:1", &BUILD);
    layout.tar(&BUILD)
}

/// An image, with a provenance of this build.
fn attested(build: &Build) -> Vec<u8> {
    let mut layout = Layout::default();
    let image = layout.put_image(&app(&[]), &BUILD);
    let attestation = put_attestation(&mut layout, &image, Attestation::New, build);
    index(&mut layout, &[image, attestation])
}

/// An image, with a statement of what is in it, or of how it was built.
fn stated(predicate_type: &str, predicate: &Value) -> Vec<u8> {
    let mut layout = Layout::default();
    let image = layout.put_image(&app(&[]), &BUILD);
    let digest = image["digest"].as_str().unwrap();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate_type, "predicate": predicate,
        "subject": [{"name": "app", "digest": {"sha256": digest.strip_prefix("sha256:").unwrap()}}],
    });
    let mut layer = layout.put(IN_TOTO, &serde_json::to_vec(&statement).unwrap());
    layer["annotations"] = json!({"in-toto.io/predicate-type": predicate_type});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty(&mut layout), "layers": [layer],
        "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
        "subject": {"mediaType": image["mediaType"], "digest": digest, "size": image["size"]},
    });
    let mut attestation = layout.put(OCI_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    attestation["annotations"] = json!({
        "vnd.docker.reference.digest": digest, "vnd.docker.reference.type": "attestation-manifest",
    });
    attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    index(&mut layout, &[image, attestation])
}

/// An image, and an artifact about it where there is one.
fn referred(blob: Option<&[u8]>) -> Vec<u8> {
    let mut layout = Layout::of(&app(&[]), &BUILD);
    let image = layout.manifests[0].clone();
    if let Some(blob) = blob {
        let artifact = put_referrer(&mut layout, &image, "application/spdx+json", blob, &BUILD);
        layout.manifests.push(artifact);
    }
    layout.tar(&BUILD)
}

/// Images for these architectures.
fn platforms(architectures: &[&str]) -> Vec<u8> {
    let mut layout = Layout::default();
    let mut children = Vec::new();
    for architecture in architectures {
        let image = with_config(&app(&[]), r#""architecture":"amd64""#, &format!(r#""architecture":"{architecture}""#));
        let mut child = layout.put_image(&image, &BUILD);
        child["platform"] = json!({"architecture": architecture, "os": "linux", "variant": "v1"});
        children.push(child);
    }
    index(&mut layout, &children)
}

pub fn pairs() -> Vec<Made> {
    let later = Build { seconds: T + 60, ..BUILD };
    let sbom = |version: &str| {
        stated("https://spdx.dev/Document", &json!({"packages": [{"name": "jq", "versionInfo": version}]}))
    };
    let provenance = |host: &str| stated("https://slsa.dev/provenance/v1", &json!({"runDetails": {"builder": host}}));
    vec![
        Made::new(
            "time-attestation",
            "explainable",
            [attested(&BUILD), attested(&later)],
            &[
                "time - attached - predicate.runDetails.metadata.finishedOn",
                "time - attached - predicate.runDetails.metadata.startedOn",
            ],
        ),
        Made::new(
            "package-db-sbom",
            "explainable",
            [sbom("1.7"), sbom("1.8")],
            &["package-db - attached - predicate.packages[0].versionInfo"],
        ),
        Made::new(
            "log-or-cache-provenance",
            "explainable",
            [provenance("here"), provenance("there")],
            &["log-or-cache - attached - predicate.runDetails.builder"],
        ),
        Made::new(
            "content-artifact",
            "different",
            [referred(Some(b"{\"spdx\":1}")), referred(Some(b"{\"spdx\":2}"))],
            &["content - attached - spdx"],
        ),
        Made::new(
            "content-artifact-added",
            "different",
            [referred(None), referred(Some(b"{\"spdx\":2}"))],
            &["content - attached - artifact"],
        ),
        Made::new(
            "content-platform-added",
            "different",
            [platforms(&["amd64"]), platforms(&["amd64", "arm64"])],
            &["content - index - image"],
        ),
    ]
}
