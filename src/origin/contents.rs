//! What the files of a root filesystem say: the distribution, what is installed, and dates.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;

use crate::blob::Extent;
use crate::error::{Error, Result, printable};
use crate::origin::root::Root;
use crate::origin::taker::What;
use crate::origin::wanted::{
    APK, APT_LISTS, DOC, DPKG_STATUS, DPKG_STATUS_D, LIST_FOLDERS, LISTS, OS_RELEASE, PACMAN, PACMAN_LOG, RPM,
    TEXT_DATABASE,
};
use crate::origin::{Bound, Candidate, CandidateKind, Distribution, Ecosystem, How};
use crate::packages::sources::{self, Stated};
use crate::packages::sqlite::{self, Column, Pages};
use crate::packages::{MAX_PACKAGES, Manager, Package, apk, apt, dpkg, os_release, pacman, rpm};

/// All of it.
#[derive(Debug, Default)]
pub struct Contents {
    /// By `os-release`.
    pub distribution: Option<Distribution>,
    /// The packages of each database.
    pub databases: Vec<Packages>,
    /// Packages of languages.
    pub languages: BTreeMap<Ecosystem, u64>,
    /// Dates that tell something of when the packages were taken.
    pub candidates: Vec<Candidate>,
    /// The components that lists of apt's archives name.
    pub components: BTreeSet<String>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// What one manager has installed, in the order of names.
#[derive(Debug)]
pub struct Packages {
    /// Whose it is.
    pub manager: Manager,
    /// Where it was read.
    pub from: String,
    /// The packages.
    pub list: Vec<Package>,
}

impl Contents {
    /// Reads what is there. A file that is broken is named, and the others are read.
    pub fn of(root: &Root) -> Self {
        let mut all = Self::default();
        if root.is_cut {
            all.problems.push("the names of files that matter are too many: not all of them were looked at".to_owned());
        }
        all.distribution(root);
        let readers: [fn(&mut Self, &Root); 5] = [Self::dpkg, Self::dpkg_folder, Self::apk, Self::rpm, Self::pacman];
        for read in readers {
            read(&mut all, root);
        }
        all.lists(root);
        all.changelogs(root);
        for what in root.all() {
            if let What::Counted(ecosystem) = what {
                *all.languages.entry(*ecosystem).or_default() += 1;
            }
        }
        all.candidates.sort();
        all
    }

    fn problem(&mut self, path: &str, reason: impl std::fmt::Display) {
        self.problems.push(format!("{}: {reason}", printable(path.as_bytes())));
    }

    /// The bytes of a file that is there.
    fn file(&mut self, path: &str, what: Option<&What>, limit: u64) -> Option<(Vec<u8>, i64)> {
        match what? {
            What::File(extent, mtime) => match extent.bytes(limit) {
                Ok(bytes) => return Some((bytes, *mtime)),
                Err(error) => self.problem(path, error),
            },
            What::Unread(reason) => self.problem(path, reason),
            _ => self.problem(path, "it is no file"),
        }
        None
    }

    fn distribution(&mut self, root: &Root) {
        for path in OS_RELEASE {
            let Some((text, _)) = self.file(path, root.get(path), os_release::MAX_BYTES) else { continue };
            self.distribution =
                Some(Distribution { release: os_release::read(&text), how: How::Stated, from: path.to_owned() });
            return;
        }
    }

    /// Adds what a database holds, or what is wrong with it.
    fn add(&mut self, manager: Manager, from: &str, read: Result<Vec<Package>>) {
        match read {
            Ok(mut list) => {
                list.sort();
                list.dedup();
                self.newest(manager, from, &list);
                self.databases.push(Packages { manager, from: from.to_owned(), list });
            }
            Err(error) => self.problem(from, error),
        }
    }

    /// The youngest package that says when it was built: none was taken from an archive earlier.
    fn newest(&mut self, manager: Manager, from: &str, list: &[Package]) {
        let Some(package) = list.iter().filter(|package| package.built.is_some()).max_by_key(|package| package.built)
        else {
            return;
        };
        let seconds = package.built.unwrap_or_default();
        let from = format!("build date of {} {} in {from}", package.name, package.version);
        let kind = CandidateKind::BuildDate;
        let _ = manager;
        self.candidates.push(Candidate { seconds, how: How::Derived, kind, bound: Bound::NotBefore, from });
    }

    fn dpkg(&mut self, root: &Root) {
        if let Some((text, _)) = self.file(DPKG_STATUS, root.get(DPKG_STATUS), TEXT_DATABASE) {
            let read = dpkg::status(&text).map(|list| self.with_hashes(root, list));
            self.add(Manager::Dpkg, DPKG_STATUS, read);
        }
    }

    /// Where apt's lists were kept, they have the hash of the very package.
    fn with_hashes(&mut self, root: &Root, mut list: Vec<Package>) -> Vec<Package> {
        let key = |package: &Package| {
            [&package.name, &package.version, &package.architecture].map(|text| text.as_bytes().to_vec())
        };
        let mut known: BTreeMap<_, Option<String>> = list.iter().map(|package| (key(package), None)).collect();
        for (name, what) in root.list(APT_LISTS).into_iter().filter(|(name, _)| name.ends_with("_Packages")) {
            let path = format!("{APT_LISTS}/{name}");
            let What::File(extent, _) = what else { continue };
            let read = extent.reader().and_then(|reader| {
                apt::packages(&mut BufReader::new(reader), &mut |found| {
                    let key = [&found.name, &found.version, &found.architecture].map(Clone::clone);
                    if let Some(hash) = known.get_mut(&key).filter(|hash| hash.is_none()) {
                        *hash = found.sha256.as_ref().map(|hex| format!("sha256:{hex}"));
                    }
                })
            });
            if let Err(error) = read {
                self.problem(&path, error);
            }
        }
        for package in &mut list {
            package.hash = known.remove(&key(package)).flatten();
        }
        list
    }

    fn dpkg_folder(&mut self, root: &Root) {
        self.folder(
            root,
            Manager::Dpkg,
            DPKG_STATUS_D,
            |name| !name.contains('/') && !name.ends_with(".md5sums"),
            dpkg::status,
        );
    }

    fn pacman(&mut self, root: &Root) {
        let is_desc = |name: &str| name.ends_with("/desc");
        self.folder(root, Manager::Pacman, PACMAN, is_desc, |text| pacman::desc(text).map(|package| vec![package]));
    }

    /// A database that has a file for each package.
    fn folder(
        &mut self,
        root: &Root,
        manager: Manager,
        folder: &str,
        is_part: impl Fn(&str) -> bool,
        read: impl Fn(&[u8]) -> Result<Vec<Package>>,
    ) {
        let mut list = Vec::new();
        let mut is_there = false;
        for (name, what) in root.list(folder).into_iter().filter(|(name, _)| is_part(name)) {
            is_there = true;
            let path = format!("{folder}/{name}");
            let Some((text, _)) = self.file(&path, Some(what), os_release::MAX_BYTES) else { continue };
            match read(&text) {
                Ok(packages) if list.len() + packages.len() <= MAX_PACKAGES => list.extend(packages),
                Ok(_) => return self.problem(folder, Error::limit("number of packages", MAX_PACKAGES as u64, "more")),
                Err(error) => self.problem(&path, error),
            }
        }
        if is_there {
            self.add(manager, folder, Ok(list));
        }
    }

    fn apk(&mut self, root: &Root) {
        for path in APK {
            if let Some((text, _)) = self.file(path, root.get(path), TEXT_DATABASE) {
                return self.add(Manager::Apk, path, apk::installed(&text));
            }
        }
    }

    fn rpm(&mut self, root: &Root) {
        for folder in RPM {
            let at = |name: &str| format!("{folder}/{name}");
            let has = |name: &str| match root.get(&at(name)) {
                Some(What::File(extent, _)) => !extent.is_empty(),
                other => other.is_some(),
            };
            let path = at("rpmdb.sqlite");
            match root.get(&path) {
                Some(What::File(extent, _)) => {
                    self.add(Manager::Rpm, &path, rpm_database(extent));
                    if has("rpmdb.sqlite-wal") {
                        self.problem(
                            &at("rpmdb.sqlite-wal"),
                            "what is in it is not written into the database yet, and is not read",
                        );
                    }
                }
                Some(What::Unread(reason)) => self.problem(&path, reason),
                Some(_) => self.problem(&path, "it is no file"),
                None => {
                    for (name, form) in [("Packages.db", "ndb"), ("Packages", "Berkeley DB")] {
                        if has(name) {
                            self.problem(
                                &at(name),
                                format!("a database of rpm in the form of {form}, which is not read"),
                            );
                            return;
                        }
                    }
                    continue;
                }
            }
            return;
        }
    }

    /// Lists of archives: which snapshots they name, and when they were made.
    fn lists(&mut self, root: &Root) {
        let in_folders = LIST_FOLDERS.iter().flat_map(|folder| {
            let names = root.list(folder).into_iter().map(|(name, _)| name).filter(|name| !name.contains('/'));
            names.map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
        });
        let paths: Vec<String> = LISTS.iter().map(|path| (*path).to_owned()).chain(in_folders).collect();
        for path in paths {
            let Some((text, mtime)) = self.file(&path, root.get(&path), sources::MAX_BYTES) else { continue };
            for Stated { seconds, archive, is_comment } in sources::snapshots(&text) {
                let comment = if is_comment { ", in a comment" } else { "" };
                let from = format!("{archive} in {}{comment}", printable(path.as_bytes()));
                let kind = CandidateKind::SnapshotAddress;
                self.candidates.push(Candidate { seconds, how: How::Stated, kind, bound: Bound::At, from });
            }
            if path.starts_with("etc/apt/") {
                self.components.extend(sources::components(&text));
            }
            // Those that repro-sources-list.sh takes.
            let base = path.rsplit('/').next().unwrap_or_default();
            if path.starts_with("etc/apt/") && ["debian.sources", "ubuntu.sources", "sources.list"].contains(&base) {
                self.mtime(&path, mtime);
            }
        }
        if let Some(What::File(_, mtime)) = root.get(PACMAN_LOG) {
            self.mtime(PACMAN_LOG, *mtime);
        }
    }

    fn mtime(&mut self, path: &str, seconds: i64) {
        // 0 is no date, but what tools write that have none.
        if seconds > 0 {
            let (kind, from) = (CandidateKind::Mtime, format!("mtime of {path}"));
            self.candidates.push(Candidate { seconds, how: How::Guess, kind, bound: Bound::At, from });
        }
    }

    fn changelogs(&mut self, root: &Root) {
        let dated = root.list(DOC).into_iter().filter_map(|(name, what)| match what {
            What::Changelog(date) => Some((*date, name)),
            _ => None,
        });
        if let Some((seconds, name)) = dated.max() {
            let from = format!("newest entry of {DOC}/{}", printable(name.as_bytes()));
            let kind = CandidateKind::Changelog;
            self.candidates.push(Candidate { seconds, how: How::Derived, kind, bound: Bound::NotBefore, from });
        }
    }
}

/// The packages in `rpmdb.sqlite`: the headers are in the second column of the table `Packages` (rpm, lib/backend/sqlite.c).
fn rpm_database(extent: &Extent) -> Result<Vec<Package>> {
    let mut list = Vec::new();
    sqlite::rows(&OfExtent(extent), "Packages", &mut |columns| match columns {
        [_, Column::Blob(header)] => {
            if list.len() >= MAX_PACKAGES {
                return Err(Error::limit("number of packages", MAX_PACKAGES as u64, "more"));
            }
            list.extend(rpm::header(header)?);
            Ok(())
        }
        _ => Err(Error::malformed(
            "row of rpm's database",
            "a number and a header",
            format!("{} columns", columns.len()),
        )),
    })?;
    Ok(list)
}

/// A database in a temporary file.
struct OfExtent<'e>(&'e Extent);

impl Pages for OfExtent<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let part = self.0.part(at, len as u64);
        if part.len() < len as u64 {
            return Err(Error::missing("page"));
        }
        part.bytes(len as u64)
    }
}

#[cfg(test)]
#[path = "contents_tests.rs"]
mod tests;
