//! Layers, compared entry by entry.

pub(crate) mod attributes;
pub(crate) mod compare;
pub(crate) mod entries;
pub(crate) mod links;
pub(crate) mod moved;
pub(crate) mod path;
pub(crate) mod pax;
pub(crate) mod programs;
pub(crate) mod raise;
pub(crate) mod record;
pub(crate) mod stream;
pub(crate) mod tree;
pub(crate) mod unmodelled;
