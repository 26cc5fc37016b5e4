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
pub fn file_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => out.push(char::from(byte)),
            b'.' if at > 0 => out.push('.'),
            b'/' => out.push_str("__"),
            byte => drop(write!(out, "_{byte:02x}")),
        }
    }
    if out.is_empty() || out.len() > MAX {
        out.truncate(START);
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

    use super::*;

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
