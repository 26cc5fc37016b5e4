//! The same in another order: lines, paragraphs, certificates, members of JSON objects.
//!
//! Lines are compared as they are, sorted, and not by a sum of hashes. Whether the order matters, the format says: of the
//! lists of package managers, of checksums and of trusted certificates it does not.

use crate::document::json::{Json, Kind, Value};

/// More lines are not sorted: each takes 16 bytes on each side.
const LINES_MAX: usize = 100_000;
/// Larger JSON is not parsed.
const JSON_MAX: usize = 4 << 20;
/// Nor is JSON of more commas, colons and brackets: its values take memory each.
const JSON_PARTS_MAX: usize = 300_000;
/// JSON files in which the order of members has a meaning: of conditions in `exports`, of what is tried first.
const ORDERED_JSON: [&[u8]; 14] = [
    b"package.json",
    b"deno.json",
    b"importmap.json",
    b"import_map.json",
    b"tsconfig.json",
    b"tsconfig.base.json",
    b"composer.json",
    b"jest.config.json",
    b"babel.config.json",
    b"angular.json",
    b"proxy.conf.json",
    b"policy.json",
    b"acl.json",
    b"rules.json",
];
/// Lists of checksums.
const SUMS: [&[u8]; 8] =
    [b"md5sums", b"sha1sums", b"sha224sums", b"sha256sums", b"sha384sums", b"sha512sums", b"b2sums", b"checksums"];
/// Where bundles of trusted certificates are: elsewhere a file of that name may be a chain, which has an order.
const TRUSTED: [&[u8]; 8] = [
    b"etc/ssl/certs/",
    b"etc/pki/",
    b"ca-trust/",
    b"ca-certificates/",
    b"certifi/",
    b"usr/lib/ssl/",
    b"usr/share/ssl/",
    b"conda/ssl/",
];

/// What a file is a list of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Line,
    Paragraph,
    Certificate,
}

/// How two files are the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Same {
    /// A list of lines in another order, which has no meaning.
    List(String),
    /// A list of paragraphs or certificates in another order, which has no meaning.
    Blocks(String),
    /// The same lines in another order, which may have a meaning.
    Lines(String),
    /// JSON whose objects have their members in another order.
    Members,
    /// JSON with other spaces, line ends or indentation.
    Spelling,
}

/// Are both the same, but for their order?
pub(super) fn compare(path: &[u8], a: &[u8], b: &[u8]) -> Option<Same> {
    if let Some(same) = json(path, a, b) {
        return Some(same);
    }
    let (unit, name) = match unit(path) {
        Some(unit @ Unit::Line) => (unit, "lines"),
        Some(unit @ Unit::Paragraph) => (unit, "paragraphs"),
        Some(unit @ Unit::Certificate) => (unit, "certificates"),
        None => (Unit::Line, ""),
    };
    if let Some(count) = is_reordered(a, b, unit) {
        let note = |what: &str| format!("the same {count} {what} in another order");
        return Some(match unit {
            Unit::Line if name.is_empty() => Same::Lines(note("lines")),
            Unit::Line => Same::List(note(name)),
            Unit::Paragraph | Unit::Certificate => Same::Blocks(note(name)),
        });
    }
    // Lines that went from one paragraph to another are another list.
    let count = if unit == Unit::Line { None } else { is_reordered(a, b, Unit::Line) };
    count.map(|count| Same::Lines(format!("the same {count} lines in another order")))
}

/// The unit of a file in which the order of these has no meaning.
fn unit(path: &[u8]) -> Option<Unit> {
    let path = path.rsplit(|byte| *byte == 0).next().unwrap_or(path);
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let (name, folder) = (parts.next()?, parts.next().unwrap_or_default());
    let is_below = |part: &[u8]| path.windows(part.len()).any(|window| window == part);
    let lower = name.to_ascii_lowercase();
    let is_sums = SUMS.contains(&lower.as_slice()) || lower.ends_with(b".md5sums");
    match name {
        b"RECORD" if folder.ends_with(b".dist-info") => Some(Unit::Line),
        b"SOURCES.txt" | b"installed-files.txt" if folder.ends_with(b".egg-info") => Some(Unit::Line),
        b".packlist" | b"locale.gen" => Some(Unit::Line),
        b"SUPPORTED" if folder == b"i18n" => Some(Unit::Line),
        b"world" if is_below(b"etc/apk/") => Some(Unit::Line),
        b"File" if is_below(b"lib/dpkg/triggers/") => Some(Unit::Line),
        b"status" | b"available" if folder == b"dpkg" => Some(Unit::Paragraph),
        b"extended_states" if folder == b"apt" => Some(Unit::Paragraph),
        b"installed" if is_below(b"lib/apk/db/") => Some(Unit::Paragraph),
        b"ca-certificates.crt"
        | b"ca-bundle.crt"
        | b"ca-bundle.trust.crt"
        | b"ca-bundle.pem"
        | b"cacert.pem"
        | b"tls-ca-bundle.pem"
        | b"email-ca-bundle.pem"
        | b"objsign-ca-bundle.pem"
            if TRUSTED.iter().any(|place| is_below(place)) =>
        {
            Some(Unit::Certificate)
        }
        b"cert.pem" if path.ends_with(b"etc/ssl/cert.pem") || is_below(b"etc/pki/") => Some(Unit::Certificate),
        _ if is_below(b"lib/dpkg/info/") && name.ends_with(b".list") => Some(Unit::Line),
        _ if is_sums => Some(Unit::Line),
        _ => None,
    }
}

/// How many units both have, if these are the same in another order.
fn is_reordered(a: &[u8], b: &[u8], unit: Unit) -> Option<usize> {
    let count = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    if a.contains(&0) || b.contains(&0) || count(a).max(count(b)) > LINES_MAX {
        return None;
    }
    let (mut a, mut b) = (units(a, unit)?, units(b, unit)?);
    if a.len() != b.len() || a == b {
        return None;
    }
    a.sort_unstable();
    b.sort_unstable();
    (a == b).then_some(a.len())
}

fn units(text: &[u8], unit: Unit) -> Option<Vec<&[u8]>> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if unit == Unit::Line {
        return Some(text.split(|byte| *byte == b'\n').collect());
    }
    let (mut units, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let line = line.trim_ascii();
        let is_end = match unit {
            Unit::Certificate => matches!(line, b"-----END CERTIFICATE-----" | b"-----END TRUSTED CERTIFICATE-----"),
            _ => line.is_empty(),
        };
        if is_end {
            units.push(text.get(start..at)?.trim_ascii());
            start = at;
        }
    }
    let rest = text.get(start..)?.trim_ascii();
    match unit {
        // A key among them is more than a list of certificates.
        Unit::Certificate if !rest.is_empty() || units.iter().any(|unit| !is_certificate(unit)) => return None,
        Unit::Certificate => {}
        _ => units.push(rest),
    }
    units.retain(|unit| !unit.is_empty());
    Some(units)
}

fn is_certificate(unit: &[u8]) -> bool {
    let mut begins = unit.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-----BEGIN "));
    let first = begins.next().map(<[u8]>::trim_ascii);
    matches!(first, Some(b"-----BEGIN CERTIFICATE-----" | b"-----BEGIN TRUSTED CERTIFICATE-----"))
        && begins.next().is_none()
}

fn json(path: &[u8], a: &[u8], b: &[u8]) -> Option<Same> {
    let [(ordered_a, sorted_a), (ordered_b, sorted_b)] = [hashes(a)?, hashes(b)?];
    if ordered_a == ordered_b {
        return Some(Same::Spelling);
    }
    let name = path.rsplit(|byte| matches!(byte, b'/' | 0)).next().unwrap_or_default();
    if sorted_a != sorted_b {
        None
    } else if ORDERED_JSON.contains(&name) {
        Some(Same::Lines("the same JSON, the members of its objects in another order".to_owned()))
    } else {
        Some(Same::Members)
    }
}

type Hash = [u8; 32];

/// The hash of a JSON document with its members in their order, and of one with them sorted. Strings and numbers count as
/// they are written; a key that comes twice in an object makes the document none.
fn hashes(text: &[u8]) -> Option<(Hash, Hash)> {
    let is_json = matches!(text.trim_ascii_start(), [b'{' | b'[', ..]) && text.len() <= JSON_MAX;
    if !is_json || text.iter().filter(|byte| b",:{[".contains(byte)).count() > JSON_PARTS_MAX {
        return None;
    }
    std::str::from_utf8(text).ok()?;
    let json = Json::parse_map(text).ok()?;
    Some((hash(text, json.root(), false), hash(text, json.root(), true)))
}

/// The parser limits how deep values are nested.
fn hash(text: &[u8], value: Value<'_>, sorted: bool) -> Hash {
    let mut hasher = blake3::Hasher::new();
    match value.kind() {
        Kind::Object => {
            let mut members: Vec<Hash> = Vec::new();
            for member in value.members() {
                let mut own = blake3::Hasher::new();
                // The hash of the value has a length of its own, so that no key runs into it.
                own.update(&hash(text, member.value, sorted)).update(text.get(member.key_span).unwrap_or_default());
                members.push(*own.finalize().as_bytes());
            }
            if sorted {
                members.sort_unstable();
            }
            hasher.update(b"{");
            for member in &members {
                hasher.update(member);
            }
        }
        Kind::Array => {
            hasher.update(b"[");
            for element in value.elements() {
                hasher.update(&hash(text, element, sorted));
            }
        }
        _ => {
            hasher.update(b"=").update(value.raw());
        }
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, a: &str, b: &str) -> Option<Same> {
        compare(path.as_bytes(), a.as_bytes(), b.as_bytes())
    }

    #[test]
    fn lists_may_be_in_any_order_and_other_lines_may_not() {
        let (a, b) = ("one,1\ntwo,2\nthree,3\n", "three,3\none,1\ntwo,2\n");
        let note = || "the same 3 lines in another order".to_owned();
        for path in
            ["x/a-1.dist-info/RECORD", "var/lib/dpkg/info/x.list", "x.egg-info/SOURCES.txt", "a.zip\0d/SHA256SUMS"]
        {
            assert_eq!(of(path, a, b), Some(Same::List(note())), "{path}");
        }
        for path in ["etc/ld.so.conf", "etc/hosts", "x/RECORD", "app/x.txt"] {
            assert_eq!(of(path, a, b), Some(Same::Lines(note())), "{path}");
        }
        // Another line, the same line twice, no line at all.
        assert_eq!(of("x", a, "three,3\none,1\ntwo,3\n"), None);
        assert_eq!(of("x", "a\na\nb\n", "a\nb\nb\n"), None);
        assert_eq!(of("x", "a\nb\n", "a\nb"), None);
        assert_eq!(of("x", "a\0\nb\n", "b\na\0\n"), None);
    }

    #[test]
    fn a_line_that_changes_its_paragraph_is_no_order() {
        let status =
            |first: &str, second: &str| format!("Package: a\nVersion: {first}\n\nPackage: b\nVersion: {second}\n\n");
        let swapped = "Package: b\nVersion: 2\n\nPackage: a\nVersion: 1\n\n";
        let path = "var/lib/dpkg/status";
        assert_eq!(
            of(path, &status("1", "2"), swapped),
            Some(Same::Blocks("the same 2 paragraphs in another order".to_owned()))
        );
        assert!(matches!(of(path, &status("1", "2"), &status("2", "1")), Some(Same::Lines(_))));
    }

    #[test]
    fn certificates_are_a_set_and_a_chain_is_none() {
        let pem =
            |body: &str| format!("# {body}\n-----BEGIN CERTIFICATE-----\n{body}\nend\n-----END CERTIFICATE-----\n");
        let (a, b) = ([pem("A"), pem("B")].concat(), [pem("B"), pem("A")].concat());
        let note = "the same 2 certificates in another order".to_owned();
        assert_eq!(of("etc/ssl/certs/ca-certificates.crt", &a, &b), Some(Same::Blocks(note)));
        assert!(matches!(of("etc/nginx/fullchain.pem", &a, &b), Some(Same::Lines(_))));
        let key = "-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----\n";
        let (a, b) = ([&pem("A"), key].concat(), [key, &pem("A")].concat());
        assert!(matches!(of("etc/ssl/certs/ca-certificates.crt", &a, &b), Some(Same::Lines(_))));
    }

    #[test]
    fn members_of_json_have_no_order_and_elements_have() {
        assert_eq!(of("x", r#"{"a":1,"b":{"c":2,"d":3}}"#, r#"{"b":{"d":3,"c":2},"a":1}"#), Some(Same::Members));
        assert_eq!(of("x", r#"{"a": [1]}"#, r#"{"a":[1]}"#), Some(Same::Spelling));
        let exports = [r#"{"exports":{"import":"a","default":"b"}}"#, r#"{"exports":{"default":"b","import":"a"}}"#];
        assert!(matches!(of("app/package.json", exports[0], exports[1]), Some(Same::Lines(_))));
        for (a, b) in [
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
            (r#"{"a":1,"b":2}"#, r#"{"b":1,"a":2}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":123456789012345678901}"#, r#"{"a":123456789012345678902}"#),
            (r#"{"a":"b"}"#, r#"{"ab":""}"#),
            (r#"{"\ud800":1,"b":2}"#, r#"{"b":2,"\ud801":1}"#),
            (r#"[[],[[]]]"#, r#"[[[]],[]]"#),
        ] {
            assert_eq!(of("x.json", a, b), None, "{a} {b}");
        }
    }
}
