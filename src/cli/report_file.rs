//! `--report FILE`: where the report goes, and when.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::rewrite::report::Report;
use restamp::spool::{Output, Spools};

use super::rewrite::is_special;

/// A report that is yet to be written, or to be named.
pub struct ReportFile {
    path: PathBuf,
    /// None for what is written like a pipe.
    output: Option<Output>,
}

impl ReportFile {
    /// Opened before the work: a report that can't be written is no news for after it. `touched` are the paths of
    /// images, none of which it may be, or be in.
    pub fn open(path: &Path, touched: &[Option<&Path>], spools: &Spools) -> Result<Self> {
        let failed = || format!("cannot write the report {}", path.display());
        if path == Path::new("-") || is_special(path) {
            return Ok(Self { path: path.to_owned(), output: None });
        }
        if path.is_dir() {
            bail!("--report {}: it is a directory", path.display());
        }
        for image in touched.iter().flatten() {
            if is_in(path, image) {
                bail!("--report {}: that is the image {}, or inside of it", path.display(), image.display());
            }
        }
        // A link stays a link: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let output = spools.output_file(&path).with_context(failed)?;
        Ok(Self { path, output: Some(output) })
    }

    /// Writes all of it, to where it does not have its name yet; what has none has it all then.
    pub fn write(mut self, report: &Report) -> Result<Self> {
        let text = restamp::json_writer::to_vec(report)?;
        let failed = || format!("cannot write the report {}", self.path.display());
        match &mut self.output {
            Some(output) => output.file_mut()?.write_all(&text).with_context(failed)?,
            // Standard output may carry the image.
            None if self.path == Path::new("-") => io::stderr().write_all(&text).with_context(failed)?,
            None => fs::write(&self.path, text).with_context(failed)?,
        }
        Ok(self)
    }

    /// Gives it its name.
    pub fn publish(self) -> Result<()> {
        let Self { path, output } = self;
        let Some(output) = output else { return Ok(()) };
        output.rename_to(&path).with_context(|| format!("cannot write the report {}", path.display()))
    }
}

/// Is this path, whatever links lead to it, an image's or inside of it?
pub fn is_in(path: &Path, image: &Path) -> bool {
    let same = |(a, b): (fs::Metadata, fs::Metadata)| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let is_same = fs::metadata(path).ok().zip(fs::metadata(image).ok()).is_some_and(same);
    is_same || real(path).zip(real(image)).is_some_and(|(path, image)| path.starts_with(image))
}

/// Is this path, whatever links lead to it, below a directory?
pub fn is_inside(path: &Path, folder: &Path) -> bool {
    real(path).zip(real(folder)).is_some_and(|(path, folder)| path != folder && path.starts_with(folder))
}

/// A path without links. What does not exist yet is where its folder is.
fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().or_else(|| {
        let folder = fs::canonicalize(restamp::spool::folder_of(path)).ok()?;
        Some(folder.join(path.file_name()?))
    })
}
