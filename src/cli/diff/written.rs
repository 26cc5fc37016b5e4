//! What `diff` writes besides what it prints: a page, and a directory of files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::Spools;
use restamp::diff::FileSink;
use restamp::internals::{NewFile as Output, folder_of};

use super::super::output::{Inputs, OutputFile, Use, WriteAll, all_to};

/// `--html FILE`, which may be in the directory of `--report-dir` and comes to be with that.
#[derive(Debug)]
pub(super) enum Page {
    File(OutputFile),
    InFolder(PathBuf),
}

impl Page {
    pub(super) fn open(path: &Path, folder: Option<&Folder>, inputs: &Inputs, spools: &Spools) -> Result<Self> {
        let name = path.file_name().filter(|name| !RESERVED.iter().any(|reserved| name == reserved));
        match (folder, name) {
            (Some(folder), Some(name))
                if std::path::absolute(folder_of(path))? == std::path::absolute(&folder.named)? =>
            {
                Ok(Self::InFolder(folder.output.path().join(name)))
            }
            _ => Ok(Self::File(OutputFile::open("--html", path, inputs, spools)?)),
        }
    }

    /// Writes it; what is still to be given its name is returned.
    pub(super) fn write(self, write: &WriteAll<'_>) -> Result<Option<OutputFile>> {
        match self {
            Self::File(file) => file.write(write).map(Some),
            Self::InFolder(path) => {
                let written = File::create_new(path).and_then(|mut file| all_to(&mut file, write));
                written.context("--html: cannot write the page in --report-dir")?;
                Ok(None)
            }
        }
    }
}

/// What `--report-dir` has of its own.
const RESERVED: [&str; 2] = ["index.json", "files"];

/// `--report-dir`: files under names of our own, whatever they are called in the images. Like an image, it is there as a
/// whole or not at all.
#[derive(Debug)]
pub(super) struct Folder {
    /// As the user has named it.
    named: PathBuf,
    /// Where it will be.
    path: PathBuf,
    output: Output,
}

impl Folder {
    pub(super) fn make(path: &Path, inputs: &Inputs, spools: &Spools) -> Result<Self> {
        inputs.keep_clear("--report-dir", path, Use::Replaced)?;
        let named = path.to_owned();
        let failed = || format!("cannot make {}", path.display());
        // A link stays a link.
        let path = match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    bail!("--report-dir {}: it is not empty", path.display());
                }
                fs::canonicalize(path).with_context(failed)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder_of(path)).with_context(failed)?;
                path.to_owned()
            }
            Err(error) => return Err(error).with_context(failed),
        };
        let output = spools.output_folder(&path).context("--report-dir")?;
        fs::create_dir(output.path().join("files")).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { named, path, output })
    }

    pub(super) fn publish(self, index: &WriteAll<'_>) -> Result<()> {
        let failed = || format!("cannot write {}", self.path.display());
        let written = File::create(self.output.path().join("index.json")).and_then(|mut file| all_to(&mut file, index));
        written.with_context(failed)?;
        self.output.rename_to(&self.path).context("--report-dir")
    }

    pub(super) fn name(number: u32, side: usize) -> String {
        format!("files/{number:06}.{}", if side == 0 { "a" } else { "b" })
    }
}

impl FileSink for Folder {
    fn file(&self, number: u32, side: usize, _path: &[u8]) -> restamp::Result<Box<dyn Write + Send>> {
        let path = self.output.path().join(Self::name(number, side));
        let file = File::create_new(&path).map_err(|e| restamp::Error::io("cannot make", e).in_file(path.display()))?;
        Ok(Box::new(io::BufWriter::new(file)))
    }
}
