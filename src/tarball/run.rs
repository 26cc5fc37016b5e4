//! The verb for programs that use the library: from one file or pipe to another.

use super::image::ImageSigns;
use super::report::{Change, File, Report, SCHEMA, SizeChange};
use super::sink::Sink;
use super::source::{self, Source};
use crate::context::{RunContext, RunSettings, run_setters};
use crate::digest::Algorithm;
use crate::error::{Error, Result};
use crate::layer::{self, EncodeOptions, Encoded, FORM, LayerExpected, LayerInfo, Output};
use crate::media_type::Compression;
use crate::notice::{Notice, NoticeKind};
use crate::repair::rules::LayerRules;
use crate::stamp::{Rule, Stamp};
use crate::store::location::Stream;

/// Replaces the times in a bare tar: what `docker export` or a build with `type=tar` writes, or a root filesystem.
///
/// By default it stays compressed as it was. What is compressed is encoded in the canonical form of layers.
#[derive(Debug, Clone)]
#[must_use]
pub struct Tarball {
    stamp: Stamp,
    numeric_owner: bool,
    compression: Option<Compression>,
    compression_level: Option<u32>,
    run: RunSettings,
}

/// A new tar that is complete but not published yet: a file has no name yet, and a pipe lacks the last bytes.
#[derive(Debug)]
pub struct NewTarball {
    sink: Sink,
    report: Report,
}

impl Tarball {
    /// Stamps with this epoch and rule.
    pub fn new(stamp: Stamp) -> Self {
        let run = RunSettings::default();
        Self { stamp, numeric_owner: false, compression: None, compression_level: None, run }
    }

    /// Removes the names of owners and groups as well, and leaves their numbers.
    pub fn numeric_owner(mut self, numeric_owner: bool) -> Self {
        self.numeric_owner = numeric_owner;
        self
    }

    /// Compresses the new tar like this, instead of as it was.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// The level of that compression: gzip 1 to 12, zstd 1 to 19.
    pub fn compression_level(mut self, level: u32) -> Self {
        self.compression_level = Some(level);
        self
    }

    run_setters!();

    /// Stamps a tar, and writes the new one.
    ///
    /// # Errors
    ///
    /// If it can't be read, is no tar, or is a container image, and if the new one can't be written. No file appears then, and
    /// a pipe is cut off.
    pub fn run(&self, input: &Stream, output: &Stream) -> Result<Report> {
        self.prepare(input, output)?.publish()
    }

    /// Does all the work but to publish the new tar.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn prepare(&self, input: &Stream, output: &Stream) -> Result<NewTarball> {
        let beside = match output {
            Stream::Stdio => None,
            Stream::Path(path) => Some(path.as_path()),
        };
        let context = self.run.context(beside)?;
        let mut source = Source::open(input)?;
        let compression = self.compression.unwrap_or(source.compression);
        if self.compression_level.is_some() && compression == Compression::None {
            let text = "--compression-level needs a tar that is or becomes compressed: add --compression gzip or zstd";
            return Err(Error::refused(text).in_file(&source.name));
        }
        let codec = Output::new(compression, self.compression_level)?;
        let spec = EncodeOptions {
            stamp: self.stamp,
            numeric_owner: self.numeric_owner,
            // A tar that is no layer goes by once: what its copies of mtimes are of can't be known.
            rules: LayerRules::default(),
            output: codec,
            // Decided here.
            keep_unchanged: false,
            digest_algorithm: Algorithm::Sha256,
            diff_id_algorithm: Algorithm::Sha256,
        };
        // What is not compressed comes out as it was by itself, where nothing in it changes.
        let may_keep = self.stamp.rule == Rule::Clamp
            && compression == source.compression
            && compression != Compression::None
            && self.compression_level.is_none();
        let sink = Sink::open(output, &context)?;
        if may_keep {
            source.spool(&context).map_err(|e| e.in_file(&source.name))?;
        }
        if let Some(extent) = source.extent() {
            context.progress.set_total(extent.len());
        }
        self.work(&source, sink, &spec, may_keep, &context)
    }

    fn work(
        &self,
        source: &Source,
        mut sink: Sink,
        spec: &EncodeOptions,
        may_keep: bool,
        context: &RunContext,
    ) -> Result<NewTarball> {
        let expect = LayerExpected::default();
        let mut signs = ImageSigns::default();
        let mut kept = None;
        if may_keep {
            let read = layer::unchanged(source.bytes(), &expect, spec, &context.pool, &mut signs);
            kept = read.map_err(|error| explained(source, &signs, error))?;
        }
        let (facts, new, level) = match (kept, source.extent()) {
            (Some(facts), Some(extent)) => {
                extent.copy_verified(&facts.digest, &mut sink).map_err(|e| e.in_file(&source.name))?;
                let new = unchanged(&facts);
                (facts, new, 0)
            }
            _ => {
                signs = ImageSigns::default();
                let write = &mut |bytes: &[u8]| sink.push(bytes);
                let done = layer::encode(source.bytes(), &expect, spec, &context.pool, &mut signs, write);
                let (facts, new) = done.map_err(|error| explained(source, &signs, error))?;
                (facts, new, spec.output.level())
            }
        };
        if facts.uncompressed_size == 0 {
            return Err(source::empty().in_file(&source.name));
        }
        let report = self.report(source, &sink, &facts, &new, (spec.output.compression(), level), &signs);
        Ok(NewTarball { sink, report })
    }

    fn report(
        &self,
        source: &Source,
        sink: &Sink,
        facts: &LayerInfo,
        new: &Encoded,
        (compression, level): (Compression, u32),
        signs: &ImageSigns,
    ) -> Report {
        let mut warnings = Vec::new();
        if let Some(sign) = signs.in_root() {
            let text = format!(
                "{}: it has {sign}, as a container image, and other files: if it is an image, use {}",
                source.name,
                source.rewrite_command()
            );
            warnings.push(Notice::new(NoticeKind::Image, text));
        }
        if signs.is_unterminated {
            let text = "there is no end marker after the last entry: the tar may have been cut off there";
            warnings.push(Notice::new(NoticeKind::CutShort, format!("{}: {text}", source.name)));
        }
        let old_file =
            File { name: source.name.clone(), compression: facts.compression, digest: facts.digest, size: facts.size };
        Report {
            schema: SCHEMA,
            epoch: self.stamp.epoch.seconds(),
            rule: self.stamp.rule.name(),
            numeric_owner: self.numeric_owner,
            form: FORM,
            level,
            source: old_file,
            destination: File { name: sink.name.clone(), compression, digest: new.digest, size: new.size },
            tar: Change {
                old: facts.diff_id,
                new: new.diff_id,
                size: SizeChange { old: facts.uncompressed_size, new: new.uncompressed_size },
            },
            entries: facts.stats.entries,
            stamped: facts.stats.stamped,
            owners: facts.stats.owners,
            warnings,
        }
    }
}

impl NewTarball {
    /// What was done.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Gives a file its name, and a pipe its last bytes.
    ///
    /// # Errors
    ///
    /// If that can't be done.
    pub fn publish(self) -> Result<Report> {
        self.sink.finish()?;
        Ok(self.report)
    }
}

/// Why it was not read to its end.
fn explained(source: &Source, signs: &ImageSigns, error: Error) -> Error {
    match signs.of_image() {
        Some(sign) => {
            let command = source.rewrite_command();
            let text = format!("this is a container image, not a bare tar (it has {sign}): {command}");
            Error::refused(text).in_file(&source.name)
        }
        None => source.explained(error),
    }
}

/// What stays as it was.
fn unchanged(facts: &LayerInfo) -> Encoded {
    let LayerInfo { digest, size, diff_id, uncompressed_size, .. } = *facts;
    Encoded { digest, size, diff_id, uncompressed_size, cache: None }
}
