//! What only an archive of `docker save` has: `manifest.json` and `repositories`.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::DescriptorEdit;
use crate::document::docker::{Archive, ArchiveEdit, ArchiveEntryEdit, Repositories};
use crate::document::{rename, write};
use crate::error::Result;
use crate::image::archive::ArchiveImage;
use crate::media_type::LayerType;
use crate::name::{NewName, familiar};
use crate::rewrite::documents::{ImagePlan, NewDocuments, NewImageRefs};
use crate::rewrite::export::{Entry, Exported};
use crate::store::open::Docker;
use crate::store::write::Content;

/// Rewrites an image of `manifest.json`.
pub fn rewrite(documents: &mut NewDocuments<'_>, image: &ArchiveImage, plan: &ImagePlan) -> Result<Entry> {
    let diff_ids = documents.diff_ids(&image.config, plan)?;
    let own = documents.own(Some(&image.config), plan)?;
    let config = documents.config(image.id, &image.config, diff_ids, plan.base.history, &own)?;
    // `Parent` names an image by the ID that Docker gives it, whatever the name of its file is.
    let (old, new) = (image.image_id, config.image_id);
    if old != new {
        documents.moves.entry(old).or_insert(new);
    }
    let mut layers = Vec::new();
    for (number, key) in plan.layers.iter().enumerate() {
        let done = documents.layers().done(key, image.config.diff_id(number)?)?;
        documents.keep_layer(done);
        layers.push(done.digest);
    }
    Ok(Entry { tags: image.entry.repo_tags.clone(), made: NewImageRefs { config: config.digest, layers } })
}

/// `manifest.json` and `repositories` of an archive that has them, patched.
pub fn documents(
    documents: &mut NewDocuments<'_>,
    old: &Docker,
    plans: &[ImagePlan],
    entries: &[Entry],
) -> Result<Exported> {
    let set = documents.set;
    let mut exported = Exported::default();
    let bytes = old.manifest.as_deref().unwrap_or_default();
    let archive = Archive::parse(bytes).map_err(|e| e.in_blob("manifest.json"))?.with_time_keys(documents.time_keys());
    let mut kept = set.archive.iter().zip(entries).zip(plans);
    let mut edits = Vec::new();
    for keep in set.selection.entries_kept() {
        let next = if *keep { kept.next() } else { None };
        edits.push(next.map(|((image, entry), plan)| entry_edit(documents, image, entry, plan)).transpose()?);
    }
    let edit = ArchiveEdit { entries: edits, images: &documents.moves, gone: set.selection.image_ids_gone() };
    let patched = archive.patch(documents.stamps()?, &edit).map_err(|e| e.in_blob("manifest.json"))?;
    documents.times += patched.times as u64;
    documents.note_unlisted("manifest.json", &patched);
    exported.warnings.extend(patched.warnings.iter().map(|warning| warning.notice("manifest.json")));
    exported.documents.push(("manifest.json", patched.bytes));
    if let Some(bytes) = &old.repositories {
        let repositories = Repositories::parse(bytes).map_err(|e| e.in_blob("repositories"))?;
        // Backwards, so that the first entry of a name is the one that counts.
        let names = entries.iter().rev().flat_map(|entry| entry.tags.iter().map(move |tag| (familiar(tag), entry)));
        let by_name: BTreeMap<&str, &Entry> = names.collect();
        let listed: BTreeSet<&str> =
            archive.entries().iter().flat_map(|entry| &entry.repo_tags).map(|tag| familiar(tag)).collect();
        let mut ids = BTreeMap::new();
        for (name, tag, id) in repositories.tags() {
            let full = format!("{name}:{tag}");
            if let Some(entry) = by_name.get(familiar(&full)) {
                ids.insert((name, tag), entry.made.layers.last().unwrap_or(&entry.made.config).hex());
            } else if set.selection.keeps_name(&full) && !listed.contains(familiar(&full)) {
                // `manifest.json` does not list it, so its new ID is not known.
                ids.insert((name, tag), id);
            }
        }
        exported.documents.push(("repositories", repositories.patch(&ids)?.bytes));
    }
    Ok(exported)
}

/// The same with other names for the first image. What Docker before 1.10 reads is made where there is none only for an
/// archive that is new.
pub fn renamed(
    documents: Vec<(&'static str, Vec<u8>)>,
    names: &[NewName],
    is_new: bool,
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut renamed = Vec::new();
    let mut had_repositories = is_new;
    for (name, bytes) in documents {
        match name {
            "manifest.json" => renamed.push((name, rename::archive(&bytes, names)?)),
            "repositories" => had_repositories = true,
            _ => renamed.push((name, bytes)),
        }
    }
    if had_repositories && let Some((_, manifest)) = renamed.iter().find(|(name, _)| *name == "manifest.json") {
        let top = rename::top_of_archive(manifest)?;
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (repository, tag) in names.iter().filter_map(|name| name.image()?.rsplit_once(':')) {
            repositories.entry(repository.to_owned()).or_default().insert(tag.to_owned(), top.clone());
        }
        renamed.push(("repositories", write::repositories(&repositories)?));
    }
    Ok(renamed)
}

fn entry_edit(
    documents: &NewDocuments<'_>,
    image: &ArchiveImage,
    entry: &Entry,
    plan: &ImagePlan,
) -> Result<ArchiveEntryEdit<'static>> {
    let listed: BTreeMap<_, _> = image.entry.sources.iter().rev().map(|(diff_id, link)| (diff_id, link)).collect();
    let mut sources = BTreeMap::new();
    let new = documents.diff_ids(&image.config, plan)?;
    let layers = image.config.diff_ids.iter().zip(new).zip(&entry.made.layers);
    for ((old, new), blob) in layers {
        let size = documents.blobs.get(blob).map_or(0, Content::len);
        let mut edit = DescriptorEdit::blob(*blob, size);
        let listed = listed.get(old).and_then(|descriptor| LayerType::parse(&descriptor.media_type));
        if let Some(layer) = listed {
            // It may name what the layer was pulled as; it names what is in this archive now.
            let compression = documents.blobs.get(blob).map_or(Ok(layer.compression), Content::compression)?;
            edit.media_type = Some(layer.with(compression).to_string());
        }
        sources.insert(*old, (new, edit));
    }
    Ok(ArchiveEntryEdit {
        config: Some(entry.made.config.path()),
        tags: Some(entry.tags.clone()),
        layers: entry.made.layers.iter().map(Digest::path).collect(),
        sources,
    })
}
