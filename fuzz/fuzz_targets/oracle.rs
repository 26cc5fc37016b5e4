//! A second reader of tar streams, the crate `tar-core`, sees the same entries: their names, and where the next header
//! begins. Streams that one of the two refuses are compared up to there.
//!
//! # Allowed divergences
//!
//! Each is a place where restamp follows Go's `archive/tar` and `tar-core` does not. At the first of them the comparison of
//! a stream ends.
//!
//! 1. An extension header without the magic of ustar or GNU (v7), or of ustar with another version than `00`: an entry for
//!    `tar-core`.
//! 2. Solaris's `X`: an entry of unknown type for `tar-core`, a PAX header here.
//! 3. The size of a link, a device, a directory or a fifo (types 1 to 6, and NUL with a name that ends in a slash): no
//!    content follows here, whatever the size.
//! 4. star's header has a shorter prefix than ustar's, headers of Go 1.8 and older have one in GNU's format, and ustar's of
//!    another version than `00` have one, too: `tar-core` knows none of these. Names are not compared.
//! 5. A PAX record without a value takes back what came before it, and a long name of no bytes is none; `tar-core` takes the
//!    value, or the name, to be empty.
//! 6. A PAX path and a GNU long name before one entry: `tar-core` prefers the path, and so does restamp; Go prefers the
//!    long name. With a record of its own for the name of a sparse file the readers differ again. Names are not compared.
//! 7. Names in headers end at the first NUL here, as in Go; `tar-core` keeps what a long name has behind it.
//! 8. A size that has NULs before its digits: Go skips them, for `tar-core` it is 0.
//! 9. A sparse file of PAX version 1.0 that has a record of its size as well: `tar-core` forgets that the map at the start
//!    of the content is a part of it.
//! 10. That the sparse map of old GNU tar goes on is said by any byte but 0 for Go, by 1 for `tar-core`.
//! 11. What follows the end marker is not compared: restamp looks for eStargz's table there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::Result;
use restamp::Entry;
use restamp::internals::{BLOCK, ExtensionKind, Format, Part, Step, Visitor, Walker};
use tar_core::parse::{Limits, ParseEvent, Parser};

/// An entry as a reader sees it.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Unless the readers may differ about it.
    name: Option<Vec<u8>>,
    /// Where the next header begins.
    next: u64,
}

fuzz_target!(|data: &[u8]| {
    let Some((_, stream)) = data.split_first() else { return };
    let own = restamps(stream);
    let others = oracles(stream, own.len());
    for (number, (own, other)) in own.iter().zip(&others).enumerate() {
        assert_eq!(own.next, other.next, "entry {number}: where the next header begins");
        if let (Some(own), Some(other)) = (&own.name, &other.name) {
            assert_eq!(own.escape_ascii().to_string(), other.escape_ascii().to_string(), "name of entry {number}");
        }
    }
});

#[derive(Default)]
struct Entries {
    seen: Vec<Seen>,
    is_over: bool,
}

impl Visitor for Entries {
    fn headers(&mut self, step: Step, entry: &Entry, _: &[u8]) -> Result<()> {
        self.is_over |= step == Step::End || diverges(entry);
        if step == Step::Entry && !self.is_over {
            let name = is_name_comparable(entry).then(|| entry.name().into_owned());
            self.seen.push(Seen { name, next: entry.header_offset() + BLOCK as u64 + entry.padded_size() });
        }
        Ok(())
    }

    fn bytes(&mut self, part: Part, bytes: &[u8]) -> Result<()> {
        if let (Part::SparseMap, Some(last)) = (part, self.seen.last_mut()) {
            last.next += bytes.len() as u64;
            if bytes.get(504).is_some_and(|goes_on| *goes_on > 1) {
                self.seen.pop();
                self.is_over = true;
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_over
    }
}

/// What restamp sees, up to an error, a divergence or the end marker.
fn restamps(stream: &[u8]) -> Vec<Seen> {
    let mut entries = Entries::default();
    let result = Walker::new().push(stream, &mut entries);
    // The last one may have been about to go on.
    if result.is_err() {
        entries.seen.pop();
    }
    entries.seen
}

/// Divergences 1, 2, 3, 5, 8, 9 and 10.
fn diverges(entry: &Entry) -> bool {
    let is_other = |extension: restamp::internals::Extension<'_>| {
        let block = extension.header.block();
        extension.header.kind() == b'X'
            || !matches!(&block[257..265], b"ustar\x0000" | b"ustar  \0")
            || has_nuls_before_size(block)
            || extension.records().any(|record| record.value.is_empty())
    };
    if entry.extensions().any(is_other) {
        return true;
    }
    let Some(header) = entry.header() else { return false };
    let size = octal_size(header.block());
    let has_record = entry.pax_records().any(|record| record.key == b"size");
    matches!(entry.kind(), b'1'..=b'6') && size != Some(0)
        || entry.kind() == 0 && entry.size() == 0 && size != Some(0)
        || matches!(entry.kind(), b'1'..=b'6' | 0) && has_record
        || has_record && entry.pax_records().any(|record| record.key == b"GNU.sparse.major")
        || has_nuls_before_size(header.block())
        || entry.kind() == b'S' && header.block()[482] > 1
}

/// The size field, if it is plain octal digits.
fn octal_size(block: &[u8]) -> Option<u64> {
    let field = std::str::from_utf8(&block[124..136]).ok()?;
    let digits = field.trim_matches(['\0', ' ']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

fn has_nuls_before_size(block: &[u8]) -> bool {
    let field = &block[124..136];
    let digits = field.iter().position(|byte| !matches!(byte, 0 | b' '));
    digits.is_some_and(|at| field[..at].contains(&0))
}

/// Divergences 4, 6 and 7.
fn is_name_comparable(entry: &Entry) -> bool {
    let Some(header) = entry.header() else { return false };
    let has = |kind| entry.extensions().any(|extension| extension.kind == kind);
    let has_sparse = entry.pax_records().any(|record| record.key.starts_with(b"GNU.sparse."));
    let is_cut = |extension: restamp::internals::Extension<'_>| {
        let name = extension.payload.strip_suffix(b"\0").unwrap_or(extension.payload);
        extension.kind == ExtensionKind::LongName && (name.is_empty() || name.contains(&0))
    };
    let has_prefix = !header.prefix().is_empty();
    header.format() != Format::Star
        && !(has_prefix && &header.block()[257..265] != b"ustar\x0000")
        && !(has(ExtensionKind::Pax) && has(ExtensionKind::LongName))
        && !has_sparse
        && !entry.extensions().any(is_cut)
        && !(header.name().is_empty() && has_prefix)
}

/// What `tar-core` sees of the first entries, up to an error or the end.
fn oracles(stream: &[u8], most: usize) -> Vec<Seen> {
    let mut parser = Parser::new(Limits::permissive());
    parser.set_allow_empty_path(true);
    let (mut seen, mut at) = (Vec::new(), 0_u64);
    while seen.len() < most {
        let rest = usize::try_from(at).ok().and_then(|at| stream.get(at..)).unwrap_or_default();
        let (consumed, entry) = match parser.parse(rest) {
            Ok(ParseEvent::Entry { consumed, entry } | ParseEvent::SparseEntry { consumed, entry, .. }) => {
                (consumed, entry)
            }
            Ok(ParseEvent::GlobalExtensions { consumed, .. }) => {
                at += consumed as u64;
                continue;
            }
            Ok(ParseEvent::NeedData { .. } | ParseEvent::End { .. }) | Err(_) => break,
        };
        let Some(padded) = entry.size.checked_next_multiple_of(BLOCK as u64) else { break };
        at = at.saturating_add(consumed as u64).saturating_add(padded);
        seen.push(Seen { name: Some(entry.path.into_owned()), next: at });
    }
    seen
}
