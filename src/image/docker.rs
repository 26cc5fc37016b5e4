//! What only an archive of `docker save` has: images listed in `manifest.json`, their files found by path.
//!
//! Docker before version 25 kept layers under an ID of its own (`<v1id>/layer.tar`), podman keeps them under their
//! diff_id, Docker since version 25 in an OCI image layout. All of them name the config and the layers by path.

use std::collections::BTreeSet;

use crate::blob::Extent;
use crate::digest::{Algorithm, Digest};
use crate::document::docker::{Archive, ArchiveEntry};
use crate::document::json::element_path;
use crate::error::{Error, Result, printable, quoted};
use crate::image::graph::ImageConfig;
use crate::image::source::{DOCUMENT_LIMIT, Source};

/// An image that `manifest.json` lists.
#[derive(Debug)]
pub struct DockerImage {
    /// Its place in the list, from 0.
    pub number: usize,
    /// Its entry.
    pub entry: ArchiveEntry,
    /// Its config.
    pub config: ImageConfig,
    /// The digest of the config, of the algorithm that its path promises: by sha256, it is Docker's image ID.
    pub id: Digest,
    /// Its layers, lowest first.
    pub layers: Vec<DockerLayer>,
}

/// A layer of such an image.
#[derive(Debug, Clone)]
pub struct DockerLayer {
    /// Its path in the archive.
    pub path: String,
    /// Its bytes.
    pub extent: Extent,
    /// The digest of its blob, where its path is that of one in a layout.
    pub digest: Option<Digest>,
}

impl DockerImage {
    /// What Docker calls this image.
    pub fn image_id(&self) -> Digest {
        Digest::sha256(&self.config.bytes)
    }

    /// All images of an archive; an error if anything is wrong with one.
    pub fn load_all(source: &Source) -> Result<Vec<Self>> {
        let mut problems = Vec::new();
        let images = Self::collect(source, &mut problems)?;
        if problems.is_empty() { Ok(images) } else { Err(problems.swap_remove(0)) }
    }

    /// All images of an archive that have a config; what is wrong with them is collected. Layers that are not there
    /// are left out.
    pub fn collect(source: &Source, problems: &mut Vec<Error>) -> Result<Vec<Self>> {
        let Some(docker) = source.docker() else { return Ok(Vec::new()) };
        let Some(bytes) = &docker.manifest else {
            let text = "saved by a Docker before 1.10, without a manifest.json: load it into a current Docker and save it again";
            return Err(Error::refused(text).in_blob("repositories").in_file(source.name()));
        };
        let place = |error: Error| error.in_blob("manifest.json").in_file(source.name());
        let archive = Archive::parse(bytes).map_err(place)?;
        if archive.entries().is_empty() {
            return Err(place(Error::missing("image (the list is empty)")));
        }
        let mut images = Vec::new();
        for (number, entry) in archive.entries().iter().enumerate() {
            let mut found = Vec::new();
            match Self::load(source, number, entry.clone(), &mut found) {
                Ok(image) => images.push(image),
                Err(error) => found.push(error),
            }
            let placed = |error| place(error).at_entry(element_path("", number));
            problems.extend(found.into_iter().map(placed));
        }
        Ok(images)
    }

    fn load(source: &Source, number: usize, entry: ArchiveEntry, problems: &mut Vec<Error>) -> Result<Self> {
        let file = |path: &str, what: &str| -> Result<Extent> {
            let found = source.file(path)?;
            found.ok_or_else(|| Error::missing(format!("{what} {}", quoted(path))))
        };
        let extent = file(&entry.config, "config")?;
        let bytes = extent.bytes(DOCUMENT_LIMIT).map_err(|e| e.in_blob(printable(entry.config.as_bytes())))?;
        let claimed = named_digest(&entry.config);
        let id = Digest::of(claimed.map_or(Algorithm::Sha256, |claimed| claimed.algorithm()), &bytes);
        let in_config = |error: Error| error.in_blob(printable(entry.config.as_bytes()));
        if let Some(claimed) = claimed.filter(|claimed| *claimed != id) {
            problems.push(in_config(Error::mismatch("digest", claimed, id)));
        }
        let config = ImageConfig::parse(bytes)
            .and_then(|config| config.ok_or_else(|| Error::missing("rootfs")))
            .map_err(in_config);
        // If the bytes are not those that its name promises, then that is why.
        let config = config.map_err(|error| problems.pop().unwrap_or(error))?;
        if config.diff_ids.len() != entry.layers.len() {
            let (expected, found) = (config.diff_ids.len(), entry.layers.len());
            let error = Error::mismatch("number of layers", format!("{expected} diff_ids"), format!("{found} layers"));
            problems.push(in_config(error));
        }
        let mut layers = Vec::new();
        for path in &entry.layers {
            match file(path, "layer") {
                Ok(extent) => layers.push(DockerLayer { path: path.clone(), extent, digest: blob_digest(path) }),
                Err(error) => problems.push(error),
            }
        }
        Ok(Self { number, entry, config, id, layers })
    }
}

/// The digest in `blobs/<algorithm>/<hex>`.
pub fn blob_digest(path: &str) -> Option<Digest> {
    let (algorithm, hex) = path.trim_start_matches("./").strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// The digest that a path promises: of a layout, or `<hex>.json` as Docker names a config.
fn named_digest(path: &str) -> Option<Digest> {
    blob_digest(path).or_else(|| {
        let name = path.rsplit('/').next()?;
        Digest::from_hex(Algorithm::Sha256, name.strip_suffix(".json").unwrap_or(name))
    })
}

/// Paths that the images refer to, for telling what nothing refers to.
pub fn used_paths(images: &[DockerImage]) -> BTreeSet<&str> {
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
        assert_eq!(blob_digest(&format!("blobs/sha256/{hex}")), Some(digest));
        assert_eq!(blob_digest(&format!("./blobs/sha256/{hex}")), Some(digest));
        assert_eq!(blob_digest(&format!("{hex}/layer.tar")), None);
        assert_eq!(named_digest(&format!("{hex}.json")), Some(digest));
        assert_eq!(named_digest("config.json"), None);
    }
}
