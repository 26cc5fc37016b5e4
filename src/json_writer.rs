//! How every report is written as JSON: indented, and with nothing in it that steers a terminal or hides text.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter, Serializer};

use crate::error::steers;

/// Writes a value as JSON, and a newline. Control characters, of C1 too, and characters that are invisible or change the
/// direction of text are written as `\u` escapes, which any reader of JSON resolves.
///
/// # Errors
///
/// The writer's own.
pub fn write(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let format = Escaping(PrettyFormatter::new());
    value.serialize(&mut Serializer::with_formatter(&mut *out, format))?;
    out.write_all(b"\n")
}

/// [`write()`], as bytes.
///
/// # Errors
///
/// It can't be serialised.
pub fn to_vec(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(value, &mut bytes)?;
    Ok(bytes)
}

/// [`PrettyFormatter`], with more escapes.
struct Escaping(PrettyFormatter<'static>);

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut done = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| steers(*c)) {
            out.write_all(text.get(done..at).unwrap_or_default().as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            done = at + c.len_utf8();
        }
        out.write_all(text.get(done..).unwrap_or_default().as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(out, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_in_it_steers_a_terminal_and_a_reader_gets_what_was_meant() {
        let text = "a\u{202e}b\u{2028}c\u{9b}d\u{7f}e\u{feff}f\u{2066}g\"\\\n\u{1b}h ü";
        let value = serde_json::json!({text: [text, {"x": 1}], "empty": [{}, []]});
        let bytes = super::to_vec(&value).unwrap();
        let json = String::from_utf8(bytes).unwrap();
        assert!(json.contains("a\\u202eb\\u2028c\\u009bd\\u007fe\\ufefff\\u2066g\\\"\\\\\\n\\u001bh ü"), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
        let plain = serde_json::json!({"a": [1, {"b": null}], "c": {}});
        let pretty = serde_json::to_string_pretty(&plain).unwrap() + "\n";
        assert_eq!(super::to_vec(&plain).unwrap(), pretty.into_bytes());
    }
}
