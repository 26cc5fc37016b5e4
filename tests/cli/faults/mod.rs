//! Faults of earlier versions, each with a test of its name.

mod all_clear;
mod archives;
mod both_lists;
mod cache;
mod causes;
mod chosen;
mod commands;
mod foreign;
mod growth;
mod keys;
mod made;
mod outputs;
mod partial_indexes;
mod previews;
mod programs;
mod sources;
mod sparse_names;
mod stargz;
mod tar_headers;
mod threads;
mod unknown_documents;
mod verification;
