//! Is everything that a tool could run of an image among the images that a verb has looked at?
//!
//! A statement about an image counts for whatever is pulled by its name. Which of the manifests of an index that is, tools
//! decide by the platform that the index gives, or by the config, and by nothing else: an annotation or an artifact type
//! that makes one look like an attestation does not keep it from being run.

use std::collections::BTreeSet;

use super::ImageSet;
use super::by_platform::named;
use super::documents::{DocumentKind, ManifestDocument};
use crate::digest::Digest;
use crate::document::descriptor::{Descriptor, REFERENCE_DIGEST, split_fallback_tag};
use crate::error::{Error, Result, quoted};
use crate::media_type::LayerType;
use crate::platform::Platform;

/// Succeeds if all that the selected names lead to, for this platform or any, is one of these manifests, for another
/// platform, or can't be run.
///
/// # Errors
///
/// The first thing that is neither, with its digest.
pub fn none_unjudged(set: &ImageSet<'_>, judged: &BTreeSet<Digest>, asked: Option<&Platform>) -> Result<()> {
    let Some(root) = &set.documents.root else { return Ok(()) };
    let is_list = |child: &Descriptor| {
        child.names().next().is_some() && child.names().all(|name| split_fallback_tag(name).is_some())
    };
    let roots = root.children.iter().enumerate();
    let mut pending: Vec<&Descriptor> = roots
        .filter(|(number, child)| set.selection.keeps_root(*number) && !is_list(child))
        .map(|(_, child)| child)
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(child) = pending.pop() {
        let spelled = child.platform.as_ref().map(|platform| named(platform)).filter(|platform| !platform.is_nothing());
        if let Some(platform) = spelled.as_ref().filter(|platform| !platform.is_canonical()) {
            return Err(refused(
                child,
                &format!(
                    "its platform is spelled {}, which tools read in several ways",
                    quoted(platform.to_string().as_bytes())
                ),
            ));
        }
        let is_other = |platform: &Platform| asked.is_some_and(|asked| !asked.matches(platform));
        match set.documents.nodes.get(&child.digest).map(|node| &node.body) {
            Some(DocumentKind::Index(index)) if seen.insert(child.digest) => pending.extend(&index.children),
            _ if judged.contains(&child.digest) || spelled.as_ref().is_some_and(|platform| platform.is_unknown()) => {}
            Some(DocumentKind::Manifest(manifest)) => {
                let own = manifest.image.as_ref().map(|_| manifest.platform());
                let by_config = own.as_ref().filter(|own| !own.is_nothing() && own.is_canonical());
                // Both have to be another one: which of them counts depends on the tool.
                let of_another = match (&spelled, by_config) {
                    (Some(spelled), Some(own)) => is_other(spelled) && is_other(own),
                    (Some(spelled), None) => is_other(spelled),
                    (None, Some(own)) => is_other(own),
                    (None, None) => false,
                };
                let cannot_run = spelled.is_none() && is_about_another(child, manifest);
                if !of_another && !cannot_run {
                    return Err(refused(child, "it could be run, but is not among the images that were compared"));
                }
            }
            Some(DocumentKind::Missing) | None if !spelled.as_ref().is_some_and(is_other) => {
                return Err(refused(child, "it is not there, so that nothing is known of it"));
            }
            Some(DocumentKind::Unknown(_) | DocumentKind::Blob(_)) if !spelled.as_ref().is_some_and(is_other) => {
                return Err(refused(child, "it is no manifest that is known here, and other tools may run it"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Is it a document about another one, with nothing in it that could be run?
fn is_about_another(child: &Descriptor, manifest: &ManifestDocument) -> bool {
    let is_about = manifest.subject.is_some() || child.annotation(REFERENCE_DIGEST).is_some();
    let has_layers = manifest.layers.iter().any(|layer| LayerType::parse(&layer.media_type).is_some());
    is_about && manifest.image.is_none() && !has_layers
}

fn refused(child: &Descriptor, why: &str) -> Error {
    let platform = child.platform.as_ref().map(|platform| format!(" for {}", named(platform))).unwrap_or_default();
    Error::refused(format!("{} is listed{platform}: {why}", child.digest))
}
