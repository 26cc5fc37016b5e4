//! Every time of an entry, as data: which field, where, its value. The patcher writes to these sites and to no other
//! time, and check reads them, so that the two agree.

use std::fmt;
use std::ops::Range;

use super::entry::{Entry, ExtensionKind};
use super::header::{Header, TimeField};
use super::pax;
use crate::stamp::{Instant, Stamp};

/// Which time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The mtime of the header block.
    Mtime,
    /// The atime of a GNU or star header block.
    Atime,
    /// The ctime of a GNU or star header block.
    Ctime,
    /// A PAX record.
    Pax {
        /// Its key.
        key: &'static str,
        /// Is it in a global header?
        global: bool,
    },
    /// The mtime of an extension header itself, which says nothing about the entry.
    ExtensionMtime {
        /// What the extension header is.
        kind: ExtensionKind,
    },
    /// The atime or ctime of an extension header itself.
    ExtensionOther {
        /// What the extension header is.
        kind: ExtensionKind,
    },
}

impl Field {
    /// Is it a time of an extension header itself? Its canonical value is 0, as Go writes it, not the epoch.
    pub fn is_of_extension(self) -> bool {
        matches!(self, Self::ExtensionMtime { .. } | Self::ExtensionOther { .. })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mtime => f.write_str("mtime"),
            Self::Atime => f.write_str("atime"),
            Self::Ctime => f.write_str("ctime"),
            Self::Pax { key, global: false } => write!(f, "PAX {key}"),
            Self::Pax { key, global: true } => write!(f, "global PAX {key}"),
            Self::ExtensionMtime { kind } => write!(f, "mtime of the {kind}"),
            Self::ExtensionOther { kind } => write!(f, "atime or ctime of the {kind}"),
        }
    }
}

/// A place in an entry's headers that holds a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSite {
    /// Which time.
    pub field: Field,
    /// Its value; `None` for a PAX record without one, which takes back what a global header says.
    /// Malformed times don't come up here: the entry is an error before it is given out.
    pub value: Option<Instant>,
    /// Where the field, or the whole record, begins, in bytes from the start of the stream.
    pub offset: u64,
    /// How many bytes the field or the record has.
    pub length: usize,
}

impl TimeSite {
    /// The bytes of the field, or of the whole record, in the stream.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.length as u64)
    }

    /// Is the value one that the rule leaves as it is? Extension headers may have 0 as well.
    pub fn is_accepted(&self, stamp: Stamp) -> bool {
        self.value.is_none_or(|value| {
            stamp.accepts(value) || self.field.is_of_extension() && value == Instant::from_seconds(0)
        })
    }
}

impl Entry {
    /// Every time of the entry and of its extension headers, in the order of the stream.
    pub fn times(&self) -> impl Iterator<Item = TimeSite> {
        let extensions = self.extensions().flat_map(|extension| {
            let kind = extension.kind;
            let own = block_times(extension.header, extension.offset).map(move |site| {
                let field = match site.field {
                    Field::Mtime => Field::ExtensionMtime { kind },
                    _ => Field::ExtensionOther { kind },
                };
                TimeSite { field, ..site }
            });
            let records = extension.time_records().map(move |(key, record)| {
                let field = Field::Pax { key, global: kind == ExtensionKind::Global };
                let (offset, length) = (record.offset, record.raw.len());
                TimeSite { field, value: pax::parse_time(record.value), offset, length }
            });
            own.chain(records)
        });
        let own = self.header().into_iter().flat_map(|header| block_times(header, self.header_offset()));
        extensions.chain(own)
    }
}

fn block_times(header: Header<'_>, offset: u64) -> impl Iterator<Item = TimeSite> {
    header.times().map(move |(field, range, value)| TimeSite {
        field: match field {
            TimeField::Mtime => Field::Mtime,
            TimeField::Atime => Field::Atime,
            TimeField::Ctime => Field::Ctime,
        },
        value: Some(Instant::from_seconds(value)),
        offset: offset.saturating_add(range.start as u64),
        length: range.len(),
    })
}
