//! The times in eStargz's index, `stargz.index.json`: JSON whose `modtime`, `accesstime` and `changetime` are
//! strings (containerd/stargz-snapshotter, docs/estargz.md, "TOCEntry").
//!
//! They are replaced where they stand, in the same length: the index is a member of the layer, and what follows
//! it must stay where it is. It may be large, so that it is read byte by byte and never parsed as a whole.

use crate::epoch::{Instant, Stamp};

use super::times::is_replaced;

/// The keys whose values are times.
const KEYS: [&[u8]; 3] = [b"modtime", b"accesstime", b"changetime"];
const KEY_MAX: usize = 10;

/// The longest string that is taken for a time: nanoseconds and an offset need 35 characters.
const VALUE_MAX: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not in a string.
    Outside,
    /// In a string that may be a key.
    InString { is_escape: bool },
    /// Behind a string that is the key of a time.
    BehindKey,
    /// Behind that and a colon.
    BehindColon,
    /// In the string that is the value of a time.
    InValue,
}

/// Replaces times in JSON text that comes in pieces.
#[derive(Debug)]
pub(super) struct Toc {
    stamp: Stamp,
    new: String,
    state: State,
    /// The start of the string that may be a key, or the value that is held back.
    held: Vec<u8>,
    has_changed: bool,
}

impl Toc {
    pub(super) fn new(stamp: Stamp) -> Self {
        let held = Vec::with_capacity(VALUE_MAX + 1);
        Self { stamp, new: stamp.epoch.rfc3339(), state: State::Outside, held, has_changed: false }
    }

    /// Has any time been replaced?
    pub(super) fn changed(&self) -> bool {
        self.has_changed
    }

    /// Takes a piece of the text, and appends what is certain to `out`; that may lag behind by one value.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.state = self.step(*byte, out);
        }
    }

    /// The text has ended: appends what was held back.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if self.state == State::InValue {
            out.append(&mut self.held);
        }
        self.state = State::Outside;
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        match (self.state, byte) {
            (State::InValue, b'"') => {
                self.value(out);
                State::Outside
            }
            (State::InValue, _) => {
                self.held.push(byte);
                // An escape is no part of a time as anybody writes it.
                if byte != b'\\' && self.held.len() <= VALUE_MAX {
                    return State::InValue;
                }
                out.append(&mut self.held);
                State::InString { is_escape: byte == b'\\' }
            }
            (state, _) => {
                out.push(byte);
                self.pass(state, byte)
            }
        }
    }

    /// The state behind a byte that has been given out.
    fn pass(&mut self, state: State, byte: u8) -> State {
        match (state, byte) {
            (State::InString { is_escape: false }, b'"') => {
                if KEYS.contains(&self.held.as_slice()) {
                    State::BehindKey
                } else {
                    State::Outside
                }
            }
            (State::InString { is_escape }, _) => {
                if self.held.len() <= KEY_MAX {
                    self.held.push(byte);
                }
                State::InString { is_escape: byte == b'\\' && !is_escape }
            }
            (State::BehindKey, b':') => State::BehindColon,
            (State::BehindKey | State::BehindColon, b' ' | b'\t' | b'\r' | b'\n') => state,
            (State::BehindColon, b'"') => {
                self.held.clear();
                State::InValue
            }
            (_, b'"') => {
                self.held.clear();
                State::InString { is_escape: false }
            }
            _ => State::Outside,
        }
    }

    /// Gives out the value that was held back, and the quote behind it.
    fn value(&mut self, out: &mut Vec<u8>) {
        let old = std::str::from_utf8(&self.held).ok().and_then(Instant::from_rfc3339);
        let spaces = self.held.len().checked_sub(self.new.len());
        if let (Some(old), Some(spaces)) = (old, spaces)
            && is_replaced(self.stamp, old)
        {
            // Space behind a string means nothing in JSON.
            self.has_changed |= self.held != self.new.as_bytes();
            out.extend_from_slice(self.new.as_bytes());
            out.push(b'"');
            out.resize(out.len() + spaces, b' ');
        } else {
            out.extend_from_slice(&self.held);
            out.push(b'"');
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::{Epoch, Rule};

    /// Replaces the times of a text that comes in two pieces, cut at every place.
    #[track_caller]
    fn becomes(rule: Rule, before: &str, after: &str) {
        let stamp = Stamp { epoch: Epoch::new(1_700_000_000).unwrap(), rule };
        for cut in 0..=before.len() {
            let (mut toc, mut out) = (Toc::new(stamp), Vec::new());
            let (left, right) = before.as_bytes().split_at(cut);
            toc.push(left, &mut out);
            toc.push(right, &mut out);
            toc.end(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), after);
            assert_eq!(toc.changed(), before != after);
        }
        assert_eq!(before.len(), after.len());
    }

    #[test]
    fn times_are_replaced_in_their_length() {
        for (before, after) in [
            (r#"{"modtime":"2020-01-02T03:04:05Z"}"#, r#"{"modtime":"2023-11-14T22:13:20Z"}"#),
            (
                r#"{"modtime" : "2020-01-02T03:04:05+02:00","a":1}"#,
                r#"{"modtime" : "2023-11-14T22:13:20Z"     ,"a":1}"#,
            ),
            (
                "\"accesstime\"\n:\t\"2030-01-02T03:04:05.123456789-07:00\" }",
                "\"accesstime\"\n:\t\"2023-11-14T22:13:20Z\"                }",
            ),
            (
                r#""changetime":"2020-01-02T03:04:05Z","modtime":"2020-01-02T03:04:05Z""#,
                r#""changetime":"2023-11-14T22:13:20Z","modtime":"2023-11-14T22:13:20Z""#,
            ),
        ] {
            becomes(Rule::Set, before, after);
            becomes(Rule::Set, after, after);
        }
    }

    #[test]
    fn clamp_replaces_late_ones() {
        let early = r#"{"modtime":"2023-11-14T22:13:19.9Z","accesstime":"2023-11-15T00:13:20+02:00"}"#;
        becomes(Rule::Clamp, early, early);
        becomes(Rule::Clamp, r#"{"modtime":"2023-11-14T22:13:20.1Z"}"#, r#"{"modtime":"2023-11-14T22:13:20Z"  }"#);
    }

    #[test]
    fn what_is_no_time_of_an_entry_stays() {
        for text in [
            r#"{"modtime":"yesterday"}"#,
            r#"{"modtime":""}"#,
            r#"{"modtime":17}"#,
            r#"{"modtime":null,"x":"2020-01-02T03:04:05Z"}"#,
            r#"{"mtime":"2020-01-02T03:04:05Z","modtimes":"2020-01-02T03:04:05Z","odtime":"2020-01-02T03:04:05Z"}"#,
            r#"["modtime","2020-01-02T03:04:05Z"]"#,
            r#"{"a\"modtime":"2020-01-02T03:04:05Z","\\":"modtime","b":"2020-01-02T03:04:05Z"}"#,
            r#"{"modtime":"2020-01-02T03:04:05\u005a","x":"a \" modtime","modtime":"2020\"-"}"#,
            r#"{"modtime":"2020-01-02T03:04:05.00000000000000000000000000000000000000000Z"}"#,
            r#"{"modtime":"2020-01-02T03:04:05"#,
            r#"{"modtime":"#,
        ] {
            becomes(Rule::Set, text, text);
        }
        // A value that was no time does not hide the next.
        becomes(
            Rule::Set,
            r#"{"modtime":"\\","modtime":"\"modtime","modtime":"2020-01-02T03:04:05Z"}"#,
            r#"{"modtime":"\\","modtime":"\"modtime","modtime":"2023-11-14T22:13:20Z"}"#,
        );
        for value in [r"\\", r#"\""#, r#"x\"x"#, r"\u0022", &"x".repeat(60)] {
            let text = |time| format!(r#"{{"modtime":"{value}","modtime":"{time}"}}"#);
            becomes(Rule::Set, &text("2020-01-02T03:04:05Z"), &text("2023-11-14T22:13:20Z"));
        }
    }
}
