//! Changes to a document, by span: what no edit names keeps its bytes.

use std::ops::Range;

use super::json::{Json, Member, Value};
use crate::error::{Error, Result};

/// Replacements in one document.
///
/// A replacement that would write what is there already is none, so that a document that needs no change keeps
/// its digest.
#[derive(Debug)]
pub struct Edits<'a> {
    bytes: &'a [u8],
    list: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> Edits<'a> {
    /// No edits yet, of this document.
    pub fn new(json: &Json<'a>) -> Self {
        Self { bytes: json.bytes(), list: Vec::new() }
    }

    /// Would [`apply`](Self::apply) change nothing?
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts other bytes in the place of a span; was that a change?
    pub fn replace(&mut self, span: Range<usize>, new: impl Into<Vec<u8>>) -> bool {
        let new = new.into();
        if self.bytes.get(span.clone()) == Some(new.as_slice()) {
            return false;
        }
        self.list.push((span, new));
        true
    }

    /// Makes a value this string. One that says the same with other escapes is left as it is.
    pub fn string(&mut self, value: Value<'_>, text: &str) -> bool {
        if value.as_str().is_some_and(|old| old == text) {
            return false;
        }
        self.replace(value.span(), quoted(text))
    }

    /// Makes a value this number. One that is spelt otherwise but the same is left as it is.
    pub fn number(&mut self, value: Value<'_>, number: u64) -> bool {
        if value.as_u64() == Some(number) {
            return false;
        }
        self.replace(value.span(), number.to_string())
    }

    /// Gives a member another key.
    pub fn key(&mut self, member: &Member<'_>, key: &str) -> bool {
        if member.key == key {
            return false;
        }
        self.replace(member.key_span.clone(), quoted(key))
    }

    /// Removes the members of an object that `keep` refuses, each with its comma.
    pub fn retain_members(&mut self, object: Value<'_>, mut keep: impl FnMut(&Member<'_>) -> bool) -> bool {
        let items: Vec<_> = object.members().map(|member| (member.span(), keep(&member))).collect();
        self.retain(object, &items)
    }

    /// Removes the elements of an array whose flag is not set, each with its comma; those without a flag stay.
    pub fn retain_elements(&mut self, array: Value<'_>, keep: &[bool]) -> bool {
        let flags = keep.iter().copied().chain(std::iter::repeat(true));
        let items: Vec<_> = array.elements().map(|element| element.span()).zip(flags).collect();
        self.retain(array, &items)
    }

    /// Appends elements to an array.
    pub fn append_elements(&mut self, array: Value<'_>, elements: &[Vec<u8>]) {
        let last = array.elements().last();
        let mut list = elements.join(&b',');
        if last.is_some() && !list.is_empty() {
            list.insert(0, b',');
        }
        let at = last.map_or(array.span().start + 1, |last| last.span().end);
        self.replace(at..at, list);
    }

    /// Appends members, as JSON writes them, to an object.
    pub fn append_members(&mut self, object: Value<'_>, members: &[String]) {
        let last = object.members().last();
        let mut list = members.join(",");
        if last.is_some() && !list.is_empty() {
            list.insert(0, ',');
        }
        let at = last.map_or(object.span().start + 1, |last| last.span().end);
        self.replace(at..at, list);
    }

    fn retain(&mut self, container: Value<'_>, items: &[(Range<usize>, bool)]) -> bool {
        let inside = container.span().start + 1..container.span().end.saturating_sub(1);
        let mut kept_end = None;
        let mut removed: Option<Range<usize>> = None;
        for (span, keep) in items {
            if *keep {
                // Removed items before the first kept one go with the comma after them, others with the one before.
                match (removed.take(), kept_end) {
                    (Some(run), None) => self.list.push((run.start..span.start, Vec::new())),
                    (Some(run), Some(end)) => self.list.push((end..run.end, Vec::new())),
                    (None, _) => {}
                }
                kept_end = Some(span.end);
            } else {
                let start = removed.map_or(span.start, |run| run.start);
                removed = Some(start..span.end);
            }
        }
        match (removed, kept_end) {
            (Some(run), Some(end)) => self.list.push((end..run.end, Vec::new())),
            (Some(_), None) => self.list.push((inside, Vec::new())),
            (None, _) => {}
        }
        items.iter().any(|(_, keep)| !keep)
    }

    /// The edits in the order of the document, none of which touches another.
    fn into_list(mut self) -> Result<Vec<(Range<usize>, Vec<u8>)>> {
        self.list.sort_by_key(|(span, _)| (span.start, span.end));
        let mut done = 0;
        for (span, _) in &self.list {
            if span.start < done || span.end < span.start || span.end > self.bytes.len() {
                debug_assert!(false, "edits overlap at {span:?}");
                let error = Error::malformed("edit of a document", "a span of its own", format!("{span:?}"));
                return Err(error.at_offset(span.start as u64));
            }
            done = span.end;
        }
        Ok(self.list)
    }

    /// The document with all edits made.
    ///
    /// # Errors
    ///
    /// Two edits overlap.
    pub fn apply(self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.bytes.len());
        self.apply_to(&mut |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(out)
    }

    /// As [`apply`](Self::apply), piece by piece.
    ///
    /// # Errors
    ///
    /// Two edits overlap; those of `out`.
    pub fn apply_to(self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let bytes = self.bytes;
        let mut done = 0;
        for (span, new) in self.into_list()? {
            out(bytes.get(done..span.start).unwrap_or_default())?;
            out(&new)?;
            done = span.end;
        }
        out(bytes.get(done..).unwrap_or_default())
    }
}

/// A string as JSON writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
