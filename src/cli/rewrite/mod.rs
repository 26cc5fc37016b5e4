//! `restamp rewrite`

mod destination;
mod summary;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use restamp::Cache;
use restamp::Compression;
use restamp::Platform;
use restamp::rewrite::Rewrite;
use restamp::rewrite::{Attestations, Signatures};
use restamp::{Location, Where};

use super::context::{self, BaseArguments, RunOptions};
use super::epoch::EpochArguments;
use super::output::{Inputs, OutputFile, Use};

/// Rewrite the timestamps of an image
///
/// SOURCE is `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]`, a plain path, or `-` for standard
/// input; DEST is the same without a REF, as images keep their names. REF is a name, or @N for the image in that place of
/// the list, from 0. What a plain source is carried in is detected from its content (an OCI layout directory
/// or tar, or a `docker save` tarball of any generation; an archive may be compressed as a whole with gzip or zstd);
/// a plain destination takes the source's kind.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  docker save app | restamp rewrite | docker load
  restamp rewrite --epoch \"$(git log -1 --pretty=%ct)\" build.oci.tar app.oci.tar
  restamp rewrite --clamp --base oci:base oci:app oci:app-stamped

How large documents, statements and lists of descriptors may be: docs/limits.md.")]
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

    /// Only images of this platform (one); the rest is left out
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What is rewritten")]
    platform: Option<Platform>,

    /// Remove the names of owners and groups from layers, and leave their numbers: names differ by builder
    #[arg(long, help_heading = "What is rewritten")]
    numeric_owner: bool,

    /// Leave commands in the history as they are, also where they repeat the old value of a label or annotation
    #[arg(long, help_heading = "What is rewritten")]
    keep_commands: bool,

    /// What becomes of attestations (SBOM, provenance)
    #[arg(long, value_enum, default_value = "update", value_name = "WHAT", help_heading = "What is rewritten")]
    attestations: AttestationRule,

    /// What becomes of signatures, which can't survive a change of digests
    #[arg(long, value_enum, default_value = "refuse", value_name = "WHAT", help_heading = "What is rewritten")]
    signatures: SignatureRule,

    /// How rewritten layers are compressed
    #[arg(long, value_enum, default_value = "keep", value_name = "HOW", help_heading = "Output")]
    compression: CompressionRule,

    /// The level of that compression: gzip 1 to 12, zstd 1 to 19, from 12 on with more memory [default: that of the form,
    /// gzip 5 and zstd 3]
    #[arg(long, value_name = "N", help_heading = "Output")]
    compression_level: Option<u32>,

    /// The canonical form that layers are encoded in
    #[arg(long, value_name = "N", default_value_t = restamp::FORM, help_heading = "Output")]
    form: u32,

    /// Replace the source by the result, atomically
    #[arg(long, help_heading = "Output")]
    in_place: bool,

    /// Replace an OCI image layout directory that exists
    #[arg(long, help_heading = "Output")]
    force: bool,

    /// Do all the work, look at DEST, and write nothing
    #[arg(long, help_heading = "Output")]
    dry_run: bool,

    /// Write what was done to FILE, as JSON; - is standard error
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,

    /// List every layer in the summary
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,

    /// Keep compressed chunks in DIR for the next run: of large files for any epoch, and all for the same one; the output
    /// is the same with and without. No one but root and you may be able to write DIR
    #[arg(long, value_name = "DIR", help_heading = "Running")]
    cache: Option<PathBuf>,

    /// How large the cache may become, e.g. 500M or 20G; what was used least recently goes
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = parse_size, requires = "cache", help_heading = "Running")]
    cache_max: u64,

    #[command(flatten)]
    running: RunOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AttestationRule {
    /// They follow the image they are about
    Update,
    /// They are left out, so that the digest of the index is reproducible
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SignatureRule {
    /// A signed image is an error
    Refuse,
    /// They are left out
    Drop,
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
    if destination.place == Where::Stdio && !arguments.dry_run && io::stdout().is_terminal() {
        bail!("standard output is a terminal: give DEST, or pipe the image on (restamp rewrite | docker load)");
    }
    let inputs = inputs(arguments, &location, &destination)?;
    let open_cache = |dir| Cache::open(dir, arguments.cache_max).context("--cache");
    let cache = arguments.cache.as_deref().map(open_cache).transpose()?;
    let (context, progress) = arguments.running.start(destination::folder_beside(arguments, &destination), cache)?;
    // Asked now: later it would be named as if a layer were the reason.
    if context.spools.folder().is_dir() {
        drop(context.spools.file().context("--tmp-dir DIR makes temporary files elsewhere")?);
    }
    let rewrite = rewrite.base(arguments.base.resolve(&context)?).with_context(&context);
    let open_report = |path| OutputFile::open("--report", path, &inputs, &context.spools);
    let report_file = arguments.report.as_deref().map(open_report).transpose()?;
    // A dry run may go without a destination. One that there is is looked at all the same.
    let is_nowhere = arguments.dry_run && arguments.destination.is_none() && !arguments.in_place;
    let mut prepared = rewrite.prepare(&location, Some(&destination).filter(|_| !is_nowhere))?;
    if arguments.in_place && prepared.is_empty() {
        bail!("{location}: its index names nothing that is there, so replacing it would only remove what it holds");
    }
    let report = prepared.report_mut();
    report.destination.name = destination.to_string();
    report.dry_run = arguments.dry_run;
    // NewLayer before the image is there and named after: either both are, or neither.
    let report_file = report_file
        .map(|file| file.write(&|out| out.write_all(&restamp::internals::json_writer::to_vec(prepared.report())?)))
        .transpose()?;
    let report = if arguments.dry_run { prepared.verify()? } else { prepared.write()? };
    drop(progress);
    report_file.map_or(Ok(()), OutputFile::publish)?;
    if !arguments.running.quiet {
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
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        suffix => return Err(format!("{suffix:?} is none of K, M, G, T")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{digits:?} is not a number"))?;
    number.checked_mul(1 << shift).ok_or_else(|| "more bytes than there can be".to_owned())
}

/// What the arguments ask for, but for the base.
fn rewrite(arguments: &Arguments) -> Result<Rewrite> {
    let mut rewrite = Rewrite::new(arguments.epoch.stamp()?)
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
        .force(arguments.force || arguments.in_place);
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
    if let Some(platform) = &arguments.platform {
        rewrite = rewrite.platform(platform.clone());
    }
    Ok(rewrite)
}
