//! The epoch and the rule, as all commands take them, and which labels and annotations hold times.

use std::ffi::OsString;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use restamp::{Clock, DocumentTime, Epoch, EpochSource, Rule, Stamp, TimeKeys};

use super::epoch_hint::{Spelling, refuse_date, wrong};

/// The environment variable (<https://reproducible-builds.org/specs/source-date-epoch/>).
const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// `--epoch` and `--clamp`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Timestamps")]
pub struct EpochArguments {
    /// What every timestamp becomes: seconds since 1970, or an RFC 3339 time such as 2023-11-14T22:13:20Z
    /// [default: the environment variable SOURCE_DATE_EPOCH]
    ///
    /// Or where in the image to read it: label:KEY (the time in a label), created (the image's own), or base (the
    /// newest time of --base, or of the history of --base-layers). Two builds come out equal only if both have the same
    /// time there.
    #[arg(long, value_name = "SECONDS|RFC3339|label:KEY|created|base", allow_hyphen_values = true)]
    epoch: Option<String>,

    /// What the times of documents become (created, history, labels, annotations): seconds, an RFC 3339 time, keep, or epoch
    ///
    /// Files in layers get --epoch in any case. With keep, documents keep their times, so that two builds differ in
    /// them.
    #[arg(long, value_name = "SECONDS|RFC3339|keep|epoch", default_value = "epoch", allow_hyphen_values = true)]
    created: String,

    /// Only lower timestamps that are later than the epoch, and keep earlier ones (BuildKit's rule)
    #[arg(long)]
    clamp: bool,

    #[command(flatten)]
    keys: TimeKeyArguments,
}

/// `--epoch` and `--clamp` of a tar, which has no documents.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Timestamps")]
pub struct StampArguments {
    /// What every timestamp becomes: seconds since 1970, or an RFC 3339 time such as 2023-11-14T22:13:20Z
    /// [default: the environment variable SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS|RFC3339", allow_hyphen_values = true)]
    epoch: Option<String>,

    /// Only lower timestamps that are later than the epoch, and keep earlier ones (BuildKit's rule)
    #[arg(long)]
    clamp: bool,
}

impl StampArguments {
    /// The epoch and the rule; without an epoch an error that says how to give one.
    pub fn stamp(&self) -> Result<Stamp> {
        let epoch = match &self.epoch {
            Some(text) => option(text)?,
            None => of_environment()?,
        };
        Ok(Stamp { epoch, rule: rule(self.clamp) })
    }
}

/// `--time-key`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Timestamps")]
pub struct TimeKeyArguments {
    /// One more label or annotation that holds a time; can be given more than once
    ///
    /// KEY is a key, or a pattern of keys (*, ?, [ab], {a,b}). Its times keep their form: a date stays a date. Values
    /// that are not times stay as they are.
    #[arg(long = "time-key", value_name = "KEY", value_parser = key)]
    time_keys: Vec<String>,
}

impl TimeKeyArguments {
    /// The keys.
    pub fn keys(&self) -> Result<TimeKeys> {
        TimeKeys::new(&self.time_keys).context("--time-key")
    }
}

/// Each key on its own, so that a message names the one that is wrong.
fn key(text: &str) -> Result<String, restamp::Error> {
    TimeKeys::new([text]).map(|_| text.to_owned())
}

impl EpochArguments {
    /// The epoch and the rule; without an epoch an error that says how to give one.
    pub fn clock(&self) -> Result<Clock> {
        let epoch = match &self.epoch {
            Some(text) => option(text)?,
            None => EpochSource::At(of_environment()?),
        };
        Ok(Clock { epoch, rule: rule(self.clamp) })
    }

    /// What the times of documents become.
    pub fn created(&self) -> Result<DocumentTime> {
        let text = self.created.trim();
        refuse_date("--created", text, Spelling::Any)?;
        text.parse().map_err(|e| match text.parse::<Epoch>() {
            Err(_) if text.is_empty() => wrong("--created", text, Spelling::Any, &e),
            _ => {
                anyhow!("--created {text}: give keep, epoch, seconds, or an RFC 3339 time such as 2023-11-14T22:13:20Z")
            }
        })
    }

    /// Which labels and annotations hold times, besides those that are known.
    pub fn keys(&self) -> Result<TimeKeys> {
        self.keys.keys()
    }
}

/// The epoch that the environment has.
pub fn variable() -> Option<OsString> {
    std::env::var_os(VARIABLE)
}

/// Parses the value of `--epoch`.
fn option<E: FromStr<Err = restamp::Error>>(text: &str) -> Result<E> {
    refuse_date("--epoch", text.trim(), Spelling::Any)?;
    text.trim().parse().map_err(|e| wrong("--epoch", text, Spelling::Any, &e))
}

fn of_environment() -> Result<Epoch> {
    let Some(value) = variable() else {
        bail!("no epoch given: use --epoch SECONDS or set {VARIABLE}, e.g. {VARIABLE}=$(git log -1 --pretty=%ct)");
    };
    let text = value.to_str().with_context(|| format!("{VARIABLE}: {} is not text", value.to_string_lossy()))?;
    refuse_date(VARIABLE, text, Spelling::Seconds)?;
    Epoch::from_seconds_text(text).map_err(|e| wrong(VARIABLE, text, Spelling::Seconds, &e))
}

fn rule(is_clamped: bool) -> Rule {
    if is_clamped { Rule::Clamp } else { Rule::Set }
}
