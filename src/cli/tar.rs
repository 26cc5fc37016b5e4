//! `restamp tar`

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use restamp::error::{escaped, shell_word};
use restamp::internals::{compression_by_name, temp_parent};
use restamp::tarball::report::Report;
use restamp::{Compression, Location, Notice, Stream, Tarball, Where};

use super::context::RunOptions;
use super::epoch::StampArguments;
use super::output::{Inputs, OutputFile, Use, is_special, is_stdout, print_json};

/// Rewrite the timestamps of a bare tar
///
/// IN is what `docker export` or a build with `--output type=tar` writes, a root filesystem, or any other tar, plain or
/// compressed with gzip or zstd; its entries are stamped as those of layers are. OUT is compressed as --compression
/// says, else as its name says (.tar, .gz, .tgz, .zst, .zstd, .tzst), else as IN is, in the canonical form of layers.
/// With --clamp and nothing to change, OUT has the bytes of IN. A container image is refused: use `restamp rewrite`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  docker export app | restamp tar | docker import - app:stamped
  restamp tar --epoch \"$(git log -1 --pretty=%ct)\" rootfs.tar rootfs-stamped.tar.gz
  restamp tar --clamp --numeric-owner --in-place rootfs.tar.zst
  restamp tar --json rootfs.tar stamped.tar | jq -r .destination.digest

Exit status: 0 done, 2 an error (OUT is as it was then; a pipe is cut off).")]
pub struct Arguments {
    /// The tar to read; - is standard input
    #[arg(default_value = "-", value_name = "IN")]
    input: String,

    /// Stream the new tar goes; - is standard output [default: -]
    #[arg(value_name = "OUT", conflicts_with = "in_place")]
    output: Option<String>,

    #[command(flatten)]
    epoch: StampArguments,

    /// Remove the names of owners and groups and keep their numbers: names differ from builder to builder
    #[arg(long, help_heading = "What is rewritten")]
    numeric_owner: bool,

    /// How OUT is compressed [default: as its name says, else as IN is]
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Output")]
    compression: Option<TarCompression>,

    /// Compression level: gzip 1 to 12, zstd 1 to 19, of which 12 and up need more memory [default: gzip 5, zstd 3]
    #[arg(long, value_name = "N", help_heading = "Output")]
    compression_level: Option<u32>,

    /// Replace IN with the result, atomically
    #[arg(long, help_heading = "Output")]
    in_place: bool,

    /// Print what was done as JSON (schema 2) to standard output, instead of the summary. OUT has to be a file
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Write what was done to FILE, as JSON; - is standard output, or standard error if the tar goes to standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,

    #[command(flatten)]
    running: RunOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TarCompression {
    /// As IN is, whatever the name of OUT
    Keep,
    /// Plain tar
    None,
    Gzip,
    Zstd,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let stamp = arguments.epoch.stamp()?;
    let input = place("IN", &arguments.input)?;
    if input == Stream::Stdio && io::stdin().is_terminal() {
        bail!("standard input is a terminal: name a tar, or pipe one in (docker export CONTAINER | restamp tar)");
    }
    let output = output(arguments, &input)?;
    if output == Stream::Stdio && io::stdout().is_terminal() {
        bail!("standard output is a terminal: give OUT, or pipe the tar on (restamp tar | docker import -)");
    }
    let is_on_stdout = match &output {
        Stream::Stdio => true,
        Stream::Path(path) => is_stdout(path),
    };
    if arguments.json && is_on_stdout {
        bail!("--json: the new tar goes to standard output: give OUT, or use --report FILE");
    }
    let is_printed = |path: &Path| path == Path::new("-") && !is_on_stdout;
    let prints_report = arguments.json || arguments.report.as_deref().is_some_and(is_printed);
    let mut tarball = Tarball::new(stamp).numeric_owner(arguments.numeric_owner);
    if let Some(compression) = compression(arguments, &output)? {
        tarball = tarball.compression(compression);
    }
    if let Some(level) = arguments.compression_level {
        tarball = tarball.compression_level(level);
    }
    let inputs = inputs(arguments, &input, &output)?;
    if prints_report {
        inputs.keep_clear_of_stdout()?;
    }
    let (context, progress) = arguments.running.start(folder_beside(&output), None)?;
    let open_report = |path| OutputFile::open("--report", path, &inputs, &context.spools);
    let report_file = arguments.report.as_deref().filter(|path| !is_printed(path)).map(open_report).transpose()?;
    let new = tarball.with_context(&context).prepare(&input, &output)?;
    // Written before the tar is there and named after: either both are, or neither.
    let write = |out: &mut dyn Write| out.write_all(&restamp::internals::json_writer::to_vec(new.report())?);
    let report_file = report_file.map(|file| file.write(&write)).transpose()?;
    let report = new.publish()?;
    drop(progress);
    report_file.map_or(Ok(()), OutputFile::publish)?;
    if prints_report {
        print_json(&report)?;
    }
    if !arguments.running.quiet && !arguments.json {
        summary(&report);
    }
    Ok(super::DONE)
}

/// Parses IN or OUT. A transport is one of images.
fn place(argument: &str, text: &str) -> Result<Stream> {
    let location: Location = text.parse().with_context(|| argument.to_owned())?;
    if let Some(kind) = location.kind {
        let kind = kind.name();
        bail!(
            "{argument}: {kind}: is for container images, which restamp rewrite reads and writes; for a file of that \
             name write ./{text}"
        );
    }
    match location.place {
        Where::Stdio => Ok(Stream::Stdio),
        Where::Path(path) => Ok(Stream::Path(path)),
        Where::Registry(_) => bail!("{argument}: {text} is an image in a registry, and this is for a bare tar"),
    }
}

fn output(arguments: &Arguments, input: &Stream) -> Result<Stream> {
    if !arguments.in_place {
        let output = place("OUT", arguments.output.as_deref().unwrap_or("-"))?;
        if let Stream::Path(path) = &output
            && path.is_dir()
        {
            bail!("OUT {}: it is a directory: name a file in it", path.display());
        }
        return Ok(output);
    }
    match input {
        Stream::Path(path) if !is_special(path) => Ok(input.clone()),
        _ => bail!("--in-place needs an IN that is a file"),
    }
}

/// How OUT is compressed; `None`: as IN is.
fn compression(arguments: &Arguments, output: &Stream) -> Result<Option<Compression>> {
    match arguments.compression {
        Some(TarCompression::Keep) => return Ok(None),
        Some(TarCompression::None) => return Ok(Some(Compression::None)),
        Some(TarCompression::Gzip) => return Ok(Some(Compression::Gzip)),
        Some(TarCompression::Zstd) => return Ok(Some(Compression::Zstd)),
        None if arguments.in_place => return Ok(None),
        None => {}
    }
    let Stream::Path(path) = output else { return Ok(None) };
    let command = format!("restamp tar --compression none {} -", shell_word(&arguments.input));
    compression_by_name(path, &command).context("OUT")
}

/// What is read; an error if an output would touch it. OUT is among it for the report.
fn inputs(arguments: &Arguments, input: &Stream, output: &Stream) -> Result<Inputs> {
    let location = |place: &Stream| Location { kind: None, place: place.clone().into(), reference: None };
    let mut inputs = Inputs::default();
    inputs.tar("IN", &location(input));
    match output {
        Stream::Path(_) if arguments.in_place => {}
        Stream::Path(path) => {
            inputs.keep_clear("OUT", path, Use::Replaced)?;
            inputs.tar("OUT", &location(output));
        }
        Stream::Stdio => {
            inputs.keep_clear_of_stdout()?;
            inputs.take_stdout();
        }
    }
    Ok(inputs)
}

/// The folder that a file will be written in.
fn folder_beside(output: &Stream) -> Option<PathBuf> {
    let Stream::Path(path) = output else { return None };
    let beside = |path: &Path| temp_parent(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())).to_owned();
    Some(path).filter(|path| !is_special(path)).map(|path| beside(path)).filter(|folder| folder.is_dir())
}

fn summary(report: &Report) {
    let mut out = io::stderr().lock();
    for Notice { message, .. } in &report.warnings {
        // Names must not steer the terminal.
        let _ = writeln!(out, "{}", escaped(&format!("warning: {message}")));
    }
    let entries = if report.entries == 1 { "entry" } else { "entries" };
    let owners = match report.owners {
        0 => String::new(),
        count => format!(", owner names removed from {count}"),
    };
    let digest = if report.tar.old == report.tar.new {
        format!("{} unchanged", report.tar.old)
    } else {
        format!("{} -> {}", report.tar.old, report.tar.new)
    };
    let _ = writeln!(out, "{} {entries}, {} stamped{owners}; tar {digest}", report.entries, report.stamped);
}
