//! The verb: what is in an image, when it says it was made, and what makes the next build come out otherwise.
//!
//! It knows no epoch and writes nothing. [`report`] is what comes out, `layers.rs` reads the layers, `attached.rs`
//! lists what hangs on the images, `findings.rs` names what is not reproducible by the table of [`crate::causes`].

mod attached;
mod findings;
pub mod form;
pub mod histogram;
mod layers;
pub mod report;
mod run;

pub use run::Inspect;

use std::collections::{BTreeMap, BTreeSet};

use crate::context::RunContext;
use crate::digest::Digest;
use crate::document::config::BaseHistory;
use crate::document::index::Index;
use crate::document::manifest::Manifest;
use crate::document::times::{Reading, TimeSite};
use crate::error::{Error, Result};
use crate::image::docker::DockerImage;
use crate::image::graph::{Body, Graph, ImageConfig};
use crate::image::select::Selection;
use crate::image::set;
use crate::platform::Platform;
use crate::policy::Policy;
use crate::stamp::{Epoch, Rule, Stamp};
use crate::store::location::NamedCarrier;
use crate::store::open::Source;
use findings::Findings;
use layers::Layers;
use report::{DocumentTime, Image, ImageLayer, Report, SCHEMA, Span, Time};

/// What is to be looked at.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only the image of this name.
    pub reference: Option<String>,
    /// Only images of this platform.
    pub platform: Option<Platform>,
    /// The documents alone: no layer is read.
    pub skip_layers: bool,
}

/// Looks at an image. Everything that is read is verified.
pub(crate) fn inspect(source: &Source, options: &Options, context: &RunContext) -> Result<Report> {
    inspect_all(source, options, context).map_err(|e| e.in_file(source.name()))
}

fn inspect_all(source: &Source, options: &Options, context: &RunContext) -> Result<Report> {
    let mut policy = Policy::new(Stamp { epoch: Epoch::new(0)?, rule: Rule::Set });
    policy.reference.clone_from(&options.reference);
    policy.platform.clone_from(&options.platform);
    let graph = Graph::load(source)?.sound()?;
    let mut docker = DockerImage::load_all(source)?;
    let mut selection = Selection::named(&graph, &docker, &policy)?;
    graph.something_here(|digest| selection.keeps(digest))?;
    selection.docker(&graph, &policy, &mut docker);

    let mut layers = Layers::new(source);
    let mut findings = Findings::default();
    let mut images: Vec<Image> = Vec::new();
    for found in set::images(&graph, &selection) {
        let config = found.node.config.as_ref().map_or(found.digest, |config| config.digest);
        let mut image = image(&graph, config, found.image, &mut findings)?;
        image.names = found.names;
        image.manifest = Some(found.digest);
        let manifest = Manifest::parse(&found.node.bytes).map_err(|e| e.in_blob(found.digest))?;
        image.times.extend(times("manifest", manifest.times()));
        for (number, (layer, descriptor)) in image.layers.iter_mut().zip(&found.node.layers).enumerate() {
            let diff_id = found.image.diff_id(number)?;
            layer.digest = Some(descriptor.digest);
            layer.layer = layers.add(descriptor, diff_id).map_err(|e| e.in_blob(found.digest))?;
        }
        images.push(image);
    }
    // In an archive that is a layout as well, both list the same images, but for those that have no name.
    let mut known: BTreeMap<Digest, usize> = BTreeMap::new();
    for found in set::only_in_archive(&graph, &selection, &docker) {
        // Entries may share a config.
        let same = known.get(&found.id).and_then(|number| images.get(*number)).cloned();
        let mut image = same.map_or_else(|| image(&graph, found.id, &found.config, &mut findings), Ok)?;
        known.insert(found.id, images.len());
        image.names.clone_from(&found.entry.repo_tags);
        for (number, (layer, file)) in image.layers.iter_mut().zip(&found.layers).enumerate() {
            layer.digest = file.digest;
            layer.layer = layers.add_docker(file, found.config.diff_id(number)?);
        }
        images.push(image);
    }
    if !options.skip_layers {
        verify_others(source, &graph, &selection, &mut layers)?;
        // They say what was pulled from a registry, which need not be what is in the archive.
        for (_, link) in docker.iter().flat_map(|image| &image.entry.sources) {
            if let Some(extent) = source.blob(&link.digest)? {
                layers.verify_extent(link.digest, extent);
            }
        }
    }
    context.progress.set_total(if options.skip_layers { 0 } else { layers.total() });
    let layers = if options.skip_layers { layers.unread() } else { layers.read(&context.pool, &mut findings)? };
    for image in &mut images {
        let spans = image.layers.iter().filter_map(|layer| layers.get(layer.layer)?.content.as_ref()?.mtimes.span());
        image.files = spans.reduce(Span::joined);
        image.documents = Span::of(image.times.iter().filter_map(|time| time.time));
    }
    let attached = attached::attached(&graph, &selection);
    findings.image(&images, &layers, &attached);
    Ok(Report {
        schema: SCHEMA,
        source: NamedCarrier { name: source.name().to_owned(), kind: source.carrier() },
        index: source.index().map(Digest::sha256),
        times: index_times(&graph, &selection)?,
        images,
        layers,
        attached,
        findings: findings.finish(),
        notes: graph.notes.texts(|digest| selection.keeps(digest)),
    })
}

/// Adds the blobs that are part of no image that is listed, so that they are verified as well. An absent one is no fault.
fn verify_others(source: &Source, graph: &Graph, selection: &Selection, layers: &mut Layers<'_>) -> Result<()> {
    for (digest, node) in graph.nodes.iter().filter(|(digest, _)| selection.keeps(digest)) {
        match &node.body {
            Body::Manifest(manifest) => {
                // The config of an image was verified when it was read.
                let config = manifest.config.iter().filter(|_| manifest.image.is_none());
                for link in config.chain(&manifest.layers) {
                    layers.verify(link).map_err(|e| e.in_blob(digest))?;
                }
            }
            Body::Blob(extent) => layers.verify_extent(*digest, extent.clone()),
            Body::Index(_) | Body::Unknown(_) | Body::Absent => {}
        }
    }
    for (digest, extent) in graph.named_by_unknown(source, |digest| selection.keeps(digest))? {
        layers.verify_extent(digest, extent);
    }
    Ok(())
}

/// What a config says.
fn image(graph: &Graph, digest: Digest, image: &ImageConfig, findings: &mut Findings) -> Result<Image> {
    let config = graph.config_of(&digest, &image.bytes).map_err(|e| e.in_blob(digest))?;
    for step in config.history().iter().filter_map(|step| step.created_by.as_deref()) {
        findings.step(step);
    }
    // The steps that made a layer, in the order of the layers; there may be fewer.
    let mut steps = config.history().iter().filter(|step| !step.empty_layer);
    let layers = image.diff_ids.iter().map(|diff_id| {
        let step = steps.next();
        ImageLayer {
            layer: 0,
            digest: None,
            diff_id: *diff_id,
            created_by: step.and_then(|step| step.created_by.clone()),
            created: step.and_then(|step| step.created.clone()),
        }
    });
    Ok(Image {
        names: Vec::new(),
        platform: image.platform.clone(),
        manifest: None,
        config: digest,
        created: config.created(),
        documents: None,
        files: None,
        layers: layers.collect(),
        times: times("config", config.times(BaseHistory::default())).collect(),
    })
}

fn times(document: &str, sites: Vec<TimeSite>) -> impl Iterator<Item = DocumentTime> {
    sites.into_iter().map(move |site| DocumentTime {
        document: document.to_owned(),
        path: site.path,
        text: site.text,
        time: match site.reading {
            Reading::Time { first, .. } => Some(Time(first)),
            Reading::Nothing | Reading::Malformed => None,
        },
    })
}

/// The times in `index.json` and in the indexes below it.
fn index_times(graph: &Graph, selection: &Selection) -> Result<Vec<DocumentTime>> {
    let mut all = Vec::new();
    let Some(root) = &graph.root else { return Ok(all) };
    all.extend(times("index.json", Index::parse(&root.bytes)?.times()));
    let mut pending: Vec<Digest> = root.children.iter().rev().map(|child| child.digest).collect();
    let mut seen = BTreeSet::new();
    while let Some(digest) = pending.pop() {
        if let Some(Body::Index(index)) = graph.nodes.get(&digest).map(|node| &node.body)
            && selection.keeps(&digest)
            && seen.insert(digest)
        {
            let parsed = Index::parse(&index.bytes).map_err(|e: Error| e.in_blob(digest))?;
            all.extend(times(&digest.to_string(), parsed.times()));
            pending.extend(index.children.iter().rev().map(|child| child.digest));
        }
    }
    Ok(all)
}
