//! Causes that a path tells of: for each row of the table the files that it names, as two builds leave them.

use globset::GlobBuilder;
use restamp::causes::{CAUSES, Cause};

use super::Made;
use crate::diff::T;
use crate::diff::formats::gz;
use crate::support::tarball::{Entry, tar};
use crate::support::{date, noise, sha256_hex};

/// When a build ran, and by what dice.
struct Build {
    seconds: i64,
    seed: u64,
}

impl Build {
    const BOTH: [Self; 2] = [Self { seconds: T, seed: 1 }, Self { seconds: T + 90_061, seed: 2 }];

    /// As logs write it.
    fn time(&self) -> String {
        date(self.seconds, 0).replace('T', " ").trim_end_matches('Z').to_owned()
    }

    fn day(&self) -> i64 {
        self.seconds / 86_400
    }

    fn hex(&self, length: usize) -> String {
        sha256_hex(&noise(32, self.seed))[..length].to_owned()
    }

    /// What mktemp and its like put into a name.
    fn word(&self, length: usize) -> String {
        let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
        noise(length, self.seed).iter().map(|byte| char::from(letters[usize::from(*byte) % letters.len()])).collect()
    }

    fn bytes(&self, magic: &[u8]) -> Vec<u8> {
        [magic, &noise(120, self.seed)].concat()
    }
}

/// A file of a build, and what is found of it: the class if it is not the cause's, what stands behind the path, the
/// field. `None` where it has another name in every build.
struct Sample {
    path: String,
    data: Vec<u8>,
    class: Option<&'static str>,
    /// Another cause, that the content shows.
    cause: Option<&'static str>,
    inside: &'static str,
    field: &'static str,
}

fn file(path: impl Into<String>, data: impl AsRef<[u8]>) -> Sample {
    Sample { path: path.into(), data: data.as_ref().to_vec(), class: None, cause: None, inside: "", field: "content" }
}

/// Of this one only a time differs.
fn timed(path: &str, data: Vec<u8>, inside: &'static str, field: &'static str) -> Sample {
    Sample { class: Some("embedded-time"), inside, field, ..file(path, data) }
}

/// Every build makes up a new name for it.
fn random(path: String, data: &str) -> Sample {
    Sample { field: "entry", ..file(path, data) }
}

/// A path that a glob fits; none for those of folders.
pub fn example(glob: &str) -> Option<String> {
    let sets = ["[a-z0-9_]", "[0-9a-f]"];
    let path = glob.replace("~/", "root/").replace("**/", "deep/").replace("**", "f").replace('*', "f");
    let path = sets.iter().fold(path, |path, set| path.replace(set, "7")).replace('?', "7");
    (!FOLDERS.contains(&glob)).then_some(path)
}

/// Rows name these as folders.
const FOLDERS: [&str; 7] = ["proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue", "run"];

fn fits(glob: &str, path: &str) -> bool {
    let glob = glob.replace("~/", "{root,home/*}/");
    GlobBuilder::new(&glob).literal_separator(true).build().unwrap().compile_matcher().is_match(path)
}

/// The files of a cause: those that are made like real ones, and one for every other glob.
fn files(cause: &Cause, b: &Build) -> Vec<Sample> {
    let mut all = real_files(cause.id, b);
    let missing: Vec<&str> =
        cause.paths.iter().copied().filter(|glob| !all.iter().any(|sample| fits(glob, &sample.path))).collect();
    all.extend(missing.into_iter().filter_map(example).map(|path| file(path, format!("of a build {}\n", b.hex(32)))));
    all
}

fn real_files(cause: &str, b: &Build) -> Vec<Sample> {
    let (time, hex) = (b.time(), b.hex(32));
    let log = |path: &str| file(path, format!("{time} status installed libc6:amd64 2.41-12\n"));
    let binary = |path: &str| file(path, b.bytes(b"\0cache\0"));
    let sqlite = |path: &str| file(path, b.bytes(b"SQLite format 3\0"));
    let line = |path: &str, text: &str| file(path, format!("{text} {hex}\n"));
    match cause {
        "ldconfig-aux-cache" => vec![binary("var/cache/ldconfig/aux-cache")],
        "dpkg-log" => vec![
            log("var/log/dpkg.log"),
            log("var/log/alternatives.log"),
            log("var/log/bootstrap.log"),
            file("var/log/apt/history.log", format!("\nStart-Date: {time}\nCommandline: apt-get install -y jq\n")),
        ],
        "apt-lists" => vec![file(
            "var/lib/apt/lists/debian_dists_trixie_InRelease",
            format!("Origin: Debian\nDate: {}\n", date(b.seconds, 0)),
        )],
        "apt-cache" => vec![binary("var/cache/apt/pkgcache.bin")],
        "package-backup" => {
            vec![line("var/cache/debconf/config.dat-old", "Name:"), line("var/lib/dpkg/status-old", "Package: jq")]
        }
        "debconf-cache" => {
            let backup = gz(b"Package: jq\n", b.seconds as u32);
            vec![timed("var/backups/dpkg.status.1.gz", backup, "", "gzip MTIME")]
        }
        "dnf-log" => vec![log("var/log/dnf.rpm.log"), log("var/log/yum.log"), log("var/log/hawkey.log")],
        "dnf-cache" => {
            ["var/cache/dnf/x.solv", "var/cache/yum/x.solv", "var/cache/libdnf5/x.solv", "var/cache/zypp/solv/x"]
                .into_iter()
                .map(binary)
                .collect()
        }
        "apk-cache" => vec![binary("var/cache/apk/APKINDEX.0123abcd.tar.gz")],
        "apk-local-cache" => vec![binary("etc/apk/cache/APKINDEX.0123abcd.tar.gz")],
        "apk-log" => vec![log("var/log/apk.log")],
        "pacman-cache" => vec![binary("var/cache/pacman/pkg/jq-1.8-1-x86_64.pkg.tar.zst")],
        "pacman-log" => vec![log("var/log/pacman.log")],
        "pacman-sync" => vec![binary("var/lib/pacman/sync/core.db")],
        "font-cache" => vec![
            random(format!("var/cache/fontconfig/{}-le64.cache-9", b.hex(32)), "cache of a folder\n"),
            line("usr/share/fonts/truetype/dejavu/.uuid", ""),
            binary("usr/share/fonts/fonts.cache-1"),
        ],
        "man-db" => vec![binary("var/cache/man/de/index.db")],
        "man-index" => vec![binary("usr/local/share/man/index.db")],
        "machine-id" => {
            vec![file("etc/machine-id", format!("{hex}\n")), file("var/lib/dbus/machine-id", format!("{hex}\n"))]
        }
        "host-key" => vec![line("etc/ssl/private/ssl-cert-snakeoil.key", "-----BEGIN PRIVATE KEY-----\n")],
        "composer-autoload" => vec![
            file("app/vendor/autoload.php", format!("<?php\nreturn ComposerAutoloaderInit{hex}::getLoader();\n")),
            file("app/vendor/composer/autoload_static.php", format!("<?php\nclass ComposerStaticInit{hex}\n{{\n}}\n")),
        ],
        "public-key" => vec![line("etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519")],
        "generated-certificate" => {
            vec![line("etc/ssl/certs/ssl-cert-snakeoil.pem", "-----BEGIN CERTIFICATE-----\n")]
        }
        "kernel-module" => [".ko", ".ko.xz", ".ko.zst", ".ko.gz"]
            .into_iter()
            .map(|end| binary(&format!("usr/lib/modules/6.12.4/extra/nvidia/nvidia{end}")))
            .collect(),
        "random-seed" => vec![
            file("var/lib/systemd/random-seed", noise(512, b.seed)),
            file("var/lib/urandom/random-seed", noise(512, b.seed)),
            file("root/.rnd", noise(1024, b.seed)),
        ],
        "shadow-day" => {
            let text = format!("root:*:{}:0:99999:7:::\napp:!:{}::::::\n", 20_000, b.day());
            let day = "day of the last password change";
            vec![timed("etc/shadow", text.into_bytes(), "", day)]
        }
        "apk-world" => vec![file("etc/apk/world", format!("alpine-baselayout\n.rundeps={}\n", digits(&time)))],
        "apk-scripts" => {
            let archive = tar(&[Entry::file("busybox-1.37.0-r12.Q1abc=.post-install", "#!/bin/sh\n", b.seconds)]);
            let inside = "!busybox-1.37.0-r12.Q1abc=.post-install";
            vec![
                timed("lib/apk/db/scripts.tar", archive.clone(), inside, "mtime"),
                timed("lib/apk/db/scripts.tar.gz", gz(&archive, 0), inside, "mtime"),
                timed("usr/lib/apk/db/scripts.tar", archive, inside, "mtime"),
            ]
        }
        "apk-installed" => {
            let text = format!("P:.rundeps\nV:{}\nA:noarch\n", digits(&time));
            vec![file("lib/apk/db/installed", &text), file("usr/lib/apk/db/installed", &text)]
        }
        "dpkg-status" => vec![
            line("var/lib/dpkg/status", "Package: jq\nVersion:"),
            line("var/lib/dpkg/available", "Package: jq"),
            line("var/lib/apt/extended_states", "Package: libjq1\nAuto-Installed: 1"),
        ],
        "rpm-db" => ["var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite"]
            .into_iter()
            .map(sqlite)
            .collect(),
        "pacman-db" => {
            let text = format!("%NAME%\njq\n\n%INSTALLDATE%\n{}\n", b.seconds);
            vec![file("var/lib/pacman/local/jq-1.8-1/desc", text)]
        }
        "pip-direct-url" => {
            let folder = "usr/lib/python3/site-packages/app-1.0.dist-info";
            let text = format!(r#"{{"url": "file:///tmp/tmp{}/app", "dir_info": {{}}}}"#, b.word(8));
            vec![file(format!("{folder}/direct_url.json"), text)]
        }
        "pip-cache" => {
            vec![binary("root/.cache/pip/http-v2/a/b/c"), binary("home/app/.cache/pip/selfcheck/x.json")]
        }
        "python-installer-cache" => {
            vec![binary("root/.cache/uv/simple-v16/x.rkyv"), binary("root/.cache/pypoetry/cache/x")]
        }
        "pyc" => {
            let header = [&b"\xcb\x0d\r\n\0\0\0\0"[..], &(b.seconds as u32).to_le_bytes(), &[9, 0, 0, 0], b"code"];
            vec![
                Sample {
                    cause: Some("pyc-mtime"),
                    ..timed("usr/lib/python3/__pycache__/os.cpython-312.pyc", header.concat(), "", "mtime in the .pyc")
                },
                file(
                    "usr/lib/python3/__pycache__/sets.cpython-312.pyc",
                    b.bytes(b"\xcb\x0d\r\n\0\0\0\0\0\0\0\0\x09\0\0\0"),
                ),
                file("usr/lib/python2/os.pyo", b.bytes(b"\x03\xf3\r\n")),
            ]
        }
        "npm-log" => {
            vec![random(format!("root/.npm/_logs/{}-debug-0.log", date(b.seconds, 0)), "0 verbose cli npm ci\n")]
        }
        "npm-content-cache" => vec![binary("home/node/.npm/_cacache/index-v5/00/11")],
        "yarn-cache" => vec![binary("usr/local/share/.cache/yarn/v6/x")],
        "npm-cache" => vec![
            binary("app/node_modules/.cache/babel-loader/x.json"),
            line("app/node_modules/.yarn-integrity", "systemParams"),
            binary("tmp/v8-compile-cache-0/12.4/x.BLOB"),
        ],
        "gem-cache" => vec![
            line(
                "usr/lib/ruby/gems/3.3.0/extensions/x86_64-linux/3.3.0/json-2/gem_make.out",
                "current directory: /tmp",
            ),
            line("usr/lib/ruby/gems/3.3.0/extensions/x86_64-linux/3.3.0/json-2/mkmf.log", "conftest"),
            binary("usr/lib/ruby/gems/3.3.0/cache/json-2.gem"),
            binary("root/.bundle/cache/compact_index/x"),
            binary("root/.gem/specs/rubygems.org%443/specs.4.8"),
        ],
        "go-build-cache" => vec![binary("root/.cache/go-build/00/00aa-a")],
        "go-cache" => vec![binary("go/pkg/mod/cache/download/x"), binary("root/go/pkg/mod/cache/lock")],
        "cargo-cache" => [
            "root/.cargo/registry/index/x",
            "usr/local/cargo/registry/index/x",
            "usr/local/cargo/.package-cache",
            "usr/local/cargo/.crates2.json",
        ]
        .into_iter()
        .map(binary)
        .collect(),
        "java-cache" => vec![
            file("root/.m2/repository/x/1/_remote.repositories", format!("#{time}\n")),
            binary("root/.gradle/caches/8.1/fileHashes/fileHashes.bin"),
            log("root/.gradle/daemon/8.1/daemon-1.out.log"),
        ],
        "java-keystore" => {
            ["etc/ssl/certs/java/cacerts", "opt/jdk/lib/security/cacerts", "etc/pki/ca-trust/extracted/java/cacerts"]
                .into_iter()
                .map(|path| file(path, b.bytes(b"\xfe\xed\xfe\xed\0\0\0\x02")))
                .collect()
        }
        "composer-cache" => vec![binary("root/.composer/cache/x.zip"), binary("root/.cache/composer/x")],
        "php-cache" => vec![line("tmp/pear/temp/x", "a:1")],
        "git" => vec![
            file("srv/app/.git/index", b.bytes(b"DIRC\0\0\0\x02")),
            file("srv/app/.git/logs/HEAD", format!("0 1 root <root@{}> {} +0000\tclone\n", b.hex(12), b.seconds)),
            random(format!("srv/app/.git/objects/pack/pack-{}.pack", b.hex(40)), "PACK"),
            line("srv/app/.git/FETCH_HEAD", ""),
            line("srv/app/.git/ORIG_HEAD", ""),
        ],
        "system-log" => vec![log("var/log/nginx/access.log"), log("run/log/x")],
        "mktemp" => vec![
            random(format!("opt/tmp.{}", b.word(10)), "left behind\n"),
            random(format!("srv/tmp.{}/deep/file", b.word(10)), "left behind as well\n"),
            random(format!("opt/tmp{}", b.word(8)), "by Python\n"),
            line("tmp/build.log", "step 1"),
            line("var/tmp/x", "step 1"),
        ],
        "home-cache" => vec![
            binary("root/.cache/mesa/x"),
            binary("home/app/.cache/mesa/x"),
            binary("root/.cache/mesa_shader_cache/x"),
            binary("root/.cache/fontconfig/x"),
            binary("root/.cache/matplotlib/x"),
            binary("home/app/.cache/fontconfig/x"),
            log("root/.wget-hsts"),
            log("root/.bash_history"),
            log("root/.viminfo"),
            log("root/.lesshst"),
        ],
        "system-cache" => vec![binary("var/cache/app/x")],
        "ld-so-cache" => vec![file("etc/ld.so.cache", b.bytes(b"glibc-ld.so.cache1.1"))],
        _ => Vec::new(),
    }
}

/// The version that apk gives to a virtual package: 20251009.085320.
fn digits(time: &str) -> String {
    time.replace(['-', ':'], "").replace(' ', ".")
}

pub fn pairs() -> Vec<Made> {
    let mut all = Vec::new();
    for cause in CAUSES.iter().filter(|cause| !cause.paths.is_empty()) {
        let [a, b] = Build::BOTH.each_ref().map(|build| files(cause, build));
        let entries = |samples: &[Sample]| -> Vec<Entry> {
            samples.iter().map(|sample| Entry::file(&sample.path, &sample.data, T)).collect()
        };
        let expected = |sample: &Sample| {
            let class = sample.class.unwrap_or(cause.class.name());
            let id = sample.cause.unwrap_or(cause.id);
            format!("{class} {id} layer1 {}{} {}", sample.path, sample.inside, sample.field)
        };
        // A file of the same name in both is one difference.
        let mut lines: Vec<String> = a.iter().chain(&b).map(expected).collect();
        lines.sort();
        lines.dedup();
        let is_content = lines.iter().any(|line| line.starts_with("content "));
        let verdict = if is_content { "different" } else { "explainable" };
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut made = Made::layers(&format!("cause-{}", cause.id), verdict, [&entries(&a), &entries(&b)], &lines);
        made.alone = Some(cause.id);
        all.push(made);
    }
    // A folder that one build had no reason to make goes with what is in it.
    let log = "root/.npm/_logs/0.log";
    let npm = [Entry::dir("root/.npm/", T), Entry::dir("root/.npm/_logs/", T), Entry::file(log, "0 verbose\n", T)];
    all.push(Made::layers(
        "cause-of-a-folder",
        "explainable",
        [&[], &npm],
        &[
            "log-or-cache npm-cache layer1 root/.npm entry",
            "log-or-cache npm-log layer1 root/.npm/_logs entry",
            "log-or-cache npm-log layer1 root/.npm/_logs/0.log entry",
        ],
    ));
    // Where a builder mounts something; programs miss /run where it is not there.
    let mounts = ["proc", "sys", "dev", "run"].map(|path| Entry::dir(path, T));
    all.push(Made::layers(
        "cause-of-mount-points",
        "different",
        [&[], &mounts],
        &[
            "log-or-cache mount-point layer1 proc entry",
            "log-or-cache mount-point layer1 sys entry",
            "log-or-cache mount-point layer1 dev entry",
            "content builder-file layer1 run entry",
        ],
    ));
    // What every system has is missed where it is not there.
    let standing = ["tmp", "var/log", "var/cache"].map(|path| Entry::dir(path, T));
    all.push(Made::layers(
        "content-standing-folders",
        "different",
        [&[], &standing],
        &["content - layer1 tmp entry", "content - layer1 var/log entry", "content - layer1 var/cache entry"],
    ));
    all
}

#[test]
fn every_glob_of_the_table_has_a_file_in_a_pair() {
    for cause in CAUSES.iter().filter(|cause| !cause.paths.is_empty()) {
        let samples = files(cause, &Build::BOTH[0]);
        for glob in cause.paths.iter().filter(|glob| !FOLDERS.contains(glob)) {
            assert!(samples.iter().any(|sample| fits(glob, &sample.path)), "{}: no file for {glob}", cause.id);
        }
    }
}
