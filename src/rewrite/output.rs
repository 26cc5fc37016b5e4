//! The documents of a carrier, whatever carrier the image came in.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::document::index::Index;
use crate::document::rename;
use crate::document::write;
use crate::error::Result;
use crate::image::archive::ArchiveImage;
use crate::image::documents::ImageConfig;
use crate::image::{Image, ImageSet};
use crate::name::NewName;
use crate::notice::{Notice, NoticeKind};
use crate::rewrite::docker;
use crate::rewrite::documents::{ImagePlan, NewDocuments};
use crate::rewrite::export::{self, Entry, NewManifests};
use crate::rewrite::layers::{Key, NumberedLayers};
use crate::rewrite::names;
use crate::rewrite::plan::Plans;
use crate::rewrite::report::{self, Change};
use crate::store::location::Carrier;

/// So many files that nothing refers to are named.
const NAMED_MAX: usize = 1000;

/// What goes beside the blobs.
#[derive(Debug, Default)]
pub struct Finished {
    /// In the order in which an archive has them.
    pub documents: Vec<(&'static str, Vec<u8>)>,
    /// For the report.
    pub names: Vec<report::NameChange>,
    /// For the report.
    pub images: Vec<report::ImageChange>,
    /// For the report.
    pub layers: Vec<report::LayerChange>,
    /// `index.json` before and after.
    pub index: Option<Change>,
    /// Warnings for the user.
    pub warnings: Vec<Notice>,
}

/// Makes the documents that the carrier has.
pub fn finish(
    documents: &mut NewDocuments<'_>,
    root: Option<Vec<u8>>,
    plans: &Plans,
    carrier: Carrier,
    names: &[NewName],
) -> Result<Finished> {
    let mut finished = Finished::default();
    let set = documents.set;
    let in_order = set.images.iter().filter_map(|image| plans.of(image)).flat_map(|plan| &plan.layers);
    let layers = documents.layers().in_order(in_order);
    for (image, manifest) in export::listed(set) {
        finished.images.push(of_index(documents, image, manifest, plans, &layers)?);
    }
    let mut entries = Vec::new();
    for (image, plan) in set.archive.iter().zip(&plans.entries) {
        entries.push(docker::rewrite(documents, image, plan)?);
    }
    let numbers = || set.images.iter().filter_map(|image| image.archive_entry);
    let only_here = || numbers().filter_map(|number| set.archive.get(number).zip(entries.get(number)));
    let layout = set.source.layout()?.unwrap_or(write::OCI_LAYOUT).to_vec();
    finished.documents.push(("oci-layout", layout));
    let mut made = NewManifests::default();
    let index = match root {
        // An untagged image of Docker 25 is listed in `manifest.json` only, and stays so in an archive of Docker's.
        Some(bytes) if (carrier == Carrier::DockerArchive && names.is_empty()) || only_here().next().is_none() => bytes,
        Some(bytes) if set.documents.root.as_ref().is_some_and(|root| !root.children.is_empty()) => {
            let index = Index::parse(&bytes)?;
            let taken: Vec<&str> = index.manifests().iter().filter_map(Descriptor::ref_name).collect();
            made = export::new_manifests(documents, only_here(), &taken, carrier)?;
            index.with(&made.list)?
        }
        _ => {
            made = export::new_manifests(documents, only_here(), &[], carrier)?;
            write::index(&made.list)?
        }
    };
    let made: BTreeMap<usize, Digest> = numbers().zip(made.digests).collect();
    for number in numbers() {
        let Some((image, plan)) = set.archive.get(number).zip(plans.entries.get(number)) else { continue };
        let Some(entry) = entries.get(number) else { continue };
        finished.images.push(of_archive(documents, image, entry, made.get(&number), plan, &layers)?);
    }
    finished.names = names::changes(documents, &entries, &made, &index)?;
    let index = match finished.names.first().filter(|_| !names.is_empty()) {
        Some(one) => rename::index(&index, &one.digest.new, names)?,
        None => index,
    };
    finished.index = set.source.index().map(|old| Change { old: Digest::sha256(old), new: Digest::sha256(&index) });
    finished.documents.push(("index.json", index));
    if carrier == Carrier::DockerArchive {
        let old = set.source.docker().filter(|_| !set.archive.is_empty());
        let exported = match old {
            Some(old) => docker::documents(documents, old, &plans.entries, &entries)?,
            // It was a layout, or nothing is left of what `manifest.json` lists.
            None => export::archive_documents(documents, !names.is_empty())?,
        };
        finished.warnings.extend(exported.warnings);
        let exported = exported.documents;
        let exported = if names.is_empty() { exported } else { docker::renamed(exported, names, old.is_none())? };
        finished.documents.extend(exported);
        finished.warnings.extend(export::zstd_layers(documents, &entries)?);
    }
    if !names.is_empty() {
        finished.names = names::renamed(finished.names, names);
        let new: Vec<String> = names.iter().map(ToString::to_string).collect();
        finished.images.iter_mut().for_each(|image| image.names.clone_from(&new));
    }
    // One that only a subject leads to is rewritten and has no name.
    if finished.images.is_empty() && set.images.is_empty() {
        finished.warnings.push(Notice::new(NoticeKind::Image, "there is no image in it"));
    }
    finished.layers = layers.list;
    Ok(finished)
}

fn of_index(
    documents: &NewDocuments<'_>,
    found: &Image,
    manifest: Digest,
    plans: &Plans,
    layers: &NumberedLayers,
) -> Result<report::ImageChange> {
    let new = documents.made(&manifest)?.config;
    Ok(report::ImageChange {
        names: found.names.clone(),
        platform: found.platform(),
        manifest: Some(Change { old: Some(manifest), new: documents.new_digest(manifest) }),
        config: Change { old: found.config_digest, new },
        layers: layers_of(documents, plans.of(found), &found.config, layers)?,
    })
}

fn of_archive(
    documents: &NewDocuments<'_>,
    image: &ArchiveImage,
    entry: &Entry,
    manifest: Option<&Digest>,
    plan: &ImagePlan,
    layers: &NumberedLayers,
) -> Result<report::ImageChange> {
    Ok(report::ImageChange {
        names: image.entry.repo_tags.clone(),
        platform: image.config.platform(),
        manifest: manifest.map(|new| Change { old: None, new: *new }),
        config: Change { old: image.id, new: entry.made.config },
        layers: layers_of(documents, Some(plan), &image.config, layers)?,
    })
}

fn layers_of(
    documents: &NewDocuments<'_>,
    plan: Option<&ImagePlan>,
    config: &ImageConfig,
    layers: &NumberedLayers,
) -> Result<Vec<report::ImageLayer>> {
    let Some(plan) = plan else { return Ok(Vec::new()) };
    let new = documents.diff_ids(config, plan)?;
    let all = plan.layers.iter().zip(config.diff_ids.iter().zip(new));
    let layer = |(key, (old, new)): (&Key, (&Digest, Digest))| {
        Ok(report::ImageLayer { layer: layers.number(key)?, diff_id: Change { old: *old, new } })
    };
    all.map(layer).collect()
}

/// Files that nothing refers to, and which are therefore left out.
pub fn unreferenced(set: &ImageSet<'_>, used: &BTreeSet<String>) -> Result<Vec<Notice>> {
    let source = set.source;
    let mut known: BTreeSet<String> = set.documents.reachable().iter().map(Digest::path).collect();
    known.extend(set.documents.named_by_unknown(source, |_| true)?.keys().map(Digest::path));
    known.extend(["oci-layout", "index.json"].map(str::to_owned));
    if source.docker().is_some() {
        known.extend(["manifest.json", "repositories"].map(str::to_owned));
    }
    known.extend(used.iter().map(|path| source.listing().resolved(path)));
    let is_v1 = |name: &String| ["/VERSION", "/json", "/layer.tar"].iter().any(|end| name.ends_with(end));
    let unknown = source.listing().files()?.into_iter().filter(|name| !known.contains(name));
    let (v1, others): (Vec<String>, Vec<String>) = unknown.partition(is_v1);
    let more = others.len().saturating_sub(NAMED_MAX);
    let named = others.into_iter().take(NAMED_MAX);
    let mut list: Vec<Notice> =
        named.map(|name| Notice::new(NoticeKind::File, format!("file {name}, which nothing refers to"))).collect();
    if more > 0 {
        list.push(Notice::new(NoticeKind::File, format!("{more} more files, which nothing refers to")));
    }
    if !v1.is_empty() {
        let files = if v1.len() == 1 { "file" } else { "files" };
        let text = format!(
            "{} legacy {files} (Docker's v1 format), which loaders ignore where there is a manifest.json",
            v1.len()
        );
        list.push(Notice::new(NoticeKind::LegacyFile, text));
    }
    Ok(list)
}
