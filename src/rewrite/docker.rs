//! What only an archive of `docker save` has: `manifest.json` and `repositories`.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::DescriptorEdit;
use crate::document::docker::{Archive, ArchiveEdit, ArchiveEntryEdit, Repositories};
use crate::document::json::element_path;
use crate::document::write::{self, NewArchiveEntry};
use crate::error::{Error, Result, printable};
use crate::image::Image;
use crate::image::archive::ArchiveImage;
use crate::media_type::{Class, LayerType, classify};
use crate::name::{familiar, is_name, tag_of};
use crate::rewrite::documents::{ImagePlan, Made, NewDocuments};
use crate::rewrite::output::{Finished, listed, sniff};
use crate::store::write::Content;

/// An image as `manifest.json` lists it.
#[derive(Debug)]
pub struct Entry {
    /// Its names.
    pub tags: Vec<String>,
    /// What it consists of now.
    pub made: Made,
}

/// Rewrites an image of `manifest.json`.
pub fn rewrite(documents: &mut NewDocuments<'_>, image: &ArchiveImage, plan: &ImagePlan) -> Result<Entry> {
    let diff_ids = documents.diff_ids(&image.config, plan)?;
    let config = documents.config(image.id, &image.config, diff_ids, plan.base.history)?;
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
    Ok(Entry { tags: image.entry.repo_tags.clone(), made: Made { config: config.digest, layers } })
}

/// Makes `manifest.json` and `repositories`.
pub fn documents(
    documents: &mut NewDocuments<'_>,
    plans: &[ImagePlan],
    entries: &[Entry],
    finished: &mut Finished,
) -> Result<()> {
    let set = documents.set;
    let Some(old) = set.source.docker().filter(|_| !set.archive.is_empty()) else {
        // It was a layout, or nothing is left of what `manifest.json` lists.
        return from_layout(documents, finished);
    };
    let bytes = old.manifest.as_deref().unwrap_or_default();
    let archive = Archive::parse(bytes).map_err(|e| e.in_blob("manifest.json"))?;
    let mut kept = set.archive.iter().zip(entries).zip(plans);
    let mut edits = Vec::new();
    for keep in set.selection.entries_kept() {
        let next = if *keep { kept.next() } else { None };
        edits.push(next.map(|((image, entry), plan)| entry_edit(documents, image, entry, plan)).transpose()?);
    }
    let edit = ArchiveEdit { entries: edits, images: &documents.moves, gone: set.selection.image_ids_gone() };
    let patched = archive.patch(documents.stamp(), &edit).map_err(|e| e.in_blob("manifest.json"))?;
    documents.times += patched.times as u64;
    finished.warnings.extend(patched.warnings.iter().map(|warning| format!("manifest.json: {warning}")));
    finished.documents.push(("manifest.json", patched.bytes));
    if let Some(bytes) = &old.repositories {
        let repositories = Repositories::parse(bytes).map_err(|e| e.in_blob("repositories"))?;
        let mut ids = BTreeMap::new();
        for (name, tag, id) in repositories.tags() {
            let full = format!("{name}:{tag}");
            let is_listed = |tags: &[String]| tags.iter().any(|listed| is_name(listed, &full));
            if let Some(entry) = entries.iter().find(|entry| is_listed(&entry.tags)) {
                ids.insert((name, tag), entry.made.layers.last().unwrap_or(&entry.made.config).hex());
            } else if set.selection.keeps_name(&full)
                && !archive.entries().iter().any(|entry| is_listed(&entry.repo_tags))
            {
                // `manifest.json` does not list it, so its new ID is not known.
                ids.insert((name, tag), id);
            }
        }
        finished.documents.push(("repositories", repositories.patch(&ids)?.bytes));
    }
    Ok(())
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
            let compression = documents.blobs.get(blob).map_or(Ok(layer.compression), sniff)?;
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

/// `manifest.json` and `repositories` for what a layout lists.
fn from_layout(documents: &mut NewDocuments<'_>, finished: &mut Finished) -> Result<()> {
    let mut list = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (found, manifest) in listed(documents.set) {
        let Made { config, layers } = documents.made(&manifest)?.clone();
        loadable(documents, found, &layers).map_err(|e| e.in_blob(manifest))?;
        let full: Vec<&str> =
            found.names.iter().filter(|name| tag_of(name).is_some()).map(|name| familiar(name)).collect();
        if full.is_empty() && !found.names.is_empty() {
            let names = found.names.join(", ");
            let text = "no repository and tag, which is what an archive of docker save calls an image by";
            finished.warnings.push(format!("{manifest}: {names}: {text}; the image has no name in it"));
        }
        // Several platforms have one name, and `docker load` takes one image of a name: the first keeps it.
        let tags: Vec<String> =
            full.into_iter().filter(|tag| taken.insert((*tag).to_owned())).map(str::to_owned).collect();
        for tag in &tags {
            if let Some((name, short)) = tag.rsplit_once(':') {
                let top = layers.last().unwrap_or(&config).hex();
                repositories.entry(name.to_owned()).or_default().insert(short.to_owned(), top);
            }
        }
        list.push(NewArchiveEntry {
            config: config.path(),
            repo_tags: Some(tags).filter(|tags| !tags.is_empty()),
            layers: layers.iter().map(Digest::path).collect(),
            parent: None,
            layer_sources: BTreeMap::new(),
        });
    }
    if list.is_empty() {
        // `docker load` would fail, and so would this program when it reads what it wrote.
        let text = "the layout lists no image that an archive of docker save could hold";
        return Err(Error::refused(text).in_blob("index.json"));
    }
    finished.documents.push(("manifest.json", write::archive(&list)?));
    if !repositories.is_empty() {
        finished.documents.push(("repositories", write::repositories(&repositories)?));
    }
    Ok(())
}

/// An archive of `docker save` has all layers of an image, and says of none what it is: each is taken for a tar.
fn loadable(documents: &NewDocuments<'_>, found: &Image, layers: &[Digest]) -> Result<()> {
    for (number, ((id, _), new)) in found.layers.iter().zip(layers).enumerate() {
        let media_type = documents.set.layer(*id).media_type.as_deref().unwrap_or_default();
        if !matches!(classify(media_type), Class::Layer(_)) {
            let text = format!(
                "a layer of the media type {:?} is no tar that an archive of docker save could hold",
                printable(media_type.as_bytes())
            );
            return Err(Error::refused(text).at_entry(element_path("layers", number)));
        }
        if !documents.blobs.contains_key(new) {
            let text = "the blob of a layer is not in the image, and an archive of docker save must have it";
            return Err(Error::refused(text).at_entry(element_path("layers", number)));
        }
    }
    Ok(())
}
