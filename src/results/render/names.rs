//! Pure: names as names of files, and the parts of an image's name.

use std::fmt::Write as _;

use crate::digest::Digest;

/// A name of a file is not longer, in bytes, without its ending.
const MAX: usize = 150;
/// Of a longer name, so many bytes come before its digest.
const START: usize = 60;

/// A name as that of a file: lower-case letters, digits, dots and hyphens stay, `/` becomes `__`, any other byte `_` and two
/// hexadecimal digits. A long one is cut, and ends in `_-` and the digest of all of it. No two names become one, also where a
/// file system takes letters of both cases for the same, and none is hidden or leads anywhere.
///
/// A `_` is always the start of `__`, of `_` and two digits, or of `_-`, which no byte becomes. It is cut between those alone.
/// So, read from its start, the name of a file says whether it was cut.
pub fn file_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len().min(MAX) + 4);
    let mut cut = 0;
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => out.push(char::from(byte)),
            b'.' if at > 0 => out.push('.'),
            b'/' => out.push_str("__"),
            byte => drop(write!(out, "_{byte:02x}")),
        }
        if out.len() <= START {
            cut = out.len();
        }
        if out.len() > MAX {
            break;
        }
    }
    if out.is_empty() || out.len() > MAX {
        out.truncate(cut);
        let _ = write!(out, "_-{}", Digest::sha256(name.as_bytes()).hex());
    }
    out
}

/// Where the page of an image is.
pub(super) fn image_file(subject: Digest) -> String {
    format!("image/{}-{}.html", subject.algorithm().name(), subject.hex())
}

/// The repository and the tag in a name. A digest at its end is left out.
pub(super) fn split(name: &str) -> (&str, Option<&str>) {
    let name = name.split_once("@sha256:").map_or(name, |(name, _)| name);
    let Some((repository, tag)) = name.rsplit_once(':') else { return (name, None) };
    let is_tag = (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    // What is before the first colon of a location is the kind of its carrier.
    let is_carrier = matches!(repository, "" | "oci" | "oci-archive" | "docker-archive");
    if is_tag && !is_carrier { (repository, Some(tag)) } else { (name, None) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The name that a file has, as far as it says it, and the digest at its end if it was cut.
    fn read(file: &str) -> (Vec<u8>, Option<&str>) {
        let (mut name, mut rest) = (Vec::new(), file);
        while let Some(first) = rest.chars().next() {
            let escape = rest.get(1..3).unwrap_or_default();
            let (byte, length) = match first {
                '_' if rest.starts_with("_-") => return (name, Some(&rest[2..])),
                '_' if rest.starts_with("__") => (b'/', 2),
                '_' => (u8::from_str_radix(escape, 16).unwrap(), 3),
                first => (first as u8, 1),
            };
            name.push(byte);
            rest = &rest[length..];
        }
        (name, None)
    }

    proptest! {
        #[test]
        fn a_file_says_its_name_or_the_digest_of_it(name in "[a/_.\\-A0é]{0,80}|a{50,61}[/_\\-A]{0,20}(a{90,120}|-[0-9a-f]{64})") {
            let file = file_name(&name);
            prop_assert!(file.len() <= MAX, "{}", file);
            match read(&file) {
                (read, None) => prop_assert_eq!(read, name.as_bytes()),
                (start, Some(digest)) => {
                    prop_assert!(name.as_bytes().starts_with(&start));
                    prop_assert_eq!(digest, Digest::sha256(name.as_bytes()).hex());
                }
            }
        }
    }

    #[test]
    fn a_cut_in_an_escape_makes_no_name_that_another_has() {
        let long = format!("{}/{}", "a".repeat(59), "a".repeat(200));
        let other = format!("{}/-{}", "a".repeat(59), Digest::sha256(long.as_bytes()).hex());
        assert_ne!(file_name(&long), file_name(&other));
    }

    #[test]
    fn no_two_names_become_one_and_none_leads_anywhere() {
        let long = "a".repeat(3000);
        let names = [
            "",
            ".",
            "..",
            "../x",
            "__x",
            "..__x",
            "/x",
            "_2fx",
            "a/b",
            "a__b",
            "a_b",
            "A",
            "a",
            "_41",
            "a\0b",
            "ab",
            "ä",
            "<script>",
            "a\u{202e}b",
            ".htaccess",
            "a b",
            "a+b",
            &long,
            &long[1..],
            "con",
            "x.svg",
            "x.json",
            "a\nb",
        ];
        let files: BTreeSet<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(files.len(), names.len(), "{files:?}");
        for file in files {
            assert!(!file.is_empty() && file.len() < 200 && !file.starts_with('.'), "{file}");
            assert!(
                file.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)),
                "{file}"
            );
        }
        assert_eq!(file_name("registry.example/team/app"), "registry.example__team__app");
    }

    #[test]
    fn a_tag_is_what_follows_the_last_colon_of_a_repository() {
        for (name, repository, tag) in [
            ("registry.example:5000/app:1.2", "registry.example:5000/app", Some("1.2")),
            ("registry.example:5000/app", "registry.example:5000/app", None),
            ("docker://registry.example/app:1", "docker://registry.example/app", Some("1")),
            ("registry.example/app:1@sha256:00", "registry.example/app", Some("1")),
            ("oci:app", "oci:app", None),
            ("oci:app:1", "oci:app", Some("1")),
            (":1", ":1", None),
            ("a: b", "a: b", None),
            ("", "", None),
        ] {
            assert_eq!(split(name), (repository, tag), "{name}");
        }
    }
}
