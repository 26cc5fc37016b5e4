//! Completions and man pages, from the definitions of the options themselves.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use super::output;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 done, 2 an error.")]
pub struct Completions {
    /// The shell it is for
    shell: Shell,
}

/// Print the manual page, or write one page per command
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 done, 2 an error.")]
pub struct Man {
    /// Write restamp.1, restamp-rewrite.1 and so on into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a completion script.
pub fn completions(arguments: &Completions) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Cli::command(), "restamp", &mut script);
    output::print(|out| out.write_all(&script))?;
    Ok(super::DONE)
}

/// Prints or writes manual pages.
pub fn man(arguments: &Man) -> Result<u8> {
    let mut command = super::Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &arguments.dir else {
        let page = page(&command, "")?;
        output::print(|out| out.write_all(&page))?;
        return Ok(super::DONE);
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let exit_status = sections(&command).find_map(|(title, text)| (title == EXIT_STATUS).then_some(text));
    for command in command.get_subcommands().chain([&command]) {
        let path = dir.join(format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name())));
        let page = page(command, exit_status.as_deref().unwrap_or_default())?;
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(super::DONE)
}

const EXIT_STATUS: &str = "EXIT STATUS";

/// What the environment decides, by the option that brings it in.
const ENVIRONMENT: [(&str, &str, &str); 3] = [
    ("epoch", "SOURCE_DATE_EPOCH", "The epoch, in seconds since 1970, unless \\-\\-epoch is given."),
    (
        "tmp_dir",
        "TMPDIR",
        "The directory of temporary files that are not made beside an output, unless \\-\\-tmp\\-dir is given.",
    ),
    ("html", "NO_COLOR, TERM", "No colours are printed if NO_COLOR is not empty or TERM is dumb."),
];

/// The page of a command; `exit_status` is used where it has none of its own.
fn page(command: &clap::Command, exit_status: &str) -> io::Result<Vec<u8>> {
    let source = concat!("restamp ", env!("CARGO_PKG_VERSION"));
    let man = clap_mangen::Man::new(command.clone()).source(source);
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut out)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
    let environment: Vec<_> = ENVIRONMENT.iter().filter(|(id, ..)| has(id)).collect();
    if !environment.is_empty() {
        writeln!(out, ".SH ENVIRONMENT")?;
        for (_, name, what) in environment {
            writeln!(out, ".TP\n\\fB{name}\\fR\n{what}")?;
        }
    }
    let mut own: Vec<(&str, String)> = sections(command).collect();
    if !exit_status.is_empty() && !own.iter().any(|(title, _)| *title == EXIT_STATUS) {
        own.push((EXIT_STATUS, exit_status.to_owned()));
    }
    for (title, text) in own {
        writeln!(out, ".SH \"{title}\"\n.nf")?;
        for line in text.lines() {
            // A backslash begins an escape, a dot at the start of a line a request.
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            writeln!(out, "{guard}{line}")?;
        }
        writeln!(out, ".fi")?;
    }
    Ok(out)
}

/// The paragraphs that follow the options in the help, by what they begin with.
fn sections(command: &clap::Command) -> impl Iterator<Item = (&'static str, String)> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let paragraphs: Vec<String> = text.split("\n\n").filter(|text| !text.is_empty()).map(str::to_owned).collect();
    paragraphs.into_iter().map(|text| {
        let (title, text) = match (text.strip_prefix("Examples:\n"), text.strip_prefix("Exit status: ")) {
            (Some(text), _) => ("EXAMPLES", text),
            (_, Some(text)) => (EXIT_STATUS, text),
            (None, None) => ("NOTES", text.as_str()),
        };
        (title, text.to_owned())
    })
}
