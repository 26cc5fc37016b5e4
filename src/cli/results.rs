//! `restamp results`

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::Spools;
use restamp::error::escaped;
use restamp::results::{self, Head, Options};
use restamp::signing::bundle;
use restamp::trust::Trust;

use super::attest::keys;
use super::folder::NewFolder;
use super::output::{self, Inputs};
use super::{DONE, FOUND};

/// diff.json is not larger, nor is a head.
const REPORT_MAX: u64 = 64 << 20;

/// Keep statements of many builds as a folder of static files, check it, and make a site of it
#[derive(Debug, clap::Subcommand)]
pub enum Arguments {
    Add(Add),
    Check(Check),
    Render(Render),
}

/// Add signed statements to a folder of results
///
/// Each bundle has to be signed by a key of trust.toml: results are of those whom it names, so that who gets the folder can check
/// it. The files go below DIR/v1/, a line for each bundle to DIR/v1/log.jsonl, and what the last line is to DIR/v1/head.json. What
/// is there already is not added again. A run that was broken off is finished by the next one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp results add results proof/linux-amd64/*.sigstore.json --report proof/linux-amd64/diff.json
  restamp results add results proof/*/*.sigstore.json --key writer.pem

DIR/trust.toml, with the public keys beside it:
  [require]
  threshold = 1
  accept = [\"identical\", \"after-restamping\"]
  [[rebuilder]]
  operator = \"example-org\"
  id = \"https://rebuild.example.org/restamp/v1\"
  keys = [\"example.pub\"]

Exit status: 0 done, 2 an error.")]
pub struct Add {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Bundles, as attest --key and cosign attest-blob write them
    #[arg(value_name = "BUNDLE", required = true)]
    bundles: Vec<PathBuf>,

    /// Whose results these are, as for `verify` [default: DIR/trust.toml]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// Keep this list of differences (diff.json) beside the bundles, which are about one image
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Sign the head with this key, which trust.toml has to name
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// The time of statements that have none: test results and equivalences [default: now]
    #[arg(long, value_name = "RFC3339")]
    time: Option<String>,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Check a folder of results
///
/// Replays the log, and compares every file with its line: digest, signature, subject, operator, verdict. A change shows only
/// towards the head: whoever can write all files can write another history, except towards those who have kept a head from
/// before (--head).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp results check results
  restamp results check results --head head-of-last-month.json

Exit status: 0 all of it holds, 1 something does not, 2 an error.")]
pub struct Check {
    /// The folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Whose results these are, as for `verify` [default: DIR/trust.toml]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,

    /// A head.json that was kept from before; it has to be a line of the log
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Make a site of a folder of results
///
/// Writes index.html, a page for each image, and for each name badge/<NAME>.svg and badge/<NAME>.json, the latter for shields.io's
/// endpoint badges. There is no script in them and nothing is fetched. The same folder gives the same bytes: ages are counted
/// from the newest result.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  restamp results check results && restamp results render results --out www --title 'Rebuilds of example.org'

Exit status: 0 done, 2 an error.")]
pub struct Render {
    /// The folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Write the site into this directory, which must not exist or be empty
    #[arg(long, value_name = "WWW")]
    out: PathBuf,

    /// What the pages are called
    #[arg(long, value_name = "TEXT", default_value = "Reproduced images")]
    title: String,

    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    match arguments {
        Arguments::Add(arguments) => add(arguments),
        Arguments::Check(arguments) => check(arguments),
        Arguments::Render(arguments) => render(arguments),
    }
}

fn add(arguments: &Add) -> Result<u8> {
    let dir = &arguments.dir;
    let trust = trust(dir, arguments.trust.as_deref())?;
    let mut options = Options::new(trust, keys::time("--time", arguments.time.as_deref())?);
    let report = arguments.report.as_deref();
    options.report = report.map(|path| read(path, REPORT_MAX).context("--report")).transpose()?;
    options.key = arguments.key.as_deref().map(keys::signing_key).transpose()?;
    let bundles = arguments.bundles.iter().map(|path| {
        // What is too large is said so by its reader.
        Ok((path.display().to_string(), read(path, bundle::MAX as u64)?))
    });
    let bundles: Vec<(String, Vec<u8>)> = bundles.collect::<Result<_>>()?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let added = results::add(dir, &bundles, &options)?;
    if !arguments.quiet {
        let mut lines: Vec<String> = added.repaired.iter().map(|text| format!("repaired: {text}")).collect();
        for entry in &added.entries {
            let name = entry.name.clone().unwrap_or_else(|| entry.subject.to_string());
            lines.push(format!("{}: {}, {}, {name}", entry.seq, entry.verdict.name(), entry.operator));
        }
        let there = if added.known > 0 { format!(", {} were there before", added.known) } else { String::new() };
        lines.push(format!("{} added{there}", added.entries.len()));
        if let Some(head) = added.head {
            lines.push(format!("head: {} {}", head.seq, head.line));
        }
        print(&lines)?;
    }
    Ok(DONE)
}

fn check(arguments: &Check) -> Result<u8> {
    let trust = trust(&arguments.dir, arguments.trust.as_deref())?;
    let older = arguments.head.as_deref().map(|path| {
        let bytes = read(path, REPORT_MAX)?;
        Head::parse(&bytes).with_context(|| path.display().to_string())
    });
    let older = older.transpose().context("--head")?;
    let checked = results::check(&arguments.dir, &trust, older)?;
    if !arguments.quiet {
        let mut lines: Vec<String> =
            checked.problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what)).collect();
        lines.push(match checked.problems.len() {
            0 => format!("{} results: all of it holds", checked.lines),
            count => format!("{} results: {count} problems", checked.lines),
        });
        if let Some(head) = checked.head {
            lines.push(format!("head: {} {}", head.seq, head.line));
        }
        if let Some(operator) = &checked.signed_by {
            lines.push(format!("the head is signed by {operator}"));
        }
        lines.push(match &checked.older {
            Some(older) if checked.problems.iter().all(|problem| problem.place != "the older head") => {
                format!("the head that was kept is line {}: what was there then is there now", older.seq)
            }
            Some(_) => "the head that was kept is not in the log".to_owned(),
            None => "not shown: that nothing was changed or cut before; that takes a head kept elsewhere (--head)"
                .to_owned(),
        });
        print(&lines)?;
    }
    Ok(if checked.problems.is_empty() { DONE } else { FOUND })
}

fn render(arguments: &Render) -> Result<u8> {
    let mut inputs = Inputs::default();
    inputs.folder("DIR", &arguments.dir);
    let spools = Spools::new(std::env::temp_dir());
    super::process::clean_up_on_signal(&spools)?;
    let folder = NewFolder::make("--out", &arguments.out, &inputs, &spools)?;
    let mut made = BTreeSet::new();
    let names = results::render(&arguments.dir, &arguments.title, &mut |path, bytes| {
        let written = match path.split_once('/') {
            Some((below, _)) if made.insert(below.to_owned()) => folder.folder(below),
            _ => Ok(()),
        };
        let written = written.and_then(|()| folder.bytes(path, bytes));
        written.map_err(|e| restamp::Error::refused(format!("{e:#}")))
    })?;
    folder.publish()?;
    if !arguments.quiet {
        let names = if names == 1 { "1 name".to_owned() } else { format!("{names} names") };
        print(&[format!("a site of {names} in {}", arguments.out.display())])?;
    }
    Ok(DONE)
}

/// Who is trusted: by default, as the folder itself says.
fn trust(dir: &Path, path: Option<&Path>) -> Result<Trust> {
    if let Some(path) = path {
        return keys::trust(path);
    }
    let path = dir.join("trust.toml");
    if matches!(std::fs::symlink_metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        bail!(
            "{}: there is none, so nobody can tell whose results these are: write it, as restamp results add --help shows, with \
             the public keys beside it",
            path.display()
        );
    }
    Ok(results::trust(dir)?)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    file.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

fn print(lines: &[String]) -> Result<()> {
    output::print(|out| lines.iter().try_for_each(|line| writeln!(out, "{}", escaped(line))))
}
