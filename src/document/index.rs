//! The image index and the manifest list: manifests, one per platform, with what refers to them (OCI image-spec,
//! image-index.md). A layout's `index.json` is one as well.

use super::config::list;
use super::descriptor::{Descriptor, DescriptorEdit, DescriptorPath, annotation_sites, read_annotations, text};
use super::json::{Json, Kind, Value, element_path};
use super::manifest::not_both;
use super::references::Moved;
use super::times::{Site, TimeKeys, TimeSite};
use super::unlisted::{Late, UnlistedTime};
use super::write::{self, NewDescriptor};
use super::{DescriptorCount, Patch, Patched};
use crate::error::Result;
use crate::stamp::Stamps;

/// A parsed index.
#[derive(Debug)]
pub struct Index<'a> {
    json: Json<'a>,
    manifests: Vec<Descriptor>,
    subject: Option<Descriptor>,
    keys: TimeKeys,
}

/// What becomes of one of an index's manifests.
#[derive(Debug, Clone, Default)]
pub enum ChildEdit<'b> {
    /// It is as it was; only its descriptor's annotations may change.
    #[default]
    Kept,
    /// It is another document.
    Moved(DescriptorEdit<'b>),
    /// It is left out.
    Removed,
}

/// What changes in an index besides its times.
#[derive(Debug, Default)]
pub struct IndexEdit<'b> {
    /// For each manifest what becomes of it; manifests beyond the end of the list are kept.
    pub manifests: Vec<ChildEdit<'b>>,
    /// The new subject.
    pub subject: Option<DescriptorEdit<'b>>,
    /// What has moved, for annotations and tags that name it.
    pub moved: Moved<'b>,
}

impl<'a> Index<'a> {
    /// Parses an index, within the default limits.
    ///
    /// # Errors
    ///
    /// It is no index, or there are too many descriptors in it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::parse_within(bytes, &mut DescriptorCount::default())
    }

    /// Parses an index. One without `manifests`, as `docker save` writes it for an image without a tag, is empty.
    /// Its manifests are counted before they are built.
    ///
    /// # Errors
    ///
    /// It is no index, or with its descriptors there are too many.
    pub fn parse_within(bytes: &'a [u8], count: &mut DescriptorCount) -> Result<Self> {
        let json = Json::parse(bytes)?;
        let root = json.root_object("image index")?;
        not_both(root, &["layers", "config", "fsLayers"], "image index", "no config and no layers")?;
        count.add(list(root, "manifests", "manifests")?)?;
        let manifests = list(root, "manifests", "manifests")?
            .enumerate()
            .map(|(number, manifest)| Descriptor::read(manifest, DescriptorPath::Element("manifests", number)))
            .collect::<Result<_>>()?;
        let subject = root
            .get_some("subject")
            .map(|value| Descriptor::read(value, DescriptorPath::Field("subject")))
            .transpose()?;
        Ok(Self { json, manifests, subject, keys: TimeKeys::default() })
    }

    /// An index to be patched, whose descriptors were read before: none is made of them.
    ///
    /// # Errors
    ///
    /// It is no JSON.
    pub fn known(bytes: &'a [u8]) -> Result<Self> {
        Ok(Self { json: Json::parse(bytes)?, manifests: Vec::new(), subject: None, keys: TimeKeys::default() })
    }

    /// The annotations of these keys hold times as well.
    #[must_use]
    pub fn with_time_keys(mut self, keys: &TimeKeys) -> Self {
        self.keys = keys.clone();
        self
    }

    /// The manifests and the subject, to be kept.
    pub fn into_parts(self) -> (Vec<Descriptor>, Option<Descriptor>) {
        let Self { mut manifests, subject, .. } = self;
        manifests.shrink_to_fit();
        (manifests, subject)
    }

    /// The manifests in their order.
    pub fn manifests(&self) -> &[Descriptor] {
        &self.manifests
    }

    /// The manifest that this index is about.
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

    /// Every place that holds a time.
    pub fn times(&self) -> Vec<TimeSite> {
        self.times_of(&|_| true)
    }

    /// Every place that holds a time, without those of manifests that are left out: `keeps` is called with the number of
    /// a manifest.
    pub fn times_of(&self, keeps: &dyn Fn(usize) -> bool) -> Vec<TimeSite> {
        self.sites(|number| !keeps(number)).iter().map(Site::public).collect()
    }

    /// What reads as a time later than the epoch, and stays; without manifests that are left out.
    pub fn unlisted(&self, stamps: impl Into<Stamps>, keeps: &dyn Fn(usize) -> bool) -> Vec<UnlistedTime> {
        let mut late = Late::new(&self.keys, stamps.into());
        self.annotated(|number| !keeps(number), |holder, path| late.annotations(holder, path));
        late.found()
    }

    fn sites(&self, removed: impl Fn(usize) -> bool) -> Vec<Site<'_>> {
        let mut sites = Vec::new();
        self.annotated(removed, |holder, path| annotation_sites(holder, path, &self.keys, &mut sites));
        sites
    }

    /// The document and all descriptors in it, with their paths.
    fn annotated<'s>(&'s self, removed: impl Fn(usize) -> bool, mut visit: impl FnMut(Value<'s>, &str)) {
        let root = self.json.root();
        visit(root, "");
        if let Some(subject) = root.get("subject") {
            visit(subject, "subject");
        }
        for (number, child) in child_values(root).filter(|(number, _)| !removed(*number)) {
            visit(child, &element_path("manifests", number));
        }
    }

    /// The index with some more manifests at its end.
    ///
    /// # Errors
    ///
    /// Two changes would be made in the same place.
    pub fn with(&self, more: &[NewDescriptor]) -> Result<Vec<u8>> {
        let mut patch = Patch::new(&self.json);
        if let Some(manifests) = self.json.root().get("manifests").filter(|list| list.kind() == Kind::Array) {
            patch.edits.append_elements(manifests, &write::elements(more)?);
        }
        Ok(patch.finish()?.bytes)
    }

    /// The index with new times, descriptors and tags.
    ///
    /// # Errors
    ///
    /// Two changes would be made in the same place.
    pub fn patch(&self, stamps: impl Into<Stamps>, edit: &IndexEdit<'_>) -> Result<Patched> {
        let (root, stamps) = (self.json.root(), stamps.into());
        let mut patch = Patch::new(&self.json);
        let removed = |number: usize| matches!(edit.manifests.get(number), Some(ChildEdit::Removed));
        patch.stamp(&self.sites(removed), stamps)?;
        patch.unlisted = self.unlisted(stamps, &|number| !removed(number));
        patch.moved_annotations(root, &edit.moved);
        if let Some(subject) = root.get_some("subject") {
            patch.moved_annotations(subject, &edit.moved);
            if let Some(change) = &edit.subject {
                patch.descriptor(subject, "subject", change);
            }
        }
        for (number, child) in child_values(root).filter(|(number, _)| !removed(*number)) {
            let path = element_path("manifests", number);
            patch.moved_annotations(child, &edit.moved);
            if let Some(ChildEdit::Moved(change)) = edit.manifests.get(number) {
                patch.descriptor(child, &path, change);
            }
        }
        if let Some(manifests) = root.get("manifests") {
            let keep: Vec<bool> = (0..manifests.elements().count()).map(|number| !removed(number)).collect();
            patch.edits.retain_elements(manifests, &keep);
        }
        patch.finish()
    }
}

fn child_values(root: Value<'_>) -> impl Iterator<Item = (usize, Value<'_>)> {
    root.get("manifests").into_iter().flat_map(Value::elements).enumerate()
}
