//! The verb for programs that use the library.

use std::sync::Arc;

use crate::check::Options;
use crate::check::check;
use crate::check::report::{ArchiveTimes, Report};
use crate::clock::{Clock, DocumentTime};
use crate::context::{RunContext, RunSettings, run_setters};
use crate::document::TimeKeys;
use crate::error::Result;
use crate::glob::PathGlob;
use crate::image::Select;
use crate::image::base::Base;
use crate::platform::Platform;
use crate::store::location::Location;
use crate::store::open::Source;

/// Verifies an image, and that every timestamp in it that restamp sets is the epoch (or, with the rule to clamp, is not later).
#[derive(Debug, Clone)]
#[must_use]
pub struct Check {
    options: Options,
    run: RunSettings,
}

impl Check {
    /// Checks against this epoch and rule: a [`Stamp`](crate::Stamp), or a [`Clock`] whose epoch comes from the image.
    pub fn new(clock: impl Into<Clock>) -> Self {
        let (clock, created, time_keys) = (clock.into(), DocumentTime::Epoch, TimeKeys::default());
        let (select, base, archive_times) = (Select::default(), Base::None, ArchiveTimes::Findings);
        let mtimes = Arc::default();
        let options = Options { clock, created, time_keys, keep_commands: false, select, base, archive_times, mtimes };
        Self { options, run: RunSettings::default() }
    }

    /// What the times of documents have to be: of configs, their history, labels and annotations. By default, what those
    /// of files have to be.
    pub fn created(mut self, created: DocumentTime) -> Self {
        self.options.created = created;
        self
    }

    /// Also compares labels, annotations and members of artifact configs with these keys.
    pub fn time_keys(mut self, keys: TimeKeys) -> Self {
        self.options.time_keys = keys;
        self
    }

    /// Leaves out times in the commands of history, as a rewrite that keeps commands does.
    pub fn keep_commands(mut self, keep: bool) -> Self {
        self.options.keep_commands = keep;
        self
    }

    /// Sources of compiled files at paths like this may have the second before the epoch, as in an image that was rewritten
    /// so.
    pub fn keep_order(mut self, glob: PathGlob) -> Self {
        Arc::make_mut(&mut self.options.mtimes).keep_order.push(glob);
        self
    }

    /// Files at paths like this have the mtime that follows from their content, as in an image that was rewritten so.
    pub fn mtime_by_content(mut self, glob: PathGlob) -> Self {
        Arc::make_mut(&mut self.options.mtimes).by_content.push(glob);
        self
    }

    /// Leaves out the times of the base image.
    pub fn base(mut self, base: Base) -> Self {
        self.options.base = base;
        self
    }

    /// Looks only at images of this platform.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.options.select.platform = Some(platform);
        self
    }

    /// How times count that no digest covers.
    pub fn archive_times(mut self, archive_times: ArchiveTimes) -> Self {
        self.options.archive_times = archive_times;
        self
    }

    run_setters!();

    /// Checks an image. What is wrong with it is in the report.
    ///
    /// # Errors
    ///
    /// If there is no image that could be looked at, or it can't be read.
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
        check(source, &options, context)
    }
}
