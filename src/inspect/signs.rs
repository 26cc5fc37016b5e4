//! What a file of a known cause has to hold, so that one image alone says that the next build will differ.
//!
//! Most causes need no more than the file. Some files are in every image, and only sometimes hold what differs.

/// So many of the first bytes of a file are looked at.
pub(super) const HEAD: usize = 4096;

/// Folders whose files come from packages, which are built once.
const PACKAGED: [&[u8]; 5] = [b"usr/lib/", b"usr/lib64/", b"usr/lib32/", b"usr/share/", b"lib/"];

/// Names of the machine itself, in every `/etc/hosts`.
const OWN_NAMES: [&[u8]; 2] = [b"localhost", b"ip6-"];

/// Does this file differ from build to build, as far as its path and its first bytes show?
pub(super) fn is_sign(cause: &str, name: &[u8], head: &[u8]) -> bool {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let has = |part: &[u8]| memchr::memmem::find(head, part).is_some();
    let in_path = |part: &[u8]| memchr::memmem::find(name, part).is_some();
    match cause {
        "pyc" => !is_pyc_without_time(head),
        // What systemd takes for none yet.
        "machine-id" => head.trim_ascii() != b"uninitialized",
        "shadow-day" => lines(head).any(has_day),
        "apk-world" => lines(head).any(|line| line.starts_with(b".")),
        // The name is in three of composer's files, not in its maps of classes.
        "composer-autoload" => has(b"ComposerAutoloaderInit") || has(b"ComposerStaticInit"),
        "builder-file" => is_of_builder(name, head),
        // By their path they are keys; a certificate beside them is none.
        "host-key" | "private-key" => !has(b"-----BEGIN CERTIFICATE-----") || has(b"PRIVATE KEY"),
        "perl-config" | "r-built" => !PACKAGED.iter().any(|folder| name.starts_with(folder)),
        // Those of the kernel's own package are built once.
        "kernel-module" => [&b"/extra/"[..], b"/updates/", b"/weak-updates/"].iter().any(|folder| in_path(folder)),
        // update-ca-certificates sorts; trust extract does not.
        "ca-bundle" => in_path(b"/extracted/"),
        _ => true,
    }
}

/// Is an empty file a sign as well? Of logs, caches and identities it is what their advice leaves.
pub(super) fn is_sign_when_empty(cause: &str) -> bool {
    cause == "mount-point"
}

/// The magic numbers of the versions of Python whose bytecode has flags (PEP 552): from 3.7 on. Those of Python 2 are
/// larger, those of 3.0 to 3.6 smaller.
const WITH_FLAGS: std::ops::Range<u16> = 3392..20_000;

/// Does bytecode hold a hash of its source and no time? Its flags say so, where it has any; where it has none, the time
/// is in their place.
fn is_pyc_without_time(start: &[u8]) -> bool {
    let [m, n, _, _, flags @ ..] = start else { return false };
    let has_flags = WITH_FLAGS.contains(&u16::from_le_bytes([*m, *n]));
    has_flags && flags.first_chunk::<4>().is_some_and(|flags| *flags != [0; 4])
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// Does a line of `/etc/shadow` say on which day the password was changed?
fn has_day(line: &[u8]) -> bool {
    let day = line.split(|byte| *byte == b':').nth(2).unwrap_or_default();
    day.iter().any(|digit| matches!(digit, b'1'..=b'9'))
}

/// Did a builder write it, and not a package?
fn is_of_builder(name: &[u8], head: &[u8]) -> bool {
    let is_own = |word: &[u8]| OWN_NAMES.iter().any(|own| word.starts_with(own));
    let mut entries = lines(head).filter(|line| !line.starts_with(b"#"));
    if name.ends_with(b"hosts") {
        let mut names =
            entries.flat_map(|line| line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(1));
        return names.any(|word| !is_own(word));
    }
    entries.any(|line| !is_own(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytecode_is_named_only_where_it_holds_a_time() {
        let of = |flags: u8| is_sign("pyc", b"usr/lib/m.pyc", &[0xcb, 13, 13, 10, flags, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!((of(0), of(1), of(3)), (true, false, false));
        // Python 2.7 and 3.6 have the time where later versions have flags.
        for magic in [62_211_u16, 3379] {
            let [m, n] = magic.to_le_bytes();
            assert!(is_sign("pyc", b"m.pyc", &[m, n, 13, 10, 0x40, 0xf1, 0x6e, 0x65, 1, 2, 3, 4]), "{magic}");
        }
    }

    #[test]
    fn files_of_every_image_are_named_only_where_they_hold_what_differs() {
        for (cause, name, head, is) in [
            ("shadow-day", "etc/shadow", "root:*::0:::::\nbin:!::0:::::\n", false),
            ("shadow-day", "etc/shadow", "root:*:0:0:::::\n", false),
            ("shadow-day", "etc/shadow", "root:*::0:::::\napp:!:20370::::::\n", true),
            ("machine-id", "etc/machine-id", "uninitialized\n", false),
            ("machine-id", "etc/machine-id", "0123456789abcdef0123456789abcdef\n", true),
            ("apk-world", "etc/apk/world", "alpine-baselayout\nbusybox\n", false),
            ("apk-world", "etc/apk/world", ".rundeps=20251009.085320\nbusybox\n", true),
            (
                "builder-file",
                "etc/hosts",
                "# hosts\n127.0.0.1 localhost localhost.localdomain\n::1 ip6-loopback\n",
                false,
            ),
            ("builder-file", "etc/hosts", "127.0.0.1\tlocalhost\n172.17.0.2\t0123456789ab\n", true),
            ("builder-file", "etc/hostname", "localhost\n", false),
            ("builder-file", "./etc/hostname", "0123456789ab\n", true),
            ("builder-file", "etc/resolv.conf", "# empty\n", false),
            ("builder-file", "etc/resolv.conf", "nameserver 192.168.1.1\n", true),
            ("host-key", "etc/dovecot/private/x.pem", "-----BEGIN CERTIFICATE-----\nMIID\n", false),
            ("private-key", "etc/ssl/private/x.key", "-----BEGIN PRIVATE KEY-----\nMIIE\n", true),
            ("perl-config", "usr/lib/x86_64-linux-gnu/perl/5.36.0/Config_heavy.pl", "# perl\n", false),
            ("perl-config", "usr/local/lib/perl5/5.40.0/x86_64-linux-gnu/Config_heavy.pl", "# perl\n", true),
            ("r-built", "/usr/lib/R/library/stats/DESCRIPTION", "Package: stats\n", false),
            ("r-built", "usr/local/lib/R/site-library/dplyr/DESCRIPTION", "Package: dplyr\n", true),
            ("kernel-module", "usr/lib/modules/6.12/kernel/fs/xfs/xfs.ko.xz", "", false),
            ("kernel-module", "usr/lib/modules/6.12/extra/nvidia/nvidia.ko.xz", "", true),
            ("ca-bundle", "etc/ssl/certs/ca-certificates.crt", "", false),
            ("ca-bundle", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "", true),
            ("composer-autoload", "app/vendor/composer/autoload_psr4.php", "<?php\nreturn array();\n", false),
            (
                "composer-autoload",
                "app/vendor/autoload.php",
                "<?php\nreturn ComposerAutoloaderInit0a::getLoader();\n",
                true,
            ),
            ("system-log", "var/log/x", "x", true),
        ] {
            assert_eq!(is_sign(cause, name.as_bytes(), head.as_bytes()), is, "{name}: {head:?}");
        }
    }
}
