//! `Dockerfile.pinned`: a Dockerfile that starts from the same base and installs the same versions, as far as they are
//! known.
//!
//! All values come from an image that may be hostile. In a comment they are escaped, so that none has a line of its own.
//! In an instruction stand only words of a grammar that has no character with a meaning to a shell or to Docker, and what
//! is run is quoted all the same. The first line is a comment of our own, behind which no parser directive is read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::DateTime;

use crate::document::provenance::ImageName;
use crate::error::printable;
use crate::lock::report::{LockDocument, PackageList};
use crate::origin::{BaseOf, How, Manager, OsRelease, Package};

const HEAD: &str = "\
# Made by restamp lock: a reconstruction from what an image says of itself, not a proof. A comment says of each fact
# whether the image states it, whether it is derived from the image, or a guess.
# BuildKit pins what it fetches by source-policy.json beside this file:
#   EXPERIMENTAL_BUILDKIT_SOURCE_POLICY=source-policy.json docker buildx build -f Dockerfile.pinned .
";

/// The Dockerfile.
pub(super) fn dockerfile(lock: &LockDocument, components: &BTreeSet<String>) -> String {
    let mut file = Recipe { text: HEAD.to_owned() };
    let origin = &lock.origin;
    for text in origin.problems.iter().chain(&origin.not_looked_at) {
        file.comment(&format!("not read, so something may be missing: {text}"));
    }
    for text in &origin.notes {
        file.comment(&format!("note: {text}"));
    }
    let release = origin.distribution.as_ref().map(|found| {
        let name = found.release.pretty_name.as_deref().or(found.release.id.as_deref()).unwrap_or("unnamed");
        file.comment(&format!("distribution, {}: {name} ({})", found.how, found.from));
        found.release.clone()
    });
    let release = release.unwrap_or_default();
    file.from(&origin.base, lock.packages.iter().any(|list| matches!(list.manager, Manager::Apk | Manager::Rpm)));
    for list in &lock.packages {
        let base = list.of_base.map_or(String::new(), |count| format!("; {count} more are the base's"));
        let (count, manager, from) = (list.list.len(), list.manager.name(), list.from.join(", "));
        file.text.push('\n');
        file.comment(&format!("{count} packages of {manager}, stated: {from}{base}"));
        match list.manager {
            Manager::Dpkg => file.dpkg(lock, list, &release, components),
            Manager::Apk => file.apk(list),
            Manager::Rpm => file.rpm(list),
            Manager::Pacman => file.pacman(lock, list),
        }
    }
    if !origin.languages.is_empty() {
        let counts = origin.languages.iter().map(|found| format!("{} of {}", found.count, found.ecosystem.name()));
        let counts = counts.collect::<Vec<_>>().join(", ");
        file.text.push('\n');
        file.comment(&format!("packages of languages that are not listed: {counts}"));
    }
    file.text
}

struct Recipe {
    text: String,
}

impl Recipe {
    /// A comment of one line, whatever is in it.
    fn comment(&mut self, text: &str) {
        let _ = writeln!(self.text, "# {}", printable(text.as_bytes()));
    }

    /// An instruction, of words that were checked.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }

    fn from(&mut self, bases: &[BaseOf], in_stages: bool) {
        let named = |base: &&BaseOf| base.name.is_some();
        let best = bases.iter().find(|base| base.digest.is_some() && named(base)).or_else(|| bases.iter().find(named));
        let best = best.or_else(|| bases.first());
        let stage = if in_stages { " AS base" } else { "" };
        let Some(base) = best else {
            self.comment("base: nothing in the image names it; name it with --build-arg BASE=NAME@DIGEST");
            self.line(&format!("ARG BASE\nFROM ${{BASE}}{stage}"));
            return;
        };
        self.comment(&format!("base, {}: {}", base.how, base.from));
        // A name was checked when it was read; it is once more where it is written.
        let name = base.name.as_deref().and_then(ImageName::parse);
        match (name, base.digest) {
            (Some(name), Some(digest)) => self.line(&format!("FROM {}@{digest}{stage}", name.asked_as_written())),
            (Some(name), None) => {
                self.comment("its digest is not known: it is not pinned");
                self.line(&format!("FROM {}{stage}", name.asked_as_written()));
            }
            (None, Some(digest)) => {
                self.comment("its name is not known: name its repository with --build-arg BASE=NAME");
                self.line(&format!("ARG BASE\nFROM ${{BASE}}@{digest}{stage}"));
            }
            (None, None) => self.line(&format!("ARG BASE\nFROM ${{BASE}}{stage}")),
        }
    }

    /// The date of the snapshot as an argument, in a form of `chrono`; false where none is known.
    fn snapshot(&mut self, lock: &LockDocument, form: &str) -> bool {
        let snapshot = &lock.origin.snapshot;
        let (Some(seconds), Some(how)) = (snapshot.seconds, snapshot.how) else {
            self.comment("no date of a snapshot is known");
            return false;
        };
        let Some(date) =
            DateTime::from_timestamp(seconds, 0).filter(|date| (0..253_402_300_800).contains(&date.timestamp()))
        else {
            self.comment("the date of the snapshot is none that can be asked for");
            return false;
        };
        let from = snapshot.from.as_deref().unwrap_or_default();
        self.comment(&format!("snapshot, {how}: {from}"));
        let bound = |word: &str, date: &Option<String>| date.as_ref().map(|date| format!("not {word} than {date}"));
        let bounds = [bound("earlier", &snapshot.not_before), bound("later", &snapshot.not_after)];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        if how != How::Stated && !bounds.is_empty() {
            self.comment(&format!("it is {}", bounds.join(", ")));
        }
        for text in &snapshot.contradictions {
            self.comment(&format!("but {text}"));
        }
        self.line(&format!("ARG SNAPSHOT={}", date.format(form)));
        true
    }

    fn dpkg(&mut self, lock: &LockDocument, list: &PackageList, release: &OsRelease, components: &BTreeSet<String>) {
        if list.from.iter().all(|from| from.ends_with("/status.d")) {
            self.comment("they were unpacked without dpkg: packages.dpkg lists them for apt-get download and dpkg -x");
            return;
        }
        let is_ubuntu = release.id.as_deref() == Some("ubuntu");
        let is_debian = release.id.as_deref() == Some("debian");
        let is_suite =
            |name: &&str| (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase());
        match release.version_codename.as_deref().filter(is_suite).filter(|_| is_ubuntu || is_debian) {
            Some(suite) => {
                if self.snapshot(lock, "%Y%m%dT%H%M%SZ") {
                    self.sources(suite, is_ubuntu, components);
                }
            }
            None => {
                self.comment("the distribution is none with a snapshot that is known here: the lists of archives stay")
            }
        }
        let words = self.words(list, |package| format!("{}={}", package.name, package.version));
        self.run(
            &["apt-get update"],
            "apt-get install -y --no-install-recommends --allow-downgrades",
            &words,
            &["rm -rf /var/lib/apt/lists/*"],
        );
    }

    fn sources(&mut self, suite: &str, is_ubuntu: bool, components: &BTreeSet<String>) {
        let mut listed: Vec<&str> = components.iter().map(String::as_str).collect();
        if listed.is_empty() {
            self.comment("components, guess: the image has no list of archives");
            listed.push("main");
            listed.extend(is_ubuntu.then_some("universe"));
        }
        let components = listed.join(" ");
        let suites = [suite.to_owned(), format!("{suite}-updates"), format!("{suite}-security")];
        if is_ubuntu {
            self.comment("apt 2.9 and later take it without lists: apt-get install --snapshot ${SNAPSHOT}");
        }
        let entries = suites.iter().map(|suite| {
            let archive = match (is_ubuntu, suite.ends_with("-security")) {
                (true, _) => "http://snapshot.ubuntu.com/ubuntu",
                (false, true) => "http://snapshot.debian.org/archive/debian-security",
                (false, false) => "http://snapshot.debian.org/archive/debian",
            };
            format!("    \"deb [check-valid-until=no] {archive}/${{SNAPSHOT}} {suite} {components}\" \\\n")
        });
        let entries: String = entries.collect();
        self.line(&format!(
            "RUN rm -f /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources \\\n && printf '%s\\n' \\\n\
             {entries}    > /etc/apt/sources.list"
        ));
    }

    /// Alpine's repositories keep the newest version alone, so the packages are kept.
    fn apk(&mut self, list: &PackageList) {
        let words = self.words(list, |package| format!("{}={}", package.name, package.version));
        self.comment("repositories keep the newest versions alone: keep what the stage `packages` has fetched");
        self.line("FROM base AS packages");
        self.run(&["mkdir -p /etc/apk/cache"], "apk add --update-cache", &words, &[]);
        self.line("FROM base");
        let mount = "--mount=type=bind,from=packages,source=/etc/apk/cache,target=/etc/apk/cache,rw ";
        self.run(&[&format!("{mount}true")], "apk add --no-network", &words, &[]);
    }

    fn rpm(&mut self, list: &PackageList) {
        let words =
            self.words(list, |package| format!("{}-{}.{}", package.name, package.version, package.architecture));
        self.comment("repositories drop old versions: keep what the stage `packages` has fetched");
        self.line("FROM base AS packages");
        self.run(&[], "dnf -y install --downloadonly --setopt=keepcache=True --setopt=cachedir=/packages", &words, &[]);
        self.line("FROM base");
        let mount = "--mount=type=bind,from=packages,source=/packages,target=/packages,rw ";
        self.run(&[&format!("{mount}true")], "dnf -y install --cacheonly --setopt=cachedir=/packages", &words, &[]);
    }

    /// pacman takes no versions: the date of the archive decides.
    fn pacman(&mut self, lock: &LockDocument, list: &PackageList) {
        let words = self.words(list, |package| package.name.clone());
        if !self.snapshot(lock, "%Y/%m/%d") {
            return;
        }
        let server = "\"Server=https://archive.archlinux.org/repos/${SNAPSHOT}/\"'$repo/os/$arch'";
        let mirror = format!("printf '%s\\n' {server} > /etc/pacman.d/mirrorlist");
        self.run(&[&mirror, "pacman -Syyuu --noconfirm"], "pacman -S --needed --noconfirm", &words, &[]);
    }

    /// The words that name packages. One that is not of the grammar is left out, and named.
    fn words(&mut self, list: &PackageList, word: impl Fn(&Package) -> String) -> Vec<String> {
        let mut words = Vec::new();
        for package in &list.list {
            let word = word(package);
            if is_word(&word) {
                words.push(format!("'{word}'"));
            } else {
                self.comment(&format!("left out, since its name is none of a package: {word}"));
            }
        }
        words
    }

    /// One instruction: commands of our own before and after one with these words.
    fn run(&mut self, before: &[&str], command: &str, words: &[String], after: &[&str]) {
        if words.is_empty() {
            self.comment("nothing is to be installed");
            return;
        }
        let mut parts: Vec<String> = before.iter().map(|part| (*part).to_owned()).collect();
        let words: String = words.iter().map(|word| format!(" \\\n    {word}")).collect();
        parts.push(format!("{command}{words}"));
        parts.extend(after.iter().map(|part| (*part).to_owned()));
        self.line(&format!("RUN {}", parts.join(" \\\n && ")));
    }
}

/// Letters, digits and what names and versions of packages have besides; no option.
fn is_word(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.:=@_~^".contains(&byte);
    !word.starts_with('-') && word.bytes().all(fits)
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
