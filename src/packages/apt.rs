//! apt's lists of what archives have: `var/lib/apt/lists/*_Packages`, the one place where the hash of a Debian package is
//! kept, in images that keep them (deb822(5); Debian's repository format, "Packages" indices).

use std::io::BufRead;

use crate::error::{Error, Result};

/// A line that is longer is of no field that matters.
const MAX_LINE: u64 = 64 << 10;

/// What a list says of a package.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Vec<u8>,
    /// Its version.
    pub version: Vec<u8>,
    /// What it was built for.
    pub architecture: Vec<u8>,
    /// The SHA-256 of its file, in hexadecimal digits.
    pub sha256: Option<String>,
}

/// Shows every package of a list, which may be long: a line at a time is held.
///
/// # Errors
///
/// It can't be read, or has a line without an end.
pub fn packages(list: &mut dyn BufRead, visit: &mut dyn FnMut(&Listed)) -> Result<()> {
    let mut line = Vec::new();
    let mut package = Listed::default();
    loop {
        line.clear();
        let count = std::io::Read::take(&mut *list, MAX_LINE).read_until(b'\n', &mut line);
        let count = count.map_err(|e| Error::io("cannot read", e))?;
        if count as u64 == MAX_LINE && !line.ends_with(b"\n") {
            return Err(Error::limit("length of a line", MAX_LINE, "more"));
        }
        let text = line.trim_ascii_end();
        if text.is_empty() {
            if !package.name.is_empty() {
                visit(&package);
                package = Listed::default();
            }
            if count == 0 {
                return Ok(());
            }
            continue;
        }
        let field = |key: &[u8]| text.strip_prefix(key).map(<[u8]>::trim_ascii);
        if let Some(value) = field(b"Package:") {
            package.name = value.to_vec();
        } else if let Some(value) = field(b"Version:") {
            package.version = value.to_vec();
        } else if let Some(value) = field(b"Architecture:") {
            package.architecture = value.to_vec();
        } else if let Some(value) = field(b"SHA256:") {
            let is_hash = value.len() == 64 && value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            package.sha256 = std::str::from_utf8(value).ok().filter(|_| is_hash).map(str::to_owned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read() {
        let hash = "0a".repeat(32);
        let text = format!(
            "Package: a\nVersion: 1:2\nArchitecture: all\nDescription: x\n y\nSHA256: {hash}\n\n\nPackage: b\nVersion: 1\nSHA256: x"
        );
        let mut found = Vec::new();
        packages(&mut text.as_bytes(), &mut |package| found.push(package.clone())).unwrap();
        assert_eq!((found.len(), found[0].sha256.as_deref()), (2, Some(hash.as_str())));
        assert_eq!((found[0].version.as_slice(), found[1].name.as_slice()), (&b"1:2"[..], &b"b"[..]));
        assert_eq!(found[1].sha256, None);
        packages(&mut &[b'x'; 70_000][..], &mut |_| {}).unwrap_err();
    }
}
