//! Files that a command writes: never an input or a part of one, and whole or not at all.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::Spools;
use restamp::error::printable;
use restamp::internals::NewFile as Output;
use restamp::{Digest, Location, Where};

/// `blobs/<algorithm>/<hex>` is as deep as a layout goes.
const DEPTH: u32 = 3;

/// What a command reads, and no output may touch.
#[derive(Debug, Default)]
pub struct Inputs {
    list: Vec<Input>,
    /// Does the new image go to standard output, so that nothing else may?
    is_stdout_taken: bool,
}

#[derive(Debug)]
struct Input {
    /// The argument that names it.
    argument: &'static str,
    kind: &'static str,
    name: String,
    place: Where,
}

/// What becomes of the path of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The path itself is written or replaced, with all that is in it.
    Replaced,
    /// Files are added to a directory.
    AddedTo,
}

impl Inputs {
    /// An image that is read.
    pub fn image(&mut self, argument: &'static str, location: &Location) {
        self.add(argument, "an image", location);
    }

    /// A file that is read.
    pub fn file(&mut self, argument: &'static str, path: &Path) {
        self.add(argument, "a file", &Location::path(path));
    }

    /// A folder that is read.
    #[cfg(feature = "attest")]
    pub fn folder(&mut self, argument: &'static str, path: &Path) {
        self.add(argument, "a folder", &Location::path(path));
    }

    /// A tar that is read.
    pub fn tar(&mut self, argument: &'static str, location: &Location) {
        self.add(argument, "a tar", location);
    }

    fn add(&mut self, argument: &'static str, kind: &'static str, location: &Location) {
        self.list.push(Input { argument, kind, name: location.to_string(), place: location.place.clone() });
    }

    /// An error if an output would be one of these, be in one, or replace one, whatever links lead there.
    pub fn keep_clear(&self, option: &str, path: &Path, used: Use) -> Result<()> {
        let target = Target { path: real(path), id: fs::metadata(path).ok().as_ref().and_then(id) };
        for input in &self.list {
            let Some(relation) = input.relation(&target, used) else { continue };
            let Input { argument, kind, name, .. } = input;
            let what = match *argument {
                "DEST" => "the new image".to_owned(),
                "OUT" => "the new tar".to_owned(),
                _ => format!("{kind} which is only read"),
            };
            let shown = path.display();
            match relation {
                Relation::Same
                    if matches!((option, *argument), ("DEST", "SOURCE") | ("OUT", "IN")) && input.path().is_some() =>
                {
                    let kind = if path.is_dir() { "directory" } else { "file" };
                    bail!("{shown}: {option} is the same {kind} as {argument}: use --in-place to replace it")
                }
                // What is added to a directory is in it.
                Relation::Same if used == Use::Replaced => bail!("{option} {shown}: that is {argument} {name}, {what}"),
                Relation::Same | Relation::Inside => {
                    bail!("{option} {shown}: that is inside of {argument} {name}, {what}")
                }
                Relation::Over => bail!("{option} {shown}: {argument} {name}, {what}, is in it"),
            }
        }
        Ok(())
    }

    /// Nothing else may go to standard output from here on.
    pub fn take_stdout(&mut self) {
        self.is_stdout_taken = true;
    }

    /// An error if standard output is appended to one of these.
    pub fn keep_clear_of_stdout(&self) -> Result<()> {
        let out = id_of(io::stdout());
        match self.list.iter().find(|input| out.is_some_and(|out| input.ids().contains(&out))) {
            Some(Input { argument, name, .. }) => bail!("standard output is {argument} {name}, which is only read"),
            None => Ok(()),
        }
    }
}

/// Where an output goes.
#[derive(Debug)]
struct Target {
    path: PathBuf,
    id: Option<Id>,
}

/// The device and the inode of a file or directory: what its hard links have in common.
type Id = (u64, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Inside,
    Over,
}

impl Input {
    fn relation(&self, target: &Target, used: Use) -> Option<Relation> {
        if let Some(path) = self.path()
            && (real(path) == target.path
                || target.id.is_some_and(|target| fs::metadata(path).ok().as_ref().and_then(id) == Some(target)))
        {
            return Some(Relation::Same);
        }
        if self.path().is_none() {
            return target.id.is_some_and(|id| self.ids().contains(&id)).then_some(Relation::Same);
        }
        let places = self.places();
        let is_inside = places.iter().any(|place| target.path.starts_with(place));
        if is_inside || target.id.is_some_and(|id| self.ids().contains(&id)) {
            return Some(Relation::Inside);
        }
        let is_over = used == Use::Replaced && places.iter().any(|place| place.starts_with(&target.path));
        is_over.then_some(Relation::Over)
    }

    fn path(&self) -> Option<&Path> {
        match &self.place {
            Where::Path(path) => Some(path),
            Where::Stdio | Where::Registry(_) => None,
        }
    }

    /// Where its bytes are: the path, and what links in a layout lead to.
    fn places(&self) -> Vec<PathBuf> {
        let Some(path) = self.path() else { return Vec::new() };
        let mut places = vec![real(path)];
        walk(path, DEPTH, &mut |entry, is_link| {
            if is_link {
                places.extend(fs::canonicalize(entry));
            }
        });
        places
    }

    /// Its files.
    fn ids(&self) -> BTreeSet<Id> {
        let Some(path) = self.path() else { return id_of(io::stdin()).into_iter().collect() };
        let mut ids: BTreeSet<Id> = fs::metadata(path).ok().as_ref().and_then(id).into_iter().collect();
        walk(path, DEPTH, &mut |entry, _| ids.extend(fs::metadata(entry).ok().as_ref().and_then(id)));
        ids
    }
}

/// Shows what is in a directory and whether it is a link. What can't be read is passed over: it will be an error when it
/// is read as an image.
fn walk(folder: &Path, depth: u32, seen: &mut dyn FnMut(&Path, bool)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        seen(&entry.path(), kind.is_symlink());
        if kind.is_dir() && depth > 1 {
            walk(&entry.path(), depth - 1, seen);
        }
    }
}

/// Devices and pipes have no content of their own that could be lost.
fn id(metadata: &Metadata) -> Option<Id> {
    (metadata.is_file() || metadata.is_dir()).then(|| (metadata.dev(), metadata.ino()))
}

fn id_of(stream: impl AsFd) -> Option<Id> {
    let file = stream.as_fd().try_clone_to_owned().ok().map(File::from)?;
    file.metadata().ok().as_ref().and_then(id)
}

/// Does a path lead to what standard output is, a file or a pipe?
pub fn is_stdout(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = fs::metadata(path) else { return false };
    let kind = metadata.file_type();
    let out = io::stdout().as_fd().try_clone_to_owned().ok().and_then(|out| File::from(out).metadata().ok());
    (kind.is_file() || kind.is_fifo() || kind.is_socket())
        && out.is_some_and(|out| (out.dev(), out.ino()) == (metadata.dev(), metadata.ino()))
}

/// A path without links. What does not exist yet is below the last directory that does.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for folder in absolute.ancestors() {
        let Ok(mut real) = fs::canonicalize(folder) else { continue };
        for part in absolute.strip_prefix(folder).into_iter().flat_map(Path::components) {
            match part {
                Component::ParentDir => drop(real.pop()),
                part => real.push(part),
            }
        }
        return real;
    }
    absolute
}

/// A device or FIFO, beside which nothing should be made.
pub fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Writes all of an output.
pub type WriteAll<'a> = dyn Fn(&mut dyn Write) -> io::Result<()> + 'a;

/// Writes it to a file, in few calls.
pub fn all_to(file: &mut dyn Write, write: &WriteAll<'_>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    let result = write(&mut out).and_then(|()| out.flush());
    // After an error, what is still in the buffer must not be tried once more.
    drop(out.into_parts());
    result
}

/// A file that is yet to be written, or to be named.
#[derive(Debug)]
pub struct OutputFile {
    /// The option that asks for it.
    option: &'static str,
    path: PathBuf,
    /// None for what is written like a pipe.
    output: Option<Output>,
}

impl OutputFile {
    /// Opened before the work, so that an unwritable path fails early. `-` is standard error.
    pub fn open(option: &'static str, path: &Path, inputs: &Inputs, spools: &Spools) -> Result<Self> {
        if path != Path::new("-") && inputs.is_stdout_taken && is_stdout(path) {
            bail!("{option} {}: that is standard output, where the result goes", path.display());
        }
        if path == Path::new("-") || is_special(path) {
            return Ok(Self { option, path: path.to_owned(), output: None });
        }
        if path.is_dir() {
            bail!("{option} {}: it is a directory", path.display());
        }
        inputs.keep_clear(option, path, Use::Replaced)?;
        if path.is_symlink() && !path.exists() {
            bail!("{option} {}: this is a dangling symbolic link", path.display());
        }
        // A link stays a link: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let output = spools.output_file(&path).context(option)?;
        Ok(Self { option, path, output: Some(output) })
    }

    /// Writes all of it, to where it does not have its name yet; what has none has it all then.
    pub fn write(mut self, write: &WriteAll<'_>) -> Result<Self> {
        let failed = || cannot_write(self.option, &self.path);
        match &mut self.output {
            Some(output) => all_to(output.file_mut()?, write).with_context(failed)?,
            // Standard output may carry the image.
            None if self.path == Path::new("-") => all_to(&mut io::stderr(), write).with_context(failed)?,
            None => File::create(&self.path).and_then(|mut file| all_to(&mut file, write)).with_context(failed)?,
        }
        Ok(self)
    }

    /// Gives it its name.
    pub fn publish(self) -> Result<()> {
        let Self { option, path, output } = self;
        let Some(output) = output else { return Ok(()) };
        output.rename_to(&path).with_context(|| cannot_write(option, &path))
    }
}

fn cannot_write(option: &str, path: &Path) -> String {
    format!("{option}: cannot write {}", path.display())
}

/// Prints a result. A closed pipe is not an error; what was found is shown by the exit
/// status all the same.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = write(&mut out).and_then(|()| out.flush());
    // After an error, what is still in the buffer must not be tried once more.
    let _ = out.into_parts();
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// At most this many names are listed in an error.
const NAMED_MAX: usize = 20;

/// The one digest of these names.
pub fn one_digest<'n>(names: impl Iterator<Item = (Option<&'n str>, Digest)> + Clone, option: &str) -> Result<Digest> {
    let Some((_, first)) = names.clone().next() else { bail!("{option}: there is no image in it") };
    if names.clone().all(|(_, digest)| digest == first) {
        return Ok(first);
    }
    let name = |(name, digest): (Option<&str>, Digest)| match name {
        Some(name) => format!("\"{}\" {digest}", printable(name.as_bytes())),
        None => format!("untagged {digest}"),
    };
    let mut all: Vec<String> = names.clone().take(NAMED_MAX).map(name).collect();
    match names.count().saturating_sub(NAMED_MAX) {
        0 => {}
        more => all.push(format!("{more} more")),
    }
    bail!(
        "{option}: there are several images, each with its own digest; choose one with :REF of SOURCE: {}",
        all.join(", ")
    )
}

/// Prints a result as JSON, and a newline.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(|out| restamp::internals::json_writer::write(value, out))
}
