//! `restamp diff`

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use restamp::Platform;
use restamp::diff::filter::Filter;
use restamp::diff::report::{PageStyle, Style as TextStyle, html, json, text};
use restamp::diff::{Diff, FileSink, Verdict};
use restamp::error::shell_word;
use restamp::{Location, Where};
use restamp::{
    Spools,
    internals::{NewFile as Output, folder_of},
};

use super::context::{self, RunOptions};
use super::epoch::TimeKeyArguments;
use super::output::{self, Inputs, OutputFile, Use, WriteAll, all_to};

/// Show what differs between two images, and why
///
/// A and B are named as for `rewrite`; they may be of different kinds, compressions and media types. Every difference
/// has a class: content, embedded-time, package-db, log-or-cache, name, whiteout, format, compression, order, time.
/// The verdict is `identical`, `identical but for what is accepted` (by --ignore, --ignore-path or --policy), `same after
/// restamping` (rewriting both makes them equal), `explainable` (differences, none of the class content), or `different`.
/// A layer that both have under the same digest is not read: that its bytes are what the digest says, `check` verifies.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  restamp diff build1.tar build2.tar
  restamp diff --semantic --policy accepted.toml --html report.html oci:a oci:b
  restamp diff --rootfs docker-archive:app.tar:app:1 oci:app

A policy is TOML, with one table for each accepted difference:
  [[accept]]
  path = \"opt/app/build-info\"   # a glob; or class = \"...\", or field = \"...\"
  reason = \"holds the build number\"

Exit status: 0 identical, or identical but for what is accepted,
             with --semantic also same after restamping, or explainable;
             1 any other verdict; 2 an error.

How large documents, statements and lists of descriptors may be: docs/limits.md.")]
#[command(mut_args(|arg| if arg.get_id() == "tmp_dir" { arg.help(context::SPOOLED) } else { arg }))]
pub struct Arguments {
    /// The first image
    #[arg(value_name = "A")]
    a: String,

    /// The second image
    #[arg(value_name = "B")]
    b: String,

    /// Compare the root filesystems that the layers make, and nothing else
    #[arg(long, help_heading = "What is compared")]
    rootfs: bool,

    /// Only images of this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", help_heading = "What is compared")]
    platform: Option<Platform>,

    /// Exit with 0 unless something differs that is of the class content
    #[arg(long, help_heading = "What counts")]
    semantic: bool,

    #[command(flatten)]
    keys: TimeKeyArguments,

    /// Leave out differences of these classes
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',', help_heading = "What counts")]
    ignore: Vec<String>,

    /// Leave out what is at paths like this; can be given more than once
    #[arg(long, value_name = "GLOB", help_heading = "What counts")]
    ignore_path: Vec<String>,

    /// Leave out what this file accepts
    #[arg(long, value_name = "FILE", help_heading = "What counts")]
    policy: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Write the report as a page of its own; - prints it instead of the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,

    /// Write the files that differ, and those that only one side has, into this directory, for other tools
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    report_dir: Option<PathBuf>,

    /// List every difference, and previews in full
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    verbose: bool,

    #[command(flatten)]
    running: RunOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let locations = [context::source(&arguments.a, "diff - B")?, context::source(&arguments.b, "diff A -")?];
    if arguments.json && arguments.html.as_deref() == Some(Path::new("-")) {
        bail!("--json and --html - both want standard output");
    }
    if locations.iter().all(|location| location.place == Where::Stdio) {
        bail!("only one of A and B can be standard input");
    }
    let filter = filter(arguments)?;
    let inputs = inputs(arguments, &locations);
    inputs.keep_clear_of_stdout()?;
    let (context, progress) = arguments.running.start(None, None)?;
    let page_is_printed = arguments.html.as_deref() == Some(Path::new("-"));
    if let Some(path) = arguments.html.as_deref().filter(|_| !page_is_printed) {
        inputs.keep_clear("--html", path, Use::Replaced)?;
    }
    let folder =
        arguments.report_dir.as_deref().map(|path| Folder::make(path, &inputs, &context.spools)).transpose()?;
    let page = arguments.html.as_deref().filter(|_| !page_is_printed);
    let page = page.map(|path| Page::open(path, folder.as_ref(), &inputs, &context.spools)).transpose()?;
    let mut diff = Diff::new().rootfs(arguments.rootfs).filter(filter).time_keys(arguments.keys.keys()?);
    if let Some(platform) = &arguments.platform {
        diff = diff.platform(platform.clone());
    }
    if let Some(folder) = &folder {
        diff = diff.file_sink(folder);
    }
    let [a, b] = &locations;
    let report = diff.with_context(&context).run(a, b)?;
    drop(progress);
    let names = |number: u32| [0, 1].map(|side| Folder::name(number, side));
    let as_json = |out: &mut dyn Write| json(out, &report, &names);
    let command = command_line();
    let page_style = PageStyle::default().command(&command);
    // Both are written before one of them gets its name.
    let page = page.map(|page| page.write(&|out| html(out, &report, page_style))).transpose()?.flatten();
    folder.map_or(Ok(()), |folder| folder.publish(&as_json))?;
    page.map_or(Ok(()), OutputFile::publish)?;
    if arguments.json {
        output::print(as_json)?;
    } else if page_is_printed {
        output::print(|out| html(out, &report, page_style))?;
    } else if !arguments.running.quiet {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = io::stdout().is_terminal() && !plain;
        let shown = text(&report, TextStyle { color, verbose: arguments.verbose });
        output::print(|out| out.write_all(shown.as_bytes()))?;
    }
    let worst = if arguments.semantic { Verdict::Explainable } else { Verdict::Accepted };
    Ok(if report.verdict() <= worst { super::DONE } else { super::FOUND })
}

/// The command line as it can be typed again, for whoever finds the page.
fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| shell_word(word.to_string_lossy()));
    std::iter::once("restamp".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn filter(arguments: &Arguments) -> Result<Filter> {
    let mut filter = Filter::default();
    for class in &arguments.ignore {
        filter.ignore_class(class).context("--ignore")?;
    }
    for path in &arguments.ignore_path {
        filter.ignore_path(path).context("--ignore-path")?;
    }
    if let Some(path) = &arguments.policy {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        filter.read_policy(&text).with_context(|| path.display().to_string())?;
    }
    Ok(filter)
}

/// What is read.
fn inputs(arguments: &Arguments, images: &[Location; 2]) -> Inputs {
    let mut inputs = Inputs::default();
    for (argument, location) in ["A", "B"].into_iter().zip(images) {
        inputs.image(argument, location);
    }
    if let Some(policy) = &arguments.policy {
        inputs.file("--policy", policy);
    }
    inputs
}

/// `--html FILE`, which may be in the directory of `--report-dir` and comes to be with that.
#[derive(Debug)]
enum Page {
    File(OutputFile),
    InFolder(PathBuf),
}

impl Page {
    fn open(path: &Path, folder: Option<&Folder>, inputs: &Inputs, spools: &Spools) -> Result<Self> {
        let name = path.file_name().filter(|name| !RESERVED.iter().any(|reserved| name == reserved));
        match (folder, name) {
            (Some(folder), Some(name))
                if std::path::absolute(folder_of(path))? == std::path::absolute(&folder.named)? =>
            {
                Ok(Self::InFolder(folder.output.path().join(name)))
            }
            _ => Ok(Self::File(OutputFile::open("--html", path, inputs, spools)?)),
        }
    }

    /// Writes it; what is still to be given its name is returned.
    fn write(self, write: &WriteAll<'_>) -> Result<Option<OutputFile>> {
        match self {
            Self::File(file) => file.write(write).map(Some),
            Self::InFolder(path) => {
                let written = File::create_new(path).and_then(|mut file| all_to(&mut file, write));
                written.context("--html: cannot write the page in --report-dir")?;
                Ok(None)
            }
        }
    }
}

/// What `--report-dir` has of its own.
const RESERVED: [&str; 2] = ["index.json", "files"];

/// `--report-dir`: files under names of our own, whatever they are called in the images. Like an image, it is there as a
/// whole or not at all.
#[derive(Debug)]
struct Folder {
    /// As the user has named it.
    named: PathBuf,
    /// Where it will be.
    path: PathBuf,
    output: Output,
}

impl Folder {
    fn make(path: &Path, inputs: &Inputs, spools: &Spools) -> Result<Self> {
        inputs.keep_clear("--report-dir", path, Use::Replaced)?;
        let named = path.to_owned();
        let failed = || format!("cannot make {}", path.display());
        // A link stays a link.
        let path = match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    bail!("--report-dir {}: it is not empty", path.display());
                }
                fs::canonicalize(path).with_context(failed)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder_of(path)).with_context(failed)?;
                path.to_owned()
            }
            Err(error) => return Err(error).with_context(failed),
        };
        let output = spools.output_folder(&path).context("--report-dir")?;
        fs::create_dir(output.path().join("files")).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { named, path, output })
    }

    fn publish(self, index: &WriteAll<'_>) -> Result<()> {
        let failed = || format!("cannot write {}", self.path.display());
        let written = File::create(self.output.path().join("index.json")).and_then(|mut file| all_to(&mut file, index));
        written.with_context(failed)?;
        self.output.rename_to(&self.path).context("--report-dir")
    }

    fn name(number: u32, side: usize) -> String {
        format!("files/{number:06}.{}", if side == 0 { "a" } else { "b" })
    }
}

impl FileSink for Folder {
    fn file(&self, number: u32, side: usize, _path: &[u8]) -> restamp::Result<Box<dyn Write + Send>> {
        let path = self.output.path().join(Self::name(number, side));
        let file = File::create_new(&path).map_err(|e| restamp::Error::io("cannot make", e).in_file(path.display()))?;
        Ok(Box::new(io::BufWriter::new(file)))
    }
}
