//! `restamp bulk`

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::parser::ValueSource;
use indicatif::HumanBytes;
use restamp::bulk::{self, PlanOptions, Planned, RunEvent, Shard, State, WorkList};
use restamp::error::{escaped, thousands};
use restamp::{Cache, Progress};
use restamp::{Location, RunContext};

use super::context::RunOptions;
use super::epoch;
use super::output::print;
use super::registry::RegistryArguments;
use super::rewrite::{self, words};

/// Who says where is read and written.
const WHERE: words::Where = words::Where {
    option: "bulk plan --",
    because: "bulk reads and writes repositories; bulk run may have an option of that name",
    images: "the images are SOURCE and --to",
};

/// Rewrite many images of a registry, in parts that can be broken off and begun again
#[derive(Debug, clap::Subcommand)]
pub enum Arguments {
    Plan(Box<Plan>),
    Run(Box<Run>),
}

/// List the images of repositories, each pinned to its digest, as a plan for bulk run
///
/// The plan goes to standard output: a line with the options, then a line of JSON for each image.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp bulk plan docker://registry.example/team/app --to 'docker://registry.example/{repo}:{tag}-stamped' -- --epoch created > work.jsonl
  restamp bulk plan --repos repositories.txt --to 'docker://other.example/{repo}:{tag}' -- --clamp --epoch 1700000000 > work.jsonl

Exit status: 0 done, 2 an error.")]
pub struct Plan {
    /// The repositories, and which of their tags
    #[arg(value_name = "docker://HOST/REPOSITORY[:GLOB]", required_unless_present = "repos")]
    sources: Vec<String>,

    /// Take repositories from FILE, one on each line; lines that begin with # are left out
    #[arg(long, value_name = "FILE")]
    repos: Option<PathBuf>,

    /// Where each result goes; {repo} and {tag} are those of its source
    #[arg(long, value_name = "docker://HOST/REPOSITORY:TAG", required = true)]
    to: String,

    /// Options of restamp rewrite, after --
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<String>,

    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Do what a plan says, or a part of it
///
/// An image is not done again whose result is where it should be, by the records in --state.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp bulk run work.jsonl --state done --cache cache
  JOB_COMPLETION_INDEX=0 restamp bulk run work.jsonl --shard /4 --state done --keep-going

Exit status: 0 all is done, 2 an error.")]
pub struct Run {
    /// The plan; - is standard input
    #[arg(value_name = "PLAN")]
    plan: PathBuf,

    /// Do part I of N alone, from 0; all images of a repository are in the same part. /N takes I from JOB_COMPLETION_INDEX, as
    /// Kubernetes sets it
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,

    /// Keep records of what was done in DIR
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Go on after an image that fails; the exit status is 2 all the same
    #[arg(long)]
    keep_going: bool,

    /// Keep compressed data in DIR, so that layers that images share are encoded once
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// How large the cache may become, e.g. 500M or 20G
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = rewrite::parse_size, requires = "cache")]
    cache_max: u64,

    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Of how many bytes there are in all, nothing is known.
#[derive(Debug)]
struct NoTotal;

impl Progress for NoTotal {
    fn set_total(&self, _bytes: u64) {}
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    match arguments {
        Arguments::Plan(arguments) => plan(arguments),
        Arguments::Run(arguments) => work(arguments),
    }
}

fn plan(arguments: &Plan) -> Result<u8> {
    let Some(to) = arguments.to.strip_prefix("docker://") else {
        bail!("--to {}: write docker://HOST/REPOSITORY:TAG", arguments.to);
    };
    let mut options = PlanOptions::new(to);
    options.sources.clone_from(&arguments.sources);
    if let Some(path) = &arguments.repos {
        let text = std::fs::read_to_string(path).with_context(|| format!("--repos {}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        options.sources.extend(lines.map(str::to_owned));
    }
    let (context, progress) = arguments.running.start(None, None)?;
    let context = arguments.registry.of(context);
    options.arguments = pinned(&arguments.options, &context)?;
    let mut planned = Planned::default();
    let mut failed = None;
    print(|out| {
        match bulk::plan(&options, &context, out) {
            Ok(whole) => planned = whole,
            Err(error) => failed = Some(error),
        }
        Ok(())
    })?;
    drop(progress);
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !arguments.running.quiet {
        let left_out = match planned.left_out {
            0 => String::new(),
            count => format!("; {} left out, of what is about an image", number(count, "tag", "tags")),
        };
        let _ = writeln!(io::stderr(), "{} planned{left_out}", number(planned.images, "image", "images"));
    }
    Ok(super::DONE)
}

/// The options as every run is to have them, whenever and wherever it is: with an epoch, and with a base by its digest. What is wrong
/// with them is said now, not on every machine.
fn pinned(options: &[String], context: &RunContext) -> Result<Vec<String>> {
    let mut options = options.to_vec();
    let matches = words::matches(&options, WHERE)?;
    let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if is_given("name") {
        bail!("bulk plan --: --name can't be used: every image would get that name");
    }
    if !is_given("epoch") {
        let Some(epoch) = epoch::variable() else {
            bail!("no epoch given: add -- --epoch SECONDS, or created, or label:KEY, or set SOURCE_DATE_EPOCH");
        };
        let epoch =
            epoch.into_string().map_err(|epoch| anyhow!("SOURCE_DATE_EPOCH: {} is not text", epoch.display()))?;
        options.splice(0..0, ["--epoch".to_owned(), epoch]);
    }
    if is_given("base") {
        let at = options.iter().position(|word| word == "--base" || word.starts_with("--base=")).unwrap_or_default();
        let is_joined = options.get(at).is_some_and(|word| word.starts_with("--base="));
        let value = if is_joined { at } else { at + 1 };
        let Some(word) = options.get_mut(value) else { bail!("bulk plan --: --base has no value") };
        let location: Location = word.strip_prefix("--base=").unwrap_or(word).parse().context("--base")?;
        let Some(name) = location.as_registry() else {
            bail!("bulk plan --: --base {location}: name an image in a registry, which every run can have");
        };
        let name = bulk::pinned_name(name, context).context("--base")?;
        *word = format!("{}docker://{name}", if is_joined { "--base=" } else { "" });
    }
    words::arguments(&words::matches(&options, WHERE)?, WHERE)?;
    Ok(options)
}

/// A number and what it is of.
fn number(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}

fn work(arguments: &Run) -> Result<u8> {
    let shard = shard(arguments.shard.as_deref())?;
    let named = || arguments.plan.display().to_string();
    let list = if arguments.plan.as_os_str() == "-" {
        WorkList::read(&mut io::stdin().lock())
    } else {
        let file = File::open(&arguments.plan).with_context(|| format!("{}: cannot open", named()))?;
        WorkList::read(&mut BufReader::new(file))
    };
    let list = list.map_err(|e| e.in_file(named()))?;
    let options = words::arguments(&words::matches(&list.arguments, WHERE)?, WHERE)?;
    let open_cache = |dir| Cache::open(dir, arguments.cache_max).context("--cache");
    let cache = arguments.cache.as_deref().map(open_cache).transpose()?;
    let (context, progress) = arguments.running.start(None, cache)?;
    let context = arguments.registry.of(context).with_progress(Arc::new(NoTotal));
    let rewrite = rewrite::configured(&options, &context)?;
    let mut state = match &arguments.state {
        Some(folder) => State::open(folder, shard).context("--state")?,
        None => State::none(),
    };
    let is_quiet = arguments.running.quiet;
    let mut run_options = bulk::RunOptions::default();
    (run_options.shard, run_options.keep_going) = (shard, arguments.keep_going);
    let report = bulk::run(&list, &rewrite, run_options, &mut state, &context, &mut |event| {
        let line = match event {
            RunEvent::Failed(work, error) => format!("restamp: error: {}: {error}", work.dst),
            _ if is_quiet => return,
            RunEvent::Present(work, digest) => format!("{}: there already, {digest}", work.dst),
            RunEvent::Done(work, digest, sent) => {
                format!("{}: {digest}, {} sent", work.dst, HumanBytes(sent.sent_bytes))
            }
            _ => return,
        };
        let _ = writeln!(io::stderr(), "{}", escaped(&line));
    })?;
    drop(progress);
    if !is_quiet {
        let sent = HumanBytes(report.sent_bytes);
        let _ = writeln!(
            io::stderr(),
            "{}: {} done, {} there already, {} failed; {sent} sent",
            number(report.images, "image", "images"),
            report.done,
            report.present,
            report.failed
        );
    }
    Ok(if report.failed > 0 { super::FAILED } else { super::DONE })
}

/// The part that is to be done.
fn shard(text: Option<&str>) -> Result<Shard> {
    const INDEX: &str = "JOB_COMPLETION_INDEX";
    let Some(text) = text else { return Ok(Shard::WHOLE) };
    let Some(count) = text.strip_prefix('/') else { return text.parse().context("--shard") };
    let index = std::env::var(INDEX).with_context(|| format!("--shard {text}: {INDEX} in the environment"))?;
    format!("{index}/{count}").parse().with_context(|| format!("--shard {text} with {INDEX}={index}"))
}
