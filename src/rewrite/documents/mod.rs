//! Documents from the bottom up: config, manifest, index, each with the digests of what it names.
//!
//! [`order`] says which comes first where they name each other across the tree.

mod new;
mod notices;
mod outdated;
mod parts;
mod stale;
mod times;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};

use crate::blob::NewBlobs;
use crate::context::new_blobs;
use crate::digest::Digest;
use crate::document::config::BaseHistory;
use crate::document::convert;
use crate::document::descriptor::{Descriptor, Outdated, REFERENCE_DIGEST, moved_tag};
use crate::document::index::{ChildEdit, Index, IndexEdit};
use crate::document::manifest::{Manifest, ManifestEdit};
use crate::document::references::{LayerMoves, Moved, SOCI_MANIFEST_DIGEST};
use crate::document::unlisted::UnlistedTimes;
use crate::document::{DigestMap, Patched, new_digest};
use crate::error::{Error, Result, printable};
use crate::image::ImageSet;
use crate::image::base::BasePrefix;
use crate::image::documents::{Document, DocumentKind, ImageConfig, IndexDocument, ManifestDocument};
use crate::notice::{Notice, NoticeKind};
use crate::rewrite::layers::{Key, LayerResult, Layers};
use crate::rewrite::options::{Options, Signatures};
use crate::rewrite::order;
use crate::spool::Spools;
use crate::store::write::Content;
use new::NewDocument;
use parts::Part;

/// What an image's plan says: its layers, and how much of it is the base's.
#[derive(Debug, Clone, Default)]
pub struct ImagePlan {
    /// Its layers.
    pub layers: Vec<Key>,
    /// How much of it is the base's.
    pub base: BasePrefix,
}

/// What an image consists of now.
#[derive(Debug, Clone)]
pub struct NewImageRefs {
    /// Its config.
    pub config: Digest,
    /// Its layers, lowest first.
    pub layers: Vec<Digest>,
}

/// A config, the diff_ids that it is to have, and how many of its history entries are the base's: what a config becomes
/// depends on all three, and manifests that share one may differ in the others.
type ConfigKey = (Digest, Vec<Digest>, usize);

/// A config as it is now. Any number of images may share one.
#[derive(Debug, Clone)]
pub struct NewConfig {
    /// Its digest.
    pub digest: Digest,
    /// What Docker calls the image.
    pub image_id: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// The documents of a run: what they were, and what they are.
#[derive(Debug)]
pub struct NewDocuments<'a> {
    pub set: &'a ImageSet<'a>,
    options: &'a Options,
    layers: &'a Layers,
    plans: &'a BTreeMap<Digest, ImagePlan>,
    /// Old digests to new ones, of everything that has another one now.
    pub moves: DigestMap,
    /// The same of all layers, and of their diff_ids.
    layer_moves: LayerMoves,
    /// Blobs of the new image.
    pub blobs: BTreeMap<Digest, Content>,
    /// Times that were changed.
    pub times: u64,
    /// Times in commands that were changed.
    pub command_times: u64,
    /// Warnings for the user.
    pub warnings: Vec<Notice>,
    /// What was left out because it can't follow.
    pub dropped: Vec<Notice>,
    /// The digests of that.
    pub left_behind: BTreeSet<Digest>,
    /// New documents by the old digest, but for configs.
    new: BTreeMap<Digest, NewDocument>,
    /// Where the bytes of new documents are, if they are not in memory.
    spooled: NewBlobs,
    /// How many bytes are.
    held: u64,
    /// Statements that were read, and their sizes.
    statements: BTreeMap<Digest, u64>,
    configs: BTreeMap<ConfigKey, NewConfig>,
    /// Configs of artifacts that were looked at, and what became of those that are others now.
    artifact_configs: BTreeMap<Digest, Option<NewConfig>>,
    /// What reads as a time later than the epoch, and stays.
    unlisted: UnlistedTimes,
    made: BTreeMap<Digest, NewImageRefs>,
    /// The annotations that are not true of images any more, by their old digests.
    outdated: BTreeMap<Digest, Outdated>,
    visiting: BTreeSet<Digest>,
    /// Does the image leave an archive of Docker's for a layout of OCI's?
    pub to_oci: bool,
}

impl<'a> NewDocuments<'a> {
    /// Nothing is rewritten yet.
    pub fn new(
        set: &'a ImageSet<'a>,
        options: &'a Options,
        layers: &'a Layers,
        plans: &'a BTreeMap<Digest, ImagePlan>,
        spools: &'a Spools,
    ) -> Self {
        Self {
            set,
            options,
            layers,
            plans,
            moves: DigestMap::new(),
            layer_moves: layers.moves(),
            blobs: BTreeMap::new(),
            times: 0,
            command_times: 0,
            warnings: Vec::new(),
            dropped: Vec::new(),
            left_behind: BTreeSet::new(),
            new: BTreeMap::new(),
            spooled: new_blobs(spools),
            held: 0,
            statements: BTreeMap::new(),
            configs: BTreeMap::new(),
            artifact_configs: BTreeMap::new(),
            unlisted: UnlistedTimes::default(),
            made: BTreeMap::new(),
            outdated: BTreeMap::new(),
            visiting: BTreeSet::new(),
            to_oci: false,
        }
    }

    /// Rewrites everything below `index.json`, and that; the new bytes.
    pub fn root(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(root) = &self.set.documents.root else { return Ok(None) };
        let keep = |number: usize| self.set.selection.keeps_root(number);
        // A statement may be about anything, wherever that is listed, and can be shared by attestations in several places.
        let mut wanted = order::before_attestations(self.set);
        wanted.extend(order::of_index(self.set, root, &keep));
        wanted.extend(root.subject.as_ref().map(|subject| subject.digest));
        self.visit(wanted)?;
        let bytes = self.index(root, &keep, "index.json").map_err(|e| e.in_blob("index.json"))?;
        let bytes = self.carried(bytes)?;
        self.keep_named_by_unknown()?;
        self.warn_of_attestations();
        self.warn_of_artifacts();
        Ok(Some(bytes))
    }

    /// Its layers.
    pub fn layers(&self) -> &'a Layers {
        self.layers
    }

    /// What the image of this manifest consists of now: of two images that had a blob in common, one may keep what the
    /// other has in a new form.
    pub fn made(&self, manifest: &Digest) -> Result<&NewImageRefs> {
        self.made.get(manifest).ok_or_else(|| Error::missing("rewritten image").in_blob(manifest))
    }

    /// What a digest is now.
    pub fn new_digest(&self, old: Digest) -> Digest {
        self.moves.get(&old).copied().unwrap_or(old)
    }

    fn note(&mut self, place: &str, patched: &Patched) {
        self.times += patched.times as u64;
        self.command_times += patched.command_times as u64;
        self.note_unlisted(place, patched);
        self.warnings.extend(patched.warnings.iter().map(|warning| warning.notice(place)));
    }

    /// Rewrites some documents and all that they depend on, which comes first.
    fn visit(&mut self, wanted: Vec<Digest>) -> Result<()> {
        // Chains of subjects may be long, so this is a list and no recursion.
        let mut pending: Vec<(Digest, bool)> = wanted.into_iter().rev().map(|digest| (digest, false)).collect();
        while let Some((digest, is_ready)) = pending.pop() {
            let Some(node) = self.set.documents.nodes.get(&digest) else { continue };
            if self.new.contains_key(&digest) {
                continue;
            }
            if is_ready {
                self.rewrite(&digest, &node.body).map_err(|e| e.in_blob(digest))?;
                self.visiting.remove(&digest);
                continue;
            }
            if !self.visiting.insert(digest) {
                let expected = "no cycle";
                return Err(Error::malformed("references between manifests", expected, "a cycle").in_blob(digest));
            }
            pending.push((digest, true));
            let children = match &node.body {
                DocumentKind::Index(index) => {
                    order::of_index(self.set, index, &|number| self.keeps_child(index, number))
                }
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

    fn rewrite(&mut self, digest: &Digest, body: &DocumentKind) -> Result<()> {
        match body {
            DocumentKind::Missing => {}
            DocumentKind::Blob(extent) => {
                self.blobs.insert(*digest, Content::Source(extent.clone()));
            }
            DocumentKind::Unknown(unknown) => self.unknown(digest, unknown)?,
            DocumentKind::Index(index) => {
                let keep: Vec<bool> = (0..index.children.len()).map(|number| self.keeps_child(index, number)).collect();
                let bytes = self.index(index, &|number| keep.get(number) == Some(&true), &digest.to_string())?;
                let bytes = self.carried(bytes)?;
                self.publish(*digest, bytes)?;
            }
            DocumentKind::Manifest(manifest) => {
                let bytes = self.manifest(digest, manifest)?;
                let bytes = self.carried(bytes)?;
                self.publish(*digest, bytes)?;
            }
        }
        Ok(())
    }

    fn keeps_child(&self, index: &IndexDocument, number: usize) -> bool {
        index.children.get(number).is_none_or(|child| self.set.selection.keeps(&child.digest))
    }

    /// Is it absent, and about something that has another digest now? Its own content can't follow.
    fn is_left_behind(&self, child: &Descriptor) -> bool {
        let is_absent =
            matches!(self.set.documents.nodes.get(&child.digest), Some(Document { body: DocumentKind::Missing, .. }));
        let about = || child.annotation(REFERENCE_DIGEST).or_else(|| child.annotation(SOCI_MANIFEST_DIGEST));
        let about = || about().and_then(|text| text.parse().ok());
        let is_moved = || about().is_some_and(|about| new_digest(&self.moves, &about).is_some());
        let is_tag_moved = || child.ref_name().is_some_and(|tag| moved_tag(tag, &self.moves).is_some());
        is_absent && (is_moved() || is_tag_moved())
    }

    fn index(&mut self, index: &IndexDocument, keep: &dyn Fn(usize) -> bool, place: &str) -> Result<Vec<u8>> {
        let left_behind: BTreeSet<usize> = (0..index.children.len())
            .filter(|number| {
                keep(*number) && index.children.get(*number).is_some_and(|child| self.is_left_behind(child))
            })
            .collect();
        for child in left_behind.iter().filter_map(|number| index.children.get(*number)) {
            let text = "is not in the image, so it can't be updated, and what it is about has another digest now";
            let is_soci = child.annotation(SOCI_MANIFEST_DIGEST).is_some();
            let what = if is_soci { "SOCI index" } else { "attestation" };
            let name = printable(child.ref_name().unwrap_or(what).as_bytes());
            let text = format!("{name} {}, which {text}", child.digest);
            self.dropped.push(Notice::new(NoticeKind::Attestation, text));
            self.left_behind.insert(child.digest);
        }
        let manifests = index.children.iter().enumerate().map(|(number, child)| {
            if !keep(number) || left_behind.contains(&number) {
                return Ok(ChildEdit::Removed);
            }
            Ok(self.edit(child)?.map_or(ChildEdit::Kept, ChildEdit::Moved))
        });
        let edit = IndexEdit {
            manifests: manifests.collect::<Result<_>>()?,
            subject: index.subject.as_ref().map(|subject| self.edit(subject)).transpose()?.flatten(),
            moved: self.moved(None),
        };
        let parsed = Index::known(&index.bytes)?.with_time_keys(self.time_keys());
        let patched = parsed.patch(self.stamps()?, &edit)?;
        self.note(place, &patched);
        Ok(patched.bytes)
    }

    fn manifest(&mut self, digest: &Digest, manifest: &ManifestDocument) -> Result<Vec<u8>> {
        let plan = self.plans.get(digest).cloned().unwrap_or_default();
        let own = self.own(manifest.image.as_deref(), &plan)?;
        let layers = if manifest.is_image() { self.image_layers(manifest, &plan)? } else { self.blobs_of(manifest)? };
        let config = match (&manifest.config, &manifest.image) {
            (Some(descriptor), Some(image)) => {
                let diff_ids = if manifest.attestation {
                    // BuildKit's old style: the diff_ids are the digests of the statements.
                    image.diff_ids.iter().map(|old| self.new_digest(*old)).collect()
                } else {
                    self.diff_ids(image, &plan)?
                };
                Some(self.config(descriptor.digest, image, diff_ids, plan.base.history, &own)?)
            }
            (Some(descriptor), None) => self.artifact_config(descriptor)?,
            (None, _) => None,
        };
        let parsed = Manifest::parse(&manifest.bytes)?;
        let without = self.outdated(manifest, &parsed, &layers);
        self.outdated.insert(*digest, without);
        let edit = ManifestEdit {
            without,
            config: config
                .as_ref()
                .zip(manifest.config.as_ref())
                .map(|(new, old)| self.config_edit(old, new))
                .transpose()?,
            layers: layers.iter().map(Part::edit).collect(),
            subject: manifest.subject.as_ref().map(|subject| self.edit(subject)).transpose()?.flatten(),
            moved: self.moved(Some(&own)),
            // With the other rule, a signed manifest has stopped the run.
            unsigned: self.options.signatures == Signatures::Drop,
        };
        let parsed = parsed.with_time_keys(self.time_keys());
        let patched = parsed.patch(self.stamps()?, &edit)?;
        self.note(&digest.to_string(), &patched);
        if let Some(config) = config {
            let now = |(part, old): (&Part, &Descriptor)| part.digest().unwrap_or(old.digest);
            let layers = layers.iter().zip(&manifest.layers).map(now).collect();
            self.made.insert(*digest, NewImageRefs { config: config.digest, layers });
        }
        Ok(patched.bytes)
    }

    /// A config with new times and diff_ids.
    pub fn config(
        &mut self,
        old: Digest,
        image: &ImageConfig,
        diff_ids: Vec<Digest>,
        base_history: usize,
        own: &LayerMoves,
    ) -> Result<NewConfig> {
        let key = (old, diff_ids, base_history);
        if let Some(config) = self.configs.get(&key) {
            return Ok(config.clone());
        }
        let history = BaseHistory { entries: base_history };
        let (keeps_commands, stamps) = (self.options.keep_commands, self.stamps()?);
        let patched = (self.set.documents.config_of(&old, &image.bytes))
            .map(|config| if keeps_commands { config.keep_commands() } else { config })
            .and_then(|config| config.patch_with(stamps, history, &key.1, &self.moved(Some(own))))
            .map_err(|e| e.in_blob(old))?;
        self.note(&old.to_string(), &patched);
        let digest = Digest::of(old.algorithm(), &patched.bytes);
        let image_id = Digest::sha256(&patched.bytes);
        if digest != old {
            self.moves.entry(old).or_insert(digest);
        }
        let config = NewConfig { digest, image_id, size: patched.bytes.len() as u64 };
        let content = self.content(patched.bytes)?;
        self.blobs.insert(digest, content);
        self.configs.insert(key, config.clone());
        Ok(config)
    }

    /// The new diff_ids of an image.
    pub fn diff_ids(&self, image: &ImageConfig, plan: &ImagePlan) -> Result<Vec<Digest>> {
        let keys = plan.layers.iter().enumerate();
        keys.map(|(number, key)| Ok(self.layers.done(key, image.diff_id(number)?)?.diff_id)).collect()
    }

    /// What became of the layers of an image.
    pub fn own(&self, image: Option<&ImageConfig>, plan: &ImagePlan) -> Result<LayerMoves> {
        self.layers.moves_of(&plan.layers, image.map_or(&[], |image| &image.diff_ids))
    }

    /// What has moved, as a document sees it that is of an image of these layers.
    fn moved<'m>(&'m self, own: Option<&'m LayerMoves>) -> Moved<'m> {
        Moved { own, layers: Some(&self.layer_moves), blobs: Some(&self.moves) }
    }

    /// Keeps the blob of a layer.
    pub fn keep_layer(&mut self, done: &'a LayerResult) {
        if let Some(content) = &done.content {
            self.blobs.entry(done.digest).or_insert_with(|| content.clone());
        }
    }
}
