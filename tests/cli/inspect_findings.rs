//! `restamp inspect`: which files it names as likely to differ, and which it leaves alone.

use crate::inspect::{finding, findings, report, single};
use crate::support::layer::Packing;
use crate::support::layout::Layout;
use crate::support::tarball::{Entry, tar};
use crate::support::{Build, noise};
use serde_json::{Value, json};

const BUILD: Build = Build::FIRST;
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n";

/// The report on an image with these files, all of one time.
fn report_on(files: &[(&str, &[u8])]) -> Value {
    let entries: Vec<Entry> = files.iter().map(|(path, data)| Entry::file(*path, data, BUILD.seconds)).collect();
    report(&Layout::of(&single(tar(&entries), Packing::Gzip), &BUILD).tar(&BUILD), &[])
}

/// The causes of files alone.
fn causes(report: &Value) -> Vec<(&str, u64)> {
    let of_any = ["times", "compressor", "gzip-layer"];
    findings(report).into_iter().filter(|(cause, _)| !of_any.contains(cause)).collect()
}

#[test]
fn lists_of_files_that_follow_from_others_are_no_findings() {
    let report = report_on(&[
        ("usr/lib/python3/site-packages/a-1.dist-info/RECORD", b"a.py,sha256=AAAA,1\n"),
        ("usr/lib/python3/site-packages/a-1.dist-info/INSTALLER", b"pip\n"),
        ("var/lib/dpkg/info/jq.list", b"/usr/bin/jq\n"),
        ("var/lib/dpkg/info/jq.md5sums", b"0 usr/bin/jq\n"),
        ("var/lib/dpkg/alternatives/awk", b"auto\n"),
        ("var/lib/dpkg/triggers/File", b"/usr/share/man man-db\n"),
        ("var/lib/pacman/local/jq-1/mtree", b"#mtree\n"),
        ("app/node_modules/.package-lock.json", b"{}\n"),
        ("usr/lib/x86_64-linux-gnu/perl-base/Config_heavy.pl", b"# perl\n"),
        ("usr/lib/modules/6.12/kernel/fs/xfs.ko", b"module"),
        ("etc/ssl/certs/ca-certificates.crt", b"-----BEGIN CERTIFICATE-----\nMIID\n"),
        ("etc/hosts", b"127.0.0.1 localhost\n"),
        ("etc/hostname", b"localhost\n"),
        ("etc/shadow", b"root:*::0:::::\n"),
        ("etc/apk/world", b"busybox\n"),
    ]);
    assert_eq!(causes(&report), []);
    let report = report_on(&[
        ("var/lib/dpkg/status", b"Package: jq\n"),
        ("var/lib/dpkg/info/jq.list", b"/usr/bin/jq\n"),
        ("a-1.dist-info/direct_url.json", b"{\"url\": \"file:///tmp/x\"}\n"),
        ("a-1.dist-info/RECORD", b"a.py,,\n"),
        ("etc/hosts", b"127.0.0.1 localhost\n172.17.0.2 0123456789ab\n"),
        (".dockerenv", b""),
    ]);
    let expected = [("builder-file", 1), ("dpkg-status", 1), ("pip-direct-url", 1), ("mount-point", 1)];
    assert_eq!(causes(&report), expected);
    assert_eq!(finding(&report, "mount-point")["examples"], json!([{"layer": 0, "place": ".dockerenv"}]));
}

#[test]
fn a_certificate_is_no_secret_key() {
    let certificate = b"-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n";
    let report = report_on(&[
        ("etc/ssl/certs/ssl-cert-snakeoil.pem", certificate),
        ("etc/ssl/private/ssl-cert-snakeoil.key", KEY.as_bytes()),
        ("etc/ssh/ssh_host_rsa_key.pub", b"ssh-rsa AAAA\n"),
        ("etc/nginx/server.crt", certificate),
    ]);
    assert_eq!(causes(&report), [("generated-certificate", 1), ("host-key", 1), ("public-key", 1)]);
    assert!(!finding(&report, "generated-certificate")["what"].as_str().unwrap().contains("secret"));
}

#[test]
fn private_keys_are_found_by_content_wherever_they_lie() {
    let certificate = "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n";
    let combined = [certificate, KEY].concat().into_bytes();
    // Beyond any first kilobytes, across what is read at once.
    let late = [noise(3_000_000, 1), KEY.as_bytes().to_vec(), noise(1000, 2)].concat();
    let program = [b"\x7fELF", &noise(5000, 3)[..], b"-----BEGIN RSA PRIVATE KEY-----\n\0"].concat();
    let json = br#"{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END"}"#;
    let report = report_on(&[
        ("app/certs/server.pem", &combined),
        ("app/data.bin", &late),
        ("usr/bin/ssh-tool", &program),
        ("app/account.json", json),
        ("var/log/leak.log", KEY.as_bytes()),
        ("root/.ssh/id_ed25519", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n"),
        ("app/readme.md", b"`-----BEGIN PRIVATE KEY-----` begins a key\n"),
        ("app/key.pub", b"-----BEGIN PUBLIC KEY-----\nMCow\n"),
    ]);
    assert_eq!(causes(&report), [("private-key", 5), ("system-log", 1)]);
    let found = finding(&report, "private-key");
    assert_eq!(found["class"], "content");
    assert_eq!(found["mends"], Value::Null);
    let places: Vec<&str> =
        found["examples"].as_array().unwrap().iter().map(|example| example["place"].as_str().unwrap()).collect();
    assert_eq!(places, ["app/certs/server.pem", "app/data.bin", "app/account.json"]);
}

#[test]
fn what_rewriting_mends_is_said() {
    let report = report_on(&[("a", b"1")]);
    for cause in ["times", "compressor", "gzip-layer"] {
        assert_eq!(finding(&report, cause)["mends"], "rewrite", "{cause}");
    }
}

#[test]
fn causes_hold_below_the_roots_of_ostree() {
    let report = report_on(&[
        ("usr/etc/machine-id", b"0123456789abcdef0123456789abcdef\n"),
        ("usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite", b"SQLite format 3\0"),
        ("usr/lib/sysimage/libdnf5/packages.toml", b"version = 1\n"),
        ("sysroot/ostree/deploy/default/deploy/ab.0/etc/shadow", b"root:!:20370::::::\n"),
        ("opt/chroot/etc/machine-id", b"0123456789abcdef0123456789abcdef\n"),
    ]);
    assert_eq!(causes(&report), [("machine-id", 1), ("shadow-day", 1), ("dnf-state", 1), ("rpm-db", 1)]);
}
