//! Annotations of an image that are not true of its new layers.

use super::NewDocuments;
use super::parts::Part;
use crate::digest::Digest;
use crate::document::descriptor::{Outdated, SOCI_INDEX_DIGEST};
use crate::document::manifest::Manifest;
use crate::image::documents::{DocumentKind, ManifestDocument};
use crate::media_type::{Compression, LayerType};

impl NewDocuments<'_> {
    /// The annotations that an image loses, its descriptors' too.
    pub(super) fn outdated(&self, manifest: &ManifestDocument, parsed: &Manifest<'_>, layers: &[Part]) -> Outdated {
        if !layers.iter().any(|layer| matches!(layer, Part::Layer { .. })) {
            return Outdated::default();
        }
        let is_zstd =
            |media_type: &str| LayerType::parse(media_type).is_some_and(|layer| layer.compression == Compression::Zstd);
        let was_zstd = manifest.layers.iter().any(|layer| is_zstd(&layer.media_type));
        let is_zstd_now = manifest.layers.iter().zip(layers).any(|(old, new)| match new {
            Part::Layer { media_type: Some(media_type), .. } => is_zstd(media_type),
            _ => is_zstd(&old.media_type),
        });
        let annotations = parsed.annotations();
        let soci = annotations.iter().find(|(key, _)| key == SOCI_INDEX_DIGEST);
        // One that is here and stays describes none of the layers that have changed.
        let has_lost_soci = soci.is_some_and(|(_, value)| !value.parse().is_ok_and(|index| self.is_here(&index)));
        Outdated { zstd: was_zstd && !is_zstd_now, soci: has_lost_soci }
    }

    fn is_here(&self, digest: &Digest) -> bool {
        let node = self.set.documents.nodes.get(digest);
        self.set.keeps(digest) && node.is_some_and(|node| !matches!(node.body, DocumentKind::Missing))
    }
}
