//! `--restamp`: both sides rewritten as `restamp rewrite` would, in a folder among the temporary files.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use restamp::error::shell_word;
use restamp::internals::NewFile as Output;
use restamp::rewrite::Rewrite;
use restamp::{Location, Progress, RunContext};

use super::super::epoch;
use super::super::rewrite;

/// Arguments of `rewrite` that say where it reads and writes, how it runs and what it prints: `diff` decides these.
const DECIDED: [&str; 15] = [
    "source",
    "destination",
    "in_place",
    "force",
    "dry_run",
    "json",
    "report",
    "digest_file",
    "verbose",
    "cache",
    "cache_max",
    "jobs",
    "tmp_dir",
    "progress",
    "quiet",
];

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
        let matches = matches(&words)?;
        let has_epoch = matches.value_source("epoch") == Some(ValueSource::CommandLine);
        let matches = match epoch::variable() {
            _ if has_epoch => matches,
            epoch => {
                // Whatever the environment is then, these options are the ones that the report is about.
                let epoch = epoch.map_or(Ok(EPOCH.to_owned()), |epoch| {
                    epoch.into_string().map_err(|epoch| anyhow!("{} is not text", epoch.to_string_lossy()))
                })?;
                words.splice(0..0, ["--epoch".to_owned(), epoch]);
                self::matches(&words)?
            }
        };
        let arguments = rewrite::Arguments::from_arg_matches(&matches).map_err(|error| wrong(&error))?;
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

fn command() -> Command {
    let command = Command::new("--restamp").no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
    rewrite::Arguments::augment_args(command)
}

fn matches(words: &[String]) -> Result<ArgMatches> {
    let command = command();
    let matches = command.clone().try_get_matches_from(words).map_err(|error| wrong(&error))?;
    let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    for argument in command.get_arguments().filter(|argument| DECIDED.contains(&argument.get_id().as_str())) {
        if is_given(argument.get_id().as_str()) {
            match argument.get_long() {
                Some(name) => bail!("--restamp: --{name} can't be used, as diff rewrites into a temporary folder"),
                None => bail!("--restamp takes only options: the images are A and B"),
            }
        }
    }
    Ok(matches)
}

/// clap's message for a wrong option, in one line.
fn wrong(error: &clap::Error) -> anyhow::Error {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ");
    anyhow!("--restamp: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_diff_decides_are_arguments_of_rewrite() {
        let command = command();
        let known: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        for id in DECIDED {
            assert!(known.contains(&id), "{id}");
        }
    }
}
