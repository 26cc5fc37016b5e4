//! What the databases of package managers say is installed, and what other files of a root filesystem say of where its
//! packages came from. Pure: bytes in, plain data out.
//!
//! `dpkg.rs`, `apk.rs` and `pacman.rs` read texts, `apt.rs` hashes out of apt's lists, `rpm.rs` reads headers, which `sqlite.rs` takes out of rpm's database;
//! `os_release.rs` reads the distribution, `sources.rs` the lists of archives, `changelog.rs` the date of an entry.
//! Everything here is read as hostile input: lengths are limits to check, a text that a list is to hold is one word of
//! printable ASCII, and what breaks its format is an error and never a guess.

pub mod apk;
pub mod apt;
pub mod changelog;
pub mod dpkg;
pub mod os_release;
pub mod pacman;
pub mod rpm;
pub mod sources;
pub mod sqlite;

use serde::Serialize;

use crate::error::{Error, Result, printable};

/// Packages of one database.
pub const MAX_PACKAGES: usize = 30_000;
/// The longest name, version or hash of a package.
const MAX_WORD: usize = 512;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Manager {
    /// Debian's, and that of its kin.
    Dpkg,
    /// Alpine's.
    Apk,
    /// Fedora's, and that of its kin.
    Rpm,
    /// Arch's.
    Pacman,
}

impl Manager {
    /// Its name, as in the names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Pacman => "pacman",
        }
    }
}

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version with everything that is a part of it: `1:2.3-4`.
    pub version: String,
    /// What it was built for, as its manager has it.
    pub architecture: String,
    /// The source package, with its version where the database has one that is another than the package's: `glibc`,
    /// `gcc-12 (12.2.0-14)`.
    pub source: Option<String>,
    /// The hash that the database has of it, and of what: `sha256:…` of the package's file.
    pub hash: Option<String>,
    /// When it was built, in seconds, where the database says so.
    #[serde(skip)]
    pub built: Option<i64>,
}

/// A field that goes into lists and commands: one word of printable ASCII.
fn word(what: &'static str, bytes: &[u8]) -> Result<String> {
    let fits = (1..=MAX_WORD).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(bytes) {
        Ok(text) if fits => Ok(text.to_owned()),
        _ => Err(Error::malformed(what, format!("one word of at most {MAX_WORD} ASCII characters"), printable(bytes))),
    }
}

/// Seconds since 1970 in decimal digits.
fn seconds(what: &'static str, bytes: &[u8]) -> Result<i64> {
    let digits = bytes.len() <= 12 && !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(bytes).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::malformed(what, "seconds since 1970", printable(bytes)))
}

/// Adds a package, unless there are too many.
fn add(list: &mut Vec<Package>, package: Package) -> Result<()> {
    if list.len() >= MAX_PACKAGES {
        return Err(Error::limit("number of packages", MAX_PACKAGES as u64, "more"));
    }
    list.push(package);
    Ok(())
}

/// Keeps a field that may be there once.
fn once<'b>(what: &'static str, place: &mut Option<&'b [u8]>, value: &'b [u8]) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::malformed(what, "one in a package", "another one")),
    }
}

/// A field that has to be there.
fn needed<'b>(what: &'static str, value: Option<&'b [u8]>) -> Result<&'b [u8]> {
    value.ok_or_else(|| Error::missing(what))
}

/// The lines of a text with their numbers, from 1. A text need not end with a line feed.
fn lines(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    (1..).zip(text.split(|byte| *byte == b'\n'))
}

/// Says in which line it was.
fn at_line(error: Error, number: u64) -> Error {
    error.at_entry(format!("line {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What each reader takes, to be changed.
    fn seeds() -> Vec<Vec<u8>> {
        let header = rpm::tests::bash();
        vec![
            b"Package: a\nStatus: install ok installed\nArchitecture: all\nSource: b (1)\nVersion: 1:2\n more\n\n"
                .to_vec(),
            b"C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:musl\nV:1.2\nA:x86_64\no:musl\nt:1709306134\n\n".to_vec(),
            b"%NAME%\na\n\n%VERSION%\n1\n\n%BUILDDATE%\n1705923344\n\n".to_vec(),
            b"deb [snapshot=20240101T000000Z] http://snapshot.debian.org/archive/debian/20240101T000000Z x main\n"
                .to_vec(),
            sqlite::tests::made(512, "Packages", &[header.clone(), vec![7; 900], header.clone()]),
            header,
        ]
    }

    fn read_by_all(data: &[u8]) {
        let mut found = Vec::new();
        found.extend(dpkg::status(data).into_iter().flatten());
        found.extend(apk::installed(data).into_iter().flatten());
        found.extend(pacman::desc(data));
        found.extend(rpm::header(data).into_iter().flatten());
        let _ = sqlite::rows(&data, "Packages", &mut |columns| {
            if let [_, sqlite::Column::Blob(header)] = columns {
                found.extend(rpm::header(header).into_iter().flatten());
            }
            Ok(())
        });
        let mut list = data;
        let _ = apt::packages(&mut list, &mut |package| assert!(!package.name.is_empty()));
        let _ = (os_release::read(data), sources::snapshots(data), sources::components(data), changelog::newest(data));
        let _ = changelog::newest_of_gzip(data);
        for package in found {
            let words =
                [Some(&package.name), Some(&package.version), Some(&package.architecture), package.hash.as_ref()];
            let is_word = |text: &&String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            assert!(words.iter().flatten().all(is_word), "{package:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_ends_and_gives_words(
            seed in 0..6_usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut data = seeds()[seed].clone();
            for (at, byte) in &changes {
                *at.get_mut(&mut data) = *byte;
            }
            read_by_all(&data);
            read_by_all(&data[..cut.index(data.len())]);
        }
    }
}
