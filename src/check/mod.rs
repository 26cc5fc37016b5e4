//! The verb: is an image whole, and is every time in it the epoch?
//!
//! All faults are collected, in the order in which the image names its parts. The documents are walked first
//! (`documents.rs`, `links.rs` and, for what only archives of `docker save` have, `docker.rs`); their claims about
//! layers and other blobs are gathered, and each distinct blob is then read once (`layers.rs`). The parts of a base
//! image that are left out are those that a rewrite leaves as they are.
//!
//! [`StaleCheck`] answers another question, which needs no epoch: do copies of mtimes still match (`stale.rs`)? The
//! report of [`Check`] has a note where such a copy has become stale (`copies.rs`).
//!
//! Not here: printing, exit statuses, anything that changes an image.

mod annotations;
mod archive;
mod claim;
mod copies;
mod docker;
mod documents;
mod done;
mod entries;
mod findings;
mod formats;
mod layers;
mod links;
mod references;
pub mod report;
mod run;
pub mod stale;
mod statements;
#[cfg(test)]
mod tests;
mod unlisted;

pub use run::Check;
pub use stale::StaleCheck;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::{Clock, DocumentTime};
use crate::context::{RunContext, new_blobs};
use crate::digest::Digest;
use crate::document::TimeKeys;
use crate::document::config::BaseHistory;
use crate::document::descriptor::Descriptor;
use crate::document::unlisted::UnlistedTimes;
use crate::error::{Error, Result};
use crate::image::base::{Base, BasePrefix};
use crate::image::documents::ImageConfig;
use crate::image::epoch;
use crate::image::{ImageSet, Select};
use crate::repair::rules::OwnMtimes;
use crate::stamp::Stamps;
use crate::store::open::Source;
use entries::Wanted;
use findings::Findings;
use layers::Layers;
use report::{ArchiveTimes, Checked, Kind, Level, Place, Report, SCHEMA};
use statements::Statements;

/// What is checked.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The epoch or where it comes from, and the rule.
    pub clock: Clock,
    /// What the times of documents have to be.
    pub created: DocumentTime,
    /// Which labels and annotations hold times, besides those that are known.
    pub time_keys: TimeKeys,
    /// Times in the commands of history are not looked for.
    pub keep_commands: bool,
    pub select: Select,
    /// Whose times are left out.
    pub base: Base,
    /// What times count as that no digest covers.
    pub archive_times: ArchiveTimes,
    /// Which files have mtimes of their own.
    pub mtimes: Arc<OwnMtimes>,
}

/// Checks an image. An error is what keeps it from being looked at at all.
pub(crate) fn check(source: &Source, options: &Options, context: &RunContext) -> Result<Report> {
    let in_file = |e: Error| e.in_file(source.name());
    epoch::is_stable(&options.clock, options.created, &options.time_keys)?;
    let files = epoch::stamp(source, &options.select, &options.base, &options.clock)?;
    let stamps = Stamps { files, documents: options.created.stamp(files) };
    let mut set = ImageSet::load_with(source, &options.time_keys)?;
    set.select(&options.select).map_err(in_file)?;
    let set = set;
    let mut checker = Checker {
        set: &set,
        options,
        stamps,
        unlisted: UnlistedTimes::default(),
        archive_times: match options.archive_times {
            ArchiveTimes::Notes => Level::Note,
            ArchiveTimes::Findings => Level::Finding,
        },
        findings: Findings::default(),
        layers: Layers::default(),
        seen: BTreeSet::new(),
        left: BTreeSet::new(),
        subjects: Vec::new(),
        statements: Statements::default(),
        media_types: BTreeMap::new(),
        prefixes: BTreeMap::new(),
        absent: match set.documents.something_here(|digest| set.keeps(digest)) {
            Ok(()) => Level::Note,
            Err(_) => Level::Finding,
        },
        artifacts: BTreeSet::new(),
        unread: BTreeMap::new(),
        depth: 0,
        checked: Checked::default(),
    };
    checker.documents().map_err(in_file)?;
    checker.docker().map_err(in_file)?;
    checker.archive().map_err(in_file)?;
    checker.no_image();
    checker.note_unlisted();
    for error in set.documents.problems.list.iter().chain(&set.problems.list) {
        checker.findings.error(error);
    }
    checker.findings.count_more(set.documents.problems.more + set.problems.more);
    context.progress.set_total(checker.layers.total());
    let Checker { mut findings, mut layers, mut checked, .. } = checker;
    let wanted = Wanted { stamp: stamps.files, mtimes: Arc::clone(&options.mtimes) };
    layers.run(&wanted, &context.pool, &new_blobs(&context.spools), &mut findings).map_err(in_file)?;
    copies::note_left_behind(&set, &layers, &mut findings).map_err(in_file)?;
    docker::layer_sources(&set, &layers, &mut findings)?;
    (checked.blobs, checked.layers, checked.entries) = (layers.len(), layers.layer_count(), layers.entries);
    let (findings, total) = findings.finish();
    Ok(Report {
        schema: SCHEMA,
        source: report::Source { name: source.name().to_owned(), kind: source.carrier() },
        epoch: files.epoch.seconds(),
        created: stamps.documents.into(),
        rule: files.rule.name(),
        checked,
        total,
        findings,
    })
}

/// A check under way.
#[derive(Debug)]
struct Checker<'a> {
    set: &'a ImageSet<'a>,
    options: &'a Options,
    /// What times have to be.
    stamps: Stamps,
    /// What reads as a time later than the epoch, and is not compared with it.
    unlisted: UnlistedTimes,
    /// How much times matter that no digest holds.
    archive_times: Level,
    findings: Findings,
    layers: Layers,
    /// Documents that were looked at already: most are named more than once.
    seen: BTreeSet<Digest>,
    /// Layers of the index that no rewrite touches: foreign ones, and those of other formats.
    left: BTreeSet<Digest>,
    /// What is attached to, which no index need list.
    subjects: Vec<(Descriptor, String)>,
    /// Statements of attestations, each read once.
    statements: Statements,
    /// The media types that documents have in themselves.
    media_types: BTreeMap<Digest, String>,
    /// How much it matters that something which an index lists is not in the image: where other things are, little.
    absent: Level,
    /// How much of the images of `manifest.json` is the base's, by their configs.
    prefixes: BTreeMap<Digest, BasePrefix>,
    /// The types of artifacts of which was said that times in them are not checked.
    artifacts: BTreeSet<String>,
    /// Layers whose times are not checked, by the note about them: the first place, its field, and how many more there
    /// are.
    unread: BTreeMap<String, (Arc<Place>, String, usize)>,
    /// How deep the index is nested that is being looked at.
    depth: usize,
    checked: Checked,
}

impl Checker<'_> {
    /// Where no image was looked at, nothing says that a timestamp is right.
    fn no_image(&mut self) {
        let is_reported = self.absent == Level::Finding || !self.set.documents.problems.list.is_empty();
        if self.checked.images > 0 || is_reported || !self.set.archive.is_empty() {
            return;
        }
        let is_empty = self.set.documents.root.as_ref().is_none_or(|root| root.children.is_empty());
        let text = match is_empty {
            true => "there is no image in it",
            false => "there is no image in it, only attachments of images, artifacts or unknown documents",
        };
        let place = self.findings.place(report::What::Index, "index.json", "");
        self.findings.fault(&place, Kind::Missing, "manifests", text);
    }

    /// A config, whichever of the two views it is found by.
    fn config(
        &mut self,
        place: &Arc<Place>,
        digest: &Digest,
        image: &ImageConfig,
        layers: usize,
        base_history: usize,
    ) -> Result<()> {
        let config = self.set.documents.config_of(digest, &image.bytes).map_err(|e| e.in_blob(&place.name))?;
        let config = if self.options.keep_commands { config.keep_commands() } else { config };
        self.findings.times(place, config.times(BaseHistory { entries: base_history }), self.stamps);
        self.unlisted.add(&place.name, config.unlisted(self.stamps));
        self.references(place, "config.Labels", &config.labels(), &[&image.diff_ids]);
        let filled = config.history().iter().filter(|entry| !entry.empty_layer).count();
        if config.history().is_empty() || filled == layers {
            return Ok(());
        }
        let text = format!("{filled} entries with a layer, but {layers} layers");
        // Docker refuses an image with too many of them; too few are accepted everywhere.
        if filled > layers {
            self.findings.fault(place, Kind::History, "history", text);
        } else {
            self.findings.note(place, Kind::History, "history", text);
        }
        Ok(())
    }
}
