//! What lists of archives say: a snapshot that is named in them, and which parts of a distribution they take.
//!
//! apt's `sources.list` and `*.sources` (sources.list(5)), pacman's `mirrorlist`, apk's `repositories`, yum's `*.repo`.

use std::collections::BTreeSet;

/// More is no list of archives.
pub const MAX_BYTES: u64 = 64 << 10;
/// Snapshots that are named in one list.
const MAX_FOUND: usize = 100;

/// A snapshot that a list names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stated {
    /// In seconds.
    pub seconds: i64,
    /// Which archive: a host's name, or `Snapshot:`, apt's own field.
    pub archive: &'static str,
    /// Is it in a comment, as builders of base images leave it there?
    pub is_comment: bool,
}

/// Where a date stands in an address: what comes before it up to the name of an archive.
const ARCHIVES: [(&str, &str); 4] = [
    ("snapshot.debian.org", "snapshot.debian.org/archive/"),
    ("snapshot-cloudflare.debian.org", "snapshot-cloudflare.debian.org/archive/"),
    ("snapshot.ubuntu.com", "snapshot.ubuntu.com/"),
    ("archive.archlinux.org", "archive.archlinux.org/repos/"),
];

/// The snapshots that a list names, the oldest first.
pub fn snapshots(text: &[u8]) -> Vec<Stated> {
    let mut found = BTreeSet::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let is_comment = line.trim_start().starts_with('#');
        for (archive, start) in ARCHIVES {
            for (at, _) in line.match_indices(start) {
                let rest = line.get(at + start.len()..).unwrap_or_default();
                let date = if archive == "archive.archlinux.org" { day(rest) } else { stamp_in(rest) };
                found.extend(date.map(|seconds| Stated { seconds, archive, is_comment }));
            }
        }
        let field = line.split_once(':').filter(|(key, _)| key.trim().eq_ignore_ascii_case("snapshot"));
        let option = line.split_once("snapshot=").map(|(_, rest)| rest);
        for value in field.map(|(_, value)| value).into_iter().chain(option) {
            let date = stamp(value.trim_start());
            found.extend(date.map(|seconds| Stated { seconds, archive: "Snapshot:", is_comment }));
        }
        if found.len() >= MAX_FOUND {
            break;
        }
    }
    found.into_iter().collect()
}

/// `debian/20240101T000000Z/…`: one name of an archive, then a date.
fn stamp_in(rest: &str) -> Option<i64> {
    rest.split(|c: char| c == '/' || c.is_whitespace()).take(2).find_map(stamp)
}

/// `20240101T000000Z`, at the start of a text.
fn stamp(text: &str) -> Option<i64> {
    let head = text.get(..16)?;
    let after = text.get(16..)?.chars().next();
    let date = chrono::NaiveDateTime::parse_from_str(head, "%Y%m%dT%H%M%SZ").ok()?;
    after.is_none_or(|c| !c.is_ascii_alphanumeric()).then(|| date.and_utc().timestamp())
}

/// `2024/01/01/…`
fn day(text: &str) -> Option<i64> {
    let head = text.get(..10)?;
    let date = chrono::NaiveDate::parse_from_str(head, "%Y/%m/%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

/// The components that apt's lists take of a distribution's archives: `main`, `universe`. Only words that a list may have.
pub fn components(text: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_component = |word: &&str| {
        (1..=40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let line = line.trim();
        if let Some(("components", list)) = line
            .split_once(':')
            .map(|(key, list)| (key.to_ascii_lowercase(), list))
            .as_ref()
            .map(|(key, list)| (key.as_str(), *list))
        {
            found.extend(list.split_ascii_whitespace().filter(is_component).map(str::to_owned));
        }
        let Some(rest) = line.strip_prefix("deb ") else { continue };
        let rest = match rest.trim_start().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        // An address, a suite, then components.
        found.extend(rest.split_ascii_whitespace().skip(2).filter(is_component).map(str::to_owned));
        if found.len() >= MAX_FOUND {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_found() {
        let text = b"Types: deb\n# http://snapshot.debian.org/archive/debian/20240110T000000Z\nURIs: http://deb.debian.org/debian\n";
        let found = snapshots(text);
        assert_eq!(found, [Stated { seconds: 1_704_844_800, archive: "snapshot.debian.org", is_comment: true }]);
        let seconds = |text: &[u8]| snapshots(text).iter().map(|found| found.seconds).collect::<Vec<_>>();
        assert_eq!(
            seconds(b"deb [check-valid-until=no] https://snapshot.ubuntu.com/ubuntu/20240401T030400Z noble main\n"),
            [1_711_940_640]
        );
        assert_eq!(seconds(b"Server=https://archive.archlinux.org/repos/2024/01/01/$repo/os/$arch\n"), [1_704_067_200]);
        assert_eq!(seconds(b"Snapshot: 20240101T000000Z\n"), [1_704_067_200]);
        assert_eq!(seconds(b"deb [snapshot=20240101T000000Z arch=amd64] http://x y z\n"), [1_704_067_200]);
        for none in [
            &b"deb http://deb.debian.org/debian bookworm main"[..],
            b"snapshot.debian.org/archive/debian/20249901T000000Z",
            b"",
        ] {
            assert_eq!(snapshots(none), []);
        }
    }

    #[test]
    fn components_are_found() {
        let text = b"deb [a=b c] http://x bookworm main contrib\n#deb http://x bookworm never\n";
        assert_eq!(components(text).into_iter().collect::<Vec<_>>(), ["contrib", "main"]);
        let text = b"Types: deb\nSuites: noble\nComponents: main universe $(x) a;b\n";
        assert_eq!(components(text).into_iter().collect::<Vec<_>>(), ["main", "universe"]);
    }
}
