//! The documents of a carrier, whatever carrier the image came in.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::descriptor::{Descriptor, IMAGE_NAME, REF_NAME};
use crate::document::index::Index;
use crate::document::write::{self, NewDescriptor, NewPlatform};
use crate::error::Result;
use crate::image::archive::ArchiveImage;
use crate::image::documents::ImageConfig;
use crate::image::{Image, ImageSet};
use crate::layer;
use crate::media_type::{Compression, Family, LayerType, OCI_CONFIG, OCI_MANIFEST};
use crate::name::{full_name, tag_of};
use crate::rewrite::docker::{self, Entry};
use crate::rewrite::documents::{ImagePlan, NewDocuments};
use crate::rewrite::report::{self, Change};
use crate::store::location::Carrier;
use crate::store::write::Content;

/// So many files that nothing refers to are named.
const NAMED_MAX: usize = 1000;

/// What goes beside the blobs.
#[derive(Debug, Default)]
pub struct Finished {
    /// In the order in which an archive has them.
    pub documents: Vec<(&'static str, Vec<u8>)>,
    /// For the report.
    pub images: Vec<report::Image>,
    /// `index.json` before and after.
    pub index: Option<Change>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// The images that indexes list, and their manifests.
pub(super) fn listed<'s>(set: &'s ImageSet<'_>) -> impl Iterator<Item = (&'s Image, Digest)> {
    set.images.iter().filter(|image| image.is_listed()).filter_map(|image| Some((image, image.manifest?)))
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
    for (image, manifest) in listed(set) {
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
            index.with(&new_manifests(documents, only_here(), &taken, carrier)?)?
        }
        _ => write::index(&new_manifests(documents, only_here(), &[], carrier)?)?,
    };
    finished.index = set.source.index().map(|old| Change { old: Digest::sha256(old), new: Digest::sha256(&index) });
    finished.documents.push(("index.json", index));
    if carrier == Carrier::DockerArchive {
        docker::documents(documents, plans, &entries, &mut finished)?;
    }
    // One that only a subject leads to is rewritten and has no name.
    if finished.images.is_empty() && set.images.is_empty() {
        finished.warnings.push("there is no image in it".to_owned());
    }
    Ok(finished)
}

fn of_index(documents: &NewDocuments<'_>, found: &Image, manifest: Digest) -> Result<report::Image> {
    let new = documents.made(&manifest)?.config;
    Ok(report::Image {
        names: found.names.clone(),
        platform: found.platform(),
        manifest: Some(Change { old: manifest, new: documents.new_digest(manifest) }),
        config: Change { old: found.config_digest, new },
        layers: found.config.diff_ids.clone(),
    })
}

fn of_archive(image: &ArchiveImage, entry: &Entry) -> report::Image {
    report::Image {
        names: image.entry.repo_tags.clone(),
        platform: image.config.platform(),
        manifest: None,
        config: Change { old: image.id, new: entry.made.config },
        layers: image.config.diff_ids.clone(),
    }
}

/// Manifests for images that only `manifest.json` listed, as an index lists them beside others whose tags are `taken`.
fn new_manifests<'d>(
    documents: &mut NewDocuments<'_>,
    images: impl Iterator<Item = (&'d ArchiveImage, &'d Entry)> + Clone,
    taken: &[&str],
    carrier: Carrier,
) -> Result<Vec<NewDescriptor>> {
    let mut list = Vec::new();
    let tags = images.clone().flat_map(|(_, entry)| &entry.tags).filter_map(|tag| tag_of(tag));
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in tags.chain(taken.iter().copied()) {
        *uses.entry(tag).or_default() += 1;
    }
    for (image, entry) in images {
        let mut layers = Vec::new();
        for digest in &entry.made.layers {
            let content = documents.blobs.get(digest);
            let compression = content.map_or(Ok(Compression::None), sniff)?;
            let media_type = LayerType { family: Family::Oci, foreign: false, compression }.to_string();
            layers.push(NewDescriptor::new(media_type, *digest, content.map_or(0, Content::len)));
        }
        let size = documents.blobs.get(&entry.made.config).map_or(0, Content::len);
        let manifest = write::manifest(None, &NewDescriptor::new(OCI_CONFIG, entry.made.config, size), &layers)?;
        let mut descriptor = NewDescriptor::new(OCI_MANIFEST, Digest::sha256(&manifest), manifest.len() as u64);
        descriptor.platform = new_platform(&image.config);
        let content = documents.content(manifest)?;
        documents.blobs.insert(descriptor.digest, content);
        if entry.tags.is_empty() {
            list.push(descriptor.clone());
        }
        for tag in &entry.tags {
            let mut named = descriptor.clone();
            let short = tag_of(tag).unwrap_or(tag);
            // A reference name may occur only once; where two repositories have the same tag, the full name is used.
            let unique = uses.get(short) == Some(&1);
            let name = if unique || carrier == Carrier::DockerArchive { short } else { tag };
            named.annotations.insert(IMAGE_NAME.to_owned(), full_name(tag));
            named.annotations.insert(REF_NAME.to_owned(), name.to_owned());
            list.push(named);
        }
    }
    Ok(list)
}

fn new_platform(config: &ImageConfig) -> Option<NewPlatform> {
    let platform = &config.platform;
    Some(NewPlatform {
        architecture: platform.architecture.clone().filter(|text| !text.is_empty())?,
        os: platform.os.clone().filter(|text| !text.is_empty())?,
        os_version: platform.os_version.clone(),
        os_features: platform.os_features.clone(),
        variant: platform.variant.clone().filter(|text| !text.is_empty()),
    })
}

pub(super) fn sniff(content: &Content) -> Result<Compression> {
    match content {
        Content::Bytes(bytes) => Ok(Compression::sniff(bytes)),
        Content::Source(extent) | Content::Spool(extent) => layer::compression_of(extent),
    }
}

/// Files that nothing refers to, and which are therefore left out.
pub fn unreferenced(set: &ImageSet<'_>, used: &BTreeSet<String>) -> Result<Vec<String>> {
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
    let mut list: Vec<String> =
        others.into_iter().take(NAMED_MAX).map(|name| format!("file {name}, which nothing refers to")).collect();
    if more > 0 {
        list.push(format!("{more} more files, which nothing refers to"));
    }
    if !v1.is_empty() {
        list.push(format!("{} files of Docker's v1 format, which no loader reads beside a manifest.json", v1.len()));
    }
    Ok(list)
}
