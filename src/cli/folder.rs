//! A directory that a command makes: there as a whole, or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::Spools;
use restamp::internals::{NewFile, folder_of};

use super::output::{Inputs, Use, WriteAll, all_to};

/// A directory in the making.
#[derive(Debug)]
pub struct NewFolder {
    option: &'static str,
    /// As the user has named it.
    named: PathBuf,
    /// Where it will be.
    path: PathBuf,
    output: NewFile,
}

impl NewFolder {
    /// An error if there is something in it already, or if it is or holds what is read. `option` names it in messages.
    pub fn make(option: &'static str, path: &Path, inputs: &Inputs, spools: &Spools) -> Result<Self> {
        inputs.keep_clear(option, path, Use::Replaced)?;
        let named = path.to_owned();
        let failed = || format!("cannot make {}", path.display());
        // A link stays a link.
        let path = match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    bail!("{option} {}: it is not empty", path.display());
                }
                fs::canonicalize(path).with_context(failed)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder_of(path)).with_context(failed)?;
                path.to_owned()
            }
            Err(error) => return Err(error).with_context(failed),
        };
        let output = spools.output_folder(&path).context(option)?;
        Ok(Self { option, named, path, output })
    }

    /// As the user has named it.
    pub fn named(&self) -> &Path {
        &self.named
    }

    /// Where a file of it is for now.
    pub fn inside(&self, name: impl AsRef<Path>) -> PathBuf {
        self.output.path().join(name)
    }

    /// Makes a directory in it.
    pub fn folder(&self, name: &str) -> Result<()> {
        fs::create_dir(self.inside(name)).with_context(|| format!("cannot make {}", self.path.display()))
    }

    /// Writes a file in it.
    pub fn file(&self, name: &str, write: &WriteAll<'_>) -> Result<()> {
        let written = File::create_new(self.inside(name)).and_then(|mut file| all_to(&mut file, write));
        written.with_context(|| format!("cannot write {}", self.path.join(name).display()))
    }

    /// The same, of these bytes.
    pub fn bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.file(name, &|out: &mut dyn Write| out.write_all(bytes))
    }

    /// Gives it its name.
    pub fn publish(self) -> Result<()> {
        self.output.rename_to(&self.path).context(self.option)
    }
}
