//! Results as a folder of static files: signed statements, a log in which each line names the one before, and its head.
//!
//! ```text
//! DIR/trust.toml                                                     whose results these are
//! DIR/v1/sha256/<subject>/<operator>/<time>-<12 hex>.sigstore.json   a bundle; the digits are its digest's
//! DIR/v1/sha256/<subject>/<operator>/<time>-<12 hex>.diff.json.zst   the differences that it is about, if they were kept
//! DIR/v1/log.jsonl                                                   an [`Entry`] for each bundle
//! DIR/v1/head.json                                                   a [`Head`]: how many there are, and the last one
//! DIR/v1/head.sigstore.json                                          the head, signed, if it was
//! ```
//!
//! [`add()`] is the one writer, [`check()`] replays what was written, [`render()`] makes a site of it. Names of files are
//! made of digests, times and operators that were verified; no link below `DIR` is followed. [`trust()`] reads whose results
//! they are.

mod add;
mod check;
mod entry;
mod folder;
mod head;
mod known;
mod log;
mod render;
mod report;
mod whose;
mod writer;

pub use add::{Options, add};
pub use check::{Checked, Problem, check};
pub use entry::{Entry, Said, Verdict, said};
pub use head::{Head, HeadStatement};
pub use log::{Line, Log};
pub use render::{file_name, render};
pub use whose::trust;
pub use writer::Added;
