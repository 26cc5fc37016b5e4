//! The epoch and the rule, as all commands take them.

use anyhow::{Context, Result, bail};
use restamp::{Epoch, Rule, Stamp};

/// The environment variable (<https://reproducible-builds.org/specs/source-date-epoch/>).
const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// `--epoch` and `--clamp`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Timestamps")]
pub struct EpochArguments {
    /// What every timestamp becomes: seconds since 1970, or an RFC 3339 time such as 2023-11-14T22:13:20Z
    /// [default: the environment variable SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS|RFC3339", allow_hyphen_values = true)]
    epoch: Option<String>,

    /// Lower only what is later than the epoch, and leave what is earlier as it is (BuildKit's rule)
    #[arg(long)]
    clamp: bool,
}

impl EpochArguments {
    /// The epoch and the rule; without an epoch an error that says how to give one.
    pub fn stamp(&self) -> Result<Stamp> {
        let epoch = match &self.epoch {
            Some(text) => text.parse::<Epoch>().context("--epoch")?,
            None => match std::env::var_os(VARIABLE) {
                Some(value) => {
                    let text = value
                        .to_str()
                        .with_context(|| format!("{VARIABLE}: {} is not text", value.to_string_lossy()))?;
                    Epoch::from_seconds_text(text).context(VARIABLE)?
                }
                None => bail!(
                    "no epoch given: use --epoch SECONDS or set {VARIABLE}, e.g. {VARIABLE}=$(git log -1 --pretty=%ct)"
                ),
            },
        };
        Ok(Stamp { epoch, rule: if self.clamp { Rule::Clamp } else { Rule::Set } })
    }
}
