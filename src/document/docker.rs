//! The documents of `docker save`: `manifest.json`, which says what images are in an archive, and `repositories`,
//! which says it once more for Docker before 1.10 (moby, image/tarexport; image/spec/v1.2.md).

use std::collections::{BTreeMap, BTreeSet};

use super::config::list;
use super::descriptor::{Descriptor, DescriptorEdit, DescriptorPath, annotation_sites, text, texts};
use super::json::{Json, Kind, Value, element_path, member_path};
use super::times::{Site, TimeKeys, TimeSite};
use super::unlisted::{Late, UnlistedTime};
use super::{DigestMap, Patch, Patched, WarningKind, new_digest};
use crate::digest::Digest;
use crate::error::{Error, Property, Result};
use crate::limits::Limits;
use crate::stamp::Stamps;

/// A parsed `manifest.json`.
#[derive(Debug)]
pub struct Archive<'a> {
    json: Json<'a>,
    entries: Vec<ArchiveEntry>,
    keys: TimeKeys,
}

/// One image of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// Where the config is in the archive.
    pub config: String,
    /// The names of the image.
    pub repo_tags: Vec<String>,
    /// Where the layers are in the archive, lowest first.
    pub layers: Vec<String>,
    /// The ID of the image that this one was built from, where the daemon knew it.
    pub parent: Option<Digest>,
    /// What the layers were pulled as, by their diff_ids.
    pub sources: Vec<(Digest, Descriptor)>,
}

/// What changes in one entry of `manifest.json`.
#[derive(Debug, Clone, Default)]
pub struct ArchiveEntryEdit<'b> {
    /// Where the config is now.
    pub config: Option<String>,
    /// The names that stay.
    pub tags: Option<Vec<String>>,
    /// Where the layers are now, in their order; layers beyond the end of the list stay.
    pub layers: Vec<String>,
    /// For old diff_ids the new ones, and what their descriptors in `LayerSources` become.
    pub sources: BTreeMap<Digest, (Digest, DescriptorEdit<'b>)>,
}

/// What changes in `manifest.json` besides its times.
#[derive(Debug, Clone)]
pub struct ArchiveEdit<'b> {
    /// For each image what becomes of its entry; it is removed where that is `None`.
    pub entries: Vec<Option<ArchiveEntryEdit<'b>>>,
    /// Old image IDs (sha256 digests of configs) to the new ones.
    pub images: &'b DigestMap,
    /// The IDs of images that are left out, which no other may name as its parent.
    pub gone: &'b BTreeSet<Digest>,
}

impl<'a> Archive<'a> {
    /// Parses a `manifest.json`, within the default limits.
    ///
    /// # Errors
    ///
    /// It is no `manifest.json`, or there is too much in it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::parse_within(bytes, &Limits::DEFAULT)
    }

    /// Parses a `manifest.json`. Its images and their layers are counted before they are built.
    ///
    /// # Errors
    ///
    /// It is no `manifest.json`, or there are more images or layers in it than there may be.
    pub fn parse_within(bytes: &'a [u8], limits: &Limits) -> Result<Self> {
        let json = Json::parse(bytes)?;
        // Go writes an empty list as null.
        if !matches!(json.root().kind(), Kind::Array | Kind::Null) {
            return Err(Error::malformed("manifest.json", "a JSON array", json.root().kind().name()));
        }
        count(json.root(), limits)?;
        let entries = json.root().elements().enumerate().map(|(number, entry)| read_entry(entry, number));
        let entries = entries.collect::<Result<_>>()?;
        Ok(Self { json, entries, keys: TimeKeys::default() })
    }

    /// The annotations of these keys hold times as well.
    #[must_use]
    pub fn with_time_keys(mut self, keys: &TimeKeys) -> Self {
        self.keys = keys.clone();
        self
    }

    /// The images in their order.
    pub fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    /// Every place that holds a time, in the images of these numbers.
    pub fn times(&self, is_wanted: &dyn Fn(usize) -> bool) -> Vec<TimeSite> {
        let mut sites = Vec::new();
        self.sources(is_wanted, |holder, path| annotation_sites(holder, path, &self.keys, &mut sites));
        sites.iter().map(Site::public).collect()
    }

    /// What reads as a time later than the epoch, and stays, in the images of these numbers.
    pub fn unlisted(&self, stamps: impl Into<Stamps>, is_wanted: &dyn Fn(usize) -> bool) -> Vec<UnlistedTime> {
        let mut late = Late::new(&self.keys, stamps.into());
        self.sources(is_wanted, |holder, path| late.annotations(holder, path));
        late.found()
    }

    /// The descriptors of `LayerSources`, with their paths.
    fn sources<'s>(&'s self, is_wanted: &dyn Fn(usize) -> bool, mut visit: impl FnMut(Value<'s>, &str)) {
        for (number, entry) in self.json.root().elements().enumerate().filter(|(number, _)| is_wanted(*number)) {
            let path = member_path(&element_path("", number), "LayerSources");
            for member in entry.get_some("LayerSources").into_iter().flat_map(Value::members) {
                visit(member.value, &member_path(&path, &member.key));
            }
        }
    }

    /// The document with new times, names, paths, diff_ids and image IDs.
    ///
    /// # Errors
    ///
    /// Two changes would be made in the same place, or there are not as many edits as images.
    pub fn patch(&self, stamps: impl Into<Stamps>, edit: &ArchiveEdit<'_>) -> Result<Patched> {
        let (root, stamps) = (self.json.root(), stamps.into());
        if edit.entries.len() != self.entries.len() {
            return Err(Error::mismatch(Property::ImageCount, self.entries.len(), edit.entries.len()));
        }
        let mut patch = Patch::new(&self.json);
        let ArchiveEdit { entries, images, gone } = edit;
        for (number, (entry, edit)) in root.elements().zip(entries).enumerate() {
            let Some(edit) = edit else { continue };
            if let (Some(field), Some(tags)) = (entry.get("RepoTags"), &edit.tags) {
                let tags: BTreeSet<&str> = tags.iter().map(String::as_str).collect();
                let is_kept = |tag: Value<'_>| tag.as_str().is_none_or(|tag| tags.contains(tag.as_ref()));
                let keep: Vec<bool> = field.elements().map(is_kept).collect();
                patch.edits.retain_elements(field, &keep);
            }
            if let (Some(field), Some(path)) = (entry.get("Config"), &edit.config) {
                patch.edits.string(field, path);
            }
            for (field, path) in entry.get("Layers").into_iter().flat_map(Value::elements).zip(&edit.layers) {
                patch.edits.string(field, path);
            }
            let parent = entry.get("Parent").and_then(|field| Some((field, field.as_str()?.parse::<Digest>().ok()?)));
            match parent {
                Some((_, id)) if gone.contains(&id) => {
                    patch.edits.retain_members(entry, |member| !member.is("Parent"));
                    patch.warn(member_path(&element_path("", number), "Parent"), WarningKind::ParentGone(id));
                }
                Some((field, id)) => {
                    if let Some(new) = new_digest(images, &id) {
                        patch.edits.string(field, &new.to_string());
                    }
                }
                None => {}
            }
            if let Some(sources) = entry.get_some("LayerSources") {
                let path = member_path(&element_path("", number), "LayerSources");
                patch.layer_sources(sources, &path, edit, (stamps, &self.keys))?;
            }
        }
        let keep: Vec<bool> = entries.iter().map(Option::is_some).collect();
        patch.unlisted = self.unlisted(stamps, &|number| keep.get(number) != Some(&false));
        patch.edits.retain_elements(root, &keep);
        patch.finish()
    }
}

impl Patch<'_> {
    fn layer_sources(
        &mut self,
        sources: Value<'_>,
        path: &str,
        edit: &ArchiveEntryEdit<'_>,
        (stamps, keys): (Stamps, &TimeKeys),
    ) -> Result<()> {
        let new_key = |key: &str| key.parse().ok().and_then(|old: Digest| edit.sources.get(&old)).map(|(new, _)| *new);
        // Layers that differed in nothing but time are one layer now, and a key must not occur twice.
        let mut seen = BTreeSet::new();
        let mut first = BTreeSet::new();
        for member in sources.members() {
            let key = new_key(&member.key).map_or_else(|| member.key.to_string(), |new| new.to_string());
            if seen.insert(key.clone()) {
                first.insert(member.key_span.start);
            } else if let Ok(digest) = key.parse() {
                self.warn(path, WarningKind::Merged(digest));
            }
        }
        self.edits.retain_members(sources, |member| first.contains(&member.key_span.start));
        for member in sources.members().filter(|member| first.contains(&member.key_span.start)) {
            let Ok(old) = member.key.parse::<Digest>() else { continue };
            let own_path = member_path(path, &member.key);
            let mut sites = Vec::new();
            annotation_sites(member.value, &own_path, keys, &mut sites);
            self.stamp(&sites, stamps)?;
            let Some((new, change)) = edit.sources.get(&old) else { continue };
            self.edits.key(&member, &new.to_string());
            self.descriptor(member.value, &own_path, change);
        }
        Ok(())
    }
}

/// Compares the numbers of images and of layers with their limits.
fn count(root: Value<'_>, limits: &Limits) -> Result<()> {
    let images = root.elements().count();
    if images > limits.documents {
        return Err(Error::limit("number of images", limits.documents as u64, images));
    }
    let number = |entry: Value<'_>| {
        let [layers, sources] = ["Layers", "LayerSources"].map(|key| entry.get_some(key));
        layers.map_or(0, |list| list.elements().count()) + sources.map_or(0, |map| map.members().count())
    };
    let layers: usize = root.elements().map(number).sum();
    if layers > limits.descriptors {
        return Err(Error::limit("number of layers of all images", limits.descriptors as u64, layers));
    }
    Ok(())
}

fn read_entry(entry: Value<'_>, number: usize) -> Result<ArchiveEntry> {
    if entry.kind() != Kind::Object {
        return Err(entry.wrong("manifest.json", "an object"));
    }
    let at = element_path("", number);
    let layers = list(entry, "Layers", "Layers")?.map(|layer| match layer.as_str() {
        Some(path) => Ok(path.into_owned()),
        None => Err(layer.wrong("Layers", "a path in the archive")),
    });
    let sources = entry.get_some("LayerSources").into_iter().flat_map(Value::members).map(|member| {
        let path = member_path(&member_path(&at, "LayerSources"), &member.key);
        let diff_id = member.key.parse::<Digest>().map_err(|error| error.at_entry(&path))?;
        Ok((diff_id, Descriptor::read(member.value, DescriptorPath::Other(path.into()))?))
    });
    let parent = entry.get_some("Parent").filter(|parent| parent.as_str().is_none_or(|text| !text.is_empty()));
    Ok(ArchiveEntry {
        config: match text(entry, "Config") {
            Some(path) => path,
            None => return Err(Error::missing("Config").at_entry(at)),
        },
        repo_tags: texts(entry, "RepoTags"),
        layers: layers.collect::<Result<_>>()?,
        parent: parent.map(super::descriptor::read_digest).transpose()?,
        sources: sources.collect::<Result<_>>()?,
    })
}

/// A parsed `repositories`: repository → tag → v1 ID of the top layer.
#[derive(Debug)]
pub struct Repositories<'a> {
    json: Json<'a>,
}

impl<'a> Repositories<'a> {
    /// Parses a `repositories` file.
    ///
    /// # Errors
    ///
    /// It is no `repositories` file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let json = Json::parse_map(bytes)?;
        let root = json.root();
        if !matches!(root.kind(), Kind::Object | Kind::Null) {
            return Err(root.wrong("repositories", "an object"));
        }
        for repository in root.members() {
            if !matches!(repository.value.kind(), Kind::Object | Kind::Null) {
                return Err(repository.value.wrong("repositories", "an object of tags"));
            }
            if let Some(tag) = repository.value.members().find(|tag| tag.value.kind() != Kind::String) {
                return Err(tag.value.wrong("repositories", "the ID of a layer"));
            }
        }
        Ok(Self { json })
    }

    /// Repository, tag and ID, in their order.
    pub fn tags(&self) -> Vec<(String, String, String)> {
        let repositories = self.json.root().members();
        let tags = repositories.flat_map(|repository| {
            let name = repository.key.into_owned();
            repository.value.members().map(move |tag| (name.clone(), tag.key.into_owned(), tag.value))
        });
        tags.filter_map(|(name, tag, id)| Some((name, tag, id.as_str()?.into_owned()))).collect()
    }

    /// The document with the new ID of each tag, by repository and tag. One that has none is left out, and so is a
    /// repository of which nothing is left.
    ///
    /// # Errors
    ///
    /// Two changes would be made in the same place, or there are not as many edits as images.
    pub fn patch(&self, ids: &BTreeMap<(String, String), String>) -> Result<Patched> {
        let mut patch = Patch::new(&self.json);
        let mut gone = BTreeSet::new();
        for repository in self.json.root().members() {
            let id = |tag: &str| ids.get(&(repository.key.to_string(), tag.to_owned()));
            let mut tags = repository.value.members().peekable();
            if tags.peek().is_some() && !tags.any(|tag| id(&tag.key).is_some()) {
                gone.insert(repository.key.to_string());
                continue;
            }
            patch.edits.retain_members(repository.value, |tag| id(&tag.key).is_some());
            for tag in repository.value.members() {
                if let Some(new) = id(&tag.key) {
                    patch.edits.string(tag.value, new);
                }
            }
        }
        patch.edits.retain_members(self.json.root(), |repository| !gone.contains(repository.key.as_ref()));
        patch.finish()
    }
}
