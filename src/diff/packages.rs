//! The databases of package managers in a layer: can packages be the reason for what differs in it?

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::causes::Cause;

/// A package manager whose database a layer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Manager {
    Dpkg,
    Apk,
    Rpm,
    Pip,
    Npm,
}

impl Manager {
    /// The one whose database this file is a part of.
    fn of_path(path: &[u8]) -> Option<Self> {
        let starts = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        let has = |part: &[u8]| path.windows(part.len()).any(|window| window == part);
        if path == DPKG_STATUS || starts(&[b"var/lib/dpkg/status.d/"]) || is_md5sums(path) {
            Some(Self::Dpkg)
        } else if matches!(path, b"lib/apk/db/installed" | b"usr/lib/apk/db/installed") {
            Some(Self::Apk)
        } else if starts(&[b"var/lib/rpm/", b"usr/lib/sysimage/rpm/", b"usr/share/rpm/"]) {
            Some(Self::Rpm)
        } else if (path.ends_with(b"/RECORD") || path.ends_with(b"/METADATA")) && has(b".dist-info/") {
            Some(Self::Pip)
        } else if (path.ends_with(b"/package.json") || path.ends_with(b"/.package-lock.json")) && has(b"node_modules/")
        {
            Some(Self::Npm)
        } else {
            None
        }
    }

    /// The one that a cause blames.
    fn of_cause(cause: &Cause) -> Option<Self> {
        Some(match cause.id {
            "unpinned-apt" => Self::Dpkg,
            "unpinned-apk" => Self::Apk,
            "unpinned-dnf" => Self::Rpm,
            "unpinned-pip" => Self::Pip,
            "unpinned-npm" => Self::Npm,
            _ => return None,
        })
    }
}

/// Bytes of the paths of differing packages that are held, of all layers together.
const HELD_MAX: usize = 8 << 20;

const DPKG_STATUS: &[u8] = b"var/lib/dpkg/status";
const DPKG_INFO: &[u8] = b"var/lib/dpkg/info/";

/// dpkg's list of the files of a package, with their checksums.
fn is_md5sums(path: &[u8]) -> bool {
    path.starts_with(DPKG_INFO) && path.ends_with(b".md5sums")
}

/// A database, as far as it is known from two layers.
#[derive(Debug, Default)]
struct Database {
    /// Does a file of it differ?
    differs: bool,
    /// Are all packages of the same version all the same? `None` where it was not looked at.
    same_versions: Option<bool>,
    /// Files of packages that differ; `None` where that is not known.
    files: Option<HashSet<Vec<u8>>>,
    /// Has only one side some packages, whose files are not known?
    is_open: bool,
}

impl Database {
    /// Keeps files of packages that differ; returns how many bytes that takes.
    fn hold(&mut self, files: impl Iterator<Item = Vec<u8>>, held: usize) -> usize {
        let own = self.files.get_or_insert_default();
        let mut bytes = 0;
        for file in files {
            if held + bytes > HELD_MAX {
                self.is_open = true;
                break;
            }
            bytes += file.len();
            own.insert(file);
        }
        bytes
    }
}

/// The databases of all pairs of layers.
#[derive(Debug, Default)]
pub(crate) struct Databases {
    known: BTreeMap<(usize, Manager), Database>,
    held: usize,
}

impl Databases {
    /// A file of the layers in this place, which is in both of them or not, and the same or not.
    pub(crate) fn see(&mut self, place: usize, path: &[u8], is_same: bool, is_on_both: bool) {
        let is_list = path.starts_with(DPKG_INFO) && path.ends_with(b".list");
        let manager = if is_list && !is_on_both { Some(Manager::Dpkg) } else { Manager::of_path(path) };
        let Some(manager) = manager else { return };
        let database = self.known.entry((place, manager)).or_default();
        database.differs |= !is_same;
        database.is_open |= !is_on_both;
    }

    /// Both contents of a file that differs.
    pub(crate) fn read(&mut self, place: usize, path: &[u8], contents: [&[u8]; 2]) {
        let Some(manager) = Manager::of_path(path) else { return };
        let database = self.known.entry((place, manager)).or_default();
        let [a, b] = contents;
        if is_md5sums(path) {
            let (a, b) = (sums(a), sums(b));
            self.held += database.hold(a.symmetric_difference(&b).map(|(_, path)| path.to_vec()), self.held);
        } else if manager == Manager::Dpkg {
            let is_same = versions(a) == versions(b);
            database.same_versions = Some(database.same_versions.unwrap_or(true) && is_same);
        } else if manager == Manager::Apk {
            let (a, b) = (installed(a), installed(b));
            let differing = a.symmetric_difference(&b).map(|(folder, name, _)| match folder.is_empty() {
                true => name.to_vec(),
                false => [folder, &b"/"[..], name].concat(),
            });
            self.held += database.hold(differing, self.held);
        }
    }

    /// May this be the cause of what differs in this file?
    pub(crate) fn allow(&self, place: usize, cause: &Cause, path: &[u8]) -> bool {
        let database = Manager::of_cause(cause).and_then(|manager| self.known.get(&(place, manager)));
        let Some(database) = database else { return true };
        let is_listed = database.files.as_ref().is_none_or(|files| files.contains(path));
        database.differs && database.same_versions != Some(true) && (database.is_open || is_listed)
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

/// Checksum and path of every line.
fn sums(text: &[u8]) -> BTreeSet<(&[u8], &[u8])> {
    let parts = |line: &'_ [u8]| line.iter().position(|byte| *byte == b' ');
    let split = lines(text).filter_map(|line| line.split_at_checked(parts(line)?));
    split.map(|(sum, path)| (sum, path.trim_ascii())).collect()
}

/// Name, architecture, version and state of every package in dpkg's status.
fn versions(text: &[u8]) -> BTreeSet<[&[u8]; 4]> {
    let mut all = BTreeSet::new();
    let none: [&[u8]; 4] = [b""; 4];
    let mut package = none;
    for line in lines(text).chain([&b""[..]]) {
        if line.is_empty() {
            all.insert(std::mem::replace(&mut package, none));
        }
        for (value, key) in package.iter_mut().zip([&b"Package:"[..], b"Architecture:", b"Version:", b"Status:"]) {
            if let Some(rest) = line.strip_prefix(key) {
                *value = rest.trim_ascii();
            }
        }
    }
    all
}

/// Folder, name, and version or checksum of every file in apk's database.
fn installed(text: &[u8]) -> BTreeSet<(&[u8], &[u8], &[u8])> {
    let mut all = BTreeSet::new();
    let (mut version, mut folder, mut name): (&[u8], &[u8], &[u8]) = Default::default();
    for line in lines(text) {
        match line {
            [b'V', b':', rest @ ..] => version = rest,
            [b'F', b':', rest @ ..] => folder = rest,
            [b'R', b':', rest @ ..] => {
                name = rest;
                all.insert((folder, name, version));
            }
            [b'Z', b':', rest @ ..] => drop(all.insert((folder, name, rest))),
            _ => {}
        }
    }
    all
}
