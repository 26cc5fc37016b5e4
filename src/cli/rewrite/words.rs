//! Options of `rewrite` among those of another command, which says where is read and written.

use anyhow::{Result, anyhow, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::Arguments;

/// Arguments that say where `rewrite` reads and writes, how it runs and what it prints: the other command decides these.
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

/// Those of registries, in a program that has them.
#[cfg(feature = "registry")]
const DECIDED_OF_REGISTRIES: [&str; 5] = ["plain_http", "tls_ca", "authfile", "registry_jobs", "retries"];
#[cfg(not(feature = "registry"))]
const DECIDED_OF_REGISTRIES: [&str; 0] = [];

/// Who decides, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Where {
    /// Where the options were given.
    pub option: &'static str,
    /// Which command decides, and why.
    pub because: &'static str,
    /// Where the images are named.
    pub images: &'static str,
}

fn command(place: Where) -> Command {
    let command = Command::new(place.option).no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
    Arguments::augment_args(command)
}

/// Parses the options; an error where one is among them that the other command decides.
pub fn matches(words: &[String], place: Where) -> Result<ArgMatches> {
    let command = command(place);
    let matches = command.clone().try_get_matches_from(words).map_err(|error| wrong(&error, place))?;
    let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let is_decided = |id: &str| DECIDED.contains(&id) || DECIDED_OF_REGISTRIES.contains(&id);
    for argument in command.get_arguments().filter(|argument| is_decided(argument.get_id().as_str())) {
        if is_given(argument.get_id().as_str()) {
            match argument.get_long() {
                Some(name) => bail!("{}: --{name} can't be used, as {}", place.option, place.because),
                None => bail!("{} takes only options: {}", place.option, place.images),
            }
        }
    }
    Ok(matches)
}

/// The options.
pub fn arguments(matches: &ArgMatches, place: Where) -> Result<Arguments> {
    Arguments::from_arg_matches(matches).map_err(|error| wrong(&error, place))
}

/// clap's message for a wrong option, in one line.
fn wrong(error: &clap::Error, place: Where) -> anyhow::Error {
    let text = error.render().to_string();
    let text = text.split("\n\n").next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ");
    anyhow!("{}: {text}", place.option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_command_decides_are_arguments_of_rewrite() {
        let command = command(Where { option: "x", because: "x", images: "x" });
        let known: Vec<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        for id in DECIDED.iter().chain(&DECIDED_OF_REGISTRIES) {
            assert!(known.contains(id), "{id}");
        }
    }
}
