//! What one run works with: threads, temporary files, limits, progress.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::layer::Pool;
use crate::limits::Limits;
use crate::spool::{Spools, temp_parent};

/// Shows how far a run is.
pub trait Progress: fmt::Debug + Send + Sync {
    /// So many bytes of blobs are to be read; [`RunContext::bytes_read`] counts up to them.
    fn set_total(&self, bytes: u64);
}

/// Shows nothing.
#[derive(Debug)]
struct NoProgress;

impl Progress for NoProgress {
    fn set_total(&self, _bytes: u64) {}
}

/// Threads, temporary files, limits and progress of a run. Clones share all of it, and so may several runs, one after the other
/// or side by side.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunContext {
    /// The threads, the memory for chunks, and the cache.
    pub pool: Pool,
    /// Where temporary files are made.
    pub spools: Spools,
    /// How much of an image may have to be held in memory, and how much of one may be spooled.
    pub limits: Limits,
    /// Shows how far a run is.
    pub progress: Arc<dyn Progress>,
}

impl RunContext {
    /// Works with `jobs` threads, at least one, and makes temporary files in this directory.
    ///
    /// # Errors
    ///
    /// If the threads can't be started.
    pub fn new(jobs: usize, temporary_files: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self::of(Pool::new(jobs)?, Spools::new(temporary_files)))
    }

    /// Works with a pool and spools that there are.
    pub fn of(pool: Pool, spools: Spools) -> Self {
        Self { pool, spools, limits: Limits::DEFAULT, progress: Arc::new(NoProgress) }
    }

    /// The context that was given, or else one of the run's own: a thread for every CPU unless `jobs` says otherwise, and
    /// temporary files beside what is written, or else where the system has them.
    pub(crate) fn given_or_own(given: Option<&Self>, jobs: Option<usize>, beside: Option<&Path>) -> Result<Self> {
        if let Some(given) = given {
            return Ok(given.clone());
        }
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        let beside = beside.map(|path| temp_parent(path).to_owned());
        Self::new(jobs.unwrap_or_else(cpus), beside.filter(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir))
    }

    /// The same context, with its progress reported to this.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// The same context, with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Asks all work to stop soon: it ends with an error whose kind is `Interrupted`.
    pub fn cancel(&self) {
        self.pool.cancel();
    }

    /// Bytes of blobs that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.pool.bytes_read()
    }

    /// Where temporary files are made.
    pub fn temporary_files(&self) -> &Path {
        self.spools.folder()
    }
}
