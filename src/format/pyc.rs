//! Python bytecode: where its header repeats the mtime and the size of the source that it was compiled from.
//!
//! The layout depends on the magic number, which CPython's `importlib/_bootstrap_external.py` lists: Python 2 and 3.0 to
//! 3.2 have the mtime at 4, 3.3 and later the size after it, 3.7 and later (PEP 552) a word of flags before both. Bytecode
//! that is validated by a hash of its source (flags 1 and 3) has no time. PyPy counts its versions by itself, and lays headers
//! out in the same ways.

/// The longest header.
pub const HEADER: usize = 16;

/// What a header holds about its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceStamp {
    /// Where the mtime is: 4 bytes, the lowest first.
    pub mtime_at: usize,
    /// Seconds since 1970, modulo 2^32.
    pub mtime: u32,
    /// The size in bytes, modulo 2^32; Python 2 and 3.0 to 3.2 do not write it.
    pub size: Option<u32>,
}

/// What the header says, by the first [`HEADER`] bytes of a file; `None` if it is no bytecode of a known version, or one
/// that is validated by a hash.
pub fn source_stamp(head: &[u8]) -> Option<SourceStamp> {
    let [low, high, b'\r', b'\n'] = *head.first_chunk::<4>()? else { return None };
    let word = |at: usize| head.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let (mtime_at, has_size) = match u16::from_le_bytes([low, high]) {
        // Python 2.0 (50823) to 2.7 (62211), with and without -U.
        50_823..=50_824 | 60_202..=60_203 | 60_717..=60_718 | 62_011..=62_299 => (4, false),
        3_000..=3_209 => (4, false),
        // PyPy: 3.2; 3.3 to 3.6; 3.7 and later.
        48 => (4, false),
        64..=192 => (4, true),
        208..=999 if word(4)? == 0 => (8, true),
        3_210..=3_391 => (4, true),
        3_392..=4_999 if word(4)? == 0 => (8, true),
        _ => return None,
    };
    let size = if has_size { Some(word(mtime_at + 4)?) } else { None };
    Some(SourceStamp { mtime_at, mtime: word(mtime_at)?, size })
}

/// Is it a name of a source?
pub fn is_source_name(path: &[u8]) -> bool {
    path.ends_with(b".py")
}

/// Is it a name of bytecode?
pub fn is_name(path: &[u8]) -> bool {
    path.ends_with(b".pyc") || path.ends_with(b".pyo")
}

/// The source that Python holds bytecode of this path against: `NAME.py` beside `__pycache__/NAME.TAG[.opt-N].pyc`, or
/// beside `NAME.pyc` (PEP 3147).
pub fn source_path(path: &[u8]) -> Option<Vec<u8>> {
    if !is_name(path) {
        return None;
    }
    let stem = path.get(..path.len().checked_sub(4)?)?;
    let at = stem.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, name) = stem.split_at_checked(at)?;
    let source = |directory: &[u8], name: &[u8]| (!name.is_empty()).then(|| [directory, name, b".py"].concat());
    let Some(parent) = directory.strip_suffix(b"__pycache__/") else { return source(directory, name) };
    if !parent.is_empty() && !parent.ends_with(b"/") {
        return source(directory, name);
    }
    let (rest, last) = split_last(name)?;
    let name = if last.starts_with(b"opt-") { split_last(rest)?.0 } else { rest };
    source(parent, name)
}

/// What is before and after the last dot.
fn split_last(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    Some((name.get(..dot)?, name.get(dot + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(magic: u16, words: &[u32]) -> Vec<u8> {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend(b"\r\n");
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes
    }

    #[test]
    fn each_generation_has_its_layout() {
        let found = |magic, words: &[u32]| source_stamp(&header(magic, words));
        let stamp = |mtime_at, size| Some(SourceStamp { mtime_at, mtime: 1_700_000_000, size });
        assert_eq!(found(62_211, &[1_700_000_000]), stamp(4, None), "2.7");
        assert_eq!(found(3_180, &[1_700_000_000, 7]), stamp(4, None), "3.2");
        assert_eq!(found(3_230, &[1_700_000_000, 7]), stamp(4, Some(7)), "3.3");
        assert_eq!(found(3_379, &[1_700_000_000, 7]), stamp(4, Some(7)), "3.6");
        assert_eq!(found(48, &[1_700_000_000, 7]), stamp(4, None), "PyPy 3.2");
        assert_eq!(found(160, &[1_700_000_000, 7]), stamp(4, Some(7)), "PyPy 3.5");
        for magic in [224, 336, 416, 3_394, 3_413, 3_425, 3_439, 3_495, 3_531, 3_571, 3_627] {
            assert_eq!(found(magic, &[0, 1_700_000_000, 7]), stamp(8, Some(7)), "{magic}");
            assert_eq!(found(magic, &[1, 1_700_000_000, 7]), None, "{magic}: by hash, unchecked");
            assert_eq!(found(magic, &[3, 1_700_000_000, 7]), None, "{magic}: by hash, checked");
            assert_eq!(found(magic, &[0, 1_700_000_000]), None, "{magic}: cut");
        }
        assert_eq!(found(1, &[0, 1_700_000_000, 7]), None);
        assert_eq!(source_stamp(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn the_source_is_where_python_looks_for_it() {
        let source = |path: &str| source_path(path.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        for (path, expected) in [
            ("usr/lib/python3.11/__pycache__/os.cpython-311.pyc", Some("usr/lib/python3.11/os.py")),
            ("a/__pycache__/os.cpython-311.opt-1.pyc", Some("a/os.py")),
            ("a/__pycache__/a.b.cpython-311.pyc", Some("a/a.b.py")),
            ("__pycache__/os.cpython-27.pyo", Some("os.py")),
            ("usr/lib/python2.7/os.pyc", Some("usr/lib/python2.7/os.py")),
            ("my__pycache__/os.pyc", Some("my__pycache__/os.py")),
            ("a/__pycache__/os.pyc", None),
            ("a/__pycache__/opt-1.pyc", None),
            ("a/.pyc", None),
            ("a/os.py", None),
        ] {
            assert_eq!(source(path).as_deref(), expected, "{path}");
        }
    }
}
