//! Properties: of the parser against serde_json, of edits, and of all documents on bytes that nobody wrote.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{CLAMP, SET, digest, moves, stamp};
use crate::document::attestation::Attestation;
use crate::document::config::{BaseHistory, Config};
use crate::document::docker::{Archive, ArchiveEdit, ArchiveEntryEdit, Repositories};
use crate::document::edit::Edits;
use crate::document::index::{Index, IndexEdit};
use crate::document::json::{Json, Kind, Value};
use crate::document::manifest::{Manifest, ManifestEdit};
use crate::document::references::Moved;
use crate::document::v1::V1;

fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,2}"
}

fn string() -> impl Strategy<Value = String> {
    r#""([ !#-\[\]-~é😀]|\\["\\/bfnrt]|\\u00[0-7][0-9a-f]){0,6}""#
}

/// JSON texts with all kinds of spacing, escapes and numbers, in which no key occurs twice.
fn json() -> impl Strategy<Value = String> {
    let number = r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?";
    let leaf = prop_oneof![Just("null".to_owned()), Just("true".into()), Just("false".into()), number, string()];
    let value = leaf.prop_recursive(5, 40, 5, |inner| {
        let item = (space(), inner, space()).prop_map(|(a, value, b)| a + &value + &b).boxed();
        let member = (space(), string(), space(), item.clone());
        let array = (prop::collection::vec(item, 0..5), space()).prop_map(|(items, blank)| match items.is_empty() {
            true => format!("[{blank}]"),
            false => format!("[{}]", items.join(",")),
        });
        let object = (prop::collection::vec(member, 0..5), space()).prop_map(|(members, blank)| {
            let members: Vec<_> = members
                .iter()
                .enumerate()
                .map(|(number, (a, key, b, value))| {
                    // The number at its end makes a key the only one of its name.
                    format!("{a}{}#{number}\"{b}:{value}", &key[..key.len() - 1])
                })
                .collect();
            if members.is_empty() { format!("{{{blank}}}") } else { format!("{{{}}}", members.join(",")) }
        });
        prop_oneof![array, object]
    });
    (space(), value, space()).prop_map(|(a, value, b)| a + &value + &b)
}

/// Calls `visit` for a value and everything in it; checks on the way that the spans lie in each other.
fn walk<'j>(value: Value<'j>, visit: &mut impl FnMut(Value<'j>)) {
    visit(value);
    let span = value.span();
    let mut last = span.start;
    for member in value.members() {
        assert!(last < member.key_span.start && member.key_span.end < member.value.span().start);
        last = member.value.span().end;
        assert!(last < span.end);
        walk(member.value, visit);
    }
    for element in value.elements() {
        assert!(last < element.span().start && element.span().end < span.end);
        last = element.span().end;
        walk(element, visit);
    }
}

/// The same value by serde_json, which has read the text on its own.
fn same(ours: Value<'_>, theirs: &serde_json::Value) -> bool {
    match theirs {
        serde_json::Value::Null => ours.is_null(),
        serde_json::Value::Bool(flag) => ours.as_bool() == Some(*flag),
        serde_json::Value::Number(number) => {
            ours.kind() == Kind::Number && (number.as_u64().is_none() || ours.as_u64() == number.as_u64())
        }
        serde_json::Value::String(text) => ours.as_str().is_some_and(|ours| ours == text.as_str()),
        serde_json::Value::Array(items) => {
            ours.kind() == Kind::Array
                && ours.elements().count() == items.len()
                && ours.elements().zip(items).all(|(a, b)| same(a, b))
        }
        serde_json::Value::Object(map) => {
            ours.kind() == Kind::Object
                && ours.members().count() == map.len()
                && ours.members().zip(map).all(|(a, (key, b))| a.key == key.as_str() && same(a.value, b))
        }
    }
}

/// Everything that reads documents, on the same bytes; what they make of them is read again.
fn read_all(bytes: &[u8]) {
    let map = moves(&[('1', '2')]);
    for rule in [SET, CLAMP] {
        let stamp = stamp(rule);
        if let Ok(config) = Config::parse(bytes)
            && let Ok(patched) = config.patch(stamp, BaseHistory::default(), config.diff_ids())
        {
            let again = Config::parse(&patched.bytes).unwrap();
            assert!(!again.patch(stamp, BaseHistory::default(), again.diff_ids()).unwrap().changed);
        }
        if let Ok(manifest) = Manifest::parse(bytes) {
            let edit =
                ManifestEdit { moved: Moved { blobs: Some(&map), ..Moved::default() }, ..ManifestEdit::default() };
            let patched = manifest.patch(stamp, &edit).unwrap();
            assert!(!Manifest::parse(&patched.bytes).unwrap().patch(stamp, &edit).unwrap().changed);
        }
        if let Ok(index) = Index::parse(bytes) {
            let edit = IndexEdit { moved: Moved { blobs: Some(&map), ..Moved::default() }, ..IndexEdit::default() };
            let patched = index.patch(stamp, &edit).unwrap();
            assert!(!Index::parse(&patched.bytes).unwrap().patch(stamp, &edit).unwrap().changed);
        }
        if let Ok(v1) = V1::parse(bytes) {
            v1.times();
        }
    }
    if let Ok(Attestation::Statement(statement)) = Attestation::parse(bytes) {
        statement.patch_to(&map, &mut |_| Ok(())).unwrap();
    }
    if let Ok(archive) = Archive::parse(bytes) {
        let entries = vec![Some(ArchiveEntryEdit::default()); archive.entries().len()];
        archive.patch(stamp(SET), &ArchiveEdit { entries, images: &map, gone: &[digest('3')].into() }).unwrap();
    }
    if let Ok(repositories) = Repositories::parse(bytes) {
        let ids = repositories.tags().into_iter().map(|(name, tag, id)| ((name, tag), id)).collect();
        assert!(!repositories.patch(&ids).unwrap().changed);
        repositories.patch(&Default::default()).unwrap();
    }
}

/// Documents near to real ones, to be damaged.
fn documents() -> [String; 5] {
    let digest = digest('1');
    let descriptor = format!(
        r#"{{"mediaType":"m","digest":"{digest}","size":1,"data":"e30=","annotations":{{"build-date":"2024-01-01 10:00:00.5 +0100","vnd.docker.reference.digest":"{digest}","org.opencontainers.image.ref.name":"{}.sig"}}}}"#,
        digest.to_string().replace(':', "-")
    );
    [
        format!(
            r#"{{"created":"2024-01-01T00:00:00.25Z","history":[{{"created":"2024-01-01T00:00:00Z","empty_layer":true}}],"config":{{"Labels":{{"build-date":"20240101"}}}},"rootfs":{{"diff_ids":["{digest}"]}}}}"#
        ),
        format!(
            r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{descriptor},{descriptor}],"subject":{descriptor},"annotations":{{"buildkit/rewritten-timestamp":"1800000000"}}}}"#
        ),
        format!(
            r#"{{"schemaVersion":2,"manifests":[{descriptor},{descriptor}],"annotations":{{"org.opencontainers.image.created":"x1"}}}}"#
        ),
        format!(
            r#"{{"_type":"t","subject":[{{"name":"n","digest":{{"sha256":"{}"}}}}],"predicate":{{"x":[1]}}}}"#,
            digest.hex()
        ),
        format!(
            r#"[{{"Config":"c","RepoTags":null,"Layers":["l"],"Parent":"{digest}","LayerSources":{{"{digest}":{descriptor}}}}}]"#
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_serde_reads_is_read_alike(text in json()) {
        let parsed = Json::parse(text.as_bytes()).unwrap();
        walk(parsed.root(), &mut |value| assert_eq!(value.raw(), &text.as_bytes()[value.span()]));
        prop_assert!(Edits::new(&parsed).apply().unwrap() == text.as_bytes());
        prop_assert!(same(parsed.root(), &serde_json::from_str(&text).unwrap()));
    }

    #[test]
    fn what_serde_refuses_is_refused(text in json(), at: prop::sample::Index, with in prop::sample::select(b"\"\\{}[]:,0-.eEtnu \x00\x1f\xff".to_vec()), how in 0..3) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = with,
            1 => bytes.insert(at, with),
            _ => bytes.truncate(at),
        }
        // serde_json takes a key twice; it skips bytes that are no UTF-8 in what it ignores, as we do.
        let ours = Json::parse(&bytes).map(|_| ()).map_err(|error| error.to_string());
        match serde_json::from_slice::<IgnoredAny>(&bytes) {
            Ok(_) => prop_assert!(ours.is_ok() || ours.unwrap_err().contains("each key once"), "{}", bytes.escape_ascii()),
            Err(_) => prop_assert!(ours.is_err(), "{}", bytes.escape_ascii()),
        }
        prop_assert_eq!(Json::parse_only(&bytes, &["#0"]).is_ok(), serde_json::from_slice::<IgnoredAny>(&bytes).is_ok());
    }

    #[test]
    fn an_edit_changes_its_value_and_nothing_else(text in json(), pick: prop::sample::Index, new in "\\PC{0,5}") {
        let parsed = Json::parse(text.as_bytes()).unwrap();
        let mut values = Vec::new();
        walk(parsed.root(), &mut |value| values.push(value));
        let value = values[pick.index(values.len())];
        let mut edits = Edits::new(&parsed);
        edits.string(value, &new);
        let out = edits.apply().unwrap();
        let span = value.span();
        prop_assert!(out.starts_with(&text.as_bytes()[..span.start]) && out.ends_with(&text.as_bytes()[span.end..]));
        let middle = &out[span.start..out.len() - (text.len() - span.end)];
        let again = Json::parse(middle).unwrap();
        prop_assert_eq!(again.root().as_str().unwrap(), new);
        prop_assert!(Json::parse(&out).is_ok());
        prop_assert_eq!(value.path().is_empty(), span == parsed.root().span());
    }

    #[test]
    fn what_is_kept_stays_in_order(text in json(), keep in prop::collection::vec(any::<bool>(), 5)) {
        let parsed = Json::parse(text.as_bytes()).unwrap();
        let root = parsed.root();
        let mut edits = Edits::new(&parsed);
        let mut flags = keep.iter().copied();
        edits.retain_members(root, |_| flags.next().unwrap_or(true));
        edits.retain_elements(root, &keep);
        let out = edits.apply().unwrap();
        let again = Json::parse(&out).unwrap();
        let items = |value: Value<'_>| -> Vec<Vec<u8>> {
            let members = value.members().map(|member| parsed_bytes(value, member.span()));
            members.chain(value.elements().map(|element| element.raw().to_vec())).collect()
        };
        let flags = keep.iter().copied().chain(std::iter::repeat(true));
        let expected: Vec<_> = items(root).into_iter().zip(flags).filter(|(_, keep)| *keep).map(|(item, _)| item).collect();
        prop_assert_eq!(items(again.root()), expected);
    }

    #[test]
    fn no_document_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn no_document_panics_on_damaged_ones(which in 0usize..5, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 0..4)) {
        let mut bytes = documents()[which].clone().into_bytes();
        for (at, byte, how) in damage {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes[at] = b"\"{}[]:,0-x\\"[usize::from(byte) % 11],
                _ => { bytes.remove(at); }
            }
        }
        read_all(&bytes);
    }
}

/// The bytes of a span of the document that this root is of.
fn parsed_bytes(root: Value<'_>, span: std::ops::Range<usize>) -> Vec<u8> {
    let start = root.span().start;
    root.raw()[span.start - start..span.end - start].to_vec()
}
