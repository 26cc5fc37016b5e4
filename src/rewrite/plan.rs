//! What is to be done with every image and its layers.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Digest;
use crate::document::config::Config;
use crate::error::{Error, Result};
use crate::image::base::{self, BasePrefix};
use crate::image::documents::ImageConfig;
use crate::image::layers::LayerId;
use crate::image::{Image, ImageSet};
use crate::notice::{Notice, NoticeKind};
use crate::rewrite::documents::ImagePlan;
use crate::rewrite::layers::Layers;
use crate::rewrite::options::Options;

/// What is to be done with every image.
#[derive(Debug, Default)]
pub struct Plans {
    /// By the digest of the manifest.
    pub manifests: BTreeMap<Digest, ImagePlan>,
    /// In the order of `manifest.json`.
    pub entries: Vec<ImagePlan>,
    /// Warnings for the user.
    pub warnings: BTreeSet<Notice>,
}

impl Plans {
    /// That of one image.
    pub fn of(&self, image: &Image) -> Option<&ImagePlan> {
        match (image.archive_entry, image.manifest) {
            (Some(number), _) => self.entries.get(number),
            (None, Some(digest)) => self.manifests.get(&digest),
            (None, None) => None,
        }
    }
}

/// Plans all images and their layers.
pub fn plan(set: &ImageSet<'_>, options: &Options, layers: &mut Layers) -> Result<Plans> {
    let mut plans = Plans::default();
    let (prefixes, warnings) = (BTreeMap::new(), BTreeSet::new());
    let mut planner = Planner { set, options, layers, prefixes, warnings };
    for image in &set.images {
        let Some(digest) = image.manifest else { continue };
        let planned = planner.image(image.config_digest, &image.config, &image.layers);
        plans.manifests.insert(digest, planned.map_err(|e| e.in_blob(digest))?);
    }
    for image in &set.archive {
        let planned = planner.image(image.id, &image.config, &image.layers);
        plans.entries.push(planned.map_err(|e| e.in_blob(image.id))?);
    }
    plans.warnings = planner.warnings;
    Ok(plans)
}

/// Plans images, which may share configs and layers.
struct Planner<'p, 's> {
    set: &'p ImageSet<'s>,
    options: &'p Options,
    layers: &'p mut Layers,
    /// How much is the base's, by the digest of a config.
    prefixes: BTreeMap<Digest, BasePrefix>,
    /// Warnings for the user, each once.
    warnings: BTreeSet<Notice>,
}

impl Planner<'_, '_> {
    fn image(&mut self, id: Digest, config: &ImageConfig, layers: &[(LayerId, Digest)]) -> Result<ImagePlan> {
        let base = match self.prefixes.get(&id) {
            Some(base) => *base,
            None => {
                history_fits(config)?;
                base::prefix(&self.options.base, config)?
            }
        };
        self.prefixes.insert(id, base);
        if base.is_history_unclear {
            let text = format!("{id}: history: {}", base::HISTORY_UNCLEAR);
            self.warnings.insert(Notice::new(NoticeKind::History, text));
        }
        let mut keys = Vec::with_capacity(layers.len());
        for (number, (layer, diff_id)) in layers.iter().enumerate() {
            keys.push(self.layers.plan(self.set, self.options, *layer, *diff_id, number < base.layers)?);
        }
        Ok(ImagePlan { layers: keys, base })
    }
}

/// Docker refuses an image whose history has more entries with a layer than there are layers; fewer are fine.
fn history_fits(image: &ImageConfig) -> Result<()> {
    let config = Config::parse(&image.bytes)?;
    let filled = config.history().iter().filter(|entry| !entry.empty_layer).count();
    let layers = image.diff_ids.len();
    if filled > layers {
        let expected = format!("at most {layers} that are not empty_layer, the number of layers");
        return Err(Error::malformed("number of history entries", expected, filled).at_entry("history"));
    }
    Ok(())
}
