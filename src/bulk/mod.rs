//! Many images of a registry, one after the other: a plan that pins what is to be done, and runs of a part of it that can be
//! broken off and begun again.
//!
//! [`plan`](plan::plan) lists tags and writes one line of work for each; [`run`](run::run) takes those of its shard. What was
//! done is kept in a [`State`], so that a second run does only what is left. Who starts how many runs on which
//! machines is for others to say: an Indexed Job of Kubernetes, for example.

pub mod plan;
pub mod run;
pub mod state;
pub mod work;

pub use plan::{PlanOptions, Planned, pinned_name, plan};
pub use run::{RunEvent, RunOptions, RunReport, run};
pub use state::State;
pub use work::{Shard, Work, WorkList};
