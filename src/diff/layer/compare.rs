//! The layers of two images: which ones are read, which go together, and what of them is read again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::blob::{Expected, NewBlobs};
use crate::causes::Class;
use crate::diff::Options;
use crate::diff::content::fetch::{ContentComparison, ContentState, FetchTask, LayerBlob};
use crate::diff::content::saved::LoneFile;
use crate::diff::findings::Findings;
use crate::diff::layer::entries::{self, Depth, Open};
use crate::diff::layer::paired::Paired;
use crate::diff::layer::pax::Strings;
use crate::diff::layer::plan::{Gap, GapKey, expected, gap_key, is_same_blob, pair_by_content};
use crate::diff::layer::programs::LinksIn;
use crate::diff::layer::reader;
use crate::diff::layer::record::Records;
use crate::diff::layer::recut::Recut;
use crate::diff::layer::whiteouts::Whiteouts;
use crate::diff::mend::{Mend, Mends};
use crate::diff::model::{Difference, Part, Place, Value};
use crate::diff::overview::SideTimes;
use crate::diff::pair::align::Pair;
use crate::diff::pair::layers::pair_gap;
use crate::diff::view::{Image, Layer, View};
use crate::digest::Digest;
use crate::error::Result;
use crate::layer::Pool;
use crate::media_type::Compression;
use crate::spool::Spools;

/// What the comparison of images needs throughout a run.
pub(crate) struct Comparison<'s> {
    pub(crate) views: [&'s View<'s>; 2],
    pub(crate) options: &'s Options<'s>,
    pub(crate) pool: &'s Pool,
    pub(crate) findings: Findings,
    /// Blobs that were compared, and what they must decompress to: layers of one diff_id, and statements.
    pub(crate) same: HashSet<[(Digest, Digest); 2]>,
    /// What statements are about that both sources have.
    pub(crate) subjects: HashMap<Digest, Arc<Vec<(String, Digest)>>>,
    /// Pairs of layers that were compared, and the place of what was found: platforms and tags share layers. Apart those
    /// of gaps that make the same on both sides.
    pub(crate) done: HashMap<([Option<Digest>; 2], bool), usize>,
    /// How the layers of gaps were paired, and what they make.
    pub(crate) paired: HashMap<GapKey, (Vec<Pair>, Option<Recut>)>,
    /// By place the differences that count less for where a file lies.
    pub(crate) idle: HashMap<usize, Vec<usize>>,
    /// The config of B that goes with one of A.
    pub(crate) configs: HashMap<Digest, Digest>,
    /// Whiteouts that only one side has.
    pub(crate) whiteouts: Whiteouts,
    /// Where links lead, by the diff_id of their layer.
    pub(crate) links: HashMap<Digest, Arc<LinksIn>>,
    /// Bytes of long names that there may be.
    pub(crate) strings: Strings,
    /// What is counted over all files whose contents were compared.
    pub(crate) content: ContentState,
    /// How the layers of each pair of images were paired.
    pub(crate) paired_images: Vec<Paired>,
    /// Where temporary files are made.
    pub(crate) spools: &'s Spools,
    /// Where notes of layers are kept.
    pub(crate) blobs: &'s NewBlobs,
}

impl Comparison<'_> {
    /// Compares the layers of two images, and returns how they were paired.
    pub(crate) fn layers(&mut self, label: &str, images: [&Image; 2]) -> Result<Vec<Pair>> {
        let [a, b] = images.map(|image| image.layers.as_slice());
        let gaps = pair_by_content(a, b);
        let mut jobs = Vec::new();
        for gap in &gaps {
            match gap {
                Gap::Same(i, j) => {
                    self.findings.overview.times.iter_mut().for_each(SideTimes::skip);
                    self.sizes_hold([a.get(*i), b.get(*j)])?;
                }
                // What was paired for another image was compared as well.
                Gap::Between(left, right) if self.paired.contains_key(&gap_key([a, b], [left, right])) => {}
                Gap::Between(left, right) => {
                    jobs.extend(left.iter().map(|number| (0, *number)));
                    jobs.extend(right.iter().map(|number| (1, *number)));
                }
            }
        }
        let mut read = self.read_all(images, &jobs)?;
        for (side, _) in jobs.iter().filter(|job| !read.contains_key(*job)) {
            self.findings.overview.times.get_mut(*side).into_iter().for_each(SideTimes::skip);
        }
        for (job, records) in &read {
            if let Some(times) = self.findings.overview.times.get_mut(job.0) {
                times.add_layer(records.times());
            }
            if let Some(layer) = images.get(job.0).and_then(|image| image.layers.get(job.1)) {
                self.links.entry(layer.diff_id).or_insert_with(|| Arc::new(LinksIn::of(&records.entries)));
            }
        }
        let mut pairs = Vec::new();
        let mut recuts = Vec::new();
        // Of one layer on each side nothing can be cut in another way.
        let is_cut = gaps.iter().any(|gap| matches!(gap, Gap::Between(x, y) if (x.len(), y.len()) != (1, 1)));
        for gap in &gaps {
            match gap {
                Gap::Same(i, j) => {
                    if let (Some(x), Some(y)) = (a.get(*i), b.get(*j)) {
                        self.same_content(label, [*i, *j], [x, y])?;
                    }
                    pairs.push((Some(*i), Some(*j)));
                }
                Gap::Between(left, right) => {
                    let key = gap_key([a, b], [left, right]);
                    if !self.paired.contains_key(&key) {
                        let found = pair_gap(images, left, right, &read);
                        // By the place in the gap, which may begin elsewhere in another image.
                        let place = |list: &[usize], number| list.binary_search(&number).ok();
                        let found = found
                            .into_iter()
                            .map(|(i, j)| (i.and_then(|i| place(left, i)), j.and_then(|j| place(right, j))));
                        let recut = if is_cut { self.recut([left, right], &read) } else { None };
                        self.paired.insert(key.clone(), (found.collect(), recut));
                    }
                    let Some((found, recut)) = self.paired.get(&key) else { continue };
                    let number = |list: &[usize], at: &Option<usize>| at.and_then(|at| list.get(at)).copied();
                    pairs.extend(found.iter().map(|(i, j)| (number(left, i), number(right, j))));
                    recuts.push(recut.clone());
                }
            }
        }
        let cut = self.cut(images, &gaps, &recuts)?;
        self.findings.overview.cuts.push(cut);
        let is_recut = cut.is_some_and(|cut| cut.is_cut && cut.same_files);
        let mut placed = Vec::new();
        for pair in &pairs {
            let same =
                matches!(pair, (Some(i), Some(j)) if a.get(*i).map(|l| l.diff_id) == b.get(*j).map(|l| l.diff_id));
            if same {
                continue;
            }
            let layers = [pair.0.and_then(|i| a.get(i)), pair.1.and_then(|j| b.get(j))];
            let names = layers.map(|layer| layer.map(|layer| layer.diff_id));
            if let Some(place) = self.done.get(&(names, is_recut)) {
                placed.push((*place, *pair));
                continue;
            }
            let records = [pair.0.and_then(|i| read.remove(&(0, i))), pair.1.and_then(|j| read.remove(&(1, j)))];
            let before = self.findings.count();
            let (place, whiteouts) = self.pair(label, *pair, layers, records)?;
            self.note_idle(place, before);
            self.whiteouts.add(place, whiteouts);
            self.done.insert((names, is_recut), place);
            self.findings.overview.recut_places.extend(is_recut.then_some(place));
            placed.push((place, *pair));
        }
        let places: Vec<usize> = placed.iter().map(|(place, _)| *place).collect();
        self.raise(images, &places)?;
        let mut whiteouts = std::mem::take(&mut self.whiteouts);
        let read = |jobs: &[(usize, usize)]| self.read_all(images, jobs);
        whiteouts.judge(&self.findings.differences, images, &placed, self.pool.jobs(), &read)?;
        self.whiteouts = whiteouts;
        self.paired_images.push(Paired { pairs: pairs.clone(), placed, is_rootfs: false });
        Ok(pairs)
    }

    /// Of a blob that is not read, the size is verified: that costs nothing.
    fn sizes_hold(&self, layers: [Option<&Layer>; 2]) -> Result<()> {
        for (layer, view) in layers.into_iter().zip(self.views) {
            let Some(layer) = layer else { continue };
            let Some(extent) = &layer.extent else { continue };
            let name = layer.digest.unwrap_or(layer.diff_id);
            let size = Expected { digest: None, size: layer.size }.check_size(extent.len());
            size.map_err(|e| e.in_blob(name).in_file(view.source.name()))?;
        }
        Ok(())
    }

    /// Reads layers whose diff_ids are the same without being the same blob: a diff_id is a claim until then.
    pub(crate) fn verify(&self, images: [&Image; 2]) -> Result<()> {
        let [a, b] = images.map(|image| image.layers.as_slice());
        for (x, y) in a.iter().zip(b) {
            self.sizes_hold([Some(x), Some(y)])?;
            if !is_same_blob(x, y) {
                self.read(0, x, self.pool)?;
                self.read(1, y, self.pool)?;
            }
        }
        Ok(())
    }

    /// Two layers of one diff_id, whose blobs may differ.
    fn same_content(&mut self, label: &str, numbers: [usize; 2], layers: [&Layer; 2]) -> Result<()> {
        let [a, b] = layers;
        if is_same_blob(a, b) {
            return Ok(());
        }
        // Only a digest names a blob: what docker save wrote without one has to be read, however often it comes up.
        if let (Some(x), Some(y)) = (a.digest, b.digest)
            && !self.same.insert([(x, a.diff_id), (y, b.diff_id)])
        {
            return Ok(());
        }
        let (Some(_), Some(_)) = (&a.extent, &b.extent) else { return Ok(()) };
        // A diff_id is believed without reading only of a blob that both images have.
        let mut facts = Vec::new();
        for (side, layer) in layers.into_iter().enumerate() {
            facts.push(self.read(side, layer, self.pool)?.facts);
        }
        let (Some(Some(x)), Some(Some(y))) = (facts.first(), facts.get(1)) else { return Ok(()) };
        if x.digest == y.digest {
            return Ok(());
        }
        let place = self.findings.place(Place {
            image: label.to_owned(),
            part: Part::Layer(numbers.map(Some)),
            digests: [Some(x.digest), Some(y.digest)],
            about: a.created_by.clone(),
        });
        let same = x.compression == y.compression;
        let text = |facts: &crate::layer::LayerInfo| {
            Some(Value::text(format!("{}, {} bytes", facts.compression.name(), facts.size)))
        };
        let difference = Difference::new(Class::Compression, place, "compression", [text(x), text(y)]);
        let note = if same { "the same tar, compressed by another program or level" } else { "the same tar" };
        let difference = difference.note(note).restamps(same && x.compression != Compression::None);
        self.findings.push(if same { difference } else { difference.mends(Mends::by(Mend::Compression)) });
        Ok(())
    }

    /// Compares the contents of files of these layers, which are read again for it, and saves those that one side has.
    pub(crate) fn contents(
        &mut self,
        tasks: Vec<FetchTask>,
        lone: &[LoneFile],
        layers: [Vec<&Layer>; 2],
    ) -> Result<()> {
        let blob = |side: usize, layer: &Layer| {
            let source = self.views.get(side).map(|view| view.source.name()).unwrap_or_default();
            let (expect, name) = (expected(layer), layer.digest.unwrap_or(layer.diff_id));
            layer.extent.clone().map(|extent| LayerBlob { extent, expect, name, source })
        };
        let [left, right] = layers;
        let mut comparison = ContentComparison {
            layers: [
                left.into_iter().map(|layer| blob(0, layer)).collect(),
                right.into_iter().map(|layer| blob(1, layer)).collect(),
            ],
            findings: &mut self.findings,
            state: &mut self.content,
            sink: self.options.file_sink,
            pool: self.pool,
            spools: self.spools,
        };
        comparison.run(tasks)?;
        comparison.save(lone)
    }

    fn read(&self, side: usize, layer: &Layer, pool: &Pool) -> Result<Records> {
        let Some(extent) = &layer.extent else { return Ok(Records::default()) };
        let expect = expected(layer);
        let name = self.views.get(side).map(|view| view.source.name()).unwrap_or_default();
        let blob = layer.digest.unwrap_or(layer.diff_id);
        reader::read(extent, &expect, &self.strings, pool).map_err(|e| e.in_blob(blob).in_file(name))
    }

    /// Reads layers, as many at a time as there are jobs.
    pub(crate) fn read_all(
        &self,
        images: [&Image; 2],
        jobs: &[(usize, usize)],
    ) -> Result<BTreeMap<(usize, usize), Records>> {
        let layer = |job: &(usize, usize)| images.get(job.0).and_then(|image| image.layers.get(job.1));
        let readable = |job: &&(usize, usize)| layer(job).is_some_and(|layer| layer.is_tar && layer.extent.is_some());
        let mut queue: Vec<(usize, usize)> = jobs.iter().filter(readable).copied().collect();
        // The largest first, so that no long one is left to run alone at the end.
        queue.sort_by_key(|job| (std::cmp::Reverse(layer(job).and_then(|l| l.extent.as_ref()).map(|e| e.len())), *job));
        let read =
            self.pool.each(&queue, |job, batch| layer(job).map(|layer| self.read(job.0, layer, batch)).transpose())?;
        Ok(queue.into_iter().zip(read).filter_map(|(job, records)| Some((job, records?))).collect())
    }

    /// Compares two layers, or names one that has no counterpart; returns their place, and whiteouts that only one side
    /// has.
    fn pair(
        &mut self,
        label: &str,
        pair: Pair,
        layers: [Option<&Layer>; 2],
        records: [Option<Records>; 2],
    ) -> Result<(usize, Vec<(usize, usize)>)> {
        let place = self.findings.place(Place {
            image: label.to_owned(),
            part: Part::Layer([pair.0, pair.1]),
            digests: layers.map(|layer| layer.map(|layer| layer.digest.unwrap_or(layer.diff_id))),
            about: about(layers),
        });
        let before = self.findings.count();
        let open = match (layers, &records) {
            ([Some(_), Some(_)], [Some(a), Some(b)]) => self.entries(place, layers, [a, b])?,
            ([Some(_), Some(_)], _) => Open::default(),
            (layers, _) => {
                let values = [0, 1].map(|side| {
                    let layer = layers.get(side).copied().flatten()?;
                    let entries = records.get(side).and_then(Option::as_ref).map(|r| r.entries.len());
                    let entries = entries.map_or_else(String::new, |count| format!(", {count} entries"));
                    Some(Value::text(format!("{}{entries}", layer.diff_id.short())))
                });
                let is_empty =
                    records.iter().flatten().all(|records| records.entries.is_empty() && records.facts.is_some());
                let is_empty = is_empty && records.iter().flatten().next().is_some();
                let class = if is_empty { Class::Format } else { Class::Content };
                let note = if is_empty { "a layer without entries" } else { "the layer has no counterpart" };
                self.findings.push(Difference::new(class, place, "layer", values).note(note));
                Open::default()
            }
        };
        if self.findings.count() == before {
            self.unexplained(place, layers, &records);
        }
        Ok((place, open.whiteouts))
    }

    fn entries(&mut self, place: usize, layers: [Option<&Layer>; 2], records: [&Records; 2]) -> Result<Open> {
        let open = entries::compare(&mut self.findings, place, records, Depth::Stream);
        let facts = records.map(|records| records.facts.as_ref().map(|facts| facts.compression));
        if facts[0] != facts[1] {
            let values = facts.map(|compression| compression.map(|compression| Value::text(compression.name())));
            let difference = Difference::new(Class::Compression, place, "compression", values);
            self.findings.push(difference.mends(Mends::by(Mend::Compression)));
        }
        let tasks = open.wanted.iter().map(FetchTask::of).collect();
        let lone = open.lone_files.iter();
        let lone = lone.map(|(difference, side, number)| LoneFile {
            difference: *difference,
            side: *side,
            from: (0, *number),
        });
        self.contents(tasks, &lone.collect::<Vec<_>>(), layers.map(|layer| layer.into_iter().collect()))?;
        Ok(open)
    }

    /// The digests differ, and nothing that was compared does.
    fn unexplained(&mut self, place: usize, layers: [Option<&Layer>; 2], records: &[Option<Records>; 2]) {
        let values = layers.map(|layer| layer.map(|layer| Value::text(layer.diff_id.short())));
        let (class, note) = if records.iter().all(Option::is_some) {
            (Class::Format, "the streams differ in bytes that belong to no field: padding, headers without an entry")
        } else if layers.iter().flatten().any(|layer| layer.extent.is_none()) {
            (Class::Content, "the layer is not in the image, so only its digest was compared")
        } else {
            (Class::Content, "foreign, or of an unknown layer format; only the digest was compared")
        };
        self.findings.push(Difference::new(class, place, "diff_id", values).note(note));
    }
}

/// The command of two layers; both where they are not the same.
fn about(layers: [Option<&Layer>; 2]) -> String {
    let mut commands: Vec<&str> = layers.into_iter().flatten().map(|layer| layer.created_by.as_str()).collect();
    commands.dedup();
    commands.join(" → ")
}
