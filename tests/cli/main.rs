//! The command line, from outside: every test starts the program. One test program, so that it is linked once.

// Names of tests are sentences, and a test that can't go on has failed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attest;
mod check;
mod clocks;
mod destination;
mod diff;
mod door;
mod edges;
mod failures;
mod faults;
mod fixtures;
mod graph;
mod growth;
mod help;
mod hostile;
mod inspect;
mod inspect_findings;
mod library;
mod limits;
mod lock;
mod make_testdata;
mod printing;
mod readme;
mod registry;
mod results;
mod rewrite;
mod safety;
mod signals;
#[path = "../support/mod.rs"]
mod support;
mod tar;
mod time_keys;
