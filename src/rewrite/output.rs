//! The documents of a carrier, whatever carrier the image came in.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::document::index::Index;
use crate::document::write::{self};
use crate::error::Result;
use crate::image::archive::ArchiveImage;
use crate::image::{Image, ImageSet};
use crate::notice::{Notice, NoticeKind};
use crate::rewrite::docker;
use crate::rewrite::documents::{ImagePlan, NewDocuments};
use crate::rewrite::export::{self, Entry};
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
    pub images: Vec<report::ImageChange>,
    /// `index.json` before and after.
    pub index: Option<Change>,
    /// Warnings for the user.
    pub warnings: Vec<Notice>,
}

/// Makes the documents that the carrier has.
pub fn finish(
    documents: &mut NewDocuments<'_>,
    root: Option<Vec<u8>>,
    plans: &[ImagePlan],
    carrier: Carrier,
) -> Result<Finished> {
    let mut finished = Finished::default();
    let set = documents.set;
    for (image, manifest) in export::listed(set) {
        finished.images.push(of_index(documents, image, manifest)?);
    }
    let mut entries = Vec::new();
    for (image, plan) in set.archive.iter().zip(plans) {
        entries.push(docker::rewrite(documents, image, plan)?);
    }
    let only_here = || {
        let numbers = set.images.iter().filter_map(|image| image.archive_entry);
        numbers.filter_map(|number| set.archive.get(number).zip(entries.get(number)))
    };
    finished.images.extend(only_here().map(|(image, entry)| of_archive(image, entry)));
    let layout = set.source.layout()?.unwrap_or(write::OCI_LAYOUT).to_vec();
    finished.documents.push(("oci-layout", layout));
    let index = match root {
        // An untagged image of Docker 25 is listed in `manifest.json` only, and stays so in an archive of Docker's.
        Some(bytes) if carrier == Carrier::DockerArchive || only_here().next().is_none() => bytes,
        Some(bytes) if set.documents.root.as_ref().is_some_and(|root| !root.children.is_empty()) => {
            let index = Index::parse(&bytes)?;
            let taken: Vec<&str> = index.manifests().iter().filter_map(Descriptor::ref_name).collect();
            index.with(&export::new_manifests(documents, only_here(), &taken, carrier)?)?
        }
        _ => write::index(&export::new_manifests(documents, only_here(), &[], carrier)?)?,
    };
    finished.index = set.source.index().map(|old| Change { old: Digest::sha256(old), new: Digest::sha256(&index) });
    finished.documents.push(("index.json", index));
    if carrier == Carrier::DockerArchive {
        let exported = match set.source.docker().filter(|_| !set.archive.is_empty()) {
            Some(old) => docker::documents(documents, old, plans, &entries)?,
            // It was a layout, or nothing is left of what `manifest.json` lists.
            None => export::archive_documents(documents)?,
        };
        finished.documents.extend(exported.documents);
        finished.warnings.extend(exported.warnings);
    }
    // One that only a subject leads to is rewritten and has no name.
    if finished.images.is_empty() && set.images.is_empty() {
        finished.warnings.push(Notice::new(NoticeKind::Image, "there is no image in it"));
    }
    Ok(finished)
}

fn of_index(documents: &NewDocuments<'_>, found: &Image, manifest: Digest) -> Result<report::ImageChange> {
    let new = documents.made(&manifest)?.config;
    Ok(report::ImageChange {
        names: found.names.clone(),
        platform: found.platform(),
        manifest: Some(Change { old: manifest, new: documents.new_digest(manifest) }),
        config: Change { old: found.config_digest, new },
        layers: found.config.diff_ids.clone(),
    })
}

fn of_archive(image: &ArchiveImage, entry: &Entry) -> report::ImageChange {
    report::ImageChange {
        names: image.entry.repo_tags.clone(),
        platform: image.config.platform(),
        manifest: None,
        config: Change { old: image.id, new: entry.made.config },
        layers: image.config.diff_ids.clone(),
    }
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
        let text = format!("{} files of Docker's v1 format, which no loader reads beside a manifest.json", v1.len());
        list.push(Notice::new(NoticeKind::LegacyFile, text));
    }
    Ok(list)
}
