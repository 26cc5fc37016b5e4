//! How a command runs, and what it reads: the options that the verbs share.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use restamp::Base;
use restamp::ErrorKind;
use restamp::RunContext;
use restamp::Spools;
use restamp::{Cache, Pool};
use restamp::{Location, Where};

use super::output::Inputs;
use super::progress::{Progress, Style};

/// The help of `--tmp-dir` where nothing is written.
pub const SPOOLED: &str = "Where a piped or compressed image is spooled [default: TMPDIR or /tmp]";

/// `--jobs`, `--tmp-dir`, `--progress`, `--quiet`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running")]
pub struct RunOptions {
    /// Layers and chunks worked on at a time [default: the number of CPUs]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,

    /// Where temporary files are made [default: beside what is written, else TMPDIR or /tmp]
    #[arg(long, value_name = "DIR")]
    tmp_dir: Option<PathBuf>,

    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", value_name = "STYLE")]
    progress: Style,

    /// Print nothing but errors, and what is asked for as JSON or HTML
    #[arg(short, long)]
    pub quiet: bool,
}

impl RunOptions {
    /// Sets up a run. Temporary files are made in `folder` unless an option or `None` says otherwise; from here on a
    /// signal removes them. Progress is shown until it is dropped.
    pub fn start(&self, folder: Option<PathBuf>, cache: Option<Cache>) -> Result<(RunContext, Progress)> {
        if let Some(folder) = self.tmp_dir.as_deref().filter(|folder| !folder.is_dir()) {
            bail!("--tmp-dir {}: there is no such directory", folder.display());
        }
        let spools = Spools::new(self.tmp_dir.clone().or(folder).unwrap_or_else(std::env::temp_dir));
        super::process::clean_up_on_signal(&spools)?;
        let cpus = || thread::available_parallelism().map_or(1, usize::from);
        let mut pool = Pool::new(self.jobs.map_or_else(cpus, usize::from))?;
        if let Some(cache) = cache {
            pool = pool.with_cache(Arc::new(cache));
        }
        let progress = Progress::start(if self.quiet { Style::None } else { self.progress }, &pool);
        let context = RunContext::of(pool, spools).with_progress(progress.total());
        Ok((context, progress))
    }
}

impl RunOptions {
    /// An error if no temporary file can be made, before the work: later it would be said as if a layer were the reason.
    /// `beside` is the output that they are beside, if they are.
    pub fn try_temporary_files(&self, context: &RunContext, beside: Option<&Path>) -> Result<()> {
        let folder = context.spools.folder();
        if !folder.is_dir() {
            return Ok(());
        }
        let Err(error) = context.spools.file() else { return Ok(()) };
        let ErrorKind::Io { source, .. } = error.kind() else { return Err(error.into()) };
        let is_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match (&self.tmp_dir, beside) {
            (Some(folder), _) => bail!("--tmp-dir {}: no temporary file can be made there: {source}", folder.display()),
            (None, Some(path)) => {
                let advice = if is_full { "; --tmp-dir DIR makes temporary files elsewhere" } else { "" };
                bail!("{}: cannot write there: {source}{advice}", path.display())
            }
            (None, None) => bail!(
                "no temporary file can be made in {}: {source}; --tmp-dir DIR makes them elsewhere",
                folder.display()
            ),
        }
    }
}

/// `--base` and `--base-layers`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Base image")]
pub struct BaseArguments {
    /// Leave the layers and history entries of this base image as they are
    #[arg(long, value_name = "IMAGE", conflicts_with = "base_layers")]
    base: Option<String>,

    /// Leave the first N layers, and the history up to them, as they are
    #[arg(long, value_name = "N")]
    base_layers: Option<usize>,
}

impl BaseArguments {
    /// The base image, if there is one.
    pub fn location(&self) -> Result<Option<Location>> {
        self.base.as_deref().map(str::parse).transpose().context("--base")
    }

    /// Reads the base image's documents.
    pub fn resolve(&self, context: &RunContext) -> Result<Base> {
        Ok(match (&self.base, self.base_layers) {
            (Some(base), _) => {
                let read = || anyhow::Ok(Base::read(&base.parse()?, context)?);
                read().context("--base")?
            }
            (None, Some(layers)) => Base::Layers(layers),
            (None, None) => Base::default(),
        })
    }
}

/// Parses SOURCE; a terminal holds no image.
pub fn source(text: &str, verb: &str) -> Result<Location> {
    let location: Location = text.parse()?;
    if location.place == Where::Stdio && io::stdin().is_terminal() {
        bail!("standard input is a terminal: name an image, or pipe one in (docker save IMAGE | restamp {verb})");
    }
    Ok(location)
}

/// An error if what is printed would be appended to the image that is read.
pub fn keep_clear_of_stdout(source: &Location) -> Result<()> {
    let mut inputs = Inputs::default();
    inputs.image("SOURCE", source);
    inputs.keep_clear_of_stdout()
}
