//! `restamp check`: every time that is not the epoch, every link that does not hold, and nothing else.

#![allow(clippy::unwrap_used)]

mod archives;
mod layers;
mod links;
mod made;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod times;
