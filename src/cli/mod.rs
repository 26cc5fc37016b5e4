//! The command line: the only place that knows clap, the environment, the terminal and exit statuses.

#[cfg(feature = "attest")]
mod attest;
#[cfg(feature = "registry")]
mod bulk;
mod check;
mod complete;
mod context;
mod diff;
mod epoch;
mod epoch_hint;
mod folder;
mod inspect;
mod lock;
mod origin;
mod output;
mod panics;
mod process;
mod progress;
#[cfg(feature = "registry")]
mod registry;
#[cfg(feature = "attest")]
mod results;
mod rewrite;
mod tar;
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything went well.
const DONE: u8 = 0;
/// The image is not as it should be, or the images differ.
const FOUND: u8 = 1;
/// An error: nothing was written.
const FAILED: u8 = 2;

/// Make container images reproducible after the fact.
///
/// restamp rewrites the timestamps of an existing image: `created`, history, labels and annotations that hold a time, and
/// the mtime of every layer entry become SOURCE_DATE_EPOCH. Every digest that depends on them is recomputed, and nothing
/// else changes unless an option asks for it.
#[derive(Debug, Parser)]
#[command(name = "restamp", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Exit status: 0 done, 1 check, diff or lock found something, 2 an error.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Rewrite(Box<rewrite::Arguments>),
    Check(Box<check::Arguments>),
    Inspect(inspect::Arguments),
    Diff(Box<diff::Arguments>),
    Tar(Box<tar::Arguments>),
    Lock(Box<lock::Arguments>),
    #[cfg(feature = "registry")]
    #[command(subcommand)]
    Bulk(bulk::Arguments),
    #[cfg(feature = "attest")]
    Attest(Box<attest::Arguments>),
    #[cfg(feature = "attest")]
    Attach(attest::attach::Arguments),
    #[cfg(feature = "attest")]
    Verify(Box<attest::verify::Arguments>),
    #[cfg(feature = "attest")]
    #[command(subcommand)]
    Results(results::Arguments),
    Completions(complete::Completions),
    Man(complete::Man),
}

/// Parses the arguments, runs, and maps the result to an exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap's status for a wrong argument is 2 as well.
            if error.use_stderr() {
                usage::print(error);
                return ExitCode::from(FAILED);
            }
            let _ = error.print();
            return ExitCode::from(DONE);
        }
    };
    process::raise_limits();
    panics::end_process();
    let result = match cli.command {
        Command::Rewrite(arguments) => rewrite::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Tar(arguments) => tar::run(&arguments),
        Command::Lock(arguments) => lock::run(&arguments),
        #[cfg(feature = "registry")]
        Command::Bulk(arguments) => bulk::run(&arguments),
        #[cfg(feature = "attest")]
        Command::Attest(arguments) => attest::run(&arguments),
        #[cfg(feature = "attest")]
        Command::Attach(arguments) => attest::attach::run(&arguments),
        #[cfg(feature = "attest")]
        Command::Verify(arguments) => attest::verify::run(&arguments),
        #[cfg(feature = "attest")]
        Command::Results(arguments) => results::run(&arguments),
        Command::Completions(arguments) => complete::completions(&arguments),
        Command::Man(arguments) => complete::man(&arguments),
    };
    process::wait_if_ending();
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            if !is_broken_pipe(&error) {
                let text = format!("{error:#}");
                // An error here can't be reported.
                let _ = writeln!(io::stderr(), "restamp: error: {}", restamp::error::escaped(&text));
            }
            ExitCode::from(FAILED)
        }
    }
}

/// Was the pipe closed that the output went to? That is not an error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<restamp::Error>().is_some_and(restamp::Error::is_broken_pipe)
            || cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
