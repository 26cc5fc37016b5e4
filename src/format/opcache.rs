//! PHP's file cache of compiled scripts (`opcache.file_cache`): the mtime of a script in what was compiled of it.
//!
//! A file begins with `zend_file_cache_metainfo` (ext/opcache/zend_file_cache.c): the mark of 8 bytes, the system's id of 32,
//! two sizes and the place of the script, each of 8 bytes, then the mtime, also of 8, in the byte order of the machine. A
//! checksum follows, which does not cover it. Tried with PHP 8.2: `opcache.file_cache_only=1` takes a file whose mtime was
//! changed there alone. A copy of the mtime within the script itself stays as it is.

/// What a file begins with.
const MARK: &[u8] = b"OPCACHE\0";

/// How many of the first bytes are needed.
pub const HEADER: usize = 72;

/// Where the mtime is.
pub const MTIME_AT: usize = 64;

/// The length of the system's id: hexadecimal digits, both in the file and as the name of the folder.
const ID: usize = 32;

/// Is it a usual name of a script?
pub fn is_source_name(path: &[u8]) -> bool {
    [&b".php"[..], b".phtml", b".inc"].iter().any(|end| path.ends_with(end))
}

/// The path of the script that this path is the cached form of: a file `.bin` below a folder that is named by the system's
/// id. It begins below that folder.
pub fn source_path(path: &[u8]) -> Option<Vec<u8>> {
    let path = path.strip_suffix(b".bin")?;
    let is_id = |part: &&[u8]| part.len() == ID && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<_> = path.split(|byte| *byte == b'/').collect();
    // The innermost such folder: the cache may lie in one that only looks like it.
    let at = parts.iter().rposition(is_id)?;
    let script = parts.get(at.checked_add(1)?..)?.join(&b'/');
    (!script.is_empty()).then_some(script)
}

/// The mtime that the first [`HEADER`] bytes of a file hold; `None` if it is no cached script, or one of a machine of the
/// other byte order: all platforms of images but a few have the lowest byte first.
pub fn stamp(head: &[u8]) -> Option<i64> {
    let id = head.strip_prefix(MARK)?.get(..ID)?;
    id.iter().all(u8::is_ascii_hexdigit).then_some(())?;
    let field = |at: usize| head.get(at..)?.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
    // A size of the other byte order is beyond all memory.
    (0..1 << 40).contains(&field(40)?).then_some(())?;
    field(MTIME_AT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: &str = "d1d0ff8f38b7d6a2ff1de1e71fb0e9f6";

    #[test]
    fn the_script_is_named_by_its_path() {
        for (path, script) in [
            (format!("var/cache/opcache/{SYSTEM}/var/www/index.php.bin"), Some("var/www/index.php")),
            (format!("{SYSTEM}/index.php.bin"), Some("index.php")),
            (format!("a/{SYSTEM}/b/{SYSTEM}/c.php.bin"), Some("c.php")),
            (format!("{SYSTEM}/.bin"), None),
            (format!("{SYSTEM}.bin"), None),
            (format!("{SYSTEM}/index.php"), None),
            (format!("{}/index.php.bin", &SYSTEM[1..]), None),
            (format!("{}/index.php.bin", SYSTEM.to_uppercase()), None),
            (String::new(), None),
        ] {
            assert_eq!(source_path(path.as_bytes()).as_deref(), script.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn the_mtime_is_in_the_header() {
        let head = |size: u64| {
            let words = [size, 100, 200, 1_700_000_000].map(u64::to_le_bytes).concat();
            [MARK, SYSTEM.as_bytes(), &words].concat()
        };
        assert_eq!(stamp(&head(5000)), Some(1_700_000_000));
        assert_eq!(stamp(&[&head(5000)[..], b"rest"].concat()), Some(1_700_000_000));
        assert_eq!(stamp(&head(5000u64.swap_bytes())), None);
        assert_eq!(stamp(&head(5000)[..71]), None);
        assert_eq!(stamp(&[b"OPCACHE\x01", &head(5000)[8..]].concat()), None);
        assert_eq!(stamp(&[MARK, &[0xff; 64]].concat()), None);
        assert_eq!(stamp(b""), None);
    }
}
