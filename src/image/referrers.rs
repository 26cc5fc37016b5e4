//! Leaves out what is about something that was left out.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::document::descriptor::{Descriptor, REFERENCE_DIGEST, fallback_tag_target};
use crate::image::documents::{DocumentKind, Documents};
use crate::image::selection::Selection;
use crate::notice::{Notice, NoticeKind};

/// What is left out with what.
#[derive(Default)]
struct Dependents {
    /// What is about a digest, and what to call it.
    about: BTreeMap<Digest, Vec<(Digest, NoticeKind)>>,
    /// The indexes that list a digest, as often as they do.
    listed_in: BTreeMap<Digest, Vec<Digest>>,
    /// How many of an index's descriptors are still there.
    left: BTreeMap<Digest, usize>,
}

impl Dependents {
    fn of(documents: &Documents) -> Self {
        let mut dependents = Self::default();
        for (digest, node) in &documents.nodes {
            if let Some(subject) = documents.subject_of(digest) {
                dependents.about.entry(subject).or_default().push((*digest, NoticeKind::Referrer));
            }
            if let DocumentKind::Index(index) = &node.body {
                dependents.left.insert(*digest, index.children.len());
                for child in &index.children {
                    dependents.listed_in.entry(child.digest).or_default().push(*digest);
                }
            }
        }
        for child in documents.indexes().flatten() {
            if let Some(about) = child.annotation(REFERENCE_DIGEST).and_then(|text| text.parse().ok()) {
                dependents.about.entry(about).or_default().push((child.digest, NoticeKind::Attestation));
            }
        }
        dependents
    }

    /// The indexes that have lost the last of what they list with this.
    fn emptied(&mut self, gone: &Digest) -> Vec<Digest> {
        let mut emptied = Vec::new();
        for index in self.listed_in.get(gone).into_iter().flatten() {
            if let Some(left) = self.left.get_mut(index) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    emptied.push(*index);
                }
            }
        }
        emptied
    }
}

impl Selection {
    /// Leaves out what is about something that was left out, and indexes of which nothing is left.
    pub(super) fn referrers(&mut self, documents: &Documents) {
        if self.dropped.is_empty() && self.dropped_roots.is_empty() {
            return;
        }
        let mut dependents = Dependents::of(documents);
        let mut pending: Vec<Digest> = self.dropped.iter().copied().collect();
        while let Some(gone) = pending.pop() {
            for (digest, kind) in dependents.about.get(&gone).into_iter().flatten() {
                if self.dropped.insert(*digest) {
                    let name = if *kind == NoticeKind::Attestation { "attestation" } else { "referrer" };
                    self.names.push(Notice::new(*kind, format!("{name} {digest}")));
                    pending.push(*digest);
                }
            }
            for index in dependents.emptied(&gone) {
                if self.dropped.insert(index) {
                    let text = format!("index {index}, with nothing left in it");
                    self.names.push(Notice::new(NoticeKind::Index, text));
                    pending.push(index);
                }
            }
        }
        // A tag whose image was left out, and a tag about one.
        let roots: Vec<(usize, &Descriptor)> =
            documents.root.iter().flat_map(|root| root.children.iter().enumerate()).collect();
        for (number, child) in roots {
            let target = child
                .ref_name()
                .and_then(|tag| fallback_tag_target(tag, |lowest| self.dropped.range(*lowest..).next().copied()));
            if target.is_some() && self.keeps_root(number) {
                self.drop_root(number, child);
            } else if !self.keeps(&child.digest) {
                self.dropped_roots.insert(number);
            }
        }
    }
}
