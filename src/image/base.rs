//! The base image: how much of an image is its, and stays.

use crate::document::config::Config;
use crate::error::{Error, Result};
use crate::image::docker::DockerImage;
use crate::image::graph::{Graph, ImageConfig};
use crate::image::select::Selection;
use crate::policy::{Base, BaseImage, Policy};
use crate::store::open::Source;

/// Reads what a rewrite has to know of a base image.
pub fn base_images(source: &Source, reference: Option<&str>) -> Result<Vec<BaseImage>> {
    let graph = Graph::load(source)?.sound().map_err(|e| e.in_file(source.name()))?;
    let docker = DockerImage::load_all(source)?;
    let mut found = Vec::new();
    let mut policy = Policy::new(crate::Stamp { epoch: crate::Epoch::new(0)?, rule: crate::Rule::Clamp });
    policy.reference = reference.map(str::to_owned);
    policy.signatures = crate::policy::Signatures::Drop;
    let selection = Selection::choose(source, &graph, &docker, &policy).map_err(|e| e.in_file(source.name()))?;
    let of_graph = graph.images().filter(|(digest, _)| selection.keeps(digest)).filter_map(|(_, m)| m.image.as_ref());
    let of_docker = docker.iter().filter(|image| selection.keeps_docker(&policy, image)).map(|image| &*image.config);
    for image in of_graph.chain(of_docker) {
        let history = Config::parse(&image.bytes).map_err(|e| e.in_file(source.name()))?.history().to_vec();
        found.push(BaseImage { platform: image.platform(), diff_ids: image.diff_ids.clone(), history });
    }
    if found.is_empty() {
        return Err(Error::missing("image").in_file(source.name()));
    }
    Ok(found)
}

/// How much of an image is the base's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// How many of its layers, from the lowest.
    pub layers: usize,
    /// How many of its history entries, from the first.
    pub history: usize,
}

/// How much of an image is the base's, as the policy says.
pub fn share(base: &Base, image: &ImageConfig) -> Result<Share> {
    match base {
        Base::None => Ok(Share::default()),
        Base::Layers(count) => {
            if *count > image.diff_ids.len() {
                let expected = format!("at most {}, the number of layers", image.diff_ids.len());
                return Err(Error::malformed("--base-layers", expected, count));
            }
            Ok(Share { layers: *count, history: entries_through(image, *count)? })
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
                return Ok(Share { layers: base.diff_ids.len(), history: shared_entries(base, image)? });
            }
            Err(parting(candidates[0], image))
        }
    }
}

/// Where a base image and an image part.
fn parting(base: &BaseImage, image: &ImageConfig) -> Error {
    let same = base.diff_ids.iter().zip(&image.diff_ids).take_while(|(a, b)| a == b).count();
    let expected = base.diff_ids.get(same).map(ToString::to_string).unwrap_or_default();
    let found = match image.diff_ids.get(same) {
        Some(diff_id) => diff_id.to_string(),
        None => format!("no more than {} layers", image.diff_ids.len()),
    };
    Error::mismatch(format!("layer {same} of the base image (the {same} below it are the same)"), expected, found)
}

/// History entries up to that of the base's last layer.
///
/// Those without a layer that come right after it may be the base's or the image's own: an image does not tell.
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
/// A base may have gained history since the image was built on it, and tools that write it anew space it otherwise,
/// so the steps behind the last layer are compared one by one, and by what they say. What stands for an own layer is
/// never the base's.
fn shared_entries(base: &BaseImage, image: &ImageConfig) -> Result<usize> {
    let layers = base.diff_ids.len();
    let config = Config::parse(&image.bytes)?;
    let (sure, most) = (entries_through(image, layers)?, config.entries_of_layers(layers));
    let between = config.history().iter().zip(&base.history).take(most).skip(sure);
    Ok(sure + between.take_while(|(own, base)| own.is_same_step(base)).count())
}
