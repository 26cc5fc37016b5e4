//! What of an image a registry is sent, and in which order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::{Descriptor, split_fallback_tag};
use crate::document::index::Index;
use crate::document::manifest::Manifest;
use crate::document::write::NewDescriptor;
use crate::error::{Error, Result};
use crate::media_type::{Class, classify};
use crate::store::new_image::{Content, Image};

/// What is to be sent, and in which order.
pub struct Plan<'i> {
    /// What manifests list.
    pub blobs: BTreeMap<Digest, Cow<'i, Content>>,
    /// The image: each document after those that it lists.
    pub documents: Vec<Document>,
    /// What is about it, each after its subject.
    pub referrers: Vec<Document>,
    /// What is about it by a tag.
    pub about_tags: Vec<(String, Digest)>,
    /// What the tags become.
    pub root: Document,
}

/// A manifest or index.
#[derive(Debug, Clone)]
pub struct Document {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Vec<u8>,
    pub subject: Option<Digest>,
    artifact_type: Option<String>,
    annotations: Vec<(String, String)>,
}

impl Document {
    /// As a list of referrers has it (OCI distribution-spec, "Pushing Manifests with Subject").
    pub fn as_referrer(&self) -> NewDescriptor {
        NewDescriptor {
            artifact_type: self.artifact_type.clone(),
            annotations: self.annotations.iter().cloned().collect(),
            ..NewDescriptor::new(self.media_type.clone(), self.digest, self.bytes.len() as u64)
        }
    }
}

impl<'i> Plan<'i> {
    /// Plans an image, whose top has one of these tags in `index.json`.
    pub fn of(image: &'i Image, tags: &[(String, Option<Digest>)], limit: u64) -> Result<Self> {
        let bytes = image.documents.iter().find(|(name, _)| *name == "index.json").map(|(_, bytes)| bytes);
        let bytes = bytes.ok_or_else(|| Error::missing("index.json"))?;
        let index = Index::parse(bytes).map_err(|e| e.in_blob("index.json"))?;
        let named = |child: &&Descriptor| tags.iter().any(|(tag, _)| child.ref_name() == Some(tag));
        let top = index.manifests().iter().find(named).ok_or_else(|| Error::missing("image with the tag"))?;
        let mut planner =
            Planner { image, limit, blobs: BTreeMap::new(), seen: BTreeSet::new(), documents: Vec::new() };
        planner.visit(top)?;
        let mut documents = std::mem::take(&mut planner.documents);
        let root = documents.last().cloned().ok_or_else(|| Error::missing("image").in_blob(top.digest))?;
        let mut about_tags = Vec::new();
        // Nothing names an image that is not the one with the tag: such are about it, or not in the source's list.
        for child in index.manifests() {
            match child.ref_name().and_then(|tag| Some((tag, split_fallback_tag(tag)?))) {
                Some((_, (_, _, ""))) => planner.list(child)?,
                // cosign finds what is about an image by a tag that the image's digest makes.
                Some((tag, _)) => {
                    planner.visit(child)?;
                    about_tags.push((tag.to_owned(), child.digest));
                }
                None => planner.visit(child)?,
            }
        }
        let known: BTreeSet<Digest> = documents.iter().map(|document| document.digest).collect();
        let (about, others): (Vec<Document>, Vec<Document>) =
            planner.documents.into_iter().partition(|document| document.subject.is_some());
        documents.extend(others);
        Ok(Self { blobs: planner.blobs, documents, referrers: after_subjects(about, known), about_tags, root })
    }
}

/// Each after its subject. Where subjects lead in a circle, which digests can't, the order is that in which they are listed.
fn after_subjects(documents: Vec<Document>, mut known: BTreeSet<Digest>) -> Vec<Document> {
    let all: BTreeSet<Digest> = documents.iter().map(|document| document.digest).collect();
    let mut by_subject: BTreeMap<Digest, Vec<Document>> = BTreeMap::new();
    let mut sorted: Vec<Document> = Vec::new();
    for document in documents {
        match document.subject.filter(|subject| all.contains(subject) && !known.contains(subject)) {
            Some(subject) => by_subject.entry(subject).or_default().push(document),
            None => sorted.push(document),
        }
    }
    let mut at = 0;
    while let Some(digest) = sorted.get(at).map(|document| document.digest) {
        known.insert(digest);
        sorted.extend(by_subject.remove(&digest).unwrap_or_default());
        at += 1;
    }
    sorted.extend(by_subject.into_values().flatten());
    sorted
}

struct Planner<'i> {
    image: &'i Image,
    limit: u64,
    blobs: BTreeMap<Digest, Cow<'i, Content>>,
    seen: BTreeSet<Digest>,
    documents: Vec<Document>,
}

impl<'i> Planner<'i> {
    /// A document, after those below it. Nested as deep as the source's limits have it, and no deeper.
    fn visit(&mut self, descriptor: &Descriptor) -> Result<()> {
        let digest = descriptor.digest;
        let class = classify(&descriptor.media_type);
        let Some(content) = self.image.blobs.get(&digest) else { return Ok(()) };
        if !self.seen.insert(digest) {
            return Ok(());
        }
        let bytes = self.bytes(&digest, content)?;
        if class == Class::Index {
            let index = Index::parse(&bytes).map_err(|e| e.in_blob(digest))?;
            let (artifact_type, annotations) = (index.artifact_type(), index.annotations());
            let (children, subject) = index.into_parts();
            for child in &children {
                self.visit(child)?;
            }
            let subject = subject.map(|subject| subject.digest);
            let media_type = descriptor.media_type.to_string();
            self.documents.push(Document { digest, media_type, bytes, subject, artifact_type, annotations });
            return Ok(());
        }
        let manifest = Manifest::parse(&bytes).map_err(|e| e.in_blob(digest))?;
        let (own_type, annotations) = (manifest.artifact_type(), manifest.annotations());
        let (config, layers, subject) = manifest.into_parts();
        for blob in config.iter().chain(&layers) {
            self.blob(blob)?;
        }
        let artifact_type = own_type.or_else(|| config.map(|config| config.media_type.to_string()));
        let subject = subject.map(|subject| subject.digest);
        let media_type = descriptor.media_type.to_string();
        self.documents.push(Document { digest, media_type, bytes, subject, artifact_type, annotations });
        Ok(())
    }

    /// What a list of referrers lists; the registry has a list of its own, or gets one.
    fn list(&mut self, descriptor: &Descriptor) -> Result<()> {
        let Some(content) = self.image.blobs.get(&descriptor.digest) else { return Ok(()) };
        let bytes = self.bytes(&descriptor.digest, content)?;
        let (children, _) = Index::parse(&bytes).map_err(|e| e.in_blob(descriptor.digest))?.into_parts();
        children.iter().try_for_each(|child| self.visit(child))
    }

    fn blob(&mut self, descriptor: &Descriptor) -> Result<()> {
        let found = self.image.blobs.get(&descriptor.digest).map(Cow::Borrowed);
        let found = match (found, descriptor.decoded_data()) {
            (Some(content), _) => Some(content),
            (None, Some(data)) => Some(Cow::Owned(Content::Bytes(data?))),
            // Foreign: its descriptor says where else it is.
            (None, None) => None,
        };
        if let Some(content) = found {
            self.blobs.entry(descriptor.digest).or_insert(content);
        }
        Ok(())
    }

    fn bytes(&self, digest: &Digest, content: &Content) -> Result<Vec<u8>> {
        match content {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::Source(extent) | Content::Spool(extent) => extent.verified_bytes(digest, None, self.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, subject: Option<&str>) -> Document {
        Document {
            digest: Digest::sha256(name.as_bytes()),
            media_type: String::new(),
            bytes: Vec::new(),
            subject: subject.map(|subject| Digest::sha256(subject.as_bytes())),
            artifact_type: None,
            annotations: Vec::new(),
        }
    }

    #[test]
    fn what_is_about_something_comes_after_it() {
        let documents = vec![
            document("signature of the sbom", Some("sbom")),
            document("sbom", Some("image")),
            document("signature", Some("image")),
            document("about what is not here", Some("none")),
        ];
        let known = BTreeSet::from([Digest::sha256(b"image")]);
        let sorted = after_subjects(documents, known);
        let at = |name: &str| sorted.iter().position(|one| one.digest == Digest::sha256(name.as_bytes())).unwrap();
        assert!(sorted.len() == 4 && at("sbom") < at("signature of the sbom"));
    }
}
