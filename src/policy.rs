//! What a rewrite is to do: plain data, from the command line or from a program that uses the library.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::document::config::History;
use crate::epoch::Stamp;
use crate::error::{Error, Result};
use crate::media_type::Compression;

/// Everything that the bytes of the output depend on, besides the input.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The epoch, and whether it is set or clamped.
    pub stamp: Stamp,
    /// Which layers and history entries are left byte for byte as they are.
    pub base: Base,
    /// How rewritten layers are compressed.
    pub encoding: Encoding,
    /// Times in the commands of history stay, also where the label that they repeat is rewritten.
    pub keep_commands: bool,
    /// What becomes of attestations.
    pub attestations: Attestations,
    /// What becomes of signatures.
    pub signatures: Signatures,
    /// Only images of this platform.
    pub platform: Option<Platform>,
    /// Only the image of this name.
    pub reference: Option<String>,
}

impl Policy {
    /// The defaults: nothing is a base, compression is kept, attestations follow, signatures are refused.
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            base: Base::None,
            encoding: Encoding::default(),
            keep_commands: false,
            attestations: Attestations::Update,
            signatures: Signatures::Refuse,
            platform: None,
            reference: None,
        }
    }
}

/// The base image, whose layers and history entries stay as they are.
#[derive(Debug, Clone, Default)]
pub enum Base {
    /// Everything is rewritten.
    #[default]
    None,
    /// The first so many layers of every image.
    Layers(usize),
    /// The layers of another image.
    Images(Vec<BaseImage>),
}

/// What is known of an image that others were built on.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// What it was built for.
    pub platform: Platform,
    /// Its layers, uncompressed.
    pub diff_ids: Vec<Digest>,
    /// Its history: as far as an image's begins like that, it is the base's.
    pub history: Vec<History>,
}

/// How rewritten layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoding {
    /// `None`: as the layer was, by its media type.
    pub compression: Option<Compression>,
    /// `None`: the level of the canonical form.
    pub level: Option<u32>,
}

/// `--attestations`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestations {
    /// They follow the image that they are about.
    Update,
    /// They are left out.
    Drop,
}

/// `--signatures`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signatures {
    /// A signature is a reason not to begin.
    Refuse,
    /// They are left out.
    Drop,
}

/// `os/architecture[/variant]`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Platform {
    /// GOOS.
    pub os: String,
    /// GOARCH.
    pub architecture: String,
    /// Such as `v7`.
    pub variant: Option<String>,
}

impl Platform {
    /// Is that platform one of these? A variant counts only where one is asked for, and one that is not named is the
    /// architecture's first, as containerd has it.
    pub fn matches(&self, other: &Self) -> bool {
        let is_first = || match self.architecture.as_str() {
            "arm64" => self.variant.as_deref() == Some("v8"),
            "amd64" => self.variant.as_deref() == Some("v1"),
            _ => false,
        };
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || self.variant == other.variant || other.variant.is_none() && is_first())
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [os, architecture] | [os, architecture, _] if !os.is_empty() && !architecture.is_empty() => Ok(Self {
                os: os.to_owned(),
                architecture: architecture.to_owned(),
                variant: parts.get(2).filter(|variant| !variant.is_empty()).map(|variant| (*variant).to_owned()),
            }),
            _ => Err(Error::malformed("platform", "os/architecture or os/architecture/variant", format!("{text:?}"))),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl serde::Serialize for Platform {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_match_as_far_as_they_are_given() {
        let arm: Platform = "linux/arm".parse().unwrap();
        let v7: Platform = "linux/arm/v7".parse().unwrap();
        assert!(arm.matches(&v7) && v7.matches(&v7) && !v7.matches(&arm));
        assert_eq!(v7.to_string(), "linux/arm/v7");
        for (plain, first, other) in
            [("linux/arm64", "linux/arm64/v8", "linux/arm64/v9"), ("linux/amd64", "linux/amd64/v1", "linux/amd64/v3")]
        {
            let [plain, first, other]: [Platform; 3] = [plain, first, other].map(|text| text.parse().unwrap());
            assert!(plain.matches(&first) && first.matches(&plain) && plain.matches(&other));
            assert!(!other.matches(&plain) && !other.matches(&first) && !first.matches(&other));
        }
        for bad in ["linux", "/amd64", "linux/", "a/b/c/d", ""] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
