//! The verb: an image in, the same image with other times out.
//!
//! [`Rewrite`] opens the image, plans what each layer becomes, works on all layers side by side, then writes the documents
//! from the bottom up. [`report`] says what was done.

mod docker;
mod documents;
mod export;
mod keep;
mod layers;
mod options;
mod order;
mod output;
pub mod report;
mod run;
mod speculative;

pub use options::{Attestations, Signatures};
pub use run::{Prepared, Rewrite};

use std::collections::{BTreeMap, BTreeSet};

use crate::context::RunContext;
use crate::digest::Digest;
use crate::document::config::Config;
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::image::archive::used_paths;
use crate::image::base::{self, BasePrefix};
use crate::image::documents::{Document, DocumentKind, ImageConfig};
use crate::image::layers::LayerId;
use crate::layer::FORM;
use crate::media_type::Compression;
use crate::store::location::{Carrier, NamedCarrier};
use crate::store::open::Source;
use crate::store::write;
use documents::{ImagePlan, NewDocuments};
use layers::Layers;
use options::Options;
use report::{Form, Report, SCHEMA};
use speculative::SpeculativeLayers;

/// Rewrites an image. Nothing is published: the result is to be written with [`write::write`].
///
/// `speculative` is what [`speculative::open`] has done already, while the source arrived.
pub(crate) fn rewrite(
    source: &Source,
    options: &Options,
    carrier: Carrier,
    context: &RunContext,
    speculative: SpeculativeLayers,
) -> Result<(write::Image, Report)> {
    options.check_level()?;
    let in_file = |e: Error| e.in_file(source.name());
    source.known_layout().map_err(in_file)?;
    let mut set = ImageSet::load(source)?.sound().map_err(in_file)?;
    // What a deselected image is made of is left out with that, and no stray file.
    let used: BTreeSet<String> = used_paths(&set.archive).into_iter().map(str::to_owned).collect();
    set.select_and(&options.select, |set| keep::leave_out(set, options)).map_err(in_file)?;
    let set = set;
    set.documents.something_here(|digest| set.keeps(digest)).map_err(in_file)?;
    let mut layers = Layers::default();
    let plans = plan(&set, options, &mut layers).map_err(in_file)?;
    context.progress.set_total(layers.total());
    layers.run(&context.pool, &context.spools, speculative).map_err(in_file)?;
    let of_layers = std::mem::take(&mut layers.warnings);
    let mut documents = NewDocuments::new(&set, options, &layers, &plans.manifests, &context.spools);
    documents.to_oci = source.carrier() == Carrier::DockerArchive && carrier != Carrier::DockerArchive;
    let root = documents.root().map_err(in_file)?;
    let finished = output::finish(&mut documents, root, &plans.entries, carrier).map_err(in_file)?;
    let is_left = |digest: &Digest| set.keeps(digest) && !documents.left_behind.contains(digest);
    let mut warnings = set.documents.notes.notices(is_left);
    warnings.extend(of_layers);
    warnings.append(&mut documents.warnings);
    warnings.extend(finished.warnings);
    let mut dropped = set.selection.names.clone();
    dropped.append(&mut documents.dropped);
    dropped.extend(output::unreferenced(&set, &used)?);
    let report = Report {
        schema: SCHEMA,
        epoch: options.stamp.epoch.seconds(),
        rule: options.stamp.rule.name(),
        form: form(options)?,
        source: NamedCarrier { name: source.name().to_owned(), kind: source.carrier() },
        destination: NamedCarrier { name: String::new(), kind: carrier },
        images: finished.images,
        layers: layers.reports(),
        index: finished.index,
        document_times: documents.times,
        command_times: documents.command_times,
        dropped,
        warnings,
        dry_run: false,
    };
    let blobs = std::mem::take(&mut documents.blobs);
    let is_filled = |(digest, node): (&Digest, &Document)| {
        set.keeps(digest) && !matches!(node.body, DocumentKind::Index(_) | DocumentKind::Missing)
    };
    let is_empty = set.archive.is_empty() && !set.documents.nodes.iter().any(is_filled);
    Ok((write::Image { documents: finished.documents, blobs, is_empty }, report))
}

/// What is to be done with every image.
#[derive(Debug, Default)]
struct Plans {
    /// By the digest of the manifest.
    manifests: BTreeMap<Digest, ImagePlan>,
    /// In the order of `manifest.json`.
    entries: Vec<ImagePlan>,
}

fn plan(set: &ImageSet<'_>, options: &Options, layers: &mut Layers) -> Result<Plans> {
    let mut plans = Plans::default();
    let mut planner = Planner { set, options, layers, prefixes: BTreeMap::new() };
    for image in &set.images {
        let Some(digest) = image.manifest else { continue };
        let planned = planner.image(image.config_digest, &image.config, &image.layers);
        plans.manifests.insert(digest, planned.map_err(|e| e.in_blob(digest))?);
    }
    for image in &set.archive {
        let planned = planner.image(image.id, &image.config, &image.layers);
        plans.entries.push(planned.map_err(|e| e.in_blob(image.id))?);
    }
    Ok(plans)
}

/// Plans images, which may share configs and layers.
struct Planner<'p, 's> {
    set: &'p ImageSet<'s>,
    options: &'p Options,
    layers: &'p mut Layers,
    /// How much is the base's, by the digest of a config.
    prefixes: BTreeMap<Digest, BasePrefix>,
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

fn form(options: &Options) -> Result<Form> {
    Ok(Form {
        version: FORM,
        compression: options.compression.map_or("keep", Compression::name),
        gzip_level: options.output(Compression::Gzip)?.level(),
        zstd_level: options.output(Compression::Zstd)?.level(),
    })
}
