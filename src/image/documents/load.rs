//! Following descriptors from `index.json` down.

use std::borrow::Cow;
use std::sync::Arc;

use super::{
    Document, DocumentKind, Documents, ImageConfig, IndexDocument, ManifestDocument, Note, UnknownDocument, annotated,
    extent_of, unknown, verify,
};
use crate::blob::{Expected, Extent};
use crate::digest::Digest;
use crate::document::attestation;
use crate::document::config::Config;
use crate::document::descriptor::Descriptor;
use crate::document::index::Index;
use crate::document::json::Json;
use crate::document::manifest::Manifest;
use crate::error::{Error, Property, Result};
use crate::media_type::{self, Class, LayerType, OCI_ARTIFACT};
use crate::notice::{Notice, NoticeKind};
use crate::store::open::Source;

impl Documents {
    /// Follows every descriptor of an image.
    pub(in crate::image) fn load(source: &Source) -> Result<Self> {
        let limits = source.limits();
        let mut documents = Self::new(source);
        let Some(bytes) = source.index() else { return Ok(documents) };
        let root = documents.read_index(bytes.to_vec());
        documents.held.within(limits).map_err(|e| e.in_file(source.name()))?;
        let root = root.map_err(|e| e.in_blob("index.json").in_file(source.name()))?;
        let mut pending: Vec<Pending> = Vec::new();
        let queue = |pending: &mut Vec<_>, node: &IndexDocument, depth: usize, holder: Option<Digest>| {
            // Last first, as the list is worked off from its end.
            pending.extend((0..node.children.len()).rev().map(|number| Pending { holder, child: Some(number), depth }));
        };
        // Of index.json as of any other document: what it is attached to need not be listed anywhere, and comes last.
        pending.extend(root.subject.iter().map(|_| Pending { holder: None, child: None, depth: 2 }));
        queue(&mut pending, &root, 1, None);
        documents.root = Some(root);
        while let Some(next) = pending.pop() {
            let depth = next.depth;
            let Some((link, place)) = documents.link(&next) else { continue };
            if let Some(known) = documents.nodes.get(&link.digest).filter(|known| !is_misnamed(known, &link)) {
                documents.same_size(&link, known_size(known), &place, source);
                continue;
            }
            if depth > limits.nesting {
                let error = Error::limit("depth of nested indexes", limits.nesting as u64, depth);
                documents.problem(error, &link.digest, source);
                continue;
            }
            if documents.nodes.len() >= limits.documents {
                return Err(Error::limit("number of documents", limits.documents as u64, "more").in_file(source.name()));
            }
            match documents.follow(source, &link, &place) {
                Ok(node) => {
                    documents.same_size(&link, known_size(&node), &place, source);
                    if let DocumentKind::Index(index) = &node.body {
                        queue(&mut pending, index, depth + 1, Some(link.digest));
                    }
                    // A subject need not be listed anywhere, nor be here. Nothing is nested by it.
                    let holder = Some(link.digest);
                    pending.extend(node.subject().map(|_| Pending { holder, child: None, depth: 2 }));
                    documents.nodes.insert(link.digest, node);
                }
                Err(error) => {
                    documents.problem(error, &link.digest, source);
                    documents
                        .nodes
                        .insert(link.digest, Document { media_type: Cow::Borrowed(""), body: DocumentKind::Missing });
                }
            }
            documents.held.within(limits).map_err(|e| e.in_file(source.name()))?;
        }
        documents.old_times = annotated::old_times(documents.root.as_ref(), &documents.nodes, &documents.time_keys);
        Ok(documents)
    }

    /// A descriptor, and its place for messages.
    fn link(&self, pending: &Pending) -> Option<(Descriptor, String)> {
        let node = pending.holder.map(|holder| self.nodes.get(&holder)).unwrap_or_default();
        let link = match (pending.child, node) {
            (None, None) if pending.holder.is_none() => self.root.as_ref()?.subject.as_ref(),
            (None, node) => node?.subject(),
            (Some(number), None) => self.root.as_ref()?.children.get(number),
            (Some(number), Some(Document { body: DocumentKind::Index(index), .. })) => index.children.get(number),
            (Some(_), Some(_)) => None,
        };
        let link = link?.clone();
        let place = match pending.holder {
            None => format!("index.json: {}", link.path),
            Some(holder) => format!("{holder}: {}", link.path),
        };
        Some((link, place))
    }

    fn same_size(&mut self, link: &Descriptor, size: Option<u64>, place: &str, source: &Source) {
        let checked = size.map_or(Ok(()), |size| Expected::of_size(link.size).check_size(size));
        if let Err(error) = checked {
            self.problems.push_with(|| error.in_blob(link.digest).at_entry(place).in_file(source.name()));
        }
    }

    fn follow(&mut self, source: &Source, link: &Descriptor, place: &str) -> Result<Document> {
        let node = |media_type: &str, body| Document { media_type: media_type::shared(media_type), body };
        let media_type = &*link.media_type;
        let Some(extent) = extent_of(source, link)? else {
            // An index of many platforms of which only some were fetched is usual.
            self.note(link.digest, NoticeKind::Absent, || {
                format!("{place}: {} is not in the image; its descriptor is kept", link.digest)
            });
            return Ok(node(media_type, DocumentKind::Missing));
        };
        let mut class = media_type::classify(media_type);
        if class != Class::Index && class != Class::Manifest && !media_type.is_empty() {
            return Ok(node(media_type, self.other(source, link, extent)?));
        }
        if media_type.is_empty() && extent.len() > source.limits().document_bytes {
            return Ok(node(media_type, DocumentKind::Blob(extent)));
        }
        let bytes = extent.bytes(source.limits().document_bytes)?;
        let verified = verify(&bytes, &link.digest);
        if media_type.is_empty() {
            class = by_content(&bytes);
        }
        let body = match class {
            Class::Index => self.read_index(bytes).map(|index| DocumentKind::Index(Box::new(index))),
            Class::Manifest => {
                self.read_manifest(source, link, bytes).map(|manifest| DocumentKind::Manifest(Box::new(manifest)))
            }
            _ if unknown::may_be_document(&extent, source.limits())? => self.unknown(source, extent, &bytes),
            _ => Ok(DocumentKind::Blob(extent)),
        };
        // Bytes that are not the ones that were meant may still be a document, whose links are looked at as well.
        // If they are none, then the digest is why.
        match (body, verified) {
            (Ok(body), Ok(())) => Ok(node(media_type, body)),
            (Ok(body), Err(error)) => {
                self.problem(error, &link.digest, source);
                Ok(node(media_type, body))
            }
            (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        }
    }

    /// What has a media type that is none of a document that is known: bytes, unless it is a JSON document.
    fn other(&mut self, source: &Source, link: &Descriptor, extent: Extent) -> Result<DocumentKind> {
        if !unknown::may_be_document(&extent, source.limits())? {
            return Ok(DocumentKind::Blob(extent));
        }
        let bytes = extent.bytes(source.limits().document_bytes)?;
        // That they are others is found when they are read or copied as what they are.
        if verify(&bytes, &link.digest).is_err() {
            Ok(DocumentKind::Blob(extent))
        } else {
            self.unknown(source, extent, &bytes)
        }
    }

    fn unknown(&mut self, source: &Source, extent: Extent, bytes: &[u8]) -> Result<DocumentKind> {
        let unknown = UnknownDocument::read(source, &extent, bytes)?;
        self.held.bytes += unknown.held();
        Ok(DocumentKind::Unknown(Box::new(unknown)))
    }

    fn problem(&mut self, error: Error, blob: &Digest, source: &Source) {
        self.problems.push_with(|| error.in_blob(blob).in_file(source.name()));
    }

    fn note(&mut self, about: Digest, kind: NoticeKind, text: impl FnOnce() -> String) {
        self.notes.push_with(|| Note { about, notice: Notice::new(kind, text()) });
    }

    fn read_index(&mut self, bytes: Vec<u8>) -> Result<IndexDocument> {
        self.held.bytes += bytes.len() as u64;
        let (children, subject) = Index::parse_within(&bytes, &mut self.held.descriptors)?.into_parts();
        Ok(IndexDocument { bytes, children, subject })
    }

    fn read_manifest(&mut self, source: &Source, link: &Descriptor, bytes: Vec<u8>) -> Result<ManifestDocument> {
        self.held.bytes += bytes.len() as u64;
        let manifest = Manifest::parse_within(&bytes, &mut self.held.descriptors)?;
        let (annotation_times, artifact_type) = (manifest.annotation_times(), manifest.artifact_type());
        let needs_config = manifest.media_type().as_deref() != Some(OCI_ARTIFACT) && link.media_type != OCI_ARTIFACT;
        let (config, layers, subject) = manifest.into_parts();
        if needs_config && config.is_none() {
            return Err(Error::missing("config"));
        }
        // The same manifest may also be listed without BuildKit's annotations; its layers show what it is.
        let attestation = attestation::is_attestation(&link.annotations, artifact_type.as_deref())
            || (!layers.is_empty() && layers.iter().all(|layer| attestation::is_statement_type(&layer.media_type)));
        let image = match config.as_ref().map(|config| self.config(source, config)) {
            Some(Err(error)) => {
                self.problem(error, &link.digest, source);
                None
            }
            Some(Ok(image)) => image.filter(|image| !is_of_artifact(image, &layers)),
            None => None,
        };
        let node =
            ManifestDocument { bytes, config, image, layers, subject, annotation_times, artifact_type, attestation };
        if node.hides_layers() {
            let text = "its config is not the config of an image: times in it and in the layers are left as they are";
            self.note(link.digest, NoticeKind::UnknownDocument, || format!("{}: {text}", link.digest));
        }
        if let Some(image) = &node.image
            && image.diff_ids.len() != node.layers.len()
        {
            let found = format!("{} layers", node.layers.len());
            let error = Error::mismatch(Property::LayerCount, format!("{} diff_ids", image.diff_ids.len()), found);
            self.problem(error, &link.digest, source);
        }
        Ok(node)
    }

    fn config(&mut self, source: &Source, link: &Descriptor) -> Result<Option<Arc<ImageConfig>>> {
        // A config without a media type is recognised by its content, as a manifest is.
        let is_untyped = link.media_type.is_empty();
        if media_type::classify(&link.media_type) != Class::Config && !is_untyped {
            return Ok(None);
        }
        let Some(extent) = extent_of(source, link)? else {
            return Err(Error::missing("config").in_blob(link.digest));
        };
        if let Err(error) = Expected::of_size(link.size).check_size(extent.len()) {
            self.problem(error.at_entry(&link.path), &link.digest, source);
        }
        if let Some(known) = self.configs.get(&link.digest) {
            return Ok(Some(Arc::clone(known)));
        }
        if self.other_configs.contains(&(link.digest, is_untyped)) {
            return Ok(None);
        }
        if is_untyped && extent.len() > source.limits().document_bytes {
            return Ok(None);
        }
        let bytes = extent.bytes(source.limits().document_bytes).map_err(|e| e.in_blob(link.digest))?;
        let verified = verify(&bytes, &link.digest);
        if is_untyped && verified.is_ok() && Json::parse(&bytes).is_err() {
            self.other_configs.insert((link.digest, is_untyped));
            return Ok(None);
        }
        self.held.bytes += bytes.len() as u64;
        match (ImageConfig::parse(bytes).map_err(|e| e.in_blob(link.digest)), verified) {
            (Ok(config), Err(error)) => {
                self.problem(error, &link.digest, source);
                Ok(config.map(Arc::new))
            }
            (Err(_), Err(error)) => Err(error.in_blob(link.digest)),
            (Err(error), Ok(())) => Err(error),
            (Ok(None), Ok(())) => {
                self.other_configs.insert((link.digest, is_untyped));
                Ok(None)
            }
            (Ok(Some(config)), Ok(())) => {
                let config = Arc::new(config);
                self.configs.insert(link.digest, Arc::clone(&config));
                if source.listing().is_archive() {
                    self.config_places.insert(extent.id(), link.digest);
                }
                Ok(Some(config))
            }
        }
    }
}

/// A descriptor that is yet to be followed.
struct Pending {
    /// The document that holds it; `index.json` if there is none.
    holder: Option<Digest>,
    /// Its number among the manifests of an index; none if it is a subject.
    child: Option<usize>,
    depth: usize,
}

/// Was a document taken for mere bytes, by a descriptor that did not say what this one says?
fn is_misnamed(known: &Document, link: &Descriptor) -> bool {
    let is_document = match media_type::classify(&link.media_type) {
        Class::Index | Class::Manifest => true,
        // Recognised by content, which was done already if the other descriptor had no media type either.
        _ => link.media_type.is_empty() && !known.media_type.is_empty(),
    };
    is_document && matches!(known.body, DocumentKind::Blob(_) | DocumentKind::Unknown(_))
}

/// Has a config no `rootfs`, and the manifest something else than layers? An image without layers is one.
fn is_of_artifact(image: &ImageConfig, layers: &[Descriptor]) -> bool {
    let has_rootfs = || Config::parse(&image.bytes).is_ok_and(|config| config.has_rootfs());
    !layers.is_empty()
        && !layers.iter().any(|layer| LayerType::parse(&layer.media_type).is_some())
        && image.diff_ids.is_empty()
        && !has_rootfs()
}

fn known_size(node: &Document) -> Option<u64> {
    match &node.body {
        DocumentKind::Index(index) => Some(index.bytes.len() as u64),
        DocumentKind::Manifest(manifest) => Some(manifest.bytes.len() as u64),
        DocumentKind::Blob(extent) => Some(extent.len()),
        DocumentKind::Unknown(unknown) => Some(unknown.extent.len()),
        DocumentKind::Missing => None,
    }
}

/// Descriptors of old tools have no media type: what has `manifests` is an index, what has a `config` a manifest.
fn by_content(bytes: &[u8]) -> Class {
    let Ok(json) = Json::parse(bytes) else { return Class::Other };
    let root = json.root();
    if root.get("manifests").is_some() {
        Class::Index
    } else if root.get("config").is_some() && root.get("layers").is_some() {
        Class::Manifest
    } else {
        Class::Other
    }
}
