//! Files that something knows by a hash of their content: those keep all their bytes.

/// Shorter than this a name of hexadecimal digits is no hash: an MD5 has 32.
const HASH: usize = 32;

/// Folders in which files are named by a hash, or whose files are listed with one: npm, Yarn, Cargo, NuGet.
const FOLDERS: [&[u8]; 5] = [b"_cacache", b"sha256", b"sha512", b".yarn", b".nuget"];

/// Files that are listed by a hash somewhere: layers in an image that `docker save` wrote, packages of Cargo and of Alpine.
const NAMES: [&[u8]; 1] = [b"layer.tar"];
const ENDS: [&[u8]; 2] = [b".crate", b".nupkg"];

/// Does the name say that a hash of all bytes of the file is kept elsewhere?
pub(super) fn is_known_by_its_content(path: &[u8]) -> bool {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let name = parts.next().unwrap_or_default();
    let stem = name.split(|byte| matches!(byte, b'.' | b'-')).next().unwrap_or_default();
    let is_hash = stem.len() >= HASH && stem.iter().all(u8::is_ascii_hexdigit);
    is_hash
        || NAMES.contains(&name)
        || ENDS.iter().any(|end| name.ends_with(end))
        || parts.any(|folder| FOLDERS.contains(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_known_by_their_form() {
        let hash = "0123456789abcdef".repeat(4);
        for path in [
            format!("blobs/sha256/{hash}"),
            format!("{hash}.tar.gz"),
            format!("root/.cache/go-build/01/{hash}-d"),
            format!("{hash}/layer.tar"),
            "root/.npm/_cacache/content-v2/sha512/00/11/2233".to_owned(),
            "root/.cargo/registry/cache/index/a-1.0.0.crate".to_owned(),
            "app/.yarn/cache/a-npm-1.0.0-0123456789-8.zip".to_owned(),
            "root/.nuget/packages/a/1.0.0/a.1.0.0.nupkg".to_owned(),
        ] {
            assert!(is_known_by_its_content(path.as_bytes()), "{path}");
        }
        for path in ["usr/lib/libc.a", "deadbeef.gz", "usr/share/java/a.jar", "a/layer.tar.gz", "", "/", "sha256"] {
            assert!(!is_known_by_its_content(path.as_bytes()), "{path}");
        }
    }
}
