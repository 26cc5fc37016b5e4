//! `restamp rewrite`

mod destination;
mod documents;
mod repair;
mod summary;
pub mod words;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use restamp::Cache;
use restamp::Compression;
use restamp::PathGlob;
use restamp::Platform;
use restamp::causes::Omit;
use restamp::rewrite::Rewrite;
use restamp::rewrite::{Attestations, Signatures};
use restamp::{Location, NewName, RunContext, Where};

use super::context::{self, BaseArguments, RunOptions};
use super::epoch::EpochArguments;
use super::output::{Inputs, Use};
#[cfg(feature = "registry")]
use super::registry::RegistryArguments;
use documents::Documents;
use repair::RepairWord;

/// Rewrite the timestamps of an image
///
/// SOURCE is `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]`, a plain path, or `-` for standard
/// input or output; DEST is the same. The format of a plain SOURCE is detected from its content: an OCI layout, in a
/// directory or a tar, or what `docker save` writes (Docker 1.10 or newer). An archive may be compressed as a whole
/// with gzip or zstd. A plain DEST has the format of SOURCE.
///
/// REF of SOURCE chooses an image: its name, or @N for its place in the list, counted from 0. REF of DEST is the name
/// of the result; without it the image keeps its names (see --name).
///
/// An archive DEST whose name ends in .gz, .tgz, .zst, .zstd or .tzst is compressed as a whole, always in the same way;
/// on standard output it is not compressed. Names for xz or bzip2 are refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  docker save app | restamp rewrite | docker load
  restamp rewrite --epoch \"$(git log -1 --pretty=%ct)\" build.oci.tar app.oci.tar
  restamp rewrite --clamp --base oci:base oci:app oci:app-stamped
  restamp rewrite --name app:1 --digest-file digest build.oci.tar docker-archive:app.tar
  restamp rewrite --json oci:build oci:app:1 | jq -r '.names[].digest.new'
  restamp rewrite --epoch label:org.opencontainers.image.created legacy.tar stamped.tar
  restamp rewrite --epoch 0 --created \"$(git log -1 --pretty=%ct)\" build.tar app.tar
  restamp rewrite --time-key BUILD_DATE --time-key 'com.example.*' build.tar app.tar

Exit status: 0 done, 2 an error (DEST is as it was then; a pipe is cut off).

Limits of documents, statements and lists of descriptors: docs/limits.md.")]
pub struct Arguments {
    /// The image to read
    #[arg(default_value = "-", value_name = "SOURCE")]
    source: String,

    /// Where the new image goes [default: -]
    #[arg(value_name = "DEST", conflicts_with = "in_place")]
    destination: Option<String>,

    #[command(flatten)]
    epoch: EpochArguments,

    #[command(flatten)]
    base: BaseArguments,

    /// Keep only images of this one platform, e.g. linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What is rewritten")]
    platform: Option<Platform>,

    /// Which times in the content of files are replaced
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "copies",
        value_name = "WHAT,...",
        help_heading = "What is rewritten"
    )]
    repair: Vec<RepairWord>,

    /// Leave files out of layers: logs, caches (of known tools whose documentation says that they may be missing), or
    /// files at paths that match GLOB
    ///
    /// Directories and whiteouts stay, and so do files that a remaining hard link leads to, and all layers of the base
    /// image. --report lists every entry that was left out.
    #[arg(long, value_name = "logs|caches|GLOB,...", help_heading = "What is rewritten")]
    omit: Vec<String>,

    /// The order of the entries of layers: as each layer has them, or by name, which also leaves out opaque whiteouts that hide
    /// nothing
    #[arg(long, value_enum, default_value = "keep", value_name = "HOW", help_heading = "What is rewritten")]
    order: OrderRule,

    /// Keep compiled files at paths that match GLOB newer than their sources, which get the second before the epoch:
    /// for Laravel, Twig, Clojure, Guile, Emacs, SWI-Prolog
    #[arg(long, value_name = "GLOB", help_heading = "What is rewritten")]
    keep_order: Vec<PathGlob>,

    /// Give files at paths that match GLOB an mtime that depends on their content, up to 12 days before the epoch, so
    /// that web servers tell their versions apart although the epoch is a constant
    #[arg(long, value_name = "GLOB", help_heading = "What is rewritten")]
    mtime_by_content: Vec<PathGlob>,

    /// Remove the names of owners and groups from layers and keep their numbers: names differ from builder to builder
    #[arg(long, help_heading = "What is rewritten")]
    numeric_owner: bool,

    /// Keep commands in the history as they are, even if they contain the old value of a label or annotation
    #[arg(long, help_heading = "What is rewritten")]
    keep_commands: bool,

    /// What to do with attestations (SBOM, provenance)
    #[arg(long, value_enum, default_value = "update", value_name = "WHAT", help_heading = "What is rewritten")]
    attestations: AttestationRule,

    /// What to do with signatures, which don't survive a change of digests
    #[arg(long, value_enum, default_value = "refuse", value_name = "WHAT", help_heading = "What is rewritten")]
    signatures: SignatureRule,

    /// How rewritten layers are compressed
    #[arg(long, value_enum, default_value = "keep", value_name = "HOW", help_heading = "Output")]
    compression: CompressionRule,

    /// Compression level: gzip 1 to 12, zstd 1 to 19, of which 12 and up need more memory [default: gzip 5, zstd 3]
    #[arg(long, value_name = "N", help_heading = "Output")]
    compression_level: Option<u32>,

    /// The version of the canonical form in which layers are encoded
    #[arg(long, value_name = "N", default_value_t = restamp::FORM, help_heading = "Output")]
    form: u32,

    /// Name the result REPOSITORY:TAG instead of its name in SOURCE; can be given more than once. SOURCE must have one
    /// image then, or :REF to choose one
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    name: Vec<NewName>,

    /// Replace SOURCE with the result, atomically; an archive that is compressed as a whole stays so
    #[arg(long, help_heading = "Output")]
    in_place: bool,

    /// Replace an OCI image layout directory that exists; an archive that exists is always replaced
    #[arg(long, help_heading = "Output")]
    force: bool,

    /// Do everything except writing: DEST is checked and left as it is
    #[arg(long, help_heading = "Output")]
    dry_run: bool,

    /// Print what was done as JSON (schema 2) to standard output, instead of the summary. DEST has to be a file or
    /// directory
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Write what was done to FILE, as JSON; - is standard output, or standard error if the image goes to standard
    /// output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,

    /// Write the digest by which to deploy the result to FILE; - is as for --report. If names have different digests,
    /// that is an error: choose one with :REF of SOURCE
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    digest_file: Option<PathBuf>,

    /// List every image and its layers in the summary
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,

    /// Cache compressed data in DIR, so that later runs are faster; the output is the same. Users other than you and
    /// root must not be able to write to DIR
    #[arg(long, value_name = "DIR", help_heading = "Running")]
    cache: Option<PathBuf>,

    /// The maximum size of the cache, e.g. 500M or 20G; data that was used least recently is removed
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = parse_size, requires = "cache", help_heading = "Running")]
    cache_max: u64,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AttestationRule {
    /// Update them to the new digests of the image that they are about
    Update,
    /// Leave them out, so that the digest of the index is reproducible
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SignatureRule {
    /// A signed image is an error
    Refuse,
    /// Leave them out
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderRule {
    /// As each layer was
    Keep,
    /// In the byte order of names
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionRule {
    /// As each layer was
    Keep,
    /// Plain tar
    None,
    Gzip,
    Zstd,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.form != restamp::FORM {
        bail!("--form {}: this version writes form {} only", arguments.form, restamp::FORM);
    }
    let rewrite = rewrite(arguments)?;
    let location = context::source(&arguments.source, "rewrite")?;
    let destination = destination::destination(arguments, &location)?;
    let is_on_stdout = destination::is_on_stdout(arguments, &destination);
    if destination.place == Where::Stdio && is_on_stdout && io::stdout().is_terminal() {
        bail!("standard output is a terminal: give DEST, or pipe the image on (restamp rewrite | docker load)");
    }
    let documents = Documents::of(arguments, is_on_stdout)?;
    let inputs = inputs(arguments, &location, &destination)?;
    if documents.are_printed() {
        inputs.keep_clear_of_stdout()?;
    }
    let open_cache = |dir| Cache::open(dir, arguments.cache_max).context("--cache");
    let cache = arguments.cache.as_deref().map(open_cache).transpose()?;
    let beside = destination::folder_beside(arguments, &destination);
    let (context, progress) = arguments.running.start(beside.clone(), cache)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    arguments.running.try_temporary_files(&context, beside.and(destination.as_path()))?;
    let mut rewrite = rewrite.base(arguments.base.resolve(&context)?).dry_run(arguments.dry_run).with_context(&context);
    if let Some(name) = arguments.base.location()?.as_ref().and_then(Location::as_registry) {
        rewrite = rewrite.base_repository(name.clone());
    }
    let rewrite = match destination::compression(arguments, &location)? {
        Some(compression) => rewrite.archive_compression(compression),
        None => rewrite,
    };
    let files = documents.open(&inputs, &context.spools)?;
    // A dry run may go without a destination. One that there is is looked at all the same.
    let is_nowhere = arguments.dry_run && arguments.destination.is_none() && !arguments.in_place;
    let mut prepared = rewrite.prepare(&location, Some(&destination).filter(|_| !is_nowhere))?;
    if arguments.in_place && prepared.is_empty() {
        bail!("{location}: its index lists nothing that is in it, so replacing it would only delete its content");
    }
    let report = prepared.report_mut();
    report.destination.name = destination.to_string();
    report.dry_run = arguments.dry_run;
    // Written before the image is there and named after: either both are, or neither.
    let files = files.write(prepared.report())?;
    let report = if arguments.dry_run { prepared.verify()? } else { prepared.write()? };
    drop(progress);
    files.publish()?;
    documents.print(&report)?;
    if !arguments.running.quiet && !arguments.json {
        summary::print(&report, arguments.verbose);
    }
    Ok(super::DONE)
}

/// What is read; an error if an output would touch it. DEST is among it for the outputs beside it.
fn inputs(arguments: &Arguments, source: &Location, destination: &Location) -> Result<Inputs> {
    let mut inputs = Inputs::default();
    if let Some(base) = arguments.base.location()? {
        inputs.image("--base", &base);
    }
    if let Some(path) = destination.as_path().filter(|_| arguments.in_place) {
        inputs.keep_clear("--in-place", path, Use::Replaced)?;
    }
    inputs.image("SOURCE", source);
    match destination.as_path() {
        _ if arguments.in_place => {}
        Some(path) => inputs.keep_clear("DEST", path, Use::Replaced)?,
        None if destination.as_registry().is_some() => {}
        None if arguments.dry_run => {}
        None => {
            inputs.keep_clear_of_stdout()?;
            inputs.take_stdout();
        }
    }
    if destination.as_path().is_some() && !arguments.in_place {
        inputs.image("DEST", destination);
    }
    if let Some(cache) = &arguments.cache {
        inputs.keep_clear("--cache", cache, Use::AddedTo)?;
    }
    Ok(inputs)
}

/// A number of bytes, with a suffix of powers of 1024 or without.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        suffix => return Err(format!("{suffix:?} is not one of K, M, G, T")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{digits:?} is not a number"))?;
    number.checked_mul(1 << shift).ok_or_else(|| "the number of bytes is too large".to_owned())
}

/// What the options ask for, for a command that reads and writes elsewhere.
pub fn configured(arguments: &Arguments, context: &RunContext) -> Result<Rewrite> {
    if arguments.form != restamp::FORM {
        bail!("--form {}: this version writes form {} only", arguments.form, restamp::FORM);
    }
    if arguments.base.location()?.is_some_and(|base| base.place == Where::Stdio) {
        bail!("--base -: standard input can't be the base here");
    }
    let mut rewrite = rewrite(arguments)?.base(arguments.base.resolve(context)?);
    if let Some(name) = arguments.base.location()?.as_ref().and_then(Location::as_registry) {
        rewrite = rewrite.base_repository(name.clone());
    }
    Ok(rewrite)
}

/// What the arguments ask for, but for the base.
fn rewrite(arguments: &Arguments) -> Result<Rewrite> {
    let mut rewrite = Rewrite::new(arguments.epoch.clock()?)
        .created(arguments.epoch.created()?)
        .time_keys(arguments.epoch.keys()?)
        .numeric_owner(arguments.numeric_owner)
        .keep_commands(arguments.keep_commands)
        .attestations(match arguments.attestations {
            AttestationRule::Update => Attestations::Update,
            AttestationRule::Drop => Attestations::Drop,
        })
        .signatures(match arguments.signatures {
            SignatureRule::Refuse => Signatures::Refuse,
            SignatureRule::Drop => Signatures::Drop,
        })
        .repair(repair::repair(&arguments.repair)?)
        .sorted(arguments.order == OrderRule::Name)
        // In a registry, replacing a tag is no reason to take it from somebody else.
        .force(arguments.force || (arguments.in_place && !arguments.source.starts_with("docker://")));
    let compression = match arguments.compression {
        CompressionRule::Keep => None,
        CompressionRule::None => Some(Compression::None),
        CompressionRule::Gzip => Some(Compression::Gzip),
        CompressionRule::Zstd => Some(Compression::Zstd),
    };
    if let Some(compression) = compression {
        rewrite = rewrite.compression(compression);
    }
    if let Some(level) = arguments.compression_level {
        rewrite = rewrite.compression_level(level);
    }
    for word in arguments.omit.iter().flat_map(|list| repair::words(list)) {
        rewrite = match Omit::ALL.into_iter().find(|list| list.name() == word) {
            Some(list) => rewrite.omit(list),
            None => rewrite.omit_paths(word.parse().with_context(|| format!("--omit {word}"))?),
        };
    }
    for glob in &arguments.keep_order {
        rewrite = rewrite.keep_order(glob.clone());
    }
    for glob in &arguments.mtime_by_content {
        rewrite = rewrite.mtime_by_content(glob.clone());
    }
    for name in &arguments.name {
        rewrite = rewrite.name(name.clone());
    }
    if let Some(platform) = &arguments.platform {
        rewrite = rewrite.platform(platform.clone());
    }
    Ok(rewrite)
}
