//! What one run works with: threads, temporary files, limits, progress.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::blob::NewBlobs;
use crate::error::Result;
use crate::layer::Pool;
use crate::limits::Limits;
use crate::registry::RegistryOptions;
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
    /// How much of an image may be held in memory, and how much of one may be spooled.
    pub limits: Limits,
    /// Shows how far a run is.
    pub progress: Arc<dyn Progress>,
    /// How registries are to be talked to, once one is.
    pub(crate) registry: RegistryOptionsSource,
}

/// Says how registries are to be talked to: it is asked when the first one is.
#[derive(Clone)]
#[cfg_attr(not(feature = "registry"), allow(dead_code))]
pub(crate) struct RegistryOptionsSource(Arc<OptionsOnce>);

/// Options that are looked up once.
#[cfg_attr(not(feature = "registry"), allow(dead_code))]
struct OptionsOnce {
    found: OnceLock<RegistryOptions>,
    options: Box<dyn Fn() -> Result<RegistryOptions> + Send + Sync>,
}

impl RegistryOptionsSource {
    fn new(options: impl Fn() -> Result<RegistryOptions> + Send + Sync + 'static) -> Self {
        Self(Arc::new(OptionsOnce { found: OnceLock::new(), options: Box::new(options) }))
    }

    /// The options.
    #[cfg(feature = "registry")]
    pub fn options(&self) -> Result<RegistryOptions> {
        if let Some(found) = self.0.found.get() {
            return Ok(found.clone());
        }
        let options = (self.0.options)()?;
        Ok(self.0.found.get_or_init(|| options).clone())
    }
}

impl fmt::Debug for RegistryOptionsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryOptionsSource").finish_non_exhaustive()
    }
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

    /// Works with an existing pool and existing spools.
    pub fn of(pool: Pool, spools: Spools) -> Self {
        Self {
            pool,
            spools,
            limits: Limits::DEFAULT,
            progress: Arc::new(NoProgress),
            registry: RegistryOptionsSource::new(|| Ok(RegistryOptions::default())),
        }
    }

    /// The same context, with its progress reported to `progress`.
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

    /// The same context, with other options for registries.
    #[must_use]
    pub fn with_registry(self, registry: RegistryOptions) -> Self {
        self.with_registry_by(move || Ok(registry.clone()))
    }

    /// The same context, with options for registries that are looked up when the first one is talked to: credentials need not
    /// be read for an image in a file.
    #[must_use]
    pub fn with_registry_by(mut self, options: impl Fn() -> Result<RegistryOptions> + Send + Sync + 'static) -> Self {
        self.registry = RegistryOptionsSource::new(options);
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

/// Blobs that are made in these temporary files.
pub(crate) fn new_blobs(spools: &Spools) -> NewBlobs {
    let spools = spools.clone();
    NewBlobs::new(move || spools.file())
}

/// How a builder is to run: in a context that it was given, or in one of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunSettings {
    pub jobs: Option<usize>,
    pub context: Option<RunContext>,
}

impl RunSettings {
    /// The context that was given, or else one of the run's own: a thread for every CPU unless `jobs` says otherwise, and
    /// temporary files beside what is written, or else where the system has them.
    pub fn context(&self, beside: Option<&Path>) -> Result<RunContext> {
        if let Some(given) = &self.context {
            return Ok(given.clone());
        }
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        let beside = beside.map(|path| temp_parent(path).to_owned());
        let folder = beside.filter(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir);
        RunContext::new(self.jobs.unwrap_or_else(cpus), folder)
    }
}

/// The setters that every builder has for its `run: RunSettings`.
macro_rules! run_setters {
    () => {
        /// How many layers and chunks are worked on at a time; by default one for each CPU. A context that is given has
        /// its own number.
        pub fn jobs(mut self, jobs: usize) -> Self {
            self.run.jobs = Some(jobs);
            self
        }

        /// Works with the threads, temporary files and limits of this context.
        pub fn with_context(mut self, context: &RunContext) -> Self {
            self.run.context = Some(context.clone());
            self
        }
    };
}
pub(crate) use run_setters;
