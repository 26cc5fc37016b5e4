//! Names of entries as paths: where an entry of a tar stream is unpacked to.

use std::borrow::Cow;

/// The path below the root: without `./`, `/` and `//`, and with `..` resolved within the name itself.
/// Nothing is copied where the path is a part of the name.
pub(crate) fn normal(name: &[u8]) -> Cow<'_, [u8]> {
    let (start, end) = bounds(name);
    let part = name.get(start..end).unwrap_or_default();
    let is_plain = |segment: &[u8]| !matches!(segment, b"" | b"." | b"..");
    if part.is_empty() || part.split(|byte| *byte == b'/').all(is_plain) {
        return Cow::Borrowed(part);
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in part.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            // Above the root there is nothing but the root.
            b".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    Cow::Owned(segments.join(&b'/'))
}

/// Where the path begins and ends in the name, if nothing in between has to be followed.
pub(crate) fn bounds(name: &[u8]) -> (usize, usize) {
    let (mut start, mut end) = (0, name.len());
    loop {
        let rest = name.get(start..end).unwrap_or_default();
        if rest.starts_with(b"./") {
            start += 2;
        } else if rest.starts_with(b"/") {
            start += 1;
        } else {
            break;
        }
    }
    while end > start && name.get(end - 1) == Some(&b'/') {
        end -= 1;
    }
    if name.get(start..end) == Some(b".") {
        end = start;
    }
    (start, end)
}

/// The folders that a path leads through, the deepest first; not the path itself.
pub(crate) fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').filter_map(|(at, _)| path.get(..at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        for (name, path) in [
            ("a/b", "a/b"),
            ("./a/b/", "a/b"),
            ("/a//b", "a/b"),
            ("a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/b/..", "a"),
            ("././a", "a"),
            ("./", ""),
            (".", ""),
            ("/", ""),
            ("", ""),
            (".wh.x", ".wh.x"),
            ("..", ""),
            ("../a", "a"),
        ] {
            assert_eq!(&*normal(name.as_bytes()), path.as_bytes(), "{name}");
        }
    }

    #[test]
    fn ancestors_come_deepest_first() {
        assert_eq!(ancestors(b"a/b/c").collect::<Vec<_>>(), [&b"a/b"[..], b"a"]);
        assert_eq!(ancestors(b"a").count(), 0);
    }
}
