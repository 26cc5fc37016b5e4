//! Labels and annotations that name layers of their image: does it have these?

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Checker;
use super::report::{Kind, Place};
use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::document::json::member_path;
use crate::document::references::layers_named_by;
use crate::image::documents::ManifestDocument;
use crate::media_type::what_passes;

impl Checker<'_> {
    /// The labels of a config, or the annotations that are about an image whose layers have these digests or diff_ids.
    pub(super) fn references(
        &mut self,
        place: &Arc<Place>,
        path: &str,
        labels: &[(String, String)],
        layers: &[&[Digest]],
    ) {
        let named: Vec<(&str, BTreeSet<Digest>)> = labels
            .iter()
            .map(|(key, text)| (key.as_str(), layers_named_by(key, text)))
            .filter(|(_, digests)| !digests.is_empty())
            .collect();
        if named.is_empty() {
            return;
        }
        let known: BTreeSet<&Digest> = layers.iter().copied().flatten().collect();
        for (key, digests) in named {
            // What is named by an algorithm that no layer is named by can't be compared.
            let is_comparable = |digest: &Digest| known.iter().any(|known| known.algorithm() == digest.algorithm());
            let mut stale = digests.iter().filter(|digest| !known.contains(digest) && is_comparable(digest));
            let Some(first) = stale.next() else { continue };
            let more = stale.count();
            let more = if more > 0 { format!(" and {more} more layers") } else { String::new() };
            let text = format!("names {first}{more}, which the image does not have");
            self.findings.fault(place, Kind::Stale, &member_path(path, key), text);
        }
    }

    /// The annotations of a descriptor in an index, which are about the image that it leads to.
    pub(super) fn child_references(&mut self, place: &Arc<Place>, child: &Descriptor) {
        let Some(manifest) = self.set.documents.manifest(&child.digest).filter(|manifest| manifest.is_image()) else {
            return;
        };
        let path = format!("{}.annotations", child.path);
        self.references_of(place, &path, &child.annotations, manifest);
    }

    /// Annotations that are about an image.
    pub(super) fn references_of(
        &mut self,
        place: &Arc<Place>,
        path: &str,
        annotations: &[(String, String)],
        manifest: &ManifestDocument,
    ) {
        let layers: Vec<Digest> = manifest.layers.iter().map(|layer| layer.digest).collect();
        let diff_ids = manifest.image.as_ref().map_or(&[][..], |image| &image.diff_ids);
        self.references(place, path, annotations, &[&layers, diff_ids]);
    }

    /// Says once of each type that times in artifacts are not checked.
    pub(super) fn artifact(&mut self, place: &Arc<Place>, manifest: &ManifestDocument) {
        let Some(media_type) = manifest.passing_type() else { return };
        if self.artifacts.insert(media_type.to_owned()) {
            let advice = what_passes(media_type).map(|text| format!(": {text}")).unwrap_or_default();
            let text =
                format!("an artifact of type {media_type:?}, and no image: times in its blobs are not checked{advice}");
            self.findings.note(place, Kind::MediaType, "", text);
        }
    }
}
