//! The verb as a library has it.

use crate::context::RunContext;
use crate::error::Result;
use crate::inspect::report::Report;
use crate::inspect::{Options, inspect};
use crate::platform::Platform;
use crate::store::location::Location;
use crate::store::open::Source;

/// Says what is in an image, and when it says it was made.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Inspect {
    options: Options,
    jobs: Option<usize>,
    context: Option<RunContext>,
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

    /// How many layers are read at a time; by default one for each CPU.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// Works with these threads and temporary files.
    pub fn with_context(mut self, context: &RunContext) -> Self {
        self.context = Some(context.clone());
        self
    }

    /// Looks at an image. Everything that is read is verified.
    ///
    /// # Errors
    ///
    /// If the image can't be read, or is not what its digests say.
    pub fn run(&self, location: &Location) -> Result<Report> {
        let context = RunContext::given_or_own(self.context.as_ref(), self.jobs, None)?;
        let mut options = self.options.clone();
        options.select.reference.clone_from(&location.reference);
        let source = Source::open(location, &context, &mut |_, _| {})?;
        inspect(&source, &options, &context)
    }
}
