//! Temporary files: where they are made, and how they are removed whatever happens.
//!
//! Spools have no name from the start, so that the kernel removes them even after SIGKILL. Only an output that is still
//! to be renamed into place has one; it is removed at every exit that can run code.

mod owner;
mod place;
mod removal;

pub use owner::Owner;
pub use place::{can_be_renamed, temp_parent, write_fault};

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::sync::lock;
use removal::remove;

/// How the names of unfinished outputs begin.
const PREFIX: &str = ".restamp-";

/// Makes temporary files and remembers those that have a name. Clones share what they remember.
#[derive(Debug, Clone)]
pub struct Spools {
    folder: PathBuf,
    named: Arc<Mutex<Named>>,
}

/// What has a name for now.
#[derive(Debug, Default)]
struct Named {
    paths: Vec<PathBuf>,
    /// Set once all of them are being removed: nothing gets a name any more, nor its final one.
    ended: bool,
}

impl Named {
    fn still_running(&self) -> Result<()> {
        if self.ended { Err(Error::interrupted()) } else { Ok(()) }
    }
}

impl Spools {
    /// Spools are made in this folder: best that of the destination, which has to have the space anyway.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), named: Arc::default() }
    }

    /// Where spools are made.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file without a name.
    ///
    /// # Errors
    ///
    /// It can't be made.
    pub fn file(&self) -> Result<File> {
        use rustix::fs::{Mode, OFlags};
        // Unlike that of `tempfile`, this file may be given a name later: a blob that is done need not be copied.
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        rustix::fs::open(&self.folder, flags, Mode::from_raw_mode(0o666))
            .map(File::from)
            .or_else(|_| tempfile::tempfile_in(&self.folder))
            .map_err(|e| Error::io("cannot make a temporary file", e).in_file(self.folder.display()))
    }

    /// An output file beside the path that it will be renamed to; with the permissions and, where this process may give
    /// it away, the owner of the file that has that path now.
    ///
    /// # Errors
    ///
    /// It can't be made.
    #[doc(hidden)]
    pub fn output_file(&self, target: &Path) -> Result<Output> {
        let folder = folder_of(target);
        let failed = |e| cannot_write(target, e);
        self.named(|| {
            // As `open` would create it: the process's umask applies. Not by `tempfile_in`, whose errors show the temporary
            // name, which no one has given.
            let create = |path: &Path| File::options().read(true).write(true).create_new(true).mode(0o666).open(path);
            let file = tempfile::Builder::new().prefix(PREFIX).make_in(folder, create).map_err(failed)?;
            if let Ok(old) = fs::metadata(target) {
                // Who may read or write what is replaced may do so with what replaces it. The owner first: a change of
                // that takes permissions away.
                Owner::of(&old).give(file.as_file());
                file.as_file().set_permissions(old.permissions()).map_err(failed)?;
            }
            let (file, path) = file.keep().map_err(|e| failed(e.error))?;
            Ok((path, Some(file)))
        })
    }

    /// An output directory beside the path that it will be renamed to; in it, where that is an empty directory which
    /// can't be replaced, a mount point for example, and is filled in the end.
    ///
    /// # Errors
    ///
    /// It can't be made.
    #[doc(hidden)]
    pub fn output_folder(&self, target: &Path) -> Result<Output> {
        let folder = temp_parent(target);
        self.named(|| {
            let failed = |e| cannot_write(target, e);
            let made =
                tempfile::Builder::new().prefix(PREFIX).make_in(folder, |path| fs::create_dir(path)).map_err(failed)?;
            let ((), path) = made.keep().map_err(|e| failed(e.error))?;
            Ok((path, None))
        })
    }

    /// A directory among the temporary files, which only this user may read, for what has to have a name there. It is
    /// removed with all that is in it.
    ///
    /// # Errors
    ///
    /// It can't be made.
    #[doc(hidden)]
    pub fn private_folder(&self) -> Result<Output> {
        self.named(|| {
            let failed = |e| Error::io("cannot make a temporary directory", e).in_file(self.folder.display());
            let make = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path);
            let made = tempfile::Builder::new().prefix(PREFIX).make_in(&self.folder, make).map_err(failed)?;
            let ((), path) = made.keep().map_err(|e| failed(e.error))?;
            Ok((path, None))
        })
    }

    /// Makes something that has a name, and remembers it before a signal can come between.
    fn named(&self, make: impl FnOnce() -> Result<(PathBuf, Option<File>)>) -> Result<Output> {
        let mut named = self.lock();
        named.still_running()?;
        let (path, file) = make()?;
        named.paths.push(path.clone());
        drop(named);
        Ok(Output { path, file, spools: self.clone() })
    }

    /// Removes every unfinished output, for good: for a signal that ends the process. What is being written into one
    /// of them meanwhile fails, and so does giving one its name.
    pub fn remove_all(&self) {
        let mut named = self.lock();
        named.ended = true;
        let paths = std::mem::take(&mut named.paths);
        drop(named);
        for path in paths {
            // Nothing can be done about a failure here: the process ends.
            let _ = remove(&path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Named> {
        lock(&self.named)
    }
}

/// An output under a temporary name; removed when dropped, unless it was renamed.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: Option<File>,
    spools: Spools,
}

impl Output {
    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, where it is one.
    ///
    /// # Errors
    ///
    /// It is a directory.
    pub fn file_mut(&mut self) -> Result<&mut File> {
        self.file.as_mut().ok_or_else(|| Error::missing("output file"))
    }

    /// Gives it its final name in one step; what had that name before is gone or whole, never mixed. A directory that
    /// was made in its target, which is to stay, is moved out into that, `index.json` last.
    ///
    /// # Errors
    ///
    /// It can't be renamed; it is removed then.
    pub fn rename_to(self, target: &Path) -> Result<()> {
        let fills = self.path.parent() == Some(target);
        self.finish(target, |from| if fills { place::fill(from) } else { fs::rename(from, target) })?;
        self.forget();
        Ok(())
    }

    /// Exchanges it with a directory of that name in one step, then removes what was there. If it can't be, that does
    /// not undo what was done: the error is returned for a warning.
    ///
    /// # Errors
    ///
    /// It can't be exchanged.
    pub fn exchange_with(self, target: &Path) -> Result<Option<Error>> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        self.finish(target, |from| Ok(renameat_with(CWD, from, CWD, target, RenameFlags::EXCHANGE)?))?;
        // What was there has the temporary name now, and a signal may go on with removing it: it need not wait.
        let removed = remove(&self.path);
        self.forget();
        Ok(removed.err())
    }

    fn finish(&self, target: &Path, rename: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
        let failed = |doing: &'static str, error| Error::io(doing, error).in_file(target.display());
        if let Some(file) = &self.file {
            file.sync_all().map_err(|e| failed("cannot sync", e))?;
        }
        {
            // Under the lock, so that a signal finds it either unfinished or finished.
            let named = self.spools.lock();
            named.still_running()?;
            rename(&self.path).map_err(|e| failed("cannot rename the output into place", e))?;
        }
        // The name itself lasts only once the directory is written. Some filesystems can't sync one: no harm.
        if let Ok(folder) = File::open(folder_of(target)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Forgets its temporary name; false if that was done before.
    fn forget(&self) -> bool {
        let mut named = self.spools.lock();
        let place = named.paths.iter().position(|path| *path == self.path);
        place.map(|place| named.paths.swap_remove(place)).is_some()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.forget() {
            // The error that led here matters more than one of this.
            let _ = remove(&self.path);
        }
    }
}

/// An output can't be made.
fn cannot_write(target: &Path, error: io::Error) -> Error {
    Error::io("cannot write there", error).in_file(target.display())
}

/// The directory that a path is in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_output_that_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spools = Spools::new(folder.path());
        drop(spools.output_file(&folder.path().join("x")).unwrap());
        drop(spools.output_folder(&folder.path().join("y")).unwrap());
        let _spool = spools.file().unwrap();
        assert!(names(folder.path()).is_empty());
        let output = spools.output_file(&folder.path().join("x")).unwrap();
        spools.remove_all();
        assert!(names(folder.path()).is_empty());
        drop(output);
    }

    #[test]
    fn nothing_gets_a_name_once_the_unfinished_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let spools = Spools::new(folder.path());
        let output = spools.output_file(&folder.path().join("x")).unwrap();
        spools.remove_all();
        let is_interrupted = |error: Error| matches!(error.kind(), crate::error::Kind::Interrupted);
        assert!(is_interrupted(output.rename_to(&folder.path().join("x")).unwrap_err()));
        assert!(is_interrupted(spools.output_file(&folder.path().join("y")).unwrap_err()));
        assert!(is_interrupted(spools.output_folder(&folder.path().join("z")).unwrap_err()));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_directory_that_is_being_filled_is_removed_for_good() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            let spools = Spools::new(folder.path());
            let output = spools.output_folder(&folder.path().join("x")).unwrap();
            fs::create_dir(output.path().join("blobs")).unwrap();
            std::thread::scope(|scope| {
                let blobs = output.path().join("blobs");
                let filler =
                    scope.spawn(move || (0..).take_while(|n| fs::write(blobs.join(n.to_string()), "").is_ok()).count());
                while fs::read_dir(output.path().join("blobs")).unwrap().count() < 20 {
                    std::thread::yield_now();
                }
                spools.remove_all();
                assert!(filler.join().unwrap() >= 20);
            });
            assert_eq!(names(folder.path()), [""; 0]);
        }
    }

    #[test]
    fn an_output_replaces_what_was_there_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let spools = Spools::new(folder.path());
        let target = folder.path().join("image.tar");
        fs::write(&target, "old").unwrap();
        let mut output = spools.output_file(&target).unwrap();
        output.file_mut().unwrap().write_all(b"new").unwrap();
        output.rename_to(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        let layout = folder.path().join("layout");
        fs::create_dir(&layout).unwrap();
        fs::write(layout.join("old"), "").unwrap();
        let output = spools.output_folder(&layout).unwrap();
        fs::write(output.path().join("new"), "").unwrap();
        assert!(output.exchange_with(&layout).unwrap().is_none());
        assert_eq!(names(&layout), ["new"]);
        assert_eq!(names(folder.path()), ["image.tar", "layout"]);
    }
}
