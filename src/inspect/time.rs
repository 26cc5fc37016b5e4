//! Points in time and spans of them, as reports have them.

use serde::{Serialize, Serializer};

use crate::stamp::Instant;

/// A point in time that is written as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Instant);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The earliest.
    pub first: Time,
    /// The latest.
    pub last: Time,
}

impl Span {
    /// From the earliest to the latest of some times; `None` if there are none.
    pub fn of(times: impl IntoIterator<Item = Time>) -> Option<Self> {
        times.into_iter().map(|time| Self { first: time, last: time }).reduce(Self::joined)
    }

    /// From the earlier start to the later end.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}
