//! Where an image keeps a root or a home directory besides the usual place.
//!
//! A row of the table names a path once: below `etc/`, below `~/`. Here is where else the same path is found. Only known
//! places count: a folder that merely has an `etc` in it may be any program's own.

/// Folders that hold what is otherwise below `/`, as a prefix, and what is in front of the rest there. `*` is one name.
const ROOTS: [(&str, &str); 8] = [
    // ostree: the settings as they came; a deployment, and what deployments share. `/ostree` is a link to `/sysroot/ostree`.
    ("usr/etc/", "etc/"),
    ("sysroot/ostree/deploy/*/deploy/*/", ""),
    ("sysroot/ostree/deploy/*/var/", "var/"),
    ("ostree/deploy/*/deploy/*/", ""),
    ("ostree/deploy/*/var/", "var/"),
    // systemd-tmpfiles copies these at the first boot.
    ("usr/share/factory/etc/", "etc/"),
    ("usr/share/factory/var/", "var/"),
    // Builders of virtual machines and of images within images.
    ("rootfs/", ""),
];

/// Home directories, as prefixes; `*` is one name. `app`, `workspace` and `opt/app-root` are those of well-known base
/// images, `var/lib/*` and `var/www` those of services, `github/home` that of GitHub's runners, the empty one that of a
/// user without an entry in `/etc/passwd`.
const HOMES: [&str; 13] = [
    "",
    "root/",
    "home/*/",
    "var/home/*/",
    "var/roothome/",
    "var/lib/*/",
    "var/www/",
    "app/",
    "usr/src/app/",
    "workspace/",
    "opt/app-root/",
    "opt/app-root/src/",
    "github/home/",
];

/// How a glob of the table begins that is about a home directory.
pub(super) const HOME: &str = "~/";

/// The path as it would be below `/`, if it is below another root.
pub(super) fn below_root(path: &[u8]) -> Option<Vec<u8>> {
    ROOTS.iter().find_map(|(prefix, front)| Some([front.as_bytes(), after(path, prefix)?].concat()))
}

/// The path with `~/` in place of the home directory, if it is a hidden file or folder of one.
pub(super) fn below_home(path: &[u8]) -> Option<Vec<u8>> {
    let inside = HOMES.iter().filter_map(|home| after(path, home)).find(|rest| rest.starts_with(b"."))?;
    Some([HOME.as_bytes(), inside].concat())
}

/// What follows a prefix in which `*` is any one name.
fn after<'p>(path: &'p [u8], prefix: &str) -> Option<&'p [u8]> {
    let mut parts = prefix.split('*');
    let mut rest = path.strip_prefix(parts.next()?.as_bytes())?;
    for part in parts {
        let end = rest.iter().position(|byte| *byte == b'/').filter(|end| *end > 0)?;
        rest = rest.get(end..)?.strip_prefix(part.as_bytes())?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_roots_and_homes_are_left_out_of_a_path() {
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        let root = |path: &str| text(below_root(path.as_bytes()));
        assert_eq!(root("usr/etc/machine-id").as_deref(), Some("etc/machine-id"));
        assert_eq!(root("sysroot/ostree/deploy/fedora/deploy/ab12.0/etc/shadow").as_deref(), Some("etc/shadow"));
        assert_eq!(root("ostree/deploy/fedora/var/log/x").as_deref(), Some("var/log/x"));
        assert_eq!(root("rootfs/etc/machine-id").as_deref(), Some("etc/machine-id"));
        for path in ["etc/machine-id", "opt/chroot/etc/machine-id", "usr/etcetera/x", "ostree/deploy//deploy/x/y"] {
            assert_eq!(root(path), None, "{path}");
        }
        let home = |path: &str| text(below_home(path.as_bytes()));
        for path in ["root/.npm/x", ".npm/x", "home/node/.npm/x", "var/lib/jenkins/.npm/x", "github/home/.npm/x"] {
            assert_eq!(home(path).as_deref(), Some("~/.npm/x"), "{path}");
        }
        for path in ["root/npm/x", "opt/tool/.npm/x", "home/.npm/x", "var/lib/.npm", "home/a/b/.npm/x"] {
            assert_eq!(home(path), None, "{path}");
        }
    }
}
