//! Faults of earlier versions, each with a test of its name.

mod keys;
mod programs;
mod sparse_names;
mod stargz;
mod tar_headers;
