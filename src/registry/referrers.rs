//! What is about an image: signatures, SBOMs, attestations (OCI distribution-spec, "Listing Referrers").

use std::collections::BTreeSet;

use super::client::{Call, Client};
use super::http::Body;
use super::pull::is_index;
use super::url::Url;
use crate::digest::Digest;
use crate::document::DescriptorCount;
use crate::document::descriptor::Descriptor;
use crate::document::fallback::fallback_tag;
use crate::document::index::Index;
use crate::error::{Error, Result};

/// Pages of a list.
const PAGES: usize = 1000;

impl Client {
    /// The documents that name this one their subject, by the registry's list; where it has none, by the tag that stands in for it.
    /// `count` limits how many descriptors there may be in all.
    ///
    /// # Errors
    ///
    /// If the registry refuses, or its list is none.
    pub fn referrers(&self, digest: &Digest, limit: u64, count: &mut DescriptorCount) -> Result<Vec<Descriptor>> {
        let mut url = self.url(&format!("referrers/{digest}"))?;
        let (mut list, mut seen) = (Vec::new(), BTreeSet::new());
        for page in 0.. {
            if page == PAGES {
                return Err(
                    Error::limit("number of pages of the list of referrers", PAGES as u64, "more").in_blob(digest)
                );
            }
            let headers = vec![("Accept", crate::media_type::OCI_INDEX.to_owned())];
            let call = Call { method: "GET", url: url.clone(), headers, body: Body::None, scope: self.own() };
            let found = self.retried(|| {
                let response = self.send_once(&call)?;
                // A registry that does not know the path may answer in several ways, but not with an index.
                let is_unknown = matches!(response.status, 400 | 404 | 405 | 501)
                    || (response.status == 200 && !is_index(response.media_type()));
                if page == 0 && is_unknown {
                    return Ok(None);
                }
                let response = self.expect(response, &[200])?;
                let next = response.headers("link").find_map(next_link).map(|link| url.resolve(&link)).transpose()?;
                Ok(Some((next, response.bytes(limit)?)))
            })?;
            let Some((next, bytes)) = found else { return self.by_fallback_tag(digest, limit, count) };
            let index = Index::parse_within(&bytes, count).map_err(|e| e.in_blob(format!("referrers of {digest}")))?;
            list.extend(index.into_parts().0.into_iter().filter(|one| seen.insert(one.digest)));
            match next {
                Some(next) => url = self.on_registry(next)?,
                None => break,
            }
        }
        Ok(list)
    }

    fn by_fallback_tag(&self, digest: &Digest, limit: u64, count: &mut DescriptorCount) -> Result<Vec<Descriptor>> {
        let Some(found) = self.manifest(&fallback_tag(digest), limit)?.filter(|found| is_index(&found.media_type))
        else {
            return Ok(Vec::new());
        };
        let index = Index::parse_within(&found.bytes, count).map_err(|e| e.in_blob(fallback_tag(digest)))?;
        let mut seen = BTreeSet::new();
        Ok(index.into_parts().0.into_iter().filter(|one| seen.insert(one.digest)).collect())
    }

    /// A URL of a further page: the next page of a registry's list is not somewhere else.
    pub(super) fn on_registry(&self, url: Url) -> Result<Url> {
        if url.origin() != self.url("")?.origin() {
            return Err(Error::refused(format!("the next page of a list is at another host: {}", url.shown())));
        }
        Ok(url)
    }
}

/// The URL of the next page in a `Link` header (RFC 8288).
pub fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, parameters) = after.split_once('>')?;
        let end = parameters.find('<').unwrap_or(parameters.len());
        let own = parameters.get(..end)?;
        let is_next = own.split([';', ',']).any(|parameter| {
            let Some((key, value)) = parameter.split_once('=') else { return false };
            let words = value.trim().trim_matches('"');
            key.trim().eq_ignore_ascii_case("rel")
                && words.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.trim().to_owned());
        }
        rest = parameters.get(end..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_any_order_of_links() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?n=1&last=x>; rel="next""#, Some("/v2/a/tags/list?n=1&last=x")),
            ("<x>; rel=next", Some("x")),
            (r#"<a>; rel="prev", <b>; title="x"; REL="first next""#, Some("b")),
            (r#"<a>; rel="prev""#, None),
            ("<a", None),
            ("rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_link(header).as_deref(), expected, "{header}");
        }
    }
}
