//! Configs, manifests and indexes.

use serde_json::{Value, json};

use super::{Made, app, with_command};
use crate::diff::{BUILD, T, packed, with_config};
use crate::support::docker;
use crate::support::graph::{Attestation, platforms};
use crate::support::layer::{Family, Layer, Packing};
use crate::support::layout::{Image, Layout, OCI_INDEX, OCI_MANIFEST, blob_path};
use crate::support::tarball::{Entry, tar};

const EXPLAINABLE: &str = "explainable";

pub fn pairs() -> Vec<Made> {
    [configs(), builders(), manifests(), archives()].into_iter().flatten().collect()
}

fn configs() -> Vec<Made> {
    let base = app(&[]);
    let config = |name, from: &str, to: &str, expected: &str| {
        Made::images(name, EXPLAINABLE, [&base, &with_config(&base, from, to)], &[expected])
    };
    let [ab, ba] =
        [r#""Env":["A=1","B=2"]"#, r#""Env":["B=2","A=1"]"#].map(|env| with_config(&base, r#""Env":null"#, env));
    vec![
        config("format-spacing", r#" "created" : "#, r#""created":"#, "format - config - spelling"),
        config("format-escapes", r"J\u00f6rg", "Jörg", "format - config - spelling"),
        config(
            "format-key-order",
            r#""os":"linux","os.features":["a"]"#,
            r#""os.features":["a"],"os":"linux""#,
            "format - config - spelling",
        ),
        config("format-null", r#""Env":null,"#, "", "format - config - config.Env"),
        config(
            "format-docker-version",
            r#""docker_version":"27.0\/x""#,
            r#""docker_version":"28""#,
            "format - config - docker_version",
        ),
        config(
            "log-or-cache-inline",
            r#""moby.buildkit.cache.v0":"e30=""#,
            r#""moby.buildkit.cache.v0":"e31=""#,
            "log-or-cache - config - [\"moby.buildkit.cache.v0\"]",
        ),
        Made::images("order-environment", EXPLAINABLE, [&ab, &ba], &["order - config - config.Env"]),
    ]
}

/// What builders write about themselves, and how they write one step.
fn builders() -> Vec<Made> {
    let base = app(&[]);
    let step = |name, [a, b]: [&str; 2], expected: &str| {
        Made::images(name, EXPLAINABLE, [&with_command(&base, a), &with_command(&base, b)], &[expected])
    };
    let label = |name, key: &str, expected: &str| {
        let [a, b] = ["1.28.2", "1.33.1"]
            .map(|value| with_config(&base, r#""maintainer":"x""#, &format!(r#""maintainer":"x","{key}":"{value}""#)));
        Made::images(name, EXPLAINABLE, [&a, &b], &[&format!("{expected} config.Labels[\"{key}\"]")])
    };
    let command = "RUN /bin/sh -c make install # buildkit";
    let more = r#"{"created":"2025-01-01T00:00:00Z","created_by":"LABEL a=b","empty_layer":true},{"created":"#;
    vec![
        step("format-history", ["/bin/sh -c make  install", command], "format - config - history[1].created_by"),
        step("name-history-command", [command, "RUN /bin/sh -c make all"], "name - config - history[1].created_by"),
        Made::images(
            "name-history-step",
            EXPLAINABLE,
            [&base, &with_config(&base, r#"{"created":"#, more)],
            &["name - config - history[0]"],
        ),
        label("format-buildah-version", "io.buildah.version", "format - config -"),
        label("name-base-name", "org.opencontainers.image.base.name", "name - config -"),
        label("name-label-of-a-builder", "com.docker.compose.version", "name - config -"),
        Made {
            verdict: "different",
            ..label("content-label-that-is-read", "com.docker.extension.icon", "content - config -")
        },
    ]
}

fn manifests() -> Vec<Made> {
    let base = app(&[]);
    let family = |family| {
        let stream = tar(&[Entry::file("f", "x", T)]);
        let image = Image::new(vec![Layer::new(stream, Packing::Gzip, family, &BUILD)], family, &BUILD, &["app:1"]);
        Layout::of(&image, &BUILD)
    };
    // Docker's manifests have no annotations.
    let without_annotations = |mut layout: Layout| {
        let descriptor = layout.manifests.remove(0);
        let path = blob_path(descriptor["digest"].as_str().unwrap());
        let mut manifest: Value = serde_json::from_slice(&layout.files.remove(&path).unwrap()).unwrap();
        manifest.as_object_mut().unwrap().remove("annotations");
        let media_type = descriptor["mediaType"].as_str().unwrap().to_owned();
        let descriptor = layout.put(&media_type, &serde_json::to_vec_pretty(&manifest).unwrap());
        layout.name(descriptor, "app:1", &BUILD);
        layout.tar(&BUILD)
    };
    let spaced = |to_bytes: fn(&Value) -> Vec<u8>| {
        let mut layout = Layout::of(&base, &BUILD);
        let descriptor = layout.manifests.remove(0);
        let path = blob_path(descriptor["digest"].as_str().unwrap());
        let manifest: Value = serde_json::from_slice(&layout.files.remove(&path).unwrap()).unwrap();
        let descriptor = layout.put(OCI_MANIFEST, &to_bytes(&manifest));
        layout.name(descriptor, "app:1", &BUILD);
        layout.tar(&BUILD)
    };
    let pretty = spaced(|manifest| serde_json::to_vec_pretty(manifest).unwrap());
    let compact = spaced(|manifest| serde_json::to_vec(manifest).unwrap());
    let nested = || {
        let mut layout = Layout::default();
        let image = layout.put_image(&base, &BUILD);
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image]});
        let index = layout.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap());
        layout.name(index, "app:1", &BUILD);
        layout.tar(&BUILD)
    };
    let platform = |layout: Layout, says: bool| {
        let mut layout = layout;
        if says {
            layout.manifests[0]["platform"] = json!({"architecture": "amd64", "os": "linux", "variant": "v1"});
        }
        layout.tar(&BUILD)
    };
    let of = |image: &Image| Layout::of(image, &BUILD);
    let attested = |attestation| platforms(&BUILD, Packing::Gzip, attestation).tar(&BUILD);
    vec![
        Made::new(
            "format-media-types",
            EXPLAINABLE,
            [Family::Oci, Family::Docker].map(|f| without_annotations(family(f))),
            &[
                "format - index - descriptor.mediaType",
                "format - manifest - mediaType",
                "format - manifest - config.mediaType",
                "format - manifest - layers[0].mediaType",
            ],
        ),
        Made::new("format-manifest-spacing", EXPLAINABLE, [pretty, compact], &["format - manifest - spelling"]),
        Made::new("format-nesting", EXPLAINABLE, [of(&base).tar(&BUILD), nested()], &["format - index - nesting"]),
        Made::new(
            "format-platform",
            EXPLAINABLE,
            [platform(of(&base), false), platform(of(&base), true)],
            &["format - index - descriptor.platform"],
        ),
        Made::new(
            "format-attestation",
            EXPLAINABLE,
            [attested(None), attested(Some(Attestation::New))],
            &["format - attached - attestation", "format - attached - attestation"],
        ),
    ]
}

fn archives() -> Vec<Made> {
    let base = docker::plain(app(&[]));
    let renamed = Image { tags: vec!["app:2".to_owned()], ..base.clone() };
    let empty = packed(vec![tar(&[Entry::file("f", "x", T)]), tar(&[])], Packing::Plain);
    // BuildKit leaves an empty layer out, and says so in the history.
    let diff_ids = |image: &Image| {
        let ids: Vec<String> = image.layers.iter().map(|layer| format!("\"{}\"", layer.diff_id())).collect();
        ids.join(", ")
    };
    let without = Image { layers: empty.layers[..1].to_vec(), ..empty.clone() };
    let without = with_config(&without, &diff_ids(&empty), &diff_ids(&without));
    let without = with_config(&without, r#""created_by":"COPY 1"#, r#""empty_layer":true,"created_by":"COPY 1"#);
    let of = |image: &Image| Layout::of(image, &BUILD).tar(&BUILD);
    let one = std::slice::from_ref(&base);
    vec![
        Made::new("identical", "identical", [of(&base), of(&base)], &[]),
        Made::new("identical-other-archive", "identical", [of(&base), docker::legacy(one, &BUILD)], &[]),
        Made::new("identical-podman", "identical", [docker::podman(one), docker::legacy(one, &BUILD)], &[]),
        Made::images("name", EXPLAINABLE, [&base, &renamed], &["name - index - name"]),
        Made::images(
            "format-empty-layer",
            EXPLAINABLE,
            [&without, &empty],
            &["format - layer-/1 - layer", "format - config - history[1].empty_layer"],
        ),
    ]
}
