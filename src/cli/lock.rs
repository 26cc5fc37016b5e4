//! `restamp lock`

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::error::printable;
use restamp::internals::{folder_of, shown_names};
use restamp::lock::report::Report;
use restamp::{Location, Lock, Platform, RunContext};

use super::context::{self, RunOptions};
use super::origin;
use super::output::{self, Inputs, Use};
#[cfg(feature = "registry")]
use super::registry::RegistryArguments;

/// Find out from an image what rebuilds it: base, sources, packages, date of their archive
///
/// Of each fact it says where it was read, and whether it is stated by the image, derived from it, or a guess. With --out,
/// it writes lock.json, a source policy for BuildKit, a list of packages for each manager, and a Dockerfile that takes all
/// of them. It reads the image and fetches nothing else. A reconstruction, not a proof.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp lock oci-archive:app.tar
  restamp lock oci:build:v1 --out lock --platform linux/amd64
  restamp lock oci:build:v1 --out lock --base oci:base

Exit status: 0 done, 1 something that matters could not be read and is left out, 2 an error: nothing was written.

What each line means, and what can't be known: docs/lock.md.")]
#[command(mut_args(|arg| if arg.get_id() == "tmp_dir" { arg.help(context::SPOOLED) } else { arg }))]
pub struct Arguments {
    /// The image: `oci:DIR[:REF]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]`, a path, or `-`
    #[arg(default_value = "-", value_name = "IMAGE")]
    image: String,

    /// Write the files into DIR, a new or empty directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Leave the packages of this image out of the lists
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,

    /// Of several images the one of this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// Print JSON (schema 1) instead of text
    #[arg(long)]
    json: bool,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let location = context::source(&arguments.image, "lock")?;
    context::keep_clear_of_stdout(&location)?;
    let base: Option<Location> = arguments.base.as_deref().map(str::parse).transpose().context("--base")?;
    let mut inputs = Inputs::default();
    inputs.image("IMAGE", &location);
    if let Some(base) = &base {
        inputs.image("--base", base);
    }
    let target = arguments.out.as_deref().map(|path| target(path, &inputs)).transpose()?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let mut lock = Lock::new();
    if let Some(platform) = &arguments.platform {
        lock = lock.platform(platform.clone());
    }
    if let Some(base) = base {
        lock = lock.base(base);
    }
    let report = lock.with_context(&context).run(&location)?;
    drop(progress);
    if let Some(target) = &target {
        write(&report, target, &context).context("--out")?;
    }
    if arguments.json {
        output::print_json(&report)?;
    } else if !arguments.running.quiet {
        output::print(|out| print(out, &report, arguments.out.as_deref()))?;
    }
    Ok(if report.is_complete() { super::DONE } else { super::FOUND })
}

/// Where the files go: an empty directory, or none yet. A link stays a link.
fn target(path: &Path, inputs: &Inputs) -> Result<PathBuf> {
    inputs.keep_clear("--out", path, Use::Replaced)?;
    let failed = || format!("--out {}: cannot make it", path.display());
    match fs::read_dir(path) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!("--out {}: it is not empty", path.display());
            }
            fs::canonicalize(path).with_context(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error).with_context(failed),
    }
}

/// All files, or none: they are written beside the directory, which is put in its place at the end.
fn write(report: &Report, target: &Path, context: &RunContext) -> Result<()> {
    let failed = || format!("cannot write {}", target.display());
    fs::create_dir_all(folder_of(target)).with_context(failed)?;
    let output = context.spools.output_folder(target)?;
    for file in &report.files {
        let mut written = fs::File::create_new(output.path().join(&file.name)).with_context(failed)?;
        written.write_all(&file.bytes).and_then(|()| written.sync_all()).with_context(failed)?;
    }
    output.rename_to(target)?;
    Ok(())
}

/// The text for people.
fn print(out: &mut dyn Write, report: &Report, written: Option<&Path>) -> io::Result<()> {
    let safe = |text: &str| printable(text.as_bytes());
    let image = &report.image;
    writeln!(out, "{} ({})", safe(&report.source.name), report.source.kind.name())?;
    let names: Vec<String> = shown_names(&image.names).into_iter().map(safe).collect();
    let names = if names.is_empty() { "untagged".to_owned() } else { names.join(", ") };
    writeln!(out, "\n{names}  {}", safe(&image.platform.to_string()))?;
    writeln!(out, "  image      {}", image.manifest.unwrap_or(image.config))?;
    let origin = &report.lock.origin;
    origin::print(out, origin)?;
    for list in &report.lock.packages {
        let base = list.of_base.map_or(String::new(), |count| format!(", {count} more are the base's"));
        writeln!(out, "  locked     {} of {}{base}", list.list.len(), list.manager.name())?;
    }
    writeln!(out, "  pinned     {} in the source policy", report.lock.source_policy.rules.len())?;
    for missing in &origin.not_looked_at {
        writeln!(out, "  note       {} not looked at: not in the image, or no tar", safe(missing))?;
    }
    match written {
        Some(path) => writeln!(out, "\nwritten to {}: {}", safe(&path.display().to_string()), names_of(report)),
        None => Ok(()),
    }
}

fn names_of(report: &Report) -> String {
    report.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")
}
