//! Documents of unknown types: they stay, and all that they name stays with them.

use super::NewDocuments;
use crate::digest::Digest;
use crate::document::new_digest;
use crate::document::unknown::Unknown;
use crate::error::Result;
use crate::image::documents::{DocumentKind, UnknownDocument};
use crate::notice::{Notice, NoticeKind};
use crate::store::write::Content;

impl NewDocuments<'_> {
    /// A document of an unknown type: it stays, with all that it names, but for a subject that has moved.
    pub(super) fn unknown(&mut self, digest: &Digest, unknown: &UnknownDocument) -> Result<()> {
        if self.blobs.contains_key(digest) {
            return Ok(()); // on another way
        }
        let count = unknown.names.len();
        let with = match count {
            0 => "left as it is".to_owned(),
            1 => "left as it is, with the blob that it names".to_owned(),
            _ => format!("left as it is, with the {count} blobs that it names"),
        };
        let text = format!("{digest}: a document of an unknown type; {with}");
        self.warnings.push(Notice::new(NoticeKind::UnknownDocument, text));
        let subject = unknown.subject.as_ref().map(|subject| self.edit(subject)).transpose()?.flatten();
        let patched = match subject {
            Some(edit) => {
                let bytes = unknown.extent.verified_bytes(digest, None, self.set.source.limits().document_bytes)?;
                Unknown::parse(&bytes).map(|document| document.patch(&edit)).transpose()?
            }
            None => None,
        };
        match patched.filter(|patched| patched.changed) {
            Some(patched) => {
                self.note(&digest.to_string(), &patched);
                self.publish(*digest, patched.bytes)?;
            }
            None => {
                self.blobs.insert(*digest, Content::Source(unknown.extent.clone()));
            }
        }
        Ok(())
    }

    /// Keeps what documents of unknown types name: they can't follow what has moved, which is therefore there twice.
    pub(super) fn keep_named_by_unknown(&mut self) -> Result<()> {
        for (digest, extent) in
            self.set.documents.named_by_unknown(self.set.source, |digest| self.set.selection.keeps(digest))?
        {
            self.blobs.entry(digest).or_insert(Content::Source(extent));
        }
        for (digest, node) in self.set.documents.nodes.iter().filter(|(digest, _)| self.set.selection.keeps(digest)) {
            let DocumentKind::Unknown(unknown) = &node.body else { continue };
            let mut old = unknown.names.iter().filter(|name| new_digest(&self.moves, name).is_some());
            if let Some(first) = old.next() {
                let more = old.count();
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let text = format!("{digest}: names {first}{more}, which has another digest now; the old one is kept");
                self.warnings.push(Notice::new(NoticeKind::StaleDigest, text));
            }
        }
        Ok(())
    }
}
