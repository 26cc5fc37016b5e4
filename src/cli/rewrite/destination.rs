//! DEST: what the arguments say of where the new image goes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::internals::temp_parent;
use restamp::{Compression, Location, Where};

use super::super::output::{is_special, is_stdout};
use super::Arguments;

/// Where the new image goes.
pub(super) fn destination(arguments: &Arguments, source: &Location) -> Result<Location> {
    if arguments.in_place {
        if source.as_registry().is_some_and(|name| name.tag().is_none()) {
            bail!("{source}: --in-place moves a tag, and a digest alone has none");
        }
        if let Some(name) = source.as_registry() {
            // The tag, not what it was asked to be.
            let place = format!("docker://{}:{}", name.full_repository(), name.tag().unwrap_or_default());
            return Ok(Location::destination(&place)?);
        }
        if source.place == Where::Stdio {
            bail!("--in-place needs a SOURCE that is a file or directory");
        }
        let metadata = source.as_path().and_then(|path| std::fs::metadata(path).ok());
        if metadata.is_some_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            bail!("{source}: --in-place needs a SOURCE that is a file or directory");
        }
        return Ok(Location { reference: None, ..source.clone() });
    }
    let location: Location = match &arguments.destination {
        Some(text) => Location::destination(text)?,
        None => Location::stdio(),
    };
    if let (Some(from), Some(to)) = (source.as_registry(), location.as_registry())
        && from.is_same_repository(to)
        && from.tag() == to.tag()
    {
        bail!("{location}: DEST is the same image as SOURCE: use --in-place to replace it");
    }
    Ok(location)
}

/// Does the new image go to standard output, so that nothing else may?
pub(super) fn is_on_stdout(arguments: &Arguments, destination: &Location) -> bool {
    match &destination.place {
        Where::Registry(_) => false,
        _ => !arguments.dry_run && destination.as_path().is_none_or(is_stdout),
    }
}

/// How the archive is compressed as a whole, where its name does not say that.
pub(super) fn compression(arguments: &Arguments, source: &Location) -> Result<Option<Compression>> {
    let Some(path) = source.as_path().filter(|path| arguments.in_place && path.is_file()) else { return Ok(None) };
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(4).read_to_end(&mut head));
    read.with_context(|| format!("{source}: cannot read"))?;
    Ok(Some(Compression::sniff(&head)))
}

/// The folder that a file or directory will be written in, where it will be.
pub(super) fn folder_beside(arguments: &Arguments, destination: &Location) -> Option<PathBuf> {
    destination.as_path().filter(|path| !arguments.dry_run && !is_special(path)).map(folder_of)
}

fn folder_of(path: &Path) -> PathBuf {
    // Through a link, the file is written where the link points to.
    temp_parent(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())).to_owned()
}
