//! The parser's grammar, limits and paths, and edits by span.

use crate::document::edit::Edits;
use crate::document::json::{Json, Kind, MAX_DEPTH, MAX_DOCUMENT, MAX_NODES};

fn error(bytes: &[u8]) -> String {
    Json::parse(bytes).unwrap_err().to_string()
}

#[test]
fn values_know_their_spans() {
    let text = b"\r\n{ \"a\" : [1, \"x\\u002ey\", {}, null],\t\"b\":-0.5e+7 }\n";
    let json = Json::parse(text).unwrap();
    let root = json.root();
    assert_eq!((root.kind(), root.raw()), (Kind::Object, &text[2..text.len() - 1]));
    let elements: Vec<_> = root.entry("a").unwrap().elements().collect();
    let raw: Vec<_> = elements.iter().map(|value| value.raw()).collect();
    assert_eq!(raw, [b"1".as_slice(), b"\"x\\u002ey\"", b"{}", b"null"]);
    assert_eq!(elements[0].as_u64(), Some(1));
    assert_eq!(elements[1].as_str().unwrap(), "x.y");
    assert!(elements[3].is_null());
    assert_eq!(elements[3].path(), "a[3]");
    assert_eq!(root.entry("b").unwrap().raw(), b"-0.5e+7");
    assert_eq!(root.entry("b").unwrap().as_u64(), None);
    assert!(root.entry("c").is_none() && root.entry("a").unwrap().entry("a").is_none());
    assert_eq!(root.members().map(|member| member.key_span).collect::<Vec<_>>(), [4..7, 37..40]);
}

#[test]
fn strings_are_read_as_go_reads_them() {
    let cases: [(&[u8], &str); 7] = [
        (br#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (br#""\u00e9\uD83D\ude00""#, "é😀"),
        (br#""\ud83d""#, "\u{fffd}"),
        (br#""\ud83dx\udE00""#, "\u{fffd}x\u{fffd}"),
        (br#""\ud83d\u0041""#, "\u{fffd}A"),
        (b"\"a\xffb\\n\xc3\"", "a\u{fffd}b\n\u{fffd}"),
        ("\"😀\u{7f}\"".as_bytes(), "😀\u{7f}"),
    ];
    for (raw, text) in cases {
        assert_eq!(Json::parse(raw).unwrap().root().as_str().unwrap(), text, "{}", raw.escape_ascii());
    }
}

#[test]
fn whole_numbers_are_digits_and_nothing_else() {
    for (text, number) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("-0", None),
        ("1.0", None),
        ("1e3", None),
        ("\"1\"", None),
    ] {
        assert_eq!(Json::parse(text.as_bytes()).unwrap().root().as_u64(), number, "{text}");
    }
    // A number of any size is no reason to stop.
    let huge = format!("[-{}.{}e-{}]", "9".repeat(5000), "0".repeat(5000), "9".repeat(5000));
    assert!(Json::parse(huge.as_bytes()).is_ok());
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (bytes, message) in [
        (b"".as_slice(), "offset 0: JSON: expected a value, found the end of the document"),
        (b"\xef\xbb\xbf{}", "offset 0: JSON: expected no byte order mark (RFC 8259, 8.1), found \\u{feff}{}"),
        (b"{} x", "offset 3: JSON: expected the end, found x"),
        (b"[1,]", "[1]: offset 3: JSON: expected a value, found ]"),
        (b"[1 2]", "[0]: offset 3: JSON: expected a comma or a closing bracket, found 2]"),
        (b"{\"a\":1,}", "offset 7: JSON: expected a key in quotes, found }"),
        (b"{\"a\" 1}", "a: offset 5: JSON: expected a colon, found 1}"),
        (b"{\"a\":{\"b\":[0,tru]}}", "a.b[1]: offset 13: JSON: expected a value, found tru]}}"),
        (b"[01]", "[0]: offset 2: JSON: expected a comma or a closing bracket, found 1]"),
        (b"[1.]", "[0]: offset 3: JSON: expected a digit, found ]"),
        (b"[-]", "[0]: offset 2: JSON: expected a digit, found ]"),
        (b"[1e]", "[0]: offset 3: JSON: expected a digit, found ]"),
        (b"\"a\nb\"", "offset 2: JSON: expected no control character in a string, found \\nb\""),
        (b"\"\\x\"", "offset 1: JSON: expected an escape of RFC 8259, found \\x\""),
        (b"\"\\u12g4\"", "offset 1: JSON: expected an escape of RFC 8259, found \\u12g4\""),
        (b"\"abc", "offset 4: JSON: expected the end of a string, found the end of the document"),
        (b"{\"a\":[", "a[0]: offset 6: JSON: expected a value, found the end of the document"),
        (b"{]", "offset 1: JSON: expected a key in quotes, found ]"),
        (b"[}", "[0]: offset 1: JSON: expected a value, found }"),
        (b"[\xa01]", "[0]: offset 1: JSON: expected a value, found \\xa01]"),
    ] {
        assert_eq!(error(bytes), message);
    }
}

#[test]
fn a_key_may_occur_once() {
    let message = "a[1][\"x.y\"]: offset 17: JSON object: expected each key once, found \"x.y\" twice";
    assert_eq!(error(br#"{"a":[0,{"x.y":1,"x\u002ey":2}]}"#), message);
    assert!(Json::parse(br#"{"a":{"x":1},"b":{"x":1},"A":0}"#).is_ok());
}

#[test]
fn depth_is_limited_without_recursion() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    for bytes in [nested(MAX_DEPTH + 1), nested(10_000), "{\"a\":".repeat(10_000)] {
        let text = error(bytes.as_bytes());
        assert!(text.contains("depth of a JSON document is over the limit"), "{text}");
    }
    let member = format!("{{\"predicate\":{}}}", nested(MAX_DEPTH));
    assert!(Json::parse_only(member.as_bytes(), &["subject"]).is_err());
}

#[test]
fn size_and_number_of_values_are_limited() {
    let text = error(&vec![b' '; MAX_DOCUMENT + 1]);
    assert_eq!(text, "size of a JSON document is over the limit: 16777217, at most 16777216 allowed");
    let many = format!("[{}0]", "0,".repeat(MAX_NODES));
    assert!(error(many.as_bytes()).contains("number of values"));
}

#[test]
fn a_predicate_of_forty_megabytes_is_validated_but_not_indexed() {
    let item = r#"{"name":"a\u0041","digest":{"sha256":"00"},"n":[1.5e3,true,null]},"#;
    let predicate = item.repeat((40 << 20) / item.len());
    let text = format!(r#"{{"_type":"t","predicate":{{"items":[{predicate}0]}},"subject":[{{"name":"x"}}]}}"#);
    let json = Json::parse_only(text.as_bytes(), &["subject"]).unwrap();
    assert_eq!(json.len(), 10);
    assert_eq!(json.root().get("predicate").unwrap().members().count(), 0);
    assert!(json.root().get("predicate").unwrap().span().len() > 39 << 20);
    assert_eq!(json.root().get("subject").unwrap().elements().next().unwrap().get("name").unwrap().raw(), b"\"x\"");
    let broken = text.replacen("1.5e3", "1.5e", 1);
    let text = Json::parse_only(broken.as_bytes(), &["subject"]).unwrap_err().to_string();
    assert_eq!(text, "predicate.items[0].n[0]: offset 87: JSON: expected a digit, found ,true,null]},{\"name\"");
}

#[test]
fn an_edit_that_changes_nothing_is_none() {
    let json = Json::parse(br#"{"a":"x\u002ey","b":5}"#).unwrap();
    let mut edits = Edits::new(&json);
    let (a, b) = (json.root().entry("a").unwrap(), json.root().entry("b").unwrap());
    assert!(!edits.string(a, "x.y"));
    assert!(!edits.number(b, 5));
    assert!(!edits.replace(b.span(), "5"));
    assert!(!edits.retain_members(json.root(), |_| true));
    assert!(edits.is_empty());
    assert!(edits.string(a, "\"\\\n\u{1}é"));
    assert!(edits.number(b, 6));
    assert_eq!(edits.apply().unwrap(), "{\"a\":\"\\\"\\\\\\n\\u0001é\",\"b\":6}".as_bytes());
}

#[test]
fn what_is_removed_takes_its_comma_along() {
    let text = "[ 1 , 2 ,\n 3\t]";
    let json = Json::parse(text.as_bytes()).unwrap();
    for (keep, expected) in [
        ([true, true, true], text),
        ([false, true, true], "[ 2 ,\n 3\t]"),
        ([true, false, true], "[ 1 ,\n 3\t]"),
        ([true, true, false], "[ 1 , 2\t]"),
        ([false, false, true], "[ 3\t]"),
        ([true, false, false], "[ 1\t]"),
        ([false, true, false], "[ 2\t]"),
        ([false, false, false], "[]"),
    ] {
        let mut edits = Edits::new(&json);
        edits.retain_elements(json.root(), &keep);
        assert_eq!(String::from_utf8(edits.apply().unwrap()).unwrap(), expected, "{keep:?}");
    }
}
