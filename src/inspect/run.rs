//! The verb for programs that use the library.

use crate::context::{RunContext, RunSettings, run_setters};
use crate::error::Result;
use crate::inspect::report::Report;
use crate::inspect::{Options, inspect};
use crate::platform::Platform;
use crate::store::location::Location;
use crate::store::open::Source;

/// Reports what is in an image, and when it was made according to its own metadata.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Inspect {
    options: Options,
    run: RunSettings,
}

impl Inspect {
    /// Looks at all images, and reads their layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks only at images of this platform.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.options.select.platform = Some(platform);
        self
    }

    /// Reads the documents alone, and no layer.
    pub fn skip_layers(mut self, skip: bool) -> Self {
        self.options.skip_layers = skip;
        self
    }

    run_setters!();

    /// Looks at an image. Everything that is read is verified.
    ///
    /// # Errors
    ///
    /// If the image can't be read, or is not what its digests say.
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
        inspect(source, &options, context)
    }
}
