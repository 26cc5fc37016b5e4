//! Documents from the bottom up: config, manifest, index, each with the digests of what it names.
//!
//! Order matters where documents name each other across the tree: a subject comes before what refers to it, an
//! image before the attestation about it.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::{Algorithm, Digest};
use crate::document::attestation::{Attestation, is_statement_type};
use crate::document::config::{BaseHistory, Config};
use crate::document::convert;
use crate::document::descriptor::{Descriptor, DescriptorEdit, REFERENCE_DIGEST};
use crate::document::index::{ChildEdit, Index, IndexEdit};
use crate::document::manifest::{LayerEdit, Manifest, ManifestEdit};
use crate::document::{Moves, Patched};
use crate::error::{Error, Result};
use crate::image::graph::{Body, Graph, ImageConfig, IndexNode, ManifestNode, Node, extent_of};
use crate::image::sink::Content;
use crate::image::source::Source;
use crate::media_type::LayerType;
use crate::policy::{Policy, Signatures};
use crate::rewrite::layers::{Done, Key, Layers};
use crate::rewrite::select::Selection;

/// The largest in-toto statement: an SBOM of a large image is some tens of megabytes.
pub(super) const STATEMENT_LIMIT: u64 = 64 << 20;

/// What an image's plan says: its layers, and how much of it is the base's.
#[derive(Debug, Clone, Default)]
pub struct ImagePlan {
    /// Its layers.
    pub layers: Vec<Key>,
    /// How many of them are the base's.
    pub base_layers: usize,
    /// How many history entries are the base's.
    pub base_history: usize,
}

/// The documents of a run: what they were, and what they are.
#[derive(Debug)]
pub struct Documents<'a> {
    source: &'a Source,
    graph: &'a Graph,
    policy: &'a Policy,
    layers: &'a Layers,
    plans: &'a BTreeMap<Digest, ImagePlan>,
    selection: &'a Selection,
    /// Old digests to new ones, of everything that has another one now.
    pub moves: Moves,
    /// Blobs of the new image.
    pub blobs: BTreeMap<Digest, Content>,
    /// Times that were written anew.
    pub times: u64,
    /// What somebody should know.
    pub warnings: Vec<String>,
    /// New documents by the old digest.
    new: BTreeMap<Digest, Vec<u8>>,
    visiting: BTreeSet<Digest>,
    /// Does the image leave an archive of Docker's for a layout of OCI's?
    to_oci: bool,
}

impl<'a> Documents<'a> {
    /// Nothing is rewritten yet.
    pub fn new(
        source: &'a Source,
        graph: &'a Graph,
        policy: &'a Policy,
        layers: &'a Layers,
        plans: &'a BTreeMap<Digest, ImagePlan>,
        selection: &'a Selection,
        to_oci: bool,
    ) -> Self {
        Self {
            source,
            graph,
            policy,
            layers,
            plans,
            selection,
            moves: Moves::new(),
            blobs: BTreeMap::new(),
            times: 0,
            warnings: Vec::new(),
            new: BTreeMap::new(),
            visiting: BTreeSet::new(),
            to_oci,
        }
    }

    /// Rewrites everything below `index.json`, and that; the new bytes.
    pub fn root(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(root) = &self.graph.root else { return Ok(None) };
        let keep = |number: usize| self.selection.keeps_root(number);
        let mut wanted = self.order(root, &keep);
        wanted.extend(root.subject.as_ref().map(|subject| subject.digest));
        self.visit(wanted)?;
        let bytes = self.index(root, &keep, "index.json").map_err(|e| e.in_blob("index.json"))?;
        let bytes = self.carried(bytes)?;
        self.warn_of_attestations();
        Ok(Some(bytes))
    }

    /// Their own times are facts about one build and stay, so no other build has the same.
    fn warn_of_attestations(&mut self) {
        let is_kept = |(digest, node): &(&Digest, &Node)| {
            matches!(&node.body, Body::Manifest(manifest) if manifest.attestation) && self.selection.keeps(digest)
        };
        let count = self.graph.nodes.iter().filter(is_kept).count();
        if count > 0 {
            let what = if count == 1 { "1 attestation tells" } else { &format!("{count} attestations tell") };
            self.warnings.push(format!(
                "{what} of one build, so the digest of the index is not reproducible, though those of the images are; \
                 --attestations drop leaves attestations out"
            ));
        }
    }

    /// The image that is rewritten.
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// Its graph.
    pub fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// Its layers.
    pub fn layers(&self) -> &'a Layers {
        self.layers
    }

    /// What is left out.
    pub fn selection(&self) -> &'a Selection {
        self.selection
    }

    /// What a digest is now.
    pub fn moved(&self, old: Digest) -> Digest {
        self.moves.get(&old).copied().unwrap_or(old)
    }

    fn note(&mut self, place: &str, patched: &Patched) {
        self.times += patched.times as u64;
        self.warnings.extend(patched.warnings.iter().map(|warning| format!("{place}: {warning}")));
    }

    /// Keeps a new document under its digest.
    fn publish(&mut self, old: Digest, bytes: Vec<u8>) {
        let new = Digest::of(old.algorithm(), &bytes);
        if new != old {
            self.moves.insert(old, new);
        }
        self.blobs.insert(new, Content::Bytes(bytes.clone()));
        self.new.insert(old, bytes);
    }

    /// Rewrites some documents and all that they depend on, which comes first.
    fn visit(&mut self, wanted: Vec<Digest>) -> Result<()> {
        // Chains of subjects may be long, so this is a list and no recursion.
        let mut pending: Vec<(Digest, bool)> = wanted.into_iter().rev().map(|digest| (digest, false)).collect();
        while let Some((digest, is_ready)) = pending.pop() {
            let Some(node) = self.graph.nodes.get(&digest) else { continue };
            if self.new.contains_key(&digest) {
                continue;
            }
            if is_ready {
                self.rewrite(&digest, &node.body).map_err(|e| e.in_blob(digest))?;
                self.visiting.remove(&digest);
                continue;
            }
            if !self.visiting.insert(digest) {
                let expected = "none that lead back to where they began";
                return Err(Error::malformed("references between manifests", expected, "a cycle").in_blob(digest));
            }
            pending.push((digest, true));
            let children = match &node.body {
                Body::Index(index) => self.order(index, &|number| self.keeps_child(index, number)),
                _ => Vec::new(),
            };
            pending.extend(children.into_iter().rev().map(|child| (child, false)));
            pending.extend(node.subject().map(|subject| (subject.digest, false)));
        }
        Ok(())
    }

    /// A document as the destination's carrier has it.
    fn carried(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        if self.to_oci { convert::to_oci(&bytes) } else { Ok(bytes) }
    }

    fn rewrite(&mut self, digest: &Digest, body: &Body) -> Result<()> {
        match body {
            Body::Absent => {}
            Body::Blob(extent) => {
                self.blobs.insert(*digest, Content::Source(extent.clone()));
            }
            Body::Index(index) => {
                let keep: Vec<bool> = (0..index.children.len()).map(|number| self.keeps_child(index, number)).collect();
                let bytes = self.index(index, &|number| keep.get(number) == Some(&true), &digest.to_string())?;
                let bytes = self.carried(bytes)?;
                self.publish(*digest, bytes);
            }
            Body::Manifest(manifest) => {
                let bytes = self.manifest(digest, manifest)?;
                let bytes = self.carried(bytes)?;
                self.publish(*digest, bytes);
            }
        }
        Ok(())
    }

    fn keeps_child(&self, index: &IndexNode, number: usize) -> bool {
        index.children.get(number).is_none_or(|child| self.selection.keeps(&child.digest))
    }

    /// What an index lists, in the order in which it can be rewritten: what something is about comes before that.
    fn order(&self, index: &IndexNode, keep: &dyn Fn(usize) -> bool) -> Vec<Digest> {
        let is_attestation = |digest: &Digest| {
            let body = self.graph.nodes.get(digest).map(|node| &node.body);
            matches!(body, Some(Body::Manifest(manifest)) if manifest.attestation)
        };
        let kept = || index.children.iter().enumerate().filter(|(number, _)| keep(*number)).map(|(_, child)| child);
        let about = kept().filter_map(|child| child.annotation(REFERENCE_DIGEST)?.parse().ok());
        let (last, first): (Vec<Digest>, Vec<Digest>) =
            about.chain(kept().map(|child| child.digest)).partition(is_attestation);
        first.into_iter().chain(last).filter(|digest| self.selection.keeps(digest)).collect()
    }

    /// A document that another one names, by its new bytes; nothing if it has not moved.
    fn edit(&self, old: &Descriptor) -> Option<DescriptorEdit<'_>> {
        let bytes = self.new.get(&old.digest)?;
        Some(DescriptorEdit::document(old.digest.algorithm(), bytes))
    }

    fn index(&mut self, index: &IndexNode, keep: &dyn Fn(usize) -> bool, place: &str) -> Result<Vec<u8>> {
        let manifests = index.children.iter().enumerate().map(|(number, child)| match self.edit(child) {
            _ if !keep(number) => ChildEdit::Removed,
            Some(edit) => ChildEdit::Moved(edit),
            None => ChildEdit::Kept,
        });
        let edit = IndexEdit {
            manifests: manifests.collect(),
            subject: index.subject.as_ref().and_then(|subject| self.edit(subject)),
            moves: Some(&self.moves),
        };
        let patched = Index::parse(&index.bytes)?.patch(self.policy.stamp, &edit)?;
        self.note(place, &patched);
        Ok(patched.bytes)
    }

    fn manifest(&mut self, digest: &Digest, manifest: &ManifestNode) -> Result<Vec<u8>> {
        let plan = self.plans.get(digest).cloned().unwrap_or_default();
        let layers = if manifest.is_image() { self.image_layers(manifest, &plan)? } else { self.blobs_of(manifest)? };
        let config = match (&manifest.config, &manifest.image) {
            (Some(descriptor), Some(image)) => {
                let diff_ids = if manifest.attestation {
                    // BuildKit's old style: the diff_ids are the digests of the statements.
                    image.diff_ids.iter().map(|old| self.moved(*old)).collect()
                } else {
                    self.diff_ids(image, &plan)?
                };
                self.config(descriptor.digest, image, &diff_ids, plan.base_history)?;
                self.new.get(&descriptor.digest).cloned().map(|bytes| (descriptor.digest.algorithm(), bytes))
            }
            (Some(descriptor), None) => {
                self.pass(descriptor, "config")?;
                None
            }
            (None, _) => None,
        };
        let edit = ManifestEdit {
            config: config.as_ref().map(|(algorithm, bytes)| DescriptorEdit::document(*algorithm, bytes)),
            layers: layers.iter().map(Part::edit).collect(),
            subject: manifest.subject.as_ref().and_then(|subject| self.edit(subject)),
            moves: Some(&self.moves),
            // With the other rule, a signed manifest has stopped the run.
            unsigned: self.policy.signatures == Signatures::Drop,
        };
        let patched = Manifest::parse(&manifest.bytes)?.patch(self.policy.stamp, &edit)?;
        self.note(&digest.to_string(), &patched);
        Ok(patched.bytes)
    }

    /// A config with new times and diff_ids; the digest is the one by which [`Self::moved`] knows it afterwards.
    pub fn config(&mut self, old: Digest, image: &ImageConfig, diff_ids: &[Digest], base_history: usize) -> Result<()> {
        if self.new.contains_key(&old) {
            return Ok(());
        }
        let history = BaseHistory { entries: base_history };
        let patched = Config::parse(&image.bytes)
            .and_then(|config| config.patch(self.policy.stamp, history, diff_ids))
            .map_err(|e| e.in_blob(old))?;
        self.note(&old.to_string(), &patched);
        self.publish(old, patched.bytes);
        Ok(())
    }

    /// The new diff_ids of an image.
    pub fn diff_ids(&self, image: &ImageConfig, plan: &ImagePlan) -> Result<Vec<Digest>> {
        let keys = plan.layers.iter().enumerate();
        keys.map(|(number, key)| Ok(self.layers.done(key, image.diff_id(number)?)?.diff_id)).collect()
    }

    /// Keeps the blob of a layer.
    pub fn keep_layer(&mut self, done: &'a Done) {
        if let Some(content) = &done.content {
            self.blobs.entry(done.digest).or_insert_with(|| content.clone());
        }
    }

    fn image_layers(&mut self, manifest: &ManifestNode, plan: &ImagePlan) -> Result<Vec<Part>> {
        let Some(image) = &manifest.image else { return Ok(Vec::new()) };
        let mut parts = Vec::new();
        for (number, (descriptor, key)) in manifest.layers.iter().zip(&plan.layers).enumerate() {
            let done = self.layers.done(key, image.diff_id(number)?)?;
            let media_type = LayerType::parse(&descriptor.media_type)
                .zip(done.compression)
                .filter(|(layer, compression)| layer.compression != *compression)
                .map(|(layer, compression)| layer.with(compression).to_string());
            if done.digest != descriptor.digest {
                self.moves.insert(descriptor.digest, done.digest);
            }
            parts.push(match (number < plan.base_layers, done.digest == descriptor.digest) {
                (true, _) => Part::Base,
                (false, true) => Part::Kept,
                (false, false) => {
                    Part::Layer { digest: done.digest, size: done.size, media_type, diff_id: done.diff_id }
                }
            });
            self.keep_layer(done);
        }
        Ok(parts)
    }

    /// The blobs of an attestation, whose statements follow what they are about, or of an artifact, which pass.
    fn blobs_of(&mut self, manifest: &ManifestNode) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for descriptor in &manifest.layers {
            let statement = manifest.attestation && is_statement_type(&descriptor.media_type);
            let moved = if statement { self.statement(descriptor)? } else { None };
            parts.push(match moved {
                Some(bytes) => {
                    self.publish(descriptor.digest, bytes.clone());
                    Part::Document(descriptor.digest.algorithm(), bytes)
                }
                None => {
                    self.pass(descriptor, "blob")?;
                    Part::Kept
                }
            });
        }
        Ok(parts)
    }

    /// An in-toto statement about what has moved; `None` if nothing that it is about has.
    fn statement(&mut self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>> {
        let Some(extent) = extent_of(self.source, descriptor)? else {
            return Err(Error::missing("statement").in_blob(descriptor.digest));
        };
        let bytes = extent.verified_bytes(&descriptor.digest, Some(descriptor.size), STATEMENT_LIMIT)?;
        let in_blob = |e: Error| e.in_blob(descriptor.digest);
        let statement = match Attestation::parse(&bytes).map_err(in_blob)? {
            Attestation::Statement(statement) => statement,
            // If nothing has moved, what is signed still holds.
            Attestation::Signed if self.moves.iter().any(|(old, new)| old != new) => {
                let text =
                    "an attestation is signed and can't follow what it is about; --attestations drop leaves it out";
                return Err(in_blob(Error::refused(text)));
            }
            Attestation::Signed | Attestation::Other => return Ok(None),
        };
        let patched = statement.patch(&self.moves).map_err(in_blob)?;
        self.note(&descriptor.digest.to_string(), &patched);
        Ok(patched.changed.then_some(patched.bytes))
    }

    /// A blob that stays as it is. It has to be there, unless its descriptor says where else it is.
    fn pass(&mut self, descriptor: &Descriptor, what: &'static str) -> Result<()> {
        let extent = self.source.blob(&descriptor.digest)?;
        match extent {
            Some(extent) if extent.len() != descriptor.size => {
                Err(Error::mismatch("size", descriptor.size, extent.len()).in_blob(descriptor.digest))
            }
            Some(extent) => {
                self.blobs.insert(descriptor.digest, Content::Source(extent));
                Ok(())
            }
            None if descriptor.data.is_some() || !descriptor.urls.is_empty() => Ok(()),
            None => Err(Error::missing(what).in_blob(descriptor.digest)),
        }
    }
}

/// What became of a blob that a manifest lists.
#[derive(Debug)]
enum Part {
    Base,
    Kept,
    Layer { digest: Digest, size: u64, media_type: Option<String>, diff_id: Digest },
    Document(Algorithm, Vec<u8>),
}

impl Part {
    fn edit(&self) -> LayerEdit<'_> {
        match self {
            Self::Base => LayerEdit::Base,
            Self::Kept => LayerEdit::Kept,
            Self::Layer { digest, size, media_type, diff_id } => LayerEdit::Moved(DescriptorEdit {
                blob: Some((*digest, *size)),
                data: None,
                media_type: media_type.clone(),
                rewritten: Some(*diff_id),
            }),
            Self::Document(algorithm, bytes) => LayerEdit::Moved(DescriptorEdit::document(*algorithm, bytes)),
        }
    }
}
