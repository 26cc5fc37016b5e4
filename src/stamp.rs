//! The one instant that every timestamp becomes, and the rule by which it does.

use chrono::{DateTime, SecondsFormat, Utc};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, printable, quoted};

/// Seconds since 1970-01-01T00:00:00Z, as SOURCE_DATE_EPOCH has them.
///
/// The range is what every place that takes the value can hold: the narrowest is the mtime of a tar header,
/// eleven octal digits, which end in the year 2242 (POSIX.1-2017, pax, "ustar Interchange Format").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The last second that eleven octal digits can hold: 2242-03-16T12:56:31Z.
    pub const MAX: u64 = 0o777_7777_7777;

    /// An epoch of that many seconds; an error where a field could not hold it.
    ///
    /// # Errors
    ///
    /// It is out of the range of a tar header.
    pub fn from_seconds(seconds: u64) -> Result<Self> {
        if seconds > Self::MAX {
            let expected =
                format!("at most {} (2242-03-16T12:56:31Z), the last second a tar header can hold", Self::MAX);
            return Err(Error::malformed("epoch", expected, seconds));
        }
        Ok(Self(seconds))
    }

    /// The value of SOURCE_DATE_EPOCH: a plain decimal integer of seconds, nothing else
    /// (<https://reproducible-builds.org/specs/source-date-epoch/>).
    ///
    /// # Errors
    ///
    /// It is no such number, or out of range.
    pub fn from_seconds_text(text: &str) -> Result<Self> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::malformed("epoch", "a plain decimal integer of seconds since 1970", quoted(text)));
        }
        // All digits, so that what does not parse is too large.
        let seconds = text.parse().unwrap_or(u64::MAX);
        Self::from_seconds(seconds).map_err(|_| {
            let expected =
                format!("at most {} (2242-03-16T12:56:31Z), the last second a tar header can hold", Self::MAX);
            let unit = match seconds / 1000 {
                0..=Self::MAX => " (are these milliseconds?)",
                _ => "",
            };
            Error::malformed("epoch", expected, format!("{}{unit}", printable(text.as_bytes())))
        })
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// The same point in time.
    pub fn instant(self) -> Instant {
        Instant::from_seconds(i64::try_from(self.0).unwrap_or(i64::MAX))
    }

    /// The way restamp writes a date: `2023-11-14T22:13:20Z`.
    pub fn rfc3339(self) -> String {
        i64::try_from(self.0)
            .ok()
            .and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0))
            .map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
            .unwrap_or_default()
    }
}

/// `--epoch`: seconds, or an RFC 3339 time of whole seconds.
impl FromStr for Epoch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Self::from_seconds_text(text);
        }
        let wrong = |expected: &'static str| Error::malformed("epoch", expected, quoted(text));
        let time = DateTime::parse_from_rfc3339(text)
            .map_err(|_| wrong("seconds since 1970, or an RFC 3339 time such as 2023-11-14T22:13:20Z"))?;
        if time.timestamp_subsec_nanos() != 0 {
            return Err(wrong("a time of whole seconds"));
        }
        let seconds = u64::try_from(time.timestamp()).map_err(|_| wrong("a time that is not before 1970"))?;
        Self::from_seconds(seconds)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A point in time as images have them: whole seconds and a fraction, of any year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant {
    /// Seconds since 1970, rounded down.
    pub seconds: i64,
    /// Is it later than `seconds` by a fraction? More is not needed to compare with an [`Epoch`],
    /// but the digits are kept for a PAX record or a date to be shown as it was.
    pub nanos: u32,
}

impl Instant {
    /// A whole number of seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// An RFC 3339 time, as a config's `created` must be; `None` if it is none.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        // chrono takes a space for the T and more; Go, which reads these documents, does not.
        let bytes = text.as_bytes();
        if !matches!(bytes.get(10), Some(b'T' | b't')) || bytes.get(17..19) == Some(b"60") {
            return None;
        }
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos() })
    }

    /// Compares with an epoch, fraction included.
    pub fn cmp_epoch(self, epoch: Epoch) -> Ordering {
        let epoch = i64::try_from(epoch.seconds()).unwrap_or(i64::MAX);
        self.cmp(&Self { seconds: epoch, nanos: 0 })
    }
}

impl Instant {
    /// Does it stand for no time: year 1, which is Go's zero time, or what of that is left in 32 bits, which podman, buildah
    /// and skopeo write?
    pub(crate) fn is_no_time(self) -> bool {
        [YEAR_ONE, i64::from(GO_ZERO)].contains(&self.seconds)
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC where the year has four digits, `@seconds` elsewhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use chrono::Datelike;
        match DateTime::<Utc>::from_timestamp(self.seconds, self.nanos) {
            Some(time) if (0..10_000).contains(&time.year()) => {
                f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
            _ => write!(f, "@{}", self.seconds),
        }
    }
}

/// Go's zero time, the beginning of year 1.
const YEAR_ONE: i64 = -62_135_596_800;

/// Go's zero time, 0001-01-01T00:00:00Z, as the 32 bits of a gzip header hold it: 2042-07-14T01:04:00Z. The writers of
/// podman, buildah and skopeo leave it there where no time is set.
const GO_ZERO: u32 = 2_288_912_640;

/// Does this MTIME of a gzip header stand for no time?
pub fn is_no_time(mtime: u32) -> bool {
    matches!(mtime, 0 | GO_ZERO)
}

/// What a timestamp becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rule {
    /// Every timestamp becomes the epoch.
    #[default]
    Set,
    /// Only what is later than the epoch is lowered to it (BuildKit's rule).
    Clamp,
}

impl Rule {
    /// `set` or `clamp`
    pub fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Clamp => "clamp",
        }
    }
}

/// An epoch and the rule by which it is applied: all that a stamped place depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The instant.
    pub epoch: Epoch,
    /// Set or clamp.
    pub rule: Rule,
}

impl Stamp {
    /// Sets every time to the epoch.
    pub fn set(epoch: Epoch) -> Self {
        Self { epoch, rule: Rule::Set }
    }

    /// Lowers times that are later to the epoch.
    pub fn clamp(epoch: Epoch) -> Self {
        Self { epoch, rule: Rule::Clamp }
    }

    /// Is this value one that the rule leaves as it is?
    pub fn accepts(self, value: Instant) -> bool {
        match (self.rule, value.cmp_epoch(self.epoch)) {
            (_, Ordering::Equal) => true,
            (Rule::Clamp, Ordering::Less) => true,
            (Rule::Set, Ordering::Less) | (_, Ordering::Greater) => false,
        }
    }

    /// What a value becomes.
    pub fn applied(self, value: Instant) -> Instant {
        if self.replaces(value) { self.epoch.instant() } else { value }
    }

    /// Is this value replaced? In set mode every value is, so that there is one spelling.
    pub fn replaces(self, value: Instant) -> bool {
        match self.rule {
            Rule::Set => true,
            Rule::Clamp => value.cmp_epoch(self.epoch) == Ordering::Greater,
        }
    }
}

/// What the times of an image become: those of files, and those of documents, which may be of another epoch or stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamps {
    /// Of the files in layers, and of the archive.
    pub files: Stamp,
    /// Of configs, history, labels and annotations; `None` if they stay.
    pub documents: Option<Stamp>,
}

impl From<Stamp> for Stamps {
    fn from(stamp: Stamp) -> Self {
        Self { files: stamp, documents: Some(stamp) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_date_epoch_is_a_plain_decimal_integer() {
        assert_eq!(Epoch::from_seconds_text("1700000000").unwrap().seconds(), 1_700_000_000);
        assert_eq!(Epoch::from_seconds_text("0").unwrap().rfc3339(), "1970-01-01T00:00:00Z");
        for bad in ["", " 1", "1 ", "+1", "-1", "1.5", "0x10", "1e9", "now", "１", "1700000000\n"] {
            let text = Epoch::from_seconds_text(bad).unwrap_err().to_string();
            assert!(text.contains("decimal integer"), "{bad:?}: {text}");
        }
    }

    #[test]
    fn an_epoch_that_a_tar_header_cannot_hold_is_an_error() {
        assert_eq!(Epoch::from_seconds_text("8589934591").unwrap().rfc3339(), "2242-03-16T12:56:31Z");
        for bad in ["8589934592", "18446744073709551616", "99999999999999999999999999"] {
            let text = Epoch::from_seconds_text(bad).unwrap_err().to_string();
            assert!(text.contains(bad) && text.contains("8589934591"), "{text}");
        }
    }

    #[test]
    fn the_option_takes_rfc_3339_as_well() {
        for good in ["2023-11-14T22:13:20Z", "2023-11-15T00:13:20+02:00", "1700000000"] {
            assert_eq!(good.parse::<Epoch>().unwrap().seconds(), 1_700_000_000, "{good}");
        }
        for bad in ["2023-11-14", "2023-11-14T22:13:20.5Z", "1969-12-31T23:59:59Z", "2023-13-01T00:00:00Z", "-5"] {
            assert!(bad.parse::<Epoch>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_epoch_is_told_what_could_be_one() {
        for bad in ["now", "", "-1", "tomorrow"] {
            let text = bad.parse::<Epoch>().unwrap_err().to_string();
            assert!(text.contains("seconds since 1970, or an RFC 3339 time such as"), "{bad}: {text}");
        }
        for text in ["1700000000000", "1700000000000000000"] {
            let error = text.parse::<Epoch>().unwrap_err().to_string();
            assert_eq!(error.contains("milliseconds"), text.len() == 13, "{error}");
        }
        // The name of a field is not escaped once here and once more where it is printed.
        let error = Epoch::from_seconds_text("1700000000\n").unwrap_err().to_string();
        assert!(error.ends_with(r#"found "1700000000\n""#), "{error}");
    }

    #[test]
    fn the_zero_time_of_go_is_no_time() {
        let zero = Instant::from_rfc3339("0001-01-01T00:00:00Z").unwrap().seconds;
        assert_eq!(i64::from(GO_ZERO), zero.rem_euclid(1 << 32));
        assert_eq!(Instant::from_seconds(GO_ZERO.into()).to_string(), "2042-07-14T01:04:00Z");
        assert!(is_no_time(0) && is_no_time(GO_ZERO) && !is_no_time(1));
    }

    #[test]
    fn clamp_compares_fractions() {
        let stamp = Stamp { epoch: Epoch::from_seconds(100).unwrap(), rule: Rule::Clamp };
        assert!(stamp.accepts(Instant { seconds: 99, nanos: 999_999_999 }));
        assert!(stamp.accepts(Instant::from_seconds(100)));
        assert!(!stamp.accepts(Instant { seconds: 100, nanos: 1 }));
        assert!(!Stamp { rule: Rule::Set, ..stamp }.accepts(Instant::from_seconds(99)));
    }

    #[test]
    fn rfc_3339_is_as_strict_as_its_readers() {
        assert!(Instant::from_rfc3339("2023-11-14T22:13:20.123456789+02:00").is_some());
        for bad in ["2023-11-14 22:13:20Z", "2023-11-14", "", "2023-11-14T22:13:60Z", "2023-11-14T22:13:20"] {
            assert!(Instant::from_rfc3339(bad).is_none(), "{bad}");
        }
    }
}
