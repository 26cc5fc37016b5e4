//! bootsnap's compile cache (Ruby): where an entry repeats the size and the mtime of its source.
//!
//! A file `HH/HHHHHHHHHHHHHH` begins with a key of 64 bytes, the lowest byte of each number first: version (u32 at 0),
//! platform, compile option, Ruby revision, size (u64 at 16), mtime (u64 at 24), size of the data. The name is FNV-1a of
//! 64 bits of the source's absolute path. Versions 4 (bootsnap 1.13 to 1.17), 5 (1.18.0 to 1.18.3) and 6 (1.18.4 to 1.18.6)
//! are read, which have these at the same places (`ext/bootsnap/bootsnap.c`); the last two hold a digest of the source after
//! them, which is asked for only where revalidation is on.

/// The length of the key.
pub const HEADER: usize = 64;

/// The versions whose key is known.
const VERSIONS: std::ops::RangeInclusive<u32> = 4..=6;

/// Where the mtime is: 8 bytes, the lowest first.
pub const MTIME_AT: usize = 24;

/// Where the padding at the end of a key begins, by its version: no version writes it, so that it holds what was in the
/// memory of the program.
pub fn padding_at(head: &[u8]) -> Option<usize> {
    match u32::from_le_bytes(*head.first_chunk()?) {
        4 => Some(40),
        5 | 6 => Some(49),
        _ => None,
    }
}

/// What a key holds about its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceStamp {
    /// The size in bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// FNV-1a of the source's absolute path.
    pub path_hash: u64,
}

/// The hash in the path of an entry: `…/compile-cache-iseq/HH/HHHHHHHHHHHHHH`, and those of YAML and JSON.
pub fn path_hash_of_entry(path: &[u8]) -> Option<u64> {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (rest, first, cache) = (parts.next()?, parts.next()?, parts.next()?);
    if !matches!(cache, b"compile-cache-iseq" | b"compile-cache-yaml" | b"compile-cache-json") {
        return None;
    }
    if parts.next() != Some(b"bootsnap") || first.len() != 2 || rest.len() != 14 {
        return None;
    }
    let text = std::str::from_utf8(&[first, rest].concat()).ok().map(str::to_owned)?;
    let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_hex.then(|| u64::from_str_radix(&text, 16).ok()).flatten()
}

/// What the key says, by the file's path and its first [`HEADER`] bytes.
pub fn source_stamp(path: &[u8], head: &[u8]) -> Option<SourceStamp> {
    let path_hash = path_hash_of_entry(path)?;
    let head = head.first_chunk::<HEADER>()?;
    let u64_at = |at: usize| head.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let version = u32::from_le_bytes(*head.first_chunk()?);
    VERSIONS.contains(&version).then_some(())?;
    Some(SourceStamp { size: u64_at(16)?, mtime: u64_at(MTIME_AT)?, path_hash })
}

/// Is it a source that bootsnap may have compiled?
pub fn is_source_name(path: &[u8]) -> bool {
    [&b".rb"[..], b".rake", b".ru", b".gemspec", b"Rakefile", b".yml", b".yaml", b".json"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// FNV-1a, 64 bits, of an absolute path, which is given without its slash.
pub fn path_hash(path: &[u8]) -> u64 {
    let bytes = b"/".iter().chain(path);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &[u8] = b"t/rb/tmp/cache/bootsnap/compile-cache-iseq/71/a39226c6f3731d";

    #[test]
    fn the_name_of_an_entry_is_the_hash_of_its_source() {
        // As bootsnap 1.13 named it.
        assert_eq!(path_hash(b"t/rb/cur/lib/foo.rb"), 0x71a3_9226_c6f3_731d);
        assert_eq!(path_hash_of_entry(ENTRY), Some(0x71a3_9226_c6f3_731d));
        for path in [
            "bootsnap/compile-cache-iseq/71/a39226c6f3731",
            "bootsnap/compile-cache-iseq/71/A39226c6f3731d",
            "compile-cache-iseq/71/a39226c6f3731d",
            "bootsnap/load-path-cache",
        ] {
            assert_eq!(path_hash_of_entry(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn only_a_known_version_is_read() {
        let mut key = vec![0; HEADER];
        key[0] = 4;
        key[16] = 9;
        key[MTIME_AT..MTIME_AT + 8].copy_from_slice(&1_700_000_000u64.to_le_bytes());
        let found = source_stamp(ENTRY, &key).unwrap();
        assert_eq!((found.size, found.mtime), (9, 1_700_000_000));
        assert_eq!(source_stamp(ENTRY, &key[..63]), None);
        key[0] = 6;
        assert!(source_stamp(ENTRY, &key).is_some());
        for version in [0, 3, 7] {
            key[0] = version;
            assert_eq!(source_stamp(ENTRY, &key), None);
        }
    }
}
