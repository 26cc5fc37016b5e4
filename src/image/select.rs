//! Which images, and what of them, a verb is about.
//!
//! What is asked for by name (`reference.rs`) and by platform (`by_platform.rs`) stays, and what is about that
//! (`referrers.rs`) stays with it; the rest is left out, and named.
//!
//! Not here: how the selected parts change.

use std::collections::BTreeSet;

use crate::error::{Result, printable};
use crate::image::archive::ArchiveImage;
use crate::image::documents::Documents;
use crate::image::selection::{ImageRef, Selection};
use crate::image::{by_platform, listing};
use crate::notice::{Notice, NoticeKind};
use crate::platform::Platform;

/// Which images are asked for.
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// Only the image of this name, or `@` and its place in the list.
    pub reference: Option<String>,
    /// Only images of this platform.
    pub platform: Option<Platform>,
}

impl Selection {
    /// Does an image of `manifest.json` stay?
    fn keeps_entry(&self, select: &Select, image: &ArchiveImage) -> bool {
        let fits = |platform: &Platform| platform.matches(&image.config.platform());
        let wanted = self.is_listed_for.contains(&image.id) || select.platform.as_ref().is_none_or(fits);
        wanted
            && match &self.asked {
                Some(ImageRef::Name(name)) => image.is_tagged(name),
                Some(ImageRef::Config(id)) => image.id == *id,
                Some(ImageRef::Root(_)) | None => true,
            }
    }

    /// Removes the images of `manifest.json` that are left out, and the names that were not asked for.
    pub(super) fn of_archive(
        &mut self,
        documents: &Documents,
        select: &Select,
        images: &mut Vec<ArchiveImage>,
    ) -> Result<()> {
        self.entries_kept = images.iter().map(|image| self.keeps_entry(select, image)).collect();
        let mut keep = self.entries_kept.iter();
        let gone: Vec<ArchiveImage> = images.extract_if(.., |_| keep.next() == Some(&false)).collect();
        let mut still_here = if gone.is_empty() { BTreeSet::new() } else { listing::configs(documents, self)? };
        still_here.extend(images.iter().map(|image| image.id));
        // What a layout has under another name is not left out.
        for image in gone.iter().filter(|image| !still_here.contains(&image.id)) {
            let tags = printable(image.entry.repo_tags.join(" ").as_bytes());
            self.names.push(Notice::new(NoticeKind::Image, format!("image {tags} {}", image.id)));
            self.image_ids_gone.insert(image.image_id);
        }
        for image in images {
            let (kept, gone) =
                std::mem::take(&mut image.entry.repo_tags).into_iter().partition(|tag| self.keeps_name(tag));
            let gone: Vec<String> = gone;
            let name = |tag: &String| {
                let text = format!("name {} of image {}", printable(tag.as_bytes()), image.id);
                Notice::new(NoticeKind::Name, text)
            };
            self.names.extend(gone.iter().map(name));
            image.entry.repo_tags = kept;
        }
        Ok(())
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
}
