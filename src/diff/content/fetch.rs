//! The second reading: contents that differ are fetched, some at a time, and compared.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use crate::blob::Extent;
use crate::causes::{self, Cause, Class};
use crate::diff::content::large::{self, Edges};
use crate::diff::content::repaired::{Files, Trial};
use crate::diff::content::{self, InnerDifference};
use crate::diff::findings::Findings;
use crate::diff::layer::entries::Wanted;
use crate::diff::mend::MendSet;
use crate::diff::model::{Rank, Role};
use crate::digest::Digest;
use crate::error::{Error, Result, printable};
use crate::layer::{self, Event, LayerExpected, Pool};
use crate::spool::Spools;
use crate::sync::start;

/// Larger files are not opened; of those of one size `large.rs` compares the start and the end.
pub const FILE_MAX: u64 = 8 << 20;
/// Bytes of files of each side that are held at a time.
pub const HELD_MAX: u64 = 16 << 20;
/// Layers are read again at most this often; the files that are left then are not opened.
pub const READINGS_MAX: usize = 24;

/// Takes the differing files of both sides, for other tools.
pub trait FileSink: Sync {
    /// Opens what takes the content of a file; `number` is the difference's, `side` 0 or 1.
    ///
    /// # Errors
    ///
    /// If it can't be opened: the comparison ends with that error.
    fn file(&self, number: u32, side: usize, path: &[u8]) -> Result<Box<dyn Write + Send>>;
}

/// Two files to fetch.
#[derive(Debug, Clone)]
pub(crate) struct FetchTask {
    difference: usize,
    /// Of each side the layer (an index into the list of blobs) and the number of the entry in it.
    from: [(usize, u32); 2],
    sizes: [u64; 2],
    are_resizable: bool,
}

impl FetchTask {
    /// For what a comparison of two layers left open; each side has one blob.
    pub(crate) fn of(wanted: &Wanted) -> Self {
        Self::from(wanted, wanted.numbers.map(|number| (0, number)))
    }

    /// For what a comparison of two root filesystems left open; these tables say from which layer each entry is.
    pub(crate) fn with_origins(wanted: &Wanted, origins: [&[(usize, u32)]; 2]) -> Option<Self> {
        let from = [*origins[0].get(wanted.numbers[0] as usize)?, *origins[1].get(wanted.numbers[1] as usize)?];
        Some(Self::from(wanted, from))
    }

    fn from(wanted: &Wanted, from: [(usize, u32); 2]) -> Self {
        let Wanted { difference, sizes, are_resizable, .. } = *wanted;
        Self { difference, from, sizes, are_resizable }
    }

    fn is_small(&self) -> bool {
        self.sizes.iter().all(|size| *size <= FILE_MAX)
    }

    /// Is it too large to be held, and may it be the same but at its start and end?
    fn is_measured(&self) -> bool {
        !self.is_small() && self.sizes[0] == self.sizes[1]
    }
}

/// A layer to read again, and what it has to be.
#[derive(Debug)]
pub(crate) struct LayerBlob<'s> {
    pub(crate) extent: Extent,
    pub(crate) expect: LayerExpected,
    /// The digest that an error names it by.
    pub(crate) name: Digest,
    /// The name of its source.
    pub(crate) source: &'s str,
}

/// What is counted over all files of a run.
#[derive(Debug)]
pub(crate) struct ContentState {
    /// Bytes that may still be reported of what is inside files.
    reportable: usize,
    /// How many files were given to the sink.
    pub(super) saved: u32,
}

impl Default for ContentState {
    fn default() -> Self {
        Self { reportable: content::REPORTED_TOTAL_MAX, saved: 0 }
    }
}

/// Compares the contents of differing files, and replaces each difference by what differs inside.
pub(crate) struct ContentComparison<'c> {
    pub(crate) findings: &'c mut Findings,
    pub(crate) state: &'c mut ContentState,
    pub(crate) sink: Option<&'c dyn FileSink>,
    pub(crate) pool: &'c Pool,
    pub(crate) spools: &'c Spools,
    /// The layers of both sides; `None` for one that is not in its source, and so has no entries.
    pub(crate) layers: [Vec<Option<LayerBlob<'c>>>; 2],
}

/// Tasks of one reading, and whether the files of each are to be opened.
type Batch = [(FetchTask, bool)];

/// What is held of a file.
pub(super) enum Fetched {
    Whole(Vec<u8>),
    Edges(Box<Edges>),
}

/// What one file becomes when it is fetched.
pub(super) struct Target {
    pub(super) bytes: Option<Fetched>,
    pub(super) file: Option<Box<dyn Write + Send>>,
}

impl ContentComparison<'_> {
    /// Works on all of these.
    pub(crate) fn run(&mut self, tasks: Vec<FetchTask>) -> Result<()> {
        let mut pending = tasks.into_iter().peekable();
        let mut readings = 0;
        while pending.peek().is_some() {
            let mut batch = Vec::new();
            let mut held = 0u64;
            while let Some(task) = pending.peek() {
                let size = if task.is_small() { task.sizes[0].max(task.sizes[1]) } else { large::HELD };
                let is_opened = (task.is_small() || task.is_measured()) && readings < READINGS_MAX;
                if is_opened && held > 0 && held.saturating_add(size) > HELD_MAX {
                    break;
                }
                held = if is_opened { held.saturating_add(size) } else { held };
                batch.extend(pending.next().map(|task| (task, is_opened)));
            }
            readings += 1;
            self.read_batch(&batch)?;
        }
        Ok(())
    }

    fn read_batch(&mut self, batch: &Batch) -> Result<()> {
        let first = self.state.saved;
        let path = |task: &FetchTask| self.findings.differences.get(task.difference).map(|d| Arc::clone(&d.path));
        let paths: Vec<Arc<[u8]>> = batch.iter().map(|(task, _)| path(task).unwrap_or_default()).collect();
        let fetched = std::thread::scope(|scope| {
            let this = &*self;
            let paths = paths.as_slice();
            let right = start(scope, "read", move || this.fetch(1, batch, paths))?;
            let left = this.fetch(0, batch, paths);
            let right = right.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Error>([left?, right?])
        })?;
        let [mut left, mut right] = fetched;
        for (number, ((task, _), path)) in batch.iter().zip(&paths).enumerate() {
            let saved_as = self.sink.and_then(|_| first.checked_add(u32::try_from(number).ok()?));
            match [left.remove(&number), right.remove(&number)] {
                [Some(Fetched::Whole(a)), Some(Fetched::Whole(b))] => {
                    let place = self.findings.differences.get(task.difference).map_or(0, |d| d.place);
                    self.findings.databases.read(place, path, [&a, &b]);
                    let runs = self.runs(task);
                    let mut found = content::compare_content(path, &a, &b, runs, &mut self.state.reportable);
                    let files = Files { path, contents: [&a, &b], are_resizable: task.are_resizable };
                    Trial { spools: self.spools }.mend(files, &mut found, |a, b| {
                        content::compare_content(path, a, b, runs, &mut { content::REPORTED_MAX })
                    });
                    put(self.findings, task.difference, found, saved_as);
                }
                [Some(Fetched::Edges(a)), Some(Fetched::Edges(b))] => {
                    match large::compare(path, &a, &b, self.runs(task)) {
                        Some(inner) => put(self.findings, task.difference, vec![inner], saved_as),
                        None => self.not_opened(task, path, saved_as),
                    }
                }
                _ => self.not_opened(task, path, saved_as),
            }
        }
        self.state.saved = first.saturating_add(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Is the file a program by its mode or its first bytes?
    fn runs(&self, task: &FetchTask) -> bool {
        self.findings.differences.get(task.difference).is_some_and(|difference| difference.rank != Rank::Other)
    }

    /// Notes why a file was not opened.
    fn not_opened(&mut self, task: &FetchTask, path: &[u8], saved_as: Option<u32>) {
        let Some(difference) = self.findings.differences.get_mut(task.difference) else { return };
        let text = if task.is_small() {
            "not looked inside: too many files differ".to_owned()
        } else {
            format!("not looked inside: larger than {} MiB", FILE_MAX >> 20)
        };
        self.findings.notes.push(format!("{}: {text}", printable(path)));
        difference.note = Some(text.into());
        difference.saved_as = saved_as;
    }

    /// Reads the layers of one side that have something wanted; contents by the number of their task.
    fn fetch(&self, side: usize, batch: &Batch, paths: &[Arc<[u8]>]) -> Result<BTreeMap<usize, Fetched>> {
        let mut by_layer: BTreeMap<usize, BTreeMap<u32, usize>> = BTreeMap::new();
        for (number, (task, is_opened)) in batch.iter().enumerate() {
            if (*is_opened || self.sink.is_some())
                && let Some((layer, entry)) = task.from.get(side)
            {
                by_layer.entry(*layer).or_default().insert(*entry, number);
            }
        }
        let mut all = BTreeMap::new();
        for (layer, wanted) in by_layer {
            let Some(Some(blob)) = self.layers.get(side).and_then(|layers| layers.get(layer)) else { continue };
            let mut open = |number: usize| -> Result<Target> {
                let file = match (self.sink, paths.get(number)) {
                    (Some(sink), Some(path)) => {
                        let saved_as = self.state.saved.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
                        Some(sink.file(saved_as, side, path)?)
                    }
                    _ => None,
                };
                let held = batch.get(number).filter(|(_, is_opened)| *is_opened);
                let bytes = held.map(|(task, _)| match task.is_small() {
                    true => Fetched::Whole(Vec::new()),
                    false => {
                        let path = paths.get(number).map(|path| &**path).unwrap_or_default();
                        Fetched::Edges(Box::new(Edges::tried(path, task.sizes[0], self.spools)))
                    }
                });
                Ok(Target { bytes, file })
            };
            fetch_layer(blob, &wanted, self.pool, &mut open, &mut all)?;
        }
        Ok(all)
    }
}

/// Replaces a difference by what was found in its two files.
fn put(findings: &mut Findings, at: usize, found: Vec<InnerDifference>, saved_as: Option<u32>) {
    let Some(whole) = findings.differences.get_mut(at) else { return };
    whole.saved_as = saved_as;
    let template = whole.clone();
    for (number, mut inner) in found.into_iter().enumerate() {
        let mut difference = template.clone();
        // Of a record, a log or a cache the path says more than that it holds dates.
        if inner.role == Role::Data
            && inner.cause.is_none_or(|named| !named.is_over_path)
            && matches!(template.class, Class::PackageDb | Class::LogOrCache)
            && !template.cause.is_some_and(|cause| cause.content_first)
        {
            (inner.class, inner.role, inner.field) = (Class::Content, Role::Content, "content".into());
        }
        // A class that says more than "content" holds unless it is known to be only time.
        difference.class = match inner.class {
            // Of what is in an archive only contents are what the cause speaks of, never modes, owners or links.
            // A private key is content in a cache, too.
            Class::Content
                if matches!(inner.role, Role::Content | Role::Entry)
                    && inner.cause.is_none_or(|named| !named.cause.is_of_private_keys()) =>
            {
                template.class
            }
            class => class,
        };
        if *inner.path != *template.path || inner.role != Role::Content {
            difference.values = inner.values;
        }
        let mut path = inner.path;
        let mut archives = Vec::new();
        for (at, byte) in path.iter_mut().enumerate().skip(template.path.len()).filter(|(_, byte)| **byte == 0) {
            *byte = b'!';
            archives.push(at);
        }
        difference.path = path.into();
        difference.archives = archives.into();
        difference.field = inner.field;
        difference.role = inner.role;
        difference.mends = difference.mends.or_all(inner.mends);
        difference.restamps |= inner.mends.are_met_by(MendSet::of(&[]));
        if inner.role == Role::GzipMtime {
            difference.cause = difference.cause.or(Some(&causes::GZIP_FILE));
        }
        // The file was looked at, and it is something else.
        if inner.class == Class::Content && inner.role == Role::Content {
            difference.cause = difference.cause.filter(|cause| !cause.by_content_alone);
        }
        if let Some(named) = inner.cause {
            let is_over_path =
                |cause: &&Cause| named.is_over_path || cause.content_first && inner.class != Class::Content;
            difference.cause = difference.cause.filter(|cause| !is_over_path(cause)).or(Some(named.cause));
        }
        if inner.is_unopened {
            let note = inner.note.as_deref().unwrap_or_default();
            findings.notes.push(format!("{}: {note}", printable(&difference.path)));
        }
        difference.note = inner.note.map(Into::into).or(difference.note);
        difference.preview = inner.preview.map(Into::into);
        if number == 0 {
            if let Some(whole) = findings.differences.get_mut(at) {
                *whole = difference;
            }
        } else {
            findings.differences.push(difference);
        }
    }
}

/// Reads one layer to its end, and verifies it again: it may have changed since the first reading.
pub(super) fn fetch_layer(
    blob: &LayerBlob<'_>,
    wanted: &BTreeMap<u32, usize>,
    pool: &Pool,
    open: &mut dyn FnMut(usize) -> Result<Target>,
    all: &mut BTreeMap<usize, Fetched>,
) -> Result<()> {
    let mut number = 0u32;
    let mut current: Option<(usize, Target)> = None;
    // An error of the sink is none of the layer.
    let mut is_of_sink = false;
    let mut visit = |event: Event<'_>| -> Result<()> {
        match event {
            Event::Entry(_) => {
                end(current.take(), all).inspect_err(|_| is_of_sink = true)?;
                if let Some(task) = wanted.get(&number) {
                    current = Some((*task, open(*task).inspect_err(|_| is_of_sink = true)?));
                }
                number = number.saturating_add(1);
            }
            Event::Content(piece) => {
                if let Some((_, target)) = &mut current {
                    target.add(piece).inspect_err(|_| is_of_sink = true)?;
                }
            }
            _ => {}
        }
        Ok(())
    };
    let scanned = layer::scan(&blob.extent, &blob.expect, pool, &mut visit);
    let scanned = scanned.and_then(|_| end(current.take(), all).inspect_err(|_| is_of_sink = true));
    scanned.map_err(|e| if is_of_sink { e } else { e.in_blob(blob.name).in_file(blob.source) })
}

impl Target {
    fn add(&mut self, piece: &[u8]) -> Result<()> {
        // A layer that has changed since may have a larger file there: it fails at its end.
        match &mut self.bytes {
            Some(Fetched::Whole(bytes)) if bytes.len() as u64 <= FILE_MAX => bytes.extend_from_slice(piece),
            Some(Fetched::Edges(edges)) => edges.add(piece),
            _ => {}
        }
        if let Some(file) = &mut self.file {
            file.write_all(piece).map_err(|e| Error::io("cannot write", e))?;
        }
        Ok(())
    }
}

/// Ends a file that was fetched.
fn end(fetched: Option<(usize, Target)>, all: &mut BTreeMap<usize, Fetched>) -> Result<()> {
    if let Some((task, mut target)) = fetched {
        if let Some(file) = &mut target.file {
            file.flush().map_err(|e| Error::io("cannot write", e))?;
        }
        if let Some(Fetched::Edges(edges)) = &mut target.bytes {
            edges.end();
        }
        all.extend(target.bytes.map(|bytes| (task, bytes)));
    }
    Ok(())
}
