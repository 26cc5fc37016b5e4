//! The verb: reads an image and writes the same image with other times.
//!
//! [`Rewrite`] opens the image, plans what each layer becomes, works on all layers side by side, then writes the documents
//! from the bottom up. [`report`] says what was done.

mod copies;
mod docker;
mod documents;
mod export;
mod jsa;
mod keep;
mod layers;
mod mtimes;
mod names;
mod options;
mod order;
mod output;
mod plan;
mod remote;
pub mod report;
mod run;
mod settle;
mod sorted;
mod speculative;

pub use crate::repair::own::OwnFormats;
pub use options::{Attestations, Repair, Signatures};
pub use run::{Prepared, Rewrite};

use std::collections::BTreeSet;

use crate::context::RunContext;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::image::archive::used_paths;
use crate::image::documents::{Document, DocumentKind};
use crate::layer::FORM;
use crate::media_type::Compression;
use crate::store::location::{Carrier, NamedCarrier};
use crate::store::open::Source;
use crate::store::write;
use documents::NewDocuments;
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
    let stamps = options.stamps()?;
    let in_file = |e: Error| e.in_file(source.name());
    source.known_layout().map_err(in_file)?;
    let mut set = ImageSet::load_with(source, &options.time_keys)?.sound().map_err(in_file)?;
    // What a deselected image is made of is left out with that, and no stray file.
    let used: BTreeSet<String> = used_paths(&set.archive).into_iter().map(str::to_owned).collect();
    set.select_and(&options.select, |set| keep::leave_out(set, options)).map_err(in_file)?;
    set.documents.something_here(|digest| set.keeps(digest)).map_err(in_file)?;
    let mut layers = Layers::new(options.are_discarded);
    names::one_image(&set, &options.names).map_err(in_file)?;
    let mut plans = plan::plan(&set, options, &mut layers).map_err(in_file)?;
    let total = layers.total();
    context.progress.set_total(total);
    if options.sorted {
        layers.order(&context.pool, &context.spools).map_err(in_file)?;
    }
    layers.run(&context.pool, &context.spools, speculative).map_err(in_file)?;
    let copies = settle::settle(options, &mut layers, &mut plans, (context, total)).map_err(in_file)?;
    let mut of_layers = layers.unread_notices();
    of_layers.extend(std::mem::take(&mut layers.warnings));
    keep::leave_out_soci(&mut set, &layers.moves());
    let set = set;
    let mut documents = NewDocuments::new(&set, options, &layers, &plans.manifests, &context.spools);
    documents.to_oci = source.carrier() == Carrier::DockerArchive && carrier != Carrier::DockerArchive;
    let root = documents.root().map_err(in_file)?;
    let finished = output::finish(&mut documents, root, &plans, carrier, &options.names).map_err(in_file)?;
    let is_left = |digest: &Digest| set.keeps(digest) && !documents.left_behind.contains(digest);
    let mut warnings = set.documents.notes.notices(is_left);
    warnings.extend(of_layers);
    warnings.append(&mut documents.warnings);
    warnings.extend(documents.stale(&finished.documents)?);
    warnings.extend(finished.warnings);
    warnings.extend(plans.warnings);
    warnings.append(&mut documents.notices_of_times());
    let mut dropped = set.selection.names.clone();
    dropped.append(&mut documents.dropped);
    dropped.extend(output::unreferenced(&set, &used)?);
    let report = Report {
        schema: SCHEMA,
        epoch: stamps.files.epoch.seconds(),
        created: stamps.documents.into(),
        rule: stamps.files.rule.name(),
        form: form(options)?,
        source: NamedCarrier { name: source.name().to_owned(), kind: source.carrier() },
        destination: NamedCarrier { name: String::new(), kind: carrier },
        names: finished.names,
        images: finished.images,
        layers: finished.layers,
        index: finished.index,
        document_times: documents.times,
        command_times: documents.command_times,
        copies,
        package_dates: mtimes::package_dates(stamps.files, &layers),
        dropped,
        warnings,
        sent: None,
        dry_run: false,
    };
    let blobs = std::mem::take(&mut documents.blobs);
    let is_filled = |(digest, node): (&Digest, &Document)| {
        set.keeps(digest) && !matches!(node.body, DocumentKind::Index(_) | DocumentKind::Missing)
    };
    let is_empty = set.archive.is_empty() && !set.documents.nodes.iter().any(is_filled);
    Ok((write::Image { documents: finished.documents, blobs, is_empty }, report))
}

fn form(options: &Options) -> Result<Form> {
    Ok(Form {
        version: FORM,
        compression: options.compression.map_or("keep", Compression::name),
        gzip_level: options.output(Compression::Gzip)?.level(),
        zstd_level: options.output(Compression::Zstd)?.level(),
    })
}
