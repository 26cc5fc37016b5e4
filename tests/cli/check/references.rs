//! Labels and annotations that name a layer which the image does not have.

use serde_json::{Value, json};

use crate::check::made::{Edits, faults, only, other};
use crate::support::layer::Layer;

#[test]
fn a_label_that_names_no_layer_of_the_image_is_found() {
    let id = Edits::default().layers[0].diff_id();
    let lifecycle = |sha: &str| json!({"app": [{"sha": id}], "runImage": {"topLayer": sha, "reference": other()}});
    for (key, good, bad) in [
        ("ostree.final-diffid", id.clone(), other()),
        ("io.buildpacks.lifecycle.metadata", lifecycle(&id).to_string(), lifecycle(&other()).to_string()),
        (
            "io.buildpacks.buildpack.layers",
            json!({"x/y": {"1": {"layerDiffID": id, "id": other()}}}).to_string(),
            json!({"x/y": {"1": {"layerDiffID": other()}}}).to_string(),
        ),
    ] {
        let with = |text: &str| {
            let config = |config: &mut Value| config["config"]["Labels"][key] = json!(text);
            Edits { config: &config, ..Edits::default() }.tar()
        };
        assert_eq!(faults(&with(&good)), <[[String; 4]; 0]>::default(), "{key}");
        let place = format!("config.Labels[\"{key}\"]");
        only(&with(&bad), "stale", "sha256:", &[&place, &other(), "which the image does not have"]);
        // What can't be read promises nothing.
        for text in ["", "{", &"[".repeat(1000), "sha256:ab"] {
            assert_eq!(faults(&with(text)), <[[String; 4]; 0]>::default(), "{key} {text}");
        }
    }
}

#[test]
fn an_annotation_that_names_no_layer_of_the_image_is_found() {
    let layers: Vec<Layer> = Edits::default().layers;
    let hex = |digest: &str| digest.replace("sha256:", "");
    let manifest = |digest: String| {
        move |manifest: &mut Value| manifest["annotations"] = json!({"sh.brew.bottle.digest": hex(&digest)})
    };
    let good = manifest(layers[1].digest());
    let bad = manifest(other());
    assert!(faults(&Edits { manifest: &good, ..Edits::default() }.tar()).is_empty());
    only(&Edits { manifest: &bad, ..Edits::default() }.tar(), "stale", "sha256:", &["sh.brew.bottle.digest", &other()]);
    let index = |index: &mut Value| index[0]["annotations"]["sh.brew.bottle.digest"] = json!(hex(&other()));
    only(&Edits { index: &index, ..Edits::default() }.tar(), "stale", "index.json", &["manifests[0].annotations"]);
    let oras = |id: String| {
        move |manifest: &mut Value| {
            manifest["layers"][0]["annotations"] = json!({"io.deis.oras.content.digest": id});
        }
    };
    let (good, bad) = (oras(layers[0].diff_id()), oras(other()));
    assert!(faults(&Edits { manifest: &good, ..Edits::default() }.tar()).is_empty());
    only(&Edits { manifest: &bad, ..Edits::default() }.tar(), "annotation", &layers[0].digest(), &[&other()]);
}
