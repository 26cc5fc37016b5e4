//! The tag that stands in for a list of referrers, and the list behind it (OCI distribution-spec, "Referrers Tag Schema").

use super::index::Index;
use super::write::{self, NewDescriptor};
use crate::digest::Digest;
use crate::error::Result;

/// The tag that stands in for the list of what is about a document.
pub fn fallback_tag(digest: &Digest) -> String {
    let mut tag = format!("{}-{}", digest.algorithm().name(), digest.hex());
    tag.truncate(128);
    tag
}

/// The list behind a fallback tag, with one more; `None` where it lists that already. `old` is the list that there is.
///
/// # Errors
///
/// It is no index.
pub fn with_referrer(old: Option<&[u8]>, referrer: &NewDescriptor) -> Result<Option<Vec<u8>>> {
    let Some(old) = old else { return write::index(std::slice::from_ref(referrer)).map(Some) };
    let index = Index::parse(old)?;
    if index.manifests().iter().any(|one| one.digest == referrer.digest) {
        return Ok(None);
    }
    index.with(std::slice::from_ref(referrer)).map(Some)
}
