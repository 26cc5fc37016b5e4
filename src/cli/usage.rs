//! Errors of arguments that can't be parsed: clap's text, with hints for users of other tools.

use std::error::Error as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use restamp::error::shell_word;

/// Prints an error of the arguments, which begins as all others do.
pub fn print(error: clap::Error) {
    let doubled = doubled(&error);
    let text = improved(error).render();
    let is_plain = !io::stderr().is_terminal()
        || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    let mut text = if is_plain { text.to_string() } else { text.ansi().to_string() };
    if let Some((long, short)) = doubled {
        text = text.replacen(&long, &short, 1);
    }
    // An error here can't be reported.
    let _ = write!(io::stderr(), "{}", text.replacen("error:", "restamp: error:", 1));
}

/// The reason why a value of an option is wrong, with and without what the value is: clap has named the option.
fn doubled(error: &clap::Error) -> Option<(String, String)> {
    let source = error.source()?.downcast_ref::<restamp::Error>()?;
    let restamp::ErrorKind::Malformed { expected, found, .. } = source.kind() else { return None };
    Some((source.to_string(), format!("expected {expected}, found {found}")))
}

/// The same error with a hint of ours instead of one that does not help.
fn improved(mut error: clap::Error) -> clap::Error {
    let hint = match error.kind() {
        ErrorKind::UnknownArgument => {
            let name = text(&error, ContextKind::InvalidArg);
            let is_rewrite = text(&error, ContextKind::Usage).contains("restamp rewrite");
            match name.split('=').next().unwrap_or_default() {
                "--timestamp" | "--source-date-epoch" => "the option is --epoch SECONDS".to_owned(),
                "--output" | "-o" if is_rewrite => {
                    "DEST has no option of its own: restamp rewrite SOURCE DEST".to_owned()
                }
                "--output" | "-o" => "the result goes to standard output: > FILE".to_owned(),
                // That it could be a value, after `--`, is no help: no image is called like that.
                name if name.starts_with('-') => {
                    error.remove(ContextKind::Suggested);
                    return error;
                }
                _ => return error,
            }
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(&error, ContextKind::InvalidSubcommand);
            if !name.contains(['.', '/', ':']) && name != "-" && !Path::new(&name).exists() {
                return error;
            }
            format!("to rewrite an image: restamp rewrite {}", shell_word(name))
        }
        _ => return error,
    };
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        error.remove(kind);
    }
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
    error
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    error.get(kind).map(ToString::to_string).unwrap_or_default()
}
