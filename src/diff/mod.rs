//! The verb `diff`: what differs between two images, and why.
//!
//! [`Diff`] returns plain data, a [`Report`]: it prints nothing and knows no options of a command line.
//!
//! `view.rs` and `walk.rs` take from an `ImageSet` what diff needs of images and of what else indexes list. `pair/`
//! pairs the parts of both sources: images, then layers, then elements of lists. `document/` compares configs,
//! manifests, indexes and statements value by value. `layer/` makes one compact record of every entry of layers that
//! are not the same, compares them field by field, and puts layers on top of each other for whiteouts and `--rootfs`.
//! `content/` reads differing contents a second time and opens archives. `packages.rs` knows the databases of package
//! managers; `commands.rs` names causes by the command of a layer, unless those databases rule it out; `filter.rs`
//! takes out what is accepted. `explain/` finds what explains many differences at once, from them and from the figures
//! of whole images in `overview.rs`. [`report`] makes text, JSON and HTML of it.
//!
//! A digest, size or diff_id that differs only because something below it does is not reported; where nothing below it
//! was found to differ, it is. No difference is silently dropped.

mod commands;
mod content;
mod document;
mod explain;
pub mod filter;
mod findings;
mod layer;
mod mend;
pub mod model;
mod overview;
mod packages;
mod pair;
#[cfg(feature = "attest")]
mod profile;
mod remedy;
pub mod report;
mod run;
mod view;
mod walk;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::causes::Class;
use crate::context::{RunContext, new_blobs};
use crate::digest::Digest;
use crate::document::TimeKeys;
use crate::error::{Error, Result, printable};
use crate::image::Select;
use crate::name::familiar;
use crate::platform::Platform;
use crate::store::open::Source;
use content::saved::LoneFile;
use filter::Filter;
use findings::Findings;
use layer::compare::Comparison;
use layer::entries::Depth;
use layer::paired::Paired;
use layer::pax::Strings;
use layer::programs::LinksIn;
use layer::tree::Tree;
use model::{Compared, Difference, Part, Place, Role, Value};
use pair::images::pair_images;
use remedy::Facts;
use view::{Image, View};

pub use content::fetch::FileSink;
pub use model::{Report, Verdict};
pub use run::Diff;

/// What is compared, and what is done with it.
#[derive(Default)]
pub struct Options<'o> {
    /// Compare the flattened root filesystems and nothing else.
    pub rootfs: bool,
    /// Only images of this platform.
    pub platform: Option<Platform>,
    /// Only the image of this name, of each source.
    pub references: [Option<String>; 2],
    /// Which labels and annotations hold times, besides those that are known.
    pub time_keys: TimeKeys,
    /// What is accepted.
    pub filter: Filter,
    /// Only what is inside of images: neither indexes nor what is attached.
    pub images_only: bool,
    /// Takes the files that differ.
    pub file_sink: Option<&'o dyn FileSink>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("rootfs", &self.rootfs)
            .field("references", &self.references)
            .finish_non_exhaustive()
    }
}

/// So many images are listed with their digests.
const LISTED_MAX: usize = 1000;

/// Compares two images.
pub(crate) fn diff(sources: [&Source; 2], options: &Options<'_>, context: &RunContext) -> Result<Report> {
    let [a, b] = sources;
    let load = |source, side: usize| {
        let reference = options.references.get(side).cloned().flatten();
        View::load(source, &Select { reference, platform: options.platform.clone() }, &options.time_keys)
    };
    let views = [&load(a, 0)?, &load(b, 1)?];
    let pairs = pair_images(&views[0].images, &views[1].images);
    let sizes = pairs.iter().filter_map(|pair| match pair {
        [Some(x), Some(y)] => Some(layer::plan::bytes_to_read([x, y], options.rootfs)),
        _ => None,
    });
    context.progress.set_total(sizes.fold(0, u64::saturating_add));
    let blobs = new_blobs(&context.spools);
    let mut comparison = Comparison {
        views,
        options,
        pool: &context.pool,
        findings: Findings { time_keys: options.time_keys.clone(), ..Findings::default() },
        same: HashSet::new(),
        subjects: HashMap::new(),
        done: HashMap::new(),
        paired: HashMap::new(),
        idle: HashMap::new(),
        configs: HashMap::new(),
        whiteouts: Default::default(),
        links: HashMap::new(),
        strings: Strings::default(),
        content: content::fetch::ContentState::default(),
        paired_images: Vec::new(),
        spools: &context.spools,
        blobs: &blobs,
    };
    comparison.note_counterparts(&pairs);
    comparison.note_images(&pairs)?;
    let mut images = top(&pairs);
    for pair in &pairs {
        let label = label(pair.iter().flatten().next().copied());
        let digests = pair.map(|image| image.map(|image| image.manifest.unwrap_or(image.config_digest)));
        if images.len() < LISTED_MAX {
            images.push(Compared { label: label.clone(), digests });
        }
        match pair {
            [Some(x), Some(y)] if options.rootfs => comparison.rootfs(&label, [x, y])?,
            [Some(x), Some(y)] => comparison.images(&label, [x, y])?,
            one => comparison.lone(&label, one),
        }
    }
    comparison.whiteouts.set_classes(&mut comparison.findings.differences);
    let recut: HashSet<usize> = comparison.findings.overview.recut_places.iter().copied().collect();
    layer::cut::soften(&mut comparison.findings.differences, |place| recut.contains(&place));
    if !options.rootfs {
        comparison.unattached()?;
        comparison.listings()?;
    }
    let compared: Vec<[&Image; 2]> = pairs.iter().filter_map(|[a, b]| Some([(*a)?, (*b)?])).collect();
    let facts = Facts::of(views, if compared.len() == 1 { compared.first().copied() } else { None })?;
    facts.mend(&mut comparison.findings);
    comparison.sorting(&compared)?;
    comparison.copies(&compared)?;
    let mut report = finish(comparison, sources.map(|source| source.name().to_owned()), facts);
    report.images = images;
    Ok(report)
}

/// The index that leads to all images of a source, if there is one on a side: what a registry has under their name.
fn top(pairs: &[[Option<&Image>; 2]]) -> Vec<Compared> {
    let digest = |side: usize| {
        let mut images = pairs.iter().filter_map(|pair| pair.get(side).copied().flatten());
        let first = images.next()?.links.as_slice();
        let index = first.first().filter(|_| first.len() > 1)?.digest;
        images.all(|image| image.links.first().is_some_and(|link| link.digest == index)).then_some(index)
    };
    let digests = [digest(0), digest(1)];
    let has_one = digests.iter().any(Option::is_some);
    if has_one { vec![Compared { label: "index".to_owned(), digests }] } else { Vec::new() }
}

/// An image's platform as its config has it, made printable.
fn platform(image: &Image) -> String {
    printable(image.platform.to_string().as_bytes())
}

/// An image's name and platform, for people.
fn label(image: Option<&Image>) -> String {
    let Some(image) = image else { return String::new() };
    // `app:1` says more than the `1` that a layout has beside it.
    match image.names.iter().map(|name| familiar(name)).min_by_key(|name| !name.contains(':')) {
        Some(name) => format!("{} {}", printable(name.as_bytes()), platform(image)),
        None => platform(image),
    }
}

impl Comparison<'_> {
    fn images(&mut self, label: &str, images: [&Image; 2]) -> Result<()> {
        document::index::chains(&mut self.findings, label, self.views, images)?;
        self.attached(label, images)?;
        document::config::configs(&mut self.findings, label, self.views, images)?;
        let pairs = self.layers(label, images)?;
        document::manifest::manifests(&mut self.findings, label, self.views, images, &pairs)
    }

    fn rootfs(&mut self, label: &str, images: [&Image; 2]) -> Result<()> {
        let ids = images.map(|image| image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<Digest>>());
        if ids[0] == ids[1] {
            self.findings.overview.times.iter_mut().for_each(overview::SideTimes::skip);
            self.paired_images.push(Paired { pairs: Vec::new(), placed: Vec::new(), is_rootfs: true });
            return self.verify(images);
        }
        let mut trees = Vec::new();
        let at_a_time = self.pool.jobs().max(1);
        for (side, image) in images.into_iter().enumerate() {
            let jobs: Vec<_> = (0..image.layers.len()).map(|number| (side, number)).collect();
            let mut read = BTreeMap::new();
            let mut tree = Tree::default();
            for (number, layer) in image.layers.iter().enumerate() {
                // A few layers at a time: what is in the tree of them is all that is held.
                if number % at_a_time == 0 {
                    let end = jobs.len().min(number + at_a_time);
                    read = self.read_all(images, jobs.get(number..end).unwrap_or_default())?;
                }
                let records = read.remove(&(side, number)).ok_or_else(|| {
                    let name = self.views.get(side).map(|view| view.source.name()).unwrap_or_default();
                    Error::missing("a layer of the root filesystem").in_blob(layer.diff_id).in_file(name)
                })?;
                if let Some(times) = self.findings.overview.times.get_mut(side) {
                    times.add_layer(records.times());
                }
                tree.apply(number, records);
            }
            trees.push(tree.flatten());
        }
        let [(left, from_a), (right, from_b)] = trees.as_slice() else { return Ok(()) };
        let digests = images.map(|image| image.manifest);
        let place =
            self.findings.place(Place { image: label.to_owned(), part: Part::Rootfs, digests, about: String::new() });
        let before = self.findings.count();
        let open = layer::entries::compare(&mut self.findings, place, [left, right], Depth::Files);
        let origins = [from_a.as_slice(), from_b];
        let tasks = open.wanted.iter().filter_map(|wanted| content::fetch::FetchTask::with_origins(wanted, origins));
        let lone = open.lone_files.iter().filter_map(|(difference, side, number)| {
            let from = *origins.get(*side)?.get(*number as usize)?;
            Some(LoneFile { difference: *difference, side: *side, from })
        });
        let lone: Vec<LoneFile> = lone.collect();
        self.contents(tasks.collect(), &lone, images.map(|image| image.layers.iter().collect()))?;
        self.note_idle(place, before);
        self.paired_images.push(Paired { pairs: Vec::new(), placed: vec![(place, (None, None))], is_rootfs: true });
        let links = [left, right].map(|records| LinksIn::of(&records.entries));
        self.raise_by(images, &[place], &links)
    }

    /// An image that only one source has.
    fn lone(&mut self, label: &str, pair: &[Option<&Image>; 2]) {
        let digests = pair.map(|image| image.map(|image| image.manifest.unwrap_or(image.config_digest)));
        self.findings.overview.times.iter_mut().for_each(overview::SideTimes::skip);
        let place =
            self.findings.place(Place { image: label.to_owned(), part: Part::Index, digests, about: String::new() });
        let values = pair.map(|image| image.map(|image| Value::text(platform(image))));
        let difference = Difference::new(Class::Content, place, "image", values);
        self.findings.push(difference.note("the image has no counterpart").role(Role::Image));
    }
}

/// Sorts as `sort_by` does, in less memory: there may be a million of these.
fn sort_in_place<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    const DONE: usize = usize::MAX;
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by(|i, j| match (list.get(*i), list.get(*j)) {
        (Some(x), Some(y)) => compare(x, y),
        _ => Ordering::Equal,
    });
    // Each place takes what belongs there from the place where that is, round by round.
    for start in 0..list.len() {
        let mut to = start;
        while let Some(next) = order.get_mut(to).map(|from| std::mem::replace(from, DONE)).filter(|from| *from != DONE)
        {
            if next == start {
                break;
            }
            list.swap(to, next);
            to = next;
        }
    }
}

fn finish(comparison: Comparison<'_>, names: [String; 2], mut facts: Facts) -> Report {
    let Findings { places, mut differences, mut notes, databases, overview, mut follows, unfit, .. } =
        comparison.findings;
    facts.keys = comparison.findings.unlisted_keys;
    differences.iter_mut().for_each(|one| one.mends = one.mends.without(unfit));
    if comparison.options.images_only {
        let is_inside = |one: &Difference| {
            matches!(
                places.get(one.place).map(|place| place.part),
                Some(Part::Manifest | Part::Config | Part::Layer(_))
            )
        };
        differences.retain(is_inside);
        follows.retain(is_inside);
    }
    let fixed: HashSet<usize> = differences.iter().filter(|one| one.mends.is_none()).map(|one| one.place).collect();
    differences.extend(follows.into_iter().filter(|one| !fixed.contains(&one.place)));
    commands::name(&mut differences, &places, &databases);
    let key = |difference: &Difference| (difference.class, difference.place);
    // Stable: what one comparison found stays in the order of paths, but for what the second reading added.
    sort_in_place(&mut differences, |x, y| key(x).cmp(&key(y)).then_with(|| x.path.cmp(&y.path)));
    for view in comparison.views {
        notes.extend(view.set.documents.notes.notices(|_| true).into_iter().map(|notice| notice.message));
    }
    let mut report = Report { names, places, notes, ..Report::default() };
    comparison.options.filter.apply(differences, &mut report);
    report.explanations = explain::explain(&report, &overview);
    report.remedy = remedy::remedy(&report, &facts);
    report
}
