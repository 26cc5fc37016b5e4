//! Layers and other blobs: each distinct one is read once, several side by side, and compared with every claim in the
//! documents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::annotations::{self, Part, PartDigests};
use super::claim::{Claim, Content};
use super::done::{Done, Outcome};
use super::entries::{EntryTimes, Wanted};
use super::findings::{Findings, List};
use super::report::{Finding, Kind, Level, Place, What};
use crate::blob::{Expected, Extent, NewBlobs};
use crate::digest::{Algorithm, Digest};
use crate::error::{self, Result, printable};
use crate::format::stargz::{TocScanner, TocTime};
use crate::layer::{Event, LayerExpected, Pool, scan, verify_layer};
use crate::repair::notes::{NoteTaker, Notes};
use crate::stamp::{Instant, Rule, Stamp};
use crate::sync::lock;
use crate::tar::{Field, TimeSite};

/// How a blob is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Only its digest.
    Hash,
    /// What is in it, uncompressed, has a digest as well.
    Unpack,
    /// It is a layer: a tar.
    Scan,
}

/// A blob to be read.
#[derive(Debug)]
struct ScanTask {
    place: Arc<Place>,
    extent: Extent,
    digest: Option<Digest>,
    work: Work,
    claims: Vec<Claim>,
    /// Is it more than a base image's, so that its times count?
    checks_times: bool,
}

/// All blobs of a check, by their digest or, where that is not known, by their path.
#[derive(Debug, Default)]
pub(super) struct Layers {
    jobs: Vec<ScanTask>,
    numbers: BTreeMap<String, usize>,
    contents: BTreeMap<String, Content>,
    /// What was noted of copies of mtimes.
    notes: BTreeMap<String, Notes>,
    /// Entries of all layers.
    pub entries: u64,
}

/// A blob that a document names.
#[derive(Debug)]
pub(super) struct Named {
    pub name: String,
    pub place: Arc<Place>,
    pub extent: Extent,
    pub digest: Option<Digest>,
    pub work: Work,
    pub checks_times: bool,
}

impl Layers {
    /// Plans to read a blob, and to compare it with a claim.
    pub fn add(&mut self, named: Named, claim: Claim) {
        let Named { name, place, extent, digest, work, checks_times } = named;
        let number = *self.numbers.entry(name).or_insert(self.jobs.len());
        if number == self.jobs.len() {
            self.jobs.push(ScanTask { place, extent, digest, work, claims: Vec::new(), checks_times });
        }
        if let Some(job) = self.jobs.get_mut(number) {
            job.work = job.work.max(work);
            job.checks_times |= checks_times;
            // The same thing is often said by several tags of one image.
            let known = |old: &Claim| {
                (old.diff_id, old.compression, old.named, &old.annotations)
                    == (claim.diff_id, claim.compression, claim.named, &claim.annotations)
            };
            if !job.claims.iter().any(known) {
                job.claims.push(claim);
            }
        }
    }

    pub fn len(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// How many of them are layers.
    pub fn layer_count(&self) -> u64 {
        self.jobs.iter().filter(|job| job.place.what == What::Layer).count() as u64
    }

    /// Bytes that are to be read.
    pub fn total(&self) -> u64 {
        self.jobs.iter().map(|job| job.extent.len()).fold(0, u64::saturating_add)
    }

    /// What a blob that was read turned out to be.
    pub fn content(&self, name: &str) -> Option<&Content> {
        self.contents.get(name)
    }

    /// What was noted of copies of mtimes in a layer that was read.
    pub fn notes(&self, name: &str) -> Option<&Notes> {
        self.notes.get(name)
    }

    /// Reads all of them. Only what keeps a blob from being read at all is an error.
    pub fn run(&mut self, wanted: &Wanted, pool: &Pool, blobs: &NewBlobs, findings: &mut Findings) -> Result<()> {
        let done = Mutex::new(Done::new(self.jobs.len()));
        let jobs: Vec<(usize, &ScanTask)> = self.jobs.iter().enumerate().collect();
        pool.each(&jobs, |&(number, job), batch| {
            let limit = lock(&done).room(number);
            let outcome = run_one(job, wanted, batch, blobs, limit)?;
            lock(&done).put(number, outcome);
            Ok(())
        })?;
        let Done { outcomes, .. } = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let names: BTreeMap<usize, String> =
            self.numbers.iter().map(|(name, number)| (*number, name.clone())).collect();
        for (number, outcome) in outcomes.into_iter().enumerate() {
            let Some(Outcome { list, content, notes }) = outcome else { continue };
            findings.append(list);
            let name = names.get(&number);
            if let (Some(notes), Some(name)) = (notes, name) {
                self.notes.insert(name.clone(), notes);
            }
            if let (Some(content), Some(name)) = (content, name) {
                self.entries += content.entries;
                self.contents.insert(name.clone(), content);
            }
        }
        Ok(())
    }
}

fn run_one(job: &ScanTask, wanted: &Wanted, pool: &Pool, blobs: &NewBlobs, limit: usize) -> Result<Outcome> {
    let (mut list, mut notes) = (List::default(), NoteTaker::new(true, blobs).hashing());
    let result = match job.work {
        Work::Scan => scan_layer(job, wanted, pool, &mut notes, limit, &mut list),
        Work::Unpack => unpack(job, pool).map(Some),
        Work::Hash => hash(job).map(|()| None),
    };
    let content = match result {
        Ok(content) => content,
        Err(error) if matches!(error.kind(), error::Kind::Interrupted | error::Kind::Io { .. }) => {
            return Err(error.in_blob(&job.place.name));
        }
        Err(error) => {
            list.push(Finding::from_error(&job.place, &error));
            None
        }
    };
    if let Some(content) = &content {
        let mut digests = PartDigests::default();
        for claim in &job.claims {
            verify_claim(job, claim, content, pool, &mut digests, &mut list)?;
        }
    }
    list.list.sort_by_key(|finding| finding.kind == Kind::Time);
    list.trim(limit);
    let notes = (content.is_some() && job.work == Work::Scan).then(|| notes.finish()).transpose()?;
    Ok(Outcome { list, content, notes })
}

/// The diff_id is compared by [`verify_claim`], since images may differ about it. Only where it is of another
/// algorithm than SHA-256 has the reader to know.
fn expectation(job: &ScanTask) -> LayerExpected {
    let other = job.claims.iter().filter_map(|claim| claim.diff_id).find(|id| id.algorithm() != Algorithm::Sha256);
    LayerExpected { digest: job.digest, size: None, diff_id: other }
}

fn hash(job: &ScanTask) -> Result<()> {
    job.extent.verify(&Expected { digest: job.digest, size: None })
}

/// A blob in the place of a layer that is none, such as an in-toto statement.
fn unpack(job: &ScanTask, pool: &Pool) -> Result<Content> {
    let facts = verify_layer(&job.extent, &expectation(job), pool)?;
    let (diff_id, uncompressed_size) = (facts.diff_id, facts.uncompressed_size);
    Ok(Content { diff_id, uncompressed_size, compression: facts.compression, entries: 0 })
}

fn scan_layer(
    job: &ScanTask,
    wanted: &Wanted,
    pool: &Pool,
    notes: &mut NoteTaker<'_>,
    limit: usize,
    list: &mut List,
) -> Result<Option<Content>> {
    let stamp = wanted.stamp;
    let mut toc = None;
    let mut times = EntryTimes::new(wanted);
    let facts = scan(&job.extent, &expectation(job), pool, &mut |event| {
        match &event {
            Event::Entry(entry) => notes.entry(entry)?,
            Event::Content(bytes) => notes.content(bytes),
            _ => {}
        }
        if !job.checks_times {
            return Ok(());
        }
        let mut found = |name: &Arc<str>, site: &TimeSite| {
            list.push_with(Level::Finding, Kind::Time, limit, || {
                time(job, Arc::clone(name), site.value).field(field(site.field)).at_offset(Some(site.offset))
            });
        };
        match event {
            Event::Entry(entry) => {
                toc = entry.is_toc().then(TocScanner::new);
                times.entry(entry, &mut found);
            }
            Event::Global(entry) | Event::End(entry) => times.entry(entry, &mut found),
            Event::Content(bytes) => {
                times.content(bytes);
                if let Some(toc) = &mut toc {
                    toc.push(bytes, &mut |time| toc_time(job, &time, stamp, limit, list));
                }
            }
            Event::Map(_) | Event::Padding(_) | Event::Rest(_) => {}
        }
        Ok(())
    })?;
    times.end(&mut |name, site| {
        list.push_with(Level::Finding, Kind::Time, limit, || {
            time(job, Arc::clone(name), site.value).field(field(site.field)).at_offset(Some(site.offset))
        });
    });
    if let Some(mtime) = facts.gzip_mtime
        && job.checks_times
        && !stamp.accepts(Instant::from_seconds(i64::from(mtime)))
    {
        let finding = Finding::gzip_mtime(&job.place, mtime);
        // A layer in which nothing else is late keeps its blob, and so its digest.
        list.push(if stamp.rule == Rule::Clamp { finding.note() } else { finding });
    }
    let (diff_id, uncompressed_size) = (facts.diff_id, facts.uncompressed_size);
    let (compression, entries) = (facts.compression, facts.stats.entries);
    Ok(Some(Content { diff_id, uncompressed_size, compression, entries }))
}

fn time(job: &ScanTask, entry: Arc<str>, value: Option<Instant>) -> Finding {
    let text = value.map(|value| value.to_string()).unwrap_or_default();
    Finding { entry: Some(entry), ..Finding::new(&job.place, Kind::Time, text) }
}

fn toc_time(job: &ScanTask, found: &TocTime<'_>, stamp: Stamp, limit: usize, list: &mut List) {
    if stamp.accepts(found.value) {
        return;
    }
    let field = match found.field {
        "modtime" => "modtime in the TOC",
        "accesstime" => "accesstime in the TOC",
        _ => "changetime in the TOC",
    };
    list.push_with(Level::Finding, Kind::Time, limit, || {
        time(job, printable(found.entry).into(), Some(found.value)).field(field)
    });
}

/// The name of a field, in most cases without making a new text.
fn field(field: Field) -> std::borrow::Cow<'static, str> {
    match field {
        Field::Mtime => "mtime".into(),
        Field::Atime => "atime".into(),
        Field::Ctime => "ctime".into(),
        Field::Pax { key: "mtime", global: false } => "PAX mtime".into(),
        Field::Pax { key: "atime", global: false } => "PAX atime".into(),
        Field::Pax { key: "ctime", global: false } => "PAX ctime".into(),
        other => other.to_string().into(),
    }
}

/// Does a blob match the claims of a document?
fn verify_claim(
    job: &ScanTask,
    claim: &Claim,
    content: &Content,
    pool: &Pool,
    digests: &mut PartDigests,
    list: &mut List,
) -> Result<()> {
    let mut fault = |kind, text: String| list.push(Finding::new(&job.place, kind, text).field(claim.by.clone()));
    if let Some(diff_id) = claim.diff_id
        && diff_id.algorithm() == content.diff_id.algorithm()
        && diff_id != content.diff_id
    {
        fault(Kind::DiffId, format!("diff_id does not match: expected {diff_id}, found {}", content.diff_id));
    }
    if let Some(named) = claim.named
        && named != content.diff_id
        && digests.get(Part::Blob, named.algorithm(), || job.extent.digest(named.algorithm()).map(Some))? != Some(named)
    {
        fault(Kind::Digest, format!("neither its digest nor its diff_id is {named}"));
    }
    if let Some(declared) = claim.compression
        && declared != content.compression
    {
        let (declared, found) = (declared.name(), content.compression.name());
        fault(Kind::MediaType, format!("compression does not match: media type says {declared}, content is {found}"));
    }
    annotations::compare_annotations(&claim.annotations, &job.extent, content, pool, digests, &mut |text| {
        fault(Kind::Annotation, text);
    })
}
