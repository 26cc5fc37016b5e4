//! Documents of types that restamp does not know: what they name, and the one field of theirs that has a meaning anywhere.

use std::collections::BTreeSet;

use super::descriptor::{Descriptor, DescriptorEdit, DescriptorPath, digests_in, text};
use super::json::{Json, Kind, Value};
use super::{Patch, Patched};
use crate::digest::Digest;
use crate::error::Result;

/// A JSON object of an unknown type.
#[derive(Debug)]
pub struct Unknown<'a> {
    json: Json<'a>,
}

/// Every digest that a document holds: one that can't be read as JSON here (with the same key twice, say) may be read by
/// the program that it is for, and then the content of its text counts.
pub fn digests(bytes: &[u8]) -> BTreeSet<Digest> {
    match Unknown::parse(bytes) {
        Some(document) => document.digests(),
        None => digests_in(&String::from_utf8_lossy(bytes)).collect(),
    }
}

impl<'a> Unknown<'a> {
    /// Reads a document; `None` if it is no JSON object.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let json = Json::parse(bytes).ok()?;
        (json.root().kind() == Kind::Object).then_some(Self { json })
    }

    /// `subject`, where it is a descriptor.
    pub fn subject(&self) -> Option<Descriptor> {
        let value = self.json.root().get_some("subject")?;
        Descriptor::read(value, DescriptorPath::Field("subject")).ok()
    }

    /// `artifactType`
    pub fn artifact_type(&self) -> Option<String> {
        text(self.json.root(), "artifactType")
    }

    /// Every digest in its texts and keys (`digest` of descriptors, `blobSum` of Docker's schema 1, whatever else), but for that in a `subject` which is a descriptor.
    pub fn digests(&self) -> BTreeSet<Digest> {
        let root = self.json.root();
        let subject = self.subject().map(|subject| subject.span);
        let mut found = BTreeSet::new();
        let mut pending: Vec<Value<'_>> = vec![root];
        while let Some(value) = pending.pop() {
            if subject.as_ref().is_some_and(|span| *span == value.span()) {
                continue;
            }
            match value.kind() {
                Kind::Object => {
                    for member in value.members() {
                        found.extend(digests_in(&member.key));
                        pending.push(member.value);
                    }
                }
                Kind::Array => pending.extend(value.elements()),
                Kind::String => value.as_str().iter().for_each(|text| found.extend(digests_in(text))),
                _ => {}
            }
        }
        found
    }

    /// The document about the new subject.
    ///
    /// # Errors
    ///
    /// Two changes would be made in the same place.
    pub fn patch(&self, subject: &DescriptorEdit<'_>) -> Result<Patched> {
        let mut patch = Patch::new(&self.json);
        if let Some(value) = self.json.root().get_some("subject") {
            patch.descriptor(value, "subject", subject);
        }
        patch.finish()
    }
}
