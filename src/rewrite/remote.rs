//! A registry as the destination: the names that the result gets there, and what is looked at before the work.

use crate::context::RunContext;
#[cfg(feature = "registry")]
use crate::document::index::Index;
use crate::error::{Error, Result};
use crate::name::NewName;
use crate::registry::RegistryName;
use crate::store::open::Source;
#[cfg(feature = "registry")]
use crate::store::push::Push;
use crate::store::write::Target;

/// How it is written to.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "registry"), allow(dead_code))]
pub struct Settings<'a> {
    /// The repository that the base image is in.
    pub base: Option<&'a RegistryName>,
    /// A tag is moved from whatever it names by then.
    pub force: bool,
    /// Nothing but questions.
    pub dry_run: bool,
}

/// The repository of this name, looked at; `names` are those that the result gets.
#[cfg(feature = "registry")]
pub fn target(
    name: &RegistryName,
    source: &Source,
    names: &[NewName],
    settings: Settings<'_>,
    context: &RunContext,
) -> Result<Target> {
    let in_registry = |e: Error| e.in_file(format!("docker://{name}"));
    let tags: Vec<String> = names.iter().map(|name| name.ref_name().to_owned()).collect();
    let sources: Vec<&RegistryName> = source.repository().into_iter().chain(settings.base).collect();
    let push =
        Push::prepare(name, &tags, &sources, (settings.force, settings.dry_run), context).map_err(in_registry)?;
    let is_own = source.repository().is_some_and(|own| own.is_same_repository(name) && own.tag() == name.tag());
    let index = source.index().map(Index::parse).transpose()?;
    let read = index.and_then(|index| index.manifests().first().map(|top| top.digest));
    if is_own && push.old() != read {
        return Err(in_registry(Error::refused("the tag has moved since the image was read")));
    }
    Ok(Target::Registry(Box::new(push)))
}

/// Without registries there is none.
#[cfg(not(feature = "registry"))]
pub fn target(_: &RegistryName, _: &Source, _: &[NewName], _: Settings<'_>, _: &RunContext) -> Result<Target> {
    Err(Error::refused("this build of the library has no registries (feature registry)"))
}

/// The names of an image in a repository: its tag, and those that were asked for beside it.
pub fn names(name: &RegistryName, others: &[NewName]) -> Result<Vec<NewName>> {
    let in_repository = |tag: &str| format!("{}:{tag}", name.full_repository()).parse::<NewName>();
    let mut names: Vec<NewName> = name.tag().map(in_repository).transpose()?.into_iter().collect();
    for other in others {
        let full = other.full();
        if full.as_deref() != Some(&format!("{}:{}", name.full_repository(), other.ref_name())) {
            let text = format!("--name {other}: DEST is another repository: write {}:TAG", name.full_repository());
            return Err(Error::refused(text));
        }
        names.push(other.clone());
    }
    Ok(names)
}
