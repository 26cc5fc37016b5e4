//! What only archives of `docker save` have: `manifest.json`, compared with the layers and with `index.json`;
//! `repositories`; the files of Docker's v1 format.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Checker;
use super::claim::{Claim, in_image};
use super::findings::Findings;
use super::layers::{Layers, Named, Work};
use super::report::{Kind, Place, What};
use crate::digest::{Algorithm, Digest};
use crate::document::descriptor::{Descriptor, IMAGE_NAME};
use crate::document::docker::{Archive, Repositories};
use crate::document::json::{element_path, member_path};
use crate::document::v1::V1;
use crate::error::{Result, printable, quoted};
use crate::image::ImageSet;
use crate::image::archive::ArchiveImage;
use crate::image::base;
use crate::image::documents::{DocumentKind, Documents};
use crate::image::layers::LayerFile;
use crate::media_type::{LayerKind, LayerType};
use crate::name::familiar;

impl Checker<'_> {
    /// Everything of `docker save`.
    pub(super) fn docker(&mut self) -> Result<()> {
        let Some(documents) = self.set.source.docker() else { return Ok(()) };
        let place = self.findings.place(What::File, "manifest.json", "");
        let docker = &self.set.archive;
        let by_config = configs(&self.set.documents);
        // The layers of a base image, by the names of their files.
        let mut base_files = BTreeSet::new();
        let mut tags: BTreeMap<&str, &ArchiveImage> = BTreeMap::new();
        for image in docker {
            let field = entry_of(image);
            self.docker_image(&place, image, !by_config.contains(&image.id), &mut base_files)?;
            if !by_config.is_empty() && !by_config.contains(&image.id) {
                let text = format!("{} is not the config of an image in index.json", image.id);
                self.findings.fault(&place, Kind::Views, &member_path(&field, "Config"), text);
            }
            for tag in &image.entry.repo_tags {
                let first = *tags.entry(tag).or_insert(image);
                if first.id != image.id {
                    let text = format!("{} is also a name of {}", quoted(tag), first.id);
                    self.findings.fault(&place, Kind::Tag, &member_path(&field, "RepoTags"), text);
                }
            }
        }
        self.source_times(&place, documents.manifest.as_deref().unwrap_or_default())?;
        self.views_of_tags(&tags);
        self.v1_files(&base_files)?;
        if let Some(bytes) = &documents.repositories {
            self.repositories(bytes)?;
        }
        Ok(())
    }

    fn docker_image(
        &mut self,
        place: &Arc<Place>,
        image: &ArchiveImage,
        is_only_here: bool,
        base_files: &mut BTreeSet<String>,
    ) -> Result<()> {
        let of = image.entry.repo_tags.first();
        let of = of.map_or_else(|| image.id.to_string(), |tag| printable(familiar(tag).as_bytes()));
        // Entries may share a config.
        let prefix = match self.prefixes.get(&image.id) {
            Some(prefix) => *prefix,
            None => base::prefix(&self.options.base, &image.config).map_err(|e| e.in_blob(image.id))?,
        };
        self.prefixes.insert(image.id, prefix);
        self.checked.images += u64::from(is_only_here);
        if self.seen.insert(image.id) {
            let name = printable(image.entry.config.trim_start_matches("./").as_bytes());
            let place = self.findings.place(What::Config, &name, &of);
            self.config(&place, &image.id, &image.config, image.entry.layers.len(), prefix.history)?;
            self.short_history(&place, prefix);
        }
        let by_path: BTreeMap<&str, &LayerFile> = image.files.iter().rev().map(|l| (l.path.as_str(), l)).collect();
        let by = format!("in {}, {}", place.name, member_path(&entry_of(image), "Layers"));
        for (number, path) in image.entry.layers.iter().enumerate() {
            let is_base = number < prefix.layers;
            let file = self.set.source.listing().resolved(path.trim_start_matches("./"));
            if is_base {
                base_files.insert(file.clone());
            }
            let Some(layer) = by_path.get(path.as_str()) else { continue };
            let name = layer.digest.map_or_else(|| printable(file.as_bytes()), |digest| digest.to_string());
            let own = self.findings.place(What::Layer, &name, &in_image(&of, number));
            let claim = Claim {
                by: by.clone(),
                diff_id: image.config.diff_ids.get(number).copied(),
                named: layer.digest.is_none().then(|| named(&file)).flatten(),
                ..Claim::default()
            };
            let (extent, digest) = (layer.extent.clone(), layer.digest);
            let is_foreign = layer.kind == LayerKind::Foreign;
            if is_foreign && !is_base {
                let field = element_path(&member_path(&entry_of(image), "Layers"), number);
                let text = "a foreign layer, which only its vendor may change: its times are not checked";
                self.findings.note(place, Kind::MediaType, &field, text);
            }
            let is_left = digest.is_some_and(|digest| self.left.contains(&digest));
            let (work, claim) = if is_left { (Work::Hash, Claim::default()) } else { (Work::Scan, claim) };
            let checks_times = !is_base && !is_foreign && !is_left;
            self.layers.add(Named { name, place: own, extent, digest, work, checks_times }, claim);
        }
        self.sources(place, image, &of);
        Ok(())
    }

    /// What `LayerSources` says of when layers were made, of the images that were asked for.
    fn source_times(&mut self, place: &Arc<Place>, manifest: &[u8]) -> Result<()> {
        let archive =
            Archive::parse_within(manifest, self.set.source.limits()).map_err(|e| e.in_blob("manifest.json"))?;
        let archive = archive.with_time_keys(&self.options.time_keys);
        let is_wanted = |number: usize| self.set.selection.entries_kept().get(number) != Some(&false);
        let times = archive.times(&is_wanted);
        self.findings.times(place, times, self.stamps);
        self.unlisted.add(&place.name, archive.unlisted(self.stamps, &is_wanted));
        Ok(())
    }

    /// The blobs that `LayerSources` names are read, where they are here.
    fn sources(&mut self, place: &Arc<Place>, image: &ArchiveImage, of: &str) {
        let known: BTreeSet<&Digest> = image.config.diff_ids.iter().collect();
        for (diff_id, link) in &image.entry.sources {
            if !known.contains(diff_id) {
                self.findings.fault(place, Kind::LayerSources, &link.path.to_string(), "no such diff_id in the config");
            }
            self.data(place, link);
            // They say what was pulled from a registry, which need not be what is in the archive.
            let Ok(Some(extent)) = self.set.source.blob(&link.digest) else { continue };
            let name = link.digest.to_string();
            let own = self.findings.place(What::Layer, &name, of);
            let digest = Some(link.digest);
            let named = Named { name, place: own, extent, digest, work: Work::Scan, checks_times: false };
            self.layers.add(named, Claim::default());
        }
    }

    /// A full name in `index.json` has to be that of the same image in `manifest.json`.
    fn views_of_tags(&mut self, tags: &BTreeMap<&str, &ArchiveImage>) {
        let tags: BTreeMap<&str, &ArchiveImage> = tags.iter().map(|(tag, image)| (familiar(tag), *image)).collect();
        let Some(root) = &self.set.documents.root else { return };
        let place = self.findings.place(What::Index, "index.json", "");
        let image_of = |child: &Descriptor| Some(*tags.get(familiar(child.annotation(IMAGE_NAME)?))?);
        let named: Vec<(usize, &Descriptor, &ArchiveImage)> = root
            .children
            .iter()
            .enumerate()
            .filter(|(number, _)| self.set.selection.keeps_root(*number))
            .filter_map(|(number, child)| Some((number, child, image_of(child)?)))
            .collect();
        let others = other_images(&self.set.documents, &named);
        for (number, child, image) in named {
            if others.contains(&number) {
                let text = format!("manifest.json gives this name to another image, {}", image.id);
                let field = member_path(&member_path(&child.path.to_string(), "annotations"), IMAGE_NAME);
                self.findings.fault(&place, Kind::Views, &field, text);
            }
        }
    }

    /// Layers under an ID of Docker's own have files beside them that repeat when they were made. No loader reads
    /// them beside a `manifest.json`, and no digest holds them.
    fn v1_files(&mut self, base_files: &BTreeSet<String>) -> Result<()> {
        let all: Vec<String> = self.set.source.listing().files()?;
        let id_of = |name: &String| name.strip_suffix("/json").filter(|id| is_v1_id(id)).map(str::to_owned);
        let ids: BTreeSet<String> = all.iter().filter_map(id_of).collect();
        for id in &ids {
            let name = format!("{id}/json");
            let place = self.findings.place(What::File, &name, "");
            let Some(bytes) = self.set.source.document(&name)? else { continue };
            let v1 = match V1::parse(&bytes) {
                Ok(v1) => v1.with_time_keys(&self.options.time_keys),
                Err(error) => {
                    self.findings.error(&error.in_blob(&name));
                    continue;
                }
            };
            let layer = format!("{id}/layer.tar");
            if !base_files.contains(&self.set.source.listing().resolved(&layer)) {
                self.findings.times_as(self.archive_times, &place, v1.times(), self.stamps);
            }
            if let Some(own) = v1.id().filter(|own| own != id) {
                self.findings.fault(&place, Kind::Repositories, "id", format!("expected {id}, found {own:?}"));
            }
            if let Some(parent) = v1.parent().filter(|parent| !parent.is_empty() && !ids.contains(parent)) {
                let text = format!("{parent:?} is not in the archive");
                self.findings.fault(&place, Kind::Repositories, "parent", text);
            }
        }
        Ok(())
    }

    fn repositories(&mut self, bytes: &[u8]) -> Result<()> {
        let place = self.findings.place(What::File, "repositories", "");
        let repositories = match Repositories::parse(bytes) {
            Ok(repositories) => repositories,
            Err(error) => {
                self.findings.error(&error.in_blob("repositories"));
                return Ok(());
            }
        };
        let all = self.set.source.listing().files()?;
        let has_v1 = all.iter().any(|name| name.strip_suffix("/json").is_some_and(is_v1_id));
        let tags: BTreeSet<&str> =
            self.set.archive.iter().flat_map(|image| &image.entry.repo_tags).map(|tag| familiar(tag)).collect();
        let is_whole =
            self.options.select.reference.is_none() && self.set.selection.entries_kept().iter().all(|kept| *kept);
        for (repository, tag, id) in repositories.tags() {
            let field = member_path(&member_path("", &repository), &tag);
            if has_v1 && self.set.source.document(&format!("{id}/json"))?.is_none() {
                self.findings.fault(&place, Kind::Repositories, &field, format!("{id:?} is not in the archive"));
            }
            if is_whole && !tags.contains(familiar(&format!("{repository}:{tag}"))) {
                // No program reads this file beside a manifest.json.
                self.findings.note(&place, Kind::Repositories, &field, "manifest.json has no image with this name");
            }
        }
        Ok(())
    }
}

/// What `LayerSources` says of the blobs that were read meanwhile.
pub(super) fn layer_sources(set: &ImageSet<'_>, layers: &Layers, findings: &mut Findings) -> Result<()> {
    let place = findings.place(What::File, "manifest.json", "");
    for (diff_id, link) in set.archive.iter().flat_map(|image| &image.entry.sources) {
        let Some(extent) = set.source.blob(&link.digest)? else { continue };
        let mut fault = |text: String| findings.fault(&place, Kind::LayerSources, &link.path.to_string(), text);
        if extent.len() != link.size {
            fault(format!("size does not match: expected {}, found {}", link.size, extent.len()));
        }
        let Some(content) = layers.content(&link.digest.to_string()) else { continue };
        if content.diff_id.algorithm() == diff_id.algorithm() && content.diff_id != *diff_id {
            fault(format!("belongs to another layer, {}", content.diff_id));
        }
        let declared = LayerType::parse(&link.media_type).map(|layer| layer.compression);
        if let Some(declared) = declared.filter(|declared| *declared != content.compression) {
            fault(format!("media type says {}, content is {}", declared.name(), content.compression.name()));
        }
    }
    Ok(())
}

/// The place of an image in `manifest.json`.
fn entry_of(image: &ArchiveImage) -> String {
    element_path("", image.number)
}

/// The digests of all configs of images that an index leads to.
fn configs(documents: &Documents) -> BTreeSet<Digest> {
    documents.images().filter_map(|(_, manifest)| Some(manifest.config.as_ref()?.digest)).collect()
}

/// Which of these descriptors of `index.json`, by their numbers, lead to images, but not to the one beside them.
fn other_images(documents: &Documents, named: &[(usize, &Descriptor, &ArchiveImage)]) -> BTreeSet<usize> {
    let mut above: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    for (digest, node) in &documents.nodes {
        let DocumentKind::Index(index) = &node.body else { continue };
        for child in &index.children {
            above.entry(child.digest).or_default().push(*digest);
        }
    }
    let mut manifests: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    for (digest, manifest) in documents.images() {
        if let Some(config) = &manifest.config {
            manifests.entry(config.digest).or_default().push(*digest);
        }
    }
    let leading_to = |mut pending: Vec<Digest>| {
        let mut leading = BTreeSet::new();
        while let Some(digest) = pending.pop() {
            if leading.insert(digest) {
                pending.extend(above.get(&digest).into_iter().flatten());
            }
        }
        leading
    };
    let to_any = leading_to(manifests.values().flatten().copied().collect());
    let mut by_id: BTreeMap<Digest, Vec<(usize, Digest)>> = BTreeMap::new();
    for (number, child, image) in named.iter().filter(|(_, child, _)| to_any.contains(&child.digest)) {
        by_id.entry(image.id).or_default().push((*number, child.digest));
    }
    let mut others = BTreeSet::new();
    for (id, roots) in by_id {
        let leading = leading_to(manifests.get(&id).cloned().unwrap_or_default());
        others.extend(roots.iter().filter(|(_, digest)| !leading.contains(digest)).map(|(number, _)| *number));
    }
    others
}

fn is_v1_id(name: &str) -> bool {
    Digest::from_hex(Algorithm::Sha256, name).is_some()
}

/// The digest in `<hex>.tar` (podman: of the uncompressed layer) and `<hex>.tar.gz` (kaniko: of the blob).
fn named(path: &str) -> Option<Digest> {
    if Digest::from_path(path).is_some() {
        return None;
    }
    let stem = path.strip_suffix(".tar").or_else(|| path.strip_suffix(".tar.gz"))?;
    Digest::from_hex(Algorithm::Sha256, stem)
}
