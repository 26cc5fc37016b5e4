//! Random graphs: whatever hangs together how.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::sample::Index as Pick;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::graph::walk::expect_sound;
use crate::graph::{BUILD, hex, plain};
use crate::support::graph::{self, Attestation};
use crate::support::layer::{Family, Layer, Packing, app, base};
use crate::support::layout::{Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, blob_path, config};
use crate::support::{Build, pipe};

const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

/// A document of a random graph; what it names are picked from those before it.
#[derive(Debug, Clone)]
enum Made {
    Image { layers: Vec<u8>, arm: bool, foreign: bool, data: bool, wide: bool },
    Index { children: Vec<Pick>, attested: Option<bool>, subject: Option<Pick>, data: bool },
    Referrer { subject: Pick, artifact: bool, fallback: bool, data: bool, wide: bool },
}

/// Documents, and which of them `index.json` lists, by what tag.
#[derive(Debug, Clone)]
struct Plan {
    made: Vec<Made>,
    listed: Vec<(Pick, bool)>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let image = (prop::collection::vec(0..4_u8, 1..4), any::<[bool; 4]>())
        .prop_map(|(layers, [arm, foreign, data, wide])| Made::Image { layers, arm, foreign, data, wide });
    let picks = prop::collection::vec(any::<Pick>(), 0..4);
    let index = (picks, any::<Option<bool>>(), any::<Option<Pick>>(), any::<bool>())
        .prop_map(|(children, attested, subject, data)| Made::Index { children, attested, subject, data });
    let referrer = (any::<Pick>(), any::<[bool; 4]>()).prop_map(|(subject, [artifact, fallback, data, wide])| {
        Made::Referrer { subject, artifact, fallback, data, wide }
    });
    let made = prop::collection::vec(prop_oneof![3 => image.clone(), 3 => index, 3 => referrer], 0..9);
    let listed = prop::collection::vec(any::<(Pick, bool)>(), 1..5);
    // Something to pick from comes first.
    (image, made, listed).prop_map(|(first, rest, listed)| Plan { made: [vec![first], rest].concat(), listed })
}

/// A layout in the making, with blobs by digests of both algorithms.
struct Maker<'b> {
    layout: Layout,
    build: &'b Build,
    /// Descriptors of what was made.
    made: Vec<Value>,
    fallback: Vec<Value>,
}

impl Maker<'_> {
    fn put(&mut self, media_type: &str, bytes: &[u8], wide: bool) -> Value {
        if !wide {
            return self.layout.put(media_type, bytes);
        }
        let digest = format!("sha512:{}", hex(&sha2::Sha512::digest(bytes)));
        self.layout.files.insert(blob_path(&digest), bytes.to_vec());
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn bytes(&self, descriptor: &Value) -> &[u8] {
        &self.layout.files[&blob_path(descriptor["digest"].as_str().unwrap())]
    }

    fn with_data(&self, mut descriptor: Value, data: bool) -> Value {
        if data {
            descriptor["data"] = STANDARD.encode(self.bytes(&descriptor)).into();
        }
        descriptor
    }

    fn pick(&self, pick: &Pick) -> Value {
        pick.get(&self.made).clone()
    }

    fn make(&mut self, made: &Made) {
        let descriptor = match made {
            Made::Image { layers, arm, foreign, data, wide } => self.image(layers, *arm, *foreign, *data, *wide),
            Made::Index { children, attested, subject, data } => {
                let mut children: Vec<Value> = children.iter().map(|pick| self.pick(pick)).collect();
                if let (Some(new), Some(first)) = (attested, children.first().cloned()) {
                    let style = if *new { Attestation::New } else { Attestation::Old };
                    if first["digest"].as_str().unwrap().starts_with("sha256") {
                        // In front of what it is about, where no builder puts it.
                        children.insert(0, graph::put_attestation(&mut self.layout, &first, style, self.build));
                    }
                }
                let children: Vec<Value> = children.into_iter().map(|child| self.with_data(child, *data)).collect();
                let mut index = json!({
                    "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children,
                    "annotations": {"org.opencontainers.image.created": self.build.date(98)},
                });
                if let Some(subject) = subject {
                    index["subject"] = plain(&self.pick(subject));
                }
                self.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap(), false)
            }
            Made::Referrer { subject, artifact, fallback, data, wide } => {
                let subject = self.pick(subject);
                let blob = self.layout.put("application/spdx+json", b"{\"spdx\":1}");
                let kind = if *artifact { OCI_ARTIFACT } else { OCI_MANIFEST };
                let mut manifest = json!({
                    "mediaType": kind, "artifactType": "application/spdx+json",
                    "annotations": {"org.opencontainers.image.created": self.build.date(100)},
                    "subject": self.with_data(plain(&subject), *data),
                });
                if *artifact {
                    manifest["blobs"] = json!([blob]);
                } else {
                    manifest["schemaVersion"] = 2.into();
                    manifest["config"] = graph::empty(&mut self.layout);
                    manifest["layers"] = json!([blob]);
                }
                let referrer = self.put(kind, &serde_json::to_vec_pretty(&manifest).unwrap(), *wide);
                if *fallback {
                    self.fallback(&subject, &referrer);
                }
                referrer
            }
        };
        self.made.push(descriptor);
    }

    fn image(&mut self, layers: &[u8], arm: bool, foreign: bool, data: bool, wide: bool) -> Value {
        let layer = |tar, packing| Layer::new(tar, packing, Family::Oci, self.build);
        let mut layers: Vec<Layer> = layers
            .iter()
            .map(|kind| match kind {
                0 => layer(base(self.build), Packing::Gzip),
                1 => layer(base(self.build), Packing::Zstd),
                2 => layer(app(self.build), Packing::Plain),
                _ => layer(app(self.build), Packing::Gzip),
            })
            .collect();
        let mut descriptors: Vec<Value> =
            layers.iter().map(|layer| self.put(&layer.media_type, &layer.blob, wide)).collect();
        if foreign {
            // Of another build, since nobody has it at hand.
            let elsewhere = Build { seconds: 1_500_000_000, ..BUILD };
            let layer = Layer::new(base(&elsewhere), Packing::Gzip, Family::Oci, &elsewhere);
            let mut descriptor = layer.descriptor();
            descriptor["mediaType"] = FOREIGN.into();
            descriptor["urls"] = json!(["https://example.org/layer"]);
            descriptors.push(descriptor);
            layers.push(layer);
        }
        let text = config(&layers, self.build, if arm { "arm64" } else { "amd64" });
        let config = self.put(OCI_CONFIG, text.as_bytes(), wide);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": self.with_data(config, data), "layers": descriptors,
            "annotations": {"org.opencontainers.image.created": self.build.date(90)},
        });
        let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
        let mut descriptor = self.put(OCI_MANIFEST, &bytes, wide);
        descriptor["platform"] = json!({"architecture": if arm { "arm64" } else { "amd64" }, "os": "linux"});
        descriptor
    }

    /// The index that lists the referrers of something where a registry has no API for that.
    fn fallback(&mut self, subject: &Value, referrer: &Value) {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [referrer]});
        let mut descriptor = self.put(OCI_INDEX, &serde_json::to_vec(&index).unwrap(), false);
        let (algorithm, digits) = subject["digest"].as_str().unwrap().split_once(':').unwrap();
        descriptor["annotations"] =
            json!({"org.opencontainers.image.ref.name": format!("{algorithm}-{}", &digits[..64])});
        self.fallback.push(descriptor);
    }
}

fn layout(plan: &Plan, build: &Build) -> Layout {
    let mut maker = Maker { layout: Layout::default(), build, made: Vec::new(), fallback: Vec::new() };
    plan.made.iter().for_each(|made| maker.make(made));
    let mut listed = Vec::new();
    for (number, (pick, is_named)) in plan.listed.iter().enumerate() {
        let mut descriptor = maker.pick(pick);
        if *is_named {
            descriptor["annotations"] = json!({
                "org.opencontainers.image.ref.name": format!("v{number}"),
                "org.opencontainers.image.created": build.date(99),
            });
        }
        listed.push(descriptor);
    }
    // The tags first, before what they are about is seen.
    maker.layout.manifests = [maker.fallback, listed].concat();
    maker.layout
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_hangs_together_as_before(plan in plans()) {
        expect_sound(&layout(&plan, &Build::FIRST));
    }

    #[test]
    fn two_builds_that_differ_only_in_time_are_equal(plan in plans(), epoch in 0..2_000_000_000_u64) {
        let [one, two] = [Build::FIRST, Build::SECOND].map(|build| {
            let bytes = layout(&plan, &build).tar(&build);
            let epoch = epoch.to_string();
            let outcome = pipe(["rewrite", "-q", "--attestations", "drop", "--epoch", &epoch], &bytes);
            (outcome.code, outcome.stdout, outcome.stderr)
        });
        prop_assert_eq!(&one.0, &Some(0), "{}", one.2);
        prop_assert!(one == two);
    }
}
