//! The verb for programs that use the library.

use crate::context::{RunContext, RunSettings, run_setters};
use crate::error::Result;
use crate::lock::report::Report;
use crate::lock::{Options, lock};
use crate::platform::Platform;
use crate::store::location::Location;
use crate::store::open::Source;

/// Finds out from an image what rebuilds it: base, sources, packages, and the date of their archive.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Lock {
    options: Options,
    run: RunSettings,
}

impl Lock {
    /// Locks the one image that a source has.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of several images the one of this platform.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.options.select.platform = Some(platform);
        self
    }

    /// Leaves what this image has installed out of the lists.
    pub fn base(mut self, base: Location) -> Self {
        self.options.base = Some(base);
        self
    }

    run_setters!();

    /// Reads an image. Everything that is read is verified; nothing is written but temporary files.
    ///
    /// # Errors
    ///
    /// If an image can't be read, is not what its digests say, or there are several. A database in it that is broken is
    /// named in the report.
    pub fn run(&self, location: &Location) -> Result<Report> {
        let context = self.run.context(None)?;
        let source = Source::open(location, &context)?;
        self.look_at(&source, location.reference.as_deref(), &context)
    }

    /// The same for an open image, such as one in your own [`BlobStore`](crate::BlobStore).
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn run_on(&self, source: &Source, reference: Option<&str>) -> Result<Report> {
        self.look_at(source, reference, &self.run.context(None)?)
    }

    fn look_at(&self, source: &Source, reference: Option<&str>, context: &RunContext) -> Result<Report> {
        let mut options = self.options.clone();
        options.select.reference = reference.map(str::to_owned);
        lock(source, &options, context)
    }
}
