//! The times in a table of contents (TOC): that of eStargz, which is a member of the layer.
//!
//! It is a JSON object with a list `entries` of objects, and the `modtime`, `accesstime` and `changetime` of these
//! objects are times (containerd/stargz-snapshotter, docs/estargz.md, "TOCEntry"). Strings under such keys anywhere
//! else, as in an entry's extended attributes, are not.
//!
//! A table may be larger than any document, so it is read byte by byte and never parsed as a whole. Patch and check
//! read it with the same [`TocScanner`]. What is not such a table has no times.

use std::borrow::Cow;
use std::ops::Range;

use crate::stamp::Instant;

/// `{ "entries": [ { …`: the root is one deep, the list two, an entry three.
const ROOT: u32 = 1;
const LIST: u32 = 2;
const ENTRY: u32 = 3;

/// The keys whose values are times.
const TIME_KEYS: [&str; 3] = ["modtime", "accesstime", "changetime"];

/// The longest key of interest, in bytes: each of its characters may be written as `\u0000`.
const KEY_MAX: usize = 10 * 6;

/// The longest string that is taken for a time: nanoseconds and an offset need 35 characters, each of which may be
/// written as `\u0000`.
const TIME_MAX: usize = 35 * 6;

/// The longest name that is kept: names of files are shorter.
const NAME_MAX: usize = 4096;

/// A time of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TocTime<'a> {
    /// The entry's name as it is written, where it comes before the time.
    pub entry: &'a [u8],
    /// `modtime`, `accesstime` or `changetime`.
    pub field: &'static str,
    /// What it says.
    pub value: Instant,
    /// Where the text between the quotes is, in bytes from the start of the table. The closing quote is after it.
    pub range: Range<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Entries,
    Name,
    Time(&'static str),
}

/// What the next string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LayerExpected {
    /// A key of the root or of an entry.
    Key,
    /// The value of a key.
    Value(Key),
    /// Of no interest.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    InString {
        is_escape: bool,
    },
    /// Behind a key and before its colon.
    BehindKey(Key),
}

/// Finds the times in a table that comes in pieces.
#[derive(Debug)]
pub struct TocScanner {
    state: State,
    expect: LayerExpected,
    /// How many objects and lists are open.
    depth: u32,
    /// Has the first value ended, or is it no object? Nothing is read any more.
    is_over: bool,
    /// Is the object or list at `LIST` the list of entries, and that at `ENTRY` an object in it?
    is_list: bool,
    is_entry: bool,
    /// The bytes of the current string, as far as they may be of interest.
    text: Vec<u8>,
    name: Vec<u8>,
    /// How many bytes have been read.
    position: u64,
    /// Where the text of the current string begins.
    start: u64,
}

impl Default for TocScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl TocScanner {
    /// At the start of a table.
    pub fn new() -> Self {
        Self {
            state: State::Outside,
            expect: LayerExpected::Nothing,
            depth: 0,
            is_over: false,
            is_list: false,
            is_entry: false,
            text: Vec::new(),
            name: Vec::new(),
            position: 0,
            start: 0,
        }
    }

    /// Takes the next piece, and calls `found` for each time that ends in it.
    pub fn push(&mut self, bytes: &[u8], found: &mut dyn FnMut(TocTime<'_>)) {
        for byte in bytes {
            if self.is_over {
                return;
            }
            match self.state {
                State::InString { is_escape } => self.in_string(*byte, is_escape, found),
                State::Outside | State::BehindKey(_) => self.outside(*byte),
            }
            self.position = self.position.saturating_add(1);
        }
    }

    /// How many of the last bytes may be the start of a time whose end has not come yet.
    pub fn held(&self) -> usize {
        let is_time = matches!((self.state, self.expect), (State::InString { .. }, LayerExpected::Value(Key::Time(_))));
        if is_time && self.text.len() <= TIME_MAX { self.text.len() } else { 0 }
    }

    fn in_string(&mut self, byte: u8, is_escape: bool, found: &mut dyn FnMut(TocTime<'_>)) {
        if byte == b'"' && !is_escape {
            self.state = State::Outside;
            self.string_ends(found);
            return;
        }
        self.state = State::InString { is_escape: byte == b'\\' && !is_escape };
        // One byte beyond the limit marks a string that is too long.
        let limit = match self.expect {
            LayerExpected::Key => KEY_MAX,
            LayerExpected::Value(Key::Time(_)) => TIME_MAX,
            LayerExpected::Value(Key::Name) => NAME_MAX,
            LayerExpected::Value(Key::Entries) | LayerExpected::Nothing => return,
        };
        if self.text.len() <= limit {
            self.text.push(byte);
        }
    }

    fn string_ends(&mut self, found: &mut dyn FnMut(TocTime<'_>)) {
        match std::mem::replace(&mut self.expect, LayerExpected::Nothing) {
            LayerExpected::Key => {
                if let Some(key) = self.key() {
                    self.state = State::BehindKey(key);
                }
            }
            LayerExpected::Value(Key::Name) => {
                self.text.truncate(NAME_MAX);
                self.name.clone_from(&self.text);
            }
            LayerExpected::Value(Key::Time(field)) if self.text.len() <= TIME_MAX => {
                if let Some(value) = unescaped(&self.text).and_then(|text| Instant::from_rfc3339(&text)) {
                    found(TocTime { entry: &self.name, field, value, range: self.start..self.position });
                }
            }
            LayerExpected::Value(_) | LayerExpected::Nothing => {}
        }
    }

    fn outside(&mut self, byte: u8) {
        match (byte, self.state) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            _ if self.depth == 0 && byte != b'{' => self.is_over = true,
            (b':', State::BehindKey(key)) => {
                self.state = State::Outside;
                self.expect = LayerExpected::Value(key);
            }
            (b'"', _) => {
                self.state = State::InString { is_escape: false };
                self.text.clear();
                self.start = self.position.saturating_add(1);
            }
            _ => {
                self.state = State::Outside;
                let value_of = std::mem::replace(&mut self.expect, LayerExpected::Nothing);
                match byte {
                    b'{' | b'[' => self.opens(byte, value_of),
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        self.is_over = self.depth == 0;
                    }
                    b',' if self.has_fields() => self.expect = LayerExpected::Key,
                    _ => {}
                }
            }
        }
    }

    fn opens(&mut self, byte: u8, value_of: LayerExpected) {
        self.depth = self.depth.saturating_add(1);
        match self.depth {
            LIST => self.is_list = byte == b'[' && value_of == LayerExpected::Value(Key::Entries),
            ENTRY => {
                self.is_entry = byte == b'{' && self.is_list;
                self.name.clear();
            }
            _ => {}
        }
        if byte == b'{' && self.has_fields() {
            self.expect = LayerExpected::Key;
        }
    }

    /// Are the members of what is open fields of the table or of an entry?
    fn has_fields(&self) -> bool {
        self.depth == ROOT || self.depth == ENTRY && self.is_list && self.is_entry
    }

    /// The key that has just ended, if it is one of interest here.
    fn key(&self) -> Option<Key> {
        let text = unescaped(&self.text).filter(|_| self.text.len() <= KEY_MAX)?;
        if self.depth == ROOT {
            return is_key(&text, "entries").then_some(Key::Entries);
        }
        if is_key(&text, "name") {
            return Some(Key::Name);
        }
        TIME_KEYS.into_iter().find(|key| is_key(&text, key)).map(Key::Time)
    }
}

/// The text of a JSON string.
fn unescaped(raw: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(raw).ok()?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str(&format!("\"{text}\"")).ok().map(Cow::Owned)
}

/// Does Go's decoder, with which the snapshotter reads the table, take a text for this key? It does in any case of the
/// letters, and two characters beyond ASCII fold to a letter.
fn is_key(text: &str, key: &str) -> bool {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    text.chars().map(fold).eq(key.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of a text that comes in two pieces, cut at every place: entry, field and text.
    #[track_caller]
    fn times(text: &str) -> Vec<String> {
        let mut all: Option<Vec<String>> = None;
        for cut in 0..=text.len() {
            let (mut scanner, mut seen) = (TocScanner::new(), Vec::new());
            let mut found = |time: TocTime<'_>| {
                let range = usize::try_from(time.range.start).unwrap()..usize::try_from(time.range.end).unwrap();
                seen.push(format!("{} {} {}", String::from_utf8_lossy(time.entry), time.field, &text[range]));
            };
            let (left, right) = text.as_bytes().split_at(cut);
            scanner.push(left, &mut found);
            assert!(scanner.held() <= cut.min(TIME_MAX));
            scanner.push(right, &mut found);
            assert_eq!(*all.get_or_insert_with(|| seen.clone()), seen, "cut at {cut}");
        }
        all.unwrap()
    }

    const T: &str = "2001-01-01T00:00:00Z";

    fn in_an_entry(fields: &str) -> Vec<String> {
        times(&format!(r#"{{"version":1,"entries":[{{{fields}}}]}}"#))
    }

    #[test]
    fn times_of_entries_are_found_with_their_names() {
        let text = format!(
            r#"{{"version":1,"modtime":"{T}","entries":[
            {{"name":"a\"","type":"reg","modtime":"{T}","chunks":[{{"modtime":"{T}"}}]}},
            {{"name":"b","modtime" : "{T}","accesstime":"","changetime":7}} ,
            {{"modtime"
            :	"2023-11-14T22:13:20.123456789-07:00", "name":"c"}}]}}"#
        );
        let expected = [
            format!(r#"a\" modtime {T}"#),
            format!("b modtime {T}"),
            " modtime 2023-11-14T22:13:20.123456789-07:00".to_owned(),
        ];
        assert_eq!(times(&text), expected);
    }

    #[test]
    fn strings_under_the_same_keys_anywhere_else_are_no_times() {
        for text in [
            format!(r#"{{"modtime":"{T}"}}"#),
            format!(r#"{{"entries":[{{"xattrs":{{"modtime":"{T}","accesstime":"{T}"}}}}]}}"#),
            format!(r#"{{"entries":[{{"x":[{{"modtime":"{T}"}}],"y":[["modtime","{T}"]]}}]}}"#),
            format!(r#"{{"entries":{{"a":{{"modtime":"{T}"}}}}}}"#),
            format!(r#"{{"entries":[[{{"modtime":"{T}"}}],["modtime","{T}"]]}}"#),
            format!(r#"{{"entries":["modtime","{T}",{{"a":"modtime","b":"{T}"}}]}}"#),
            format!(r#"{{"others":[{{"modtime":"{T}"}}]}}"#),
            format!(r#"{{"a":{{"entries":[{{"modtime":"{T}"}}]}}}}"#),
            format!(r#"{{"x":"entries","y":[{{"modtime":"{T}"}}]}}"#),
            format!(r#"{{"entries":[],"y":[{{"modtime":"{T}"}}]}}"#),
            format!(r#"[{{"modtime":"{T}"}}]"#),
            format!(r#"["entries",[{{"modtime":"{T}"}}]]"#),
            format!(r#"[[{{"entries":[{{"modtime":"{T}"}}]}}]]"#),
            format!(r#"{{}}{{"entries":[{{"modtime":"{T}"}}]}}"#),
            format!(r#""a"{{"entries":[{{"modtime":"{T}"}}]}}"#),
            format!(r#"17 {{"entries":[{{"modtime":"{T}"}}]}}"#),
            format!(r#"[]{{"entries":[{{"modtime":"{T}"}}]}}"#),
            format!(r#"{{"entries":[{{"modtimes":"{T}","odtime":"{T}","mtime":"{T}","a\"modtime":"{T}"}}]}}"#),
            format!(r#"{{"entries":[{{"modtime":["{T}"],"accesstime":{{"a":"{T}"}}}}]}}"#),
        ] {
            assert_eq!(times(&text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_no_time_does_not_hide_the_next_one() {
        for value in [r"\\", r#"\""#, r#"x\"x"#, r"\u0022", "", "yesterday", &"x".repeat(TIME_MAX), &"x".repeat(999)] {
            let found = in_an_entry(&format!(r#""modtime":"{value}","modtime":"{T}""#));
            assert_eq!(found, [format!(" modtime {T}")], "{value}");
        }
        for value in ["17", "null", "true", "[]", "{}", r#"{"a":[1,{}]}"#] {
            let found = in_an_entry(&format!(r#""modtime":{value},"a":"{T}","changetime":"{T}""#));
            assert_eq!(found, [format!(" changetime {T}")], "{value}");
        }
        assert_eq!(times(&format!(r#"{{"entries":[{{"modtime":"{T}"#)), [""; 0]);
        assert_eq!(times(r#"{"entries":[{"modtime":"#), [""; 0]);
    }

    #[test]
    fn keys_and_values_are_read_as_go_reads_them() {
        for key in ["modtime", "ModTime", "MODTIME", r"modtim\u0065"] {
            assert_eq!(in_an_entry(&format!(r#""{key}":"{T}""#)), [format!(" modtime {T}")], "{key}");
        }
        assert_eq!(in_an_entry(&format!(r#""acce\u017fſtime":"{T}""#)), [format!(" accesstime {T}")]);
        assert_eq!(times(&format!(r#"{{"Entrieſ":[{{"modtime":"{T}"}}]}}"#)), [format!(" modtime {T}")]);
        let written = T.replace('Z', r"\u005a").replace(':', r"\u003A");
        assert_eq!(in_an_entry(&format!(r#""modtime":"{written}""#)), [format!(" modtime {written}")]);
        let longest: String = "2001-01-01T00:00:00.123456789+07:00".bytes().map(|b| format!("\\u{b:04x}")).collect();
        assert_eq!(in_an_entry(&format!(r#""modtime":"{longest}""#)), [format!(" modtime {longest}")]);
    }

    #[test]
    fn nesting_without_end_is_no_table() {
        let deep = format!(r#"{{"entries":[{}{{"modtime":"{T}"}}"#, "[".repeat(1000));
        assert_eq!(times(&deep), [""; 0]);
        assert_eq!(times(&"}]".repeat(20)), [""; 0]);
    }
}
