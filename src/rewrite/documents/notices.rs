//! Notices about parts that a run does not rewrite, one for each kind of them.

use std::collections::BTreeMap;

use super::NewDocuments;
use crate::digest::Digest;
use crate::error::printable;
use crate::image::documents::{Document, DocumentKind};
use crate::media_type::what_passes;
use crate::notice::{Notice, NoticeKind};

impl NewDocuments<'_> {
    /// Their own times are facts about one build and stay, so no other build has the same.
    pub(super) fn warn_of_attestations(&mut self) {
        let is_kept = |(digest, node): &(&Digest, &Document)| {
            matches!(&node.body, DocumentKind::Manifest(manifest) if manifest.attestation)
                && self.set.selection.keeps(digest)
        };
        let count = self.set.documents.nodes.iter().filter(is_kept).count();
        if count > 0 {
            let what = if count == 1 { "1 attestation describes" } else { &format!("{count} attestations describe") };
            let text = format!(
                "{what} one build, so the digest of the index differs from build to build (those of the images don't); \
                 --attestations drop leaves attestations out"
            );
            self.warnings.push(Notice::new(NoticeKind::Attestation, text));
        }
    }

    /// Artifacts stay as they are: what that means, for each type of them.
    pub(super) fn warn_of_artifacts(&mut self) {
        let mut types: BTreeMap<&str, usize> = BTreeMap::new();
        let kept = self.set.documents.manifests().filter(|(digest, _)| self.set.keeps(digest));
        for media_type in kept.filter_map(|(_, manifest)| manifest.passing_type()) {
            *types.entry(media_type).or_default() += 1;
        }
        for (media_type, count) in types {
            let (what, verb) = if count == 1 { ("artifact", "is") } else { ("artifacts", "are") };
            let text = format!(
                "{count} {what} of type {} {verb} no image: the blobs in it stay as they are{}",
                printable(media_type.as_bytes()),
                what_passes(media_type).map(|text| format!(": {text}")).unwrap_or_default()
            );
            self.warnings.push(Notice::new(NoticeKind::Artifact, text));
        }
    }
}
