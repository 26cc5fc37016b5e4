//! What an image runs on.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, quoted};

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
        let is_first = || self.variant.is_some() && self.variant.as_deref() == self.first_variant();
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || self.variant == other.variant || other.variant.is_none() && is_first())
    }
}

impl Platform {
    /// The variant that an image has which names none, where the architecture has one (containerd/platforms, `Normalize`).
    fn first_variant(&self) -> Option<&'static str> {
        match self.architecture.as_str() {
            "arm64" => Some("v8"),
            "amd64" => Some("v1"),
            _ => None,
        }
    }

    /// Is nothing known of it?
    #[cfg(feature = "attest")]
    pub(crate) fn is_nothing(&self) -> bool {
        self.os.is_empty() && self.architecture.is_empty()
    }

    /// Is it that of what can't be run, as BuildKit's attestations have it?
    #[cfg(feature = "attest")]
    pub(crate) fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// Is it spelled as all tools spell it? Some read `x86_64`, `AMD64` and `Linux` as what they mean, others don't
    /// (containerd/platforms, `normalizeOS` and `normalizeArch`).
    #[cfg(feature = "attest")]
    pub(crate) fn is_canonical(&self) -> bool {
        let parts = [Some(&self.os), Some(&self.architecture), self.variant.as_ref()];
        let is_plain = |text: &String| !text.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii_graphic());
        let aliases = ["x86_64", "x86-64", "x86", "i386", "i486", "i586", "i686", "aarch64", "armhf", "armel"];
        let is_number = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        parts.into_iter().flatten().all(is_plain)
            && !self.os.is_empty()
            && !self.architecture.is_empty()
            && self.os != "macos"
            && !aliases.contains(&self.architecture.as_str())
            && !self.variant.as_ref().is_some_and(is_number)
    }

    /// Without a variant that goes without saying.
    #[cfg(feature = "attest")]
    pub(crate) fn normalized(mut self) -> Self {
        if self.variant.as_deref() == self.first_variant() {
            self.variant = None;
        }
        self
    }

    /// With the variant that goes without saying: it matches no other one.
    #[cfg(feature = "attest")]
    pub(crate) fn exactly(mut self) -> Self {
        self.variant = self.variant.take().or(self.first_variant().map(str::to_owned));
        self
    }
}

/// Architectures that are known alone, as in `--platform arm64` (containerd/platforms, `isKnownArch`).
const ARCHITECTURES: [&str; 13] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "mips", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x",
];

/// Another name of an architecture, as `uname` has them (containerd/platforms, `normalizeArch`), and its variant.
fn architecture(name: &str) -> (&str, Option<&str>) {
    match name {
        "i386" => ("386", None),
        "x86_64" | "x86-64" => ("amd64", None),
        "aarch64" => ("arm64", None),
        "armhf" => ("arm", Some("v7")),
        "armel" => ("arm", Some("v6")),
        name => (name, None),
    }
}

/// As containerd parses it: an architecture alone is that of Linux.
impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, name, variant) = match parts[..] {
            [name] if ARCHITECTURES.contains(&architecture(name).0) => ("linux", name, None),
            [os, name] if !os.is_empty() && !name.is_empty() => (os, name, None),
            [os, name, variant] if !os.is_empty() && !name.is_empty() => (os, name, Some(variant)),
            _ => {
                let expected = "os/architecture or os/architecture/variant, e.g. linux/arm64";
                return Err(Error::malformed("platform", expected, quoted(text)));
            }
        };
        let (architecture, implied) = architecture(name);
        let variant = variant.filter(|variant| !variant.is_empty()).or(implied).map(str::to_owned);
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant })
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
        for (text, full) in [
            ("arm64", "linux/arm64"),
            ("x86_64", "linux/amd64"),
            ("armhf", "linux/arm/v7"),
            ("linux/aarch64/v8", "linux/arm64/v8"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), full);
        }
        let error = "linux".parse::<Platform>().unwrap_err().to_string();
        let expected = "os/architecture or os/architecture/variant, e.g. linux/arm64";
        assert_eq!(error, format!("platform: expected {expected}, found \"linux\""));
        for bad in ["linux", "/amd64", "linux/", "a/b/c/d", ""] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
