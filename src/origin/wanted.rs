//! Which files of a root filesystem say where it came from, and how much of each is kept.

use crate::origin::Ecosystem;
use crate::packages::{os_release, sources};

/// A file that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it, up to so many bytes.
    Kept(u64),
    /// The date of its newest entry.
    Changelog,
    /// That it is there.
    Counted(Ecosystem),
}

/// The largest database of a package manager.
const DATABASE: u64 = 256 << 20;
/// The largest that is a text, of which all is held while it is read.
pub const TEXT_DATABASE: u64 = 16 << 20;
/// The largest file of one package.
const PACKAGE: u64 = 64 << 10;

/// Where dpkg keeps what is installed.
pub const DPKG_STATUS: &str = "var/lib/dpkg/status";
/// The same in images without dpkg: a file for each package.
pub const DPKG_STATUS_D: &str = "var/lib/dpkg/status.d";
/// Where apk keeps it.
pub const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// Where rpm keeps its databases.
pub const RPM: [&str; 3] = ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"];
/// The forms of rpm's databases: SQLite's, with what is not written into it yet, ndb's and Berkeley DB's.
pub const RPM_FILES: [&str; 4] = ["rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages"];
/// Where pacman keeps it.
pub const PACMAN: &str = "var/lib/pacman/local";
/// What pacman did, and when.
pub const PACMAN_LOG: &str = "var/log/pacman.log";
/// Where a root filesystem says which distribution it is; the first that is there counts (os-release(5)).
pub const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];
/// Lists of archives.
pub const LISTS: [&str; 4] =
    ["etc/apt/sources.list", "etc/pacman.d/mirrorlist", "etc/pacman.conf", "etc/apk/repositories"];
/// Directories with more of them.
pub const LIST_FOLDERS: [&str; 2] = ["etc/apt/sources.list.d", "etc/yum.repos.d"];
/// apt's lists of what archives have.
pub const APT_LISTS: &str = "var/lib/apt/lists";
/// Where Debian's packages keep their changelogs.
pub const DOC: &str = "usr/share/doc";

/// Directories on the way to these, which may be links.
const WAYS: [&str; 28] = [
    "etc",
    "etc/apk",
    "etc/apt",
    "etc/apt/sources.list.d",
    "etc/pacman.d",
    "etc/yum.repos.d",
    "lib",
    "lib/apk",
    "lib/apk/db",
    "usr",
    "usr/lib",
    "usr/lib/apk",
    "usr/lib/apk/db",
    "usr/lib/sysimage",
    "usr/lib/sysimage/rpm",
    "usr/share",
    "usr/share/doc",
    "usr/share/rpm",
    "var",
    "var/lib",
    "var/lib/apt",
    "var/lib/apt/lists",
    "var/lib/dpkg",
    "var/lib/dpkg/status.d",
    "var/lib/pacman",
    "var/lib/pacman/local",
    "var/lib/rpm",
    "var/log",
];

/// What of this file is wanted.
pub fn wanted(path: &[u8]) -> Option<Wanted> {
    let Ok(text) = std::str::from_utf8(path) else { return by_name(path).map(Wanted::Counted) };
    // `lib` is a link to `usr/lib` in most distributions, and a layer may name either.
    let (folder, base) = text.rsplit_once('/').unwrap_or(("", text));
    let under = |folders: &[&str]| folders.contains(&folder);
    let changelog =
        || folder.rsplit_once('/').is_some_and(|(parent, _)| parent == DOC) && base.starts_with("changelog");
    Some(match text {
        DPKG_STATUS => Wanted::Kept(TEXT_DATABASE),
        PACMAN_LOG => Wanted::Kept(0),
        _ if APK.contains(&text) => Wanted::Kept(TEXT_DATABASE),
        _ if OS_RELEASE.contains(&text) || text == "lib/os-release" => Wanted::Kept(os_release::MAX_BYTES),
        _ if LISTS.contains(&text) => Wanted::Kept(sources::MAX_BYTES),
        _ if under(&LIST_FOLDERS) && [".list", ".sources", ".repo"].iter().any(|end| base.ends_with(end)) => {
            Wanted::Kept(sources::MAX_BYTES)
        }
        _ if under(&RPM) && RPM_FILES.contains(&base) => match base {
            "rpmdb.sqlite" => Wanted::Kept(DATABASE),
            // That they are there is enough.
            _ => Wanted::Kept(0),
        },
        _ if folder == "lib/sysimage/rpm" && base == "rpmdb.sqlite" => Wanted::Kept(DATABASE),
        _ if folder == APT_LISTS && base.ends_with("_Packages") => Wanted::Kept(DATABASE),
        _ if folder == DPKG_STATUS_D && !base.ends_with(".md5sums") => Wanted::Kept(PACKAGE),
        _ if base == "desc" && folder.rsplit_once('/').is_some_and(|(parent, _)| parent == PACMAN) => {
            Wanted::Kept(PACKAGE)
        }
        _ if base.ends_with(".gz") && changelog() => Wanted::Changelog,
        _ => Wanted::Counted(by_name(path)?),
    })
}

/// Is it a directory on the way to such files?
pub fn is_way(path: &[u8]) -> bool {
    WAYS.iter().any(|way| way.as_bytes() == path)
}

/// A file that each package of a language has once.
fn by_name(path: &[u8]) -> Option<Ecosystem> {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (base, folder, above) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    match base {
        b"METADATA" if folder.ends_with(b".dist-info") => Some(Ecosystem::Python),
        b"PKG-INFO" if folder.ends_with(b".egg-info") => Some(Ecosystem::Python),
        b"package.json" => {
            let is_scope = above.starts_with(b"@") && parts.next() == Some(b"node_modules");
            (above == b"node_modules" || is_scope).then_some(Ecosystem::Npm)
        }
        _ if base.ends_with(b".gemspec") && folder == b"specifications" => Some(Ecosystem::Gem),
        b"Cargo.toml" if above.starts_with(b"index.crates.io-") || above.starts_with(b"github.com-") => {
            Some(Ecosystem::Cargo)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_chosen_by_path() {
        for (path, what) in [
            ("var/lib/dpkg/status", Some(Wanted::Kept(TEXT_DATABASE))),
            ("var/lib/dpkg/status-old", None),
            ("var/lib/dpkg/status.d/base", Some(Wanted::Kept(PACKAGE))),
            ("var/lib/dpkg/status.d/base.md5sums", None),
            ("var/lib/rpm/Packages", Some(Wanted::Kept(0))),
            ("usr/share/doc/bash/changelog.Debian.gz", Some(Wanted::Changelog)),
            ("usr/share/doc/changelog.gz", None),
            ("var/lib/pacman/local/bash-5.2-1/desc", Some(Wanted::Kept(PACKAGE))),
            ("var/lib/pacman/local/desc", None),
            ("app/node_modules/x/package.json", Some(Wanted::Counted(Ecosystem::Npm))),
            ("app/node_modules/@a/x/package.json", Some(Wanted::Counted(Ecosystem::Npm))),
            ("app/node_modules/x/lib/package.json", None),
            ("usr/lib/python3/dist-packages/x-1.dist-info/METADATA", Some(Wanted::Counted(Ecosystem::Python))),
            ("usr/lib/ruby/specifications/x-1.gemspec", Some(Wanted::Counted(Ecosystem::Gem))),
            ("root/.cargo/registry/src/index.crates.io-6f17/x-1/Cargo.toml", Some(Wanted::Counted(Ecosystem::Cargo))),
        ] {
            assert_eq!(wanted(path.as_bytes()), what, "{path}");
        }
    }
}
