//! The names that writers give to PAX headers, of which GNU tar makes its process id a part.

/// The longest name that a header's field holds.
const NAME_MAX: usize = 100;

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
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if !is_number(process) || !is_number(count.get(1..).unwrap_or_default()) {
        return false;
    }
    out.clear();
    for part in [directory, MARK, b"0", count] {
        out.extend_from_slice(part);
    }
    true
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
}
