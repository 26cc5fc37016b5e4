//! `restamp check`

mod list;
mod stale;

use anyhow::Result;
use restamp::PathGlob;
use restamp::Platform;
use restamp::check::report::ArchiveTimes;
use restamp::check::{Check, StaleCheck};

use super::context::{self, BaseArguments, RunOptions};
use super::epoch::EpochArguments;
use super::output;
#[cfg(feature = "registry")]
use super::registry::RegistryArguments;

/// Verify an image, and that every timestamp in it is the epoch
///
/// Every digest, size, diff_id and other link is verified, and every timestamp that `restamp rewrite` sets and that is not
/// the epoch (or, with --clamp, is later than it) is listed. SOURCE is named as for `restamp rewrite`.
///
/// A value of another label, annotation or environment variable, or in the config of an artifact, that looks like a
/// time later than the epoch is a note; with `--time-key` its key is checked.
///
/// Times that no digest covers (of an archive's own entries, and of the v1 files beside a manifest.json) don't affect
/// the image, and docker and skopeo set them on every save or copy: with --digests-only they are notes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 nothing found, 1 something found, 2 the image can't be checked.

Examples:
  restamp check --epoch 1700000000 app.oci.tar
  docker save app | restamp check --digests-only
  docker save app | restamp check --stale
  restamp check --epoch 1700000000 --created keep --time-key 'com.example.*' app.oci.tar
  restamp check --json --base oci:base oci:app | jq '.findings[] | select(.kind == \"time\")'

Limits of documents, statements and lists of descriptors: docs/limits.md.")]
// What these mean to a rewrite is not what they mean here: nothing is written.
#[command(mut_args(helped))]
pub struct Arguments {
    /// The image to look at
    #[arg(default_value = "-", value_name = "SOURCE")]
    source: String,

    #[command(flatten)]
    epoch: EpochArguments,

    #[command(flatten)]
    base: BaseArguments,

    /// Check only images of this one platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What is checked")]
    platform: Option<Platform>,

    /// Only count and list copies of mtimes in files that are stale, or taken for up to date by mistake. Works on any
    /// image, and needs no epoch
    #[arg(long, conflicts_with_all = STALE_ALONE, help_heading = "What is checked")]
    stale: bool,

    /// For an image that was rewritten with this option: sources of compiled files at paths that match GLOB may have
    /// the second before the epoch
    #[arg(long, value_name = "GLOB", help_heading = "What is checked")]
    keep_order: Vec<PathGlob>,

    /// For an image that was rewritten with this option: files at paths that match GLOB have the mtime that follows
    /// from their content
    #[arg(long, value_name = "GLOB", help_heading = "What is checked")]
    mtime_by_content: Vec<PathGlob>,

    /// Leave out times in the commands of the history, for an image that was rewritten with this option
    #[arg(long, help_heading = "What is checked")]
    keep_commands: bool,

    /// Report times that no digest covers (those of the archive alone) as notes
    #[arg(long, help_heading = "What is checked")]
    digests_only: bool,

    /// Print the result as JSON: one object, with the list of findings
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// List every timestamp on a line of its own, and every fault
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// The help of an option that other verbs have as well, as it is meant here. (`mut_arg` would put it last.)
fn helped(arg: clap::Arg) -> clap::Arg {
    match arg.get_id().as_str() {
        "epoch" => {
            let text = "What every timestamp has to be: seconds since 1970, or an RFC 3339 time such as \
                        2023-11-14T22:13:20Z [default: the environment variable SOURCE_DATE_EPOCH]";
            arg.help(text).long_help(format!(
                "{text}\n\nOr where in the image to read it: label:KEY (the time in a label), created (the image's \
                 own), or base (the newest time of --base, or of the history of --base-layers)"
            ))
        }
        "created" => {
            let text = "What the times of documents have to be (created, history, labels, annotations): seconds, an RFC \
                        3339 time, keep, or epoch";
            arg.help(text).long_help(format!("{text}\n\nWith keep, they are not compared"))
        }
        "time_keys" => arg.long_help(
            "One more label or annotation that holds a time; can be given more than once\n\nKEY is a key, or a \
             pattern of keys (*, ?, [ab], {a,b}). Values that are not times are not compared",
        ),
        "clamp" => arg.help("Find only what is later than the epoch; what is earlier is right as well"),
        "base" => arg.help("Leave out the times of this base image: of its layers and history entries"),
        "base_layers" => arg.help("Leave out the times of the first N layers, and of the history up to them"),
        "tmp_dir" => arg.help(context::SPOOLED),
        _ => arg,
    }
}

/// Options of the comparison with an epoch.
const STALE_ALONE: [&str; 10] = [
    "keep_order",
    "mtime_by_content",
    "epoch",
    "clamp",
    "created",
    "time_keys",
    "base",
    "base_layers",
    "keep_commands",
    "digests_only",
];

/// `--stale`
fn run_stale(arguments: &Arguments) -> Result<u8> {
    let location = context::source(&arguments.source, "check --stale")?;
    context::keep_clear_of_stdout(&location)?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let mut check = StaleCheck::new();
    if let Some(platform) = &arguments.platform {
        check = check.platform(platform.clone());
    }
    let report = check.with_context(&context).run(&location)?;
    drop(progress);
    if arguments.json {
        output::print_json(&report)?;
    } else if !arguments.running.quiet {
        output::print(|out| stale::print(&report, arguments.verbose, out))?;
    }
    Ok(if report.faulty() == 0 { super::DONE } else { super::FOUND })
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.stale {
        return run_stale(arguments);
    }
    let (clock, created, keys) = (arguments.epoch.clock()?, arguments.epoch.created()?, arguments.epoch.keys()?);
    let location = context::source(&arguments.source, "check")?;
    context::keep_clear_of_stdout(&location)?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let archive_times = if arguments.digests_only { ArchiveTimes::Notes } else { ArchiveTimes::Findings };
    let mut check = Check::new(clock).created(created).time_keys(keys).keep_commands(arguments.keep_commands);
    check = check.base(arguments.base.resolve(&context)?).archive_times(archive_times);
    if let Some(platform) = &arguments.platform {
        check = check.platform(platform.clone());
    }
    for glob in &arguments.keep_order {
        check = check.keep_order(glob.clone());
    }
    for glob in &arguments.mtime_by_content {
        check = check.mtime_by_content(glob.clone());
    }
    let report = check.with_context(&context).run(&location)?;
    drop(progress);
    if arguments.json {
        output::print_json(&report)?;
    } else if !arguments.running.quiet {
        output::print(|out| list::print(&report, arguments.verbose, out))?;
    }
    Ok(if report.is_clean() { super::DONE } else { super::FOUND })
}
