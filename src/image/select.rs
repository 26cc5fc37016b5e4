//! Which images, and what of them, a verb is about.
//!
//! What is asked for by name (`reference.rs`) and by platform (`by_platform.rs`) stays, and what is about that
//! (`referrers.rs`) stays with it; the rest is left out, and named.
//!
//! Not here: how the selected parts change.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::error::{Result, printable};
use crate::image::archive::ArchiveImage;
use crate::image::documents::Documents;
use crate::image::reference::ImageRef;
use crate::image::{by_platform, set};
use crate::name::is_name;
use crate::platform::Platform;

/// Which images are asked for.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// Only the image of this name, or `@` and its place in the list.
    pub reference: Option<String>,
    /// Only images of this platform.
    pub platform: Option<Platform>,
}

/// What is left out.
#[derive(Debug, Default)]
pub struct Selection {
    pub(super) dropped: BTreeSet<Digest>,
    pub(super) dropped_roots: BTreeSet<usize>,
    entries_kept: Vec<bool>,
    image_ids_gone: BTreeSet<Digest>,
    asked: Option<ImageRef>,
    /// What an index lists for the platform that was asked for, whatever its config says: manifests and their configs.
    pub(super) is_listed_for: BTreeSet<Digest>,
    /// What was left out and why, for people.
    pub names: Vec<String>,
}

impl Selection {
    /// Does an image of `manifest.json` stay?
    fn keeps_entry(&self, select: &Select, image: &ArchiveImage) -> bool {
        let fits = |platform: &Platform| platform.matches(&image.config.platform());
        let wanted = self.is_listed_for.contains(&image.id) || select.platform.as_ref().is_none_or(fits);
        wanted
            && match &self.asked {
                Some(ImageRef::Name(name)) => is_tagged(image, name),
                Some(ImageRef::Config(id)) => image.id == *id,
                Some(ImageRef::Root(_)) | None => true,
            }
    }

    /// Removes the images of `manifest.json` that are left out, and the names that were not asked for.
    pub(super) fn of_archive(&mut self, documents: &Documents, select: &Select, images: &mut Vec<ArchiveImage>) {
        self.entries_kept = images.iter().map(|image| self.keeps_entry(select, image)).collect();
        let mut keep = self.entries_kept.iter();
        let gone: Vec<ArchiveImage> = images.extract_if(.., |_| keep.next() == Some(&false)).collect();
        let mut still_here = set::configs(documents, self);
        still_here.extend(images.iter().map(|image| image.id));
        // What a layout has under another name is not left out.
        for image in gone.iter().filter(|image| !still_here.contains(&image.id)) {
            let tags = printable(image.entry.repo_tags.join(" ").as_bytes());
            self.names.push(format!("image {tags} {}", image.id));
            self.image_ids_gone.insert(image.image_id);
        }
        for image in images {
            let (kept, gone) =
                std::mem::take(&mut image.entry.repo_tags).into_iter().partition(|tag| self.keeps_name(tag));
            let gone: Vec<String> = gone;
            self.names
                .extend(gone.iter().map(|tag| format!("name {} of image {}", printable(tag.as_bytes()), image.id)));
            image.entry.repo_tags = kept;
        }
    }

    /// Does a name stay, of whatever image?
    pub fn keeps_name(&self, name: &str) -> bool {
        match &self.asked {
            Some(ImageRef::Name(asked)) => is_name(name, asked),
            Some(ImageRef::Config(_) | ImageRef::Root(_)) | None => true,
        }
    }

    /// The IDs of the images of `manifest.json` that are left out.
    pub fn image_ids_gone(&self) -> &BTreeSet<Digest> {
        &self.image_ids_gone
    }

    /// Which entries of `manifest.json` stay, in their order.
    pub fn entries_kept(&self) -> &[bool] {
        &self.entries_kept
    }

    /// Chooses by reference and platform. In an archive that is a layout as well, either part may list what the other one
    /// does not.
    pub(super) fn wanted(documents: &Documents, archive: &[ArchiveImage], select: &Select) -> Result<Self> {
        let parse = |reference: &String| ImageRef::parse(documents, archive, reference);
        let asked = select.reference.as_ref().map(parse).transpose()?;
        let mut selection = Self { asked: asked.clone(), ..Self::default() };
        if let Some(asked) = &asked {
            selection.by_reference(documents, archive, asked)?;
        }
        let of_name = documents.images().any(|(image, _)| selection.keeps(image));
        if let Some(platform) = &select.platform {
            selection.is_listed_for = by_platform::listed_for(documents, platform);
            selection.by_platform(documents, platform);
        }
        // A layout of artifacts alone has no image to choose unless a platform is named.
        let is_asked = of_name || !archive.is_empty() || select.platform.is_some();
        let is_left = archive.iter().any(|image| selection.keeps_entry(select, image));
        if is_asked && !is_left && !documents.images().any(|(image, _)| selection.keeps(image)) {
            let (reference, platform) = (select.reference.as_deref(), select.platform.as_ref());
            return Err(by_platform::nothing_left(documents, archive, reference, platform));
        }
        Ok(selection)
    }

    /// Leaves a document out under this name, or without one if it is empty; false if it was left out already.
    pub fn leave_out(&mut self, digest: Digest, name: impl FnOnce() -> String) -> bool {
        let is_new = self.dropped.insert(digest);
        if is_new {
            self.names.extend(Some(name()).filter(|name| !name.is_empty()));
        }
        is_new
    }

    /// Leaves a descriptor of `index.json` out, without a word.
    pub fn leave_out_root(&mut self, number: usize) {
        self.dropped_roots.insert(number);
    }

    /// Does this stay?
    pub fn keeps(&self, digest: &Digest) -> bool {
        !self.dropped.contains(digest)
    }

    /// Does this descriptor of `index.json` stay?
    pub fn keeps_root(&self, number: usize) -> bool {
        !self.dropped_roots.contains(&number)
    }

    pub(super) fn drop_root(&mut self, number: usize, child: &Descriptor) {
        if self.dropped_roots.insert(number) {
            let name = printable(child.ref_name().unwrap_or("untagged").as_bytes());
            self.names.push(format!("{name} {}", child.digest));
        }
    }
}

pub(super) fn is_tagged(image: &ArchiveImage, reference: &str) -> bool {
    image.entry.repo_tags.iter().any(|tag| is_name(tag, reference))
}
