//! `restamp diff`

mod restamped;
mod written;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::diff::filter::Filter;
use restamp::diff::report::{PageStyle, Style as TextStyle, html, json, text};
use restamp::diff::{Diff, Verdict};
use restamp::error::shell_word;
use restamp::{Location, Platform, Where};

use super::context::{self, RunOptions};
use super::epoch::TimeKeyArguments;
use super::output::{self, Inputs, OutputFile, Use};
#[cfg(feature = "registry")]
use super::registry::RegistryArguments;
use restamped::Restamp;
use written::{Folder, Page};

/// Show what differs between two images, and why
///
/// A and B are named as for `rewrite`; they may be of different kinds, compressions and media types. Every difference
/// has a class: content, embedded-time, package-db, log-or-cache, name, whiteout, format, compression, order, time. The
/// verdict is `identical`, `identical but for what is accepted` (by --ignore, --ignore-path or --policy), `same after
/// restamping` (rewriting both makes them equal), `explainable` (differences, none of the class content), or
/// `different`. A layer that both have under the same digest is not read; `check` verifies it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp diff build1.tar build2.tar
  restamp diff --semantic --policy accepted.toml --html report.html oci:a oci:b
  restamp diff --rootfs docker-archive:app.tar:app:1 oci:app
  restamp diff --restamp '--epoch 1700000000 --clamp' build1.tar build2.tar

A policy is TOML, with one table for each accepted difference:
  [[accept]]
  path = \"opt/app/build-info\"   # a glob; or class = \"...\", or field = \"...\"
  reason = \"holds the build number\"

Exit status: 0 identical, or identical but for what is accepted,
             with --semantic also same after restamping, or explainable;
             1 any other verdict; 2 an error.

Limits of documents, statements and lists of descriptors: docs/limits.md.")]
#[command(mut_args(|arg| if arg.get_id() == "tmp_dir" { arg.help(context::SPOOLED) } else { arg }))]
pub struct Arguments {
    /// The first image
    #[arg(value_name = "A")]
    a: String,

    /// The second image
    #[arg(value_name = "B")]
    b: String,

    /// Compare the root filesystems that the layers make, and nothing else
    #[arg(long, help_heading = "What is compared")]
    rootfs: bool,

    /// Only images of this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What is compared")]
    platform: Option<Platform>,

    /// Say what would be left if both images were rewritten with these options of `restamp rewrite`
    ///
    /// OPTIONS is one argument, which is split as a shell does: --restamp '--epoch 1700000000 --numeric-owner'. Both
    /// images are rewritten into a temporary folder. The default of --epoch is SOURCE_DATE_EPOCH, or else 315532800
    /// (1980-01-01).
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true, help_heading = "What is compared")]
    restamp: Option<String>,

    /// Exit with 0 unless something differs that is of the class content
    #[arg(long, help_heading = "What counts")]
    semantic: bool,

    #[command(flatten)]
    keys: TimeKeyArguments,

    /// Leave out differences of these classes
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',', help_heading = "What counts")]
    ignore: Vec<String>,

    /// Leave out differences at paths that match GLOB; can be given more than once
    #[arg(long, value_name = "GLOB", help_heading = "What counts")]
    ignore_path: Vec<String>,

    /// Leave out what this file accepts
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    policy: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Write the report as an HTML page; - prints it instead of the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,

    /// Write the files that differ, and those that only one side has, into this directory, for other tools
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    report_dir: Option<PathBuf>,

    /// List every difference, and previews in full
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let locations = [context::source(&arguments.a, "diff - B")?, context::source(&arguments.b, "diff A -")?];
    if arguments.json && arguments.html.as_deref() == Some(Path::new("-")) {
        bail!("--json and --html - both go to standard output");
    }
    if locations.iter().all(|location| location.place == Where::Stdio) {
        bail!("only one of A and B can be standard input");
    }
    let filter = filter(arguments)?;
    let restamp = arguments.restamp.as_deref().map(Restamp::parse).transpose()?;
    let inputs = inputs(arguments, &locations);
    inputs.keep_clear_of_stdout()?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let page_is_printed = arguments.html.as_deref() == Some(Path::new("-"));
    if let Some(path) = arguments.html.as_deref().filter(|_| !page_is_printed) {
        inputs.keep_clear("--html", path, Use::Replaced)?;
    }
    let folder =
        arguments.report_dir.as_deref().map(|path| Folder::make(path, &inputs, &context.spools)).transpose()?;
    let page = arguments.html.as_deref().filter(|_| !page_is_printed);
    let page = page.map(|path| Page::open(path, folder.as_ref(), &inputs, &context.spools)).transpose()?;
    let mut diff = Diff::new().rootfs(arguments.rootfs).filter(filter).time_keys(arguments.keys.keys()?);
    if let Some(platform) = &arguments.platform {
        diff = diff.platform(platform.clone());
    }
    if let Some(folder) = &folder {
        diff = diff.file_sink(folder);
    }
    let [a, b] = &locations;
    let restamped = restamp.as_ref().map(|restamp| restamp.run([a, b], &context)).transpose()?;
    let [x, y] = restamped.as_ref().map_or([a, b], |restamped| restamped.sides.each_ref());
    let mut report = diff.with_context(&restamped::later(&context)).run(x, y)?;
    drop(restamped);
    drop(progress);
    if let Some(restamp) = restamp {
        report.names = locations.each_ref().map(named);
        // What is left was not mended by these options, whatever others would do.
        (report.restamped_with, report.remedy) = (Some(restamp.text), None);
    }
    let names = |number: u32| [0, 1].map(|side| Folder::name(number, side));
    let as_json = |out: &mut dyn Write| json(out, &report, &names);
    let command = command_line();
    let page_style = PageStyle::default().command(&command);
    // Both are written before one of them gets its name.
    let page = page.map(|page| page.write(&|out| html(out, &report, page_style))).transpose()?.flatten();
    folder.map_or(Ok(()), |folder| folder.publish(&as_json))?;
    page.map_or(Ok(()), OutputFile::publish)?;
    if arguments.json {
        output::print(as_json)?;
    } else if page_is_printed {
        output::print(|out| html(out, &report, page_style))?;
    } else if !arguments.running.quiet {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = io::stdout().is_terminal() && !plain;
        let shown = text(&report, TextStyle { color, verbose: arguments.verbose });
        output::print(|out| out.write_all(shown.as_bytes()))?;
    }
    let worst = if arguments.semantic { Verdict::Explainable } else { Verdict::Accepted };
    Ok(if report.verdict() <= worst { super::DONE } else { super::FOUND })
}

/// What a report calls an image that was rewritten first: as one that was not.
fn named(location: &Location) -> String {
    location.as_path().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
}

/// The command line as it can be typed again, for readers of the page.
fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| shell_word(word.to_string_lossy()));
    std::iter::once("restamp".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn filter(arguments: &Arguments) -> Result<Filter> {
    let mut filter = Filter::default();
    for class in &arguments.ignore {
        filter.ignore_class(class).context("--ignore")?;
    }
    for path in &arguments.ignore_path {
        filter.ignore_path(path).context("--ignore-path")?;
    }
    if let Some(path) = &arguments.policy {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        filter.read_policy(&text).with_context(|| path.display().to_string())?;
    }
    Ok(filter)
}

/// What is read.
fn inputs(arguments: &Arguments, images: &[Location; 2]) -> Inputs {
    let mut inputs = Inputs::default();
    for (argument, location) in ["A", "B"].into_iter().zip(images) {
        inputs.image(argument, location);
    }
    if let Some(policy) = &arguments.policy {
        inputs.file("--policy", policy);
    }
    inputs
}
