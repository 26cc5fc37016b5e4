//! The names that writers give to PAX headers and to the headers of sparse files: GNU tar makes its process id a part of
//! them. The canonical process id is 0.

/// The longest name that a header's field holds.
pub(super) const NAME_MAX: usize = 100;
/// The longest prefix that a ustar header's field holds.
const PREFIX_MAX: usize = 155;

/// The name of the PAX header of the entry `name`, as Go's `archive/tar` writes it, into `out`:
/// `path.Join(directory, "PaxHeaders.0", base)`, its ASCII, cut to the field.
pub(super) fn pax_header_name(name: &[u8], out: &mut Vec<u8>) {
    let base = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, base) = name.split_at_checked(base).unwrap_or((b"", name));
    out.clear();
    if directory.starts_with(b"/") {
        out.push(b'/');
    }
    let root = out.len();
    // How much of `out` is "../../…", which a further ".." can't take back.
    let mut fixed = root;
    let parts = directory.split(|byte| *byte == b'/').chain([&b"PaxHeaders.0"[..]]).chain([base]);
    for part in parts {
        match part {
            b"" | b"." => {}
            b".." if out.len() > fixed => {
                let slash = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(slash.max(fixed));
            }
            b".." if root == 1 => {}
            part => {
                if out.len() > root {
                    out.push(b'/');
                }
                out.extend_from_slice(part);
                if part == b".." {
                    fixed = out.len();
                }
            }
        }
    }
    if out.is_empty() {
        out.push(b'.');
    }
    out.retain(|byte| byte.is_ascii() && *byte != 0);
    out.truncate(NAME_MAX);
    while out.last() == Some(&b'/') {
        out.pop();
    }
}

/// The name of a global header without GNU tar's process id: `…/GlobalHead.<pid>.<n>` becomes
/// `…/GlobalHead.0.<n>`. Into `out`; false if it is no such name.
pub(super) fn global_header_name(name: &[u8], out: &mut Vec<u8>) -> bool {
    const MARK: &[u8] = b"GlobalHead.";
    let base = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let Some((directory, base)) = name.split_at_checked(base) else { return false };
    let Some(numbers) = base.strip_prefix(MARK) else { return false };
    let Some(dot) = numbers.iter().position(|byte| *byte == b'.') else { return false };
    let (process, count) = numbers.split_at(dot);
    if !is_number(process) || !is_number(count.get(1..).unwrap_or_default()) {
        return false;
    }
    out.clear();
    for part in [directory, MARK, b"0", count] {
        out.extend_from_slice(part);
    }
    true
}

/// The name that GNU tar gives to the header of a sparse file whose name is a PAX record, without its process id:
/// `…/GNUSparseFile.<pid>/<file>` becomes `…/GNUSparseFile.0/<file>`. `None` if it is no such name.
pub(super) fn sparse_file_name(name: &[u8]) -> Option<Vec<u8>> {
    const MARK: &[u8] = b"GNUSparseFile.";
    let slash = name.iter().rposition(|byte| *byte == b'/')?;
    let (directory, base) = name.split_at_checked(slash)?;
    let own = directory.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (parent, own) = directory.split_at_checked(own)?;
    own.strip_prefix(MARK).filter(|process| is_number(process))?;
    Some([parent, MARK, b"0", base].concat())
}

/// Divides a name between a ustar header's prefix and name, as GNU tar does: at the last slash that is possible. `None`
/// if it fits neither so nor whole.
pub(super) fn divide(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_MAX {
        return Some((b"", name));
    }
    let slash = name.iter().take(PREFIX_MAX + 1).rposition(|byte| *byte == b'/').filter(|slash| *slash > 0)?;
    let (prefix, rest) = (name.get(..slash)?, name.get(slash + 1..)?);
    (1..=NAME_MAX).contains(&rest.len()).then_some((prefix, rest))
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_headers_are_named_as_go_names_them() {
        let long = "x".repeat(120);
        for (name, expected) in [
            ("f", "PaxHeaders.0/f"),
            ("a/b/f", "a/b/PaxHeaders.0/f"),
            ("a/b/", "a/b/PaxHeaders.0"),
            ("./f", "PaxHeaders.0/f"),
            ("./", "PaxHeaders.0"),
            (".", "PaxHeaders.0"),
            ("", "PaxHeaders.0"),
            ("/", "/PaxHeaders.0"),
            ("/f", "/PaxHeaders.0/f"),
            ("/../f", "/PaxHeaders.0/f"),
            ("../../f", "../../PaxHeaders.0/f"),
            ("a/../../f", "../PaxHeaders.0/f"),
            ("a//b/./c/../f", "a/b/PaxHeaders.0/f"),
            ("a/..", "a"),
            ("..", "."),
            ("...", "PaxHeaders.0/..."),
            ("é/naïve", "/PaxHeaders.0/nave"),
            ("日/本", "/PaxHeaders.0"),
            (&long, &format!("PaxHeaders.0/{}", "x".repeat(87))),
            (&format!("{}/f", "y".repeat(86)), &format!("{}/PaxHeaders.0", "y".repeat(86))),
        ] {
            let mut out = b"old".to_vec();
            pax_header_name(name.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{name}");
        }
        let mut out = Vec::new();
        pax_header_name(b"a\xff/b\0\xc3", &mut out);
        assert_eq!(out, b"a/PaxHeaders.0/b");
    }

    #[test]
    fn a_global_header_loses_the_process_id() {
        for (name, expected) in [
            ("/tmp/GlobalHead.31337.1", Some("/tmp/GlobalHead.0.1")),
            ("GlobalHead.0.0", Some("GlobalHead.0.0")),
            ("GlobalHead.1", None),
            ("GlobalHead..1", None),
            ("GlobalHead.1.", None),
            ("GlobalHead.1.1.1", None),
            ("GlobalHead.1.1/x", None),
            ("xGlobalHead.1.1", None),
            ("pax_global_header", None),
        ] {
            let mut out = Vec::new();
            let found = global_header_name(name.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap());
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_header_of_a_sparse_file_loses_the_process_id() {
        for (name, expected) in [
            ("./GNUSparseFile.4711/f", Some("./GNUSparseFile.0/f")),
            ("GNUSparseFile.0/f", Some("GNUSparseFile.0/f")),
            ("a/GNUSparseFile.1/GNUSparseFile.22/f", Some("a/GNUSparseFile.1/GNUSparseFile.0/f")),
            ("a/GNUSparseFile.22/", Some("a/GNUSparseFile.0/")),
            ("GNUSparseFile.4711", None),
            ("GNUSparseFile.4711/a/b", None),
            ("GNUSparseFile./f", None),
            ("GNUSparseFile.1x/f", None),
            ("xGNUSparseFile.1/f", None),
            ("", None),
        ] {
            let found = sparse_file_name(name.as_bytes()).map(|name| String::from_utf8(name).unwrap());
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_divided_as_gnu_tar_divides_it() {
        let [d, n] = ["d", "n"].map(|letter| letter.repeat(60));
        for (name, expected) in [
            ("f".repeat(100), Some((String::new(), "f".repeat(100)))),
            ("f".repeat(101), None),
            (format!("{d}/a/{n}"), Some((format!("{d}/a"), n.clone()))),
            (format!("{d}/{d}/{d}/{n}"), None),
            (format!("{d}/{d}/a{n}"), Some((format!("{d}/{d}"), format!("a{n}")))),
            (format!("/{}", "f".repeat(100)), None),
        ] {
            let found = divide(name.as_bytes());
            let expected = expected.as_ref().map(|(prefix, name)| (prefix.as_bytes(), name.as_bytes()));
            assert_eq!(found, expected, "{name}");
        }
    }
}
