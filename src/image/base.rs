//! The base image: how much of an image is its, and stays.

use crate::context::RunContext;
use crate::digest::Digest;
use crate::document::config::{Config, History};
use crate::error::{Error, Property, Result};
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
    /// The first so many layers of every image.
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
            let history = Config::parse(&image.config.bytes).map_err(in_file)?.history().to_vec();
            found.push(BaseImage { platform: image.platform(), diff_ids: image.config.diff_ids.clone(), history });
        }
        if found.is_empty() {
            return Err(in_file(Error::missing("image")));
        }
        Ok(Self::Images(found))
    }
}

/// How much of an image is the base's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BasePrefix {
    /// How many of its layers, from the lowest.
    pub layers: usize,
    /// How many of its history entries, from the first.
    pub history: usize,
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
            Ok(BasePrefix { layers: *count, history: entries_through(image, *count)? })
        }
        Base::Images(bases) => {
            let platform = image.platform();
            let fits = |base: &&BaseImage| base.platform.matches(&platform);
            let mut candidates: Vec<&BaseImage> = bases.iter().filter(fits).collect();
            if candidates.is_empty() {
                let all: Vec<String> = bases.iter().map(|base| base.platform.to_string()).collect();
                return Err(Error::malformed("base image", format!("one for {platform}"), all.join(", ")));
            }
            // Of several tags the one that reaches furthest.
            candidates.sort_by_key(|base| std::cmp::Reverse(base.diff_ids.len()));
            if let Some(base) = candidates.iter().find(|base| image.diff_ids.starts_with(&base.diff_ids)) {
                return Ok(BasePrefix { layers: base.diff_ids.len(), history: shared_entries(base, image)? });
            }
            Err(mismatch(candidates[0], image))
        }
    }
}

/// The first layer in which an image differs from a base image.
fn mismatch(base: &BaseImage, image: &ImageConfig) -> Error {
    let same = base.diff_ids.iter().zip(&image.diff_ids).take_while(|(a, b)| a == b).count();
    let expected = base.diff_ids.get(same).map(ToString::to_string).unwrap_or_default();
    let found = match image.diff_ids.get(same) {
        Some(diff_id) => diff_id.to_string(),
        None => format!("no more than {} layers", image.diff_ids.len()),
    };
    Error::mismatch(Property::BaseLayer(same), expected, found)
}

/// History entries up to that of the base's last layer.
///
/// Those without a layer that come right after it may be the base's or the image's own: no field of an image says which.
/// They are taken for its own, since an own time that stays would make two builds differ.
fn entries_through(image: &ImageConfig, layers: usize) -> Result<usize> {
    let config = Config::parse(&image.bytes)?;
    let mut filled = config.history().iter().enumerate().filter(|(_, entry)| !entry.empty_layer);
    Ok(match layers {
        0 => 0,
        _ => filled.nth(layers - 1).map_or(config.history().len(), |(number, _)| number + 1),
    })
}

/// History entries that are the base's: those up to its last layer, and what follows them in both.
///
/// A base may have gained history since the image was built on it, and tools that serialise it again space it in another
/// way, so the steps after the last layer are compared one by one, by their values. The step of an own layer is never the
/// base's.
fn shared_entries(base: &BaseImage, image: &ImageConfig) -> Result<usize> {
    let layers = base.diff_ids.len();
    let config = Config::parse(&image.bytes)?;
    let (sure, most) = (entries_through(image, layers)?, config.entries_of_layers(layers));
    let between = config.history().iter().zip(&base.history).take(most).skip(sure);
    Ok(sure + between.take_while(|(own, base)| own.is_same_step(base)).count())
}
