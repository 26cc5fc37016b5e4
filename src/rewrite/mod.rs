//! The verb: an image in, the same image with other times out.
//!
//! [`Rewrite`] opens the image, plans what each layer becomes, works on all layers side by side, then writes the documents
//! from the bottom up. [`report`] says what was done.

mod docker;
mod documents;
mod layers;
mod order;
mod output;
pub mod report;
mod run;
pub mod speculative;

pub use run::{Prepared, Rewrite};

use std::collections::{BTreeMap, BTreeSet};

use crate::context::RunContext;
use crate::digest::Digest;
use crate::document::config::Config;
use crate::error::{Error, Result};
use crate::image::base::{self, Share};
use crate::image::docker::{DockerImage, used_paths};
use crate::image::graph::{Body, Graph, ImageConfig, Node};
use crate::image::select::Selection;
use crate::layer::{FORM, Output};
use crate::media_type::Compression;
use crate::policy::Policy;
use crate::store::location::{Carrier, NamedCarrier};
use crate::store::open::Source;
use crate::store::write;
use documents::{Documents, ImagePlan};
use layers::Layers;
use report::{Form, Report, SCHEMA};
use speculative::Early;

/// Rewrites an image. Nothing is published: the result is to be written with [`write::write`].
///
/// `early` is what [`speculative::open`] has done already, while the source arrived; nothing where it was opened otherwise.
pub(crate) fn rewrite(
    source: &Source,
    policy: &Policy,
    kind: Carrier,
    context: &RunContext,
    early: Early,
) -> Result<(write::Image, Report)> {
    check_level(policy)?;
    let in_file = |e: Error| e.in_file(source.name());
    source.known_layout().map_err(in_file)?;
    let graph = Graph::load(source)?.sound().map_err(in_file)?;
    let mut docker = DockerImage::load_all(source)?;
    let mut selection = Selection::choose(source, &graph, &docker, policy).map_err(in_file)?;
    graph.something_here(|digest| selection.keeps(digest)).map_err(in_file)?;
    // What a deselected image is made of is left out with that, and no stray file.
    let used: BTreeSet<String> = used_paths(&docker).into_iter().map(str::to_owned).collect();
    selection.docker(&graph, policy, &mut docker);
    let mut layers = Layers::default();
    let plans = plan(source, policy, &graph, &docker, &selection, &mut layers).map_err(in_file)?;
    context.progress.set_total(layers.total());
    layers.run(&context.pool, &context.spools, early).map_err(in_file)?;
    let of_layers = std::mem::take(&mut layers.warnings);
    let to_oci = source.carrier() == Carrier::DockerArchive && kind != Carrier::DockerArchive;
    let mut documents = Documents::new(source, &graph, policy, &layers, &plans.graph, &selection, &context.spools);
    documents.to_oci = to_oci;
    let root = documents.root().map_err(in_file)?;
    let finished = output::finish(&mut documents, root, &docker, &plans.docker, kind).map_err(in_file)?;
    let is_left = |digest: &Digest| selection.keeps(digest) && !documents.left_behind.contains(digest);
    let mut warnings = graph.notes.texts(is_left);
    warnings.extend(of_layers);
    warnings.append(&mut documents.warnings);
    warnings.extend(finished.warnings);
    let mut dropped = selection.names.clone();
    dropped.append(&mut documents.dropped);
    dropped.extend(output::unreferenced(source, &graph, &used)?);
    let report = Report {
        schema: SCHEMA,
        epoch: policy.stamp.epoch.seconds(),
        rule: policy.stamp.rule.name(),
        form: form(policy)?,
        source: NamedCarrier { name: source.name().to_owned(), kind: source.carrier() },
        destination: NamedCarrier { name: String::new(), kind },
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
    let is_filled = |(digest, node): (&Digest, &Node)| {
        selection.keeps(digest) && !matches!(node.body, Body::Index(_) | Body::Absent)
    };
    let is_empty = docker.is_empty() && !graph.nodes.iter().any(is_filled);
    Ok((write::Image { documents: finished.documents, blobs, is_empty }, report))
}

/// What is to be done with every image.
#[derive(Debug, Default)]
struct Plans {
    /// By the digest of the manifest.
    graph: BTreeMap<Digest, ImagePlan>,
    /// In the order of `manifest.json`.
    docker: Vec<ImagePlan>,
}

fn plan(
    source: &Source,
    policy: &Policy,
    graph: &Graph,
    docker: &[DockerImage],
    selection: &Selection,
    layers: &mut Layers,
) -> Result<Plans> {
    let mut plans = Plans::default();
    for (digest, manifest) in graph.images().filter(|(digest, _)| selection.keeps(digest)) {
        let Some(image) = &manifest.image else { continue };
        history_fits(image).map_err(|e| e.in_blob(digest))?;
        let base = base::share(&policy.base, image).map_err(|e| e.in_blob(digest))?;
        let mut planned = ImagePlan { base, layers: Vec::new() };
        for (number, descriptor) in manifest.layers.iter().enumerate() {
            let key = layers.plan(source, policy, descriptor, image.diff_id(number)?, number < base.layers);
            planned.layers.push(key.map_err(|e| e.in_blob(digest))?);
        }
        plans.graph.insert(*digest, planned);
    }
    // Entries may share a config.
    let mut shares: BTreeMap<Digest, Share> = BTreeMap::new();
    for image in docker {
        let base = match shares.get(&image.id) {
            Some(share) => *share,
            None => {
                history_fits(&image.config).map_err(|e| e.in_blob(image.id))?;
                base::share(&policy.base, &image.config).map_err(|e| e.in_blob(image.id))?
            }
        };
        shares.insert(image.id, base);
        let mut planned = ImagePlan { base, layers: Vec::new() };
        for (number, layer) in image.layers.iter().enumerate() {
            let key = layers.plan_docker(policy, layer, image.config.diff_id(number)?, number < base.layers);
            planned.layers.push(key.map_err(|e| e.in_blob(&layer.path))?);
        }
        plans.docker.push(planned);
    }
    Ok(plans)
}

/// Docker refuses an image whose history tells of more layers than there are; fewer are fine.
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

/// An encoding level that no codec of this run could take is an error before any work is done.
pub fn check_level(policy: &Policy) -> Result<()> {
    match (policy.encoding.compression, policy.encoding.level) {
        (None, Some(_)) => Err(Error::refused("--compression-level needs --compression gzip or --compression zstd")),
        (Some(compression), level) => crate::layer::Output::new(compression, level).map(|_| ()),
        (None, None) => Ok(()),
    }
}

fn form(policy: &Policy) -> Result<Form> {
    let encoding = policy.encoding;
    let level = |compression: Compression| -> Result<u32> {
        let asked = encoding.level.filter(|_| encoding.compression.is_none_or(|c| c == compression));
        Ok(Output::new(compression, asked)?.level())
    };
    Ok(Form {
        version: FORM,
        compression: encoding.compression.map_or("keep", Compression::name),
        gzip_level: level(Compression::Gzip)?,
        zstd_level: level(Compression::Zstd)?,
    })
}
