//! Two JSON documents, value by value. What a path means is for the caller to say.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::document::path::{JsonPath, Step};
use crate::diff::pair::align::{Pair, align, by_position};
use crate::document::json::{Json, Kind, Value};

/// A value that is not the same on both sides.
#[derive(Debug)]
pub(crate) struct Change<'j> {
    /// Where it is.
    pub(crate) path: JsonPath,
    /// What is there; `None` where there is nothing.
    pub(crate) values: [Option<Value<'j>>; 2],
}

impl Change<'_> {
    /// Is one side absent, and the other what Go's encoder leaves out? (`null`, `""`, `0`, `false`, `[]`, `{}`)
    pub(crate) fn is_of_nothing(&self) -> bool {
        self.is_in_struct() && self.values.iter().flatten().all(|value| is_nothing(*value))
    }

    /// Is it a member of an object of which Go's encoder leaves out what is nothing? A member of a map, a variable or a
    /// label say, has a meaning by being there, and so does an element of a list.
    fn is_in_struct(&self) -> bool {
        use Step::{Index, Key};
        let steps = self.path.steps();
        let (key, holder) = match steps.split_last() {
            None => return true,
            Some((Key(key), holder)) => (*key, holder),
            Some((Index(_), _)) => return false,
        };
        match holder {
            // It has a default that is not nothing, so that Docker distinguishes its absence from a zero.
            [Key("config")] => key != "StopTimeout",
            []
            | [Key("container_config" | "descriptor" | "rootfs" | "subject" | "history" | "layers" | "manifests")]
            | [Key("config"), Key("Healthcheck")]
            | [Key("descriptor" | "subject" | "layers" | "manifests"), Key("platform")]
            | [Key("history" | "layers" | "manifests"), Index(_)]
            | [Key("layers" | "manifests"), Index(_), Key("platform")] => true,
            _ => false,
        }
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
pub(crate) struct Compared<'j> {
    /// What differs, in the order of the left document; then what only the right one has.
    pub(crate) changes: Vec<Change<'j>>,
    /// Is something equal but written in another way: white space, escapes, the case or the order of keys?
    ///
    /// Every byte of both documents is part of a change, of what was passed over, of what is equal, or counted here.
    pub(crate) differs_in_spelling: bool,
}

/// True if another comparison reports what is at this path.
pub(crate) type Skip<'f> = dyn Fn(&JsonPath, [Option<Value<'_>>; 2]) -> bool + 'f;

/// Compares two documents; values for which `skip` is true are passed over.
pub(crate) fn documents<'j>(a: &'j Json<'j>, b: &'j Json<'j>, skip: &Skip<'_>, out: &mut Compared<'j>) {
    let frame = |json: &Json<'j>| {
        let (bytes, span) = (json.bytes(), json.root().span());
        [bytes.get(..span.start), bytes.get(span.end..)].map(|piece| piece.unwrap_or_default().to_vec())
    };
    out.differs_in_spelling |= frame(a) != frame(b);
    compare(a.root(), b.root(), &JsonPath::root(), skip, out);
}

/// Compares two values; those for which `skip` is true are passed over.
pub(crate) fn compare<'j>(a: Value<'j>, b: Value<'j>, path: &JsonPath, skip: &Skip<'_>, out: &mut Compared<'j>) {
    if a.raw() == b.raw() || skip(path, [Some(a), Some(b)]) {
        return;
    }
    match (a.kind(), b.kind()) {
        (Kind::Object, Kind::Object) => objects(Some(a), Some(b), path, skip, out),
        (Kind::Array, Kind::Array) => arrays(a, b, path, skip, out),
        (Kind::String, Kind::String) if a.as_str() == b.as_str() => out.differs_in_spelling = true,
        _ => out.changes.push(Change { path: path.clone(), values: [Some(a), Some(b)] }),
    }
}

fn objects<'j>(a: Option<Value<'j>>, b: Option<Value<'j>>, path: &JsonPath, skip: &Skip<'_>, out: &mut Compared<'j>) {
    let members = |value: Option<Value<'j>>| value.into_iter().flat_map(Value::members).enumerate();
    let right: BTreeMap<String, (usize, Value<'j>)> =
        members(b).map(|(number, member)| (member.name().to_owned(), (number, member.value))).collect();
    let mut known = BTreeSet::new();
    let mut pairs = Vec::new();
    for (number, member) in members(a) {
        match right.get(member.name()) {
            Some((other, value)) => {
                // Most are: their paths need not be made.
                if member.value.raw() != value.raw() {
                    compare(member.value, *value, &path.key(member.name()), skip, out);
                }
                pairs.push((number, *other));
            }
            None => one_sided(Some(member.value), None, &path.key(member.name()), skip, out),
        }
        known.insert(member.name().to_owned());
    }
    for (_, member) in members(b).filter(|(_, member)| !known.contains(member.name())) {
        one_sided(None, Some(member.value), &path.key(member.name()), skip, out);
    }
    if let (Some(a), Some(b)) = (a, b) {
        out.differs_in_spelling |= !pairs.is_sorted_by_key(|(_, other)| *other);
        spacing(a, b, &pairs, out);
    }
}

/// A member that only one side has; of an object every member of its own.
fn one_sided<'j>(a: Option<Value<'j>>, b: Option<Value<'j>>, path: &JsonPath, skip: &Skip<'_>, out: &mut Compared<'j>) {
    if skip(path, [a, b]) {
        return;
    }
    let is_full = |value: Value<'_>| value.kind() == Kind::Object && value.members().next().is_some();
    if a.or(b).is_some_and(is_full) {
        objects(a, b, path, skip, out);
    } else {
        out.changes.push(Change { path: path.clone(), values: [a, b] });
    }
}

fn arrays<'j>(a: Value<'j>, b: Value<'j>, path: &JsonPath, skip: &Skip<'_>, out: &mut Compared<'j>) {
    let keys = |value: Value<'j>| value.elements().map(Value::raw).collect::<Vec<_>>();
    let (left, right) = (keys(a), keys(b));
    let pairs = if left.len() == right.len() {
        (0..left.len()).map(|number| (Some(number), Some(number))).collect()
    } else {
        align(&left, &right, &mut by_position)
    };
    elements(a, b, &pairs, path, skip, out);
}

/// Compares two arrays whose elements are paired already.
pub(crate) fn elements<'j>(
    a: Value<'j>,
    b: Value<'j>,
    pairs: &[Pair],
    path: &JsonPath,
    skip: &Skip<'_>,
    out: &mut Compared<'j>,
) {
    let (left, right): (Vec<_>, Vec<_>) = (a.elements().collect(), b.elements().collect());
    for (i, j) in pairs {
        let (x, y) = (i.and_then(|i| left.get(i)).copied(), j.and_then(|j| right.get(j)).copied());
        let path = || path.index(i.or(*j).unwrap_or(0));
        match (x, y) {
            (Some(x), Some(y)) if x.raw() == y.raw() => {}
            (Some(x), Some(y)) => compare(x, y, &path(), skip, out),
            (None, None) => {}
            (x, y) => one_sided(x, y, &path(), skip, out),
        }
    }
    let both: Vec<_> = pairs.iter().filter_map(|(i, j)| Some(((*i)?, (*j)?))).collect();
    spacing(a, b, &both, out);
}

/// Compares the bytes between the parts of two containers, of which these are counterparts.
///
/// The first and the last part have other neighbours than those between them: what surrounds a part that only one side
/// has is its own.
pub(crate) fn spacing<'j>(a: Value<'j>, b: Value<'j>, pairs: &[(usize, usize)], out: &mut Compared<'j>) {
    let (x, y) = (Tokens::of(a), Tokens::of(b));
    let is_empty = [&x, &y].map(|tokens| tokens.before.is_empty());
    let same_ends = x.before.first() == y.before.first() && x.end == y.end;
    out.differs_in_spelling |= is_empty[0] == is_empty[1] && !same_ends;
    for (i, j) in pairs {
        out.differs_in_spelling |= x.keys.get(*i) != y.keys.get(*j);
        out.differs_in_spelling |= *i > 0 && *j > 0 && x.before.get(*i) != y.before.get(*j);
    }
}

/// The bytes of a container that are in none of its values.
struct Tokens<'j> {
    /// In front of each part, after the one before it.
    before: Vec<&'j [u8]>,
    /// The key of each member, up to its value; nothing in an array.
    keys: Vec<&'j [u8]>,
    /// Behind the last part.
    end: &'j [u8],
}

impl<'j> Tokens<'j> {
    fn of(container: Value<'j>) -> Self {
        let (raw, span) = (container.raw(), container.span());
        let piece = |from: usize, to: usize| {
            raw.get(from.saturating_sub(span.start)..to.saturating_sub(span.start)).unwrap_or_default()
        };
        let members = container.members().map(|member| (member.key_span.start, member.value.span()));
        let elements = container.elements().map(|value| (value.span().start, value.span()));
        let (mut before, mut keys, mut at) = (Vec::new(), Vec::new(), span.start + 1);
        for (start, value) in members.chain(elements) {
            before.push(piece(at, start));
            keys.push(piece(start, value.start));
            at = value.end;
        }
        Self { before, keys, end: piece(at, span.end.saturating_sub(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(a: &str, b: &str) -> (Vec<String>, bool) {
        let (a, b) = (Json::parse(a.as_bytes()).unwrap(), Json::parse(b.as_bytes()).unwrap());
        let mut out = Compared::default();
        documents(&a, &b, &|path, _| path.is(&["skipped"]), &mut out);
        (out.changes.into_iter().map(|change| change.path.to_string()).collect(), out.differs_in_spelling)
    }

    #[test]
    fn what_is_left_between_known_differences_is_spelling() {
        for (a, b) in [
            (r#"{"a":1,"b":{"c":2}}"#, r#"{"a":3,"b":{"c": 2}}"#),
            (r#"{"a":1,"b":[1,2]}"#, r#"{"a":3,"b":[1, 2]}"#),
            (r#"{"a":1,"b":[1,2]}"#, r#"{"a":3,"b":[1,2 ]}"#),
            (r#"{"a":1,"b":{}}"#, r#"{"a":3,"b":{ }}"#),
            (r#"{"a":1}"#, "{\"a\":3}\n"),
            (r#"{"a":1}"#, r#"{"\u0061":3}"#),
            (r#"{"skipped":1,"a":2}"#, r#"{"skipped":3 ,"a":2}"#),
            (r#"{"x":1,"a":2,"b":2}"#, r#"{"a":2, "b":2}"#),
        ] {
            assert!(paths(a, b).1, "{a} {b}");
        }
        for (a, b) in [
            (r#"{ "a": 1, "b": 2 }"#, r#"{ "b": 2 }"#),
            ("{\n  \"a\": 1,\n  \"b\": [\n    1\n  ]\n}", "{\n  \"b\": [\n    2,\n    3\n  ]\n}"),
            (r#"{"a": {}}"#, r#"{"a": {"b": 1}}"#),
        ] {
            assert!(!paths(a, b).1, "{a} {b}");
        }
    }

    #[test]
    fn only_what_an_encoder_leaves_out_is_nothing() {
        use Step::{Index, Key};
        let is_nothing = |steps: &[Step<'_>], value: &str| {
            let json = Json::parse(value.as_bytes()).unwrap();
            let path = steps.iter().fold(JsonPath::root(), |path, step| match step {
                Key(key) => path.key(key),
                Index(number) => path.index(*number),
            });
            Change { path, values: [None, Some(json.root())] }.is_of_nothing()
        };
        for path in [
            &[Key("author")][..],
            &[Key("config"), Key("Env")],
            &[Key("history"), Index(3), Key("comment")],
            &[Key("os.features")],
            &[Key("layers"), Index(0), Key("platform"), Key("variant")],
        ] {
            assert!(is_nothing(path, "null") && is_nothing(path, "\"\"") && !is_nothing(path, "1"), "{path:?}");
        }
        for path in [
            &[Key("config"), Key("ExposedPorts"), Key("22/tcp")][..],
            &[Key("config"), Key("Volumes"), Key("/x")],
            &[Key("config"), Key("Labels"), Key("x")],
            &[Key("annotations"), Key("x.y")],
            &[Key("config"), Key("Cmd"), Index(1)],
            &[Key("config"), Key("StopTimeout")],
            &[Key("config"), Key("Labels"), Key("x"), Key("config"), Key("y")],
            &[Key("config.Healthcheck"), Key("x")],
        ] {
            assert!(!is_nothing(path, "\"\""), "{path:?}");
        }
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
            let (found, differs_in_spelling) = paths(a, b);
            assert_eq!(found, expected, "{a} {b}");
            assert_eq!(differs_in_spelling, respelled, "{a} {b}");
        }
    }
}
