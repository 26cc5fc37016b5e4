//! `restamp attest`, and what is done with its statements.

pub mod attach;
pub mod keys;
pub mod verify;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use restamp::attest::{Attest, Attested, Report, Verdict, folder_name, json};
use restamp::diff::report::{PageStyle, html};
use restamp::error::{escaped, shell_word};
use restamp::signing::{Bundle, SigningKey};
use restamp::{Location, Platform, Where};

use super::context::{self, RunOptions};
use super::folder::NewFolder;
use super::output::{self, Inputs, OutputFile};
#[cfg(feature = "registry")]
use super::registry::RegistryArguments;

/// Say that an image was built again, in statements that others can check
///
/// TARGET is what is published, CANDIDATE what was built again from the same source. Both are compared platform by platform;
/// the verdict is `identical` (the same manifest), `after-restamping` (the same once the times of both are set by a fixed
/// profile), `accepted` (by --policy), `explainable` or `different`. The statements go to DIR/<os>-<architecture>/: svr.json
/// and equivalence.json where the image was reproduced, and else test-result.json, beside the differences as diff.json and
/// diff.html. With --key, each is signed, as a bundle that cosign and sigstore's libraries take.
///
/// Not claimed: that the source is harmless, or that the candidate was built from what --source names. That is the word of
/// who signs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp attest docker://registry.example/app:1 rebuilt.tar --verifier-id https://rebuild.example.org/v1 --out proof
  docker buildx build -o type=oci,dest=- . | restamp attest docker://registry.example/app:1 - \\
    --verifier-id https://rebuild.example.org/v1 --key rebuild.pem --out proof --attach docker://registry.example/app:1

Exit status: 0 all platforms were reproduced (with --require identical: to the byte),
             1 one of them was not, 2 an error.")]
#[command(mut_args(|arg| if arg.get_id() == "tmp_dir" { arg.help(context::SPOOLED) } else { arg }))]
pub struct Arguments {
    /// The image that is published
    #[arg(value_name = "TARGET")]
    target: String,

    /// The image that was built again
    #[arg(value_name = "CANDIDATE")]
    candidate: String,

    /// Who compares: a URI that whoever trusts the statements knows
    #[arg(long, value_name = "URI", help_heading = "Statements")]
    verifier_id: String,

    /// Write the statements into this directory, which must not exist or be empty
    #[arg(long, value_name = "DIR", help_heading = "Statements")]
    out: PathBuf,

    /// What the statements call TARGET [default: its name where it is]
    #[arg(long, value_name = "NAME", help_heading = "Statements")]
    name: Option<String>,

    /// What CANDIDATE was built from; can be given more than once
    #[arg(long, value_name = "URI@ALGORITHM:HEX", help_heading = "Statements")]
    source: Vec<String>,

    /// Where people can look at the run that has built CANDIDATE
    #[arg(long, value_name = "URL", help_heading = "Statements")]
    run_url: Option<String>,

    /// When this was shown [default: now]
    #[arg(long, value_name = "RFC3339", help_heading = "Statements")]
    time: Option<String>,

    /// Sign the statements with this key: ECDSA P-256, PKCS#8 in PEM, not encrypted, readable by its owner alone
    #[arg(long, value_name = "FILE", help_heading = "Statements")]
    key: Option<PathBuf>,

    /// Attach the signed statements to TARGET in this layout or repository
    #[arg(long, value_name = "oci:DIR|docker://NAME", requires = "key", help_heading = "Statements")]
    attach: Option<String>,

    /// Only images of this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What is compared")]
    platform: Option<Platform>,

    /// Leave out what this file accepts, as for `diff`
    #[arg(long, value_name = "FILE", help_heading = "What is compared")]
    policy: Option<PathBuf>,

    /// Exit with 1 unless all platforms are this
    #[arg(long, value_name = "VERDICT", value_parser = ["identical", "after-restamping"], help_heading = "What is compared")]
    require: Option<String>,

    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Write the differences of the one platform as an HTML page here as well
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    registry: RegistryArguments,

    #[command(flatten)]
    running: RunOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let locations = [
        context::source(&arguments.target, "attest - CANDIDATE")?,
        context::source(&arguments.candidate, "attest TARGET -")?,
    ];
    let [target, candidate] = &locations;
    if locations.iter().all(|location| location.place == Where::Stdio) {
        bail!("only one of TARGET and CANDIDATE can be standard input");
    }
    let key = arguments.key.as_deref().map(keys::signing_key).transpose()?;
    let attach_to: Option<Location> = arguments.attach.as_deref().map(str::parse).transpose().context("--attach")?;
    let attest = attest(arguments)?;
    let inputs = inputs(arguments, &locations);
    inputs.keep_clear_of_stdout()?;
    let (context, progress) = arguments.running.start(None, None)?;
    #[cfg(feature = "registry")]
    let context = arguments.registry.of(context);
    let folder = NewFolder::make("--out", &arguments.out, &inputs, &context.spools)?;
    let page = arguments.html.as_deref();
    let page = page.map(|path| OutputFile::open("--html", path, &inputs, &context.spools)).transpose()?;
    let report = attest.with_context(&context).run(target, candidate)?;
    drop(progress);
    if page.is_some() && report.images.len() > 1 {
        bail!("--html is a page about one image, and there are {}: --platform names one", report.images.len());
    }
    let bundles = write(&folder, &report, key.as_ref())?;
    let page = match (page, report.images.first()) {
        (Some(page), Some(image)) => Some(page.write(&|out| html(out, &image.diff, PageStyle::default()))?),
        _ => None,
    };
    folder.publish()?;
    page.map_or(Ok(()), OutputFile::publish)?;
    let attached = match &attach_to {
        Some(place) => {
            let there = || format!("--attach (the statements are in {})", arguments.out.display());
            Some(restamp::attest::attach::attach(place, &bundles, &context).with_context(there)?)
        }
        None => None,
    };
    if arguments.json {
        output::print(|out| json(out, &report, key.is_some()))?;
    } else if !arguments.running.quiet {
        let mut text = text(arguments, &report);
        if let (Some(added), Some(place)) = (attached, &arguments.attach) {
            text.push_str(&self::attach::said(added, bundles.len(), place));
        }
        output::print(|out| out.write_all(text.as_bytes()))?;
    }
    let worst =
        if arguments.require.as_deref() == Some("identical") { Verdict::Identical } else { Verdict::AfterRestamping };
    Ok(if report.verdict().is_some_and(|verdict| verdict <= worst) { super::DONE } else { super::FOUND })
}

fn attest(arguments: &Arguments) -> Result<Attest> {
    let time = keys::time("--time", arguments.time.as_deref())?;
    let mut attest = Attest::new(&arguments.verifier_id, time).context("--verifier-id")?;
    if let Some(name) = &arguments.name {
        attest = attest.name(name);
    }
    if let Some(platform) = &arguments.platform {
        attest = attest.platform(platform.clone());
    }
    for source in &arguments.source {
        attest = attest.source(source).context("--source")?;
    }
    if let Some(url) = &arguments.run_url {
        attest = attest.run_url(url).context("--run-url")?;
    }
    if let Some(path) = &arguments.policy {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().map_or_else(|| "policy".into(), |name| name.to_string_lossy());
        attest = attest.policy(name, text).with_context(|| path.display().to_string())?;
    }
    Ok(attest)
}

/// Writes all files, and returns the bundles.
fn write(folder: &NewFolder, report: &Report, key: Option<&SigningKey>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut bundles = Vec::new();
    for image in &report.images {
        let name = folder_name(&image.platform);
        folder.folder(&name)?;
        for statement in &image.statements {
            folder.bytes(&format!("{name}/{}.json", statement.name), &statement.bytes)?;
            if let Some(key) = key {
                let bundle = Bundle::sign(&statement.bytes, key).file(&key.public()?)?;
                folder.bytes(&format!("{name}/{}.sigstore.json", statement.name), &bundle)?;
                bundles.push((format!("{name}/{}.sigstore.json", statement.name), bundle));
            }
        }
        folder.bytes(&format!("{name}/diff.json"), &image.diff_json)?;
        folder.file(&format!("{name}/diff.html"), &|out| html(out, &image.diff, PageStyle::default()))?;
    }
    Ok(bundles)
}

fn inputs(arguments: &Arguments, images: &[Location; 2]) -> Inputs {
    let mut inputs = Inputs::default();
    for (argument, location) in ["TARGET", "CANDIDATE"].into_iter().zip(images) {
        inputs.image(argument, location);
    }
    for (argument, path) in [("--policy", &arguments.policy), ("--key", &arguments.key)] {
        if let Some(path) = path {
            inputs.file(argument, path);
        }
    }
    inputs
}

fn counts(image: &Attested) -> String {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for difference in &image.diff.differences {
        *counts.entry(difference.class).or_default() += 1;
    }
    let all: Vec<String> = counts.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let accepted = image.diff.accepted.len();
    match (all.is_empty(), accepted) {
        (true, 0) => "none".to_owned(),
        (true, _) => format!("{accepted} accepted"),
        (false, 0) => all.join(", "),
        (false, _) => format!("{}, {accepted} accepted", all.join(", ")),
    }
}

fn text(arguments: &Arguments, report: &Report) -> String {
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        text.push_str(&escaped(&words.to_string()));
        text.push('\n');
    };
    for image in &report.images {
        let none = || "no manifest".to_owned();
        let [target, candidate] = image.stabilized;
        line(format_args!("{}: {}", image.platform, image.verdict));
        line(format_args!("  target       {}  {}", image.subject.digest, report.target));
        line(format_args!(
            "  candidate    {}  {}",
            image.candidate.map_or_else(none, |digest| digest.to_string()),
            report.candidate
        ));
        if target == candidate {
            line(format_args!("  stabilized   {target}  both"));
        } else {
            line(format_args!("  stabilized   {target}  target"));
            line(format_args!("               {candidate}  candidate"));
        }
        line(format_args!("  differences  {}", counts(image)));
        let folder = arguments.out.join(folder_name(&image.platform));
        let names: Vec<&str> = image.statements.iter().map(|statement| statement.name).collect();
        let what = if arguments.key.is_some() { "signed statements" } else { "statements, not signed:" };
        line(format_args!("  {what} {} in {}", names.join(", "), folder.display()));
        for name in names.iter().filter(|_| arguments.key.is_none()) {
            let file = |end: &str| shell_word(folder.join(format!("{name}{end}")).to_string_lossy());
            let (statement, bundle) = (file(".json"), file(".sigstore.json"));
            line(format_args!("    cosign attest-blob --statement {statement} --bundle {bundle}"));
        }
    }
    text
}
