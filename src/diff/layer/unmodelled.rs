//! The bytes of an entry's headers that belong to no compared field, as a hash: how numbers and records are written, bytes
//! without a meaning. Rewriting keeps all of them, so that they must be reported even beside other differences.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::ops::Range;

use crate::tar::{Entry, ExtensionKind, Format};

/// The names of owner and group in a header block (ustar, GNU, star).
const OWNERS: Range<usize> = 265..329;

/// What of a header block is neither a name, a size, a time nor the checksum, hashed; and by itself what is in the fields of
/// the owner's and the group's name.
pub(crate) fn spelling(entry: &Entry) -> (u64, u64) {
    let Some(header) = entry.header() else { return (0, 0) };
    let mut block = *header.block();
    let mut owners = DefaultHasher::new();
    if entry.format() != Format::V7 {
        block.get(OWNERS).hash(&mut owners);
    }
    // Name; size and mtime and checksum, which are side by side; link name.
    let mut blank = vec![0..100, 124..156, 157..257];
    blank.push(match entry.format() {
        Format::Ustar | Format::Star => 345..500,
        Format::Gnu => 345..369,
        Format::V7 => 0..0,
    });
    blank.extend((entry.format() != Format::V7).then_some(OWNERS));
    for range in blank {
        if let Some(field) = block.get_mut(range) {
            field.fill(0);
        }
    }
    let mut hasher = DefaultHasher::new();
    block.hash(&mut hasher);
    (hasher.finish(), owners.finish())
}

/// What of the extension headers is neither a name, a time nor the value of a record that replaces a field.
pub(crate) fn of_extensions(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut is_empty = true;
    for extension in entry.extensions() {
        let is_pax = matches!(extension.kind, ExtensionKind::Pax | ExtensionKind::Global);
        // Rewriting takes out such a header as a whole.
        if extension.kind == ExtensionKind::Pax && extension.records().all(|record| record.key == b"mtime") {
            continue;
        }
        is_empty = false;
        let mut block = *extension.header.block();
        // GNU's long names have a name of their own, PAX headers one with a process id.
        for range in [0..if is_pax { 100 } else { 0 }, 124..156] {
            if let Some(field) = block.get_mut(range) {
                field.fill(0);
            }
        }
        let times = match extension.header.format() {
            Format::Gnu => 345..369,
            Format::Star => 476..500,
            Format::Ustar | Format::V7 => 0..0,
        };
        if let Some(field) = block.get_mut(times) {
            field.fill(0);
        }
        if is_pax {
            if let Some(field) = block.get_mut(345..500).filter(|_| extension.header.format() == Format::Ustar) {
                field.fill(0);
            }
        } else if let Some(end) = extension.payload.iter().position(|byte| *byte == 0) {
            // What follows the name in its payload: one zero, as a rule.
            extension.payload.get(end..).hash(&mut hasher);
        }
        block.hash(&mut hasher);
        for record in extension.records().filter(|record| record.time_key().is_none()) {
            record.key.hash(&mut hasher);
            if !matches!(record.key, b"path" | b"linkpath" | b"size") {
                record.raw.hash(&mut hasher);
            }
        }
        extension.padding.iter().any(|byte| *byte != 0).then(|| extension.padding.hash(&mut hasher));
    }
    if is_empty { 0 } else { hasher.finish() }
}
