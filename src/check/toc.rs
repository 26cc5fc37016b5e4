//! The times in a table of contents: that of eStargz, which is a member of the layer, and that of zstd:chunked, which
//! is a frame of its blob. Both are JSON objects with a list `entries` of objects that have a `name` and times
//! (containerd/stargz-snapshotter, docs/estargz.md).
//!
//! They may be larger than any document, so that they are read byte by byte and never parsed as a whole. What is no
//! such table gives nothing.

use std::sync::Arc;

use crate::epoch::{Instant, Stamp};
use crate::error::printable;

/// `{ "entries": [ { …`: the members of an entry are this deep.
const DEPTH: u32 = 3;
/// The longest string that is kept: names of files are shorter.
const LONGEST: usize = 4096;

/// Reads a table that comes in pieces.
#[derive(Debug)]
pub(super) struct Toc {
    stamp: Stamp,
    depth: u32,
    is_string: bool,
    is_escape: bool,
    text: Vec<u8>,
    /// The key whose value comes next.
    key: Option<&'static str>,
    name: Vec<u8>,
}

impl Toc {
    pub fn new(stamp: Stamp) -> Self {
        let (text, name) = (Vec::new(), Vec::new());
        Self { stamp, depth: 0, is_string: false, is_escape: false, text, key: None, name }
    }

    /// Takes a piece, and tells of each time that the stamp does not accept: entry, field, value.
    pub fn push(&mut self, bytes: &[u8], found: &mut dyn FnMut(Arc<str>, &'static str, Instant)) {
        for byte in bytes {
            if self.is_string {
                self.in_string(*byte, found);
            } else {
                self.outside(*byte);
            }
        }
    }

    fn in_string(&mut self, byte: u8, found: &mut dyn FnMut(Arc<str>, &'static str, Instant)) {
        if byte == b'"' && !self.is_escape {
            self.is_string = false;
            self.value(found);
            return;
        }
        self.is_escape = byte == b'\\' && !self.is_escape;
        if self.text.len() < LONGEST {
            self.text.push(byte);
        }
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.is_string = true;
                self.text.clear();
                return;
            }
            b':' => {
                self.key = match self.text.as_slice() {
                    _ if self.depth != DEPTH => None,
                    b"name" => Some("name"),
                    b"modtime" => Some("modtime"),
                    b"accesstime" => Some("accesstime"),
                    b"changetime" => Some("changetime"),
                    _ => None,
                };
                return;
            }
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' => return,
            _ => {}
        }
        self.key = None;
    }

    fn value(&mut self, found: &mut dyn FnMut(Arc<str>, &'static str, Instant)) {
        match self.key.take() {
            None => {}
            Some("name") => self.name.clone_from(&self.text),
            Some(key) => {
                let time = std::str::from_utf8(&self.text).ok().and_then(Instant::from_rfc3339);
                if let Some(time) = time.filter(|time| !self.stamp.accepts(*time)) {
                    found(printable(&self.name).into(), key, time);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::{Epoch, Rule};

    #[test]
    fn only_times_of_entries_count_wherever_the_text_is_cut() {
        let text = br#"{"version":1,"modtime":"2001-01-01T00:00:00Z","entries":[
            {"name":"a\"","type":"reg","modtime":"2001-01-01T00:00:00Z","xattrs":{"modtime":"2001-01-01T00:00:00Z"}},
            {"name":"b","modtime" : "2023-11-14T22:13:20Z","accesstime":"","changetime":7},
            {"name":"c","modtime":"2023-11-14T22:13:20.5Z"}]}"#;
        let stamp = Stamp { epoch: Epoch::new(1_700_000_000).unwrap(), rule: Rule::Set };
        for cut in 0..text.len() {
            let mut toc = Toc::new(stamp);
            let mut seen = Vec::new();
            let mut found =
                |name: Arc<str>, key: &'static str, time: Instant| seen.push(format!("{name} {key} {time}"));
            toc.push(&text[..cut], &mut found);
            toc.push(&text[cut..], &mut found);
            assert_eq!(seen, [r#"a\" modtime 2001-01-01T00:00:00Z"#, "c modtime 2023-11-14T22:13:20.500Z"]);
        }
    }
}
