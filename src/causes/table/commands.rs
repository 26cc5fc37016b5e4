//! Commands whose result depends on the day of the build.

use super::{Cause, Class, command};

pub(super) const ROWS: &[Cause] = &[
    command(
        "unpinned-apt",
        Class::PackageDb,
        &[
            &["apt-get ", "install"],
            &["apt ", "install"],
            &["apt-get ", "upgrade"],
            &["apt ", "upgrade"],
            &["apt-get ", "dist-upgrade"],
            &["apt ", "full-upgrade"],
        ],
        "packages are taken from Debian's or Ubuntu's archive as it is on the day of the build",
        "install from a dated snapshot of the archive",
    ),
    command(
        "unpinned-apk",
        Class::PackageDb,
        &[&["apk ", "add "], &["apk ", "upgrade"]],
        "packages are taken from Alpine's repository as it is on the day of the build",
        "pin versions (apk add PACKAGE=VERSION), or keep a mirror",
    ),
    command(
        "unpinned-dnf",
        Class::PackageDb,
        &[
            &["dnf", "install"],
            &["dnf", "up"],
            &["microdnf ", "install"],
            &["microdnf ", "up"],
            &["yum ", "install"],
            &["yum ", "up"],
            &["zypper ", "in"],
            &["zypper ", "up"],
        ],
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
        &[&["npm ", "install"], &["npm ", "i "], &["yarn ", "global ", "add "]],
        "packages are taken from a registry as it is on the day of the build",
        "npm ci with a lock file",
    ),
    command(
        "download",
        Class::Content,
        &[&["curl ", "http://"], &["curl ", "https://"], &["wget ", "http://"], &["wget ", "https://"]],
        "something is downloaded",
        "verify it with sha256sum -c, or ADD --checksum",
    ),
    command(
        "git-clone",
        Class::Content,
        &[&["git ", "clone "]],
        "a repository is cloned as it is on the day of the build",
        "check out a commit by its hash, and remove .git",
    ),
];
