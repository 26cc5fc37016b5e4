//! The layers: each distinct one is read once, several side by side, and nothing of them is kept but counts.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::blob::Extent;
use crate::digest::Digest;
use crate::document::descriptor::Descriptor;
use crate::error::Result;
use crate::image::docker::DockerLayer;
use crate::image::graph::extent_of;
use crate::image::source::Source;
use crate::inspect::findings::{Findings, InLayer};
use crate::inspect::form::{Form, form};
use crate::inspect::histogram::Counter;
use crate::inspect::report::{Blob, Content, Entries, Layer};
use crate::layer::{Event, Expect, Pool, scan};
use crate::media_type::{Class, Compression, classify};
use crate::sync::lock;
use crate::tar::{Entry, Field};

/// The layers of a run.
pub(super) struct Layers<'s> {
    source: &'s Source,
    list: Vec<(Layer, Option<Job>)>,
    /// By the blob's digest, or by the diff_id where the blob has no name; and by the diff_id that it must have.
    known: BTreeMap<(Digest, Digest), usize>,
}

/// A layer that is to be read.
struct Job {
    extent: Extent,
    expect: Expect,
    place: String,
}

impl<'s> Layers<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self { source, list: Vec::new(), known: BTreeMap::new() }
    }

    /// Adds a layer that a descriptor names; its number.
    pub(super) fn add(&mut self, descriptor: &Descriptor, diff_id: Digest) -> Result<usize> {
        let (digest, size) = (descriptor.digest, descriptor.size);
        if let Some(known) = self.known.get(&(digest, diff_id)) {
            return Ok(*known);
        }
        let is_layer = matches!(classify(&descriptor.media_type), Class::Layer(_));
        let (blob, job) = match extent_of(self.source, descriptor)? {
            None => (Blob::Foreign, None),
            Some(_) if !is_layer => (Blob::Opaque, None),
            Some(extent) => {
                let expect = Expect { digest: Some(digest), size: Some(size), diff_id: Some(diff_id) };
                (Blob::Unread, Some(Job { extent, expect, place: digest.to_string() }))
            }
        };
        let media_type = Some(descriptor.media_type.clone());
        let layer = Layer { digest: Some(digest), diff_id, media_type, size, blob, content: None };
        Ok(self.push((digest, diff_id), layer, job))
    }

    /// Adds a layer that `manifest.json` names; its number.
    pub(super) fn add_docker(&mut self, file: &DockerLayer, diff_id: Digest) -> usize {
        let key = (file.digest.unwrap_or(diff_id), diff_id);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let expect = Expect { digest: file.digest, size: None, diff_id: Some(diff_id) };
        let job = Job { extent: file.extent.clone(), expect, place: file.path.clone() };
        let size = file.extent.len();
        let layer = Layer { digest: file.digest, diff_id, media_type: None, size, blob: Blob::Unread, content: None };
        self.push(key, layer, Some(job))
    }

    fn push(&mut self, key: (Digest, Digest), layer: Layer, job: Option<Job>) -> usize {
        let number = self.list.len();
        self.known.insert(key, number);
        self.list.push((layer, job));
        number
    }

    /// Bytes of all blobs that are to be read.
    pub(super) fn total(&self) -> u64 {
        self.list.iter().filter_map(|(_, job)| job.as_ref()).map(|job| job.extent.len()).sum()
    }

    /// The layers as their descriptors have them.
    pub(super) fn unread(self) -> Vec<Layer> {
        self.list.into_iter().map(|(layer, _)| layer).collect()
    }

    /// Reads all layers.
    pub(super) fn read(self, pool: &Pool, findings: &mut Findings) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        let mut jobs = Vec::new();
        for (number, (layer, job)) in self.list.into_iter().enumerate() {
            layers.push(layer);
            jobs.extend(job.map(|job| (number, job)));
        }
        // What tells the form takes some MiB, so it is done for one layer at a time.
        let forms = Mutex::new(());
        let read = pool.each(&jobs, |(_, job)| read_one(job, pool, &forms).map_err(|e| e.in_blob(&job.place)))?;
        for ((number, _), (content, found)) in jobs.into_iter().zip(read) {
            if let Some(layer) = layers.get_mut(number) {
                (layer.blob, layer.content) = (Blob::Read, Some(content));
            }
            findings.layer(number, found);
        }
        Ok(layers)
    }
}

fn read_one(job: &Job, pool: &Pool, forms: &Mutex<()>) -> Result<(Content, InLayer)> {
    let mut tally = Tally::default();
    let facts = scan(&job.extent, &job.expect, pool, &mut |event| {
        match event {
            Event::Entry(entry) if !entry.is_behind_end() => tally.entry(entry),
            Event::Content(bytes) => tally.content(bytes),
            _ => {}
        }
        Ok(())
    })?;
    // After all of it was verified: what is encoded anew is what the digest names.
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
    Ok((content, tally.found))
}

/// What is counted while a layer goes by.
#[derive(Default)]
struct Tally {
    entries: Entries,
    mtimes: Counter,
    other_times: u64,
    fractions: u64,
    found: InLayer,
    /// The file whose first bytes come next.
    opened: Option<Vec<u8>>,
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
        // A file without content is what the advice for logs and identities leaves behind.
        let is_candidate = is_file && entry.size() > 0 && !base.starts_with(b".wh.");
        self.opened = is_candidate.then(|| name.into_owned());
    }

    fn content(&mut self, bytes: &[u8]) {
        if let Some(name) = self.opened.take() {
            self.found.file(&name, bytes);
        }
    }
}
