//! A JSON parser that remembers where everything is.
//!
//! restamp changes documents by span, so what it needs of a parser is spans: every value and every key keeps the
//! range of bytes it was read from. The grammar is RFC 8259's, nothing more. Where the bytes inside a string are
//! not UTF-8 they are tolerated, since they pass through untouched; decoded for comparison they become U+FFFD, as
//! they do in Go, whose programs are the readers of these documents.
//!
//! Nothing here recurses on the input, and a document can't ask for more memory than its limits allow.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::error::{Error, Result, printable, printable_whole};
use crate::limits::Limits;

mod fields;
mod parser;
mod text;
use fields::{Content, Field};
use parser::Parser;
use text::decode;

/// The largest document that is read: manifests are at most 4 MiB in registries, configs are smaller still.
pub const MAX_DOCUMENT: usize = Limits::DEFAULT.document_bytes as usize;
/// The largest in-toto statement: an SBOM of a large image is tens of megabytes.
pub const MAX_STATEMENT: usize = Limits::DEFAULT.statement_bytes as usize;
/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 128;
/// How many values and keys a document may have: what bounds the memory that its index takes.
pub const MAX_NODES: usize = 1 << 20;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number of any form and size.
    Number,
    /// A string.
    String,
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

impl Kind {
    /// For messages: `a string`, `an object`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// One value or key. The nodes of a document lie in the order of its bytes: a container is followed by its
/// content, an object's content is key, value, key, value.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// Of a key: the field that it is.
    field: Option<Field>,
    start: u32,
    end: u32,
    /// The first node that is not inside this one.
    next: u32,
}

/// A parsed document.
pub struct Json<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node>,
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Json").field("bytes", &self.bytes.len()).field("nodes", &self.nodes.len()).finish()
    }
}

impl<'a> Json<'a> {
    /// Parses a document of at most `MAX_DOCUMENT` bytes.
    ///
    /// # Errors
    ///
    /// It is no JSON, or beyond a limit on its bytes, values or depth.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::with_limit(bytes, MAX_DOCUMENT, Content::Fields, None)
    }

    /// As [`parse`](Self::parse), for a document without fields: every key is text of the user.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    pub fn parse_map(bytes: &'a [u8]) -> Result<Self> {
        Self::with_limit(bytes, MAX_DOCUMENT, Content::Unknown, None)
    }

    /// Parses a document of at most `MAX_STATEMENT` bytes of which only a few fields matter.
    ///
    /// All of it is validated, but of the root's members only the fields `keys` are indexed with their content; the
    /// others look like scalars or empty containers, and repeated keys inside of them are not noticed.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    pub fn parse_only(bytes: &'a [u8], keys: &[&str]) -> Result<Self> {
        Self::with_limit(bytes, MAX_STATEMENT, Content::Fields, Some(keys))
    }

    fn with_limit(bytes: &'a [u8], limit: usize, root: Content, only: Option<&[&str]>) -> Result<Self> {
        if bytes.len() > limit {
            return Err(Error::limit("size of a JSON document", limit as u64, bytes.len()));
        }
        let nodes = Parser::new(bytes, root, only).run()?;
        Ok(Self { bytes, nodes })
    }

    /// The document's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { json: self, at: 0 }
    }

    /// The outermost value, which has to be an object; `what` names the document.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn root_object(&self, what: &'static str) -> Result<Value<'_>> {
        match self.root().kind() {
            Kind::Object => Ok(self.root()),
            other => Err(Error::malformed(what, "a JSON object", other.name())),
        }
    }

    /// How many values and keys are indexed.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A parsed document has at least one value.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn node(&self, at: u32) -> Node {
        // Indices come from the parser alone, so the fallback is never taken.
        const NOTHING: Node = Node { kind: Kind::Null, field: None, start: 0, end: 0, next: u32::MAX };
        self.nodes.get(at as usize).copied().unwrap_or(NOTHING)
    }

    fn slice(&self, node: Node) -> &'a [u8] {
        self.bytes.get(node.start as usize..node.end as usize).unwrap_or_default()
    }
}

/// A value of a parsed document.
#[derive(Clone, Copy)]
pub struct Value<'j> {
    json: &'j Json<'j>,
    at: u32,
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}: {}", self.kind(), self.span(), printable(self.raw()))
    }
}

/// A member of an object.
#[derive(Debug, Clone)]
pub struct Member<'j> {
    /// The key as text: escapes resolved, bytes that are not UTF-8 replaced.
    pub key: Cow<'j, str>,
    /// Where the key is, quotes included.
    pub key_span: Range<usize>,
    /// What it is mapped to.
    pub value: Value<'j>,
    field: Option<Field>,
}

impl Member<'_> {
    /// The key's usual spelling where it is a field's, else the key: what decides whether two members are the same.
    pub fn name(&self) -> &str {
        match self.field {
            Some(field) => field.name(),
            None => &self.key,
        }
    }

    /// Is it this field, in whatever case?
    pub fn is(&self, field: &str) -> bool {
        self.name() == usual(field)
    }

    /// From the key's first quote to the value's last byte.
    pub fn span(&self) -> Range<usize> {
        self.key_span.start..self.value.span().end
    }
}

impl<'j> Value<'j> {
    fn node(self) -> Node {
        self.json.node(self.at)
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Is it `null`?
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Where it is in the document, quotes and brackets included.
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// Its bytes.
    pub fn raw(self) -> &'j [u8] {
        self.json.slice(self.node())
    }

    /// The members of an object in their order; nothing if it is none.
    pub fn members(self) -> impl Iterator<Item = Member<'j>> + use<'j> {
        let json = self.json;
        let mut content = self.content(Kind::Object);
        std::iter::from_fn(move || {
            let key = json.node(content.next()?);
            let value = Value { json, at: content.next()? };
            let (field, key_span) = (key.field, key.start as usize..key.end as usize);
            Some(Member { key: decode(json.slice(key)), key_span, value, field })
        })
    }

    /// The elements of an array in their order; nothing if it is none.
    pub fn elements(self) -> impl Iterator<Item = Value<'j>> + use<'j> {
        let json = self.json;
        self.content(Kind::Array).map(move |at| Value { json, at })
    }

    fn content(self, kind: Kind) -> impl Iterator<Item = u32> + use<'j> {
        let json = self.json;
        let node = self.node();
        let (mut at, end) = if node.kind == kind { (self.at + 1, node.next) } else { (0, 0) };
        std::iter::from_fn(move || {
            let this = at;
            (this < end).then(|| {
                at = json.node(this).next;
                this
            })
        })
    }

    /// The value of a field of an object, whose key may be in any case; `None` if it is absent or this is no object.
    pub fn get(self, field: &str) -> Option<Value<'j>> {
        let name = usual(field);
        self.members().find(|member| member.name() == name).map(|member| member.value)
    }

    /// The value of exactly this key of a map, `None` as for [`get`](Self::get) and where it is `null`.
    pub fn entry(self, key: &str) -> Option<Value<'j>> {
        self.members().find(|member| member.key == key).map(|member| member.value).filter(|value| !value.is_null())
    }

    /// As [`get`](Self::get), with a `null` taken for absent, as Go's decoder has it.
    pub fn get_some(self, field: &str) -> Option<Value<'j>> {
        self.get(field).filter(|value| !value.is_null())
    }

    /// Where parts of the text of a string are in the document.
    pub fn spans_of(self, parts: &[Range<usize>]) -> Vec<Range<usize>> {
        let start = self.span().start;
        let map = text::Map::of(self.raw());
        parts.iter().map(|part| start + map.raw(part.start)..start + map.raw(part.end)).collect()
    }

    /// The text of a string: escapes resolved, bytes that are not UTF-8 and lone surrogates replaced by U+FFFD.
    pub fn as_str(self) -> Option<Cow<'j, str>> {
        (self.kind() == Kind::String).then(|| decode(self.raw()))
    }

    /// A whole number written in digits alone, as Go reads integers: no sign, fraction or exponent.
    pub fn as_u64(self) -> Option<u64> {
        let raw = self.raw();
        if self.kind() != Kind::Number || !raw.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(raw).ok()?.parse().ok()
    }

    /// `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == b"true")
    }

    /// The way to it from the root, such as `history[3].created`; empty for the root itself.
    ///
    /// It walks the document from its start: for errors, not for loops.
    pub fn path(self) -> String {
        let mut path = String::new();
        let mut here = self.json.root();
        let inside = |value: Value<'_>| (value.at..value.node().next).contains(&self.at);
        while here.at != self.at {
            let step = match here.kind() {
                Kind::Object => here.members().find(|member| inside(member.value)).map(|member| {
                    path = member_path(&path, &member.key);
                    member.value
                }),
                _ => here.elements().enumerate().find(|(_, value)| inside(*value)).map(|(number, value)| {
                    path = element_path(&path, number);
                    value
                }),
            };
            let Some(next) = step else { break };
            here = next;
        }
        path
    }

    /// An error that says what was expected here.
    pub fn wrong(self, what: &'static str, expected: impl Into<Cow<'static, str>>) -> Error {
        let found = match self.kind() {
            kind @ (Kind::Array | Kind::Object) => kind.name().to_owned(),
            _ => printable(self.raw()),
        };
        let error = Error::malformed(what, expected, found).at_offset(self.span().start as u64);
        at_path(error, &self.path())
    }
}

/// The usual spelling of a field. One that is not in the table would be found in one spelling alone.
fn usual(field: &str) -> &str {
    let known = Field::of_key(field);
    debug_assert!(known.is_some(), "{field} is not in the table of fields");
    match known {
        Some(known) => known.name(),
        None => field,
    }
}

/// Adds a JSON path to an error; the root has none.
pub(super) fn at_path(error: Error, path: &str) -> Error {
    if path.is_empty() { error } else { error.at_entry(path) }
}

/// The path of a member: `config.Labels`, `annotations["org.example.x"]`.
pub fn member_path(object: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (plain, object.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{object}.{key}"),
        // In full: two long keys that are not the same must not have one path.
        (false, _) => format!("{object}[\"{}\"]", printable_whole(key.as_bytes())),
    }
}

/// The path of an element: `history[3]`.
pub fn element_path(array: &str, number: usize) -> String {
    format!("{array}[{number}]")
}
