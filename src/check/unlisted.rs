//! Times that are not compared with the epoch: under keys that are not known, and in configs of artifacts.

use std::sync::Arc;

use super::Checker;
use super::report::{Kind, Place, What};
use crate::document::artifact::ArtifactConfig;
use crate::document::descriptor::Descriptor;
use crate::error::Result;
use crate::image::base::{BasePrefix, HISTORY_UNCLEAR};
use crate::image::documents::{LARGE_ARTIFACT_CONFIG, extent_of, is_large_artifact_config, may_be_artifact_config};

impl Checker<'_> {
    /// The config of an artifact: times under keys that are named are compared, others are noted if they are late.
    pub(super) fn artifact_config(&mut self, place: &Arc<Place>, descriptor: &Descriptor) -> Result<()> {
        // That it is not what its digest says is found when it is read as a blob.
        let Ok(Some(extent)) = extent_of(self.set.source, descriptor) else { return Ok(()) };
        if !self.seen.insert(descriptor.digest) {
            return Ok(());
        }
        if is_large_artifact_config(&extent)? {
            self.findings.note(place, Kind::MediaType, "", LARGE_ARTIFACT_CONFIG);
        }
        if !may_be_artifact_config(&extent)? {
            return Ok(());
        }
        let Ok(bytes) = extent.verified_bytes(&descriptor.digest, None, extent.len()) else { return Ok(()) };
        let Some(config) = ArtifactConfig::parse(&bytes, &self.options.time_keys) else { return Ok(()) };
        self.findings.times(place, config.times(), self.stamps);
        self.unlisted.add(&place.name, config.unlisted(self.stamps));
        Ok(())
    }

    /// A history that does not say which of its steps are the base's.
    pub(super) fn short_history(&mut self, place: &Arc<Place>, base: BasePrefix) {
        if base.is_history_unclear {
            self.findings.note(place, Kind::History, "history", HISTORY_UNCLEAR);
        }
    }

    /// Notes what reads as a time later than the epoch: each key once.
    pub(super) fn note_unlisted(&mut self) {
        let unlisted = std::mem::take(&mut self.unlisted);
        for seen in unlisted.seen() {
            let place = self.findings.place(What::File, &seen.place, "");
            self.findings.note(&place, Kind::UnlistedTime, &seen.first.path, seen.message());
        }
        if unlisted.more() > 0 {
            let place = self.findings.place(What::Index, "index.json", "");
            let text = format!("{} more values under other keys look like times later than the epoch", unlisted.more());
            self.findings.note(&place, Kind::UnlistedTime, "", text);
        }
    }
}
