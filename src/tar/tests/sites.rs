//! The sites of [`Entry::times`] are what the patcher writes to: it leaves no other bytes changed, and what check would read
//! there afterwards is the epoch.

use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::{model, stream_of};
use super::*;
use crate::tar::header::Header;
use crate::tar::{ExtensionKind, Field, Part, TimeSite, Visitor};

/// The headers of an entry (a global header is one too): times and bytes.
#[derive(Debug, Default)]
struct Group {
    sites: Vec<TimeSite>,
    offset: u64,
    raw: Vec<u8>,
    /// Where its extension headers are in `raw`, and how long their payloads.
    extensions: Vec<(ExtensionKind, usize, usize)>,
}

#[derive(Debug, Default)]
struct Groups {
    groups: Vec<Group>,
    others: Vec<u8>,
}

impl Visitor for Groups {
    fn headers(&mut self, step: Step, entry: &Entry, block: &[u8]) -> Result<()> {
        if step == Step::End && entry.extension_count() == 0 {
            return Ok(());
        }
        let extensions = entry.extensions().map(|extension| {
            let at = usize::try_from(extension.offset - entry.offset()).unwrap();
            (extension.kind, at, extension.payload.len())
        });
        self.groups.push(Group {
            sites: entry.times().collect(),
            offset: entry.offset(),
            raw: [entry.extension_bytes(), if step == Step::End { &[] } else { block }].concat(),
            extensions: extensions.collect(),
        });
        Ok(())
    }

    fn bytes(&mut self, _: Part, bytes: &[u8]) -> Result<()> {
        self.others.extend_from_slice(bytes);
        Ok(())
    }
}

fn groups_of(stream: &[u8]) -> Groups {
    let (mut walker, mut groups) = (Walker::new(), Groups::default());
    walker.push(stream, &mut groups).unwrap();
    walker.end(&mut groups).unwrap();
    groups
}

/// The times of each entry, and the bytes of its headers.
pub(super) fn times_of(stream: &[u8]) -> Vec<(Vec<TimeSite>, Vec<u8>)> {
    groups_of(stream).groups.into_iter().map(|group| (group.sites, group.raw)).collect()
}

impl Group {
    /// The bytes without those that patching may change: the sites that `is_replaced` picks, checksums, and of PAX headers
    /// name, prefix, size and padding, which follow from the records. `None` where nothing is left of an extension header.
    fn masked(&self, is_replaced: impl Fn(&TimeSite) -> bool, names: bool) -> Vec<Vec<u8>> {
        let mut raw = self.raw.clone();
        let mut gone = Vec::new();
        for site in self.sites.iter().filter(|site| is_replaced(site)) {
            let range = site.range();
            let [start, end] = [range.start, range.end].map(|at| usize::try_from(at - self.offset).unwrap());
            raw[start..end].fill(0);
            if matches!(site.field, Field::Pax { .. }) {
                gone.push(start..end);
            }
        }
        let checksum = |block: &mut [u8]| block[148..156].fill(0);
        let mut parts = Vec::new();
        let mut end = 0;
        for (kind, at, length) in &self.extensions {
            let is_pax = matches!(kind, ExtensionKind::Pax | ExtensionKind::Global);
            end = at + BLOCK + length.next_multiple_of(BLOCK);
            let mut block = raw[*at..at + BLOCK].to_vec();
            checksum(&mut block);
            let payload: Vec<u8> = (at + BLOCK..at + BLOCK + length)
                .filter(|byte| !gone.iter().any(|range| range.contains(byte)))
                .map(|byte| raw[byte])
                .collect();
            if is_pax {
                block[124..136].fill(0);
                if names {
                    block[..100].fill(0);
                    block[345..500].fill(0);
                }
                // All of its records were times: it may be gone.
                if payload.is_empty() && *length > 0 {
                    continue;
                }
            }
            parts.push(block);
            parts.push(payload);
        }
        if let Some(block) = raw.get_mut(end..).filter(|block| !block.is_empty()) {
            checksum(block);
            parts.push(block.to_vec());
        }
        parts
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn set_writes_to_every_site_and_to_nothing_else(models in vec(model(), 0..6)) {
        let before = stream_of(&models);
        let after = patch(&before, Rule::Set).unwrap();
        let (was, is) = (groups_of(&before), groups_of(&after));
        prop_assert!(was.others == is.others, "content, padding or a sparse map has changed");
        for group in &is.groups {
            for site in &group.sites {
                let value = site.value.expect("the random streams have no empty records");
                let seconds = if site.field.is_of_extension() { 0 } else { EPOCH };
                prop_assert_eq!(value, crate::stamp::Instant::from_seconds(seconds.try_into().unwrap()));
                prop_assert!(!matches!(site.field, Field::Pax { key: "mtime", .. }), "the header says it");
            }
            let end = group.extensions.last().map_or(0, |(_, at, length)| at + BLOCK + length.next_multiple_of(BLOCK));
            let header = (end < group.raw.len()).then_some(end);
            for at in group.extensions.iter().map(|(_, at, _)| *at).chain(header) {
                let block: &Block = group.raw[at..at + BLOCK].try_into().unwrap();
                prop_assert!(Header::new(block).checksum_is_right());
            }
        }
        let masked = |groups: &Groups| -> Vec<_> {
            groups.groups.iter().map(|group| group.masked(|_| true, true)).filter(|parts| !parts.is_empty()).collect()
        };
        prop_assert_eq!(masked(&was), masked(&is));
    }

    #[test]
    fn clamp_writes_to_late_sites_and_to_nothing_else(models in vec(model(), 0..6)) {
        let before = stream_of(&models);
        let clamp = stamp(Rule::Clamp);
        let after = patch(&before, Rule::Clamp).unwrap();
        let (was, is) = (groups_of(&before), groups_of(&after));
        prop_assert!(was.others == is.others, "content, padding or a sparse map has changed");
        prop_assert_eq!(was.groups.len(), is.groups.len());
        for (was, is) in was.groups.iter().zip(&is.groups) {
            prop_assert!(is.sites.iter().all(|site| site.is_accepted(clamp)));
            let late: Vec<_> = was.sites.iter().filter(|site| !site.is_accepted(clamp)).collect();
            if late.is_empty() {
                prop_assert!(was.raw == is.raw, "nothing was late");
            }
            // Where a late mtime record goes, the header says it instead.
            let is_moved = late.iter().any(|site| matches!(site.field, Field::Pax { key: "mtime", .. }));
            let fields: Vec<Field> = late.iter().map(|site| site.field).collect();
            let is_written = |site: &TimeSite| {
                fields.contains(&site.field) || is_moved && site.field == Field::Mtime
            };
            prop_assert_eq!(was.masked(is_written, false), is.masked(is_written, false));
        }
    }
}
