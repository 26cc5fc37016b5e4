//! The grammar: from bytes to nodes, in one pass, with a stack of its own instead of recursion.

use super::fields::{Content, Field};
use super::text::decode;
use super::{Kind, MAX_DEPTH, MAX_NODES, Node, at_path, element_path, member_path};
use crate::error::{Error, Result, printable, quoted};
use std::borrow::Cow;

/// An array or object that has been opened and not yet closed.
#[derive(Debug)]
struct Frame {
    object: bool,
    /// What an object here is; of an array, the objects in it.
    content: Content,
    /// The field that the current key is.
    field: Option<Field>,
    /// Its node; `None` where content is only validated.
    node: Option<usize>,
    /// Where the key of the current member starts and ends.
    key: (usize, usize),
    /// How many members or elements came before the current one.
    count: usize,
}

#[derive(Debug)]
pub(super) struct Parser<'a, 'k> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Frame>,
    root: Content,
    /// The members of the root that are indexed; `None` for all.
    only: Option<&'k [&'k str]>,
}

impl<'a, 'k> Parser<'a, 'k> {
    pub(super) fn new(bytes: &'a [u8], root: Content, only: Option<&'k [&'k str]>) -> Self {
        Self { bytes, at: 0, nodes: Vec::new(), stack: Vec::new(), root, only }
    }

    pub(super) fn run(mut self) -> Result<Vec<Node>> {
        if self.bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(self.wrong("no byte order mark (RFC 8259, 8.1)"));
        }
        loop {
            // A value is due. Where it opens a container, so is the container's first value.
            if self.value()? {
                continue;
            }
            // A value is complete. Close what it completes; stop where another value is due.
            loop {
                self.space();
                let Some(frame) = self.stack.last_mut() else {
                    return if self.at == self.bytes.len() { Ok(self.nodes) } else { Err(self.wrong("the end")) };
                };
                let object = frame.object;
                match (self.bytes.get(self.at), object) {
                    (Some(b','), _) => {
                        frame.count += 1;
                        self.at += 1;
                        if object {
                            self.space();
                            self.key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => self.close()?,
                    (_, true) => return Err(self.wrong("a comma or a closing brace")),
                    (_, false) => return Err(self.wrong("a comma or a closing bracket")),
                }
            }
        }
    }

    /// Reads a value, or the opening of one: then the result is `true`, and its first value is due.
    fn value(&mut self) -> Result<bool> {
        self.space();
        let start = self.at;
        let kind = match self.bytes.get(start) {
            Some(b'{') => return self.open(Kind::Object),
            Some(b'[') => return self.open(Kind::Array),
            Some(b'"') => {
                self.string()?;
                Kind::String
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(b't') => self.literal(b"true", Kind::Bool)?,
            Some(b'f') => self.literal(b"false", Kind::Bool)?,
            Some(b'n') => self.literal(b"null", Kind::Null)?,
            _ => return Err(self.wrong("a value")),
        };
        if self.indexed() {
            self.push(kind, None, start)?;
        }
        Ok(false)
    }

    /// Is the value that is due now indexed?
    fn indexed(&self) -> bool {
        self.stack.last().is_none_or(|frame| frame.node.is_some())
    }

    fn push(&mut self, kind: Kind, field: Option<Field>, start: usize) -> Result<usize> {
        let at = self.nodes.len();
        if at >= MAX_NODES {
            let error = Error::limit("number of values in a JSON document", MAX_NODES as u64, "more");
            return Err(self.here(error));
        }
        // The document's limit is far below u32::MAX.
        self.nodes.push(Node { kind, field, start: narrow(start), end: narrow(self.at), next: narrow(at + 1) });
        Ok(at)
    }

    fn open(&mut self, kind: Kind) -> Result<bool> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.here(Error::limit("depth of a JSON document", MAX_DEPTH as u64, "more")));
        }
        let start = self.at;
        let node = if self.indexed() { Some(self.push(kind, None, start)?) } else { None };
        // A member of the root outside of the requested keys has a node, but none for its content.
        let node = node.filter(|_| self.wanted());
        self.at += 1;
        let (object, content) = (kind == Kind::Object, self.content());
        self.stack.push(Frame { object, content, field: None, node, key: (self.at, self.at), count: 0 });
        self.space();
        match (self.bytes.get(self.at), object) {
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.close()?;
                Ok(false)
            }
            (_, true) => self.key().map(|()| true),
            (_, false) => Ok(true),
        }
    }

    /// What the object is that is opened now, or what the objects of the array are.
    fn content(&self) -> Content {
        match self.stack.last() {
            None => self.root,
            Some(frame) if frame.object => frame.content.below(frame.field),
            Some(frame) => frame.content,
        }
    }

    fn wanted(&self) -> bool {
        match (self.only, self.stack.as_slice()) {
            (Some(only), [root]) if root.object => {
                root.field.is_some_and(|field| only.iter().any(|key| Field::of_key(key) == Some(field)))
            }
            _ => true,
        }
    }

    fn close(&mut self) -> Result<()> {
        self.at += 1;
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let next = self.nodes.len();
        let Some(at) = frame.node else {
            // Content was not indexed. The container itself may have been: the last node, if it has no end yet.
            if self.indexed()
                && let Some(node) = self.nodes.last_mut()
            {
                node.end = narrow(self.at);
            }
            return Ok(());
        };
        if let Some(node) = self.nodes.get_mut(at) {
            node.end = narrow(self.at);
            node.next = narrow(next);
        }
        if frame.object { self.no_key_twice(at) } else { Ok(()) }
    }

    /// A reader may take the first or the last of two members with one key: a document that means two things.
    fn no_key_twice(&self, object: usize) -> Result<()> {
        let key_of = |at: usize| self.nodes.get(at).map(|key| self.text(key.start as usize, key.end as usize));
        let mut keys: Vec<(Cow<'_, str>, usize)> = Vec::new();
        let mut at = object + 1;
        while let (Some(key), Some(value)) = (self.nodes.get(at), self.nodes.get(at + 1)) {
            let name = key.field.map(|field| field.name().into()).or_else(|| key_of(at));
            keys.push((name.unwrap_or_default(), at));
            at = value.next as usize;
        }
        keys.sort_unstable();
        let twice = keys.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0));
        let Some([(_, first), (_, second)]) = twice else { return Ok(()) };
        let [first, key] = [first, second].map(|at| key_of(*at).unwrap_or_default());
        let found = match first == key {
            true => format!("{} twice", quoted(key.as_bytes())),
            false => format!("{} twice, once as {}", quoted(first.as_bytes()), quoted(key.as_bytes())),
        };
        let error = Error::malformed("JSON object", "each key once", found);
        let start = self.nodes.get(*second).map_or(0, |node| u64::from(node.start));
        Err(at_path(error.at_offset(start), &member_path(&self.path(), &key)))
    }

    fn text(&self, start: usize, end: usize) -> Cow<'a, str> {
        decode(self.bytes.get(start..end).unwrap_or_default())
    }

    /// Reads a key and the colon after it.
    fn key(&mut self) -> Result<()> {
        let start = self.at;
        if self.bytes.get(start) != Some(&b'"') {
            if let Some(frame) = self.stack.last_mut() {
                frame.key = (start, start);
            }
            return Err(self.wrong("a key in quotes"));
        }
        self.string()?;
        let end = self.at;
        let indexed = self.indexed();
        let is_known = indexed && self.stack.last().is_some_and(|frame| frame.content == Content::Fields);
        let field = if is_known { Field::of_key(&self.text(start, end)) } else { None };
        if let Some(frame) = self.stack.last_mut() {
            (frame.key, frame.field) = ((start, end), field);
        }
        if indexed {
            self.push(Kind::String, field, start)?;
        }
        self.space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.wrong("a colon"));
        }
        self.at += 1;
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Kind> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.wrong("a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn string(&mut self) -> Result<()> {
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let escape = self.bytes.get(self.at + 1..).unwrap_or_default();
                    let length = match escape {
                        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                        [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => 6,
                        _ => return Err(self.wrong("an escape of RFC 8259")),
                    };
                    self.at += length;
                }
                Some(0x20..) => self.at += 1,
                Some(_) => return Err(self.wrong("no control character in a string")),
                None => return Err(self.wrong("the end of a string")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// `-? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)?`
    fn number(&mut self) -> Result<()> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        if !self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(self.wrong("a digit"));
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn wrong(&self, expected: &'static str) -> Error {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = match rest {
            [] => "the end of the document".to_owned(),
            _ => printable(rest.get(..20).unwrap_or(rest)),
        };
        self.here(Error::malformed("JSON", expected, found))
    }

    fn here(&self, error: Error) -> Error {
        at_path(error.at_offset(self.at as u64), &self.path())
    }

    /// The way to the value that is being read.
    fn path(&self) -> String {
        self.stack.iter().fold(String::new(), |path, frame| match frame.key {
            _ if !frame.object => element_path(&path, frame.count),
            (start, end) if start == end => path,
            (start, end) => member_path(&path, &self.text(start, end)),
        })
    }
}

/// Offsets and node numbers are below the limits of this module's parent, which are below `u32::MAX`.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
