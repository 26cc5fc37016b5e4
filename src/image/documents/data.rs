//! `data`: a blob that its descriptor carries itself (OCI image-spec, descriptor.md).
//!
//! Some consumers take it, others the blob that lies beside it, so both have to be what the digest says.

use std::fmt::Display;

use super::{DocumentKind, Documents};
use crate::blob::Expected;
use crate::document::descriptor::Descriptor;
use crate::document::json::member_path;
use crate::error::{Error, Result};

/// The blob in a descriptor's `data`, where there is such a field; it has to be the one that is named.
pub(super) fn verified(link: &Descriptor) -> Result<Option<Vec<u8>>> {
    let Some(data) = link.decoded_data().transpose()? else { return Ok(None) };
    let in_data = |e: Error| e.at_entry(member_path(&link.path.to_string(), "data"));
    Expected::new(link.digest, link.size).check_bytes(&data).map_err(in_data)?;
    Ok(Some(data))
}

/// Succeeds if every `data` of these documents is the blob that its descriptor names.
pub(super) fn verify_all(documents: &Documents) -> Result<()> {
    if let Some(root) = &documents.root {
        all_of("index.json", root.children.iter().chain(&root.subject))?;
    }
    for (digest, node) in &documents.nodes {
        match &node.body {
            DocumentKind::Index(index) => all_of(digest, index.children.iter().chain(&index.subject))?,
            DocumentKind::Manifest(manifest) => {
                all_of(digest, manifest.config.iter().chain(&manifest.layers).chain(&manifest.subject))?;
            }
            DocumentKind::Unknown(unknown) => all_of(digest, &unknown.subject)?,
            DocumentKind::Blob(_) | DocumentKind::Missing => {}
        }
    }
    Ok(())
}

fn all_of<'d>(place: impl Display, links: impl IntoIterator<Item = &'d Descriptor>) -> Result<()> {
    links.into_iter().try_for_each(|link| verified(link).map(|_| ())).map_err(|error| error.in_blob(place))
}
