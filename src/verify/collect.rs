//! Where bundles come from.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::context::RunContext;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::image::documents::DocumentKind;
use crate::signing::bundle;
use crate::store::location::Location;
use crate::store::open::Source;

/// So many bundles are read of one place.
const MOST: usize = 1000;
/// How deep directories are looked into.
const DEPTH: usize = 8;
/// So many names of directories and files are looked at.
const NAMES: usize = 100_000;

/// A place of bundles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bundles {
    /// A file, or a directory in which files end in `.sigstore.json`, at any depth.
    Path(PathBuf),
    /// What is attached to the image there.
    AttachedTo(Location),
}

/// What is taken for a bundle, and where it came from.
#[derive(Debug)]
pub(super) struct Found {
    pub source: String,
    pub bytes: Result<Vec<u8>>,
}

/// Reads the bundles of these places, one after the other; those that are attached, of these images. `image` is open already.
pub(super) fn collect(
    places: &[Bundles],
    subjects: &[Digest],
    (image, location): (&Source, &Location),
    context: &RunContext,
    found: &mut dyn FnMut(Found),
) -> Result<()> {
    for place in places {
        match place {
            Bundles::Path(path) => of_path(path, found)?,
            Bundles::AttachedTo(place) if place == location => attached(image, subjects, found)?,
            Bundles::AttachedTo(place) => attached(&Source::open(place, context)?, subjects, found)?,
        }
    }
    Ok(())
}

fn of_path(path: &Path, found: &mut dyn FnMut(Found)) -> Result<()> {
    let failed = |e: io::Error| Error::io("cannot read", e).in_file(path.display());
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        found(Found { source: path.display().to_string(), bytes: read(path, true) });
        return Ok(());
    }
    let mut files = Vec::new();
    let mut left = NAMES;
    walk(path, DEPTH, &mut left, &mut files)?;
    files.sort();
    if files.len() > MOST {
        return Err(Error::limit("number of bundles", MOST as u64, files.len()).in_file(path.display()));
    }
    for file in files {
        found(Found { source: file.display().to_string(), bytes: read(&file, false) });
    }
    Ok(())
}

/// The files in a directory whose names say that they are bundles. No link is followed.
fn walk(folder: &Path, depth: usize, left: &mut usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e: io::Error| Error::io("cannot read", e).in_file(folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        *left = left
            .checked_sub(1)
            .ok_or_else(|| Error::limit("number of files", NAMES as u64, "more").in_file(folder.display()))?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, left, files)?;
        } else if kind.is_file() && entry.file_name().to_string_lossy().ends_with(".sigstore.json") {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Reads a file of at most a bundle's size; a link is followed where the user has named it.
fn read(path: &Path, follows: bool) -> Result<Vec<u8>> {
    let flags = if follows { 0 } else { rustix::fs::OFlags::NOFOLLOW.bits() as i32 };
    let mut bytes = Vec::new();
    let file = File::options().read(true).custom_flags(flags).open(path);
    let read = file.and_then(|file| file.take(bundle::MAX as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|e| Error::io("cannot read", e))?;
    Ok(bytes)
}

/// The bundles that are attached to images.
fn attached(source: &Source, subjects: &[Digest], found: &mut dyn FnMut(Found)) -> Result<()> {
    let set = ImageSet::load(source).map_err(|e| e.in_file(source.name()))?;
    let mut count = 0;
    for (digest, node) in &set.documents.nodes {
        let DocumentKind::Manifest(manifest) = &node.body else { continue };
        if !manifest.subject.as_ref().is_some_and(|subject| subjects.contains(&subject.digest)) {
            continue;
        }
        let is_bundle = |media_type: &str| media_type.starts_with("application/vnd.dev.sigstore.bundle");
        for layer in manifest.layers.iter().filter(|layer| is_bundle(&layer.media_type)) {
            if count == MOST {
                return Err(Error::limit("number of bundles", MOST as u64, "more").in_file(source.name()));
            }
            let bytes = match source.blob(&layer.digest)? {
                Some(extent) => extent.verified_bytes(&layer.digest, Some(layer.size), bundle::MAX as u64),
                None => Err(Error::missing("bundle").in_blob(layer.digest)),
            };
            count += 1;
            found(Found { source: format!("{}: {digest}", source.name()), bytes });
        }
    }
    Ok(())
}
