//! Replacing the times in eStargz's table of contents, `stargz.index.json`.
//!
//! They are replaced where they are, in the same length: the table is a member of the layer, and what follows it must
//! stay where it is.

use crate::error::Result;
use crate::format::stargz::{TocScanner, TocTime};
use crate::stamp::Stamp;
use crate::tar::{ContentOut, ContentPatcher, Verdict};

/// Replaces times in a table that comes in pieces.
#[derive(Debug)]
pub(super) struct TocPatcher {
    stamp: Stamp,
    new: String,
    scanner: TocScanner,
    /// The start of a value that is held back until its end has come, and what comes with it.
    held: Vec<u8>,
    /// How many bytes have been given out.
    given: u64,
}

impl TocPatcher {
    pub(super) fn new(stamp: Stamp) -> Self {
        let (new, scanner) = (stamp.epoch.rfc3339(), TocScanner::new());
        Self { stamp, new, scanner, held: Vec::new(), given: 0 }
    }
}

impl ContentPatcher for TocPatcher {
    fn label(&self) -> &'static str {
        "toc"
    }

    /// It lags behind by one value at most.
    fn patch(&mut self, bytes: &[u8], out: &mut dyn ContentOut) -> Result<()> {
        self.held.extend_from_slice(bytes);
        let Self { stamp, new, scanner, given, held } = self;
        let mut noted = Ok(());
        scanner.push(bytes, &mut |time| {
            if stamp.replaces(time.value) && noted.is_ok() {
                noted = replace(held, *given, &time, new, out);
            }
        });
        noted?;
        let certain = self.held.len().saturating_sub(self.scanner.held());
        out.put(self.held.get(..certain).unwrap_or_default())?;
        self.held.drain(..certain);
        self.given = self.given.saturating_add(certain as u64);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn ContentOut) -> Result<Verdict> {
        out.put(&std::mem::take(&mut self.held))?;
        Ok(Verdict::Patched)
    }
}

/// Writes a time over another one in bytes that begin at `given`. The closing quote moves to the end of the new time: space
/// after a string means nothing in JSON.
fn replace(bytes: &mut [u8], given: u64, time: &TocTime<'_>, new: &str, out: &mut dyn ContentOut) -> Result<()> {
    let position = |at: u64| usize::try_from(at.checked_sub(given)?).ok();
    let (Some(start), Some(end)) = (position(time.range.start), position(time.range.end)) else { return Ok(()) };
    let Some(old) = bytes.get_mut(start..=end).filter(|old| old.len() > new.len()) else { return Ok(()) };
    let mut text = Vec::with_capacity(old.len());
    text.extend_from_slice(new.as_bytes());
    text.push(b'"');
    text.resize(old.len(), b' ');
    if *old != text {
        out.replaced(time.range.start, old, &text)?;
        old.copy_from_slice(&text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::tests::NewContent;
    use crate::stamp::{Epoch, Rule};

    /// Replaces the times of an entry in a table that comes in two pieces, cut at every place.
    #[track_caller]
    fn becomes(rule: Rule, before: &str, after: &str) {
        let stamp = Stamp { epoch: Epoch::from_seconds(1_700_000_000).unwrap(), rule };
        let [before, after] = [before, after].map(|fields| format!(r#"{{"entries":[{{{fields}}}],"x":1}}"#));
        for cut in 0..=before.len() {
            let (mut toc, mut out) = (TocPatcher::new(stamp), NewContent::default());
            let (left, right) = before.as_bytes().split_at(cut);
            toc.patch(left, &mut out).unwrap();
            toc.patch(right, &mut out).unwrap();
            assert_eq!(toc.finish(&mut out).unwrap(), Verdict::Patched);
            assert_eq!(String::from_utf8_lossy(&out.bytes), after);
            assert_eq!(out.replaced.is_empty(), before == after);
            out.explains(before.as_bytes());
        }
        assert_eq!(before.len(), after.len());
    }

    #[test]
    fn times_are_replaced_in_their_length() {
        for (before, after) in [
            (r#""modtime":"2020-01-02T03:04:05Z""#, r#""modtime":"2023-11-14T22:13:20Z""#),
            (r#""modtime" : "2020-01-02T03:04:05+02:00","a":1"#, r#""modtime" : "2023-11-14T22:13:20Z"     ,"a":1"#),
            (
                "\"accesstime\"\n:\t\"2030-01-02T03:04:05.123456789-07:00\" ",
                "\"accesstime\"\n:\t\"2023-11-14T22:13:20Z\"                ",
            ),
            (
                r#""changetime":"2020-01-02T03:04:05Z","modtime":"2020-01-02T03:04:05\u005a""#,
                r#""changetime":"2023-11-14T22:13:20Z","modtime":"2023-11-14T22:13:20Z"     "#,
            ),
        ] {
            becomes(Rule::Set, before, after);
            becomes(Rule::Set, after, after);
        }
    }

    #[test]
    fn clamp_replaces_late_ones() {
        let early = r#""modtime":"2023-11-14T22:13:19.9Z","accesstime":"2023-11-15T00:13:20+02:00""#;
        becomes(Rule::Clamp, early, early);
        becomes(Rule::Clamp, r#""modtime":"2023-11-14T22:13:20.1Z""#, r#""modtime":"2023-11-14T22:13:20Z"  "#);
    }

    #[test]
    fn what_is_no_time_of_an_entry_stays() {
        for text in [
            r#""modtime":"yesterday""#,
            r#""modtime":null,"x":"2020-01-02T03:04:05Z""#,
            r#""xattrs":{"modtime":"2020-01-02T03:04:05Z"}"#,
            r#""modtime":"2020-01-02T03:04:05.00000000000000000000000000000000000000000"#,
            r#""modtime":"2020-01-02T03:04:05"#,
        ] {
            becomes(Rule::Set, text, text);
        }
    }
}
