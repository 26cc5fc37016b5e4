//! The verb: from an image to what rebuilds it. It reads, and fetches nothing but the image.
//!
//! [`report`] is the result: the lock, and the bytes of the files that a caller may write. `read.rs` reads layers,
//! `lists.rs` writes the lists of packages, `policy.rs` BuildKit's source policy, `recipe.rs` the Dockerfile. What the
//! image says is found by [`crate::origin`]. Everything here is sorted, and has no time of the run and no path of the
//! machine in it: two runs give the same bytes.

mod lists;
pub mod policy;
mod read;
mod recipe;
pub mod report;
mod run;

pub use run::Lock;

use std::collections::BTreeSet;

use crate::context::RunContext;
use crate::error::{Error, Result};
use crate::image::{Image, ImageSet, Select};
use crate::json_writer;
use crate::origin::contents::Contents;
use crate::origin::{Attached, BaseOf, How, Origin, base_name, of_image};
use crate::packages::Package;
use crate::store::location::{Location, NamedCarrier};
use crate::store::open::Source;
use policy::Policy;
use report::{LOCK_SCHEMA, LockDocument, LockFile, LockedImage, PackageList, Report, SCHEMA};

/// What is to be locked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub select: Select,
    /// The image whose packages are left out of the lists.
    pub base: Option<Location>,
}

/// An image that was read.
struct Locked {
    image: LockedImage,
    diff_ids: Vec<crate::Digest>,
    origin: Origin,
    contents: Contents,
}

/// Locks an image. Everything that is read is verified.
pub(crate) fn lock(source: &Source, options: &Options, context: &RunContext) -> Result<Report> {
    let mut locked = locked(source, &options.select, context).map_err(|e| e.in_file(source.name()))?;
    let mut lists = lists_of(&mut locked.contents);
    if let Some(location) = &options.base {
        let base = base(location, &locked, context)?;
        subtract(&mut lists, &mut locked, base);
    }
    let policy = Policy::of(&mut locked.origin);
    let components = locked.contents.components;
    let (origin, platform) = (locked.origin, locked.image.platform.clone());
    let document = LockDocument { schema: LOCK_SCHEMA, platform, origin, packages: lists, source_policy: policy };
    let files = files(&document, &components)?;
    Ok(Report {
        schema: SCHEMA,
        source: NamedCarrier { name: source.name().to_owned(), kind: source.carrier() },
        image: locked.image,
        lock: document,
        files,
    })
}

/// Reads the one image that is asked for.
fn locked(source: &Source, select: &Select, context: &RunContext) -> Result<Locked> {
    let mut set = ImageSet::load(source)?.sound()?;
    set.select(select)?;
    set.check_listed(select)?;
    let image = one(&set)?;
    let files = read::layers(&set, image, context)?;
    let files: Vec<_> = files.iter().map(Option::as_ref).collect();
    let (origin, contents) = of_image(&set, image, &Attached::of(&set), Some(&files))?;
    let created = crate::document::config::Config::parse(&image.config.bytes)?.created();
    Ok(Locked {
        image: LockedImage {
            names: image.names.clone(),
            platform: image.platform(),
            manifest: image.manifest,
            config: image.config_digest,
            created,
        },
        diff_ids: image.config.diff_ids.clone(),
        origin,
        contents: contents.unwrap_or_default(),
    })
}

fn one<'s>(set: &'s ImageSet<'_>) -> Result<&'s Image> {
    let listed: Vec<&Image> = set.images.iter().filter(|image| image.is_listed()).collect();
    let configs: BTreeSet<_> = listed.iter().map(|image| image.config_digest).collect();
    match (listed.first(), configs.len()) {
        (Some(image), 1) => Ok(image),
        (None, _) | (_, 0) => Err(Error::missing("image")),
        (_, count) => {
            let platforms: BTreeSet<String> = listed.iter().map(|image| image.platform().to_string()).collect();
            let platforms: Vec<String> =
                platforms.into_iter().map(|text| crate::error::printable(text.as_bytes())).collect();
            let text = format!(
                "there are {count} images, and a lock is of one: choose it with a name or --platform ({})",
                platforms.join(", ")
            );
            Err(Error::refused(text))
        }
    }
}

fn lists_of(contents: &mut Contents) -> Vec<PackageList> {
    let mut lists: Vec<PackageList> = Vec::new();
    for database in std::mem::take(&mut contents.databases) {
        // An image may have packages of one manager in two places.
        match lists.iter_mut().find(|list| list.manager == database.manager) {
            Some(list) => {
                list.from.push(database.from);
                list.list.extend(database.list);
                list.list.sort();
                list.list.dedup();
            }
            None => lists.push(PackageList {
                manager: database.manager,
                from: vec![database.from],
                of_base: None,
                list: database.list,
            }),
        }
    }
    lists.sort_by_key(|list| list.manager);
    lists
}

fn base(location: &Location, image: &Locked, context: &RunContext) -> Result<Locked> {
    let source = Source::open(location, context)?;
    let select = Select { reference: location.reference.clone(), platform: Some(image.image.platform.clone()) };
    locked(&source, &select, context).map_err(|e| e.in_file(source.name()))
}

/// Takes what the base has out of the lists, and says what the base is.
fn subtract(lists: &mut [PackageList], image: &mut Locked, mut base: Locked) {
    let key = |package: &Package| (package.name.clone(), package.version.clone(), package.architecture.clone());
    for list in lists.iter_mut() {
        let databases = base.contents.databases.iter().filter(|database| database.manager == list.manager);
        let known: BTreeSet<_> = databases.flat_map(|database| &database.list).map(key).collect();
        let before = list.list.len();
        list.list.retain(|package| !known.contains(&key(package)));
        list.of_base = Some(before - list.list.len());
    }
    let problems = base.origin.problems.drain(..).chain(base.origin.not_looked_at.drain(..));
    image.origin.problems.extend(problems.map(|problem| format!("--base: {problem}")));
    let count = base.diff_ids.len();
    if count > 0 && image.diff_ids.starts_with(&base.diff_ids) {
        let name = base.image.names.iter().find_map(|name| base_name(name));
        let from = format!("--base: the image's first layers ({count}) are its layers");
        let found = BaseOf { name, digest: base.image.manifest, how: How::Derived, from };
        // What is stated comes first, where it is a digest.
        let at = if image.origin.base.iter().any(|base| base.digest.is_some()) { image.origin.base.len() } else { 0 };
        image.origin.base.insert(at, found);
    } else {
        image.origin.notes.push("--base: the image's first layers are not its layers".to_owned());
    }
}

/// The files, `lock.json` first.
fn files(document: &LockDocument, components: &BTreeSet<String>) -> Result<Vec<LockFile>> {
    let json = |value: &dyn Fn() -> std::io::Result<Vec<u8>>| value().map_err(|e| Error::io("cannot write JSON", e));
    let mut files = vec![
        LockFile::new("lock.json", json(&|| json_writer::to_vec(document))?),
        LockFile::new("source-policy.json", json(&|| json_writer::to_vec(&document.source_policy))?),
        LockFile::new("Dockerfile.pinned", recipe::dockerfile(document, components).into_bytes()),
    ];
    let lists = document.packages.iter();
    files.extend(
        lists.map(|list| LockFile::new(format!("packages.{}", list.manager.name()), lists::text(list).into_bytes())),
    );
    Ok(files)
}
