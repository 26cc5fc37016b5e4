//! `--restamp`: both sides rewritten as `restamp rewrite` would, in a folder among the temporary files.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::parser::ValueSource;
use restamp::error::shell_word;
use restamp::internals::NewFile as Output;
use restamp::rewrite::Rewrite;
use restamp::{Location, Progress, RunContext};

use super::super::epoch;
use super::super::rewrite::{self, words};

/// Who says where is read and written.
const WHERE: words::Where = words::Where {
    option: "--restamp",
    because: "diff rewrites into a temporary folder",
    images: "the images are A and B",
};

/// What both sides get where no epoch is given: 1980-01-01, the first time that a zip can hold.
const EPOCH: &str = "315532800";

/// The options that both sides are rewritten with.
pub(super) struct Restamp {
    arguments: rewrite::Arguments,
    /// As words of a shell, the epoch among them.
    pub(super) text: String,
}

/// Both sides, rewritten. They are removed when this is dropped.
pub(super) struct Restamped {
    pub(super) sides: [Location; 2],
    _folder: Output,
}

impl Restamp {
    /// Reads the options, as a shell splits them.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let split = shlex::split(text);
        let mut words = split.ok_or_else(|| anyhow!("--restamp: a quotation mark is not closed"))?;
        let matches = words::matches(&words, WHERE)?;
        let has_epoch = matches.value_source("epoch") == Some(ValueSource::CommandLine);
        let matches = match epoch::variable() {
            _ if has_epoch => matches,
            epoch => {
                // Whatever the environment is then, these options are the ones that the report is about.
                let epoch = epoch.map_or(Ok(EPOCH.to_owned()), |epoch| {
                    epoch.into_string().map_err(|epoch| anyhow!("{} is not text", epoch.to_string_lossy()))
                })?;
                words.splice(0..0, ["--epoch".to_owned(), epoch]);
                words::matches(&words, WHERE)?
            }
        };
        let arguments = words::arguments(&matches, WHERE)?;
        Ok(Self { arguments, text: words.iter().map(shell_word).collect::<Vec<_>>().join(" ") })
    }

    /// Rewrites both sides. An error names the side.
    pub(super) fn run(&self, sides: [&Location; 2], context: &RunContext) -> Result<Restamped> {
        let rewrite = rewrite::configured(&self.arguments, context).context("--restamp")?;
        let folder = context.spools.private_folder()?;
        let side = |name: &str, location: &Location| -> Result<Location> {
            let path = folder.path().join(name);
            one(&rewrite, location, path, context)
                .with_context(|| format!("{name} can't be rewritten with --restamp {}", shell_word(&self.text)))
        };
        let sides = [side("A", sides[0])?, side("B", sides[1])?];
        Ok(Restamped { sides, _folder: folder })
    }
}

/// Rewrites one side; the new image is of the same kind, in that path.
fn one(rewrite: &Rewrite, source: &Location, path: PathBuf, context: &RunContext) -> Result<Location> {
    let destination = Location::path(path);
    rewrite.clone().with_context(&later(context)).run(source, &destination)?;
    Ok(destination)
}

/// The progress of a run that comes after others in the same context.
#[derive(Debug)]
struct Later {
    shown: Arc<dyn Progress>,
    /// What the others have read.
    before: u64,
}

impl Progress for Later {
    fn set_total(&self, bytes: u64) {
        self.shown.set_total(self.before.saturating_add(bytes));
    }
}

/// The same context, for a run that comes after others in it.
pub(super) fn later(context: &RunContext) -> RunContext {
    let (shown, before) = (Arc::clone(&context.progress), context.bytes_read());
    context.clone().with_progress(Arc::new(Later { shown, before }))
}
