//! Which parts of the chosen images stay: attestations as the options say; signatures are valid only for the old
//! digests, so they can't be updated.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::attestation::{Attestation, SignatureHints, is_attestation, is_statement_type, signature_kind};
use crate::document::descriptor::Descriptor;
use crate::document::new_digest;
use crate::document::references::{LayerMoves, SENTINEL, SOCI_LAYER_DIGEST, ZSTD_CHUNKED_SENTINEL};
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::image::documents::{Documents, ManifestDocument, extent_of};
use crate::image::signatures;
use crate::notice::NoticeKind;
use crate::rewrite::options::{Attestations, Options, Signatures};
use crate::store::open::Source;

/// Leaves out attestations and signatures, as the options say.
///
/// # Errors
///
/// If there is a signature and no word on what to do with it.
pub(super) fn leave_out(set: &mut ImageSet<'_>, options: &Options) -> Result<()> {
    // First: with what is left out anyway goes its signature.
    if options.attestations == Attestations::Drop {
        attestations(set);
    }
    sentinels(set);
    drop_or_refuse(set, options.signatures)?;
    if options.signatures == Signatures::Drop {
        signed_attestations(set)?;
    }
    Ok(())
}

/// Leaves out images whose first layer is no tar and says that the others are to be read by their zstd:chunked tables alone:
/// a layer that is rewritten has none. The same image without that layer is in the same index.
fn sentinels(set: &mut ImageSet<'_>) {
    let (documents, selection) = (&set.documents, &mut set.selection);
    let is_sentinel = |child: &Descriptor| {
        let first = documents.manifest(&child.digest).and_then(|manifest| manifest.layers.first());
        child.annotation(SENTINEL) == Some("true")
            || first.is_some_and(|layer| layer.media_type == ZSTD_CHUNKED_SENTINEL)
    };
    let platform = |child: &Descriptor| child.platform.as_ref().map(ToString::to_string);
    for children in documents.indexes() {
        let (found, others): (Vec<&Descriptor>, Vec<&Descriptor>) =
            children.iter().filter(|child| selection.keeps(&child.digest)).partition(|child| is_sentinel(child));
        let here: BTreeSet<Option<String>> = others
            .into_iter()
            .filter(|child| documents.manifest(&child.digest).is_some_and(ManifestDocument::is_image))
            .map(platform)
            .collect();
        for child in found.into_iter().filter(|child| here.contains(&platform(child))) {
            selection.leave_out(child.digest, NoticeKind::OldBytes, || {
                format!("the zstd:chunked variant {} (rewritten layers are plain zstd)", child.digest)
            });
        }
    }
}

/// Leaves out SOCI indexes, which say where the files are in the bytes of layers, if one of those has other bytes now.
pub(super) fn leave_out_soci(set: &mut ImageSet<'_>, moves: &LayerMoves) {
    let (documents, selection) = (&set.documents, &mut set.selection);
    let has_moved = |layer: &Descriptor| {
        let old: Option<Digest> = layer.annotation(SOCI_LAYER_DIGEST).and_then(|text| text.parse().ok());
        old.and_then(|old| new_digest(&moves.blobs, &old)).is_some()
    };
    let mut count = 0;
    for (digest, manifest) in documents.manifests().filter(|(_, manifest)| is_soci(manifest)) {
        if selection.keeps(digest) && manifest.layers.iter().any(has_moved) {
            selection.leave_out(*digest, NoticeKind::OldBytes, || {
                format!("SOCI index {digest}, which describes the old bytes of layers: make it again with soci create")
            });
            count += 1;
        }
    }
    if count > 0 {
        set.leave_out_referrers();
    }
}

fn is_soci(manifest: &ManifestDocument) -> bool {
    let config = manifest.config.as_ref().map(|config| &*config.media_type);
    let types = manifest.artifact_type.as_deref().into_iter().chain(config);
    types.into_iter().any(|media_type| media_type.starts_with("application/vnd.amazon.soci.index."))
}

/// Leaves out attestations. Of those that are not in the image, descriptors say what they are.
fn attestations(set: &mut ImageSet<'_>) {
    let (documents, selection) = (&set.documents, &mut set.selection);
    for (digest, _) in documents.manifests().filter(|(_, manifest)| manifest.attestation) {
        selection.leave_out(*digest, NoticeKind::Attestation, || format!("attestation {digest}"));
    }
    for child in documents.indexes().flatten().filter(|child| documents.is_missing(&child.digest)) {
        if is_attestation(&child.annotations, child.artifact_type.as_deref()) {
            let name = || format!("attestation {}, which is not in the image", child.digest);
            selection.leave_out(child.digest, NoticeKind::Attestation, name);
        }
    }
}

/// Finds what is signed or a signature; an error that names it, or it is left out, as the rule says.
fn drop_or_refuse(set: &mut ImageSet<'_>, rule: Signatures) -> Result<()> {
    let all = signatures::signatures(&set.documents, &set.selection)?;
    let (documents, selection) = (&set.documents, &mut set.selection);
    if rule == Signatures::Drop {
        all.iter().filter_map(|signature| signature.root).for_each(|number| selection.leave_out_root(number));
    }
    let mut found: Vec<(String, Option<Digest>)> =
        all.into_iter().map(|signature| (signature.name, signature.digest)).collect();
    if rule == Signatures::Drop {
        found.extend(
            absent_signatures(documents).filter(|(_, digest)| digest.is_some_and(|digest| selection.keeps(&digest))),
        );
    }
    if found.is_empty() {
        return Ok(());
    }
    if rule == Signatures::Refuse {
        let list = found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("; ");
        let text = format!(
            "signatures are valid only for the digests as they are; --signatures drop leaves these out: {list}"
        );
        return Err(Error::refused(text));
    }
    selection.leave_out_all(NoticeKind::Signature, found);
    Ok(())
}

/// Leaves out attestations that are DSSE envelopes, which only their content shows.
fn signed_attestations(set: &mut ImageSet<'_>) -> Result<()> {
    let (documents, selection) = (&set.documents, &mut set.selection);
    // Attestations may share a statement.
    let mut known: BTreeMap<Digest, bool> = BTreeMap::new();
    for (digest, manifest) in documents.manifests() {
        if !manifest.attestation || !selection.keeps(digest) {
            continue;
        }
        for layer in manifest.layers.iter().filter(|layer| is_statement_type(&layer.media_type)) {
            let is_signed = match known.get(&layer.digest) {
                Some(is_signed) => *is_signed,
                None => is_signed(set.source, layer).map_err(|e| e.in_blob(layer.digest))?,
            };
            known.insert(layer.digest, is_signed);
            if is_signed {
                selection.leave_out(*digest, NoticeKind::Signature, || format!("DSSE envelope {digest}"));
            }
        }
    }
    Ok(())
}

/// Signatures that are not in the image, by what their descriptors say.
fn absent_signatures(documents: &Documents) -> impl Iterator<Item = (String, Option<Digest>)> {
    documents.indexes().flatten().filter(|child| documents.is_missing(&child.digest)).filter_map(|child| {
        let artifact_types: Vec<&str> = child.artifact_type.iter().map(String::as_str).collect();
        let kind = signature_kind(SignatureHints { artifact_types: &artifact_types, ..SignatureHints::default() })?;
        Some((format!("{kind} {}, which is not in the image", child.digest), Some(child.digest)))
    })
}

/// Is this blob a DSSE envelope? What is not there, or no JSON, is none.
fn is_signed(source: &Source, layer: &Descriptor) -> Result<bool> {
    let Some(extent) = extent_of(source, layer)? else { return Ok(false) };
    let bytes = extent.verified_bytes(&layer.digest, Some(layer.size), source.limits().statement_bytes)?;
    Ok(matches!(Attestation::parse(&bytes), Ok(Attestation::Signed)))
}
