//! `restamp verify`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use restamp::error::escaped;
use restamp::signing::Bundle;
use restamp::verify::{Bundles, Report, Verified, Verify, json, summary};
use restamp::{Location, Platform};

use super::super::context::{self, RunOptions};
use super::super::output::{self, Inputs, OutputFile};
#[cfg(feature = "registry")]
use super::super::registry::RegistryArguments;
use super::super::{DONE, FOUND};
use super::keys;

/// Verify that enough of those who are trusted have reproduced an image
///
/// Reads statements about each platform of TARGET, as attest signs them, and counts the operators of trust.toml whose
/// statements hold: signed by a key of theirs, about the very digest, with the stabilized digest that is computed here. Nothing
/// but the image and the statements is asked for. No transparency log is checked; that operators are independent is for the
/// author of trust.toml to know.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp verify docker://registry.example/app:1 --trust trust.toml
  restamp verify oci:app --trust trust.toml --from proofs --at 2026-12-01T00:00:00Z

trust.toml:
  [require]
  threshold = 2                 # distinct operators
  accept = [\"identical\"]        # or also \"after-restamping\"
  max_age = \"90d\"               # of a statement; with --at or --vsa
  no_dissent = false            # true: a trusted statement of the contrary blocks
  [[rebuilder]]
  operator = \"example-org\"      # counted once, whatever its keys
  id = \"https://rebuild.example.org/restamp/v1\"
  keys = [\"example.pub\"]        # P-256 or Ed25519, PEM, beside trust.toml

Exit status: 0 every platform is reproduced as trust.toml asks, 1 one is not,
             2 an error.")]
#[command(mut_args(|arg| if arg.get_id() == "tmp_dir" { arg.help(context::SPOOLED) } else { arg }))]
pub struct Arguments {
    /// The image
    #[arg(value_name = "TARGET")]
    target: String,

    /// Who is trusted, and how many of them are needed
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,

    /// Where statements are: a bundle, a directory of them, or an image that they are attached to; can be given more than once
    /// [default: attached to TARGET]
    #[arg(long, value_name = "FILE|DIR|oci:DIR|docker://NAME")]
    from: Vec<String>,

    /// Only the image of this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,

    /// The time of today, for max_age [default: ages are not looked at; with --vsa, now]
    #[arg(long, value_name = "RFC3339")]
    at: Option<String>,

    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Write the result as a statement, SLSA's verification summary; signed, as a bundle, with --key
    #[arg(long, value_name = "FILE", requires_all = ["verifier_id", "resource_uri"], help_heading = "Output")]
    vsa: Option<PathBuf>,

    /// Who verifies: a URI
    #[arg(long, value_name = "URI", requires = "vsa", help_heading = "Output")]
    verifier_id: Option<String>,

    /// What TARGET is to be used as: a URI
    #[arg(long, value_name = "URI", requires = "vsa", help_heading = "Output")]
    resource_uri: Option<String>,

    /// Sign the summary with this key, as attest does
    #[arg(long, value_name = "FILE", requires = "vsa", help_heading = "Output")]
    key: Option<PathBuf>,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let target = context::source(&arguments.target, "verify - --trust trust.toml")?;
    let trust = keys::trust(&arguments.trust)?;
    let key = arguments.key.as_deref().map(keys::signing_key).transpose()?;
    let at = arguments.at.as_deref().map(|text| keys::time("--at", Some(text))).transpose()?;
    // A summary has a time: ages are by the same one.
    let at = match at {
        None if arguments.vsa.is_some() => Some(keys::time("--at", None)?),
        at => at,
    };
    let mut verify = Verify::new(trust);
    for from in &arguments.from {
        verify = verify.from(bundles(from).context("--from")?);
    }
    if let Some(platform) = &arguments.platform {
        verify = verify.platform(platform.clone());
    }
    if let Some(at) = at {
        verify = verify.at(at);
    }
    let inputs = inputs(arguments, &target);
    inputs.keep_clear_of_stdout()?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let vsa = arguments.vsa.as_deref();
    let vsa = vsa.map(|path| OutputFile::open("--vsa", path, &inputs, &context.spools)).transpose()?;
    let report = verify.with_context(&context).run(&target)?;
    drop(progress);
    if let (Some(file), Some(id), Some(uri)) = (vsa, &arguments.verifier_id, &arguments.resource_uri) {
        let statement = summary(&report, id, uri, at.unwrap_or_default())?;
        let bytes = match &key {
            Some(key) => Bundle::sign(&statement, key).file(&key.public()?)?,
            None => statement,
        };
        file.write(&|out| out.write_all(&bytes))?.publish()?;
    }
    if arguments.json {
        output::print(|out| json(out, &report))?;
    } else if !arguments.running.quiet {
        output::print(|out| out.write_all(text(&report).as_bytes()))?;
    }
    Ok(if report.is_met() { DONE } else { FOUND })
}

/// What `--from` names: a layout or a repository, or else a path; a directory that is a layout is one.
fn bundles(text: &str) -> Result<Bundles> {
    let is_image = ["oci:", "oci-archive:", "docker-archive:", "docker://"].iter().any(|start| text.starts_with(start));
    let path = Path::new(text);
    if is_image || path.join("oci-layout").is_file() {
        return Ok(Bundles::AttachedTo(text.parse::<Location>()?));
    }
    Ok(Bundles::Path(path.to_owned()))
}

fn inputs(arguments: &Arguments, target: &Location) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.image("TARGET", target);
    inputs.file("--trust", &arguments.trust);
    if let Some(key) = &arguments.key {
        inputs.file("--key", key);
    }
    for from in &arguments.from {
        match bundles(from) {
            Ok(Bundles::Path(path)) => inputs.file("--from", &path),
            Ok(Bundles::AttachedTo(place)) => inputs.image("--from", &place),
            Err(_) => {}
        }
    }
    inputs
}

/// So many bundles that do not count are shown.
const SHOWN: usize = 12;

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&escaped(&words));
        text.push('\n');
    };
    for image in &report.images {
        let Verified { platform, subject, counted, fault, .. } = image;
        let verdict = if fault.is_none() { "reproduced" } else { "NOT reproduced as it has to be" };
        line(format!("{platform}: {verdict}"));
        line(format!("  image       {subject}"));
        line(format!("  stabilized  {}  computed here", image.stabilized));
        if let Some(fault) = fault {
            line(format!("  why         {fault}"));
        }
        let accept: Vec<&str> = report.accept.iter().map(|equal| equal.name()).collect();
        let (count, needed, accept) = (counted.len(), report.threshold, accept.join(" or "));
        line(format!("  operators   {count} of {needed} needed, of {} that are trusted ({accept})", report.operators));
        for one in counted {
            line(format!("    {}: {}, {}, {}", one.operator, one.equal.name(), one.time, one.id));
        }
        for one in &image.dissent {
            let result = if one.result == restamp::statement::TestOutcome::Failed { "FAILED" } else { "WARNED" };
            let classes = if one.classes.is_empty() { String::new() } else { format!(" ({})", one.classes.join(", ")) };
            line(format!("  DISSENT     {}: {result}{classes}, {}", one.operator, one.source));
        }
        for one in &image.summaries {
            let by = one.operator.as_ref().map_or("not signed".to_owned(), |operator| format!("signed by {operator}"));
            line(format!("  summary     {} ({}) by {}, {by}", one.result, one.levels.join(", "), one.verifier));
            line(
                "              counts for nothing: it does not show how images were compared, and is the word of one"
                    .to_owned(),
            );
        }
    }
    for one in report.ignored.iter().take(SHOWN) {
        line(format!("ignored: {}: {}", one.source, one.reason));
    }
    let more = report.ignored.len().saturating_sub(SHOWN) + report.not_listed;
    if more > 0 {
        line(format!("ignored: {more} more bundles (--json lists them)"));
    }
    if let Some(seconds) = report.unused_max_age {
        line(format!("max_age ({} hours) is not applied: --at gives the time of today", seconds / 3600));
    }
    line("not checked: transparency logs; whether operators are independent; what else may have been signed and is not here".to_owned());
    text
}
