//! The verb: what is in an image, when it says it was made, and what will differ in the next build.
//!
//! It knows no epoch and writes nothing. [`report`] is the result. `layers.rs` reads the layers, `attached.rs` lists
//! attestations, signatures and referrers, `findings.rs` names what is likely to differ by the table of
//! [`crate::causes`]: `files.rs` finds the files, `signs.rs` decides which of them hold something that differs, and
//! `format::private_key` finds private keys.

mod attached;
mod files;
mod findings;
pub mod form;
pub mod histogram;
mod layers;
pub mod report;
mod run;
mod signs;
mod time;

pub use run::Inspect;

use std::collections::{BTreeMap, BTreeSet};

use crate::context::{RunContext, new_blobs};
use crate::digest::Digest;
use crate::document::config::BaseHistory;
use crate::document::index::Index;
use crate::document::manifest::Manifest;
use crate::document::times::{Reading, TimeKind, TimeSite};
use crate::error::{Error, Result};
use crate::image::documents::DocumentKind;
use crate::image::{self, ImageSet, Select, TopLevel};
use crate::origin::{self, Origin};
use crate::repair::notes::Notes;
use crate::repair::survey::Survey;
use crate::store::location::NamedCarrier;
use crate::store::open::Source;
use findings::Findings;
use layers::Layers;
use report::{DocumentTime, ImageLayer, ImageReport, NameReport, Report, SCHEMA, Span, Time};

/// What is to be looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub select: Select,
    /// The documents alone: no layer is read.
    pub skip_layers: bool,
}

/// Looks at an image. Everything that is read is verified.
pub(crate) fn inspect(source: &Source, options: &Options, context: &RunContext) -> Result<Report> {
    inspect_all(source, options, context).map_err(|e| e.in_file(source.name()))
}

fn inspect_all(source: &Source, options: &Options, context: &RunContext) -> Result<Report> {
    let mut set = ImageSet::load(source)?.sound()?;
    set.select(&options.select)?;
    set.documents.something_here(|digest| set.keeps(digest))?;
    let mut layers = Layers::new(&set);
    let mut findings = Findings::default();
    let mut images = images(&set, &mut layers, &mut findings)?;
    if !options.skip_layers {
        verify_others(&set, &mut layers)?;
        // They say what was pulled from a registry, which need not be what is in the archive.
        for (_, link) in set.archive.iter().flat_map(|image| &image.entry.sources) {
            if let Some(extent) = source.blob(&link.digest)? {
                layers.verify_extent(link.digest, extent);
            }
        }
    }
    context.progress.set_total(if options.skip_layers { 0 } else { layers.total() });
    let (layers, taken) = if options.skip_layers {
        (layers.unread(), BTreeMap::new())
    } else {
        layers.read(&context.pool, &new_blobs(&context.spools), &mut findings)?
    };
    let statements = origin::Attached::of(&set);
    let listed = set.images.iter().filter(|image| image.is_listed());
    for (image, found) in images.iter_mut().zip(listed) {
        let spans = image.layers.iter().filter_map(|layer| layers.get(layer.layer)?.content.as_ref()?.mtimes.span());
        image.files = spans.reduce(Span::joined);
        for layer in &mut image.layers {
            layer.digest = layer.digest.or_else(|| layers.get(layer.layer)?.digest);
        }
        if !options.skip_layers {
            let none = Notes::default();
            let of_layers =
                image.layers.iter().map(|layer| taken.get(&layer.layer).map_or(&none, |taken| &taken.notes));
            image.copies = Some(Survey::of(&of_layers.collect::<Vec<_>>(), 0)?.counts);
        }
        let files: Vec<_> =
            image.layers.iter().map(|layer| taken.get(&layer.layer).map(|taken| &taken.files)).collect();
        image.origin =
            origin::of_image(&set, found, &statements, (!options.skip_layers).then_some(files.as_slice()))?.0;
        image.documents = Span::of(image.times.iter().filter_map(|time| time.time));
    }
    let attached = attached::attached(&set);
    findings.image(&images, &layers, &attached);
    Ok(Report {
        schema: SCHEMA,
        source: NamedCarrier { name: source.name().to_owned(), kind: source.carrier() },
        index: source.index().map(Digest::sha256),
        names: names(&set),
        times: index_times(&set)?,
        images,
        layers,
        attached,
        findings: findings.finish(),
        notes: set.documents.notes.notices(|digest| set.keeps(digest)),
    })
}

/// What the top level lists.
fn names(set: &ImageSet<'_>) -> Vec<NameReport> {
    let all = set.top_level().into_iter();
    all.map(|TopLevel { name, kind, digest, media_type, images, .. }| NameReport {
        name,
        kind,
        media_type,
        digest,
        images,
    })
    .collect()
}

/// The images that are listed, and their layers.
fn images(set: &ImageSet<'_>, layers: &mut Layers<'_>, findings: &mut Findings) -> Result<Vec<ImageReport>> {
    let mut images: Vec<ImageReport> = Vec::new();
    // Entries of manifest.json may share a config.
    let mut known: BTreeMap<Digest, usize> = BTreeMap::new();
    for found in set.images.iter().filter(|image| image.is_listed()) {
        let in_manifest = |e: Error| e.in_blob(found.manifest.unwrap_or(found.config_digest));
        let same = found.archive_entry.and_then(|_| images.get(*known.get(&found.config_digest)?)).cloned();
        let mut image = same.map_or_else(|| image(set, found, findings), Ok)?;
        known.insert(found.config_digest, images.len());
        image.names.clone_from(&found.names);
        if let Some(digest) = found.manifest {
            let bytes = set.documents.manifest(&digest).map_or(&[][..], |manifest| &manifest.bytes);
            image.times.extend(times("manifest", Manifest::parse(bytes).map_err(in_manifest)?.times()));
        }
        for (layer, (id, diff_id)) in image.layers.iter_mut().zip(&found.layers) {
            layer.digest = set.layer(*id).digest;
            layer.layer = layers.add(*id, *diff_id).map_err(in_manifest)?;
        }
        images.push(image);
    }
    Ok(images)
}

/// Adds the blobs that are part of no image that is listed, so that they are verified as well. An absent one is no fault.
fn verify_others(set: &ImageSet<'_>, layers: &mut Layers<'_>) -> Result<()> {
    for (digest, node) in set.documents.nodes.iter().filter(|(digest, _)| set.keeps(digest)) {
        match &node.body {
            DocumentKind::Manifest(manifest) => {
                // The config of an image was verified when it was read.
                let config = manifest.config.iter().filter(|_| manifest.image.is_none());
                for link in config.chain(&manifest.layers) {
                    layers.verify(link).map_err(|e| e.in_blob(digest))?;
                }
            }
            DocumentKind::Blob(extent) => layers.verify_extent(*digest, extent.clone()),
            DocumentKind::Index(_) | DocumentKind::Unknown(_) | DocumentKind::Missing => {}
        }
    }
    for (digest, extent) in set.documents.named_by_unknown(set.source, |digest| set.keeps(digest))? {
        layers.verify_extent(digest, extent);
    }
    // Files that manifest.json names for an image that an index lists as well.
    for (id, diff_id) in set.archive.iter().flat_map(|image| &image.layers) {
        layers.verify_layer(*id, *diff_id)?;
    }
    Ok(())
}

/// What a config says.
fn image(set: &ImageSet<'_>, found: &image::Image, findings: &mut Findings) -> Result<ImageReport> {
    let digest = found.config_digest;
    let config = set.documents.config_of(&digest, &found.config.bytes).map_err(|e| e.in_blob(digest))?;
    for step in config.history().iter().filter_map(|step| step.created_by.as_deref()) {
        findings.step(step);
    }
    // The steps that made a layer, in the order of the layers; there may be fewer.
    let mut steps = config.history().iter().filter(|step| !step.empty_layer);
    let layers = found.config.diff_ids.iter().map(|diff_id| {
        let step = steps.next();
        ImageLayer {
            layer: 0,
            digest: None,
            diff_id: *diff_id,
            created_by: step.and_then(|step| step.created_by.clone()),
            created: step.and_then(|step| step.created.clone()),
        }
    });
    Ok(ImageReport {
        names: Vec::new(),
        platform: found.config.platform.clone(),
        manifest: found.manifest,
        config: digest,
        created: config.created(),
        documents: None,
        files: None,
        copies: None,
        origin: Origin::default(),
        layers: layers.collect(),
        times: times("config", config.times(BaseHistory::default())).collect(),
    })
}

fn times(document: &str, sites: Vec<TimeSite>) -> impl Iterator<Item = DocumentTime> {
    sites.into_iter().map(move |site| DocumentTime {
        document: document.to_owned(),
        is_created: site.kind == TimeKind::Created,
        path: site.path,
        text: site.text,
        time: match site.reading {
            Reading::Time { first, .. } => Some(Time(first)),
            Reading::Nothing | Reading::Malformed => None,
        },
    })
}

/// The times in `index.json` and in the indexes below it.
fn index_times(set: &ImageSet<'_>) -> Result<Vec<DocumentTime>> {
    let mut all = Vec::new();
    let Some(root) = &set.documents.root else { return Ok(all) };
    all.extend(times("index.json", Index::parse(&root.bytes)?.times()));
    let mut pending: Vec<Digest> = root.children.iter().rev().map(|child| child.digest).collect();
    let mut seen = BTreeSet::new();
    while let Some(digest) = pending.pop() {
        if let Some(index) = set.documents.index(Some(&digest))
            && set.keeps(&digest)
            && seen.insert(digest)
        {
            let parsed = Index::parse(&index.bytes).map_err(|e: Error| e.in_blob(digest))?;
            all.extend(times(&digest.to_string(), parsed.times()));
            pending.extend(index.children.iter().rev().map(|child| child.digest));
        }
    }
    Ok(all)
}
