//! `restamp bulk`

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use indicatif::HumanBytes;
use restamp::bulk::{self, PlanOptions, RunEvent, Shard, State, WorkList};
use restamp::error::escaped;
use restamp::{Cache, Progress};

use super::context::RunOptions;
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
    // What is wrong with the options should be said now, not on every machine.
    words::arguments(&words::matches(&arguments.options, WHERE)?, WHERE)?;
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
    options.arguments.clone_from(&arguments.options);
    let (context, progress) = arguments.running.start(None, None)?;
    let context = arguments.registry.of(context);
    let mut count = 0;
    let mut failed = None;
    print(|out| {
        match bulk::plan(&options, &context, out) {
            Ok(images) => count = images,
            Err(error) => failed = Some(error),
        }
        Ok(())
    })?;
    drop(progress);
    if let Some(error) = failed {
        return Err(error.into());
    }
    if !arguments.running.quiet {
        let _ = writeln!(io::stderr(), "{count} images planned");
    }
    Ok(super::DONE)
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
            "{} images: {} done, {} there already, {} failed; {sent} sent",
            report.images,
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
