//! What is to be done: the tags of repositories, each pinned to the digest that it has now.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use globset::{Glob, GlobMatcher};

use super::work::{Work, options_hash, write_end, write_head, write_line};
use crate::context::RunContext;
use crate::digest::Digest;
use crate::document::descriptor::split_fallback_tag;
use crate::error::{Error, Result, quoted};
use crate::registry::{Client, RegistryName};
use crate::sync::{lock, start};

/// Tags that are pinned before they are written.
const CHUNK: usize = 1000;

/// What is to be planned.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlanOptions {
    /// `HOST/REPOSITORY[:GLOB]`: the repositories, and which of their tags.
    pub sources: Vec<String>,
    /// `HOST/REPOSITORY:TAG` of each result, with `{repo}` and `{tag}` of its source.
    pub destination: String,
    /// The options of `restamp rewrite`, as they are typed.
    pub arguments: Vec<String>,
}

impl PlanOptions {
    /// Plans nothing yet.
    pub fn new(destination: impl Into<String>) -> Self {
        Self { sources: Vec::new(), destination: destination.into(), arguments: Vec::new() }
    }
}

/// A repository, and which of its tags are meant.
struct Source {
    name: RegistryName,
    tags: Option<GlobMatcher>,
}

/// What is in a plan.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Planned {
    /// Images.
    pub images: u64,
    /// Tags of what is about an image (`sha256-…`), which follows that.
    pub left_out: u64,
}

/// Writes a plan.
///
/// # Errors
///
/// If a source is no repository or can't be listed, a destination is no name, or two images would go to the same one.
pub fn plan(options: &PlanOptions, context: &RunContext, out: &mut dyn Write) -> Result<Planned> {
    let sources: Vec<Source> = options.sources.iter().map(|text| Source::parse(text)).collect::<Result<_>>()?;
    if !options.destination.contains("{tag}") && !options.destination.contains("{repo}") {
        // One image alone could go there.
        let text = format!("{}: write {{repo}} and {{tag}} where those of the source are to be", options.destination);
        return Err(Error::refused(text));
    }
    let hash = options_hash(&options.arguments);
    let mut destinations = std::collections::HashSet::new();
    write_head(&options.arguments, out)?;
    let mut planned = Planned::default();
    for source in sources {
        let pool = context.pool.clone();
        let client =
            Client::new(&source.name, &context.registry.options()?, std::sync::Arc::new(move || pool.check()))?;
        let in_file = |e: Error| e.in_file(format!("docker://{}", source.name.full_repository()));
        let mut tags = client.tags(context.limits.document_bytes).map_err(in_file)?;
        tags.retain(|tag| source.tags.as_ref().is_none_or(|glob| glob.is_match(tag)));
        let all = tags.len();
        tags.retain(|tag| split_fallback_tag(tag).is_none());
        planned.left_out += (all - tags.len()) as u64;
        for chunk in tags.chunks(CHUNK) {
            for (tag, digest) in chunk.iter().zip(pinned(&client, chunk, context).map_err(in_file)?) {
                // It was removed since it was listed.
                let Some(digest) = digest else { continue };
                let dst = options.destination.replace("{repo}", source.name.repository()).replace("{tag}", tag);
                let dst: RegistryName = dst.parse()?;
                let work =
                    Work { src: source.name.at(digest).to_string(), dst: dst.to_string(), options: hash.clone() };
                work.names()?;
                if !destinations.insert(work.dst.clone()) {
                    let text =
                        format!("two images would become {}: put {{repo}} and {{tag}} into the destination", work.dst);
                    return Err(Error::refused(text));
                }
                write_line(&work, out)?;
                planned.images += 1;
            }
        }
    }
    write_end(planned.images, out)?;
    Ok(planned)
}

/// The same name, pinned to the digest that its tag has now.
///
/// # Errors
///
/// If there is no such image.
pub fn pinned_name(name: &RegistryName, context: &RunContext) -> Result<RegistryName> {
    if name.digest().is_some() {
        return Ok(name.clone());
    }
    let pool = context.pool.clone();
    let client = Client::new(name, &context.registry.options()?, std::sync::Arc::new(move || pool.check()))?;
    let digest = client.tag(name.tag().unwrap_or_default(), context.limits.document_bytes)?;
    digest.map(|digest| name.at(digest)).ok_or_else(|| Error::missing("image").in_file(format!("docker://{name}")))
}

/// The digest of each tag. Several requests are under way at a time.
fn pinned(client: &Client, tags: &[String], context: &RunContext) -> Result<Vec<Option<Digest>>> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let found: Mutex<Vec<Option<Digest>>> = Mutex::new(vec![None; tags.len()]);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(tag) = tags.get(number).filter(|_| lock(&failed).is_none()) else { return };
            match client.tag(tag, context.limits.document_bytes) {
                Ok(digest) => {
                    if let Some(place) = lock(&found).get_mut(number) {
                        *place = digest;
                    }
                }
                Err(error) => {
                    lock(&failed).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..client.jobs() {
            // Where there can be no threads, this one does it all.
            let _ = start(scope, "tags", work);
        }
        work();
    });
    let failed = lock(&failed).take();
    match failed {
        Some(error) => Err(error),
        None => Ok(std::mem::take(&mut *lock(&found))),
    }
}

impl Source {
    /// `[docker://]HOST/REPOSITORY[:GLOB]`
    fn parse(text: &str) -> Result<Self> {
        let name = text.strip_prefix("docker://").unwrap_or(text);
        let wrong = || Error::malformed("repository", "docker://HOST/REPOSITORY[:GLOB]", quoted(text));
        if name.contains('@') {
            return Err(wrong());
        }
        // A colon before the last slash is that of a port.
        let (repository, glob) = match name.rsplit_once(':') {
            Some((repository, glob)) if !glob.contains('/') && !repository.is_empty() => (repository, Some(glob)),
            _ => (name, None),
        };
        let name: RegistryName = repository.parse().map_err(|_| wrong())?;
        let tags = glob.map(|glob| Glob::new(glob).map(|glob| glob.compile_matcher())).transpose();
        Ok(Self { name, tags: tags.map_err(|e| Error::malformed("GLOB of tags", "such as v1.*", e).in_file(text))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_and_a_glob_of_its_tags() {
        for (text, repository, tag, expected) in [
            ("docker://r.example/a/b", "r.example/a/b", "any", true),
            ("r.example:5000/a:v1.*", "r.example:5000/a", "v1.2", true),
            ("r.example:5000/a:v1.*", "r.example:5000/a", "v2", false),
            ("localhost:5000/a", "localhost:5000/a", "x", true),
            ("r.example/a:{1,2}", "r.example/a", "2", true),
        ] {
            let source = Source::parse(text).unwrap();
            assert_eq!(source.name.full_repository(), repository);
            assert_eq!(source.tags.is_none_or(|glob| glob.is_match(tag)), expected, "{text} {tag}");
        }
        for bad in ["", "r.example/a@sha256:00", "r.example/a:[", "A/B"] {
            assert!(Source::parse(bad).is_err(), "{bad}");
        }
    }
}
