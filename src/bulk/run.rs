//! Doing what a plan says.

use std::sync::Arc;

use super::state::State;
use super::work::{Shard, Work, WorkList};
use crate::context::RunContext;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::registry::Client;
use crate::rewrite::Rewrite;
use crate::rewrite::report::Sent;
use crate::store::location::Location;

/// How a plan is to be run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RunOptions {
    /// Which part of it.
    pub shard: Shard,
    /// Goes on after an image that fails.
    pub keep_going: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { shard: Shard::WHOLE, keep_going: false }
    }
}

/// What became of an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunEvent<'w> {
    /// It was there already.
    Present(&'w Work, Digest),
    /// It is there now.
    Done(&'w Work, Digest, Sent),
    /// It is not there, and the run goes on.
    Failed(&'w Work, &'w Error),
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RunReport {
    /// Images of the shard.
    pub images: u64,
    /// Those that were there already.
    pub present: u64,
    /// Those that were written.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// Bytes of blobs that were sent.
    pub sent_bytes: u64,
}

/// Rewrites the images of a shard one by one. `rewrite` has the options of the plan; `event` is called for each image.
///
/// # Errors
///
/// If an image fails, unless it is to go on then; or if a record can't be written, or the run is to stop.
pub fn run(
    list: &WorkList,
    rewrite: &Rewrite,
    options: RunOptions,
    state: &mut State,
    context: &RunContext,
    event: &mut dyn FnMut(&RunEvent<'_>),
) -> Result<RunReport> {
    let mut report = RunReport::default();
    for work in &list.works {
        let (src, _) = work.names()?;
        if !options.shard.has(&src) {
            continue;
        }
        context.pool.check()?;
        report.images += 1;
        match image(work, rewrite, state, context) {
            Ok(Outcome::Present(digest)) => {
                report.present += 1;
                event(&RunEvent::Present(work, digest));
            }
            Ok(Outcome::Done(digest, sent)) => {
                report.done += 1;
                report.sent_bytes = report.sent_bytes.saturating_add(sent.sent_bytes);
                state.add(work, digest)?;
                event(&RunEvent::Done(work, digest, sent));
            }
            Err(error) => {
                context.pool.check()?;
                if !options.keep_going {
                    return Err(error);
                }
                report.failed += 1;
                event(&RunEvent::Failed(work, &error));
            }
        }
    }
    Ok(report)
}

enum Outcome {
    Present(Digest),
    Done(Digest, Sent),
}

fn image(work: &Work, rewrite: &Rewrite, state: &State, context: &RunContext) -> Result<Outcome> {
    let (src, dst) = work.names()?;
    let tag = dst.tag().unwrap_or_default();
    let recorded = state.digest(work);
    let limit = context.limits.document_bytes;
    // The plan may move any tag of another repository. A tag of the source's own may have been pushed again since.
    let is_own = src.is_same_repository(&dst);
    if recorded.is_some() || is_own {
        let pool = context.pool.clone();
        let client = Client::new(&dst, &context.registry.options()?, Arc::new(move || pool.check()))?.for_push();
        let now = client.tag(tag, limit)?;
        if let Some(digest) = recorded.filter(|_| recorded == now) {
            return Ok(Outcome::Present(digest));
        }
        if is_own && now.is_some() && now.as_ref() != src.digest() {
            let text = format!("the tag {tag} has moved since it was planned: plan again");
            return Err(Error::refused(text).in_file(format!("docker://{dst}")));
        }
        // Another tag of the same image: what it became is in the repository, and needs this name alone.
        if let Some(digest) = recorded
            && let Some(found) = client.manifest(&digest.to_string(), limit)?
        {
            client.put_manifest(tag, &found.media_type, &digest, &found.bytes)?;
            return Ok(Outcome::Done(digest, Sent::default()));
        }
    }
    let (from, to): (Location, Location) =
        (format!("docker://{}", work.src).parse()?, Location::destination(&format!("docker://{}", work.dst))?);
    let report = rewrite.clone().with_context(context).run(&from, &to)?;
    let digest =
        report.names.first().map(|name| name.digest.new).ok_or_else(|| Error::missing("digest of the result"))?;
    Ok(Outcome::Done(digest, report.sent.unwrap_or_default()))
}
