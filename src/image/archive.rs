//! The images that `manifest.json` lists, their files found by path: what only an archive of `docker save` has.
//!
//! Docker before version 25 kept layers under an ID of its own (`<v1id>/layer.tar`), podman keeps them under their
//! diff_id, Docker since version 25 in an OCI image layout. All of them name the config and the layers by path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::blob::{Extent, ExtentId};
use crate::digest::{Algorithm, Digest};
use crate::document::descriptor::Descriptor;
use crate::document::docker::{Archive, ArchiveEntry};
use crate::document::json::element_path;
use crate::error::{Error, Property, Result, printable, quoted};
use crate::image::documents::{Capped, Documents, ImageConfig};
use crate::image::layers::{LayerFile, LayerId};
use crate::limits::Limits;
use crate::media_type::LayerKind;
use crate::name::is_name;
use crate::store::open::Source;

/// An image that `manifest.json` lists.
#[derive(Debug)]
pub struct ArchiveImage {
    /// Its place in the list, from 0.
    pub number: usize,
    /// Its entry.
    pub entry: ArchiveEntry,
    /// Its config, which any number of entries may name.
    pub config: Arc<ImageConfig>,
    /// The digest of the config, of the algorithm that its path promises: by sha256, it is Docker's image ID.
    pub id: Digest,
    /// What Docker calls this image: the SHA-256 of the config.
    pub image_id: Digest,
    /// The files of its layers, lowest first.
    pub files: Vec<LayerFile>,
    /// The layers that these are, each with the diff_id that the config gives it. Filled when images are selected.
    pub layers: Vec<(LayerId, Digest)>,
}

impl ArchiveImage {
    /// Has it this name? Docker shortens what is on its own registry.
    pub fn is_tagged(&self, reference: &str) -> bool {
        self.entry.repo_tags.iter().any(|tag| is_name(tag, reference))
    }

    /// All images of an archive that have a config; what is wrong with them is collected. Layers that are not there
    /// are left out.
    pub(super) fn collect(source: &Source, documents: &Documents, problems: &mut Capped<Error>) -> Result<Vec<Self>> {
        let Some(docker) = source.docker() else { return Ok(Vec::new()) };
        let Some(bytes) = &docker.manifest else {
            let text = "saved by a Docker before 1.10, without a manifest.json: load it into a current Docker and save it again";
            return Err(Error::refused(text).in_blob("repositories").in_file(source.name()));
        };
        let place = |error: Error| error.in_blob("manifest.json").in_file(source.name());
        let archive = Archive::parse_within(bytes, source.limits()).map_err(place)?;
        if archive.entries().is_empty() {
            return Err(place(Error::missing("image (the list is empty)")));
        }
        let mut images = Vec::new();
        let mut configs = Configs::new(documents);
        for (number, entry) in archive.entries().iter().enumerate() {
            let mut found = Capped::new(source.limits().problems);
            match Self::load(source, number, entry.clone(), &mut configs, &mut found) {
                Ok(image) => images.push(image),
                Err(error) => found.push_with(|| error),
            }
            for error in found.list {
                problems.push_with(|| place(error).at_entry(element_path("", number)));
            }
            problems.more += found.more;
        }
        Ok(images)
    }

    fn load(
        source: &Source,
        number: usize,
        entry: ArchiveEntry,
        configs: &mut Configs<'_>,
        problems: &mut Capped<Error>,
    ) -> Result<Self> {
        let file = |path: &str, what: &str| -> Result<Extent> {
            let found = source.file(path)?;
            found.ok_or_else(|| Error::missing(format!("{what} {}", quoted(path))))
        };
        let extent = file(&entry.config, "config")?;
        let claimed = named_digest(&entry.config);
        let algorithm = claimed.map_or(Algorithm::Sha256, |claimed| claimed.algorithm());
        let in_config = |error: Error| error.in_blob(printable(entry.config.as_bytes()));
        let (ids, config) = configs.get(&extent, algorithm, source.limits()).map_err(in_config)?;
        let (id, image_id) = ids;
        let claimed = claimed.filter(|claimed| *claimed != id);
        let misnamed = claimed.map(|claimed| in_config(Error::mismatch(Property::Digest, claimed, id)));
        let (config, misnamed) = match (config, misnamed) {
            (Ok(config), misnamed) => (config, misnamed),
            // If the bytes are not those that its name promises, then that is why.
            (Err(_), Some(misnamed)) => return Err(misnamed),
            (Err(error), None) => return Err(in_config(error)),
        };
        if let Some(misnamed) = misnamed {
            problems.push_with(|| misnamed);
        }
        if config.diff_ids.len() != entry.layers.len() {
            let (expected, found) = (config.diff_ids.len(), entry.layers.len());
            let error =
                Error::mismatch(Property::LayerCount, format!("{expected} diff_ids"), format!("{found} layers"));
            problems.push_with(|| in_config(error));
        }
        let is_foreign = |(_, link): &&(Digest, Descriptor)| link.layer_kind(true) == LayerKind::Foreign;
        let foreign: BTreeSet<Digest> = entry.sources.iter().filter(is_foreign).map(|(diff_id, _)| *diff_id).collect();
        let mut files = Vec::new();
        for (number, path) in entry.layers.iter().enumerate() {
            let is_foreign = config.diff_ids.get(number).is_some_and(|diff_id| foreign.contains(diff_id));
            let kind = if is_foreign { LayerKind::Foreign } else { LayerKind::Tar(None) };
            match file(path, "layer") {
                Ok(extent) => {
                    files.push(LayerFile { path: path.clone(), extent, digest: Digest::from_path(path), kind })
                }
                Err(error) => problems.push_with(|| error),
            }
        }
        Ok(Self { number, entry, config, id, image_id, files, layers: Vec::new() })
    }
}

/// The digest of a config, and what Docker calls its image.
type Ids = (Digest, Digest);

/// Configs that were read, by their place in the archive: each is read and held once, however many entries name it.
struct Configs<'d> {
    documents: &'d Documents,
    known: BTreeMap<(ExtentId, Algorithm), (Ids, Option<Arc<ImageConfig>>)>,
    /// How many configs only `manifest.json` leads to.
    own: usize,
    /// Bytes of all documents.
    held: u64,
}

impl<'d> Configs<'d> {
    fn new(documents: &'d Documents) -> Self {
        Self { documents, known: BTreeMap::new(), own: 0, held: documents.held_bytes() }
    }

    /// The digests of a config, and what it says.
    fn get(
        &mut self,
        extent: &Extent,
        algorithm: Algorithm,
        limits: &Limits,
    ) -> Result<(Ids, Result<Arc<ImageConfig>>)> {
        let key = (extent.id(), algorithm);
        if let Some((ids, config)) = self.known.get(&key) {
            let unread = || Error::refused("it can't be read, as said of an entry before this one");
            return Ok((*ids, config.clone().ok_or_else(unread)));
        }
        // An archive that is a layout as well lists most images twice.
        if let Some(config) = self.documents.config_at(extent) {
            let ids = (Digest::of(algorithm, &config.bytes), Digest::sha256(&config.bytes));
            self.known.insert(key, (ids, Some(Arc::clone(&config))));
            return Ok((ids, Ok(config)));
        }
        let bytes = extent.bytes(limits.document_bytes)?;
        self.held += bytes.len() as u64;
        self.own += 1;
        let documents = self.documents.nodes.len().saturating_add(self.own);
        if documents > limits.documents {
            return Err(Error::limit("number of documents", limits.documents as u64, documents));
        }
        if self.held > limits.all_document_bytes {
            return Err(Error::limit("size of all documents in bytes", limits.all_document_bytes, self.held));
        }
        let ids = (Digest::of(algorithm, &bytes), Digest::sha256(&bytes));
        let config = ImageConfig::parse(bytes).and_then(|config| config.ok_or_else(|| Error::missing("rootfs")));
        let config = config.map(Arc::new);
        self.known.insert(key, (ids, config.as_ref().ok().cloned()));
        Ok((ids, config))
    }
}

/// The digest that a path promises: of a layout, or `<hex>.json` as Docker names a config.
fn named_digest(path: &str) -> Option<Digest> {
    Digest::from_path(path).or_else(|| {
        let name = path.rsplit('/').next()?;
        Digest::from_hex(Algorithm::Sha256, name.strip_suffix(".json").unwrap_or(name))
    })
}

/// Paths that the images refer to: files beside them are referred to by nothing.
pub fn used_paths(images: &[ArchiveImage]) -> BTreeSet<&str> {
    let all = images.iter().flat_map(|image| image.entry.layers.iter().chain([&image.entry.config]));
    all.map(|path| path.trim_start_matches("./")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_taken_only_from_where_it_is_promised() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = Digest::sha256(b"");
        assert_eq!(Digest::from_path(&format!("blobs/sha256/{hex}")), Some(digest));
        assert_eq!(Digest::from_path(&format!("./blobs/sha256/{hex}")), Some(digest));
        assert_eq!(Digest::from_path(&format!("{hex}/layer.tar")), None);
        assert_eq!(named_digest(&format!("{hex}.json")), Some(digest));
        assert_eq!(named_digest("config.json"), None);
    }
}
