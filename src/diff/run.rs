//! The verb for programs that use the library.

use crate::context::{RunContext, RunSettings, run_setters};
use crate::diff::filter::Filter;
use crate::diff::{FileSink, Options, Report, diff};
use crate::document::TimeKeys;
use crate::error::Result;
use crate::platform::Platform;
use crate::store::location::Location;
use crate::store::open::Source;

/// Says what differs between two images, and why.
#[derive(Debug, Default)]
#[must_use]
pub struct Diff<'o> {
    options: Options<'o>,
    run: RunSettings,
}

impl<'o> Diff<'o> {
    /// Compares everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares the root filesystems that the layers make, and nothing else.
    pub fn rootfs(mut self, rootfs: bool) -> Self {
        self.options.rootfs = rootfs;
        self
    }

    /// Compares only images of this platform.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.options.platform = Some(platform);
        self
    }

    /// Treats labels and annotations with these keys as times too, as a rewrite with the same keys does.
    pub fn time_keys(mut self, keys: TimeKeys) -> Self {
        self.options.time_keys = keys;
        self
    }

    /// Leaves out what is accepted.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.options.filter = filter;
        self
    }

    /// Leaves out what is not inside of images: indexes, and what is attached.
    #[cfg(feature = "attest")]
    pub(crate) fn images_only(mut self) -> Self {
        self.options.images_only = true;
        self
    }

    /// Writes the files that differ to a sink.
    pub fn file_sink(mut self, sink: &'o dyn FileSink) -> Self {
        self.options.file_sink = Some(sink);
        self
    }

    run_setters!();

    /// Compares two images.
    ///
    /// # Errors
    ///
    /// If one of them can't be read, or is not what its digests say.
    pub fn run(mut self, a: &Location, b: &Location) -> Result<Report> {
        let context = self.run.context(None)?;
        self.options.references = [a.reference.clone(), b.reference.clone()];
        let open = |location| Source::open(location, &context);
        let (a, b) = (open(a)?, open(b)?);
        diff([&a, &b], &self.options, &context)
    }

    /// The same for open images, such as those in your own [`BlobStore`](crate::BlobStore); each with the name or place
    /// of one image, where there are several.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn run_on(mut self, sources: [&Source; 2], references: [Option<&str>; 2]) -> Result<Report> {
        let context = self.run.context(None)?;
        self.options.references = references.map(|reference| reference.map(str::to_owned));
        diff(sources, &self.options, &context)
    }
}
