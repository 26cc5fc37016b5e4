//! PAX records of an entry, as far as they are compared.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::diff::layer::record::PaxRecords;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::tar::Entry;

/// Values of PAX records longer than this are kept as their digest, names as their beginning and a digest.
const VALUE_MAX: usize = 256;
/// Paths longer than this are, too: no system has such a path.
const PATH_MAX: usize = 4096;
/// Bytes of PAX records that are kept of one entry; of the others only a digest is.
const RECORDS_MAX: usize = 4096;
/// Bytes of names and records of an entry that the promise of memory counts with.
const EACH: usize = 300;
/// What all layers together may have besides: no real image comes near it.
const SPARE: usize = 64 << 20;

/// Bytes of long names, links and records that all layers of a run may have together.
#[derive(Debug)]
pub(crate) struct Strings(AtomicUsize);

impl Default for Strings {
    fn default() -> Self {
        Self(AtomicUsize::new(SPARE))
    }
}

/// What one layer has of them.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: usize,
    entries: usize,
    spared: usize,
}

impl Held {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(crate) fn entry(&mut self) {
        self.entries += 1;
    }

    /// An error if it is more than there may be.
    pub(crate) fn check(&mut self, all: &Strings) -> Result<()> {
        let more = self.bytes.saturating_sub(self.entries.saturating_mul(EACH) + self.spared);
        if more == 0 {
            return Ok(());
        }
        let taken = all.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(more));
        taken.map_err(|_| {
            let what = "bytes of long names, links and PAX records, besides 300 of each entry";
            Error::limit(what, SPARE as u64, "more")
        })?;
        self.spared += more;
        Ok(())
    }
}

/// A path; of one that no system has the beginning and the digest.
pub(crate) fn path(bytes: &[u8]) -> Cow<'_, [u8]> {
    bounded(bytes, PATH_MAX)
}

/// A name of a user, a group or a record; of a long one the beginning and the digest.
pub(crate) fn name(bytes: &[u8]) -> Cow<'_, [u8]> {
    bounded(bytes, VALUE_MAX)
}

fn bounded(bytes: &[u8], max: usize) -> Cow<'_, [u8]> {
    if bytes.len() <= max {
        return Cow::Borrowed(bytes);
    }
    let beginning = bytes.get(..VALUE_MAX).unwrap_or_default();
    Cow::Owned([beginning, format!("...({})", short_text(bytes)).as_bytes()].concat())
}

fn short_text(bytes: &[u8]) -> String {
    format!("{} bytes, {}", bytes.len(), Digest::sha256(bytes))
}

/// A record as its entry has it, or under the name that another program gives it.
type Pair<'e> = (Cow<'e, [u8]>, Cow<'e, [u8]>);

/// The records of an entry that are no times and repeat no field of the header, sorted by key, as many as are kept; the
/// others as one.
pub(crate) fn records(entry: &Entry) -> PaxRecords {
    let own = entry.pax_records().filter(|record| record.time_key().is_none() && !repeats_header(record.key));
    let mut all: Vec<Pair<'_>> = own.map(|record| (record.key.into(), record.value.into())).collect();
    one_name_for_xattrs(&mut all);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut kept = Vec::new();
    let mut left = RECORDS_MAX;
    for (key, value) in &all {
        let (key, value): (Box<[u8]>, _) = (name(key).into(), short(value));
        let size = key.len() + value.len() + 2 * size_of::<Box<[u8]>>();
        let Some(rest) = left.checked_sub(size) else { break };
        left = rest;
        kept.push((key, value));
    }
    let others = all.get(kept.len()..).unwrap_or_default();
    if !others.is_empty() {
        let mut text = Vec::new();
        for piece in others.iter().flat_map(|(key, value)| [&**key, b"=", value, b"\n"]) {
            text.extend_from_slice(piece);
        }
        kept.push((format!("{} more", others.len()).into_bytes().into(), short(&text)));
    }
    kept.into()
}

/// PAX records that replace a field of the header: the field is compared.
fn repeats_header(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"uname" | b"gname")
}

pub(crate) fn short(value: &[u8]) -> Box<[u8]> {
    if value.len() <= VALUE_MAX {
        return value.into();
    }
    short_text(value).into_bytes().into()
}

/// libarchive's own name for an extended attribute, with its value in base64. Where an entry has both, readers
/// differ about which one counts.
fn one_name_for_xattrs(records: &mut [Pair<'_>]) {
    const LIBARCHIVE: &[u8] = b"LIBARCHIVE.xattr.";
    if !records.iter().any(|(key, _)| key.starts_with(LIBARCHIVE)) {
        return;
    }
    let schily = records.iter().map(|(key, _)| key).filter(|key| key.starts_with(b"SCHILY.xattr."));
    let mut known: HashSet<Vec<u8>> = schily.map(|key| key.to_vec()).collect();
    for (key, value) in records {
        let Some(name) = key.strip_prefix(LIBARCHIVE).filter(|name| !name.contains(&b'%')) else { continue };
        let text = value.trim_ascii_end();
        let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
        let Ok(decoded) = STANDARD_NO_PAD.decode(text) else { continue };
        let shared = [b"SCHILY.xattr.", name].concat();
        if known.insert(shared.clone()) {
            (*key, *value) = (shared.into(), decoded.into());
        }
    }
}

/// The map of a sparse file as far as its headers hold it, the size of the whole file included: the block of old GNU
/// tar, or the records of PAX. In PAX 1.0 the rest of the map begins the content.
pub(crate) fn sparse_map(entry: &Entry) -> Option<Vec<u8>> {
    let mut map = Vec::new();
    for record in entry.pax_records() {
        // The name is the entry's.
        if record.key.starts_with(b"GNU.sparse.") && record.key != b"GNU.sparse.name" {
            map.extend_from_slice(record.raw);
        }
    }
    if let Some(header) = entry.header().filter(|header| header.kind() == b'S') {
        map.extend_from_slice(header.block().get(386..495).unwrap_or_default());
    }
    (!map.is_empty()).then_some(map)
}
