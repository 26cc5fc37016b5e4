//! The tags of a repository (OCI distribution-spec, "Listing Tags").

use std::collections::BTreeSet;

use serde::Deserialize;

use super::client::{Call, Client};
use super::http::Body;
use super::referrers::next_link;
use crate::error::{Error, Result, quoted};
use crate::name::is_tag;

/// Tags of a page, as asked for.
const PAGE: &str = "1000";
/// Pages of a list: a million tags at that size.
const PAGES: usize = 1000;
/// Bytes of all pages.
const MOST: u64 = 64 << 20;

#[derive(Deserialize)]
struct Answer {
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags, each once, in the order of the registry.
    ///
    /// # Errors
    ///
    /// If the registry refuses, or its list is none.
    pub fn tags(&self, limit: u64) -> Result<Vec<String>> {
        let mut url = self.url("tags/list")?.with_parameter("n", PAGE)?;
        let (mut list, mut seen, mut total) = (Vec::new(), BTreeSet::new(), 0_u64);
        for page in 0.. {
            if page == PAGES {
                return Err(Error::limit("number of pages of the list of tags", PAGES as u64, "more"));
            }
            let call =
                Call { method: "GET", url: url.clone(), headers: Vec::new(), body: Body::None, scope: self.own() };
            let (next, bytes) = self.retried(|| {
                let response = self.expect(self.send_once(&call)?, &[200])?;
                let next = response.headers("link").find_map(next_link).map(|link| url.resolve(&link)).transpose()?;
                Ok((next, response.bytes(limit)?))
            })?;
            total = total.saturating_add(bytes.len() as u64);
            if total > MOST {
                return Err(Error::limit("size of the list of tags in bytes", MOST, "more"));
            }
            let before = list.len();
            list.extend(tags(&bytes)?.into_iter().filter(|tag| seen.insert(tag.clone())));
            match next {
                // A page without a new tag would be the first of many such.
                Some(next) if list.len() > before => url = self.on_registry(next)?,
                _ => break,
            }
        }
        Ok(list)
    }
}

/// The tags of a page. A name that is none could be taken for something else in a path.
pub fn tags(bytes: &[u8]) -> Result<Vec<String>> {
    let answer: Answer =
        serde_json::from_slice(bytes).map_err(|e| Error::malformed("list of tags", "JSON with tags", e))?;
    let tags = answer.tags.unwrap_or_default();
    match tags.iter().find(|tag| !is_tag(tag)) {
        Some(tag) => Err(Error::malformed("list of tags", "tags", quoted(tag))),
        None => Ok(tags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_nothing_but_tags() {
        assert_eq!(tags(br#"{"name":"a","tags":["1","v2"]}"#).unwrap(), ["1", "v2"]);
        assert!(tags(br#"{"name":"a","tags":null}"#).unwrap().is_empty());
        for bad in [&br#"{"tags":["../x"]}"#[..], br#"{"tags":[1]}"#, b"", br#"{"tags":["a b"]}"#] {
            assert!(tags(bad).is_err());
        }
    }
}
