//! The image config: when the image and its history say they were made, and the diff_ids of its layers.
//!
//! Docker's config and OCI's are one format with different unknown fields (OCI image-spec, config.md).

use std::ops::Range;

use super::commands::{Commands, OldTimes, command_sites};
use super::descriptor::{Platform, read_digest, text};
use super::json::{Json, Kind, Value, element_path, member_path};
use super::references::Moved;
use super::times::{Site, TimeKeys, TimeSite, created_sites, label_sites};
use super::unlisted::{Late, UnlistedTime};
use super::{Patch, Patched};
use crate::digest::Digest;
use crate::error::{Error, Property, Result};
use crate::stamp::Stamps;

/// A parsed image config.
#[derive(Debug)]
pub struct Config<'a> {
    json: Json<'a>,
    diff_ids: Vec<Digest>,
    history: Vec<History>,
    is_image: bool,
    has_rootfs: bool,
    /// What is looked for in commands; nothing where they stay as they are.
    commands: Option<Commands>,
    keys: TimeKeys,
}

/// An entry of `history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Where it is in the document.
    pub span: Range<usize>,
    /// Does it stand for no layer?
    pub empty_layer: bool,
    /// When the step was run, as it is written.
    pub created: Option<String>,
    /// What was run.
    pub created_by: Option<String>,
}

impl History {
    /// Do both describe the same step, run at the same time? Where they are does not matter.
    pub fn is_same_step(&self, other: &Self) -> bool {
        (self.empty_layer, &self.created, &self.created_by) == (other.empty_layer, &other.created, &other.created_by)
    }
}

/// How much of an image is its base's, and stays byte for byte as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaseHistory {
    /// That many entries from the start of `history`.
    pub entries: usize,
}

impl<'a> Config<'a> {
    /// Parses a config.
    ///
    /// # Errors
    ///
    /// It is no config of an image.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let json = Json::parse(bytes)?;
        let root = json.root_object("image config")?;
        let diff_ids = diff_id_values(root)?.map(read_digest).collect::<Result<_>>()?;
        let history = history_values(root)?.map(read_history).collect::<Result<_>>()?;
        let has_rootfs = root.get_some("rootfs").is_some();
        let says = |key: &str| text(root, key).is_some_and(|text| !text.is_empty());
        let is_image = has_rootfs || (says("architecture") && says("os"));
        let keys = TimeKeys::default();
        let commands = Some(Commands::of(root, &keys, &OldTimes::default()));
        Ok(Self { json, diff_ids, history, is_image, has_rootfs, commands, keys })
    }

    /// The labels of these keys hold times as well; the old values of annotations about the image are times in its commands,
    /// as those of labels are.
    #[must_use]
    pub fn with_times(mut self, keys: &TimeKeys, annotations: &OldTimes) -> Self {
        if !(annotations.is_empty() && keys.is_empty()) {
            self.commands = Some(Commands::of(self.json.root(), keys, annotations));
            self.keys = keys.clone();
        }
        self
    }

    /// Times in commands stay, and are not looked for.
    #[must_use]
    pub fn keep_commands(mut self) -> Self {
        self.commands = None;
        self
    }

    /// What is looked for in commands.
    pub fn commands(&self) -> Option<&Commands> {
        self.commands.as_ref()
    }

    /// Has it a `rootfs`, or says at least what it runs on, as an image without layers may? What does neither is no image but
    /// an artifact's config, such as `{}`.
    pub fn is_image(&self) -> bool {
        self.is_image
    }

    /// Has it a `rootfs`, in whatever form?
    pub fn has_rootfs(&self) -> bool {
        self.has_rootfs
    }

    /// The digests of the uncompressed layers, lowest first.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.diff_ids
    }

    /// The steps of the build.
    pub fn history(&self) -> &[History] {
        &self.history
    }

    /// How many history entries belong to that many lowest layers: all before the first one that stands for a
    /// layer above them.
    ///
    /// The entries without a layer in between can be of either; they are taken for the base's.
    pub fn entries_of_layers(&self, layers: usize) -> usize {
        let mut filled = self.history.iter().enumerate().filter(|(_, entry)| !entry.empty_layer);
        match layers {
            0 => 0,
            _ => filled.nth(layers).map_or(self.history.len(), |(number, _)| number),
        }
    }

    /// What it runs on.
    pub fn platform(&self) -> Platform {
        Platform::read(self.json.root())
    }

    /// When the image was made, as it is written.
    pub fn created(&self) -> Option<String> {
        text(self.json.root(), "created")
    }

    /// The labels that have a text for value.
    pub fn labels(&self) -> Vec<(String, String)> {
        let labels = self.json.root().get("config").and_then(|config| config.get("Labels"));
        let members = labels.into_iter().flat_map(Value::members);
        members.filter_map(|member| Some((member.key.into_owned(), member.value.as_str()?.into_owned()))).collect()
    }

    /// The JSON text at the end of a path of keys: `["config", "Healthcheck"]`.
    pub fn raw(&self, path: &[&str]) -> Option<&'a [u8]> {
        let value = path.iter().try_fold(self.json.root(), |value, key| value.get(key))?;
        self.json.bytes().get(value.span())
    }

    /// Every place that holds a time, but for the base's history entries.
    pub fn times(&self, base: BaseHistory) -> Vec<TimeSite> {
        self.sites(base).iter().map(Site::public).collect()
    }

    fn sites(&self, base: BaseHistory) -> Vec<Site<'_>> {
        let root = self.json.root();
        let mut sites = image_sites(root, &self.keys);
        for (number, entry) in root.get("history").into_iter().flat_map(Value::elements).enumerate().skip(base.entries)
        {
            created_sites(entry, &element_path("history", number), &mut sites);
        }
        if let Some(commands) = &self.commands {
            command_sites(root, commands, base.entries, &mut sites);
        }
        sites
    }

    /// What reads as a time later than the epoch, and stays.
    pub fn unlisted(&self, stamps: impl Into<Stamps>) -> Vec<UnlistedTime> {
        let mut late = Late::new(&self.keys, stamps.into());
        let root = self.json.root();
        for holder in ["config", "container_config"] {
            let labels = root.get(holder).and_then(|holder| holder.get("Labels"));
            late.map(labels, &member_path(holder, "Labels"));
        }
        late.variables(root.get("config").and_then(|holder| holder.get("Env")), "config.Env");
        late.found()
    }

    /// The config with new times and diff_ids.
    ///
    /// # Errors
    ///
    /// The number of diff_ids is not that of the layers.
    pub fn patch(&self, stamps: impl Into<Stamps>, base: BaseHistory, diff_ids: &[Digest]) -> Result<Patched> {
        self.patch_with(stamps, base, diff_ids, &Moved::default())
    }

    /// The same, whose labels follow what has moved.
    ///
    /// # Errors
    ///
    /// As for [`patch`](Self::patch).
    pub fn patch_with(
        &self,
        stamps: impl Into<Stamps>,
        base: BaseHistory,
        diff_ids: &[Digest],
        moved: &Moved<'_>,
    ) -> Result<Patched> {
        let stamps = stamps.into();
        if diff_ids.len() != self.diff_ids.len() {
            return Err(Error::mismatch(Property::LayerCount, self.diff_ids.len(), diff_ids.len()));
        }
        let mut patch = Patch::new(&self.json);
        patch.stamp(&self.sites(base), stamps)?;
        patch.unlisted = self.unlisted(stamps);
        for (value, new) in diff_id_values(self.json.root())?.zip(diff_ids) {
            patch.edits.string(value, &new.to_string());
        }
        for (labels, path) in label_maps(self.json.root()) {
            patch.moved_labels(labels, moved);
            if diff_ids != self.diff_ids {
                patch.broken_seals(labels, &path);
            }
        }
        patch.finish()
    }
}

/// The times of an image besides its history: what a config and a v1 file have in common.
pub(super) fn image_sites<'j>(root: Value<'j>, keys: &TimeKeys) -> Vec<Site<'j>> {
    let mut sites = Vec::new();
    created_sites(root, "", &mut sites);
    for (labels, path) in label_maps(root) {
        label_sites(Some(labels), &path, keys, &mut sites);
    }
    sites
}

/// The labels of a config, and where they are.
fn label_maps(root: Value<'_>) -> impl Iterator<Item = (Value<'_>, String)> {
    ["config", "container_config"].into_iter().filter_map(move |holder| {
        let labels = root.get(holder).and_then(|holder| holder.get("Labels"))?;
        Some((labels, member_path(holder, "Labels")))
    })
}

/// The elements of an array; none where it is null or absent, as Go has it.
pub(super) fn list<'j>(
    holder: Value<'j>,
    key: &str,
    what: &'static str,
) -> Result<impl Iterator<Item = Value<'j>> + use<'j>> {
    match holder.get_some(key) {
        Some(array) if array.kind() != Kind::Array => Err(array.wrong(what, "an array")),
        array => Ok(array.into_iter().flat_map(Value::elements)),
    }
}

fn diff_id_values(root: Value<'_>) -> Result<impl Iterator<Item = Value<'_>>> {
    let rootfs = match root.get_some("rootfs") {
        Some(rootfs) if rootfs.kind() != Kind::Object => return Err(rootfs.wrong("rootfs", "an object")),
        rootfs => rootfs,
    };
    let ids = rootfs.map(|rootfs| list(rootfs, "diff_ids", "diff_ids")).transpose()?;
    Ok(ids.into_iter().flatten())
}

fn history_values(root: Value<'_>) -> Result<impl Iterator<Item = Value<'_>>> {
    list(root, "history", "history")
}

fn read_history(entry: Value<'_>) -> Result<History> {
    if !matches!(entry.kind(), Kind::Object | Kind::Null) {
        return Err(entry.wrong("history entry", "an object"));
    }
    let empty_layer = match entry.get_some("empty_layer") {
        Some(flag) => flag.as_bool().ok_or_else(|| flag.wrong("empty_layer", "true or false"))?,
        None => false,
    };
    let (created, created_by) = (text(entry, "created"), text(entry, "created_by"));
    Ok(History { span: entry.span(), empty_layer, created, created_by })
}
