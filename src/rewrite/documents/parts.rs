//! The blobs that a manifest lists: layers, statements about images, and what passes as it is.

use std::borrow::Cow;

use super::{ImagePlan, NewDocuments};
use crate::blob::Expected;
use crate::digest::{Digest, Hasher};
use crate::document::attestation::{Attestation, is_statement_type};
use crate::document::descriptor::{Descriptor, DescriptorEdit, Outdated};
use crate::document::manifest::LayerEdit;
use crate::error::{Error, Result};
use crate::image::documents::{ManifestDocument, extent_of};
use crate::media_type::LayerType;
use crate::rewrite::layers::LayerResult;
use crate::store::write::Content;

/// The largest layers, all together, that the descriptors of a manifest carry in `data`: registries take manifests of 4 MiB (distribution-spec, "Pushing
/// Manifests"), and base64 makes four bytes of three.
const DATA_LIMIT: u64 = 3 << 20;

impl NewDocuments<'_> {
    pub(super) fn image_layers(&mut self, manifest: &ManifestDocument, plan: &ImagePlan) -> Result<Vec<Part>> {
        let Some(image) = &manifest.image else { return Ok(Vec::new()) };
        let mut parts = Vec::new();
        // All of a manifest together: what has no room loses the field.
        let mut room = DATA_LIMIT;
        for (number, (descriptor, key)) in manifest.layers.iter().zip(&plan.layers).enumerate() {
            let done = self.layers.done(key, image.diff_id(number)?)?;
            let media_type = LayerType::parse(&descriptor.media_type)
                .zip(done.compression)
                .filter(|(layer, compression)| layer.compression != *compression)
                .map(|(layer, compression)| layer.with(compression).to_string());
            if done.digest != descriptor.digest {
                self.moves.insert(descriptor.digest, done.digest);
            }
            parts.push(if done.digest == descriptor.digest {
                Part::Kept
            } else {
                let data = data_of(descriptor, done, room)?;
                room -= data.as_ref().map_or(0, |data| data.len() as u64);
                Part::Layer { digest: done.digest, size: done.size, media_type, diff_id: done.diff_id, data }
            });
            self.keep_layer(done);
        }
        Ok(parts)
    }

    /// The blobs of an attestation, whose statements follow what they are about, or of an artifact, which pass.
    pub(super) fn blobs_of(&mut self, manifest: &ManifestDocument) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for descriptor in &manifest.layers {
            let is_statement = manifest.attestation && is_statement_type(&descriptor.media_type);
            parts.push(if is_statement && self.statement(descriptor)? {
                let new = self.new.get(&descriptor.digest).copied().ok_or_else(|| Error::missing("statement"))?;
                let data = self.data(descriptor, &new.digest)?.map(Cow::into_owned);
                Part::Document { digest: new.digest, size: new.size, data }
            } else {
                self.pass(descriptor, "blob")?;
                Part::Kept
            });
        }
        Ok(parts)
    }

    /// Publishes an in-toto statement about what has moved, once for all attestations that share it; false if nothing
    /// that it is about has.
    fn statement(&mut self, descriptor: &Descriptor) -> Result<bool> {
        if let Some(size) = self.statements.get(&descriptor.digest) {
            Expected::of_size(descriptor.size).check_size(*size).map_err(|e| e.in_blob(descriptor.digest))?;
            return Ok(self.new.contains_key(&descriptor.digest));
        }
        let Some(extent) = extent_of(self.set.source, descriptor)? else {
            return Err(Error::missing("statement").in_blob(descriptor.digest));
        };
        let bytes = extent.verified_bytes(
            &descriptor.digest,
            Some(descriptor.size),
            self.set.source.limits().statement_bytes,
        )?;
        self.statements.insert(descriptor.digest, descriptor.size);
        let in_blob = |e: Error| e.in_blob(descriptor.digest);
        let statement = match Attestation::parse(&bytes).map_err(in_blob)? {
            Attestation::Statement(statement) => statement,
            // If nothing has moved, what is signed still holds.
            Attestation::Signed if self.moves.iter().any(|(old, new)| old != new) => {
                let text = "an attestation is signed, so it can't be updated; --attestations drop leaves it out";
                return Err(in_blob(Error::refused(text)));
            }
            Attestation::Signed | Attestation::Other => return Ok(false),
        };
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        let mut blob = self.spooled.writer();
        let patched = statement.patch_to(&self.moves, &mut |bytes| {
            hasher.update(bytes);
            blob.write(bytes)
        });
        let patched = patched.map_err(in_blob)?;
        let content = if patched.changed { Some(Content::Spool(blob.finish()?)) } else { None };
        self.note(&descriptor.digest.to_string(), &patched);
        if let Some(content) = content {
            self.publish_as(descriptor.digest, hasher.finish(), content);
        }
        Ok(patched.changed)
    }

    /// A blob that stays as it is. It has to be there, unless its descriptor says where else it is.
    pub(super) fn pass(&mut self, descriptor: &Descriptor, what: &'static str) -> Result<()> {
        let extent = self.set.source.blob(&descriptor.digest)?;
        match extent {
            Some(extent) => {
                let size = Expected::of_size(descriptor.size).check_size(extent.len());
                size.map_err(|e| e.in_blob(descriptor.digest))?;
                self.blobs.insert(descriptor.digest, Content::Source(extent));
                Ok(())
            }
            None if descriptor.data.is_some() || !descriptor.urls.is_empty() => Ok(()),
            None => Err(Error::missing(what).in_blob(descriptor.digest)),
        }
    }
}

/// The new layer, where its descriptor carried the old one in `data` and it is small enough to be carried.
fn data_of(descriptor: &Descriptor, done: &LayerResult, room: u64) -> Result<Option<Vec<u8>>> {
    match &done.content {
        Some(Content::Spool(extent)) if descriptor.data.is_some() && extent.len() <= room => {
            extent.bytes(room).map(Some)
        }
        _ => Ok(None),
    }
}

/// What became of a blob that a manifest lists.
#[derive(Debug)]
pub enum Part {
    /// It is as it was.
    Kept,
    /// It is a layer that was encoded.
    Layer { digest: Digest, size: u64, media_type: Option<String>, diff_id: Digest, data: Option<Vec<u8>> },
    /// It is a document that was rewritten.
    Document { digest: Digest, size: u64, data: Option<Vec<u8>> },
}

impl Part {
    /// The digest of the blob, where it has another one now.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Kept => None,
            Self::Layer { digest, .. } | Self::Document { digest, .. } => Some(*digest),
        }
    }

    /// What its descriptor becomes.
    pub fn edit(&self) -> LayerEdit<'_> {
        match self {
            Self::Kept => LayerEdit::Kept,
            Self::Layer { digest, size, media_type, diff_id, data } => LayerEdit::Moved(DescriptorEdit {
                blob: Some((*digest, *size)),
                data: data.as_deref().map(Cow::Borrowed),
                media_type: media_type.clone(),
                rewritten: Some(*diff_id),
                without: Outdated::default(),
            }),
            Self::Document { digest, size, data } => LayerEdit::Moved(DescriptorEdit {
                data: data.as_deref().map(Cow::Borrowed),
                ..DescriptorEdit::blob(*digest, *size)
            }),
        }
    }
}
