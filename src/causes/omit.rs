//! What `rewrite --omit` leaves out of an image: files whose absence is harmless by the documentation of the tool that
//! owns them.
//!
//! Programs create their logs and caches again when they are missing. What changes the behaviour of a program
//! where it is missing is not here: not `var/lib/apt/lists`, which is apt's state and which `apt-get install` needs; not
//! `faillog`, which holds limits; no bytecode and no caches of fonts, whose times follow; no modules that run from a cache
//! (npx, corepack, uv, Cargo, Maven), and nothing of a log directory as a whole, as images put links to standard output
//! there.

use std::fmt;

use super::{look_up, relative};

/// A list of what may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Omit {
    /// Logs of known tools.
    Logs,
    /// Caches of known tools.
    Caches,
}

impl Omit {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Logs, Self::Caches];

    /// Its name, as options and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Caches => "caches",
        }
    }
}

impl fmt::Display for Omit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why the files of a cause may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Omission {
    /// By which list.
    pub list: Omit,
    /// Where the documentation of the tool says that they may be missing.
    pub source: &'static str,
}

impl Omission {
    pub(super) const fn new(list: Omit, source: &'static str) -> Self {
        Self { list, source }
    }
}

/// The cause of a file that this list leaves out; `None` for all others. The path is that of a regular file in the root
/// filesystem, and may begin with `/` or `./`.
///
/// It says nothing of directories, links and whiteouts, which stay whatever they are called.
pub fn omitted(list: Omit, path: &[u8]) -> Option<&'static str> {
    let path = relative(path);
    let is_plain = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.starts_with(b".wh.");
    if !path.split(|byte| *byte == b'/').all(is_plain) {
        return None;
    }
    let cause = look_up(path)?;
    cause.omit.filter(|omission| omission.list == list).map(|_| cause.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::CAUSES;

    #[test]
    fn logs_and_caches_of_known_tools_are_left_out() {
        let logs = |path: &str| omitted(Omit::Logs, path.as_bytes());
        let caches = |path: &str| omitted(Omit::Caches, path.as_bytes());
        for (path, cause) in [
            ("var/log/dpkg.log", "dpkg-log"),
            ("/var/log/apt/history.log", "dpkg-log"),
            ("./var/log/apt/eipp.log.xz", "dpkg-log"),
            ("var/log/bootstrap.log", "dpkg-log"),
            ("var/log/fontconfig.log", "fontconfig-log"),
            ("var/log/wtmp", "login-log"),
            ("var/log/dnf.rpm.log", "dnf-log"),
            ("home/node/.npm/_logs/2025-10-09T08_53_20_123Z-debug-0.log", "npm-log"),
        ] {
            assert_eq!((logs(path), caches(path)), (Some(cause), None), "{path}");
        }
        for (path, cause) in [
            ("var/cache/ldconfig/aux-cache", "ldconfig-aux-cache"),
            ("var/cache/apt/pkgcache.bin", "apt-cache"),
            ("var/cache/apt/archives/jq_1.7-1_amd64.deb", "apt-cache"),
            ("var/lib/dpkg/status-old", "package-backup"),
            ("var/cache/debconf/templates.dat-old", "package-backup"),
            ("var/cache/man/de/index.db", "man-db"),
            ("root/.cache/pip/http-v2/a/b", "pip-cache"),
            ("root/.npm/_cacache/index-v5/0", "npm-content-cache"),
            ("usr/local/share/.cache/yarn/v6/x", "yarn-cache"),
            ("root/.cache/go-build/00/x", "go-build-cache"),
            ("var/cache/dnf/x.solv", "dnf-cache"),
            ("var/cache/apk/APKINDEX.0123abcd.tar.gz", "apk-cache"),
        ] {
            assert_eq!((logs(path), caches(path)), (None, Some(cause)), "{path}");
        }
    }

    #[test]
    fn what_a_program_needs_stays() {
        for path in [
            // A program, or the next installation, reads these.
            "var/lib/apt/lists/deb.debian.org_debian_dists_trixie_InRelease",
            "var/cache/debconf/config.dat",
            "var/cache/debconf/passwords.dat",
            "var/cache/apt/archives/lock",
            "var/lib/dpkg/status",
            "var/lib/dpkg/statoverride",
            "var/log/faillog",
            "var/log/lastlog",
            "etc/ld.so.cache",
            "root/.npm/_npx/0123/node_modules/x/cli.js",
            "root/.npmrc",
            "root/.cache/uv/archive-v0/x/lib.py",
            "root/go/pkg/mod/cache/download/x.zip",
            "usr/local/cargo/registry/src/x/lib.rs",
            "root/.m2/repository/x/1/x.jar",
            "root/.cache/ms-playwright/chromium/chrome",
            // Their times follow.
            "usr/lib/python3/__pycache__/os.cpython-311.pyc",
            "var/cache/fontconfig/x-le64.cache-8",
            // Images make links to standard output of these.
            "var/log/nginx/access.log",
            "var/log/apache2/error.log",
            "usr/share/icons/hicolor/icon-theme.cache",
            "tmp/x",
            // No path in the root filesystem, or not that of a file.
            "var/log/apt/../../../etc/passwd",
            "var/cache/apt//x",
            "var/cache/apt/",
            "var/cache/apt/.wh.pkgcache.bin",
            "var/cache/apt/.wh..wh..opq",
            "rootfs/var/log/dpkg.log",
            "usr/share/factory/var/log/dpkg.log",
            "opt/var/log/dpkg.log",
            "",
        ] {
            for list in Omit::ALL {
                assert_eq!(omitted(list, path.as_bytes()), None, "{path}");
            }
        }
    }

    #[test]
    fn every_row_that_may_be_left_out_says_where_that_is_documented() {
        for cause in CAUSES.iter().filter(|cause| cause.omit.is_some()) {
            let omission = cause.omit.unwrap();
            assert!(!cause.paths.is_empty() && !omission.source.is_empty(), "{}", cause.id);
            assert_eq!(cause.mends, Some(format!("rewrite --omit {}", omission.list)).as_deref(), "{}", cause.id);
            assert_eq!(cause.class, crate::causes::Class::LogOrCache, "{}", cause.id);
        }
    }
}
