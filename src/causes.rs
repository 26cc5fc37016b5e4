//! Why builds of one source differ: the known causes, as data.
//!
//! `diff` names the cause of a difference, `inspect` warns of the same in one image. The table is [`CAUSES`]; a new
//! cause is a new row. What is in a file is never looked at here: a row says by which path or command one knows it.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use globset::{GlobBuilder, GlobSet};

/// What kind of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Something that runs, is read, or is granted differs; none of the others.
    Content,
    /// The content differs only in timestamps inside of it.
    EmbeddedTime,
    /// The record that a package manager keeps of what it installed.
    PackageDb,
    /// A log, a cache, or something left behind by a build step.
    LogOrCache,
    /// The name of an image: tags, reference names.
    Name,
    /// A whiteout that hides nothing.
    Whiteout,
    /// The spelling: tar dialect, media type, JSON.
    Format,
    /// How a layer is compressed.
    Compression,
    /// The same in another order.
    Order,
    /// A timestamp that rewriting replaces.
    Time,
}

impl Class {
    /// All of them; what matters most comes first.
    pub const ALL: [Self; 10] = [
        Self::Content,
        Self::EmbeddedTime,
        Self::PackageDb,
        Self::LogOrCache,
        Self::Name,
        Self::Whiteout,
        Self::Format,
        Self::Compression,
        Self::Order,
        Self::Time,
    ];

    /// Its name, as options and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::EmbeddedTime => "embedded-time",
            Self::PackageDb => "package-db",
            Self::LogOrCache => "log-or-cache",
            Self::Name => "name",
            Self::Whiteout => "whiteout",
            Self::Format => "format",
            Self::Compression => "compression",
            Self::Order => "order",
            Self::Time => "time",
        }
    }

    /// The class of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A known cause.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its name: stable, for reports and policies.
    pub id: &'static str,
    /// The class of a file whose content differs for this cause.
    pub class: Class,
    /// Files it is found in: globs of paths without a leading slash; `*` stays within a directory, `**` does not.
    pub paths: &'static [&'static str],
    /// Commands that bring it about: words that a history entry contains, all of them, in any order.
    pub commands: &'static [&'static [&'static str]],
    /// What it is.
    pub what: &'static str,
    /// How a Dockerfile avoids it.
    pub advice: &'static str,
}

impl Cause {
    /// Is it known by a path alone, so that one image is enough to warn of it?
    pub fn is_of_paths(&self) -> bool {
        !self.paths.is_empty()
    }
}

const fn row(
    id: &'static str,
    class: Class,
    paths: &'static [&'static str],
    what: &'static str,
    advice: &'static str,
) -> Cause {
    Cause { id, class, paths, commands: &[], what, advice }
}

const fn command(
    id: &'static str,
    class: Class,
    commands: &'static [&'static [&'static str]],
    what: &'static str,
    advice: &'static str,
) -> Cause {
    Cause { id, class, paths: &[], commands, what, advice }
}

/// The table. Of several rows that fit a path the first counts, so the special ones stand before the general ones.
pub static CAUSES: &[Cause] = &[
    row(
        "ldconfig-aux-cache",
        Class::LogOrCache,
        &["var/cache/ldconfig/aux-cache"],
        "ldconfig's cache, which holds inode numbers and ctimes",
        "rm -f /var/cache/ldconfig/aux-cache at the end of the RUN that installs libraries",
    ),
    row(
        "dpkg-log",
        Class::LogOrCache,
        &["var/log/dpkg.log", "var/log/alternatives.log", "var/log/apt/**", "var/log/bootstrap.log"],
        "logs of dpkg and apt with the time of every action",
        "rm -rf /var/log/dpkg.log /var/log/alternatives.log /var/log/apt in the same RUN as apt-get",
    ),
    row(
        "apt-lists",
        Class::LogOrCache,
        &["var/lib/apt/lists/**"],
        "apt's package lists as they were on the day of the build",
        "rm -rf /var/lib/apt/lists/* in the same RUN, or install from snapshot.debian.org",
    ),
    row(
        "apt-cache",
        Class::LogOrCache,
        &["var/cache/apt/**", "var/cache/debconf/**", "var/lib/dpkg/*-old", "var/backups/**"],
        "caches and backups of apt, debconf and dpkg",
        "apt-get clean and rm -rf /var/cache/debconf/*-old /var/lib/dpkg/*-old in the same RUN, or a cache mount",
    ),
    row(
        "dnf-log",
        Class::LogOrCache,
        &["var/log/dnf*", "var/log/yum*", "var/log/hawkey.log", "var/lib/dnf/**", "var/lib/yum/**"],
        "logs and the transaction history of dnf, yum or zypper",
        "rm -rf /var/log/dnf* /var/lib/dnf/history* in the same RUN",
    ),
    row(
        "dnf-cache",
        Class::LogOrCache,
        &["var/cache/dnf/**", "var/cache/yum/**", "var/cache/libdnf5/**", "var/cache/zypp/**"],
        "caches of dnf, yum or zypper",
        "dnf clean all in the same RUN, or a cache mount",
    ),
    row(
        "apk-cache",
        Class::LogOrCache,
        &["var/cache/apk/**", "etc/apk/cache/**", "lib/apk/db/lock", "var/log/apk.log"],
        "apk's cache, lock and log",
        "apk add --no-cache",
    ),
    row(
        "pacman-cache",
        Class::LogOrCache,
        &["var/cache/pacman/**", "var/log/pacman.log", "var/lib/pacman/sync/**"],
        "pacman's cache, log and package lists",
        "pacman -Scc and rm -f /var/log/pacman.log in the same RUN",
    ),
    row(
        "font-cache",
        Class::LogOrCache,
        &["var/cache/fontconfig/**", "**/.uuid", "**/fonts.cache-*"],
        "fontconfig's cache, which holds directory times and random names",
        "rm -rf /var/cache/fontconfig in the same RUN",
    ),
    row(
        "man-db",
        Class::LogOrCache,
        &["var/cache/man/**", "**/index.db"],
        "man-db's index",
        "rm -rf /var/cache/man, or don't install manual pages",
    ),
    row(
        "machine-id",
        Class::Content,
        &["etc/machine-id", "var/lib/dbus/machine-id"],
        "a random identity that systemd or dbus made up at installation",
        ": > /etc/machine-id && rm -f /var/lib/dbus/machine-id; one is made at first boot",
    ),
    row(
        "host-key",
        Class::Content,
        &["etc/ssh/ssh_host_*", "etc/ssl/private/ssl-cert-snakeoil.key", "etc/ssl/certs/ssl-cert-snakeoil.pem"],
        "a secret key generated at installation, the same in every container of the image",
        "remove it in the same RUN and make it when the container starts",
    ),
    row(
        "random-seed",
        Class::Content,
        &["var/lib/systemd/random-seed", "var/lib/urandom/random-seed", "**/.rnd"],
        "random bytes",
        "remove it in the same RUN",
    ),
    row(
        "shadow-day",
        Class::Content,
        &["etc/shadow", "etc/shadow-", "etc/gshadow-", "etc/passwd-", "etc/group-"],
        "the day of a password's last change, which useradd and passwd write",
        "set SOURCE_DATE_EPOCH for the RUN (shadow 4.9 and later honours it), or chage -d 0 USER",
    ),
    row(
        "apk-world",
        Class::PackageDb,
        &["etc/apk/world"],
        "apk's list of what was asked for; a virtual package such as .rundeps has the build's time for a version",
        "apk add --virtual .rundeps=1 gives the virtual package a version of your own",
    ),
    row(
        "apk-scripts",
        Class::PackageDb,
        &["lib/apk/db/scripts.tar", "lib/apk/db/scripts.tar.gz", "usr/lib/apk/db/scripts.tar*"],
        "apk's archive of install scripts, whose entries have the time of the installation",
        "apk-tools 2.14.5 and later with SOURCE_DATE_EPOCH set, or install in the base image only",
    ),
    row(
        "apk-installed",
        Class::PackageDb,
        &["lib/apk/db/*", "usr/lib/apk/db/*"],
        "apk's database; virtual packages such as .rundeps have the build's time for a version",
        "pin versions (apk add PACKAGE=VERSION) and give virtual packages one (--virtual .rundeps=1)",
    ),
    row(
        "dpkg-status",
        Class::PackageDb,
        &["var/lib/dpkg/**", "var/lib/apt/extended_states"],
        "dpkg's database",
        "pin versions, or install from snapshot.debian.org",
    ),
    row(
        "rpm-db",
        Class::PackageDb,
        &["var/lib/rpm/**", "usr/lib/sysimage/rpm/**", "usr/share/rpm/**"],
        "rpm's database, which holds times of installation and transaction numbers",
        "set SOURCE_DATE_EPOCH for the RUN (rpm 4.18 and later honours it), or pin and install in the base image only",
    ),
    row(
        "pacman-db",
        Class::PackageDb,
        &["var/lib/pacman/local/**"],
        "pacman's database, which holds times of installation",
        "install in the base image only",
    ),
    row(
        "pip-direct-url",
        Class::PackageDb,
        &["**/*.dist-info/direct_url.json", "**/*.dist-info/RECORD"],
        "pip's record of where a package came from: a directory that a build made up, or a commit",
        "install from a fixed directory, or a wheel by name and version",
    ),
    row(
        "pip-cache",
        Class::LogOrCache,
        &["root/.cache/pip/**", "home/*/.cache/pip/**", "root/.cache/uv/**", "root/.cache/pypoetry/**"],
        "caches of pip, uv or poetry",
        "pip install --no-cache-dir, or a cache mount",
    ),
    row(
        "pyc",
        Class::Content,
        &["**/*.pyc", "**/*.pyo"],
        "Python bytecode: its header holds the source's mtime, its body may depend on the order of sets",
        "PYTHONDONTWRITEBYTECODE=1, or python -m compileall --invalidation-mode unchecked-hash",
    ),
    row(
        "npm-cache",
        Class::LogOrCache,
        &[
            "root/.npm/**",
            "home/*/.npm/**",
            "**/node_modules/.cache/**",
            "**/.yarn-integrity",
            "usr/local/share/.cache/yarn/**",
            "tmp/v8-compile-cache*/**",
        ],
        "caches and logs of npm or yarn",
        "npm ci && npm cache clean --force in the same RUN, or a cache mount",
    ),
    row(
        "npm-lock",
        Class::PackageDb,
        &["**/node_modules/.package-lock.json", "**/node_modules/.modules.yaml"],
        "the package manager's record of what it installed",
        "npm ci with a lock file",
    ),
    row(
        "gem-cache",
        Class::LogOrCache,
        &["**/gem_make.out", "**/mkmf.log", "**/gems/**/cache/*.gem", "root/.bundle/cache/**", "root/.gem/specs/**"],
        "logs and caches of gem and bundler",
        "gem install --no-document, and rm -rf \"$(gem env gemdir)\"/cache in the same RUN",
    ),
    row(
        "go-cache",
        Class::LogOrCache,
        &["root/.cache/go-build/**", "go/pkg/mod/cache/**", "root/go/pkg/mod/cache/**"],
        "Go's caches",
        "build in a stage of its own and copy the binary, or a cache mount",
    ),
    row(
        "cargo-cache",
        Class::LogOrCache,
        &["**/.cargo/registry/**", "usr/local/cargo/registry/**", "**/.package-cache", "**/.crates2.json"],
        "Cargo's caches",
        "build in a stage of its own and copy the binary, or a cache mount",
    ),
    row(
        "java-cache",
        Class::LogOrCache,
        &["root/.m2/**", "root/.gradle/**"],
        "caches of Maven or Gradle",
        "build in a stage of its own and copy the result, or a cache mount",
    ),
    row(
        "java-keystore",
        Class::Content,
        &["etc/ssl/certs/java/cacerts", "**/lib/security/cacerts", "etc/pki/ca-trust/extracted/java/cacerts"],
        "Java's key store, which holds the time at which every certificate was imported",
        "set SOURCE_DATE_EPOCH (ca-certificates-java 20230710 and later), or copy a fixed file",
    ),
    row(
        "php-cache",
        Class::LogOrCache,
        &["root/.composer/**", "root/.pearrc", "usr/local/lib/php/.registry/**", "tmp/pear/**"],
        "caches and the registry of composer or pear",
        "composer install --no-cache, and rm -rf /tmp/pear in the same RUN",
    ),
    row(
        "git",
        Class::Content,
        &["**/.git/index", "**/.git/logs/**", "**/.git/objects/pack/**", "**/.git/FETCH_HEAD", "**/.git/ORIG_HEAD"],
        "a clone's own state: inode numbers and times in the index, the order of a pack",
        "list .git in .dockerignore, or rm -rf .git in the RUN that clones",
    ),
    row("system-log", Class::LogOrCache, &["var/log/**", "run/log/**"], "a log", "remove it in the RUN that writes it"),
    row(
        "mktemp",
        Class::LogOrCache,
        &["**/tmp.??????????", "**/tmp.??????????/**", "tmp/**", "var/tmp/**", "**/tmp??????????"],
        "a temporary file left behind, often with a random name",
        "remove it in the RUN that makes it, or --mount=type=tmpfs,target=/tmp",
    ),
    row(
        "home-cache",
        Class::LogOrCache,
        &["root/.cache/**", "home/*/.cache/**", "root/.wget-hsts", "root/.*_history", "root/.viminfo", "root/.lesshst"],
        "a cache or history in a home directory",
        "remove it in the RUN that writes it",
    ),
    row("system-cache", Class::LogOrCache, &["var/cache/**"], "a cache", "remove it in the RUN that writes it"),
    row(
        "ld-so-cache",
        Class::LogOrCache,
        &["etc/ld.so.cache"],
        "ldconfig's cache of libraries; it follows the libraries that are there and their order in their directory",
        "compare the libraries first; ldconfig at the end of the last RUN that installs one",
    ),
    command(
        "unpinned-apt",
        Class::PackageDb,
        &[&["apt-get", "install"], &["apt ", "install"], &["apt-get", "upgrade"]],
        "packages are taken from Debian's or Ubuntu's archive as it is on the day of the build",
        "install from a dated snapshot (snapshot.debian.org, snapshot.ubuntu.com)",
    ),
    command(
        "unpinned-apk",
        Class::PackageDb,
        &[&["apk", "add"], &["apk", "upgrade"]],
        "packages are taken from Alpine's repository as it is on the day of the build",
        "pin versions (apk add PACKAGE=VERSION), or keep a mirror",
    ),
    command(
        "unpinned-dnf",
        Class::PackageDb,
        &[&["dnf", "install"], &["yum", "install"], &["dnf", "update"], &["yum", "update"], &["zypper", "in"]],
        "packages are taken from a repository as it is on the day of the build",
        "pin versions, or keep a mirror",
    ),
    command(
        "unpinned-pip",
        Class::PackageDb,
        &[&["pip", "install"]],
        "packages are taken from an index as it is on the day of the build",
        "pip install --require-hashes -r requirements.txt with every version pinned",
    ),
    command(
        "unpinned-npm",
        Class::PackageDb,
        &[&["npm", "install"], &["npm", "i "], &["yarn", "global add"]],
        "packages are taken from a registry as it is on the day of the build",
        "npm ci with a lock file",
    ),
    command(
        "download",
        Class::Content,
        &[&["curl", "http"], &["wget", "http"]],
        "something is downloaded",
        "verify it with sha256sum -c, or ADD --checksum",
    ),
    command(
        "git-clone",
        Class::Content,
        &[&["git", "clone"]],
        "a repository is cloned as it is on the day of the build",
        "check out a commit by its hash, and remove .git",
    ),
];

/// The cause that a path tells of, if it is a known one. The path may begin with `/` or `./`.
pub fn find(path: &[u8]) -> Option<&'static Cause> {
    static TABLE: LazyLock<(GlobSet, Vec<&'static Cause>)> = LazyLock::new(table);
    let path = relative(path);
    let (globs, rows) = &*TABLE;
    let first = globs.matches(OsStr::from_bytes(path)).into_iter().min()?;
    rows.get(first).copied()
}

/// The causes that a command in a history entry tells of.
pub fn find_in_command(command: &str) -> impl Iterator<Item = &'static Cause> {
    let fits = |words: &&[&str]| words.iter().all(|word| command.contains(word));
    CAUSES.iter().filter(move |cause| cause.commands.iter().any(&fits))
}

/// The cause of that name.
pub fn by_id(id: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| cause.id == id)
}

fn relative(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/").or_else(|| path.strip_prefix(b"./")) {
        path = rest;
    }
    path
}

/// All globs in the order of the table, and the row of each.
fn table() -> (GlobSet, Vec<&'static Cause>) {
    let mut globs = GlobSet::builder();
    let mut rows = Vec::new();
    for cause in CAUSES {
        for path in cause.paths {
            // That every glob of the table is one is tested below.
            if let Ok(glob) = GlobBuilder::new(path).literal_separator(true).build() {
                globs.add(glob);
                rows.push(cause);
            }
        }
    }
    (globs.build().unwrap_or_default(), rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn id(path: &str) -> Option<&'static str> {
        find(path.as_bytes()).map(|cause| cause.id)
    }

    #[test]
    fn every_row_is_sound() {
        let (globs, rows) = table();
        let all: usize = CAUSES.iter().map(|cause| cause.paths.len()).sum();
        assert_eq!((globs.len(), rows.len()), (all, all));
        let ids: BTreeSet<_> = CAUSES.iter().map(|cause| cause.id).collect();
        assert_eq!(ids.len(), CAUSES.len(), "an id is used twice");
        for cause in CAUSES {
            assert!(cause.paths.is_empty() != cause.commands.is_empty(), "{}", cause.id);
            assert!(!cause.what.is_empty() && !cause.advice.ends_with('.'), "{}", cause.id);
        }
    }

    #[test]
    fn the_special_row_comes_before_the_general_one() {
        assert_eq!(id("var/cache/ldconfig/aux-cache"), Some("ldconfig-aux-cache"));
        assert_eq!(id("/var/log/dpkg.log"), Some("dpkg-log"));
        assert_eq!(id("./var/log/apt/history.log"), Some("dpkg-log"));
        assert_eq!(id("var/log/nginx/access.log"), Some("system-log"));
        assert_eq!(id("lib/apk/db/scripts.tar"), Some("apk-scripts"));
        assert_eq!(id("lib/apk/db/installed"), Some("apk-installed"));
        assert_eq!(id("usr/lib/python3/site-packages/x-1.dist-info/direct_url.json"), Some("pip-direct-url"));
        assert_eq!(id("opt/tmp.Ab3dEfGh1j"), Some("mktemp"));
        assert_eq!(id("opt/tmp.Ab3dEfGh1j/deep/file"), Some("mktemp"));
        for path in ["usr/bin/env", "etc/machine-id/x", "etc/passwd", "opt/var/log/x", "", "/"] {
            assert_eq!(id(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_of_any_bytes_can_be_asked_for() {
        assert_eq!(find(b"\xff\xfe/\0"), None);
        assert_eq!(find(b"var/log/\xff").map(|cause| cause.id), Some("system-log"));
    }

    #[test]
    fn commands_are_known_by_their_words() {
        let ids = |text: &str| find_in_command(text).map(|cause| cause.id).collect::<Vec<_>>();
        assert_eq!(ids("RUN /bin/sh -c apt-get update && apt-get install -y curl"), ["unpinned-apt"]);
        assert_eq!(ids("RUN curl -fsSL https://example.org/x | tar x"), ["download"]);
        assert_eq!(ids("CMD [\"sh\"]"), Vec::<&str>::new());
    }

    #[test]
    fn classes_are_found_by_name() {
        for class in Class::ALL {
            assert_eq!(Class::by_name(class.name()), Some(class));
        }
        assert!(Class::ALL.is_sorted());
    }
}
