//! Collects findings: in a stable order, and no more of them than memory should hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::report::{Finding, Kind, Level, MAX_FINDINGS, Place, Total, What};
use crate::digest::Digest;
use crate::document::times::{Reading, TimeSite};
use crate::error::Error;
use crate::stamp::Stamps;

/// A list of findings that stops to grow when it is full, and goes on to count.
#[derive(Debug, Default)]
pub(super) struct List {
    pub list: Vec<Finding>,
    pub total: Total,
}

impl List {
    /// Counts a finding, and makes and keeps it if there is room.
    pub fn push_with(&mut self, level: Level, kind: Kind, limit: usize, finding: impl FnOnce() -> Finding) {
        self.count(level, kind);
        if self.list.len() < limit {
            self.list.push(finding());
        } else {
            self.total.not_listed += 1;
        }
    }

    /// Counts and keeps a finding whatever is there already: for those that are few.
    pub fn push(&mut self, finding: Finding) {
        self.push_with(finding.level, finding.kind, usize::MAX, || finding);
    }

    fn count(&mut self, level: Level, kind: Kind) {
        match level {
            Level::Finding => self.total.findings += 1,
            Level::Note => self.total.notes += 1,
        }
        self.total.times += u64::from(level == Level::Finding && kind == Kind::Time);
    }

    /// Keeps at most so many; times go before faults do, which are few and matter more.
    pub fn trim(&mut self, limit: usize) {
        let before = self.list.len();
        if before <= limit {
            return;
        }
        let faults = self.list.iter().filter(|finding| finding.kind != Kind::Time).count();
        let mut room = limit.saturating_sub(faults);
        self.list.retain(|finding| {
            let is_kept = finding.kind != Kind::Time || room > 0;
            room -= usize::from(is_kept && finding.kind == Kind::Time);
            is_kept
        });
        self.total.not_listed += (before - self.list.len()) as u64;
    }

    pub fn append(&mut self, other: Self) {
        self.total.findings += other.total.findings;
        self.total.times += other.total.times;
        self.total.notes += other.total.notes;
        self.total.archive_times += other.total.archive_times;
        self.total.not_listed += other.total.not_listed;
        self.list.extend(other.list);
    }
}

/// All findings of a check, and the places that they are in.
#[derive(Debug, Default)]
pub(super) struct Findings {
    places: BTreeMap<String, (usize, Arc<Place>)>,
    found: List,
}

impl Findings {
    /// The place of this name. What it is, and its rank in the order, is what the first to name it says.
    pub fn place(&mut self, what: What, name: &str, of: &str) -> Arc<Place> {
        let rank = self.places.len();
        let made = || (rank, Arc::new(Place { what, name: name.to_owned(), of: of.to_owned() }));
        Arc::clone(&self.places.entry(name.to_owned()).or_insert_with(made).1)
    }

    pub fn push(&mut self, finding: Finding) {
        self.found.total.archive_times += u64::from(finding.is_archive_time());
        let limit = if finding.kind == Kind::Time { MAX_FINDINGS } else { 2 * MAX_FINDINGS };
        self.found.push_with(finding.level, finding.kind, limit, || finding);
    }

    /// Something that is wrong.
    pub fn fault(&mut self, place: &Arc<Place>, kind: Kind, field: &str, text: impl Into<Box<str>>) {
        let finding = Finding::new(place, kind, text);
        self.push(if field.is_empty() { finding } else { finding.field(field.to_owned()) });
    }

    /// A note for the user.
    pub fn note(&mut self, place: &Arc<Place>, kind: Kind, field: &str, text: impl Into<Box<str>>) {
        let finding = Finding::new(place, kind, text).note();
        self.push(if field.is_empty() { finding } else { finding.field(field.to_owned()) });
    }

    /// An error that was collected elsewhere: it says itself which blob it is about.
    pub fn error(&mut self, error: &Error) {
        let name = error.place().blob.clone().unwrap_or_default();
        let what = if name.parse::<Digest>().is_ok() { What::Blob } else { What::File };
        let place = self.place(what, &name, "");
        self.push(Finding::from_error(&place, error));
    }

    /// Counts faults that were found elsewhere and are not at hand.
    pub fn count_more(&mut self, more: usize) {
        self.found.total.findings += more as u64;
        self.found.total.not_listed += more as u64;
    }

    /// The times of a document that are not what they should be.
    pub fn times(&mut self, place: &Arc<Place>, sites: Vec<TimeSite>, stamps: Stamps) {
        self.times_as(Level::Finding, place, sites, stamps);
    }

    /// As [`Self::times`], for times that matter as much as `level` says; what is no time at all always is a fault.
    pub fn times_as(&mut self, level: Level, place: &Arc<Place>, sites: Vec<TimeSite>, stamps: Stamps) {
        for site in sites {
            if site.accepted_by(stamps) {
                if site.is_left_by(stamps) {
                    let text = format!("{:?} is not a recognised date; it was not compared with the epoch", site.text);
                    self.note(place, Kind::NotATime, &site.path, text);
                }
                continue;
            }
            let finding = match site.reading {
                Reading::Malformed => Finding::new(place, Kind::NotATime, format!("{:?} is not a time", site.text)),
                _ => Finding { level, ..Finding::new(place, Kind::Time, site.text) },
            };
            self.push(finding.field(site.path));
        }
    }

    pub fn append(&mut self, list: List) {
        self.found.append(list);
    }

    /// In order: by place, and in a place what is broken before what is only of another time.
    pub fn finish(mut self) -> (Vec<Finding>, Total) {
        let rank = |finding: &Finding| self.places.get(&finding.place.name).map_or(usize::MAX, |(rank, _)| *rank);
        self.found.list.sort_by_key(|finding| (rank(finding), finding.kind == Kind::Time));
        self.found.trim(MAX_FINDINGS);
        (self.found.list, self.found.total)
    }
}
