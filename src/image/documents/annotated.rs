//! Which times annotations hold about a config, whose commands may repeat them.

use std::collections::BTreeMap;

use super::Documents;
use super::document::{Document, DocumentKind, IndexDocument, ManifestDocument};
use crate::digest::Digest;
use crate::document::TimeKeys;
use crate::document::commands::OldTimes;
use crate::document::manifest::Manifest;
use crate::error::Result;

impl Documents {
    /// Takes the labels and annotations of these keys for times as well.
    ///
    /// # Errors
    ///
    /// A manifest can't be read, which was read before.
    pub(in crate::image) fn know_time_keys(&mut self, keys: &TimeKeys) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        for (digest, node) in &mut self.nodes {
            if let DocumentKind::Manifest(manifest) = &mut node.body
                && manifest.is_image()
            {
                let parsed = Manifest::parse(&manifest.bytes).map_err(|e| e.in_blob(digest))?;
                manifest.annotation_times = parsed.with_time_keys(keys).annotation_times();
            }
        }
        self.time_keys = keys.clone();
        self.old_times = old_times(self.root.as_ref(), &self.nodes, keys);
        Ok(())
    }
}

/// By the digest of a config the times in the annotations of its manifests, and of their descriptors in an index.
pub(super) fn old_times(
    root: Option<&IndexDocument>,
    nodes: &BTreeMap<Digest, Document>,
    keys: &TimeKeys,
) -> BTreeMap<Digest, OldTimes> {
    let mut all: BTreeMap<Digest, OldTimes> = BTreeMap::new();
    let config = |manifest: &ManifestDocument| manifest.config.as_ref().map(|config| config.digest);
    let mut indexes: Vec<&IndexDocument> = root.into_iter().collect();
    for node in nodes.values() {
        match &node.body {
            DocumentKind::Index(index) => indexes.push(index),
            DocumentKind::Manifest(manifest) if manifest.is_image() && !manifest.annotation_times.is_empty() => {
                if let Some(config) = config(manifest) {
                    all.entry(config).or_default().extend(&manifest.annotation_times);
                }
            }
            _ => {}
        }
    }
    for child in indexes.iter().flat_map(|index| &index.children) {
        let Some(DocumentKind::Manifest(manifest)) = nodes.get(&child.digest).map(|node| &node.body) else { continue };
        let mut times = OldTimes::default();
        child.annotations.iter().for_each(|(key, text)| times.add(keys, key, text));
        if let Some(config) = config(manifest).filter(|_| manifest.is_image() && !times.is_empty()) {
            all.entry(config).or_default().extend(&times);
        }
    }
    all
}
