//! A site of static pages: an index, a page for each image, and two badges for each name.
//!
//! `site.rs` says what the log comes to, `page.rs` writes the index, `image.rs` the page of an image with its statements and
//! `differences.rs` its differences, `badge.rs` the badges, `names.rs` makes names of files. There is no script, and nothing
//! is fetched; the same folder gives the same bytes.

mod badge;
mod differences;
mod image;
mod names;
mod page;
mod site;

use std::path::Path;

pub use names::file_name;

use super::folder::Folder;
use super::head::{self, Head};
use super::log::{self, Log};
use crate::error::{Error, Result};
use site::Site;

/// Writes a file of the site; the folders `image` and `badge` are there.
pub type WriteFile<'w> = dyn FnMut(&str, &[u8]) -> Result<()> + 'w;

/// Renders the results in a folder, and returns how many names there are. The log is replayed; signatures are for
/// [`check`](super::check()).
///
/// # Errors
///
/// If the log does not hold, or if a file is not what its line says.
pub fn render(dir: &Path, title: &str, write: &mut WriteFile<'_>) -> Result<usize> {
    let folder = Folder::open(dir)?.ok_or_else(|| Error::missing("the folder v1").in_file(dir.display()))?;
    let bytes = folder.read(log::FILE, log::MAX)?.ok_or_else(|| Error::missing(log::FILE).in_file(dir.display()))?;
    let log = Log::replay(&bytes);
    let head = folder.read(head::FILE, log::MAX)?.map(|bytes| Head::parse(&bytes)).transpose()?;
    if head != log.head() || log.torn > 0 {
        let text = "it is not that of the last line: restamp results check says what does not hold";
        return Err(Error::refused(text).in_file(head::FILE));
    }
    let entries = log.sound()?;
    let site = Site::of(&entries);
    write("index.html", page::index(&site, entries.len(), title).as_bytes())?;
    for named in &site.names {
        let name = file_name(&named.name);
        write(&format!("badge/{name}.json"), &badge::json(&named.standing)?)?;
        write(&format!("badge/{name}.svg"), badge::svg(&named.name, &named.standing).as_bytes())?;
    }
    for (subject, list) in &site.images {
        let page = image::page(&folder, *subject, list, title)?;
        write(&names::image_file(*subject), page.as_bytes())?;
    }
    Ok(site.names.len())
}
