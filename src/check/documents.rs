//! The documents of a layout, from `index.json` down: each is looked at once, by whichever descriptor comes first.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Checker;
use super::claim::{Claim, in_image};
use super::formats::{OtherFormat, other_format};
use super::layers::{Named, Work};
use super::report::{Kind, Place, What};
use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::attestation::is_statement_type;
use crate::document::config::Config;
use crate::document::descriptor::Descriptor;
use crate::document::index::Index;
use crate::document::json::Json;
use crate::document::manifest::Manifest;
use crate::error::{Error, Result, printable, quoted};
use crate::image::base::{self, BasePrefix};
use crate::image::documents::{DocumentKind, IndexDocument, ManifestDocument, extent_of};
use crate::media_type::{Class, LayerKind, LayerType, OCI_ARTIFACT, classify, what_passes};
use crate::name::familiar;

/// The version of the layout that there is (OCI image-spec, image-layout.md).
const LAYOUT_VERSION: &str = "1.0.0";

impl Checker<'_> {
    /// All documents that can be reached from `index.json`.
    pub(super) fn documents(&mut self) -> Result<()> {
        let Some(root) = &self.set.documents.root else { return Ok(()) };
        self.layout()?;
        let place = self.findings.place(What::Index, "index.json", "");
        self.index(&place, root, "", &|number| self.set.selection.keeps_root(number))?;
        // A chain of subjects may be long, so this is a list and no recursion.
        while let Some((subject, of)) = self.subjects.pop() {
            self.descend(&subject, &of)?;
        }
        for (text, (place, field, more)) in std::mem::take(&mut self.unread) {
            let more = if more > 0 { format!(" (so are {more} more layers)") } else { String::new() };
            self.findings.note(&place, Kind::MediaType, &field, format!("{text}{more}"));
        }
        self.statements()?;
        self.named_by_unknown()?;
        self.tags(&place, &root.children);
        Ok(())
    }

    /// Blobs that stay as they are with a document that names them.
    fn named_by_unknown(&mut self) -> Result<()> {
        for (digest, extent) in self.set.documents.named_by_unknown(self.set.source, |digest| self.set.keeps(digest))? {
            let place = self.findings.place(What::Blob, &digest.to_string(), "");
            self.hash(digest, place, &extent);
        }
        Ok(())
    }

    /// Plans to read a blob of which nothing but its digest is known.
    fn hash(&mut self, digest: Digest, place: Arc<Place>, extent: &Extent) {
        let (name, extent) = (digest.to_string(), extent.clone());
        let named = Named { name, place, extent, digest: Some(digest), work: Work::Hash, checks_times: false };
        self.layers.add(named, Claim::default());
    }

    fn layout(&mut self) -> Result<()> {
        let place = self.findings.place(What::File, "oci-layout", "");
        let bytes = match self.set.source.layout() {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.findings.fault(
                    &place,
                    Kind::Layout,
                    "",
                    "is missing; some tools do not recognise the layout without it",
                );
                return Ok(());
            }
            Err(error) => {
                self.findings.error(&error);
                return Ok(());
            }
        };
        let version = Json::parse(bytes).map(|json| {
            let version = json.root().get("imageLayoutVersion").and_then(|version| version.as_str());
            version.map(|version| version.into_owned())
        });
        let text = match version {
            Ok(Some(version)) if version == LAYOUT_VERSION => return Ok(()),
            Ok(Some(version)) => format!("expected {LAYOUT_VERSION:?}, found {version:?}"),
            Ok(None) => format!("expected {LAYOUT_VERSION:?}, found none"),
            Err(error) => error.to_string(),
        };
        self.findings.fault(&place, Kind::Layout, "imageLayoutVersion", text);
        Ok(())
    }

    fn index(
        &mut self,
        place: &Arc<Place>,
        index: &IndexDocument,
        of: &str,
        keeps: &dyn Fn(usize) -> bool,
    ) -> Result<()> {
        let parsed = Index::parse(&index.bytes)?.with_time_keys(&self.options.time_keys);
        // A descriptor that is left out takes its times with it.
        self.findings.times(place, parsed.times_of(keeps), self.stamps);
        self.unlisted.add(&place.name, parsed.unlisted(self.stamps, keeps));
        self.schema_version(place, &index.bytes);
        if let Some(subject) = &index.subject {
            self.subject(place, subject)?;
        }
        let kept: Vec<&Descriptor> =
            index.children.iter().enumerate().filter(|(number, _)| keeps(*number)).map(|(_, child)| child).collect();
        let siblings: BTreeSet<Digest> = index.children.iter().map(|child| child.digest).collect();
        for child in &kept {
            self.link(place, child)?;
            self.child_references(place, child);
            self.attestation(place, child, &siblings);
        }
        for child in kept {
            let of = label(of, child);
            self.descend(child, &of)?;
        }
        Ok(())
    }

    /// What a descriptor in an index leads to.
    fn descend(&mut self, link: &Descriptor, of: &str) -> Result<()> {
        let documents = &self.set.documents;
        let Some(node) = documents.nodes.get(&link.digest) else { return Ok(()) };
        if !self.seen.insert(link.digest) {
            return Ok(());
        }
        let name = link.digest.to_string();
        match &node.body {
            DocumentKind::Missing => Ok(()),
            DocumentKind::Blob(extent) => {
                let place = self.findings.place(What::Blob, &name, of);
                self.hash(link.digest, place, extent);
                Ok(())
            }
            DocumentKind::Unknown(unknown) => {
                let place = self.findings.place(What::Blob, &name, of);
                let text = format!(
                    "the document type {} is not known: times in it are not checked",
                    quoted(&*node.media_type)
                );
                self.findings.note(&place, Kind::MediaType, "", text);
                if let Some(subject) = &unknown.subject {
                    self.subject(&place, subject)?;
                }
                self.hash(link.digest, place, &unknown.extent);
                Ok(())
            }
            DocumentKind::Index(index) => {
                let place = self.findings.place(What::Index, &name, of);
                let (set, children) = (self.set, &index.children);
                let keeps = move |number: usize| children.get(number).is_none_or(|child| set.keeps(&child.digest));
                // Documents are loaded to this depth, but perhaps along another path than this one.
                if self.depth >= self.set.source.limits().nesting {
                    let limit = self.set.source.limits().nesting as u64;
                    return Err(Error::limit("depth of nested indexes", limit, "more").in_blob(link.digest));
                }
                self.depth += 1;
                let result = self.index(&place, index, of, &keeps).map_err(|e| e.in_blob(link.digest));
                self.depth -= 1;
                result
            }
            DocumentKind::Manifest(manifest) => {
                let place = self.findings.place(What::Manifest, &name, of);
                self.manifest(&place, &link.digest, manifest, of).map_err(|e| e.in_blob(link.digest))
            }
        }
    }

    fn manifest(&mut self, place: &Arc<Place>, digest: &Digest, manifest: &ManifestDocument, of: &str) -> Result<()> {
        let prefix = match &manifest.image {
            Some(image) if manifest.is_image() => {
                self.checked.images += 1;
                base::prefix(&self.options.base, image).map_err(|e| e.in_blob(digest))?
            }
            _ => Default::default(),
        };
        let parsed = Manifest::parse(&manifest.bytes)?.with_time_keys(&self.options.time_keys);
        self.findings.times(place, parsed.times(), self.stamps);
        self.unlisted.add(&place.name, parsed.unlisted(self.stamps));
        // The artifact manifests that OCI once had are of no version, and have no config.
        let is_artifact = parsed.media_type().as_deref() == Some(OCI_ARTIFACT);
        if !is_artifact {
            self.schema_version(place, &manifest.bytes);
        }
        if let Some(subject) = &manifest.subject {
            self.subject(place, subject)?;
        }
        match &manifest.config {
            Some(config) => self.config_of(place, manifest, config, prefix, of)?,
            None if is_artifact => {}
            None => self.findings.fault(place, Kind::Missing, "config", "is missing"),
        }
        if manifest.is_image() {
            self.references_of(place, "annotations", &parsed.annotations(), manifest);
        }
        self.artifact(place, manifest);
        self.hidden_layers(place, manifest);
        for (number, layer) in manifest.layers.iter().enumerate() {
            let is_base = number < prefix.layers;
            let diff_id = manifest.image.as_ref().and_then(|image| image.diff_ids.get(number).copied());
            self.layer(place, manifest, layer, diff_id, is_base, &in_image(of, number))?;
        }
        Ok(())
    }

    fn config_of(
        &mut self,
        place: &Arc<Place>,
        manifest: &ManifestDocument,
        config: &Descriptor,
        base: BasePrefix,
        of: &str,
    ) -> Result<()> {
        self.data(place, config);
        let own = self.findings.place(What::Config, &config.digest.to_string(), of);
        if let Some(image) = &manifest.image {
            if self.seen.insert(config.digest) {
                self.config(&own, &config.digest, image, manifest.layers.len(), base.history)?;
                self.short_history(&own, base);
            }
            return Ok(());
        }
        self.artifact_config(&own, config)?;
        // One of an image was verified when it was read, as far as it is there.
        if classify(&config.media_type) == Class::Config {
            return Ok(());
        }
        self.blob(place, own, config, Work::Hash, Claim::default(), false)
    }

    fn layer(
        &mut self,
        place: &Arc<Place>,
        manifest: &ManifestDocument,
        layer: &Descriptor,
        diff_id: Option<Digest>,
        is_base: bool,
        of: &str,
    ) -> Result<()> {
        self.data(place, layer);
        let is_image = manifest.image.is_some();
        let kind = layer.layer_kind(manifest.is_image());
        let declared = LayerType::parse(&layer.media_type).map(|layer| layer.compression);
        let format = match (kind, extent_of(self.set.source, layer)) {
            (LayerKind::Opaque, Ok(Some(extent))) => Some(other_format(&layer.media_type, &extent)),
            _ => None,
        };
        let (what, work, compression) = match kind {
            LayerKind::Opaque if manifest.is_image() && format == Some(OtherFormat::Foreign) => {
                (What::Blob, Work::Hash, None)
            }
            LayerKind::Tar(compression) if is_image => (What::Layer, Work::Scan, compression),
            LayerKind::Foreign if is_image && declared.is_some() => (What::Layer, Work::Scan, declared),
            // Only its owner can look into an encrypted one.
            LayerKind::Opaque | LayerKind::Foreign if is_image => (What::Blob, Work::Unpack, None),
            _ => (What::Blob, Work::Hash, None),
        };
        let own = self.findings.place(what, &layer.digest.to_string(), of);
        let claim = Claim {
            by: format!("in {}, {}", place.name, layer.path),
            diff_id,
            compression,
            named: None,
            annotations: if is_image { layer.annotations.clone() } else { Vec::new() },
        };
        let is_part = manifest.is_image() && !is_base && !is_statement_type(&layer.media_type);
        if is_part && !kind.is_tar() {
            self.left.insert(layer.digest);
            self.unchecked(place, layer, kind, format);
        }
        let checks_times = is_part && kind.is_tar();
        self.blob(place, own, layer, work, claim, checks_times)
    }

    /// Something in the place of a layer whose times are not compared with the epoch.
    fn unchecked(&mut self, place: &Arc<Place>, layer: &Descriptor, kind: LayerKind, format: Option<OtherFormat>) {
        if !matches!(extent_of(self.set.source, layer), Ok(Some(_))) {
            return;
        }
        let field = format!("{}.mediaType", layer.path);
        let media_type = quoted(&*layer.media_type);
        let text = match kind {
            LayerKind::Tar(_) => return,
            LayerKind::Foreign => {
                "a foreign layer, which only its vendor may change: its times are not checked".to_owned()
            }
            LayerKind::Encrypted => {
                "the layer is encrypted: its times are not checked; stamp the image before it is encrypted".to_owned()
            }
            LayerKind::Opaque => match format {
                // What is attached to images by such manifests, signatures and lists of parts, is of no time.
                Some(OtherFormat::Document) | None => return,
                Some(OtherFormat::Misnamed) => {
                    let text = format!(
                        "{media_type} is not a layer media type, though the content is a tar: its timestamps are neither stamped nor checked"
                    );
                    return self.findings.fault(place, Kind::MediaType, &field, text);
                }
                Some(OtherFormat::Foreign) => format!(
                    "{media_type} is not a layer format that restamp reads: its times are neither stamped nor \
                     checked{}",
                    what_passes(&layer.media_type).map(|text| format!(": {text}")).unwrap_or_default()
                ),
            },
        };
        let entry = self.unread.entry(text);
        entry.and_modify(|(_, _, more)| *more += 1).or_insert_with(|| (Arc::clone(place), field, 0));
    }

    /// A manifest that has layers but is no image: an artifact may be meant so, an image is broken.
    fn hidden_layers(&mut self, place: &Arc<Place>, manifest: &ManifestDocument) {
        let Some(config) = manifest.config.as_ref().filter(|_| manifest.hides_layers()) else { return };
        let Ok(Some(extent)) = extent_of(self.set.source, config) else { return };
        let is_image = extent
            .bytes(self.set.source.limits().document_bytes)
            .ok()
            .and_then(|bytes| Config::parse(&bytes).map(|config| config.is_image()).ok());
        let is_typed = classify(&config.media_type) == Class::Config;
        // That it can't be read was reported when it was loaded.
        if is_typed && is_image != Some(false) {
            return;
        }
        let text = format!(
            "{:?} is not the config of an image, so times in it and in the layers are neither stamped nor checked",
            config.media_type
        );
        if is_typed || is_image == Some(true) || config.media_type.is_empty() {
            self.findings.fault(place, Kind::MediaType, "config", text);
        } else {
            self.findings.note(place, Kind::MediaType, "config", text);
        }
    }

    /// A blob that a manifest names: is it there, has it that size? The rest is found when it is read.
    fn blob(
        &mut self,
        place: &Arc<Place>,
        own: Arc<Place>,
        link: &Descriptor,
        work: Work,
        claim: Claim,
        checks_times: bool,
    ) -> Result<()> {
        let extent = match extent_of(self.set.source, link) {
            Ok(Some(extent)) => extent,
            Ok(None) => {
                let is_foreign = LayerType::parse(&link.media_type).is_some_and(|layer| layer.foreign);
                if !is_foreign && link.urls.is_empty() {
                    self.findings.fault(
                        place,
                        Kind::Missing,
                        &link.path.to_string(),
                        format!("blob {} is missing", link.digest),
                    );
                }
                return Ok(());
            }
            // The `data` in its place can't be read, which was reported already.
            Err(_) if link.data.is_some() => return Ok(()),
            Err(error) => return Err(error.in_blob(link.digest)),
        };
        if extent.len() != link.size {
            let text =
                format!("size of {} does not match: expected {}, found {}", link.digest, link.size, extent.len());
            self.findings.fault(place, Kind::Size, &link.path.to_string(), text);
        }
        let (name, digest) = (link.digest.to_string(), Some(link.digest));
        self.layers.add(Named { name, place: own, extent, digest, work, checks_times }, claim);
        Ok(())
    }
}

/// What people call what a descriptor leads to.
fn label(of: &str, link: &Descriptor) -> String {
    let name = link.names().next().map(|name| printable(familiar(name).as_bytes()));
    let platform = link.platform.as_ref().map(ToString::to_string).filter(|platform| platform != "unknown/unknown");
    let parts = [Some(of), name.as_deref(), platform.as_deref()];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
