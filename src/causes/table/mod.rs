//! The table of known causes, by theme.
//!
//! A row says one thing, that is true of every file it names, and its advice avoids just that. Its class is
//! [`Class::Content`] where a file may run, is code, or is read as settings: a path alone does not make those harmless.

mod commands;
mod general;
mod homes;
mod identity;
mod javascript;
mod languages;
mod packages;
mod python;
mod system;

use super::omit::{Omission, Omit};
use super::{Cause, Class};
pub use identity::PRIVATE_KEY;

/// A cause that shows in paths.
pub(super) const fn row(
    id: &'static str,
    class: Class,
    paths: &'static [&'static str],
    what: &'static str,
    advice: &'static str,
) -> Cause {
    Cause {
        id,
        class,
        paths,
        commands: &[],
        what,
        advice,
        mends: None,
        omit: None,
        in_one_image: true,
        content_first: false,
        by_content_alone: false,
    }
}

/// The same, of files that follow from others: in one image alone they say nothing.
const fn follows(
    id: &'static str,
    class: Class,
    paths: &'static [&'static str],
    what: &'static str,
    advice: &'static str,
) -> Cause {
    Cause { in_one_image: false, ..row(id, class, paths, what, advice) }
}

/// The same, where the file holds more than what the cause speaks of.
const fn shown(
    id: &'static str,
    class: Class,
    paths: &'static [&'static str],
    what: &'static str,
    advice: &'static str,
) -> Cause {
    Cause { by_content_alone: true, ..row(id, class, paths, what, advice) }
}

/// The same, of documents that programs read: if only dates differ in one, that is what is said.
const fn document(
    id: &'static str,
    class: Class,
    paths: &'static [&'static str],
    what: &'static str,
    advice: &'static str,
) -> Cause {
    Cause { content_first: true, ..row(id, class, paths, what, advice) }
}

/// A cause that shows in the commands of a build.
const fn command(
    id: &'static str,
    class: Class,
    commands: &'static [&'static [&'static str]],
    what: &'static str,
    advice: &'static str,
) -> Cause {
    Cause { commands, ..row(id, class, &[], what, advice) }
}

/// A cause of logs, which programs create again when they are missing. `source` is where the program's documentation says that they may be missing.
const fn log(row: Cause, source: &'static str) -> Cause {
    let omit = Some(Omission::new(Omit::Logs, source));
    Cause { mends: Some("rewrite --omit logs"), omit, ..row }
}

/// A cause of caches, which programs create again when they are missing.
const fn cache(row: Cause, source: &'static str) -> Cause {
    let omit = Some(Omission::new(Omit::Caches, source));
    Cause { mends: Some("rewrite --omit caches"), omit, ..row }
}

/// The same, of files with times that this option of restamp sets.
pub(super) const fn mended(option: &'static str, row: Cause) -> Cause {
    Cause { mends: Some(option), ..row }
}

/// A gzip file that says when it was made: the MTIME of its first header (RFC 1952, 2.3.1). It is known by content,
/// wherever the file is.
pub static GZIP_FILE: Cause = mended(
    "rewrite --repair gzip",
    row(
        "gzip-file",
        Class::EmbeddedTime,
        &[],
        "a compressed file with the time at which it was made in its header",
        "gzip -n leaves the time out",
    ),
);

/// The parts of the table. Of several rows that fit a path the first counts, so the special ones come before the
/// general ones.
const PARTS: [&[Cause]; 9] = [
    identity::ROWS,
    packages::ROWS,
    python::ROWS,
    javascript::ROWS,
    languages::ROWS,
    system::ROWS,
    homes::ROWS,
    general::ROWS,
    commands::ROWS,
];

/// How many rows there are.
const COUNT: usize = {
    let (mut count, mut parts): (usize, &[&[Cause]]) = (0, &PARTS);
    while let Some((part, rest)) = parts.split_first() {
        count += part.len();
        parts = rest;
    }
    count
};

/// All parts in one.
static ALL: [Cause; COUNT] = {
    let mut all = [row("", Class::Content, &[], "", ""); COUNT];
    let (mut at, mut parts): (usize, &[&[Cause]]) = (0, &PARTS);
    while let Some((part, rest)) = parts.split_first() {
        let mut rows = *part;
        while let Some((row, later)) = rows.split_first() {
            // While compiling: `COUNT` is the sum of the lengths.
            all[at] = *row;
            at += 1;
            rows = later;
        }
        parts = rest;
    }
    all
};

/// The table.
pub static CAUSES: &[Cause] = &ALL;
