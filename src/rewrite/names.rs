//! The names of the result, and the digest that a registry would have for each.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::document::index::Index;
use crate::error::{Error, Result, printable};
use crate::image::{ImageSet, NameKind, TopLevel};
use crate::name::NewName;
use crate::rewrite::documents::NewDocuments;
use crate::rewrite::export::Entry;
use crate::rewrite::report::{Change, Made, NameChange};

/// At most this many names are listed in an error.
const NAMED_MAX: usize = 20;

/// Succeeds if new names have one image to go to, or none are given.
///
/// # Errors
///
/// If there are several, with their names, or none.
pub fn one_image(set: &ImageSet<'_>, names: &[NewName]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let all = set.top_level();
    let Some(first) = all.first() else {
        return Err(Error::refused("there is no image in it that could be given a name"));
    };
    if all.iter().all(|one| one.digest == first.digest) {
        return Ok(());
    }
    let mut list: Vec<String> = all.iter().take(NAMED_MAX).map(named).collect();
    if all.len() > NAMED_MAX {
        list.push(format!("{} more", all.len() - NAMED_MAX));
    }
    let list = list.join(", ");
    let text = format!("a new name is for one image, but there are several: {list}; choose one with :REF of SOURCE");
    Err(Error::refused(text))
}

fn named(one: &TopLevel) -> String {
    match &one.name {
        Some(name) => format!("\"{}\"", printable(name.as_bytes())),
        None => one.digest.to_string(),
    }
}

/// What the top level lists, before and after. `made` are the manifests that images without one have got, by their place
/// in `manifest.json`; `index` is the new `index.json`.
pub fn changes(
    documents: &NewDocuments<'_>,
    entries: &[Entry],
    made: &BTreeMap<usize, Digest>,
    index: &[u8],
) -> Result<Vec<NameChange>> {
    let index = Index::parse(index)?;
    let types: BTreeMap<Digest, &str> =
        index.manifests().iter().map(|child| (child.digest, &*child.media_type)).collect();
    let changes = documents.set.top_level().into_iter().filter_map(|one| {
        let (kind, digest) = digest(documents, entries, made, &one)?;
        let media_type = types.get(&digest.new).filter(|_| kind != NameKind::ImageId);
        let media_type = media_type.map(|text| (*text).to_owned());
        Some(NameChange { name: one.name, kind, media_type, digest, images: one.images })
    });
    Ok(changes.collect())
}

fn digest(
    documents: &NewDocuments<'_>,
    entries: &[Entry],
    made: &BTreeMap<usize, Digest>,
    one: &TopLevel,
) -> Option<(NameKind, Made)> {
    let Some(number) = one.archive_entry else {
        return Some((one.kind, Change { old: Some(one.digest), new: documents.new_digest(one.digest) }));
    };
    Some(match made.get(&number) {
        Some(new) => (NameKind::Manifest, Change { old: None, new: *new }),
        None => (NameKind::ImageId, Change { old: Some(one.digest), new: entries.get(number)?.made.config }),
    })
}

/// The same with new names.
pub fn renamed(changes: Vec<NameChange>, names: &[NewName]) -> Vec<NameChange> {
    let Some(first) = changes.first().filter(|_| !names.is_empty()) else { return changes };
    names.iter().map(|name| NameChange { name: Some(name.to_string()), ..first.clone() }).collect()
}
