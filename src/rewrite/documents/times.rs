//! Times in places that are not known: in configs of artifacts, and under other keys of labels and annotations. Those
//! that stay are reported.

use super::{NewConfig, NewDocuments};
use crate::blob::Expected;
use crate::clock::DocumentTime;
use crate::digest::Digest;
use crate::document::artifact::ArtifactConfig;
use crate::document::descriptor::Descriptor;
use crate::document::{Patched, TimeKeys};
use crate::error::{Error, Result};
use crate::image::documents::{LARGE_ARTIFACT_CONFIG, extent_of, is_large_artifact_config, may_be_artifact_config};
use crate::notice::{Notice, NoticeKind};
use crate::stamp::Stamps;

impl NewDocuments<'_> {
    /// What becomes of its times.
    pub fn stamps(&self) -> Result<Stamps> {
        self.options.stamps()
    }

    /// Which keys hold times, besides those that are known.
    pub fn time_keys(&self) -> &TimeKeys {
        &self.options.time_keys
    }

    /// The config of an artifact: what it says of time under keys that are named is set, and the rest stays. Nothing, where
    /// it stays as it is.
    pub(super) fn artifact_config(&mut self, descriptor: &Descriptor) -> Result<Option<NewConfig>> {
        let in_blob = |e: Error| e.in_blob(descriptor.digest);
        let extent = extent_of(self.set.source, descriptor)?;
        if let Some(extent) = &extent {
            Expected::of_size(descriptor.size).check_size(extent.len()).map_err(in_blob)?;
        }
        if let Some(known) = self.artifact_configs.get(&descriptor.digest) {
            return Ok(known.clone());
        }
        let new = match extent {
            Some(extent) if is_large_artifact_config(&extent)? => {
                let text = format!("{}: {LARGE_ARTIFACT_CONFIG}", descriptor.digest);
                self.warnings.push(Notice::new(NoticeKind::Artifact, text));
                None
            }
            Some(extent) if may_be_artifact_config(&extent)? => {
                let bytes = extent.verified_bytes(&descriptor.digest, None, extent.len()).map_err(in_blob)?;
                self.patched_config(descriptor.digest, &bytes)?
            }
            _ => None,
        };
        if new.is_none() {
            self.pass(descriptor, "config")?;
        }
        self.artifact_configs.insert(descriptor.digest, new.clone());
        Ok(new)
    }

    fn patched_config(&mut self, old: Digest, bytes: &[u8]) -> Result<Option<NewConfig>> {
        let stamps = self.options.stamps()?;
        let Some(config) = ArtifactConfig::parse(bytes, &self.options.time_keys) else { return Ok(None) };
        let patched = config.patch(stamps).map_err(|e| e.in_blob(old))?;
        self.note(&old.to_string(), &patched);
        if !patched.changed {
            return Ok(None);
        }
        let (digest, image_id) = (Digest::of(old.algorithm(), &patched.bytes), Digest::sha256(&patched.bytes));
        let size = patched.bytes.len() as u64;
        let content = self.content(patched.bytes)?;
        self.blobs.insert(digest, content);
        self.moves.entry(old).or_insert(digest);
        Ok(Some(NewConfig { digest, image_id, size }))
    }

    /// Counts what reads as a time later than the epoch and stays.
    pub fn note_unlisted(&mut self, place: &str, patched: &Patched) {
        self.unlisted.add(place, patched.unlisted.clone());
    }

    /// What is to be said of times that stay.
    pub fn notices_of_times(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        if self.options.created == DocumentTime::Keep {
            let text = "the times of documents (created, history, labels, annotations) stay, by --created keep: two builds \
                        differ in them";
            notices.push(Notice::new(NoticeKind::KeptTimes, text));
        }
        for seen in self.unlisted.seen() {
            let text = format!("{}: {}: {}", seen.place, seen.first.path, seen.message());
            notices.push(Notice::new(NoticeKind::UnlistedTime, text));
        }
        if self.unlisted.more() > 0 {
            let text =
                format!("{} more values under other keys look like times later than the epoch", self.unlisted.more());
            notices.push(Notice::new(NoticeKind::More, text));
        }
        notices
    }
}
