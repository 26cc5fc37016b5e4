//! What `diff` writes besides what it prints: a page, and a directory of files.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use restamp::Spools;
use restamp::diff::FileSink;
use restamp::internals::folder_of;

use super::super::folder::NewFolder;
use super::super::output::{Inputs, OutputFile, WriteAll, all_to};

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
                if std::path::absolute(folder_of(path))? == std::path::absolute(folder.0.named())? =>
            {
                Ok(Self::InFolder(folder.0.inside(name)))
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
pub(super) struct Folder(NewFolder);

impl Folder {
    pub(super) fn make(path: &Path, inputs: &Inputs, spools: &Spools) -> Result<Self> {
        let folder = NewFolder::make("--report-dir", path, inputs, spools)?;
        folder.folder("files")?;
        Ok(Self(folder))
    }

    pub(super) fn publish(self, index: &WriteAll<'_>) -> Result<()> {
        self.0.file("index.json", index)?;
        self.0.publish()
    }

    pub(super) fn name(number: u32, side: usize) -> String {
        format!("files/{number:06}.{}", if side == 0 { "a" } else { "b" })
    }
}

impl FileSink for Folder {
    fn file(&self, number: u32, side: usize, _path: &[u8]) -> restamp::Result<Box<dyn Write + Send>> {
        let path = self.0.inside(Self::name(number, side));
        let file = File::create_new(&path).map_err(|e| restamp::Error::io("cannot make", e).in_file(path.display()))?;
        Ok(Box::new(io::BufWriter::new(file)))
    }
}
