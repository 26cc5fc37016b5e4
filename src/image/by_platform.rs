//! Images by platform: as their config has it, or the index that lists them. The two may differ in the variant, which
//! many configs do not name.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor;
use crate::error::Error;
use crate::image::archive::ArchiveImage;
use crate::image::documents::{DocumentKind, Documents, ManifestDocument};
use crate::image::listing::{self, NamesOf};
use crate::image::missing;
use crate::image::selection::Selection;
use crate::notice::{Notice, NoticeKind};
use crate::platform::Platform;

impl Selection {
    /// Leaves out the images of other platforms.
    pub(super) fn by_platform(&mut self, documents: &Documents, platform: &Platform) {
        for (digest, manifest) in documents.images() {
            if !self.keeps(digest) || self.is_listed_for.contains(digest) {
                continue;
            }
            let own = manifest.platform();
            if !platform.matches(&own) {
                self.dropped.insert(*digest);
                self.names.push(Notice::new(NoticeKind::Image, format!("{own} {digest}")));
            }
        }
        self.absent_of_others(documents);
    }

    /// Leaves out what is not in the image and, by its descriptor, for another platform.
    fn absent_of_others(&mut self, documents: &Documents) {
        let is_one = |platform: &Platform| !platform.os.is_empty() && platform.os != "unknown";
        for (digest, own) in listed(documents).filter(|(digest, own)| documents.is_missing(digest) && is_one(own)) {
            if !self.is_listed_for.contains(&digest) && self.dropped.insert(digest) {
                let text = format!("{own} {digest}, which is not in the image");
                self.names.push(Notice::new(NoticeKind::Image, text));
            }
        }
    }
}

/// The manifests that an index lists for a platform, and their configs.
pub(super) fn listed_for(documents: &Documents, platform: &Platform) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    for (digest, listed) in listed(documents) {
        if platform.matches(&listed) {
            found.insert(digest);
            if let Some(DocumentKind::Manifest(manifest)) = documents.nodes.get(&digest).map(|node| &node.body) {
                found.extend(manifest.config.iter().map(|config| config.digest));
            }
        }
    }
    found
}

/// What indexes say of the platforms of what they list.
fn listed(documents: &Documents) -> impl Iterator<Item = (Digest, Platform)> {
    documents.indexes().flatten().filter_map(|child| Some((child.digest, named(child.platform.as_ref()?))))
}

/// A platform as a descriptor names it.
pub(crate) fn named(platform: &descriptor::Platform) -> Platform {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let variant = platform.variant.clone().filter(|variant| !variant.is_empty());
    Platform { os: text(&platform.os), architecture: text(&platform.architecture), variant }
}

/// Says that nothing is left, and what there is.
pub(super) fn nothing_left(
    documents: &Documents,
    archive: &[ArchiveImage],
    reference: Option<&str>,
    platform: Option<&Platform>,
) -> Error {
    let all = Selection::default();
    let listed: BTreeMap<Digest, Platform> = listed(documents).collect();
    let of_documents =
        listing::listed(documents, &all, NamesOf::Images).unwrap_or_default().into_iter().filter_map(|image| {
            let own = || documents.manifest(&image.digest).map(ManifestDocument::platform);
            Some((listed.get(&image.digest).cloned().or_else(own)?, image.names))
        });
    let known = listing::configs(documents, &all).unwrap_or_default();
    let only = archive.iter().filter(|image| !known.contains(&image.id));
    let of_archive = only
        .map(|image| (image.config.platform(), image.entry.repo_tags.iter().map(String::as_str).collect::<Vec<_>>()));
    let there = of_documents.chain(of_archive);
    match (reference, platform) {
        (reference, Some(platform)) => missing::no_platform(reference, platform, there),
        (Some(reference), None) => missing::no_name(reference, there.map(|(_, names)| names)),
        (None, None) => Error::missing("image"),
    }
}
