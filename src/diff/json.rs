//! Two JSON documents, value by value. What a path means is for the caller to say.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::json::{Json, Kind, Value, element_path, member_path};

/// A value that is not the same on both sides.
#[derive(Debug)]
pub(super) struct Change<'j> {
    /// Where: `config.Env[2]`.
    pub(super) path: String,
    /// What stands there; `None` where there is nothing.
    pub(super) values: [Option<Value<'j>>; 2],
}

impl Change<'_> {
    /// Is one side absent, and the other what Go's encoder writes for nothing? (`null`, `""`, `0`, `false`, `[]`, `{}`)
    pub(super) fn is_of_nothing(&self) -> bool {
        self.values.iter().flatten().all(|value| is_nothing(*value))
    }
}

fn is_nothing(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::Bool | Kind::Number | Kind::String => matches!(value.raw(), b"false" | b"0" | b"\"\""),
        Kind::Array => value.elements().next().is_none(),
        Kind::Object => value.members().next().is_none(),
    }
}

/// Two values, and what is found in them.
#[derive(Debug, Default)]
pub(super) struct Compared<'j> {
    /// What differs, in the order of the left document, what only the right one has behind it.
    pub(super) changes: Vec<Change<'j>>,
    /// Is something equal but spelled in another way: escapes, numbers, the order of keys?
    pub(super) is_respelled: bool,
}

/// Compares two values; members for which `skip` is true are passed over.
pub(super) fn compare<'j>(a: Value<'j>, b: Value<'j>, path: &str, skip: &dyn Fn(&str) -> bool, out: &mut Compared<'j>) {
    if skip(path) || a.raw() == b.raw() {
        return;
    }
    match (a.kind(), b.kind()) {
        (Kind::Object, Kind::Object) => objects(Some(a), Some(b), path, skip, out),
        (Kind::Array, Kind::Array) => arrays(a, b, path, skip, out),
        (Kind::String, Kind::String) if a.as_str() == b.as_str() => out.is_respelled = true,
        _ => out.changes.push(Change { path: path.to_owned(), values: [Some(a), Some(b)] }),
    }
}

fn objects<'j>(
    a: Option<Value<'j>>,
    b: Option<Value<'j>>,
    path: &str,
    skip: &dyn Fn(&str) -> bool,
    out: &mut Compared<'j>,
) {
    let members = |value: Option<Value<'j>>| value.into_iter().flat_map(Value::members);
    let right: BTreeMap<String, Value<'j>> = members(b).map(|member| (member.key.into_owned(), member.value)).collect();
    let mut known = BTreeSet::new();
    let mut order = Vec::new();
    for member in members(a) {
        let path = member_path(path, &member.key);
        match right.get(member.key.as_ref()) {
            Some(other) => {
                compare(member.value, *other, &path, skip, out);
                order.push(member.key.clone().into_owned());
            }
            None => one_sided(Some(member.value), None, &path, skip, out),
        }
        known.insert(member.key.into_owned());
    }
    let mut common = order.iter();
    for member in members(b) {
        if known.contains(member.key.as_ref()) {
            out.is_respelled |= common.next().is_some_and(|key| *key != member.key);
        } else {
            one_sided(None, Some(member.value), &member_path(path, &member.key), skip, out);
        }
    }
}

/// A member that only one side has; of an object every member of its own.
fn one_sided<'j>(
    a: Option<Value<'j>>,
    b: Option<Value<'j>>,
    path: &str,
    skip: &dyn Fn(&str) -> bool,
    out: &mut Compared<'j>,
) {
    if skip(path) {
        return;
    }
    let is_full = |value: Value<'_>| value.kind() == Kind::Object && value.members().next().is_some();
    if a.or(b).is_some_and(is_full) {
        objects(a, b, path, skip, out);
    } else {
        out.changes.push(Change { path: path.to_owned(), values: [a, b] });
    }
}

fn arrays<'j>(a: Value<'j>, b: Value<'j>, path: &str, skip: &dyn Fn(&str) -> bool, out: &mut Compared<'j>) {
    let (left, right): (Vec<_>, Vec<_>) = (a.elements().collect(), b.elements().collect());
    let keys = |values: &[Value<'j>]| values.iter().map(|value| value.raw()).collect::<Vec<_>>();
    let pairs = if left.len() == right.len() {
        (0..left.len()).map(|number| (Some(number), Some(number))).collect()
    } else {
        super::align::align(&keys(&left), &keys(&right), &mut super::align::by_position)
    };
    for (i, j) in pairs {
        let (x, y) = (i.and_then(|i| left.get(i)).copied(), j.and_then(|j| right.get(j)).copied());
        let path = element_path(path, i.or(j).unwrap_or(0));
        match (x, y) {
            (Some(x), Some(y)) => compare(x, y, &path, skip, out),
            (x, y) => one_sided(x, y, &path, skip, out),
        }
    }
}

/// Are the tokens of both documents written with the same white space, as far as their first lines show?
pub(super) fn same_spacing(a: &Json<'_>, b: &Json<'_>) -> bool {
    let habit = |json: &Json<'_>| {
        let bytes = json.bytes();
        let head: Vec<u8> = bytes.iter().skip(1).take(8).copied().take_while(u8::is_ascii_whitespace).collect();
        let colon = bytes.windows(2).find(|pair| pair.first() == Some(&b':')).is_some_and(|pair| pair.ends_with(b" "));
        let tail = bytes.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
        (head, colon, tail)
    };
    habit(a) == habit(b)
}

/// Do two documents differ in nothing but digests and numbers? Then what they name differs, not how they are written.
pub(super) fn only_digests_differ(a: &[u8], b: &[u8]) -> bool {
    masked(a) == masked(b)
}

/// Every run of hexadecimal digits that is as long as a digest, and every run of decimal digits, as one character.
fn masked(bytes: &[u8]) -> Vec<u8> {
    const DIGEST: usize = 64;
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let hex = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let decimal = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let run = if hex >= DIGEST { hex } else { decimal };
        out.push(if run > 0 { b'0' } else { *first });
        rest = if run > 0 { rest.get(run..).unwrap_or_default() } else { tail };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(a: &str, b: &str) -> (Vec<String>, bool) {
        let (a, b) = (Json::parse(a.as_bytes()).unwrap(), Json::parse(b.as_bytes()).unwrap());
        let mut out = Compared::default();
        compare(a.root(), b.root(), "", &|path| path == "skipped", &mut out);
        (out.changes.into_iter().map(|change| change.path).collect(), out.is_respelled)
    }

    #[test]
    fn digests_are_no_spelling() {
        let differ = |a: &str, b: &str| !only_digests_differ(a.as_bytes(), b.as_bytes());
        let [x, y] = [("a", 12), ("9", 345)].map(|(c, n)| format!(r#"{{"d":"sha256:{}","s":{n}}}"#, c.repeat(64)));
        assert!(!differ(&x, &y));
        assert!(differ("[1,2]", "[1, 2]"));
        assert!(differ("[\"abc\"]", "[\"abd\"]"));
    }

    #[test]
    fn every_change_has_its_path() {
        for (a, b, expected, respelled) in [
            (r#"{"a":1}"#, r#"{"a":1}"#, &[][..], false),
            (r#"{"a":1,"b":{"c":[1,2]}}"#, r#"{"b":{"c":[1,3]},"a":2}"#, &["a", "b.c[1]"], true),
            (r#"{"x":{"y":{"z":1}}}"#, "{}", &["x.y.z"], false),
            ("{}", r#"{"x":{"y":[]}}"#, &["x.y"], false),
            (r#"{"a":[1,2,3]}"#, r#"{"a":[2,3]}"#, &["a[0]"], false),
            (r#"{"a":"\u003e"}"#, r#"{"a":">"}"#, &[], true),
            (r#"{"a":null}"#, "{}", &["a"], false),
            (r#"{"skipped":1}"#, r#"{"skipped":2}"#, &[], false),
            ("[]", "{}", &[""], false),
        ] {
            let (found, is_respelled) = paths(a, b);
            assert_eq!(found, expected, "{a} {b}");
            assert_eq!(is_respelled, respelled, "{a} {b}");
        }
    }
}
