//! When the entries of a layer were last changed, in few lines whatever the span: seconds where a handful of them
//! occur, days, months, years or centuries where there are more.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;

use crate::inspect::time::{Span, Time};
use crate::stamp::Instant;

/// As many lines as are taken in at a glance.
const LINES: usize = 10;
/// Buckets that are kept while counting; a coarser unit is taken when there are more.
const KEPT: usize = 4096;

/// How wide a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// One second.
    Second,
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// One day, in UTC.
    Day,
    /// One month.
    Month,
    /// One year.
    Year,
    /// Ten years.
    Decade,
    /// A hundred years.
    Century,
}

impl Unit {
    fn coarser(self) -> Option<Self> {
        Some(match self {
            Self::Second => Self::Minute,
            Self::Minute => Self::Hour,
            Self::Hour => Self::Day,
            Self::Day => Self::Month,
            Self::Month => Self::Year,
            Self::Year => Self::Decade,
            Self::Decade => Self::Century,
            Self::Century => return None,
        })
    }

    /// A number that is the same for all times of a bucket and grows with them. Outside of the years 0 to 9999 there
    /// is one bucket before and one after.
    fn key(self, time: Instant) -> i64 {
        let Some(date) = date(time) else { return if time.seconds < 0 { i64::MIN } else { i64::MAX } };
        let year = i64::from(date.year());
        match self {
            Self::Second => time.seconds,
            Self::Minute => time.seconds.div_euclid(60),
            Self::Hour => time.seconds.div_euclid(3600),
            Self::Day => time.seconds.div_euclid(86_400),
            Self::Month => year * 12 + i64::from(date.month0()),
            Self::Year => year,
            Self::Decade => year.div_euclid(10),
            Self::Century => year.div_euclid(100),
        }
    }

    /// What a bucket is called that this time is in.
    fn label(self, time: Instant) -> String {
        let Some(date) = date(time) else {
            return if time.seconds < 0 { "before the year 0" } else { "after the year 9999" }.to_owned();
        };
        let format = match self {
            Self::Second => "%Y-%m-%dT%H:%M:%SZ",
            Self::Minute => "%Y-%m-%dT%H:%MZ",
            Self::Hour => "%Y-%m-%dT%HZ",
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
            Self::Decade => return format!("{:03}0s", date.year().div_euclid(10)),
            Self::Century => return format!("{:02}00s", date.year().div_euclid(100)),
        };
        date.format(format).to_string()
    }
}

fn date(time: Instant) -> Option<DateTime<Utc>> {
    DateTime::<Utc>::from_timestamp(time.seconds, 0).filter(|date| (0..10_000).contains(&date.year()))
}

/// Counts times; its memory is bounded.
#[derive(Debug)]
pub struct Counter {
    unit: Unit,
    buckets: BTreeMap<i64, (u64, Span)>,
    /// The bucket of the last entry, which is that of the next one more often than not.
    last: Option<(Instant, i64)>,
}

impl Default for Counter {
    fn default() -> Self {
        Self { unit: Unit::Second, buckets: BTreeMap::new(), last: None }
    }
}

impl Counter {
    /// Counts a time.
    pub fn add(&mut self, time: Instant) {
        let key = match self.last {
            Some((last, key)) if last == time => key,
            _ => self.unit.key(time),
        };
        self.last = Some((time, key));
        let span = Span { first: Time(time), last: Time(time) };
        add(&mut self.buckets, key, 1, span);
        while self.buckets.len() > KEPT && self.coarsen() {}
    }

    fn coarsen(&mut self) -> bool {
        let Some(unit) = self.unit.coarser() else { return false };
        let mut buckets = BTreeMap::new();
        for (count, span) in self.buckets.values() {
            add(&mut buckets, unit.key(span.first.0), *count, *span);
        }
        (self.unit, self.buckets, self.last) = (unit, buckets, None);
        true
    }

    /// The first and the last time.
    pub fn span(&self) -> Option<Span> {
        self.buckets.values().map(|(_, span)| *span).reduce(Span::joined)
    }

    /// The histogram of what was counted, in the finest unit that takes few enough lines.
    pub fn finish(mut self) -> Histogram {
        while self.buckets.len() > LINES && self.coarsen() {}
        let unit = self.unit;
        let buckets = self.buckets.into_values().map(|(count, span)| Bucket {
            label: unit.label(span.first.0),
            count,
            first: span.first,
            last: span.last,
        });
        Histogram { unit, buckets: buckets.collect() }
    }
}

fn add(buckets: &mut BTreeMap<i64, (u64, Span)>, key: i64, count: u64, span: Span) {
    let bucket = buckets.entry(key).or_insert((0, span));
    bucket.0 = bucket.0.saturating_add(count);
    bucket.1 = bucket.1.joined(span);
}

/// How many times fall into which second, day or year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// How wide a bucket is.
    pub unit: Unit,
    /// Those that are not empty, in the order of time.
    pub buckets: Vec<Bucket>,
}

impl Histogram {
    /// The first and the last time.
    pub fn span(&self) -> Option<Span> {
        self.buckets.iter().map(|bucket| Span { first: bucket.first, last: bucket.last }).reduce(Span::joined)
    }
}

/// The times of a second, day or year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// What it is called: `2023-11-14`.
    pub label: String,
    /// How many.
    pub count: u64,
    /// The earliest.
    pub first: Time,
    /// The latest.
    pub last: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(seconds: impl IntoIterator<Item = i64>) -> Histogram {
        let mut counter = Counter::default();
        seconds.into_iter().for_each(|seconds| counter.add(Instant::from_seconds(seconds)));
        counter.finish()
    }

    fn lines(histogram: &Histogram) -> Vec<(&str, u64)> {
        histogram.buckets.iter().map(|bucket| (bucket.label.as_str(), bucket.count)).collect()
    }

    const DAY: i64 = 86_400;
    const EPOCH: i64 = 1_700_000_000;

    #[test]
    fn the_unit_suits_the_span() {
        assert_eq!(histogram([]).buckets, []);
        assert_eq!(lines(&histogram([EPOCH; 7])), [("2023-11-14T22:13:20Z", 7)]);
        assert_eq!(lines(&histogram([EPOCH, 0])), [("1970-01-01T00:00:00Z", 1), ("2023-11-14T22:13:20Z", 1)]);
        let minutes = histogram((0..100).map(|i| EPOCH + i));
        assert_eq!(lines(&minutes), [("2023-11-14T22:13Z", 40), ("2023-11-14T22:14Z", 60)]);
        assert_eq!(histogram((0..20).map(|i| EPOCH + i * 60)).unit, Unit::Hour);
        assert_eq!(lines(&histogram((0..11).map(|i| EPOCH + i * 3600))).last(), Some(&("2023-11-15", 9)));
        assert_eq!(lines(&histogram((0..40).map(|i| EPOCH + i * DAY)))[0], ("2023-11", 17));
        assert_eq!(lines(&histogram((0..40).map(|i| EPOCH + i * 30 * DAY)))[0], ("2023", 2));
        assert_eq!(lines(&histogram((-12..12).map(|i| i * 365 * DAY)))[1], ("1960s", 10));
        assert_eq!(lines(&histogram((-20..20).map(|i| i * 3650 * DAY)))[1], ("1800s", 10));
    }

    #[test]
    fn every_time_is_counted_once_in_order_and_within_bounds() {
        let extremes = [i64::MIN, i64::MAX, -1, 1 << 34, 1 << 50, -(1 << 50), -62_167_219_201];
        let many = (0..100_000).map(|i| i * 977_777).chain(extremes);
        let mut counter = Counter::default();
        for seconds in many {
            counter.add(Instant::from_seconds(seconds));
            assert!(counter.buckets.len() <= KEPT);
        }
        let span = counter.span();
        let histogram = counter.finish();
        assert_eq!(histogram.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 100_000 + 7);
        assert!(histogram.buckets.is_sorted_by_key(|bucket| bucket.first));
        assert!(histogram.buckets.iter().all(|bucket| bucket.first <= bucket.last));
        assert_eq!(histogram.span(), span);
        let labels: Vec<_> = lines(&histogram).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels.first(), Some(&"before the year 0"));
        assert_eq!(labels.last(), Some(&"after the year 9999"));
    }

    #[test]
    fn a_fraction_is_later_than_its_second() {
        let mut counter = Counter::default();
        counter.add(Instant { seconds: 5, nanos: 1 });
        counter.add(Instant::from_seconds(5));
        let bucket = &counter.finish().buckets[0];
        assert_eq!((bucket.count, bucket.first.to_string().as_str()), (2, "1970-01-01T00:00:05Z"));
        assert_eq!(bucket.last.to_string(), "1970-01-01T00:00:05.000000001Z");
    }
}
