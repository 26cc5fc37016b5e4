//! Completions and man pages, from the definitions of the options themselves.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use super::printing;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell it is for
    shell: Shell,
}

/// Print the manual page, or write one page per command
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Write restamp.1, restamp-rewrite.1 and so on into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a completion script.
pub fn completions(arguments: &Completions) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Cli::command(), "restamp", &mut script);
    printing::print(|out| out.write_all(&script))?;
    Ok(super::DONE)
}

/// Prints or writes manual pages.
pub fn man(arguments: &Man) -> Result<u8> {
    let command = super::Cli::command();
    match &arguments.dir {
        Some(dir) => {
            clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write into {}", dir.display()))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            printing::print(|out| out.write_all(&page))?;
        }
    }
    Ok(super::DONE)
}
