//! How a cause is avoided, on a page: the command apart from its explanation.

use crate::causes::Cause;
use crate::diff::report::html::escape;

/// Programs, and instructions of a Dockerfile, that an advice begins with.
const PROGRAMS: [&str; 39] = [
    ":",
    "ADD",
    "ENV",
    "RUN",
    "apk",
    "apt-get",
    "buildah",
    "cargo",
    "chage",
    "chmod",
    "chown",
    "composer",
    "dnf",
    "docker",
    "export",
    "fc-cache",
    "find",
    "gem",
    "git",
    "go",
    "gradle",
    "gzip",
    "ldconfig",
    "ln",
    "mvn",
    "npm",
    "pacman",
    "pip",
    "pnpm",
    "poetry",
    "restamp",
    "rm",
    "sed",
    "sort",
    "touch",
    "truncate",
    "update-ca-certificates",
    "uv",
    "yarn",
];
/// Words after a command that are not of it.
const ENDS: [&str; 16] = [
    " after ",
    " as ",
    " at ",
    " before ",
    " does ",
    " for ",
    " from a ",
    " in ",
    " instead ",
    " leaves ",
    " makes ",
    " where ",
    " which ",
    " with ",
    " (",
    ", ",
];

/// The command that an advice begins with, and the rest.
fn split(advice: &'static str) -> (&'static str, &'static str) {
    let first = advice.split(' ').next().unwrap_or_default();
    if !PROGRAMS.contains(&first) {
        return ("", advice);
    }
    let ends = ENDS.iter().chain(&["; ", " or ", " and "]).filter_map(|end| advice.find(end));
    advice.split_at(ends.min().unwrap_or(advice.len()))
}

/// The line that says what a cause is and how to avoid it. A click on the command selects all of it.
pub(super) fn line(cause: &'static Cause) -> String {
    let (command, rest) = split(cause.advice);
    let command = if command.is_empty() { String::new() } else { format!("<code class=y>{}</code>", escape(command)) };
    let mended = cause.mended().map(|mended| format!(" <b>In an image that is built:</b> {}", escape(&mended)));
    format!(
        "<p class=w><span class=s>{}: {}.</span> <b>Fix:</b> {command}{}{}</p>",
        escape(cause.id),
        escape(cause.what),
        escape(rest),
        mended.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_apart_from_what_is_said_of_it() {
        for (advice, command) in [
            ("rm -rf /var/cache/man, or don't install manual pages", "rm -rf /var/cache/man"),
            ("gzip -n leaves the time out", "gzip -n"),
            ("apk add --no-cache", "apk add --no-cache"),
            (
                "rm -rf /var/log/dnf* /var/lib/dnf/history* in the same RUN",
                "rm -rf /var/log/dnf* /var/lib/dnf/history*",
            ),
            (": > /etc/machine-id && rm -f /x; one is made at first boot", ": > /etc/machine-id && rm -f /x"),
            ("remove it in the same RUN", ""),
        ] {
            assert_eq!(split(advice).0, command);
        }
    }
}
