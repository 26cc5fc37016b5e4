//! The base image: how many layers and history entries of an image belong to it, and stay.

use crate::context::RunContext;
use crate::digest::Digest;
use crate::document::config::{Config, History};
use crate::error::{Error, Result};
use crate::image::documents::ImageConfig;
use crate::image::{ImageSet, Select};
use crate::platform::Platform;
use crate::store::location::Location;
use crate::store::open::Source;

/// The base image, whose layers and history entries stay as they are.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Base {
    /// Everything is rewritten.
    #[default]
    None,
    /// The first N layers of every image.
    Layers(usize),
    /// The layers of another image.
    Images(Vec<BaseImage>),
}

/// What is known of an image that others were built on.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// What it was built for.
    platform: Platform,
    /// Its layers, uncompressed.
    diff_ids: Vec<Digest>,
    /// When it was made, as it is written.
    created: Option<String>,
    /// Its history: as far as an image's begins like that, it is the base's.
    history: Vec<History>,
}

impl Base {
    /// The image that a location names, or those of one name there, as the base.
    ///
    /// # Errors
    ///
    /// If it can't be read, or there is none of that name.
    pub fn read(location: &Location, context: &RunContext) -> Result<Self> {
        let source = &Source::open(location, context)?;
        let in_file = |e: Error| e.in_file(source.name());
        let mut set = ImageSet::load(source)?.sound().map_err(in_file)?;
        set.select(&Select { reference: location.reference.clone(), platform: None }).map_err(in_file)?;
        let mut found = Vec::new();
        // In an order that does not depend on that of the index.
        let mut images: Vec<_> = set.images.iter().collect();
        images.sort_by_key(|image| (image.manifest.is_none(), image.manifest));
        for image in images {
            let config = Config::parse(&image.config.bytes).map_err(in_file)?;
            let (created, history) = (config.created(), config.history().to_vec());
            let (platform, diff_ids) = (image.platform(), image.config.diff_ids.clone());
            found.push(BaseImage { platform, diff_ids, created, history });
        }
        if found.is_empty() {
            return Err(in_file(Error::missing("image")));
        }
        Ok(Self::Images(found))
    }
}

impl BaseImage {
    /// When it and the steps of its build were made, as they are written.
    pub(super) fn times(&self) -> impl Iterator<Item = &str> {
        self.created.iter().chain(self.history.iter().filter_map(|entry| entry.created.as_ref())).map(String::as_str)
    }
}

/// What a [`BasePrefix`] of an unclear history means.
pub const HISTORY_UNCLEAR: &str = "it does not have one entry for each layer, so the entries of the base can't be \
                                   found: all are stamped";

/// How much of an image is the base's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BasePrefix {
    /// How many of its layers, from the lowest.
    pub layers: usize,
    /// How many of its history entries, from the first.
    pub history: usize,
    /// Do the history's entries not line up with the layers, so that none can be said to be the base's?
    pub is_history_unclear: bool,
}

/// How much of an image is the base's.
///
/// # Errors
///
/// If the image is not built on the base.
pub fn prefix(base: &Base, image: &ImageConfig) -> Result<BasePrefix> {
    match base {
        Base::None => Ok(BasePrefix::default()),
        Base::Layers(count) => {
            if *count > image.diff_ids.len() {
                let expected = format!("at most {}, the number of layers", image.diff_ids.len());
                return Err(Error::malformed("--base-layers", expected, count));
            }
            let config = Config::parse(&image.bytes)?;
            let is_history_unclear = *count > 0 && !config.history().is_empty() && !lines_up(&config);
            let history = if is_history_unclear { None } else { entries_through(&config, *count) };
            Ok(BasePrefix { layers: *count, history: history.unwrap_or(0), is_history_unclear })
        }
        Base::Images(_) => {
            let Some(base) = found(base, image)? else { return Ok(BasePrefix::default()) };
            let (layers, history) = (base.diff_ids.len(), shared_entries(base, image)?);
            Ok(BasePrefix { layers, history, is_history_unclear: false })
        }
    }
}

/// The base image of an image; `None` where the base is not given by images.
///
/// # Errors
///
/// If the image is not built on one of them.
pub(super) fn found<'b>(base: &'b Base, image: &ImageConfig) -> Result<Option<&'b BaseImage>> {
    let Base::Images(bases) = base else { return Ok(None) };
    let platform = image.platform();
    let fits = |base: &&BaseImage| base.platform.matches(&platform);
    let mut candidates: Vec<&BaseImage> = bases.iter().filter(fits).collect();
    if candidates.is_empty() {
        let all: Vec<String> = bases.iter().map(|base| base.platform.to_string()).collect();
        return Err(Error::malformed("base image", format!("one for {platform}"), all.join(", ")));
    }
    // Of several tags the one that reaches furthest.
    candidates.sort_by_key(|base| std::cmp::Reverse(base.diff_ids.len()));
    match candidates.iter().find(|base| image.diff_ids.starts_with(&base.diff_ids)) {
        Some(base) => Ok(Some(base)),
        None => Err(mismatch(candidates[0], image)),
    }
}

/// The first layer in which an image differs from a base image.
fn mismatch(base: &BaseImage, image: &ImageConfig) -> Error {
    let same = base.diff_ids.iter().zip(&image.diff_ids).take_while(|(a, b)| a == b).count();
    let in_base = base.diff_ids.get(same).map(ToString::to_string).unwrap_or_default();
    let here = match image.diff_ids.get(same) {
        Some(diff_id) => format!("{diff_id} here"),
        None => "missing here".to_owned(),
    };
    Error::refused(format!(
        "not built on this base: layer {same} is {in_base} in the base and {here} (was the base updated in between?)"
    ))
}

/// History entries up to that of the base's last layer; `None` if the history has fewer entries with a layer than that.
///
/// Those without a layer that come right after it may be the base's or the image's own: no field of an image says which.
/// They are taken for its own, since an own time that stays would make two builds differ.
fn entries_through(config: &Config<'_>, layers: usize) -> Option<usize> {
    let mut filled = config.history().iter().enumerate().filter(|(_, entry)| !entry.empty_layer);
    match layers {
        0 => Some(0),
        _ => filled.nth(layers - 1).map(|(number, _)| number + 1),
    }
}

/// Has each layer an entry of history? Some builders write none, or say of all of them that they have no layer.
fn lines_up(config: &Config<'_>) -> bool {
    config.history().iter().filter(|entry| !entry.empty_layer).count() == config.diff_ids().len()
}

/// History entries that are the base's: those up to its last layer, and what follows them in both.
///
/// A base may have gained history since the image was built on it, and tools that serialise it again space it in another
/// way, so the steps after the last layer are compared one by one, by their values; all of them, where the entries don't line
/// up with the layers. The step of an own layer is never the base's.
fn shared_entries(base: &BaseImage, image: &ImageConfig) -> Result<usize> {
    let layers = base.diff_ids.len();
    let config = Config::parse(&image.bytes)?;
    let (sure, most) = match entries_through(&config, layers).filter(|_| lines_up(&config)) {
        Some(sure) => (sure, config.entries_of_layers(layers)),
        None => (0, config.history().len()),
    };
    let between = config.history().iter().zip(&base.history).take(most).skip(sure);
    Ok(sure + between.take_while(|(own, base)| own.is_same_step(base)).count())
}
