//! What an image runs on.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

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
