//! The last check of all documents of the new image: which of them still name digests that have changed?

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::NewDocuments;
use crate::blob::for_each_chunk;
use crate::digest::Digest;
use crate::document::json::{Json, Kind, Value};
use crate::document::references::{Scanner, Target};
use crate::document::{Warning, WarningKind};
use crate::error::{Error, Result};
use crate::notice::{Notice, NoticeKind};
use crate::store::write;

/// In a document so many places are named; the others are counted.
const MAX_PLACES: usize = 16;
/// So many notices are made; the documents after that are counted.
const MAX_NOTICES: usize = 1000;
/// How much of a blob is looked at to see if it is a JSON document.
const HEAD: usize = 512;

/// What the documents of the new image must not name.
struct Gone<'d> {
    documents: &'d NewDocuments<'d>,
    /// The diff_ids that layers have now.
    diff_ids: BTreeSet<Digest>,
}

impl Gone<'_> {
    /// Has this another digest now, and does nothing of the new image have the old one?
    fn has(&self, digest: &Digest) -> bool {
        let moved = self.documents.moved(None).get(Target::Blob, digest);
        moved.is_some() && !self.documents.blobs.contains_key(digest) && !self.diff_ids.contains(digest)
    }

    /// What some bytes name of it.
    fn of(&self, bytes: &[u8]) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        let mut each = |_, digest| _ = self.has(&digest) && found.insert(digest);
        let mut scanner = Scanner::default();
        scanner.feed(bytes, &mut each);
        scanner.finish(&mut each);
        found
    }
}

impl NewDocuments<'_> {
    /// Every place in the documents of the new image that names what has another digest now: `beside` are those that are
    /// no blobs. Each document is read once.
    pub fn stale(&self, beside: &[(&'static str, Vec<u8>)]) -> Result<Vec<Notice>> {
        let diff_ids = self.layer_moves.diff_ids.values().copied().collect();
        let gone = Gone { documents: self, diff_ids };
        let mut found = Vec::new();
        for (name, bytes) in beside {
            in_document(name, bytes, &gone, &mut found);
        }
        for (new, old) in self.names() {
            let Some(content) = self.blobs.get(&new) else { continue };
            if found.len() >= MAX_NOTICES {
                let text =
                    format!("there may be more than these {MAX_NOTICES} digests in documents that are stale now");
                found.push(Notice::new(NoticeKind::More, text));
                break;
            }
            match content {
                write::Content::Bytes(bytes) => in_document(&old.to_string(), bytes, &gone, &mut found),
                write::Content::Spool(extent) | write::Content::Source(extent) => {
                    let in_blob = |e: Error| e.in_blob(old);
                    let limits = self.set.source.limits();
                    if !is_text(&mut extent.reader()?).map_err(in_blob)? {
                        continue;
                    }
                    if extent.len() <= limits.document_bytes {
                        in_document(&old.to_string(), &extent.bytes(limits.document_bytes)?, &gone, &mut found);
                        continue;
                    }
                    // Too large to be parsed: which digests it names is known, and not where.
                    let mut stale = BTreeSet::new();
                    let mut scanner = Scanner::default();
                    let mut each = |_, digest| _ = gone.has(&digest) && stale.insert(digest);
                    for_each_chunk(&mut extent.reader()?, |bytes| {
                        scanner.feed(bytes, &mut each);
                        Ok(())
                    })
                    .map_err(in_blob)?;
                    scanner.finish(&mut each);
                    if let Some(first) = stale.first() {
                        found.push(of_whole(&old.to_string(), *first, stale.len()));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The blobs that may be documents, by their new digests, and what messages call them: their old ones.
    fn names(&self) -> BTreeMap<Digest, Digest> {
        let layers: BTreeSet<&Digest> = self.layer_moves.blobs.values().collect();
        let others = self.blobs.keys().filter(|digest| !layers.contains(digest)).map(|digest| (*digest, *digest));
        let mut names: BTreeMap<Digest, Digest> = others.collect();
        names.extend(self.new.iter().map(|(old, new)| (new.digest, *old)));
        names.extend(self.configs.iter().map(|((old, ..), new)| (new.digest, *old)));
        names
    }
}

/// Does it begin as a text does? What is none is no document.
fn is_text(reader: &mut dyn std::io::Read) -> Result<bool> {
    let mut head = [0; HEAD];
    let count = crate::blob::read_full(reader, &mut head).map_err(|e| Error::io("cannot read", e))?;
    Ok(count > 0 && !head.iter().take(count).any(|byte| *byte < 0x20 && !byte.is_ascii_whitespace()))
}

/// Adds the places in a document that are stale.
fn in_document(name: &str, bytes: &[u8], gone: &Gone<'_>, found: &mut Vec<Notice>) {
    let plain = gone.of(bytes);
    // A digit may be written as an escape as well.
    let has_escapes = bytes.windows(4).any(|four| four == b"\\u00");
    if plain.is_empty() && !has_escapes {
        return;
    }
    let Ok(json) = Json::parse(bytes) else {
        found.extend(plain.first().map(|first| of_whole(name, *first, plain.len())));
        return;
    };
    let places = Places::of(json.root(), gone);
    let Some((_, first)) = places.first.first() else { return };
    // A statement is about one build, and what it says of that stays true.
    if json.root().get("_type").is_some() && json.root().get("predicateType").is_some() {
        found.push(of_whole(name, *first, places.distinct.len()));
        return;
    }
    for (value, digest) in places.first {
        found.push(Warning { path: value.path(), kind: WarningKind::StaleDigest(digest) }.notice(name));
    }
    if places.more > 0 {
        let text = format!("{name}: {} more places name old digests; left as they are", places.more);
        found.push(Notice::new(NoticeKind::StaleDigest, text));
    }
}

/// The texts and keys of a document that name what is gone, in its order.
#[derive(Default)]
struct Places<'j> {
    /// The first of them, each with the digest.
    first: Vec<(Value<'j>, Digest)>,
    /// How many there are after those.
    more: usize,
    distinct: BTreeSet<Digest>,
}

/// The content of an object or array: keys, and values.
type Content<'j> = Box<dyn Iterator<Item = (Option<Cow<'j, str>>, Value<'j>)> + 'j>;

impl<'j> Places<'j> {
    fn of(root: Value<'j>, gone: &Gone<'_>) -> Self {
        let mut places = Self::default();
        // As deep as the document, which the parser limits, and no larger.
        let mut open: Vec<Content<'j>> = vec![Box::new(std::iter::once((None, root)))];
        while let Some(content) = open.last_mut() {
            let Some((key, value)) = content.next() else {
                open.pop();
                continue;
            };
            let mut here = key.map(|key| gone.of(key.as_bytes())).unwrap_or_default();
            match value.kind() {
                Kind::Object => open.push(Box::new(value.members().map(|member| (Some(member.key), member.value)))),
                Kind::Array => open.push(Box::new(value.elements().map(|element| (None, element)))),
                Kind::String => here.extend(value.as_str().map(|text| gone.of(text.as_bytes())).unwrap_or_default()),
                Kind::Null | Kind::Bool | Kind::Number => {}
            }
            for digest in here {
                if places.first.len() < MAX_PLACES {
                    places.first.push((value, digest));
                } else {
                    places.more += 1;
                }
                places.distinct.insert(digest);
            }
        }
        places
    }
}

/// The notice for a document as a whole.
fn of_whole(name: &str, first: Digest, count: usize) -> Notice {
    let more = if count > 1 { format!(" and {} more old digests", count - 1) } else { String::new() };
    let text = format!("{name}: names {first}{more}, which no longer exists; left as it is");
    Notice::new(NoticeKind::StaleDigest, text)
}
