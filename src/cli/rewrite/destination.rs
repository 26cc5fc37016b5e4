//! DEST: what the arguments say of where the new image goes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use restamp::internals::temp_parent;
use restamp::{Location, Where};

use super::super::output::is_special;
use super::Arguments;

/// Where the new image goes.
pub(super) fn destination(arguments: &Arguments, source: &Location) -> Result<Location> {
    if arguments.in_place {
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
        Some(text) => text.parse()?,
        None => Location::stdio(),
    };
    if let Some(reference) = &location.reference {
        bail!("DEST: a reference ({reference}) can't be given, only SOURCE has one: images keep their names");
    }
    Ok(location)
}

/// The folder that a file or directory will be written in, where it will be.
pub(super) fn folder_beside(arguments: &Arguments, destination: &Location) -> Option<PathBuf> {
    let path = destination.as_path().filter(|path| !arguments.dry_run && !is_special(path))?;
    // Through a link, the file is written where the link points to.
    Some(temp_parent(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())).to_owned())
}
