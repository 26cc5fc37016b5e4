//! How a command runs, and what it reads: the options that the verbs share.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use restamp::Base;
use restamp::RunContext;
use restamp::Spools;
use restamp::{Cache, Pool};
use restamp::{Location, Where};

use super::output::Inputs;
use super::progress::{Progress, Style};

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
    /// Is there a directory for temporary files by request?
    pub fn has_tmp_dir(&self) -> bool {
        self.tmp_dir.is_some()
    }

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
