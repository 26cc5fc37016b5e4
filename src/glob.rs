//! Globs of paths that a user gives: `*` stays within a directory, `**` does not.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, Result, quoted};

/// A glob of paths in an image, which have no leading slash.
#[derive(Debug, Clone)]
pub struct PathGlob {
    text: String,
    matcher: GlobMatcher,
}

impl PathGlob {
    /// Does a path fit?
    pub fn fits(&self, path: &[u8]) -> bool {
        self.matcher.is_match(OsStr::from_bytes(path))
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for PathGlob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathGlob {}

impl std::str::FromStr for PathGlob {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let built = GlobBuilder::new(text.trim_start_matches('/')).literal_separator(true).build();
        let built = built.map_err(|e| {
            let found = format!("{} ({})", quoted(text), e.kind());
            Error::malformed("glob", "a pattern such as var/log/**", found)
        })?;
        Ok(Self { text: text.to_owned(), matcher: built.compile_matcher() })
    }
}
