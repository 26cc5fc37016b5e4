//! The verb for programs that use the library: from one location to another.

use std::sync::Arc;

use crate::causes::Omit;
use crate::clock::{Clock, DocumentTime};
use crate::context::{RunContext, RunSettings, run_setters};
use crate::document::TimeKeys;
use crate::error::{Error, Result};
use crate::glob::PathGlob;
use crate::image::base::Base;
use crate::image::epoch;
use crate::media_type::Compression;
use crate::name::NewName;
use crate::notice::{Notice, NoticeKind};
use crate::platform::Platform;
use crate::registry::RegistryName;
use crate::rewrite::options::{Attestations, Options, Repair, Signatures};
use crate::rewrite::remote;
use crate::rewrite::report::Report;
use crate::rewrite::rewrite;
use crate::rewrite::speculative::{self, SpeculativeLayers};
use crate::stamp::Stamp;
use crate::store::location::{Carrier, Location, Where};
use crate::store::open::Source;
#[cfg(feature = "registry")]
use crate::store::push::Push;
use crate::store::write::{self, Target};

/// Rewrites the timestamps of an image.
///
/// By default every timestamp is set or clamped as the [`Stamp`] says, compression is kept, attestations follow their image
/// and a signed image is refused.
#[derive(Debug, Clone)]
#[must_use]
pub struct Rewrite {
    options: Options,
    force: bool,
    archive_compression: Option<Compression>,
    dry_run: bool,
    base_repository: Option<RegistryName>,
    run: RunSettings,
}

/// A new image that is not written yet.
#[derive(Debug)]
pub struct Prepared {
    image: write::Image,
    report: Report,
    source: Source,
    target: Option<Target>,
    context: RunContext,
    stamp: Stamp,
}

impl Rewrite {
    /// Rewrites with this epoch and rule: a [`Stamp`], or a [`Clock`] whose epoch comes from the image.
    pub fn new(clock: impl Into<Clock>) -> Self {
        Self {
            options: Options::new(clock.into()),
            force: false,
            archive_compression: None,
            dry_run: false,
            base_repository: None,
            run: RunSettings::default(),
        }
    }

    /// What the times of documents become: of configs, their history, labels and annotations. By default, the same as
    /// those of files.
    pub fn created(mut self, created: DocumentTime) -> Self {
        self.options.created = created;
        self
    }

    /// Also stamps labels, annotations and members of artifact configs with these keys.
    pub fn time_keys(mut self, keys: TimeKeys) -> Self {
        self.options.time_keys = keys;
        self
    }

    /// Encodes rewritten layers with this compression, instead of the one that they had.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.options.compression = Some(compression);
        self
    }

    /// The level of that compression: gzip 1 to 12, zstd 1 to 19.
    pub fn compression_level(mut self, level: u32) -> Self {
        self.options.compression_level = Some(level);
        self
    }

    /// Removes the names of owners and groups from the entries of layers, and leaves their numbers.
    pub fn numeric_owner(mut self, numeric_owner: bool) -> Self {
        self.options.numeric_owner = numeric_owner;
        self
    }

    /// Leaves the layers and history of the base image as they are.
    pub fn base(mut self, base: Base) -> Self {
        self.options.base = base;
        self
    }

    /// Keeps only images of this platform.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.options.select.platform = Some(platform);
        self
    }

    /// Gives the result this name, instead of those of the source. May be called more than once. The source must have
    /// one image then.
    pub fn name(mut self, name: NewName) -> Self {
        self.options.names.push(name);
        self
    }

    /// What becomes of attestations.
    pub fn attestations(mut self, attestations: Attestations) -> Self {
        self.options.attestations = attestations;
        self
    }

    /// Which times in the content of files are replaced; by default, copies of mtimes follow these.
    pub fn repair(mut self, repair: Repair) -> Self {
        self.options.repair = repair;
        self
    }

    /// Leaves files of a list out of layers: those whose absence is harmless by the documentation of the tool that owns them.
    pub fn omit(mut self, list: Omit) -> Self {
        Arc::make_mut(&mut self.options.omit).lists.push(list);
        self
    }

    /// Leaves files and links at paths like this out of layers; directories, whiteouts, and files that a hard link leads to
    /// which stays, never.
    pub fn omit_paths(mut self, glob: PathGlob) -> Self {
        Arc::make_mut(&mut self.options.omit).globs.push(glob);
        self
    }

    /// Where a compiled file at a path like this is newer than sources of its kind, these get the second before the epoch.
    pub fn keep_order(mut self, glob: PathGlob) -> Self {
        Arc::make_mut(&mut self.options.mtimes).keep_order.push(glob);
        self
    }

    /// Gives files at paths like this an mtime that depends on their content: up to 2^20 seconds (12 days) before the epoch.
    pub fn mtime_by_content(mut self, glob: PathGlob) -> Self {
        Arc::make_mut(&mut self.options.mtimes).by_content.push(glob);
        self
    }

    /// Puts the entries of layers in the byte order of their names, and leaves out opaque whiteouts that hide nothing.
    pub fn sorted(mut self, sorted: bool) -> Self {
        self.options.sorted = sorted;
        self
    }

    /// What becomes of signatures.
    pub fn signatures(mut self, signatures: Signatures) -> Self {
        self.options.signatures = signatures;
        self
    }

    /// Keeps times in the commands of history, also where the label that they repeat is rewritten.
    pub fn keep_commands(mut self, keep: bool) -> Self {
        self.options.keep_commands = keep;
        self
    }

    /// Replaces a directory that holds an OCI image layout and nothing else.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Compresses the archive as a whole like this, whatever its name is; by default its name decides (`.gz`, `.tgz`,
    /// `.zst`, `.tzst`).
    pub fn archive_compression(mut self, compression: Compression) -> Self {
        self.archive_compression = Some(compression);
        self
    }

    /// Only looks at the destination: a registry is asked nothing but what is there.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The repository that the base image is in: a registry that has both need not be sent its layers.
    pub fn base_repository(mut self, name: RegistryName) -> Self {
        self.base_repository = Some(name);
        self
    }

    run_setters!();

    /// Rewrites an image, and writes the new one.
    ///
    /// # Errors
    ///
    /// If the image can't be read, is not what its digests say, or can't be rewritten as asked, and if the new one can't be
    /// written. Nothing appears at the destination then.
    pub fn run(&self, source: &Location, destination: &Location) -> Result<Report> {
        self.prepare(source, Some(destination))?.write()
    }

    /// Does all the work except writing the new image. Without a destination the new image has the source's kind, and
    /// can only be verified.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn prepare(&self, location: &Location, destination: Option<&Location>) -> Result<Prepared> {
        let context = self.run.context(destination.and_then(Location::as_path))?;
        let options = self.options_of(location.reference.as_deref(), &context);
        let (source, speculative) = speculative::open(location, &options, &context)?;
        self.rewritten(source, speculative, options, destination, context)
    }

    /// The same for an open image, such as one in your own [`BlobStore`](crate::BlobStore).
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn prepare_from(
        &self,
        source: Source,
        reference: Option<&str>,
        destination: Option<&Location>,
    ) -> Result<Prepared> {
        let beside = destination.and_then(Location::as_path);
        let context = self.run.context(beside)?;
        let options = self.options_of(reference, &context);
        self.rewritten(source, SpeculativeLayers::default(), options, destination, context)
    }

    /// Does all the work on an open image, of which the digests are all that is wanted, as it would be in this carrier: no new
    /// layer is kept.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run), without a destination.
    #[cfg(feature = "attest")]
    pub(crate) fn digests(&self, source: &Source, reference: Option<&str>, carrier: Carrier) -> Result<Report> {
        let context = self.run.context(None)?;
        let mut options = self.options_of(reference, &context);
        options.are_discarded = true;
        let (_, report) = rewrite(source, &options, carrier, &context, SpeculativeLayers::default())?;
        Ok(report)
    }

    fn options_of(&self, reference: Option<&str>, context: &RunContext) -> Options {
        let mut options = self.options.clone();
        options.spools = Some(context.spools.clone());
        options.select.reference = reference.map(str::to_owned);
        options
    }

    fn rewritten(
        &self,
        source: Source,
        speculative: SpeculativeLayers,
        mut options: Options,
        destination: Option<&Location>,
        context: RunContext,
    ) -> Result<Prepared> {
        let kind = destination.map_or(source.carrier(), |destination| destination.carrier(source.carrier()));
        if let Some(name) = destination.and_then(|destination| destination.reference.as_deref()) {
            let name = match kind {
                Carrier::DockerArchive => name.parse(),
                Carrier::Oci | Carrier::OciArchive | Carrier::Registry => NewName::in_layout(name),
            };
            options.names.insert(0, name.map_err(|e| e.in_file("DEST"))?);
        }
        if let Some(name) = destination.and_then(Location::as_registry) {
            options.names = remote::names(name, &options.names)?;
            // What a registry hands out is compressed; an archive of docker save has its layers as they were.
            if options.compression.is_none() && source.carrier() == Carrier::DockerArchive {
                options.compression = Some(Compression::Gzip);
            }
            options.base_stays_there = source.repository().is_some_and(|source| source.host() == name.host());
        }
        let mut seen = Vec::new();
        options.names.retain(|name| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
        // Looked at before the work: a destination that is in the way should be named at once.
        let target = destination.map(|destination| self.target(destination, kind, &source, &options, &context));
        let target = target.transpose()?;
        epoch::is_stable(&options.clock, options.created, &options.time_keys)?;
        let stamp = epoch::stamp(&source, &options.select, &options.base, &options.clock)?;
        options.clock = stamp.into();
        let (image, mut report) = rewrite(&source, &options, kind, &context, speculative)?;
        report.destination.name = destination.map(ToString::to_string).unwrap_or_default();
        Ok(Prepared { image, report, source, target, context, stamp })
    }

    fn target(
        &self,
        destination: &Location,
        kind: Carrier,
        source: &Source,
        options: &Options,
        context: &RunContext,
    ) -> Result<Target> {
        match &destination.place {
            Where::Registry(name) => {
                let settings =
                    remote::Settings { base: self.base_repository.as_ref(), force: self.force, dry_run: self.dry_run };
                remote::target(name, source, &options.names, settings, context)
            }
            Where::Stdio if kind == Carrier::Oci => {
                let text = "a layout in a directory can't go to standard output: use oci-archive:-";
                Err(Error::refused(text))
            }
            Where::Stdio => Ok(Target::Stdout),
            Where::Path(path) => Target::new(path, kind, self.force, self.archive_compression),
        }
    }
}

impl Prepared {
    /// What was done.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What was done, to add to.
    pub fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Does it hold only indexes, so that replacing its source would only delete the source's content?
    pub fn is_empty(&self) -> bool {
        self.image.is_empty
    }

    /// Writes the new image, complete or not at all, except to a pipe, which is cut off.
    ///
    /// # Errors
    ///
    /// If it can't be written, or if bytes that are copied from the source are not what their digests say.
    pub fn write(mut self) -> Result<Report> {
        match &self.target {
            Some(target) => {
                #[cfg(feature = "registry")]
                if matches!(target, Target::Registry(_)) {
                    let total = self.context.bytes_read().saturating_add(Push::total(&self.image));
                    self.context.progress.set_total(total);
                }
                let left =
                    write::write(&self.image, target, self.stamp.epoch, &self.context.spools, &self.context.pool)?;
                let left = left.map(|e| format!("the directory that was replaced could not be removed: {e}"));
                let left = left.map(|text| Notice::new(NoticeKind::LeftBehind, text));
                self.report.warnings.extend(left);
                #[cfg(feature = "registry")]
                if let Target::Registry(push) = target {
                    self.report.sent = Some(push.sent());
                }
                Ok(self.report)
            }
            None => self.verify(),
        }
    }

    /// Writes nothing, and verifies all that would be copied from the source.
    ///
    /// # Errors
    ///
    /// If bytes that would be copied are not what their digests say.
    #[cfg_attr(not(feature = "registry"), allow(unused_mut))]
    pub fn verify(mut self) -> Result<Report> {
        #[cfg(feature = "registry")]
        if let Some(Target::Registry(push)) = &self.target {
            push.ask(&self.image).map_err(|e| e.in_file(push.name()))?;
            if self.source.repository().is_none() {
                write::verify(&self.image).map_err(|e| e.in_file(self.source.name()))?;
            }
            self.report.sent = Some(push.sent());
            return Ok(self.report);
        }
        write::verify(&self.image).map_err(|e| e.in_file(self.source.name()))?;
        Ok(self.report)
    }
}
