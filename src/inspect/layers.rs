//! The layers: each distinct one is read once, several side by side, and nothing of them is kept but counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::blob::{Expected, Extent, NewBlobs};
use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::error::Result;
use crate::image::ImageSet;
use crate::image::documents::extent_of;
use crate::image::layers::LayerId;
use crate::inspect::files::Files;
use crate::inspect::findings::{Findings, InLayer};
use crate::inspect::form::{Form, form};
use crate::inspect::histogram::Counter;
use crate::inspect::report::{Blob, Content, Entries, LayerReport};
use crate::layer::{Event, LayerExpected, Pool, scan, verify_layer};
use crate::media_type::{Compression, LayerKind};
use crate::origin::taker::{Budget, FileTaker, LayerFiles};
use crate::repair::notes::{NoteTaker, Notes};
use crate::sync::lock;
use crate::tar::{Entry, Field};

/// The layers of a run.
pub(super) struct Layers<'s> {
    set: &'s ImageSet<'s>,
    list: Vec<(LayerReport, Option<ReadTask>)>,
    /// By the blob's digest, or by the diff_id where the blob has no name; and by the diff_id that it must have.
    known: BTreeMap<(Digest, Digest), usize>,
    /// Layers with a diff_id that they must have: each is verified once.
    seen: BTreeSet<(LayerId, Digest)>,
    /// Blobs that are verified alone.
    others: Vec<ReadTask>,
    /// The digests of all blobs that are read.
    read: BTreeSet<Digest>,
}

/// A layer that is to be read.
struct ReadTask {
    extent: Extent,
    expect: LayerExpected,
    place: String,
    /// Is it looked into, and not only verified?
    is_read: bool,
}

impl<'s> Layers<'s> {
    pub(super) fn new(set: &'s ImageSet<'s>) -> Self {
        Self {
            set,
            list: Vec::new(),
            known: BTreeMap::new(),
            seen: BTreeSet::new(),
            others: Vec::new(),
            read: BTreeSet::new(),
        }
    }

    /// Adds a layer of an image whose config gives it this diff_id; its number.
    pub(super) fn add(&mut self, id: LayerId, diff_id: Digest) -> Result<usize> {
        let layer = self.set.layer(id);
        let key = (layer.digest.unwrap_or(diff_id), diff_id);
        if let Some(known) = self.known.get(&key).copied() {
            self.verify_layer(id, diff_id)?;
            return Ok(known);
        }
        self.seen.insert((id, diff_id));
        let extent = self.set.extent(layer)?;
        let is_here = extent.is_some();
        let (blob, is_read) = match layer.kind {
            LayerKind::Tar(_) if is_here => (Blob::Unread, true),
            LayerKind::Tar(_) | LayerKind::Foreign => (Blob::Foreign, false),
            LayerKind::Encrypted | LayerKind::Opaque if is_here => (Blob::Opaque, false),
            LayerKind::Encrypted | LayerKind::Opaque => (Blob::Foreign, false),
        };
        let diff_id_of = layer.has_diff_id().then_some(diff_id);
        let expect = LayerExpected { digest: layer.digest, size: layer.size, diff_id: diff_id_of };
        let size = layer.size.or(extent.as_ref().map(Extent::len)).unwrap_or_default();
        let task = extent.map(|extent| ReadTask { extent, expect, place: layer.name(), is_read });
        self.read.extend(task.as_ref().and_then(|task| task.expect.digest));
        let media_type = layer.media_type.as_ref().map(|media_type| media_type.to_string());
        let report = LayerReport { digest: layer.digest, diff_id, media_type, size, blob, is_here, content: None };
        let number = self.list.len();
        self.known.insert(key, number);
        self.list.push((report, task));
        Ok(number)
    }

    /// Adds a layer that is only verified, such as another file of a layer that is read already.
    pub(super) fn verify_layer(&mut self, id: LayerId, diff_id: Digest) -> Result<()> {
        if !self.seen.insert((id, diff_id)) {
            return Ok(());
        }
        let layer = self.set.layer(id);
        let Some(extent) = self.set.extent(layer)? else { return Ok(()) };
        let diff_id = layer.has_diff_id().then_some(diff_id);
        let expect = LayerExpected { digest: layer.digest, size: layer.size, diff_id };
        self.others.push(ReadTask { extent, expect, place: layer.name(), is_read: false });
        Ok(())
    }

    /// Adds a blob of which nothing but its digest and size is of interest, unless it is read anyway.
    pub(super) fn verify(&mut self, descriptor: &Descriptor) -> Result<()> {
        let digest = descriptor.digest;
        let Some(extent) = extent_of(self.set.source, descriptor)? else { return Ok(()) };
        Expected::of_size(descriptor.size).check_size(extent.len()).map_err(|e| e.in_blob(digest))?;
        self.verify_extent(digest, extent);
        Ok(())
    }

    /// The same, of a blob that is at hand.
    pub(super) fn verify_extent(&mut self, digest: Digest, extent: Extent) {
        if self.read.insert(digest) {
            let expect = LayerExpected { digest: Some(digest), size: None, diff_id: None };
            self.others.push(ReadTask { extent, expect, place: digest.to_string(), is_read: false });
        }
    }

    /// Bytes of all blobs that are to be read.
    pub(super) fn total(&self) -> u64 {
        let jobs = self.list.iter().filter_map(|(_, job)| job.as_ref()).chain(&self.others);
        jobs.map(|job| job.extent.len()).fold(0, u64::saturating_add)
    }

    /// The layers as their descriptors have them.
    pub(super) fn unread(self) -> Vec<LayerReport> {
        self.list.into_iter().map(|(layer, _)| layer).collect()
    }

    /// Reads all layers; what was noted of copies of mtimes in each comes with them, and the files that say where an image
    /// comes from.
    pub(super) fn read(
        self,
        pool: &Pool,
        blobs: &NewBlobs,
        findings: &mut Findings,
    ) -> Result<(Vec<LayerReport>, BTreeMap<usize, Taken>)> {
        let mut taken = BTreeMap::new();
        let budget = Budget::default();
        let mut layers = Vec::new();
        let mut jobs = Vec::new();
        for (number, (layer, job)) in self.list.into_iter().enumerate() {
            layers.push(layer);
            jobs.extend(job.map(|job| (Some(number), job)));
        }
        jobs.extend(self.others.into_iter().map(|job| (None, job)));
        // Recognising the form takes some MiB, so it is done for one layer at a time.
        let forms = Mutex::new(());
        let read = pool.each(&jobs, |(_, job), batch| {
            let read = if job.is_read {
                read_one(job, batch, blobs, &budget, &forms).map(Some)
            } else {
                verify(job, batch).map(|()| None)
            };
            read.map_err(|e| e.in_blob(&job.place))
        })?;
        for ((number, _), read) in jobs.into_iter().zip(read) {
            let (Some(number), Some((digest, content, found, of_layer))) = (number, read) else { continue };
            taken.insert(number, of_layer);
            if let Some(layer) = layers.get_mut(number) {
                (layer.blob, layer.content) = (Blob::Read, Some(content));
                // A file of Docker's archives before version 25 has none in its name.
                layer.digest = layer.digest.or(Some(digest));
            }
            findings.layer(number, found);
        }
        Ok((layers, taken))
    }
}

/// What is kept of a layer that was read.
#[derive(Default)]
pub(super) struct Taken {
    /// Copies of mtimes.
    pub(super) notes: Notes,
    /// Files that say where an image comes from.
    pub(super) files: LayerFiles,
}

/// Compares a blob with its digest and size and, where it is to have one, its diff_id.
fn verify(job: &ReadTask, pool: &Pool) -> Result<()> {
    let LayerExpected { digest, size, diff_id } = job.expect;
    if diff_id.is_some() {
        return verify_layer(&job.extent, &job.expect, pool).map(|_| ());
    }
    job.extent.verify(&Expected { digest, size })
}

fn read_one(
    job: &ReadTask,
    pool: &Pool,
    blobs: &NewBlobs,
    budget: &Budget,
    forms: &Mutex<()>,
) -> Result<(Digest, Content, InLayer, Taken)> {
    let mut tally = Tally::default();
    let mut files = FileTaker::new(blobs, budget);
    let mut notes = NoteTaker::new(true, blobs).hashing();
    let facts = scan(&job.extent, &job.expect, pool, &mut |event| {
        match &event {
            Event::Entry(entry) => {
                notes.entry(entry)?;
                files.entry(entry)?;
            }
            Event::Content(bytes) => {
                notes.content(bytes);
                files.content(bytes)?;
            }
            _ => {}
        }
        match event {
            Event::Entry(entry) if !entry.is_behind_end() => tally.entry(entry),
            Event::Entry(_) => tally.files.close(),
            Event::Content(bytes) => tally.files.content(bytes),
            _ => {}
        }
        Ok(())
    })?;
    // After all of it was verified, so that what is encoded for comparison is what the digest names.
    let form = match facts.compression {
        Compression::None => Form::None,
        _ => {
            let _one_at_a_time = lock(forms);
            form(&job.extent)?
        }
    };
    let content = Content {
        uncompressed_size: facts.uncompressed_size,
        compression: facts.compression,
        form,
        gzip_mtime: facts.gzip_mtime,
        other_times: tally.other_times,
        fractions: tally.fractions,
        entries: tally.entries,
        mtimes: tally.mtimes.finish(),
    };
    Ok((facts.digest, content, tally.files.finish(), Taken { notes: notes.finish()?, files: files.finish()? }))
}

/// What is counted while a layer goes by.
#[derive(Default)]
struct Tally {
    entries: Entries,
    mtimes: Counter,
    other_times: u64,
    fractions: u64,
    files: Files,
}

impl Tally {
    fn entry(&mut self, entry: &Entry) {
        let name = entry.name();
        let mtime = entry.mtime();
        self.mtimes.add(mtime);
        self.fractions += u64::from(mtime.nanos != 0);
        let is_other = |field: Field| match field {
            Field::Atime | Field::Ctime => true,
            Field::Pax { key, .. } => key != "mtime",
            _ => false,
        };
        self.other_times += u64::from(entry.times().any(|site| is_other(site.field)));
        let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let entries = &mut self.entries;
        entries.total += 1;
        let is_file = matches!(entry.kind(), b'0' | 0 | b'7' | b'S') && !name.ends_with(b"/");
        *match entry.kind() {
            _ if base.starts_with(b".wh.") => &mut entries.whiteouts,
            _ if is_file => &mut entries.files,
            b'5' | b'0' | 0 => &mut entries.directories,
            b'2' => &mut entries.symlinks,
            b'1' => &mut entries.hard_links,
            _ => &mut entries.others,
        } += 1;
        if is_file && !base.starts_with(b".wh.") {
            if entry.size() > 0 { self.files.open(&name) } else { self.files.empty(&name) }
        } else {
            self.files.close();
        }
    }
}
