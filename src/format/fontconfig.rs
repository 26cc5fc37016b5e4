//! fontconfig's caches: where the header repeats the mtime of the directory whose fonts are listed.
//!
//! The header is the C structure `FcCache` of `fcint.h`: a magic number, a version, offsets as wide as a pointer, then the
//! seconds of the directory's mtime (`int`) and its nanoseconds (64 bits). The name of the file says how wide and in
//! which order: `HASH-le64.cache-8`, `HASH-be64.cache-7`, `HASH-le32d8.cache-8`.

/// The longest header.
pub const HEADER: usize = 64;

/// The path of the directory begins at most here: a cache has it right after its header.
pub const PATH_MAX: u64 = 64 << 10;

/// The magic number of a cache in a file (`FC_CACHE_MAGIC_MMAP`).
const MAGIC: u32 = 0xfc02_fc04;

/// What a header holds about its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryStamp {
    /// Where the seconds are: 4 bytes.
    pub seconds_at: usize,
    /// Where the nanoseconds are: 8 bytes.
    pub nanos_at: usize,
    /// Are the lowest bytes first?
    pub is_little: bool,
    /// Seconds since 1970.
    pub seconds: i32,
    /// Nanoseconds beyond that.
    pub nanos: i64,
    /// Where the directory's path begins, which ends with a NUL.
    pub path_at: u64,
}

/// How the fields of a header lie.
#[derive(Debug, Clone, Copy)]
struct Layout {
    is_little: bool,
    is_wide: bool,
}

impl Layout {
    /// By the name of the file.
    fn of_name(path: &[u8]) -> Option<Self> {
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        let name = std::str::from_utf8(name).ok()?;
        let (stem, version) = name.rsplit_once(".cache-")?;
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (_, architecture) = stem.rsplit_once('-')?;
        let (is_little, width) = match architecture.split_at_checked(2)? {
            ("le", width) => (true, width),
            ("be", width) => (false, width),
            _ => return None,
        };
        let is_wide = match width {
            "64" => true,
            "32d4" | "32d8" => false,
            _ => return None,
        };
        Some(Self { is_little, is_wide })
    }

    fn u32(self, head: &[u8], at: usize) -> Option<u32> {
        let bytes = *head.get(at..)?.first_chunk()?;
        Some(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn u64(self, head: &[u8], at: usize) -> Option<u64> {
        let bytes = *head.get(at..)?.first_chunk()?;
        Some(if self.is_little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }
}

/// Is it a name of a cache?
pub fn is_name(path: &[u8]) -> bool {
    Layout::of_name(path).is_some()
}

/// Is it a name of a font?
pub fn is_font_name(path: &[u8]) -> bool {
    let name = path.strip_suffix(b".gz").unwrap_or(path);
    let ends = [&b".ttf"[..], b".ttc", b".otf", b".otc", b".pfb", b".pfa", b".pcf", b".woff", b".woff2"];
    ends.iter().any(|end| {
        name.len() > end.len() && name.get(name.len() - end.len()..).is_some_and(|own| own.eq_ignore_ascii_case(end))
    })
}

/// What the header says, by the file's name and its first [`HEADER`] bytes; `None` if it is no cache of a known layout.
pub fn directory_stamp(path: &[u8], head: &[u8]) -> Option<DirectoryStamp> {
    let layout = Layout::of_name(path)?;
    if layout.u32(head, 0)? != MAGIC {
        return None;
    }
    let (path_at, seconds_at, nanos_at) = match layout.is_wide {
        true => (layout.u64(head, 16)?, 48, 56),
        false => (u64::from(layout.u32(head, 12)?), 28, 32),
    };
    if path_at > PATH_MAX {
        return None;
    }
    let seconds = layout.u32(head, seconds_at)?.cast_signed();
    let nanos = layout.u64(head, nanos_at)?.cast_signed();
    Some(DirectoryStamp { seconds_at, nanos_at, is_little: layout.is_little, seconds, nanos, path_at })
}

impl DirectoryStamp {
    /// The bytes of the seconds.
    pub fn seconds_bytes(&self, seconds: i32) -> [u8; 4] {
        if self.is_little { seconds.to_le_bytes() } else { seconds.to_be_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a cache as fontconfig 2.14.1 writes it on x86-64.
    fn wide(is_little: bool, seconds: i32, nanos: i64) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let mut put = |at: usize, value: u64, width: usize| {
            let all = value.to_le_bytes();
            let mut own = all[..width].to_vec();
            if !is_little {
                own.reverse();
            }
            bytes[at..at + width].copy_from_slice(&own);
        };
        put(0, 0xfc02_fc04, 4);
        put(4, 8, 4);
        put(16, 64, 8);
        put(48, u64::from(seconds.cast_unsigned()), 4);
        put(56, nanos.cast_unsigned(), 8);
        bytes
    }

    #[test]
    fn the_name_says_how_the_header_is_laid_out() {
        for (name, is_little) in [("3830d5c3ddfd5cd38a049b759396e72e-le64.cache-8", true), ("a-be64.cache-7", false)] {
            let path = format!("var/cache/fontconfig/{name}");
            let found = directory_stamp(path.as_bytes(), &wide(is_little, 1_700_000_000, 886_499_450)).unwrap();
            assert_eq!((found.seconds, found.nanos, found.path_at), (1_700_000_000, 886_499_450, 64));
            assert_eq!((found.seconds_at, found.nanos_at, found.is_little), (48, 56, is_little));
        }
        for name in ["x-le64.cache-", "x-le64.cache-8~", "x-le16.cache-8", "le64.cache-8", "x.cache-8", "x-le64.uuid"] {
            assert!(!is_name(name.as_bytes()), "{name}");
        }
        assert!(is_name(b"x-le32d8.cache-8") && is_name(b"x-le32d4.cache-9"));
    }

    #[test]
    fn what_is_no_cache_is_none() {
        let good = wide(true, 1, 0);
        for cut in 0..HEADER {
            assert_eq!(directory_stamp(b"x-le64.cache-8", &good[..cut]), None, "{cut}");
        }
        assert_eq!(directory_stamp(b"x-be64.cache-8", &good), None);
        let mut far = good.clone();
        far[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(directory_stamp(b"x-le64.cache-8", &far), None);
    }
}
