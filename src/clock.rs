//! What the times of an image become: the epoch of files and that of documents, as the user asks for them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::stamp::{Epoch, Rule, Stamp};

/// Where the epoch comes from.
///
/// If it is read from the image, the output depends on the image's metadata: two builds come out equal only if both
/// have the same value there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EpochSource {
    /// It is given.
    At(Epoch),
    /// The time in this label of the image.
    Label(String),
    /// `created` of the image.
    Created,
    /// The newest time of the base image: of its config and history.
    Base,
}

/// `--epoch`: seconds, an RFC 3339 time, `label:KEY`, `created` or `base`.
impl FromStr for EpochSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("label", "")) => Err(Error::malformed("epoch", "label:KEY, with the key of a label", "label:")),
            Some(("label", key)) => Ok(Self::Label(key.to_owned())),
            _ if text == "created" => Ok(Self::Created),
            _ if text == "base" => Ok(Self::Base),
            _ => text.parse().map(Self::At),
        }
    }
}

impl fmt::Display for EpochSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(epoch) => epoch.fmt(f),
            Self::Label(key) => write!(f, "label:{key}"),
            Self::Created => f.write_str("created"),
            Self::Base => f.write_str("base"),
        }
    }
}

/// The epoch, or where it comes from, and the rule by which it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Where the epoch comes from.
    pub epoch: EpochSource,
    /// Set or clamp.
    pub rule: Rule,
}

impl Clock {
    /// The stamp, where the epoch is given.
    pub fn stamp(&self) -> Option<Stamp> {
        match self.epoch {
            EpochSource::At(epoch) => Some(Stamp { epoch, rule: self.rule }),
            _ => None,
        }
    }
}

impl From<Stamp> for Clock {
    fn from(stamp: Stamp) -> Self {
        Self { epoch: EpochSource::At(stamp.epoch), rule: stamp.rule }
    }
}

/// What the times of documents become: of configs, their history, labels and annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DocumentTime {
    /// What those of files become.
    #[default]
    Epoch,
    /// This, by the same rule.
    At(Epoch),
    /// They stay as they are, so that two builds differ in them.
    Keep,
}

impl DocumentTime {
    /// The stamp of documents beside that of files.
    pub fn stamp(self, files: Stamp) -> Option<Stamp> {
        match self {
            Self::Epoch => Some(files),
            Self::At(epoch) => Some(Stamp { epoch, ..files }),
            Self::Keep => None,
        }
    }
}

/// `--created`: seconds, an RFC 3339 time, `keep` or `epoch`.
impl FromStr for DocumentTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "keep" => Ok(Self::Keep),
            "epoch" => Ok(Self::Epoch),
            text => text.parse().map(Self::At),
        }
    }
}

/// What the times of documents became, for reports: seconds since 1970, or `keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Created {
    /// Seconds since 1970.
    Seconds(u64),
    /// They stayed.
    Keep,
}

impl From<Option<Stamp>> for Created {
    fn from(stamp: Option<Stamp>) -> Self {
        stamp.map_or(Self::Keep, |stamp| Self::Seconds(stamp.epoch.seconds()))
    }
}

impl Serialize for Created {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Seconds(seconds) => serializer.serialize_u64(*seconds),
            Self::Keep => serializer.serialize_str("keep"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_given_or_read_from_the_image() {
        let at = EpochSource::At(Epoch::from_seconds(1_700_000_000).unwrap());
        for (text, expected) in [
            ("1700000000", at.clone()),
            ("2023-11-14T22:13:20Z", at),
            (
                "label:org.opencontainers.image.created",
                EpochSource::Label("org.opencontainers.image.created".to_owned()),
            ),
            ("label:a:b", EpochSource::Label("a:b".to_owned())),
            ("created", EpochSource::Created),
            ("base", EpochSource::Base),
        ] {
            assert_eq!(text.parse::<EpochSource>().unwrap(), expected, "{text}");
        }
        for bad in ["label:", "label", "Created", "", "keep", "epoch"] {
            assert!(bad.parse::<EpochSource>().is_err(), "{bad}");
        }
    }

    #[test]
    fn documents_have_a_clock_of_their_own() {
        let files = Stamp::clamp(Epoch::from_seconds(5).unwrap());
        let own = Epoch::from_seconds(7).unwrap();
        for (text, expected) in [("epoch", Some(files)), ("keep", None), ("7", Some(Stamp::clamp(own)))] {
            assert_eq!(text.parse::<DocumentTime>().unwrap().stamp(files), expected, "{text}");
        }
        for bad in ["label:x", "created", "base", "", "Keep"] {
            assert!(bad.parse::<DocumentTime>().is_err(), "{bad}");
        }
    }
}
