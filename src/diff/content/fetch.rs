//! The second reading: contents that differ are fetched, some at a time, and looked into.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use crate::blob::Extent;
use crate::causes::{self, Class};
use crate::diff::content::{self, Inside};
use crate::diff::layer::compare::Comparison;
use crate::diff::layer::entries::Wanted;
use crate::error::{Error, Kind, Result, printable};
use crate::layer::{self, Event, Expect, Pool};
use crate::sync::start;

/// Larger files are not looked into.
pub const FILE_MAX: u64 = 8 << 20;
/// Bytes of files of each side that are held at a time.
pub const HELD_MAX: u64 = 16 << 20;
/// Layers are read again at most so often; what did not fit in is not looked into.
pub const READINGS_MAX: usize = 24;

/// Takes the differing files of both sides, for other tools.
pub trait Keep: Sync {
    /// Opens what takes the content of a file; `number` is the difference's, `side` 0 or 1.
    fn file(&self, number: u32, side: usize, path: &[u8]) -> Result<Box<dyn Write + Send>>;
}

/// Two files to look into.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    difference: usize,
    /// Of each side the layer (an index into the list of extents) and the number of the entry in it.
    from: [(usize, u32); 2],
    sizes: [u64; 2],
}

impl Job {
    /// For what a comparison left open, in these layers.
    pub(crate) fn of(wanted: &Wanted, layers: [usize; 2]) -> Self {
        let from = [(layers[0], wanted.numbers[0]), (layers[1], wanted.numbers[1])];
        Self { difference: wanted.difference, from, sizes: wanted.sizes }
    }

    /// With its entries told by another table.
    pub(crate) fn with_origins(wanted: &Wanted, origins: [&[(usize, u32)]; 2]) -> Option<Self> {
        let from = [*origins[0].get(wanted.numbers[0] as usize)?, *origins[1].get(wanted.numbers[1] as usize)?];
        Some(Self { difference: wanted.difference, from, sizes: wanted.sizes })
    }
}

/// What one file becomes when it is fetched.
struct Target {
    bytes: Option<Vec<u8>>,
    file: Option<Box<dyn Write + Send>>,
}

/// Looks into all of them. Every difference becomes what was found in its files.
pub(crate) fn look_into(comparison: &mut Comparison<'_>, jobs: Vec<Job>, extents: &[Vec<Extent>; 2]) -> Result<()> {
    let mut pending = jobs.into_iter().peekable();
    let mut readings = 0;
    while pending.peek().is_some() {
        let mut batch = Vec::new();
        let mut held = 0u64;
        while let Some(job) = pending.peek() {
            let size = job.sizes[0].max(job.sizes[1]);
            let is_small = size <= FILE_MAX && readings < READINGS_MAX;
            if is_small && held > 0 && held.saturating_add(size) > HELD_MAX {
                break;
            }
            held = if is_small { held.saturating_add(size) } else { held };
            batch.extend(pending.next().map(|job| (job, is_small)));
        }
        readings += 1;
        read_batch(comparison, &batch, extents)?;
    }
    Ok(())
}

fn read_batch(comparison: &mut Comparison<'_>, batch: &[(Job, bool)], extents: &[Vec<Extent>; 2]) -> Result<()> {
    let first = comparison.kept;
    let paths: Vec<Arc<[u8]>> = batch
        .iter()
        .map(|(job, _)| comparison.findings.differences.get(job.difference).map(|d| d.path.clone()).unwrap_or_default())
        .collect();
    let is_kept = comparison.options.keep.is_some();
    let fetched = std::thread::scope(|scope| {
        let fetch_side = |side: usize| fetch(comparison, batch, &paths, first, side, extents);
        let right = start(scope, "read", move || fetch_side(1))?;
        let left = fetch_side(0);
        let right = right.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, Error>([left?, right?])
    })?;
    let [mut left, mut right] = fetched;
    for (number, ((job, is_small), path)) in batch.iter().zip(&paths).enumerate() {
        let kept = u32::try_from(number).ok().and_then(|number| first.checked_add(number)).filter(|_| is_kept);
        let bytes = [left.remove(&number), right.remove(&number)];
        let found = match bytes {
            [Some(a), Some(b)] if *is_small => {
                let place = comparison.findings.differences.get(job.difference).map_or(0, |d| d.place);
                comparison.findings.databases.read(place, path, [&a, &b]);
                content::look(path, &a, &b, &mut comparison.told, comparison.pool)
            }
            _ => {
                if let Some(difference) = comparison.findings.differences.get_mut(job.difference) {
                    let text = if job.sizes.iter().any(|size| *size > FILE_MAX) {
                        format!("not looked inside: larger than {} MiB", FILE_MAX >> 20)
                    } else {
                        "not looked inside: too many files differ".to_owned()
                    };
                    comparison.findings.notes.push(format!("{}: {text}", printable(path)));
                    difference.note = Some(text.into());
                    difference.kept = kept;
                }
                continue;
            }
        };
        put(comparison, job.difference, found, kept);
    }
    comparison.kept = first.saturating_add(u32::try_from(batch.len()).unwrap_or(u32::MAX));
    Ok(())
}

/// Replaces a difference by what was found in its two files.
fn put(comparison: &mut Comparison<'_>, at: usize, found: Vec<Inside>, kept: Option<u32>) {
    let findings = &mut comparison.findings;
    let Some(whole) = findings.differences.get_mut(at) else { return };
    whole.kept = kept;
    let template = whole.clone();
    for (number, inside) in found.into_iter().enumerate() {
        let mut difference = template.clone();
        // A class that says more than "content" holds unless it is known to be only time.
        difference.class = match inside.class {
            // Of what is in an archive only contents are what the cause speaks of, never modes, owners or links.
            Class::Content if matches!(&*inside.field, "content" | "entry" | "member") => template.class,
            class => class,
        };
        if *inside.path != *template.path || inside.field != "content" {
            difference.values = inside.values;
        }
        let mut path = inside.path;
        let mut archives = Vec::new();
        for (at, byte) in path.iter_mut().enumerate().skip(template.path.len()).filter(|(_, byte)| **byte == 0) {
            *byte = b'!';
            archives.push(at);
        }
        difference.path = path.into();
        difference.archives = archives.into();
        difference.field = inside.field;
        if difference.field == content::GZIP_MTIME {
            difference.cause = difference.cause.or(Some(&causes::GZIP_FILE));
        }
        difference.restamps = false;
        if inside.note.as_ref().is_some_and(|note| note.starts_with("not looked inside")) {
            let note = inside.note.as_deref().unwrap_or_default();
            findings.notes.push(format!("{}: {note}", printable(&difference.path)));
        }
        difference.note = inside.note.map(Into::into).or(difference.note);
        difference.preview = inside.preview.map(Into::into);
        if number == 0 {
            if let Some(whole) = findings.differences.get_mut(at) {
                *whole = difference;
            }
        } else {
            findings.differences.push(difference);
        }
    }
}

/// Reads the layers of one side that have something wanted; contents by the number of their job.
fn fetch(
    comparison: &Comparison<'_>,
    batch: &[(Job, bool)],
    paths: &[Arc<[u8]>],
    first: u32,
    side: usize,
    extents: &[Vec<Extent>; 2],
) -> Result<BTreeMap<usize, Vec<u8>>> {
    let mut by_layer: BTreeMap<usize, BTreeMap<u32, usize>> = BTreeMap::new();
    for (number, (job, is_small)) in batch.iter().enumerate() {
        if (*is_small || comparison.options.keep.is_some())
            && let Some((layer, entry)) = job.from.get(side)
        {
            by_layer.entry(*layer).or_default().insert(*entry, number);
        }
    }
    let mut all = BTreeMap::new();
    for (layer, wanted) in by_layer {
        let Some(extent) = extents.get(side).and_then(|extents| extents.get(layer)) else { continue };
        let mut open = |number: usize| -> Result<Target> {
            let file = match (comparison.options.keep, paths.get(number)) {
                (Some(keep), Some(path)) => {
                    let kept = first.saturating_add(u32::try_from(number).unwrap_or(u32::MAX));
                    Some(keep.file(kept, side, path)?)
                }
                _ => None,
            };
            let is_small = batch.get(number).is_some_and(|(_, is_small)| *is_small);
            Ok(Target { bytes: is_small.then(Vec::new), file })
        };
        let name = comparison.views.get(side).map(|view| view.source.name()).unwrap_or_default();
        fetch_layer(extent, &wanted, comparison.pool, &mut open, &mut all).map_err(|e| e.in_file(name))?;
    }
    Ok(all)
}

fn fetch_layer(
    extent: &Extent,
    wanted: &BTreeMap<u32, usize>,
    pool: &Pool,
    open: &mut dyn FnMut(usize) -> Result<Target>,
    all: &mut BTreeMap<usize, Vec<u8>>,
) -> Result<()> {
    let mut number = 0u32;
    let mut left = wanted.len();
    let mut current: Option<(usize, Target)> = None;
    let mut is_done = false;
    let result = layer::scan(extent, &Expect::default(), pool, &mut |event| {
        match event {
            Event::Entry(_) => {
                if let Some((job, Target { bytes: Some(bytes), .. })) = current.take() {
                    all.insert(job, bytes);
                }
                if left == 0 {
                    // All is here; the rest was verified when the layer was read the first time.
                    is_done = true;
                    return Err(Error::interrupted());
                }
                if let Some(job) = wanted.get(&number) {
                    current = Some((*job, open(*job)?));
                    left -= 1;
                }
                number = number.saturating_add(1);
            }
            Event::Content(piece) => {
                if let Some((_, target)) = &mut current {
                    if let Some(bytes) = &mut target.bytes {
                        bytes.extend_from_slice(piece);
                    }
                    if let Some(file) = &mut target.file {
                        file.write_all(piece).map_err(|e| Error::io("cannot write", e))?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    });
    if let Some((job, Target { bytes: Some(bytes), .. })) = current.take() {
        all.insert(job, bytes);
    }
    match result {
        Err(error) if is_done && matches!(error.kind(), Kind::Interrupted) => Ok(()),
        other => other.map(|_| ()),
    }
}
