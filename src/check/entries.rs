//! The times in the headers of a layer's entries, each compared with what a rewrite would make of it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::printable;
use crate::repair::path::{PathKey, normal, short_hash};
use crate::repair::rules::{OwnMtimes, before, by_content, stamp_of};
use crate::repair::signs::Compiled;
use crate::stamp::{Rule, Stamp};
use crate::tar::{Entry, TimeSite};

/// What times of files have to be.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The epoch and the rule.
    pub stamp: Stamp,
    /// Which files have mtimes of their own.
    pub mtimes: Arc<OwnMtimes>,
}

/// Compares entries as they go by.
#[derive(Debug)]
pub(super) struct EntryTimes<'w> {
    wanted: &'w Wanted,
    /// The current entry, where what its times have to be depends on its content.
    pending: Option<Pending>,
    /// What the times of such entries have to be, for hard links to them.
    by_content: HashMap<PathKey, Stamp>,
}

/// So many are held; a link to another one is compared with the epoch.
const BY_CONTENT_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Pending {
    name: Arc<str>,
    path: PathKey,
    sites: Vec<TimeSite>,
    hasher: Box<blake3::Hasher>,
}

impl<'w> EntryTimes<'w> {
    pub(super) fn new(wanted: &'w Wanted) -> Self {
        Self { wanted, pending: None, by_content: HashMap::new() }
    }

    /// The next entry; those of its times that are not what they should be are shown to `found`.
    pub(super) fn entry(&mut self, entry: &Entry, found: &mut dyn FnMut(&Arc<str>, &TimeSite)) {
        self.end(found);
        let Wanted { stamp, mtimes } = self.wanted;
        if stamp.rule == Rule::Set && mtimes.is_by_content(entry) {
            let (name, path) = (entry_name(entry), PathKey::of(&normal(&entry.name())));
            let sites = entry.times().collect();
            self.pending = Some(Pending { name, path, sites, hasher: Box::default() });
            return;
        }
        let is_link = entry.kind() == b'1' && !self.by_content.is_empty();
        let target = is_link.then(|| self.by_content.get(&PathKey::of(&normal(entry.link_name()))).copied()).flatten();
        let own = target.unwrap_or_else(|| stamp_of(entry, *stamp));
        let earlier = self.earlier(entry);
        let is_right = |site: &TimeSite| site.is_accepted(own) || earlier.is_some_and(|stamp| site.is_accepted(stamp));
        let mut name: Option<Arc<str>> = None;
        for site in entry.times().filter(|site| !is_right(site)) {
            found(name.get_or_insert_with(|| entry_name(entry)), &site);
        }
    }

    /// What times may be as well of a source whose compiled file stays newer.
    fn earlier(&self, entry: &Entry) -> Option<Stamp> {
        let Wanted { stamp, mtimes } = self.wanted;
        let is_source = !mtimes.keep_order.is_empty()
            && entry.header().is_some()
            && matches!(Compiled::of_path(&entry.name()), Some((_, false)));
        is_source.then(|| Stamp { epoch: before(stamp.epoch), ..*stamp })
    }

    /// The next bytes of the entry's content.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        if let Some(pending) = &mut self.pending {
            pending.hasher.update(bytes);
        }
    }

    /// The content of the entry has ended.
    pub(super) fn end(&mut self, found: &mut dyn FnMut(&Arc<str>, &TimeSite)) {
        let Some(Pending { name, path, sites, hasher }) = self.pending.take() else { return };
        let stamp = Stamp { epoch: by_content(self.wanted.stamp.epoch, short_hash(&hasher)), ..self.wanted.stamp };
        if self.by_content.len() < BY_CONTENT_MAX {
            self.by_content.insert(path, stamp);
        }
        sites.iter().filter(|site| !site.is_accepted(stamp)).for_each(|site| found(&name, site));
    }
}

fn entry_name(entry: &Entry) -> Arc<str> {
    match entry.header() {
        Some(_) => printable(&entry.name()).into(),
        None => "(no entry)".into(),
    }
}
