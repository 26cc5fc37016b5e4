//! The image manifest: one config, its layers, perhaps a subject (OCI image-spec, manifest.md; Docker schema 2).

use super::commands::OldTimes;
use super::config::list;
use super::descriptor::{
    Descriptor, DescriptorEdit, DescriptorPath, Outdated, annotation_sites, read_annotations, text,
};
use super::json::{Json, Kind, Value, element_path, member_path};
use super::references::Moved;
use super::times::{Site, TimeKeys, TimeSite};
use super::unlisted::{Late, UnlistedTime};
use super::{DescriptorCount, Patch, Patched, WarningKind};
use crate::error::{Error, Result};
use crate::media_type::OCI_ARTIFACT;
use crate::stamp::Stamps;

/// A parsed manifest.
#[derive(Debug)]
pub struct Manifest<'a> {
    json: Json<'a>,
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
    keys: TimeKeys,
}

/// What becomes of a layer's descriptor.
#[derive(Debug, Clone, Default)]
pub enum LayerEdit<'b> {
    /// The blob is as it was; only times in annotations change.
    #[default]
    Kept,
    /// The blob is another one.
    Moved(DescriptorEdit<'b>),
}

/// What changes in a manifest besides its times.
#[derive(Debug, Default)]
pub struct ManifestEdit<'b> {
    /// The new config.
    pub config: Option<DescriptorEdit<'b>>,
    /// For each layer what becomes of it; layers beyond the end of the list are kept.
    pub layers: Vec<LayerEdit<'b>>,
    /// The new subject.
    pub subject: Option<DescriptorEdit<'b>>,
    /// What else has moved, for annotations that name it.
    pub moved: Moved<'b>,
    /// Annotations of the document that are not true of it any more, and describe old bytes.
    pub without: Outdated,
    /// Leave out the signatures that the document itself carries.
    pub unsigned: bool,
}

impl<'a> Manifest<'a> {
    /// Parses a manifest, within the default limits.
    ///
    /// # Errors
    ///
    /// It is no manifest, or there are too many layers in it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::parse_within(bytes, &mut DescriptorCount::default())
    }

    /// Parses a manifest; Docker's schema 1, whose layers have no diff_ids, is refused. Its layers are counted before they
    /// are built.
    ///
    /// # Errors
    ///
    /// It is no manifest, or with its layers there are too many descriptors.
    pub fn parse_within(bytes: &'a [u8], count: &mut DescriptorCount) -> Result<Self> {
        let json = Json::parse(bytes)?;
        let root = json.root_object("image manifest")?;
        if root.get("schemaVersion").and_then(Value::as_u64) == Some(1) {
            let text =
                "a Docker schema 1 manifest can't be rewritten: convert the image to OCI or Docker schema 2 first";
            return Err(Error::refused(text).at_entry("schemaVersion"));
        }
        not_both(root, &["manifests", "fsLayers"], "image manifest", "no list of manifests")?;
        let part =
            |key| root.get_some(key).map(|value| Descriptor::read(value, DescriptorPath::Field(key))).transpose();
        let (config, subject) = (part("config")?, part("subject")?);
        let key = layers_key(root);
        count.add(list(root, key, key)?)?;
        let layers = list(root, key, key)?
            .enumerate()
            .map(|(number, layer)| Descriptor::read(layer, DescriptorPath::Element(key, number)))
            .collect::<Result<_>>()?;
        let keys = TimeKeys::default();
        Ok(Self { json, config, layers, subject, keys })
    }

    /// The annotations of these keys hold times as well.
    #[must_use]
    pub fn with_time_keys(mut self, keys: &TimeKeys) -> Self {
        self.keys = keys.clone();
        self
    }

    /// Config, layers and subject, to be kept.
    pub fn into_parts(self) -> (Option<Descriptor>, Vec<Descriptor>, Option<Descriptor>) {
        let Self { config, mut layers, subject, .. } = self;
        layers.shrink_to_fit();
        (config, layers, subject)
    }

    /// The config; an artifact may have none.
    pub fn config(&self) -> Option<&Descriptor> {
        self.config.as_ref()
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    /// The manifest that this one is about.
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// `artifactType`.
    pub fn artifact_type(&self) -> Option<String> {
        text(self.json.root(), "artifactType")
    }

    /// The media type that the document itself names.
    pub fn media_type(&self) -> Option<String> {
        text(self.json.root(), "mediaType")
    }

    /// The annotations of the document.
    pub fn annotations(&self) -> Vec<(String, String)> {
        read_annotations(self.json.root())
    }

    /// Does the document itself carry signatures (a list `signatures`)?
    pub fn has_signatures(&self) -> bool {
        self.json.root().get("signatures").is_some_and(|list| list.elements().next().is_some())
    }

    /// Every place that holds a time. The descriptors of a base's layers are the manifest's own.
    pub fn times(&self) -> Vec<TimeSite> {
        self.sites().iter().map(Site::public).collect()
    }

    /// The times in annotations, of the document and of its descriptors.
    pub fn annotation_times(&self) -> OldTimes {
        let mut times = OldTimes::default();
        for descriptor in self.config.iter().chain(&self.layers).chain(&self.subject) {
            descriptor.annotations.iter().for_each(|(key, text)| times.add(&self.keys, key, text));
        }
        self.annotations().iter().for_each(|(key, text)| times.add(&self.keys, key, text));
        times
    }

    /// What reads as a time later than the epoch, and stays.
    pub fn unlisted(&self, stamps: impl Into<Stamps>) -> Vec<UnlistedTime> {
        let mut late = Late::new(&self.keys, stamps.into());
        self.annotated(|holder, path| late.annotations(holder, path));
        late.found()
    }

    fn sites(&self) -> Vec<Site<'_>> {
        let mut sites = Vec::new();
        self.annotated(|holder, path| annotation_sites(holder, path, &self.keys, &mut sites));
        sites
    }

    /// The document and all descriptors in it, with their paths.
    fn annotated<'s>(&'s self, mut visit: impl FnMut(Value<'s>, &str)) {
        let root = self.json.root();
        visit(root, "");
        for key in ["config", "subject"] {
            if let Some(part) = root.get(key) {
                visit(part, key);
            }
        }
        for (number, layer) in layer_values(root) {
            visit(layer, &element_path(layers_key(root), number));
        }
    }

    /// The manifest with new times and descriptors.
    ///
    /// # Errors
    ///
    /// Two changes would be made in the same place.
    pub fn patch(&self, stamps: impl Into<Stamps>, edit: &ManifestEdit<'_>) -> Result<Patched> {
        let (root, stamps) = (self.json.root(), stamps.into());
        let mut patch = Patch::new(&self.json);
        patch.stamp(&self.sites(), stamps)?;
        patch.unlisted = self.unlisted(stamps);
        patch.moved_annotations(root, &edit.moved);
        if let Some(annotations) = root.get("annotations") {
            for member in annotations.members().filter(|member| edit.without.has(&member.key)) {
                patch.warn(member_path("annotations", &member.key), WarningKind::Dropped { is_lazy: true });
            }
            patch.without(annotations, edit.without);
            if edit.layers.iter().any(|layer| matches!(layer, LayerEdit::Moved(_))) {
                patch.broken_seals(annotations, "annotations");
            }
        }
        if edit.unsigned {
            patch.edits.retain_members(root, |member| !member.is("signatures"));
        }
        for (key, change) in [("config", &edit.config), ("subject", &edit.subject)] {
            let Some(part) = root.get_some(key) else { continue };
            patch.moved_annotations(part, &edit.moved);
            if let Some(change) = change {
                patch.descriptor(part, key, change);
            }
        }
        for (number, layer) in layer_values(root) {
            let path = element_path(layers_key(root), number);
            patch.moved_annotations(layer, &edit.moved);
            if let Some(LayerEdit::Moved(change)) = edit.layers.get(number) {
                patch.descriptor(layer, &path, change);
            }
        }
        patch.finish()
    }
}

fn layer_values(root: Value<'_>) -> impl Iterator<Item = (usize, Value<'_>)> {
    root.get(layers_key(root)).into_iter().flat_map(Value::elements).enumerate()
}

/// Where a manifest lists its blobs. One that has neither a config nor layers is an artifact's, whatever it says it is.
fn layers_key(root: Value<'_>) -> &'static str {
    let has = |key: &str| root.get_some(key).is_some();
    let is_artifact =
        text(root, "mediaType").as_deref() == Some(OCI_ARTIFACT) || (has("blobs") && !has("config") && !has("layers"));
    if is_artifact { "blobs" } else { "layers" }
}

/// A document that can be read as two kinds of document is none: one program might verify the one and another
/// run the other (CVE-2021-41190).
pub(super) fn not_both(root: Value<'_>, keys: &[&str], what: &'static str, expected: &'static str) -> Result<()> {
    let other = keys.iter().filter_map(|key| root.get_some(key));
    match other.into_iter().find(|value| value.kind() != Kind::Array || value.elements().next().is_some()) {
        Some(value) => Err(value.wrong(what, expected)),
        None => Ok(()),
    }
}
